//! The content of a part with its transfer encoding undone, exactly or not at all (RFC 3516 section 4.2): where
//! [`Transfer`] makes the best of what it is given, this tells that it is broken.
//!
//! What is decoded is what the sender encoded: line ends within base64 are left as they are, since ingest has made those of
//! every other encoding CRLF already (RFC 9051 section 7.5.2, BINARY).

use memchr::memchr;

use super::content::Content;
use super::transfer::{Transfer, hex, is_base64_digit};

/// Undoes the transfer encoding of one part, in pieces.
#[derive(Clone, Debug)]
pub struct Decoder {
    transfer: Transfer,
    check: Check,
}

/// The content is not of the encoding that its header names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

/// What has been seen of the encoding.
#[derive(Clone, Debug)]
enum Check {
    /// Any octets will do.
    Identity,
    /// Digits of the present group of four, and how many `=` came after it.
    Base64 {
        digits: u8,
        padding: u8,
    },
    QuotedPrintable(Escape),
}

/// Where in an escape sequence of quoted-printable the data stands (RFC 2045 section 6.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Escape {
    None,
    /// `=`
    Begun,
    /// `=` and a hexadecimal digit
    Digit,
    /// `=` and white space, which only a line end may follow.
    Space,
    /// `=`, perhaps white space, and CR
    Cr,
}

impl Decoder {
    /// The decoder for a part with this header block; `None`: of an encoding that is not known.
    pub fn of(header: &[u8]) -> Option<Self> {
        let encoding = Content::parse(header, false, &mut 0).encoding;
        let known = |name: &&[u8]| encoding.eq_ignore_ascii_case(name);
        let check =
            match [b"base64".as_slice(), b"quoted-printable", b"7bit", b"8bit", b"binary"].iter().position(known)? {
                0 => Check::Base64 { digits: 0, padding: 0 },
                1 => Check::QuotedPrintable(Escape::None),
                _ => Check::Identity,
            };
        Some(Self { transfer: Transfer::named(&encoding), check })
    }

    /// The decoder for what has no transfer encoding: header blocks, and parts that are made of parts (RFC 2045 section
    /// 6.4).
    pub fn identity() -> Self {
        Self { transfer: Transfer::Identity, check: Check::Identity }
    }

    /// Decodes a piece.
    pub fn decode(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<(), Broken> {
        match &mut self.check {
            Check::Identity => {}
            Check::Base64 { digits, padding } => {
                if !data.iter().all(|byte| base64_may_go_on(*byte, digits, padding)) {
                    return Err(Broken);
                }
            }
            Check::QuotedPrintable(escape) => check_quoted_printable(escape, data)?,
        }
        self.transfer.decode(data, out);
        Ok(())
    }

    /// Gives out what was held back at the end of the content.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Broken> {
        let whole = match &self.check {
            Check::Identity => true,
            Check::Base64 { digits, padding } => match digits {
                0 => true,
                digits => digits + padding == 4,
            },
            // The line end after a soft line break may belong to the boundary.
            Check::QuotedPrintable(escape) => *escape != Escape::Digit,
        };
        self.transfer.finish(out);
        if whole { Ok(()) } else { Err(Broken) }
    }
}

/// RFC 2045 section 6.8: digits, white space, and `=` in the place of the last digits of the last group.
fn base64_may_go_on(byte: u8, digits: &mut u8, padding: &mut u8) -> bool {
    match byte {
        b' ' | b'\t' | b'\r' | b'\n' => true,
        b'=' => {
            *padding += 1;
            *digits >= 2 && *digits + *padding <= 4
        }
        _ if *padding > 0 => false,
        _ => {
            *digits = (*digits + 1) % 4;
            is_base64_digit(byte)
        }
    }
}

fn check_quoted_printable(escape: &mut Escape, data: &[u8]) -> Result<(), Broken> {
    let mut rest = data;
    while !rest.is_empty() {
        if *escape == Escape::None {
            let Some(at) = memchr(b'=', rest) else { return Ok(()) };
            rest = rest.get(at + 1..).unwrap_or_default();
            *escape = Escape::Begun;
            continue;
        }
        let Some((&byte, after)) = rest.split_first() else { return Ok(()) };
        *escape = match (*escape, byte) {
            (Escape::Begun, b' ' | b'\t') | (Escape::Space, b' ' | b'\t') => Escape::Space,
            (Escape::Begun | Escape::Space, b'\r') => Escape::Cr,
            (Escape::Begun | Escape::Space | Escape::Cr, b'\n') => Escape::None,
            (Escape::Begun, _) if hex(byte).is_some() => Escape::Digit,
            (Escape::Digit, _) if hex(byte).is_some() => Escape::None,
            _ => return Err(Broken),
        };
        rest = after;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same result however the content is cut.
    fn decoded(encoding: &str, content: &[u8]) -> Result<Vec<u8>, Broken> {
        let header = format!("Content-Transfer-Encoding: {encoding}\r\n\r\n");
        let run = |size: usize| {
            let mut decoder = Decoder::of(header.as_bytes()).expect("a known encoding");
            let mut out = Vec::new();
            for piece in content.chunks(size) {
                decoder.decode(piece, &mut out)?;
            }
            decoder.finish(&mut out).map(|()| out)
        };
        let whole = run(content.len().max(1));
        for size in [1, 2, 3, 7] {
            assert_eq!(run(size), whole, "in pieces of {size}");
        }
        whole
    }

    #[test]
    fn base64_is_exact() {
        let good: [(&[u8], &[u8]); 7] = [
            (b"aGVsbG8gd29ybGQ=", b"hello world"),
            (b"aGVs\r\nbG8g\r\n d29y\tbGQ=\r\n\r\n", b"hello world"),
            (b"aA==", b"h"),
            (b"aA=\r\n=", b"h"),
            (b"", b""),
            (b"\r\n", b""),
            (b"AAo=", b"\0\n"),
        ];
        for (content, want) in good {
            assert_eq!(decoded("BASE64", content).as_deref(), Ok(want), "{}", content.escape_ascii());
        }
        for content in [
            b"aGVsbG8".as_slice(),
            b"a",
            b"aA=",
            b"=",
            b"a===",
            b"aGVs=",
            b"aA===",
            b"aA==aA==",
            b"aG!k",
            b"aGk-",
            b"aGk\0",
            b"aGk\xe9",
        ] {
            assert_eq!(decoded("base64", content), Err(Broken), "{}", content.escape_ascii());
        }
    }

    #[test]
    fn every_octet_in_base64() {
        for byte in 0..=255_u8 {
            let fine = byte.is_ascii_alphanumeric() || b"+/".contains(&byte);
            assert_eq!(decoded("base64", &[b'A', b'A', b'A', byte]).is_ok(), fine || byte == b'=', "{byte}");
        }
    }

    #[test]
    fn quoted_printable_is_exact() {
        let good: [(&[u8], &[u8]); 7] = [
            (b"caf=C3=A9 =3d", b"caf\xc3\xa9 ="),
            (b"a=\r\nb", b"ab"),
            (b"a= \t\r\nb", b"ab"),
            (b"a=\nb", b"ab"),
            (b"a=", b"a"),
            (b"a=\r", b"a"),
            (b"a  \r\nb=00", b"a\r\nb\0"),
        ];
        for (content, want) in good {
            assert_eq!(decoded("Quoted-Printable", content).as_deref(), Ok(want), "{}", content.escape_ascii());
        }
        for content in [b"=zz".as_slice(), b"=4", b"=4z", b"==", b"= a", b"=\ra", b"a=b"] {
            assert_eq!(decoded("quoted-printable", content), Err(Broken), "{}", content.escape_ascii());
        }
    }

    #[test]
    fn identity_takes_anything_and_other_encodings_are_unknown() {
        let every: Vec<u8> = (0..=255).collect();
        for encoding in ["7bit", "8BIT", "binary", "", "(none) 7bit"] {
            assert_eq!(decoded(encoding, &every).as_deref(), Ok(every.as_slice()), "{encoding}");
        }
        for unknown in ["x-uuencode", "base-64", "8-bit", "gzip"] {
            assert!(Decoder::of(format!("Content-Transfer-Encoding: {unknown}\r\n\r\n").as_bytes()).is_none());
        }
        assert!(Decoder::of(b"").is_some());
    }
}
