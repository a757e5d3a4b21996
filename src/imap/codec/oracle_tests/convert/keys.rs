//! Search keys of the oracle as ours.

use imap_codec::imap_types::core::AString;
use imap_codec::imap_types::datetime::NaiveDate;
use imap_codec::imap_types::search::SearchKey as Theirs;

use super::set;
use crate::imap::codec::command::SearchKey;
use crate::imap::codec::envelope::AddressList;
use crate::mail::{FlagList, Flags, Keyword, ModSeq};

/// One key as it is, several as a list.
pub(super) fn all(keys: &[Theirs<'_>]) -> Option<SearchKey> {
    match keys {
        [one] => key(one),
        _ => keys.iter().map(key).collect::<Option<_>>().map(SearchKey::And),
    }
}

fn key(theirs: &Theirs<'_>) -> Option<SearchKey> {
    Some(match theirs {
        Theirs::And(keys) => all(keys.as_ref())?,
        Theirs::SequenceSet(numbers) => SearchKey::Seq(set(numbers)),
        Theirs::Uid(uids) => SearchKey::Uid(set(uids)),
        Theirs::All => SearchKey::And(Vec::new()),
        Theirs::Answered => flag(Flags::ANSWERED),
        Theirs::Deleted => flag(Flags::DELETED),
        Theirs::Draft => flag(Flags::DRAFT),
        Theirs::Flagged => flag(Flags::FLAGGED),
        Theirs::Seen => flag(Flags::SEEN),
        Theirs::Unanswered => not(flag(Flags::ANSWERED)),
        Theirs::Undeleted => not(flag(Flags::DELETED)),
        Theirs::Undraft => not(flag(Flags::DRAFT)),
        Theirs::Unflagged => not(flag(Flags::FLAGGED)),
        Theirs::Unseen => not(flag(Flags::SEEN)),
        Theirs::Recent => SearchKey::Recent,
        Theirs::Old => not(SearchKey::Recent),
        Theirs::New => SearchKey::And(vec![SearchKey::Recent, not(flag(Flags::SEEN))]),
        Theirs::Keyword(atom) => keyword(atom.as_ref())?,
        Theirs::Unkeyword(atom) => not(keyword(atom.as_ref())?),
        Theirs::Bcc(value) => SearchKey::Address(AddressList::Bcc, value.as_ref().to_vec()),
        Theirs::Cc(value) => SearchKey::Address(AddressList::Cc, value.as_ref().to_vec()),
        Theirs::From(value) => SearchKey::Address(AddressList::From, value.as_ref().to_vec()),
        Theirs::Subject(value) => header(b"SUBJECT", value),
        Theirs::To(value) => SearchKey::Address(AddressList::To, value.as_ref().to_vec()),
        Theirs::Header(name, value) => header(name.as_ref(), value),
        Theirs::Body(value) => SearchKey::Body(value.as_ref().to_vec()),
        Theirs::Text(value) => SearchKey::Text(value.as_ref().to_vec()),
        Theirs::Before(date) => SearchKey::Before(days(date)),
        Theirs::On(date) => SearchKey::On(days(date)),
        Theirs::Since(date) => SearchKey::Since(days(date)),
        Theirs::SentBefore(date) => SearchKey::SentBefore(days(date)),
        Theirs::SentOn(date) => SearchKey::SentOn(days(date)),
        Theirs::SentSince(date) => SearchKey::SentSince(days(date)),
        Theirs::Larger(size) => SearchKey::Larger((*size).into()),
        Theirs::Smaller(size) => SearchKey::Smaller((*size).into()),
        Theirs::Not(inner) => not(key(inner)?),
        Theirs::Or(a, b) => SearchKey::Or(Box::new(key(a)?), Box::new(key(b)?)),
        Theirs::ModSequence { modseq, .. } => SearchKey::ModSeq(ModSeq(*modseq)),
    })
}

fn flag(flags: Flags) -> SearchKey {
    SearchKey::Flag(FlagList { flags, keywords: Vec::new() })
}

fn keyword(atom: &str) -> Option<SearchKey> {
    Keyword::new(atom).map(|k| SearchKey::Flag(FlagList { flags: Flags::NONE, keywords: vec![k] }))
}

fn not(key: SearchKey) -> SearchKey {
    SearchKey::Not(Box::new(key))
}

fn header(name: &[u8], value: &AString<'_>) -> SearchKey {
    SearchKey::Header(name.to_vec(), value.as_ref().to_vec())
}

fn days(date: &NaiveDate) -> i32 {
    let days = date.as_ref().signed_duration_since(Default::default()).num_days();
    i32::try_from(days).expect("a year of four digits")
}
