//! Commands that are refused, the limits of the grammar, and that no input makes the parser panic.

use proptest::prelude::*;

use super::*;

#[test]
fn a_line_without_a_readable_tag_has_none() {
    for text in ["", " ", "+ NOOP", "(a NOOP", "* NOOP", "a+b NOOP", "\u{e9} NOOP", "a\tNOOP"] {
        assert_eq!(read(text, false).map_err(|e| e.tag), Err(None), "{text}");
    }
    for text in ["a", "a ", "a  NOOP", "a BLURDYBLOOP", "a NOOP\0", "a \u{e9}"] {
        assert_eq!(read(text, false).map_err(|e| e.tag), Err(Some(b"a".to_vec())), "{text}");
    }
    assert_eq!(refusal("FOO bar"), "unknown command");
    assert_eq!(refusal("UID NOOP"), "unknown UID command");
}

#[test]
fn every_octet_in_a_tag() {
    for b in 0..=255_u8 {
        let pieces = [Piece::Text([&[b'a', b], b" NOOP".as_slice()].concat())];
        let fine = b.is_ascii_graphic() && !b"(){%*\"\\+".contains(&b);
        // A space ends the tag, so that the command is empty.
        let tag = if b == b' ' { Some(vec![b'a']) } else { None };
        match parse(&pieces, false) {
            Ok(tagged) => assert!(fine && tagged.tag == [b'a', b], "{b}"),
            Err(error) => assert!(!fine && error.tag == tag, "{b}"),
        }
    }
}

#[test]
fn malformed_arguments() {
    for text in [
        "LOGIN bob",
        "LOGIN bob  x",
        "LOGIN \"bob x",
        "LOGIN \"b\\ob\" x",
        "LOGIN b%b x",
        "LOGIN {1}\r\n\0 x",
        "LOGIN ~{1}\r\na x",
        "LOGIN bob{1}\r\nx y",
        "AUTHENTICATE",
        "AUTHENTICATE PLAIN A",
        "AUTHENTICATE PLAIN AGJvYgBwdw",
        "AUTHENTICATE PLAIN a b",
        "ENABLE",
        "ID",
        "ID (\"a\")",
        "ID (NIL \"a\")",
        "SELECT",
        "SELECT a b",
        "SELECT a ()",
        "SELECT a (QRESYNC)",
        "SELECT a (QRESYNC ())",
        "SELECT a (QRESYNC (1))",
        "SELECT a (QRESYNC (0 2))",
        "SELECT a (QRESYNC (4294967296 2))",
        "SELECT a (QRESYNC (1 9223372036854775808))",
        "SELECT a (QRESYNC (1 2 ))",
        "SELECT a (QRESYNC (1 2 1:*))",
        "SELECT a (QRESYNC (1 2 $))",
        "SELECT a (QRESYNC (1 2 1 2))",
        "SELECT a (QRESYNC (1 2 (1)))",
        "SELECT a (QRESYNC (1 2 (1 *)))",
        "SELECT a (QRESYNC (1 2 (* 1)))",
        "SELECT a (QRESYNC (1 2 (1 2 3)))",
        "SELECT a (QRESYNC (1 2 (1 2) 3))",
        "SELECT a (QRESYNC (1 2)",
        "SELECT a (QRESYNC (1 2) QRESYNC (1 2))",
        "SELECT a (QRESYNC 1 2)",
        "CREATE a ()",
        "CREATE a (X)",
        "CREATE a (USE (Sent))",
        "CREATE a (USE \\Sent)",
        "CREATE a (USE (\\Sent)",
        "CREATE a USE (\\Sent)",
        "RENAME a",
        "STATUS a",
        "STATUS a ()",
        "STATUS a MESSAGES",
        "STATUS a (FOO)",
        "GETQUOTA",
        "GETQUOTA a b",
        "GETQUOTA (a)",
        "GETQUOTAROOT",
        "GETQUOTAROOT a b",
        "SETQUOTA a",
        "SETQUOTA a STORAGE 1",
        "SETQUOTA a (STORAGE)",
        "SETQUOTA a (STORAGE 1 MESSAGE)",
        "SETQUOTA a (STORAGE -1)",
        "SETQUOTA a (STORAGE 9223372036854775808)",
        "SETQUOTA a (\"STORAGE\" 1)",
        "LIST \"\"",
        "LIST (FOO) \"\" *",
        "LIST (RECURSIVEMATCH) \"\" *",
        "LIST (RECURSIVEMATCH REMOTE) \"\" *",
        "LIST \"\" ()",
        "LIST \"\" * RETURN",
        "LIST \"\" * RETURN (FOO)",
        "LIST \"\" * RETURN (STATUS)",
        "LSUB \"\" (a b)",
        "LSUB (SUBSCRIBED) \"\" *",
        "APPEND a",
        "APPEND a CATENATE",
        "APPEND a CATENATE ()",
        "APPEND a CATENATE (URL)",
        "APPEND a CATENATE (URL x",
        "APPEND a CATENATE (URL x) (",
        "APPEND a CATENATE (FOO x)",
        "APPEND a CATENATE (URL x)URL",
        "APPEND a FOO (URL x)",
        "REPLACE 1 a",
        "REPLACE 0 a CATENATE (URL x)",
        "REPLACE 1:2 a CATENATE (URL x)",
        "REPLACE $ a CATENATE (URL x)",
        "REPLACE 1 a CATENATE (URL x) CATENATE (URL y)",
        "UID REPLACE a CATENATE (URL x)",
        "APPEND a \"x\"",
        "COPY 0 a",
        "COPY 01 a",
        "COPY 4294967296 a",
        "COPY 1, a",
        "COPY 1: a",
        "COPY 1:2:3 a",
        "COPY -1 a",
        "COPY +1 a",
        "COPY $,1 a",
        "UID EXPUNGE",
        "STORE 1 FLAGS",
        "STORE 1 FLAGS \\Foo",
        "STORE 1 FLAGS \\*",
        "STORE 1 FLAGS (\\Seen",
        "STORE 1 FLAGS (a(b))",
        "STORE 1 FLAGS.FOO a",
        "STORE 1 () FLAGS a",
        "STORE 1 (UNCHANGEDSINCE 9223372036854775808) FLAGS a",
        "FETCH 1",
        "FETCH 1 ()",
        "FETCH 1 (ALL)",
        "FETCH 1 FOO",
        "FETCH 1 BODY.PEEK",
        "FETCH 1 BODY[",
        "FETCH 1 BODY[0]",
        "FETCH 1 BODY[1.]",
        "FETCH 1 BODY[.1]",
        "FETCH 1 BODY[MIME]",
        "FETCH 1 BODY[TEXT.1]",
        "FETCH 1 BODY[4294967296]",
        "FETCH 1 BODY[HEADER.FIELDS]",
        "FETCH 1 BODY[HEADER.FIELDS ()]",
        "FETCH 1 BODY[]<0.0>",
        "FETCH 1 BODY[]<>",
        "FETCH 1 BODY[]<0.>",
        "FETCH 1 BODY[]<0..1>",
        "FETCH 1 BODY[]<9223372036854775808.1>",
        "FETCH 1 BODY[]]",
        "FETCH 1 BODY[HEADER.FIELDS.NOT]",
        "FETCH 1 BODY[HEADER.FIELDS.NOT ()]",
        "FETCH 1 BODY[HEADER.FIELDS(a)]",
        "FETCH 1 BODY[1.0]",
        "FETCH 1 BODY[01]",
        "FETCH 1 BODY[1 ]",
        "FETCH 1 BODY[1..2]",
        "FETCH 1 BODYSTRUCTURE[]",
        "FETCH 1 RFC822[]",
        "FETCH 1 RFC822.PEEK[]",
        "FETCH 1 (FAST)",
        "FETCH 1 (FULL UID)",
        "FETCH 1 ALL FLAGS",
        "FETCH 1 FLAGS UID",
        "FETCH 1 (FLAGS",
        "FETCH 1 BINARY",
        "FETCH 1 BINARY.PEEK",
        "FETCH 1 BINARY.SIZE",
        "FETCH 1 BINARY.SIZE[1]<0.1>",
        "FETCH 1 BINARY[0]",
        "FETCH 1 BINARY[MIME]",
        "FETCH 1 BINARY[1]<0.0>",
        "FETCH 1 BINARY.SIZE.PEEK[1]",
        "FETCH 1 PREVIEW (FUZZY)",
        "FETCH 1 (PREVIEW ())",
        "FETCH 1 (PREVIEW LAZY)",
        "FETCH 1 PREVIEW[]",
        "FETCH 1 BODY[]<0.1",
        "FETCH 1 FLAGS ()",
        "FETCH 1 FLAGS (VANISHED)",
        "UID FETCH 1 FLAGS (VANISHED)",
        "FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)",
        "UID FETCH 1 FLAGS (CHANGEDSINCE VANISHED)",
        "SEARCH",
        "SEARCH FOO",
        "SEARCH ()",
        "SEARCH RETURN",
        "SEARCH RETURN ()",
        "SEARCH RETURN (FOO) ALL",
        "SEARCH RETURN () CHARSET UTF-8",
        "SEARCH CHARSET UTF-8",
        "SEARCH NOT",
        "SEARCH OR SEEN",
        "SEARCH 1:",
        "SEARCH KEYWORD \\Seen",
        "SEARCH LARGER -1",
        "SEARCH LARGER 9223372036854775808",
        "SEARCH ON 30-Feb-2000",
        "SEARCH ON 1-Foo-2000",
        "SEARCH ON 1-Jan-00",
        "SEARCH ON 001-Jan-2000",
        "SEARCH ON \"1-Jan-2000",
        "SEARCH OLDER 0",
        "SEARCH YOUNGER 4294967296",
        "SEARCH SAVEDON",
        "SEARCH RETURN (PARTIAL 1:10 ALL) ALL",
        "SEARCH RETURN (PARTIAL 1:10 PARTIAL 1:10) ALL",
        "SEARCH RETURN (PARTIAL 1:-10) ALL",
        "SEARCH RETURN (PARTIAL -1:10) ALL",
        "SEARCH RETURN (PARTIAL 0:10) ALL",
        "SEARCH RETURN (PARTIAL 1:4294967296) ALL",
        "SEARCH RETURN (UPDATES) ALL",
        "SORT RETURN (COUNT) (DATE) UTF-8 RETURN (COUNT) ALL",
        "CANCELUPDATE",
        "CANCELUPDATE ",
        "CANCELUPDATE ()",
        "UIDBATCHES",
        "UIDBATCHES 0",
        "UIDBATCHES 500 1",
        "UIDBATCHES 500 2:1",
        "UIDBATCHES 4294967296",
        "FETCH 1 FLAGS (PARTIAL 1:2)",
        "UID FETCH 1 FLAGS (PARTIAL 1)",
        "SORT",
        "SORT ()",
        "SORT () UTF-8 ALL",
        "SORT (DATE)",
        "SORT (DATE) UTF-8",
        "SORT (DATE) ALL",
        "SORT (REVERSE) UTF-8 ALL",
        "SORT (REVERSE REVERSE DATE) UTF-8 ALL",
        "SORT (BCC) UTF-8 ALL",
        "SORT DATE UTF-8 ALL",
        "SORT RETURN (FOO) (DATE) UTF-8 ALL",
        "SORT (DATE) CHARSET UTF-8 ALL",
        "THREAD",
        "THREAD REFS UTF-8 ALL",
        "THREAD REFERENCES",
        "THREAD REFERENCES UTF-8",
        "THREAD REFERENCES ALL",
        "THREAD RETURN () REFERENCES UTF-8 ALL",
        "SEARCH MODSEQ",
        "SEARCH MODSEQ \"/flags/x\" foo 1",
    ] {
        refusal(text);
    }
}

#[test]
fn append_dates_are_checked() {
    let parse_date = |date: &str| {
        let pieces =
            [Piece::Text(format!("a APPEND x \"{date}\" {{1}}").into()), Piece::Streamed(1), Piece::Text(vec![])];
        parse(&pieces, false).is_ok()
    };
    assert!(parse_date("31-Dec-1999 23:59:60 +2359"));
    assert!(parse_date(" 1-Jan-0000 00:00:00 -0000"));
    assert!(parse_date("31-Dec-1999 23:59:00 +0599"));
    for wrong in [
        "32-Dec-1999 00:00:00 +0000",
        "29-Feb-1999 00:00:00 +0000",
        "  1-Dec-1999 00:00:00 +0000",
        "01-Dec-1999 24:00:00 +0000",
        "01-Dec-1999 00:60:00 +0000",
        "01-Dec-1999 00:00:61 +0000",
        "01-Dec-1999 00:00:00 +2400",
        "01-Dec-1999 00:00:00 +2360",
        "01-Dec-1999 00:00:00 -9999",
        "01-Dec-1999 00:00:00 0000",
        "01-Dec-1999 0:00:00 +0000",
        "01-Dec-1999 00:00:00",
        "",
    ] {
        assert!(!parse_date(wrong), "{wrong}");
    }
}

#[test]
fn nesting_at_the_limit_and_one_past_it() {
    let lists = |depth| format!("SEARCH {}SEEN{}", "(".repeat(depth), ")".repeat(depth));
    let nots = |depth| format!("SEARCH {}SEEN", "NOT ".repeat(depth));
    let ors = |depth| format!("SEARCH {}SEEN{}", "OR ".repeat(depth), " 1".repeat(depth));
    for text in [lists, nots, ors].map(|f: fn(usize) -> String| (f(MAX_DEPTH - 1), f(MAX_DEPTH))) {
        command(&text.0);
        assert_eq!(refusal(&text.1), "search keys nested too deeply");
    }
    refusal(&format!("SEARCH {}", "(".repeat(60_000)));
}

#[test]
fn numbers_of_things_at_the_limit_and_one_past_it() {
    let list = |n: usize, item: fn(usize) -> String| (0..n).map(item).collect::<Vec<_>>().join(" ");
    let keywords = |n| format!("STORE 1 FLAGS ({})", list(n, |i| format!("k{i}")));
    let items = |n| format!("FETCH 1 ({})", list(n, |i| format!("BODY[{}]", i + 1)));
    let patterns = |n| format!("LIST \"\" ({})", list(n, |i| format!("p{i}")));
    let pairs = |n| format!("ID ({})", list(n, |i| format!("\"f{i}\" NIL")));
    for (limit, text, message) in [
        (MAX_KEYWORDS, &keywords as &dyn Fn(usize) -> String, "too many keywords"),
        (MAX_FETCH_ITEMS, &items, "too many FETCH items"),
        (MAX_PATTERNS, &patterns, "too many patterns"),
        (MAX_ID_PAIRS, &pairs, "too many ID fields"),
    ] {
        command(&text(limit));
        assert_eq!(refusal(&text(limit + 1)), message);
    }
}

#[test]
fn heads_are_refused_where_they_are_wrong() {
    let text = |text: &str| Piece::Text(text.into());
    let (streamed, literal) = (Piece::Streamed(3), Piece::Literal(b"x".into()));
    for (head, fine) in [
        (vec![text("a APPEND x {3}")], true),
        (vec![text("a APPEND {1}"), literal.clone(), text(" (\\Seen) {3+}")], true),
        (vec![text("a APPEND x {3}"), streamed.clone(), text(" {4}")], true),
        (vec![text("a APPEND x {3}"), streamed.clone(), text("{4}")], false),
        (vec![text("a APPEND x {3}"), streamed.clone(), text(") {4}")], false),
        (vec![text("a APPEND x CATENATE (URL {1}"), literal.clone(), text(" TEXT {4}")], true),
        (vec![text("a APPEND x CATENATE (URL {1}"), literal, text(" TEXT {4}"), streamed.clone(), text(" {4}")], false),
        (vec![text("a APPEND x CATENATE (TEXT {3}"), streamed.clone(), text(") CATENATE (TEXT ~{4}")], true),
        (vec![text("a APPEND x UTF8 (~{3}")], true),
        (vec![text("a APPEND x UTF8 (~{3}"), streamed.clone(), text(" {4}")], false),
        (vec![text("a APPEND x UTF8 ({3}")], false),
        (vec![text("a APPEND x (\\Seen {3}")], false),
        (vec![text("a APPEND x")], false),
        (vec![text("a NOOP {3}")], false),
        (vec![text("a REPLACE 1 x {3}")], true),
        (vec![text("a REPLACE 1 x {3}"), streamed.clone(), text(" {4}")], false),
        (vec![text("a UID REPLACE 0 x {3}")], false),
    ] {
        assert_eq!(parse_append_head(&head, false).is_ok(), fine, "{head:?}");
    }
}

#[test]
fn a_password_that_is_not_utf8_is_nobodys() {
    let pieces = [Piece::Text(b"a LOGIN x {1}".to_vec()), Piece::Literal(vec![0xff]), Piece::Text(vec![])];
    let Ok(Tagged { command: Command::Login { password, .. }, .. }) = parse(&pieces, false) else { panic!() };
    assert_eq!(password.expose(), "\0");
}

proptest! {
    #[test]
    fn no_pieces_make_it_panic(pieces in prop::collection::vec(piece(), 0..5), utf8: bool) {
        let _ = parse(&pieces, utf8);
        let _ = parse_append_head(&pieces, utf8);
    }
}

fn piece() -> impl Strategy<Value = Piece> {
    let words = "(a |UID |FETCH |STORE |SEARCH |LIST |APPEND |REPLACE 1 |CATENATE \\(|URL |TEXT |UTF8 \\(|\\(|\\)|\\*|1|\\[|\\]|<|>|\"|\\\\|\\{3\\}|BODY|RETURN|[ -~]){0,12}";
    prop_oneof![
        words.prop_map(|text| Piece::Text(text.into())),
        prop::collection::vec(any::<u8>(), 0..12).prop_map(Piece::Text),
        prop::collection::vec(any::<u8>(), 0..4).prop_map(Piece::Literal),
        any::<u64>().prop_map(Piece::Streamed),
    ]
}
