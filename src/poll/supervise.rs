//! Keeps the tasks of the accounts at work: one that panics begins anew, and the others do not notice.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::scheduler::doubled;

/// Before a task begins anew; doubles with each panic.
const FIRST_WAIT: Duration = Duration::from_secs(5);
const MAX_WAIT: Duration = Duration::from_secs(30 * 60);

/// What is kept at work. Whatever a panic may leave behind must do for the next run.
pub(super) trait Task: Send {
    /// Works until `shutdown`.
    fn run(&mut self, shutdown: CancellationToken) -> impl Future<Output = ()> + Send;
}

/// Runs the task until it ends by itself. The panic itself is logged and counted by the hook of the process.
pub(super) async fn supervise(id: String, mut task: impl Task, shutdown: CancellationToken) {
    let mut panics = 0;
    loop {
        let began = Instant::now();
        let ended = CatchUnwind(pin!(task.run(shutdown.clone()))).await;
        if ended.is_ok() {
            return;
        }
        if began.elapsed() > MAX_WAIT {
            panics = 0;
        }
        let wait = doubled(FIRST_WAIT, panics, MAX_WAIT);
        panics += 1;
        tracing::error!(account = id, ?wait, "the account's task has panicked and will begin anew; the others go on");
        tokio::select! {
            () = sleep(wait) => {}
            () = shutdown.cancelled() => return,
        }
    }
}

/// A future that may panic, and is not polled again when it did.
struct CatchUnwind<'a, F>(Pin<&'a mut F>);

impl<F: Future> Future for CatchUnwind<'_, F> {
    type Output = Result<F::Output, Box<dyn Any + Send>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let inner = self.0.as_mut();
        match catch_unwind(AssertUnwindSafe(|| inner.poll(context))) {
            Ok(polled) => polled.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Panics this often, then ends, or waits.
    struct Shaky {
        panics: u32,
        begun: Vec<Instant>,
        told: tokio::sync::mpsc::Sender<Vec<Instant>>,
    }

    impl Task for Shaky {
        async fn run(&mut self, shutdown: CancellationToken) {
            self.begun.push(Instant::now());
            tokio::task::yield_now().await;
            assert!(self.begun.len() > self.panics as usize, "a panic of the test");
            self.told.send(std::mem::take(&mut self.begun)).await.expect("told");
            shutdown.cancelled().await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_begins_anew_ever_later_and_still_stops() {
        let (told, mut heard) = tokio::sync::mpsc::channel(1);
        let shutdown = CancellationToken::new();
        let task = Shaky { panics: 12, begun: Vec::new(), told };
        let running = tokio::spawn(supervise("u/a".to_owned(), task, shutdown.clone()));
        let begun = heard.recv().await.expect("it works in the end");
        let waits: Vec<u64> = begun.windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).collect();
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 320, 640, 1280, 1800, 1800, 1800]);
        shutdown.cancel();
        running.await.expect("ends");
    }

    #[tokio::test(start_paused = true)]
    async fn the_wait_of_a_task_that_panicked_ends_with_the_service() {
        let (told, _heard) = tokio::sync::mpsc::channel(1);
        let shutdown = CancellationToken::new();
        let task = Shaky { panics: u32::MAX, begun: Vec::new(), told };
        let running = tokio::spawn(supervise("u/a".to_owned(), task, shutdown.clone()));
        tokio::time::sleep(Duration::from_secs(100_000)).await;
        shutdown.cancel();
        running.await.expect("ends");
    }
}
