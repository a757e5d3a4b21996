//! What can be seen of a store, in a form in which two of them compare.

use std::collections::{BTreeMap, BTreeSet};

use tributary::mail::UidSet;
use tributary::store::{Counts, Error, LedgerState, PollState, Quota, Stored};

/// Later than any time that the test makes up.
pub(crate) const NOW: i64 = 1_000_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Done,
    Uids(Vec<u32>),
    Delivered(Option<u32>),
    Merged(u32),
    Names(Vec<String>),
    Flags {
        applied: UidSet,
        modified: UidSet,
        missing: UidSet,
    },
    Copied {
        pairs: Vec<(u32, u32)>,
        missing: UidSet,
    },
    Expunged(UidSet),
    Created(u32),
    Poll(PollState),
    Recent(u32),
    /// `vanished` may have more than what the model knows.
    Changes {
        changed: Vec<u32>,
        vanished: UidSet,
    },
    Error {
        kind: &'static str,
        text: String,
    },
}

impl From<Error> for Answer {
    fn from(error: Error) -> Self {
        Self::Error { kind: error.kind(), text: error.to_string() }
    }
}

/// The model does not know the words of an error, nor what else the expunge log may name.
pub(crate) fn assert_answers(found: &[Answer], expected: &[Answer]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        match (found, expected) {
            (Answer::Error { kind: found, .. }, Answer::Error { kind: expected, .. }) => assert_eq!(found, expected),
            (
                Answer::Changes { changed: found, vanished },
                Answer::Changes { changed: expected, vanished: at_least },
            ) => {
                assert_eq!(found, expected);
                assert!(at_least.difference(vanished).is_empty(), "{vanished:?} lacks some of {at_least:?}");
            }
            _ => assert_eq!(found, expected),
        }
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) users: Vec<UserView>,
    pub(crate) accounts: Vec<AccountView>,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct UserView {
    pub(crate) usage: Stored,
    pub(crate) quota: Option<Quota>,
    pub(crate) mailboxes: BTreeMap<String, MailboxView>,
    pub(crate) subscriptions: BTreeSet<String>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct MailboxView {
    pub(crate) id: u32,
    pub(crate) special_use: Option<&'static str>,
    pub(crate) counts: Counts,
    pub(crate) messages: BTreeMap<u32, MessageView>,
    pub(crate) annotations: BTreeMap<String, Vec<u8>>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct MessageView {
    pub(crate) flags: u8,
    pub(crate) keywords: BTreeSet<String>,
    pub(crate) mod_seq: u64,
    pub(crate) size: u32,
    pub(crate) account: Option<u32>,
    pub(crate) internal_date: i64,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct AccountView {
    pub(crate) ledger: BTreeMap<Vec<u8>, RowView>,
    /// Tries, last try (at most [`NOW`]), whether it is quarantined.
    pub(crate) troubles: BTreeMap<Vec<u8>, (u32, i64, bool)>,
    pub(crate) poll_state: PollState,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RowView {
    pub(crate) state: LedgerState,
    pub(crate) listed_size: u64,
    pub(crate) header_hash: [u8; 16],
    pub(crate) content: [u8; 16],
    pub(crate) has_body: bool,
    pub(crate) has_place: bool,
}

/// The octets of a made-up message. The last are of several pieces.
pub(crate) fn octets(content: u8) -> Vec<u8> {
    let mut octets = format!("Subject: {content}\r\n\r\n").into_bytes().repeat(usize::from(content) * 50 + 1);
    if content == 5 {
        let mut noise = 1u32;
        octets.extend(
            std::iter::repeat_with(|| {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (noise >> 24) as u8
            })
            .take(40_000),
        );
    }
    octets
}

pub(crate) fn hash(content: u8) -> [u8; 32] {
    *blake3::hash(&octets(content)).as_bytes()
}

/// INTERNALDATE of a made-up message.
pub(crate) fn date(content: u8) -> i64 {
    i64::from(content) * 1000 - 2000
}

/// The name of an entry.
pub(crate) fn annotation(n: u8) -> String {
    format!("/private/{n}")
}

pub(crate) fn key(n: u8) -> Vec<u8> {
    vec![b'a' + n]
}

pub(crate) const fn state(n: u8) -> LedgerState {
    [LedgerState::Stored, LedgerState::DeleteWanted, LedgerState::Gone, LedgerState::Skipped][n as usize % 4]
}

/// How one byte changes what the poller keeps.
pub(crate) fn change_poll_state(state: &mut PollState, value: u8) {
    match value % 3 {
        0 => state.is_paused = !state.is_paused,
        1 => (state.state, state.failures) = (value, state.failures + 1),
        _ => (state.not_before, state.credentials) = (i64::from(value), u16::from(value) * 3),
    }
}
