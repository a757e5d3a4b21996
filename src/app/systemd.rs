//! What a supervisor of the kind of systemd is told, and the sockets that it may have opened for the service. Without one
//! nothing happens: the environment says whether there is any.

use std::collections::HashMap;
use std::net::TcpListener;
use std::time::Duration;

use anyhow::{Context, bail};
use sd_notify::NotifyState;
use tokio_util::sync::CancellationToken;

/// Sockets that were opened before the service started, by what they are for: `imap`, `imaps`, `http`.
#[derive(Debug, Default)]
pub struct Inherited(HashMap<&'static str, Vec<TcpListener>>);

/// What a socket may be for: `FileDescriptorName=` in its unit.
const NAMES: [&str; 3] = ["imap", "imaps", "http"];

impl Inherited {
    /// Takes what the environment names (LISTEN_FDS, LISTEN_FDNAMES: sd_listen_fds(3)). Call before any thread runs.
    pub(crate) fn take() -> anyhow::Result<Self> {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let names: Vec<&str> = names.split(':').collect();
        let mut passed = listenfd::ListenFd::from_env();
        let mut taken = Self::default();
        for index in 0..passed.len() {
            let name = names.get(index).copied().unwrap_or_default();
            let Some(known) = NAMES.into_iter().find(|known| *known == name) else {
                bail!(
                    "a socket was passed with the name {name:?}; FileDescriptorName= must be one of imap, imaps, http"
                );
            };
            let listener = passed.take_tcp_listener(index).with_context(|| format!("the socket passed for {name}"))?;
            taken.0.entry(known).or_default().extend(listener);
        }
        Ok(taken)
    }

    /// Those for this service; `None`: it binds its own.
    pub(super) fn of(&mut self, service: &str) -> Option<Vec<TcpListener>> {
        self.0.remove(service)
    }
}

/// The service is up, or has taken its configuration anew.
pub(crate) fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// The configuration is being read again; [`ready`] follows.
pub(crate) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// The end has begun.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Says regularly that the runtime still runs, if that is watched.
pub(super) async fn watchdog(shutdown: CancellationToken) {
    let mut limit = 0;
    if !sd_notify::watchdog_enabled(false, &mut limit) {
        return;
    }
    // sd_watchdog_enabled(3): half of the time that is allowed.
    let mut ticks = tokio::time::interval(Duration::from_micros((limit / 2).max(1_000)));
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = ticks.tick() => tell(&[NotifyState::Watchdog]),
        }
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(false, states) {
        tracing::debug!(%error, "the supervisor was not told");
    }
}
