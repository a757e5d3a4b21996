//! Reading a version.

use std::collections::HashMap;
use std::sync::Arc;

use super::state::{Mailbox as Row, State};
use crate::mail::{AccountId, BodyId, MailboxId, MailboxName, ModSeq, UserId};
use crate::store::body::{BodyRow, Unplaced};
use crate::store::check::Problem;
use crate::store::error::Result;
use crate::store::metadata::{Annotations, EachAnnotation};
use crate::store::progress::Tell;
use crate::store::seam::{BodyRead, MetaRead, Octets};
use crate::store::snapshot::{Delta, Snapshot};
use crate::store::stats::Stats;
use crate::store::types::{LedgerRow, Mailbox, Place, PollState, Stored, Trouble};

fn describe(state: &State, id: MailboxId, row: &Row) -> Mailbox {
    let Row { name, uid_validity, special_use, counts, .. } = row;
    Mailbox {
        id,
        name: name.clone(),
        uid_validity: *uid_validity,
        special_use: *special_use,
        view: state.view_of(id).map(|(account, _)| account),
        counts: *counts,
    }
}

/// INBOX first.
fn order(name: &MailboxName) -> (bool, &MailboxName) {
    (!name.is_inbox(), name)
}

/// A version being read.
pub(super) struct Version(pub(super) Arc<State>);

impl MetaRead for Version {
    fn mailbox(&self, user: UserId, name: &MailboxName) -> Result<Option<Mailbox>> {
        self.0.shown_id(user, name).map(|id| self.mailbox_by_id(id)).transpose()
    }

    fn mailbox_by_id(&self, mailbox: MailboxId) -> Result<Mailbox> {
        Ok(describe(&self.0, mailbox, self.0.mailbox(mailbox)?))
    }

    fn mailboxes(&self, user: UserId) -> Result<Vec<Mailbox>> {
        let own = self.0.mailboxes.iter().filter(|(_, row)| row.user == user);
        let own = own.filter(|(id, _)| self.0.view_of(**id).is_none_or(|(_, is_shown)| is_shown));
        let mut own: Vec<Mailbox> = own.map(|(id, row)| describe(&self.0, *id, row)).collect();
        own.sort_by(|a, b| order(&a.name).cmp(&order(&b.name)));
        Ok(own)
    }

    fn has_mailboxes_below(&self, user: UserId, name: &MailboxName) -> Result<bool> {
        let names = self.0.users.get(&user).map(|user| user.mailboxes.iter());
        let is_shown = |id| self.0.view_of(id).is_none_or(|(_, is_shown)| is_shown);
        Ok(names.into_iter().flatten().any(|(other, id)| other.is_below(name) && is_shown(*id)))
    }

    fn subscriptions(&self, user: UserId) -> Result<Vec<MailboxName>> {
        let names = self.0.users.get(&user).map(|user| &user.subscriptions);
        let mut names: Vec<MailboxName> = names.into_iter().flatten().cloned().collect();
        names.sort_by(|a, b| order(a).cmp(&order(b)));
        Ok(names)
    }

    fn snapshot(&self, mailbox: MailboxId) -> Result<Snapshot> {
        Ok(self.0.snapshot(mailbox, self.0.mailbox(mailbox)?))
    }

    fn changes_since(&self, mailbox: MailboxId, since: ModSeq) -> Result<Delta> {
        let row = self.0.mailbox(mailbox)?;
        let gone = row.expunged.iter().filter(|(mod_seq, _)| *mod_seq > since);
        Ok(Delta {
            vanished: gone.flat_map(|(_, uids)| uids.ranges()).copied().collect(),
            changed: row.messages.values().filter(|m| m.mod_seq > since).map(|m| m.uid).collect(),
            appended: Vec::new(),
        })
    }

    fn all_metadata(&self, user: UserId, each: &mut EachAnnotation<'_>) -> Result<()> {
        let all = self.0.users.get(&user).into_iter().flat_map(|user| &user.metadata);
        for (mailbox, known) in all {
            known.iter().for_each(|(entry, value)| each(*mailbox, entry, value));
        }
        Ok(())
    }

    fn metadata(&self, user: UserId, mailbox: Option<MailboxId>) -> Result<Annotations> {
        let found = self.0.users.get(&user).and_then(|user| user.metadata.get(&mailbox));
        Ok(found.map(|found| Annotations::clone(found)).unwrap_or_default())
    }

    fn usage(&self, user: UserId) -> Result<Stored> {
        Ok(self.0.usage(user))
    }

    fn record(&self, body: BodyId) -> Result<Option<Octets<'_>>> {
        let record = self.0.bodies.rows.get(&body).and_then(|found| found.record.as_deref());
        Ok(record.map(|octets| Box::new(octets) as Octets<'_>))
    }

    fn body(&self, body: BodyId) -> Result<Option<BodyRow>> {
        Ok(self.0.bodies.rows.get(&body).map(|found| found.row))
    }

    fn bodies(&self, f: &mut dyn FnMut(BodyId, &BodyRow) -> Result<()>) -> Result<()> {
        let living = self.0.bodies.rows.iter().filter(|(_, body)| body.dead_since.is_none());
        living.into_iter().try_for_each(|(id, body)| f(*id, &body.row))
    }

    fn dead(
        &self,
        is_due: &mut dyn FnMut(BodyId, i64) -> bool,
        max_bodies: usize,
        max_pieces: u64,
    ) -> Result<Vec<(BodyId, u64)>> {
        let (mut due, mut pieces) = (Vec::new(), 0);
        for (id, body) in &self.0.bodies.rows {
            if due.len() >= max_bodies || pieces >= max_pieces {
                break;
            }
            if body.dead_since.is_some_and(|since| is_due(*id, since)) {
                due.push((*id, body.row.size));
                pieces += u64::from(body.row.chunks);
            }
        }
        Ok(due)
    }

    fn ledger(&self, account: AccountId, with_places: bool) -> Result<HashMap<Vec<u8>, LedgerRow>> {
        let Some(found) = self.0.accounts.get(&account) else { return Ok(HashMap::new()) };
        let mut places = HashMap::new();
        for (id, mailbox) in self.0.mailboxes.iter().filter(|(_, mailbox)| mailbox.user == found.user) {
            // What is in a view is in INBOX.
            if self.0.view_of(*id).is_none() {
                places.extend(mailbox.messages.values().map(|m| ((m.account, m.body), (*id, m.uid))));
            }
        }
        let rows = found.ledger.iter().map(|(unique_id, row)| {
            let of = row.merged.or(Some(account));
            let at = row.body.and_then(|body| places.get(&(of, body)));
            let place = match with_places {
                true => at.map_or(Place::Nowhere, |(mailbox, uid)| Place::At(*mailbox, *uid)),
                false => Place::NotAsked,
            };
            (unique_id.clone(), LedgerRow { place, ..row.clone() })
        });
        Ok(rows.collect())
    }

    fn troubles(&self, account: AccountId) -> Result<HashMap<Vec<u8>, Trouble>> {
        let troubles = self.0.accounts.get(&account).map(|found| &found.troubles);
        Ok(troubles.into_iter().flatten().map(|(key, trouble)| (key.clone(), *trouble)).collect())
    }

    fn content_of(&self, account: AccountId, unique_id: &[u8]) -> Result<[u8; 16]> {
        let row = self.0.accounts.get(&account).and_then(|found| found.ledger.get(unique_id));
        Ok(row.map_or([0; 16], |row| row.content))
    }

    fn poll_state(&self, account: AccountId) -> Result<PollState> {
        Ok(self.0.accounts.get(&account).map(|found| found.poll_state).unwrap_or_default())
    }

    fn messages(&self) -> Result<u64> {
        let counted = self.0.mailboxes.iter().filter(|(id, _)| self.0.view_of(**id).is_none());
        Ok(counted.map(|(_, row)| u64::from(row.counts.exists)).sum())
    }

    fn dead_bodies(&self) -> Result<u64> {
        Ok(self.0.bodies.rows.values().filter(|body| body.dead_since.is_some()).count() as u64)
    }

    fn stats(&self, bodies: &dyn BodyRead, tell: Tell<'_>) -> Result<Stats> {
        super::stats::stats(&self.0, bodies, tell)
    }

    fn check(&self, bodies: &dyn BodyRead, unplaced: &Unplaced) -> Result<Vec<Problem>> {
        super::check::check(&self.0, bodies, unplaced)
    }
}
