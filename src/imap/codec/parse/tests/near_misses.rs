//! Every command, and what is only almost one: a space too many or too few, an argument missing, one too many, or of
//! another type.

use super::*;

/// A command, how many of its words at the top level it needs, and whether more words may follow.
const COMMANDS: &[(&str, usize, bool)] = &[
    // RFC 9051 section 6.1, RFC 2971
    ("CAPABILITY", 1, false),
    ("NOOP", 1, false),
    ("LOGOUT", 1, false),
    ("ID NIL", 2, false),
    ("ID (\"name\" \"x\" \"os\" NIL)", 2, false),
    // Section 6.2, RFC 4959, RFC 8437
    ("STARTTLS", 1, false),
    ("AUTHENTICATE PLAIN", 2, true),
    ("AUTHENTICATE PLAIN AGJvYgBwdw==", 2, false),
    ("LOGIN bob secret", 3, false),
    ("LOGIN \"bob\" \"secret\"", 3, false),
    ("UNAUTHENTICATE", 1, false),
    // Section 6.3, RFC 3501 section 6.3
    ("ENABLE CONDSTORE", 2, true),
    ("COMPRESS DEFLATE", 2, false),
    ("SELECT a", 2, false),
    ("SELECT a (CONDSTORE)", 2, false),
    ("SELECT a (QRESYNC (1 2 3:4 (5 6)))", 2, false),
    ("EXAMINE a", 2, false),
    ("CREATE a", 2, false),
    ("CREATE a (USE (\\Sent))", 2, false),
    ("DELETE a", 2, false),
    ("RENAME a b", 3, false),
    ("SUBSCRIBE a", 2, false),
    ("UNSUBSCRIBE a", 2, false),
    ("LIST \"\" *", 3, false),
    ("LIST (SUBSCRIBED) \"\" %", 3, false),
    ("LIST \"\" (a b)", 3, false),
    ("LIST \"\" * RETURN (CHILDREN STATUS (MESSAGES))", 3, false),
    ("LIST (SUBSCRIBED RECURSIVEMATCH) \"\" (a %) RETURN (SPECIAL-USE METADATA (/private/x))", 3, false),
    ("LSUB \"\" *", 3, false),
    ("NAMESPACE", 1, false),
    // RFC 5465
    ("NOTIFY NONE", 2, false),
    ("NOTIFY SET (PERSONAL NONE)", 3, true),
    ("NOTIFY SET (SELECTED (MessageNew (UID FLAGS) MessageExpunge))", 3, true),
    // RFC 5464
    ("GETMETADATA a /private/x", 3, false),
    ("GETMETADATA (MAXSIZE 5 DEPTH infinity) a (/private/x /shared/y)", 4, false),
    ("SETMETADATA \"\" (/private/x \"y\" /shared/z NIL)", 3, false),
    // RFC 4469, RFC 3502, RFC 8508; what follows one message may be another
    ("APPEND a CATENATE (URL /b/;UID=1)", 4, true),
    ("APPEND a (\\Seen) \"17-Jul-1996 02:44:25 -0700\" CATENATE (URL x)", 6, true),
    ("REPLACE 4 a (\\Seen) CATENATE (URL x)", 6, true),
    ("UID REPLACE 4 a CATENATE (URL x)", 6, true),
    ("STATUS a (MESSAGES UIDNEXT)", 3, false),
    ("IDLE", 1, false),
    // RFC 9208
    ("GETQUOTA a", 2, false),
    ("GETQUOTAROOT a", 2, false),
    ("SETQUOTA a (STORAGE 1)", 3, false),
    // Section 6.4
    ("CHECK", 1, false),
    ("CLOSE", 1, false),
    ("UNSELECT", 1, false),
    ("EXPUNGE", 1, false),
    ("UID EXPUNGE 1:2", 3, false),
    ("SEARCH ALL", 2, true),
    ("SEARCH CHARSET UTF-8 TEXT x", 5, true),
    ("SEARCH RETURN (MIN) 1:3", 4, true),
    ("UID SEARCH UID 1:*", 4, true),
    // RFC 5256, RFC 5267
    ("SORT (REVERSE DATE) UTF-8 ALL", 4, true),
    ("UID SORT RETURN (MIN) (SUBJECT) US-ASCII ALL", 7, true),
    ("THREAD REFERENCES UTF-8 ALL", 4, true),
    ("UID THREAD ORDEREDSUBJECT UTF-8 ALL", 5, true),
    ("FETCH 1 FLAGS", 3, false),
    ("FETCH 1:* (UID FLAGS)", 3, false),
    ("FETCH 2,4 BODY.PEEK[1.MIME]<0.1>", 3, false),
    ("FETCH 1 (BINARY.PEEK[1.2]<0.5> BINARY.SIZE[3] PREVIEW (LAZY) EMAILID)", 3, false),
    ("FETCH 1 PREVIEW", 3, false),
    ("UID FETCH 1 FLAGS (CHANGEDSINCE 5)", 4, false),
    ("STORE 1 +FLAGS (\\Seen)", 4, false),
    ("STORE 1 FLAGS.SILENT \\Seen x", 4, true),
    ("UID STORE 1 -FLAGS ()", 5, false),
    ("COPY 1 a", 3, false),
    ("UID COPY 1:2 a", 4, false),
    ("MOVE 1 a", 3, false),
    ("UID MOVE 1:2 a", 4, false),
];

/// What stands before the literal of a message, and is only almost right.
#[test]
fn the_head_of_a_message_that_is_almost_one() {
    let read = |text: &str| parse_append_head(&[Piece::Text([b"a1 ", text.as_bytes()].concat())], false).is_ok();
    let opts = ["(\\Seen) ", "\"17-Jul-1996 02:44:25 -0700\" ", "(x) \"17-Jul-1996 02:44:25 -0700\" CATENATE (TEXT "];
    for command in ["APPEND a", "REPLACE 4 a", "UID REPLACE * a"] {
        for opts in opts.into_iter().chain([""]) {
            assert!(read(&format!("{command} {opts}{{5}}")), "{command} {opts}");
            let wrong = [" ", "()", "x ", "\"17-Jul-1996\" ", "(\\Seen)", "CATENATE ", "CATENATE (URL ", "UTF8 "];
            for wrong in wrong {
                assert!(!read(&format!("{command} {opts}{wrong}{{5}}")), "{command} {opts}{wrong}");
            }
            assert!(!read(&format!("{command}{opts}{{5}}")), "{command}{opts}");
        }
    }
    for text in
        ["REPLACE 0 a {5}", "REPLACE 1:2 a {5}", "REPLACE $ a {5}", "REPLACE a {5}", "UID APPEND a {5}", "APPEND {5}"]
    {
        assert!(!read(text), "{text}");
    }
    assert!(!read("REPLACE 4 a CATENATE (URL x) {5}"), "REPLACE takes one message");
}

/// The places of the spaces outside of parentheses and quotes.
fn spaces(text: &str) -> Vec<usize> {
    let (mut depth, mut quoted, mut places) = (0, false, Vec::new());
    for (at, octet) in text.bytes().enumerate() {
        match octet {
            b'"' => quoted = !quoted,
            b'(' if !quoted => depth += 1,
            b')' if !quoted => depth -= 1,
            b' ' if !quoted && depth == 0 => places.push(at),
            _ => {}
        }
    }
    places
}

#[test]
fn every_command_is_read_in_any_case() {
    for (text, ..) in COMMANDS {
        let (name, rest) = text.split_once(' ').unwrap_or((text, ""));
        let lower = format!("{} {rest}", name.to_ascii_lowercase());
        assert_eq!(command(&lower), command(text));
        assert_eq!(command(&format!("{text} ")), command(text));
    }
}

#[test]
fn an_argument_is_missing() {
    for (text, needed, _) in COMMANDS {
        for (index, at) in spaces(text).into_iter().enumerate().filter(|(index, _)| index + 1 < *needed) {
            refusal(&text[..at]);
            refusal(&text[..=at]);
            assert!(index < *needed);
        }
    }
}

#[test]
fn an_argument_too_many() {
    for (text, ..) in COMMANDS.iter().filter(|(.., open)| !open) {
        for more in ["x", "()", "\"\"", "1", "{1+}\r\nx", "NIL"] {
            let text = format!("{text} {more}");
            assert!(read(&format!("a1 {text}"), false).is_err(), "{text}");
        }
    }
}

#[test]
fn a_space_too_many_or_too_few_or_another_octet() {
    for (text, ..) in COMMANDS {
        for (index, at) in spaces(text).into_iter().enumerate() {
            let (before, after) = (&text[..at], &text[at + 1..]);
            refusal(&format!("{before}  {after}"));
            for octet in (0..=255_u8).filter(|b| !b"\r\n {".contains(b)) {
                let wire = [b"a1 ", before.as_bytes(), &[octet], after.as_bytes()].concat();
                let read = parse(&[Piece::Text(wire)], false);
                // Behind the first word it may be one long argument, which some commands allow.
                assert!(index > 0 || read.is_err(), "{text} {octet}");
                if !octet.is_ascii_graphic() {
                    assert!(read.is_err(), "{text} {octet}");
                }
            }
        }
        refusal(&format!("{text}\t"));
        refusal(&format!(" {text}"));
    }
}

#[test]
fn an_argument_of_another_type() {
    for (text, ..) in COMMANDS {
        let spaces = spaces(text);
        for (index, at) in spaces.iter().enumerate() {
            let end = spaces.get(index + 1).copied().unwrap_or(text.len());
            for wrong in ["(", ")", "\"", "\"x", "{", "{x}", "{1", "~{1", "\\", "%(", "((", "\"\\x\"", "]]]]("] {
                refusal(&format!("{}{wrong}{}", &text[..=*at], &text[end..]));
            }
        }
    }
}

/// Each octet in an argument of each kind, by the character classes of the grammar.
#[test]
fn every_octet_in_every_kind_of_argument() {
    let accepts = |before: &[u8], octet: u8, after: &[u8], utf8: bool| {
        parse(&[Piece::Text([b"a1 ", before, &[octet], after].concat())], utf8).is_ok()
    };
    for octet in 0..=255_u8 {
        let text = octet.is_ascii_graphic();
        let atom = text && !b"(){%*\"\\]".contains(&octet);
        assert_eq!(accepts(b"ENABLE x", octet, b"y", false), atom || octet == b' ', "atom {octet}");
        assert_eq!(accepts(b"SEARCH KEYWORD x", octet, b"y", false), atom, "flag-keyword {octet}");
        assert_eq!(accepts(b"DELETE x", octet, b"y", false), atom || octet == b']', "astring {octet}");
        let list = atom || b"]%*".contains(&octet);
        assert_eq!(accepts(b"LSUB \"\" x", octet, b"y", false), list, "list-mailbox {octet}");
        // In quotes: any TEXT-CHAR but the quote and the backslash; octets above 127 are judged as UTF-8 once enabled.
        let quoted = !b"\0\r\n\"\\".contains(&octet);
        assert_eq!(accepts(b"DELETE \"x", octet, b"y\"", false), quoted, "quoted {octet}");
        assert_eq!(accepts(b"DELETE \"x", octet, b"y\"", true), quoted && octet.is_ascii(), "UTF-8 quoted {octet}");
        assert_eq!(accepts(b"DELETE \"x\\", octet, b"y\"", false), b"\"\\".contains(&octet), "escaped {octet}");
        assert_eq!(
            accepts(b"FETCH 1", octet, b"2 UID", false),
            octet.is_ascii_digit() || b":,".contains(&octet),
            "set {octet}"
        );
        let base64 = octet.is_ascii_alphanumeric() || b"+/".contains(&octet);
        assert_eq!(
            accepts(b"AUTHENTICATE PLAIN AAA", octet, b"", false),
            base64 || b"=".contains(&octet),
            "base64 {octet}"
        );
        let literal = [Piece::Text(b"a1 DELETE {2}".to_vec()), Piece::Literal(vec![b'x', octet]), Piece::Text(vec![])];
        assert_eq!(parse(&literal, false).is_ok(), octet != 0, "literal {octet}");
    }
}

#[test]
fn id_fields_at_the_limit_and_one_past_it() {
    let pair = |field: usize, value: usize| format!("ID (\"{}\" \"{}\")", "f".repeat(field), "v".repeat(value));
    command(&pair(MAX_ID_FIELD, MAX_ID_VALUE));
    for text in [pair(MAX_ID_FIELD + 1, 1), pair(1, MAX_ID_VALUE + 1)] {
        assert_eq!(refusal(&text), "an ID field is too long");
    }
    command(&format!("ID ({{{MAX_ID_FIELD}+}}\r\n{} NIL)", "f".repeat(MAX_ID_FIELD)));
}

#[test]
fn quoted_strings_hold_utf8_once_it_is_enabled() {
    let parse = |octets: &[u8], utf8| parse(&[Piece::Text([b"a DELETE \"", octets, b"\""].concat())], utf8);
    for right in ["\u{e9}", "\u{65e5}", "\u{1f38b}", "e\u{301}"] {
        assert!(matches!(parse(right.as_bytes(), true).map(|t| t.command), Ok(Command::Delete(Name::Valid(_), _))));
        assert_eq!(parse(right.as_bytes(), false).map(|t| t.command), Ok(Command::Delete(Name::Impossible, None)));
    }
    for wrong in [&b"\xff"[..], b"\xe9", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"] {
        assert_eq!(parse(wrong, true).map_err(|e| e.message), Err("a quoted string is not UTF-8"));
    }
}

#[test]
fn a_name_in_another_normal_form_is_kept_beside_the_normal_one() {
    let select = |text: &str| match read(text, true).map(|tagged| tagged.command) {
        Ok(Command::Select(args)) => (args.mailbox, args.denormalized),
        other => panic!("{other:?}"),
    };
    assert_eq!(select("a SELECT \"e\u{301}\""), (name("\u{e9}"), Some("e\u{301}".to_owned())));
    assert_eq!(select("a SELECT \"\u{e9}\""), (name("\u{e9}"), None));
    assert_eq!(select("a SELECT inbox"), (name("INBOX"), None));
}
