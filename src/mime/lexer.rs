//! Tokens of structured header fields (RFC 5322 section 3.2, RFC 2045 section 5.1), read leniently and in linear time.

/// U+FFFD, shown for a NUL: see [`super::header::without_nul`]. No token has one.
const NUL: &[u8] = "\u{fffd}".as_bytes();

/// A position in an unfolded field value.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    data: &'a [u8],
    at: usize,
    /// Text of the comment passed last, if any.
    comment: Option<Vec<u8>>,
    /// Whether the quoted string passed last had a closing quote.
    closed: bool,
    open_comment: bool,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0, comment: None, closed: false, open_comment: false }
    }

    /// Passes one octet.
    pub(super) fn bump(&mut self) {
        self.at = (self.at + 1).min(self.data.len());
    }

    /// Passes `byte` if it comes next.
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.at += 1;
        }
        found
    }

    /// Passes everything up to the next `byte`, quoted or not, or to the end.
    pub(super) fn skip_until(&mut self, byte: u8) {
        let rest = self.data.get(self.at..).unwrap_or_default();
        self.at += memchr::memchr(byte, rest).unwrap_or(rest.len());
    }

    /// Passes white space and comments (CFWS).
    pub(super) fn skip_cfws(&mut self) {
        while let Some(next) = self.peek() {
            match next {
                b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
                b'(' => self.skip_comment(),
                _ => return,
            }
        }
    }

    /// The text of the comment passed last; forgotten thereby.
    pub(super) fn take_comment(&mut self) -> Option<Vec<u8>> {
        self.comment.take()
    }

    /// `quoted-string`, its quoting undone; the closing quote may be missing.
    pub(super) fn quoted_string(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        self.eat(b'"');
        self.closed = false;
        while let Some(next) = self.take() {
            match next {
                b'"' => {
                    self.closed = true;
                    break;
                }
                b'\\' => out.extend(self.take()),
                b'\r' | b'\n' => out.push(b' '),
                0 => out.extend_from_slice(NUL),
                _ => out.push(next),
            }
        }
        out
    }

    /// `quoted-string` with its closing quote; without one everything is passed.
    pub(super) fn closed_quoted_string(&mut self) -> Option<Vec<u8>> {
        let value = self.quoted_string();
        self.closed.then_some(value)
    }

    /// `atom`: empty if none is here.
    pub(super) fn atom(&mut self) -> &'a [u8] {
        self.take_while(is_atext)
    }

    /// `token` (RFC 2045 section 5.1): empty if none is here.
    pub(super) fn token(&mut self) -> &'a [u8] {
        self.take_while(is_token)
    }

    /// Everything up to white space or a semicolon.
    pub(super) fn until_space_or_semicolon(&mut self) -> &'a [u8] {
        self.take_while(|b| b != b';' && !b.is_ascii_whitespace())
    }

    /// Decimal digits.
    pub(super) fn digits(&mut self) -> &'a [u8] {
        self.take_while(|b| b.is_ascii_digit())
    }

    /// ASCII letters.
    pub(super) fn letters(&mut self) -> &'a [u8] {
        self.take_while(|b| b.is_ascii_alphabetic())
    }

    /// `domain`: atoms joined by dots with CFWS between them, or a domain literal as it stands. `None` if none is here or a
    /// dot ends it.
    pub(super) fn domain(&mut self) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        self.skip_cfws();
        if self.peek() == Some(b'[') {
            while let Some(next) = self.take() {
                out.push(next);
                match next {
                    b'\\' => out.extend(self.take()),
                    b']' => {
                        self.skip_cfws();
                        return Some(out);
                    }
                    _ => {}
                }
            }
            return None;
        }
        loop {
            let atom = self.atom();
            if atom.is_empty() {
                return None;
            }
            out.extend_from_slice(atom);
            self.skip_cfws();
            if !self.eat(b'.') {
                return Some(out);
            }
            out.push(b'.');
            self.skip_cfws();
        }
    }

    /// Whether a comment passed has no end; then all the rest belongs to it.
    pub(super) fn has_open_comment(&self) -> bool {
        self.open_comment
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.data.get(self.at).copied()
    }

    /// Octets passed.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at >= self.data.len()
    }

    fn take(&mut self) -> Option<u8> {
        let next = self.peek()?;
        self.at += 1;
        Some(next)
    }

    fn take_while(&mut self, accept: fn(u8) -> bool) -> &'a [u8] {
        let rest = self.data.get(self.at..).unwrap_or_default();
        let len = rest.iter().position(|&b| !accept(b)).unwrap_or(rest.len());
        self.at += len;
        rest.get(..len).unwrap_or_default()
    }

    /// Nested comments are counted, not recursed into.
    fn skip_comment(&mut self) {
        let mut text = Vec::new();
        let mut depth = 0_usize;
        while let Some(next) = self.take() {
            match next {
                b'(' => {
                    depth += 1;
                    if depth == 1 {
                        continue;
                    }
                }
                b')' => {
                    depth -= 1;
                    if depth == 0 {
                        self.comment = Some(text);
                        return;
                    }
                }
                b'\\' => {
                    text.extend(self.take());
                    continue;
                }
                b'\r' | b'\n' => continue,
                0 => {
                    text.extend_from_slice(NUL);
                    continue;
                }
                _ => {}
            }
            text.push(next);
        }
        self.open_comment = true;
    }
}

/// `atext` (RFC 5322 section 3.2.3), and every octet past ASCII (RFC 6532).
pub(super) const fn is_atext(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || byte >= 0x80
        || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'/' | b'=' | b'?' | b'^'..=b'`' | b'{'..=b'~')
}

/// `token` characters (RFC 2045 section 5.1), and every octet past ASCII.
pub(super) const fn is_token(byte: u8) -> bool {
    byte > b' '
        && byte != 0x7f
        && !matches!(
            byte,
            b'(' | b')' | b'<' | b'>' | b'@' | b',' | b';' | b':' | b'\\' | b'"' | b'/' | b'[' | b']' | b'?' | b'='
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_over_all_octets() {
        let atext: Vec<u8> = (0..=127).filter(|&b| is_atext(b)).collect();
        assert_eq!(atext, b"!#$%&'*+-/0123456789=?ABCDEFGHIJKLMNOPQRSTUVWXYZ^_`abcdefghijklmnopqrstuvwxyz{|}~");
        let token: Vec<u8> = (0..=127).filter(|&b| is_token(b)).collect();
        assert_eq!(token, b"!#$%&'*+-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ^_`abcdefghijklmnopqrstuvwxyz{|}~");
        assert!((128..=255).all(|b| is_atext(b) && is_token(b)));
    }

    #[test]
    fn comments_nest_and_are_remembered() {
        let mut cursor = Cursor::new(b" (a (b\\) c) d) x");
        cursor.skip_cfws();
        assert_eq!(cursor.take_comment().as_deref(), Some(b"a (b) c) d".as_slice()));
        assert_eq!(cursor.atom(), b"x");
        let mut open = Cursor::new(b"((((((");
        open.skip_cfws();
        assert!(open.is_at_end());
    }

    #[test]
    fn quoted_strings_and_domains() {
        assert_eq!(Cursor::new(b"\"a\\\"b\\\\c").quoted_string(), b"a\"b\\c");
        assert_eq!(Cursor::new(b"\"a\0\"").quoted_string(), "a\u{fffd}".as_bytes());
        let mut cursor = Cursor::new(b"(a\0)b\0c");
        cursor.skip_cfws();
        assert_eq!((cursor.take_comment().as_deref(), cursor.atom()), (Some("a\u{fffd}".as_bytes()), &b"b"[..]));
        assert_eq!(Cursor::new(b"test (x) . example >").domain().as_deref(), Some(&b"test.example"[..]));
        assert_eq!(Cursor::new(b"[10.0. 0.1] x").domain().as_deref(), Some(&b"[10.0. 0.1]"[..]));
        for none in [&b""[..], b"a.", b".a", b"[a"] {
            assert_eq!(Cursor::new(none).domain(), None);
        }
    }
}
