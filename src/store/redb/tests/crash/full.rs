//! A disk without room, without permission, in use by another, or with less on it than there was.

use super::super::super::disk::{FileSystem, clear, is_new};
use super::super::super::shadow::Shadow;
use super::sim::{Event, Plan, apply_write};
use super::*;
use crate::store::redb::Disk;
use ::redb::StorageBackend;

/// A store that has done the work, on its disk.
async fn after_work() -> (Sim, Store, World) {
    let sim = Sim::default();
    let store = open_on(&sim).expect("a new store");
    let mut worlds = vec![World::default()];
    for step in work::steps() {
        let outcomes = work::run(&store, &step).await;
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
        worlds = after(&worlds, &step, &outcomes);
    }
    let world = verify(&store, &worlds, "before").await;
    (sim, store, world)
}

/// The number of each content.
static EACH: [u8; 100] = {
    let (mut each, mut n) = ([0; 100], 0);
    while n < each.len() {
        each[n] = n as u8;
        n += 1;
    }
    each
};

/// Mail comes until three messages were refused; then there is room again.
async fn fill(plan: Plan, at: &str) {
    let (sim, store, world) = after_work().await;
    let mut worlds = vec![world];
    sim.plan(plan);
    let (mut refused, mut new) = (0, 12..EACH.len());
    while refused < 3 {
        let n = new.next().unwrap_or_else(|| panic!("{at}: the disk does not fill"));
        let flags = 1 << (n % 5);
        let steps = [
            Op::Append { user: 0, to: "Sent", contents: &EACH[n..=n], flags: 0 },
            Op::Flags { user: 1, of: "Archive", range: (1, 9), op: FlagOp::Replace, flags, keyword: None },
        ];
        for op in steps.chunks(1) {
            let outcomes = work::run(&store, op).await;
            assert!(matches!(outcomes[0], Ok(()) | Err(Error::NoSpace)), "{at}: {outcomes:?}");
            refused += usize::from(outcomes[0].is_err());
            let allowed = after(&worlds, op, &outcomes);
            // All of the mail is read, every octet.
            worlds = vec![verify(&store, &allowed, &format!("{at}, {n}, {refused} refused")).await];
        }
    }
    sim.plan(Plan::default());
    let step = [Op::Append { user: 1, to: "INBOX", contents: &[10, 3], flags: 0 }];
    let outcomes = work::run(&store, &step).await;
    assert!(outcomes[0].is_ok(), "{at}: {outcomes:?} once there is room");
    worlds = after(&worlds, &step, &outcomes);
    store.collect().await.expect("collected once there is room");
    worlds = vec![verify(&store, &worlds, &format!("{at}, once there is room")).await];
    store.close().await.expect("close");
    drop(store);
    verify(&open_on(&sim).expect("opened again"), &worlds, &format!("{at}, opened again")).await;
}

#[tokio::test]
async fn mail_is_read_while_the_disk_is_full() {
    for room in (0..40).filter(|room| is_chosen(*room, 8)) {
        fill(Plan { room: Some(room), ..Plan::default() }, &format!("room for {room} pages")).await;
    }
    fill(Plan { is_fixed: true, ..Plan::default() }, "files that cannot grow").await;
}

fn refusal(sim: &Sim) -> String {
    open_on(sim).err().map(|e| e.to_string()).expect("refused")
}

#[tokio::test]
async fn what_cannot_be_opened_is_refused_and_left_alone() {
    let (sim, store, world) = after_work().await;
    assert!(refusal(&sim).contains("in use by another process"), "{}", refusal(&sim));
    store.close().await.expect("close");
    drop(store);
    let before = sim.files();
    sim.plan(Plan { is_read_only: true, ..Plan::default() });
    assert!(refusal(&sim).contains("cannot be written"), "{}", refusal(&sim));
    sim.plan(Plan::default());
    assert_eq!(sim.files(), before);
    verify(&open_on(&sim).expect("opened again"), &[world], "after refusals").await;
}

#[tokio::test]
async fn a_file_that_is_cut_off_is_refused_or_whole() {
    let (sim, store, world) = after_work().await;
    store.close().await.expect("close");
    drop(store);
    let files = sim.files();
    for which in [0, 1] {
        let len = files[which].as_ref().map_or(0, Vec::len);
        for cut in [0, 1, 9, 100, 320, 512, 4096].into_iter().chain((1..20).map(|n| len * n / 20)).chain([len - 1]) {
            let mut files = files.clone();
            files[which].as_mut().expect("a file").truncate(cut);
            let sim = Sim::with(files);
            match open_on(&sim) {
                Ok(store) => drop(verify(&store, std::slice::from_ref(&world), &format!("{which} cut at {cut}")).await),
                Err(e) => assert!(matches!(e, Error::Internal(_) | Error::Damaged(_)), "{which} cut at {cut}: {e}"),
            }
        }
    }
}

/// A sector that cannot be read costs those who read it, and nobody after them, though nothing is written.
#[tokio::test]
async fn a_read_that_fails_fails_no_other() {
    let (sim, store, world) = after_work().await;
    store.close().await.expect("close");
    drop(store);
    let store = open_cold(&sim).expect("opened again");
    let mut failed = 0;
    for read in (0..).step_by(7) {
        let at = format!("read {read}");
        sim.plan(Plan { read_fails_at: Some(read), ..Plan::default() });
        let first = model::read(&store).await.and_then(|_| store.check_octets());
        if sim.state().failed == 0 {
            break;
        }
        failed += usize::from(!matches!(first, Ok(problems) if problems.is_empty()));
        verify(&store, std::slice::from_ref(&world), &at).await;
    }
    assert!(failed > 10, "{failed}");
}

#[test]
fn a_shadow_is_the_file_with_what_was_written() {
    let mut rng = chance(1);
    let sim = Sim::with([Some((0..20_000u32).map(|n| n as u8).collect()), None]);
    let mut expected = sim.files()[0].clone().expect("a file");
    let before = expected.clone();
    let file = sim.open(Path::new(super::super::open::META), false).expect("open").expect("a file");
    let shadow = Shadow::new(file).expect("a shadow");
    for _ in 0..2_000 {
        let (offset, len) = (rng.random_range(0..30_000), rng.random_range(1..9_000));
        match rng.random_range(0..4) {
            0 => {
                shadow.set_len(offset).expect("set");
                expected.resize(offset as usize, 0);
            }
            1 => {
                let data: Vec<u8> = (0..len).map(|_| rng.random()).collect();
                shadow.write(offset, &data).expect("written");
                apply_write(&mut expected, offset, &data);
            }
            _ => {
                let mut out = vec![1; len as usize];
                let range = offset as usize..(offset + len) as usize;
                match (shadow.read(offset, &mut out), expected.get(range)) {
                    (Ok(()), Some(expected)) => assert_eq!(out, expected),
                    (Err(e), None) => assert_eq!(e.kind(), std::io::ErrorKind::UnexpectedEof),
                    (read, there) => panic!("{read:?}, {}", there.is_some()),
                }
            }
        }
        assert_eq!(shadow.len().expect("a length"), expected.len() as u64);
    }
    assert_eq!(sim.files()[0].as_ref(), Some(&before), "nothing reached the file");
}

#[test]
fn only_what_was_never_used_is_new() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("below").join("meta.redb");
    let disk = FileSystem;
    disk.make_dir(path.parent().expect("a parent")).expect("made");
    assert!(is_new(&disk, &path).expect("read") && !path.exists());
    let is_new = |content: &[u8]| {
        std::fs::write(&path, content).expect("written");
        let is_new = is_new(&disk, &path).expect("read");
        let len = || std::fs::metadata(&path).expect("there").len() as usize;
        assert_eq!(len(), content.len());
        clear(&disk, &path).expect("cleared, if it is new");
        (is_new, len())
    };
    assert_eq!(is_new(&[]), (true, 0));
    // A creation that was cut short: no first bytes, nothing behind the header.
    assert_eq!(is_new(&vec![0; 200_000]), (true, 0));
    assert_eq!(is_new(&[&[0; 9], &[7; 400][..], &vec![0; 100_000]].concat()), (true, 0));
    // A header that was lost, and what it stood before.
    assert_eq!(is_new(&[&[0; 4096], &[0; 90_000][..], &[1]].concat()), (false, 94_097));
    assert_eq!(is_new(&[0, 0, 0, 0, 1].repeat(1000)), (false, 5000));
    assert_eq!(is_new(b"redb"), (false, 4));
}

/// The entries of both files are durable before anything else is.
#[tokio::test]
async fn the_directory_is_synced_before_the_schema_is_written() {
    let sim = Sim::default();
    sim.state().log = Some(Vec::new());
    drop(open_on(&sim).expect("a new store"));
    let log = sim.state().log.take().expect("a log");
    let at = |wanted: fn(&Event) -> bool| log.iter().position(wanted).expect("in the log");
    let synced = at(|event| matches!(event, Event::SyncDir));
    assert!(
        at(|event| matches!(event, Event::Create(0))) < synced
            && at(|event| matches!(event, Event::Create(1))) < synced
    );
    let is_schema = |event: &Event| match event {
        Event::Write(0, _, data) => data.windows(14).any(|bytes| bytes == b"schema_version"),
        _ => false,
    };
    assert!(synced < log.iter().position(is_schema).expect("the schema"));
}
