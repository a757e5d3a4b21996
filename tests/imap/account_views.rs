//! `Accounts/<name>`: the messages of INBOX that came from one account, seen from both sides.

use std::sync::atomic::{AtomicUsize, Ordering};

use tributary::imap::{Account, Accounts, Settings};
use tributary::ingest::Intake;
use tributary::mail::{AccountId, FlagList, InternalDate, MailboxName, account_keyword, account_mailbox};
use tributary::store::{AccountView, Delivered, Delivery, NewMessage};

use crate::harness::{Client, MESSAGE, TestServer};

/// The accounts of alice; the last one delivers to a mailbox of its own.
const ACCOUNTS: [(&str, &str); 3] = [("isp", "INBOX"), ("work", "INBOX"), ("old", "Old")];

fn settings() -> Settings {
    let account = |(name, to): (&str, &str)| Account {
        name: name.to_owned(),
        deliver_to: MailboxName::new(to).unwrap(),
        view: account_mailbox(name).filter(|_| to == "INBOX"),
        keyword: account_keyword(name),
    };
    let accounts = Accounts::new([("alice".to_owned(), ACCOUNTS.map(account).to_vec())]);
    Settings { allow_cleartext_login: true, accounts, ..Settings::default() }
}

impl TestServer {
    /// A server that shows the views of the first two accounts.
    async fn with_views() -> Self {
        let server = Self::with(settings()).await;
        server.show(&["isp", "work"]).await;
        server
    }

    async fn account(&self, name: &str) -> AccountId {
        let alice = self.store.ensure_user("alice").await.unwrap();
        self.store.ensure_account(alice, name).await.unwrap()
    }

    async fn show(&self, accounts: &[&str]) {
        let mut views = Vec::new();
        for name in accounts {
            views.push(AccountView { account: self.account(name).await, name: account_mailbox(name).unwrap() });
        }
        let alice = self.store.ensure_user("alice").await.unwrap();
        assert_eq!(self.store.set_account_views(alice, views).await.unwrap(), []);
    }

    /// Mail comes from a maildrop, as the poller brings it.
    async fn polled(&self, account: &str, count: usize) {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        for _ in 0..count {
            let n = NEXT.fetch_add(1, Ordering::Relaxed);
            let mut intake = Intake::begin(&self.store).await.unwrap();
            intake.write(format!("Subject: {account} {n}\r\n\r\n{n}\r\n").as_bytes()).await.unwrap();
            let prepared = intake.finish().await.unwrap();
            let keywords = account_keyword(account).into_iter().collect();
            let message = NewMessage {
                body: prepared.body,
                flags: FlagList { keywords, ..FlagList::default() },
                internal_date: InternalDate::default(),
                account: Some(self.account(account).await),
            };
            let delivery = Delivery {
                account: self.account(account).await,
                mailbox: self.inbox().await,
                message,
                unique_id: Some(n.to_string().into_bytes()),
                listed_size: 1,
                header_hash: prepared.header_hash,
                delete_upstream: false,
                reused: false,
                merge: None,
            };
            assert!(matches!(self.store.deliver(delivery).await.unwrap(), Delivered::Stored(_)));
        }
    }

    /// INBOX: isp 1 2, work 3 4, an appended 5. Accounts/isp: 1 2. Accounts/work: 1 2.
    async fn filled() -> Self {
        let server = Self::with_views().await;
        server.polled("isp", 2).await;
        server.polled("work", 2).await;
        server.fill(1).await;
        server
    }

    async fn whole(&self) {
        assert_eq!(self.store.check().expect("check"), Vec::<String>::new());
    }

    async fn qresync(&self, mailbox: &str) -> (Client, String) {
        let mut client = self.login().await;
        client.ok("ENABLE QRESYNC").await;
        let lines = client.ok(&format!("SELECT {mailbox}")).await;
        (client, format!("{} {}", code(&lines, "UIDVALIDITY"), code(&lines, "HIGHESTMODSEQ")))
    }
}

/// The number in the response code `[NAME n]` of one of the lines.
fn code(lines: &[String], name: &str) -> u64 {
    let line = lines.iter().find_map(|line| line.split_once(&format!("[{name} "))?.1.split_once(']'));
    line.unwrap_or_else(|| panic!("no {name} in {lines:?}")).0.parse().unwrap()
}

/// Those of the lines that tell of messages, without mod-sequences and what a session is told of keywords.
fn news(lines: &[String]) -> Vec<String> {
    let is_news = |line: &&String| ["FETCH", "EXPUNGE", "VANISHED", "EXISTS"].iter().any(|word| line.contains(word));
    lines.iter().filter(is_news).map(|line| line.split(" MODSEQ").next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn views_are_listed_and_not_subscribed() {
    let server = TestServer::filled().await;
    let mut c = server.login().await;
    let listed = c.ok("LIST \"\" Accounts*").await;
    assert_eq!(listed, ["* LIST (\\HasNoChildren) \"/\" Accounts/isp", "* LIST (\\HasNoChildren) \"/\" Accounts/work"]);
    let level = c.ok("LIST \"\" %").await;
    assert!(level.contains(&"* LIST (\\Noselect \\HasChildren) \"/\" Accounts".to_owned()), "{level:?}");
    let level = c.ok("LIST \"\" (% Accounts/%) RETURN (CHILDREN)").await;
    assert!(level.iter().any(|line| line.ends_with("\"/\" Accounts/isp")), "{level:?}");
    assert!(c.ok("LSUB \"\" *").await.iter().all(|line| !line.contains("Accounts")));
    assert!(c.ok("LIST (SUBSCRIBED) \"\" *").await.iter().all(|line| !line.contains("Accounts")));
    let status = c.ok("LIST \"\" Accounts/isp RETURN (STATUS (MESSAGES UNSEEN))").await;
    assert_eq!(status[1..], ["* STATUS Accounts/isp (MESSAGES 2 UNSEEN 2)"]);
    // Another user has none.
    let mut bob = server.connect().await;
    bob.ok("LOGIN bob secret").await;
    assert!(bob.ok("LIST \"\" Accounts*").await.is_empty());
    bob.ok("CREATE Accounts/isp").await;
}

#[tokio::test]
async fn a_message_is_the_same_on_both_sides() {
    let server = TestServer::filled().await;
    let mut c = server.selected("Accounts/work").await;
    let in_view = c.ok("FETCH 1:* (UID EMAILID THREADID RFC822.SIZE BODY.PEEK[])").await;
    c.ok("SELECT INBOX").await;
    let in_inbox = c.ok("UID FETCH 3:4 (EMAILID THREADID RFC822.SIZE BODY.PEEK[])").await;
    let of = |line: &String| line.split_once("EMAILID").unwrap().1.to_owned();
    assert_eq!(in_view.iter().map(of).collect::<Vec<_>>(), in_inbox.iter().map(of).collect::<Vec<_>>());
    assert_eq!(c.ok("SEARCH KEYWORD $Account_work").await, ["* SEARCH 3 4"]);
    assert!(c.ok("STATUS Accounts/work (MESSAGES UIDNEXT)").await[0].ends_with("(MESSAGES 2 UIDNEXT 3)"));
    // What clients put into INBOX is in no view.
    assert!(c.ok("STATUS Accounts/isp (MESSAGES)").await[0].ends_with("(MESSAGES 2)"));
}

#[tokio::test]
async fn flags_are_shared_and_deleted_is_not() {
    let server = TestServer::filled().await;
    let (mut inbox, mut view) = (server.selected("INBOX").await, server.selected("Accounts/work").await);
    inbox.ok("STORE 3 +FLAGS (\\Seen blue)").await;
    let told = view.ok("NOOP").await;
    assert!(told.iter().any(|line| line.starts_with("* 1 FETCH") && line.contains("\\Seen") && line.contains("blue")));
    view.ok("STORE 1 -FLAGS (\\Seen)").await;
    let told = inbox.ok("NOOP").await;
    assert!(told.iter().any(|line| line.starts_with("* 3 FETCH") && !line.contains("\\Seen")), "{told:?}");
    view.ok("STORE 2 +FLAGS (\\Deleted)").await;
    let told = inbox.ok("NOOP").await;
    assert!(told.iter().all(|line| !line.contains("\\Deleted")), "{told:?}");
    assert!(news(&inbox.ok("EXPUNGE").await).is_empty(), "it is not marked here");
    // Reading it in the view reads it in INBOX.
    view.ok("FETCH 2 BODY[]").await;
    assert_eq!(inbox.ok("SEARCH SEEN").await.last().unwrap(), "* SEARCH 4");
    server.whole().await;
}

#[tokio::test]
async fn expunge_and_move_from_either_side_are_told_on_both() {
    let server = TestServer::filled().await;
    let (mut inbox, mut view) = (server.selected("INBOX").await, server.selected("Accounts/work").await);
    view.ok("STORE 1 +FLAGS (\\Deleted)").await;
    assert_eq!(news(&view.ok("EXPUNGE").await), ["* 1 EXPUNGE"]);
    assert_eq!(news(&inbox.ok("NOOP").await), ["* 3 EXPUNGE"]);
    let moved = inbox.ok("MOVE 3 Archive").await;
    assert!(moved[0].starts_with("* OK [COPYUID "), "{moved:?}");
    assert_eq!(news(&moved), ["* 3 EXPUNGE"]);
    assert_eq!(news(&view.ok("NOOP").await), ["* 1 EXPUNGE"]);
    let mut isp = server.selected("Accounts/isp").await;
    let moved = isp.ok("UID MOVE 2 Archive").await;
    assert!(moved[0].starts_with("* OK [COPYUID ") && moved[0].contains(" 2 2]"), "{moved:?}");
    assert_eq!(news(&inbox.ok("NOOP").await), ["* 2 EXPUNGE"]);
    // A copy is a message of its own.
    let copied = isp.run("COPY 1 Archive").await.1;
    assert!(copied.starts_with("OK [COPYUID "), "{copied}");
    inbox.ok("STORE 1 +FLAGS (\\Deleted)").await;
    inbox.ok("EXPUNGE").await;
    assert_eq!(news(&isp.ok("NOOP").await), ["* 1 EXPUNGE"]);
    assert!(isp.ok("STATUS Archive (MESSAGES)").await[0].ends_with("(MESSAGES 3)"));
    server.whole().await;
}

#[tokio::test]
async fn a_device_that_was_away_is_told_in_both() {
    let server = TestServer::filled().await;
    let (_, inbox) = server.qresync("INBOX").await;
    let (_, view) = server.qresync("Accounts/isp").await;
    let mut other = server.selected("INBOX").await;
    other.ok("UID STORE 1 +FLAGS (\\Flagged)").await;
    other.ok("UID STORE 2 +FLAGS (\\Deleted)").await;
    other.ok("EXPUNGE").await;
    server.polled("isp", 1).await;
    let mut other = server.selected("Accounts/work").await;
    other.ok("STORE 1:* +FLAGS (\\Deleted)").await;
    other.ok("EXPUNGE").await;
    let mut c = server.login().await;
    c.ok("ENABLE QRESYNC").await;
    let told = news(&c.ok(&format!("SELECT Accounts/isp (QRESYNC ({view}))")).await);
    assert_eq!(
        told,
        [
            "* 2 EXISTS",
            "* VANISHED (EARLIER) 2",
            "* 1 FETCH (UID 1 FLAGS (\\Flagged $Account_isp)",
            "* 2 FETCH (UID 3 FLAGS ($Account_isp)"
        ]
    );
    let told = news(&c.ok(&format!("SELECT INBOX (QRESYNC ({inbox}))")).await);
    assert_eq!(told[..2], ["* 3 EXISTS", "* VANISHED (EARLIER) 2:4"]);
    assert_eq!(told.len(), 4, "{told:?}");
    server.whole().await;
}

#[tokio::test]
async fn two_sessions_idle_one_on_each_side() {
    let server = TestServer::filled().await;
    let (mut inbox, mut view) = (server.selected("INBOX").await, server.selected("Accounts/isp").await);
    for client in [&mut inbox, &mut view] {
        client.c("i IDLE").await;
        client.s("+ *").await;
    }
    server.polled("isp", 1).await;
    inbox.s("* 6 EXISTS").await;
    view.s("* 3 EXISTS").await;
    for client in [&mut inbox, &mut view] {
        client.s("* * RECENT").await;
    }
    let mut other = server.selected("Accounts/isp").await;
    other.ok("STORE 3 +FLAGS (\\Answered)").await;
    inbox.s("* 6 FETCH (FLAGS (\\Answered*").await;
    view.s("* 3 FETCH (FLAGS (\\Answered*").await;
    other.ok("STORE 3 +FLAGS (\\Deleted)").await;
    view.s("* 3 FETCH (FLAGS (\\Answered \\Deleted*").await;
    other.ok("EXPUNGE").await;
    inbox.s("* 6 EXPUNGE").await;
    view.s("* 3 EXPUNGE").await;
}

#[tokio::test]
async fn nothing_can_be_put_into_a_view_or_in_its_place() {
    let server = TestServer::filled().await;
    let mut c = server.selected("INBOX").await;
    for command in [
        "COPY 1 Accounts/isp",
        "UID MOVE 5 Accounts/isp",
        "COPY 1 Accounts/other",
        "CREATE Accounts/isp",
        "CREATE Accounts/isp/x",
        "CREATE Accounts/other",
        "CREATE Accounts",
        "DELETE Accounts/isp",
        "RENAME Accounts/isp mine",
        "RENAME Accounts mine",
        "RENAME Archive Accounts/mine",
        "RENAME INBOX Accounts/work/x",
        "APPEND Accounts/isp {3+}\r\nabc",
    ] {
        let (untagged, tagged) = c.run(command).await;
        assert!(tagged.starts_with("NO [CANNOT] "), "{command}: {tagged}");
        assert!(untagged.is_empty(), "{command}: {untagged:?}");
    }
    // Refused before the message is sent.
    for command in ["APPEND Accounts/isp", "UID REPLACE 5 Accounts/isp", "APPEND Accounts/none"] {
        c.c(&format!("a {command} {{{}}}", MESSAGE.len())).await;
        c.s("a NO [CANNOT] *").await;
    }
    c.expect("DELETE Accounts", "NO [HASCHILDREN] *").await;
    c.ok("SUBSCRIBE Accounts/isp").await;
    c.ok("CREATE Accountancy").await;
    server.whole().await;
}

#[tokio::test]
async fn provenance_is_told_by_metadata() {
    let server = TestServer::filled().await;
    let mut c = server.login().await;
    c.ok("CREATE Old").await;
    let account = "/shared/vendor/tributary/account";
    for (mailbox, names, keywords) in [
        ("Accounts/isp", "isp", "$Account_isp"),
        ("INBOX", "isp work", "$Account_isp $Account_work"),
        ("Old", "old", "$Account_old"),
    ] {
        assert_eq!(
            c.ok(&format!("GETMETADATA (DEPTH infinity) {mailbox} /shared/vendor/tributary")).await,
            [format!("* METADATA {mailbox} ({account} \"{names}\" {account}-keyword \"{keywords}\")")]
        );
        c.expect(&format!("SETMETADATA {mailbox} ({account} \"x\")"), "NO [NOPERM] *").await;
        c.expect(&format!("SETMETADATA {mailbox} ({account}-keyword NIL)"), "NO [NOPERM] *").await;
    }
    assert_eq!(c.ok(&format!("GETMETADATA Archive {account}")).await, [format!("* METADATA Archive ({account} NIL)")]);
    assert_eq!(
        c.ok(&format!("GETMETADATA \"\" {account}s")).await,
        [format!("* METADATA \"\" ({account}s \"isp work old\")")]
    );
    c.expect(&format!("SETMETADATA \"\" ({account}s \"x\")"), "NO [NOPERM] *").await;
    let listed = c.ok(&format!("LIST \"\" Accounts/work RETURN (METADATA ({account}))")).await;
    assert_eq!(listed[1], format!("* METADATA Accounts/work ({account} \"work\")"));
    // A comment of one's own can be had on a view.
    c.ok("SETMETADATA Accounts/isp (/private/comment \"slow\")").await;
    let mut bob = server.connect().await;
    bob.ok("LOGIN bob secret").await;
    assert_eq!(bob.ok(&format!("GETMETADATA INBOX {account}")).await, [format!("* METADATA INBOX ({account} NIL)")]);
}

#[tokio::test]
async fn a_view_that_is_hidden_for_a_time_keeps_its_uids() {
    let server = TestServer::filled().await;
    let (mut c, known) = server.qresync("Accounts/isp").await;
    server.show(&["work"]).await;
    assert!(server.login().await.ok("LIST \"\" Accounts/*").await.iter().all(|line| !line.contains("isp")));
    server.login().await.expect("SELECT Accounts/isp", "NO [NONEXISTENT] *").await;
    let mut inbox = server.selected("INBOX").await;
    inbox.ok("STORE 1 +FLAGS (\\Flagged \\Deleted)").await;
    inbox.ok("EXPUNGE").await;
    server.polled("isp", 1).await;
    server.show(&["isp", "work"]).await;
    drop(c);
    c = server.login().await;
    c.ok("ENABLE QRESYNC").await;
    let told = news(&c.ok(&format!("SELECT Accounts/isp (QRESYNC ({known}))")).await);
    assert_eq!(told, ["* 2 EXISTS", "* VANISHED (EARLIER) 1", "* 2 FETCH (UID 3 FLAGS ($Account_isp)"]);
    server.whole().await;
}
