//! THREAD and UID THREAD (RFC 5256). Subjects, dates and most references come from the records; References is read from the
//! header.

use super::search::find;
use super::search_lookup::{Progress, apart, look_up};
use super::search_match::{Candidate, header};
use super::sort::sent;
use super::thread_tree::{Forest, Letter};
use crate::imap::codec::command::{ThreadAlgorithm, ThreadArgs};
use crate::imap::codec::envelope::{Members, Rendered};
use crate::imap::conn::Output;
use crate::imap::error::{CommandResult, Done};
use crate::imap::session::SelectedCx;
use crate::mime::{base_subject, collation_key, header_value, message_ids};
use crate::store::{self, Reader};

pub(in crate::imap) async fn thread(
    cx: &mut SelectedCx<'_>,
    args: ThreadArgs,
    tag: &[u8],
    out: &mut Output,
) -> CommandResult {
    let ThreadArgs { uid, algorithm, charset, mut key } = args;
    let mut progress = Progress::new(cx, tag, 2);
    let found = find(cx, &mut key, Some(&charset), &mut progress, out).await?;
    let letters = look_up(cx, found, &mut progress, out, move |reader, candidate| {
        letter(reader, &candidate, uid, algorithm).map(Some)
    });
    let letters = letters.await?;
    let forest = apart(move || match algorithm {
        ThreadAlgorithm::OrderedSubject => Forest::ordered_subject(&letters),
        ThreadAlgorithm::References => Forest::references(&letters),
    });
    let forest = forest.await?;
    out.push("* THREAD");
    for (index, root) in forest.roots().enumerate() {
        if index == 0 {
            out.push(" ");
        }
        forest.write(root, out.buf());
        out.relieve().await?;
    }
    out.push("\r\n");
    Done::ok()
}

/// What threading looks at of a message.
fn letter(reader: &Reader, candidate: &Candidate, by_uid: bool, algorithm: ThreadAlgorithm) -> store::Result<Letter> {
    let message = &candidate.message;
    let record = reader.record(message.body)?;
    let members = record.map(|record| Rendered::new(record.envelope()).members()).unwrap_or_default();
    let subject = base_subject(members.subject.as_deref().unwrap_or_default());
    let (id, references) = match algorithm {
        ThreadAlgorithm::OrderedSubject => (None, Vec::new()),
        ThreadAlgorithm::References => {
            let id = members.message_id.as_deref().and_then(|value| message_ids(value).into_iter().next());
            (id, references(&members, header_value(&header(reader, candidate)?, b"References").as_deref()))
        }
    };
    Ok(Letter {
        number: if by_uid { message.uid.value() } else { candidate.seq },
        sent: sent(message, &members),
        subject: collation_key(&subject.text),
        is_reply: subject.is_reply,
        id,
        references,
    })
}

/// RFC 5256 section 3, REFERENCES: those of References, or if it has none, the first of In-Reply-To.
fn references(members: &Members, field: Option<&[u8]>) -> Vec<Vec<u8>> {
    match field.map(message_ids).filter(|ids| !ids.is_empty()) {
        Some(ids) => ids,
        None => message_ids(members.in_reply_to.as_deref().unwrap_or_default()).into_iter().take(1).collect(),
    }
}
