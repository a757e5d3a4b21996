//! Logging: text or JSON lines on stderr.

use std::sync::OnceLock;

use anyhow::{Context, anyhow};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::reload;

use crate::config::{Log, LogFormat, LogLevel};

/// Replaces the filter of the process. Not there before logging has started, and not where `RUST_LOG` decides.
static REPLACE: OnceLock<Box<Replace>> = OnceLock::new();

type Replace = dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync;

/// Logs so much from now on.
pub(super) fn set_level(level: LogLevel) {
    let Some(replace) = REPLACE.get() else { return };
    // Every level is a valid filter, and the process logs as long as it lives.
    if let Ok(filter) = EnvFilter::try_new(directives(level)) {
        let _ = replace(filter);
    }
}

/// Starts logging for the process; once. `RUST_LOG` overrides the level.
pub fn init_logging(log: &Log) -> anyhow::Result<()> {
    let overridden = std::env::var("RUST_LOG").ok().filter(|directives| !directives.is_empty());
    let filter = match &overridden {
        Some(directives) => EnvFilter::try_new(directives).with_context(|| format!("RUST_LOG={directives}"))?,
        None => EnvFilter::try_new(directives(log.level))?,
    };
    let replaceable = overridden.is_none();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match log.format {
        LogFormat::Text => {
            use std::io::IsTerminal;
            let builder = builder.with_ansi(std::io::stderr().is_terminal()).with_filter_reloading();
            let handle = builder.reload_handle();
            builder.try_init().map(|()| keep(replaceable, move |filter| handle.reload(filter)))
        }
        LogFormat::Json => {
            let builder = builder.json().with_current_span(false).with_filter_reloading();
            let handle = builder.reload_handle();
            builder.try_init().map(|()| keep(replaceable, move |filter| handle.reload(filter)))
        }
    };
    started.map_err(|e| anyhow!("logging: {e}"))
}

fn keep(replaceable: bool, replace: impl Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync + 'static) {
    if replaceable {
        // Logging starts once.
        let _ = REPLACE.set(Box::new(replace));
    }
}

/// Our own level for ours; of libraries nothing below warnings unless all is wanted: they log what peers send.
fn directives(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "warn,tributary=info",
        LogLevel::Debug => "warn,tributary=debug",
        LogLevel::Trace => "info,tributary=trace",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_is_a_valid_filter() {
        for level in [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace] {
            assert!(EnvFilter::try_new(directives(level)).is_ok());
        }
    }
}
