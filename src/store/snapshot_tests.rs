//! Versions of large mailboxes against the plain list of their messages.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::snapshot::{BLOCK_SHIFT, Block, Snapshot};
use super::types::Counts;
use crate::mail::{
    BodyId, Flags, InternalDate, KeywordSet, MailboxId, Message, ModSeq, ThreadId, Uid, UidSet, UidValidity,
};

/// What a version should hold.
struct Model {
    messages: BTreeMap<u32, Message>,
    mod_seq: u64,
}

fn message(uid: u32, mod_seq: u64) -> Message {
    Message {
        uid: Uid::new(uid).expect("a UID"),
        flags: Flags::SEEN,
        keywords: KeywordSet::default(),
        mod_seq: ModSeq(mod_seq),
        internal_date: InternalDate::default(),
        saved: 0,
        size: 1,
        body: BodyId(u64::from(uid)),
        thread: ThreadId(0),
        account: None,
        twin: None,
    }
}

impl Model {
    fn of(uids: impl Iterator<Item = u32>) -> Self {
        Self { messages: uids.map(|uid| (uid, message(uid, 1))).collect(), mod_seq: 1 }
    }

    /// The block of this number as it is now.
    fn block(&self, number: u32) -> Option<Arc<Block>> {
        let range = number << BLOCK_SHIFT..(number + 1) << BLOCK_SHIFT;
        let messages: Vec<_> = self.messages.range(range).map(|(_, m)| m.clone()).collect();
        let max_mod_seq = ModSeq(self.mod_seq);
        (!messages.is_empty()).then(|| Arc::new(Block { max_mod_seq, messages }))
    }

    fn snapshot(&self) -> Snapshot {
        let mut numbers: Vec<u32> = self.messages.keys().map(|uid| uid >> BLOCK_SHIFT).collect();
        numbers.dedup();
        let blocks = numbers.into_iter().filter_map(|number| self.block(number)).collect();
        let validity = UidValidity::new(1).expect("not zero");
        Snapshot::new(MailboxId(1), validity, Counts::default(), Arc::default(), blocks)
    }

    /// Changes the messages of these UIDs, and gives the next version.
    fn change(
        &mut self,
        before: &Snapshot,
        uids: &[u32],
        change: impl Fn(&mut BTreeMap<u32, Message>, u32, u64),
    ) -> Snapshot {
        self.mod_seq += 1;
        for uid in uids {
            change(&mut self.messages, *uid, self.mod_seq);
        }
        let numbers = uids.iter().map(|uid| uid >> BLOCK_SHIFT);
        before.next(Counts::default(), &[], numbers.map(|number| (number, self.block(number))).collect())
    }

    fn check(&self, snapshot: &Snapshot) {
        let expected: Vec<&Message> = self.messages.values().collect();
        assert_eq!(snapshot.len(), expected.len());
        assert_eq!(snapshot.is_empty(), expected.is_empty());
        assert!(snapshot.iter().eq(expected.iter().copied()));
        assert!(snapshot.iter().rev().eq(expected.iter().rev().copied()));
        for (index, message) in expected.iter().enumerate().step_by(37) {
            assert_eq!(snapshot.get(index), Some(*message));
            assert_eq!(snapshot.position(message.uid), Ok(index));
            assert!(snapshot.iter_range(index..index + 70).eq(expected.iter().copied().skip(index).take(70)));
        }
        assert_eq!(snapshot.get(expected.len()), None);
        assert_eq!(snapshot.iter_range(expected.len()..usize::MAX).count(), 0);
        assert!(snapshot.iter_range(0..usize::MAX).eq(expected.iter().copied()));
        for uid in (1..40_000).step_by(613).filter(|uid| !self.messages.contains_key(uid)) {
            let before = self.messages.range(..uid).count();
            assert_eq!(snapshot.position(Uid::new(uid).expect("a UID")), Err(before), "{uid}");
        }
        let first_unseen = expected.iter().position(|m| !m.flags.contains(Flags::SEEN));
        assert_eq!(snapshot.first_unseen(), first_unseen);
        let deleted: UidSet = expected.iter().filter(|m| m.flags.contains(Flags::DELETED)).map(|m| m.uid).collect();
        assert_eq!(snapshot.deleted(), deleted);
        for since in 0..=self.mod_seq {
            let changed = expected.iter().copied().filter(|m| m.mod_seq.0 > since);
            assert!(snapshot.changed_after(ModSeq(since)).eq(changed));
        }
    }
}

#[test]
fn a_version_made_of_changes_is_the_one_made_of_all_its_blocks() {
    // Three stretches of UIDs with gaps between them: within a segment, and of whole segments.
    let mut model = Model::of((1..=5_000).chain(5_200..=9_000).chain(30_000..=31_000));
    let first = model.snapshot();
    model.check(&first);

    let flag = |messages: &mut BTreeMap<u32, Message>, uid: u32, mod_seq: u64| {
        if let Some(message) = messages.get_mut(&uid) {
            (message.flags, message.mod_seq) = (Flags::DELETED, ModSeq(mod_seq));
        }
    };
    let flagged = model.change(&first, &[1, 64, 4_095, 4_096, 8_000, 31_000], flag);
    model.check(&flagged);
    let uids = |delta: Vec<Uid>| delta.iter().map(|uid| uid.value()).collect::<Vec<_>>();
    let delta = flagged.diff(&first);
    assert_eq!(uids(delta.changed), [1, 64, 4_095, 4_096, 8_000, 31_000]);
    assert!(delta.appended.is_empty() && delta.vanished.is_empty());

    // All of a segment, the first and the last of others.
    let gone: Vec<u32> = (8_192..=9_000).chain([1, 31_000]).collect();
    let expunged = model.change(&flagged, &gone, |messages, uid, _| {
        messages.remove(&uid);
    });
    model.check(&expunged);
    let delta = expunged.diff(&flagged);
    assert_eq!(delta.vanished.ranges(), [(1, 1), (8_192, 9_000), (31_000, 31_000)]);

    // Into a gap of segments, and past the end.
    let added = [20_000, 31_001, 39_999];
    let appended = model.change(&expunged, &added, |messages, uid, mod_seq| {
        messages.insert(uid, message(uid, mod_seq));
    });
    model.check(&appended);
    assert_eq!(uids(appended.diff(&expunged).appended), added);
    assert_eq!(appended.diff(&first).vanished, expunged.diff(&first).vanished);

    let all: Vec<u32> = model.messages.keys().copied().collect();
    let empty = model.change(&appended, &all, |messages, uid, _| {
        messages.remove(&uid);
    });
    model.check(&empty);
    assert_eq!(empty.diff(&appended).vanished.len(), all.len() as u64);
    assert_eq!(uids(appended.diff(&empty).appended), all);
}

#[test]
fn a_row_in_memory_stays_small() {
    assert!(size_of::<Message>() <= 96, "{}", size_of::<Message>());
}
