//! What an operation can do, by the methods of [`Txn`].

use redb::ReadableTable;

use super::row::{decode_ranges, encode_ranges};
use super::schema::upkept;
use super::txn::Txn;
use crate::mail::{AccountId, BodyId, MailboxId, MailboxName, SpecialUse, Uid, UidSet, UserId};
use crate::store::check::Fix;
use crate::store::error::{Error, Result};
use crate::store::metadata::Annotation;
use crate::store::seam::MetaTxn;
use crate::store::types::{
    AccountView, Appended, Copied, Delivered, Delivery, FlagChange, FlagsStored, LedgerChange, NewMessage, PollState,
    Record, Trouble,
};
use crate::store::upkeep::Upkept;

impl MetaTxn for Txn<'_> {
    fn ensure_user(&mut self, name: &str) -> Result<UserId> {
        self.ensure_user(name)
    }

    fn ensure_account(&mut self, user: UserId, name: &str) -> Result<AccountId> {
        self.ensure_account(user, name)
    }

    fn create_mailbox(
        &mut self,
        user: UserId,
        name: &MailboxName,
        special_use: Option<SpecialUse>,
    ) -> Result<MailboxId> {
        self.create_mailbox(user, name, special_use)
    }

    fn delete_mailbox(&mut self, user: UserId, name: &MailboxName) -> Result<()> {
        self.delete_mailbox(user, name)
    }

    fn rename_mailbox(&mut self, user: UserId, from: &MailboxName, to: &MailboxName) -> Result<()> {
        self.rename_mailbox(user, from, to)
    }

    fn set_account_views(&mut self, user: UserId, views: &[AccountView]) -> Result<Vec<MailboxName>> {
        self.set_account_views(user, views)
    }

    fn set_subscribed(&mut self, user: UserId, name: &MailboxName, subscribed: bool) -> Result<()> {
        self.set_subscribed(user, name, subscribed)
    }

    fn set_metadata(&mut self, user: UserId, mailbox: Option<MailboxId>, changes: &[Annotation]) -> Result<()> {
        self.set_metadata(user, mailbox, changes)
    }

    fn append(&mut self, mailbox: MailboxId, messages: &[NewMessage]) -> Result<Appended> {
        self.append(mailbox, messages)
    }

    fn replace(&mut self, from: MailboxId, old: Uid, to: MailboxId, new: &NewMessage) -> Result<Option<Appended>> {
        self.replace(from, old, to, new)
    }

    fn set_flags(&mut self, mailbox: MailboxId, uids: &UidSet, change: &FlagChange) -> Result<FlagsStored> {
        self.set_flags(mailbox, uids, change)
    }

    fn copy(&mut self, from: MailboxId, uids: &UidSet, to: MailboxId) -> Result<Copied> {
        self.copy(from, uids, to)
    }

    fn move_messages(&mut self, from: MailboxId, uids: &UidSet, to: MailboxId) -> Result<Copied> {
        self.move_messages(from, uids, to)
    }

    fn expunge(&mut self, mailbox: MailboxId, only: Option<&UidSet>) -> Result<UidSet> {
        self.expunge(mailbox, only)
    }

    fn deliver(&mut self, delivery: &Delivery) -> Result<Delivered> {
        self.deliver(delivery)
    }

    fn change_ledger(&mut self, account: AccountId, changes: &[LedgerChange]) -> Result<()> {
        self.change_ledger(account, changes)
    }

    fn set_trouble(&mut self, account: AccountId, key: &[u8], trouble: Option<Trouble>) -> Result<()> {
        self.set_trouble(account, key, trouble)
    }

    fn quarantine(
        &mut self,
        account: AccountId,
        key: &[u8],
        mailbox: MailboxId,
        messages: &[NewMessage],
    ) -> Result<()> {
        self.quarantine(account, key, mailbox, messages)
    }

    fn change_poll_state(&mut self, account: AccountId, change: &dyn Fn(&mut PollState)) -> Result<PollState> {
        self.change_poll_state(account, change)
    }

    fn save_recent_mark(&mut self, mailbox: MailboxId) -> Result<()> {
        let mark = self.shared.recent_mark(mailbox);
        match self.mailbox(mailbox) {
            Ok(row) if row.counts.recent_from < mark => self.mailbox_mut(mailbox).map(drop),
            Ok(_) | Err(Error::NoMailbox) => Ok(()),
            Err(e) => Err(e),
        }
    }

    fn forget_bodies(&mut self, bodies: &[BodyId]) -> Result<()> {
        self.mark_written();
        for body in bodies {
            self.tables.env.remove(body.0)?;
            self.tables.dead.remove(body.0)?;
        }
        Ok(())
    }

    fn note_upkeep(&mut self, what: Upkept, at: i64) -> Result<()> {
        self.mark_written();
        let at = u64::try_from(at).unwrap_or(0);
        self.tables.global.insert(upkept(what), at.to_le_bytes().as_slice())?;
        Ok(())
    }

    fn repair(&mut self, fixes: &[Fix]) -> Result<()> {
        self.repair(fixes)
    }

    fn set_record(&mut self, body: BodyId, record: &Record) -> Result<()> {
        self.set_record(body, record)
    }

    fn merge_expunged(&mut self, mailbox: MailboxId, rows: usize) -> Result<()> {
        self.mark_written();
        let (mut ranges, mut mod_seqs) = (Vec::new(), Vec::new());
        for entry in self.tables.expunge.range((mailbox.0, 0)..=(mailbox.0, u64::MAX))?.take(rows) {
            let (key, row) = entry?;
            decode_ranges(row.value(), &mut ranges)?;
            mod_seqs.push(key.value().1);
        }
        let Some(highest) = mod_seqs.pop() else { return Ok(()) };
        for mod_seq in mod_seqs {
            self.tables.expunge.remove((mailbox.0, mod_seq))?;
        }
        let merged: UidSet = ranges.into_iter().collect();
        self.tables.expunge.insert((mailbox.0, highest), encode_ranges(&merged).as_slice())?;
        Ok(())
    }

    #[cfg(test)]
    fn rows(&mut self, write: super::WriteRows<'_>) -> Result<()> {
        write(self)
    }
}
