//! Rows of meta.redb to bytes and back (`docs/store-format.md`). Decoding never panics: what cannot be read is
//! [`crate::store::Error::Damaged`].

use super::BLOCK_SHIFT;
use crate::mail::{
    AccountId, BodyId, Flags, InternalDate, Keyword, KeywordSet, MailboxId, MailboxName, Message, ModSeq, SpecialUse,
    ThreadId, Uid, UidSet, UidValidity, UserId,
};
use crate::store::body::BodyRow;
use crate::store::decode::{Input, VERSION};
use crate::store::error::Result;
use crate::store::snapshot::Block;
use crate::store::types::{Counts, LedgerState, PollState, Stored, Trouble};

const BLOCK_HEADER: usize = 16;
const MESSAGE_ROW: usize = 72;

/// A user's mod-sequence counter, keyword table and usage.
#[derive(Clone, Debug, Default)]
pub(super) struct UserState {
    pub(super) mod_seq: ModSeq,
    pub(super) keywords: Vec<Keyword>,
    /// What the user's mailboxes say together.
    pub(super) usage: Stored,
}

impl UserState {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend(self.mod_seq.0.to_le_bytes());
        out.push(u8::try_from(self.keywords.len()).unwrap_or(u8::MAX));
        for keyword in &self.keywords {
            out.push(u8::try_from(keyword.as_str().len()).unwrap_or(u8::MAX));
            out.extend(keyword.as_str().as_bytes());
        }
        out.extend(self.usage.octets.to_le_bytes());
        out.extend(self.usage.messages.to_le_bytes());
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self> {
        Ok(Self::decode_counted(bytes)?.0)
    }

    /// Says as well whether the row has the usage: older ones end before it.
    pub(super) fn decode_counted(bytes: &[u8]) -> Result<(Self, bool)> {
        let mut input = Input::new("user", bytes)?;
        let mod_seq = ModSeq(input.u64()?);
        let count = input.u8()?;
        let mut keywords = Vec::with_capacity(count.into());
        for _ in 0..count {
            let len = input.u8()?;
            let text = std::str::from_utf8(input.bytes(len.into())?).ok();
            keywords.push(text.and_then(Keyword::new).ok_or_else(|| input.damaged())?);
        }
        let is_counted = !input.rest.is_empty();
        let usage =
            if is_counted { Stored { octets: input.u64()?, messages: input.u64()? } } else { Stored::default() };
        Ok((Self { mod_seq, keywords, usage }, is_counted))
    }

    /// The bit of a keyword.
    pub(super) fn keyword(&self, keyword: &Keyword) -> Option<usize> {
        self.keywords.iter().position(|k| k == keyword)
    }
}

/// A row of `mailbox`.
#[derive(Clone, Debug)]
pub(super) struct MailboxRow {
    pub(super) user: UserId,
    pub(super) name: MailboxName,
    pub(super) uid_validity: UidValidity,
    pub(super) special_use: Option<SpecialUse>,
    pub(super) counts: Counts,
}

impl MailboxRow {
    pub(super) fn encode(&self) -> Vec<u8> {
        let special_use = self.special_use.and_then(|u| SpecialUse::ALL.iter().position(|(s, ..)| *s == u));
        let mut out = vec![VERSION, special_use.map_or(0, |i| i as u8 + 1)];
        let counts = &self.counts;
        for n in [self.user.0, self.uid_validity.value(), counts.uid_next] {
            out.extend(n.to_le_bytes());
        }
        out.extend(counts.highest_mod_seq.0.to_le_bytes());
        for n in [counts.exists, counts.unseen, counts.deleted] {
            out.extend(n.to_le_bytes());
        }
        out.extend(counts.size.to_le_bytes());
        out.extend(counts.recent_from.to_le_bytes());
        out.extend(self.name.as_str().as_bytes());
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self> {
        let mut input = Input::new("mailbox", bytes)?;
        let special_use = match input.u8()? {
            0 => None,
            n => Some(SpecialUse::ALL.get(usize::from(n) - 1).ok_or_else(|| input.damaged())?.0),
        };
        let user = UserId(input.u32()?);
        let uid_validity = UidValidity::new(input.u32()?).ok_or_else(|| input.damaged())?;
        let counts = Counts {
            uid_next: input.u32()?,
            highest_mod_seq: ModSeq(input.u64()?),
            exists: input.u32()?,
            unseen: input.u32()?,
            deleted: input.u32()?,
            size: input.u64()?,
            recent_from: input.u32()?,
        };
        let name = std::str::from_utf8(input.rest).ok().and_then(|name| MailboxName::new(name).ok());
        Ok(Self { user, name: name.ok_or_else(|| input.damaged())?, uid_validity, special_use, counts })
    }
}

impl Block {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.clear();
        out.extend([VERSION, self.messages.len() as u8, 0, 0, 0, 0, 0, 0]);
        out.extend(self.max_mod_seq.0.to_le_bytes());
        for m in &self.messages {
            let (twin_mailbox, twin_uid) = m.twin.map_or((0, 0), |(mailbox, uid)| (mailbox.0, uid.value()));
            out.extend([(m.uid.value() & ((1 << BLOCK_SHIFT) - 1)) as u8, m.flags.bits()]);
            out.extend(m.internal_date.offset_minutes.to_le_bytes());
            out.extend(m.size.to_le_bytes());
            out.extend(m.mod_seq.0.to_le_bytes());
            out.extend(m.internal_date.unix.to_le_bytes());
            out.extend(m.body.0.to_le_bytes());
            out.extend(m.thread.0.to_le_bytes());
            out.extend(twin_mailbox.to_le_bytes());
            out.extend(twin_uid.to_le_bytes());
            out.extend(m.keywords.0.to_le_bytes());
            out.extend(m.account.map_or(0, |a| a.0).to_le_bytes());
            out.extend(m.saved.to_le_bytes());
        }
    }

    /// The highest mod-sequence of an encoded block, without decoding its rows.
    pub(super) fn peek_max_mod_seq(bytes: &[u8]) -> Result<ModSeq> {
        let mut input = Input::new("message", bytes)?;
        input.bytes(7)?;
        Ok(ModSeq(input.u64()?))
    }

    pub(super) fn decode(number: u32, bytes: &[u8]) -> Result<Self> {
        let mut input = Input::new("message", bytes)?;
        let count = usize::from(input.u8()?);
        input.bytes(6)?;
        let max_mod_seq = ModSeq(input.u64()?);
        if bytes.len() != BLOCK_HEADER + count * MESSAGE_ROW || number > u32::MAX >> BLOCK_SHIFT {
            return Err(input.damaged());
        }
        let mut messages = Vec::with_capacity(count);
        for _ in 0..count {
            messages.push(decode_message(number << BLOCK_SHIFT, &mut input)?);
        }
        Ok(Self { max_mod_seq, messages })
    }
}

fn decode_message(base: u32, input: &mut Input<'_>) -> Result<Message> {
    let uid = Uid::new(base | u32::from(input.u8()?)).ok_or_else(|| input.damaged())?;
    let flags = Flags::from_bits(input.u8()?);
    let offset_minutes = i16::from_le_bytes(input.array()?);
    let size = input.u32()?;
    let mod_seq = ModSeq(input.u64()?);
    let internal_date = InternalDate { unix: input.i64()?, offset_minutes };
    let body = BodyId(input.u64()?);
    let thread = ThreadId(input.u64()?);
    let twin_mailbox = input.u32()?;
    let twin = Uid::new(input.u32()?).map(|uid| (MailboxId(twin_mailbox), uid));
    let keywords = KeywordSet(u128::from_le_bytes(input.array()?));
    let account = Some(input.u32()?).filter(|a| *a != 0).map(AccountId);
    let saved = input.u32()?;
    Ok(Message { uid, flags, keywords, mod_seq, internal_date, saved, size, body, thread, account, twin })
}

impl BodyRow {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = vec![BODY_VERSION];
        self.encode_fields(&mut out);
        out
    }

    fn encode_fields(&self, out: &mut Vec<u8>) {
        out.extend(self.size.to_le_bytes());
        for n in [self.chunks, self.references] {
            out.extend(n.to_le_bytes());
        }
        out.extend(self.hash);
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self> {
        let (version, mut input) = Input::of_two("body", bytes)?;
        Self::decode_fields(version, &mut input)
    }

    fn decode_fields(version: u8, input: &mut Input<'_>) -> Result<Self> {
        let (size, chunks) = (input.u64()?, input.u32()?);
        if version < BODY_VERSION {
            // Pieces of a search text, which is no longer kept.
            input.u32()?;
        }
        Ok(Self { size, chunks, references: input.u32()?, hash: input.array()? })
    }
}

/// First byte of the rows of `body` and `dead`; those that version 1 wrote are read as well.
const BODY_VERSION: u8 = 2;

/// A row of `dead`: a body that no message has any more, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DeadRow {
    pub(super) since: i64,
    pub(super) body: BodyRow,
}

impl DeadRow {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = vec![BODY_VERSION];
        out.extend(self.since.to_le_bytes());
        self.body.encode_fields(&mut out);
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self> {
        let (version, mut input) = Input::of_two("dead", bytes)?;
        Ok(Self { since: input.i64()?, body: BodyRow::decode_fields(version, &mut input)? })
    }
}

/// A row of `uidl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UidlRow {
    pub(super) state: LedgerState,
    pub(super) body: BodyId,
    pub(super) listed_size: u64,
    pub(super) header_hash: [u8; 16],
    pub(super) stored_at: i64,
    /// The first half of the BLAKE3 of its octets; zero when it was skipped, or written before rows had it.
    pub(super) content: [u8; 16],
    /// It is one with a message that this account had brought: where that is, it is.
    pub(super) merged: Option<AccountId>,
}

impl UidlRow {
    pub(super) fn encode(&self) -> Vec<u8> {
        let state = match self.state {
            LedgerState::Stored => 1,
            LedgerState::DeleteWanted => 2,
            LedgerState::Gone => 3,
            LedgerState::Skipped => 4,
        };
        let mut out = vec![VERSION, state];
        out.extend(self.body.0.to_le_bytes());
        out.extend(self.listed_size.to_le_bytes());
        out.extend(self.header_hash);
        out.extend(self.stored_at.to_le_bytes());
        out.extend(self.content);
        out.extend(self.merged.map_or(0, |account| account.0).to_le_bytes());
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self> {
        let mut input = Input::new("ledger", bytes)?;
        let state = match input.u8()? {
            1 => LedgerState::Stored,
            2 => LedgerState::DeleteWanted,
            3 => LedgerState::Gone,
            4 => LedgerState::Skipped,
            _ => return Err(input.damaged()),
        };
        Ok(Self {
            state,
            body: BodyId(input.u64()?),
            listed_size: input.u64()?,
            header_hash: input.array()?,
            stored_at: input.i64()?,
            content: if input.rest.is_empty() { [0; 16] } else { input.array()? },
            merged: if input.rest.is_empty() { None } else { Some(AccountId(input.u32()?)).filter(|a| a.0 != 0) },
        })
    }
}

impl Trouble {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION, self.is_quarantined.into()];
        out.extend(self.tries.to_le_bytes());
        out.extend(self.last_try.to_le_bytes());
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self> {
        let mut input = Input::new("trouble", bytes)?;
        Ok(Self { is_quarantined: input.u8()? != 0, tries: input.u32()?, last_try: input.i64()? })
    }
}

impl PollState {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION, u8::from(self.first_poll_done) | u8::from(self.is_paused) << 1, self.state];
        out.extend(self.failures.to_le_bytes());
        out.extend(self.last_attempt.to_le_bytes());
        out.extend(self.not_before.to_le_bytes());
        out.extend(self.credentials.to_le_bytes());
        out.extend(self.last_success.to_le_bytes());
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self> {
        let mut input = Input::new("poll state", bytes)?;
        let bits = input.u8()?;
        Ok(Self {
            first_poll_done: bits & 1 != 0,
            is_paused: bits & 2 != 0,
            state: input.u8()?,
            failures: input.u32()?,
            last_attempt: input.i64()?,
            not_before: input.i64()?,
            credentials: u16::from_le_bytes(input.array()?),
            // Older rows end before it.
            last_success: if input.rest.is_empty() { 0 } else { input.i64()? },
        })
    }
}

/// A row of `expunge`.
pub(super) fn encode_ranges(set: &UidSet) -> Vec<u8> {
    set.ranges().iter().flat_map(|(low, high)| [low.to_le_bytes(), high.to_le_bytes()]).flatten().collect()
}

/// Adds the ranges of a row of `expunge`.
pub(super) fn decode_ranges(bytes: &[u8], out: &mut Vec<(u32, u32)>) -> Result<()> {
    let mut input = Input { what: "expunge", rest: bytes };
    while !input.rest.is_empty() {
        out.push((input.u32()?, input.u32()?));
    }
    Ok(())
}
