//! Other mailboxes than the selected one: STATUS, LIST and METADATA (RFC 5465 sections 3.1, 5 and 6).

use crate::harness::{Client, MESSAGE, TestServer};

const MESSAGES: &str = "(MessageNew MessageExpunge FlagChange)";

async fn pair(notify: &str) -> (TestServer, Client, Client) {
    let server = TestServer::start().await;
    let (mut watcher, mut other) = (server.login().await, server.login().await);
    for name in ["Lists", "Lists/Lemonade", "Lists/Im2000", "misc"] {
        other.ok(&format!("CREATE {name}")).await;
    }
    watcher.ok(notify).await;
    (server, watcher, other)
}

/// A STATUS line as its items, sorted, without the value of UIDVALIDITY.
fn items(line: &str) -> Vec<String> {
    let (_, list) = line.split_once('(').expect("a list");
    let words: Vec<&str> = list.trim_end_matches(')').split(' ').collect();
    let mut items: Vec<String> = words
        .chunks(2)
        .map(
            |item| if item[0] == "UIDVALIDITY" || item[0] == "HIGHESTMODSEQ" { item[0].into() } else { item.join(" ") },
        )
        .collect();
    items.sort();
    items
}

#[tokio::test]
async fn the_example_of_section_3() {
    let (_server, mut watcher, mut other) = pair("NOTIFY NONE").await;
    let lines = watcher
        .ok(
            "notify set status (selected (MessageNew (uid body.peek[header.fields (from to subject)]) MessageExpunge)) \
             (subtree Lists (MessageNew MessageExpunge))",
        )
        .await;
    let mut names: Vec<_> = lines.iter().filter_map(|line| line.split(' ').nth(2)).collect();
    names.sort_unstable();
    assert_eq!(names, ["Lists", "Lists/Im2000", "Lists/Lemonade"], "{lines:?}");
    for line in &lines {
        assert_eq!(items(line), ["MESSAGES 0", "UIDNEXT 1", "UIDVALIDITY"], "{line}");
    }
    watcher.ok("SELECT inbox").await;
    other.append("Lists/Lemonade", "", MESSAGE).await;
    let line = watcher.s("* STATUS Lists/Lemonade (*").await;
    assert_eq!(items(&line), ["MESSAGES 1", "UIDNEXT 2", "UIDVALIDITY"]);
    other.append("INBOX", "", MESSAGE).await;
    watcher.s("* 1 EXISTS").await;
    watcher.s("* 1 RECENT").await;
    watcher.s("* 1 FETCH (UID 1 BODY[HEADER.FIELDS (from to subject)] {*").await;
    watcher.ok("STATUS misc (UIDVALIDITY UIDNEXT MESSAGES)").await;
    let lines = watcher
        .ok("notify set (selected (MessageNew (uid body.peek[header.fields (from to subject)]) MessageExpunge)) \
             (subtree Lists (MessageNew MessageExpunge)) (mailboxes misc (MessageNew MessageExpunge))")
        .await;
    assert_eq!(lines, Vec::<String>::new());
    other.append("misc", "", MESSAGE).await;
    watcher.s("* STATUS misc (*").await;
}

#[tokio::test]
async fn the_examples_of_section_6() {
    let (_server, mut watcher, mut other) =
        pair("notify set (mailboxes INBOX (Messagenew messageExpunge)) (personal (SubscriptionChange))").await;
    other.append("misc", "", MESSAGE).await;
    other.append("INBOX", "", MESSAGE).await;
    watcher.s("* STATUS INBOX (*").await;
    other.ok("UNSUBSCRIBE INBOX").await;
    watcher.s("* LIST (\\HasNoChildren) \"/\" INBOX").await;
    // SELECTED overrides what else is said of the selected mailbox.
    watcher.ok("SELECT misc").await;
    watcher
        .ok("notify set (selected (Messagenew (uid flags) messageExpunge)) \
             (personal (MessageNew FlagChange MessageExpunge))")
        .await;
    other.ok("SELECT misc").await;
    other.ok("STORE 1 +FLAGS (\\Seen)").await;
    other.ok("SELECT INBOX").await;
    other.ok("STORE 1 +FLAGS (\\Seen)").await;
    let line = watcher.s("* STATUS INBOX (*").await;
    assert_eq!(items(&line), ["UIDVALIDITY", "UNSEEN 0"]);
    other.append("misc", "", MESSAGE).await;
    watcher.s("* 2 EXISTS").await;
    watcher.s("* * RECENT").await;
    watcher.s("* 2 FETCH (UID 2 FLAGS (*))").await;
}

#[tokio::test]
async fn messages_of_other_mailboxes_are_told_by_status() {
    let (_server, mut watcher, mut other) = pair(&format!("NOTIFY SET (MAILBOXES (misc Lists) {MESSAGES})")).await;
    other.append("Lists/Im2000", "", MESSAGE).await;
    other.append("misc", "", MESSAGE).await;
    let line = watcher.s("* STATUS misc (*").await;
    assert_eq!(items(&line), ["MESSAGES 1", "UIDNEXT 2", "UIDVALIDITY", "UNSEEN 1"]);
    other.ok("SELECT misc").await;
    // Without CONDSTORE a flag is told where it changes UNSEEN.
    other.ok("STORE 1 +FLAGS (\\Flagged)").await;
    other.ok("STORE 1 +FLAGS (\\Seen)").await;
    let line = watcher.s("* STATUS misc (*").await;
    assert_eq!(items(&line), ["UIDVALIDITY", "UNSEEN 0"]);
    other.ok("STORE 1 +FLAGS (\\Deleted)").await;
    other.ok("EXPUNGE").await;
    let line = watcher.s("* STATUS misc (*").await;
    assert_eq!(items(&line), ["MESSAGES 0", "UIDNEXT 2", "UIDVALIDITY"]);
    // An arrival and an expunge at once leave MESSAGES as it was.
    watcher.ok("ENABLE CONDSTORE").await;
    other.append("misc", "(\\Seen)", MESSAGE).await;
    let line = watcher.s("* STATUS misc (*").await;
    assert_eq!(items(&line), ["HIGHESTMODSEQ", "MESSAGES 1", "UIDNEXT 3", "UIDVALIDITY"]);
    other.ok("STORE 1 +FLAGS (\\Flagged)").await;
    let line = watcher.s("* STATUS misc (*").await;
    assert_eq!(items(&line), ["HIGHESTMODSEQ", "UIDVALIDITY"]);
}

#[tokio::test]
async fn status_first_has_what_the_events_need() {
    let (_server, mut watcher, _other) = pair("NOTIFY NONE").await;
    let lines = watcher.ok(&format!("NOTIFY SET STATUS (MAILBOXES (misc nowhere INBOX) {MESSAGES})")).await;
    assert_eq!(lines.len(), 2, "{lines:?}");
    for line in &lines {
        assert_eq!(items(line), ["HIGHESTMODSEQ", "MESSAGES 0", "UIDNEXT 1", "UIDVALIDITY"], "{line}");
    }
    // That does not switch CONDSTORE on.
    watcher.ok("SELECT INBOX").await;
    watcher.append("INBOX", "", MESSAGE).await;
    assert_eq!(watcher.ok("STORE 1 FLAGS (\\Seen)").await, ["* 1 FETCH (FLAGS (\\Seen \\Recent))"]);
    // None of the selected mailbox, nor where no message event is asked for.
    assert_eq!(watcher.ok(&format!("NOTIFY SET STATUS (MAILBOXES INBOX {MESSAGES})")).await, Vec::<String>::new());
    let lines = watcher.ok("NOTIFY SET STATUS (PERSONAL (MailboxName)) (MAILBOXES misc NONE)").await;
    assert_eq!(lines, Vec::<String>::new());
}

#[tokio::test]
async fn filters_name_mailboxes() {
    let cases: [(&str, &[&str], &[&str]); 6] = [
        ("PERSONAL", &["misc", "INBOX", "Lists/Im2000"], &[]),
        ("INBOXES", &["misc", "INBOX"], &[]),
        ("SUBSCRIBED", &["INBOX", "Sent"], &["misc", "Lists"]),
        ("SUBTREE Lists", &["Lists", "Lists/Im2000"], &["INBOX", "misc"]),
        ("SUBTREE (misc Lists/Im2000)", &["misc", "Lists/Im2000"], &["Lists", "Lists/Lemonade"]),
        // Section 6.6: no wildcards.
        ("MAILBOXES (inbox \"Lists/*\" \"%\")", &["INBOX"], &["misc", "Lists/Im2000"]),
    ];
    for (filter, told, untold) in cases {
        let (_server, mut watcher, mut other) = pair(&format!("NOTIFY SET ({filter} {MESSAGES})")).await;
        for name in untold {
            other.append(name, "", MESSAGE).await;
        }
        for name in told {
            other.append(name, "", MESSAGE).await;
            watcher.s(&format!("* STATUS {name} (*")).await;
        }
        assert_eq!(watcher.ok("NOOP").await, Vec::<String>::new(), "{filter}");
    }
}

#[tokio::test]
async fn subscribed_follows_the_subscriptions() {
    let (_server, mut watcher, mut other) = pair(&format!("NOTIFY SET (SUBSCRIBED {MESSAGES})")).await;
    other.ok("SUBSCRIBE misc").await;
    other.append("misc", "", MESSAGE).await;
    watcher.s("* STATUS misc (*").await;
    other.ok("UNSUBSCRIBE misc").await;
    other.append("misc", "", MESSAGE).await;
    assert_eq!(watcher.ok("NOOP").await, Vec::<String>::new());
}

#[tokio::test]
async fn groups_add_up_but_none_hides_a_mailbox_from_those_after_it() {
    let (_server, mut watcher, mut other) =
        pair(&format!("NOTIFY SET (MAILBOXES misc NONE) (PERSONAL {MESSAGES}) (SUBTREE Lists (MailboxName))")).await;
    other.append("misc", "", MESSAGE).await;
    other.append("Lists", "", MESSAGE).await;
    watcher.s("* STATUS Lists (*").await;
    other.ok("CREATE Lists/new").await;
    watcher.s("* LIST (\\HasNoChildren) \"/\" Lists/new").await;
    watcher.s("* LIST (\\HasChildren) \"/\" Lists").await;
    other.ok("DELETE misc").await;
    assert_eq!(watcher.ok("NOOP").await, Vec::<String>::new());
}

#[tokio::test]
async fn names_are_told_by_list() {
    let (_server, mut watcher, mut other) = pair("NOTIFY SET (PERSONAL (MailboxName))").await;
    other.ok("CREATE NewMailbox").await;
    watcher.s("* LIST (\\HasNoChildren) \"/\" NewMailbox").await;
    // The parents that are made too; of a mailbox that comes the parent is affected.
    other.ok("CREATE misc/a/b").await;
    let mut lines = Vec::new();
    for _ in 0..3 {
        lines.push(watcher.s("* LIST *").await);
    }
    lines.sort();
    let list = |name: &str, attributes: &str| format!("* LIST ({attributes}) \"/\" {name}");
    let (parent, leaf) = ("\\HasChildren", "\\HasNoChildren");
    assert_eq!(lines, [list("misc", parent), list("misc/a", parent), list("misc/a/b", leaf)]);
    // With what is below, which is not told.
    other.ok("RENAME misc other").await;
    watcher.s("* LIST (\\HasChildren) \"/\" other (\"OLDNAME\" (misc))").await;
    other.ok("DELETE NewMailbox").await;
    watcher.s("* LIST (\\NonExistent \\HasNoChildren) \"/\" NewMailbox").await;
    // A parent that is no mailbox.
    other.ok("DELETE other/a").await;
    watcher.s("* LIST (\\NonExistent \\HasChildren) \"/\" other/a").await;
    watcher.s("* LIST (\\HasChildren) \"/\" other").await;
    other.ok("DELETE other/a/b").await;
    watcher.s("* LIST (\\NonExistent \\HasNoChildren) \"/\" other/a/b").await;
    watcher.s("* LIST (\\NonExistent \\HasNoChildren) \"/\" other/a").await;
    // Of INBOX, whose messages leave, nothing.
    other.ok("RENAME INBOX old").await;
    watcher.s("* LIST (\\HasNoChildren) \"/\" old").await;
    // The special use and the subscription hold too.
    other.ok("SUBSCRIBE stars").await;
    other.ok("CREATE stars (USE (\\Archive))").await;
    watcher.s("* LIST (\\Subscribed \\HasNoChildren \\Archive) \"/\" stars").await;
    assert_eq!(watcher.ok("NOOP").await, Vec::<String>::new());
}

#[tokio::test]
async fn a_name_that_goes_and_comes_back_has_another_uidvalidity() {
    let (_server, mut watcher, mut other) = pair(&format!("NOTIFY SET STATUS (MAILBOXES misc {MESSAGES})")).await;
    other.ok("DELETE misc").await;
    other.ok("CREATE misc").await;
    let line = &watcher.s("* STATUS misc (*").await;
    assert_eq!(items(line), ["MESSAGES 0", "UIDNEXT 1", "UIDVALIDITY"]);
}

#[tokio::test]
async fn a_mailbox_renamed_goes_on_under_its_new_name() {
    let (_server, mut watcher, mut other) =
        pair("NOTIFY SET (SUBTREE Lists (MessageNew MessageExpunge MailboxName))").await;
    other.ok("RENAME misc Lists/misc").await;
    watcher.s("* LIST (\\HasNoChildren) \"/\" Lists/misc (\"OLDNAME\" (misc))").await;
    other.append("Lists/misc", "", MESSAGE).await;
    watcher.s("* STATUS Lists/misc (*MESSAGES 1*").await;
    other.ok("RENAME Lists/misc misc").await;
    watcher.s("* LIST (\\HasNoChildren) \"/\" misc (\"OLDNAME\" (Lists/misc))").await;
    other.append("misc", "", MESSAGE).await;
    assert_eq!(watcher.ok("NOOP").await, Vec::<String>::new());
}

#[tokio::test]
async fn subscriptions_are_told_by_list() {
    let (_server, mut watcher, mut other) = pair("NOTIFY SET (PERSONAL (SubscriptionChange))").await;
    other.ok("CREATE untold").await;
    other.ok("SUBSCRIBE misc").await;
    watcher.s("* LIST (\\Subscribed \\HasNoChildren) \"/\" misc").await;
    other.ok("UNSUBSCRIBE misc").await;
    watcher.s("* LIST (\\HasNoChildren) \"/\" misc").await;
    other.ok("SUBSCRIBE nowhere/yet").await;
    watcher.s("* LIST (\\NonExistent \\Subscribed \\HasNoChildren) \"/\" nowhere/yet").await;
}

#[tokio::test]
async fn annotations_are_told_by_the_names_of_their_entries() {
    let (_server, mut watcher, mut other) =
        pair("NOTIFY SET (SUBTREE Lists (MailboxMetadataChange)) (PERSONAL (ServerMetadataChange))").await;
    other.ok("SETMETADATA misc (/private/comment \"untold\")").await;
    other.ok("SETMETADATA Lists (/shared/comment \"a\" /private/comment \"b\")").await;
    watcher.s("* METADATA Lists /private/comment /shared/comment").await;
    // Only what changed; what is removed always.
    other.ok("SETMETADATA Lists (/shared/comment NIL /private/comment \"b\")").await;
    watcher.s("* METADATA Lists /shared/comment").await;
    other.ok("SETMETADATA \"\" (/private/comment \"c\")").await;
    watcher.s("* METADATA \"\" /private/comment").await;
    other.ok("SETMETADATA Lists (/private/comment \"d\")").await;
    watcher.s("* METADATA Lists /private/comment").await;
    other.ok("CREATE Lists/Stars (USE (\\Archive))").await;
    other.ok("CREATE Lists/Late (USE (\\Archive))").await;
    let lines = watcher.ok("NOOP").await;
    assert!(lines.iter().all(|line| line == "* METADATA Lists/Stars /private/specialuse"), "{lines:?}");
}
