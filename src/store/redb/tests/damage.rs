//! Files with flipped bits, torn ends and foreign content: each is refused, or what cannot be read is said to be damaged.
//! No panic gets out, and octets are never wrong.

use std::collections::BTreeMap;
use std::path::Path;

use super::*;
use crate::mail::BodyId;

/// Variants of each file; `TRIBUTARY_DAMAGE_VARIANTS` asks for more.
const VARIANTS: u64 = 150;
const MAILBOXES: [&str; 2] = ["INBOX", "Archive"];

/// What a store with damaged files did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// It was not opened.
    Refused,
    /// Some of it could not be read.
    ErrorWhenRead,
    /// All could be read; the check names what is wrong.
    FoundByCheck,
    /// All could be read, some of it differs, and the check does not see it.
    Unseen,
    Sound,
}

fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z ^ (z >> 27)
}

/// A closed store with some hundred messages, of which some were moved, flagged and expunged.
async fn whole() -> (tempfile::TempDir, Contents) {
    let f = fixture().await;
    let archive = f.store.mailbox(f.user, &name("Archive")).await.expect("read").expect("Archive").id;
    let account = f.store.ensure_account(f.user, "isp").await.expect("an account");
    let mut seed = 7;
    for n in 0..150u32 {
        let octets: Vec<u8> = (0..random(&mut seed) % 4000).flat_map(|_| random(&mut seed).to_le_bytes()).collect();
        let message = f.message(&octets).await;
        let delivery = Delivery {
            account,
            mailbox: f.inbox,
            message: NewMessage { account: Some(account), ..message },
            unique_id: Some(format!("id-{n}").into_bytes()),
            listed_size: 1,
            header_hash: [1; 16],
            delete_upstream: false,
            reused: false,
            merge: None,
        };
        f.store.deliver(delivery).await.expect("delivered");
    }
    f.store.set_flags(f.inbox, set(&[(1, 40)]), flags(FlagOp::Add, Flags::SEEN, &["work"])).await.expect("flags");
    f.store.move_messages(f.inbox, set(&[(10, 30)]), archive).await.expect("moved");
    f.store.set_flags(f.inbox, set(&[(31, 35)]), flags(FlagOp::Add, Flags::DELETED, &[])).await.expect("flags");
    f.store.expunge(f.inbox, None).await.expect("expunged");
    let contents = read_all(&f.store).await.expect("sound");
    f.store.close().await.expect("close");
    (f.dir, contents)
}

/// Flags and octets of every message by mailbox and UID.
type Contents = BTreeMap<(&'static str, u32), (Flags, Vec<u8>)>;

/// Reads everything that a client could ask for.
async fn read_all(store: &Store) -> Result<Contents> {
    let user = store.ensure_user("alice").await?;
    let mut contents = Contents::new();
    for mailbox in MAILBOXES {
        let id = store.mailbox(user, &name(mailbox)).await?.ok_or(Error::NoMailbox)?.id;
        let snapshot = store.watch(id).await?.current().ok_or(Error::NoMailbox)?;
        store.changes_since(id, ModSeq(1)).await?;
        for message in snapshot.iter() {
            let octets = read_body(store, message.body).await?;
            contents.insert((mailbox, message.uid.value()), (message.flags, octets));
        }
    }
    let account = store.ensure_account(user, "isp").await?;
    store.ledger(account).await?;
    store.sizes().await?;
    store.subscriptions(user).await?;
    Ok(contents)
}

async fn read_body(store: &Store, body: BodyId) -> Result<Vec<u8>> {
    let missing = || Error::Damaged("not there".to_owned());
    store
        .read(move |reader| {
            reader.record(body)?.ok_or_else(missing)?.to_owned();
            let (mut cursor, mut out) = (BodyCursor::new(body, 0..u64::MAX), Vec::new());
            while !cursor.is_done() {
                if !reader.read_body(&mut cursor, &mut out, 1 << 16)? {
                    return Err(missing());
                }
            }
            Ok(out)
        })
        .await
}

/// Opens what lies in `dir` and does all that can be done with it.
async fn try_out(dir: &Path, whole: &Contents) -> Outcome {
    let Ok(store) = Store::open(&settings(dir)) else { return Outcome::Refused };
    let read = read_all(&store).await;
    let checked = store.check();
    let octets = store.check_octets();
    if let Ok(contents) = &read {
        for (at, (_, octets)) in contents {
            let wrong = whole.get(at).is_some_and(|(_, want)| want != octets);
            assert!(!wrong, "the octets of {at:?} are wrong");
        }
    }
    // Whatever comes of it, a write must not take the process with it, nor may the end.
    if let Ok(user) = store.ensure_user("alice").await {
        drop(store.create_mailbox(user, &name("New"), None).await);
    }
    drop(store.collect().await);
    drop(store.close().await);
    let is_clean = |problems: &Result<Vec<String>>| problems.as_ref().is_ok_and(Vec::is_empty);
    match read {
        Err(_) => Outcome::ErrorWhenRead,
        Ok(contents) if is_clean(&checked) && is_clean(&octets) => {
            if contents == *whole {
                Outcome::Sound
            } else {
                Outcome::Unseen
            }
        }
        Ok(_) => Outcome::FoundByCheck,
    }
}

/// Damages a file in one of the ways in which disks, tools and people do.
fn damage(bytes: &mut Vec<u8>, seed: u64) -> String {
    let mut state = seed;
    let len = bytes.len() as u64;
    let at = match seed % 3 {
        // The header, where the most depends on each byte.
        0 => random(&mut state) % 320,
        _ => random(&mut state) % len,
    };
    let at = usize::try_from(at).expect("small");
    match random(&mut state) % 8 {
        0..4 => {
            bytes[at] ^= 1 << (random(&mut state) % 8);
            format!("a bit of byte {at}")
        }
        4 => {
            bytes[at] = (random(&mut state) % 256) as u8;
            format!("byte {at}")
        }
        5 => {
            let end = bytes.len().min(at + 512);
            bytes[at..end].fill(0);
            format!("zeros from {at} on")
        }
        6 => {
            let end = bytes.len().min(at + 4096);
            bytes[at..end].iter_mut().for_each(|byte| *byte = (random(&mut state) % 256) as u8);
            format!("noise from {at} on")
        }
        _ => {
            bytes.truncate(at);
            format!("cut off at {at}")
        }
    }
}

async fn damage_many(file: &str) {
    let variants = std::env::var("TRIBUTARY_DAMAGE_VARIANTS").ok().and_then(|n| n.parse().ok()).unwrap_or(VARIANTS);
    let (dir, contents) = whole().await;
    let sound =
        [open::META, open::BLOBS].map(|name| (name, std::fs::read(dir.path().join("data").join(name)).expect("read")));
    let mut outcomes: BTreeMap<Outcome, u64> = BTreeMap::new();
    for seed in 0..variants {
        let copy = tempfile::tempdir().expect("a temporary directory");
        std::fs::create_dir(copy.path().join("data")).expect("made");
        let mut what = String::new();
        for (name, bytes) in &sound {
            let mut bytes = bytes.clone();
            if *name == file {
                what = damage(&mut bytes, seed);
            }
            std::fs::write(copy.path().join("data").join(name), bytes).expect("written");
        }
        let outcome = try_out(copy.path(), &contents).await;
        if outcome == Outcome::Unseen {
            println!("{file}, variant {seed}: {what}: {outcome:?}");
        }
        *outcomes.entry(outcome).or_default() += 1;
    }
    println!("{file}: {variants} variants: {outcomes:?}");
}

#[tokio::test]
async fn a_damaged_meta_file_is_refused_or_told() {
    damage_many(open::META).await;
}

#[tokio::test]
async fn a_damaged_blobs_file_is_refused_or_told() {
    damage_many(open::BLOBS).await;
}
