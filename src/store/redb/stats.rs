//! Counts what takes how much room: reads every row, and the length of every piece.

use std::collections::{HashMap, HashSet};

use redb::{ReadableDatabase, ReadableTable, ReadableTableMetadata, TableHandle, UntypedTableHandle};

use super::metadata;
use super::read::MetaReader;
use super::row::{DeadRow, UserState};
use super::schema::{BODY, DEAD, ENV, EXPUNGE, METADATA, MSGBLK, THREAD, UIDL, USER, USER_STATE};
use crate::mail::{BodyId, MailboxId, UserId};
use crate::store::body::BodyRow;
use crate::store::error::Result;
use crate::store::progress::{Progress, Tell};
use crate::store::seam::BodyRead;
use crate::store::snapshot::Block;
use crate::store::stats::{MailboxStats, Room, Scope, Stats, TableStats, UserStats};

/// Pieces or rows between two words of progress.
const STEP: u64 = 4096;

impl MetaReader {
    pub(super) fn count_room(&self, bodies: &dyn BodyRead, tell: Tell<'_>) -> Result<Stats> {
        let (rooms, dead) = self.rooms(bodies, tell)?;
        let mut stats = Stats { dead, ..Stats::default() };
        let mut everything = Scope::new(&rooms);
        for entry in self.meta.open_table(USER)?.iter()? {
            let (name, id) = entry?;
            let user = UserId(id.value());
            let mut all = Scope::new(&rooms);
            let mut mailboxes = Vec::new();
            for mailbox in self.all_mailboxes(user)? {
                let mut own = Scope::new(&rooms);
                let rows = self.rows_of(mailbox.id, &mut |body, octets| {
                    own.add(body, octets);
                    // What is in a view is in INBOX.
                    if mailbox.view.is_none() {
                        all.add(body, octets);
                        everything.add(body, octets);
                    }
                })?;
                let rows = rows + self.metadata_bytes(user, Some(mailbox.id))?;
                own.usage.index += rows;
                all.usage.index += rows;
                everything.usage.index += rows;
                mailboxes.push(MailboxStats { name: mailbox.name.as_str().to_owned(), usage: own.usage });
            }
            let rows = self.ledger_bytes(user)? + self.metadata_bytes(user, None)? + self.thread_bytes(user)?;
            all.usage.index += rows;
            everything.usage.index += rows;
            stats.users.push(UserStats { name: name.value().to_owned(), usage: all.usage, mailboxes });
        }
        stats.total = everything.usage;
        Ok(stats)
    }

    /// What each body takes, and the bytes of those that are dead.
    fn rooms(&self, bodies: &dyn BodyRead, tell: Tell<'_>) -> Result<(HashMap<u64, Room>, u64)> {
        let mut rooms: HashMap<u64, Room> = HashMap::new();
        let table = self.meta.open_table(BODY)?;
        let total = table.len()?;
        for entry in table.iter()? {
            let (id, row) = entry?;
            rooms.insert(id.value(), Room { octets: BodyRow::decode(row.value())?.size, ..Room::default() });
        }
        for entry in self.meta.open_table(ENV)?.iter()? {
            let (id, row) = entry?;
            if let Some(room) = rooms.get_mut(&id.value()) {
                room.index += row.value().len() as u64;
            }
        }
        let mut dead_ids = HashSet::new();
        for entry in self.meta.open_table(DEAD)?.iter()? {
            let (id, row) = entry?;
            DeadRow::decode(row.value())?;
            dead_ids.insert(id.value());
        }
        let (mut dead, mut done, mut last) = (0, 0, None);
        bodies.pieces(&mut |body, _, len| {
            if last.replace(body) != Some(body) {
                done += 1;
                if done % STEP == 0 {
                    tell(Progress { phase: "messages", done, total });
                }
            }
            match rooms.get_mut(&body.0) {
                Some(room) => room.stored += len as u64,
                None if dead_ids.contains(&body.0) => dead += len as u64,
                None => {}
            }
        })?;
        tell(Progress { phase: "mailboxes", done, total });
        Ok((rooms, dead))
    }

    /// Calls `f` with body and size of every message; returns the bytes of the mailbox's rows.
    fn rows_of(&self, mailbox: MailboxId, f: &mut dyn FnMut(BodyId, u64)) -> Result<u64> {
        let mut bytes = 0;
        for entry in self.meta.open_table(MSGBLK)?.range((mailbox.0, 0)..=(mailbox.0, u32::MAX))? {
            let (key, row) = entry?;
            bytes += row.value().len() as u64;
            for message in &Block::decode(key.value().1, row.value())?.messages {
                f(message.body, u64::from(message.size));
            }
        }
        for entry in self.meta.open_table(EXPUNGE)?.range((mailbox.0, 0)..=(mailbox.0, u64::MAX))? {
            bytes += entry?.1.value().len() as u64;
        }
        Ok(bytes)
    }

    fn metadata_bytes(&self, user: UserId, mailbox: Option<MailboxId>) -> Result<u64> {
        let mut bytes = 0;
        for entry in self.meta.open_table(METADATA)?.range(metadata::keys(user, mailbox))? {
            let (key, value) = entry?;
            bytes += (key.value().2.len() + value.value().len()) as u64;
        }
        Ok(bytes)
    }

    fn thread_bytes(&self, user: UserId) -> Result<u64> {
        /// A hash and a number.
        const ROW: u64 = 16 + 8;
        let keys = (user.0, &[0; 16])..=(user.0, &[u8::MAX; 16]);
        Ok(self.meta.open_table(THREAD)?.range(keys)?.count() as u64 * ROW)
    }

    fn ledger_bytes(&self, user: UserId) -> Result<u64> {
        let state = self.meta.open_table(USER_STATE)?.get(user.0)?;
        let mut bytes = state.map_or(0, |row| {
            debug_assert!(UserState::decode(row.value()).is_ok());
            row.value().len() as u64
        });
        for account in self.accounts_of(user)? {
            for entry in self.meta.open_table(UIDL)?.range((account.0, &[][..])..(account.0 + 1, &[][..]))? {
                let (key, row) = entry?;
                bytes += (key.value().1.len() + row.value().len()) as u64;
            }
        }
        Ok(bytes)
    }
}

/// The tables of a file.
pub(super) fn tables(file: &super::File, out: &mut Vec<TableStats>) -> Result<()> {
    let database = file.get()?.database;
    let read = database.begin_read()?;
    let mut handles: Vec<UntypedTableHandle> = read.list_tables()?.collect();
    handles.sort_by(|one, other| one.name().cmp(other.name()));
    for handle in handles {
        let name = handle.name().to_owned();
        let table = read.open_untyped_table(handle)?;
        out.push(TableStats { name, rows: table.len()?, bytes: table.stats()?.stored_bytes() });
    }
    Ok(())
}
