//! CATENATE (RFC 4469) with IMAP URLs (RFC 5092).

use tributary::imap::Settings;

use crate::harness::{Client, MESSAGE, TestServer};

const MULTIPART: &str = "Subject: parts\r\nX-A: a\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nX-B: b\r\n\r\none\r\n\
    --b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ninside\r\n--b--\r\n";

impl Client {
    /// The octets of a message by its UID.
    pub async fn body(&mut self, uid: u32) -> String {
        let mut lines = self.ok(&format!("UID FETCH {uid} (BODY.PEEK[])")).await;
        let line = lines.pop().expect("a message");
        let (_, literal) = line.split_once("}\r\n").expect("a literal");
        literal.strip_suffix(')').expect("the end").to_owned()
    }

    async fn uid_validity(&mut self, mailbox: &str) -> String {
        let status = self.ok(&format!("STATUS {mailbox} (UIDVALIDITY)")).await.remove(0);
        status.split_once("UIDVALIDITY ").expect("a number").1.trim_end_matches(')').to_owned()
    }
}

#[tokio::test]
async fn texts_and_urls_in_order() {
    let server = TestServer::start().await;
    let mut c = server.selected("INBOX").await;
    c.append("INBOX", "", MULTIPART).await;
    let validity = c.uid_validity("INBOX").await;
    c.c("a APPEND Drafts (\\Draft) \"17-Jul-1996 02:44:25 -0700\" CATENATE (URL \"/INBOX/;UID=1/;SECTION=HEADER\" TEXT {5}").await;
    c.s("+ *").await;
    c.raw(format!("--b\r\n URL \"/INBOX;UIDVALIDITY={validity}/;UID=1/;SECTION=1.MIME\"")).await;
    c.raw(" URL /INBOX/;UID=1/;SECTION=1 TEXT {9+}\r\n\r\n--b--\r\n)\r\n").await;
    assert!(c.finish("a").await.1.starts_with("OK [APPENDUID "));
    c.ok("SELECT Drafts").await;
    let header = "Subject: parts\r\nX-A: a\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n";
    assert_eq!(c.body(1).await, format!("{header}--b\r\nX-B: b\r\n\r\none\r\n--b--\r\n"));
    let fetched = c.ok("FETCH 1 (FLAGS INTERNALDATE BODY)").await.remove(0);
    assert!(fetched.contains("\\Draft") && fetched.contains("17-Jul-1996 02:44:25 -0700"), "{fetched}");
    assert!(fetched.contains("\"mixed\""), "{fetched}");
    // Reading by URL marks nothing.
    c.ok("SELECT INBOX").await;
    assert!(!c.ok("FETCH 1 (FLAGS)").await[0].contains("\\Seen"));
    server.settled().await;
}

#[tokio::test]
async fn every_form_of_url() {
    let server = TestServer::start().await;
    let mut c = server.login().await;
    c.ok("CREATE \"a b/&APw-;\"").await;
    c.append("\"a b/&APw-;\"", "", MULTIPART).await;
    c.append("INBOX", "", MESSAGE).await;
    c.ok("SELECT INBOX").await;
    let mut uid = 1;
    for (url, octets) in [
        ("/INBOX/;UID=1", MESSAGE),
        ("/inbox/;uid=1", MESSAGE),
        (";UID=1", MESSAGE),
        (";UID=1/;SECTION=HEADER.FIELDS%20(to)", "To: bob@example.org\r\n\r\n"),
        ("/INBOX/;UID=1/;SECTION=TEXT", "Hello Bob\r\nfrom Ann\r\n"),
        ("/INBOX/;UID=1/;SECTION=TEXT/;PARTIAL=6.3", "Bob"),
        ("/INBOX/;UID=1/;PARTIAL=0.4", "From"),
        ("/a%20b/%C3%BC%3B/;UID=1", MULTIPART),
        ("/a%20b/%C3%BC%3B/;UID=1/;SECTION=1", "one"),
        ("/a%20b/%C3%BC%3B/;UID=1/;SECTION=2.HEADER", "Subject: inner\r\n\r\n"),
        ("/a%20b/%C3%BC%3B/;UID=1/;SECTION=2.TEXT", "inside"),
        ("/a%20b/%C3%BC%3B/;UID=1/;SECTION=HEADER.FIELDS.NOT%20(Subject%20Content-Type)", "X-A: a\r\n\r\n"),
    ] {
        c.expect(&format!("APPEND INBOX CATENATE (URL \"{url}\" TEXT {{1+}}\r\n.)"), "OK *").await;
        uid += 1;
        assert_eq!(c.body(uid).await, format!("{octets}."), "{url}");
    }
    server.settled().await;
}

#[tokio::test]
async fn urls_that_name_nothing() {
    let server = TestServer::start().await;
    server.fill(2).await;
    let mut bob = server.connect().await;
    bob.ok("LOGIN bob secret").await;
    bob.ok("CREATE private").await;
    bob.append("private", "", MESSAGE).await;
    let mut c = server.selected("INBOX").await;
    let validity: u32 = c.uid_validity("INBOX").await.parse().expect("a number");
    c.ok("STORE 2 +FLAGS (\\Deleted)").await;
    c.ok("EXPUNGE").await;
    let other = format!("/INBOX;UIDVALIDITY={}/;UID=1", validity + 1);
    for url in [
        other.as_str(),
        "/INBOX/;UID=2",
        "/INBOX/;UID=3",
        "/nothing/;UID=1",
        "/private/;UID=1",
        "/INBOX/;UID=1/;SECTION=2",
        "/INBOX/;UID=1/;SECTION=1.HEADER",
        "/INBOX",
        "/INBOX;UID=1",
        "/INBOX/;UID=1;SECTION=1",
        "imap://alice@localhost/INBOX/;UID=1",
        "http://localhost/INBOX/;UID=1",
        "INBOX/;UID=1",
        "x",
    ] {
        c.expect(&format!("APPEND INBOX CATENATE (URL \"{url}\")"), &format!("NO [BADURL {url}] *")).await;
        // Refused before the next literal is sent.
        let before = format!("APPEND INBOX CATENATE (TEXT {{1+}}\r\nx URL \"{url}\" TEXT {{5}}");
        c.expect(&before, &format!("NO [BADURL {url}] *")).await;
        let consumed = format!("APPEND INBOX CATENATE (URL \"{url}\" TEXT {{5+}}\r\nb c\r\n URL \"{url}\")");
        c.expect(&consumed, &format!("NO [BADURL {url}] *")).await;
    }
    // The first that is wrong.
    c.expect("APPEND INBOX CATENATE (URL /INBOX/;UID=1 URL /INBOX/;UID=8 URL x)", "NO [BADURL /INBOX/;UID=8] *").await;
    c.expect("APPEND INBOX CATENATE (URL \"a]b\")", "NO [BADURL a%5Db] *").await;
    c.inbox_has(1).await;
    c.ok("UNSELECT").await;
    c.expect("APPEND INBOX CATENATE (URL \";UID=1\")", "NO [BADURL ;UID=1] *").await;
    c.expect("APPEND nothing CATENATE (URL /INBOX/;UID=1)", "NO [TRYCREATE] *").await;
    c.expect("APPEND INBOX CATENATE (URL /INBOX/;UID=1/;PARTIAL=9999)", "NO [CANNOT] *").await;
    c.inbox_has(1).await;
    server.settled().await;
}

#[tokio::test]
async fn limits_of_the_sum_at_and_one_past() {
    let size = MESSAGE.len();
    let server = TestServer::with(Settings {
        append: (2 * size + 10) as u64,
        allow_cleartext_login: true,
        ..Settings::default()
    })
    .await;
    let mut c = server.login().await;
    c.append("INBOX", "", MESSAGE).await;
    let url = "URL /INBOX/;UID=1";
    c.expect(&format!("APPEND INBOX CATENATE ({url} {url} TEXT {{10+}}\r\n0123456789)"), "OK [APPENDUID * 2] *").await;
    c.expect(&format!("APPEND INBOX CATENATE ({url} {url} TEXT {{11}}"), "NO [TOOBIG] *").await;
    c.expect(&format!("APPEND INBOX CATENATE (TEXT {{11+}}\r\n0123456789a {url} {url})"), "NO [TOOBIG] *").await;
    let user = server.store.ensure_user("alice").await.expect("a user");
    server.store.set_quota(user, Some((4 * size + 20) as u64)).await.expect("a quota");
    c.expect(&format!("APPEND INBOX CATENATE ({url} TEXT {{11}}"), "NO [OVERQUOTA] *").await;
    c.expect(&format!("APPEND INBOX CATENATE (TEXT {{11+}}\r\n0123456789a {url})"), "NO [OVERQUOTA] *").await;
    c.expect(&format!("APPEND INBOX CATENATE (TEXT {{10+}}\r\n0123456789 {url})"), "OK *").await;
    server.settled().await;
}

#[tokio::test]
async fn within_a_multiappend() {
    let server = TestServer::start().await;
    let mut c = server.selected("INBOX").await;
    c.append("INBOX", "", MESSAGE).await;
    let several = "APPEND INBOX CATENATE (URL /INBOX/;UID=1) (\\Seen) {6+}\r\nn: 3\r\n CATENATE (TEXT {6+}\r\nn: 4\r\n URL ;UID=1)";
    c.expect(several, "OK [APPENDUID * 2:4] *").await;
    assert_eq!(c.body(2).await, MESSAGE);
    assert_eq!(c.body(3).await, "n: 3\r\n");
    assert_eq!(c.body(4).await, format!("n: 4\r\n{MESSAGE}"));
    // A message of the same command is not there yet.
    c.expect("APPEND INBOX {6+}\r\nn: 5\r\n CATENATE (URL ;UID=5)", "NO [BADURL ;UID=5] *").await;
    c.inbox_has(4).await;
    server.settled().await;
}
