//! What a session shows of the maildrop, and what it has done with it.

use std::collections::HashSet;
use std::fmt::Write;
use std::sync::Arc;

use super::quirks::{Quirks, UniqueIds, Window};
use super::{Maildrop, Message, Shared};

/// The messages of one session from its login on. Dropped without [`View::update`], nothing is deleted (RFC 1939
/// section 6) and a lock may stay.
pub(super) struct View {
    shared: Arc<Shared>,
    messages: Vec<Message>,
    deleted: HashSet<u32>,
    retrieved: HashSet<u32>,
    locks_when_dropped: bool,
}

impl View {
    /// Opens the maildrop, or says why not.
    pub(super) fn open(shared: &Arc<Shared>, quirks: &Quirks) -> Result<Self, &'static str> {
        let mut maildrop = shared.lock();
        if maildrop.locked || (quirks.exclusive && maildrop.open > 0) {
            maildrop.counters.locked_out += 1;
            return Err("-ERR [IN-USE] another session holds the maildrop");
        }
        let now = tokio::time::Instant::now();
        let early = |delay| maildrop.last_login.is_some_and(|last| now.saturating_duration_since(last) < delay);
        if quirks.login_delay.is_some_and(early) {
            return Err("-ERR [LOGIN-DELAY] too soon after the last login");
        }
        maildrop.last_login = Some(now);
        maildrop.open += 1;
        maildrop.counters.logins += 1;
        if quirks.adds_header_at_login {
            maildrop.tag();
        }
        let shown: Vec<Message> = maildrop.messages.iter().filter(|message| !message.hidden).cloned().collect();
        drop(maildrop);
        let skipped = match quirks.window {
            Window::Last(count) => shown.len().saturating_sub(count),
            _ => 0,
        };
        let count = match quirks.window {
            Window::All => shown.len(),
            Window::First(count) | Window::Last(count) => count,
        };
        Ok(Self {
            shared: Arc::clone(shared),
            messages: shown.into_iter().skip(skipped).take(count).collect(),
            deleted: HashSet::new(),
            retrieved: HashSet::new(),
            locks_when_dropped: quirks.locks_when_dropped,
        })
    }

    /// Takes in what has come since.
    pub(super) fn refresh(&mut self) {
        let last = self.messages.iter().map(|message| message.serial).max().unwrap_or(0);
        let maildrop = self.shared.lock();
        self.messages.extend(maildrop.messages.iter().filter(|message| message.serial > last).cloned());
    }

    /// A message that is there and not deleted.
    pub(super) fn message(&self, number: Option<u32>) -> Option<(u32, Message)> {
        self.listed().find(|(n, _)| Some(*n) == number).map(|(n, message)| (n, message.clone()))
    }

    /// What STAT says.
    pub(super) fn stat(&self) -> String {
        let octets: u64 = self.listed().map(|(_, message)| message.listed_size).sum();
        format!("+OK {} {octets}", self.listed().count())
    }

    /// The answer to UIDL, but for its last line end; `None`: the command is unknown.
    pub(super) fn unique_ids(&self, quirks: &Quirks) -> Option<String> {
        let kind = quirks.unique_ids;
        if kind == UniqueIds::Absent {
            return None;
        }
        let row = |(number, message): (u32, &Message)| {
            let id = &message.unique_id;
            match kind {
                UniqueIds::Delivered | UniqueIds::Absent => format!("{number} {id}\r\n"),
                UniqueIds::Empty => format!("{number} \r\n"),
                UniqueIds::Numbers => format!("{number} {number}\r\n"),
                UniqueIds::Same => format!("{number} same\r\n"),
                UniqueIds::Long(length) => format!("{number} {id:x<length$}\r\n"),
                UniqueIds::Spaced => format!("{number} {id} of mine\r\n"),
            }
        };
        let rows = self.listed().map(row).take(quirks.uidl_ends_after.unwrap_or(usize::MAX)).collect();
        Some(listing(rows, quirks))
    }

    /// The answer to LIST, but for its last line end.
    pub(super) fn sizes(&self, quirks: &Quirks) -> String {
        let row = |(number, message): (u32, &Message)| format!("{number} {}\r\n", message.listed_size);
        listing(self.listed().map(row).collect(), quirks)
    }

    /// Marks a message; false where this session must retrieve it first.
    pub(super) fn delete(&mut self, number: u32, quirks: &Quirks) -> bool {
        let allowed = !quirks.dele_needs_retr || self.retrieved.contains(&number);
        if allowed && !quirks.ignores_dele {
            self.deleted.insert(number);
        }
        allowed
    }

    /// Takes all marks back.
    pub(super) fn reset(&mut self) {
        self.deleted.clear();
    }

    /// A message was sent in full.
    pub(super) fn retrieved(&mut self, number: u32) {
        self.retrieved.insert(number);
        self.shared.lock().counters.retrieved += 1;
    }

    /// RFC 1939 section 6: deletions are made here and nowhere else.
    pub(super) fn update(&mut self, quirks: &Quirks) {
        self.locks_when_dropped = false;
        let serials = |numbers: &HashSet<u32>| -> HashSet<u64> {
            self.numbered().filter(|(n, _)| numbers.contains(n)).map(|(_, message)| message.serial).collect()
        };
        let (gone, seen) = (serials(&self.deleted), serials(&self.retrieved));
        let mut maildrop = self.shared.lock();
        let before = maildrop.messages.len();
        maildrop.messages.retain(|message| !gone.contains(&message.serial));
        maildrop.counters.deleted += (before - maildrop.messages.len()) as u64;
        if quirks.hides_retrieved {
            for message in &mut maildrop.messages {
                message.hidden |= seen.contains(&message.serial);
            }
        }
    }

    fn numbered(&self) -> impl Iterator<Item = (u32, &Message)> {
        (1..).zip(&self.messages)
    }

    fn listed(&self) -> impl Iterator<Item = (u32, &Message)> {
        self.numbered().filter(|(number, _)| !self.deleted.contains(number))
    }
}

impl Drop for View {
    fn drop(&mut self) {
        let mut maildrop = self.shared.lock();
        maildrop.open -= 1;
        maildrop.locked |= self.locks_when_dropped;
    }
}

impl Maildrop {
    /// Gives each message without one an X-UIDL field. LIST tells the size that the message had at the login before.
    fn tag(&mut self) {
        for message in &mut self.messages {
            if message.tagged {
                message.listed_size = message.bytes.len() as u64;
            } else {
                let field = format!("X-UIDL: {:032x}\r\n", message.serial);
                message.bytes = [field.as_bytes(), &message.bytes].concat().into();
                message.tagged = true;
            }
        }
    }
}

fn listing(mut rows: Vec<String>, quirks: &Quirks) -> String {
    if quirks.lists_backwards {
        rows.reverse();
    }
    let mut answer = "+OK\r\n".to_owned();
    for row in rows {
        // Writing to a string cannot fail.
        let _ = answer.write_str(&row);
    }
    answer.push('.');
    answer
}
