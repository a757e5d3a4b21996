//! Results that a client follows: ADDTO, REMOVEFROM and CANCELUPDATE (RFC 5267).

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tributary::imap::Settings;

use crate::harness::{Client, TestServer};
use crate::sort::letter;

/// A result as a client keeps it that believes every word.
struct Follower {
    tag: String,
    /// Its search without what it is to return.
    search: String,
    uid: bool,
    sorted: bool,
    list: Vec<u32>,
}

fn numbers(set: &str) -> Vec<u32> {
    let range = |part: &str| {
        let (low, high) = part.split_once(':').unwrap_or((part, part));
        let (low, high): (u32, u32) = (low.parse().unwrap(), high.parse().unwrap());
        assert!(low <= high, "RFC 5267 section 3.2: {part}");
        low..=high
    };
    set.split(',').flat_map(range).collect()
}

impl Follower {
    /// Opens a context, `search` being for example `UID SORT (DATE) UTF-8 ALL`.
    async fn open(c: &mut Client, tag: &str, search: &str) -> Self {
        let at = if search.starts_with("UID") {
            search.match_indices(' ').nth(1).unwrap().0
        } else {
            search.find(' ').unwrap()
        };
        let (verb, rest) = search.split_at(at);
        c.c(&format!("{tag} {verb} RETURN (UPDATE ALL){rest}")).await;
        let (untagged, tagged) = c.finish(tag).await;
        assert!(tagged.starts_with("OK"), "{search}: {tagged}");
        let uid = search.starts_with("UID");
        let mut follower =
            Self { tag: tag.into(), search: search.into(), uid, sorted: verb.ends_with("SORT"), list: vec![] };
        for line in untagged {
            let line = line.replace(" ALL ", &format!(" ADDTO ({} ", u32::from(follower.sorted)));
            let line = if line.contains("ADDTO") && !line.ends_with(')') { line + ")" } else { line };
            follower.take(&line);
        }
        follower
    }

    /// One untagged response.
    fn take(&mut self, line: &str) {
        if let Some(number) = line.strip_prefix("* ").and_then(|line| line.strip_suffix(" EXPUNGE")) {
            let number: u32 = number.parse().unwrap();
            if !self.uid {
                assert!(!self.list.contains(&number), "{} was not removed before {line}", self.search);
                self.list.iter_mut().filter(|n| **n > number).for_each(|n| *n -= 1);
            }
            return;
        }
        let begin = format!("* ESEARCH (TAG \"{}\")", self.tag);
        let Some(mut rest) = line.strip_prefix(&begin) else { return };
        if self.uid {
            rest = rest.strip_prefix(" UID").unwrap_or_else(|| panic!("{line}"));
        }
        let Some((verb, pairs)) = rest.trim_start().split_once(" (") else { return assert_eq!(rest, "", "{line}") };
        let words: Vec<&str> = pairs.strip_suffix(')').unwrap().split(' ').collect();
        for pair in words.chunks(2) {
            let (position, numbers) = (pair[0].parse::<usize>().unwrap(), numbers(pair[1]));
            assert_eq!(position > 0, self.sorted, "{line}");
            match (verb, position) {
                ("ADDTO", 0) => self.list.extend(numbers),
                ("ADDTO", at) => drop(self.list.splice(at - 1..at - 1, numbers)),
                ("REMOVEFROM", 0) => {
                    let before = self.list.len();
                    self.list.retain(|n| !numbers.contains(n));
                    assert_eq!(before - self.list.len(), numbers.len(), "{line}");
                }
                ("REMOVEFROM", at) => {
                    assert_eq!(self.list.drain(at - 1..at - 1 + numbers.len()).collect::<Vec<_>>(), numbers, "{line}");
                }
                other => panic!("{other:?}"),
            }
        }
        if !self.sorted {
            self.list.sort_unstable();
            let all = self.list.len();
            self.list.dedup();
            assert_eq!(all, self.list.len(), "{line}");
        }
    }
}

/// Runs a command; its untagged responses, which all followers hear.
async fn run(c: &mut Client, followers: &mut [Follower], command: &str) -> Vec<String> {
    let (untagged, tagged) = c.run(command).await;
    assert!(!tagged.starts_with("BAD"), "{command}: {tagged}");
    for line in &untagged {
        followers.iter_mut().for_each(|follower| follower.take(line));
    }
    untagged
}

/// Searches anew for each follower: it must have just that.
async fn compare(c: &mut Client, followers: &mut [Follower]) {
    for index in 0..followers.len() {
        let search = followers[index].search.clone();
        let mut compared = false;
        let (untagged, tagged) = c.run(&search).await;
        assert!(tagged.starts_with("OK"), "{search}: {tagged}");
        for line in untagged {
            let found = line.strip_prefix("* SEARCH").or_else(|| line.strip_prefix("* SORT"));
            if let Some(found) = found {
                let found = found.split(" (MODSEQ").next().unwrap();
                let found: Vec<u32> = found.split_whitespace().map(|n| n.parse().unwrap()).collect();
                assert_eq!(followers[index].list, found, "{search}");
                compared = true;
            }
            followers.iter_mut().for_each(|follower| follower.take(&line));
        }
        assert!(compared, "{search}");
    }
}

fn mail(subject: &str, size: usize) -> String {
    let header = [("From", "ann@example.org"), ("Subject", subject)];
    format!("{}{}", letter(&header), "x".repeat(size))
}

/// The examples of RFC 5267 sections 4.3 to 4.3.5, on a small mailbox.
#[tokio::test]
async fn the_examples_of_the_rfc() {
    let server = TestServer::start().await;
    server.fill(4).await;
    let (mut c, mut other) = (server.selected("INBOX").await, server.selected("INBOX").await);
    c.ok("STORE 1 +FLAGS.SILENT (\\Deleted $Junk)").await;
    c.c("A01 SEARCH RETURN (CONTEXT COUNT) UNDELETED UNKEYWORD $Junk").await;
    assert_eq!(c.finish("A01").await.0, ["* ESEARCH (TAG \"A01\") COUNT 3"]);
    c.c("B01 UID SEARCH RETURN (UPDATE COUNT) DELETED KEYWORD $Junk").await;
    assert_eq!(c.finish("B01").await.0, ["* ESEARCH (TAG \"B01\") UID COUNT 1"]);
    // "Note that the following is rejected, and has no effect"
    c.c("B01 SORT RETURN (UPDATE) (DATE) UTF-8 FLAGGED").await;
    assert_eq!(c.finish("B01").await, (vec![], "BAD Tag reuse".to_owned()));
    other.ok("STORE 2:3 +FLAGS (\\Deleted $Junk)").await;
    c.c("B02 NOOP").await;
    c.s("* 2 FETCH (FLAGS (\\Deleted * $Junk))").await;
    c.s("* 3 FETCH (FLAGS (\\Deleted * $Junk))").await;
    c.s("* ESEARCH (TAG \"B01\") UID ADDTO (0 2:3)").await;
    c.s("B02 OK *").await;
    // Said where EXPUNGE may not be.
    other.ok("UID EXPUNGE 2").await;
    c.c("B03 FETCH 1 UID").await;
    c.s("* 1 FETCH (UID 1)").await;
    c.s("* ESEARCH (TAG \"B01\") UID REMOVEFROM (0 2)").await;
    c.s("B03 OK *").await;
    assert_eq!(c.ok("NOOP").await, ["* 2 EXPUNGE"]);
    c.expect("CANCELUPDATE \"B01\"", "OK No further updates").await;
    other.ok("STORE 3 +FLAGS (\\Deleted $Junk)").await;
    assert_eq!(c.ok("NOOP").await, ["* 3 FETCH (FLAGS (\\Deleted \\Recent $Junk))"]);
    c.expect("CANCELUPDATE \"B01\"", "NO *").await;
    c.expect("CANCELUPDATE", "BAD *").await;
    // Sections 4.3.3: the last form is the preferred one.
    c.ok("STORE 1:* -FLAGS.SILENT (\\Deleted $Junk)").await;
    c.c("C01 UID SORT RETURN (UPDATE ALL) (ARRIVAL) UTF-8 FLAGGED").await;
    assert_eq!(c.finish("C01").await.0, ["* ESEARCH (TAG \"C01\") UID"]);
    let added = c.ok("STORE 3 +FLAGS.SILENT \\Flagged").await;
    assert_eq!(added, ["* ESEARCH (TAG \"C01\") UID ADDTO (1 4)"]);
    let added = c.ok("STORE 1:2 +FLAGS.SILENT \\Flagged").await;
    assert_eq!(added, ["* ESEARCH (TAG \"C01\") UID ADDTO (1 1,3)"]);
}

/// Section 4.3.1: other options are honoured where updates are refused.
#[tokio::test]
async fn sixteen_results_are_followed_and_not_one_more() {
    let server = TestServer::start().await;
    server.fill(1).await;
    let mut c = server.selected("INBOX").await;
    for n in 1..=17 {
        c.c(&format!("B{n} UID SORT RETURN (UPDATE COUNT) (DATE) UTF-8 UNSEEN")).await;
        let (untagged, tagged) = c.finish(&format!("B{n}")).await;
        let mut want = vec![format!("* ESEARCH (TAG \"B{n}\") UID COUNT 1")];
        if n == 17 {
            want.push("* NO [NOUPDATE \"B17\"] This result cannot be followed, or too many are".to_owned());
            assert_eq!(tagged, "OK Search completed, will not notify");
        }
        assert_eq!(untagged, want);
    }
    assert_eq!(c.ok("STORE 1 +FLAGS.SILENT \\Seen").await.len(), 16);
    // One that was refused has its tag free, and one that is cancelled makes room.
    c.expect("CANCELUPDATE B17", "NO *").await;
    c.expect("CANCELUPDATE \"B1\" \"B16\"", "OK *").await;
    c.c("B17 SEARCH RETURN (UPDATE COUNT) UNSEEN").await;
    assert_eq!(c.finish("B17").await.0.len(), 1);
    assert_eq!(c.ok("STORE 1 -FLAGS.SILENT \\Seen").await.len(), 15);
    // They end with the selected mailbox.
    c.ok("SELECT INBOX").await;
    assert_eq!(c.ok("STORE 1 +FLAGS.SILENT \\Seen").await, [""; 0]);
    c.expect("CANCELUPDATE \"B17\"", "NO *").await;
    c.ok("UNSELECT").await;
    c.expect("CANCELUPDATE \"B17\"", "BAD Select a mailbox first").await;
}

/// A result that has become too large is given up, and the client told.
#[tokio::test]
async fn a_result_is_followed_as_far_as_there_is_room() {
    let settings = Settings { allow_cleartext_login: true, context_octets: 700, ..Settings::default() };
    let server = TestServer::with(settings).await;
    server.fill(30).await;
    let mut c = server.selected("INBOX").await;
    c.c("S1 SORT RETURN (UPDATE COUNT) (SUBJECT DATE) UTF-8 ALL").await;
    let refused = ["* ESEARCH (TAG \"S1\") COUNT 30", "* NO [NOUPDATE \"S1\"] *"];
    let (untagged, _) = c.finish("S1").await;
    assert_eq!(untagged[0], refused[0]);
    assert!(untagged[1].starts_with("* NO [NOUPDATE \"S1\"] "), "{untagged:?}");
    // All of a mailbox is one range, however many they are.
    c.c("S2 SEARCH RETURN (UPDATE COUNT) ALL").await;
    assert_eq!(c.finish("S2").await.0.len(), 1);
    c.c("S3 SORT RETURN (UPDATE COUNT) (SIZE) UTF-8 FLAGGED").await;
    assert_eq!(c.finish("S3").await.0.len(), 1);
    let untagged = c.ok("STORE 1:30 +FLAGS.SILENT \\Flagged").await;
    assert_eq!(untagged[0], "* ESEARCH (TAG \"S3\") ADDTO (1 1:30)");
    assert_eq!(untagged[1..], ["* NO [NOUPDATE \"S3\"] This result is not followed any more"]);
    c.expect("CANCELUPDATE S3", "NO *").await;
    c.expect("CANCELUPDATE S2", "OK *").await;
}

/// Nothing that the passing of time alone changes is followed.
#[tokio::test]
async fn the_age_of_messages_is_not_followed() {
    let server = TestServer::start().await;
    server.fill(1).await;
    let mut c = server.selected("INBOX").await;
    for key in ["YOUNGER 100", "NOT OLDER 100", "OR SEEN (UNSEEN YOUNGER 9)"] {
        c.c(&format!("W1 SEARCH RETURN (UPDATE COUNT) {key}")).await;
        let (untagged, _) = c.finish("W1").await;
        assert_eq!(untagged[0], "* ESEARCH (TAG \"W1\") COUNT 1");
        assert!(untagged[1].starts_with("* NO [NOUPDATE \"W1\"] "), "{untagged:?}");
    }
}

/// Numbers mean what they meant; `$` too. Only arrivals are shown beside them.
#[tokio::test]
async fn numbers_and_the_saved_result_are_fixed_and_stars_are_not() {
    let server = TestServer::start().await;
    server.fill(4).await;
    let (mut c, mut other) = (server.selected("INBOX").await, server.selected("INBOX").await);
    c.ok("SEARCH RETURN (SAVE) 2,4").await;
    let mut followers = Vec::new();
    for (tag, search) in
        [("n1", "SEARCH 2:3"), ("n2", "UID SEARCH $"), ("n3", "UID SEARCH *"), ("n4", "UID SEARCH UID 5:*")]
    {
        followers.push(Follower::open(&mut c, tag, search).await);
    }
    let lists = |followers: &[Follower]| followers.iter().map(|f| f.list.clone()).collect::<Vec<_>>();
    assert_eq!(lists(&followers), [vec![2, 3], vec![2, 4], vec![4], vec![4]]);
    other.ok("STORE 1 +FLAGS.SILENT \\Deleted").await;
    other.ok("UID EXPUNGE 1").await;
    other.append("INBOX", "", &mail("new", 0)).await;
    run(&mut c, &mut followers, "SEARCH RETURN (SAVE) 1").await;
    let untagged = run(&mut c, &mut followers, "NOOP").await;
    assert_eq!(lists(&followers), [vec![1, 2], vec![2, 4], vec![4], vec![5]], "{untagged:?}");
    other.append("INBOX", "", &mail("new", 0)).await;
    run(&mut c, &mut followers, "NOOP").await;
    assert_eq!(lists(&followers), [vec![1, 2], vec![2, 4], vec![4], vec![5, 6]]);
    // `*` in a set of UIDs is the last, whichever that is.
    other.ok("STORE 4:5 +FLAGS.SILENT \\Deleted").await;
    other.ok("EXPUNGE").await;
    run(&mut c, &mut followers, "NOOP").await;
    assert_eq!(lists(&followers), [vec![1, 2], vec![2, 4], vec![4], vec![4]]);
}

/// RFC 5267 sections 4.3.3 and 4.3.4: numbers are valid where they are sent; appendix A.3: at once.
#[tokio::test]
async fn rule_01_numbers_leave_before_expunge_and_enter_after_exists() {
    let server = TestServer::start().await;
    server.fill(3).await;
    let (mut c, mut other) = (server.selected("INBOX").await, server.selected("INBOX").await);
    c.c("m1 SEARCH RETURN (UPDATE) ALL").await;
    assert_eq!(c.finish("m1").await.0, ["* ESEARCH (TAG \"m1\")"]);
    c.c("i1 IDLE").await;
    c.s("+ idling").await;
    other.ok("STORE 2 +FLAGS.SILENT \\Deleted").await;
    c.s("* 2 FETCH *").await;
    other.ok("EXPUNGE").await;
    c.s("* ESEARCH (TAG \"m1\") REMOVEFROM (0 2)").await;
    c.s("* 2 EXPUNGE").await;
    other.append("INBOX", "", &mail("new", 0)).await;
    c.s("* 3 EXISTS").await;
    c.s("* * RECENT").await;
    c.s("* ESEARCH (TAG \"m1\") ADDTO (0 3)").await;
    c.c("DONE").await;
    c.s("i1 OK *").await;
    // With QRESYNC as before VANISHED.
    c.ok("ENABLE QRESYNC").await;
    other.ok("STORE 1 +FLAGS.SILENT \\Deleted").await;
    other.ok("EXPUNGE").await;
    let untagged = c.ok("NOOP").await;
    assert_eq!(untagged[..2], ["* ESEARCH (TAG \"m1\") REMOVEFROM (0 1)", "* VANISHED 1"]);
    // While EXPUNGE must wait, the number that left goes on counting.
    c.ok("UID STORE 3 +FLAGS.SILENT \\Seen").await;
    other.ok("UID STORE 3 +FLAGS.SILENT \\Deleted").await;
    other.ok("EXPUNGE").await;
    other.append("INBOX", "", &mail("new", 0)).await;
    let untagged = c.ok("SEARCH 1").await;
    assert_eq!(untagged[1], "* ESEARCH (TAG \"m1\") REMOVEFROM (0 1)");
    assert!(untagged.contains(&"* ESEARCH (TAG \"m1\") ADDTO (0 3)".to_owned()), "{untagged:?}");
    assert!(!untagged.iter().any(|line| line.contains("VANISHED")), "{untagged:?}");
    assert_eq!(c.ok("NOOP").await[0], "* VANISHED 3");
}

/// Thousands of numbers go out on lines that clients can read.
#[tokio::test]
async fn long_updates_take_several_lines() {
    let server = TestServer::start().await;
    let mut c = server.login().await;
    for n in 0..900 {
        c.append("INBOX", "", &mail(&format!("{:03}", n * 7 % 900), 0)).await;
    }
    c.ok("SELECT INBOX").await;
    let mut followers = Vec::new();
    for (tag, search) in [
        ("l1", "SEARCH FLAGGED"),
        ("l2", "SORT (SUBJECT) UTF-8 FLAGGED"),
        ("l3", "UID SORT (REVERSE SUBJECT) UTF-8 ALL"),
    ] {
        followers.push(Follower::open(&mut c, tag, search).await);
    }
    let odd: Vec<String> = (0..450).map(|n| (n * 2 + 1).to_string()).collect();
    for sign in ["+", "-"] {
        let untagged =
            run(&mut c, &mut followers, &format!("STORE {} {sign}FLAGS.SILENT \\Flagged", odd.join(","))).await;
        assert_eq!(untagged.iter().filter(|line| line.contains("\"l1\"")).count(), 3);
        assert!(untagged.iter().all(|line| line.len() < 8_000));
        compare(&mut c, &mut followers).await;
    }
    c.ok("STORE 100:800 +FLAGS.SILENT \\Deleted").await;
    run(&mut c, &mut followers, "EXPUNGE").await;
    compare(&mut c, &mut followers).await;
}

const SEARCHES: [&str; 12] = [
    "SEARCH ALL",
    "UID SEARCH UNSEEN",
    "SEARCH OR KEYWORD blue SUBJECT apple",
    "UID SEARCH BODY xxxx NOT DELETED",
    "UID SEARCH UID 4:* FLAGGED",
    "SEARCH UID 30:*",
    "SEARCH NEW",
    "SORT (SUBJECT) UTF-8 UNDELETED",
    "UID SORT (REVERSE SIZE) UTF-8 ALL",
    "SORT (REVERSE SUBJECT SIZE) UTF-8 OR FLAGGED SEEN",
    "UID SORT (SUBJECT REVERSE ARRIVAL) UTF-8 NOT BODY xxxxxxxx",
    "SORT (ARRIVAL) UTF-8 UNKEYWORD blue",
];

#[derive(Clone, Debug)]
enum Step {
    Append {
        subject: &'static str,
        size: usize,
        flags: &'static str,
    },
    Store {
        number: usize,
        op: &'static str,
    },
    Expunge,
    Move {
        number: usize,
    },
    /// A command of the client that follows.
    Own(&'static str),
}

fn step() -> impl Strategy<Value = Step> {
    let subject = prop::sample::select(vec!["apple", "Re: apple", "banana", "cherry"]);
    let flags = prop::sample::select(vec!["", "(\\Seen)", "(blue)", "(\\Flagged \\Deleted)"]);
    let ops = ["\\Seen", "\\Flagged", "blue", "\\Deleted"]
        .map(|flag| [format!("+FLAGS ({flag})"), format!("-FLAGS ({flag})")]);
    let ops: Vec<&'static str> = ops.into_iter().flatten().map(|op| &*op.leak()).collect();
    let own = vec![
        "NOOP",
        "FETCH 1:* FLAGS",
        "UID FETCH 1:* FLAGS",
        "SEARCH SEEN",
        "STORE 1 +FLAGS (own)",
        "CHECK",
        "EXPUNGE",
        "STORE 1:* -FLAGS.SILENT (blue)",
        "FETCH 1:2 BODY[]",
        "UID SEARCH FLAGGED",
        "STATUS INBOX (MESSAGES)",
    ];
    prop_oneof![
        3 => (subject, 0..12_usize, flags).prop_map(|(subject, size, flags)| Step::Append { subject, size, flags }),
        4 => (0..40_usize, prop::sample::select(ops)).prop_map(|(number, op)| Step::Store { number, op }),
        1 => Just(Step::Expunge),
        1 => (0..40_usize).prop_map(|number| Step::Move { number }),
        4 => prop::sample::select(own).prop_map(Step::Own),
    ]
}

async fn replay(steps: &[Step]) {
    let server = TestServer::start().await;
    let (mut c, mut other) = (server.selected("INBOX").await, server.selected("INBOX").await);
    other.ok("CREATE Elsewhere").await;
    let mut followers = Vec::new();
    for (n, search) in SEARCHES.iter().enumerate() {
        followers.push(Follower::open(&mut c, &format!("f{n}"), search).await);
    }
    for step in steps {
        let exists = other.ok("UID SEARCH RETURN (COUNT) ALL").await;
        let count: usize = exists[0].rsplit(' ').next().unwrap().parse().unwrap();
        match step {
            Step::Append { subject, size, flags } => {
                other.append("INBOX", flags, &mail(subject, *size)).await;
            }
            Step::Store { number, op } if count > 0 => {
                other.run(&format!("STORE {} {op}", number % count + 1)).await;
            }
            Step::Move { number } if count > 0 => {
                other.run(&format!("MOVE {} Elsewhere", number % count + 1)).await;
            }
            Step::Expunge => {
                other.ok("EXPUNGE").await;
            }
            Step::Own(command) => {
                let (untagged, _) = c.run(command).await;
                untagged.iter().for_each(|line| followers.iter_mut().for_each(|follower| follower.take(line)));
                compare(&mut c, &mut followers).await;
            }
            _ => {}
        }
    }
    compare(&mut c, &mut followers).await;
    run(&mut c, &mut followers, "NOOP").await;
    compare(&mut c, &mut followers).await;
}

/// What a client has that replays every ADDTO and REMOVEFROM is what a fresh search finds.
#[test]
fn a_client_that_replays_updates_has_what_a_fresh_search_finds() {
    let cases = std::env::var("TRIBUTARY_CONTEXT_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(48);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&prop::collection::vec(step(), 1..60), |steps| {
        runtime.block_on(replay(&steps));
        Ok(())
    });
    outcome.unwrap();
}
