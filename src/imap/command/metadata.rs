//! GETMETADATA and SETMETADATA (RFC 5464), and what LIST tells of annotations (RFC 9590).
//!
//! Every mailbox belongs to one user, so its /shared entries are that user's like its /private ones. Of the server, the
//! /private entries are kept for each user; its /shared ones are the administrator's: they say which accounts the
//! user has.

use std::collections::BTreeMap;

use crate::imap::accounts::Accounts;
use crate::imap::codec::command::{Annotated, GetMetadataArgs, MetadataDepth, SetMetadataArgs};
use crate::imap::codec::write;
use crate::imap::conn::Output;
use crate::imap::error::{CommandError, CommandResult, Done};
use crate::imap::session::Authenticated;
use crate::mail::MailboxId;
use crate::store::{self, Annotations, MAX_ANNOTATION, Mailbox};

/// Longest name of an entry.
const MAX_ENTRY: usize = 255;

/// Shows the special use of a mailbox, which CREATE gives it (RFC 6154 section 4).
const SPECIAL_USE: &str = "/private/specialuse";

pub(in crate::imap) async fn get(cx: &Authenticated<'_>, args: &GetMetadataArgs, out: &mut Output) -> CommandResult {
    let wanted = names(&args.entries)?;
    let mailbox = find(cx, &args.of).await?;
    let known = annotations(cx, mailbox.as_ref()).await?;
    let (mut found, mut longest) = (Vec::new(), None);
    for (entry, value) in select(&known, &wanted, args.depth) {
        match value.filter(|value| args.max_size.is_some_and(|max| value.len() as u64 > max)) {
            Some(value) => longest = longest.max(Some(value.len())),
            None => found.push((entry, value)),
        }
    }
    let name = mailbox.as_ref().map_or("", |mailbox| mailbox.name.as_str());
    response(cx, name, &found, out);
    match longest {
        Some(longest) => Done::code(format!("METADATA LONGENTRIES {longest}")),
        None => Done::ok(),
    }
}

pub(in crate::imap) async fn set(cx: &Authenticated<'_>, args: SetMetadataArgs) -> CommandResult {
    let mut changes = Vec::with_capacity(args.entries.len());
    for (entry, value) in args.entries {
        let entry = name(&entry)?.to_ascii_lowercase();
        if !entry.starts_with("/private/") && !entry.starts_with("/shared/") {
            return Err(CommandError::Bad("An entry begins with /private/ or /shared/"));
        }
        changes.push((entry, value));
    }
    let mailbox = find(cx, &args.of).await?.map(|mailbox| mailbox.id);
    let is_fixed = |entry: &str| match mailbox {
        Some(_) => entry == SPECIAL_USE || Accounts::is_fixed(entry),
        None => entry.starts_with("/shared/"),
    };
    if changes.iter().any(|(entry, _)| is_fixed(entry)) {
        return Err(CommandError::No(Some("NOPERM"), "The entry cannot be changed"));
    }
    if changes.iter().any(|(_, value)| value.as_ref().is_some_and(|value| value.len() > MAX_ANNOTATION)) {
        return Err(CommandError::NoWith(format!("METADATA MAXSIZE {MAX_ANNOTATION}"), "The value is too long"));
    }
    match cx.store.set_metadata(cx.login.id, mailbox, changes).await {
        Ok(()) => Done::ok(),
        Err(store::Error::Limit(_)) => Err(CommandError::No(Some("METADATA TOOMANY"), "Too many annotations")),
        Err(error) => Err(error.into()),
    }
}

/// The METADATA response that follows the LIST response of a mailbox (RFC 9590 section 4).
pub(in crate::imap) async fn line(
    cx: &Authenticated<'_>,
    mailbox: &Mailbox,
    entries: &[Vec<u8>],
    out: &mut Output,
) -> Result<(), CommandError> {
    let wanted = names(entries)?;
    let known = annotations(cx, Some(mailbox)).await?;
    response(cx, mailbox.name.as_str(), &select(&known, &wanted, MetadataDepth::Zero), out);
    Ok(())
}

async fn find(cx: &Authenticated<'_>, of: &Annotated) -> Result<Option<Mailbox>, CommandError> {
    match of {
        Annotated::Server => Ok(None),
        Annotated::Mailbox(name) => cx.mailbox(name).await.map(Some),
    }
}

async fn annotations(cx: &Authenticated<'_>, mailbox: Option<&Mailbox>) -> Result<Annotations, CommandError> {
    let id: Option<MailboxId> = mailbox.map(|mailbox| mailbox.id);
    let mut known = cx.store.metadata(cx.login.id, id).await?;
    if let Some(special_use) = mailbox.and_then(|mailbox| mailbox.special_use) {
        known.insert(SPECIAL_USE.to_owned(), special_use.attribute().as_bytes().to_vec());
    }
    let name = mailbox.map(|mailbox| &mailbox.name);
    cx.deps.settings.accounts.annotate(&cx.login.user.name, name, &mut known);
    Ok(known)
}

/// The names of entries (RFC 5464 section 3.2), each once.
pub(in crate::imap) fn names(entries: &[Vec<u8>]) -> Result<Vec<&str>, CommandError> {
    let mut wanted: BTreeMap<String, &str> = BTreeMap::new();
    let mut order = Vec::new();
    for entry in entries {
        let entry = name(entry)?;
        if wanted.insert(entry.to_ascii_lowercase(), entry).is_none() {
            order.push(entry);
        }
    }
    Ok(order)
}

/// RFC 5464 section 3.2: below /private or /shared, of printable ASCII without `*` and `%`, no empty component.
fn name(entry: &[u8]) -> Result<&str, CommandError> {
    let text = std::str::from_utf8(entry).ok();
    let text = text.filter(|text| text.bytes().all(|b| matches!(b, b' '..=b'~') && !matches!(b, b'*' | b'%')));
    let text = text.ok_or(CommandError::Bad("An entry is of ASCII without wildcards and control characters"))?;
    if text.len() > MAX_ENTRY {
        return Err(CommandError::Bad("The name of the entry is too long"));
    }
    let mut components = text.split('/');
    let (before, top) = (components.next(), components.next().unwrap_or_default());
    if before != Some("") || !(top.eq_ignore_ascii_case("private") || top.eq_ignore_ascii_case("shared")) {
        return Err(CommandError::Bad("An entry begins with /private or /shared"));
    }
    if components.any(str::is_empty) {
        return Err(CommandError::Bad("The name of an entry has no empty component"));
    }
    Ok(text)
}

/// What is known of the entries, in the order asked for. Without a depth each is answered, NIL where there is no value;
/// with one, those that have a value.
fn select<'a>(known: &'a Annotations, wanted: &[&'a str], depth: MetadataDepth) -> Vec<(&'a str, Option<&'a [u8]>)> {
    let mut found = Vec::new();
    for entry in wanted {
        let lower = entry.to_ascii_lowercase();
        let own = known.get(&lower).map(Vec::as_slice);
        if own.is_some() || depth == MetadataDepth::Zero {
            found.push((*entry, own));
        }
        let top = format!("{lower}/");
        let below = known.range(top.clone()..).take_while(|(entry, _)| entry.starts_with(&top));
        let is_near = |entry: &str| match depth {
            MetadataDepth::Zero => false,
            MetadataDepth::One => !entry.strip_prefix(&top).unwrap_or_default().contains('/'),
            MetadataDepth::Infinity => true,
        };
        found.extend(below.filter(|(e, _)| is_near(e)).map(|(e, value)| (e.as_str(), Some(value.as_slice()))));
    }
    if depth != MetadataDepth::Zero {
        // What is below one of them may have been asked for by name too.
        let mut seen = std::collections::HashSet::new();
        found.retain(|(entry, _)| seen.insert(entry.to_ascii_lowercase()));
    }
    found
}

/// `metadata-resp = "METADATA" SP mailbox SP entry-values` (RFC 5464 section 4.4.1); none without values.
fn response(cx: &Authenticated<'_>, mailbox: &str, found: &[(&str, Option<&[u8]>)], out: &mut Output) {
    if found.is_empty() {
        return;
    }
    out.push("* METADATA ");
    let buf = out.buf();
    write::mailbox(buf, mailbox, cx.features.utf8_names());
    for (index, (entry, value)) in found.iter().enumerate() {
        buf.extend_from_slice(if index == 0 { b" (" } else { b" " });
        write::astring(buf, entry.as_bytes());
        buf.push(b' ');
        write::value(buf, *value);
    }
    buf.extend_from_slice(b")\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_entries() {
        for good in ["/private/comment", "/Shared/vendor/a b]", "/private", "/SHARED"] {
            assert!(name(good.as_bytes()).is_ok(), "{good}");
        }
        for bad in [
            "",
            "/",
            "private/a",
            "/private/",
            "/private//a",
            "/private/a/",
            "/privat/a",
            "/privates",
            "//private/a",
            "/private/a*",
            "/private/%",
            "/private/\u{e9}",
            "/private/a\u{1f}",
            "/private/a\u{7f}",
            "comment",
        ] {
            assert!(name(bad.as_bytes()).is_err(), "{bad}");
        }
        let long = |len: usize| format!("/private/{}", "a".repeat(len - 9));
        assert!(name(long(MAX_ENTRY).as_bytes()).is_ok() && name(long(MAX_ENTRY + 1).as_bytes()).is_err());
    }

    #[test]
    fn depth_reaches_so_far_below() {
        let known: Annotations = ["/private/a", "/private/a/b", "/private/a/b/c", "/private/a-b", "/private/d/e"]
            .map(|e| (e.to_owned(), b"x".to_vec()))
            .into();
        let of = |wanted: &[&'static str], depth| -> Vec<String> {
            let found = select(&known, wanted, depth);
            found.iter().map(|(e, value)| format!("{e}{}", if value.is_some() { "" } else { " NIL" })).collect()
        };
        assert_eq!(of(&["/Private/A", "/private/x"], MetadataDepth::Zero), ["/Private/A", "/private/x NIL"]);
        assert_eq!(of(&["/private/a", "/private/x"], MetadataDepth::One), ["/private/a", "/private/a/b"]);
        assert_eq!(of(&["/private/d"], MetadataDepth::One), ["/private/d/e"]);
        assert_eq!(
            of(&["/private/a", "/private/a/b"], MetadataDepth::One),
            ["/private/a", "/private/a/b", "/private/a/b/c"]
        );
        assert_eq!(of(&["/private"], MetadataDepth::One), ["/private/a", "/private/a-b"]);
        assert_eq!(of(&["/private"], MetadataDepth::Infinity).len(), 5);
        assert!(of(&["/shared"], MetadataDepth::Infinity).is_empty());
    }
}
