//! APPEND in all its forms: message literals wherever they are cut, several messages at once, limits (RFC 9051 section
//! 6.3.12, RFC 3502, RFC 3516 section 4.4, RFC 6855 section 4, RFC 7888, RFC 7889).

use tributary::imap::Settings;
use tributary::store::QuotaLimit;

use crate::harness::{Client, MESSAGE, TestServer};

fn settings() -> Settings {
    Settings { allow_cleartext_login: true, ..Settings::default() }
}

impl TestServer {
    /// What the store has of what is in no message goes, and nothing else was wrong.
    pub async fn settled(&self) {
        self.store.collect().await.expect("collected");
        assert_eq!(self.store.check().expect("check"), Vec::<String>::new());
    }
}

impl Client {
    /// INBOX has so many messages.
    pub async fn inbox_has(&mut self, count: usize) {
        assert_eq!(self.ok("STATUS INBOX (MESSAGES)").await, [format!("* STATUS INBOX (MESSAGES {count})")]);
    }
}

#[tokio::test]
async fn capabilities_tell_the_limit() {
    let server = TestServer::with(Settings { append: 12_345, ..settings() }).await;
    let mut c = server.connect().await;
    let before = c.ok("CAPABILITY").await.remove(0);
    assert!(!before.contains("APPENDLIMIT") && !before.contains("MULTIAPPEND"), "{before}");
    c.ok("LOGIN alice secret").await;
    let after = format!("{} ", c.ok("CAPABILITY").await.remove(0));
    for capability in ["MULTIAPPEND", "CATENATE", "REPLACE", "APPENDLIMIT=12345"] {
        assert!(after.contains(&format!(" {capability} ")), "{after}");
    }
    let status = c.ok("STATUS INBOX (MESSAGES APPENDLIMIT)").await;
    assert_eq!(status, ["* STATUS INBOX (MESSAGES 0 APPENDLIMIT 12345)"]);
    // The number has 32 bits (RFC 7889 section 5).
    let mut c = TestServer::with(Settings { append: 1 << 40, ..settings() }).await.login().await;
    assert!(c.ok("CAPABILITY").await[0].contains(" APPENDLIMIT=4294967295"));
}

#[tokio::test]
async fn rule_12_multiappend_in_order_and_announced_before_its_ok() {
    let server = TestServer::start().await;
    let mut c = server.selected("INBOX").await;
    c.c("a APPEND INBOX (\\Seen $One) \"17-Jul-1996 02:44:25 -0700\" {6}").await;
    c.s("+ *").await;
    c.raw("n: 1\r\n () {6}\r\n").await;
    c.s("+ *").await;
    c.raw("n: 2\r\n ~{6+}\r\nn: 3\r\n \" 7-Feb-1994 22:43:04 -0800\" UTF8 (~{6}\r\n").await;
    c.s("+ *").await;
    c.raw("n: 4\r\n)\r\n").await;
    let (untagged, tagged) = c.finish("a").await;
    assert!(tagged.starts_with("OK [APPENDUID ") && tagged.contains(" 1:4] "), "{tagged}");
    assert_eq!(untagged.last().map(String::as_str), Some("* 4 RECENT"), "{untagged:?}");
    assert!(untagged.contains(&"* 4 EXISTS".to_owned()), "{untagged:?}");
    let fetched = c.ok("FETCH 1:* (FLAGS INTERNALDATE BODY.PEEK[])").await;
    let message = |n: u32, flags: &str, rest: &str| {
        let line = format!("* {n} FETCH (FLAGS ({flags}) {rest}");
        assert!(fetched[n as usize - 1].starts_with(&line), "{line}\n{}", fetched[n as usize - 1]);
        assert!(
            fetched[n as usize - 1].ends_with(&format!("BODY[] {{6}}\r\nn: {n}\r\n)")),
            "{}",
            fetched[n as usize - 1]
        );
    };
    message(1, "\\Seen \\Recent $One", "INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" ");
    message(2, "\\Recent", "INTERNALDATE ");
    message(3, "\\Recent", "INTERNALDATE ");
    message(4, "\\Recent", "INTERNALDATE \" 7-Feb-1994 22:43:04 -0800\" ");
    server.settled().await;
}

/// Whatever is wrong with a later message, nothing of the earlier ones is kept.
#[tokio::test]
async fn rule_12_multiappend_is_all_or_nothing() {
    let server = TestServer::with(Settings { append: 100, ..settings() }).await;
    let user = server.store.ensure_user("alice").await.expect("a user");
    server.store.set_quota(user, Some(150)).await.expect("a quota");
    let mut c = server.login().await;
    let hundred = format!("n: {}", "x".repeat(97));
    for (command, answer) in [
        ("APPEND INBOX {5+}\r\nn: 1\n {101}".to_owned(), "NO [TOOBIG] *"),
        (format!("APPEND INBOX {{5+}}\r\nn: 1\n {{101+}}\r\n{hundred}x"), "NO [TOOBIG] *"),
        // Each fits, the sum does not: told before the literal.
        (format!("APPEND INBOX {{100+}}\r\n{hundred} {{51}}"), "NO [OVERQUOTA] *"),
        (format!("APPEND INBOX {{100+}}\r\n{hundred} {{100+}}\r\n{hundred}"), "NO [OVERQUOTA] *"),
        // How a client calls it off.
        ("APPEND INBOX {5+}\r\nn: 1\n {0}".to_owned(), "NO [CANNOT] *"),
        ("APPEND INBOX {5+}\r\nn: 1\n {0+}\r\n".to_owned(), "NO [CANNOT] *"),
        ("APPEND nothing {5+}\r\nn: 1\n {5+}\r\nn: 2\n".to_owned(), "NO [TRYCREATE] *"),
        ("APPEND INBOX {5+}\r\nn: 1\n{5}".to_owned(), "BAD *"),
        ("APPEND INBOX {5+}\r\nn: 1\n{5+}\r\nn: 2\n".to_owned(), "BAD *"),
        ("APPEND INBOX {5+}\r\nn: 1\n (\\Foo) {5}".to_owned(), "BAD *"),
        ("APPEND INBOX {5+}\r\nn: 1\n \"32-Jul-1996 02:44:25 -0700\" {5}".to_owned(), "BAD *"),
        ("APPEND INBOX {5+}\r\nn: 1\n {5+}\r\nn: 2\n x".to_owned(), "BAD *"),
        ("APPEND INBOX {5+}\r\nn: 1\n ()".to_owned(), "BAD *"),
        // The literals are in, and then it turns out.
        (
            "APPEND INBOX {5+}\r\nn: 1\n CATENATE (TEXT {5+}\r\nn: 2\n URL /INBOX/;UID=9)".to_owned(),
            "NO [BADURL /INBOX/;UID=9] *",
        ),
        ("APPEND INBOX {5+}\r\nn: 1\n CATENATE (TEXT {0+}\r\n)".to_owned(), "NO [CANNOT] *"),
    ] {
        c.expect(&command, answer).await;
        c.inbox_has(0).await;
    }
    // Line ends count where they are stored: what the announced sizes did not tell the store finds.
    server.store.set_quota(user, Some(11)).await.expect("a quota");
    c.expect("APPEND INBOX {5+}\r\nn: 1\n {6+}\r\nn: 22\n", "NO [OVERQUOTA] *").await;
    c.inbox_has(0).await;
    server.store.set_quota(user, Some(13)).await.expect("a quota");
    c.expect("APPEND INBOX {5+}\r\nn: 1\n {6+}\r\nn: 22\n", "OK [APPENDUID * 1:2] *").await;
    // Messages are counted as well.
    let limit = QuotaLimit { octets: None, messages: Some(4) };
    server.store.set_quota(user, limit).await.expect("a quota");
    c.expect("APPEND INBOX {5+}\r\nn: 1\n {5+}\r\nn: 2\n {5}", "NO [OVERQUOTA] *").await;
    c.inbox_has(2).await;
    c.expect("APPEND INBOX {5+}\r\nn: 1\n {5+}\r\nn: 2\n", "OK [APPENDUID * 3:4] *").await;
    server.settled().await;
}

#[tokio::test]
async fn rule_12_a_connection_that_ends_within_an_append_leaves_nothing() {
    let server = TestServer::start().await;
    let whole = "a APPEND INBOX {6+}\r\nn: 1\r\n (\\Seen) {6+}\r\nn: 2\r\n CATENATE (TEXT {6+}\r\nn: 3\r\n)\r\n";
    for cut in 1..whole.len() {
        let mut c = server.login().await;
        c.raw(&whole[..cut]).await;
        c.close_sending().await;
        c.end().await;
    }
    let mut c = server.login().await;
    c.inbox_has(0).await;
    c.raw(whole).await;
    assert!(c.finish("a").await.1.starts_with("OK"));
    c.inbox_has(3).await;
    server.settled().await;
}

#[tokio::test]
async fn messages_of_one_append_at_the_limit_and_one_past_it() {
    let server = TestServer::with(Settings { append_literals: 5, ..settings() }).await;
    let mut c = server.login().await;
    let of = |n: usize| format!("APPEND INBOX{}", " {6+}\r\nn: 1\r\n".repeat(n));
    c.expect(&of(6), "BAD *").await;
    c.inbox_has(0).await;
    c.expect(&of(5), "OK [APPENDUID * 1:5] *").await;
    let catenated =
        |n: usize| format!("APPEND INBOX CATENATE ({}URL /INBOX/;UID=1)", "TEXT {6+}\r\nn: 1\r\n ".repeat(n));
    c.expect(&catenated(6), "BAD *").await;
    c.expect(&catenated(5), "OK [APPENDUID * 6] *").await;
    server.settled().await;
}

#[tokio::test]
async fn a_thousand_messages_at_once() {
    let server = TestServer::start().await;
    let mut c = server.selected("INBOX").await;
    c.raw("a APPEND INBOX").await;
    for n in 0..1000 {
        let message = format!("n: {n}\r\n");
        c.raw(format!(" {{{}+}}\r\n{message}", message.len())).await;
    }
    c.raw("\r\n").await;
    let (_, tagged) = c.finish("a").await;
    assert!(tagged.contains(" 1:1000] "), "{tagged}");
    let last = c.ok("FETCH 1000 (UID BODY.PEEK[HEADER.FIELDS (n)])").await;
    assert!(last[0].starts_with("* 1000 FETCH (UID 1000 ") && last[0].contains("n: 999\r\n"), "{last:?}");
    c.expect(&format!("APPEND INBOX{}", " {6+}\r\nn: 1\r\n".repeat(1001)), "BAD *").await;
    c.inbox_has(1000).await;
}

#[tokio::test]
async fn rule_39_literals_that_lie_about_their_length() {
    let server = TestServer::start().await;
    let mut c = server.login().await;
    // Too short: the rest is text, and wrong.
    c.expect("APPEND INBOX {3+}\r\nn: 1\r\n\r\nbody", "BAD *").await;
    c.s("* BAD *").await;
    c.s("body BAD *").await;
    c.inbox_has(0).await;
    // By one octet: the message ends in CR, and what follows is no end of the command.
    c.expect("APPEND INBOX {5+}\r\nn: 1\r\n", "OK *").await;
    c.s("* BAD *").await;
    c.inbox_has(1).await;
    // Too long: the next command is part of the message.
    c.raw("a APPEND INBOX {14+}\r\nn: 1\r\n\r\nb NOOP\r\n").await;
    assert!(c.finish("a").await.1.starts_with("OK"));
    c.inbox_has(2).await;
    // Numbers that are none, or that no literal has.
    for (marker, answer) in [
        ("{-1}", "BAD *"),
        ("{}", "BAD *"),
        ("{+}", "BAD *"),
        ("{1", "BAD *"),
        ("{18446744073709551616}", "NO [TOOBIG] *"),
        ("{99999999999999999999999999}", "NO [TOOBIG] *"),
        ("{6}x", "BAD *"),
    ] {
        c.expect(&format!("APPEND INBOX {marker}"), answer).await;
    }
    c.inbox_has(2).await;
    c.raw("a APPEND INBOX {18446744073709551615+}\r\n").await;
    c.s("a BAD *").await;
    c.s("* BYE *").await;
    c.end().await;
}

#[tokio::test]
async fn rule_39_a_literal_over_the_limit_is_refused_before_its_data_or_consumed() {
    let server = TestServer::with(Settings { append: 1000, ..settings() }).await;
    let mut c = server.login().await;
    c.expect("APPEND INBOX {1001}", "NO [TOOBIG] *").await;
    c.expect("APPEND INBOX (\\Seen) ~{1001}", "NO [TOOBIG] *").await;
    let mut lie = "x LOGOUT\r\n".repeat(100);
    lie.push('x');
    c.expect(&format!("APPEND INBOX {{1001+}}\r\n{lie}"), "NO [TOOBIG] *").await;
    c.expect(&format!("APPEND INBOX {{1000+}}\r\n{}", &lie[..1000]), "OK [APPENDUID * 1] *").await;
    // A mailbox name is no message: it may not be that large.
    c.expect("APPEND {200000}", "BAD *").await;
    // Too much to be consumed.
    c.raw("a APPEND INBOX {1000000+}\r\n".to_owned() + &"x".repeat(1_000_000) + "\r\n").await;
    c.s("a NO [TOOBIG] *").await;
    c.raw("b APPEND INBOX {100000000+}\r\n").await;
    c.s("b BAD *").await;
    c.s("* BYE *").await;
    c.end().await;
}

/// RFC 7888: with LITERAL+ a non-synchronising literal may have any size that the command may have.
#[tokio::test]
async fn rule_39_non_synchronising_literals_over_4096_octets_work() {
    let server = TestServer::start().await;
    let mut c = server.selected("INBOX").await;
    for size in [4096, 4097, 100_000] {
        c.expect(&format!("SEARCH SUBJECT {{{size}+}}\r\n{}", "x".repeat(size)), "OK *").await;
        c.expect(&format!("APPEND INBOX {{{size}+}}\r\n{}", "x".repeat(size)), "OK *").await;
    }
}

#[tokio::test]
async fn literal8_keeps_nul() {
    let server = TestServer::start().await;
    let mut c = server.selected("INBOX").await;
    c.raw(b"a APPEND INBOX ~{12}\r\n").await;
    c.s("+ *").await;
    c.raw(b"n: 1\r\n\r\n\0\xff\0\x80\r\nb APPEND INBOX ~{12+}\r\nn: 1\r\n\r\n\0\xff\0\x80\r\n").await;
    assert!(c.finish("a").await.1.starts_with("OK"));
    assert!(c.finish("b").await.1.starts_with("OK"));
    assert!(c.ok("FETCH 1:2 (RFC822.SIZE)").await.iter().all(|line| line.contains("RFC822.SIZE 12")));
    let snapshot = server.store.watch(server.inbox().await).await.expect("INBOX").current().expect("INBOX");
    assert_eq!(server.octets(snapshot.get(0).expect("a message").body).await, b"n: 1\r\n\r\n\0\xff\0\x80");
    c.expect("SEARCH SUBJECT ~{1+}\r\nx", "BAD *").await;
}

#[tokio::test]
async fn states_that_do_not_allow_it() {
    let server = TestServer::start().await;
    let mut c = server.connect().await;
    c.expect("APPEND INBOX {6+}\r\nn: 1\r\n {6+}\r\nn: 2\r\n", "BAD *").await;
    c.expect("APPEND INBOX CATENATE (URL /INBOX/;UID=1)", "BAD *").await;
    c.ok("LOGIN alice secret").await;
    c.expect("REPLACE 1 INBOX {6}", "BAD *").await;
    c.expect("UID REPLACE 1 INBOX {6+}\r\nn: 1\r\n", "BAD *").await;
    c.expect("APPEND a&b {6}", "NO [CANNOT] *").await;
    c.inbox_has(0).await;
}

/// The same session, octet by octet and in all pieces of a few sizes: the same answers.
#[tokio::test]
async fn rule_08_however_the_input_is_cut() {
    let input = "a SELECT {5}\r\nINBOX\r\n\
        b APPEND INBOX {6}\r\nn: 1\r\n (\\Seen) {6+}\r\nn: 2\r\n ~{6}\r\nn: 3\r\n UTF8 (~{6+}\r\nn: 4\r\n)\r\n\
        c APPEND {5+}\r\nINBOX (\\Draft) CATENATE (URL \"/INBOX/;UID=1\" TEXT {4+}\r\n\r\nx\n URL {13}\r\n/INBOX/;UID=2 TEXT ~{2}\r\n\r\n)\r\n\
        d APPEND INBOX {9+}\r\ne LOGOUT\n (\\Foo) {10+}\r\nf LOGOUT\r\n\r\n\
        g APPEND nothing {8+}\r\nh {3+}\r\n\r\n\
        i REPLACE 1 INBOX CATENATE (URL \";UID=1\" TEXT {1}\r\n.)\r\n\
        j UID REPLACE 3 INBOX (\\Flagged) {3+}\r\na:b\r\n\
        k SEARCH SUBJECT {1+}\r\nx TEXT {0}\r\n\r\n\
        l FETCH 1:* (UID FLAGS BODY.PEEK[])\r\n\
        m LOGOUT\r\n";
    let mut wanted: Option<Vec<String>> = None;
    for size in [input.len(), 1, 2, 3, 7, 64] {
        let server = TestServer::start().await;
        let mut c = server.login().await;
        for cut in input.as_bytes().chunks(size) {
            c.raw(cut).await;
            tokio::task::yield_now().await;
        }
        let mut answers = Vec::new();
        while let Some(line) = c.response().await {
            // Of this mailbox alone, and not of what is asked for.
            if !["UIDVALIDITY", "MAILBOXID"].iter().any(|code| line.starts_with(&format!("* OK [{code} "))) {
                let words = line.split(' ').filter(|word| word.len() < 10 || word.parse::<u32>().is_err());
                answers.push(words.collect::<Vec<_>>().join(" "));
            }
        }
        let tagged = |tag: &str| answers.iter().find(|line| line.starts_with(tag)).expect(tag).clone();
        assert_eq!(tagged("b "), "b OK [APPENDUID 1:4] APPEND completed");
        assert_eq!(tagged("c "), "c OK [APPENDUID 5] APPEND completed");
        assert!(tagged("d ").starts_with("d BAD "), "{answers:?}");
        assert!(tagged("g ").starts_with("g NO [TRYCREATE]"), "{answers:?}");
        assert!(tagged("i ").starts_with("i OK") && tagged("j ").starts_with("j OK"), "{answers:?}");
        assert!(!answers.iter().any(|line| line.starts_with("e ") || line.starts_with("f ")), "{answers:?}");
        assert!(tagged("m ").starts_with("m OK"));
        // How lines of `+` and others interleave is the same as well: each command is answered in its turn.
        let wanted = wanted.get_or_insert_with(|| answers.clone());
        assert_eq!(&answers, wanted, "by {size}");
        server.settled().await;
    }
}

/// A message of 100 MB, and its parts copied by CATENATE: neither is ever held in memory.
#[tokio::test]
async fn rule_12_a_message_of_100_mb_in_bounded_memory() {
    const SIZE: usize = 100 << 20;
    let server = TestServer::with(Settings { append: SIZE as u64, ..settings() }).await;
    let mut c = server.login().await;
    c.expect(&format!("APPEND INBOX {{{}}}", SIZE + 1), "NO [TOOBIG] *").await;
    let line = format!("{}\r\n", "All work and no play makes Jack a dull boy.".repeat(2));
    let block = line.repeat((1 << 20) / line.len());
    let header = "Subject: large\r\n\r\n";
    c.append("INBOX", "", MESSAGE).await;
    let before = peak_memory();
    c.raw(format!("a APPEND INBOX {{{SIZE}+}}\r\n{header}")).await;
    let mut left = SIZE - header.len();
    while left > 0 {
        let cut = left.min(block.len());
        c.raw(&block[..cut]).await;
        left -= cut;
    }
    c.raw("\r\n").await;
    let (_, tagged) = c.finish("a").await;
    assert!(tagged.contains(" 2] "), "{tagged}");
    let half = SIZE / 2;
    let url = format!("APPEND INBOX CATENATE (URL /INBOX/;UID=1 URL /INBOX/;UID=2/;PARTIAL=0.{half})");
    c.expect(&url, "OK [APPENDUID * 3] *").await;
    c.expect("APPEND INBOX CATENATE (URL /INBOX/;UID=2 TEXT {1}", "NO [TOOBIG] *").await;
    c.expect("APPEND INBOX CATENATE (TEXT {1+}\r\nx URL /INBOX/;UID=2)", "NO [TOOBIG] *").await;
    let grown = peak_memory() - before;
    assert!(grown < 48 << 20, "{grown}");
    c.ok("SELECT INBOX").await;
    let sizes = c.ok("FETCH 2:3 (RFC822.SIZE)").await;
    assert_eq!(sizes[0], format!("* 2 FETCH (RFC822.SIZE {SIZE})"));
    assert_eq!(sizes[1], format!("* 3 FETCH (RFC822.SIZE {})", half + MESSAGE.len()));
    c.inbox_has(3).await;
}

/// The most memory that this process has had, in octets.
fn peak_memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("procfs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
    line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") << 10
}
