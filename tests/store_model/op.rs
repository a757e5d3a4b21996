//! What can be done to a store, at random.

use proptest::prelude::*;
use tributary::mail::MailboxId;

/// Of each user.
pub(crate) const NAMES: [&str; 12] =
    ["INBOX", "Archive", "Sent", "a", "a/b", "a/b/c", "c", "c/b", "INBOX/d", "deep/down/below", "v/0", "v/1"];
/// Of names, those that views mostly have.
const VIEWS: std::ops::Range<usize> = 10..12;
pub(crate) const KEYWORDS: [&str; 5] = ["work", "$Later", "x", "WORK", "late"];
pub(crate) const USERS: usize = 2;
/// User of each account.
pub(crate) const ACCOUNTS: [usize; 3] = [0, 0, 1];
const KEYS: u8 = 5;
const CONTENTS: u8 = 6;

/// A mailbox by user and name.
pub(crate) type Place = (usize, usize);
type Range = (u32, u32);

#[derive(Clone, Debug)]
pub(crate) struct New {
    pub(crate) content: u8,
    pub(crate) flags: u8,
    pub(crate) keywords: Vec<usize>,
    pub(crate) account: Option<usize>,
}

#[derive(Clone, Debug)]
pub(crate) enum Change {
    SetState(u8, u8),
    Forget(u8),
    Skip { key: u8, size: u8, header: u8 },
    Resize(u8, u8),
    EndFirstPoll,
    Adopt(u8, u8),
}

/// A call of the facade; `P` names mailboxes. As it is made up, `since` is so far below HIGHESTMODSEQ.
#[derive(Clone, Debug)]
pub(crate) enum Call<P> {
    Append {
        to: P,
        messages: Vec<New>,
    },
    /// The oldest of the bodies held.
    AppendHeld {
        to: P,
    },
    Deliver {
        account: usize,
        to: P,
        key: Option<u8>,
        new: New,
        size: u8,
        header: u8,
        delete: bool,
        reused: bool,
        merge: Option<u8>,
    },
    /// By account, name.
    Views {
        user: usize,
        views: Vec<(usize, usize)>,
    },
    Flags {
        of: P,
        range: Range,
        op: u8,
        flags: u8,
        keywords: Vec<usize>,
        since: Option<u64>,
    },
    Copy {
        from: P,
        range: Range,
        to: P,
    },
    Move {
        from: P,
        range: Range,
        to: P,
    },
    Replace {
        from: P,
        old: u32,
        to: P,
        new: New,
    },
    Expunge {
        of: P,
        only: Option<Range>,
    },
    Create {
        place: Place,
        special_use: Option<usize>,
    },
    Delete {
        place: Place,
    },
    Rename {
        user: usize,
        from: usize,
        to: usize,
    },
    Subscribe {
        place: Place,
        on: bool,
    },
    /// By the first user.
    Annotate {
        of: P,
        entry: u8,
        value: Option<u8>,
    },
    Ledger {
        account: usize,
        changes: Vec<Change>,
    },
    Troubles {
        account: usize,
        rows: Vec<(u8, Option<(u8, u8)>)>,
    },
    Quarantine {
        account: usize,
        key: u8,
        to: P,
        messages: Vec<New>,
    },
    PollState {
        account: usize,
        value: u8,
    },
}

#[derive(Clone, Debug)]
pub(crate) enum Op<P> {
    /// Queued at one time.
    Calls(Vec<Call<P>>),
    /// As it is made up, `since` is in eighths of HIGHESTMODSEQ.
    ChangesSince {
        of: P,
        since: u64,
    },
    ClaimRecent {
        of: P,
    },
    /// Writes a body to be used later.
    Hold {
        content: u8,
    },
    /// Drops the oldest of the bodies held.
    Abandon,
    /// Begins a body and drops it.
    HalfWritten {
        content: u8,
    },
    Collect,
    /// Of a user, in thousands of octets.
    Quota {
        user: usize,
        limit: Option<u16>,
    },
    Reopen {
        cleanly: bool,
    },
}

fn place() -> impl Strategy<Value = Place> {
    // Mostly of one user, and often INBOX or a view, so that things meet.
    let name = prop_oneof![2 => Just(0), 2 => VIEWS, 7 => 0..NAMES.len()];
    (prop_oneof![5 => Just(0), 1 => Just(1)], name)
}

fn view_name() -> impl Strategy<Value = usize> {
    prop_oneof![6 => VIEWS, 1 => 0..NAMES.len()]
}

fn range() -> impl Strategy<Value = Range> {
    prop_oneof![
        3 => (1..12u32, 0..8u32).prop_map(|(low, more)| (low, low + more)),
        1 => (1..100u32, 0..100u32).prop_map(|(low, more)| (low, low + more)),
        1 => Just((1, u32::MAX)),
    ]
}

fn keywords() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0..KEYWORDS.len(), 0..3)
}

fn new() -> impl Strategy<Value = New> {
    let account = prop_oneof![4 => Just(None), 2 => Just(Some(0)), 1 => (0..ACCOUNTS.len()).prop_map(Some)];
    (0..CONTENTS, 0..32u8, keywords(), account).prop_map(|(content, flags, keywords, account)| New {
        content,
        flags,
        keywords,
        account,
    })
}

fn messages() -> impl Strategy<Value = Vec<New>> {
    let many = (new(), 50..70usize).prop_map(|(new, count)| vec![new; count]);
    prop_oneof![8 => prop::collection::vec(new(), 0..5), 1 => many]
}

fn change() -> impl Strategy<Value = Change> {
    let key = || 0..KEYS;
    prop_oneof![
        3 => (key(), 0..4u8).prop_map(|(key, state)| Change::SetState(key, state)),
        1 => key().prop_map(Change::Forget),
        2 => (key(), any::<u8>(), 0..3u8).prop_map(|(key, size, header)| Change::Skip { key, size, header }),
        1 => (key(), any::<u8>()).prop_map(|(key, size)| Change::Resize(key, size)),
        1 => Just(Change::EndFirstPoll),
        3 => (key(), key()).prop_map(|(from, to)| Change::Adopt(from, to)),
    ]
}

fn call() -> impl Strategy<Value = Call<Place>> {
    // An account's mail goes into its own user's mailboxes, but for a mistake now and then.
    let account = || prop_oneof![4 => Just(0), 1 => 0..ACCOUNTS.len()];
    let key = || 0..KEYS;
    let name = || 0..NAMES.len();
    prop_oneof![
        6 => (place(), messages()).prop_map(|(to, messages)| Call::Append { to, messages }),
        1 => place().prop_map(|to| Call::AppendHeld { to }),
        6 => (account(), place(), prop::option::weighted(0.8, key()), new(), (any::<u8>(), 0..3u8), any::<(bool, bool)>(), prop::option::of(0..2u8))
            .prop_map(|(account, to, key, new, (size, header), (delete, reused), merge)| {
                // What may be one with another message is of the account that brings it.
                let new = if merge.is_some() { New { account: Some(account), ..new } } else { new };
                Call::Deliver { account, to, key, new, size, header, delete, reused, merge }
            }),
        3 => (prop_oneof![9 => Just(0), 1 => Just(1)], prop::collection::vec((0..2usize, view_name()), 0..3))
            .prop_map(|(user, views)| Call::Views { user, views }),
        6 => (place(), range(), 0..3u8, 0..32u8, keywords(), prop::option::of(0..6u64))
            .prop_map(|(of, range, op, flags, keywords, since)| Call::Flags { of, range, op, flags, keywords, since }),
        3 => (place(), range(), place()).prop_map(|(from, range, to)| Call::Copy { from, range, to }),
        1 => (place(), range()).prop_map(|(of, range)| Call::Copy { from: of, range, to: of }),
        3 => (place(), range(), place()).prop_map(|(from, range, to)| Call::Move { from, range, to }),
        1 => (place(), range()).prop_map(|(of, range)| Call::Move { from: of, range, to: of }),
        2 => (place(), range(), place(), new())
            .prop_map(|(from, (old, _), to, new)| Call::Replace { from, old, to, new }),
        2 => (place(), range(), new()).prop_map(|(of, (old, _), new)| Call::Replace { from: of, old, to: of, new }),
        4 => (place(), prop::option::of(range())).prop_map(|(of, only)| Call::Expunge { of, only }),
        4 => (place(), prop::option::weighted(0.3, 0..5usize))
            .prop_map(|(place, special_use)| Call::Create { place, special_use }),
        3 => place().prop_map(|place| Call::Delete { place }),
        4 => (place(), name()).prop_map(|((user, from), to)| Call::Rename { user, from, to }),
        2 => (place(), any::<bool>()).prop_map(|(place, on)| Call::Subscribe { place, on }),
        2 => (place(), 0..3u8, prop::option::of(any::<u8>()))
            .prop_map(|(of, entry, value)| Call::Annotate { of, entry, value }),
        3 => (account(), prop::collection::vec(change(), 1..4))
            .prop_map(|(account, changes)| Call::Ledger { account, changes }),
        1 => (account(), prop::collection::vec((key(), prop::option::of(any::<(u8, u8)>())), 1..3))
            .prop_map(|(account, rows)| Call::Troubles { account, rows }),
        2 => (account(), key(), place(), prop::collection::vec(new(), 1..3))
            .prop_map(|(account, key, to, messages)| Call::Quarantine { account, key, to, messages }),
        1 => (account(), any::<u8>()).prop_map(|(account, value)| Call::PollState { account, value }),
    ]
}

pub(crate) fn operation() -> impl Strategy<Value = Op<Place>> {
    prop_oneof![
        20 => call().prop_map(|call| Op::Calls(vec![call])),
        4 => prop::collection::vec(call(), 2..8).prop_map(Op::Calls),
        4 => (place(), 0..10u64).prop_map(|(of, since)| Op::ChangesSince { of, since }),
        1 => place().prop_map(|of| Op::ClaimRecent { of }),
        1 => (0..CONTENTS).prop_map(|content| Op::Hold { content }),
        1 => Just(Op::Abandon),
        1 => (0..CONTENTS).prop_map(|content| Op::HalfWritten { content }),
        1 => Just(Op::Collect),
        1 => (0..USERS, prop::option::weighted(0.6, 0..60u16)).prop_map(|(user, limit)| Op::Quota { user, limit }),
        2 => any::<bool>().prop_map(|cleanly| Op::Reopen { cleanly }),
    ]
}

impl Op<Place> {
    /// The same with mailboxes as `id` gives them and mod-sequences as they are when their HIGHESTMODSEQ is `highest`.
    pub(crate) fn resolved(
        &self,
        id: impl Fn(Place) -> MailboxId,
        highest: impl Fn(MailboxId) -> u64,
    ) -> Op<MailboxId> {
        match *self {
            Self::Calls(ref calls) => Op::Calls(calls.iter().map(|call| call.resolved(&id, &highest)).collect()),
            Self::ChangesSince { of, since } => Op::ChangesSince { of: id(of), since: highest(id(of)) * since / 8 },
            Self::ClaimRecent { of } => Op::ClaimRecent { of: id(of) },
            Self::Hold { content } => Op::Hold { content },
            Self::Abandon => Op::Abandon,
            Self::HalfWritten { content } => Op::HalfWritten { content },
            Self::Collect => Op::Collect,
            Self::Quota { user, limit } => Op::Quota { user, limit },
            Self::Reopen { cleanly } => Op::Reopen { cleanly },
        }
    }
}

impl Call<Place> {
    fn resolved(&self, id: impl Fn(Place) -> MailboxId, highest: impl Fn(MailboxId) -> u64) -> Call<MailboxId> {
        match self.clone() {
            Self::Append { to, messages } => Call::Append { to: id(to), messages },
            Self::AppendHeld { to } => Call::AppendHeld { to: id(to) },
            Self::Deliver { account, to, key, new, size, header, delete, reused, merge } => {
                Call::Deliver { account, to: id(to), key, new, size, header, delete, reused, merge }
            }
            Self::Views { user, views } => Call::Views { user, views },
            Self::Flags { of, range, op, flags, keywords, since } => {
                let since = since.map(|back| highest(id(of)).saturating_sub(back));
                Call::Flags { of: id(of), range, op, flags, keywords, since }
            }
            Self::Copy { from, range, to } => Call::Copy { from: id(from), range, to: id(to) },
            Self::Move { from, range, to } => Call::Move { from: id(from), range, to: id(to) },
            Self::Replace { from, old, to, new } => Call::Replace { from: id(from), old, to: id(to), new },
            Self::Expunge { of, only } => Call::Expunge { of: id(of), only },
            Self::Create { place, special_use } => Call::Create { place, special_use },
            Self::Delete { place } => Call::Delete { place },
            Self::Rename { user, from, to } => Call::Rename { user, from, to },
            Self::Subscribe { place, on } => Call::Subscribe { place, on },
            Self::Annotate { of, entry, value } => Call::Annotate { of: id(of), entry, value },
            Self::Ledger { account, changes } => Call::Ledger { account, changes },
            Self::Troubles { account, rows } => Call::Troubles { account, rows },
            Self::Quarantine { account, key, to, messages } => Call::Quarantine { account, key, to: id(to), messages },
            Self::PollState { account, value } => Call::PollState { account, value },
        }
    }
}

impl<P> Call<P> {
    /// Messages whose bodies are written before the call.
    pub(crate) fn messages(&self) -> &[New] {
        match self {
            Self::Append { messages, .. } | Self::Quarantine { messages, .. } => messages,
            Self::Deliver { new, .. } | Self::Replace { new, .. } => std::slice::from_ref(new),
            _ => &[],
        }
    }
}
