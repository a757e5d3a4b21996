//! Drives a POP3 session over its connection and carries messages into the store.
//!
//! A session lists, compares what is doubtful by TOP, retrieves, deletes and quits, in this order. DELE is sent only for what
//! the store has acknowledged (I1), and a ledger row becomes `Gone` only when QUIT was answered. A message of which the
//! end is missing is dropped, or delivered as what could be had of it.

mod compare;
mod quarantine;
mod remove;
mod retrieve;
mod turn;

use std::collections::{BTreeMap, HashMap, VecDeque};

use tokio::time::{Duration, Instant};

use super::deliveries::Deliveries;
use super::known::{HeaderKey, Known};
use super::plan::{Comparison, Ledger, Troubles};
use super::policy::{Policy, Reason};
use super::resolve::{Answer, Retrieval};
use super::settings::{FirstPoll, LeaveOnServer};
use super::source::{Destination, Mode, Report, Source};
use crate::ingest;
use crate::pop3::{Method, Options, Session};
use crate::store;
use quarantine::Failure;
use remove::Removal;
use retrieve::Receiving;

/// No session takes longer, whatever it may.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// What a session works with.
pub(super) struct Work {
    pub(super) mode: Mode,
    pub(super) destination: Destination,
    pub(super) ledger: Ledger,
    pub(super) troubles: Troubles,
    /// What is still to be applied of `first_poll`.
    pub(super) first_poll: Option<FirstPoll>,
}

/// What a session found out for the next one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    /// The listing has come.
    pub(super) listed: bool,
    /// It contradicts itself: nothing was done about it.
    pub(super) listing_refused: bool,
    /// Every listed message has a unique-id, and none of them was known.
    pub(super) all_new: bool,
    /// The method of the login during which the session ended.
    pub(super) login: Option<Method>,
    /// It ended while the server owed an answer to one of several commands.
    pub(super) pipelining: bool,
    /// It ended while the server owed an answer to TOP.
    pub(super) during_top: bool,
}

/// One session at work.
pub(super) struct Drive<'a> {
    source: &'a mut Source,
    report: &'a mut Report,
    session: Session,
    work: Work,
    pub(super) tally: Tally,
    stage: Stage,
    /// Seconds since 1970, at the start.
    now: i64,
    known: Known,
    to_compare: VecDeque<Comparison>,
    /// TOP sent, not yet answered; oldest first.
    comparing: VecDeque<Comparison>,
    answers: Vec<Answer>,
    /// What the answers of a sample decide about.
    resized: Vec<Comparison>,
    tops: Tops,
    /// Messages came under new unique-ids.
    reset: bool,
    /// What the answers say of `first_poll` is the last that is to be said.
    ends_first_poll: bool,
    /// What is known of headers that several messages have, if all of these are fetched.
    settling: Vec<(HeaderKey, usize)>,
    to_retrieve: VecDeque<Retrieval>,
    /// Asked for and not yet complete; oldest first.
    retrieving: VecDeque<Retrieval>,
    receiving: Option<Receiving>,
    /// The message being received is too long: the rest of it is not looked at.
    overlong: Option<Retrieval>,
    deliveries: Deliveries,
    failures: Vec<Failure>,
    /// Keys of messages that have come after failures.
    recovered: Vec<Vec<u8>>,
    /// A message has come whole.
    progress: bool,
    to_delete: VecDeque<Removal>,
    /// Deletions that the brake may hold once all of them are known.
    unconfirmed: Vec<Removal>,
    /// DELE sent, not yet answered.
    deleting: HashMap<u32, Removal>,
    /// Deleted once QUIT is answered.
    deleted: Vec<Removal>,
    /// Deletions that the server refuses, or that a dry run only tells of.
    undeleted: Vec<Reason>,
    /// The server deletes only what was retrieved in the session.
    retrieve_first: bool,
    /// Octets that may still be asked for.
    octets_left: u64,
    /// Nothing more is begun after it.
    ends: Instant,
    /// Nothing more is begun: the service stops, or the store has failed.
    stopping: bool,
    failure: Option<store::Error>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Login,
    Comparing,
    Moving,
    Quitting,
}

/// What TOP has done so far.
#[derive(Debug, Default)]
struct Tops {
    answered: u32,
    refused: u32,
}

impl<'a> Drive<'a> {
    pub(super) fn new(source: &'a mut Source, report: &'a mut Report, options: Options, work: Work) -> Self {
        let delete_upstream =
            source.settings.leave_on_server == LeaveOnServer::Never && !source.settings.delete_dry_run;
        let deliveries =
            Deliveries::new(source.store.clone(), work.destination, delete_upstream, source.settings.keyword.clone());
        let (octets_left, ends) =
            (source.bounds.session_octets, Instant::now() + source.bounds.session_time.min(LONGEST));
        Self {
            source,
            report,
            session: Session::new(options, now()),
            work,
            tally: Tally::default(),
            stage: Stage::Login,
            now: ingest::now().unix,
            known: Known::default(),
            to_compare: VecDeque::new(),
            comparing: VecDeque::new(),
            answers: Vec::new(),
            resized: Vec::new(),
            tops: Tops::default(),
            to_retrieve: VecDeque::new(),
            retrieving: VecDeque::new(),
            receiving: None,
            overlong: None,
            deliveries,
            failures: Vec::new(),
            recovered: Vec::new(),
            progress: false,
            reset: false,
            ends_first_poll: false,
            settling: Vec::new(),
            to_delete: VecDeque::new(),
            unconfirmed: Vec::new(),
            deleting: HashMap::new(),
            deleted: Vec::new(),
            undeleted: Vec::new(),
            retrieve_first: false,
            octets_left,
            ends,
            stopping: false,
            failure: None,
        }
    }

    /// Whether every message that is to be retrieved has been dealt with.
    fn has_all(&self) -> bool {
        self.to_retrieve.is_empty() && self.retrieving.is_empty() && self.deliveries.is_empty()
    }

    /// Whether nothing more may be begun.
    fn is_over(&self) -> bool {
        self.stopping || self.octets_left == 0 || Instant::now() >= self.ends
    }

    /// After a failure of the store nothing more is begun; what is on its way from the server is dropped.
    fn note(&mut self, result: Result<(), store::Error>) {
        if let Err(error) = result {
            self.receiving = None;
            self.stopping = true;
            self.failure.get_or_insert(error);
        }
    }

    /// Messages that are still to be fetched, or may be: it is not known yet whether they are here.
    fn backlog(&self) -> u64 {
        let kept = |retrieval: &&Retrieval| retrieval.discard.is_none();
        let unasked = self.to_compare.iter().chain(&self.comparing).filter(|c| c.is_unknown()).count();
        let unanswered = self.answers.iter().filter(|(comparison, _)| comparison.is_unknown()).count();
        let retrievals = self.to_retrieve.iter().chain(&self.retrieving).filter(kept).count();
        (unasked + unanswered + retrievals) as u64
    }

    /// What is left for the next session.
    fn sum_up(&mut self) {
        self.report.backlog = self.backlog();
        let removals =
            self.to_delete.iter().chain(&self.unconfirmed).chain(self.deleting.values()).chain(&self.deleted);
        let deletions = self.to_delete.len() + self.unconfirmed.len() + self.deleting.len() + self.deleted.len();
        let discards = self.to_retrieve.iter().chain(&self.retrieving).filter_map(|retrieval| retrieval.discard);
        let claims = self.to_compare.iter().chain(&self.comparing).filter_map(Comparison::wish);
        let wishes = removals.map(|removal| removal.wish).chain(discards).chain(claims);
        // The brake holds what was expunged here, and nothing else.
        let mut pending = BTreeMap::from([(Reason::Expunged, self.report.deletes_held)]);
        for reason in wishes.map(|wish| wish.reason).chain(self.undeleted.iter().copied()) {
            *pending.entry(reason).or_default() += 1;
        }
        self.report.deletes_for = pending
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(reason, count)| (reason.label(), count))
            .collect();
        self.report.deletes_pending = self.report.deletes_for.iter().map(|(_, count)| count).sum();
        if self.source.settings.delete_dry_run {
            self.report.deletes_dry_run = self.undeleted.len() as u64;
        }
        let cut = self.is_over() && !self.stopping;
        self.report.more |= cut && (self.report.backlog > 0 || deletions > 0);
        let metrics = &self.source.metrics;
        if self.tally.listed && self.work.mode == Mode::Normal {
            metrics.backlog.set(gauge(self.report.backlog));
            metrics.deletes_pending.set(gauge(self.report.deletes_pending));
            metrics.quarantined.set(gauge(self.report.quarantined));
        }
    }

    fn policy(&self) -> Policy<'_> {
        let Source { settings, learnt, .. } = &*self.source;
        Policy {
            leave_on_server: settings.leave_on_server,
            delete_larger_than: settings.delete_larger_than,
            max_message_size: settings.max_message_size,
            first_poll: self.work.first_poll,
            fetch_skipped: settings.first_poll == FirstPoll::All,
            too_long: &learnt.too_long,
            undead: &learnt.undead,
            now: self.now,
        }
    }
}

/// The clock of the runtime, so that tests can move it.
fn now() -> std::time::Instant {
    Instant::now().into_std()
}

fn gauge(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
