//! What a client keeps of a mailbox while it is away.

use std::collections::BTreeMap;

use crate::replica::command::{Command, Flags, Kind};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cache {
    pub uid_validity: u64,
    /// Everything up to it is known of the messages below.
    pub mod_seq: u64,
    /// Every message up to `complete_to` and no other: flags and MODSEQ (0: never told).
    pub messages: BTreeMap<u32, (Flags, u64)>,
    pub complete_to: u32,
}

/// What SELECT tells of the cache (RFC 7162 section 3.2.5).
#[derive(Clone, Copy, Debug)]
pub struct Telling {
    /// Known UIDs: none, `1:n`, a list of all, or every UID there can be.
    pub known: u8,
    /// Bits of the messages that are match data, again and again; 0: none.
    pub matches: u8,
    pub examine: bool,
}

impl Cache {
    /// SELECT or EXAMINE that has the server say what is missing.
    pub fn select(&self, mailbox: &str, how: Telling) -> Command {
        let word = if how.examine { "EXAMINE" } else { "SELECT" };
        let Self { uid_validity, mod_seq, messages, complete_to } = self;
        let list = |numbers: Vec<u32>| numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        let known = match how.known % 4 {
            0 if !messages.is_empty() => format!(" {}", list(messages.keys().copied().collect())),
            1 if *complete_to > 0 => format!(" 1:{complete_to}"),
            2 => " 1:4294967295".to_owned(),
            _ => String::new(),
        };
        let picked = |at: usize| how.matches & (1 << (at % 8)) != 0;
        let told: Vec<(u32, u32)> = (1..).zip(messages.keys().copied()).filter(|(n, _)| picked(*n as usize)).collect();
        let matches = match told.is_empty() {
            true => String::new(),
            false => {
                let (numbers, uids) = told.into_iter().unzip();
                format!(" ({} {})", list(numbers), list(uids))
            }
        };
        let text = format!("{word} {mailbox} (QRESYNC ({uid_validity} {mod_seq}{known}{matches}))");
        Command::new(text, Kind::Select { mailbox: mailbox.to_owned(), cache: Some(self.clone()), told: true })
    }
}
