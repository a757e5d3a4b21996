//! Content-Transfer-Encoding (RFC 2045 section 6): decoders that take a body in pieces. Never fail: what is not of the
//! encoding is passed over (base64) or kept (quoted-printable). `decoder` is for those who must know.

use memchr::memchr2;

/// A decoder, with what it carries from one piece to the next.
#[derive(Clone, Debug)]
pub(super) enum Transfer {
    /// 7bit, 8bit, binary and what is unknown: octets as they are.
    Identity,
    /// base64: bits gathered so far, and how many sextets.
    Base64 { bits: u32, count: u8 },
    /// quoted-printable: white space or an escape not yet decided.
    QuotedPrintable { held: Vec<u8> },
}

impl Transfer {
    /// Whether the encoding is one of RFC 2045 section 6.1.
    pub(super) fn is_known(encoding: &[u8]) -> bool {
        const KNOWN: [&[u8]; 5] = [b"7bit", b"8bit", b"binary", b"base64", b"quoted-printable"];
        KNOWN.iter().any(|known| known.eq_ignore_ascii_case(encoding))
    }

    /// The decoder for a Content-Transfer-Encoding value.
    pub(super) fn named(encoding: &[u8]) -> Self {
        if encoding.eq_ignore_ascii_case(b"base64") {
            Self::base64()
        } else if encoding.eq_ignore_ascii_case(b"quoted-printable") {
            Self::QuotedPrintable { held: Vec::new() }
        } else {
            Self::Identity
        }
    }

    pub(super) fn base64() -> Self {
        Self::Base64 { bits: 0, count: 0 }
    }

    /// Decodes a piece.
    pub(super) fn decode(&mut self, data: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Identity => out.extend_from_slice(data),
            Self::Base64 { bits, count } => {
                let mut rest = data;
                while !rest.is_empty() {
                    if *count == 0 {
                        rest = rest.get(base64_groups(rest, out)..).unwrap_or_default();
                    }
                    // What is no whole group, up to where the next may begin.
                    let (by_octet, after) = rest.split_at(rest.len().min(4 - usize::from(*count)));
                    for &byte in by_octet {
                        base64_octet(byte, bits, count, out);
                    }
                    rest = after;
                }
            }
            Self::QuotedPrintable { held } => {
                let mut rest = data;
                while !rest.is_empty() {
                    // Up to an escape or a line end only the white space before it is not plain text.
                    let special = memchr2(b'=', b'\n', rest).unwrap_or(rest.len());
                    let (run, _) = rest.split_at(special);
                    let plain = if held.is_empty() { run.trim_ascii_end().len() } else { 0 };
                    let (plain, after) = rest.split_at(plain);
                    out.extend_from_slice(plain);
                    let (by_octet, after) = after.split_at((special - plain.len() + 1).min(after.len()));
                    for &byte in by_octet {
                        qp_octet(byte, held, out);
                    }
                    rest = after;
                }
            }
        }
    }

    /// Gives out what was held back at the end of the body.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::Identity => {}
            Self::Base64 { bits, count } => base64_end(bits, count, out),
            Self::QuotedPrintable { held } => {
                // White space at the end is dropped, and so is a soft line break: its line end may belong to a boundary.
                let soft = |rest: &[u8]| rest.iter().all(|b| matches!(b, b' ' | b'\t' | b'\r'));
                if !held.strip_prefix(b"=").is_some_and(soft) && !matches!(held.first(), Some(b' ' | b'\t')) {
                    out.append(held);
                }
                held.clear();
            }
        }
    }
}

/// The Q encoding of RFC 2047 section 4.2.
pub(super) fn decode_q(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'_' => out.push(b' '),
            b'=' => match (after.first().copied().and_then(hex), after.get(1).copied().and_then(hex)) {
                (Some(high), Some(low)) => {
                    out.push(high << 4 | low);
                    rest = after.get(2..).unwrap_or_default();
                }
                _ => out.push(b'='),
            },
            _ => out.push(byte),
        }
    }
    out
}

/// The value of a digit of base64 (RFC 2045 section 6.8).
pub(super) const fn sextet_of(byte: u8) -> Option<u8> {
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

/// No digit.
const NONE: u8 = 0xff;

static SEXTETS: [u8; 256] = {
    let mut sextets = [NONE; 256];
    let mut byte = 0;
    while byte < sextets.len() {
        if let Some(sextet) = sextet_of(byte as u8) {
            sextets[byte] = sextet;
        }
        byte += 1;
    }
    sextets
};

pub(super) const fn is_base64_digit(byte: u8) -> bool {
    SEXTETS[byte as usize] != NONE
}

/// Decodes the groups of four digits that `data` begins with; how many octets they take.
fn base64_groups(data: &[u8], out: &mut Vec<u8>) -> usize {
    let mut taken = 0;
    for group in data.as_chunks::<4>().0 {
        let [a, b, c, d] = group.map(|byte| SEXTETS[usize::from(byte)]);
        if a | b | c | d == NONE {
            break;
        }
        let bits = u32::from(a) << 18 | u32::from(b) << 12 | u32::from(c) << 6 | u32::from(d);
        out.extend_from_slice(&[(bits >> 16) as u8, (bits >> 8) as u8, bits as u8]);
        taken += 4;
    }
    taken
}

fn base64_octet(byte: u8, bits: &mut u32, count: &mut u8, out: &mut Vec<u8>) {
    let sextet = match SEXTETS[usize::from(byte)] {
        sextet @ 0..64 => sextet,
        // Padding in the middle: encodings were joined; each is decoded by itself.
        _ if byte == b'=' => return base64_end(bits, count, out),
        _ => return,
    };
    *bits = *bits << 6 | u32::from(sextet);
    *count += 1;
    if *count == 4 {
        let [_, a, b, c] = bits.to_be_bytes();
        out.extend_from_slice(&[a, b, c]);
        (*bits, *count) = (0, 0);
    }
}

fn base64_end(bits: &mut u32, count: &mut u8, out: &mut Vec<u8>) {
    match *count {
        2 => out.push((*bits >> 4) as u8),
        3 => out.extend_from_slice(&[(*bits >> 10) as u8, (*bits >> 2) as u8]),
        _ => {}
    }
    (*bits, *count) = (0, 0);
}

/// RFC 2045 section 6.7: white space before a line end is dropped, `=` before it joins the lines.
fn qp_octet(byte: u8, held: &mut Vec<u8>, out: &mut Vec<u8>) {
    match held.first() {
        Some(b'=') => return qp_escape(byte, held, out),
        Some(_) => match byte {
            b' ' | b'\t' if held.len() < MAX_HELD_SPACE => return held.push(byte),
            b'\r' | b'\n' => held.clear(),
            _ => out.append(held),
        },
        None => {}
    }
    match byte {
        b'=' | b' ' | b'\t' => held.push(byte),
        _ => out.push(byte),
    }
}

fn qp_escape(byte: u8, held: &mut Vec<u8>, out: &mut Vec<u8>) {
    let second = held.get(1).copied();
    match (second, byte) {
        // A soft line break, perhaps with white space or CR before its LF.
        (_, b'\n') => held.clear(),
        (None | Some(b' ' | b'\t'), b'\r' | b' ' | b'\t') => {
            held.truncate(1);
            held.push(byte);
        }
        (None, _) if hex(byte).is_some() => held.push(byte),
        (Some(high), _) => match (hex(high), hex(byte)) {
            (Some(high), Some(low)) => {
                held.clear();
                out.push(high << 4 | low);
            }
            _ => {
                out.append(held);
                qp_octet(byte, held, out);
            }
        },
        (None, _) => {
            out.append(held);
            qp_octet(byte, held, out);
        }
    }
}

pub(super) const fn hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

/// More white space than this in a row is text, wherever it stands.
const MAX_HELD_SPACE: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    /// The same result however the input is cut.
    fn decoded(encoding: &[u8], data: &[u8]) -> Vec<u8> {
        let mut whole = Vec::new();
        let mut decoder = Transfer::named(encoding);
        decoder.decode(data, &mut whole);
        decoder.finish(&mut whole);
        let mut pieces = Vec::new();
        let mut decoder = Transfer::named(encoding);
        for byte in data {
            decoder.decode(&[*byte], &mut pieces);
        }
        decoder.finish(&mut pieces);
        assert_eq!(whole, pieces);
        whole
    }

    #[test]
    fn base64() {
        assert_eq!(decoded(b"BASE64", b"aGVs\r\nbG8gd29y\r\nbGQ="), b"hello world");
        assert_eq!(decoded(b"base64", b"aGk=aGk"), b"hihi");
        assert_eq!(decoded(b"base64", b"!a"), b"");
        assert_eq!(decoded(b"base64", b"////"), [0xff; 3]);
    }

    #[test]
    fn quoted_printable() {
        let cases: [(&[u8], &[u8]); 11] = [
            (b"a=", b"a"),
            (b"a= \r", b"a"),
            (b"a=E9b", b"a\xe9b"),
            (b"a=\r\nb", b"ab"),
            (b"a= \r\nb", b"ab"),
            (b"a=\nb", b"ab"),
            (b"a  \r\nb c", b"a\r\nb c"),
            (b"=zz=4", b"=zz=4"),
            (b"==41", b"=A"),
            (b"a =41 ", b"a A"),
            (b"=4=41", b"=4A"),
        ];
        for (from, to) in cases {
            assert_eq!(decoded(b"quoted-printable", from), to, "{}", String::from_utf8_lossy(from));
        }
    }

    #[test]
    fn white_space_at_the_limit_and_past_it() {
        let mut line = vec![b' '; MAX_HELD_SPACE];
        line.extend_from_slice(b"\r\n");
        assert_eq!(decoded(b"quoted-printable", &line), b"\r\n");
        line.insert(0, b' ');
        assert_eq!(decoded(b"quoted-printable", &line).len(), MAX_HELD_SPACE + 2);
    }

    #[test]
    fn q() {
        assert_eq!(decode_q(b"a_b=3D=E9=="), b"a b=\xe9==");
    }
}
