//! One mailbox as a client knows it that has only ever been told differences.

use std::collections::BTreeMap;
use std::sync::Arc;

use tributary::store::{MailboxWatch, Snapshot};

pub(crate) struct Client {
    watch: MailboxWatch,
    known: Arc<Snapshot>,
    /// UID -> flags and keywords.
    view: BTreeMap<u32, (u8, u128)>,
}

fn view(snapshot: &Snapshot) -> BTreeMap<u32, (u8, u128)> {
    snapshot.iter().map(|m| (m.uid.value(), (m.flags.bits(), m.keywords.0))).collect()
}

impl Client {
    pub(crate) fn new(watch: MailboxWatch) -> Self {
        let known = watch.current().expect("a version");
        let view = view(&known);
        Self { watch, known, view }
    }

    /// Whether the mailbox was deleted.
    pub(crate) fn is_gone(&self) -> bool {
        self.watch.current().is_none()
    }

    /// Takes the difference to the newest version.
    pub(crate) fn follow(&mut self) -> &Snapshot {
        let newest = self.watch.current().expect("a version");
        let delta = newest.diff(&self.known);
        for uid in delta.vanished.iter() {
            assert!(self.view.remove(&uid).is_some(), "vanished, but never seen");
        }
        for uid in &delta.changed {
            assert!(self.view.contains_key(&uid.value()), "changed, but never seen");
        }
        for uid in delta.changed.iter().chain(&delta.appended) {
            let m = newest.find(*uid).expect("in the new version");
            self.view.insert(uid.value(), (m.flags.bits(), m.keywords.0));
        }
        assert_eq!(self.view, view(&newest));
        self.known = newest;
        &self.known
    }
}
