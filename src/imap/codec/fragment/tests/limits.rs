//! Each limit, at it and one past it.

use super::*;

#[test]
fn length_of_the_line() {
    let line = |n: usize| format!("a {}", "x".repeat(n - 2));
    for end in ["\r\n", "\n"] {
        assert_eq!(tell(format!("{}{end}", line(64)).as_bytes()), [command(&[text(&line(64))])]);
        for over in [65, 66, 200] {
            let wire = format!("{}{end}b NOOP{end}", line(over));
            assert_eq!(tell(wire.as_bytes()), [too_large(Some("a"), false, false), command(&[text("b NOOP")])]);
        }
    }
    assert_eq!(tell("x".repeat(65).as_bytes()), []);
    assert_eq!(tell(format!("{}\r\n", "x".repeat(65)).as_bytes()), [too_large(None, false, false)]);
}

#[test]
fn length_of_all_lines_of_a_command() {
    let wire = |n: usize| format!("a {{9+}}\r\n{}{}\r\nb\r\n", "l".repeat(9), "x".repeat(n));
    assert!(matches!(&tell(wire(58).as_bytes())[..], [Told::Event(Event::Command(pieces)), _] if pieces.len() == 3));
    assert_eq!(tell(wire(59).as_bytes()), [too_large(Some("a"), false, false), command(&[text("b")])]);
}

#[test]
fn literals_of_a_line_that_is_too_long_are_consumed() {
    let long = "x".repeat(100);
    let next = command(&[text("b")]);
    let wire = format!("a {long} {{4+}}\r\nc\r\n\r\n {{4+}}\r\nd\r\n\r\nb\r\n");
    assert_eq!(tell(wire.as_bytes())[0], too_large(Some("a"), false, false));
    let wire = format!("a {long}{{4+}}\r\nc\r\nx {{4+}}\r\nd\r\nx\r\nb\r\n");
    assert_eq!(tell(wire.as_bytes()), [too_large(Some("a"), false, false), next.clone()]);
    // The client waits for a continuation that it does not get.
    let wire = format!("a {long}{{4}}\r\nb\r\n");
    assert_eq!(tell(wire.as_bytes()), [too_large(Some("a"), false, false), next]);
}

#[test]
fn size_of_a_literal() {
    let fine = [text("a {16}"), literal("0123456789abcdef"), text("")];
    assert_eq!(tell(b"a {16}\r\n0123456789abcdef\r\n"), [CONTINUE, command(&fine)]);
    assert_eq!(tell(b"a {17}\r\nb\r\n"), [too_large(Some("a"), false, false), command(&[text("b")])]);
    assert_eq!(
        tell(b"a {17+}\r\nb X\r\nc X\r\nd X\r\ne\r\nb\r\n"),
        [too_large(Some("a"), false, false), command(&[text("b")])]
    );
}

#[test]
fn number_of_literals() {
    let wire = |n: usize| format!("a {}\r\nb\r\n", "{1+}\r\nx".repeat(n));
    assert!(matches!(&tell(wire(4).as_bytes())[..], [Told::Event(Event::Command(pieces)), _] if pieces.len() == 9));
    assert_eq!(tell(wire(5).as_bytes()), [too_large(Some("a"), false, false), command(&[text("b")])]);
}

#[test]
fn total_size_of_literals() {
    let wire = |n: usize| format!("a {{16+}}\r\n0123456789abcdef{{{n}+}}\r\n{}\r\nb\r\n", "y".repeat(n));
    assert!(matches!(&tell(wire(8).as_bytes())[..], [Told::Event(Event::Command(pieces)), _] if pieces.len() == 5));
    assert_eq!(tell(wire(9).as_bytes()), [too_large(Some("a"), false, false), command(&[text("b")])]);
}

#[test]
fn size_of_an_append() {
    let message = "x".repeat(100);
    let fine = tell(format!("a APPEND x {{100+}}\r\n{message}\r\n").as_bytes());
    assert_eq!(fine[1..3], [Told::Data(message.clone().into()), DATA_END]);
    assert_eq!(tell(b"a APPEND x {101}\r\nb\r\n"), [too_large(Some("a"), true, false), command(&[text("b")])]);
    let wire = format!("a APPEND x {{101+}}\r\n{message}y\r\nb\r\n");
    assert_eq!(tell(wire.as_bytes()), [too_large(Some("a"), true, false), command(&[text("b")])]);
}

#[test]
fn number_of_messages() {
    let wire = |n: usize| format!("a APPEND x{}\r\nb\r\n", " {1+}\r\nx".repeat(n));
    let told = tell(wire(3).as_bytes());
    assert!(matches!(&told[9..], [Told::Event(Event::Command(pieces)), _] if pieces.len() == 7), "{told:?}");
    let told = tell(wire(4).as_bytes());
    assert_eq!(told[9..], [too_large(Some("a"), false, false), command(&[text("b")])]);
    // They are not among the literals that are kept in memory, nor is their size.
    let limits = Limits { literals: 0, literal: 0, literal_total: 0, ..LIMITS };
    let told = tell_with(limits, wire(3).as_bytes(), true);
    assert!(matches!(&told[9..], [Told::Event(Event::Command(_)), _]), "{told:?}");
}

#[test]
fn size_of_a_later_message() {
    let wire = |size: usize, plus: &str, data: &str| format!("a APPEND x {{1+}}\r\nx {{{size}{plus}}}\r\n{data}b\r\n");
    let message = format!("{}\r\n", "x".repeat(100));
    let told = tell(wire(100, "+", &message).as_bytes());
    assert_eq!(told[told.len() - 1], command(&[text("b")]));
    assert!(matches!(&told[told.len() - 2], Told::Event(Event::Command(_))));
    let refused = [too_large(Some("a"), true, false), command(&[text("b")])];
    assert_eq!(tell(wire(101, "", "").as_bytes())[3..], refused);
    assert_eq!(tell(wire(101, "+", &format!("y{message}")).as_bytes())[3..], refused);
}

#[test]
fn before_login_an_append_is_like_any_command() {
    let limits = Limits { append: 0, ..LIMITS };
    let all = [text("a APPEND x {3}"), literal("abc"), text("")];
    assert_eq!(tell_with(limits, b"a APPEND x {3}\r\nabc\r\n", true), [CONTINUE, command(&all)]);
    let want = [too_large(Some("a"), false, false), command(&[text("b")])];
    assert_eq!(tell_with(limits, b"a APPEND x {17}\r\nb\r\n", true), want);
    let mut fragmenter = Fragmenter::new(limits);
    fragmenter.set_limits(LIMITS);
    let told = feed(&mut fragmenter, [b"a APPEND x {3}\r\n".as_slice()], true);
    assert_eq!(told, [head(&all[..1], 3, true)]);
}

#[test]
fn rule_39_too_much_to_discard_ends_the_connection() {
    let most = 1024 * 1024;
    for (size, want) in [(most, vec![]), (most + 1, vec![too_large(Some("a"), false, true)])] {
        let mut fragmenter = Fragmenter::new(LIMITS);
        let line = format!("a {{{size}+}}\r\n");
        assert_eq!(feed(&mut fragmenter, [line.as_bytes()], true), want);
        let rest = vec![b'\n'; most + 10];
        let told = feed(&mut fragmenter, rest.chunks(4096), true);
        // At the limit: the end of the command, and nine lines. Past it: nothing is read any more.
        assert_eq!(told.len(), if want.is_empty() { 10 } else { 0 });
        assert!(!fragmenter.has_input());
    }
    let endless = vec![b'x'; most + 66];
    let told = feed(&mut Fragmenter::new(LIMITS), endless.chunks(8192), true);
    assert_eq!(told, [too_large(None, false, true)]);
    let limits = Limits { append: u64::MAX, ..LIMITS };
    assert_eq!(limits.discard(), u64::MAX);
}

#[test]
fn numbers_that_do_not_fit() {
    let close = [too_large(Some("a"), false, true)];
    let over = [too_large(Some("a"), false, false), command(&[text("b")])];
    for digits in ["18446744073709551615", "18446744073709551616", "99999999999999999999999999"] {
        assert_eq!(tell(format!("a {{{digits}}}\r\nb\r\n").as_bytes()), over);
        assert_eq!(tell(format!("a {{{digits}+}}\r\nb\r\n").as_bytes()), close);
    }
    // A number longer than what is kept of a discarded line.
    let digits = "0".repeat(70);
    assert_eq!(tell(format!("a {{{digits}}}\r\nb\r\n").as_bytes()), over);
    assert_eq!(tell(format!("a {{{digits}+}}\r\nb\r\n").as_bytes()), close);
}

#[test]
fn raw_lines() {
    for (length, fine) in [(64, true), (65, false), (66, false), (500, false)] {
        for size in [1, 7, 1000] {
            let wire = format!("{}\r\nnext\n", "x".repeat(length));
            let mut fragmenter = Fragmenter::new(LIMITS);
            let mut lines = Vec::new();
            for cut in wire.as_bytes().chunks(size) {
                fragmenter.push(cut);
                lines.extend(std::iter::from_fn(|| fragmenter.poll_line()));
                assert!(fragmenter.text.len() <= 65);
            }
            let first = if fine { Ok(vec![b'x'; length]) } else { Err(()) };
            assert_eq!(lines, [first, Ok(b"next".to_vec())]);
        }
    }
}

#[test]
fn rule_39_lines_to_64_kib_work_octet_by_octet() {
    let limits = Limits { line: 65_536, ..LIMITS };
    let line = format!("a UID FETCH {}9 FLAGS", "1,".repeat((65_536 - 19) / 2));
    let wire = format!("{line}\r\n");
    let told = feed(&mut Fragmenter::new(limits), wire.as_bytes().chunks(1), true);
    assert_eq!(told, [command(&[text(&line)])]);
    assert!(line.len() > 65_500 && line.len() <= 65_536);
}
