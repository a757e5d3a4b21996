//! What a server tells, in words of no mode.

/// One piece of news.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// `* n EXISTS`
    Exists(usize),
    /// EXPUNGE lines that follow each other, or VANISHED: ascending UIDs.
    Gone(Vec<u32>),
    /// VANISHED (EARLIER).
    Earlier(Vec<u32>),
    /// The flags of a message but for `\Recent`, sorted.
    Flags(u32, String),
    /// A FETCH with the mod-sequence alone. Not in plain mode.
    ModSeq(u32),
    /// What else a FETCH has of a message.
    Data(u32, String),
    /// `* OK [HIGHESTMODSEQ n]`. Expected: after VANISHED, which has no mod-sequence.
    Highest,
    /// Expected: the same while expunges are held back. Not in plain mode.
    HeldBack,
    /// Another line.
    Line(String),
}

pub fn gone(uids: &[u32]) -> Told {
    Told::Gone(uids.to_vec())
}

pub fn flags(uid: u32, flags: &str) -> Told {
    Told::Flags(uid, flags.to_owned())
}

pub fn line(text: &str) -> Told {
    Told::Line(text.to_owned())
}

/// A FETCH, item by item.
#[derive(Debug, Default)]
pub struct Fetched {
    pub uid: Option<u32>,
    pub flags: Option<String>,
    pub mod_seq: Option<u64>,
    pub rest: String,
}

impl Fetched {
    /// Of a FETCH or UIDFETCH.
    pub fn of(line: &str) -> Option<Self> {
        let (_, items) = line.split_once("FETCH (")?;
        items.strip_suffix(')').map(Self::parse)
    }

    /// `items` is what stands within the parentheses.
    pub fn parse(mut items: &str) -> Self {
        let mut fetched = Self::default();
        while !items.is_empty() {
            let (name, after) = split_name(items);
            let (value, after) = split_value(after);
            match name {
                "UID" => fetched.uid = Some(value.parse().expect("a UID")),
                "FLAGS" => {
                    fetched.flags = Some(sorted(names(value)));
                }
                "MODSEQ" => fetched.mod_seq = Some(value.trim_matches(['(', ')']).parse().expect("a mod-sequence")),
                _ => fetched.rest.push_str(&format!("{name} {value} ")),
            }
            items = after.trim_start();
        }
        fetched.rest.truncate(fetched.rest.trim_end().len());
        fetched
    }
}

/// Flags in parentheses, but for `\Recent`.
pub fn names(list: &str) -> impl Iterator<Item = &str> {
    let names = list.trim_matches(['(', ')']).split(' ');
    names.filter(|name| !name.is_empty() && *name != "\\Recent")
}

pub fn sorted<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: std::collections::BTreeSet<_> = names.collect();
    names.into_iter().collect::<Vec<_>>().join(" ")
}

/// The name of an item, which may have spaces within brackets.
fn split_name(items: &str) -> (&str, &str) {
    let mut depth = 0;
    let end = items.find(|c| {
        depth += i32::from(c == '[') - i32::from(c == ']');
        c == ' ' && depth == 0
    });
    items.split_at(end.unwrap_or_else(|| panic!("no value: {items}"))).into_trimmed()
}

/// An atom, a string, a literal or a list.
fn split_value(items: &str) -> (&str, &str) {
    if let Some(literal) = items.strip_prefix('{') {
        let (size, data) = literal.split_once("}\r\n").expect("a literal");
        let head = items.len() - data.len();
        return items.split_at(head + size.parse::<usize>().expect("a size"));
    }
    let (mut depth, mut quoted) = (0, false);
    let end = items.find(|c| {
        quoted ^= c == '"';
        depth += if quoted { 0 } else { i32::from(c == '(') - i32::from(c == ')') };
        c == ' ' && depth == 0 && !quoted
    });
    items.split_at(end.unwrap_or(items.len()))
}

trait IntoTrimmed {
    fn into_trimmed(self) -> Self;
}

impl IntoTrimmed for (&str, &str) {
    fn into_trimmed(self) -> Self {
        (self.0, self.1.trim_start())
    }
}

/// `1,3:5`
pub fn set(uids: &[u32]) -> String {
    uids.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
}

pub fn members(set: &str) -> Vec<u32> {
    let range = |part: &str| {
        let (low, high) = part.split_once(':').unwrap_or((part, part));
        low.parse::<u32>().expect("a number")..=high.parse().expect("a number")
    };
    set.split(',').flat_map(range).collect()
}

/// The number after `name` and a space.
pub fn number_after(line: &str, name: &str) -> Option<u64> {
    let digits = line.split_once(&format!("{name} "))?.1;
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().ok()
}
