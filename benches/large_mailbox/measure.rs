//! What is measured of one large mailbox.

use std::path::Path;
use std::time::{Duration, Instant};

use tributary::mail::{FlagList, FlagOp, Flags, MailboxName, ModSeq, Uid, UidSet};
use tributary::store::FlagChange;

use crate::client::Client;
use crate::filled::{Filled, message};

/// Repetitions of what is not done for the first time; the median counts.
pub const TIMES: usize = 7;
/// Sessions that have the mailbox selected and wait.
const IDLERS: u64 = 100;

/// What one row of the table says.
#[derive(Clone, Copy, Debug)]
pub enum Figure {
    Time(Duration),
    Bytes(u64),
}

/// Names and figures, in the order in which they were measured.
pub type Column<Name = &'static str> = Vec<(Name, Figure)>;

/// The middle of several runs of `run`, of which each returns what it took.
macro_rules! median {
    ($times:expr, $run:block) => {{
        let mut took = Vec::new();
        for _ in 0..$times {
            let started = Instant::now();
            $run;
            took.push(started.elapsed());
        }
        took.sort();
        Figure::Time(took[took.len() / 2])
    }};
}

/// Fills the mailbox up to `size`.
pub async fn fill(dir: &Path, size: u32) -> Column {
    let filled = Filled::open(dir).await;
    let have = filled.len().await;
    let started = Instant::now();
    filled.fill(size).await;
    let took = started.elapsed();
    filled.store.close().await.expect("closed");
    let each = (have < size).then(|| Figure::Time(took / (size - have)));
    each.map(|each| ("delivery of one message", each)).into_iter().collect()
}

/// Measures a mailbox that was filled.
pub async fn measure(dir: &Path) -> Column {
    let mut column = Column::new();
    let filled = Filled::open(dir).await;
    column.push(("opening", Figure::Time(filled.opened_in)));
    column.push(("memory after opening", Figure::Bytes(resident())));
    imap(&filled, dir, &mut column).await;
    store(&filled, &mut column).await;
    filled.store.close().await.expect("closed");
    column
}

/// What a client sees.
async fn imap(filled: &Filled, dir: &Path, column: &mut Column) {
    let served = filled.serve(dir).await;
    let address = served.address;
    column.push(("login", median!(TIMES, { Client::login(address).await })));
    let mut client = Client::login(address).await;
    column.push(("SELECT, first", median!(1, { client.run("SELECT INBOX").await })));
    column.push(("memory with it selected", Figure::Bytes(resident())));
    let mut other = Client::login(address).await;
    column.push(("SELECT, selected by another", median!(TIMES, { other.run("SELECT INBOX").await })));
    other.run("UNSELECT").await;
    client.run("UNSELECT").await;
    column.push((
        "SELECT, again",
        median!(TIMES, {
            client.run("SELECT INBOX").await;
            client.run("UNSELECT").await;
        }),
    ));
    column.push(("STATUS", median!(TIMES, { client.run("STATUS INBOX (MESSAGES UIDNEXT UNSEEN RECENT)").await })));
    client.run("SELECT INBOX").await;
    column.push(("UID FETCH 1:* (FLAGS)", median!(3, { client.run("UID FETCH 1:* (FLAGS)").await })));
    column.push(("memory after FETCH", Figure::Bytes(resident())));

    let uid_next = uid_next(filled).await;
    let newest = uid_next - 10;
    let envelope = format!("UID FETCH {newest}:* (UID FLAGS ENVELOPE)");
    column.push(("FETCH of the newest 10", median!(TIMES, { client.run(&envelope).await })));
    column.push(("NOOP", median!(TIMES, { client.run("NOOP").await })));

    let mut is_set = false;
    column.push((
        "STORE of 3",
        median!(TIMES, {
            is_set = !is_set;
            let sign = if is_set { '+' } else { '-' };
            client.run(&format!("UID STORE {} {sign}FLAGS (\\Flagged)", three(uid_next, 1))).await
        }),
    ));
    column.push(("APPEND", median!(TIMES, { client.append(&message("appended")).await })));
    column.push(("EXPUNGE of 3", expunge(filled, &mut client, "EXPUNGE", 100).await));
    column.push(("UID EXPUNGE of 3", expunge(filled, &mut client, "UID EXPUNGE 1:*", 200).await));
    column.push(("UID EXPUNGE of 3 by number", expunge(filled, &mut client, "", 300).await));

    other.run("SELECT INBOX").await;
    column.push((
        "NOOP after a change by another",
        noop_after_change(&mut client, &mut other, &three(uid_next, 1)).await,
    ));
    let since = highest(filled).await;
    other.run(&format!("UID STORE {} +FLAGS.SILENT (\\Answered)", three(uid_next, 2))).await;
    client.run("NOOP").await;
    let changed = format!("UID FETCH 1:* (FLAGS) (CHANGEDSINCE {})", since.0);
    column.push(("FETCH (CHANGEDSINCE), 3 changes", median!(TIMES, { client.run(&changed).await })));
    column.push(("STORE of 3 in a small mailbox", small_mailbox(&mut other).await));

    let before = resident();
    let mut idlers = Vec::new();
    for _ in 0..IDLERS {
        let mut idler = Client::login(address).await;
        idler.run("SELECT INBOX").await;
        idlers.push(idler);
    }
    let added = resident().saturating_sub(before);
    column.push(("memory of a session and its client", Figure::Bytes(added / IDLERS)));
    drop((client, other, idlers));
    served.stop().await;
}

/// Marks three messages as \Deleted and times their expunging.
async fn expunge(filled: &Filled, client: &mut Client, command: &str, offset: u32) -> Figure {
    let mut took = Vec::new();
    for n in 0..TIMES {
        // Others each time.
        let uids = three(uid_next(filled).await, offset + 10 * u32::try_from(n).unwrap_or(0));
        client.run(&format!("UID STORE {uids} +FLAGS.SILENT (\\Deleted)")).await;
        let command = if command.is_empty() { format!("UID EXPUNGE {uids}") } else { command.to_owned() };
        let started = Instant::now();
        client.run(&command).await;
        took.push(started.elapsed());
    }
    took.sort();
    Figure::Time(took[took.len() / 2])
}

async fn noop_after_change(client: &mut Client, other: &mut Client, uids: &str) -> Figure {
    let mut took = Vec::new();
    for n in 0..TIMES {
        let sign = if n.is_multiple_of(2) { '+' } else { '-' };
        other.run(&format!("UID STORE {uids} {sign}FLAGS.SILENT (\\Draft)")).await;
        let started = Instant::now();
        client.run("NOOP").await;
        took.push(started.elapsed());
    }
    took.sort();
    Figure::Time(took[took.len() / 2])
}

/// The same commit without a large mailbox: what the disk takes.
async fn small_mailbox(client: &mut Client) -> Figure {
    let text = message("small");
    for _ in 0..3 {
        client.run(&format!("APPEND Drafts {{{}+}}\r\n{text}", text.len())).await;
    }
    client.run("SELECT Drafts").await;
    let mut is_set = false;
    median!(TIMES, {
        is_set = !is_set;
        let sign = if is_set { '+' } else { '-' };
        client.run(&format!("STORE 1:3 {sign}FLAGS (\\Flagged)")).await
    })
}

/// What the rest of the service asks of the store, with nobody watching the mailbox.
async fn store(filled: &Filled, column: &mut Column) {
    let Filled { store, inbox, account, .. } = filled;
    let since = highest(filled).await;
    let next = uid_next(filled).await;
    let uids: UidSet = [next / 4, next / 2, next / 4 * 3].iter().filter_map(|n| Uid::new(*n)).collect();
    let list = FlagList { flags: Flags::FLAGGED, keywords: Vec::new() };
    let change = FlagChange { op: FlagOp::Add, list, unchanged_since: None };
    store.set_flags(*inbox, uids, change).await.expect("stored");
    column.push((
        "changes_since, 3 changes",
        median!(TIMES, { store.changes_since(*inbox, since).await.expect("read") }),
    ));
    column.push(("mailboxes", median!(TIMES, { store.mailboxes(filled.user).await.expect("read") })));
    column.push(("ledger", median!(3, { store.ledger_without_places(*account).await.expect("read").len() })));
    column.push(("ledger with places", median!(3, { store.ledger(*account).await.expect("read").len() })));
    column.push(("memory after the ledger", Figure::Bytes(resident())));
    column.push(("most memory", Figure::Bytes(status("VmHWM:"))));
}

async fn highest(filled: &Filled) -> ModSeq {
    let found = filled.store.mailbox(filled.user, &MailboxName::inbox()).await.expect("read");
    found.expect("INBOX").counts.highest_mod_seq
}

async fn uid_next(filled: &Filled) -> u32 {
    let found = filled.store.mailbox(filled.user, &MailboxName::inbox()).await.expect("read");
    found.expect("INBOX").counts.uid_next
}

/// Three UIDs far from each other.
fn three(uid_next: u32, offset: u32) -> String {
    let quarter = uid_next / 4;
    format!("{},{},{}", quarter + offset, quarter * 2 + offset, quarter * 3 + offset)
}

/// Memory of this process, in bytes.
fn resident() -> u64 {
    status("VmRSS:")
}

fn status(key: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
    line.split_whitespace().next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) * 1024
}
