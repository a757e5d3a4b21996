//! Deleting upstream what the policy wants gone there (I8), and the record of it.

use super::super::Error;
use super::super::fault::Fault;
use super::super::plan::Target;
use super::super::policy::Wish;
use super::super::resolve::Retrieval;
use super::super::source::Mode;
use super::{Drive, Stage};
use crate::store::{LedgerChange, LedgerState};

/// A message on its way out of the maildrop.
#[derive(Clone, Debug)]
pub(super) struct Removal {
    pub(super) target: Target,
    pub(super) wish: Wish,
    /// It was retrieved in this session.
    pub(super) fetched: bool,
}

impl Drive<'_> {
    /// The policy wants a stored message gone.
    pub(super) fn wish(&mut self, removal: Removal) {
        if self.keeps_all() {
            self.would_delete(&removal.target, removal.wish);
        } else if !removal.wish.confirmed {
            self.unconfirmed.push(removal);
        } else if removal.fetched && self.stage == Stage::Moving {
            self.delete(removal);
        } else {
            self.to_delete.push_back(removal);
        }
    }

    /// Asks the server; or retrieves the message first if it wants that.
    pub(super) fn delete(&mut self, removal: Removal) {
        let Removal { target, wish, fetched } = removal;
        if self.retrieve_first && !fetched && self.fits(&target) {
            return self.retrieve(Retrieval { target, discard: Some(wish), ..Retrieval::default() });
        }
        self.session.delete(target.number);
        self.deleting.insert(target.number, Removal { target, wish, fetched });
    }

    /// Some servers delete only what was retrieved in the same session.
    pub(super) fn on_deletion_refused(&mut self, number: u32) {
        let Some(removal) = self.deleting.remove(&number) else { return };
        if removal.fetched || !self.fits(&removal.target) || self.is_over() {
            return self.refused(removal.wish);
        }
        self.retrieve_first = true;
        self.report.fault(Fault::DeleteNeedsRetrieval);
        let Removal { target, wish, .. } = removal;
        self.to_retrieve.push_back(Retrieval { target, discard: Some(wish), ..Retrieval::default() });
    }

    fn fits(&self, target: &Target) -> bool {
        target.size.is_none_or(|size| size <= self.source.settings.max_message_size)
    }

    pub(super) fn refused(&mut self, wish: Wish) {
        self.undeleted.push(wish.reason);
        self.source.metrics.deletes_refused.inc();
    }

    /// A dry run: said once of each message.
    pub(super) fn would_delete(&mut self, target: &Target, wish: Wish) {
        self.undeleted.push(wish.reason);
        if self.work.mode == Mode::DryRun || !self.source.learnt.told.insert(target.key()) {
            return;
        }
        self.source.metrics.deletes_dry_run.inc();
        let (account, unique_id, size) = (&self.source.settings.id, target.name(), target.listed_size());
        tracing::info!(target: "tributary::audit", account, unique_id, size, reason = wish.reason.label(), "would delete");
    }

    /// QUIT was answered: the deletions are made (RFC 1939 section 6).
    pub(super) async fn finish(&mut self) -> Result<(), Error> {
        let deleted = std::mem::take(&mut self.deleted);
        self.report.deleted = deleted.len() as u64;
        self.source.metrics.deletes_ok.inc_by(self.report.deleted);
        let account = &self.source.settings.id;
        for Removal { target, wish, .. } in &deleted {
            let (unique_id, size, reason) = (target.name(), target.listed_size(), wish.reason.label());
            tracing::info!(target: "tributary::audit", account, unique_id, size, reason, "deleted upstream");
        }
        let gone = |removal: Removal| Some(LedgerChange::SetState(removal.target.unique_id?, LedgerState::Gone));
        let changes: Vec<_> = deleted.into_iter().filter_map(gone).collect();
        if !changes.is_empty() {
            self.source.store.change_ledger(self.work.destination.account, changes).await?;
        }
        if self.work.mode == Mode::Normal && self.failure.is_none() && self.failures.is_empty() && !self.is_over() {
            self.source.learnt.settled.extend(std::mem::take(&mut self.settling));
        }
        Ok(())
    }
}
