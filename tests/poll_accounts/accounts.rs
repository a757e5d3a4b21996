//! What mail is marked with, and messages that two accounts bring.

use tributary::mail::{FlagList, FlagOp, Keyword, MAX_KEYWORDS, MailboxName, UidSet, account_keyword, account_mailbox};
use tributary::poll::{AccountSettings, LeaveOnServer};
use tributary::store::{AccountView, FlagChange};

use super::support::*;

fn marked(name: &str, server: &tributary::demo::pop3d::Pop3d) -> AccountSettings {
    AccountSettings {
        keyword: account_keyword(name),
        deliver_to: MailboxName::inbox(),
        ..account(name, server.address())
    }
}

impl House {
    /// The keywords of each message of a mailbox, in order.
    async fn keywords(&self, mailbox: &str) -> Vec<Vec<String>> {
        let snapshot = self.store.watch(self.mailbox(mailbox).await).await.unwrap().current().unwrap();
        let name = |bit: usize| snapshot.keywords[bit].as_str().to_owned();
        snapshot.iter().map(|message| message.keywords.iter().map(name).collect()).collect()
    }

    async fn show_views(&self, accounts: &[&str]) {
        let mut views = Vec::new();
        for name in accounts {
            views.push(AccountView { account: self.account_id(name).await, name: account_mailbox(name).unwrap() });
        }
        assert_eq!(self.store.set_account_views(self.user().await, views).await.unwrap(), []);
    }
}

#[tokio::test]
async fn messages_are_marked_with_their_account_and_come_also_where_there_is_no_room_for_the_mark() {
    let (one, two) = (server_with(1).await, server_with(2).await);
    let house = House::of(vec![marked("one", &one)]).await;
    house.poll_ok("u/one").await;
    assert_eq!(house.keywords("INBOX").await, [["$Account_one"]]);
    // With that one the table is full.
    let keywords = (1..MAX_KEYWORDS).map(|n| Keyword::new(&format!("k{n}")).unwrap()).collect();
    let list = FlagList { keywords, ..FlagList::default() };
    let change = FlagChange { op: FlagOp::Add, list, unchanged_since: None };
    let all: UidSet = [(1, 1)].into_iter().collect();
    house.store.set_flags(house.mailbox("INBOX").await, all, change).await.unwrap();
    let house = house.restarted(vec![marked("one", &one), marked("two", &two)]).await;
    house.poll_ok("u/two").await;
    assert_eq!(house.keywords("INBOX").await[1..], [Vec::<String>::new(), Vec::new()]);
    // One that the table has goes on.
    one.deliver("id9", message("9"));
    house.poll_ok("u/one").await;
    assert_eq!(house.keywords("INBOX").await[3..], [["$Account_one"]]);
    house.stop().await;
}

/// A message as it comes to each of two maildrops.
fn copy(id: &str, to: &str, text: &str) -> Vec<u8> {
    format!(
        "Received: from x by {to}; Fri, 2 Jan 1970 00:00:00 +0000\r\nDelivered-To: {to}\r\nFrom: a@x\r\nSubject: {id}\r\n\
         Message-ID: <{id}@x>\r\n\r\n{text}\r\n"
    )
    .into_bytes()
}

async fn two_maildrops() -> [tributary::demo::pop3d::Pop3d; 2] {
    let (one, two) = (server_with(0).await, server_with(0).await);
    for (server, to) in [(&one, "one"), (&two, "two")] {
        server.deliver("a", copy("same", to, "hello"));
        server.deliver("b", copy("other", to, to));
    }
    [one, two]
}

#[tokio::test]
async fn copies_that_two_accounts_bring_are_kept_or_merged() {
    for merge in [false, true] {
        let [one, two] = two_maildrops().await;
        let merging = |name, server| AccountSettings { merge, ..marked(name, server) };
        let house = House::of(vec![merging("one", &one), merging("two", &two)]).await;
        house.show_views(&["one", "two"]).await;
        house.poll_ok("u/one").await;
        let _ = house.poll_ok("u/two").await;
        assert_eq!(house.subjects("Accounts/one").await, ["other", "same"], "{merge}");
        assert_eq!(house.subjects("Accounts/two").await, ["other", "same"], "{merge}");
        let merged =
            ["one", "two"].map(|a| house.metric("tributary_messages_duplicate_total", &[&format!("u/{a}"), "merged"]));
        if merge {
            assert_eq!(house.subjects("INBOX").await, ["other", "other", "same"]);
            assert_eq!(merged.iter().sum::<f64>(), 1.0);
            let both = house.keywords("INBOX").await.into_iter().filter(|keywords| keywords.len() == 2).count();
            assert_eq!(both, 1, "it is of both accounts");
        } else {
            assert_eq!(house.subjects("INBOX").await, ["other", "other", "same", "same"]);
            assert_eq!(merged, [0.0, 0.0]);
        }
        // Nothing comes twice.
        let again = [house.poll_ok("u/one").await, house.poll_ok("u/two").await];
        assert!(again.iter().all(|report| (report.fetched, report.duplicates) == (0, 0)), "{again:?}");
        assert_eq!(house.store.check().unwrap(), Vec::<String>::new());
        house.stop().await;
    }
}

#[tokio::test]
async fn a_merged_message_is_deleted_upstream_in_both_maildrops_once_it_is_expunged() {
    let [one, two] = two_maildrops().await;
    let merging = |name, server| AccountSettings {
        merge: true,
        leave_on_server: LeaveOnServer::UntilExpunged,
        ..marked(name, server)
    };
    let house = House::of(vec![merging("one", &one), merging("two", &two)]).await;
    house.show_views(&["one", "two"]).await;
    house.poll_ok("u/one").await;
    house.poll_ok("u/two").await;
    let subjects = house.subjects_by_uid("Accounts/two").await;
    let uid = 1 + u32::try_from(subjects.iter().position(|subject| subject == "same").unwrap()).unwrap();
    house.expunge("Accounts/two", uid..=uid).await;
    assert_eq!(house.subjects("INBOX").await, ["other", "other"]);
    house.poll_ok("u/one").await;
    house.poll_ok("u/two").await;
    assert_eq!([one.unique_ids(), two.unique_ids()], [["b"], ["b"]]);
    house.stop().await;
}
