//! Tokens that a program prints (`token_command`).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::tokens::blocking;
use super::{Error, Token};
use crate::secret::{Secret, SecretSource};

/// What was printed serves for so long, unless the server refuses it: the program knows how long its tokens live, we do
/// not, and it may ask a person or a provider each time it runs.
const KEPT: Duration = Duration::from_secs(5 * 60);

/// A program that prints an access token, and what it printed last.
#[derive(Debug)]
pub struct Program {
    source: SecretSource,
    last: Mutex<Option<(Instant, Secret)>>,
    /// Runs so far: tells a caller who waited for one that it need not ask for another.
    runs: AtomicU64,
}

impl Program {
    pub(super) fn new(source: SecretSource) -> Self {
        Self { source, last: Mutex::new(None), runs: AtomicU64::new(0) }
    }

    /// What runs it; its answers are not kept.
    pub const fn source(&self) -> &SecretSource {
        &self.source
    }

    pub(super) async fn token(self: &Arc<Self>, renew: bool) -> Result<Token, Error> {
        let seen = self.runs.load(Ordering::Acquire);
        let mut last = self.last.lock().await;
        let waited = self.runs.load(Ordering::Acquire) != seen;
        if let Some((at, secret)) = &*last
            && (!renew || waited)
            && at.elapsed() < KEPT
        {
            return Ok(Token { secret: secret.clone(), expires: None });
        }
        let source = self.source.clone();
        let secret = blocking(move || source.fetch().map_err(Error::Unavailable)).await?;
        *last = Some((Instant::now(), secret.clone()));
        self.runs.fetch_add(1, Ordering::Release);
        Ok(Token { secret, expires: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::TokenSource;

    /// Counts its runs; fails on the third.
    fn counting() -> TokenSource {
        let runs = AtomicU64::new(0);
        TokenSource::command(SecretSource::program(move || match runs.fetch_add(1, Ordering::Relaxed) {
            2 => Err("the program failed".to_owned()),
            run => Ok(Secret::new(format!("token-{run}"))),
        }))
    }

    async fn text(source: &TokenSource, renew: bool) -> String {
        source.token(renew).await.map_or_else(|error| error.to_string(), |token| token.secret.expose().to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn a_program_runs_again_when_refused_or_after_five_minutes() {
        let source = counting();
        assert_eq!(text(&source, false).await, "token-0");
        tokio::time::advance(KEPT - Duration::from_millis(1)).await;
        assert_eq!(text(&source, false).await, "token-0");
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(text(&source, false).await, "token-1");
        assert_eq!(text(&source, true).await, "the program failed");
        assert_eq!(text(&source, false).await, "token-1", "it was only one who could not use it");
        assert_eq!(text(&source, true).await, "token-3");
        assert_eq!(source.expiry(), None);
    }

    #[tokio::test]
    async fn callers_at_the_same_time_run_it_once() {
        // The program ends when all have asked.
        let (all_asked, asked) = std::sync::mpsc::channel();
        let (asked, runs) = (std::sync::Mutex::new(asked), AtomicU64::new(0));
        let source = TokenSource::command(SecretSource::program(move || {
            let asked = asked.lock().map_err(|error| error.to_string())?;
            asked.recv().map_err(|error| error.to_string())?;
            Ok(Secret::new(format!("token-{}", runs.fetch_add(1, Ordering::Relaxed))))
        }));
        let end = async { all_asked.send(()).expect("the program runs") };
        let (a, b, c, ()) = tokio::join!(text(&source, true), text(&source, true), text(&source, true), end);
        assert_eq!([a, b, c], ["token-0"; 3]);
    }
}
