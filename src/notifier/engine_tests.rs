//! What users and webhooks are told over weeks, restarts and crashes; the clock is an argument.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Mutex;
use std::task::Poll;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::tz::TimeZone;
use tokio_util::sync::CancellationToken;

use super::engine::Engine;
use super::metrics::Metrics;
use super::webhook::{Kind, Message, Sink};
use super::{Account, Deps, Notifier, Settings};
use crate::mail::{MailboxName, UserId};
use crate::metrics::Registry;
use crate::status::{AccountState, AccountStatus, Accounts, Events};
use crate::store::{self, BodyCursor, QuotaLimit, Store};

const START: u64 = 1_750_000_000;
const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// Keeps what it was told.
#[derive(Default)]
struct Told(Mutex<Vec<Message>>);

impl Sink for Told {
    async fn tell(&self, messages: Vec<Message>) {
        self.0.lock().expect("told").extend(messages);
    }
}

struct World {
    store: Store,
    settings: Settings,
    accounts: Accounts,
    engine: Engine,
    registry: Registry,
    told: Told,
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(START + seconds)
}

fn account(id: &str) -> Account {
    let (user, name) = id.split_once('/').expect("user/name");
    Account {
        id: id.to_owned(),
        user: user.to_owned(),
        name: name.to_owned(),
        host: format!("pop.{name}.example"),
        port: 995,
        poll_interval: Duration::from_secs(300),
    }
}

impl World {
    fn new(ids: &[&str]) -> Self {
        Self::on(Store::in_memory(Duration::from_secs(3600)).expect("store"), ids)
    }

    fn on(store: Store, ids: &[&str]) -> Self {
        let registry = Registry::new().expect("registry");
        let metrics = Metrics::register(&registry).expect("metrics");
        let settings = Settings {
            notify_after: Some(Duration::from_secs(DAY)),
            accounts: ids.iter().map(|id| account(id)).collect(),
            webhooks: Vec::new(),
        };
        let engine = Engine::new(store.clone(), metrics, TimeZone::UTC);
        Self { store, settings, accounts: Accounts::new(), engine, registry, told: Told::default() }
    }

    /// The service is killed and starts again: nothing but the store is left.
    fn restart(&mut self) {
        let registry = Registry::new().expect("registry");
        let metrics = Metrics::register(&registry).expect("metrics");
        self.engine = Engine::new(self.store.clone(), metrics, TimeZone::UTC);
        self.registry = registry;
        self.accounts.clear();
    }

    fn fails(&mut self, id: &str, when: u64, result: &'static str) {
        let before = self.accounts.get(id).cloned().unwrap_or_default();
        let status = AccountStatus {
            state: if result == "auth" { AccountState::AuthFailed } else { AccountState::Backoff },
            last_attempt: Some(at(when)),
            last_result: Some(result),
            last_error: Some(format!("it says {result}")),
            failures: before.failures + 1,
            ..before
        };
        self.accounts.insert(id.to_owned(), status);
    }

    fn works(&mut self, id: &str, when: u64, messages: u64) {
        let before = self.accounts.get(id).cloned().unwrap_or_default();
        let status = AccountStatus {
            state: AccountState::Ok,
            last_attempt: Some(at(when)),
            last_success: Some(at(when)),
            last_result: Some("ok"),
            last_error: None,
            failures: 0,
            fetched: before.fetched + messages,
            ..before
        };
        self.accounts.insert(id.to_owned(), status);
    }

    async fn turn(&mut self, when: u64) -> Option<u64> {
        let next = self.engine.turn(&self.settings, &self.accounts, &self.told, at(when)).await;
        next.map(|next| next.duration_since(at(0)).expect("later").as_secs())
    }

    async fn user(&self, name: &str) -> UserId {
        self.store.ensure_user(name).await.expect("user")
    }

    /// The messages in INBOX, whole.
    async fn inbox(&self, user: &str) -> Vec<String> {
        let user = self.user(user).await;
        let inbox = self.store.mailbox(user, &MailboxName::inbox()).await.expect("read").expect("INBOX");
        let snapshot = self.store.watch(inbox.id).await.expect("INBOX").current().expect("INBOX");
        let read = self.store.read(move |reader| {
            let mut texts = Vec::new();
            for message in snapshot.iter() {
                assert!(message.account.is_none() && message.keywords.0 == 0, "it is of no account");
                let mut cursor = BodyCursor::new(message.body, 0..u64::MAX);
                let mut octets = Vec::new();
                while !cursor.is_done() {
                    reader.read_body(&mut cursor, &mut octets, 1 << 20)?;
                }
                texts.push(String::from_utf8_lossy(&octets).into_owned());
            }
            Ok(texts)
        });
        read.await.expect("messages")
    }

    fn hooked(&self) -> Vec<(Kind, String)> {
        let told = self.told.0.lock().expect("told");
        told.iter().map(|message| (message.kind, message.account.clone())).collect()
    }
}

fn line<'t>(text: &'t str, name: &str) -> &'t str {
    text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{name} in {text}")).trim()
}

#[tokio::test]
async fn one_message_when_it_has_lasted_and_one_when_it_is_over() {
    let mut world = World::new(&["ann/isp", "bob/isp"]);
    world.works("ann/isp", 0, 4);
    world.works("bob/isp", 0, 0);
    assert_eq!(world.turn(0).await, None, "nothing to wait for");
    world.fails("ann/isp", 300, "auth");
    assert_eq!(world.turn(301).await, Some(300 + DAY));
    for hour in 1..24 {
        world.fails("ann/isp", 300 + hour * HOUR, "auth");
        world.turn(301 + hour * HOUR).await;
    }
    assert_eq!(world.turn(299 + DAY).await, Some(300 + DAY), "a second early");
    assert_eq!(world.inbox("ann").await, Vec::<String>::new());
    assert_eq!(world.turn(300 + DAY).await, None);
    for later in 1..100 {
        world.fails("ann/isp", 300 + DAY + later * HOUR, "auth");
        world.turn(301 + DAY + later * HOUR).await;
    }
    let [told] = world.inbox("ann").await.try_into().expect("one message");
    for part in
        ["Account:     isp\r\n", "pop.isp.example, port 995", "15 June 2025, 15:11 UTC (UTC+00:00)", "it says auth"]
    {
        assert!(told.contains(part), "{part}: {told}");
    }
    world.works("ann/isp", 6 * DAY, 3);
    world.turn(6 * DAY + 1).await;
    world.works("ann/isp", 6 * DAY + 300, 1);
    world.turn(6 * DAY + 301).await;
    let [first, second] = world.inbox("ann").await.try_into().expect("two messages");
    assert_eq!(first, told);
    assert_eq!(line(&second, "In-Reply-To:"), line(&told, "Message-ID:"));
    assert!(
        second.contains("Messages:    3 have come\r\n") && second.contains("Lasted:      5 days 23 hours"),
        "{second}"
    );
    assert_eq!(world.inbox("bob").await, Vec::<String>::new(), "it is none of his");
    let counted = String::from_utf8(world.registry.render().expect("metrics")).expect("text");
    for kind in ["failure", "recovery"] {
        assert!(counted.contains(&format!("tributary_incident_mails_total{{kind=\"{kind}\"}} 1\n")), "{counted}");
    }
}

#[tokio::test]
async fn an_account_that_wavers_is_no_incident() {
    let mut world = World::new(&["ann/isp"]);
    for day in 0..10 {
        for hour in 0..23 {
            world.fails("ann/isp", day * DAY + hour * HOUR, "connect");
            world.turn(day * DAY + hour * HOUR + 1).await;
        }
        world.works("ann/isp", day * DAY + 23 * HOUR, 0);
        world.turn(day * DAY + 23 * HOUR + 1).await;
    }
    assert_eq!(world.inbox("ann").await, Vec::<String>::new());
    // Webhooks hear of it sooner.
    let day = [(Kind::Failure, "ann/isp".to_owned()), (Kind::Recovery, "ann/isp".to_owned())];
    assert_eq!(world.hooked(), std::iter::repeat_n(day, 10).flatten().collect::<Vec<_>>());
}

#[tokio::test]
async fn restarts_neither_forget_nor_repeat() {
    let mut world = World::new(&["ann/isp"]);
    world.fails("ann/isp", 0, "connect");
    world.turn(1).await;
    for hour in 1..60 {
        world.restart();
        assert_eq!(world.turn(hour * HOUR).await, None, "not polled yet");
        world.fails("ann/isp", hour * HOUR + 10, "connect");
        world.turn(hour * HOUR + 11).await;
    }
    assert_eq!(world.inbox("ann").await.len(), 1);
    world.restart();
    world.works("ann/isp", 61 * HOUR, 2);
    world.turn(61 * HOUR + 1).await;
    world.restart();
    world.works("ann/isp", 62 * HOUR, 0);
    world.turn(62 * HOUR + 1).await;
    let [told, over] = world.inbox("ann").await.try_into().expect("two messages");
    assert_eq!(line(&over, "In-Reply-To:"), line(&told, "Message-ID:"));
    assert!(over.contains("Lasted:      2 days 13 hours"), "{over}");
    // The next incident is another.
    for attempt in [100, 125, 150] {
        world.fails("ann/isp", attempt * HOUR, "connect");
        world.turn(attempt * HOUR + 1).await;
    }
    let all = world.inbox("ann").await;
    assert_eq!(all.len(), 3);
    assert_ne!(line(&all[2], "Message-ID:"), line(&told, "Message-ID:"));
    assert!(!all[2].contains("In-Reply-To:"));
}

/// Drops a turn where it waits for the nth time: the service is killed there. False when it had ended before.
async fn cut_at(world: &mut World, when: u64, nth: usize) -> bool {
    let mut turn = pin!(world.turn(when));
    let mut waits = 0;
    let cut = poll_fn(|cx| match turn.as_mut().poll(cx) {
        Poll::Ready(_) => Poll::Ready(false),
        Poll::Pending => {
            waits += 1;
            if waits == nth { Poll::Ready(true) } else { Poll::Pending }
        }
    });
    cut.await
}

#[tokio::test]
async fn killed_wherever_it_waits_it_tells_once() {
    let (mut nth, mut was_cut) = (0, true);
    while was_cut {
        (nth, was_cut) = (nth + 1, false);
        let home = tempfile::tempdir().expect("directory");
        let files =
            store::Settings { data_dir: home.path().to_owned(), cache_bytes: 1 << 20, gc_grace: Duration::ZERO };
        let mut world = World::on(Store::open(&files).expect("store"), &["ann/isp"]);
        for (when, result) in [(0, "auth"), (DAY, "auth"), (2 * DAY, "ok"), (2 * DAY + 300, "ok")] {
            for cut in [true, false] {
                match result {
                    "ok" => world.works("ann/isp", when, 1),
                    result => world.fails("ann/isp", when, result),
                }
                if cut {
                    was_cut |= cut_at(&mut world, when, nth).await;
                    // What had reached the store is done before the next start reads it: files say the same.
                    world.user(&format!("after {when}")).await;
                    world.restart();
                } else {
                    world.turn(when).await;
                }
            }
        }
        let mails = world.inbox("ann").await;
        assert_eq!(mails.len(), 2, "cut at wait {nth}: {mails:?}");
        assert_eq!(line(&mails[1], "In-Reply-To:"), line(&mails[0], "Message-ID:"));
        // Webhooks at least once, and each time under the same id.
        let mut ids: Vec<_> = world.told.0.lock().expect("told").iter().map(|m| (m.kind, m.id.clone())).collect();
        ids.dedup();
        assert_eq!(ids.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), [Kind::Failure, Kind::Recovery], "{nth}");
        assert_eq!(world.store.check().expect("checked"), Vec::<String>::new());
        world.store.close().await.expect("closed");
    }
    assert!(nth > 2, "it waits only {nth} times");
}

#[tokio::test]
async fn accounts_that_come_due_together_are_told_of_together() {
    let ids: Vec<String> = (0..20).map(|nth| format!("ann/a{nth}")).collect();
    let mut world = World::new(&ids.iter().map(String::as_str).chain(["bob/b"]).collect::<Vec<_>>());
    for (nth, id) in ids.iter().enumerate() {
        world.fails(id, if nth == 19 { 61 } else { 3 * nth as u64 }, "dns");
    }
    world.fails("bob/b", 5, "dns");
    assert_eq!(world.turn(70).await, Some(DAY));
    assert_eq!(world.turn(DAY).await, Some(DAY + 5));
    assert_eq!(world.turn(DAY + 5).await, Some(DAY + 61));
    world.turn(DAY + 61).await;
    let [many, one] = world.inbox("ann").await.try_into().expect("two messages");
    assert!(many.contains("Subject: No mail from 19 accounts\r\n") && many.contains("Account:     a18\r\n"), "{many}");
    assert!(one.contains("Subject: No mail from a19 since"), "{one}");
    assert_eq!(world.inbox("bob").await.len(), 1);
    // Each is heard of when it works again, and all as answers to what told of them.
    world.works("ann/a0", 2 * DAY, 0);
    world.turn(2 * DAY).await;
    for id in &ids[1..] {
        world.works(id, 2 * DAY + 60, 0);
    }
    world.turn(2 * DAY + 60).await;
    let all = world.inbox("ann").await;
    assert_eq!(all.len(), 4);
    assert_eq!(line(&all[2], "In-Reply-To:"), line(&many, "Message-ID:"));
    assert!(all[3].contains("Mail from 19 accounts comes again") && all[3].contains(line(&one, "Message-ID:")));
}

#[tokio::test]
async fn nobody_is_told_who_does_not_want_to() {
    let mut world = World::new(&["ann/isp"]);
    world.settings.notify_after = None;
    for day in 0..9 {
        world.fails("ann/isp", day * DAY, "auth");
        assert_eq!(world.turn(day * DAY).await, None);
    }
    assert_eq!(world.inbox("ann").await, Vec::<String>::new());
    assert_eq!(world.hooked(), [(Kind::Failure, "ann/isp".to_owned())], "a refused login at once, and once");
    // Told otherwise while it runs, it tells.
    world.settings.notify_after = Some(Duration::from_secs(60));
    world.turn(9 * DAY).await;
    assert_eq!(world.inbox("ann").await.len(), 1);
}

#[tokio::test]
async fn what_is_no_longer_configured_is_forgotten() {
    let mut world = World::new(&["ann/isp", "ann/old"]);
    world.fails("ann/old", 0, "dns");
    world.turn(0).await;
    let old = world.settings.accounts.pop().expect("two");
    for restarts in [false, true] {
        world.turn(1).await;
        if restarts {
            world.restart();
        }
    }
    world.settings.accounts.push(old);
    world.fails("ann/old", DAY, "dns");
    assert_eq!(world.turn(DAY).await, Some(2 * DAY), "it counts anew");
    assert_eq!(world.inbox("ann").await, Vec::<String>::new());
}

#[tokio::test]
async fn a_full_inbox_is_told_when_there_is_room() {
    let mut world = World::new(&["ann/isp", "ann/full"]);
    let user = world.user("ann").await;
    world.store.set_quota(user, QuotaLimit { octets: Some(10), messages: None }).await.expect("set");
    world.fails("ann/isp", 0, "tls");
    let full = AccountStatus {
        state: AccountState::Paused,
        next_poll: Some(at(DAY)),
        last_attempt: Some(at(0)),
        last_result: Some("store"),
        failures: 1,
        ..AccountStatus::default()
    };
    world.accounts.insert("ann/full".to_owned(), full);
    for when in [0, DAY, DAY + 1, DAY + 600] {
        world.turn(when).await;
    }
    assert_eq!(world.inbox("ann").await, Vec::<String>::new());
    world.store.set_quota(user, QuotaLimit::default()).await.expect("set");
    world.turn(DAY + 1199).await;
    assert_eq!(world.inbox("ann").await, Vec::<String>::new(), "ten minutes are not over");
    world.turn(DAY + 1200).await;
    let [told] = world.inbox("ann").await.try_into().expect("one message");
    assert!(told.contains("Account:     isp\r\n") && !told.contains("full"), "{told}");
    assert_eq!(world.hooked(), [(Kind::Failure, "ann/full".to_owned())], "the operator hears of it at once");
}

#[tokio::test]
async fn a_store_that_fails_does_not_tell_webhooks_again_and_again() {
    let mut world = World::new(&["ann/isp"]);
    world.turn(0).await;
    world.store.close().await.expect("closed");
    for when in 1..5 {
        world.fails("ann/isp", when, "auth");
        world.turn(when).await;
    }
    assert_eq!(world.hooked(), [(Kind::Failure, "ann/isp".to_owned())]);
}

/// The handle, the task and all that it watches, with a clock of the machine's own.
#[tokio::test]
async fn the_task_tells_what_it_sees_and_goes_on_with_new_settings() {
    let store = Store::in_memory(Duration::from_secs(3600)).expect("store");
    let registry = Registry::new().expect("registry");
    let home = tempfile::tempdir().expect("directory");
    let (sender, accounts) = tokio::sync::watch::channel(Accounts::new());
    let deps = Deps {
        store: store.clone(),
        accounts,
        events: Events::new(),
        data_dir: home.path().to_owned(),
        metrics: Metrics::register(&registry).expect("metrics"),
    };
    let notifier = Notifier::new(Settings { accounts: vec![account("ann/isp")], ..Settings::default() });
    let shutdown = CancellationToken::new();
    let task = {
        let (notifier, shutdown) = (notifier.clone(), shutdown.clone());
        tokio::spawn(async move { notifier.run(deps, shutdown).await })
    };
    let failing = AccountStatus {
        state: AccountState::AuthFailed,
        last_attempt: SystemTime::now().checked_sub(Duration::from_secs(HOUR)),
        last_result: Some("auth"),
        ..AccountStatus::default()
    };
    sender.send_replace(Accounts::from([("ann/isp".to_owned(), failing)]));
    let told = |kind: &str| {
        let text = String::from_utf8(registry.render().expect("metrics")).expect("text");
        text.contains(&format!("tributary_incident_mails_total{{kind=\"{kind}\"}} 1\n"))
    };
    // Only now somebody wants to be told.
    notifier.apply(Settings {
        accounts: vec![account("ann/isp")],
        notify_after: Some(Duration::from_secs(60)),
        ..Settings::default()
    });
    let wait = async {
        while !told("failure") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        sender.send_modify(|accounts| {
            let works = AccountStatus {
                last_success: Some(SystemTime::now()),
                last_result: Some("ok"),
                ..AccountStatus::default()
            };
            accounts.insert("ann/isp".to_owned(), works);
        });
        while !told("recovery") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait).await.expect("told");
    // That nobody says anything any more ends nothing.
    drop(sender);
    assert!(!task.is_finished());
    shutdown.cancel();
    task.await.expect("ended");
}
