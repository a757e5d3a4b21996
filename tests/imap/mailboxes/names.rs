//! Rule 34: names on the wire.

use super::{client_with, without_children};

#[tokio::test]
async fn rule_34_names_in_modified_utf7() {
    let mut c = client_with(&[], &[]).await;
    for wire in ["Entw&APw-rfe", "\"with space &- more\"", "&2Dzfiw-", "\"say \\\"&AOk-\\\"\"", "\"back\\\\slash\""] {
        c.ok(&format!("CREATE {wire}")).await;
        assert_eq!(without_children(c.ok(&format!("LIST \"\" {wire}")).await), [format!("* LIST () \"/\" {wire}")]);
        c.ok(&format!("SELECT {wire}")).await;
        assert_eq!(c.ok(&format!("STATUS {wire} (MESSAGES)")).await, [format!("* STATUS {wire} (MESSAGES 0)")]);
    }
    // What could be taken for a literal or a word of the grammar is quoted; nothing is sent as a literal.
    for (wire, shown) in [
        ("\"a{1}\"", "\"a{1}\""),
        ("nil", "\"nil\""),
        ("\"b)c\"", "\"b)c\""),
        ("\"wild*card\"", "\"wild*card\""),
        ("{3+}\r\nlit", "lit"),
    ] {
        c.ok(&format!("CREATE {wire}")).await;
        let answer = without_children(c.ok(&format!("LIST \"\" {wire}")).await);
        assert_eq!(answer, [format!("* LIST () \"/\" {shown}")]);
    }
}

#[tokio::test]
async fn rule_34_only_canonical_modified_utf7_names_a_mailbox() {
    let mut c = client_with(&["&AOk-"], &[]).await;
    for wire in
        ["&", "&AOk", "\"not canonical & more\"", "&AGE-", "&AOk-&AOk-", "&AOl-", "&2Dw-", "&A/k-", "\"\u{e9}\""]
    {
        c.expect(&format!("CREATE {wire}"), "NO [CANNOT] *").await;
        c.expect(&format!("SELECT {wire}"), "NO [NONEXISTENT] *").await;
        c.expect(&format!("STATUS {wire} (MESSAGES)"), "NO [NONEXISTENT] *").await;
        assert!(c.ok(&format!("LIST \"\" {wire}")).await.is_empty());
    }
}

/// Names are in NFC, whatever the client's keyboard sends; two spellings are one name.
#[tokio::test]
async fn rule_34_names_in_nfc() {
    let mut c = client_with(&["Cafe&AwE-"], &[]).await;
    let cafe = ["* LIST () \"/\" Caf&AOk-"];
    assert_eq!(without_children(c.ok("LIST \"\" Caf*").await), cafe);
    assert_eq!(without_children(c.ok("LIST \"\" Cafe&AwE-").await), cafe);
    c.expect("CREATE Caf&AOk-", "NO [ALREADYEXISTS] *").await;
    c.ok("SELECT Cafe&AwE-").await;
    c.ok("DELETE Cafe&AwE-").await;
    assert!(c.ok("LIST \"\" Caf*").await.is_empty());
}
