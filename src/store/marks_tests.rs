//! Annotations, conversations and object identifiers, on every back-end.

use std::time::Duration;

use super::*;
use crate::mail::{FlagList, InternalDate, Message, ThreadId, Uid};
use crate::mime::keys_of;

struct World {
    store: Store,
    user: UserId,
    inbox: MailboxId,
    archive: MailboxId,
    _dir: Option<tempfile::TempDir>,
}

async fn worlds() -> [World; 2] {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let settings =
        Settings { data_dir: dir.path().join("data"), cache_bytes: 16 << 20, gc_grace: Duration::from_secs(3600) };
    let stored = Store::open(&settings).expect("a new store");
    let memory = Store::in_memory(Duration::from_secs(3600)).expect("a store in memory");
    [World::new(stored, Some(dir)).await, World::new(memory, None).await]
}

fn name(raw: &str) -> MailboxName {
    MailboxName::new(raw).expect("a name")
}

fn all() -> UidSet {
    [(1, 1000)].into_iter().collect()
}

impl World {
    async fn new(store: Store, dir: Option<tempfile::TempDir>) -> Self {
        let user = store.ensure_user("alice").await.expect("a user");
        let id = async |name| store.mailbox(user, &name).await.expect("read").expect("is there").id;
        let (inbox, archive) = (id(MailboxName::inbox()).await, id(name("Archive")).await);
        Self { store, user, inbox, archive, _dir: dir }
    }

    async fn add(&self, to: MailboxId, octets: &[u8], ids: [&str; 3]) -> Message {
        let mut writer = self.store.body_writer().await.expect("a writer");
        writer.write(octets).await.expect("write");
        let [own, parent, above] = ids.map(|ids| Some(ids.as_bytes()).filter(|ids| !ids.is_empty()));
        writer.set_thread_keys(keys_of(own, parent, above));
        let body = writer.finish(Record::default()).await.expect("durable");
        let internal_date = InternalDate::default();
        let message = NewMessage { body, flags: FlagList::default(), internal_date, account: None };
        let appended = self.store.append(to, vec![message]).await.expect("appended");
        self.message(to, appended.uids[0]).await
    }

    async fn message(&self, of: MailboxId, uid: Uid) -> Message {
        let snapshot = self.store.watch(of).await.expect("watch").current().expect("a version");
        snapshot.find(uid).expect("the message").clone()
    }

    async fn set(&self, of: Option<MailboxId>, entry: &str, value: Option<&[u8]>) -> Result<()> {
        self.store.set_metadata(self.user, of, vec![(entry.to_owned(), value.map(<[u8]>::to_vec))]).await
    }

    async fn get(&self, of: Option<MailboxId>) -> Annotations {
        self.store.metadata(self.user, of).await.expect("read")
    }

    fn check(&self) {
        assert_eq!(self.store.check().expect("check"), Vec::<String>::new());
    }
}

fn annotations(rows: &[(&str, &[u8])]) -> Annotations {
    rows.iter().map(|(entry, value)| ((*entry).to_owned(), value.to_vec())).collect()
}

#[tokio::test]
async fn annotations_belong_to_one_user_and_one_mailbox() {
    for w in worlds().await {
        let other = w.store.ensure_user("bob").await.expect("a user");
        w.set(None, "/private/a", Some(b"server")).await.expect("set");
        w.set(Some(w.inbox), "/private/a", Some(b"in\0box")).await.expect("set");
        w.set(Some(w.inbox), "/private/b", Some(b"")).await.expect("set");
        assert_eq!(w.get(None).await, annotations(&[("/private/a", b"server")]));
        assert_eq!(w.get(Some(w.inbox)).await, annotations(&[("/private/a", b"in\0box"), ("/private/b", b"")]));
        assert!(w.get(Some(w.archive)).await.is_empty());
        assert!(w.store.metadata(other, None).await.expect("read").is_empty());
        assert!(w.store.metadata(other, Some(w.inbox)).await.expect("read").is_empty());
        let foreign = w.store.set_metadata(other, Some(w.inbox), vec![("/private/a".to_owned(), None)]).await;
        assert!(matches!(foreign, Err(Error::NoMailbox)));
        w.set(Some(w.inbox), "/private/a", None).await.expect("set");
        w.set(Some(w.inbox), "/private/none", None).await.expect("set");
        assert_eq!(w.get(Some(w.inbox)).await, annotations(&[("/private/b", b"")]));
        w.check();
    }
}

#[tokio::test]
async fn annotations_stay_with_rename_and_go_with_delete() {
    for w in worlds().await {
        w.set(Some(w.archive), "/shared/a", Some(b"1")).await.expect("set");
        w.set(Some(w.inbox), "/shared/a", Some(b"2")).await.expect("set");
        w.store.rename_mailbox(w.user, &name("Archive"), &name("old/Archive")).await.expect("rename");
        assert_eq!(w.get(Some(w.archive)).await, annotations(&[("/shared/a", b"1")]));
        w.store.rename_mailbox(w.user, &MailboxName::inbox(), &name("was")).await.expect("rename");
        assert_eq!(w.get(Some(w.inbox)).await, annotations(&[("/shared/a", b"2")]));
        w.store.delete_mailbox(w.user, &name("old/Archive")).await.expect("delete");
        assert!(w.get(Some(w.archive)).await.is_empty());
        assert!(matches!(w.set(Some(w.archive), "/shared/a", Some(b"3")).await, Err(Error::NoMailbox)));
        w.check();
    }
}

#[tokio::test]
async fn limits_of_annotations_hold_and_nothing_is_set_past_them() {
    for w in worlds().await {
        let whole = vec![0; MAX_ANNOTATION];
        w.set(None, "/private/big", Some(&whole)).await.expect("as long as may be");
        let longer = w.set(None, "/private/big", Some(&vec![0; MAX_ANNOTATION + 1])).await;
        assert!(matches!(longer, Err(Error::Limit(_))));
        let many = |from: usize| (from..MAX_ANNOTATIONS).map(|n| (format!("/private/{n}"), Some(b"x".to_vec())));
        w.store.set_metadata(w.user, None, many(1).collect()).await.expect("as many as may be");
        let two = vec![("/private/1".to_owned(), None), ("/private/x".to_owned(), Some(Vec::new()))];
        w.store.set_metadata(w.user, None, two).await.expect("one for another");
        let one_more =
            vec![("/private/2".to_owned(), Some(b"new".to_vec())), ("/private/y".to_owned(), Some(Vec::new()))];
        assert!(matches!(w.store.set_metadata(w.user, None, one_more).await, Err(Error::Limit(_))));
        assert_eq!(w.get(None).await["/private/2"], b"x");
        w.check();
    }
}

#[tokio::test]
async fn a_message_joins_the_conversation_of_the_first_id_that_is_known() {
    for w in worlds().await {
        let first = w.add(w.inbox, b"1", ["<a@x>", "", ""]).await.thread;
        assert_ne!(first, ThreadId(0));
        // An answer, one to a message that never came, and that message.
        assert_eq!(w.add(w.archive, b"2", ["<b@x>", "<a@x>", "<a@x>"]).await.thread, first);
        let lone = w.add(w.inbox, b"3", ["<d@x>", "<c@x>", ""]).await.thread;
        assert_ne!(lone, first);
        assert_eq!(w.add(w.inbox, b"4", ["<c@x>", "<a@x>", ""]).await.thread, lone);
        assert_eq!(w.add(w.inbox, b"5", ["<e@x>", "", "<z@x> <b@x> <y@x>"]).await.thread, first);
        assert_eq!(w.add(w.inbox, b"6", ["<f@x>", "<y@x>", ""]).await.thread, first);
        // Without any id the octets decide.
        let nameless = w.add(w.inbox, b"7", ["", "", ""]).await;
        assert!(![first, lone, ThreadId(0)].contains(&nameless.thread));
        assert_eq!(w.add(w.archive, b"7", ["", "", ""]).await.thread, nameless.thread);
        assert_ne!(w.add(w.archive, b"8", ["", "", ""]).await.thread, nameless.thread);
        // Copied and moved, it stays; to another user the same ids say nothing.
        let from = w.add(w.inbox, b"9", ["<g@x>", "<a@x>", ""]).await;
        let copied = w.store.copy(w.inbox, all(), w.archive).await.expect("copy").pairs;
        let (_, copy) = copied.into_iter().find(|(source, _)| *source == from.uid).expect("copied");
        assert_eq!(w.message(w.archive, copy).await.thread, first);
        let moved =
            w.store.move_messages(w.archive, [(copy.value(), copy.value())].into_iter().collect(), w.inbox).await;
        assert_eq!(w.message(w.inbox, moved.expect("move").pairs[0].1).await.thread, first);
        let bob = w.store.ensure_user("bob").await.expect("a user");
        let his = w.store.mailbox(bob, &MailboxName::inbox()).await.expect("read").expect("INBOX").id;
        let same = w.add(his, b"1", ["<a@x>", "", ""]).await;
        assert_ne!(same.thread, first);
        w.check();
    }
}

#[tokio::test]
async fn one_content_has_one_name_for_a_user_and_another_for_the_next() {
    for w in worlds().await {
        let ids = w.store.object_ids(w.user);
        let one = w.add(w.inbox, b"same", ["", "", ""]).await;
        let two = w.add(w.archive, b"same", ["", "", ""]).await;
        let other = w.add(w.inbox, b"other", ["", "", ""]).await;
        assert_eq!(ids.email(one.body), ids.email(two.body));
        assert_ne!(ids.email(one.body), ids.email(other.body));
        let bob = w.store.ensure_user("bob").await.expect("a user");
        let his = w.store.mailbox(bob, &MailboxName::inbox()).await.expect("read").expect("INBOX").id;
        let same = w.add(his, b"same", ["", "", ""]).await;
        assert_eq!(same.body, one.body);
        assert_ne!(w.store.object_ids(bob).email(same.body), ids.email(one.body));
    }
}

#[tokio::test]
async fn what_comes_into_a_mailbox_has_its_saved_date() {
    for w in worlds().await {
        let before = u32::try_from(clock::unix_now()).expect("a date");
        let added = w.add(w.inbox, b"1", ["", "", ""]).await;
        let copied = w.store.copy(w.inbox, all(), w.archive).await.expect("copy").pairs[0].1;
        let moved = w.store.move_messages(w.archive, all(), w.inbox).await.expect("move").pairs[0].1;
        assert_ne!(copied, moved);
        let account = w.store.ensure_account(w.user, "isp").await.expect("an account");
        let mut writer = w.store.body_writer().await.expect("a writer");
        writer.write(b"delivered").await.expect("write");
        let body = writer.finish(Record::default()).await.expect("durable");
        let (flags, internal_date) = (FlagList::default(), InternalDate::default());
        let message = NewMessage { body, flags, internal_date, account: Some(account) };
        let delivered = Delivery {
            account,
            mailbox: w.inbox,
            message,
            unique_id: None,
            listed_size: 9,
            header_hash: [0; 16],
            delete_upstream: false,
            reused: false,
            merge: None,
        };
        let Delivered::Stored(delivered) = w.store.deliver(delivered).await.expect("deliver") else {
            panic!("it is new");
        };
        for uid in [added.uid, moved, delivered] {
            assert!(w.message(w.inbox, uid).await.saved >= before);
        }
    }
}
