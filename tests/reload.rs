//! The configuration taken anew by a running service: the real binary, its file, SIGHUP and `watch_config`.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

#[path = "reload/accounts.rs"]
mod accounts;
#[path = "reload/files.rs"]
mod files;
#[path = "reload/house.rs"]
mod house;
mod support;

use house::{House, user};
use support::DEADLINE;
use support::imap::Imap;
use support::server::field;

const ROBIN: &str = "robin";

fn users(users: &[String]) -> String {
    format!("users:\n{}", users.concat())
}

#[test]
fn users_come_and_go_while_a_session_idles() {
    let robin = user(ROBIN, "pw", "");
    let house = House::new(&users(&[robin.clone(), user("wren", "pw", "")]));
    let idler = house.idler(ROBIN, "pw");
    let mut resting = house.session(ROBIN, "pw");

    house.reload(&users(&[robin.clone(), user("wren", "pw", ""), user("finch", "new", "")]), "ok");
    assert!(house.login("finch", "new").starts_with("OK"));

    let (mut leaving, mut idling) = (house.session("wren", "pw"), house.idler("wren", "pw"));
    house.reload(&users(&[robin, user("finch", "new", "")]), "ok");
    assert_eq!(idling.until("\r\n"), "* BYE This user is configured no more\r\n");
    assert_eq!(idling.rest(), "");
    assert!(house.login("wren", "pw").starts_with("NO [AUTHENTICATIONFAILED]"));
    // It may have read the word before the command came.
    let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| leaving.command("NOOP").text()));
    assert!(told.is_err() || told.unwrap().contains("BYE"));

    resting.ok("NOOP");
    resting.ok("STATUS INBOX (MESSAGES)");
    idler.done();
}

#[test]
fn a_changed_password_counts_at_once_and_sessions_stay() {
    let house = House::new(&users(&[user(ROBIN, "one", "")]));
    assert!(house.login(ROBIN, "one").starts_with("OK"), "and is remembered");
    let idler = house.idler(ROBIN, "one");
    house.reload(&users(&[user(ROBIN, "two", "")]), "ok");
    assert!(house.login(ROBIN, "one").starts_with("NO"));
    assert!(house.login(ROBIN, "two").starts_with("OK"));
    idler.done();
    // The one that was, again: nothing stays of what was remembered of it.
    house.reload(&users(&[user(ROBIN, "three", "")]), "ok");
    assert!(house.login(ROBIN, "two").starts_with("NO") && house.login(ROBIN, "three").starts_with("OK"));
}

#[test]
fn a_file_that_is_wrong_changes_nothing() {
    let robin = user(ROBIN, "pw", "");
    let mut house = House::new(&users(std::slice::from_ref(&robin)));
    let read_at = house.value("tributary_config_last_reload_timestamp_seconds");
    assert!(read_at > 1e9);
    assert_eq!(house.value("tributary_config_last_reload_successful"), 1.0);
    let idler = house.idler(ROBIN, "pw");

    let wrong = format!("{}admns: [robin]\n", users(&[user(ROBIN, "other", ""), user("wren", "pw", "")]));
    house.reload(&wrong, "invalid");
    let line = house.yaml(&wrong).lines().count();
    let told = house.server.wait_for_log("the refusal", |line| field(line, "result") == Some("invalid"));
    let problems = field(&told, "problems").unwrap();
    assert!(problems.contains(&format!("line {line}: admns: unknown key")), "{problems}");
    assert_eq!(house.value("tributary_config_last_reload_successful"), 0.0);
    assert_eq!(house.value("tributary_config_last_reload_timestamp_seconds"), read_at);
    assert!(house.login(ROBIN, "pw").starts_with("OK"));
    assert!(house.login(ROBIN, "other").starts_with("NO") && house.login("wren", "pw").starts_with("NO"));

    // A file that is right, with a certificate that is none: as whole.
    let certificate = house.dir().join("data/tls/cert.pem");
    let content = std::fs::read(&certificate).unwrap();
    std::fs::write(&certificate, "no certificate").unwrap();
    house.reload(&users(&[robin.clone(), user("wren", "pw", "")]), "failed");
    assert!(house.login("wren", "pw").starts_with("NO"));
    std::fs::write(&certificate, content).unwrap();
    std::fs::remove_file(&house.file).unwrap();
    house.hang_up("invalid");
    assert!(house.login(ROBIN, "pw").starts_with("OK"));

    house.reload(&users(&[robin, user("wren", "pw", "")]), "ok");
    assert_eq!(house.value("tributary_config_last_reload_successful"), 1.0);
    assert!(house.value("tributary_config_last_reload_timestamp_seconds") > read_at);
    assert!(house.login("wren", "pw").starts_with("OK"));
    idler.done();
}

#[test]
fn what_changed_is_told_by_its_keys_and_never_by_its_values() {
    let mut house = House::new(&users(&[user(ROBIN, "s3cret-one", "")]));
    let more = "limits: { imap: { connections_per_user: 7 } }\nnotify_after: 2d\n";
    let text = house.yaml(&format!("{more}{}", users(&[user(ROBIN, "s3cret-two", ""), user("wren", "pw", "")])));
    std::fs::write(&house.file, text.replace("listen: \"127.0.0.1:0\"", "listen: \"127.0.0.1:1\"")).unwrap();
    house.hang_up("ok");
    let told = house.server.wait_for_log("what changed", |line| field(line, "changed").is_some());
    let changed = field(&told, "changed").unwrap();
    for key in ["users.robin.password", "users.wren (added)", "limits.imap.connections_per_user", "notify_after"] {
        assert!(changed.contains(key), "{key} in {changed}");
    }
    assert!(!changed.contains("http"), "{changed}");
    let told = house.server.wait_for_log("the restart", |line| field(line, "settings").is_some());
    assert_eq!(field(&told, "settings"), Some("http.listen"));
    assert!(!house.server.log_so_far().iter().any(|line| line.contains("s3cret")));
}

#[test]
fn limits_quotas_and_capabilities_follow() {
    let robin = |more: &str| users(&[user(ROBIN, "pw", more)]);
    let limited = |count: u32| format!("limits: {{ imap: {{ connections: {count} }} }}\n{}", robin(""));
    let house = House::new(&limited(2));
    let idler = house.idler(ROBIN, "pw");
    let second = house.session(ROBIN, "pw");
    let refused = || {
        let mut third = house::Raw::connect(house.server.address("imap"));
        let said = third.until("\r\n");
        assert!(said.starts_with("* OK") || said.starts_with("* BYE [UNAVAILABLE]"), "{said}");
        said.starts_with("* BYE")
    };
    assert!(refused());
    house.reload(&limited(3), "ok");
    assert!(!refused());
    // Who is there stays, also where there are more than may be.
    house.reload(&limited(1), "ok");
    assert!(refused());
    drop(second);
    idler.done();

    house.reload(&robin("quota: 1KiB"), "ok");
    house::eventually("the first session is gone", || house.value("tributary_imap_connections") == 0.0);
    let mut imap = house.session(ROBIN, "pw");
    let append = |imap: &mut Imap| {
        let message = format!("Subject: x\r\n\r\n{}\r\n", "x".repeat(2000));
        imap.command(&format!("APPEND INBOX {{{}+}}\r\n{message}", message.len())).tagged
    };
    assert!(append(&mut imap).starts_with("NO [OVERQUOTA]"));
    house.reload(&robin(""), "ok");
    assert!(append(&mut imap).starts_with("OK"));

    house.reload(&robin("imap: { hide_capabilities: [NOTIFY] }"), "ok");
    let capabilities = |imap: &mut Imap| imap.ok("CAPABILITY").text();
    assert!(capabilities(&mut imap).contains("NOTIFY"), "a session keeps what it was told");
    assert!(!capabilities(&mut house.session(ROBIN, "pw")).contains("NOTIFY"));
}

#[test]
fn fifty_reloads_leave_nothing_behind() {
    let with = |n: u32| users(&[user(ROBIN, "pw", ""), user(&format!("guest{n}"), "pw", "")]);
    let house = House::new(&with(0));
    let idlers: Vec<_> = (0..5).map(|_| house.idler(ROBIN, "pw")).collect();
    let address = house.server.address("imap");
    let stop = std::sync::atomic::AtomicBool::new(false);
    let before = house.value("process_open_fds");
    std::thread::scope(|scope| {
        let busy = scope.spawn(|| {
            let mut rounds = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let mut imap = Imap::connect(address);
                imap.ok("LOGIN robin pw");
                imap.ok("SELECT INBOX");
                imap.ok("APPEND INBOX {5+}\r\nA: b\n");
                imap.ok("LOGOUT");
                rounds += 1;
            }
            rounds
        });
        for n in 1..=50 {
            house.reload(&with(n), "ok");
            assert!(house.login(&format!("guest{n}"), "pw").starts_with("OK"));
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(busy.join().unwrap() > 0);
    });
    assert!(house.login("guest49", "pw").starts_with("NO"));
    house.server.wait_for_metrics("descriptors are given back", DEADLINE, |metrics| {
        metrics.sum("process_open_fds", &[]) <= before + 2.0 && metrics.sum("tributary_imap_connections", &[]) <= 5.0
    });
    assert_eq!(house.value("tributary_panics_total"), 0.0);
    idlers.into_iter().for_each(house::Raw::done);
}
