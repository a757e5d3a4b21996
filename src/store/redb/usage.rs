//! The counters of what each user has stored, made anew from those of the mailboxes.

use std::collections::HashMap;

use redb::ReadableTable;

use super::row::{MailboxRow, UserState};
use super::schema::Tables;
use crate::mail::UserId;
use crate::store::error::Result;
use crate::store::types::Usage;

/// Counts what users have stored if a row does not say it, as those of older versions do not.
pub(super) fn complete(tables: &mut Tables<'_>) -> Result<()> {
    let mut is_complete = true;
    for entry in tables.user_state.iter()? {
        is_complete &= UserState::decode_counted(entry?.1.value())?.1;
    }
    if is_complete { Ok(()) } else { recount(tables).map(drop) }
}

/// Makes the row of every user say what the counters of the user's mailboxes say together. Returns whose did not.
pub(super) fn recount(tables: &mut Tables<'_>) -> Result<Vec<UserId>> {
    let mut stored: HashMap<UserId, Usage> = HashMap::new();
    for entry in tables.mailbox.iter()? {
        let row = MailboxRow::decode(entry?.1.value())?;
        stored.entry(row.user).or_default().add(row.counts.usage());
    }
    let mut wrong = Vec::new();
    for entry in tables.user_state.iter()? {
        let (user, row) = entry?;
        let (user, (mut state, is_counted)) = (UserId(user.value()), UserState::decode_counted(row.value())?);
        let usage = stored.remove(&user).unwrap_or_default();
        if !is_counted || state.usage != usage {
            state.usage = usage;
            wrong.push((user, state));
        }
    }
    for (user, state) in &wrong {
        tables.user_state.insert(user.0, state.encode().as_slice())?;
    }
    Ok(wrong.into_iter().map(|(user, _)| user).collect())
}
