//! What takes how much room. There are no rows: their bytes count as none.

use std::collections::HashMap;

use super::state::State;
use crate::store::error::Result;
use crate::store::progress::{Progress, Tell};
use crate::store::seam::BodyRead;
use crate::store::stats::{MailboxStats, Room, Scope, Stats, UserStats};

pub(super) fn stats(state: &State, pieces: &dyn BodyRead, tell: Tell<'_>) -> Result<Stats> {
    let (mut rooms, mut dead): (HashMap<u64, Room>, u64) = (HashMap::new(), 0);
    for (id, body) in state.bodies.rows.iter().filter(|(_, body)| body.dead_since.is_none()) {
        rooms.insert(id.0, Room { octets: body.row.size, ..Room::default() });
    }
    pieces.pieces(&mut |body, _, len| match rooms.get_mut(&body.0) {
        Some(room) => room.stored += len as u64,
        None if state.bodies.rows.contains_key(&body) => dead += len as u64,
        None => {}
    })?;
    let done = rooms.len() as u64;
    tell(Progress { phase: "mailboxes", done, total: done });
    let mut everything = Scope::new(&rooms);
    let mut users = Vec::new();
    for user in state.users.values() {
        let (mut all, mut mailboxes) = (Scope::new(&rooms), Vec::new());
        for (name, id) in &user.mailboxes {
            let mut own = Scope::new(&rooms);
            for message in state.mailbox(*id)?.messages.values() {
                own.add(message.body, message.size.into());
                // What is in a view is in INBOX.
                if state.view_of(*id).is_none() {
                    all.add(message.body, message.size.into());
                    everything.add(message.body, message.size.into());
                }
            }
            mailboxes.push(MailboxStats { name: name.as_str().to_owned(), usage: own.usage });
        }
        mailboxes.sort_by_key(|mailbox| mailbox.name != "INBOX");
        users.push(UserStats { name: user.name.clone(), usage: all.usage, mailboxes });
    }
    users.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Stats { users, total: everything.usage, dead, ..Stats::default() })
}
