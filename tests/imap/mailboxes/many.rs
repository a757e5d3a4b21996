//! Ten thousand mailboxes.

use std::time::Instant;

use super::client_with;

/// As many as a user may have, 24 levels deep. What is quadratic in them takes minutes.
#[tokio::test]
async fn rule_31_ten_thousand_mailboxes_in_deep_hierarchies() {
    let started = Instant::now();
    let mut c = client_with(&[], &[]).await;
    let leaf = |n: usize| {
        let levels: Vec<String> = (0..23).map(|level| format!("level{level}")).collect();
        format!("tree{n:03}/{}", levels.join("/"))
    };
    // 416 trees of 24 mailboxes and INBOX: 9,985.
    for n in 0..416 {
        c.ok(&format!("CREATE {}", leaf(n))).await;
        c.ok(&format!("SUBSCRIBE {}", leaf(n))).await;
    }
    for n in 0..15 {
        c.ok(&format!("CREATE one{n}")).await;
    }
    c.expect("CREATE more", "NO [LIMIT] *").await;
    c.expect("RENAME one0 more/one0", "NO [LIMIT] *").await;
    assert_eq!(c.ok("LIST \"\" *").await.len(), 10_000);
    assert_eq!(c.ok("LIST \"\" * RETURN (STATUS (MESSAGES UIDNEXT UNSEEN RECENT SIZE))").await.len(), 20_000);
    assert_eq!(c.ok("LIST \"\" %").await.len(), 432);
    assert_eq!(c.ok("LIST \"\" %/%/%/%/*9").await.len(), 416 * 2);
    assert_eq!(c.ok("LIST (SUBSCRIBED RECURSIVEMATCH) \"\" %").await.len(), 416);
    assert_eq!(c.ok("LSUB \"\" *").await.len(), 416);
    assert_eq!(c.ok("LSUB \"\" tree%").await.len(), 416);
    c.ok("DELETE one0").await;
    c.ok("RENAME tree000 moved").await;
    c.ok(&format!("SELECT {}", leaf(0).replace("tree000", "moved"))).await;
    c.ok("CREATE last").await;
    c.expect("CREATE more", "NO [LIMIT] *").await;
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}
