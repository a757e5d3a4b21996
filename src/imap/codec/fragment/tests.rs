//! Boundaries, limits at and one past, and that no cutting of the input changes what is read.

use proptest::prelude::*;

use super::*;

mod limits;

const LIMITS: Limits =
    Limits { line: 64, literal: 16, literals: 4, literal_total: 24, append: 100, append_literals: 3 };

/// What came of an input, told so that it does not depend on how the input was cut.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Event(Event),
    Data(Vec<u8>),
}

/// Feeds `wire` in the given cuts. `accept`: whether the messages of APPENDs are.
fn feed<'a>(fragmenter: &mut Fragmenter, cuts: impl IntoIterator<Item = &'a [u8]>, accept: bool) -> Vec<Told> {
    let mut told = Vec::new();
    for cut in cuts {
        fragmenter.push(cut);
        while let Some(event) = fragmenter.poll() {
            match event {
                Event::Data(data) => match told.last_mut() {
                    Some(Told::Data(all)) => all.extend(data),
                    _ => told.push(Told::Data(data)),
                },
                event => {
                    if matches!(event, Event::AppendLiteral { .. }) {
                        if accept { fragmenter.accept_stream() } else { fragmenter.refuse() }
                    }
                    told.push(Told::Event(event));
                }
            }
        }
        assert!(fragmenter.text.len() <= fragmenter.limits.line + 1);
        assert!(fragmenter.input.is_empty());
    }
    told
}

/// What comes of `wire`, which must be the same for each way to cut it.
fn tell_with(limits: Limits, wire: &[u8], accept: bool) -> Vec<Told> {
    let told = feed(&mut Fragmenter::new(limits), [wire], accept);
    for size in [1, 2, 3, 5, 7] {
        assert_eq!(feed(&mut Fragmenter::new(limits), wire.chunks(size), accept), told, "{}", wire.escape_ascii());
    }
    if wire.len() < 300 {
        for at in 0..wire.len() {
            let (before, after) = wire.split_at(at);
            assert_eq!(feed(&mut Fragmenter::new(limits), [before, after], accept), told, "{}", wire.escape_ascii());
        }
    }
    told
}

fn tell(wire: &[u8]) -> Vec<Told> {
    tell_with(LIMITS, wire, true)
}

fn text(text: &str) -> Piece {
    Piece::Text(text.into())
}

fn literal(octets: &str) -> Piece {
    Piece::Literal(octets.into())
}

fn command(pieces: &[Piece]) -> Told {
    Told::Event(Event::Command(pieces.to_vec()))
}

fn head(head: &[Piece], size: u64, sync: bool) -> Told {
    Told::Event(Event::AppendLiteral { head: head.to_vec(), size, sync })
}

fn too_large(tag: Option<&str>, append: bool, close: bool) -> Told {
    Told::Event(Event::TooLarge { tag: tag.map(Into::into), append, close })
}

const CONTINUE: Told = Told::Event(Event::Continue);
const DATA_END: Told = Told::Event(Event::DataEnd);

#[test]
fn lines_end_with_crlf_or_lf() {
    assert_eq!(tell(b"a NOOP\r\nb NOOP\n\r\n\n"), ["a NOOP", "b NOOP", "", ""].map(|line| command(&[text(line)])));
    assert_eq!(tell(b"a\rb\r\r\n"), [command(&[text("a\rb\r")])]);
    assert_eq!(tell(b"a NOOP\r"), []);
}

#[test]
fn octets_of_a_literal_are_never_a_command() {
    let pieces = [text("a LOGIN {8}"), literal("b X\r\nc\r\n"), text(" {2+}"), literal("\r\n"), text("")];
    assert_eq!(
        tell(b"a LOGIN {8}\r\nb X\r\nc\r\n {2+}\r\n\r\n\r\nd\n"),
        [CONTINUE, command(&pieces), command(&[text("d")])]
    );
    let nested = [text("a {3}"), literal("{9}"), text("")];
    assert_eq!(tell(b"a {3}\n{9}\n"), [CONTINUE, command(&nested)]);
    assert_eq!(tell(b"a {0}\r\n\r\n"), [CONTINUE, command(&[text("a {0}"), literal(""), text("")])]);
    assert_eq!(tell(b"a ~{2+}\r\n\0\0\r\n"), [command(&[text("a ~{2+}"), literal("\0\0"), text("")])]);
}

#[test]
fn what_looks_like_a_literal_and_is_none() {
    for line in
        ["a {}", "a {+}", "a {1", "a 1}", "a {1x}", "a {-1}", "a {1} ", "a {1}\"", "a {1++}", "a { 1}", "}", "1}"]
    {
        assert_eq!(tell(format!("{line}\r\n").as_bytes()), [command(&[text(line)])], "{line}");
    }
}

#[test]
fn the_message_of_an_append_is_streamed() {
    for (line, sync) in [
        ("a APPEND INBOX {9}", true),
        ("a append \"a \\\" {1}\" (\\Seen) {9+}", false),
        ("a APPEND \"a\" ~{9+}", false),
    ] {
        let wire = format!("{line}\r\nb NOOP\r\n{{\r\n");
        let all = [text(line), Piece::Streamed(9), text("")];
        let want = [head(&all[..1], 9, sync), Told::Data(b"b NOOP\r\n{".to_vec()), DATA_END, command(&all)];
        assert_eq!(tell(wire.as_bytes()), want);
    }
    let all = [text("a APPEND x {0+}"), Piece::Streamed(0), text("")];
    assert_eq!(tell(b"a APPEND x {0+}\r\n\r\n"), [head(&all[..1], 0, false), DATA_END, command(&all)]);
}

#[test]
fn the_mailbox_name_of_an_append_is_not_its_message() {
    let all = [text("a APPEND {1}"), literal("x"), text(" {3}"), Piece::Streamed(3), text("")];
    let want = [CONTINUE, head(&all[..3], 3, true), Told::Data(b"abc".to_vec()), DATA_END, command(&all)];
    assert_eq!(tell(b"a APPEND {1}\r\nx {3}\r\nabc\r\n"), want);
    for line in
        ["a APPEND x{1}", "a APPEND \"x {1}", "a APPENDX x {1}", "APPEND x {1}", "a NOOP x {1}", " APPEND x {1}"]
    {
        let wire = format!("{line}\r\nx\r\n");
        let streamed = line.starts_with(' ');
        assert_eq!(tell(wire.as_bytes())[0] == CONTINUE, !streamed, "{line}");
    }
}

#[test]
fn the_end_of_a_multiappend_is_found() {
    let all = [text("a APPEND x {1}"), Piece::Streamed(1), text(" (\\Seen) {2+}"), Piece::Streamed(2), text("")];
    let want = [
        head(&all[..1], 1, true),
        Told::Data(b"A".to_vec()),
        DATA_END,
        head(&all[..3], 2, false),
        Told::Data(b"\r\n".to_vec()),
        DATA_END,
        command(&all),
        command(&[text("b")]),
    ];
    assert_eq!(tell(b"a APPEND x {1}\r\nA (\\Seen) {2+}\r\n\r\n\r\nb\r\n"), want);
}

#[test]
fn every_message_of_append_and_replace_is_streamed_and_urls_are_not() {
    let streamed = Piece::Streamed;
    for (line, first) in [
        ("a APPEND x CATENATE (TEXT {1+}", "TEXT"),
        ("a append \"URL \" (\\Seen) {1+}", "a message"),
        ("a APPEND URL {1+}", "a mailbox of that name"),
        ("a REPLACE 1 x {1+}", "REPLACE"),
        ("a uid replace * \"x\" ~{1+}", "UID REPLACE"),
        ("a UID REPLACE 1 x UTF8 (~{1+}", "UTF8"),
        ("a REPLACE 1 xURL {1+}", "no word"),
    ] {
        let all =
            [text(line), streamed(1), text(" URL {2+}"), literal("yz"), text(" TEXT ~{1+}"), streamed(1), text(")")];
        let want = [
            head(&all[..1], 1, false),
            Told::Data(b"A".to_vec()),
            DATA_END,
            head(&all[..5], 1, false),
            Told::Data(b"B".to_vec()),
            DATA_END,
            command(&all),
        ];
        assert_eq!(tell(format!("{line}\r\nA URL {{2+}}\r\nyz TEXT ~{{1+}}\r\nB)\r\n").as_bytes()), want, "{first}");
    }
    for line in [
        "a APPEND x CATENATE (URL {1+}",
        "a APPEND x CATENATE (TEXT x uRL {1+}",
        "a REPLACE x {1+}",
        "a UID APPEND x {1+}",
    ] {
        let all = [text(line), literal("A"), text("")];
        assert_eq!(tell(format!("{line}\r\nA\r\n").as_bytes()), [command(&all)], "{line}");
    }
}

#[test]
fn rule_39_a_later_message_refused() {
    let next = command(&[text("b NOOP")]);
    for (wire, sync) in [
        ("a APPEND x {1+}\r\nA {2}\r\nb NOOP\r\n", true),
        ("a APPEND x {1+}\r\nA {2+}\r\nc  TEXT {3+}\r\nd\r\n\r\nb NOOP\r\n", false),
    ] {
        for chunk in 1..wire.len() {
            let mut fragmenter = Fragmenter::new(LIMITS);
            let (mut heads, mut told) = (0, Vec::new());
            for cut in wire.as_bytes().chunks(chunk) {
                fragmenter.push(cut);
                while let Some(event) = fragmenter.poll() {
                    if matches!(event, Event::AppendLiteral { .. }) {
                        heads += 1;
                        if heads == 1 { fragmenter.accept_stream() } else { fragmenter.refuse() }
                    }
                    told.push(Told::Event(event));
                }
            }
            let pieces = [text("a APPEND x {1+}"), Piece::Streamed(1), text(if sync { " {2}" } else { " {2+}" })];
            assert_eq!(told[3..], [head(&pieces, 2, sync), next.clone()], "{wire} by {chunk}");
        }
    }
}

#[test]
fn rule_39_a_refused_append() {
    let next = command(&[text("b NOOP")]);
    let first = |line, size, sync| head(&[text(line)], size, sync);
    // The octets of a synchronising literal never come.
    let wire = b"a APPEND x {3}\r\nb NOOP\r\n";
    assert_eq!(tell_with(LIMITS, wire, false), [first("a APPEND x {3}", 3, true), next.clone()]);
    let wire = b"a APPEND x {9+}\r\nc LOGOUT\n {4+}\r\nd X\n\r\nb NOOP\r\n";
    assert_eq!(tell_with(LIMITS, wire, false), [first("a APPEND x {9+}", 9, false), next.clone()]);
    let wire = b"a APPEND x {0+}\r\n {4}\r\nb NOOP\r\n";
    assert_eq!(tell_with(LIMITS, wire, false), [first("a APPEND x {0+}", 0, false), next]);
}

#[test]
fn raw_lines_for_sasl_and_done() {
    let mut fragmenter = Fragmenter::new(LIMITS);
    fragmenter.push(b"DO");
    assert_eq!(fragmenter.poll_line(), None);
    fragmenter.push(b"NE\r\na {3}\n{1+}\r\n");
    assert_eq!(fragmenter.poll_line(), Some(Ok(b"DONE".to_vec())));
    assert_eq!(fragmenter.poll_line(), Some(Ok(b"a {3}".to_vec())));
    assert_eq!(fragmenter.poll_line(), Some(Ok(b"{1+}".to_vec())));
    fragmenter.push(b"\r\nb NOOP\r\n");
    assert_eq!(fragmenter.poll_line(), Some(Ok(Vec::new())));
    assert_eq!(fragmenter.poll(), Some(Event::Command(vec![text("b NOOP")])));
    assert_eq!((fragmenter.poll(), fragmenter.poll_line()), (None, None));
}

#[test]
fn nothing_survives_clear() {
    for before in ["a NO", "a NOOP\r\nb NOOP\r\n", "a X {3}\r\na", "a APPEND x {3}\r\nab", "a {999999+}\r\nx"] {
        let mut fragmenter = Fragmenter::new(LIMITS);
        fragmenter.push(before.as_bytes());
        fragmenter.poll();
        assert!(fragmenter.has_input());
        fragmenter.clear();
        assert!(!fragmenter.has_input());
        fragmenter.push(b"c NOOP\r\n");
        assert_eq!(fragmenter.poll(), Some(Event::Command(vec![text("c NOOP")])), "{before}");
    }
}

/// Text that does not end like a literal, and literals with any octets.
fn any_command() -> impl Strategy<Value = Vec<Piece>> {
    let line = "[ -|~]{0,6}";
    let literal = (line, prop::collection::vec(any::<u8>(), 0..6), any::<bool>());
    (prop::collection::vec(literal, 0..4), line).prop_map(|(literals, last)| {
        let mut pieces = Vec::new();
        for (line, octets, sync) in literals {
            let plus = if sync { "" } else { "+" };
            pieces.push(Piece::Text(format!("{line}{{{}{plus}}}", octets.len()).into()));
            pieces.push(Piece::Literal(octets));
        }
        pieces.push(Piece::Text(last.into()));
        pieces
    })
}

fn wire_of(pieces: &[Piece]) -> Vec<u8> {
    let mut wire = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => wire.extend([text.as_slice(), b"\r\n"].concat()),
            Piece::Literal(octets) => wire.extend(octets),
            Piece::Streamed(_) => {}
        }
    }
    wire
}

/// The messages of a command: octets, a URL literal before them or none, and whether they are announced synchronising.
fn messages() -> impl Strategy<Value = Vec<(Vec<u8>, Option<[u8; 2]>, bool)>> {
    prop::collection::vec((prop::collection::vec(any::<u8>(), 0..9), any::<Option<[u8; 2]>>(), any::<bool>()), 1..4)
}

proptest! {
    #[test]
    fn commands_come_out_as_they_went_in(commands in prop::collection::vec(any_command(), 1..4), size in 1_usize..20) {
        let wire: Vec<u8> = commands.iter().flat_map(|pieces| wire_of(pieces)).collect();
        let mut told = feed(&mut Fragmenter::new(LIMITS), wire.chunks(size), true);
        told.retain(|t| *t != CONTINUE);
        let want: Vec<Told> = commands.iter().map(|pieces| command(pieces)).collect();
        prop_assert_eq!(told, want);
    }

    #[test]
    fn messages_come_out_as_they_went_in(
        commands in prop::collection::vec((any::<bool>(), messages()), 1..4),
        cuts in prop::collection::vec(1_usize..20, 1..9),
    ) {
        let (mut wire, mut want) = (Vec::new(), Vec::new());
        for (is_replace, messages) in &commands {
            let mut line = if *is_replace { "a UID REPLACE 1 x" } else { "a APPEND x" }.to_owned();
            let mut all = Vec::new();
            for (octets, url, sync) in messages {
                if let Some(url) = url {
                    line.push_str(" URL {2+}");
                    wire.extend([line.as_bytes(), b"\r\n", url].concat());
                    all.extend([Piece::Text(std::mem::take(&mut line).into()), Piece::Literal(url.to_vec())]);
                }
                line.push_str(&format!(" {{{}{}}}", octets.len(), if *sync { "" } else { "+" }));
                wire.extend([line.as_bytes(), b"\r\n", octets].concat());
                all.extend([Piece::Text(std::mem::take(&mut line).into()), Piece::Streamed(octets.len() as u64)]);
                want.extend((!octets.is_empty()).then(|| Told::Data(octets.clone())));
                want.push(DATA_END);
            }
            wire.extend(b")\r\n");
            all.push(text(")"));
            want.push(command(&all));
        }
        let (mut pieces, mut rest, mut next) = (Vec::new(), wire.as_slice(), cuts.iter().cycle());
        while let Some(cut) = next.next().filter(|_| !rest.is_empty()) {
            let (piece, after) = rest.split_at((*cut).min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        let mut told = feed(&mut Fragmenter::new(LIMITS), pieces, true);
        told.retain(|t| !matches!(t, Told::Event(Event::AppendLiteral { .. })));
        prop_assert_eq!(told, want);
    }

    #[test]
    fn cuts_do_not_matter(wire in "(a APPEND x |b REPLACE 1 y |URL |CATENATE \\(TEXT |\\)|b |c \"|\\{[0-9]{1,3}\\+?\\}|[{}+0-9]|\r?\n|x{60}|[a-z]){0,30}", accept: bool) {
        tell_with(LIMITS, wire.as_bytes(), accept);
    }
}
