//! Messages made up from nothing: trees of parts whose boundaries, types, encodings and ends are odd, which no message of the
//! corpus has. The same seed makes the same message.

use crate::mutate::Random;
use crate::words;

/// A message of a few levels, all of whose lines end in CRLF.
pub(crate) fn invent(random: &mut Random) -> Vec<u8> {
    let mut out = Vec::new();
    match random.below(12) {
        0 => out.extend_from_slice(b"From someone@example.org Mon Jan  1 00:00:00 2024\r\n"),
        1 => out.extend_from_slice(b">From someone@example.org\r\n"),
        2 => out.extend_from_slice(&b"\r\n".repeat(1 + random.below(2))),
        3 => out.extend_from_slice(b" folded from nothing\r\n"),
        _ => {}
    }
    for _ in 0..random.below(6) {
        let (names, values) = match random.below(3) {
            0 => (words::TEXT_FIELDS, words::TEXTS),
            _ => (words::ADDRESS_FIELDS, words::ADDRESSES),
        };
        line(&mut out, random.pick(names), random.pick(values));
    }
    if random.below(8) == 0 {
        long_field(&mut out, random);
    }
    if random.below(4) != 0 {
        out.extend_from_slice(b"MIME-Version: 1.0\r\n");
    }
    part(&mut out, 0, random);
    if out.is_empty() { b"\r\n".to_vec() } else { out }
}

fn line(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(value.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// A field of thousands of octets, in one line or folded.
fn long_field(out: &mut Vec<u8>, random: &mut Random) {
    let piece = random.pick(&["a@b, ", "x", "(c) ", "\"q\" ", "=?utf-8?q?=C3=A9?= ", "x y ", "a@b,\r\n ", "g: a@b; ,"]);
    let count = [50, 500, 2_000][random.below(3)];
    line(out, random.pick(&["To: ", "Subject: ", "From: ", "Content-Type: text/plain; ", "X: "]), &piece.repeat(count));
}

/// The fields of a part, and its content.
fn part(out: &mut Vec<u8>, depth: usize, random: &mut Random) {
    for _ in 0..random.below(3) {
        match random.below(3) {
            0 => line(out, "Content-Disposition: ", random.pick(words::DISPOSITIONS)),
            _ => line(out, random.pick(words::OTHER_FIELDS), random.pick(words::OTHERS)),
        }
    }
    match random.below(if depth < 4 { 5 } else { 2 }) {
        0 => {
            line(out, "Content-Type: ", random.pick(words::TYPES));
            end_of_header(out, random);
            out.extend_from_slice(random.pick::<[u8]>(CONTENTS));
        }
        1 => {
            end_of_header(out, random);
            out.extend_from_slice(random.pick::<[u8]>(CONTENTS));
        }
        2 => {
            line(out, "Content-Type: ", random.pick(MESSAGES));
            end_of_header(out, random);
            for _ in 0..random.below(3) {
                line(out, random.pick(words::ADDRESS_FIELDS), random.pick(words::ADDRESSES));
            }
            part(out, depth + 1, random);
        }
        _ => multipart(out, depth, random),
    }
}

fn multipart(out: &mut Vec<u8>, depth: usize, random: &mut Random) {
    let (parameter, boundary) = BOUNDARIES[random.below(BOUNDARIES.len())];
    line(out, "Content-Type: ", &format!("multipart/{}; {parameter}", random.pick(SUBTYPES)));
    end_of_header(out, random);
    out.extend_from_slice(random.pick::<[u8]>(&[b"", b"", b"preamble\r\n", b"\r\n", b"preamble"]));
    for _ in 0..random.below(4) {
        let after = random.pick(&["\r\n", "\r\n", "\r\n", " \t\r\n", "x\r\n", "-\r\n", "\n", "\r\r\n", ""]);
        line_of(out, boundary, after);
        part(out, depth + 1, random);
        out.extend_from_slice(random.pick::<[u8]>(&[b"\r\n", b"\r\n", b"\r\n", b"", b"\r\n\r\n", b"\n", b"\r"]));
    }
    if random.below(3) != 0 {
        line_of(out, boundary, random.pick(&["--\r\n", "--\r\n", "--", "-- \r\n", "--x\r\n", " --\r\n"]));
    }
    out.extend_from_slice(random.pick::<[u8]>(&[b"", b"", b"epilogue\r\n", b"\r\n", b"--\r\n"]));
}

fn line_of(out: &mut Vec<u8>, boundary: &str, after: &str) {
    out.extend_from_slice(b"--");
    out.extend_from_slice(boundary.as_bytes());
    out.extend_from_slice(after.as_bytes());
}

fn end_of_header(out: &mut Vec<u8>, random: &mut Random) {
    out.extend_from_slice(random.pick::<[u8]>(&[
        b"\r\n",
        b"\r\n",
        b"\r\n",
        b"\r\n",
        b"",
        b" \r\n",
        b"\n",
        b"no field\r\n\r\n",
    ]));
}

const CONTENTS: &[&[u8]] = &[
    b"",
    b"text\r\n",
    b"text",
    b"\r\n\r\n",
    b"--\r\n--b\r\n",
    b"--b",
    b"a\rb\r\r\nc\n",
    b"A: b\r\n\r\nc\r\n",
    b"w6kK\r\n",
    b"\xe9\xc3\xa9\xff\r\n",
    b"From here\r\n>From there\r\n",
    b"-\r\n- \r\n-- \r\n",
];

const MESSAGES: &[&str] = &[
    "message/rfc822",
    "message/rfc822\r\nContent-Transfer-Encoding: base64",
    "message/rfc822\r\nContent-Transfer-Encoding: quoted-printable",
    "Message/RFC822; name=\"a.eml\"\r\nContent-Transfer-Encoding: x-odd",
    "message/rfc822 (comment)",
    "message/news",
    "message/external-body; access-type=URL",
];

const SUBTYPES: &[&str] = &["mixed", "alternative", "digest", "DIGEST", "parallel", "report", "signed", "x-odd"];

/// A parameter, and the boundary that it means.
const BOUNDARIES: &[(&str, &str)] = &[
    ("boundary=b", "b"),
    ("boundary=b", "b"),
    ("boundary=\"b\"", "b"),
    ("boundary=bb", "bb"),
    ("boundary=\"b--\"", "b--"),
    ("boundary=\"--b\"", "--b"),
    ("boundary=\"b \"", "b "),
    ("boundary=\" b\"", " b"),
    ("boundary=b;boundary=c", "b"),
    ("BOUNDARY=B", "B"),
    ("boundary*=us-ascii''b", "b"),
    ("boundary*0=b; boundary*1=c", "bc"),
    ("boundary=b(c)", "b"),
    ("boundary=b=c", "b"),
    ("boundary=\"b\\\"c\"", "b\"c"),
    ("boundary=\"b\r\n c\"", "b c"),
    ("boundary=\"\"", ""),
    ("boundary==_b", "=_b"),
    ("boundary=caf\u{e9}", "caf\u{e9}"),
    (
        "boundary=0123456789012345678901234567890123456789012345678901234567890123456789012345678901",
        "0123456789012345678901234567890123456789012345678901234567890123456789012345678901",
    ),
    (
        "boundary=01234567890123456789012345678901234567890123456789012345678901234567890123456789",
        "01234567890123456789012345678901234567890123456789012345678901234567890123456789",
    ),
];
