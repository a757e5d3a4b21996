//! The cursor over a complete command, and the small rules that all commands share (RFC 9051 section 9).

use std::borrow::Cow;

use crate::imap::codec::chars;
use crate::imap::codec::fragment::Piece;

/// What a rule makes of the input, or what is wrong with it.
pub(super) type Parsed<T> = Result<T, &'static str>;

/// What stands at an announced literal.
pub(super) enum Literal<'a> {
    /// Its octets.
    Octets(&'a [u8]),
    /// Only its size: it was streamed, or (in the head of an APPEND) is still to come.
    Size(u64),
}

/// A command being read. Copying it marks a place to come back to.
#[derive(Clone, Copy)]
pub(super) struct Input<'a> {
    /// What is left of the present text piece.
    text: &'a [u8],
    /// The pieces after it.
    pieces: &'a [Piece],
    /// Mailbox names are UTF-8, not modified UTF-7.
    pub(super) utf8: bool,
    /// The input ends with an announced literal whose octets are still to come.
    pub(super) head: bool,
}

impl<'a> Input<'a> {
    pub(super) fn new(pieces: &'a [Piece], utf8: bool, head: bool) -> Self {
        let mut input = Self { text: b"", pieces, utf8, head };
        input.next_text();
        input
    }

    /// The next octet of the text; `None` at the end of the command.
    pub(super) fn peek(&self) -> Option<u8> {
        self.text.first().copied()
    }

    /// Takes `wanted` if it is next.
    pub(super) fn eat(&mut self, wanted: u8) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.text = self.text.get(1..).unwrap_or_default();
        }
        found
    }

    /// Takes `wanted`, which must be next.
    pub(super) fn expect(&mut self, wanted: u8, message: &'static str) -> Parsed<()> {
        if self.eat(wanted) { Ok(()) } else { Err(message) }
    }

    /// Takes a word of the grammar, in any case, if it is next.
    pub(super) fn eat_word(&mut self, wanted: &[u8]) -> bool {
        match self.text.split_at_checked(wanted.len()) {
            Some((found, rest)) if found.eq_ignore_ascii_case(wanted) => {
                self.text = rest;
                true
            }
            _ => false,
        }
    }

    /// Whether a word of the grammar, in any case, is next.
    pub(super) fn at_word(&self, wanted: &[u8]) -> bool {
        self.clone().eat_word(wanted)
    }

    /// `SP`
    pub(super) fn sp(&mut self) -> Parsed<()> {
        self.expect(b' ', "missing space or argument")
    }

    /// The end of the command. Spaces before it are what several clients send.
    pub(super) fn end(&mut self) -> Parsed<()> {
        while self.eat(b' ') {}
        if self.text.is_empty() && self.pieces.is_empty() { Ok(()) } else { Err("unexpected characters at the end") }
    }

    /// Whether an argument follows: a space, and not only spaces to the end.
    pub(super) fn has_argument(&self) -> bool {
        self.peek() == Some(b' ') && self.clone().end().is_err()
    }

    /// Whether the announcement was just taken of the literal that the input ends with.
    pub(super) fn is_announced(&self) -> bool {
        self.head && self.text.is_empty() && self.pieces.is_empty()
    }

    /// The octets of a class that come next; maybe none.
    pub(super) fn take_while(&mut self, class: impl Fn(u8) -> bool) -> &'a [u8] {
        let length = self.text.iter().position(|b| !class(*b)).unwrap_or(self.text.len());
        let (taken, rest) = self.text.split_at_checked(length).unwrap_or((self.text, b""));
        self.text = rest;
        taken
    }

    /// `tag = 1*<any ASTRING-CHAR except "+">`
    pub(super) fn tag(&mut self) -> Parsed<&'a [u8]> {
        let tag = self.take_while(chars::is_tag);
        // What no space follows was not meant as a tag.
        if tag.is_empty() || self.peek().is_some_and(|b| b != b' ') { Err("missing or invalid tag") } else { Ok(tag) }
    }

    /// The name of a command or of one of its items: letters, digits, `-`, `_` and `.`; maybe none.
    pub(super) fn word(&mut self) -> &'a [u8] {
        self.take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    }

    /// `atom = 1*ATOM-CHAR`
    pub(super) fn atom(&mut self) -> Parsed<&'a [u8]> {
        let atom = self.take_while(chars::is_atom);
        if atom.is_empty() { Err("expected an atom") } else { Ok(atom) }
    }

    /// `number64 = 1*DIGIT` and `mod-sequence-valzer` (RFC 7162 section 7): unsigned, 63 bits.
    pub(super) fn number64(&mut self) -> Parsed<u64> {
        let digits = self.take_while(|b| b.is_ascii_digit());
        if digits.is_empty() {
            return Err("expected a number");
        }
        let add = |sum: u64, digit: &u8| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0'));
        digits.iter().try_fold(0, add).filter(|n| *n <= i64::MAX as u64).ok_or("number too large")
    }

    /// `nz-number = digit-nz *DIGIT`: unsigned, 32 bits, not zero.
    pub(super) fn nz_number(&mut self) -> Parsed<std::num::NonZeroU32> {
        if self.peek() == Some(b'0') {
            return Err("expected a number that does not begin with 0");
        }
        let number = u32::try_from(self.number64()?).map_err(|_| "number too large")?;
        std::num::NonZeroU32::new(number).ok_or("expected a number above 0")
    }

    /// `quoted = DQUOTE *QUOTED-CHAR DQUOTE`
    ///
    /// `QUOTED-CHAR = <any TEXT-CHAR except quoted-specials> / "\" quoted-specials / UTF8-2 / UTF8-3 / UTF8-4`
    ///
    /// Octets above 127 must be UTF-8 once that is enabled (RFC 6855 section 3); before, that is checked where it matters.
    pub(super) fn quoted(&mut self) -> Parsed<Cow<'a, [u8]>> {
        let value = self.quoted_octets()?;
        if self.utf8 && std::str::from_utf8(&value).is_err() { Err("a quoted string is not UTF-8") } else { Ok(value) }
    }

    fn quoted_octets(&mut self) -> Parsed<Cow<'a, [u8]>> {
        self.expect(b'"', "expected a quoted string")?;
        let mut value = Cow::Borrowed(self.take_while(chars::is_quoted));
        loop {
            if self.eat(b'"') {
                return Ok(value);
            }
            self.expect(b'\\', "a quoted string does not end, or holds NUL or CR")?;
            let escaped = self.peek().filter(|b| matches!(b, b'"' | b'\\')).ok_or("wrong escape in a quoted string")?;
            self.eat(escaped);
            let more = self.take_while(chars::is_quoted);
            let value = value.to_mut();
            value.push(escaped);
            value.extend_from_slice(more);
        }
    }

    /// Whether a literal (of either kind) is next.
    pub(super) fn at_literal(&self) -> bool {
        matches!(self.text, [b'{', ..] | [b'~', b'{', ..])
    }

    /// `literal = "{" number64 ["+"] "}" CRLF *CHAR8`
    ///
    /// `literal8 = "~{" number64 ["+"] "}" CRLF *OCTET` (RFC 3516), if `binary`. The octets of a plain one hold no NUL.
    pub(super) fn literal(&mut self, binary: bool) -> Parsed<Literal<'a>> {
        let eight = self.eat(b'~');
        if eight && !binary {
            return Err("literal8 is not allowed here");
        }
        self.expect(b'{', "expected a literal")?;
        let size = self.number64()?;
        self.eat(b'+');
        self.expect(b'}', "wrong literal")?;
        if !self.text.is_empty() {
            return Err("wrong literal");
        }
        let literal = match self.pieces.split_first() {
            Some((Piece::Literal(octets), _)) if !eight && octets.contains(&0) => return Err("NUL in a literal"),
            Some((Piece::Literal(octets), _)) => Literal::Octets(octets),
            Some((Piece::Streamed(size), _)) => Literal::Size(*size),
            None if self.head => return Ok(Literal::Size(size)),
            _ => return Err("wrong literal"),
        };
        self.pieces = self.pieces.get(1..).unwrap_or_default();
        self.next_text();
        Ok(literal)
    }

    /// `string = quoted / literal`
    pub(super) fn string(&mut self) -> Parsed<Cow<'a, [u8]>> {
        if !self.at_literal() {
            return self.quoted().map_err(|e| if self.peek().is_none() { e } else { "expected a string" });
        }
        match self.literal(false)? {
            Literal::Octets(octets) => Ok(Cow::Borrowed(octets)),
            Literal::Size(_) => Err("unexpected literal"),
        }
    }

    /// `astring = 1*ASTRING-CHAR / string`
    pub(super) fn astring(&mut self) -> Parsed<Cow<'a, [u8]>> {
        self.string_or(chars::is_astring)
    }

    /// A string, or at least one octet of `class`.
    pub(super) fn string_or(&mut self, class: impl Fn(u8) -> bool) -> Parsed<Cow<'a, [u8]>> {
        match self.take_while(class) {
            [] => self.string(),
            atom => Ok(Cow::Borrowed(atom)),
        }
    }

    /// `nstring = string / nil`
    pub(super) fn nstring(&mut self) -> Parsed<Option<Cow<'a, [u8]>>> {
        if self.eat_word(b"NIL") { Ok(None) } else { self.string().map(Some) }
    }

    /// `"(" item *(SP item) ")"`; also `()` if `empty`. Several libraries put more spaces between the parentheses.
    pub(super) fn list<T>(&mut self, empty: bool, mut item: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        self.expect(b'(', "expected a list")?;
        let mut items = Vec::new();
        while self.eat(b' ') {}
        if empty && self.eat(b')') {
            return Ok(items);
        }
        loop {
            items.push(item(self)?);
            let spaced = self.peek() == Some(b' ');
            while self.eat(b' ') {}
            if self.eat(b')') {
                return Ok(items);
            }
            if !spaced {
                return Err("a list does not end");
            }
        }
    }

    /// Goes on to the next piece if that is text.
    fn next_text(&mut self) {
        if let Some((Piece::Text(text), rest)) = self.pieces.split_first() {
            (self.text, self.pieces) = (text, rest);
        }
    }
}
