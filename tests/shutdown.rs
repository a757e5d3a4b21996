//! SIGTERM: whatever sessions and maildrops are at, the service ends by itself within ten seconds, in order, and the next run
//! finds everything as it was acknowledged.

#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use support::maildrop::{maildrop, seldom_polled as account};
use support::server::Server;
use support::{DEADLINE, command, config, scratch, wait};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tributary::demo::pop3d::{Action, Fault, Pop3d};
use tributary::pop3::Verb;

/// What is promised, from the signal to the end of the process.
const STOP_TIME: Duration = Duration::from_secs(10);

const STOPPING: &str = "* BYE [UNAVAILABLE] ";

fn verbs(maildrop: &Pop3d, verb: &str) -> usize {
    maildrop.log().iter().filter(|line| line.contains(verb)).count()
}

/// A connection that says this and then nothing more.
fn raw(address: SocketAddr, lines: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(lines.as_bytes()).unwrap();
    stream
}

/// Reads until this has been seen.
fn until(stream: &mut TcpStream, wanted: &str) -> String {
    let (mut seen, mut octet) = (Vec::new(), [0]);
    while !seen.ends_with(wanted.as_bytes()) {
        assert_eq!(stream.read(&mut octet).unwrap(), 1, "closed after {}", String::from_utf8_lossy(&seen));
        seen.push(octet[0]);
    }
    String::from_utf8_lossy(&seen).into_owned()
}

fn rest(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    // What is left unread at the server may make a reset of its end.
    let _ = stream.read_to_end(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}

fn login() -> String {
    format!("a LOGIN {} {}\r\n", config::USER, config::PASSWORD)
}

#[test]
fn nothing_holds_up_the_end_for_ten_seconds() {
    let (dir, runtime) = (scratch(), Runtime::new().unwrap());
    let (good, mute, stuck) = (maildrop(&runtime, 40), maildrop(&runtime, 1), maildrop(&runtime, 5));
    mute.fault(Fault::always(Verb::Greeting, Action::Hang));
    stuck.fault(Fault::of_message(Verb::Retr, 3, Action::Hang));
    let accounts = [account("good", &good), account("mute", &mute), account("stuck", &stuck)];
    let server = Server::start(dir.path(), &config::yaml(dir.path(), &accounts));
    server.wait_for_polls(&["good"], 1);
    wait::until("the stuck maildrop is", DEADLINE, || (stuck.counters().faults > 0).then_some(()));
    let mut robin = server.imap();
    wait::until("what came before is there", DEADLINE, || (robin.status("INBOX", "MESSAGES") >= 42).then_some(()));
    let large = "x".repeat(998) + "\r\n";
    let message = format!("Subject: large\r\n\r\n{}", large.repeat(8_000));
    robin.ok("CREATE Large");
    let mut upload = raw(server.address("imap"), &login());
    until(&mut upload, "a OK");
    upload.write_all(format!("b APPEND Large {{{}}}\r\n", message.len()).as_bytes()).unwrap();
    until(&mut upload, "+ Ready for literal data\r\n");
    upload.write_all(message.as_bytes()).unwrap();
    upload.write_all(b"\r\n").unwrap();
    until(&mut upload, "b OK");

    let imap = server.address("imap");
    let mut idle = raw(imap, &(login() + "b SELECT INBOX\r\nc IDLE\r\n"));
    until(&mut idle, "+ ");
    let mut half = raw(imap, &(login() + "b APPEND INBOX {1000}\r\n"));
    until(&mut half, "+ Ready for literal data\r\n");
    half.write_all(b"Subject: half").unwrap();
    let mut stranger = raw(imap, "a AUTHENTICATE PLAIN\r\n");
    until(&mut stranger, "+ ");
    // Asks for far more than buffers take, and reads none of it.
    let mut deaf = raw(imap, &(login() + "b SELECT Large\r\n"));
    until(&mut deaf, "b OK");
    deaf.write_all("c FETCH 1 BODY.PEEK[]\r\n".repeat(8).as_bytes()).unwrap();
    until(&mut deaf, "x");
    let handshake = raw(server.address("imaps"), "");
    let silent_http = raw(server.address("http"), "GET /met");

    let begun = Instant::now();
    let status = server.stop();
    let took = begun.elapsed();
    assert!(status.success(), "{status} after {took:?}");
    assert!(took < STOP_TIME, "{took:?}");
    for (what, stream) in [("idle", &mut idle), ("half", &mut half), ("stranger", &mut stranger)] {
        let said = rest(stream);
        assert!(said.contains(STOPPING), "{what}: {said}");
    }
    drop((deaf, handshake, silent_http));

    mute.heal();
    stuck.heal();
    assert_eq!(command::tributary(dir.path(), &["check"]).0, 0);
    let server = Server::start_on(dir.path().join("tributary.yaml"));
    let mut robin = server.imap();
    // The time-table keeps its distance from servers that did not answer; a person may poll before.
    wait::until("all mail is there", DEADLINE, || {
        command::tributary(dir.path(), &["poll", "--force"]);
        (robin.status("INBOX", "MESSAGES") >= 46).then_some(())
    });
    let mut subjects: Vec<String> = robin.uids_with_field("INBOX", "Subject").into_iter().map(|(_, s)| s).collect();
    subjects.sort();
    let mut wanted: Vec<String> =
        [40, 1, 5].into_iter().flat_map(|count| (1..=count).map(|n: u32| n.to_string())).collect();
    wanted.sort();
    assert_eq!(subjects, wanted, "exactly once, and nothing half");
    assert!(server.stop().success());
}

#[test]
fn a_poll_ends_with_the_message_that_it_is_at_and_quits() {
    let (dir, runtime) = (scratch(), Runtime::new().unwrap());
    let maildrop = maildrop(&runtime, 200);
    let go_on = Arc::new(Semaphore::new(0));
    maildrop.fault(Fault::of_message(Verb::Retr, 3, Action::Wait(Arc::clone(&go_on))));
    let mut server = Server::start(dir.path(), &config::yaml(dir.path(), &[account("isp", &maildrop)]));
    wait::until("the third message is waited for", DEADLINE, || (maildrop.counters().faults > 0).then_some(()));
    server.terminate();
    server.wait_for_log("the end begins", |line| line["fields"]["message"] == "stopping");
    go_on.add_permits(1);
    assert!(server.stop().success());
    let (fetched, quits) = (verbs(&maildrop, "RETR"), verbs(&maildrop, "QUIT"));
    assert_eq!(quits, 1, "{:?}", maildrop.log());
    assert!((3..100).contains(&fetched), "{fetched} messages were asked for");
    let server = Server::start_on(dir.path().join("tributary.yaml"));
    server.wait_for_polls(&["isp"], 1);
    assert_eq!(server.imap().status("INBOX", "MESSAGES"), 200);
    assert_eq!(verbs(&maildrop, "RETR"), 200, "none is fetched twice");
    assert!(server.stop().success());
}
