//! Backup and restore.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::store::{BackupReport, Progress, RestoreReport};

fn quiet(_: Progress) {}

impl Fixture {
    fn backup(&self, target: &Path) -> Result<BackupReport> {
        self.store.backup(target, &["tls", "oauth"], &quiet)
    }

    fn target(&self) -> PathBuf {
        self.dir.path().join("backup")
    }

    /// Some of everything that a store has.
    async fn fill(&self) {
        let archive = self.store.mailbox(self.user, &name("Archive")).await.expect("read").expect("Archive").id;
        for n in 0..40u8 {
            self.add(&[n; 3000]).await;
        }
        self.add(&[7; 3000]).await;
        let change = flags(FlagOp::Add, Flags::SEEN, &["Work"]);
        self.store.set_flags(self.inbox, set(&[(3, 9)]), change).await.expect("store");
        self.store.move_messages(self.inbox, set(&[(20, 25)]), archive).await.expect("move");
        self.store
            .set_flags(self.inbox, set(&[(30, 35)]), flags(FlagOp::Add, Flags::DELETED, &[]))
            .await
            .expect("store");
        self.store.expunge(self.inbox, None).await.expect("expunge");
        self.store.set_subscribed(self.user, &name("elsewhere"), true).await.expect("subscribe");
        let account = self.store.ensure_account(self.user, "isp").await.expect("an account");
        let message = NewMessage { account: Some(account), ..self.message(b"from the maildrop").await };
        let delivery = Delivery {
            account,
            mailbox: self.inbox,
            message,
            unique_id: Some(b"uid-1".to_vec()),
            listed_size: 17,
            header_hash: [7; 16],
            delete_upstream: false,
            reused: false,
            merge: None,
        };
        self.store.deliver(delivery).await.expect("deliver");
    }
}

/// All that clients and pollers can see of a store, but for what a restore skips.
async fn picture(store: &Store) -> Vec<String> {
    let user = store.ensure_user("alice").await.expect("a user");
    let account = store.ensure_account(user, "isp").await.expect("an account");
    let mut lines = vec![format!("{:?}", store.subscriptions(user).await.expect("read"))];
    for mailbox in store.mailboxes(user).await.expect("read") {
        let counts = Counts { uid_next: 0, recent_from: 0, ..mailbox.counts };
        lines.push(format!("{} {} {:?} {counts:?}", mailbox.name, mailbox.uid_validity.value(), mailbox.special_use));
        let snapshot = store.watch(mailbox.id).await.expect("watch").current().expect("a version");
        lines.push(format!("{:?}", snapshot.keywords));
        lines.extend(snapshot.iter().map(|m| format!("{m:?}")));
        lines.push(format!("{:?}", store.changes_since(mailbox.id, ModSeq(0)).await.expect("read").vanished));
    }
    let mut ledger: Vec<_> = store.ledger(account).await.expect("read").into_iter().collect();
    ledger.sort_by(|one, other| one.0.cmp(&other.0));
    lines.push(format!("{ledger:?}"));
    lines
}

fn sound(store: &Store) {
    assert_eq!(store.check().expect("check"), Vec::<String>::new());
    assert_eq!(store.check_octets().expect("check"), Vec::<String>::new());
}

fn restore(from: &Path, home: &Path) -> Result<RestoreReport> {
    Store::restore(&settings(home), from, &["tls", "oauth"], &quiet)
}

fn copy_all(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("read") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            std::fs::copy(&path, to.join(path.file_name().expect("a name"))).expect("copy");
        }
    }
}

#[tokio::test]
async fn what_was_backed_up_comes_back_as_it_was() {
    let f = fixture().await;
    f.fill().await;
    std::fs::create_dir_all(f.dir.path().join("data/oauth/alice")).expect("a directory");
    std::fs::write(f.dir.path().join("data/oauth/alice/isp.json"), "token").expect("a file");
    let before = picture(&f.store).await;
    let report = f.backup(&f.target()).expect("backup");
    assert_eq!((report.messages, report.bodies, report.copied, report.removed), (36, 35, 35, 0));
    assert_eq!(report.problems, Vec::<String>::new());
    use std::os::unix::fs::PermissionsExt;
    for (file, mode) in [("", 0o700), ("meta.redb", 0o600), ("blobs.redb", 0o600), ("oauth/alice/isp.json", 0o600)] {
        let found = std::fs::metadata(f.target().join(file)).expect("there").permissions().mode() & 0o777;
        assert_eq!(found, mode, "{file}");
    }

    let home = tempfile::tempdir().expect("a temporary directory");
    let restored = restore(&f.target(), home.path()).expect("restore");
    assert_eq!((restored.messages, restored.bodies, restored.problems.len()), (36, 35, 0));
    assert_eq!(std::fs::read(home.path().join("data/oauth/alice/isp.json")).expect("a file"), b"token");
    let store = Store::open(&settings(home.path())).expect("the restored store");
    assert_eq!(picture(&store).await, before);
    sound(&store);
    let g = Fixture { store, user: f.user, inbox: f.inbox, dir: home };
    assert_eq!(g.read_back(g.inbox, uid(5)).await, [4; 3000]);

    // A backup of a store that was restored goes on where those of the first one ended.
    let report = g.backup(&f.target()).expect("backup");
    assert_eq!((report.bodies, report.copied, report.problems.len()), (35, 0, 0));
}

/// What was given out between the backup and the loss of the store is not given out again.
#[tokio::test]
async fn a_restored_store_gives_nothing_out_twice() {
    let f = fixture().await;
    f.fill().await;
    f.backup(&f.target()).expect("backup");
    let lost_uid = f.add(b"lost").await;
    let lost = f.counts(f.inbox).await;
    let made = f.store.create_mailbox(f.user, &name("lost"), None).await.expect("create");
    let validity = f.store.mailbox(f.user, &name("lost")).await.expect("read").expect("it").uid_validity;

    let home = tempfile::tempdir().expect("a temporary directory");
    restore(&f.target(), home.path()).expect("restore");
    let store = Store::open(&settings(home.path())).expect("the restored store");
    let g = Fixture { store, user: f.user, inbox: f.inbox, dir: home };
    assert!(g.counts(g.inbox).await.highest_mod_seq < lost.highest_mod_seq, "nothing is seen to have changed");
    assert_eq!(g.counts(g.inbox).await.uid_next, lost.uid_next - 1 + 100_000);
    assert!(g.add(b"other").await > lost_uid);
    assert!(g.counts(g.inbox).await.highest_mod_seq > lost.highest_mod_seq);
    assert!(g.store.create_mailbox(g.user, &name("lost"), None).await.expect("create") > made);
    let other = g.store.mailbox(g.user, &name("lost")).await.expect("read").expect("it").uid_validity;
    assert!(other.value() > validity.value());
    sound(&g.store);
}

#[tokio::test]
async fn a_second_backup_copies_what_is_new_and_removes_what_is_gone() {
    let f = fixture().await;
    f.fill().await;
    f.backup(&f.target()).expect("backup");
    f.add(b"new").await;
    f.store.set_flags(f.inbox, set(&[(1, 2)]), flags(FlagOp::Add, Flags::DELETED, &[])).await.expect("store");
    f.store.expunge(f.inbox, None).await.expect("expunge");
    let before = picture(&f.store).await;
    let report = f.backup(&f.target()).expect("backup");
    assert_eq!((report.bodies, report.copied, report.removed), (34, 1, 2));
    assert_eq!(report.problems, Vec::<String>::new());
    let home = tempfile::tempdir().expect("a temporary directory");
    copy_all(&f.target(), &home.path().join("data"));
    let store = Store::open(&settings(home.path())).expect("the backup is a data directory");
    assert_eq!(picture(&store).await, before);
    sound(&store);
}

/// Images of the target, taken at every report of progress, are what a cut at that moment leaves.
#[tokio::test]
async fn a_backup_that_is_cut_leaves_the_one_before() {
    let f = fixture().await;
    f.fill().await;
    f.backup(&f.target()).expect("backup");
    let before = picture(&f.store).await;
    // In flight when the first backup was made, placed and gone when the second is.
    for n in 0..1500u32 {
        f.add(&n.to_le_bytes()).await;
    }
    f.store.set_flags(f.inbox, set(&[(1, 2)]), flags(FlagOp::Add, Flags::DELETED, &[])).await.expect("store");
    f.store.expunge(f.inbox, None).await.expect("expunge");
    let images = Mutex::new(Vec::new());
    let taken = |progress: Progress| {
        let mut images = lock(&images);
        let home = f.dir.path().join(format!("image-{}", images.len()));
        copy_all(&f.target(), &home.join("data"));
        images.push((progress.phase, home));
    };
    f.store.backup(&f.target(), &[], &taken).expect("backup");
    let images = images.into_inner().expect("no panic");
    assert!(images.len() >= 4, "{images:?}");
    for (phase, home) in &images {
        let to = home.join("restored");
        restore(&home.join("data"), &to).unwrap_or_else(|e| panic!("{phase}: {e}"));
        let store = Store::open(&settings(&to)).expect("the restored store");
        assert_eq!(picture(&store).await, before, "{phase}");
        sound(&store);
        store.close().await.expect("close");
        // The next backup goes on with what the cut one has copied.
        let report = f.store.backup(&home.join("data"), &[], &quiet).expect("backup");
        assert_eq!(report.problems, Vec::<String>::new(), "{phase}");
        let store = Store::open(&settings(home)).expect("the backup is a data directory");
        sound(&store);
    }
}

#[tokio::test]
async fn a_first_backup_that_is_cut_goes_on_and_belongs_to_its_store() {
    let f = fixture().await;
    f.fill().await;
    f.backup(&f.target()).expect("backup");
    std::fs::remove_file(f.target().join("meta.redb")).expect("remove");
    let refused = restore(&f.target(), f.dir.path()).expect_err("not finished").to_string();
    assert!(refused.contains("no backup that was finished"), "{refused}");
    let other = fixture().await;
    let refused = other.backup(&f.target()).expect_err("of another store").to_string();
    assert!(refused.contains("another store"), "{refused}");
    let report = f.backup(&f.target()).expect("backup");
    assert_eq!((report.copied, report.copied_bytes, report.problems.len()), (35, 0, 0));
    std::fs::remove_file(f.target().join("meta.redb")).expect("remove");
    std::fs::remove_file(f.target().join(super::super::target::LOCK)).expect("remove");
    assert!(f.backup(&f.target()).is_err(), "nobody's");
}

#[tokio::test]
async fn a_target_that_will_not_do_is_refused() {
    let f = fixture().await;
    let other = fixture().await;
    f.backup(&f.target()).expect("backup");
    let home = f.dir.path();
    std::fs::write(home.join("file"), "x").expect("a file");
    std::fs::create_dir(home.join("full")).expect("a directory");
    std::fs::write(home.join("full/letter.txt"), "x").expect("a file");
    std::os::unix::fs::symlink(home.join("data"), home.join("link")).expect("a link");
    std::fs::write(home.join("data/file"), "x").expect("a file");
    for (target, why) in [
        ("file", "it is a file"),
        ("full", "other things (letter.txt)"),
        ("data", "data directory itself"),
        ("data/backup", "data directory itself"),
        ("data/not/yet", "data directory itself"),
        ("link", "data directory itself"),
        ("link/backup", "data directory itself"),
    ] {
        let refused = f.backup(&home.join(target)).expect_err(target).to_string();
        assert!(refused.contains(why), "{target}: {refused}");
    }
    assert!(!home.join("data/backup").exists());
    let refused = other.backup(&f.target()).expect_err("of another store").to_string();
    assert!(refused.contains("another store"), "{refused}");
    let held = super::super::directory::lock_file(&f.target().join(super::super::target::LOCK)).expect("opened");
    let refused = f.backup(&f.target()).expect_err("locked").to_string();
    assert!(refused.contains("another backup or restore is using it"), "{refused}");
    drop(held);
    std::fs::write(f.target().join("meta.redb.new"), "left by a cut").expect("a file");
    assert_eq!(f.backup(&f.target()).expect("backup").problems, Vec::<String>::new());
    assert!(!f.target().join("meta.redb.new").exists());
}

#[tokio::test]
async fn a_body_that_is_damaged_is_told_and_what_the_backup_has_of_it_stays() {
    let f = fixture().await;
    f.add(b"first").await;
    f.backup(&f.target()).expect("backup");
    let second = f.add(&[9; 5000]).await;
    let snapshot = f.store.watch(f.inbox).await.expect("watch").current().expect("a version");
    let (first, second) = (snapshot.find(uid(1)).expect("it").body.0, snapshot.find(second).expect("it").body.0);
    f.store.close().await.expect("close");
    let blobs = redb::Database::open(f.dir.path().join("data/blobs.redb")).expect("opened");
    let write = blobs.begin_write().expect("begun");
    for body in [first, second] {
        write.open_table(schema::TAIL).expect("a table").insert((body, 0), &b"nonsense"[..]).expect("written");
    }
    write.commit().expect("durable");
    drop(blobs);
    let store = Store::open(&settings(f.dir.path())).expect("the same store");
    let report = store.backup(&f.target(), &[], &quiet).expect("backup");
    assert_eq!(report.problems, [format!("the octets of body {second} are not what was stored")]);
    let home = tempfile::tempdir().expect("a temporary directory");
    let restored = restore(&f.target(), home.path()).expect("restore");
    assert_eq!(restored.problems, report.problems);
    let store = Store::open(&settings(home.path())).expect("the restored store");
    let g = Fixture { store, user: f.user, inbox: f.inbox, dir: home };
    assert_eq!(g.read_back(g.inbox, uid(1)).await, b"first");
}

#[tokio::test]
async fn a_restore_needs_a_directory_without_a_store() {
    let f = fixture().await;
    f.fill().await;
    f.backup(&f.target()).expect("backup");
    let refused = restore(&f.target(), f.dir.path()).expect_err("in use").to_string();
    assert!(refused.contains("holds a store already"), "{refused}");
    for missing in ["meta.redb", "blobs.redb"] {
        let dir = f.dir.path().join(format!("without-{missing}"));
        copy_all(&f.target(), &dir);
        std::fs::remove_file(dir.join(missing)).expect("remove");
        let home = f.dir.path().join("nothing");
        let refused = restore(&dir, &home).expect_err("half").to_string();
        assert!(refused.contains(missing), "{refused}");
        assert!(!home.exists());
    }

    // Cut at any moment: no service begins on half a store, and the next restore makes it whole.
    let images = Mutex::new(Vec::new());
    let home = tempfile::tempdir().expect("a temporary directory");
    let taken = |_: Progress| {
        let mut images = lock(&images);
        let image = f.dir.path().join(format!("cut-{}", images.len()));
        copy_all(&home.path().join("data"), &image.join("data"));
        images.push(image);
    };
    Store::restore(&settings(home.path()), &f.target(), &[], &taken).expect("restore");
    let mut images = images.into_inner().expect("no panic");
    let last = images.last().expect("an image").clone();
    let after_blobs = f.dir.path().join("cut-late");
    copy_all(&last.join("data"), &after_blobs.join("data"));
    std::fs::rename(after_blobs.join("data/blobs.redb.new"), after_blobs.join("data/blobs.redb")).expect("rename");
    images.push(after_blobs);
    for image in images {
        let refused = Store::open(&settings(&image)).expect_err("half").to_string();
        assert!(refused.contains("tributary restore"), "{refused}");
        restore(&f.target(), &image).expect("restore");
        let store = Store::open(&settings(&image)).expect("the restored store");
        assert_eq!(picture(&store).await, picture(&f.store).await);
        sound(&store);
    }
}

/// Appends, flags, expunges and the collector until it is told to stop.
async fn churn(store: Store, inbox: MailboxId, seed: u32, stop: Arc<AtomicBool>) {
    let mut n = seed;
    while !stop.load(Ordering::Relaxed) {
        n += 2;
        let mut writer = store.body_writer().await.expect("a writer");
        writer.write(&n.to_le_bytes().repeat(1 + n as usize % 3000)).await.expect("write");
        let body = writer.finish(record(b"e")).await.expect("durable");
        let internal_date = InternalDate { unix: 1_000_000_000, offset_minutes: 0 };
        let message = NewMessage { body, flags: FlagList::default(), internal_date, account: None };
        let uid = store.append(inbox, vec![message]).await.expect("append").uids[0].value();
        let flag = if n.is_multiple_of(3) { Flags::DELETED } else { Flags::SEEN };
        store.set_flags(inbox, set(&[(uid / 2, uid)]), flags(FlagOp::Add, flag, &[])).await.expect("store");
        if n % 5 < 2 {
            store.expunge(inbox, None).await.expect("expunge");
            store.collect().await.expect("collect");
        }
    }
}

/// Deliveries, flags, expunges and the collector go on while backups are made one after the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backups_under_load_are_consistent() {
    let f = fixture().await;
    f.fill().await;
    let stop = Arc::new(AtomicBool::new(false));
    let load = [0, 1].map(|seed| tokio::spawn(churn(f.store.clone(), f.inbox, seed, Arc::clone(&stop))));
    for round in 0..6 {
        let (store, target) = (f.store.clone(), f.target());
        let report = tokio::task::spawn_blocking(move || store.backup(&target, &[], &quiet)).await.expect("no panic");
        assert_eq!(report.expect("backup").problems, Vec::<String>::new());
        let home = f.dir.path().join(format!("home-{round}"));
        assert_eq!(restore(&f.target(), &home).expect("restore").problems, Vec::<String>::new());
        let store = Store::open(&settings(&home)).expect("the restored store");
        sound(&store);
    }
    stop.store(true, Ordering::Relaxed);
    for worker in load {
        worker.await.expect("no panic");
    }
    f.store.collect().await.expect("collect");
    sound(&f.store);
}
