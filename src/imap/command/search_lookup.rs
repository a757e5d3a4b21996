//! Looking something up about many messages: in batches on blocking threads, as many as there are processors. A client that
//! waits long is told how far it is (RFC 9585).

use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, timeout_at};

use super::search_match::Candidate;
use crate::imap::codec::write;
use crate::imap::conn::Output;
use crate::imap::error::CommandError;
use crate::imap::session::SelectedCx;
use crate::store::{self, Reader};

/// Messages looked up in one go.
const BATCH: usize = 256;

/// The shortest time between two lines about progress.
const LEAST: Duration = Duration::from_millis(1);

/// How far a command is: a number of phases, each of which takes as many steps as the mailbox has messages.
pub(super) struct Progress<'t> {
    tag: &'t [u8],
    every: Duration,
    due: Instant,
    messages: u64,
    phases: u64,
    /// Phases that are over.
    over: u64,
}

impl<'t> Progress<'t> {
    pub(super) fn new(cx: &SelectedCx<'_>, tag: &'t [u8], phases: u64) -> Self {
        let every = cx.deps.settings.progress;
        let messages = cx.mailbox.view.len().max(1).into();
        Self { tag, every, due: Instant::now() + every, messages, phases, over: 0 }
    }

    /// Of work that no command asked for: nothing is told.
    pub(super) fn silent() -> Self {
        let every = Duration::from_secs(365 * 86_400);
        Self { tag: b"", every, due: Instant::now() + every, messages: 1, phases: 1, over: 0 }
    }

    /// `* OK [INPROGRESS ("tag" progress goal)]`, if it is time; the progress stays below the goal (RFC 9585 section 4).
    async fn tell(&mut self, done: usize, total: usize, out: &mut Output) -> Result<(), CommandError> {
        let now = Instant::now();
        if now < self.due {
            return Ok(());
        }
        self.due = now + self.every.max(LEAST);
        let goal = self.messages.saturating_mul(self.phases);
        let share = self.messages.saturating_mul(done as u64) / (total as u64).max(1);
        let progress = (self.messages * self.over + share).min(goal - 1);
        out.push("* OK [INPROGRESS (");
        write::string(out.buf(), self.tag);
        out.line(format!(" {progress} {goal})] Still looking"));
        out.flush().await?;
        Ok(())
    }
}

/// What `each` makes of the messages, in their order; `None` is left out. One phase of the command.
pub(super) async fn look_up<T: Send + 'static>(
    cx: &SelectedCx<'_>,
    messages: Vec<Candidate>,
    progress: &mut Progress<'_>,
    out: &mut Output,
    each: impl Fn(&Reader, Candidate) -> store::Result<Option<T>> + Send + Sync + 'static,
) -> Result<Vec<T>, CommandError> {
    let each = Arc::new(each);
    let (total, mut done) = (messages.len(), 0);
    let mut batches: Vec<(usize, Vec<T>)> = Vec::with_capacity(total.div_ceil(BATCH));
    let mut running = JoinSet::new();
    let threads = available_parallelism().map_or(1, usize::from);
    let mut messages = messages.into_iter().peekable();
    let mut begun = 0;
    while messages.peek().is_some() || !running.is_empty() {
        while running.len() < threads && messages.peek().is_some() {
            let batch: Vec<Candidate> = messages.by_ref().take(BATCH).collect();
            let (each, store, size, number) = (Arc::clone(&each), cx.store.clone(), batch.len(), begun);
            begun += 1;
            running.spawn(async move {
                let found = store.read(move |reader| {
                    let made = batch.into_iter().map(|candidate| each(reader, candidate));
                    made.filter_map(Result::transpose).collect::<store::Result<Vec<T>>>()
                });
                (number, size, found.await)
            });
        }
        if let Ok(Some(batch)) = timeout_at(progress.due, running.join_next()).await {
            let (number, size, found) = batch.map_err(|_| failed())?;
            batches.push((number, found?));
            done += size;
        }
        progress.tell(done, total, out).await?;
    }
    progress.over += 1;
    batches.sort_unstable_by_key(|(number, _)| *number);
    Ok(batches.into_iter().flat_map(|(_, found)| found).collect())
}

/// Work on what has been looked up that takes long for many messages.
pub(super) async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, CommandError> {
    spawn_blocking(work).await.map_err(|_| failed())
}

fn failed() -> CommandError {
    CommandError::No(Some("SERVERBUG"), "The search failed")
}
