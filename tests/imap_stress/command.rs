//! Random commands, and the facts about each that the checker needs.

use crate::picture::Picture;
use crate::random::Random;

#[derive(Clone, Debug)]
pub enum Kind {
    Select(String),
    Close,
    Fetch,
    Store { set: Vec<u32>, op: char, flag: String, silent: bool },
    Search(String),
    Copy(String),
    Append { mailbox: String, body: String },
    Status,
    Other,
}

#[derive(Clone, Debug)]
pub struct Command {
    pub text: String,
    pub kind: Kind,
    pub by_uid: bool,
    pub may_expunge: bool,
    pub sets_seen: bool,
    pub enables_condstore: bool,
}

const MAILBOXES: [&str; 2] = ["INBOX", "box"];
const FLAGS: [&str; 7] = ["\\Seen", "\\Flagged", "\\Deleted", "\\Draft", "$Work", "todo", "later"];

impl Command {
    pub fn new(text: impl Into<String>, kind: Kind) -> Self {
        let text = text.into();
        let by_uid = text.starts_with("UID ");
        let numbered = matches!(kind, Kind::Fetch | Kind::Store { .. } | Kind::Search(_)) && !by_uid;
        Self {
            by_uid,
            may_expunge: !numbered,
            sets_seen: text.contains("BODY["),
            enables_condstore: ["MODSEQ", "CONDSTORE", "UNCHANGEDSINCE", "CHANGEDSINCE"]
                .iter()
                .any(|w| text.contains(w)),
            text,
            kind,
        }
    }

    /// Whether EXAMINE forbids it.
    pub fn writes(&self) -> bool {
        let word = self.text.trim_start_matches("UID ");
        ["STORE", "EXPUNGE", "MOVE"].iter().any(|w| word.starts_with(w))
    }

    pub fn select(random: &mut Random) -> Self {
        let mailbox = random.pick(&MAILBOXES);
        let word = random.pick(&["SELECT", "SELECT", "SELECT", "EXAMINE"]);
        Self::new(format!("{word} {mailbox}"), Kind::Select(mailbox.to_owned()))
    }

    /// A command that names messages; `numbers`: by sequence number, if there are messages.
    pub fn on_messages(random: &mut Random, picture: &Picture, numbers: bool) -> Self {
        let (set, words, prefix) = if numbers && !picture.messages.is_empty() {
            let set = some(random, picture.messages.len() as u32);
            (set.clone(), write(&set), "")
        } else {
            let last = picture.messages.iter().rev().find_map(|m| m.uid).unwrap_or(1);
            let set = some(random, last + 2);
            (set.clone(), write(&set), "UID ")
        };
        match random.below(if prefix.is_empty() { 8 } else { 12 }) {
            0..=2 => Self::new(format!("{prefix}FETCH {words} {}", items(random)), Kind::Fetch),
            3..=5 => store(random, prefix, set, &words),
            6 => {
                let key = random.pick(&["SEEN", "FLAGGED", "DELETED", "KEYWORD todo"]);
                let flag = match key {
                    "KEYWORD todo" => "todo".to_owned(),
                    system => format!("\\{}", system.to_ascii_lowercase()),
                };
                Self::new(format!("{prefix}SEARCH {key} {words}"), Kind::Search(flag))
            }
            7 => Self::new(format!("{prefix}FETCH 1:* (UID FLAGS INTERNALDATE)"), Kind::Fetch),
            8 => Self::new(format!("UID EXPUNGE {words}"), Kind::Other),
            _ => copy(random, prefix, &words),
        }
    }

    /// A command after which sequence numbers may have shifted; `first`: they have not yet.
    pub fn any(random: &mut Random, picture: &Picture, first: bool) -> Self {
        if first && !picture.messages.is_empty() && random.below(6) == 0 {
            let set = some(random, picture.messages.len() as u32);
            return copy(random, "", &write(&set));
        }
        match random.below(12) {
            0 => Self::new("EXPUNGE", Kind::Other),
            1 | 2 => Self::new("NOOP", Kind::Other),
            3 => Self::new("CHECK", Kind::Other),
            4 => Self::new(format!("STATUS {} (MESSAGES UIDNEXT UNSEEN)", random.pick(&MAILBOXES)), Kind::Status),
            5 => Self::new("LIST \"\" *", Kind::Other),
            6..=8 => append(random),
            _ => Self::on_messages(random, picture, false),
        }
    }
}

fn items(random: &mut Random) -> &'static str {
    random.pick(&[
        "(UID FLAGS INTERNALDATE)",
        "(FLAGS INTERNALDATE)",
        "(UID FLAGS INTERNALDATE MODSEQ)",
        "(FLAGS INTERNALDATE ENVELOPE RFC822.SIZE)",
        "(UID INTERNALDATE BODY.PEEK[])",
        "(UID INTERNALDATE BODY[])",
        "(UID INTERNALDATE BODY[HEADER.FIELDS (SUBJECT)] BODYSTRUCTURE)",
    ])
}

fn store(random: &mut Random, prefix: &str, set: Vec<u32>, words: &str) -> Command {
    let op = random.pick(&["+", "-", ""]);
    let (flag, silent) = (random.pick(&FLAGS), random.below(2) == 0);
    let suffix = if silent { ".SILENT" } else { "" };
    let since = match random.below(8) {
        0 => " (UNCHANGEDSINCE 0)",
        1 => " (UNCHANGEDSINCE 9999999)",
        _ => "",
    };
    let kind = Kind::Store { set, op: op.chars().next().unwrap_or('='), flag: flag.to_ascii_lowercase(), silent };
    Command::new(format!("{prefix}STORE {words}{since} {op}FLAGS{suffix} ({flag})"), kind)
}

fn copy(random: &mut Random, prefix: &str, words: &str) -> Command {
    let (word, target) = (random.pick(&["COPY", "MOVE"]), random.pick(&MAILBOXES));
    Command::new(format!("{prefix}{word} {words} {target}"), Kind::Copy(target.to_owned()))
}

fn append(random: &mut Random) -> Command {
    let mailbox = random.pick(&MAILBOXES);
    let flags = random.pick(&["", "(\\Seen) ", "($Work \\Flagged) ", "(later) \" 7-Feb-1994 22:43:04 -0800\" "]);
    let body = format!("Subject: {}\r\n\r\n{}\r\n", random.below(1000), "word ".repeat(random.below(400)));
    let text = format!("APPEND {mailbox} {flags}{{{}+}}\r\n{body}", body.len());
    Command::new(text, Kind::Append { mailbox: mailbox.to_owned(), body })
}

/// A few numbers from 1 to `last`, mostly near the end.
fn some(random: &mut Random, last: u32) -> Vec<u32> {
    let count = 1 + random.below(4) as u32;
    let first = match random.below(3) {
        0 => 1 + random.below(last as usize) as u32,
        _ => (last + 1).saturating_sub(1 + random.below(6) as u32).max(1),
    };
    (first..=last.min(first + count - 1)).collect()
}

fn write(set: &[u32]) -> String {
    match set {
        [one] => one.to_string(),
        [first, .., last] => format!("{first}:{last}"),
        [] => "1".to_owned(),
    }
}
