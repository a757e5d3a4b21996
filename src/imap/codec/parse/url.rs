//! IMAP URLs (RFC 5092 section 11), as far as CATENATE needs them (RFC 4469 section 3): relative to the server and the user
//! of the session, of a message or a part of one.

use super::input::Input;
use super::section;
use crate::imap::codec::command::{MessageUrl, Name, Section, SectionText};
use crate::imap::codec::fragment::Piece;
use crate::mail::MailboxName;

/// `iabsolute-path = "/" [ icommand ]`, `icommand = imessagelist / imessagepart [iurlauth]`,
/// `imessagepart = imailbox-ref iuid [isection] [ipartial]`, `imailbox-ref = enc-mailbox [uidvalidity]`,
/// `iuid = "/" iuid-only`
///
/// Of `irelative-path` only `iuid-only ["/" isection-only] ["/" ipartial-only]`: a message of the selected mailbox, which is
/// then the base (RFC 4469 section 3). `None` for all else: absolute URLs name servers and users, and IURLAUTH is not offered.
pub fn parse_url(url: &[u8]) -> Option<MessageUrl> {
    let (mailbox, mut rest) = match url.strip_prefix(b"/") {
        // Two slashes begin the name of a server.
        Some(path) if !path.starts_with(b"/") => {
            let end = path.iter().position(|b| *b == b';')?;
            let (mailbox, rest) = path.split_at_checked(end)?;
            (Some(mailbox), rest)
        }
        _ => (None, url),
    };
    let mut uid_validity = None;
    let mailbox = match mailbox {
        // With UIDVALIDITY the slash comes after it.
        Some(mailbox) => {
            let name = match mailbox.strip_suffix(b"/") {
                Some(name) => name,
                None => {
                    let value = parameter(&mut rest, b";UIDVALIDITY=")?;
                    uid_validity = Some(nz_number(value)?);
                    rest = rest.strip_prefix(b"/")?;
                    mailbox
                }
            };
            Some(mailbox_name(name)?)
        }
        None => None,
    };
    let uid = nz_number(parameter(&mut rest, b";UID=")?)?;
    let (mut section, mut partial) = (Section { path: Vec::new(), text: SectionText::Whole }, None);
    if let Some(mut after) = rest.strip_prefix(b"/")
        && let Some(value) = parameter(&mut after, b";SECTION=")
    {
        section = section_spec(value)?;
        rest = after;
    }
    if let Some(mut after) = rest.strip_prefix(b"/")
        && let Some(value) = parameter(&mut after, b";PARTIAL=")
    {
        partial = Some(partial_range(value)?);
        rest = after;
    }
    rest.is_empty().then_some(MessageUrl { mailbox, uid_validity, uid, section, partial })
}

/// Takes `name`, in any case, and its value up to the next parameter; the slash before that stays.
fn parameter<'u>(rest: &mut &'u [u8], name: &[u8]) -> Option<&'u [u8]> {
    let (found, after) = rest.split_at_checked(name.len())?;
    if !found.eq_ignore_ascii_case(name) {
        return None;
    }
    let end = after.windows(2).position(|two| two == b"/;").unwrap_or(after.len());
    let (value, after) = after.split_at_checked(end)?;
    *rest = after;
    Some(value)
}

/// `enc-mailbox = 1*bchar`: the name in UTF-8, percent-encoded (RFC 5092 section 8).
fn mailbox_name(encoded: &[u8]) -> Option<Name> {
    let name = String::from_utf8(decode(encoded)?).ok()?;
    Some(MailboxName::new(&name).map_or(Name::Impossible, Name::Valid))
}

/// `enc-section = 1*bchar`: a percent-encoded `section-spec`
fn section_spec(encoded: &[u8]) -> Option<Section> {
    let text = [Piece::Text([b"[".as_slice(), &decode(encoded)?, b"]"].concat())];
    let mut input = Input::new(&text, true, false);
    let section = section::section(&mut input).ok()?;
    input.peek().is_none().then_some(section)
}

/// `partial-range = number ["." nz-number]`
fn partial_range(text: &[u8]) -> Option<(u64, Option<u64>)> {
    match text.iter().position(|b| *b == b'.') {
        None => Some((number(text)?, None)),
        Some(dot) => {
            let count = number(text.get(dot + 1..)?).filter(|count| *count > 0)?;
            Some((number(text.get(..dot)?)?, Some(count)))
        }
    }
}

fn nz_number(text: &[u8]) -> Option<u32> {
    let value = number(text).filter(|_| text.first() != Some(&b'0'))?;
    u32::try_from(value).ok()
}

fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    let add = |sum: u64, b: &u8| sum.checked_mul(10)?.checked_add(u64::from(b.checked_sub(b'0').filter(|d| *d < 10)?));
    text.iter().try_fold(0, add)
}

/// `1*bchar` decoded: `bchar = achar / ":" / "@" / "/"`, `achar = uchar / "&" / "="`,
/// `uchar = unreserved / sub-delims-sh / pct-encoded`
fn decode(encoded: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    loop {
        rest = match rest {
            [] => break,
            [b'%', high, low, after @ ..] => {
                out.push((hex(*high)? << 4) | hex(*low)?);
                after
            }
            [b, after @ ..] if b.is_ascii_alphanumeric() || b"-._~!$'()*+,&=:@/".contains(b) => {
                out.push(*b);
                after
            }
            _ => return None,
        };
    }
    (!out.is_empty()).then_some(out)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> Option<MessageUrl> {
        parse_url(url.as_bytes())
    }

    fn whole() -> Section {
        Section { path: Vec::new(), text: SectionText::Whole }
    }

    fn inbox(name: &str) -> Option<Name> {
        Some(Name::Valid(MailboxName::new(name).expect(name)))
    }

    #[test]
    fn of_messages_and_parts() {
        let plain =
            MessageUrl { mailbox: inbox("INBOX"), uid_validity: None, uid: 20, section: whole(), partial: None };
        assert_eq!(parsed("/INBOX/;UID=20"), Some(plain.clone()));
        assert_eq!(parsed("/inbox/;uid=20"), Some(plain.clone()));
        let valid = MessageUrl { uid_validity: Some(385_759_045), ..plain.clone() };
        assert_eq!(parsed("/INBOX;UIDVALIDITY=385759045/;UID=20"), Some(valid.clone()));
        let part = Section { path: vec![1, 2], text: SectionText::Mime };
        let part = MessageUrl { section: part, partial: Some((0, Some(1024))), ..valid };
        assert_eq!(parsed("/INBOX;UIDVALIDITY=385759045/;UID=20/;section=1.2.MIME/;PARTIAL=0.1024"), Some(part));
        let header = Section { path: Vec::new(), text: SectionText::Header };
        assert_eq!(parsed("/INBOX/;UID=20/;SECTION=HEADER"), Some(MessageUrl { section: header, ..plain.clone() }));
        let fields = SectionText::HeaderFields(vec![b"From".to_vec(), b"To".to_vec()]);
        let fields = MessageUrl { section: Section { path: vec![2], text: fields }, ..plain.clone() };
        assert_eq!(parsed("/INBOX/;UID=20/;SECTION=2.HEADER.FIELDS%20(From%20To)"), Some(fields));
        let tail = MessageUrl { partial: Some((7, None)), ..plain.clone() };
        assert_eq!(parsed("/INBOX/;UID=20/;PARTIAL=7"), Some(tail));
        let selected = MessageUrl { mailbox: None, ..plain };
        assert_eq!(parsed(";UID=20"), Some(selected.clone()));
        let section = Section { path: vec![1], text: SectionText::Whole };
        assert_eq!(parsed(";UID=20/;SECTION=1"), Some(MessageUrl { section, ..selected }));
    }

    #[test]
    fn names_are_percent_encoded_utf_8() {
        let named = |url: &str| parsed(url).and_then(|url| url.mailbox);
        assert_eq!(named("/a/b%20c/;UID=1"), inbox("a/b c"));
        assert_eq!(named("/Entw%C3%BCrfe;UIDVALIDITY=1/;UID=1"), inbox("Entw\u{fc}rfe"));
        assert_eq!(named("/a%3Bb%2fc/;UID=1"), inbox("a;b/c"));
        assert_eq!(named("/a&b/;UID=1"), inbox("a&b"));
        assert_eq!(named("/a%00b/;UID=1"), Some(Name::Impossible));
    }

    #[test]
    fn what_is_none() {
        for url in [
            "",
            "/",
            "/INBOX",
            "/INBOX/",
            "/INBOX;UID=1",
            "/INBOX;UIDVALIDITY=1;UID=1",
            "/INBOX;UIDVALIDITY=1/",
            "/INBOX;UIDVALIDITY=0/;UID=1",
            "/INBOX;UIDVALIDITY=4294967296/;UID=1",
            "/INBOX/;UIDVALIDITY=1/;UID=1",
            "//;UID=1",
            "/;UID=1",
            "/INBOX/;UID=",
            "/INBOX/;UID=0",
            "/INBOX/;UID=01",
            "/INBOX/;UID=*",
            "/INBOX/;UID=1:2",
            "/INBOX/;UID=4294967296",
            "/INBOX/;UID=1/",
            "/INBOX/;UID=1;SECTION=1",
            "/INBOX/;UID=1/;SECTION=",
            "/INBOX/;UID=1/;SECTION=MIME",
            "/INBOX/;UID=1/;SECTION=1]",
            "/INBOX/;UID=1/;SECTION=HEADER.FIELDS (From)",
            "/INBOX/;UID=1/;SECTION=HEADER.FIELDS%20({1}",
            "/INBOX/;UID=1/;PARTIAL=",
            "/INBOX/;UID=1/;PARTIAL=1.0",
            "/INBOX/;UID=1/;PARTIAL=.1",
            "/INBOX/;UID=1/;PARTIAL=99999999999999999999",
            "/INBOX/;UID=1/;PARTIAL=1/;SECTION=1",
            "/INBOX/;UID=1/;FOO=1",
            "/INBOX/;UID=1?SUBJECT",
            "/INBOX/;UID=1/;SECTION=1;URLAUTH=anonymous:INTERNAL:00",
            "/IN%BOX/;UID=1",
            "/IN%4/;UID=1",
            "/IN\u{fc}/;UID=1",
            "/%ff/;UID=1",
            "/a b/;UID=1",
            "INBOX/;UID=1",
            "imap://localhost/INBOX/;UID=1",
            "imap://alice@localhost/INBOX/;UID=1",
            "//localhost/INBOX/;UID=1",
            ";SECTION=1",
            "http://localhost/",
        ] {
            assert_eq!(parsed(url), None, "{url}");
        }
    }
}
