//! Faults of a server, planted between it and a client: a checker that does not notice them is none.

use crate::replica::command::{Command, Kind};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// An expunge is not told.
    LostExpunge,
    /// A new message is counted twice.
    DoubledExists,
    /// An expunge is told of the message before.
    WrongNumber,
    /// A change of flags is not told.
    LostFlags,
    /// HIGHESTMODSEQ is that of the mailbox, not of what this client has been told.
    ModSeqTooHigh,
    /// An expunge is told while sequence numbers are in use.
    ExpungeInFetch,
    /// A client that comes back is not told what was expunged.
    LostEarlier,
    /// COPYUID pairs a message with the copy of another.
    WrongCopyUid,
    /// A change has the mod-sequence of the one before.
    StaleModSeq,
    /// A message that was asked for is not answered.
    LostAnswer,
}

impl Fault {
    pub const ALL: [Self; 10] = [
        Self::LostExpunge,
        Self::DoubledExists,
        Self::WrongNumber,
        Self::LostFlags,
        Self::ModSeqTooHigh,
        Self::ExpungeInFetch,
        Self::LostEarlier,
        Self::WrongCopyUid,
        Self::StaleModSeq,
        Self::LostAnswer,
    ];
}

/// A fault that happens once, at the first occasion after some that are let pass.
#[derive(Debug)]
pub struct Plant {
    fault: Fault,
    pass: u32,
    /// It has happened.
    pub done: bool,
    held: Vec<String>,
}

impl Plant {
    pub fn new(fault: Fault, pass: u32) -> Self {
        Self { fault, pass, done: false, held: Vec::new() }
    }

    /// What the client gets instead of a response. `highest`: the highest mod-sequence that anybody has been told.
    pub fn alter(&mut self, line: String, running: Option<&Command>, highest: u64) -> Vec<String> {
        let forbidden = running.is_some_and(|c| matches!(c.kind, Kind::Fetch { .. }) && !c.may_expunge);
        if !self.held.is_empty() {
            if forbidden {
                self.done = true;
                return self.held.drain(..).chain([line]).collect();
            }
            // Numbers would shift under what is held.
            if is_expunge(&line) {
                self.held.push(line);
                return Vec::new();
            }
        }
        if self.done || !self.held.is_empty() {
            return vec![line];
        }
        let Some(altered) = self.altered(&line, running, highest) else { return vec![line] };
        if self.pass > 0 {
            self.pass -= 1;
            return vec![line];
        }
        match self.fault {
            Fault::ExpungeInFetch => self.held.push(line),
            _ => self.done = true,
        }
        altered
    }

    fn altered(&self, line: &str, running: Option<&Command>, highest: u64) -> Option<Vec<String>> {
        let number = || line.strip_prefix("* ")?.split(' ').next()?.parse::<u32>().ok();
        let selects = running.is_some_and(|c| matches!(c.kind, Kind::Select { .. }));
        let is_answer = line.contains("INTERNALDATE");
        let is_flags = !is_answer && line.contains("FETCH (") && line.contains("FLAGS (");
        match self.fault {
            Fault::LostExpunge => is_expunge(line).then(Vec::new),
            Fault::DoubledExists if line.ends_with(" EXISTS") && !selects => {
                Some(vec![line.to_owned(), format!("* {} EXISTS", number()? + 1)])
            }
            Fault::WrongNumber if line.ends_with(" EXPUNGE") => {
                Some(vec![format!("* {} EXPUNGE", number().filter(|n| *n > 1)? - 1)])
            }
            Fault::LostFlags => {
                let own = running.is_some_and(|c| matches!(c.kind, Kind::Store { .. }));
                (is_flags && !own && !selects).then(Vec::new)
            }
            Fault::ModSeqTooHigh => {
                let told: u64 = crate::replica::parse::code(line, "HIGHESTMODSEQ")?.parse().ok()?;
                let wrong = format!("[HIGHESTMODSEQ {highest}]");
                (told < highest).then(|| vec![line.replace(&format!("[HIGHESTMODSEQ {told}]"), &wrong)])
            }
            Fault::ExpungeInFetch => is_expunge(line).then(Vec::new),
            Fault::LostEarlier => line.starts_with("* VANISHED (EARLIER)").then(Vec::new),
            Fault::WrongCopyUid => {
                let value = crate::replica::parse::code(line, "COPYUID")?;
                let (rest, last) = value.rsplit_once(' ')?;
                let wrong = format!("{rest} {}", last.parse::<u32>().ok()? + 1);
                Some(vec![line.replace(value, &wrong)])
            }
            Fault::StaleModSeq if is_flags => {
                let (before, rest) = line.split_once("MODSEQ (")?;
                let (value, after) = rest.split_once(')')?;
                let stale = value.parse::<u64>().ok()?.checked_sub(1)?;
                Some(vec![format!("{before}MODSEQ ({stale}){after}")])
            }
            Fault::LostAnswer => is_answer.then(Vec::new),
            _ => None,
        }
    }
}

fn is_expunge(line: &str) -> bool {
    line.ends_with(" EXPUNGE") || line.starts_with("* VANISHED ") && !line.contains("(EARLIER)")
}
