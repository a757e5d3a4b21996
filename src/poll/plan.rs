//! What one session does with a maildrop, from its listing, the ledger and the policy. Pure, and linear in both.

use std::collections::{HashMap, HashSet};

use crate::pop3::{Item, Listing};
use crate::store::{LedgerRow, LedgerState, Trouble};

use super::policy::{DAY, Policy, Sight, Wish, is_braked};

/// The ledger of one account.
pub(super) type Ledger = HashMap<Vec<u8>, LedgerRow>;

/// Messages that could not be fetched, by [`Target::key`].
pub(super) type Troubles = HashMap<Vec<u8>, Trouble>;

/// Ledger rows that may vanish from one listing to the next without doubt in the listing.
const BELIEVED_LOSS: usize = 10;
/// Messages asked about when the sizes of most have changed.
const SAMPLE: usize = 8;
/// Messages that are too long, told by name.
const NAMED: usize = 20;

/// A message of this session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) number: u32,
    pub(super) size: Option<u64>,
    /// `None`: its content identifies it.
    pub(super) unique_id: Option<Vec<u8>>,
    /// Sessions in which it could not be fetched.
    pub(super) tries: u32,
}

impl Target {
    fn of(item: Item<'_>, troubles: &Troubles) -> Self {
        let unique_id = item.unique_id.map(<[u8]>::to_vec);
        let mut target = Self { number: item.number, size: item.size, unique_id, tries: 0 };
        if !troubles.is_empty() {
            target.tries = troubles.get(&target.key()).map_or(0, |trouble| trouble.tries);
        }
        target
    }

    /// What it is called where its failures are counted. No unique-id begins with the byte 1.
    pub(super) fn key(&self) -> Vec<u8> {
        let made = || [&[1], &self.number.to_be_bytes()[..], &self.listed_size().to_be_bytes()].concat();
        self.unique_id.clone().unwrap_or_else(made)
    }

    pub(super) fn listed_size(&self) -> u64 {
        self.size.unwrap_or(0)
    }

    /// Printable, for logs and people.
    pub(super) fn name(&self) -> String {
        match &self.unique_id {
            Some(unique_id) => unique_id.escape_ascii().to_string(),
            None => format!("message {}", self.number),
        }
    }

    /// Those that failed come last, so that none stands in the way of another.
    pub(super) fn order(&self) -> (u32, u32) {
        (self.tries, self.number)
    }
}

/// A stored message to be deleted upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Deletion {
    pub(super) target: Target,
    pub(super) wish: Wish,
    /// Its header, when it was stored.
    pub(super) header_hash: [u8; 16],
}

/// What TOP is to tell of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// Not known under its unique-id, or without one: is it stored under another name? If not, `first_poll` decides.
    Unknown(Sight),
    /// Known under its unique-id: is it still that message?
    Row(Claim),
}

/// What the ledger says of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    /// Zero: it was never looked at.
    pub(super) header_hash: [u8; 16],
    pub(super) stored_at: i64,
    /// LIST says another size than before.
    pub(super) resized: bool,
    /// It was deleted upstream, and is still listed.
    pub(super) undead: bool,
    pub(super) skipped: bool,
    pub(super) wish: Option<Wish>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Comparison {
    pub(super) target: Target,
    pub(super) question: Question,
}

/// What to do, in the order of the listing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// Not yet stored.
    pub(super) retrieve: Vec<Target>,
    /// To be looked at first.
    pub(super) compare: Vec<Comparison>,
    /// Stored, and not wanted upstream any more.
    pub(super) delete: Vec<Deletion>,
    /// Stored messages of other sizes than before: most are, so what a few of them (in `compare`) turn out to be decides.
    pub(super) resized: Vec<Comparison>,
    /// Left where they are by `first_poll`.
    pub(super) skip: Vec<Target>,
    /// Ledger rows of messages that are gone upstream.
    pub(super) forget: Vec<Vec<u8>>,
    /// Failures of messages that are gone upstream, or stored.
    pub(super) forget_troubles: Vec<Vec<u8>>,
    /// Deletions that the brake holds.
    pub(super) held: u64,
    /// Messages that are listed although they were deleted, and were looked at not long ago.
    pub(super) undead: u64,
    /// Messages that are too long.
    pub(super) too_long: u64,
    /// The first few of them, with their listed size.
    pub(super) too_large: Vec<(String, u64)>,
    /// Most unique-ids of the listing are unknown and stored messages are missing from it: the server may have given its messages
    /// new unique-ids. What is unknown is compared with what is missing, and no row of a missing one is forgotten.
    pub(super) reset: bool,
    /// No listed message is known.
    pub(super) all_new: bool,
}

/// A message that is not in the ledger.
struct Unknown {
    target: Target,
    sight: Sight,
}

/// Sorts the listing into what to do.
pub(super) fn plan(listing: &Listing, ledger: &Ledger, troubles: &Troubles, policy: Policy<'_>) -> Plan {
    let mut plan = Plan::default();
    let mut listed = HashSet::with_capacity(listing.len());
    let (mut unknown, mut claims) = (Vec::new(), Vec::new());
    for (index, item) in listing.iter().enumerate() {
        listed.extend(item.unique_id);
        let row = item.unique_id.and_then(|id| ledger.get(id));
        match row.filter(|row| row.state != LedgerState::Skipped || !policy.fetch_skipped) {
            Some(row) => plan.known(item, row, policy, &mut claims),
            None => {
                let sight = if row.is_some() { Sight::Fetch } else { policy.sight(index, listing.len()) };
                unknown.push(Unknown { target: Target::of(item, troubles), sight });
            }
        }
    }
    plan.all_new = !listing.is_empty() && unknown.len() == listing.len();
    plan.claim(claims, listing.len());
    let renamed = unknown.iter().filter(|message| message.target.unique_id.is_some()).count();
    let missing = ledger.iter().any(|(id, row)| row.state != LedgerState::Gone && is_missing(id, &listed));
    plan.reset = missing && renamed * 2 > listed.len();
    let nameless = renamed < unknown.len();
    let sizes: HashSet<u64> = if unknown.is_empty() {
        HashSet::new()
    } else {
        let counts = |row: &LedgerRow| row.state != LedgerState::Skipped || !policy.fetch_skipped;
        let may_be = |id: &[u8]| is_synthetic(id) || ((plan.reset || nameless) && is_missing(id, &listed));
        ledger.iter().filter(|(id, row)| counts(row) && may_be(id)).map(|(_, row)| row.listed_size).collect()
    };
    for message in unknown {
        plan.unknown(message, troubles, &sizes, policy);
    }
    plan.retrieve.sort_by_key(Target::order);
    if listing.is_complete() {
        // What is to be fetched may be a missing message under a new unique-id: its row is needed until that is known.
        let renamed = |target: &Target| target.unique_id.is_some();
        let asked = |c: &Comparison| matches!(c.question, Question::Unknown(_)) && renamed(&c.target);
        let awaited = plan.retrieve.iter().any(renamed) || plan.compare.iter().any(asked);
        plan.forget = forgettable(ledger, &listed, plan.reset || awaited);
    }
    if policy.fetch_skipped {
        plan.forget.extend(ledger.keys().filter(|id| id.first() == Some(&2)).cloned());
    }
    if listing.is_consistent() && !troubles.is_empty() {
        let nothing = Troubles::new();
        let keys: HashSet<Vec<u8>> = listing.iter().map(|item| Target::of(item, &nothing).key()).collect();
        let is_over =
            |key: &Vec<u8>| !keys.contains(key) || ledger.get(key).is_some_and(|row| row.state != LedgerState::Skipped);
        plan.forget_troubles = troubles.keys().filter(|key| is_over(key)).cloned().collect();
    }
    plan
}

impl Plan {
    /// A message with a row: what is not as it was is looked at before anything is done about it.
    fn known(&mut self, item: Item<'_>, row: &LedgerRow, policy: Policy<'_>, claims: &mut Vec<(Target, Claim)>) {
        let resized = item.size.is_some_and(|size| size != row.listed_size);
        let undead = row.state == LedgerState::Gone;
        let wish = policy.wish(row, item.size);
        let seen = item.unique_id.and_then(|id| policy.undead.get(id));
        if undead && !resized && seen.is_some_and(|at| policy.now.saturating_sub(*at) < DAY) {
            self.undead += 1;
        } else if undead || resized || wish.is_some() {
            let skipped = row.state == LedgerState::Skipped;
            let (header_hash, stored_at) = (row.header_hash, row.stored_at);
            let claim = Claim { header_hash, stored_at, resized, undead, skipped, wish };
            claims.push((Target::of(item, &Troubles::new()), claim));
        }
    }

    /// Applies the brake, and takes a sample of what has changed its size where that is most of the listing.
    fn claim(&mut self, claims: Vec<(Target, Claim)>, listed: usize) {
        let is_unconfirmed = |claim: &Claim| claim.wish.is_some_and(|wish| !wish.confirmed);
        let unconfirmed = claims.iter().filter(|(_, claim)| is_unconfirmed(claim)).count();
        let braked = is_braked(unconfirmed, listed);
        let resized = claims.iter().filter(|(_, claim)| claim.resized).count();
        let drifted = resized > SAMPLE && resized * 2 > listed;
        let mut sampled = 0;
        for (target, mut claim) in claims {
            if braked && is_unconfirmed(&claim) {
                self.held += 1;
                claim.wish = None;
            }
            let Claim { resized, undead, wish, header_hash, .. } = claim;
            let question = |claim| Comparison { target: target.clone(), question: Question::Row(claim) };
            match wish {
                Some(wish) if !resized && !undead => self.delete.push(Deletion { target, wish, header_hash }),
                None if drifted && resized && !undead && (sampled == SAMPLE || header_hash == [0; 16]) => {
                    self.resized.push(question(claim));
                }
                _ if resized || undead => {
                    sampled += usize::from(resized);
                    self.compare.push(question(claim));
                }
                _ => {}
            }
        }
    }

    fn unknown(&mut self, message: Unknown, troubles: &Troubles, sizes: &HashSet<u64>, policy: Policy<'_>) {
        let Unknown { target, sight } = message;
        if sight == Sight::Skip && target.unique_id.is_some() {
            return self.skip.push(target);
        }
        let remembered = target.unique_id.as_ref().is_some_and(|id| policy.too_long.contains(id));
        if remembered || target.size.is_some_and(|size| size > policy.max_message_size) {
            self.too_long += 1;
            if self.too_large.len() < NAMED {
                self.too_large.push((target.name(), target.listed_size()));
            }
            return;
        }
        let rests = |trouble: &Trouble| trouble.is_quarantined && policy.now.saturating_sub(trouble.last_try) < DAY;
        if target.tries > 0 && troubles.get(&target.key()).is_some_and(rests) {
            return;
        }
        if sight != Sight::Fetch || target.size.is_some_and(|size| sizes.contains(&size)) {
            self.compare.push(Comparison { target, question: Question::Unknown(sight) });
        } else {
            self.retrieve.push(target);
        }
    }
}

/// Whether a row is of a message that was stored or skipped without a unique-id.
pub(super) fn is_synthetic(id: &[u8]) -> bool {
    matches!(id.first(), Some(0 | 2))
}

/// Whether a row has a unique-id, not listed.
pub(super) fn is_missing(id: &[u8], listed: &HashSet<&[u8]>) -> bool {
    !is_synthetic(id) && !listed.contains(id)
}

/// Rows that the listing no longer shows. Where most of what should be there is missing at once, the listing is not
/// believed: to forget in error is to fetch everything again, to remember in vain costs a row.
fn forgettable(ledger: &Ledger, listed: &HashSet<&[u8]>, awaited: bool) -> Vec<Vec<u8>> {
    let expected = ledger.values().filter(|row| row.state != LedgerState::Gone).count();
    let lost = ledger.iter().filter(|(id, row)| row.state != LedgerState::Gone && is_missing(id, listed)).count();
    let doubtful = awaited || (lost > BELIEVED_LOSS && lost * 2 > expected);
    let gone = |row: &LedgerRow| row.state == LedgerState::Gone || !doubtful;
    ledger.iter().filter(|(id, row)| is_missing(id, listed) && gone(row)).map(|(id, _)| id.clone()).collect()
}
