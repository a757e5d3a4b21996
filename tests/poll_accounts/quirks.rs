//! The ways of real servers, one test each (docs/pop3-servers.md): mail comes once and whole all the same.

use std::collections::BTreeSet;
use std::time::Duration;

use tributary::demo::pop3d::{
    Action, At, Chunks, Damage, Ending, Fault, OutputFault, Pop3d, Quirks, Settings as ServerSettings, Top, UniqueIds,
};
use tributary::poll::{AccountSettings, Report, Settings};
use tributary::pop3::{Timeouts, Verb};

use super::support::*;

const MESSAGES: u32 = 5;

/// A server with messages 1 to 5.
async fn server_of(quirks: Quirks) -> Pop3d {
    filled(ServerSettings { quirks, ..ServerSettings::default() }).await
}

/// The same without CAPA.
async fn plain_server_of(quirks: Quirks) -> Pop3d {
    filled(ServerSettings { quirks, capabilities: None, ..ServerSettings::default() }).await
}

async fn filled(settings: ServerSettings) -> Pop3d {
    let server = Pop3d::start(settings).await.unwrap();
    post(&server, 1..=MESSAGES);
    server
}

fn letters() -> Vec<Vec<u8>> {
    (1..=MESSAGES).map(|n| letter(&n.to_string()).to_vec()).collect()
}

fn names() -> Vec<String> {
    (1..=MESSAGES).map(|n| n.to_string()).collect()
}

/// The messages in an order of their own: those that failed at first come last.
async fn sorted(house: &House) -> Vec<Vec<u8>> {
    let mut messages = house.messages("a").await;
    messages.sort();
    messages
}

/// A house that does not wait long for an answer.
async fn impatient(account: AccountSettings) -> House {
    let (reply, body) = (Duration::from_millis(400), Duration::from_millis(400));
    let timeouts = Timeouts { reply, body, ..Timeouts::default() };
    House::with(Settings { accounts: vec![account], timeouts, ..Settings::default() }).await
}

/// Polls until a poll finds nothing new; all must go well.
async fn settle(house: &House) -> Report {
    for _ in 0..5 {
        let report = house.poll_ok("u/a").await;
        if report.fetched + report.deleted + report.adopted == 0 {
            return report;
        }
    }
    panic!("does not come to rest: {:?}", house.poll("u/a").await);
}

/// All mail is here once, byte for byte, and comes no second time, also when the first message goes and another comes.
async fn comes_once_and_whole(server: Pop3d) {
    let house = impatient(account("a", server.address())).await;
    settle(&house).await;
    assert_eq!(house.messages("a").await, letters());
    server.remove("id1");
    server.deliver("id9", letter("9"));
    settle(&house).await;
    assert_eq!(house.subjects("a").await, [names(), vec!["9".to_owned()]].concat());
    assert_eq!(server.counters().pipelined, 0);
    house.stop().await;
}

#[tokio::test]
async fn a_greeting_that_refuses_is_no_refused_password() {
    for (greeting, result) in
        [("-ERR [SYS/TEMP] busy\r\n", "throttled"), ("-ERR too many connections\r\n", "throttled")]
    {
        let server = server_of(Quirks::default()).await;
        server.fault(Fault::always(Verb::Greeting, Action::AnswerAndClose(greeting.into())));
        let house = House::of(vec![account("a", server.address())]).await;
        assert_eq!(house.poll("u/a").await.result.label(), result, "{greeting}");
        server.heal();
        settle(&house).await;
        assert_eq!(house.subjects("a").await, names());
        house.stop().await;
    }
}

#[tokio::test]
async fn a_server_that_hangs_up_on_a_bad_password_has_refused_it() {
    for server in [
        plain_server_of(Quirks { hangs_up_on_bad_password: true, ..Quirks::default() }).await,
        server_of(Quirks { hangs_up_on_bad_password: true, ..Quirks::default() }).await,
    ] {
        let wrong = AccountSettings { login: password("wrong"), ..account("a", server.address()) };
        let house = House::of(vec![wrong]).await;
        let report = house.poll("u/a").await;
        assert_eq!(report.result.label(), "auth", "{report:?}");
        assert_eq!(house.status.borrow()["u/a"].state.label(), "auth_failed");
        house.stop().await;
    }
}

#[tokio::test]
async fn nothing_is_sent_behind_a_login() {
    comes_once_and_whole(server_of(Quirks { drops_behind_login: true, ..Quirks::default() }).await).await;
    comes_once_and_whole(plain_server_of(Quirks { drops_behind_login: true, ..Quirks::default() }).await).await;
}

#[tokio::test]
async fn pipelining_that_is_announced_and_does_not_work_is_given_up() {
    let server = server_of(Quirks { one_command_a_segment: true, ..Quirks::default() }).await;
    let house = impatient(account("a", server.address())).await;
    settle(&house).await;
    assert_eq!(house.messages("a").await, letters());
    house.stop().await;
}

#[tokio::test]
async fn malformed_capabilities_are_passed_over() {
    let lines = ["EXPIRENEVER", "", "LOGIN-DELAY", "SASL", "EXPIRE soon", "UIDL please", "=?x", "TOP", "PIPELINING"];
    let capabilities = Some(lines.map(str::to_owned).to_vec());
    comes_once_and_whole(filled(ServerSettings { capabilities, ..ServerSettings::default() }).await).await;
}

#[tokio::test]
async fn status_lines_without_text_are_enough() {
    comes_once_and_whole(plain_server_of(Quirks { bare_status: true, ..Quirks::default() }).await).await;
    let server = plain_server_of(Quirks { bare_status: true, ..Quirks::default() }).await;
    let house = House::of(vec![AccountSettings { login: password("x"), ..account("a", server.address()) }]).await;
    assert_eq!(house.poll("u/a").await.result.label(), "auth");
    house.stop().await;
}

#[tokio::test]
async fn a_lock_after_a_dropped_link_is_waited_out_in_silence() {
    let server = server_of(Quirks { locks_when_dropped: true, ..Quirks::default() }).await;
    server.damage(OutputFault::once(At::ByteAfterLogin(400), Damage::Reset));
    let house = House::of(vec![account("a", server.address())]).await;
    server.faults(1).await;
    let report = house.poll("u/a").await;
    assert_eq!(report.result.label(), "locked", "{report:?}");
    assert_eq!(house.status.borrow()["u/a"].state.label(), "locked");
    let refused = server.counters().locked_out;
    house.poller.nudge("u");
    server.unlock();
    settle(&house).await;
    assert_eq!(server.counters().locked_out, refused, "the nudge did not prolong the lock");
    assert_eq!(sorted(&house).await, letters());
    house.stop().await;
}

#[tokio::test]
async fn another_session_in_the_maildrop_is_a_lock() {
    let server = server_of(Quirks { exclusive: true, ..Quirks::default() }).await;
    server.fault(Fault::once(Verb::Retr, Action::Hang));
    let (one, other) = (account("a", server.address()), account("b", server.address()));
    let first = House::of(vec![one]).await;
    server.seen("RETR").await;
    let second = House::of(vec![other]).await;
    assert_eq!(second.poll("u/b").await.result.label(), "locked");
    drop(first);
    second.stop().await;
}

#[tokio::test]
async fn a_login_too_soon_is_a_throttle() {
    let server = server_of(Quirks { login_delay: Some(Duration::from_secs(3600)), ..Quirks::default() }).await;
    let house = House::of(vec![account("a", server.address())]).await;
    house.poll("u/a").await;
    assert_eq!(house.poll("u/a").await.result.label(), "throttled");
    assert_eq!(house.subjects("a").await, names(), "the first poll had it all");
    house.stop().await;
}

#[tokio::test]
async fn odd_unique_ids_identify_or_the_content_does() {
    for unique_ids in [
        UniqueIds::Absent,
        UniqueIds::Empty,
        UniqueIds::Numbers,
        UniqueIds::Same,
        UniqueIds::Spaced,
        UniqueIds::Long(71),
        UniqueIds::Long(1000),
        UniqueIds::Long(1001),
    ] {
        let quirks = Quirks { unique_ids, ..Quirks::default() };
        if unique_ids != UniqueIds::Absent {
            comes_once_and_whole(server_of(quirks.clone()).await).await;
        }
        comes_once_and_whole(plain_server_of(quirks.clone()).await).await;
        let server = plain_server_of(quirks).await;
        let house = House::of(vec![emptying(account("a", server.address()))]).await;
        settle(&house).await;
        assert_eq!((house.subjects("a").await, server.unique_ids().len()), (names(), 0), "{unique_ids:?}");
        house.stop().await;
    }
}

#[tokio::test]
async fn unique_ids_that_are_announced_and_refused_end_the_session() {
    let server = server_of(Quirks { unique_ids: UniqueIds::Absent, ..Quirks::default() }).await;
    let house = House::of(vec![account("a", server.address())]).await;
    let report = house.poll("u/a").await;
    assert_eq!((report.result.label(), report.fetched), ("protocol", 0), "what is known would come again");
    server.quirks(|quirks| quirks.unique_ids = UniqueIds::Delivered);
    settle(&house).await;
    assert_eq!(house.subjects("a").await, names());
    house.stop().await;
}

#[tokio::test]
async fn a_reused_unique_id_loses_no_mail() {
    let server = server_of(Quirks::default()).await;
    let house = House::of(vec![account("a", server.address())]).await;
    settle(&house).await;
    server.remove("id2");
    server.deliver("id2", letter("quite another"));
    settle(&house).await;
    let wanted = [names(), vec!["quite another".to_owned()]].concat();
    assert_eq!(house.subjects("a").await, wanted);
    house.stop().await;
}

#[tokio::test]
async fn a_listing_of_unique_ids_that_ends_early_doubles_nothing() {
    let server = server_of(Quirks { uidl_ends_after: Some(2), ..Quirks::default() }).await;
    let house = impatient(account("a", server.address())).await;
    for _ in 0..3 {
        house.poll("u/a").await;
    }
    server.quirks(|quirks| quirks.uidl_ends_after = None);
    settle(&house).await;
    assert_eq!(house.subjects("a").await, names());
    house.stop().await;
}

#[tokio::test]
async fn the_order_of_a_listing_means_nothing() {
    for emptied in [false, true] {
        let server = server_of(Quirks { lists_backwards: true, ..Quirks::default() }).await;
        let one = account("a", server.address());
        let house = House::of(vec![if emptied { emptying(one) } else { one }]).await;
        settle(&house).await;
        assert_eq!(house.subjects("a").await, names());
        assert_eq!(server.unique_ids().is_empty(), emptied);
        house.stop().await;
    }
}

#[tokio::test]
async fn wrong_sizes_change_nothing() {
    for size in [0, 1, 100_000_000] {
        let server = server_of(Quirks::default()).await;
        server.deliver_listed("lies", letter("lies"), size);
        let house = House::of(vec![account("a", server.address())]).await;
        settle(&house).await;
        assert_eq!(house.subjects("a").await, [names(), vec!["lies".to_owned()]].concat(), "{size}");
        house.stop().await;
    }
}

#[tokio::test]
async fn a_header_that_is_added_at_login_makes_no_new_mail() {
    for emptied in [false, true] {
        let server = server_of(Quirks { adds_header_at_login: true, ..Quirks::default() }).await;
        let house = House::of(vec![account("a", server.address())]).await;
        settle(&house).await;
        post(&server, 6..=6);
        settle(&house).await;
        assert_eq!(house.subjects("a").await, ["1", "2", "3", "4", "5", "6"]);
        let accounts = if emptied { vec![emptying(account("a", server.address()))] } else { Vec::new() };
        let house = house.restarted(accounts).await;
        if emptied {
            settle(&house).await;
            assert!(server.unique_ids().is_empty());
        }
        assert_eq!(house.subjects("a").await.len(), 6);
        house.stop().await;
    }
}

#[tokio::test]
async fn headers_that_change_at_each_fetch_make_no_new_mail() {
    let server = server_of(Quirks { volatile_headers: true, ..Quirks::default() }).await;
    let house = House::of(vec![account("a", server.address())]).await;
    settle(&house).await;
    server.rename(|id| format!("new-{id}"));
    settle(&house).await;
    assert_eq!(house.subjects("a").await, names());
    let house = house.restarted(vec![emptying(account("a", server.address()))]).await;
    settle(&house).await;
    assert_eq!((house.subjects("a").await, server.unique_ids().len()), (names(), 0));
    house.stop().await;
}

#[tokio::test]
async fn nothing_of_top_is_stored_whatever_it_brings() {
    for top in [Top::Absent, Top::Truncated, Top::Unstuffed, Top::WithBody] {
        let server = server_of(Quirks { top, ..Quirks::default() }).await;
        let house = House::of(vec![account("a", server.address())]).await;
        settle(&house).await;
        server.rename(|id| format!("new-{id}"));
        settle(&house).await;
        assert_eq!(house.messages("a").await, letters(), "{top:?}");
        house.stop().await;
    }
}

#[tokio::test]
async fn mail_is_the_same_however_its_bytes_are_cut() {
    for chunks in [Chunks::Of(1), Chunks::Of(7), Chunks::Random(3), Chunks::Random(4)] {
        comes_once_and_whole(server_of(Quirks { chunks, ..Quirks::default() }).await).await;
    }
}

#[tokio::test]
async fn an_end_without_line_feed_is_an_end() {
    let server = plain_server_of(Quirks { ending: Ending::NoLineFeed, ..Quirks::default() }).await;
    let house = impatient(account("a", server.address())).await;
    for _ in 0..MESSAGES {
        house.poll("u/a").await;
    }
    server.quirks(|quirks| quirks.ending = Ending::Proper);
    settle(&house).await;
    assert_eq!(sorted(&house).await, letters());
    house.stop().await;
}

#[tokio::test]
async fn a_message_without_end_is_not_taken_for_whole() {
    let server = plain_server_of(Quirks { ending: Ending::Unbroken, ..Quirks::default() }).await;
    let house = impatient(account("a", server.address())).await;
    let report = house.poll("u/a").await;
    assert_eq!((report.result.label(), report.fetched), ("timeout", 0), "{report:?}");
    assert!(house.messages("a").await.is_empty());
    server.quirks(|quirks| quirks.ending = Ending::Proper);
    settle(&house).await;
    assert_eq!(sorted(&house).await, letters());
    house.stop().await;
}

#[tokio::test]
async fn an_empty_line_at_the_end_is_kept_and_makes_no_new_mail() {
    let server = plain_server_of(Quirks { ending: Ending::BlankLine, ..Quirks::default() }).await;
    let house = House::of(vec![account("a", server.address())]).await;
    settle(&house).await;
    let wanted: Vec<Vec<u8>> = letters().into_iter().map(|letter| [&letter, b"\r\n".as_slice()].concat()).collect();
    assert_eq!(house.messages("a").await, wanted);
    house.stop().await;
}

#[tokio::test]
async fn dots_that_are_not_stuffed_are_the_senders() {
    let server = server_of(Quirks { leaves_dots_unstuffed: true, ..Quirks::default() }).await;
    let dotted = b"Subject: dots\r\n\r\n.one\r\n. two\r\n.\tthree\r\n".to_vec();
    server.deliver("dots", dotted.clone());
    let house = House::of(vec![account("a", server.address())]).await;
    settle(&house).await;
    assert_eq!(house.messages("a").await.last(), Some(&dotted));
    house.stop().await;
}

#[tokio::test]
async fn any_bytes_are_mail() {
    let long = [b"Subject: long\r\n\r\n".as_slice(), &b"x".repeat(3 << 20), b"\r\n"].concat();
    let cases: [(&[u8], &[u8]); 9] = [
        (b"", b""),
        (b"\r\n", b"\r\n"),
        (b"no header\r\n", b"no header\r\n"),
        (b"Subject: nul\0\r\n\r\n\0\0\r\n", b"Subject: nul\0\r\n\r\n\0\0\r\n"),
        (b"Subject: lf\n\na\nb\n", b"Subject: lf\r\n\r\na\r\nb\r\n"),
        (b"Subject: cr\r\n\r\na\rb\r\r\n", b"Subject: cr\r\n\r\na\rb\r\r\n"),
        (b"Subject: no colon\r\nX\r\n\r\nx\r\n", b"Subject: no colon\r\nX\r\n\r\nx\r\n"),
        (b"Subject: 8-bit\r\n\r\n\xff\xfe\x80\r\n", b"Subject: 8-bit\r\n\r\n\xff\xfe\x80\r\n"),
        (&long, &long),
    ];
    let server = Pop3d::start(ServerSettings::default()).await.unwrap();
    for (n, (sent, _)) in cases.iter().enumerate() {
        server.deliver(&format!("id{n}"), sent.to_vec());
    }
    let house = House::of(vec![emptying(account("a", server.address()))]).await;
    settle(&house).await;
    let stored = house.messages("a").await;
    assert_eq!(stored.len(), cases.len());
    for (stored, (sent, wanted)) in stored.iter().zip(cases) {
        assert!(stored == wanted, "{:?}", String::from_utf8_lossy(&sent[..sent.len().min(40)]));
    }
    assert!(server.unique_ids().is_empty());
    house.stop().await;
}

#[tokio::test]
async fn a_link_that_drops_behind_each_message_brings_all_of_them() {
    let server = server_of(Quirks::default()).await;
    // So many bytes after the login that each session gets one more message through.
    server.damage(OutputFault::always(At::ByteAfterLogin(450), Damage::Cut));
    let house = House::of(vec![account("a", server.address())]).await;
    let mut before = BTreeSet::new();
    for _ in 0..MESSAGES {
        house.poll("u/a").await;
        let stored: BTreeSet<String> = house.subjects("a").await.into_iter().collect();
        assert!(stored.is_superset(&before), "{before:?} {stored:?}");
        before = stored;
    }
    server.heal();
    settle(&house).await;
    assert_eq!(house.messages("a").await.len(), MESSAGES as usize);
    assert_eq!(house.subjects("a").await, names());
    house.stop().await;
}

#[tokio::test]
async fn an_empty_line_behind_dele_is_passed_over() {
    for settings in [ServerSettings::default(), ServerSettings { capabilities: None, ..ServerSettings::default() }] {
        let server = filled(settings).await;
        server.quirks(|quirks| quirks.blank_after_dele = true);
        let house = House::of(vec![emptying(account("a", server.address()))]).await;
        settle(&house).await;
        assert_eq!((house.subjects("a").await, server.unique_ids().len()), (names(), 0));
        house.stop().await;
    }
}

#[tokio::test]
async fn gmail_ignores_dele_and_hides_what_was_fetched() {
    let quirks = Quirks { ignores_dele: true, hides_retrieved: true, ..Quirks::default() };
    let server = server_of(quirks).await;
    let house = House::of(vec![emptying(account("a", server.address()))]).await;
    settle(&house).await;
    post(&server, 6..=7);
    settle(&house).await;
    assert_eq!(house.subjects("a").await, ["1", "2", "3", "4", "5", "6", "7"]);
    assert_eq!(server.counters().retrieved, 7, "nothing was fetched twice");
    assert_eq!(server.unique_ids().len(), 7);
    house.stop().await;
}

#[tokio::test]
async fn a_quit_without_a_good_answer_is_made_up_for() {
    for action in [Action::Hang, Action::Close, Action::Answer(b"-ERR some deleted messages not removed\r\n".to_vec())]
    {
        let server = server_of(Quirks::default()).await;
        server.fault(Fault::once(Verb::Quit, action.clone()));
        let house = impatient(emptying(account("a", server.address()))).await;
        server.faults(1).await;
        house.poll("u/a").await;
        settle(&house).await;
        assert_eq!((house.subjects("a").await, server.unique_ids().len()), (names(), 0), "{action:?}");
        assert_eq!(server.counters().retrieved, u64::from(MESSAGES), "{action:?}");
        house.stop().await;
    }
}

#[tokio::test]
async fn deletions_whose_quit_was_never_answered_may_be_made() {
    let like_it = server_of(Quirks::default()).await;
    like_it.fault(Fault::once(Verb::Quit, Action::Hang));
    let house = House::of(vec![emptying(account("a", like_it.address()))]).await;
    like_it.faults(1).await;
    let quit = like_it.traffic().answers;
    drop(like_it);
    house.stop().await;

    let server = server_of(Quirks::default()).await;
    server.damage(OutputFault::once(At::Answer(quit, 0), Damage::Stall));
    let house = impatient(emptying(account("a", server.address()))).await;
    server.faults(1).await;
    assert!(server.unique_ids().is_empty());
    house.poll("u/a").await;
    settle(&house).await;
    assert_eq!(house.subjects("a").await, names());
    house.stop().await;
}

#[tokio::test]
async fn mail_that_shows_within_a_session_comes_once() {
    let server = server_of(Quirks { shows_new_mail: true, ..Quirks::default() }).await;
    let house = House::of(vec![emptying(account("a", server.address()))]).await;
    server.seen("UIDL").await;
    post(&server, 6..=8);
    settle(&house).await;
    assert_eq!(house.subjects("a").await, ["1", "2", "3", "4", "5", "6", "7", "8"]);
    assert!(server.unique_ids().is_empty());
    house.stop().await;
}
