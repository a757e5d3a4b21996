//! Messages that cannot be fetched: counted, and after some tries delivered as what could be had of them, with a notice.
//! They stay upstream and are tried again once a day.

use super::super::Error;
use super::super::fault::Fault;
use super::super::notice::notice;
use super::super::plan::{Target, Troubles};
use super::super::source::Mode;
use super::Drive;
use super::retrieve::Receiving;
use crate::ingest::{self, Intake, Prepared};
use crate::mail::FlagList;
use crate::pop3::{self, Misbehavior};
use crate::store::{self, NewMessage, Trouble};

/// Sessions in which a message may fail before its user is told.
const TRIES: u32 = 3;
/// Messages of one session that fail for reasons of their own, even if no other comes.
const FEW: usize = 20;

/// A message that could not be fetched in this session.
pub(super) struct Failure {
    pub(super) target: Target,
    pub(super) why: Why,
    /// What came of it.
    pub(super) partial: Option<Receiving>,
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// The server's words.
    Refused(String),
    /// How the session ended during it.
    Broken(String),
    /// The same, without an octet of it, behind others that came whole: they may have been too many at once.
    Cut(String),
}

impl Drive<'_> {
    /// The session has failed: if that was during a message, it is this message's failure. Trouble of our own is nobody's.
    pub(super) fn blame(&mut self, error: &Error) {
        let receiving = self.receiving.take();
        let Error::Session(error) = error else { return };
        let merged = matches!(error, pop3::Error::Misbehavior(Misbehavior::MergedMessages(_)));
        if self.failure.is_some() || merged {
            return;
        }
        if let Some(retrieval) = self.overlong.take() {
            // Where the discarded rest of it ends is not known: no other message is blamed for what came after it.
            if *error == pop3::Error::Misbehavior(Misbehavior::MessageNeverEnds(retrieval.target.number)) {
                let target = retrieval.target;
                target.unique_id.as_ref().map(|unique_id| self.source.learnt.too_long.remove(unique_id));
                self.failures.push(Failure { target, why: Why::Broken(error.to_string()), partial: None });
            }
            return;
        }
        let number = self.session.receiving();
        let at_fault = self.retrieving.front().filter(|r| Some(r.target.number) == number && r.discard.is_none());
        let Some(retrieval) = at_fault else { return };
        let why = if receiving.is_none() && self.progress { Why::Cut } else { Why::Broken };
        let target = retrieval.target.clone();
        self.failures.push(Failure { target, why: why(error.to_string()), partial: receiving });
    }

    /// Counts what has failed, forgets what has come after all, and delivers what is past hope.
    pub(super) async fn settle_failures(&mut self) -> Result<(), store::Error> {
        if self.work.mode == Mode::DryRun {
            return Ok(());
        }
        let account = self.work.destination.account;
        let recovered = std::mem::take(&mut self.recovered);
        if !recovered.is_empty() {
            let is_quarantined = |key: &&Vec<u8>| self.work.troubles.get(*key).is_some_and(|row| row.is_quarantined);
            let back = recovered.iter().filter(is_quarantined).count() as u64;
            self.report.quarantined = self.report.quarantined.saturating_sub(back);
            self.source.store.set_troubles(account, recovered.into_iter().map(|key| (key, None)).collect()).await?;
        }
        if self.failure.is_some() {
            return Ok(());
        }
        let mut failures = std::mem::take(&mut self.failures);
        if failures.len() > FEW && failures.len() as u64 > self.report.fetched + self.report.duplicates {
            // That is the server's trouble: it would be a notice for each of them.
            self.report.fault(Fault::MostMessagesRefused);
            failures.clear();
        }
        let counted = |failure: &Failure| {
            let key = failure.target.key();
            let before = self.work.troubles.get(&key).copied().unwrap_or_default();
            (key, Some(counted(before, &failure.why, self.now)))
        };
        let rows: Vec<_> = failures.iter().map(counted).collect();
        if !rows.is_empty() {
            self.source.store.set_troubles(account, rows.clone()).await?;
        }
        for (failure, (key, trouble)) in failures.into_iter().zip(rows) {
            if trouble.is_some_and(|trouble| trouble.tries >= TRIES && !trouble.is_quarantined) {
                self.quarantine(key, failure).await?;
            }
        }
        Ok(())
    }

    async fn quarantine(&mut self, key: Vec<u8>, failure: Failure) -> Result<(), store::Error> {
        let Failure { target, why, partial } = failure;
        let octets = partial.as_ref().map_or(0, |partial| partial.octets);
        let account = &self.source.settings.id;
        tracing::warn!(account, unique_id = target.name(), octets, reason = why.text(), "a message cannot be fetched");
        let text = notice(account, &target, octets, why.text(), self.now);
        let mut messages = Vec::new();
        if let Some(partial) = partial {
            messages.push(self.message(partial.intake.finish().await?));
        }
        let mut intake = Intake::begin(&self.source.store).await?;
        intake.write(text.as_bytes()).await?;
        messages.push(self.message(intake.finish().await?));
        let destination = self.work.destination;
        self.source.store.quarantine(destination.account, key, destination.mailbox, messages).await?;
        self.report.quarantined += 1;
        Ok(())
    }

    fn message(&self, prepared: Prepared) -> NewMessage {
        NewMessage {
            body: prepared.body,
            flags: FlagList { keywords: self.source.settings.keyword.iter().cloned().collect(), ..FlagList::default() },
            internal_date: prepared.received.unwrap_or_else(ingest::now),
            account: Some(self.work.destination.account),
        }
    }
}

impl Why {
    fn text(&self) -> &str {
        match self {
            Self::Refused(text) | Self::Broken(text) | Self::Cut(text) => text,
        }
    }
}

/// One more try. One that may have been cut for the sake of others is never the last.
fn counted(before: Trouble, why: &Why, now: i64) -> Trouble {
    let tries = before.tries.saturating_add(1);
    let spared = matches!(why, Why::Cut(_)) && !before.is_quarantined;
    Trouble { tries: if spared { tries.min(TRIES - 1) } else { tries }, last_try: now, ..before }
}

/// How many of these messages are in quarantine.
pub(super) fn quarantined<'a>(troubles: &'a Troubles, over: &'a [Vec<u8>]) -> u64 {
    let over: std::collections::HashSet<&Vec<u8>> = over.iter().collect();
    troubles.iter().filter(|(key, row)| row.is_quarantined && !over.contains(key)).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_try_is_one_that_was_the_messages_own() {
        let cut = || Why::Cut(String::new());
        let broken = || Why::Broken(String::new());
        let mut trouble = Trouble::default();
        for (why, tries) in [(cut(), 1), (cut(), 2), (cut(), 2), (broken(), 3), (Why::Refused(String::new()), 4)] {
            trouble = counted(trouble, &why, 9);
            assert_eq!((trouble.tries, trouble.last_try), (tries, 9));
        }
        let quarantined = Trouble { tries: 3, is_quarantined: true, last_try: 0 };
        assert_eq!(counted(quarantined, &cut(), 1).tries, 4);
    }
}
