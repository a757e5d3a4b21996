//! SORT and UID SORT (RFC 5256, RFC 5267 section 3, RFC 5957). The keys come from the rows and the records; no message is
//! read.

use std::cmp::Ordering;

use super::search::find;
use super::search_answer::{Hit, Question, answer, settle};
use super::search_lookup::{Progress, apart, look_up};
use super::search_match::{Candidate, uses_mod_seq};
use crate::imap::codec::command::{SortArgs, SortCriterion, SortKey};
use crate::imap::codec::envelope::{Members, Rendered, RenderedAddress};
use crate::imap::conn::Output;
use crate::imap::error::{CommandResult, Done};
use crate::imap::session::SelectedCx;
use crate::mail::Message;
use crate::mime::{base_subject, collation_key, decode_words, sent_at};

pub(in crate::imap) async fn sort(
    cx: &mut SelectedCx<'_>,
    args: SortArgs,
    tag: &[u8],
    out: &mut Output,
) -> CommandResult {
    let saves = args.returns.is_some_and(|returns| returns.save);
    let result = run(cx, args, tag, out).await;
    settle(cx, saves, &result);
    result
}

async fn run(cx: &mut SelectedCx<'_>, args: SortArgs, tag: &[u8], out: &mut Output) -> CommandResult {
    let SortArgs { uid, returns, criteria, charset, key } = args;
    let question = Question { name: "SORT", tag, uid, returns, by_mod_seq: uses_mod_seq(&key) };
    let mut progress = Progress::new(cx, tag, 2);
    let found = find(cx, key, Some(&charset), &mut progress, out).await?;
    let wanted = criteria.clone();
    let keyed = if criteria.iter().all(|criterion| matches!(criterion.key, SortKey::Arrival | SortKey::Size)) {
        let of_row = |candidate: Candidate| Keyed::new(&candidate, uid, &wanted, &Members::default());
        found.into_iter().map(of_row).collect()
    } else {
        look_up(cx, found, &mut progress, out, move |reader, candidate| {
            let record = reader.record(candidate.message.body)?;
            let members = record.map(|record| Rendered::new(record.envelope()).members()).unwrap_or_default();
            Ok(Some(Keyed::new(&candidate, uid, &wanted, &members)))
        })
        .await?
    };
    let hits = apart(move || sorted(keyed, &criteria)).await?;
    answer(cx, &question, &hits, out).await?;
    Done::ok()
}

/// A message with what it is compared by.
struct Keyed {
    hit: Hit,
    values: Box<[Value]>,
}

/// What one criterion compares.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Value {
    Number(i64),
    Text(Box<str>),
}

/// The messages in order. Those that are alike remain in the order of the mailbox, also under REVERSE (RFC 5256 section 3).
fn sorted(mut keyed: Vec<Keyed>, criteria: &[SortCriterion]) -> Vec<Hit> {
    keyed.sort_by(|a, b| {
        let each = criteria.iter().zip(a.values.iter().zip(b.values.iter()));
        let order = |(criterion, (a, b)): (&SortCriterion, (&Value, &Value))| {
            if criterion.reverse { b.cmp(a) } else { a.cmp(b) }
        };
        each.map(order).find(|order| *order != Ordering::Equal).unwrap_or(Ordering::Equal)
    });
    keyed.into_iter().map(|keyed| keyed.hit).collect()
}

impl Keyed {
    fn new(candidate: &Candidate, by_uid: bool, criteria: &[SortCriterion], members: &Members) -> Self {
        let values = criteria.iter().map(|criterion| Value::of(criterion.key, &candidate.message, members)).collect();
        Self { hit: Hit::new(candidate, by_uid), values }
    }
}

impl Value {
    /// RFC 5256 section 3, RFC 5957 section 3.
    fn of(key: SortKey, message: &Message, members: &Members) -> Self {
        match key {
            SortKey::Arrival => Self::Number(message.internal_date.unix),
            SortKey::Date => Self::Number(sent(message, members)),
            SortKey::Size => Self::Number(message.size.into()),
            SortKey::Subject => Self::text(&base_subject(members.subject.as_deref().unwrap_or_default()).text),
            SortKey::From => Self::mailbox(members.from.as_ref()),
            SortKey::To => Self::mailbox(members.to.as_ref()),
            SortKey::Cc => Self::mailbox(members.cc.as_ref()),
            SortKey::DisplayFrom => Self::display(members.from.as_ref()),
            SortKey::DisplayTo => Self::display(members.to.as_ref()),
        }
    }

    fn text(text: &str) -> Self {
        Self::Text(collation_key(text).into())
    }

    /// "addr-mailbox of the first [...] address"
    fn mailbox(address: Option<&RenderedAddress>) -> Self {
        Self::text(&address.map(|address| String::from_utf8_lossy(&address.mailbox)).unwrap_or_default())
    }

    /// The display name, decoded; without one the address; of a group its name.
    fn display(address: Option<&RenderedAddress>) -> Self {
        let Some(RenderedAddress { name, mailbox, host }) = address else { return Self::Text("".into()) };
        match (name.as_deref().filter(|name| !name.is_empty()), host) {
            (Some(name), _) => Self::text(&decode_words(name)),
            (None, None) => Self::text(&decode_words(mailbox)),
            (None, Some(host)) => Self::text(&String::from_utf8_lossy(&[mailbox, &b"@"[..], host].concat())),
        }
    }
}

/// The sent date, or where there is none that can be read, INTERNALDATE (RFC 5256 section 2.2); seconds since 1970 UTC.
pub(super) fn sent(message: &Message, members: &Members) -> i64 {
    members.date.as_deref().and_then(sent_at).unwrap_or(message.internal_date.unix)
}
