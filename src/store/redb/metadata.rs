//! Annotations (RFC 5464) of a mailbox, or under mailbox 0 of the server.

use std::collections::BTreeMap;

use redb::ReadableTable;

use super::read::MetaReader;
use super::schema::METADATA;
use super::txn::Txn;
use crate::mail::{MailboxId, UserId};
use crate::store::error::{Error, Result};
use crate::store::metadata::{Annotation, Annotations, EachAnnotation, check_annotations};

type Key = (u32, u32, &'static str);

/// Keys of all annotations of the mailbox.
pub(super) fn keys(user: UserId, mailbox: Option<MailboxId>) -> std::ops::Range<Key> {
    let mailbox = number(mailbox);
    (user.0, mailbox, "")..(user.0, mailbox.saturating_add(1), "")
}

fn number(mailbox: Option<MailboxId>) -> u32 {
    mailbox.map_or(0, |mailbox| mailbox.0)
}

impl Txn<'_> {
    pub(super) fn set_metadata(
        &mut self,
        user: UserId,
        mailbox: Option<MailboxId>,
        changes: &[Annotation],
    ) -> Result<()> {
        // One user's mailboxes are none to another (I10).
        if let Some(mailbox) = mailbox
            && self.mailbox(mailbox)?.user != user
        {
            return Err(Error::NoMailbox);
        }
        let mut lens = BTreeMap::new();
        for entry in self.tables.metadata.range(keys(user, mailbox))? {
            let (key, value) = entry?;
            lens.insert(key.value().2.to_owned(), value.value().len());
        }
        check_annotations(lens, changes)?;
        self.mark_written();
        self.changed.entry(user).or_default().metadata = true;
        for (entry, value) in changes {
            let key = (user.0, number(mailbox), entry.as_str());
            match value {
                Some(value) => drop(self.tables.metadata.insert(key, value.as_slice())?),
                None => drop(self.tables.metadata.remove(key)?),
            }
        }
        Ok(())
    }

    /// Of a mailbox that is deleted.
    pub(super) fn remove_metadata(&mut self, user: UserId, mailbox: MailboxId) -> Result<()> {
        self.tables.metadata.retain_in(keys(user, Some(mailbox)), |_, _| false)?;
        Ok(())
    }
}

impl MetaReader {
    pub(super) fn all_metadata(&self, user: UserId, each: &mut EachAnnotation<'_>) -> Result<()> {
        for entry in self.meta.open_table(METADATA)?.range((user.0, 0, "")..(user.0 + 1, 0, ""))? {
            let (key, value) = entry?;
            let (_, mailbox, entry) = key.value();
            each((mailbox > 0).then_some(MailboxId(mailbox)), entry, value.value());
        }
        Ok(())
    }

    pub(super) fn metadata(&self, user: UserId, mailbox: Option<MailboxId>) -> Result<Annotations> {
        // A mailbox of another user has no rows under this one.
        let mut found = Annotations::new();
        for entry in self.meta.open_table(METADATA)?.range(keys(user, mailbox))? {
            let (key, value) = entry?;
            found.insert(key.value().2.to_owned(), value.value().to_vec());
        }
        Ok(found)
    }
}
