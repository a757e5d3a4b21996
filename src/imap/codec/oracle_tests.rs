//! Another reader of the IMAP4rev1 grammar as oracle: what `imap-codec` accepts we accept, as the same command.

use imap_codec::CommandCodec;
use imap_codec::decode::Decoder;
use proptest::prelude::*;
use proptest::strategy::ValueTree;

use super::fragment::{Event, Fragmenter, Limits};
use super::parse::{SyntaxError, parse};
use crate::imap::codec::command::Tagged;

mod convert;
mod generated;

const TOO_LARGE: &str = "number too large";
const LEADING_ZERO: &str = "expected a number that does not begin with 0";

/// What both stages make of `wire`; `None` unless it is one whole command.
fn ours(wire: &[u8]) -> Option<Result<Tagged, SyntaxError>> {
    let mut fragmenter = Fragmenter::new(Limits::ROOMY);
    fragmenter.push(wire);
    let mut read = None;
    while let Some(event) = fragmenter.poll() {
        match event {
            Event::Command(pieces) if read.is_none() => read = Some(parse(&pieces, false)),
            Event::AppendLiteral { .. } => fragmenter.accept_stream(),
            Event::Continue | Event::Data(_) | Event::DataEnd => {}
            Event::Command(_) | Event::TooLarge { .. } => return None,
        }
    }
    read.filter(|_| !fragmenter.has_input())
}

/// Compares, where the oracle accepts; whether it did.
fn compare(wire: &[u8]) -> bool {
    let Ok((rest, theirs)) = CommandCodec::default().decode(wire) else { return false };
    let Some(want) = convert::command(&theirs.body).filter(|_| rest.is_empty()) else { return false };
    let ours = ours(wire);
    // `nz-number = digit-nz *DIGIT`: the oracle takes 01, we do not.
    // `number64` has 63 bits; the oracle takes 64.
    if !matches!(&ours, Some(Err(error)) if [LEADING_ZERO, TOO_LARGE].contains(&error.message)) {
        let tag = theirs.tag.as_ref().as_bytes().to_vec();
        assert_eq!(ours, Some(Ok(Tagged { tag, command: want })), "{}", wire.escape_ascii());
    }
    true
}

/// `%name` in a template stands for an expression.
const RULES: [(&str, &str); 14] = [
    ("%key", "(%bare|%with|NOT (%with|%bare)|OR %bare (%with|%bare)|\\((%bare|%with)( (%bare|%with)){0,2}\\))"),
    ("%bare", "(ALL|(UN)?(ANSWERED|DELETED|DRAFT|FLAGGED|SEEN)|NEW|OLD|RECENT|%set)"),
    (
        "%with",
        "((BCC|CC|FROM|SUBJECT|TO|BODY|TEXT|HEADER %astring) %astring|(SENT)?(BEFORE|ON|SINCE) %date\
         |(UN)?KEYWORD %atom|(LARGER|SMALLER) %number|UID %set|MODSEQ [1-9][0-9]{0,15})",
    ),
    ("%date", "(%day-%month-[0-9]{4}|\"%day-%month-(19|20)[0-9]{2}\")"),
    ("%day", "(0?[1-9]|[12][0-9]|3[01])"),
    ("%month", "(Jan|Feb|mar|Apr|May|Jun|Jul|AUG|Sep|Oct|Nov|Dec)"),
    ("%flag", "(\\\\(Seen|ANSWERED|deleted|Draft|Flagged)|%atom)"),
    ("%set", "%one(:%one)?(,%one(:%one)?){0,2}"),
    ("%known", "%plain(:%plain)?(,%plain(:%plain)?){0,2}"),
    ("%plain", "[1-9][0-9]{0,8}"),
    ("%one", "([1-9][0-9]{0,8}|4294967295|\\*)"),
    ("%number", "([1-9][0-9]{0,8}|0)"),
    (
        "%astring",
        "([!#$&'+,./0-9:;<-\\[^-z|}~\\]-]{1,6}|\"([ !#-\\[\\]-~]|\\\\[\"\\\\]){0,6}\"|\\{2\\+\\}\r\n[a-z\r\n(\"]{2}|inbox)",
    ),
    ("%atom", "[!#$&'+,./0-9:;<-\\[^-z|}~-]{1,6}"),
];

/// Commands of the base grammar.
const TEMPLATES: [&str; 26] = [
    "(CAPABILITY|noop|LOGOUT|CHECK|CLOSE|Expunge|UNSELECT|STARTTLS|IDLE|NAMESPACE)",
    "LOGIN %astring %astring",
    "AUTHENTICATE (PLAIN|login|X-%atom)( =| ([A-Za-z0-9+/]{4}){1,3})?",
    "(SELECT|EXAMINE) %astring( \\(CONDSTORE\\))?",
    "(SELECT|EXAMINE) %astring \\((CONDSTORE )?QRESYNC \\([1-9][0-9]{0,8} [1-9][0-9]{0,15}( %known)?( \\(%known %known\\))?\\)\\)",
    "(CREATE|DELETE|SUBSCRIBE|UNSUBSCRIBE) %astring",
    "RENAME %astring %astring",
    "(LIST|LSUB) %astring ([!#$&'*%+,./0-9:;<-\\[^-z|}~\\]-]{1,6}|%astring)",
    "STATUS %astring \\((MESSAGES|RECENT|uidnext)( (UIDVALIDITY|UNSEEN|DELETED|deleted-storage|SIZE|HIGHESTMODSEQ|MESSAGES)){0,3}\\)",
    "(GETQUOTA|getquotaroot) %astring",
    "SETQUOTA %astring \\((STORAGE %number( (message|MAILBOX|%atom) %number)?)?\\)",
    "APPEND %astring( \\((%flag( %flag){0,2})?\\))? \\{3\\+?\\}\r\n[a-z\r\n]{3}",
    "APPEND %astring \"( [1-9]|[012][0-9]|3[01])-%month-[12][0-9]{3} ([01][0-9]|2[0-4]):[0-6][0-9]:[0-5][0-9] [-+](0[0-9]|1[0-4])[0-9]{2}\" \\{0\\+\\}\r\n",
    "(UID )?FETCH %set (ALL|fast|FULL|ENVELOPE|BODY|BODYSTRUCTURE)",
    "(UID )?FETCH %set \\((UID|FLAGS|INTERNALDATE|RFC822(\\.SIZE|\\.HEADER|\\.TEXT)?|MODSEQ)( (UID|ENVELOPE|BODY|FLAGS)){0,3}\\)",
    "FETCH %set \\(BODY(\\.PEEK)?\\[((TEXT|HEADER)|[1-9](\\.[1-9]{1,2}){0,2}(\\.MIME|\\.TEXT|\\.HEADER)?)?\\](<%number\\.[1-9][0-9]{0,8}>)?( UID)?\\)",
    "FETCH %set BODY(\\.PEEK)?\\[([1-9]\\.)?HEADER\\.FIELDS(\\.NOT)? \\(%astring( %astring){0,2}\\)\\]",
    "FETCH %set \\(BINARY(\\.PEEK)?\\[([1-9](\\.[1-9]{1,2}){0,2})?\\](<%number\\.[1-9][0-9]{0,8}>)? BINARY\\.SIZE\\[([1-9])?\\]\\)",
    "UID FETCH %set \\(FLAGS\\) \\(CHANGEDSINCE [1-9][0-9]{0,15}( VANISHED)?\\)",
    "(UID )?STORE %set [-+]?FLAGS(\\.SILENT)? (\\((%flag( %flag){0,2})?\\)|%flag( %flag){0,2})",
    "STORE %set \\(UNCHANGEDSINCE [0-9]{1,16}\\) [-+]?FLAGS \\(%flag\\)",
    "(UID )?(COPY|MOVE) %set %astring",
    "UID EXPUNGE %set",
    "(UID )?SEARCH (CHARSET (UTF-8|\"us-ascii\") )?%key( %key){0,2}",
    "ENABLE %atom( %atom)?",
    "ID (NIL|\\((\"name\" (NIL|\"x\")( \"os\" \"\"){0,2})?\\))",
];

fn templates() -> impl Strategy<Value = String> {
    proptest::strategy::Union::new(TEMPLATES.map(|template| {
        let regex = RULES.iter().fold(template.to_owned(), |text, (name, rule)| text.replace(name, rule));
        proptest::string::string_regex(&format!("[a-z0-9]{{1,3}} {regex}\r\n")).expect(&regex)
    }))
}

/// A small damage: where, what is taken away, what is put there.
fn damage() -> impl Strategy<Value = Option<(prop::sample::Index, usize, String)>> {
    prop::option::of((any::<prop::sample::Index>(), 0..2_usize, "([ -~]|\r\n|\\{1\\+?\\}\r\n)?"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn what_the_oracle_accepts_we_accept_as_the_same(wire in templates(), damage in damage()) {
        let mut wire = wire.into_bytes();
        if let Some((at, remove, insert)) = damage {
            let at = at.index(wire.len());
            let end = (at + remove).min(wire.len());
            wire.splice(at..end, insert.into_bytes());
        }
        compare(&wire);
    }
}

#[test]
fn the_oracle_accepts_most_of_what_is_made() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let all = templates();
    let made = (0..2_000).map(|_| all.new_tree(&mut runner).expect("a command").current());
    let accepted = made.filter(|wire| compare(wire.as_bytes())).count();
    assert!(accepted > 1_500, "{accepted}");
}
