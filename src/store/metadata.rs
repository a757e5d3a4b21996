//! Annotations (RFC 5464) of mailboxes and of the server. Each mailbox has one user, who sees all of its annotations,
//! private and shared, and nobody else does; those of the server are kept for each user.

use std::collections::BTreeMap;

use super::Store;
use super::error::{Error, Result};
use crate::mail::{MailboxId, UserId};

/// Most octets of a value.
pub const MAX_ANNOTATION: usize = 64 << 10;

/// Most annotations of a mailbox, or of the server.
pub const MAX_ANNOTATIONS: usize = 1_000;

/// Most octets that they take together, names and values.
pub const MAX_ANNOTATIONS_LEN: usize = 1 << 20;

/// Values by entry name; names are in lower case (RFC 5464 section 3.2: they compare without case).
pub type Annotations = BTreeMap<String, Vec<u8>>;

/// Takes an annotation: whose, its name and its value.
pub type EachAnnotation<'a> = dyn FnMut(Option<MailboxId>, &str, &[u8]) + 'a;

/// What an annotation had as its value, by what it belongs to and its name.
pub type MetadataPrints = BTreeMap<(Option<MailboxId>, String), [u8; 16]>;

/// What tells one value of an annotation from another.
pub fn metadata_print(value: &[u8]) -> [u8; 16] {
    blake3::hash(value).as_bytes().first_chunk().copied().unwrap_or_default()
}

/// A new value of an entry, or none.
pub type Annotation = (String, Option<Vec<u8>>);

/// What every back-end refuses before it writes. `lens`: of the values that there are.
pub(super) fn check_annotations(mut lens: BTreeMap<String, usize>, changes: &[Annotation]) -> Result<()> {
    for (entry, value) in changes {
        match value.as_ref().map(Vec::len) {
            Some(len) if len > MAX_ANNOTATION => return Err(Error::Limit("octets of an annotation")),
            Some(len) => drop(lens.insert(entry.clone(), len)),
            None => drop(lens.remove(entry)),
        }
    }
    let octets: usize = lens.iter().map(|(entry, len)| entry.len() + len).sum();
    let fits = lens.len() <= MAX_ANNOTATIONS && octets <= MAX_ANNOTATIONS_LEN;
    if fits { Ok(()) } else { Err(Error::Limit("annotations of a mailbox")) }
}

impl Store {
    /// The annotations of one of the user's mailboxes, or (`None`) those of the server that are the user's.
    pub async fn metadata(&self, user: UserId, mailbox: Option<MailboxId>) -> Result<Annotations> {
        self.read(move |reader| reader.meta.metadata(user, mailbox)).await
    }

    /// A fingerprint of each annotation of the user, by what it belongs to (`None`: the server) and its name; `None` where
    /// there are more than `most`.
    pub async fn metadata_prints(&self, user: UserId, most: usize) -> Result<Option<MetadataPrints>> {
        self.read(move |reader| {
            let mut prints = MetadataPrints::new();
            let mut is_whole = true;
            reader.meta.all_metadata(user, &mut |mailbox, entry, value| {
                is_whole = is_whole && prints.len() < most;
                if is_whole {
                    prints.insert((mailbox, entry.to_owned()), metadata_print(value));
                }
            })?;
            Ok(is_whole.then_some(prints))
        })
        .await
    }

    /// Sets and removes annotations, all or none. [`Error::Limit`] past [`MAX_ANNOTATION`], [`MAX_ANNOTATIONS`] or
    /// [`MAX_ANNOTATIONS_LEN`].
    pub async fn set_metadata(&self, user: UserId, mailbox: Option<MailboxId>, changes: Vec<Annotation>) -> Result<()> {
        self.write(move |txn| txn.set_metadata(user, mailbox, &changes)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(lens: &BTreeMap<String, usize>, changes: &[(&str, Option<usize>)]) -> bool {
        let changes: Vec<Annotation> =
            changes.iter().map(|(entry, len)| ((*entry).to_owned(), len.map(|len| vec![0; len]))).collect();
        check_annotations(lens.clone(), &changes).is_ok()
    }

    #[test]
    fn limits_of_annotations() {
        let none = BTreeMap::new();
        assert!(fits(&none, &[("a", Some(MAX_ANNOTATION))]) && !fits(&none, &[("a", Some(MAX_ANNOTATION + 1))]));
        let nearly: BTreeMap<String, usize> = (1..MAX_ANNOTATIONS).map(|n| (n.to_string(), 1)).collect();
        assert!(fits(&nearly, &[("a", Some(1))]));
        assert!(!fits(&nearly, &[("a", Some(1)), ("b", Some(1))]));
        assert!(fits(&nearly, &[("a", Some(1)), ("b", Some(1)), ("1", None)]));
        assert!(fits(&nearly, &[("a", Some(1)), ("1", Some(2))]));
        let full: BTreeMap<String, usize> =
            (0..16).map(|n| (format!("{n:x}"), (MAX_ANNOTATIONS_LEN / 16) - 1)).collect();
        assert!(fits(&full, &[("f", Some(MAX_ANNOTATION - 1))]) && !fits(&full, &[("f", Some(MAX_ANNOTATION))]));
        assert!(!fits(&full, &[("a1", Some(0))]) && fits(&full, &[("a1", Some(0)), ("f", None)]));
    }
}
