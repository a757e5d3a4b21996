//! Those who change the mailbox, without QRESYNC.

use crate::harness::{Client, MESSAGE, TestServer};
use crate::random::Random;

pub struct Other {
    client: Client,
}

/// About as many UIDs as have been given out: sets are drawn from them.
const SPAN: usize = 60;
const FLAGS: [&str; 6] = ["\\Seen", "\\Flagged", "\\Deleted", "\\Deleted", "todo", "$Work"];

impl Other {
    pub async fn new(server: &TestServer) -> Self {
        Self { client: server.selected("box").await }
    }

    /// The mailbox is deleted and another made in its place.
    pub async fn begin_anew(&mut self) {
        self.client.ok("CLOSE").await;
        self.client.ok("DELETE box").await;
        self.client.ok("CREATE box").await;
        self.client.ok("SELECT box").await;
    }

    pub async fn step(&mut self, random: &mut Random) {
        let set = self.set(random).await;
        let command = match random.below(12) {
            0..=3 => {
                let flags = random.pick(&["", "(\\Seen)", "(\\Deleted)", "(todo \\Flagged)"]);
                return drop(self.client.append("box", flags, MESSAGE).await);
            }
            4..=7 => {
                let (sign, silent) = (random.pick(&["+", "-", "", "+"]), random.pick(&["", ".SILENT"]));
                format!("UID STORE {set} {sign}FLAGS{silent} ({})", random.pick(&FLAGS))
            }
            8 => "EXPUNGE".to_owned(),
            9 => format!("UID EXPUNGE {set}"),
            10 => format!("UID COPY {set} {}", random.pick(&["box", "other"])),
            _ => format!("UID MOVE {set} {}", random.pick(&["box", "other"])),
        };
        self.client.ok(&command).await;
    }

    /// A few UIDs near the end of the mailbox, there or not.
    async fn set(&mut self, random: &mut Random) -> String {
        let line = self.client.ok("STATUS box (UIDNEXT)").await.remove(0);
        let next: usize = line.trim_end_matches(')').rsplit(' ').next().unwrap().parse().unwrap();
        let first = next.saturating_sub(random.below(SPAN)).max(1);
        format!("{first}:{}", first + random.below(4))
    }
}
