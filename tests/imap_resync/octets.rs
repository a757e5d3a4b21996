//! What a device is sent when it comes back, by what it makes use of: QRESYNC, CONDSTORE alone, or neither.

use crate::harness::{Client, MESSAGE, TestServer};
use crate::parse::code;

/// A mailbox, and what a device knew of it before the changes.
pub struct Visited {
    server: TestServer,
    size: usize,
    uid_validity: u64,
    mod_seq: u64,
}

/// Octets sent to three devices that come back to the same.
#[derive(Debug)]
pub struct Octets {
    pub qresync: usize,
    pub condstore: usize,
    pub plain: usize,
}

impl Visited {
    pub async fn of_size(size: usize) -> Self {
        let server = TestServer::start().await;
        let mut client = server.login().await;
        client.ok("CREATE elsewhere").await;
        append(&mut client, size).await;
        let lines = client.ok("SELECT INBOX").await;
        let told = |word: &str| lines.iter().find_map(|line| code(line, word)).unwrap().parse().unwrap();
        Self { size, uid_validity: told("UIDVALIDITY"), mod_seq: told("HIGHESTMODSEQ"), server }
    }

    /// Four flags to two moves, two expunges and two new messages, spread over the mailbox.
    pub async fn change(&self, changes: usize) {
        let mut client = self.server.selected("INBOX").await;
        let touched = changes * 8 / 10;
        // A stride of its own for each: neighbours rarely share a fate, so that ranges hide nothing.
        let uids: Vec<usize> = (0..touched).map(|n| n * self.size / touched + 1).collect();
        let every = |wanted: &[usize]| {
            let picked = uids.iter().enumerate().filter(|(n, _)| wanted.contains(&(n % 4)));
            picked.map(|(_, uid)| uid.to_string()).collect::<Vec<_>>().join(",")
        };
        client.ok(&format!("UID STORE {} +FLAGS.SILENT (\\Flagged)", every(&[0, 2]))).await;
        client.ok(&format!("UID MOVE {} elsewhere", every(&[1]))).await;
        client.ok(&format!("UID STORE {} +FLAGS.SILENT (\\Deleted)", every(&[3]))).await;
        client.ok("EXPUNGE").await;
        append(&mut client, changes * 2 / 10).await;
    }

    pub async fn come_back(&self) -> Octets {
        let (next, since) = (self.size + 1, self.mod_seq);
        let qresync = format!("SELECT INBOX (QRESYNC ({} {since}))", self.uid_validity);
        let new = format!("UID FETCH {next}:* (FLAGS)");
        let changed = format!("UID FETCH 1:* (FLAGS) (CHANGEDSINCE {since})");
        Octets {
            qresync: self.sent(&["ENABLE QRESYNC", &qresync, &new]).await,
            condstore: self.sent(&["SELECT INBOX (CONDSTORE)", &changed, "UID SEARCH RETURN (ALL) ALL"]).await,
            plain: self.sent(&["SELECT INBOX", "UID FETCH 1:* (FLAGS)"]).await,
        }
    }

    /// Octets of the untagged responses to these commands; a login costs the same for all.
    async fn sent(&self, commands: &[&str]) -> usize {
        let mut client = self.server.login().await;
        let mut octets = 0;
        for command in commands {
            octets += client.ok(command).await.iter().map(|line| line.len() + 2).sum::<usize>();
        }
        octets
    }
}

/// MULTIAPPEND to INBOX.
async fn append(client: &mut Client, count: usize) {
    let mut left = count;
    while left > 0 {
        let now = left.min(500);
        let messages = format!(" {{{}+}}\r\n{MESSAGE}", MESSAGE.len()).repeat(now);
        client.ok(&format!("APPEND INBOX{messages}")).await;
        left -= now;
    }
}
