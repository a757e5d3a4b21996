//! Conversations: which one a message belongs to is found by the message-ids that it names, and kept in its row.

use std::ops::Bound;

use redb::{Database, ReadableDatabase, ReadableTable};

use super::open::global_number;
use super::row::MailboxRow;
use super::schema::{BODY, ENV, MAILBOX, MSGBLK, Tables, global};
use super::txn::Txn;
use crate::imap::codec::envelope::Rendered;
use crate::mail::{BodyId, MailboxId, ThreadId, UserId};
use crate::mime::{ThreadKey, keys_of};
use crate::store::body::{BodyRow, content_thread};
use crate::store::codec::Unpacker;
use crate::store::error::{Error, Result};
use crate::store::record::RecordLayout;
use crate::store::snapshot::Block;

/// Blocks that one transaction of [`assign_all`] rewrites.
const MAX_BLOCKS: usize = 64;

impl Txn<'_> {
    /// The conversation of a new message with these keys.
    pub(super) fn thread_of(&mut self, user: UserId, keys: &[ThreadKey]) -> Result<ThreadId> {
        self.mark_written();
        assign(&mut self.tables, user, keys)
    }
}

/// The conversation of the first key that is known, else a new one. All keys are known from then on; none is ever given to
/// another conversation, as the THREADID of a message must not change (RFC 8474 section 5.2).
fn assign(tables: &mut Tables<'_>, user: UserId, keys: &[ThreadKey]) -> Result<ThreadId> {
    let (mut thread, mut new) = (None, Vec::new());
    for key in keys {
        match tables.thread.get((user.0, key))? {
            Some(found) => thread = thread.or_else(|| Some(found.value())),
            None => new.push(key),
        }
    }
    let thread = match thread {
        Some(thread) => thread,
        None => {
            let next = global_number(&tables.global, global::NEXT_THREAD)?.max(1);
            tables.global.insert(global::NEXT_THREAD, (next + 1).to_le_bytes().as_slice())?;
            next
        }
    };
    for key in new {
        tables.thread.insert((user.0, key), thread)?;
    }
    Ok(ThreadId(thread))
}

/// Schema 2 to 3: gives every message that has no conversation the one that its ENVELOPE leads to. References are not in
/// it. A message whose record cannot be read keeps none. Idempotent: what has one is passed over.
pub(super) fn assign_all(meta: &Database) -> Result<()> {
    let mut mailboxes = Vec::new();
    for entry in meta.begin_read()?.open_table(MAILBOX)?.iter()? {
        let (id, row) = entry?;
        if let Ok(row) = MailboxRow::decode(row.value()) {
            mailboxes.push((MailboxId(id.value()), row.user));
        }
    }
    let mut unpacker = Unpacker::new()?;
    for (mailbox, user) in mailboxes {
        let mut after = None;
        while let Some(last) = assign_some(meta, mailbox, user, after, &mut unpacker)? {
            after = Some(last);
        }
    }
    Ok(())
}

/// Some blocks of a mailbox after this one: the last of them, or `None` when there are no more.
fn assign_some(
    meta: &Database,
    mailbox: MailboxId,
    user: UserId,
    after: Option<u32>,
    unpacker: &mut Unpacker,
) -> Result<Option<u32>> {
    let from = after.map_or(Bound::Included((mailbox.0, 0)), |last| Bound::Excluded((mailbox.0, last)));
    let (mut blocks, mut last) = (Vec::new(), None);
    let read = meta.begin_read()?;
    let rows = (read.open_table(ENV)?, read.open_table(BODY)?);
    for entry in read.open_table(MSGBLK)?.range((from, Bound::Included((mailbox.0, u32::MAX))))?.take(MAX_BLOCKS) {
        let (key, bytes) = entry?;
        let number = key.value().1;
        last = Some(number);
        // What cannot be read is left to the check.
        let Ok(block) = Block::decode(number, bytes.value()) else { continue };
        if block.messages.iter().any(|m| m.thread == ThreadId(0)) {
            let mut keys = Vec::new();
            for m in &block.messages {
                keys.push(if m.thread == ThreadId(0) { keys_of_body(&rows, m.body, unpacker)? } else { Vec::new() });
            }
            blocks.push((number, block, keys));
        }
    }
    if blocks.is_empty() {
        return Ok(last);
    }
    let mut write = meta.begin_write()?;
    write.set_quick_repair(true);
    {
        let (mut tables, mut bytes) = (Tables::open(&write)?, Vec::new());
        for (number, block, keys) in &mut blocks {
            for (message, keys) in block.messages.iter_mut().zip(keys).filter(|(_, keys)| !keys.is_empty()) {
                message.thread = assign(&mut tables, user, keys)?;
            }
            block.encode(&mut bytes);
            tables.msgblk.insert((mailbox.0, *number), bytes.as_slice())?;
        }
    }
    write.commit()?;
    Ok(last)
}

type Rows = (super::schema::ReadTable<u64, &'static [u8]>, super::schema::ReadTable<u64, &'static [u8]>);

fn keys_of_body((env, body): &Rows, id: BodyId, unpacker: &mut Unpacker) -> Result<Vec<ThreadKey>> {
    let (Some(record), Some(row)) = (env.get(id.0)?, body.get(id.0)?) else { return Ok(Vec::new()) };
    let readable = RecordLayout::decode(record.value(), unpacker).and_then(|record| {
        let row = BodyRow::decode(row.value())?;
        Ok((record, row))
    });
    let ((plain, layout), row) = match readable {
        Ok(readable) => readable,
        Err(Error::Damaged(_)) => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    let envelope = plain.get(layout.bounds[0]..layout.bounds[1]).unwrap_or_default();
    let members = Rendered::new(envelope).members();
    let mut keys = keys_of(members.message_id.as_deref(), members.in_reply_to.as_deref(), None);
    if keys.is_empty() {
        keys.push(content_thread(&row.hash));
    }
    Ok(keys)
}
