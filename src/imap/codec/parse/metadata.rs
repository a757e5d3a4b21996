//! GETMETADATA and SETMETADATA (RFC 5464 section 5).

use super::input::{Input, Literal, Parsed};
use super::mailbox;
use crate::imap::codec::command::{Annotated, GetMetadataArgs, MetadataDepth, SetMetadataArgs};

/// `getmetadata = "GETMETADATA" [SP getmetadata-options] SP mailbox SP entries`
///
/// The examples of the RFC had the options after the mailbox (erratum 2785), and so have some clients: no entry looks like
/// an option.
pub(super) fn get(input: &mut Input<'_>) -> Parsed<GetMetadataArgs> {
    let mut options = Options::default();
    input.sp()?;
    if input.peek() == Some(b'(') {
        options = self::options(input)?;
        input.sp()?;
    }
    let of = annotated(input)?;
    input.sp()?;
    let mut ahead = *input;
    if let Ok(late) = self::options(&mut ahead)
        && ahead.sp().is_ok()
    {
        (options, *input) = (late, ahead);
    }
    Ok(GetMetadataArgs { of, max_size: options.max_size, depth: options.depth, entries: entries(input)? })
}

/// `setmetadata = "SETMETADATA" SP mailbox SP entry-values`
///
/// `entry-values = "(" entry-value *(SP entry-value) ")"`, `entry-value = entry SP value`
pub(super) fn set(input: &mut Input<'_>) -> Parsed<SetMetadataArgs> {
    input.sp()?;
    let of = annotated(input)?;
    input.sp()?;
    let entries = input.list(false, |input| {
        let entry = entry(input)?;
        input.sp()?;
        Ok((entry, value(input)?))
    })?;
    Ok(SetMetadataArgs { of, entries })
}

/// `entries = entry / "(" entry *(SP entry) ")"`
pub(super) fn entries(input: &mut Input<'_>) -> Parsed<Vec<Vec<u8>>> {
    if input.peek() == Some(b'(') { input.list(false, entry) } else { Ok(vec![entry(input)?]) }
}

#[derive(Default)]
struct Options {
    max_size: Option<u64>,
    depth: MetadataDepth,
}

/// `getmetadata-options = "(" getmetadata-option *(SP getmetadata-option) ")"`
///
/// `getmetadata-option = maxsize-opt / scope-opt`, `maxsize-opt = "MAXSIZE" SP number`,
/// `scope-opt = "DEPTH" SP ("0" / "1" / "infinity")`
fn options(input: &mut Input<'_>) -> Parsed<Options> {
    let mut options = Options::default();
    input.list(false, |input| {
        let name = input.word().to_ascii_uppercase();
        match name.as_slice() {
            b"MAXSIZE" => {
                input.sp()?;
                options.max_size = Some(input.number64()?);
            }
            b"DEPTH" => {
                input.sp()?;
                options.depth = match input.word().to_ascii_lowercase().as_slice() {
                    b"0" => MetadataDepth::Zero,
                    b"1" => MetadataDepth::One,
                    b"infinity" => MetadataDepth::Infinity,
                    _ => return Err("DEPTH is 0, 1 or infinity"),
                };
            }
            _ => return Err("unknown option of GETMETADATA"),
        }
        Ok(())
    })?;
    Ok(options)
}

/// `mailbox`; empty: the server.
fn annotated(input: &mut Input<'_>) -> Parsed<Annotated> {
    let wire = input.astring()?;
    Ok(if wire.is_empty() { Annotated::Server } else { Annotated::Mailbox(mailbox::name(&wire, input.utf8)) })
}

/// `entry = astring`; what it may hold is for the command to say.
fn entry(input: &mut Input<'_>) -> Parsed<Vec<u8>> {
    Ok(input.astring()?.into_owned())
}

/// `value = nstring / literal8`
fn value(input: &mut Input<'_>) -> Parsed<Option<Vec<u8>>> {
    if !input.at_literal() {
        return Ok(input.nstring()?.map(|value| value.into_owned()));
    }
    match input.literal(true)? {
        Literal::Octets(octets) => Ok(Some(octets.to_vec())),
        Literal::Size(_) => Err("unexpected literal"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;
    use crate::imap::codec::command::{Command, Name};
    use crate::imap::codec::fragment::Piece;
    use crate::mail::MailboxName;

    fn read(pieces: &[Piece]) -> Option<Command> {
        parse(pieces, false).ok().map(|tagged| tagged.command)
    }

    fn text(line: &str) -> Option<Command> {
        read(&[Piece::Text(line.as_bytes().to_vec())])
    }

    fn inbox() -> Annotated {
        Annotated::Mailbox(Name::Valid(MailboxName::inbox()))
    }

    fn get(of: Annotated, max_size: Option<u64>, depth: MetadataDepth, entries: &[&str]) -> Option<Command> {
        let entries = entries.iter().map(|entry| entry.as_bytes().to_vec()).collect();
        Some(Command::GetMetadata(GetMetadataArgs { of, max_size, depth, entries }))
    }

    #[test]
    fn options_stand_before_the_mailbox_or_after_it() {
        let want = get(inbox(), Some(1024), MetadataDepth::One, &["/shared/comment", "/private/comment"]);
        for line in [
            "a GETMETADATA (MAXSIZE 1024 DEPTH 1) INBOX (/shared/comment /private/comment)",
            "a getmetadata (depth 1 maxsize 1024) \"inbox\" (/shared/comment \"/private/comment\")",
            "a GETMETADATA INBOX (MAXSIZE 1024 DEPTH 1) (/shared/comment /private/comment)",
        ] {
            assert_eq!(text(line), want, "{line}");
        }
        let one = get(Annotated::Server, None, MetadataDepth::Zero, &["/shared/comment"]);
        assert_eq!(text("a GETMETADATA \"\" /shared/comment"), one);
        assert_eq!(text("a GETMETADATA (DEPTH 0) \"\" (/shared/comment)"), one);
        let all = get(Annotated::Server, None, MetadataDepth::Infinity, &["/private"]);
        assert_eq!(text("a GETMETADATA (DEPTH INFINITY) \"\" /private"), all);
        // Not options: entries, which the command refuses.
        assert_eq!(text("a GETMETADATA INBOX (DEPTH 1)"), get(inbox(), None, MetadataDepth::Zero, &["DEPTH", "1"]));
        for line in [
            "a GETMETADATA",
            "a GETMETADATA INBOX",
            "a GETMETADATA INBOX ()",
            "a GETMETADATA () INBOX /private/a",
            "a GETMETADATA (DEPTH 2) INBOX /private/a",
            "a GETMETADATA (MAXSIZE) INBOX /private/a",
            "a GETMETADATA (MAXSIZE -1) INBOX /private/a",
            "a GETMETADATA (WIDTH 2) INBOX /private/a",
            "a GETMETADATA INBOX /private/a /private/b",
            "a GETMETADATA INBOX /private/*",
        ] {
            assert_eq!(text(line), None, "{line}");
        }
    }

    #[test]
    fn values_are_strings_literals_of_both_kinds_or_nil() {
        let set = |entries: &[(&str, Option<&[u8]>)]| {
            let entries = entries.iter().map(|(entry, value)| (entry.as_bytes().to_vec(), value.map(<[u8]>::to_vec)));
            Some(Command::SetMetadata(SetMetadataArgs { of: inbox(), entries: entries.collect() }))
        };
        assert_eq!(
            text("a SETMETADATA INBOX (/private/a \"x\" /private/b nil /private/c \"NIL\")"),
            set(&[("/private/a", Some(b"x")), ("/private/b", None), ("/private/c", Some(b"NIL"))])
        );
        let pieces = |marker: &str, octets: &[u8]| {
            let before = format!("a SETMETADATA INBOX (/private/a {marker}").into_bytes();
            [Piece::Text(before), Piece::Literal(octets.to_vec()), Piece::Text(b" /private/b NIL)".to_vec())]
        };
        assert_eq!(read(&pieces("~{3}", b"a\0b")), set(&[("/private/a", Some(b"a\0b")), ("/private/b", None)]));
        assert_eq!(read(&pieces("{2+}", b"ab")), set(&[("/private/a", Some(b"ab")), ("/private/b", None)]));
        assert_eq!(read(&pieces("{3}", b"a\0b")), None);
        for line in [
            "a SETMETADATA INBOX /private/a \"x\"",
            "a SETMETADATA INBOX ()",
            "a SETMETADATA INBOX (/private/a)",
            "a SETMETADATA INBOX (/private/a x)",
            "a SETMETADATA INBOX (/private/a \"x\" /private/b)",
        ] {
            assert_eq!(text(line), None, "{line}");
        }
    }
}
