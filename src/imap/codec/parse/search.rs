//! SEARCH, SORT and THREAD.

use super::MAX_DEPTH;
use super::date::date;
use super::flags::keyword;
use super::input::{Input, Parsed};
use super::set::{mod_seq, sequence_set};
use crate::imap::codec::command::{
    Command, PartialRange, SearchArgs, SearchKey, SearchReturn, SortArgs, SortCriterion, SortKey, ThreadAlgorithm,
    ThreadArgs,
};
use crate::imap::codec::envelope::AddressList;
use crate::mail::{FlagList, Flags};

/// `search = "SEARCH" [search-return-opts] SP search-program`
///
/// `search-program = ["CHARSET" SP charset SP] search-key *(SP search-key)`, `charset = atom / quoted`
pub(super) fn search(input: &mut Input<'_>, uid: bool) -> Parsed<SearchArgs> {
    input.sp()?;
    let returns = returns(input)?;
    let mut charset = None;
    if input.eat_word(b"CHARSET ") {
        charset = Some(charset_name(input)?);
        input.sp()?;
    }
    Ok(SearchArgs { uid, returns, charset, key: program(input)? })
}

/// `sort = "SORT" [search-return-opts] SP sort-criteria SP search-criteria`,
/// `sort-criteria = "(" sort-criterion *(SP sort-criterion) ")"` (RFC 5256 section 4, RFC 5267 section 5)
///
/// A key given again, which decides nothing, is left out. The RETURN after the charset, which no RFC has, is what ImapTest sends.
pub(super) fn sort(input: &mut Input<'_>, uid: bool) -> Parsed<SortArgs> {
    input.sp()?;
    let mut returns = returns(input)?;
    let mut criteria: Vec<SortCriterion> = Vec::new();
    input.list(false, |input| {
        let criterion = sort_criterion(input)?;
        if criteria.iter().all(|earlier| earlier.key != criterion.key) {
            criteria.push(criterion);
        }
        Ok(())
    })?;
    input.sp()?;
    let charset = charset_name(input)?;
    input.sp()?;
    if returns.is_none() {
        returns = self::returns(input)?;
    }
    let key = program(input)?;
    Ok(SortArgs { uid, returns, criteria, charset, key })
}

/// `sort-criterion = ["REVERSE" SP] sort-key`
fn sort_criterion(input: &mut Input<'_>) -> Parsed<SortCriterion> {
    let reverse = input.eat_word(b"REVERSE ");
    let key = match input.word().to_ascii_uppercase().as_slice() {
        b"ARRIVAL" => SortKey::Arrival,
        b"CC" => SortKey::Cc,
        b"DATE" => SortKey::Date,
        b"DISPLAYFROM" => SortKey::DisplayFrom,
        b"DISPLAYTO" => SortKey::DisplayTo,
        b"FROM" => SortKey::From,
        b"SIZE" => SortKey::Size,
        b"SUBJECT" => SortKey::Subject,
        b"TO" => SortKey::To,
        _ => return Err("unknown sort key"),
    };
    Ok(SortCriterion { reverse, key })
}

/// `thread = "THREAD" SP thread-alg SP search-criteria` (RFC 5256 section 4)
pub(super) fn thread(input: &mut Input<'_>, uid: bool) -> Parsed<ThreadArgs> {
    input.sp()?;
    let algorithm = match input.atom()?.to_ascii_uppercase().as_slice() {
        b"ORDEREDSUBJECT" => ThreadAlgorithm::OrderedSubject,
        b"REFERENCES" => ThreadAlgorithm::References,
        _ => return Err("unknown threading algorithm"),
    };
    input.sp()?;
    let (charset, key) = search_criteria(input)?;
    Ok(ThreadArgs { uid, algorithm, charset, key })
}

/// `search-criteria = charset 1*(SP search-key)` (RFC 5256 section 4)
fn search_criteria(input: &mut Input<'_>) -> Parsed<(String, SearchKey)> {
    let charset = charset_name(input)?;
    input.sp()?;
    Ok((charset, program(input)?))
}

/// `charset = atom / quoted`, in upper case
fn charset_name(input: &mut Input<'_>) -> Parsed<String> {
    Ok(String::from_utf8_lossy(&input.astring()?).to_ascii_uppercase())
}

/// `search-key *(SP search-key)`
fn program(input: &mut Input<'_>) -> Parsed<SearchKey> {
    let mut keys = vec![search_key(input, 0)?];
    while input.has_argument() {
        input.sp()?;
        keys.push(search_key(input, 0)?);
    }
    Ok(all_of(keys))
}

/// `[search-return-opts]` and the space after them.
fn returns(input: &mut Input<'_>) -> Parsed<Option<SearchReturn>> {
    if !input.eat_word(b"RETURN ") {
        return Ok(None);
    }
    let returns = return_options(input)?;
    input.sp()?;
    Ok(Some(returns))
}

/// `search-return-opts = SP "RETURN" SP "(" [search-return-opt *(SP search-return-opt)] ")"`
///
/// `search-return-opt = "MIN" / "MAX" / "ALL" / "COUNT" / "SAVE"`; none means ALL (RFC 9051 section 6.4.4).
///
/// `search-return-opt =/ modifier-context / modifier-partial / modifier-update` (RFC 5267 section 5): CONTEXT is a hint, which
/// does not count; of PARTIAL and ALL there is one at most.
fn return_options(input: &mut Input<'_>) -> Parsed<SearchReturn> {
    let mut returns = SearchReturn::default();
    let mut hints = 0;
    let options = input.list(true, |input| {
        match input.word().to_ascii_uppercase().as_slice() {
            b"MIN" => returns.min = true,
            b"MAX" => returns.max = true,
            b"ALL" => returns.all = true,
            b"COUNT" => returns.count = true,
            b"SAVE" => returns.save = true,
            b"CONTEXT" => hints += 1,
            b"UPDATE" => returns.update = true,
            b"PARTIAL" if returns.partial.is_some() => return Err("PARTIAL can be given once"),
            b"PARTIAL" => returns.partial = Some(argument(input, partial_range)?),
            _ => return Err("unknown RETURN option of SEARCH"),
        }
        Ok(())
    })?;
    returns.all |= options.len() == hints;
    if returns.all && returns.partial.is_some() {
        return Err("PARTIAL and ALL exclude each other");
    }
    Ok(returns)
}

/// `partial-range = partial-range-first / partial-range-last`, `partial-range-first = nz-number ":" nz-number`,
/// `partial-range-last = MINUS nz-number ":" MINUS nz-number` (RFC 9394 section 4)
pub(super) fn partial_range(input: &mut Input<'_>) -> Parsed<PartialRange> {
    let from_end = input.eat(b'-');
    let a = input.nz_number()?;
    input.expect(b':', "expected a range of places")?;
    if from_end {
        input.expect(b'-', "expected a range of places from the end")?;
    }
    let b = input.nz_number()?;
    Ok(PartialRange { first: a.min(b), last: a.max(b), from_end })
}

/// `command-select =/ "CANCELUPDATE" 1*(SP quoted)` (RFC 5267 section 5)
pub(super) fn cancel_update(input: &mut Input<'_>) -> Parsed<Command> {
    let mut tags = vec![argument(input, Input::astring)?.into_owned()];
    while input.has_argument() {
        tags.push(argument(input, Input::astring)?.into_owned());
    }
    Ok(Command::CancelUpdate(tags))
}

/// `"UIDBATCHES" SP nz-number [SP nz-number ":" nz-number]` (RFC 10022): the size of a batch, and which batches; a range that
/// runs backward is an error.
pub(super) fn uid_batches(input: &mut Input<'_>) -> Parsed<Command> {
    let size = argument(input, Input::nz_number)?.get();
    if !input.has_argument() {
        return Ok(Command::UidBatches(size, None));
    }
    let first = argument(input, Input::nz_number)?.get();
    input.expect(b':', "expected a range of batches")?;
    let last = input.nz_number()?.get();
    if first > last {
        return Err("the range of batches runs backward");
    }
    Ok(Command::UidBatches(size, Some((first, last))))
}

/// One key as it is, several as a list.
fn all_of(mut keys: Vec<SearchKey>) -> SearchKey {
    match keys.pop() {
        Some(only) if keys.is_empty() => only,
        last => SearchKey::And(keys.into_iter().chain(last).collect()),
    }
}

/// `search-key = ... / sequence-set / "(" search-key *(SP search-key) ")"`, nested at most [`MAX_DEPTH`] deep.
fn search_key(input: &mut Input<'_>, depth: usize) -> Parsed<SearchKey> {
    if depth >= MAX_DEPTH {
        return Err("search keys nested too deeply");
    }
    match input.peek() {
        Some(b'(') => input.list(false, |input| search_key(input, depth + 1)).map(all_of),
        Some(b'0'..=b'9' | b'*' | b'$') => sequence_set(input).map(SearchKey::Seq),
        _ => {
            let name = input.word().to_ascii_uppercase();
            match bare_key(&name) {
                Some(key) => Ok(key),
                None => key_with_argument(input, &name, depth),
            }
        }
    }
}

/// `"ALL" / "ANSWERED" / "DELETED" / "FLAGGED" / "SEEN" / "UNANSWERED" / "UNDELETED" / "UNFLAGGED" / "UNSEEN" / "DRAFT" /
/// "UNDRAFT"`, of RFC 3501 `"NEW" / "OLD" / "RECENT"`, of RFC 8514 `"SAVEDATESUPPORTED"`
fn bare_key(name: &[u8]) -> Option<SearchKey> {
    let flag = |flags| SearchKey::Flag(FlagList { flags, keywords: Vec::new() });
    Some(match name {
        b"ALL" => SearchKey::And(Vec::new()),
        b"ANSWERED" => flag(Flags::ANSWERED),
        b"DELETED" => flag(Flags::DELETED),
        b"DRAFT" => flag(Flags::DRAFT),
        b"FLAGGED" => flag(Flags::FLAGGED),
        b"SEEN" => flag(Flags::SEEN),
        b"UNANSWERED" => not(flag(Flags::ANSWERED)),
        b"UNDELETED" => not(flag(Flags::DELETED)),
        b"UNDRAFT" => not(flag(Flags::DRAFT)),
        b"UNFLAGGED" => not(flag(Flags::FLAGGED)),
        b"UNSEEN" => not(flag(Flags::SEEN)),
        b"SAVEDATESUPPORTED" => SearchKey::SaveDateSupported,
        b"RECENT" => SearchKey::Recent,
        b"OLD" => not(SearchKey::Recent),
        b"NEW" => SearchKey::And(vec![SearchKey::Recent, not(flag(Flags::SEEN))]),
        _ => return None,
    })
}

/// `"BCC" SP astring / "BEFORE" SP date / "BODY" SP astring / "CC" SP astring / "FROM" SP astring / "KEYWORD" SP
/// flag-keyword / "ON" SP date / "SINCE" SP date / "SUBJECT" SP astring / "TEXT" SP astring / "TO" SP astring /
/// "UNKEYWORD" SP flag-keyword / "HEADER" SP header-fld-name SP astring / "LARGER" SP number64 / "NOT" SP search-key /
/// "OR" SP search-key SP search-key / "SENTBEFORE" SP date / "SENTON" SP date / "SENTSINCE" SP date / "SMALLER" SP
/// number64 / "UID" SP sequence-set`, `search-modsequence` (RFC 7162), `"OLDER" SP nz-number / "YOUNGER" SP nz-number`
/// (RFC 5032), `"SAVEDBEFORE" SP date / "SAVEDON" SP date / "SAVEDSINCE" SP date` (RFC 8514)
fn key_with_argument(input: &mut Input<'_>, name: &[u8], depth: usize) -> Parsed<SearchKey> {
    let keyword_key = |input: &mut Input<'_>| -> Parsed<SearchKey> {
        Ok(SearchKey::Flag(FlagList { flags: Flags::NONE, keywords: vec![argument(input, keyword)?] }))
    };
    let string = |input: &mut Input<'_>| argument(input, Input::astring).map(|value| value.into_owned());
    let nested = |input: &mut Input<'_>| argument(input, |input| search_key(input, depth + 1)).map(Box::new);
    Ok(match name {
        b"BCC" => SearchKey::Address(AddressList::Bcc, string(input)?),
        b"CC" => SearchKey::Address(AddressList::Cc, string(input)?),
        b"FROM" => SearchKey::Address(AddressList::From, string(input)?),
        b"TO" => SearchKey::Address(AddressList::To, string(input)?),
        b"SUBJECT" => SearchKey::Header(name.to_vec(), string(input)?),
        b"HEADER" => SearchKey::Header(string(input)?, string(input)?),
        b"BODY" => SearchKey::Body(string(input)?),
        b"TEXT" => SearchKey::Text(string(input)?),
        b"BEFORE" => SearchKey::Before(argument(input, date)?),
        b"ON" => SearchKey::On(argument(input, date)?),
        b"SINCE" => SearchKey::Since(argument(input, date)?),
        b"SENTBEFORE" => SearchKey::SentBefore(argument(input, date)?),
        b"SENTON" => SearchKey::SentOn(argument(input, date)?),
        b"SENTSINCE" => SearchKey::SentSince(argument(input, date)?),
        b"SAVEDBEFORE" => SearchKey::SavedBefore(argument(input, date)?),
        b"SAVEDON" => SearchKey::SavedOn(argument(input, date)?),
        b"SAVEDSINCE" => SearchKey::SavedSince(argument(input, date)?),
        b"OLDER" => SearchKey::Older(argument(input, Input::nz_number)?.get()),
        b"YOUNGER" => SearchKey::Younger(argument(input, Input::nz_number)?.get()),
        b"KEYWORD" => keyword_key(input)?,
        b"UNKEYWORD" => not(keyword_key(input)?),
        b"LARGER" => SearchKey::Larger(argument(input, Input::number64)?),
        b"SMALLER" => SearchKey::Smaller(argument(input, Input::number64)?),
        b"UID" => SearchKey::Uid(argument(input, sequence_set)?),
        b"NOT" => SearchKey::Not(nested(input)?),
        b"OR" => SearchKey::Or(nested(input)?, nested(input)?),
        b"MODSEQ" => argument(input, search_mod_seq)?,
        b"EMAILID" => SearchKey::EmailId(argument(input, object_id)?),
        b"THREADID" => SearchKey::ThreadId(argument(input, object_id)?),
        _ => return Err("unknown search key"),
    })
}

/// `search-modsequence = "MODSEQ" [search-modseq-ext] SP mod-sequence-valzer`,
/// `search-modseq-ext = SP entry-name SP entry-type-req` (RFC 7162 section 7), after the first space
fn search_mod_seq(input: &mut Input<'_>) -> Parsed<SearchKey> {
    if input.peek() == Some(b'"') {
        input.quoted()?;
        input.sp()?;
        match input.word().to_ascii_uppercase().as_slice() {
            b"PRIV" | b"SHARED" | b"ALL" => input.sp()?,
            _ => return Err("wrong entry type"),
        }
    }
    mod_seq(input).map(SearchKey::ModSeq)
}

/// `objectid = 1*255(ALPHA / DIGIT / "_" / "-")` (RFC 8474 section 7)
fn object_id(input: &mut Input<'_>) -> Parsed<Vec<u8>> {
    let id = input.astring()?;
    let is_id = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    let fits = (1..=255).contains(&id.len()) && id.iter().all(is_id);
    if fits { Ok(id.into_owned()) } else { Err("expected an object identifier") }
}

fn not(key: SearchKey) -> SearchKey {
    SearchKey::Not(Box::new(key))
}

/// `SP` and an argument.
fn argument<'a, T>(input: &mut Input<'a>, rule: impl FnOnce(&mut Input<'a>) -> Parsed<T>) -> Parsed<T> {
    input.sp()?;
    rule(input)
}
