//! The server itself, spoken to byte by byte.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::pop3::Verb;

const LOGIN: &str = "USER demo\r\nPASS demo\r\n";

async fn server(quirks: Quirks) -> Pop3d {
    let server = Pop3d::start(Settings { quirks, ..Settings::default() }).await.unwrap();
    for n in 1..4 {
        server.deliver(&format!("id{n}"), format!("Subject: {n}\r\n\r\n.dot\r\n").into_bytes());
    }
    server
}

/// Sends everything at once, and reads to the end of the connection. A server that closes before it has read all resets
/// the connection behind what it sent.
async fn talk(server: &Pop3d, commands: &str) -> String {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(commands.as_bytes()).await.unwrap();
    let mut answers = Vec::new();
    let _ = stream.read_to_end(&mut answers).await;
    String::from_utf8(answers).unwrap()
}

/// What comes after the login.
async fn after_login(server: &Pop3d, commands: &str) -> String {
    let answers = talk(server, &format!("{LOGIN}{commands}QUIT\r\n")).await;
    answers.splitn(4, "\r\n").nth(3).unwrap().to_owned()
}

#[tokio::test]
async fn without_quirks_it_keeps_to_rfc_1939() {
    let server = server(Quirks::default()).await;
    let answers = after_login(&server, "STAT\r\nUIDL\r\nLIST\r\nTOP 1 0\r\nRETR 1\r\nDELE 1\r\nSTAT\r\n").await;
    let listing = "+OK 3 60\r\n+OK\r\n1 id1\r\n2 id2\r\n3 id3\r\n.\r\n+OK\r\n1 20\r\n2 20\r\n3 20\r\n.\r\n";
    let message = "+OK\r\nSubject: 1\r\n\r\n.\r\n+OK\r\nSubject: 1\r\n\r\n..dot\r\n.\r\n";
    assert_eq!(answers, format!("{listing}{message}+OK\r\n+OK 2 40\r\n+OK\r\n"));
    assert_eq!(server.unique_ids(), ["id2", "id3"]);
    let traffic = server.traffic();
    let before = (b"+OK Tributary demo POP3 server\r\n+OK\r\n+OK\r\n".len()) as u64;
    assert_eq!((traffic.answers, traffic.login_octets), (10, before));
    assert_eq!(traffic.octets, before + answers.len() as u64);
}

#[tokio::test]
async fn listings_with_quirks() {
    let cases: [(Quirks, &str, &str); 10] = [
        (Quirks { unique_ids: UniqueIds::Absent, ..Quirks::default() }, "UIDL", "-ERR unknown command\r\n"),
        (Quirks { unique_ids: UniqueIds::Empty, ..Quirks::default() }, "UIDL", "+OK\r\n1 \r\n2 \r\n3 \r\n.\r\n"),
        (Quirks { unique_ids: UniqueIds::Numbers, ..Quirks::default() }, "UIDL", "+OK\r\n1 1\r\n2 2\r\n3 3\r\n.\r\n"),
        (
            Quirks { unique_ids: UniqueIds::Long(5), ..Quirks::default() },
            "UIDL",
            "+OK\r\n1 id1xx\r\n2 id2xx\r\n3 id3xx\r\n.\r\n",
        ),
        (Quirks { uidl_ends_after: Some(1), ..Quirks::default() }, "UIDL", "+OK\r\n1 id1\r\n.\r\n"),
        (Quirks { lists_backwards: true, ..Quirks::default() }, "LIST", "+OK\r\n3 20\r\n2 20\r\n1 20\r\n.\r\n"),
        (Quirks { window: Window::First(2), ..Quirks::default() }, "UIDL", "+OK\r\n1 id1\r\n2 id2\r\n.\r\n"),
        (Quirks { window: Window::Last(2), ..Quirks::default() }, "UIDL", "+OK\r\n1 id2\r\n2 id3\r\n.\r\n"),
        (Quirks { window: Window::Last(9), ..Quirks::default() }, "STAT", "+OK 3 60\r\n"),
        (Quirks { adds_header_at_login: true, ..Quirks::default() }, "STAT", "+OK 3 60\r\n"),
    ];
    for (quirks, command, answer) in cases {
        let server = server(quirks.clone()).await;
        assert_eq!(after_login(&server, &format!("{command}\r\n")).await, format!("{answer}+OK\r\n"), "{quirks:?}");
    }
}

#[tokio::test]
async fn messages_with_quirks() {
    let whole = "+OK\r\nSubject: 1\r\n\r\n..dot\r\n";
    let cases: [(Quirks, &str, String); 8] = [
        (Quirks { ending: Ending::BlankLine, ..Quirks::default() }, "RETR 1", format!("{whole}\r\n.\r\n")),
        (Quirks { ending: Ending::Unbroken, ..Quirks::default() }, "RETR 1", format!("{}.\r\n", whole.trim_end())),
        (Quirks { ending: Ending::NoLineFeed, ..Quirks::default() }, "RETR 1", format!("{whole}.\r")),
        (Quirks { leaves_dots_unstuffed: true, ..Quirks::default() }, "RETR 1", whole.replace("..", ".") + ".\r\n"),
        (Quirks { top: Top::Absent, ..Quirks::default() }, "TOP 1 0", "-ERR unknown command\r\n".to_owned()),
        (Quirks { top: Top::Truncated, ..Quirks::default() }, "TOP 1 0", "+OK\r\nSubject\r\n.\r\n".to_owned()),
        (Quirks { top: Top::WithBody, ..Quirks::default() }, "TOP 1 0", format!("{whole}.\r\n")),
        (Quirks { top: Top::Unstuffed, ..Quirks::default() }, "TOP 1 1", whole.replace("..", ".") + ".\r\n"),
    ];
    for (quirks, command, answer) in cases {
        let server = server(quirks.clone()).await;
        assert_eq!(after_login(&server, &format!("{command}\r\n")).await, format!("{answer}+OK\r\n"), "{quirks:?}");
    }
    let server = server(Quirks { volatile_headers: true, ..Quirks::default() }).await;
    let answers = after_login(&server, "RETR 1\r\nRETR 1\r\n").await;
    assert!(answers.contains("Status: O\r\n") && answers.contains("Status: RO\r\n"), "{answers}");
}

#[tokio::test]
async fn deletions_with_quirks() {
    let server = server(Quirks { dele_needs_retr: true, blank_after_dele: true, ..Quirks::default() }).await;
    let answers = after_login(&server, "DELE 1\r\nRETR 2\r\nDELE 2\r\n").await;
    assert!(
        answers.starts_with("-ERR retrieve it first\r\n") && answers.ends_with(".\r\n+OK\r\n\r\n+OK\r\n"),
        "{answers}"
    );
    assert_eq!(server.unique_ids(), ["id1", "id3"]);
    server.quirks(|quirks| *quirks = Quirks { ignores_dele: true, hides_retrieved: true, ..Quirks::default() });
    after_login(&server, "RETR 1\r\nDELE 1\r\n").await;
    assert_eq!(server.unique_ids(), ["id1", "id3"]);
    assert_eq!(after_login(&server, "UIDL\r\n").await, "+OK\r\n1 id3\r\n.\r\n+OK\r\n");
}

#[tokio::test]
async fn a_dropped_session_deletes_and_hides_nothing_and_may_leave_a_lock() {
    let quirks = Quirks { hides_retrieved: true, locks_when_dropped: true, ..Quirks::default() };
    let server = server(quirks).await;
    server.fault(Fault::once(Verb::Quit, Action::Close));
    after_login(&server, "RETR 1\r\nDELE 2\r\n").await;
    assert_eq!(after_login(&server, "STAT\r\n").await, "-ERR not now\r\n+OK\r\n");
    assert_eq!((server.counters().locked_out, server.counters().logins), (1, 1));
    server.unlock();
    assert_eq!(after_login(&server, "STAT\r\n").await, "+OK 3 60\r\n+OK\r\n");
    assert_eq!(after_login(&server, "STAT\r\n").await, "+OK 3 60\r\n+OK\r\n");
}

#[tokio::test]
async fn logins_too_many_at_once_or_too_soon_are_refused() {
    let server = server(Quirks { exclusive: true, ..Quirks::default() }).await;
    let mut first = TcpStream::connect(server.address()).await.unwrap();
    first.write_all(format!("{LOGIN}NOOP\r\n").as_bytes()).await.unwrap();
    server.seen("NOOP").await;
    let answers = talk(&server, &format!("{LOGIN}QUIT\r\n")).await;
    assert!(answers.contains("-ERR [IN-USE]"), "{answers}");
    server.quirks(|quirks| *quirks = Quirks { login_delay: Some(Duration::from_secs(3600)), ..Quirks::default() });
    let answers = talk(&server, &format!("{LOGIN}QUIT\r\n")).await;
    assert!(answers.contains("-ERR [LOGIN-DELAY]"), "{answers}");
}

#[tokio::test]
async fn what_comes_behind_a_login_or_a_command_may_be_lost() {
    let server = server(Quirks { drops_behind_login: true, bare_status: true, ..Quirks::default() }).await;
    server.fault(Fault::once(Verb::Greeting, Action::Wait(Arc::new(tokio::sync::Semaphore::new(1)))));
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(format!("{LOGIN}QUIT\r\nSTAT\r\n").as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).await.unwrap();
    assert!(answers.starts_with("+OK\r\n+OK\r\n+OK\r\n") && !answers.contains("+OK 3"), "{answers}");
    server.quirks(|quirks| *quirks = Quirks { hangs_up_on_bad_password: true, ..Quirks::default() });
    let answers = talk(&server, "USER demo\r\nPASS wrong\r\n").await;
    assert!(answers.ends_with("server\r\n+OK\r\n"), "{answers}");
}

#[tokio::test]
async fn output_is_damaged_at_the_byte_that_was_named_and_as_often() {
    let clean = "+OK Tributary demo POP3 server\r\n+OK\r\n+OK\r\n+OK\r\n";
    let commands = format!("{LOGIN}QUIT\r\n");
    for chunks in [Chunks::Whole, Chunks::Of(1), Chunks::Random(7)] {
        let server = server(Quirks { chunks, ..Quirks::default() }).await;
        let cases = [
            (At::Byte(0), Damage::Cut, String::new()),
            (At::Byte(3), Damage::Cut, clean[..3].to_owned()),
            (At::Answer(1, 0), Damage::Cut, clean[..32].to_owned()),
            (At::Answer(2, 1), Damage::Cut, clean[..38].to_owned()),
            (At::ByteAfterLogin(2), Damage::Cut, clean[..44].to_owned()),
            (At::Byte(1), Damage::Overwrite(b"xy".to_vec()), clean.replacen("OK", "xy", 1)),
            (At::Byte(45), Damage::Overwrite(b"xyz".to_vec()), format!("{}xy", &clean[..45])),
            (At::Byte(3), Damage::Insert(b"!".to_vec()), clean.replacen("OK", "OK!", 1)),
            (At::Byte(47), Damage::Cut, clean.to_owned()),
        ];
        for (at, damage, answers) in cases {
            server.damage(OutputFault::once(at, damage.clone()));
            assert_eq!(talk(&server, &commands).await, answers, "{at:?} {damage:?}");
            assert_eq!(talk(&server, &commands).await.len(), clean.len(), "{at:?} {damage:?}");
            server.heal();
        }
        assert_eq!(server.counters().faults, 8);
        server.damage(OutputFault::always(At::Byte(4), Damage::Insert(b"!".to_vec())));
        for _ in 0..2 {
            assert_eq!(talk(&server, &commands).await, clean.replacen("OK ", "OK !", 1));
        }
    }
}

#[tokio::test]
async fn a_reset_is_told_from_an_end_and_a_stall_lasts_until_the_client_goes() {
    let server = server(Quirks::default()).await;
    server.damage(OutputFault::once(At::Byte(5), Damage::Reset));
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let error = stream.read_to_end(&mut Vec::new()).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);

    server.damage(OutputFault::once(At::Byte(5), Damage::Stall));
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let mut start = [0; 5];
    stream.read_exact(&mut start).await.unwrap();
    server.faults(2).await;
    stream.write_all(b"QUIT\r\n").await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(stream.read(&mut start).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn the_log_keeps_its_last_lines() {
    let server = server(Quirks::default()).await;
    let commands = "NOOP\r\n".repeat(MAX_LOG);
    talk(&server, &format!("{commands}QUIT\r\n")).await;
    let log = server.log();
    assert_eq!((log.len(), log.last().map(String::as_str)), (MAX_LOG, Some("QUIT")));
}
