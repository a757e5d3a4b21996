//! UIDBATCHES (RFC 10022): ranges of UIDs that part the mailbox into batches of the same number of messages, the newest first.

use crate::imap::codec::write;
use crate::imap::conn::Output;
use crate::imap::error::{CommandError, CommandResult, Done};
use crate::imap::session::SelectedCx;
use crate::mail::Seq;

/// The smallest batch: smaller ones would give sequence numbers to a client that has none (RFC 10022).
const LEAST: u32 = 500;

pub(in crate::imap) async fn uid_batches(
    cx: &SelectedCx<'_>,
    size: u32,
    range: Option<(u32, u32)>,
    tag: &[u8],
    out: &mut Output,
) -> CommandResult {
    if size < LEAST {
        return Err(CommandError::No(Some("TOOFEW"), "Minimum batch size is 500"));
    }
    out.push("* UIDBATCHES (TAG ");
    write::string(out.buf(), tag);
    out.push(")");
    let (first, last) = range.unwrap_or((1, u32::MAX));
    let view = &cx.mailbox.view;
    let uid = |number: u32| Some(view.by_seq(Seq::new(number)?)?.message.uid.value());
    for (index, (high, low)) in batches(view.len(), uid, size, first, last).enumerate() {
        out.push(if index == 0 { " " } else { "," });
        out.push(format!("{high}:{low}"));
        out.relieve().await?;
    }
    out.push("\r\n");
    Done::ok()
}

/// The batches `first` to `last`, as far as there are so many: the highest and the lowest UID of each. They leave no gap, and
/// the last of all begins with UID 1.
fn batches(
    messages: u32,
    uid: impl Fn(u32) -> Option<u32>,
    size: u32,
    first: u32,
    last: u32,
) -> impl Iterator<Item = (u32, u32)> {
    let below = move |batch: u32| messages.saturating_sub(batch.saturating_mul(size));
    (first..=last.min(messages.div_ceil(size))).filter_map(move |batch| {
        let lowest = |batch| if below(batch) == 0 { Some(1) } else { uid(below(batch) + 1) };
        let high = if batch == 1 { uid(messages)? } else { lowest(batch - 1)? - 1 };
        Some((high, lowest(batch)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_leave_no_gap_and_end_with_uid_one() {
        // Every third UID, 1,201 messages.
        let batches = |size, first, last| batches(1201, |n| Some(n * 3), size, first, last).collect::<Vec<_>>();
        let all = batches(500, 1, u32::MAX);
        assert_eq!(all, [(3603, 2106), (2105, 606), (605, 1)]);
        assert_eq!(batches(500, 2, 2), [(2105, 606)]);
        assert_eq!(batches(500, 2, 9), all[1..]);
        assert_eq!(batches(500, 4, 9), []);
        assert_eq!(batches(1201, 1, 9), [(3603, 1)]);
        assert_eq!(batches(1200, 1, 9), [(3603, 4), (3, 1)]);
        assert_eq!(batches(u32::MAX, 1, u32::MAX), [(3603, 1)]);
        assert_eq!(super::batches(0, |_| None, 500, 1, u32::MAX).count(), 0);
        assert_eq!(super::batches(1, |_| Some(7), 500, 1, 1).collect::<Vec<_>>(), [(7, 1)]);
    }
}
