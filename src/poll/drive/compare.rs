//! The listing, and what TOP tells of the messages in it that are in doubt. What TOP shows is compared and never stored.

use super::super::Error;
use super::super::fault::Fault;
use super::super::known::Known;
use super::super::metrics::Skipped;
use super::super::plan::{self, Claim, Comparison, Deletion, Question, Target};
use super::super::policy::{Sight, Wish, is_braked};
use super::super::resolve::{Facts, Resolution, resolve};
use super::super::source::Mode;
use super::quarantine::quarantined;
use super::remove::Removal;
use super::{Drive, Stage, gauge};
use crate::pop3::{Listing, Refusal};
use crate::store::{self, LedgerChange};

/// Refusals of TOP, with no answer between them, after which it is taken to be missing.
const REFUSALS: u32 = 3;
/// Changes of the ledger made in one transaction.
const BATCH: usize = 4096;

impl Comparison {
    pub(super) fn is_unknown(&self) -> bool {
        matches!(self.question, Question::Unknown(_))
    }

    pub(super) fn wish(&self) -> Option<Wish> {
        match &self.question {
            Question::Row(claim) => claim.wish,
            Question::Unknown(_) => None,
        }
    }
}

impl Drive<'_> {
    /// A listing that contradicts itself is refused whole and asked for once more in another session: mail that came in
    /// between two commands, or an answer cut short, is right then. What the server repeats is its way of listing, of
    /// which what is shown can be used; what is not shown is never thought to be gone.
    pub(super) async fn on_listing(&mut self, listing: &Listing) -> Result<(), Error> {
        let repeated = std::mem::replace(&mut self.source.learnt.doubtful_listing, !listing.is_consistent());
        if !listing.is_consistent() && !repeated {
            self.tally.listing_refused = true;
            self.report.login_delay = self.session.capabilities().login_delay;
            self.session.quit();
            self.stage = Stage::Quitting;
            return Ok(());
        }
        let ledger = std::mem::take(&mut self.work.ledger);
        let policy = self.policy();
        let mut plan = plan::plan(listing, &ledger, &self.work.troubles, policy);
        self.known = Known::new(&ledger, listing, plan.reset, policy);
        drop(ledger);
        self.stage = Stage::Comparing;
        self.tally.listed = true;
        self.tally.all_new = plan.all_new && listing.iter().all(|item| item.unique_id.is_some());
        self.tell(listing, &mut plan);
        self.to_retrieve = std::mem::take(&mut plan.retrieve).into_iter().map(Into::into).collect();
        self.resized = std::mem::take(&mut plan.resized);
        self.to_compare = std::mem::take(&mut plan.compare).into();
        for deletion in std::mem::take(&mut plan.delete) {
            if self.keeps_all() {
                self.would_delete(&deletion.target, deletion.wish);
            } else {
                // A unique-id may have been given to another message of the same size.
                self.to_compare.push_back(deletion.into());
            }
        }
        if self.work.mode == Mode::DryRun {
            return Ok(());
        }
        self.source.metrics.backlog.set(gauge(self.backlog()));
        self.begin_changes(plan).await
    }

    /// Whether nothing is deleted upstream, whatever the policy.
    pub(super) fn keeps_all(&self) -> bool {
        self.source.settings.delete_dry_run || self.work.mode == Mode::DryRun
    }

    fn tell(&mut self, listing: &Listing, plan: &mut plan::Plan) {
        let report = &mut *self.report;
        report.listed = listing.len() as u64;
        report.listed_bytes = listing.octets();
        report.server = self.session.capabilities().implementation.clone().unwrap_or_default();
        report.login_delay = self.session.capabilities().login_delay;
        report.deletes_held = plan.held;
        report.too_large = std::mem::take(&mut plan.too_large);
        report.quarantined = quarantined(&self.work.troubles, &plan.forget_troubles);
        for (is_so, fault) in [(plan.held > 0, Fault::DeletesHeld), (plan.undead > 0, Fault::DeleteIgnored)] {
            if is_so {
                report.fault(fault);
            }
        }
        if self.work.mode == Mode::DryRun {
            report.skipped += plan.too_long;
            return;
        }
        self.source.skip(self.report, Skipped::TooLarge, plan.too_long);
        let metrics = &self.source.metrics;
        metrics.messages.set(gauge(self.report.listed));
        #[expect(clippy::cast_precision_loss, reason = "gauges are floating point")]
        metrics.bytes.set(self.report.listed_bytes as f64);
        self.warn_of_held();
    }

    pub(super) fn warn_of_held(&self) {
        let (account, held) = (&self.source.settings.id, self.report.deletes_held);
        if held > 0 {
            tracing::warn!(
                account,
                held,
                "many messages were expunged here at once and stay upstream; to delete them there, run: \
                 tributary confirm-deletes {account}"
            );
        }
    }

    /// What follows from the listing alone. `first_poll` ends with what it decides, unless more is to be decided.
    async fn begin_changes(&mut self, plan: plan::Plan) -> Result<(), Error> {
        let seen = |target: Target| {
            let listed_size = target.listed_size();
            Some(LedgerChange::Skip { unique_id: target.unique_id?, listed_size, header_hash: [0; 16] })
        };
        let mut changes: Vec<_> = plan.skip.into_iter().filter_map(seen).collect();
        changes.extend(plan.forget.into_iter().map(LedgerChange::Forget));
        let ends = self.work.first_poll.is_some();
        let decides = |c: &Comparison| matches!(c.question, Question::Unknown(Sight::Skip | Sight::SkipBefore(_)));
        if ends && self.to_compare.iter().any(decides) {
            self.ends_first_poll = true;
        } else if ends {
            changes.push(LedgerChange::EndFirstPoll);
        }
        let account = self.work.destination.account;
        if !changes.is_empty() {
            self.source.store.change_ledger(account, changes).await?;
        }
        if !plan.forget_troubles.is_empty() {
            let forget = plan.forget_troubles.into_iter().map(|key| (key, None)).collect();
            self.source.store.set_troubles(account, forget).await?;
        }
        Ok(())
    }

    /// Asks for headers as long as there is room; those that cannot be had stay without an answer.
    pub(super) fn ask(&mut self) {
        let usable = self.may_ask();
        while !self.is_over() && (!usable || self.session.has_room()) {
            let Some(comparison) = self.to_compare.pop_front() else { break };
            if usable {
                self.session.top(comparison.target.number);
                self.comparing.push_back(comparison);
            } else {
                self.answers.push((comparison, None));
            }
        }
    }

    fn may_ask(&self) -> bool {
        let capabilities = self.session.capabilities();
        self.source.learnt.use_top && (!capabilities.known || capabilities.top)
    }

    pub(super) fn on_header(&mut self, number: u32, header: &[u8]) {
        self.tops.answered += 1;
        self.source.learnt.top_failures = 0;
        self.answer(number, Some(Facts::of(header)));
    }

    pub(super) fn on_top_refused(&mut self, number: u32, refusal: &Refusal) {
        self.tops.refused += 1;
        if self.tops.answered == 0 && self.tops.refused >= REFUSALS && refusal.code.is_none() {
            self.source.learnt.use_top = false;
        }
        self.answer(number, None);
    }

    fn answer(&mut self, number: u32, facts: Option<Facts>) {
        let asked = self.comparing.iter().position(|comparison| comparison.target.number == number);
        if let Some(comparison) = asked.and_then(|index| self.comparing.remove(index)) {
            self.answers.push((comparison, facts));
        }
    }

    /// All answers are there: what they mean is written down, and messages begin to move.
    pub(super) async fn conclude(&mut self) -> Result<(), Error> {
        let answers = std::mem::take(&mut self.answers);
        let mut resolution = resolve(answers, &mut self.known, &self.source.learnt.settled);
        self.follow_sample(&mut resolution);
        for deletion in std::mem::take(&mut resolution.delete) {
            let Deletion { target, wish, .. } = deletion;
            self.wish(Removal { target, wish, fetched: false });
        }
        self.to_retrieve.extend(std::mem::take(&mut resolution.retrieve));
        self.to_retrieve.make_contiguous().sort_by_key(|retrieval| retrieval.target.order());
        self.settling.append(&mut resolution.ambiguous);
        if !resolution.undead.is_empty() {
            self.report.fault(Fault::DeleteIgnored);
        }
        if resolution.first_poll_impossible {
            self.report.fault(Fault::FirstPollImpossible);
        }
        self.report.adopted += resolution.adopted;
        if self.work.mode == Mode::Normal {
            self.source.learnt.undead.extend(resolution.undead.into_iter().map(|id| (id, self.now)));
            self.source.metrics.adopted(resolution.adopted);
            // Nothing is under way yet that would be taken off it.
            self.source.metrics.backlog.set(gauge(self.backlog()));
        }
        if resolution.adopted > 0 {
            self.note_reset();
        }
        self.write_down(resolution.changes).await?;
        if self.to_compare.is_empty() {
            self.stage = Stage::Moving;
            self.deliveries.set_known(std::mem::take(&mut self.known));
            self.stopping |= self.work.mode == Mode::DryRun;
        }
        Ok(())
    }

    async fn write_down(&mut self, mut changes: Vec<LedgerChange>) -> Result<(), store::Error> {
        if self.work.mode == Mode::DryRun {
            return Ok(());
        }
        if self.ends_first_poll && self.to_compare.is_empty() {
            changes.push(LedgerChange::EndFirstPoll);
            self.ends_first_poll = false;
        }
        let mut changes = changes.into_iter().peekable();
        while changes.peek().is_some() {
            let batch = changes.by_ref().take(BATCH).collect();
            self.source.store.change_ledger(self.work.destination.account, batch).await?;
        }
        Ok(())
    }

    /// Most sizes have changed. If the messages of the sample are what they were, the server counts otherwise now; if one is
    /// not, all of them are looked at. Without TOP each session fetches a sample, until most sizes are right again.
    fn follow_sample(&mut self, resolution: &mut Resolution) {
        let resized = std::mem::take(&mut self.resized);
        let (asks, sampled) = (self.may_ask(), resolution.same + resolution.other > 0);
        for comparison in resized {
            let Comparison { target, question } = &comparison;
            let unseen = matches!(question, Question::Row(Claim { header_hash: [0, ..], .. }));
            if resolution.other == 0 && (asks || !sampled) || (unseen && !asks) {
                if let Some(unique_id) = &target.unique_id {
                    resolution.changes.push(LedgerChange::Resize(unique_id.clone(), target.listed_size()));
                }
            } else if asks {
                self.to_compare.push_back(comparison);
            }
        }
    }

    /// Messages came under new unique-ids.
    pub(super) fn note_reset(&mut self) {
        if !self.reset {
            self.reset = true;
            self.report.fault(Fault::UniqueIdsChanged);
            if self.work.mode == Mode::Normal {
                self.source.metrics.uidl_resets.inc();
            }
        }
    }

    /// The brake on messages that have no unique-id to be counted by before they are recognised.
    pub(super) fn apply_brake(&mut self) {
        let unconfirmed = std::mem::take(&mut self.unconfirmed);
        if is_braked(unconfirmed.len(), usize::try_from(self.report.listed).unwrap_or(usize::MAX)) {
            self.report.deletes_held += unconfirmed.len() as u64;
            self.report.fault(Fault::DeletesHeld);
            self.warn_of_held();
        } else {
            self.to_delete.extend(unconfirmed);
        }
    }
}

impl From<Deletion> for Comparison {
    fn from(deletion: Deletion) -> Self {
        let Deletion { target, wish, header_hash } = deletion;
        let (resized, undead, skipped) = (false, false, false);
        let claim = Claim { header_hash, stored_at: i64::MAX, resized, undead, skipped, wish: Some(wish) };
        Self { target, question: Question::Row(claim) }
    }
}
