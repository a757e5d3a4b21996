//! Commands that work on the whole store: by the running service, or, when none runs, on the files themselves.

use std::cell::Cell;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use serde::de::DeserializeOwned;

use super::control::{Service, printable};
use crate::app;
use crate::app::control::protocol::{Progress, Request};
use crate::config;
use crate::store::{self, Store};

/// Between two lines of progress where there is no terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// Has the running service do it, or opens the store and does it here.
pub(super) fn run<T: DeserializeOwned>(
    file: &Path,
    request: &Request,
    here: impl FnOnce(&Store, store::Tell<'_>) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let config = config::load(file)?.config;
    let service = Service::at(&config.data_dir, file);
    let shown = Shown::new();
    if service.is_running()? {
        return service.ask_with_progress(request, &mut |progress| shown.show(&progress));
    }
    with_progress(|tell| with_store(&config, |store| here(store, tell)))
}

/// Runs `f` here, and shows how far it is.
pub(super) fn with_progress<T>(f: impl FnOnce(store::Tell<'_>) -> anyhow::Result<T>) -> anyhow::Result<T> {
    let (told, progress) = std::sync::mpsc::channel::<Progress>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let shown = Shown::new();
            while let Ok(progress) = progress.recv() {
                shown.show(&progress);
            }
        });
        let told = std::sync::Mutex::new(told);
        f(&|progress| {
            let told = told.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            drop(told.send(progress.into()));
        })
    })
}

/// Opens the store for `f` and closes it. There must be one: a command that looks must not make an empty store.
fn with_store<T>(config: &config::Config, f: impl FnOnce(&Store) -> anyhow::Result<T>) -> anyhow::Result<T> {
    let settings = app::store_settings(config);
    let data_dir = settings.data_dir.display();
    anyhow::ensure!(Store::exists(&settings.data_dir), "there is no store in data_dir {data_dir}");
    super::block_on(async {
        let store = Store::open(&settings).with_context(|| format!("data_dir {data_dir}"))?;
        store.limit_parsing(app::parse_limits(config));
        let done = tokio::task::block_in_place(|| f(&store));
        let closed = store.close().await;
        let done = done?;
        closed?;
        Ok(done)
    })
}

/// Progress on standard error: a bar on a terminal, a line now and then elsewhere.
struct Shown {
    bar: Option<ProgressBar>,
    /// When a line was shown last, or the work began: what is done soon says nothing.
    last: Cell<Instant>,
}

impl Shown {
    fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{msg:20} [{bar:40}] {percent:>3}% {eta}");
            ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "))
        });
        Self { bar, last: Cell::new(Instant::now()) }
    }

    fn show(&self, progress: &Progress) {
        let phase = printable(&progress.phase);
        if let Some(bar) = &self.bar {
            bar.set_length(progress.total.max(progress.done));
            bar.set_message(phase);
            bar.set_position(progress.done);
            return;
        }
        if self.last.get().elapsed() < LINE_INTERVAL {
            return;
        }
        let of = if progress.total > 0 { format!(" {} of {}", progress.done, progress.total) } else { String::new() };
        // Progress that cannot be shown is no reason to stop the work.
        let _ = writeln!(std::io::stderr(), "{phase}{of}");
        self.last.set(Instant::now());
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A number of bytes for people: `12.3 MiB`.
pub(super) fn bytes(number: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if number < 1024 {
        return format!("{number} B");
    }
    let mut value = number as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn bytes_are_for_people() {
        for (number, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            ((1 << 20) - 1, "1.0 MiB"),
            (5 << 30, "5.0 GiB"),
            (u64::MAX, "16384.0 PiB"),
        ] {
            assert_eq!(bytes(number), text);
        }
    }
}
