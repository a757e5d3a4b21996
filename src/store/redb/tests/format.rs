//! Rows to bytes and back, and versions of a mailbox by hand.

use super::*;
use crate::mail::{BodyId, KeywordSet, Message, ThreadId, UidValidity};
use crate::store::codec::Unpacker;
use crate::store::record::RecordLayout;
use row::{DeadRow, MailboxRow, UidlRow, UserState};

fn message(at: u32) -> Message {
    Message {
        uid: uid(at),
        flags: Flags::SEEN | Flags::DRAFT,
        keywords: KeywordSet(1 << 127 | 5),
        mod_seq: ModSeq(u64::from(at) + 1),
        internal_date: InternalDate { unix: -1, offset_minutes: -721 },
        saved: u32::MAX,
        size: 77,
        body: BodyId(u64::MAX),
        thread: ThreadId(3),
        account: at.is_multiple_of(2).then_some(AccountId(9)),
        twin: at.is_multiple_of(3).then(|| (MailboxId(4), uid(5))),
    }
}

fn block(uids: std::ops::Range<u32>) -> Block {
    let messages: Vec<Message> = uids.map(message).collect();
    Block { max_mod_seq: ModSeq(1 << 40), messages }
}

/// Decodes a row cut short at every length, and with each byte changed: an error or another value, never a panic.
fn is_robust(bytes: &[u8], decode: impl Fn(&[u8]) -> bool) {
    assert!(decode(bytes));
    for len in 0..bytes.len() {
        decode(&bytes[..len]);
    }
    let mut changed = bytes.to_vec();
    for at in 0..bytes.len() {
        for value in [0, 1, 0x7f, 0xff] {
            changed[at] = value;
            decode(&changed);
        }
        changed[at] = bytes[at];
    }
}

#[test]
fn a_block_keeps_every_field() {
    let last = crate::mail::MAX_UID - 63;
    for uids in [1..64, 64..128, last..crate::mail::MAX_UID + 1] {
        let (number, block, mut bytes) = (uids.start >> 6, block(uids), Vec::new());
        block.encode(&mut bytes);
        assert_eq!(bytes.len(), 16 + 72 * block.messages.len());
        assert_eq!(Block::decode(number, &bytes).expect("a block"), block);
        assert_eq!(Block::peek_max_mod_seq(&bytes).expect("a block"), block.max_mod_seq);
    }
    let mut bytes = Vec::new();
    block(64..66).encode(&mut bytes);
    is_robust(&bytes, |bytes| Block::decode(1, bytes).is_ok());
    assert!(Block::decode(1, &bytes[..bytes.len() - 1]).is_err());
}

#[test]
fn other_rows_keep_every_field() {
    let keywords = ["a", "$Junk"].map(|k| Keyword::new(k).expect("a keyword")).to_vec();
    let usage = Stored { octets: 1 << 41, messages: 1 << 33 };
    let user = UserState { mod_seq: ModSeq(1 << 62), keywords, usage };
    let is_same = |u: &UserState, usage| (&u.keywords, u.mod_seq, u.usage) == (&user.keywords, user.mod_seq, usage);
    let bytes = user.encode();
    is_robust(&bytes, |bytes| UserState::decode_counted(bytes).is_ok_and(|(u, counted)| counted && is_same(&u, usage)));
    let older = UserState::decode_counted(&bytes[..bytes.len() - 16]).expect("a row without its end");
    assert!(!older.1 && is_same(&older.0, Stored::default()));
    let counts = Counts {
        uid_next: 1,
        highest_mod_seq: ModSeq(2),
        exists: 3,
        unseen: 4,
        deleted: 5,
        size: 6 << 40,
        recent_from: 7,
    };
    for special_use in SpecialUse::ALL.iter().map(|(s, ..)| Some(*s)).chain([None]) {
        let uid_validity = UidValidity::new(8).expect("not zero");
        let row = MailboxRow { user: UserId(9), name: name("a/\u{e9}"), uid_validity, special_use, counts };
        is_robust(&row.encode(), |bytes| {
            MailboxRow::decode(bytes).is_ok_and(|r| {
                (r.user, &r.name, r.uid_validity, r.special_use, r.counts)
                    == (row.user, &row.name, row.uid_validity, row.special_use, row.counts)
            })
        });
    }
    let body = BodyRow { size: 1 << 33, chunks: 2, references: 4, hash: [5; 32] };
    is_robust(&body.encode(), |bytes| BodyRow::decode(bytes).is_ok_and(|b| b == body));
    let before = [&[1][..], &[9, 0, 0, 0, 0, 0, 0, 0], &[2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0], &[5; 32]].concat();
    is_robust(&before, |bytes| BodyRow::decode(bytes).is_ok_and(|b| b == BodyRow { size: 9, ..body }));
    let dead = DeadRow { since: -6, body };
    is_robust(&dead.encode(), |bytes| DeadRow::decode(bytes).is_ok_and(|d| d == dead));
    for state in [LedgerState::Stored, LedgerState::DeleteWanted, LedgerState::Gone, LedgerState::Skipped] {
        let row = UidlRow {
            state,
            body: BodyId(1),
            listed_size: 2,
            header_hash: [3; 16],
            stored_at: 4,
            content: [5; 16],
            merged: Some(AccountId(6)),
        };
        let bytes = row.encode();
        is_robust(&bytes, |bytes| UidlRow::decode(bytes).is_ok_and(|r| r == row));
        let older = UidlRow { merged: None, ..row };
        assert!(UidlRow::decode(&bytes[..bytes.len() - 4]).is_ok_and(|row| row == older));
        let oldest = UidlRow { content: [0; 16], ..older };
        assert!(UidlRow::decode(&bytes[..bytes.len() - 20]).is_ok_and(|row| row == oldest));
    }
    let trouble = Trouble { tries: 2, last_try: -3, is_quarantined: true };
    is_robust(&trouble.encode(), |bytes| Trouble::decode(bytes).is_ok_and(|t| t == trouble));
    for (first_poll_done, is_paused) in [(false, true), (true, false)] {
        let state = PollState {
            first_poll_done,
            is_paused,
            state: 2,
            failures: 3,
            last_attempt: -4,
            not_before: 1 << 40,
            credentials: 5,
            last_success: 1 << 41,
        };
        let bytes = state.encode();
        is_robust(&bytes, |bytes| PollState::decode(bytes).is_ok_and(|s| s == state));
        let older = PollState { last_success: 0, ..state };
        assert!(PollState::decode(&bytes[..bytes.len() - 8]).is_ok_and(|s| s == older));
    }
    let unpacker = std::cell::RefCell::new(Unpacker::new().expect("a decoder"));
    is_robust(&record(b"e").encode().expect("encoded"), |bytes| {
        RecordLayout::decode(bytes, &mut unpacker.borrow_mut()).is_ok_and(|(_, r)| r.sent_day == Some(-3))
    });
    let ranges = set(&[(1, 2), (9, u32::MAX)]);
    let mut decoded = Vec::new();
    row::decode_ranges(&row::encode_ranges(&ranges), &mut decoded).expect("ranges");
    assert_eq!(decoded, ranges.ranges());
    assert!(row::decode_ranges(&[0; 7], &mut decoded).is_err());
}

#[test]
fn positions_in_a_snapshot_with_gaps() {
    let blocks = vec![Arc::new(block(10..12)), Arc::new(block(640..642))];
    let validity = UidValidity::new(1).expect("not zero");
    let snapshot = Snapshot::new(MailboxId(1), validity, Counts::default(), Arc::default(), blocks);
    let at = |n| snapshot.position(uid(n));
    assert_eq!([at(1), at(10), at(11), at(12)], [Err(0), Ok(0), Ok(1), Err(2)]);
    assert_eq!([at(100), at(639), at(641), at(642), at(9999)], [Err(2), Err(2), Ok(3), Err(4), Err(4)]);
    assert_eq!((snapshot.len(), snapshot.get(3).map(|m| m.uid), snapshot.get(4)), (4, Some(uid(641)), None));
    assert_eq!(snapshot.iter_range(1..3).map(|m| m.uid.value()).collect::<Vec<_>>(), [11, 640]);
    assert_eq!(snapshot.iter_range(4..9).count(), 0);
    let changed = [(0, None), (2, Some(Arc::new(block(130..131)))), (10, Some(Arc::new(block(640..643))))];
    let next = snapshot.next(Counts::default(), &[], changed.into_iter().collect());
    let delta = next.diff(&snapshot);
    // The changed block has the same mod-sequences, so only what is new in it counts.
    assert_eq!((delta.vanished, delta.changed, delta.appended), (set(&[(10, 11)]), vec![], vec![uid(130), uid(642)]));
    let empty = Snapshot::new(MailboxId(1), validity, Counts::default(), Arc::default(), Vec::new());
    assert_eq!(
        (empty.len(), empty.get(0), empty.position(uid(1)), empty.iter_range(0..5).count()),
        (0, None, Err(0), 0)
    );
    assert_eq!(empty.diff(&next).vanished.len(), 4);
}
