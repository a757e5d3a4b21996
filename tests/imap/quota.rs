//! QUOTA (RFC 9208): what is told of it, and what it refuses.

use tributary::store::QuotaLimit;

use crate::harness::{MESSAGE, TestServer};

const ONE: u64 = MESSAGE.len() as u64;

impl TestServer {
    /// A server on which alice may store so many octets.
    async fn limited(octets: u64) -> Self {
        let server = Self::start().await;
        server.limit(octets).await;
        server
    }

    async fn limit(&self, octets: u64) {
        let user = self.store.ensure_user("alice").await.expect("a user");
        self.store.set_quota(user, Some(octets)).await.expect("set");
    }

    fn check(&self) {
        assert_eq!(self.store.check().expect("check"), Vec::<String>::new());
    }
}

#[tokio::test]
async fn usage_is_told_in_units_of_1024_octets_rounded_up() {
    let server = TestServer::limited(10 * 1024).await;
    let mut c = server.login().await;
    let capability = c.ok("CAPABILITY").await.remove(0);
    assert!(capability.contains(" QUOTA QUOTA=RES-STORAGE"), "{capability}");
    assert!(capability.contains(" QUOTA=RES-MESSAGE") && !capability.contains("QUOTASET"), "{capability}");
    let roots = |mailbox: &str, used: u64| {
        [format!("* QUOTAROOT {mailbox} \"User quota\""), format!("* QUOTA \"User quota\" (STORAGE {used} 10)")]
    };
    assert_eq!(c.ok("GETQUOTAROOT inbox").await, roots("INBOX", 0));
    server.fill(1).await;
    assert_eq!(c.ok("GETQUOTAROOT INBOX").await, roots("INBOX", 1));
    let count = 1 + 1024 / ONE;
    server.fill(count as usize - 1).await;
    let used = (count * ONE).div_ceil(1024);
    assert_eq!(used, 2);
    // RFC 9208 section 4.1.2: the mailbox need not exist.
    assert_eq!(c.ok("GETQUOTAROOT \"not &AOk- yet\"").await, roots("\"not &AOk- yet\"", used));
    c.expect("GETQUOTAROOT a&b", "NO [CANNOT] *").await;
    assert_eq!(c.ok("GETQUOTA \"User quota\"").await, roots("", used)[1..]);
    c.expect("GETQUOTA \"\"", "NO [NONEXISTENT] *").await;
    c.expect("GETQUOTA \"user quota\"", "NO [NONEXISTENT] *").await;
    c.expect("SETQUOTA \"User quota\" (STORAGE 9999)", "NO [NOPERM] *").await;
    c.expect("SETQUOTA \"\" (STORAGE 9999)", "NO [NONEXISTENT] *").await;
    c.expect("SETQUOTA \"User quota\"", "BAD *").await;
    assert_eq!(c.ok("GETQUOTA {10+}\r\nUser quota").await, roots("", used)[1..]);
    // The limit is rounded like the usage, so that what is full looks full.
    server.limit(count * ONE).await;
    let full = format!("* QUOTA \"User quota\" (STORAGE {used} {used})");
    assert_eq!(c.ok("GETQUOTA \"User quota\"").await, [full]);
    server.connect().await.expect("GETQUOTAROOT INBOX", "BAD *").await;
    server.check();
}

#[tokio::test]
async fn messages_are_counted_beside_octets() {
    let server = TestServer::start().await;
    let user = server.store.ensure_user("alice").await.expect("a user");
    let limit = |octets, messages| QuotaLimit { octets, messages };
    server.store.set_quota(user, limit(None, Some(3))).await.expect("set");
    server.fill(2).await;
    let mut c = server.selected("INBOX").await;
    let root = |resources: &str| [format!("* QUOTA \"User quota\" ({resources})")];
    assert_eq!(c.ok("GETQUOTA \"User quota\"").await, root("MESSAGE 2 3"));
    server.store.set_quota(user, limit(Some(10 << 10), Some(3))).await.expect("set");
    assert_eq!(c.ok("GETQUOTAROOT INBOX").await[1..], root("STORAGE 1 10 MESSAGE 2 3"));
    c.expect("COPY 1:2 Archive", "NO [OVERQUOTA] *").await;
    c.ok("COPY 1 Archive").await;
    c.ok("MOVE 1 Archive").await;
    // Refused before the literal (rule 12).
    c.expect("APPEND INBOX {1}", "NO [OVERQUOTA] *").await;
    c.ok("STORE 1 +FLAGS (\\Deleted)").await;
    assert_eq!(c.ok("STATUS INBOX (DELETED)").await, ["* STATUS INBOX (DELETED 1)"]);
    c.ok("EXPUNGE").await;
    c.append("INBOX", "", MESSAGE).await;
    assert_eq!(c.ok("GETQUOTA \"User quota\"").await, root("STORAGE 1 10 MESSAGE 3 3"));
    server.check();
}

#[tokio::test]
async fn a_user_without_a_quota_has_no_root() {
    let server = TestServer::limited(1 << 20).await;
    let mut c = server.connect().await;
    c.ok("LOGIN bob secret").await;
    assert_eq!(c.ok("GETQUOTAROOT INBOX").await, ["* QUOTAROOT INBOX"]);
    c.expect("GETQUOTA \"User quota\"", "NO [NONEXISTENT] *").await;
    c.expect("SETQUOTA \"User quota\" (STORAGE 1)", "NO [NONEXISTENT] *").await;
}

#[tokio::test]
async fn rule_12_append_over_quota_is_refused_before_the_literal() {
    let server = TestServer::limited(2 * ONE).await;
    let mut c = server.login().await;
    c.expect(&format!("APPEND INBOX {{{}}}", 2 * ONE + 1), "NO [OVERQUOTA] *").await;
    // Exactly what there is room for, in two steps.
    server.fill(2).await;
    c.expect("APPEND INBOX {1}", "NO [OVERQUOTA] *").await;
    c.expect("APPEND INBOX {10+}\r\n0123456789", "NO [OVERQUOTA] *").await;
    assert_eq!(c.ok("STATUS INBOX (MESSAGES SIZE)").await, [format!("* STATUS INBOX (MESSAGES 2 SIZE {})", 2 * ONE)]);
    server.check();
}

/// The literal is as long as there is room, but what is stored of it is longer: bare line feeds become CRLF.
#[tokio::test]
async fn append_over_quota_is_refused_after_the_literal_as_well() {
    let server = TestServer::limited(7).await;
    let mut c = server.login().await;
    c.expect("APPEND INBOX {6+}\r\na: b\n\n", "NO [OVERQUOTA] *").await;
    server.limit(8).await;
    c.expect("APPEND INBOX {6+}\r\na: b\n\n", "OK [APPENDUID *").await;
    assert_eq!(server.metric("tributary_imap_command_duration_seconds_count{command=\"append\",result=\"no\"}"), "1");
    server.check();
}

#[tokio::test]
async fn copy_counts_and_move_does_not() {
    let server = TestServer::limited(4 * ONE - 1).await;
    server.fill(2).await;
    let mut c = server.selected("INBOX").await;
    c.expect("COPY 1:2 Archive", "NO [OVERQUOTA] *").await;
    assert_eq!(c.ok("STATUS Archive (MESSAGES)").await, ["* STATUS Archive (MESSAGES 0)"]);
    c.expect("COPY 1 Archive", "OK [COPYUID *").await;
    c.expect("UID COPY 2 Archive", "NO [OVERQUOTA] *").await;
    c.ok("MOVE 2 Archive").await;
    c.ok("CREATE box").await;
    c.ok("RENAME INBOX old").await;
    server.check();
}

#[tokio::test]
async fn expunge_makes_room_at_once_and_status_says_how_much() {
    let server = TestServer::limited(2 * ONE).await;
    server.fill(2).await;
    let mut c = server.selected("INBOX").await;
    assert_eq!(c.ok("STATUS INBOX (DELETED-STORAGE)").await, ["* STATUS INBOX (DELETED-STORAGE 0)"]);
    c.ok("STORE 1 +FLAGS (\\Deleted)").await;
    let status = format!("* STATUS INBOX (DELETED 1 DELETED-STORAGE {ONE})");
    assert_eq!(c.ok("STATUS INBOX (DELETED DELETED-STORAGE)").await, [status]);
    c.expect("APPEND INBOX {1}", "NO [OVERQUOTA] *").await;
    c.ok("EXPUNGE").await;
    c.append("INBOX", "", MESSAGE).await;
    c.expect("APPEND INBOX {1}", "NO [OVERQUOTA] *").await;
    // A mailbox that goes gives back what it held.
    c.ok("CREATE box").await;
    c.ok("MOVE 1:* box").await;
    c.expect("APPEND INBOX {1}", "NO [OVERQUOTA] *").await;
    c.ok("DELETE box").await;
    server.fill(2).await;
    server.check();
}
