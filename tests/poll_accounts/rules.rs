//! Rules: where a message goes and what it is marked with, decided while it is fetched.

use tributary::ingest::{Condition, Pattern, Rule, Rules, Subject};
use tributary::mail::{FlagList, Flags, Keyword, MailboxName};

use super::support::*;

fn rule(pattern: &str, deliver_to: Option<&str>) -> Rule {
    Rule {
        conditions: vec![Condition::Text(Subject::Subject, vec![Pattern::new(pattern)])],
        deliver_to: deliver_to.map(|name| MailboxName::new(name).unwrap()),
        flags: FlagList { flags: Flags::SEEN, keywords: vec![Keyword::new("ruled").unwrap()] },
        is_continued: false,
    }
}

#[tokio::test]
async fn messages_go_where_the_rules_say_and_upstream_is_treated_alike() {
    let server = server_with(12).await;
    let settings = || {
        let mut settings = emptying(account("a", server.address()));
        settings.rules = Rules::new(vec![rule("1?", Some("Lists/Ten")), rule("2", None)]);
        settings
    };
    let house = House::of(vec![settings()]).await;
    house.poll_ok("u/a").await;
    assert_eq!(house.subjects_by_uid("Lists/Ten").await, ["10", "11", "12"], "the mailbox is made");
    assert_eq!(house.subjects_by_uid("a").await.len(), 9);
    assert!(server.unique_ids().is_empty(), "what is stored is deleted, wherever it is");

    let flags = |name: &'static str| {
        let house = &house;
        async move {
            let snapshot = house.store.watch(house.mailbox(name).await).await.unwrap().current().unwrap();
            snapshot.iter().map(|message| (message.flags, message.keywords.iter().count())).collect::<Vec<_>>()
        }
    };
    assert_eq!(flags("Lists/Ten").await, [(Flags::SEEN, 1); 3]);
    let plain = flags("a").await;
    assert_eq!((plain[0], plain[1]), ((Flags::NONE, 0), (Flags::SEEN, 1)), "the second has flags alone");

    // The mailbox goes between two polls: it is made again, and nothing comes twice.
    let mailbox = MailboxName::new("Lists/Ten").unwrap();
    house.store.delete_mailbox(house.user().await, &mailbox).await.unwrap();
    server.deliver("late", message("13"));
    assert_eq!(house.poll_ok("u/a").await.fetched, 1);
    assert_eq!(house.subjects_by_uid("Lists/Ten").await, ["13"]);
    let house = house.restarted(vec![settings()]).await;
    assert_eq!(house.poll_ok("u/a").await.fetched, 0);
    house.stop().await;
}
