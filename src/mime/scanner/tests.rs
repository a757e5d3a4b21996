//! The scanner over shapes of messages that the corpus does not have, its limits, and arbitrary octets.

use std::time::Instant;

use proptest::prelude::*;

use super::*;
use crate::mime::{Body, Part};

fn scan_with(limits: Limits, message: &[u8], piece: usize) -> (Structure, String) {
    let mut scanner = Scanner::new(limits);
    let mut text = Vec::new();
    for piece in message.chunks(piece.max(1)) {
        scanner.feed(piece, &mut text);
    }
    let structure = scanner.finish(&mut text);
    let (mut scanner, mut alone) = (Scanner::for_text(limits), Vec::new());
    scanner.feed(message, &mut alone);
    assert_eq!(scanner.finish_text(&mut alone), structure.header);
    assert_eq!(alone, text, "the text is the same where it alone is wanted");
    (structure, String::from_utf8(text).expect("search text is UTF-8"))
}

fn scan(message: &[u8]) -> Structure {
    scan_with(Limits::default(), message, usize::MAX).0
}

/// The tree as text: type, header span, content span, lines.
fn shown(part: &Part) -> String {
    let (header, body) = (&part.header_span, &part.body_span);
    let inner = match &part.body {
        Body::Leaf => String::new(),
        Body::Multipart(parts) => format!("[{}]", parts.iter().map(shown).collect::<String>()),
        Body::Message(_, inner) => format!("<{}>", shown(inner)),
    };
    let name = String::from_utf8_lossy(&part.subtype).into_owned();
    format!("({name} {}-{} {}-{} {}{inner})", header.start, header.end, body.start, body.end, part.lines)
}

#[test]
fn any_short_message() {
    let cases: [(&[u8], &str); 8] = [
        (b"", "(plain 0-0 0-0 0)"),
        (b"x", "(plain 0-1 1-1 0)"),
        (b"\r\n", "(plain 0-2 2-2 0)"),
        (b"\n\n", "(plain 0-1 1-2 1)"),
        (b"A: b\r\n\r\n--x\r\n", "(plain 0-8 8-13 1)"),
        (b"\r\r\n", "(plain 0-3 3-3 0)"),
        (b"Content-Type: multipart/mixed\r\n\r\nx", "(mixed 0-33 33-34 0[(plain 34-34 34-34 0)])"),
        (b"Content-Type: message/rfc822\r\n\r\nA: b\r\n\r\nx\r\n", "(rfc822 0-32 32-43 3<(plain 32-40 40-43 1)>)"),
    ];
    for (message, want) in cases {
        assert_eq!(shown(&scan(message).root), want, "{}", message.escape_ascii());
    }
}

#[test]
fn text_comes_part_by_part_and_headers_last() {
    let message = b"Content-Type: multipart/mixed; boundary=b\r\n\r\nPreamble\r\n--b\r\nX-Inner: One\r\n\r\nBody ONE\r\n--not\r\n\
        --b\r\nContent-Type: image/png\r\n\r\nNo\r\n--b\r\n\r\nTWO\r\n--b--\r\nEpilogue\r\n";
    for piece in 1..message.len() {
        let (structure, text) = scan_with(Limits::default(), message, piece);
        assert_eq!(text, "body one\r\n--not\r\n\ntwo\r\n\n\0x-inner: one\ncontent-type: image/png\n");
        assert_eq!(structure.header.len(), 45);
    }
}

#[test]
fn dates() {
    let structure = scan(
        b"Received: by a; 3 Jan 1970 00:00:00 +0100\r\nReceived: by b; 2 Jan 1970 00:00:00 +0000\r\n\
        Date: 1 Jan 1970 12:00:00 +0000\r\n\r\n",
    );
    assert_eq!(structure.received, Some((2 * 86_400 - 3_600, 60)));
    assert_eq!(structure.sent_day, Some(0));
    assert_eq!(scan(b"Received: by a; never\r\nDate: 2 Jan 1970 00:00:00 -0100\r\n\r\n").received, Some((90_000, -60)));
    assert_eq!(scan(b"Date: never\r\n\r\n").sent_day, None);
}

fn depth(part: &Part) -> usize {
    match &part.body {
        Body::Leaf => 0,
        Body::Multipart(parts) => 1 + parts.iter().map(depth).max().unwrap_or(0),
        Body::Message(_, inner) => 1 + depth(inner),
    }
}

#[test]
fn depth_at_the_limit_and_past_it() {
    let limits = Limits { depth: 3, ..Limits::default() };
    let messages = |n: usize| scan_with(limits, &b"Content-Type: message/rfc822\r\n\r\n".repeat(n), 7).0.root;
    assert_eq!(depth(&messages(2)), 2);
    assert_eq!(depth(&messages(3)), 2);
    assert!(shown(&messages(2)).contains("plain") && shown(&messages(3)).contains("octet-stream"));
}

#[test]
fn parts_at_the_limit_and_past_it() {
    let limits = Limits { parts: 4, ..Limits::default() };
    let children = |n: usize| {
        let message =
            [b"Content-Type: multipart/mixed; boundary=b\r\n\r\n".as_slice(), &b"--b\r\n\r\nx\r\n".repeat(n)].concat();
        match scan_with(limits, &message, 7).0.root.body {
            Body::Multipart(parts) => parts.len(),
            _ => 0,
        }
    };
    assert_eq!((children(3), children(4)), (3, 3));
}

#[test]
fn parameters_at_the_limit_and_past_it() {
    let limits = Limits { parameters: 2, ..Limits::default() };
    let kept = |message: &[u8]| scan_with(limits, message, 7).0.root.parameters.len();
    assert_eq!(kept(b"Content-Type: a/b; a=b; c=d\r\n\r\n"), 2);
    assert_eq!(kept(b"Content-Type: a/b; a=b; c=d; e=f\r\n\r\n"), 2);
}

#[test]
fn header_at_the_limit_and_past_it() {
    let message = b"Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n";
    let limits = |header| Limits { header, ..Limits::default() };
    for piece in [1, 10, 1000] {
        let (whole, _) = scan_with(limits(57), message, piece);
        assert_eq!(shown(&whole.root), "(mixed 0-57 57-74 4[(plain 62-64 64-65 0)])");
        // The blank line is past the limit.
        let (cut, _) = scan_with(limits(56), message, piece);
        assert_eq!(shown(&cut.root), "(octet-stream 0-55 55-74 5)");
        let (cut, text) = scan_with(limits(20), message, piece);
        assert_eq!(shown(&cut.root), "(plain 0-12 12-74 6)");
        assert!(text.starts_with("content-type: multipart"), "{text}");
        let (cut, text) = scan_with(limits(9), message, piece);
        assert_eq!((cut.root.header_span, text.len()), (0..0, message.len() + 1));
    }
}

#[test]
fn header_octets_of_all_parts_are_bounded() {
    let limits = Limits { header: 100, ..Limits::default() };
    let part = b"--b\r\nX: 3456789012345678901234567890123456789012345678\r\n\r\n";
    let message = [b"Content-Type: multipart/mixed; boundary=b\r\n\r\n".as_slice(), &part.repeat(100)].concat();
    let Body::Multipart(parts) = scan_with(limits, &message, 7).0.root.body else { panic!("a multipart") };
    assert!(parts.len() > 5 && parts.len() < 10, "{}", parts.len());
}

#[test]
fn addresses_of_all_messages_are_bounded() {
    let inner = [b"Content-Type: message/rfc822\r\nFrom: ".as_slice(), &b"a,".repeat(4_000), b"\r\n\r\n"].concat();
    let mut part = scan(&inner.repeat(4)).root;
    let mut counts = Vec::new();
    while let Body::Message(envelope, inner) = part.body {
        counts.push(envelope.from.len());
        part = *inner;
    }
    assert_eq!(counts, [4_000, 2_000, 0, 0]);
}

#[test]
fn hostile_messages_take_linear_time() {
    let multipart = |n: usize| format!("Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n");
    let nested: String = (0..5_000).map(multipart).collect();
    let messages = [
        nested.into_bytes(),
        b"Content-Type: message/rfc822\r\n\r\n".repeat(20_000),
        [multipart(0).into_bytes(), b"--b0\r\n".repeat(200_000)].concat(),
        [multipart(0).into_bytes(), b"--\r\n".repeat(200_000)].concat(),
        vec![b'-'; 1_000_000],
        b"=?a?b?".repeat(100_000),
        b"From: (".repeat(100_000),
        b"Content-Type: a/b; a*0=".repeat(40_000),
    ];
    for message in messages {
        let start = Instant::now();
        scan_with(Limits::default(), &message, 4096);
        let start_of_message = message.get(..40).unwrap_or(&message).escape_ascii().to_string();
        assert!(start.elapsed().as_secs() < 5, "{start_of_message}");
    }
}

/// Every part lies within its parent, header before content.
fn well_formed(part: &Part, within: std::ops::Range<u64>) -> bool {
    let (header, body) = (&part.header_span, &part.body_span);
    let ordered = header.start <= header.end && header.end <= body.start && body.start <= body.end;
    let inside = within.start <= header.start && body.end <= within.end;
    let children = match &part.body {
        Body::Leaf => true,
        Body::Multipart(parts) => !parts.is_empty() && parts.iter().all(|part| well_formed(part, body.clone())),
        Body::Message(_, inner) => well_formed(inner, body.clone()),
    };
    ordered && inside && children
}

/// Messages made of the pieces that matter to the scanner.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"\r\n".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"\r".to_vec()),
        Just(b"--a".to_vec()),
        Just(b"--ab".to_vec()),
        Just(b"--".to_vec()),
        Just(b"\r\n--a\r\n".to_vec()),
        Just(b"\r\n--a--\r\n".to_vec()),
        Just(b"Content-Type: multipart/mixed; boundary=a\r\n".to_vec()),
        Just(b"Content-Type: multipart/digest; boundary=\"ab\"\r\n\r\n".to_vec()),
        Just(b"Content-Type: message/rfc822\r\n\r\n".to_vec()),
        Just(b"Content-Type: text/plain; charset=utf-8\r\n".to_vec()),
        Just(b"Content-Transfer-Encoding: base64\r\n\r\n".to_vec()),
        Just(b"From: A <a@b>, (c) \"d\":e;\r\n".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..6),
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// A boundary right after a boundary without a line end, read octet by octet: once cut another way than whole.
#[test]
fn a_delimiter_that_runs_into_a_header_is_cut_the_same_in_pieces() {
    let head = b"Content-Type: multipart/digest; boundary=\"ab\"\r\n\r\n--ab";
    let message = [head.as_slice(), head.as_slice()].concat();
    let (whole, text) = scan_with(Limits::default(), &message, usize::MAX);
    let (cut, cut_text) = scan_with(Limits::default(), &message, 1);
    assert_eq!((shown(&whole.root), text), (shown(&cut.root), cut_text));
}

proptest! {
    #[test]
    fn pieces_make_no_difference(message in pieces(), size in 1_usize..50) {
        let (whole, text) = scan_with(Limits::default(), &message, usize::MAX);
        let (cut, cut_text) = scan_with(Limits::default(), &message, size);
        prop_assert_eq!(shown(&whole.root), shown(&cut.root));
        prop_assert_eq!(text, cut_text);
        prop_assert_eq!(whole.envelope, cut.envelope);
        prop_assert!(well_formed(&whole.root, 0..message.len() as u64), "{}", shown(&whole.root));
        prop_assert_eq!(whole.root.header_span.start, 0);
        prop_assert_eq!(whole.root.body_span.end, message.len() as u64);
    }

    #[test]
    fn octets_are_a_message(message in proptest::collection::vec(any::<u8>(), 0..300)) {
        scan_with(Limits { header: 50, parts: 3, depth: 2, parameters: 1 }, &message, 7);
    }
}
