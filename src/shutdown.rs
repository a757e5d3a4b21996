//! Stopping: one token that every task watches, a tracker that knows when they have ended, and the signals that ask for it.

use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Tasks of one part, asked to stop together.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    token: CancellationToken,
    tasks: TaskTracker,
}

impl Shutdown {
    /// No tasks yet, not stopping.
    pub fn new() -> Self {
        Self::default()
    }

    /// The token that tells a task to come to its safe point and end.
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Runs `task`, to be waited for by [`Self::wait`].
    pub fn spawn<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tasks.spawn(task);
    }

    /// Asks all tasks to stop. Idempotent.
    pub fn stop(&self) {
        self.token.cancel();
        self.tasks.close();
    }

    /// Whether [`Self::stop`] has been called.
    pub fn is_stopping(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Waits until every task has ended, for at most `grace`; tells whether they all did. Call after [`Self::stop`].
    pub async fn wait(&self, grace: Duration) -> bool {
        tokio::time::timeout(grace, self.tasks.wait()).await.is_ok()
    }
}

/// The signals that ask the service to stop. Listening starts when it is made, so that none is missed between.
#[derive(Debug)]
pub struct StopSignals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl StopSignals {
    /// Starts to listen for SIGTERM and SIGINT.
    pub fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Completes with the name of the next signal. Cancel-safe.
    pub async fn recv(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// SIGHUP, by which an operator asks to read files again. Listened to, it no longer ends the process.
#[derive(Debug)]
pub struct Hangups(tokio::signal::unix::Signal);

impl Hangups {
    /// Starts to listen.
    pub fn new() -> io::Result<Self> {
        Ok(Self(signal(SignalKind::hangup())?))
    }

    /// Completes with the next one. Cancel-safe.
    pub async fn recv(&mut self) {
        self.0.recv().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waits_for_tasks_that_stop() {
        let shutdown = Shutdown::new();
        let token = shutdown.token();
        shutdown.spawn(async move { token.cancelled().await });
        assert!(!shutdown.is_stopping());
        shutdown.stop();
        assert!(shutdown.is_stopping());
        assert!(shutdown.wait(Duration::from_secs(5)).await);
    }

    #[tokio::test]
    async fn gives_up_on_a_task_that_does_not() {
        let shutdown = Shutdown::new();
        shutdown.spawn(std::future::pending());
        shutdown.stop();
        assert!(!shutdown.wait(Duration::from_millis(1)).await);
    }
}
