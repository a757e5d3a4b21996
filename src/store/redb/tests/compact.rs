//! Compaction while the store is in use.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::*;
use crate::store::Progress;

fn quiet(_: Progress) {}

/// Octets that do not compress.
fn noise(seed: u32, len: usize) -> Vec<u8> {
    let mut state = u64::from(seed) + 1;
    let step = std::iter::repeat_with(move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    });
    step.take(len).collect()
}

fn sound(store: &Store) {
    assert_eq!(store.check().expect("check"), Vec::<String>::new());
    assert_eq!(store.check_octets().expect("check"), Vec::<String>::new());
}

/// 400 messages, of which the first 350 are gone.
async fn holey() -> Fixture {
    let f = fixture().await;
    for n in 0..400 {
        f.add(&noise(n, 20_000)).await;
    }
    f.store.set_flags(f.inbox, set(&[(1, 350)]), flags(FlagOp::Add, Flags::DELETED, &[])).await.expect("store");
    f.store.expunge(f.inbox, None).await.expect("expunge");
    f.store.collect().await.expect("collect");
    f
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn room_that_nothing_uses_goes_back_to_the_disk() {
    let mut f = holey().await;
    let report = tokio::task::block_in_place(|| f.store.compact(&quiet)).expect("compact");
    let sizes = f.store.sizes().await.expect("sizes");
    assert_eq!((report.meta_after, report.blobs_after), (sizes.meta, sizes.blobs));
    assert!(report.blobs_after * 3 < report.blobs_before, "{report:?}");
    assert!(report.meta_after <= report.meta_before, "{report:?}");
    sound(&f.store);
    assert_eq!(f.read_back(f.inbox, uid(351)).await, noise(350, 20_000));
    let added = f.add(b"after").await;
    f.store.close().await.expect("close");
    f.store = Store::open(&settings(f.dir.path())).expect("the same store");
    assert_eq!(f.read_back(f.inbox, added).await, b"after");
    sound(&f.store);
    let again = tokio::task::block_in_place(|| f.store.compact(&quiet)).expect("compact");
    assert!(again.blobs_after <= again.blobs_before, "{again:?}");
}

/// Readers and writers notice nothing: every message that was acknowledged is there, unread ones stay so.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_while_it_is_in_use() {
    let f = Arc::new(holey().await);
    let stop = Arc::new(AtomicBool::new(false));
    let acknowledged = Arc::new(AtomicU32::new(0));
    let mut load = Vec::new();
    for worker in 0..3u32 {
        let (f, stop, acknowledged) = (Arc::clone(&f), Arc::clone(&stop), Arc::clone(&acknowledged));
        load.push(tokio::spawn(async move {
            let (mut n, mut added) = (0, Vec::new());
            while !stop.load(Ordering::Relaxed) {
                n += 1;
                let octets = noise(worker * 1_000_000 + n, 10 + (n as usize * 977) % 40_000);
                let uid = f.add(&octets).await;
                acknowledged.fetch_add(1, Ordering::Relaxed);
                assert_eq!(f.read_back(f.inbox, uid).await, octets);
                let one = set(&[(uid.value(), uid.value())]);
                if n % 4 == 0 {
                    let change = flags(FlagOp::Add, Flags::DELETED, &[]);
                    f.store.set_flags(f.inbox, one.clone(), change).await.expect("store");
                    assert_eq!(f.store.expunge(f.inbox, Some(one)).await.expect("expunge").len(), 1);
                } else {
                    added.push((uid, octets));
                }
                assert_eq!(f.read_back(f.inbox, super::uid(360)).await, noise(359, 20_000));
            }
            added
        }));
    }
    for _ in 0..5 {
        let before = acknowledged.load(Ordering::Relaxed);
        let store = f.store.clone();
        let report = tokio::task::spawn_blocking(move || store.compact(&quiet)).await.expect("no panic");
        assert!(report.expect("compact").waited < Duration::from_secs(5));
        while acknowledged.load(Ordering::Relaxed) < before + 10 {
            tokio::task::yield_now().await;
        }
        f.store.collect().await.expect("collect");
    }
    stop.store(true, Ordering::Relaxed);
    let mut kept = Vec::new();
    for worker in load {
        kept.extend(worker.await.expect("no panic"));
    }
    f.store.collect().await.expect("collect");
    sound(&f.store);
    f.store.close().await.expect("close");
    let store = Store::open(&settings(f.dir.path())).expect("the same store");
    sound(&store);
    let f = Arc::into_inner(f).expect("the load has ended");
    let f = Fixture { store, ..f };
    for (uid, octets) in kept {
        assert_eq!(f.read_back(f.inbox, uid).await, octets);
    }
}

/// Images of the directory, taken at every report of progress, are what a crash at that moment leaves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_leaves_the_store_whole_and_what_is_left_over_is_removed() {
    let f = holey().await;
    let data = f.dir.path().join("data");
    let images = Mutex::new(Vec::new());
    let taken = |progress: Progress| {
        let mut images = lock(&images);
        let home = f.dir.path().join(format!("image-{}", images.len()));
        std::fs::create_dir_all(home.join("data")).expect("a directory");
        for name in ["meta.redb", "blobs.redb", "meta.redb.new", "blobs.redb.new"] {
            if data.join(name).exists() {
                std::fs::copy(data.join(name), home.join("data").join(name)).expect("copy");
            }
        }
        images.push((progress.phase, home));
    };
    tokio::task::block_in_place(|| f.store.compact(&taken)).expect("compact");
    let images = images.into_inner().expect("no panic");
    assert!(images.iter().any(|(_, home)| home.join("data/blobs.redb.new").exists()));
    assert!(images.iter().any(|(_, home)| home.join("data/meta.redb.new").exists()));
    for (phase, home) in images {
        let store = Store::open(&settings(&home)).unwrap_or_else(|e| panic!("{phase}: {e}"));
        assert_eq!(store.sizes().await.expect("sizes").messages, 50, "{phase}");
        sound(&store);
        for name in ["meta.redb.new", "blobs.redb.new"] {
            assert!(!home.join("data").join(name).exists(), "{phase}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_room_for_the_copy_the_file_stays_as_it_was() {
    let mut f = holey().await;
    f.store.close().await.expect("close");
    let disk = full_disk::FullDisk::default();
    f.store = Store::open_on(&settings(f.dir.path()), Arc::new(disk.clone())).expect("the same store");
    for file in [open::META, open::BLOBS] {
        let path = directory::unfinished(&f.dir.path().join("data").join(file));
        let filling = |progress: Progress| {
            if progress.phase == "copying messages" || file == open::META {
                disk.set_full(&path, true);
            }
        };
        assert!(tokio::task::block_in_place(|| f.store.compact(&filling)).is_err(), "{file}");
        disk.set_full(&path, false);
        assert!(!path.exists(), "{file}");
        f.add(b"goes on").await;
        sound(&f.store);
    }
    let report = tokio::task::block_in_place(|| f.store.compact(&quiet)).expect("compact");
    assert!(report.blobs_after <= report.blobs_before);
    sound(&f.store);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_upkeep_command_at_a_time_and_the_collector_rests_meanwhile() {
    let f = holey().await;
    let (store, target) = (f.store.clone(), f.dir.path().join("backup"));
    let refused = Mutex::new(None);
    let during = |_: Progress| {
        lock(&refused).get_or_insert_with(|| store.backup(&target, &[], &quiet).expect_err("busy").to_string());
    };
    tokio::task::block_in_place(|| f.store.compact(&during)).expect("compact");
    let refused = refused.into_inner().expect("no panic").expect("told");
    assert!(refused.contains("a compaction is running"), "{refused}");
    let resting = f.store.0.shared.upkeep.rest();
    f.store.set_flags(f.inbox, set(&[(360, 369)]), flags(FlagOp::Add, Flags::DELETED, &[])).await.expect("store");
    f.store.expunge(f.inbox, None).await.expect("expunge");
    assert_eq!(f.store.collect().await.expect("collect"), 0);
    drop(resting);
    assert_eq!(f.store.collect().await.expect("collect"), 10);
}
