//! Maildrops come, go and change while they are polled.

use std::sync::Arc;

use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tributary::demo::pop3d::{Action, Fault};
use tributary::pop3::Verb;

use crate::house::{House, account, eventually, maildrop, names, subjects, user};
use crate::users;

fn robin(accounts: &[String]) -> String {
    users(&[user("robin", "pw", &format!("accounts: [{}]", accounts.join(", ")))])
}

const HOURLY: &str = "poll_interval: 1h";

#[test]
fn accounts_come_go_and_change() {
    let runtime = Runtime::new().unwrap();
    let [kept, gone, new, changed] = ["kept", "gone", "new", "changed"].map(|name| maildrop(&runtime, name, 3));
    let hourly = |name, maildrop| account(name, maildrop, HOURLY);
    let house = House::new(&robin(&[hourly("kept", &kept), hourly("gone", &gone), hourly("changed", &changed)]));
    house.server.wait_for_polls(&["kept", "gone", "changed"], 1);
    let mut imap = house.session("robin", "pw");
    assert_eq!(subjects(&mut imap, "Accounts/gone"), names("gone", 3));

    let often = account("changed", &changed, "poll_interval: 1s, leave_on_server: never");
    house.reload(&robin(&[hourly("kept", &kept), often, hourly("new", &new)]), "ok");
    house.server.wait_for_polls(&["new"], 1);
    changed.deliver("changed4", b"Subject: changed-4\r\n\r\nhello\r\n".to_vec());
    house.server.wait_for_metrics("what changed takes effect", crate::DEADLINE, |metrics| {
        metrics.sum("tributary_messages_fetched_total", &[("account", "robin/changed")]) == 4.0
            && metrics.sum("tributary_upstream_deletes_total", &[("account", "robin/changed"), ("result", "ok")]) == 4.0
    });
    assert!(changed.unique_ids().is_empty());
    eventually("nothing is shown of what is gone", || !house.accounts().contains("robin/gone"));
    assert!(house.accounts().contains("robin/kept"));
    assert_eq!((kept.counters().logins, gone.counters().logins), (1, 1), "what has not changed goes on as it was");

    // Its mail stays; its view is shown no more.
    let all = [names("changed", 4), names("gone", 3), names("kept", 3), names("new", 3)].concat();
    assert_eq!(subjects(&mut imap, "INBOX"), all);
    let list = imap.ok("LIST \"\" *").text();
    assert!(list.contains("Accounts/new") && !list.contains("Accounts/gone"), "{list}");

    // It comes again: nothing is fetched twice.
    house.reload(&robin(&[hourly("kept", &kept), hourly("gone", &gone)]), "ok");
    house.server.wait_for_polls(&["gone"], 1);
    assert_eq!(subjects(&mut imap, "INBOX"), all);
    assert_eq!(subjects(&mut imap, "Accounts/gone"), names("gone", 3));
    assert_eq!(gone.counters().retrieved, 3);
}

/// The poll hangs before its third message, with two behind it.
fn slow(maildrop: &tributary::demo::pop3d::Pop3d) -> Arc<Semaphore> {
    let turn = Arc::new(Semaphore::new(0));
    maildrop.fault(Fault::of_message(Verb::Retr, 3, Action::Wait(turn.clone())));
    turn
}

#[test]
fn a_running_poll_of_an_account_that_stays_is_not_disturbed() {
    let runtime = Runtime::new().unwrap();
    let (maildrop, other) = (maildrop(&runtime, "m", 5), maildrop(&runtime, "other", 1));
    let turn = slow(&maildrop);
    let isp = account("isp", &maildrop, HOURLY);
    let house = House::new(&robin(std::slice::from_ref(&isp)));
    eventually("the poll is at its third message", || maildrop.counters().faults == 1);
    let limits = "limits: { pop3: { connections: 9, connections_per_host: 3 } }\n";
    house.reload(&format!("{limits}{}", robin(&[isp, account("other", &other, HOURLY)])), "ok");
    house.server.wait_for_polls(&["other"], 1);
    turn.add_permits(100);
    house.server.wait_for_polls(&["isp"], 1);
    assert_eq!((maildrop.counters().logins, maildrop.counters().retrieved), (1, 5));
    assert_eq!(subjects(&mut house.session("robin", "pw"), "INBOX"), [names("m", 5), names("other", 1)].concat());
}

#[test]
fn a_running_poll_of_an_account_that_changes_ends_at_a_safe_point() {
    let runtime = Runtime::new().unwrap();
    let maildrop = maildrop(&runtime, "m", 20);
    let turn = slow(&maildrop);
    let with = |interval: &str| {
        robin(&[account("isp", &maildrop, &format!("poll_interval: {interval}, leave_on_server: never"))])
    };
    let house = House::new(&with("1h"));
    eventually("the poll is at its third message", || maildrop.counters().faults >= 1);
    // Changed, and changed again, before the first has come to its end.
    house.reload(&with("2h"), "ok");
    house.reload(&with("1s"), "ok");
    assert_eq!(maildrop.counters().connections, 1, "one task a maildrop");
    turn.add_permits(1000);
    eventually("all has been fetched and deleted", || maildrop.unique_ids().is_empty());
    assert_eq!(subjects(&mut house.session("robin", "pw"), "INBOX").len(), 20);
    let metrics = house.metrics();
    assert_eq!(metrics.sum("tributary_messages_fetched_total", &[]), 20.0);
    assert_eq!(maildrop.counters().locked_out, 0);
    let mut subjects = subjects(&mut house.session("robin", "pw"), "INBOX");
    subjects.dedup();
    assert_eq!(subjects.len(), 20);
}

#[test]
fn a_running_poll_of_an_account_that_goes_loses_nothing() {
    let runtime = Runtime::new().unwrap();
    let maildrop = maildrop(&runtime, "m", 6);
    let turn = slow(&maildrop);
    let isp = account("isp", &maildrop, "poll_interval: 1s, leave_on_server: never");
    let house = House::new(&robin(std::slice::from_ref(&isp)));
    eventually("the poll is at its third message", || maildrop.counters().faults >= 1);
    house.reload(&robin(&[]), "ok");
    turn.add_permits(1000);
    eventually("the account is gone", || !house.accounts().contains("robin/isp"));
    let stored = subjects(&mut house.session("robin", "pw"), "INBOX").len();
    let upstream = maildrop.unique_ids().len();
    assert!(stored + upstream >= 6, "{stored} here, {upstream} there");
    house.reload(&robin(&[isp]), "ok");
    eventually("the rest has come", || maildrop.unique_ids().is_empty());
    assert_eq!(subjects(&mut house.session("robin", "pw"), "INBOX"), names("m", 6));
}

#[test]
fn an_account_is_disabled_and_enabled() {
    let runtime = Runtime::new().unwrap();
    let maildrop = maildrop(&runtime, "m", 2);
    let with = |enabled: &str| robin(&[account("isp", &maildrop, &format!("poll_interval: 1s, enabled: {enabled}"))]);
    let paused = |house: &House| {
        let labels = [("account", "robin/isp"), ("state", "paused")];
        house.metrics().sum("tributary_account_state", &labels) == 1.0
    };
    let house = House::new(&with("true"));
    house.server.wait_for_polls(&["isp"], 2);
    house.reload(&with("false"), "ok");
    eventually("it is shown as paused", || paused(&house));
    eventually("no session is left", || {
        let log = maildrop.log();
        log.iter().filter(|line| line.contains("QUIT")).count() as u64 == maildrop.counters().logins
    });
    let logins = maildrop.counters().logins;
    assert!(crate::support::command::tributary(house.dir(), &["poll", "isp"]).1.contains("disabled"));
    assert_eq!(maildrop.counters().logins, logins);
    house.reload(&with("true"), "ok");
    eventually("it is polled again", || maildrop.counters().logins > logins && !paused(&house));
}
