//! Mailboxes, their versions, their changes and the ledger, read from meta.redb.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use redb::{AccessGuard, Database, ReadTransaction, ReadableDatabase, ReadableTable, ReadableTableMetadata};

use super::file::File;
use super::mailboxes::below;
use super::open::global_number;
use super::row::{DeadRow, MailboxRow, UidlRow, UserState, decode_ranges};
use super::schema::{
    BODY, DEAD, ENV, EXPUNGE, GLOBAL, MAILBOX, MAILBOX_NAME, MSGBLK, ReadTable, SUBSCRIPTION, UIDL, USER_STATE, VIEW,
    upkept,
};
use super::views::View;
use crate::mail::{AccountId, BodyId, Keyword, MailboxId, MailboxName, ModSeq, Uid, UserId};
use crate::store::body::{BodyRow, Unplaced};
use crate::store::check::Problem;
use crate::store::error::{Error, Result};
use crate::store::metadata::{Annotations, EachAnnotation};
use crate::store::progress::Tell;
use crate::store::seam::{BodyRead, MetaRead, Octets};
use crate::store::snapshot::{Block, Delta, Snapshot};
use crate::store::stats::Stats;
use crate::store::types::{LedgerRow, Mailbox, Place, PollState, Stored, Trouble};
use crate::store::upkeep::Upkept;

/// One read transaction of meta.redb.
pub(super) struct MetaReader {
    pub(super) meta: ReadTransaction,
    /// Opened once for a whole FETCH.
    env: OnceCell<ReadTable<u64, &'static [u8]>>,
    body: OnceCell<ReadTable<u64, &'static [u8]>>,
    /// See [`Handle::refusal`](super::file::Handle).
    refusal: Option<Error>,
    _file: Arc<Database>,
}

/// A value as it lies in the file.
pub(super) struct Value<'r>(pub(super) AccessGuard<'r, &'static [u8]>);

impl AsRef<[u8]> for Value<'_> {
    fn as_ref(&self) -> &[u8] {
        self.0.value()
    }
}

/// By account that it came from, and body.
type Places = HashMap<(AccountId, BodyId), (MailboxId, Uid)>;

/// `OnceCell::get_or_try_init`, which is not stable.
pub(super) fn get_or_open<T>(cell: &OnceCell<T>, open: impl FnOnce() -> Result<T>) -> Result<&T> {
    if cell.get().is_none() {
        // Not shared between threads, and `open` does not come back here: the cell is still empty.
        drop(cell.set(open()?));
    }
    cell.get().ok_or_else(|| Error::Internal("a table was not opened".to_owned()))
}

fn described(id: MailboxId, row: MailboxRow, views: &[View]) -> Mailbox {
    let MailboxRow { name, uid_validity, special_use, counts, .. } = row;
    let view = views.iter().find(|view| view.mailbox == id).map(|view| view.account);
    Mailbox { id, name, uid_validity, special_use, view, counts }
}

impl MetaReader {
    pub(super) fn begin(file: &File) -> Result<Self> {
        let file = file.get()?;
        let meta = file.database.begin_read()?;
        Ok(Self { meta, env: OnceCell::new(), body: OnceCell::new(), refusal: file.refusal, _file: file.database })
    }

    /// For what is acted upon where it cannot be undone: octets that are removed, messages deleted upstream.
    fn is_durable(&self) -> Result<()> {
        self.refusal.clone().map_or(Ok(()), Err)
    }

    pub(super) fn mailbox_row(&self, mailbox: MailboxId) -> Result<MailboxRow> {
        let found = self.meta.open_table(MAILBOX)?.get(mailbox.0)?;
        MailboxRow::decode(found.ok_or(Error::NoMailbox)?.value())
    }

    pub(super) fn mailbox(&self, user: UserId, name: &MailboxName) -> Result<Option<Mailbox>> {
        let found = self.meta.open_table(MAILBOX_NAME)?.get((user.0, name.as_str()))?;
        let Some(id) = found.map(|id| MailboxId(id.value())) else { return Ok(None) };
        let is_hidden = self.views(user)?.iter().any(|view| view.mailbox == id && !view.is_shown);
        if is_hidden { Ok(None) } else { self.describe(id).map(Some) }
    }

    /// Ordered by name, INBOX first.
    pub(super) fn mailboxes(&self, user: UserId) -> Result<Vec<Mailbox>> {
        let mut all = self.all_mailboxes(user)?;
        let views = self.views(user)?;
        all.retain(|found| !views.iter().any(|view| view.mailbox == found.id && !view.is_shown));
        Ok(all)
    }

    /// The same with the views that are not shown.
    pub(super) fn all_mailboxes(&self, user: UserId) -> Result<Vec<Mailbox>> {
        let mut all = Vec::new();
        let (rows, views) = (self.meta.open_table(MAILBOX)?, self.views(user)?);
        for entry in self.meta.open_table(MAILBOX_NAME)?.range((user.0, "")..(user.0 + 1, ""))? {
            let id = entry?.1.value();
            let row = rows.get(id)?.ok_or(Error::NoMailbox)?;
            all.push(described(MailboxId(id), MailboxRow::decode(row.value())?, &views));
        }
        all.sort_by(|a, b| (!a.name.is_inbox(), &a.name).cmp(&(!b.name.is_inbox(), &b.name)));
        Ok(all)
    }

    /// Messages in all mailboxes.
    pub(super) fn messages(&self) -> Result<u64> {
        let mut messages = 0;
        let views = self.view_ids()?;
        for entry in self.meta.open_table(MAILBOX)?.iter()? {
            let (id, row) = entry?;
            if !views.contains(&id.value()) {
                messages += u64::from(MailboxRow::decode(row.value())?.counts.exists);
            }
        }
        Ok(messages)
    }

    /// The user's views, shown or not.
    pub(super) fn views(&self, user: UserId) -> Result<Vec<View>> {
        super::views::of_user(&self.meta.open_table(VIEW)?, user)
    }

    /// The views of all users: what is in them is in INBOX, and not counted again.
    pub(super) fn view_ids(&self) -> Result<HashSet<u32>> {
        self.meta.open_table(VIEW)?.iter()?.map(|entry| Ok(entry?.1.value().0)).collect()
    }

    fn describe(&self, id: MailboxId) -> Result<Mailbox> {
        let row = self.mailbox_row(id)?;
        let views = self.views(row.user)?;
        Ok(described(id, row, &views))
    }

    pub(super) fn has_mailboxes_below(&self, user: UserId, name: &MailboxName) -> Result<bool> {
        let (first, end) = below(name);
        let (names, views) = (self.meta.open_table(MAILBOX_NAME)?, self.views(user)?);
        for entry in names.range((user.0, first.as_str())..(user.0, end.as_str()))? {
            let id = entry?.1.value();
            if !views.iter().any(|view| view.mailbox.0 == id && !view.is_shown) {
                return Ok(true);
            }
        }
        Ok(false)
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

    fn user(&self, user: UserId) -> Result<UserState> {
        let found = self.meta.open_table(USER_STATE)?.get(user.0)?;
        found.map_or_else(|| Ok(UserState::default()), |row| UserState::decode(row.value()))
    }

    pub(super) fn keywords(&self, user: UserId) -> Result<Vec<Keyword>> {
        Ok(self.user(user)?.keywords)
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

    /// The ledger of an account; with where each message is now, if asked for.
    pub(super) fn ledger(&self, account: AccountId, with_places: bool) -> Result<HashMap<Vec<u8>, LedgerRow>> {
        self.is_durable()?;
        let table = self.meta.open_table(UIDL)?;
        let range = (account.0, &[][..])..(account.0 + 1, &[][..]);
        let mut places = None;
        if with_places {
            let mut accounts = HashSet::from([account]);
            for entry in table.range(range.clone())? {
                accounts.extend(UidlRow::decode(entry?.1.value())?.merged);
            }
            places = Some(self.places(account, &accounts)?);
        }
        // Counted first: a map that grows holds its rows twice for a while.
        let mut ledger = HashMap::with_capacity(table.range(range.clone())?.count());
        for entry in table.range(range)? {
            let (key, row) = entry?;
            let row = UidlRow::decode(row.value())?;
            let UidlRow { state, body, listed_size, header_hash, stored_at, content, merged } = row;
            let of = merged.unwrap_or(account);
            let place = match &places {
                Some(places) => {
                    places.get(&(of, body)).map_or(Place::Nowhere, |(mailbox, uid)| Place::At(*mailbox, *uid))
                }
                None => Place::NotAsked,
            };
            let body = Some(body).filter(|body| body.0 != 0);
            let row = LedgerRow { state, place, body, listed_size, header_hash, stored_at, content, merged };
            ledger.insert(key.value().1.to_vec(), row);
        }
        Ok(ledger)
    }

    /// One place of each body among the messages that came from each of these accounts of the user of one. What is in a view
    /// is in INBOX.
    fn places(&self, account: AccountId, accounts: &HashSet<AccountId>) -> Result<Places> {
        let mut places = HashMap::new();
        let Some(user) = self.account_user(account)? else { return Ok(places) };
        let views = self.views(user)?;
        for entry in self.meta.open_table(MAILBOX_NAME)?.range((user.0, "")..(user.0 + 1, ""))? {
            let mailbox = MailboxId(entry?.1.value());
            if views.iter().any(|view| view.mailbox == mailbox) {
                continue;
            }
            self.blocks(mailbox, ModSeq(0), |block| {
                let placed = block.messages.iter().filter_map(|m| Some(((m.account?, m.body), (mailbox, m.uid))));
                places.extend(placed.filter(|((account, _), _)| accounts.contains(account)));
            })?;
        }
        Ok(places)
    }

    pub(super) fn accounts_of(&self, user: UserId) -> Result<Vec<AccountId>> {
        let table = self.meta.open_table(super::schema::ACCOUNT)?;
        let rows = table.range((user.0, "")..(user.0 + 1, ""))?;
        rows.map(|entry| Ok(AccountId(entry?.1.value()))).collect()
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

impl MetaRead for MetaReader {
    fn mailbox(&self, user: UserId, name: &MailboxName) -> Result<Option<Mailbox>> {
        self.mailbox(user, name)
    }

    fn mailbox_by_id(&self, mailbox: MailboxId) -> Result<Mailbox> {
        self.describe(mailbox)
    }

    fn mailboxes(&self, user: UserId) -> Result<Vec<Mailbox>> {
        self.mailboxes(user)
    }

    fn has_mailboxes_below(&self, user: UserId, name: &MailboxName) -> Result<bool> {
        self.has_mailboxes_below(user, name)
    }

    fn subscriptions(&self, user: UserId) -> Result<Vec<MailboxName>> {
        self.subscriptions(user)
    }

    fn all_metadata(&self, user: UserId, each: &mut EachAnnotation<'_>) -> Result<()> {
        self.all_metadata(user, each)
    }

    fn metadata(&self, user: UserId, mailbox: Option<MailboxId>) -> Result<Annotations> {
        self.metadata(user, mailbox)
    }

    fn usage(&self, user: UserId) -> Result<Stored> {
        Ok(self.user(user)?.usage)
    }

    fn snapshot(&self, mailbox: MailboxId) -> Result<Snapshot> {
        self.snapshot(mailbox)
    }

    fn changes_since(&self, mailbox: MailboxId, since: ModSeq) -> Result<Delta> {
        self.changes_since(mailbox, since)
    }

    fn record(&self, body: BodyId) -> Result<Option<Octets<'_>>> {
        let table = get_or_open(&self.env, || Ok(self.meta.open_table(ENV)?))?;
        Ok(ReadableTable::get(table, body.0)?.map(|guard| Box::new(Value(guard)) as Octets<'_>))
    }

    fn body(&self, body: BodyId) -> Result<Option<BodyRow>> {
        if let Some(row) = get_or_open(&self.body, || Ok(self.meta.open_table(BODY)?))?.get(body.0)? {
            return BodyRow::decode(row.value()).map(Some);
        }
        let dead = self.meta.open_table(DEAD)?.get(body.0)?;
        dead.map(|row| DeadRow::decode(row.value()).map(|dead| dead.body)).transpose()
    }

    fn bodies(&self, f: &mut dyn FnMut(BodyId, &BodyRow) -> Result<()>) -> Result<()> {
        for entry in self.meta.open_table(BODY)?.iter()? {
            let (id, row) = entry?;
            f(BodyId(id.value()), &BodyRow::decode(row.value())?)?;
        }
        Ok(())
    }

    fn dead(
        &self,
        is_due: &mut dyn FnMut(BodyId, i64) -> bool,
        max_bodies: usize,
        max_pieces: u64,
    ) -> Result<Vec<(BodyId, u64)>> {
        self.is_durable()?;
        let (mut bodies, mut pieces) = (Vec::new(), 0);
        for entry in self.meta.open_table(DEAD)?.iter()? {
            let (id, row) = entry?;
            let row = DeadRow::decode(row.value())?;
            let body = BodyId(id.value());
            if !is_due(body, row.since) {
                continue;
            }
            bodies.push((body, row.body.size));
            pieces += u64::from(row.body.chunks);
            if bodies.len() >= max_bodies || pieces >= max_pieces {
                break;
            }
        }
        Ok(bodies)
    }

    fn long_expunge_logs(&self, max: usize) -> Result<Vec<MailboxId>> {
        let mut rows: BTreeMap<u32, usize> = BTreeMap::new();
        for entry in self.meta.open_table(EXPUNGE)?.iter()? {
            *rows.entry(entry?.0.value().0).or_default() += 1;
        }
        Ok(rows.into_iter().filter(|(_, rows)| *rows > max).map(|(mailbox, _)| MailboxId(mailbox)).collect())
    }

    fn ledger(&self, account: AccountId, with_places: bool) -> Result<HashMap<Vec<u8>, LedgerRow>> {
        self.ledger(account, with_places)
    }

    fn troubles(&self, account: AccountId) -> Result<HashMap<Vec<u8>, Trouble>> {
        self.troubles(account)
    }

    fn content_of(&self, account: AccountId, unique_id: &[u8]) -> Result<[u8; 16]> {
        self.content_of(account, unique_id)
    }

    fn poll_state(&self, account: AccountId) -> Result<PollState> {
        self.poll_state(account)
    }

    fn messages(&self) -> Result<u64> {
        self.messages()
    }

    fn dead_bodies(&self) -> Result<u64> {
        Ok(self.meta.open_table(DEAD)?.len()?)
    }

    fn upkept(&self, what: Upkept) -> Result<Option<i64>> {
        let at = global_number(&self.meta.open_table(GLOBAL)?, upkept(what))?;
        Ok(i64::try_from(at).ok().filter(|at| *at > 0))
    }

    fn stats(&self, bodies: &dyn BodyRead, tell: Tell<'_>) -> Result<Stats> {
        self.count_room(bodies, tell)
    }

    fn check(&self, bodies: &dyn BodyRead, unplaced: &Unplaced) -> Result<Vec<Problem>> {
        super::check::Check::new(self, bodies)?.run(unplaced)
    }
}
