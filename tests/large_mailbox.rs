//! The bench of large mailboxes with a small one: it measures what it says.
#![allow(missing_docs, unreachable_pub, dead_code)]

#[path = "../benches/large_mailbox/client.rs"]
mod client;
#[path = "../benches/large_mailbox/filled.rs"]
mod filled;
#[path = "../benches/large_mailbox/measure.rs"]
mod measure;

use filled::Filled;
use measure::{Figure, TIMES};

const SIZE: u32 = 10_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bench_runs() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut column = measure::fill(dir.path(), SIZE).await;
    column.extend(measure::measure(dir.path()).await);
    assert!(column.len() > 20, "{column:?}");
    let times = column.iter().filter_map(|(name, figure)| match figure {
        Figure::Time(time) => Some((*name, *time)),
        Figure::Bytes(_) => None,
    });
    assert_eq!(times.filter(|(_, time)| time.is_zero()).collect::<Vec<_>>(), []);
    let filled = Filled::open(dir.path()).await;
    let repeated = u32::try_from(TIMES).expect("few");
    assert_eq!(filled.len().await, SIZE + repeated - 3 * 3 * repeated, "appended and expunged");
    let store = filled.store.clone();
    let problems = tokio::task::spawn_blocking(move || store.check()).await.expect("a task").expect("a check");
    assert_eq!(problems, Vec::<String>::new());
}
