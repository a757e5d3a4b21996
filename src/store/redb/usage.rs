//! The counters of what each user has stored, made for files of versions that had none.

use std::collections::HashMap;

use redb::ReadableTable;

use super::row::{MailboxRow, UserState};
use super::schema::Tables;
use crate::mail::UserId;
use crate::store::error::Result;
use crate::store::types::Stored;

/// Gives every row of a user that ends before the usage what the counters of the user's mailboxes say together. What cannot
/// be read is left to the check.
pub(super) fn complete(tables: &mut Tables<'_>) -> Result<()> {
    let mut incomplete = Vec::new();
    for entry in tables.user_state.iter()? {
        let (user, row) = entry?;
        if let Ok((state, false)) = UserState::decode_counted(row.value()) {
            incomplete.push((UserId(user.value()), state));
        }
    }
    if incomplete.is_empty() {
        return Ok(());
    }
    // Rows without usage are older than account views.
    let mut stored: HashMap<UserId, Stored> = HashMap::new();
    for entry in tables.mailbox.iter()? {
        if let Ok(row) = MailboxRow::decode(entry?.1.value()) {
            stored.entry(row.user).or_default().add(row.counts.usage());
        }
    }
    for (user, mut state) in incomplete {
        state.usage = stored.remove(&user).unwrap_or_default();
        tables.user_state.insert(user.0, state.encode().as_slice())?;
    }
    Ok(())
}
