//! Known answers, both ways, through both stages.

use std::num::NonZeroU32;

use super::*;
use crate::imap::codec::command::*;
use crate::imap::codec::envelope::AddressList;
use crate::imap::codec::fragment::{Event, Fragmenter, Limits};
use crate::mail::{
    FlagList, FlagOp, Flags, InternalDate, Keyword, MAX_KEYWORDS, MailboxName, ModSeq, SequenceSet, SetNumber,
    SpecialUse,
};
use crate::secret::Secret;

mod known;
mod known_searches;
mod near_misses;
mod refused;

const LIMITS: Limits = Limits {
    line: 65_536,
    literal: 131_072,
    literals: 256,
    literal_total: 1_048_576,
    append: 67_108_864,
    append_literals: 256,
};

/// What the fragmenter makes of one command, given in pieces of `chunk` octets; the messages of APPENDs are accepted.
fn fragments(wire: &[u8], chunk: usize) -> Vec<Piece> {
    let mut fragmenter = Fragmenter::new(LIMITS);
    let mut command = None;
    for data in wire.chunks(chunk) {
        assert!(command.is_none(), "complete before its end: {}", wire.escape_ascii());
        fragmenter.push(data);
        while let Some(event) = fragmenter.poll() {
            match event {
                Event::Command(pieces) => command = Some(pieces),
                Event::AppendLiteral { head, size, .. } => {
                    let messages = match parse_append_head(&head, false).map(|tagged| tagged.command) {
                        Ok(Command::Append(args) | Command::Replace(ReplaceArgs { append: args, .. })) => args.messages,
                        _ => panic!("head of {}", wire.escape_ascii()),
                    };
                    let last = messages.last().and_then(|message| message.parts.last());
                    assert_eq!(last, Some(&AppendPart::Literal(size)), "{}", wire.escape_ascii());
                    fragmenter.accept_stream();
                }
                Event::Continue | Event::Data(_) | Event::DataEnd => {}
                Event::TooLarge { .. } => panic!("too large: {}", wire.escape_ascii()),
            }
        }
    }
    assert!(!fragmenter.has_input());
    command.unwrap_or_else(|| panic!("incomplete: {}", wire.escape_ascii()))
}

fn read(text: &str, utf8: bool) -> Result<Tagged, SyntaxError> {
    let mut wire = text.as_bytes().to_vec();
    wire.extend_from_slice(b"\r\n");
    let pieces = fragments(&wire, usize::MAX);
    for chunk in [1, 2, 7] {
        assert_eq!(fragments(&wire, chunk), pieces, "{text}");
    }
    assert_eq!(fragments(&[text.as_bytes(), b"\n"].concat(), 3), pieces);
    parse(&pieces, utf8)
}

/// The command of a line without its tag.
fn command(text: &str) -> Command {
    match read(&format!("a1 {text}"), false) {
        Ok(tagged) => {
            assert_eq!(tagged.tag, b"a1");
            tagged.command
        }
        Err(error) => panic!("{text}: {}", error.message),
    }
}

/// Why a line without its tag is refused.
fn refusal(text: &str) -> &'static str {
    match read(&format!("a1 {text}"), false) {
        Ok(tagged) => panic!("{text}: {:?}", tagged.command),
        Err(error) => {
            assert_eq!(error.tag.as_deref(), Some(b"a1".as_slice()));
            error.message
        }
    }
}

fn name(name: &str) -> Name {
    Name::Valid(MailboxName::new(name).expect(name))
}

/// A set of ranges; 0 is `*`.
fn set(ranges: &[(u32, u32)]) -> SequenceSet {
    let number = |n| NonZeroU32::new(n).map_or(SetNumber::Star, SetNumber::Number);
    SequenceSet::Ranges(ranges.iter().map(|(a, b)| (number(*a), number(*b))).collect())
}

fn flags(flags: Flags, keywords: &[&str]) -> FlagList {
    FlagList { flags, keywords: keywords.iter().map(|k| Keyword::new(k).expect(k)).collect() }
}

fn strings(values: &[&str]) -> Vec<String> {
    values.iter().map(|v| (*v).to_owned()).collect()
}
