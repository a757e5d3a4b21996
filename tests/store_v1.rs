//! A store that the first released schema wrote is opened, brought to the present schema, and holds what it held.
//!
//! `tests/data/store-v1` has both files, compressed, and `listing.txt`, which the version that wrote them made of them.

use std::path::Path;
use std::time::Duration;

use tributary::mail::{BodyId, ThreadId};
use tributary::store::{Settings, Store};

#[path = "store_v1/listing.rs"]
mod listing;

/// Its message is expunged, its octets are not collected.
const DEAD: BodyId = BodyId(42);

fn unpack(dir: &Path) -> Settings {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/store-v1");
    std::fs::create_dir(dir.join("data")).expect("a directory");
    for name in ["meta.redb", "blobs.redb"] {
        let packed = std::fs::read(data.join(format!("{name}.zst"))).expect("the data");
        let file = zstd::stream::decode_all(&packed[..]).expect("decompressed");
        std::fs::write(dir.join("data").join(name), file).expect("written");
    }
    let gc_grace = Duration::from_secs(1_000_000_000);
    Settings { data_dir: dir.join("data"), cache_bytes: 16 << 20, gc_grace }
}

#[tokio::test]
async fn a_store_of_version_1_holds_what_it_held() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let settings = unpack(dir.path());
    for opened in ["first", "again"] {
        let store = Store::open(&settings).expect("opens");
        let listed = listing::list(&store, &["alice", "bob"], DEAD).await;
        for (line, (found, wanted)) in listed.lines().zip(include_str!("data/store-v1/listing.txt").lines()).enumerate()
        {
            assert_eq!(found, wanted, "line {}, opened {opened}", line + 1);
        }
        assert_eq!(listed, include_str!("data/store-v1/listing.txt"));
        assert!(every_message_has_a_conversation(&store).await, "opened {opened}");
        assert_eq!(store.check().expect("check"), Vec::<String>::new());
        assert_eq!(store.check_octets().expect("check"), Vec::<String>::new());
        store.close().await.expect("closes");
    }
}

async fn every_message_has_a_conversation(store: &Store) -> bool {
    for name in ["alice", "bob"] {
        let user = store.ensure_user(name).await.expect("a user");
        for mailbox in store.mailboxes(user).await.expect("read") {
            let snapshot = store.watch(mailbox.id).await.expect("watch").current().expect("a version");
            if snapshot.iter().any(|m| m.thread == ThreadId(0)) {
                return false;
            }
        }
    }
    true
}
