//! From a new version of the mailbox to untagged responses: the one mechanism behind NOOP, IDLE and the end of
//! every command. What a client is told is always the difference between two versions that the store held (I6).

use std::sync::Arc;

use super::{Features, MailboxView, SelectedMailbox};
use crate::imap::codec::write;
use crate::imap::conn::Output;
use crate::imap::error::CommandError;
use crate::mail::{FlagList, FlagOp, Flags, Keyword, KeywordSet, MAX_KEYWORDS, Message, UidSet};
use crate::store::{Delta, Snapshot};

/// The flag change that the command being answered made itself.
pub(in crate::imap) struct FlagEcho<'a> {
    /// Messages it named.
    pub(in crate::imap) uids: &'a UidSet,
    pub(in crate::imap) op: FlagOp,
    pub(in crate::imap) list: &'a FlagList,
    /// `.SILENT`
    pub(in crate::imap) silent: bool,
    /// The UID form: its responses carry the UID.
    pub(in crate::imap) uid: bool,
}

/// Moves the view to the newest version and announces arrivals, and expunges if `expunge`. The flag changes are
/// returned for the caller to announce. `claim` takes the new messages as `\Recent` and says from which UID.
pub(in crate::imap) async fn sync(
    mailbox: &mut SelectedMailbox,
    out: &mut Output,
    expunge: bool,
    claim: impl Fn(&Snapshot) -> u32,
) -> Result<Delta, CommandError> {
    let Some(next) = mailbox.watch.current() else {
        return Err(CommandError::Bye("The selected mailbox was deleted"));
    };
    let delta = mailbox.view.advance(next);
    if mailbox.view.snapshot().keywords.len() > mailbox.keywords_told {
        flags_lines(mailbox, out);
    }
    if expunge {
        let (seqs, uids) = mailbox.view.bury();
        for seq in seqs {
            out.push(format!("* {seq} EXPUNGE\r\n"));
            out.relieve().await?;
        }
        if !uids.is_empty() {
            mailbox.recent = mailbox.recent.iter().filter(|uid| !uids.contains(*uid)).map(|u| (u, u)).collect();
        }
    }
    if !delta.appended.is_empty() {
        let snapshot = Arc::clone(mailbox.view.snapshot());
        if !mailbox.read_only {
            let from = claim(&snapshot);
            for uid in delta.appended.iter().filter(|uid| uid.value() >= from) {
                mailbox.recent.insert(uid.value());
            }
        }
        out.push(format!("* {} EXISTS\r\n* {} RECENT\r\n", mailbox.view.len(), mailbox.recent.len()));
    }
    Ok(delta)
}

/// `* n FETCH (FLAGS (...))`, with the UID if asked for and MODSEQ if CONDSTORE is enabled (RFC 7162 section 3.2).
pub(in crate::imap) fn fetch_flags(
    mailbox: &SelectedMailbox,
    features: Features,
    out: &mut Output,
    uid: u32,
    with_uid: bool,
) {
    let view = &mailbox.view;
    let Some((seq, message)) = living(view, uid) else { return };
    out.push(format!("* {seq} FETCH ("));
    if with_uid {
        out.push(format!("UID {uid} "));
    }
    out.push("FLAGS ");
    write_flags(out.buf(), message, &view.snapshot().keywords, mailbox.recent.contains(uid));
    if features.condstore {
        out.push(" ");
        mod_seq_item(out.buf(), message);
    }
    out.push(")\r\n");
}

/// The message with this UID in the present version, with its number.
pub(in crate::imap) fn living(view: &MailboxView, uid: u32) -> Option<(u32, &Message)> {
    let uid = crate::mail::Uid::new(uid)?;
    Some((view.seq_of(uid)?, view.snapshot().find(uid)?))
}

/// `MODSEQ (n)`
pub(in crate::imap) fn mod_seq_item(out: &mut Vec<u8>, message: &Message) {
    out.extend_from_slice(b"MODSEQ (");
    write::number(out, message.mod_seq.0);
    out.push(b')');
}

/// A parenthesised flag list of one message.
pub(in crate::imap) fn write_flags(out: &mut Vec<u8>, message: &Message, keywords: &[Keyword], recent: bool) {
    let custom = message.keywords.iter().filter_map(|index| keywords.get(index)).map(Keyword::as_str);
    write::flag_list(out, message.flags, recent, custom);
}

/// A parenthesised list of names.
pub(in crate::imap) fn flag_list<'a>(out: &mut Vec<u8>, names: impl Iterator<Item = &'a str>) {
    out.push(b'(');
    for (index, name) in names.enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(name.as_bytes());
    }
    out.push(b')');
}

/// `* FLAGS` and `* OK [PERMANENTFLAGS]`, at SELECT and before the first FETCH that uses a new keyword
/// (IMAP-RULES 16).
pub(in crate::imap) fn flags_lines(mailbox: &mut SelectedMailbox, out: &mut Output) {
    let keywords = Arc::clone(&mailbox.view.snapshot().keywords);
    let names = || Flags::ALL.into_iter().map(|(_, name)| name).chain(keywords.iter().map(Keyword::as_str));
    out.push("* FLAGS ");
    flag_list(out.buf(), names());
    out.push("\r\n* OK [PERMANENTFLAGS ");
    if mailbox.read_only {
        out.push("()] Read-only mailbox\r\n");
    } else {
        // Without `\*` when the table is full: RFC 9051 section 7.1, PERMANENTFLAGS.
        let more = (keywords.len() < MAX_KEYWORDS).then_some("\\*");
        flag_list(out.buf(), names().chain(more));
        out.push("] Flags permitted\r\n");
    }
    mailbox.keywords_told = keywords.len();
}

impl FlagEcho<'_> {
    /// Whether the client, having asked for this change, expects exactly what the message has now.
    pub(in crate::imap) fn explains(&self, old: &Message, new: &Message, table: &[Keyword]) -> bool {
        let bits = |keyword: &Keyword| table.iter().position(|k| k == keyword).map_or(0, |bit| 1_u128 << bit);
        let named = self.list.keywords.iter().map(bits).fold(0, |all, bit| all | bit);
        let (flags, keywords) = match self.op {
            FlagOp::Add => (old.flags | self.list.flags, old.keywords.0 | named),
            FlagOp::Remove => (old.flags.without(self.list.flags), old.keywords.0 & !named),
            FlagOp::Replace => (self.list.flags, named),
        };
        (flags, KeywordSet(keywords)) == (new.flags, new.keywords)
    }
}
