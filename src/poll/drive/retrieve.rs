//! Messages as they arrive, up to the store's acknowledgement.

use super::super::deliveries::{Arrival, Done};
use super::super::fault::Fault;
use super::super::metrics::Skipped;
use super::super::policy::Wish;
use super::super::resolve::Retrieval;
use super::Drive;
use super::quarantine::{Failure, Why};
use super::remove::Removal;
use crate::ingest::Intake;
use crate::pop3::{Refusal, ResponseCode};
use crate::store;

/// Octets of a message that are looked at for what it says of itself.
const HEAD: usize = 2048;

/// A mailbox kept in a file by the c-client library begins with this message, which is no mail.
const FOLDER_DATA: &[u8] = b"Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA";

/// A message being received.
pub(super) struct Receiving {
    pub(super) intake: Intake,
    pub(super) octets: u64,
    head: Vec<u8>,
}

impl Drive<'_> {
    pub(super) fn retrieve(&mut self, retrieval: Retrieval) {
        let target = &retrieval.target;
        self.session.retrieve(target.number, target.size);
        self.octets_left = self.octets_left.saturating_sub(target.listed_size());
        self.retrieving.push_back(retrieval);
    }

    pub(super) async fn on_body(&mut self, number: u32, data: &[u8]) {
        self.overlong = None;
        let Some(retrieval) = self.retrieving.front().filter(|retrieval| retrieval.target.number == number) else {
            return;
        };
        if retrieval.target.size.is_none() {
            self.octets_left = self.octets_left.saturating_sub(data.len() as u64);
        }
        if self.failure.is_some() || retrieval.discard.is_some() {
            return;
        }
        let written = async {
            let receiving = self.receiving().await?;
            receiving.octets += data.len() as u64;
            let room = HEAD - receiving.head.len().min(HEAD);
            receiving.head.extend_from_slice(data.get(..room.min(data.len())).unwrap_or_default());
            receiving.intake.write(data).await
        };
        let written = written.await;
        self.note(written);
    }

    pub(super) async fn on_retrieved(&mut self, number: u32, octets: u64) {
        self.overlong = None;
        let Some(retrieval) = self.taken(number) else { return };
        if let Some(listed) = retrieval.target.size {
            self.octets_left = self.octets_left.saturating_sub(octets.saturating_sub(listed));
        }
        self.progress = true;
        if let Some(wish) = retrieval.discard {
            return self.delete(Removal { target: retrieval.target, wish, fetched: true });
        }
        let begun = if self.failure.is_none() { self.receiving().await.map(|_| ()) } else { Ok(()) };
        self.note(begun);
        if let Some(receiving) = self.receiving.take().filter(|_| self.failure.is_none()) {
            if memchr::memmem::find(&receiving.head, FOLDER_DATA).is_some() {
                self.report.fault(Fault::FolderInternalData);
            }
            self.deliveries.start(receiving.intake, retrieval, octets);
        }
    }

    pub(super) fn on_too_long(&mut self, number: u32) {
        self.receiving = None;
        let Some(retrieval) = self.taken(number) else { return };
        if let Some(wish) = retrieval.discard {
            return self.refused(wish);
        }
        self.source.skip(self.report, Skipped::TooLarge, 1);
        if let Some(unique_id) = &retrieval.target.unique_id {
            self.source.learnt.too_long.insert(unique_id.clone());
        }
        self.overlong = Some(retrieval);
    }

    pub(super) fn on_retrieval_refused(&mut self, number: u32, refusal: &Refusal) {
        let Some(retrieval) = self.taken(number) else { return };
        if let Some(wish) = retrieval.discard {
            return self.refused(wish);
        }
        self.source.skip(self.report, Skipped::Refused, 1);
        if !matches!(refusal.code, Some(ResponseCode::InUse | ResponseCode::SysTemp)) {
            let why = Why::Refused(refusal.to_string());
            self.failures.push(Failure { target: retrieval.target, why, partial: None });
        }
    }

    /// The message is no longer waited for. The server answers in the order in which it was asked.
    fn taken(&mut self, number: u32) -> Option<Retrieval> {
        let index = self.retrieving.iter().position(|retrieval| retrieval.target.number == number)?;
        self.retrieving.remove(index)
    }

    /// The message being received; begun with its first bytes.
    async fn receiving(&mut self) -> Result<&mut Receiving, store::Error> {
        let receiving = match self.receiving.take() {
            Some(receiving) => receiving,
            None => {
                let mut intake = Intake::begin(&self.source.store).await?;
                if self.source.settings.merge {
                    intake.find_merge_key();
                }
                let settings = &self.source.settings;
                if !settings.rules.is_empty() {
                    intake.apply_rules(settings.rules.clone(), &settings.name);
                }
                Receiving { intake, octets: 0, head: Vec::new() }
            }
        };
        Ok(self.receiving.insert(receiving))
    }

    pub(super) fn on_done(&mut self, done: Done) {
        let Done { retrieval, octets, outcome } = done;
        let metrics = &self.source.metrics;
        let target = retrieval.target;
        let (arrival, wish) = match outcome {
            Ok(outcome) => outcome,
            Err(error) => return self.note(Err(error)),
        };
        metrics.backlog.dec();
        if arrival == Arrival::Stored {
            self.report.fetched += 1;
            self.report.bytes += octets;
            metrics.fetched.inc();
            #[expect(clippy::cast_precision_loss, reason = "the counter is floating point")]
            metrics.fetched_bytes.inc_by(octets as f64);
            if retrieval.reused {
                self.report.fault(Fault::UniqueIdReused);
            }
        } else {
            self.report.duplicates += 1;
            metrics.duplicate(arrival);
            if arrival == Arrival::KnownHeader && target.unique_id.is_some() {
                self.note_reset();
            }
        }
        if target.tries > 0 {
            self.recovered.push(target.key());
        }
        if let Some(wish) = self.wish_of(arrival, wish, target.size.unwrap_or(octets)) {
            self.wish(Removal { target, wish, fetched: true });
        }
    }

    /// A row that was only recognised by its header may be of a message that was skipped: only its own wish counts.
    fn wish_of(&self, arrival: Arrival, wish: Option<Wish>, size: u64) -> Option<Wish> {
        wish.or_else(|| self.policy().fresh_wish(size).filter(|_| arrival != Arrival::KnownHeader))
    }
}
