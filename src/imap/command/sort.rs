//! SORT and UID SORT (RFC 5256, RFC 5267 section 3, RFC 5957). The keys come from the rows and the records; no message is
//! read.

use super::context;
use super::search::find;
use super::search_answer::{Hit, Question, answer, settle};
use super::search_lookup::{Progress, apart, look_up};
use super::search_match::{Candidate, uses_mod_seq};
use crate::imap::codec::command::{SortArgs, SortCriterion, SortKey};
use crate::imap::codec::envelope::{Members, Rendered, RenderedAddress};
use crate::imap::conn::Output;
use crate::imap::error::{CommandError, CommandResult, Done};
use crate::imap::session::{Place, SearchContext, SelectedCx};
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
    context::check(cx, args.returns, tag)?;
    let SortArgs { uid, returns, criteria, charset, mut key } = args;
    let question = Question { name: "SORT", tag, uid, returns, by_mod_seq: uses_mod_seq(&key) };
    let mut progress = Progress::new(cx, tag, 2);
    let found = find(cx, &mut key, Some(&charset), &mut progress, out).await?;
    let keyed = keyed(cx, found, uid, &criteria, &mut progress, out).await?;
    let keyed = apart(move || sorted(keyed)).await?;
    let hits: Vec<Hit> = keyed.iter().map(|keyed| keyed.hit).collect();
    let followed = context::wanted(cx, returns, key);
    answer(cx, &question, &hits, out).await?;
    let Some(followed) = followed else { return Done::ok() };
    let star = cx.mailbox.view.highest_uid();
    let context = followed.map(|key| {
        let places = keyed.into_iter().map(Keyed::place).collect();
        SearchContext::sorted(tag, uid, key, star, criteria, places)
    });
    context::open(cx, tag, context, out)
}

/// A message with what it is compared by.
pub(super) struct Keyed {
    hit: Hit,
    /// All criteria as octets, which compare as the criteria do.
    key: Box<[u8]>,
}

/// The messages with what they are compared by, in no new order.
pub(super) async fn keyed(
    cx: &SelectedCx<'_>,
    found: Vec<Candidate>,
    by_uid: bool,
    criteria: &[SortCriterion],
    progress: &mut Progress<'_>,
    out: &mut Output,
) -> Result<Vec<Keyed>, CommandError> {
    if criteria.iter().all(|criterion| matches!(criterion.key, SortKey::Arrival | SortKey::Size)) {
        let of_row = |candidate: Candidate| Keyed::new(&candidate, by_uid, criteria, &Members::default());
        return Ok(found.into_iter().map(of_row).collect());
    }
    let criteria = criteria.to_vec();
    look_up(cx, found, progress, out, move |reader, candidate| {
        let record = reader.record(candidate.message.body)?;
        let members = record.map(|record| Rendered::new(record.envelope()).members()).unwrap_or_default();
        Ok(Some(Keyed::new(&candidate, by_uid, &criteria, &members)))
    })
    .await
}

/// The messages in order. Those that are alike remain in the order of the mailbox, also under REVERSE (RFC 5256 section 3).
fn sorted(mut keyed: Vec<Keyed>) -> Vec<Keyed> {
    keyed.sort_by(|a, b| a.key.cmp(&b.key));
    keyed
}

impl Keyed {
    fn new(candidate: &Candidate, by_uid: bool, criteria: &[SortCriterion], members: &Members) -> Self {
        let mut key = Vec::new();
        for criterion in criteria {
            let from = key.len();
            Value::of(criterion.key, &candidate.message, members).write(&mut key);
            if criterion.reverse {
                key.iter_mut().skip(from).for_each(|octet| *octet = !*octet);
            }
        }
        Self { hit: Hit::new(candidate, by_uid), key: key.into() }
    }

    /// Where it stands in a result.
    pub(super) fn place(self) -> Place {
        Place { key: self.key, uid: self.hit.uid() }
    }
}

/// What one criterion compares.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Value {
    Number(i64),
    Text(Box<str>),
}

impl Value {
    /// As octets, none of which begin another value's: they compare as the values do, and in reverse when all are inverted.
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Number(number) => out.extend_from_slice(&(number.cast_unsigned() ^ 1 << 63).to_be_bytes()),
            Self::Text(text) => {
                for octet in text.bytes() {
                    out.push(octet);
                    if octet == 0 {
                        out.push(0xFF);
                    }
                }
                out.extend_from_slice(&[0, 0]);
            }
        }
    }

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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn octets(values: &[Value], reverse: bool) -> Vec<u8> {
        let mut out = Vec::new();
        values.iter().for_each(|value| value.write(&mut out));
        if reverse { out.iter().map(|octet| !octet).collect() } else { out }
    }

    fn values() -> impl Strategy<Value = [Value; 3]> {
        let text = || "[\\x00-\\x02a-b\u{e9}]{0,4}".prop_map(|text| Value::Text(text.into()));
        (text(), any::<i64>().prop_map(Value::Number), text()).prop_map(|(a, b, c)| [a, b, c])
    }

    proptest! {
        #[test]
        fn octets_compare_as_values_do(a in values(), b in values()) {
            prop_assert_eq!(octets(&a, false).cmp(&octets(&b, false)), a.cmp(&b));
            prop_assert_eq!(octets(&a, true).cmp(&octets(&b, true)), b.cmp(&a));
        }
    }
}
