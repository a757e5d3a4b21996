//! What is written, and that what is written can be read again.

use std::num::NonZeroU32;

use proptest::prelude::*;

use super::*;
use crate::imap::codec::command::{Command, Name, Tagged};
use crate::imap::codec::fragment::{Event, Fragmenter, Limits, Piece};
use crate::imap::codec::parse::parse;
use crate::mail::{FlagList, MailboxName, SetNumber};

mod structures;

fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// Reads a command whose arguments are what was written.
fn read(name: &str, arguments: &[u8], utf8: bool) -> Option<Command> {
    let wire = [b"a ", name.as_bytes(), b" ", arguments, b"\r\n"].concat();
    let mut fragmenter = Fragmenter::new(Limits::ROOMY);
    fragmenter.push(&wire);
    let mut stream = 0;
    loop {
        match fragmenter.poll()? {
            Event::Command(pieces) => return parse(&pieces, utf8).ok().map(|Tagged { command, .. }| command),
            Event::AppendLiteral { .. } => fragmenter.accept_stream(),
            Event::Data(data) => stream += data.len(),
            Event::DataEnd => assert_eq!(stream, 1),
            Event::Continue => {}
            Event::TooLarge { .. } => return None,
        }
    }
}

#[test]
fn rule_38_strings() {
    for (value, want) in [
        (b"".as_slice(), "\"\""),
        (b"NIL", "\"NIL\""),
        (b"a b", "\"a b\""),
        (b"<\"quo\\ted\"@x>", "\"<\\\"quo\\\\ted\\\"@x>\""),
        (b"a\r\nb", "{4}\r\na\r\nb"),
        (b"\n", "{1}\r\n\n"),
        (b"tab\t", "\"tab\t\""),
    ] {
        assert_eq!(written(|out| string(out, value)), want);
        assert_eq!(written(|out| nstring(out, Some(value))), want);
    }
    assert_eq!(written(|out| nstring(out, None)), "NIL");
    let mut out = Vec::new();
    string(&mut out, b"\xe9\0a\0");
    assert_eq!(out, b"{4}\r\n\xe9\x80a\x80");
    let long = "x".repeat(LONGEST_QUOTED);
    assert_eq!(written(|out| string(out, long.as_bytes())), format!("\"{long}\""));
    assert!(written(|out| string(out, format!("{long}x").as_bytes())).starts_with("{1001}\r\n"));
}

#[test]
fn rule_34_mailbox_names() {
    for (name, utf7, utf8) in [
        ("INBOX", "INBOX", "INBOX"),
        ("a/b", "a/b", "a/b"),
        ("a b", "\"a b\"", "\"a b\""),
        ("nil", "\"nil\"", "\"nil\""),
        ("", "\"\"", "\"\""),
        ("a&b", "a&-b", "a&b"),
        ("a\"\\", "\"a\\\"\\\\\"", "\"a\\\"\\\\\""),
        ("a]%*", "\"a]%*\"", "\"a]%*\""),
        ("\u{e9}", "&AOk-", "\"\u{e9}\""),
        ("\u{e9} (x)", "\"&AOk- (x)\"", "\"\u{e9} (x)\""),
    ] {
        assert_eq!(written(|out| mailbox(out, name, false)), utf7);
        assert_eq!(written(|out| mailbox(out, name, true)), utf8);
    }
}

#[test]
fn numbers_and_sets() {
    assert_eq!(written(|out| number(out, u64::MAX)), "18446744073709551615");
    assert_eq!(written(|out| literal_header(out, 0)), "{0}\r\n");
    assert_eq!(written(|out| uid_set(out, &UidSet::default())), "");
    let set: UidSet = [(1, 3), (5, 5), (7, u32::MAX)].into_iter().collect();
    assert_eq!(written(|out| uid_set(out, &set)), "1:3,5,7:4294967295");
    assert_eq!(written(|out| sequence_set(out, &SequenceSet::SavedResult)), "$");
}

#[test]
fn flags() {
    let all = |recent, keywords: &[&'static str]| {
        written(|out| flag_list(out, Flags::SEEN | Flags::ANSWERED, recent, keywords.iter().copied()))
    };
    assert_eq!(all(false, &[]), "(\\Answered \\Seen)");
    assert_eq!(all(true, &["$Junk", "x"]), "(\\Answered \\Seen \\Recent $Junk x)");
    assert_eq!(written(|out| flag_list(out, Flags::NONE, false, [])), "()");
}

#[test]
fn date_times() {
    for (unix, offset_minutes, want) in [
        (837_596_665, -420, "\"17-Jul-1996 02:44:25 -0700\""),
        (0, 0, "\" 1-Jan-1970 00:00:00 +0000\""),
        (-1, 90, "\" 1-Jan-1970 01:29:59 +0130\""),
        (i64::MAX, i16::MAX, "\"31-Dec-9999 23:59:59 +9959\""),
        (i64::MIN, i16::MIN, "\" 1-Jan-0000 00:00:00 -9959\""),
    ] {
        assert_eq!(written(|out| date_time(out, &InternalDate { unix, offset_minutes })), want);
    }
}

#[test]
fn nul_is_replaced_everywhere() {
    let mut octets = *b"\0a\0\0b\0";
    replace_nul(&mut octets);
    assert_eq!(&octets, b"\x80a\x80\x80b\x80");
    replace_nul(&mut []);
}

proptest! {
    #[test]
    fn strings_are_read_as_written(user in prop::collection::vec(1..=255_u8, 0..40)) {
        let mut out = Vec::new();
        string(&mut out, &user);
        out.extend_from_slice(b" \"\"");
        let Some(Command::Login { user: read, .. }) = read("LOGIN", &out, false) else { panic!() };
        prop_assert_eq!(read, user);
    }

    #[test]
    fn names_are_read_as_written(name in "[^\\pC/]{1,8}(/[ -.0-~]{1,4})?", utf8: bool) {
        let name = MailboxName::new(&name).expect("valid");
        let mut out = Vec::new();
        mailbox(&mut out, name.as_str(), utf8);
        prop_assert!(utf8 || out.is_ascii());
        prop_assert_eq!(read("DELETE", &out, utf8), Some(Command::Delete(Name::Valid(name), None)));
    }

    #[test]
    fn sets_are_read_as_written(ranges in prop::collection::vec((any::<u32>(), any::<u32>()), 1..6)) {
        let number = |n| NonZeroU32::new(n).map_or(SetNumber::Star, SetNumber::Number);
        let set = SequenceSet::Ranges(ranges.into_iter().map(|(a, b)| (number(a), number(b))).collect());
        let mut out = Vec::new();
        sequence_set(&mut out, &set);
        prop_assert_eq!(read("UID EXPUNGE", &out, false), Some(Command::Expunge(Some(set))));
    }

    #[test]
    fn dates_and_flags_are_read_as_written(unix in -62_000_000_000..253_000_000_000_i64, zone in -1439..=1439_i16, bits in 0..32_u8) {
        let (date, flags) = (InternalDate { unix, offset_minutes: zone }, Flags::from_bits(bits));
        let mut out = b"x ".to_vec();
        flag_list(&mut out, flags, true, []);
        out.push(b' ');
        date_time(&mut out, &date);
        out.extend_from_slice(b" {1+}\r\nx");
        let Some(Command::Append(args)) = read("APPEND", &out, false) else { panic!("{}", out.escape_ascii()) };
        prop_assert_eq!(args.messages[0].date, Some(date));
        prop_assert_eq!(&args.messages[0].flags, &FlagList { flags, keywords: Vec::new() });
    }

    #[test]
    fn no_string_lets_forbidden_octets_out(value in prop::collection::vec(any::<u8>(), 0..40)) {
        let mut out = Vec::new();
        string(&mut out, &value);
        prop_assert!(!out.contains(&0));
        let literal = out.first() == Some(&b'{');
        prop_assert!(literal || out.is_ascii());
        let mut fragmenter = Fragmenter::new(Limits::ROOMY);
        fragmenter.push(&[out.as_slice(), b"\n"].concat());
        let command = std::iter::from_fn(|| fragmenter.poll()).last();
        let Some(Event::Command(pieces)) = command else { panic!() };
        let literal = value.iter().map(|b| if *b == 0 { NUL_SUBSTITUTE } else { *b }).collect();
        prop_assert!(pieces.len() == 1 || pieces[1] == Piece::Literal(literal));
    }
}

#[test]
fn values_are_octets_in_the_shortest_form_that_holds_them() {
    let cases: [(Option<&[u8]>, &[u8]); 6] = [
        (None, b"NIL"),
        (Some(b""), b"\"\""),
        (Some(b"NIL"), b"\"NIL\""),
        (Some(b"a \"b\""), b"\"a \\\"b\\\"\""),
        (Some(b"a\xffb"), b"{3}\r\na\xffb"),
        (Some(b"a\0b"), b"~{3}\r\na\0b"),
    ];
    for (octets, wire) in cases {
        let mut out = Vec::new();
        value(&mut out, octets);
        assert_eq!(out, wire);
    }
}

#[test]
fn an_astring_is_an_atom_where_it_can_be() {
    let cases: [(&[u8], &[u8]); 6] = [
        (b"/private/comment", b"/private/comment"),
        (b"", b"\"\""),
        (b"nil", b"\"nil\""),
        (b"a b", b"\"a b\""),
        (b"a]", b"\"a]\""),
        (b"a\r", b"{2}\r\na\r"),
    ];
    for (text, wire) in cases {
        let mut out = Vec::new();
        astring(&mut out, text);
        assert_eq!(out, wire);
    }
}
