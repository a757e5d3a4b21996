//! Asks or tells the running service over its control socket.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::app::control::Reach;
use crate::app::control::protocol::{Progress, Reply, Request, parse_reply, request_line};
use crate::config;

/// More than the status of tens of thousands of accounts.
const MAX_ANSWER: u64 = 256 << 20;

/// The service answers at once, but for polls.
const PATIENCE: Duration = Duration::from_secs(60);

/// The service of one configuration.
pub(super) struct Service {
    data_dir: PathBuf,
    file: PathBuf,
}

impl Service {
    /// Finds it by the configuration's `data_dir`; it need not run yet.
    pub(super) fn of(file: &Path) -> anyhow::Result<Self> {
        Ok(Self::at(&config::load(file)?.config.data_dir, file))
    }

    /// The service of a configuration that was read.
    pub(super) fn at(data_dir: &Path, file: &Path) -> Self {
        Self { data_dir: data_dir.to_owned(), file: file.to_owned() }
    }

    /// Sends the request and waits for the answer: for a poll as long as it takes.
    pub(super) fn ask<T: DeserializeOwned>(&self, request: &Request) -> anyhow::Result<T> {
        let patience = if matches!(request, Request::Poll { .. }) { None } else { Some(PATIENCE) };
        let answer = self.exchange(request, patience, &mut drop)?.context("no answer from the service")?;
        serde_json::from_value(answer).context("the service's answer is not understood")
    }

    /// Sends the request and waits so long for the answer. `None`: the service is still at it, and goes on.
    pub(super) fn ask_for<T: DeserializeOwned>(
        &self,
        request: &Request,
        patience: Duration,
    ) -> anyhow::Result<Option<T>> {
        let Some(answer) = self.exchange(request, Some(patience), &mut drop)? else { return Ok(None) };
        serde_json::from_value(answer).map(Some).context("the service's answer is not understood")
    }

    /// Sends a request that takes as long as it takes, and passes on how far it is.
    pub(super) fn ask_with_progress<T: DeserializeOwned>(
        &self,
        request: &Request,
        tell: &mut dyn FnMut(Progress),
    ) -> anyhow::Result<T> {
        let answer = self.exchange(request, None, tell)?.context("no answer from the service")?;
        serde_json::from_value(answer).context("the service's answer is not understood")
    }

    /// Whether a service runs on this data directory. An error says that one may run, and cannot be asked.
    pub(super) fn is_running(&self) -> anyhow::Result<bool> {
        match Reach::of(&self.data_dir).and_then(|reach| UnixStream::connect(reach.path())) {
            Ok(_) => Ok(true),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => Ok(false),
            Err(_) => self.connect().map(|_| true),
        }
    }

    /// `None`: no answer in time.
    fn exchange(
        &self,
        request: &Request,
        patience: Option<Duration>,
        tell: &mut dyn FnMut(Progress),
    ) -> anyhow::Result<Option<Value>> {
        let mut stream = self.connect()?;
        stream.set_read_timeout(patience)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.write_all(&request_line(request)?).context("cannot ask the service")?;
        let mut replies = BufReader::new(stream.take(MAX_ANSWER));
        loop {
            let mut line = Vec::new();
            if let Err(error) = replies.read_until(b'\n', &mut line) {
                // What a read timeout is called depends on the system.
                let late = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
                return if late { Ok(None) } else { Err(error).context("no answer from the service") };
            }
            if line.is_empty() {
                bail!("the service has hung up; it answers its own user and root only, and nobody while it stops");
            }
            match parse_reply(&line).map_err(|error| anyhow!("{}", printable(&error)))? {
                Reply::Answer(answer) => return Ok(Some(answer)),
                Reply::Progress(progress) => tell(progress),
            }
        }
    }

    fn connect(&self) -> anyhow::Result<UnixStream> {
        let data_dir = self.data_dir.display();
        let not_running = || {
            anyhow!(
                "no service is running on data_dir {data_dir}; start it with: tributary serve -c {}",
                self.file.display()
            )
        };
        let connected = Reach::of(&self.data_dir).and_then(|reach| UnixStream::connect(reach.path()));
        connected.map_err(|error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::ConnectionRefused => not_running(),
            ErrorKind::PermissionDenied => {
                anyhow!(
                    "the control socket in data_dir {data_dir} is closed to this user: run the command as the \
                         service's user, or as root"
                )
            }
            _ => anyhow!("cannot reach the service by the control socket in data_dir {data_dir}: {error}"),
        })
    }
}

/// Text that others may have chosen, for a terminal: without control characters.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_moves_the_cursor() {
        assert_eq!(printable("a\u{1b}[2J\r\nb\u{9b}c\u{7f}\u{e4}"), "a?[2J??b?c?\u{e4}");
    }
}
