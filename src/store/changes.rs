//! Mailboxes, their versions and their changes, read from the files.

use std::collections::HashMap;
use std::sync::Arc;

use redb::ReadableTable;

use super::error::{Error, Result};
use super::reader::Reader;
use super::row::{MailboxRow, UidlRow, UserState, decode_ranges};
use super::schema::{EXPUNGE, MAILBOX, MAILBOX_NAME, MSGBLK, SUBSCRIPTION, UIDL, USER_STATE};
use super::snapshot::{Block, Delta, Snapshot};
use super::types::{LedgerRow, Mailbox};
use crate::mail::{AccountId, BodyId, Keyword, MailboxId, MailboxName, ModSeq, Uid, UserId};

impl Reader {
    pub(super) fn mailbox_row(&self, mailbox: MailboxId) -> Result<MailboxRow> {
        let found = self.meta.open_table(MAILBOX)?.get(mailbox.0)?;
        MailboxRow::decode(found.ok_or(Error::NoMailbox)?.value())
    }

    pub(super) fn mailbox(&self, user: UserId, name: &MailboxName) -> Result<Option<Mailbox>> {
        let found = self.meta.open_table(MAILBOX_NAME)?.get((user.0, name.as_str()))?;
        found.map(|id| self.describe(MailboxId(id.value()))).transpose()
    }

    /// Ordered by name, INBOX first.
    pub(super) fn mailboxes(&self, user: UserId) -> Result<Vec<Mailbox>> {
        let mut all = Vec::new();
        for entry in self.meta.open_table(MAILBOX_NAME)?.range((user.0, "")..(user.0 + 1, ""))? {
            all.push(self.describe(MailboxId(entry?.1.value()))?);
        }
        all.sort_by(|a, b| (!a.name.is_inbox(), &a.name).cmp(&(!b.name.is_inbox(), &b.name)));
        Ok(all)
    }

    /// Messages in all mailboxes.
    pub(super) fn messages(&self) -> Result<u64> {
        let mut messages = 0;
        for entry in self.meta.open_table(MAILBOX)?.iter()? {
            messages += u64::from(MailboxRow::decode(entry?.1.value())?.counts.exists);
        }
        Ok(messages)
    }

    fn describe(&self, id: MailboxId) -> Result<Mailbox> {
        let row = self.mailbox_row(id)?;
        let MailboxRow { name, uid_validity, special_use, counts, .. } = row;
        Ok(Mailbox { id, name, uid_validity, special_use, counts })
    }

    pub(super) fn subscriptions(&self, user: UserId) -> Result<Vec<MailboxName>> {
        let mut names = Vec::new();
        for entry in self.meta.open_table(SUBSCRIPTION)?.range((user.0, "")..(user.0 + 1, ""))? {
            let name = MailboxName::new(entry?.0.value().1);
            names.push(name.map_err(|_| Error::Damaged("a subscribed name cannot be read".to_owned()))?);
        }
        names.sort_by(|a, b| (!a.is_inbox(), a).cmp(&(!b.is_inbox(), b)));
        Ok(names)
    }

    pub(super) fn keywords(&self, user: UserId) -> Result<Vec<Keyword>> {
        let found = self.meta.open_table(USER_STATE)?.get(user.0)?;
        found.map_or_else(|| Ok(Vec::new()), |row| Ok(UserState::decode(row.value())?.keywords))
    }

    pub(super) fn snapshot(&self, mailbox: MailboxId) -> Result<Snapshot> {
        let row = self.mailbox_row(mailbox)?;
        let keywords = Arc::new(self.keywords(row.user)?);
        let mut blocks = Vec::new();
        self.blocks(mailbox, ModSeq(0), |block| blocks.push(Arc::new(block)))?;
        Ok(Snapshot::new(mailbox, row.uid_validity, row.counts, keywords, blocks))
    }

    /// Blocks of the mailbox that changed after `since`, ascending. The others are not even decoded.
    pub(super) fn blocks(&self, mailbox: MailboxId, since: ModSeq, mut f: impl FnMut(Block)) -> Result<()> {
        for entry in self.meta.open_table(MSGBLK)?.range((mailbox.0, 0)..=(mailbox.0, u32::MAX))? {
            let (key, bytes) = entry?;
            if Block::peek_max_mod_seq(bytes.value())? > since {
                f(Block::decode(key.value().1, bytes.value())?);
            }
        }
        Ok(())
    }

    pub(super) fn changes_since(&self, mailbox: MailboxId, since: ModSeq) -> Result<Delta> {
        self.mailbox_row(mailbox)?;
        let mut delta = Delta::default();
        self.blocks(mailbox, since, |block| {
            delta.changed.extend(block.messages.iter().filter(|m| m.mod_seq > since).map(|m| m.uid));
        })?;
        let mut ranges = Vec::new();
        let after = since.0.saturating_add(1);
        for entry in self.meta.open_table(EXPUNGE)?.range((mailbox.0, after)..=(mailbox.0, u64::MAX))? {
            decode_ranges(entry?.1.value(), &mut ranges)?;
        }
        delta.vanished = ranges.into_iter().collect();
        Ok(delta)
    }

    /// The ledger of an account, with where each message is now.
    pub(super) fn ledger(&self, account: AccountId) -> Result<HashMap<Vec<u8>, LedgerRow>> {
        let mut rows = Vec::new();
        for entry in self.meta.open_table(UIDL)?.range((account.0, &[][..])..(account.0 + 1, &[][..]))? {
            let (key, row) = entry?;
            rows.push((key.value().1.to_vec(), UidlRow::decode(row.value())?));
        }
        if rows.is_empty() {
            return Ok(HashMap::new());
        }
        let places = self.places(account)?;
        let ledger = rows.into_iter().map(|(unique_id, row)| {
            let message = places.get(&row.body).copied();
            let UidlRow { state, body, listed_size, header_hash, stored_at, content } = row;
            let body = Some(body).filter(|body| body.0 != 0);
            (unique_id, LedgerRow { state, message, body, listed_size, header_hash, stored_at, content })
        });
        Ok(ledger.collect())
    }

    /// One place of each body among the messages that came from the account.
    fn places(&self, account: AccountId) -> Result<HashMap<BodyId, (MailboxId, Uid)>> {
        let mut places = HashMap::new();
        let Some(user) = self.account_user(account)? else { return Ok(places) };
        for entry in self.meta.open_table(MAILBOX_NAME)?.range((user.0, "")..(user.0 + 1, ""))? {
            let mailbox = MailboxId(entry?.1.value());
            self.blocks(mailbox, ModSeq(0), |block| {
                let own = block.messages.iter().filter(|m| m.account == Some(account));
                places.extend(own.map(|m| (m.body, (mailbox, m.uid))));
            })?;
        }
        Ok(places)
    }

    fn account_user(&self, account: AccountId) -> Result<Option<UserId>> {
        for entry in self.meta.open_table(super::schema::ACCOUNT)?.iter()? {
            let (key, id) = entry?;
            if id.value() == account.0 {
                return Ok(Some(UserId(key.value().0)));
            }
        }
        Ok(None)
    }
}
