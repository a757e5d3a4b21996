//! Accounts are polled when they should be and never more often, whatever goes wrong and however long it lasts.
//!
//! Days pass in moments: while nothing can go on, the clock of the test jumps to the next time that something waits for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;
use tributary::demo::pop3d::{Action, Fault, Pop3d, Settings as ServerSettings};
use tributary::mail::{FlagList, FlagOp, Flags};
use tributary::poll::{
    AccountSettings, Bounds, CommandError, LeaveOnServer, Login, Mode, PollNowError, Report, Settings,
};
use tributary::pop3::Verb;
use tributary::secret::{Secret, SecretSource};
use tributary::status::{AccountState, AccountStatus};
use tributary::store::{FlagChange, LedgerState, Place};

use super::support::*;

const HOUR: u64 = 3600;

/// Polled every five minutes, as is usual.
pub(crate) fn often(account: AccountSettings) -> AccountSettings {
    AccountSettings { poll_interval: Duration::from_secs(300), ..account }
}

impl House {
    /// From now on the clock jumps, but not while a poll is running: the store works on threads of its own, of which the
    /// clock knows nothing, and the session would time out.
    pub(crate) fn hurry(&self) {
        tokio::time::pause();
        let mut status = self.status.clone();
        tokio::spawn(async move {
            // A blocking task holds the clock.
            let mut brake = None;
            while status.changed().await.is_ok() {
                let polling = status.borrow_and_update().values().any(|account| account.polling);
                if polling && brake.is_none() {
                    let (release, released) = std::sync::mpsc::channel::<()>();
                    tokio::task::spawn_blocking(move || released.recv());
                    brake = Some(release);
                } else if !polling {
                    brake = None;
                }
            }
        });
    }

    /// Lets so much time pass, while a user looks at the mailbox again and again.
    pub(crate) async fn pass(&mut self, seconds: u64) {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(seconds) {
            self.status.changed().await.unwrap();
            self.poller.nudge("u");
        }
    }

    pub(crate) async fn until(&mut self, account: &str, wanted: impl Fn(&AccountStatus) -> bool) -> AccountStatus {
        self.status.wait_for(|accounts| wanted(&accounts[account])).await.unwrap()[account].clone()
    }
}

/// Connections that a server sees in so much time.
async fn connections(server: &Pop3d, account: AccountSettings, seconds: u64) -> (House, u64) {
    let mut house = House::of(vec![account]).await;
    house.hurry();
    house.pass(seconds).await;
    house.until("u/a", |status| !status.polling).await;
    tokio::time::resume();
    let connections = server.counters().connections;
    (house, connections)
}

#[tokio::test]
async fn refused_credentials_are_tried_a_few_times_a_day() {
    let server = server_with(1).await;
    let wrong = AccountSettings { login: password("s3cret"), ..often(account("a", server.address())) };
    // At 0, 5 min, then after 1, 2, 4, and each 6 hours, a tenth more or less.
    let (house, count) = connections(&server, wrong, 72 * HOUR).await;
    assert!((14..=19).contains(&count), "{count}");
    assert_eq!(house.status.borrow()["u/a"].state, AccountState::AuthFailed);
    house.stop().await;
}

#[tokio::test]
async fn a_locked_maildrop_is_left_in_silence() {
    let server = plain_server().await;
    server.fault(Fault::always(Verb::Pass, Action::AnswerAndClose(b"-ERR [IN-USE] locked\r\n".to_vec())));
    // At 0, after 15 and 30 minutes, then each hour.
    let (house, count) = connections(&server, often(account("a", server.address())), 24 * HOUR).await;
    assert!((22..=29).contains(&count), "{count}");
    house.stop().await;
}

#[tokio::test]
async fn a_server_that_throttles_is_left_alone_ever_longer() {
    let server = plain_server().await;
    server.fault(Fault::always(Verb::Pass, Action::AnswerAndClose(b"-ERR [LOGIN-DELAY] wait\r\n".to_vec())));
    let (house, count) = connections(&server, often(account("a", server.address())), 24 * HOUR).await;
    assert!((13..=20).contains(&count), "{count}");
    house.stop().await;
}

#[tokio::test]
async fn a_dead_server_is_tried_every_half_hour() {
    let server = plain_server().await;
    server.fault(Fault::always(Verb::Greeting, Action::Close));
    let (house, count) = connections(&server, often(account("a", server.address())), 24 * HOUR).await;
    assert!((46..=62).contains(&count), "{count}");
    house.stop().await;
}

#[tokio::test]
async fn an_announced_login_delay_is_kept_to_by_all() {
    let capabilities = ["UIDL", "USER", "LOGIN-DELAY 1800"].map(str::to_owned).to_vec();
    let settings = ServerSettings { capabilities: Some(capabilities), ..ServerSettings::default() };
    let server = Pop3d::start(settings.clone()).await.unwrap();
    let polled = || often(account("a", server.address()));
    let (house, count) = connections(&server, polled(), 12 * HOUR).await;
    assert!((20..=25).contains(&count), "{count}");
    let refusal = house.poller.poll_on_demand("u/a", Mode::Normal, false).await.unwrap_err();
    assert!(matches!(refusal, PollNowError::NotYet { state: AccountState::Ok, .. }), "{refusal:?}");

    let mut house = house.restarted(vec![polled()]).await;
    house.until("u/a", |status| status.next_poll.is_some()).await;
    house.poller.nudge("u");
    let refusal = house.poller.poll_on_demand("u/a", Mode::Normal, false).await.unwrap_err();
    assert!(matches!(refusal, PollNowError::NotYet { .. }), "{refusal:?}");
    assert_eq!(server.counters().connections, count);
    house.poller.poll_on_demand("u/a", Mode::Normal, true).await.unwrap();
    assert_eq!(server.counters().connections, count + 1, "forced");
    house.stop().await;
}

#[tokio::test]
async fn a_well_account_is_polled_by_its_interval_or_when_a_user_looks_a_minute_later() {
    let server = server_with(1).await;
    // The nudges meanwhile come right behind a poll.
    let (mut house, count) = connections(&server, often(account("a", server.address())), 3 * HOUR).await;
    assert!((33..=41).contains(&count), "{count}");
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(61)).await;
    let looked = Instant::now();
    house.poller.nudge("u");
    house.until("u/a", |status| status.polling).await;
    assert!(looked.elapsed() < Duration::from_secs(1), "{:?}", looked.elapsed());
    assert_eq!(house.metric("tributary_polls_on_demand_total", &["u/a", "started"]), 1.0);
    tokio::time::resume();
    house.stop().await;
}

#[tokio::test]
async fn a_restart_does_not_end_a_silence() {
    let server = plain_server().await;
    server.fault(Fault::always(Verb::Pass, Action::AnswerAndClose(b"-ERR [IN-USE] locked\r\n".to_vec())));
    let polled = || often(account("a", server.address()));
    let mut house = House::of(vec![polled()]).await;
    house.until("u/a", |status| status.last_result.is_some()).await;
    for _ in 0..3 {
        house = house.restarted(vec![polled()]).await;
        let status = house.until("u/a", |status| status.next_poll.is_some()).await;
        assert_eq!((status.state, status.failures, status.last_result), (AccountState::Locked, 1, None));
        let refusal = house.poller.poll_on_demand("u/a", Mode::Normal, false).await.unwrap_err();
        assert!(matches!(refusal, PollNowError::NotYet { state: AccountState::Locked, .. }), "{refusal:?}");
        assert_eq!(server.counters().connections, 1);
    }
    // Another login is another matter.
    house = house.restarted(vec![AccountSettings { username: "other".to_owned(), ..polled() }]).await;
    house.until("u/a", |status| status.last_result.is_some()).await;
    assert_eq!(server.counters().connections, 2);
    house.stop().await;
}

#[tokio::test]
async fn restarts_do_not_count_against_refused_credentials() {
    let server = server_with(1).await;
    let with = |secret: &str| AccountSettings { login: password(secret), ..often(account("a", server.address())) };
    let mut house = House::of(vec![with("wrong")]).await;
    house.until("u/a", |status| status.last_result.is_some()).await;
    // A person may try as often as it takes.
    let second = house.poller.poll_on_demand("u/a", Mode::Normal, false).await.unwrap();
    assert_eq!(second.result.label(), "auth");
    for _ in 0..3 {
        house = house.restarted(vec![with("wrong")]).await;
        let status = house.until("u/a", |status| status.next_poll.is_some()).await;
        assert_eq!((status.state, status.failures), (AccountState::AuthFailed, 2));
        assert_eq!(server.counters().connections, 2);
    }
    house = house.restarted(vec![with("demo")]).await;
    house.until("u/a", |status| status.last_success.is_some()).await;
    assert_eq!(server.counters().connections, 3);
    house.stop().await;
}

type Fetch = Box<dyn Fn() -> Result<Secret, String> + Send + Sync>;

/// How long until a changed secret is tried, and how often it was asked for before, in six hours.
async fn change_of(make: fn(Fetch) -> SecretSource) -> (u64, u64) {
    let server = server_with(2).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("secret");
    std::fs::write(&file, "wrong").unwrap();
    let asked = Arc::new(AtomicU64::new(0));
    let fetch = {
        let (file, asked) = (file.clone(), asked.clone());
        move || {
            asked.fetch_add(1, Ordering::Relaxed);
            std::fs::read_to_string(&file).map(Secret::new).map_err(|error| error.to_string())
        }
    };
    let login = Login::Password(make(Box::new(fetch)));
    let mut house = House::of(vec![AccountSettings { login, ..often(account("a", server.address())) }]).await;
    house.hurry();
    house.until("u/a", |status| status.failures == 4).await;
    let (asked, connections) = (asked.load(Ordering::Relaxed), server.counters().connections);
    let begun = Instant::now();
    std::fs::write(&file, "demo").unwrap();
    house.until("u/a", |status| status.last_success.is_some()).await;
    let waited = begun.elapsed().as_secs();
    tokio::time::resume();
    assert_eq!((connections, server.counters().connections), (4, 5));
    house.stop().await;
    (waited, asked)
}

#[tokio::test]
async fn a_changed_secret_is_seen_and_tried_at_once() {
    let (waited, asked) = change_of(SecretSource::new).await;
    assert!(waited <= 31, "{waited}");
    assert!(asked > 300, "{asked}");
}

#[tokio::test]
async fn a_program_is_not_run_all_the_time_for_it() {
    let (waited, asked) = change_of(SecretSource::program).await;
    assert!(waited <= 901, "{waited}");
    assert!(asked < 30, "{asked}");
}

/// As a one-time password would.
#[tokio::test]
async fn a_secret_that_keeps_changing_is_no_storm() {
    let server = server_with(1).await;
    let count = AtomicU64::new(0);
    let fetch = move || Ok(Secret::new(format!("wrong {}", count.fetch_add(1, Ordering::Relaxed))));
    let login = Login::Password(SecretSource::new(fetch));
    let wrong = AccountSettings { login, ..often(account("a", server.address())) };
    let (house, count) = connections(&server, wrong, 24 * HOUR).await;
    assert!(count < 80, "{count}");
    house.stop().await;
}

#[tokio::test]
async fn a_secret_that_is_missing_is_waited_for() {
    let server = server_with(1).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("secret");
    let fetch = {
        let file = file.clone();
        move || std::fs::read_to_string(&file).map(Secret::new).map_err(|error| error.to_string())
    };
    let login = Login::Password(SecretSource::new(fetch));
    let mut house = House::of(vec![AccountSettings { login, ..often(account("a", server.address())) }]).await;
    house.hurry();
    house.until("u/a", |status| status.failures == 3).await;
    assert_eq!(server.counters().connections, 0);
    std::fs::write(&file, "demo").unwrap();
    let begun = Instant::now();
    house.until("u/a", |status| status.last_success.is_some()).await;
    assert!(begun.elapsed() < Duration::from_secs(31), "{:?}", begun.elapsed());
    tokio::time::resume();
    house.stop().await;
}

#[tokio::test]
async fn accounts_that_hang_hold_only_their_hosts_connections() {
    let (hanging, good) = (server().await, server_with(3).await);
    hanging.fault(Fault::always(Verb::Greeting, Action::Hang));
    let names: Vec<String> = (0..20).map(|n| format!("bad{n}")).collect();
    let mut accounts: Vec<_> = names.iter().map(|name| account(name, hanging.address())).collect();
    accounts.push(account("good", good.address()));
    let bounds = Bounds { connections: 5, host_connections: 4, ..Bounds::default() };
    let house = House::with(Settings { accounts, bounds, ..Settings::default() }).await;
    while hanging.counters().connections < 4 {
        tokio::task::yield_now().await;
    }
    for _ in 0..3 {
        house.poll_ok("u/good").await;
    }
    assert_eq!(house.subjects("good").await, ["1", "2", "3"]);
    assert_eq!(hanging.counters().connections, 4, "the others wait for their turn");
    assert_eq!(house.status.borrow().values().filter(|status| status.polling).count(), 4);
    // Both who hangs and who waits can be stopped.
    house.stop().await;
}

#[tokio::test]
async fn everyone_gets_a_turn() {
    let server = server_with(1).await;
    let names: Vec<String> = (0..12).map(|n| format!("a{n}")).collect();
    let accounts = names.iter().map(|name| account(name, server.address())).collect();
    let bounds = Bounds { connections: 2, host_connections: 1, ..Bounds::default() };
    let mut house = House::with(Settings { accounts, bounds, ..Settings::default() }).await;
    house.status.wait_for(|all| all.values().all(|status| status.last_success.is_some())).await.unwrap();
    house.stop().await;
}

#[tokio::test]
async fn a_pause_outlives_the_service() {
    let server = server_with(1).await;
    let polled = || often(account("a", server.address()));
    let mut house = House::of(vec![polled()]).await;
    house.poll_ok("u/a").await;
    let count = server.counters().connections;
    assert!(house.poller.pause("u/a").await.unwrap());
    assert!(!house.poller.pause("u/a").await.unwrap(), "it is already");
    for _ in 0..2 {
        let status = house.until("u/a", |status| status.state == AccountState::Paused).await;
        assert_eq!((status.polling, status.next_poll), (false, None));
        assert_eq!(house.metric("tributary_account_state", &["u/a", "paused"]), 1.0);
        assert_eq!(house.metric("tributary_account_state", &["u/a", "ok"]), 0.0);
        house.poller.nudge("u");
        let refused = house.poller.poll_on_demand("u/a", Mode::Normal, false).await;
        assert_eq!(refused, Err::<Report, _>(PollNowError::Paused));
        house = house.restarted(vec![polled()]).await;
    }
    assert_eq!(server.counters().connections, count);
    house.poller.poll_on_demand("u/a", Mode::Normal, true).await.unwrap();
    assert_eq!(house.status.borrow()["u/a"].state, AccountState::Paused, "forced, and paused all the same");
    assert!(house.poller.resume("u/a").await.unwrap());
    house.until("u/a", |status| status.state == AccountState::Ok && status.next_poll.is_some()).await;
    house.poller.poll_on_demand("u/a", Mode::Normal, false).await.unwrap();
    assert_eq!(server.counters().connections, count + 2);
    assert!(matches!(house.poller.pause("u/b").await, Err(CommandError::NoAccount)));
    house.stop().await;
}

#[tokio::test]
async fn a_paused_account_is_not_polled_when_its_time_comes() {
    let server = server_with(1).await;
    let accounts = vec![often(account("a", server.address())), often(account("b", server.address()))];
    let mut house = House::of(accounts).await;
    house.poll_ok("u/a").await;
    house.poller.pause("u/a").await.unwrap();
    house.until("u/b", |status| status.last_success.is_some()).await;
    let count = server.counters().connections;
    house.hurry();
    house.pass(2 * HOUR).await;
    tokio::time::resume();
    assert!(server.counters().connections > count + 10, "b is polled");
    let of = |name: &str| house.metric("tributary_polls_total", &[name, "ok"]);
    assert_eq!(of("u/a") + of("u/b"), server.counters().connections as f64);
    assert!(of("u/a") <= 2.0, "{}", of("u/a"));
    house.stop().await;
}

#[tokio::test]
async fn a_pause_ends_a_running_poll_at_a_safe_point() {
    let server = server_with(50).await;
    let gate = Arc::new(Semaphore::new(3));
    server.fault(Fault::always(Verb::Retr, Action::Wait(gate.clone())));
    let mut house = House::of(vec![account("a", server.address())]).await;
    server.seen("RETR 4").await;
    house.poller.pause("u/a").await.unwrap();
    gate.add_permits(50);
    house.until("u/a", |status| status.state == AccountState::Paused && !status.polling).await;
    assert_eq!(server.log().last().map(String::as_str), Some("QUIT"));
    let fetched = house.subjects("a").await.len();
    assert!((4..50).contains(&fetched), "{fetched}");
    house.poller.resume("u/a").await.unwrap();
    house.poll_ok("u/a").await;
    assert_eq!(house.subjects("a").await.len(), 50);
    assert_eq!(server.counters().retrieved, 50, "nothing twice");
    house.stop().await;
}

#[tokio::test]
async fn held_deletions_are_made_when_a_person_says_so() {
    let server = server_with(3).await;
    let expunging = AccountSettings { leave_on_server: LeaveOnServer::UntilExpunged, ..account("a", server.address()) };
    let house = House::of(vec![expunging, account("b", server.address())]).await;
    house.poll_ok("u/a").await;
    assert_eq!(house.poller.held_deletes("u/a").await.unwrap(), 0);

    let mailbox = house.mailbox("a").await;
    let watch = house.store.watch(mailbox).await.unwrap();
    let uids = watch.current().unwrap().iter().take(2).map(|message| message.uid).collect::<tributary::mail::UidSet>();
    let list = FlagList { flags: Flags::DELETED, ..FlagList::default() };
    house.store.set_flags(mailbox, uids, FlagChange { op: FlagOp::Add, list, unchanged_since: None }).await.unwrap();
    house.store.expunge(mailbox, None).await.unwrap();

    assert_eq!(house.poller.held_deletes("u/a").await.unwrap(), 2);
    assert_eq!(house.poller.confirm_deletes("u/a").await.unwrap(), 2);
    let wanted = house.ledger("a").await.into_values().filter(|row| row.state == LedgerState::DeleteWanted);
    assert!(wanted.map(|row| row.place).eq([Place::Nowhere; 2]), "those that are here stay there");
    assert_eq!(house.poller.confirm_deletes("u/a").await.unwrap(), 0, "they are no longer held");
    // I8: what is left for ever is not to be deleted by this either.
    assert!(matches!(house.poller.confirm_deletes("u/b").await, Err(CommandError::NothingHeld)));
    house.stop().await;
}

#[tokio::test]
async fn accounts_are_found_by_their_short_names() {
    let server = server().await;
    let other = AccountSettings { id: "v/a".to_owned(), user: "v".to_owned(), ..account("a", server.address()) };
    let house = House::of(vec![account("a", server.address()), account("b", server.address()), other]).await;
    let find = |name: &str| house.poller.find(name).map_err(|error| error.to_string());
    assert_eq!(find("u/a"), Ok("u/a".to_owned()));
    assert_eq!(find("b"), Ok("u/b".to_owned()));
    assert_eq!(find("a"), Err("a may be u/a or v/a: write it in full".to_owned()));
    assert_eq!(find("c"), Err("there is no account c".to_owned()));
    assert_eq!(house.poller.accounts(), ["u/a", "u/b", "v/a"]);
    house.stop().await;
}
