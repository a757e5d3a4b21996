//! The first words of a part as one line of plain text (RFC 8970 section 3.1), whatever its encoding, charset and markup.

use super::charset::Charset;
use super::content::Content;
use super::html::{Html, Shown};
use super::transfer::Transfer;

/// Characters shown: RFC 8970 section 3.1 asks for 200, and allows 256.
const MAX_CHARACTERS: usize = 200;

/// Takes the content of a text part in pieces, and keeps its first words.
pub struct Preview {
    transfer: Transfer,
    charset: Charset,
    /// Markup is taken out.
    html: Option<Html>,
    own: Words,
    /// Plain text that quotes another message: shown where there is nothing else.
    quoted: Words,
    line: Line,
}

/// In plain text: what is known of the present line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Line {
    Start,
    Own,
    Quoted,
}

impl Preview {
    /// The preview of a part with this header block; `None`: it is not text that is to be shown.
    pub fn of(header: &[u8]) -> Option<Self> {
        let mut budget = MAX_PARAMETERS;
        let content = Content::parse(header, false, &mut budget);
        let html = content.is_subtype(b"html");
        let is_attachment =
            content.disposition.as_ref().is_some_and(|(kind, _)| kind.eq_ignore_ascii_case(b"attachment"));
        if !content.is_type(b"text") || is_attachment || !(html || is_readable(&content.subtype)) {
            return None;
        }
        Some(Self {
            transfer: Transfer::named(&content.encoding),
            charset: Charset::for_label(content.parameter(b"charset").unwrap_or_default()),
            html: html.then(Html::default),
            own: Words::default(),
            quoted: Words::default(),
            line: Line::Start,
        })
    }

    /// Whether a header block is that of a multipart/alternative.
    pub fn is_alternative(header: &[u8]) -> bool {
        let content = Content::parse(header, false, &mut 0);
        content.is_type(b"multipart") && content.is_subtype(b"alternative")
    }

    /// Whether the part is HTML.
    pub const fn is_html(&self) -> bool {
        self.html.is_some()
    }

    /// Whether no more content is needed.
    pub const fn is_full(&self) -> bool {
        self.own.count > MAX_CHARACTERS
    }

    /// Takes a piece of the content.
    pub fn write(&mut self, content: &[u8]) {
        let mut octets = Vec::new();
        self.transfer.decode(content, &mut octets);
        self.take(&octets, false);
    }

    /// The preview: at most 200 characters on one line, without controls; empty where there is nothing to be read.
    pub fn finish(mut self) -> String {
        let mut octets = Vec::new();
        self.transfer.finish(&mut octets);
        self.take(&octets, true);
        let text = if self.own.text.is_empty() { self.quoted.text } else { self.own.text };
        // RFC 8970 section 3.1: there is no preview of what is encrypted.
        if text.starts_with("-----BEGIN PGP MESSAGE-----") { String::new() } else { cut(text) }
    }

    fn take(&mut self, octets: &[u8], last: bool) {
        let mut text = String::new();
        self.charset.decode(octets, last, &mut text);
        for c in text.chars() {
            match &mut self.html {
                Some(html) => {
                    let own = &mut self.own;
                    html.push(c, |shown| match shown {
                        Shown::Character(c) => own.push(c),
                        Shown::Break => own.push(' '),
                    });
                }
                None => self.plain(c),
            }
        }
        if last && let Some(html) = &mut self.html {
            let own = &mut self.own;
            html.end(|c| own.push(c));
        }
    }

    fn plain(&mut self, c: char) {
        self.line = match (self.line, c) {
            (_, '\n') => Line::Start,
            (Line::Start, '>') => Line::Quoted,
            (Line::Start, c) if c.is_whitespace() => Line::Start,
            (Line::Start, _) => Line::Own,
            (line, _) => line,
        };
        match self.line {
            Line::Quoted if c == '>' => self.quoted.push(' '),
            Line::Quoted => self.quoted.push(c),
            Line::Start => {
                self.own.push(' ');
                self.quoted.push(' ');
            }
            Line::Own => self.own.push(c),
        }
    }
}

/// The text subtypes that can be read as they are.
fn is_readable(subtype: &[u8]) -> bool {
    [b"plain".as_slice(), b"enriched", b"markdown", b""].iter().any(|known| subtype.eq_ignore_ascii_case(known))
}

/// Text on one line: white space and controls are one space, and none stands at the start.
#[derive(Default)]
struct Words {
    text: String,
    count: usize,
    space: bool,
}

impl Words {
    fn push(&mut self, c: char) {
        if self.count > MAX_CHARACTERS || is_invisible(c) {
            return;
        }
        if c.is_whitespace() || c.is_control() {
            self.space = self.count > 0;
            return;
        }
        if std::mem::take(&mut self.space) {
            self.text.push(' ');
            self.count += 1;
        }
        self.text.push(c);
        self.count += 1;
    }
}

/// Characters that senders pad with: nothing is seen of them.
const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{200b}' | '\u{2060}' | '\u{feff}' | '\u{fffe}'..='\u{ffff}')
}

/// At most [`MAX_CHARACTERS`], cut after a word if one ends near there.
fn cut(mut text: String) -> String {
    let Some((end, next)) = text.char_indices().nth(MAX_CHARACTERS) else { return text };
    let within = text.get(..end).unwrap_or_default();
    let word = within.rfind(' ').filter(|at| next != ' ' && end - at < MAX_CUT_WORD);
    text.truncate(word.unwrap_or(end));
    text
}

/// Octets of a word that is left out when it does not fit in whole.
const MAX_CUT_WORD: usize = 30;

/// Parameters of Content-Type and Content-Disposition that are read.
const MAX_PARAMETERS: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    /// The same preview however the content is cut.
    fn preview(header: &str, content: &[u8]) -> String {
        let run = |size: usize| {
            let mut part = Preview::of(format!("{header}\r\n\r\n").as_bytes()).expect("text");
            content.chunks(size).for_each(|piece| part.write(piece));
            part.finish()
        };
        let whole = run(content.len().max(1));
        for size in [1, 2, 5] {
            assert_eq!(run(size), whole);
        }
        assert!(!whole.chars().any(char::is_control) && whole.chars().count() <= MAX_CHARACTERS);
        whole
    }

    #[test]
    fn plain_text_on_one_line() {
        assert_eq!(preview("", b"\r\n  Hello\t Bob,\r\n\r\n how\x07are\0you? \r\n"), "Hello Bob, how are you?");
        assert_eq!(preview("", b""), "");
        assert_eq!(preview("", b" \r\n\t"), "");
        let quoted = "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable";
        assert_eq!(preview(quoted, b"Gr=C3=BC=\r\n=C3=9Fe =E2=80=8B=00!"), "Gr\u{fc}\u{df}e !");
        let latin = "Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: base64";
        assert_eq!(preview(latin, b"Y2Fm6Q=="), "caf\u{e9}");
        assert_eq!(preview("Content-Type: text/plain; charset=nonsense", b"caf\xe9 \xc3\xa9"), "caf\u{e9} \u{e9}");
    }

    #[test]
    fn quotations_come_last() {
        let reply = b"On Monday Ann wrote:\r\n> Hello\r\n>> Hi\r\n\r\nYes > no.\r\n";
        assert_eq!(preview("", reply), "On Monday Ann wrote: Yes > no.");
        assert_eq!(preview("", b"> Hello\r\n> > Hi\r\n"), "Hello Hi");
    }

    #[test]
    fn length_at_the_limit_and_past_it() {
        let whole = "x".repeat(MAX_CHARACTERS);
        assert_eq!(preview("", whole.as_bytes()), whole);
        assert_eq!(preview("", format!("{whole}x").as_bytes()), whole);
        let wide = "\u{1f600}".repeat(MAX_CHARACTERS + 1);
        assert_eq!(preview("Content-Type: text/plain; charset=utf-8", wide.as_bytes()).chars().count(), MAX_CHARACTERS);
        let words = "words and ".repeat(40);
        let text = preview("", words.as_bytes());
        assert!(
            text.len() > MAX_CHARACTERS - MAX_CUT_WORD && (text.ends_with("words") || text.ends_with("and")),
            "{text}"
        );
    }

    #[test]
    fn what_has_no_preview() {
        for header in [
            "Content-Type: image/png",
            "Content-Type: text/calendar",
            "Content-Type: text/plain\r\nContent-Disposition: attachment; filename=x",
            "Content-Type: application/pkcs7-mime",
        ] {
            assert!(Preview::of(format!("{header}\r\n\r\n").as_bytes()).is_none(), "{header}");
        }
        assert_eq!(preview("", b"-----BEGIN PGP MESSAGE-----\r\nVersion: 1\r\n\r\nabc\r\n"), "");
        assert!(Preview::is_alternative(b"Content-Type: Multipart/Alternative; boundary=x\r\n\r\n"));
        assert!(!Preview::is_alternative(b"Content-Type: multipart/mixed; boundary=x\r\n\r\n"));
    }

    #[test]
    fn html_is_read_as_text() {
        let html = "Content-Type: text/html; charset=utf-8";
        let page = b"<!DOCTYPE html><html><head><title>No</title><style>p > a { x: \"</p>\" }</style></head>\
            <body><!-- no > <p>no</p> --><p title=\"a > b\">Dear&nbsp;Bob,</p><p>fish &amp; chips &#8364;5 &#x41;&copy;</p>\
            <script>if (a < b) no()</script>a <b>b</b>old 1 < 2 &unknown; &amp</body></html>";
        assert_eq!(preview(html, page), "Dear Bob, fish & chips \u{20ac}5 A\u{a9} a bold 1 < 2 &unknown; &");
        assert_eq!(preview(html, b"<p>one<br>two<td>three</td><i>f</i>our"), "one two three four");
        assert_eq!(preview(html, b"<style>never ends"), "");
        assert_eq!(preview(html, b"<svg viewBox='0 0 1 1' class='an icon of some sort'/>a<br/>b"), "a b");
        assert_eq!(
            preview(html, b"<!--[if mso]><p>no</p><![endif]-->yes<!-- - -- >no--><![if x]>&#128512;&#x110000;&#0;."),
            "yes \u{1f600} ."
        );
    }
}
