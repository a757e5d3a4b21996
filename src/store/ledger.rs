//! The ledger: what was taken from each maildrop, by unique-id (I3).

use std::collections::HashMap;

use super::Store;
use super::error::{Error, Result};
use super::seam::MetaTxn;
use super::types::{Delivered, Delivery, LedgerChange, LedgerRow, NewMessage, PollState, Trouble};
use crate::mail::{AccountId, MailboxId};

/// The ledger key of a message whose server has no unique-ids. RFC 1939 section 7: a unique-id is of characters 0x21 to
/// 0x7E, so none starts with this byte.
pub fn content_key(hash: &[u8; 32]) -> Vec<u8> {
    [&[0], hash.as_slice()].concat()
}

/// What a ledger row keeps of the BLAKE3 of a message.
pub fn half(hash: &[u8; 32]) -> [u8; 16] {
    let (half, _) = hash.split_at(16);
    half.try_into().unwrap_or_default()
}

/// The ledger key of a message that `first_poll` left where it is and whose server has no unique-ids: what TOP and LIST tell
/// of it.
pub fn header_key(hash: &[u8; 16], listed_size: u64) -> Vec<u8> {
    [&[2], hash.as_slice(), &listed_size.to_be_bytes()].concat()
}

/// The ledger and what else is kept of an account.
impl Store {
    /// The whole ledger of an account by unique-id. The key of a message without one is a zero byte and its BLAKE3.
    pub async fn ledger(&self, account: AccountId) -> Result<HashMap<Vec<u8>, LedgerRow>> {
        self.read(move |reader| reader.meta.ledger(account, true)).await
    }

    /// The same without saying where the messages are now, which takes reading every mailbox of the user.
    pub async fn ledger_without_places(&self, account: AccountId) -> Result<HashMap<Vec<u8>, LedgerRow>> {
        self.read(move |reader| reader.meta.ledger(account, false)).await
    }

    /// Messages of an account that could not be fetched, by the key they were given.
    pub async fn troubles(&self, account: AccountId) -> Result<HashMap<Vec<u8>, Trouble>> {
        self.read(move |reader| reader.meta.troubles(account)).await
    }

    /// Remembers how often these could not be fetched, or, with `None`, forgets them. A delivery under the same key
    /// forgets it as well.
    pub async fn set_troubles(&self, account: AccountId, troubles: Vec<(Vec<u8>, Option<Trouble>)>) -> Result<()> {
        self.write(move |txn| troubles.iter().try_for_each(|(key, row)| txn.set_trouble(account, key, *row))).await
    }

    /// Appends the messages and remembers or forgets these, all in one transaction: whoever finds in `troubles` what it wrote
    /// knows that the messages are there.
    pub async fn append_with_troubles(
        &self,
        mailbox: MailboxId,
        messages: Vec<NewMessage>,
        account: AccountId,
        troubles: Vec<(Vec<u8>, Option<Trouble>)>,
    ) -> Result<()> {
        self.write(move |txn| {
            if !messages.is_empty() {
                txn.append(mailbox, &messages)?;
            }
            troubles.iter().try_for_each(|(key, row)| txn.set_trouble(account, key, *row))
        })
        .await
    }

    /// Delivers what could be had of a message that cannot be fetched, with the notice beside it, and marks it as
    /// quarantined, all in one transaction. Once it is marked nothing is delivered again.
    pub async fn quarantine(
        &self,
        account: AccountId,
        key: Vec<u8>,
        mailbox: MailboxId,
        mut messages: Vec<NewMessage>,
    ) -> Result<()> {
        self.write(move |txn| match txn.quarantine(account, &key, mailbox, &messages) {
            Err(Error::Limit(_)) => {
                messages.iter_mut().for_each(|message| message.flags.keywords.clear());
                txn.quarantine(account, &key, mailbox, &messages)
            }
            done => done,
        })
        .await
    }

    /// What the poller keeps of an account.
    pub async fn poll_state(&self, account: AccountId) -> Result<PollState> {
        self.read(move |reader| reader.meta.poll_state(account)).await
    }

    /// Changes it and says what it is now. The change may be made more than once, of which only the last counts.
    pub async fn change_poll_state(
        &self,
        account: AccountId,
        change: impl Fn(&mut PollState) + Send + 'static,
    ) -> Result<PollState> {
        self.write(move |txn| txn.change_poll_state(account, &change)).await
    }

    /// What is known of the octets of the message with this unique-id; zero where nothing is.
    pub async fn content_of(&self, account: AccountId, unique_id: Vec<u8>) -> Result<[u8; 16]> {
        self.read(move |reader| reader.meta.content_of(account, &unique_id)).await
    }

    /// Makes all of the changes in one transaction.
    pub async fn change_ledger(&self, account: AccountId, changes: Vec<LedgerChange>) -> Result<()> {
        self.write(move |txn| txn.change_ledger(account, &changes)).await
    }
}

/// Mail is not refused for a keyword that the user's table has no room for: it is then stored without. What fails has
/// changed nothing.
pub(super) fn deliver(txn: &mut dyn MetaTxn, delivery: &mut Delivery) -> Result<Delivered> {
    match txn.deliver(delivery) {
        Err(Error::Limit(_)) if !delivery.message.flags.keywords.is_empty() => {
            delivery.message.flags.keywords.clear();
            txn.deliver(delivery)
        }
        done => done,
    }
}
