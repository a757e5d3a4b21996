//! Annotations and conversations.

use redb::ReadableTable;

use super::super::open::global_number;
use super::super::schema::{GLOBAL, METADATA, THREAD, global};
use super::Check;
use crate::store::check::Fix;
use crate::store::error::Result;
use crate::store::metadata::MAX_ANNOTATION;

impl Check<'_> {
    pub(super) fn metadata(&mut self) -> Result<()> {
        for entry in self.reader.meta.open_table(METADATA)?.iter()? {
            let (key, value) = entry?;
            let (user, mailbox, _) = key.value();
            let is_own = match mailbox {
                0 => self.users.contains_key(&user),
                _ => self.mailboxes.get(&mailbox).is_some_and(|row| row.user.0 == user),
            };
            self.problem(!is_own, None, || {
                format!("an annotation of mailbox {mailbox}, which user {user} does not have")
            });
            self.problem(value.value().len() > MAX_ANNOTATION, None, || {
                format!("user {user}: too long an annotation of mailbox {mailbox}")
            });
        }
        Ok(())
    }

    pub(super) fn threads(&mut self) -> Result<()> {
        let next = self.next_thread()?;
        for entry in self.reader.meta.open_table(THREAD)?.iter()? {
            let (key, thread) = entry?;
            let (user, thread) = (key.value().0, thread.value());
            let is_known = self.users.contains_key(&user);
            self.problem(!is_known || thread == 0, None, || format!("user {user}: a key of conversation {thread}"));
            self.problem(thread >= next, Fix::Ids, || format!("conversation {thread} is not below next_thread {next}"));
        }
        Ok(())
    }

    pub(super) fn next_thread(&self) -> Result<u64> {
        Ok(global_number(&self.reader.meta.open_table(GLOBAL)?, global::NEXT_THREAD)?.max(1))
    }
}
