//! Rules 31 to 34, 9, 10 and 40: mailboxes by name.

mod create;
mod delete;
mod examples;
mod list;
mod many;
mod names;
mod rename;
mod select;
mod status;
mod subscribe;

use crate::harness::{Client, TestServer};

/// A client of a user who has INBOX and these mailboxes, and is subscribed to these names alone.
async fn client_with(mailboxes: &[&str], subscriptions: &[&str]) -> Client {
    let mut c = TestServer::start().await.login().await;
    c.ok("UNSUBSCRIBE INBOX").await;
    for name in ["Archive", "Drafts", "Junk", "Sent", "Trash"] {
        c.ok(&format!("DELETE {name}")).await;
        c.ok(&format!("UNSUBSCRIBE {name}")).await;
    }
    for name in mailboxes {
        c.ok(&format!("CREATE {name}")).await;
    }
    for name in subscriptions {
        c.ok(&format!("SUBSCRIBE {name}")).await;
    }
    c
}

/// The lines without what CHILDREN adds to them, asked for or not.
fn without_children(lines: Vec<String>) -> Vec<String> {
    let strip = |line: String| {
        ["\\HasChildren", "\\HasNoChildren"].iter().fold(line, |line, attribute| {
            let line = line.replace(&format!(" {attribute}"), "");
            line.replace(&format!("{attribute} "), "").replace(attribute, "")
        })
    };
    lines.into_iter().map(strip).collect()
}
