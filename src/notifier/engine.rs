//! Turns the state of all accounts into messages and webhooks, each once.
//!
//! What a user was told is written down in the transaction that puts the message into INBOX: a crash leaves both or neither.
//! What webhooks are told is theirs before it is written down here: a crash may tell it again, under the same id.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use jiff::tz::TimeZone;

use super::incident::{self, Incident, Known, is_full, is_grave, unix};
use super::letter::{Case, Desk};
use super::metrics::{Mail, Metrics};
use super::webhook::{Message, Sink};
use super::{Account, Settings};
use crate::ingest::{self, Intake};
use crate::mail::{AccountId, FlagList, MailboxName};
use crate::status::{AccountStatus, Accounts};
use crate::store::{self, NewMessage, Store, Trouble};

/// The account of each user under which the store keeps the incidents. No configured account can have this name.
const KEEPER: &str = "!incidents";

/// Accounts of a user that come due so close together are told of in one message, seconds.
const TOGETHER: i64 = 60;

/// Before a message that could not be put into INBOX is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(600);

/// The status of an account of which the poller has not said anything yet.
static NOT_POLLED: LazyLock<AccountStatus> = LazyLock::new(AccountStatus::default);

/// All that is known of the accounts.
pub(super) struct Engine {
    store: Store,
    metrics: Metrics,
    zone: TimeZone,
    users: HashMap<String, User>,
}

/// What is known of one user's accounts.
#[derive(Default)]
struct User {
    keeper: Option<AccountId>,
    /// By name.
    known: HashMap<String, Known>,
    /// No message before this time: the last one could not be stored.
    not_before: Option<SystemTime>,
}

/// An account, how it is, and its incident from now on.
type Next<'a> = (&'a Account, &'a AccountStatus, Option<Incident>);

/// What is to be done for one user.
#[derive(Default)]
struct Plan<'a> {
    next: Vec<Next<'a>>,
    failed: Vec<Case<'a>>,
    recovered: Vec<Case<'a>>,
    messages: Vec<Message>,
    /// When the next account comes due, seconds since 1970.
    due: Option<i64>,
}

impl Engine {
    pub(super) fn new(store: Store, metrics: Metrics, zone: TimeZone) -> Self {
        Self { store, metrics, zone, users: HashMap::new() }
    }

    /// Looks at every account and tells whom it concerns; says when to look again at the latest. What fails is tried again.
    pub(super) async fn turn(
        &mut self,
        settings: &Settings,
        accounts: &Accounts,
        sink: &impl Sink,
        now: SystemTime,
    ) -> Option<SystemTime> {
        let mut users: BTreeMap<&str, Vec<&Account>> = BTreeMap::new();
        for account in &settings.accounts {
            users.entry(&account.user).or_default().push(account);
        }
        self.users.retain(|name, _| users.contains_key(name.as_str()));
        let mut soonest: Option<SystemTime> = None;
        for (name, configured) in users {
            let again = match self.user_turn(settings.notify_after, name, &configured, accounts, sink, now).await {
                Ok(due) => due.and_then(|due| {
                    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(due.try_into().unwrap_or(0)))
                }),
                Err(error) => {
                    tracing::error!(user = name, %error, "what fails cannot be written down; it is tried again");
                    now.checked_add(TRY_AGAIN)
                }
            };
            soonest = soonest.into_iter().chain(again).min();
        }
        soonest
    }

    async fn user_turn(
        &mut self,
        notify_after: Option<Duration>,
        name: &str,
        configured: &[&Account],
        accounts: &Accounts,
        sink: &impl Sink,
        now: SystemTime,
    ) -> store::Result<Option<i64>> {
        let user = self.users.entry(name.to_owned()).or_default();
        let keeper = match user.keeper {
            Some(keeper) => keeper,
            None => {
                let keeper = user.load(&self.store, name).await?;
                *user.keeper.insert(keeper)
            }
        };
        let may_write = user.not_before.is_none_or(|at| at <= now);
        let mut plan = user.plan(notify_after.filter(|_| may_write), configured, accounts, now);
        sink.tell(std::mem::take(&mut plan.messages)).await;
        let desk = Desk { user: name, now: unix(now), zone: &self.zone };
        let number = rand::random_range(1..=i32::MAX).unsigned_abs();
        let mut letters = Vec::new();
        if !plan.failed.is_empty() {
            letters.push((Mail::Failure, desk.failure(&plan.failed, number)));
        }
        if !plan.recovered.is_empty() {
            letters.push((Mail::Recovery, desk.recovery(&plan.recovered)));
        }
        let told: Vec<&str> = plan.failed.iter().map(|case| case.account.name.as_str()).collect();
        let mut next = plan.next.clone();
        for (account, _, incident) in &mut next {
            if told.contains(&account.name.as_str()) {
                *incident = incident.map(|incident| Incident { letter: Some(number), ..incident });
            }
        }
        let mut written = post(&self.store, name, keeper, &letters, user.rows(&next)).await;
        match &written {
            Ok(()) => letters.iter().for_each(|(kind, _)| self.metrics.mailed(*kind)),
            Err(error) if !letters.is_empty() => {
                tracing::warn!(user = name, %error, "a message about an account cannot be put into INBOX");
                user.not_before = now.checked_add(TRY_AGAIN);
                // A recovery is not told late: whoever makes room in INBOX sees the mail come.
                next = plan.next;
                written = post(&self.store, name, keeper, &[], user.rows(&next)).await;
            }
            Err(_) => {}
        }
        for (account, status, incident) in next {
            let known = user.known.entry(account.name.clone()).or_default();
            known.settle(incident, status);
            if written.is_ok() {
                known.written = incident;
            }
        }
        if written.is_ok() {
            user.known.retain(|name, _| configured.iter().any(|account| account.name == *name));
        }
        written.map(|()| plan.due)
    }
}

impl User {
    /// What the last run of the service has left.
    async fn load(&mut self, store: &Store, name: &str) -> store::Result<AccountId> {
        let id = store.ensure_user(name).await?;
        let keeper = store.ensure_account(id, KEEPER).await?;
        for (key, row) in store.troubles(keeper).await? {
            self.known.insert(String::from_utf8_lossy(&key).into_owned(), Known::kept(row));
        }
        Ok(keeper)
    }

    /// What is to be changed in the store. Of accounts that are no longer configured everything is forgotten.
    fn rows(&self, next: &[Next<'_>]) -> Vec<(Vec<u8>, Option<Trouble>)> {
        let of = |name: &str| next.iter().find(|(account, ..)| account.name == name);
        let changes = self.known.iter().filter_map(|(name, known)| {
            let incident = of(name).and_then(|(_, _, incident)| *incident);
            (known.written != incident).then(|| (name.clone().into_bytes(), incident.map(Incident::row)))
        });
        changes.collect()
    }

    fn plan<'a>(
        &mut self,
        notify_after: Option<Duration>,
        configured: &[&'a Account],
        accounts: &'a Accounts,
        now: SystemTime,
    ) -> Plan<'a> {
        let mut plan = Plan::default();
        let mut waiting = Vec::new();
        for account in configured.iter().copied() {
            let status = accounts.get(&account.id).unwrap_or(&NOT_POLLED);
            let known = self.known.entry(account.name.clone()).or_default();
            let messages = status.fetched.saturating_sub(known.fetched);
            let verdict = known.look(status, now);
            let case = |incident| Case { account, status, incident, messages };
            if let Some(ended) = verdict.ended {
                if ended.announced {
                    plan.messages.push(Message::recovery(account, ended, status, messages));
                }
                if ended.letter.is_some() {
                    plan.recovered.push(case(ended));
                }
            }
            let mut next = verdict.now;
            if let Some(incident) = &mut next
                && verdict.fails
            {
                if !incident.announced && is_grave(status) {
                    plan.messages.push(Message::failure(account, *incident, status, incident::result(status)));
                    incident.announced = true;
                }
                // Into a full INBOX nothing can be put.
                if let Some(notify_after) = notify_after.filter(|_| incident.letter.is_none() && !is_full(status)) {
                    waiting.push((incident.due(notify_after), case(*incident)));
                }
            }
            plan.next.push((account, status, next));
        }
        let now = unix(now);
        plan.due = waiting.iter().map(|(due, _)| *due).min();
        if plan.due.is_some_and(|due| due <= now) {
            let (failed, later): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|(due, _)| *due <= now + TOGETHER);
            plan.failed = failed.into_iter().map(|(_, case)| case).collect();
            plan.due = later.iter().map(|(due, _)| *due).min();
        }
        plan
    }
}

/// Puts the letters into INBOX and writes down the rows, all or nothing.
async fn post(
    store: &Store,
    user: &str,
    keeper: AccountId,
    letters: &[(Mail, String)],
    rows: Vec<(Vec<u8>, Option<Trouble>)>,
) -> store::Result<()> {
    if letters.is_empty() && rows.is_empty() {
        return Ok(());
    }
    let id = store.ensure_user(user).await?;
    let inbox = store.mailbox(id, &MailboxName::inbox()).await?.ok_or(store::Error::NoMailbox)?;
    let mut messages = Vec::new();
    for (_, text) in letters {
        let mut intake = Intake::begin(store).await?;
        intake.write(text.as_bytes()).await?;
        let body = intake.finish().await?.body;
        messages.push(NewMessage { body, flags: FlagList::default(), internal_date: ingest::now(), account: None });
    }
    store.append_with_troubles(inbox.id, messages, keeper, rows).await
}
