//! What a client can do with its mailbox, made up without knowing what is in it. It becomes a command when it is sent.

use proptest::prelude::*;

use crate::replica::command::{Command, Flags, Key, Kind, Names};
use crate::replica::picture::Picture;

const FLAGS: [&str; 8] = ["\\Seen", "\\Flagged", "\\Deleted", "\\Draft", "\\Answered", "$Work", "todo", "later"];

/// Messages: some of those that the client knows.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// In parts of 65,536 of the mailbox.
    pub at: u16,
    pub len: u8,
    pub shape: Shape,
}

#[derive(Clone, Copy, Debug)]
pub enum Shape {
    Run,
    /// Two that may lie apart.
    Pair,
    ToTheEnd,
    All,
    /// `$`
    Saved,
    /// One more than is known.
    Past,
}

#[derive(Clone, Debug)]
pub enum Op {
    Fetch { by_uid: bool, span: Span, items: u8 },
    FetchNew,
    FetchChanges { vanished: bool },
    Store { by_uid: bool, span: Span, op: u8, flags: u8, silent: bool, since: Option<u8> },
    Search { by_uid: bool, by_number: bool, span: Span, key: u8, form: u8 },
    Copy { by_uid: bool, span: Span, to: u8, moves: bool },
    Expunge,
    UidExpunge(Span),
    Append { to: u8, flags: u8, size: u8, more: bool },
    Status { of: u8, mod_seq: bool },
    List,
    Check,
    Noop,
}

/// What a command is made for.
pub struct Place<'p> {
    pub picture: &'p Picture,
    pub mailboxes: &'p [String],
    /// Above so many messages none are added, but some expunged.
    pub enough: usize,
    /// Sequence numbers mean what they did: nothing before it may tell of expunges.
    pub numbers: bool,
    /// Makes messages different.
    pub serial: u64,
}

pub fn operation() -> impl Strategy<Value = Op> {
    let fetch = (any::<bool>(), span(), 0..9_u8).prop_map(|(by_uid, span, items)| Op::Fetch { by_uid, span, items });
    let since = prop_oneof![6 => Just(None), 3 => (0..5_u8).prop_map(Some)];
    let store = (any::<bool>(), span(), 0..3_u8, any::<u8>(), any::<bool>(), since)
        .prop_map(|(by_uid, span, op, flags, silent, since)| Op::Store { by_uid, span, op, flags, silent, since });
    let search = (any::<bool>(), any::<bool>(), span(), any::<u8>(), 0..4_u8)
        .prop_map(|(by_uid, by_number, span, key, form)| Op::Search { by_uid, by_number, span, key, form });
    let copy = (any::<bool>(), span(), any::<u8>(), any::<bool>()).prop_map(|(by_uid, span, to, moves)| Op::Copy {
        by_uid,
        span,
        to,
        moves,
    });
    let append = (any::<u8>(), any::<u8>(), any::<u8>(), prop::bool::weighted(0.2))
        .prop_map(|(to, flags, size, more)| Op::Append { to, flags, size, more });
    let status = (any::<u8>(), any::<bool>()).prop_map(|(of, mod_seq)| Op::Status { of, mod_seq });
    prop_oneof![
        10 => fetch,
        3 => Just(Op::FetchNew),
        2 => any::<bool>().prop_map(|vanished| Op::FetchChanges { vanished }),
        14 => store,
        5 => search,
        6 => copy,
        3 => Just(Op::Expunge),
        2 => span().prop_map(Op::UidExpunge),
        6 => append,
        1 => status,
        1 => Just(Op::List),
        1 => Just(Op::Check),
        3 => Just(Op::Noop),
    ]
}

fn span() -> impl Strategy<Value = Span> {
    let shape = prop_oneof![
        10 => Just(Shape::Run),
        3 => Just(Shape::Pair),
        1 => Just(Shape::ToTheEnd),
        1 => Just(Shape::All),
        1 => Just(Shape::Saved),
        1 => Just(Shape::Past),
    ];
    (any::<u16>(), 1..5_u8, shape).prop_map(|(at, len, shape)| Span { at, len, shape })
}

impl Op {
    /// The commands that it stands for now.
    pub fn commands(&self, place: &Place<'_>) -> Vec<Command> {
        let mailbox = |n: u8| place.mailboxes[usize::from(n) % place.mailboxes.len()].clone();
        let adds = matches!(self, Self::Append { .. } | Self::Copy { .. });
        if adds && place.picture.messages.len() > place.enough && !place.picture.read_only {
            return thin_out(place.picture);
        }
        vec![match self {
            Self::Fetch { by_uid, span, items } => {
                let (names, set, prefix) = span.set(place, *by_uid);
                Command::naming(
                    format!("{prefix}FETCH {set} {}", fetch_items(*items)),
                    Kind::Fetch { since: false },
                    names,
                )
            }
            Self::FetchNew => fetch_new(place.picture),
            Self::FetchChanges { vanished } => {
                let vanished = if *vanished && place.picture.features.qresync { " VANISHED" } else { "" };
                let since = place.picture.mod_seq.max(1);
                let text = format!("UID FETCH 1:* (UID FLAGS INTERNALDATE) (CHANGEDSINCE {since}{vanished})");
                Command::naming(text, Kind::Fetch { since: true }, Names::Uids(vec![(1, u32::MAX)]))
            }
            Self::Store { by_uid, span, op, flags, silent, since } => {
                let span = Span { shape: span.shape.without_star(), ..*span };
                store(place, span, *by_uid, usize::from(*op % 3), *flags, *silent, *since)
            }
            Self::Search { by_uid, by_number, span, key, form } => {
                search(place, *span, (*by_uid, *by_number), *key, *form)
            }
            Self::Copy { by_uid, span, to, moves } => {
                let span = Span { shape: span.shape.without_star(), ..*span };
                let (names, set, prefix) = span.set(place, *by_uid);
                let (word, target) = (if *moves { "MOVE" } else { "COPY" }, mailbox(*to));
                let text = format!("{prefix}{word} {set} {target}");
                Command::naming(text, Kind::Copy { target, moves: *moves }, names)
            }
            Self::Expunge => Command::new("EXPUNGE", Kind::Other),
            Self::UidExpunge(span) => {
                let (names, set, _) = span.set(place, true);
                Command::naming(format!("UID EXPUNGE {set}"), Kind::Other, names)
            }
            Self::Append { to, flags, size, more } => append(mailbox(*to), place.serial, *flags, *size, *more),
            Self::Status { of, mod_seq } => {
                let more = if *mod_seq { " HIGHESTMODSEQ" } else { "" };
                Command::new(format!("STATUS {} (MESSAGES UIDNEXT UNSEEN{more})", mailbox(*of)), Kind::Status)
            }
            Self::List => Command::new("LIST \"\" *", Kind::Other),
            Self::Check => Command::new("CHECK", Kind::Other),
            Self::Noop => Command::noop(),
        }]
    }
}

impl Shape {
    /// A set that ends in `*` names what nobody can tell in advance.
    fn without_star(self) -> Self {
        match self {
            Self::ToTheEnd | Self::All => Self::Run,
            other => other,
        }
    }
}

impl Span {
    /// The set in both forms, and `UID ` where it is of UIDs.
    fn set(self, place: &Place<'_>, by_uid: bool) -> (Names, String, &'static str) {
        let Picture { messages, features, .. } = place.picture;
        if matches!(self.shape, Shape::Saved) {
            return (Names::Saved, "$".to_owned(), "UID ");
        }
        let by_uid = by_uid || !place.numbers || messages.is_empty() || features.uid_only;
        let all: Vec<u32> = match by_uid {
            true => messages.iter().filter_map(|m| m.uid).collect(),
            false => (1..=messages.len() as u32).collect(),
        };
        let first = usize::from(self.at) * all.len() / (1 << 16);
        let low = all.get(first).copied().unwrap_or(1);
        let other = all.get((first + usize::from(self.len)).min(all.len().saturating_sub(1))).copied().unwrap_or(low);
        let last = all.last().copied().unwrap_or(1);
        let high = low + u32::from(self.len) - 1;
        let high = if by_uid { high } else { high.min(last) };
        let (ranges, text) = match self.shape {
            Shape::Pair if other != low => (vec![(low, low), (other, other)], format!("{other},{low}")),
            Shape::ToTheEnd => (vec![(low, u32::MAX)], format!("{low}:*")),
            Shape::All => (vec![(1, u32::MAX)], "1:*".to_owned()),
            Shape::Past if by_uid => (vec![(last, last + 1)], format!("{last}:{}", last + 1)),
            _ if high == low => (vec![(low, low)], low.to_string()),
            _ => (vec![(low, high)], format!("{low}:{high}")),
        };
        if by_uid { (Names::Uids(ranges), text, "UID ") } else { (Names::Numbers(ranges), text, "") }
    }
}

pub fn fetch_new(picture: &Picture) -> Command {
    let from = picture.incomplete_from();
    let names = Names::Uids(vec![(from, u32::MAX)]);
    Command::naming(format!("UID FETCH {from}:* (UID FLAGS INTERNALDATE)"), Kind::Fetch { since: false }, names)
}

/// Every answer has INTERNALDATE, by which it is told from news.
fn fetch_items(n: u8) -> &'static str {
    match n {
        0 | 1 => "(UID FLAGS INTERNALDATE)",
        2 => "(UID FLAGS INTERNALDATE MODSEQ)",
        3 => "(FLAGS INTERNALDATE)",
        4 => "(UID INTERNALDATE EMAILID RFC822.SIZE)",
        5 => "(UID INTERNALDATE BODY[])",
        6 => "(UID INTERNALDATE BODY.PEEK[])",
        7 => "(UID FLAGS INTERNALDATE BODY[TEXT])",
        _ => "(UID INTERNALDATE ENVELOPE BODYSTRUCTURE)",
    }
}

/// The names of the bits, the first three of them; at least one.
fn flags(bits: u8) -> Vec<&'static str> {
    let set: Vec<_> = (0..8).filter(|bit| bits & (1 << bit) != 0).map(|bit| FLAGS[bit]).take(3).collect();
    if set.is_empty() { vec!["\\Seen"] } else { set }
}

fn lower(names: &[&str]) -> Flags {
    names.iter().map(|name| name.to_ascii_lowercase()).collect()
}

fn store(place: &Place<'_>, span: Span, by_uid: bool, op: usize, bits: u8, silent: bool, since: Option<u8>) -> Command {
    let (names, set, prefix) = span.set(place, by_uid);
    let (sign, list) = (["+", "-", ""][op], flags(bits));
    let since = since.map_or_else(String::new, |n| match n {
        0 => " (UNCHANGEDSINCE 0)".to_owned(),
        1 => " (UNCHANGEDSINCE 9999999)".to_owned(),
        n => format!(" (UNCHANGEDSINCE {})", place.picture.mod_seq.saturating_sub(u64::from(n) - 2)),
    });
    let suffix = if silent { ".SILENT" } else { "" };
    let text = format!("{prefix}STORE {set}{since} {sign}FLAGS{suffix} ({})", list.join(" "));
    Command::naming(text, Kind::Store { op: ['+', '-', '='][op], flags: lower(&list), silent }, names)
}

fn search(place: &Place<'_>, span: Span, (by_uid, by_number): (bool, bool), key: u8, form: u8) -> Command {
    // What is saved are UIDs here.
    let (names, set, prefix) = span.set(place, !by_number);
    let saves = form == 3;
    let by_uid = by_uid || saves || place.picture.features.uid_only || matches!(names, Names::Saved);
    let flag = usize::from(key >> 2) % FLAGS.len();
    let (word, key) = match key % 4 {
        0 => ("ALL".to_owned(), Key::All),
        1 => (format!("NOT {}", search_key(flag)), Key::Lacks(FLAGS[flag].to_ascii_lowercase())),
        _ => (search_key(flag), Key::Has(FLAGS[flag].to_ascii_lowercase())),
    };
    let returns = ["", "RETURN (ALL COUNT) ", "RETURN () ", "RETURN (SAVE ALL) "][usize::from(form) % 4];
    let (verb, of) = (if by_uid { "UID SEARCH" } else { "SEARCH" }, if prefix.is_empty() { "" } else { "UID " });
    let of = if set == "$" { "" } else { of };
    Command::naming(format!("{verb} {returns}{of}{set} {word}"), Kind::Search { key, save: saves }, names)
}

fn search_key(flag: usize) -> String {
    let name = FLAGS[flag];
    name.strip_prefix('\\').map_or_else(|| format!("KEYWORD {name}"), str::to_ascii_uppercase)
}

fn append(mailbox: String, serial: u64, bits: u8, size: u8, more: bool) -> Command {
    let list = if bits.is_multiple_of(3) { String::new() } else { format!("({}) ", flags(bits & !0b100).join(" ")) };
    let date = if bits.is_multiple_of(5) { "\" 7-Feb-1994 22:43:04 -0800\" " } else { "" };
    let body = |n: u32| format!("Subject: {serial}.{n}\r\n\r\n{}\r\n", "word ".repeat(usize::from(size)));
    let bodies: Vec<String> = (0..=u32::from(more)).map(body).collect();
    let literals: Vec<String> = bodies.iter().map(|b| format!("{list}{date}{{{}+}}\r\n{b}", b.len())).collect();
    Command::new(format!("APPEND {mailbox} {}", literals.join(" ")), Kind::Append { mailbox, bodies })
}

/// Every other message that is known.
fn thin_out(picture: &Picture) -> Vec<Command> {
    let uids: Vec<u32> = picture.messages.iter().filter_map(|m| m.uid).step_by(2).take(100).collect();
    let Some(first) = uids.first() else { return vec![fetch_new(picture)] };
    let set = uids.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
    let names = Names::Uids(uids.iter().map(|uid| (*uid, *uid)).collect());
    let deleted = Kind::Store { op: '+', flags: lower(&["\\Deleted"]), silent: first % 2 == 0 };
    let silent = if first % 2 == 0 { ".SILENT" } else { "" };
    vec![
        Command::naming(format!("UID STORE {set} +FLAGS{silent} (\\Deleted)"), deleted, names.clone()),
        Command::naming(format!("UID EXPUNGE {set}"), Kind::Other, names),
    ]
}
