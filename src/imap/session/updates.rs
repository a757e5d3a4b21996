//! From a new version of the mailbox to untagged responses: the one mechanism behind NOOP, IDLE and the end of
//! every command. What a client is told is always the difference between two versions that the store held (I6).

use std::sync::Arc;

use super::{Entry, Features, MailboxView, SelectedMailbox};
use crate::imap::codec::write;
use crate::imap::conn::Output;
use crate::imap::error::CommandError;
use crate::mail::{FlagList, FlagOp, Flags, Keyword, KeywordSet, MAX_KEYWORDS, Message, Uid, UidSet};
use crate::store::{Delta, Snapshot};

/// Ranges of UIDs in one VANISHED line: below 8,192 octets.
const RANGES_A_LINE: usize = 350;

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
    features: Features,
    out: &mut Output,
    expunge: bool,
    claim: impl Fn(&Snapshot) -> u32,
) -> Result<Delta, CommandError> {
    let Some(next) = mailbox.watch.current() else {
        return Err(CommandError::Bye("The selected mailbox was deleted"));
    };
    let delta = mailbox.view.advance(next);
    mailbox.contexts.note(delta.changed.iter().chain(&delta.appended).copied());
    mailbox.contexts.expunged(&mailbox.view, &delta.vanished, out).await?;
    if mailbox.view.snapshot().keywords.len() > mailbox.keywords_told {
        flags_lines(mailbox, out);
    }
    if expunge {
        expunges(mailbox, features, out).await?;
    }
    if !delta.appended.is_empty() {
        let snapshot = Arc::clone(mailbox.view.snapshot());
        if !mailbox.read_only && !features.rev2 {
            let from = claim(&snapshot);
            for uid in delta.appended.iter().filter(|uid| uid.value() >= from) {
                mailbox.recent.insert(uid.value());
            }
        }
        exists(mailbox, features, out);
    }
    Ok(delta)
}

/// `* n EXISTS`, and for IMAP4rev1 `* n RECENT` (RFC 3501 section 7.3.2).
pub(in crate::imap) fn exists(mailbox: &SelectedMailbox, features: Features, out: &mut Output) {
    out.line(format!("* {} EXISTS", mailbox.view.len()));
    if !features.rev2 {
        out.line(format!("* {} RECENT", mailbox.recent.len()));
    }
}

/// Announces what is expunged: by EXPUNGE, or by VANISHED once QRESYNC or UIDONLY is enabled (RFC 7162 section 3.2.10.2,
/// RFC 9586 section 3.6). Every UID so named has been shown to the client by EXISTS.
async fn expunges(mailbox: &mut SelectedMailbox, features: Features, out: &mut Output) -> Result<(), CommandError> {
    if !mailbox.view.holds_back() {
        return Ok(());
    }
    let by_uid = features.qresync || features.uid_only;
    let numbers = if by_uid { Vec::new() } else { mailbox.view.ghost_numbers() };
    for number in numbers {
        out.push(format!("* {number} EXPUNGE\r\n"));
        out.relieve().await?;
    }
    let uids = mailbox.view.bury();
    mailbox.recent = mailbox.recent.difference(&uids);
    // RFC 5182 section 2.1: what is expunged leaves the saved result.
    mailbox.saved = mailbox.saved.difference(&uids);
    if by_uid {
        // VANISHED has no mod-sequence of its own.
        mailbox.owes_mod_seq = true;
        vanished_lines(out, &uids, false).await?;
    }
    Ok(())
}

/// `* VANISHED [(EARLIER)] known-uids`, as many as it takes: clients have limits on the length of a line. None for none.
pub(in crate::imap) async fn vanished_lines(
    out: &mut Output,
    uids: &UidSet,
    earlier: bool,
) -> Result<(), CommandError> {
    for ranges in uids.ranges().chunks(RANGES_A_LINE) {
        out.push(if earlier { "* VANISHED (EARLIER) " } else { "* VANISHED " });
        write::uid_set(out.buf(), &ranges.iter().copied().collect());
        out.push("\r\n");
        out.relieve().await?;
    }
    Ok(())
}

/// `* n FETCH (FLAGS (...))` of a message of the present version; see [`flags_line`].
pub(in crate::imap) fn fetch_flags(
    mailbox: &SelectedMailbox,
    features: Features,
    out: &mut Output,
    uid: u32,
    with_uid: bool,
) {
    if let Some((seq, message)) = living(&mailbox.view, uid) {
        flags_line(mailbox, features, out, Entry { seq, message, ghost: false }, with_uid);
    }
}

/// `* n FETCH (FLAGS (...))`, with the UID if asked for, or to an IMAP4rev2 client, who did not ask for it (RFC 9051 section
/// 7.5.2); with both UID and MODSEQ if CONDSTORE is enabled (RFC 7162 section 3.2.4). `* uid UIDFETCH (FLAGS (...))` if UIDONLY
/// is (RFC 9586 section 3.6).
pub(in crate::imap) fn flags_line(
    mailbox: &SelectedMailbox,
    features: Features,
    out: &mut Output,
    entry: Entry<'_>,
    with_uid: bool,
) {
    let Entry { seq, message, .. } = entry;
    fetch_head(out.buf(), features.uid_only, seq, message.uid);
    if !features.uid_only && (with_uid || features.condstore || features.rev2) {
        out.push(format!("UID {} ", message.uid.value()));
    }
    out.push("FLAGS ");
    let recent = mailbox.recent.contains_uid(message.uid);
    write_flags(out.buf(), message, &mailbox.view.snapshot().keywords, recent);
    if features.condstore {
        out.push(" ");
        mod_seq_item(out.buf(), message);
    }
    out.push(")\r\n");
}

/// `* n FETCH (`, or `* uid UIDFETCH (`: `uidfetch-resp = uniqueid SP "UIDFETCH" SP msg-att` (RFC 9586 section 4).
pub(in crate::imap) fn fetch_head(out: &mut Vec<u8>, uid_only: bool, seq: u32, uid: Uid) {
    out.extend_from_slice(b"* ");
    write::number(out, if uid_only { uid.value() } else { seq }.into());
    out.extend_from_slice(if uid_only { b" UIDFETCH (" } else { b" FETCH (" });
}

/// The message with this UID in the present version, with its number.
pub(in crate::imap) fn living(view: &MailboxView, uid: u32) -> Option<(u32, &Message)> {
    let uid = Uid::new(uid)?;
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
