//! Logging: text or JSON lines on stderr.

use anyhow::{Context, anyhow};
use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat, LogLevel};

/// Starts logging for the process; once. `RUST_LOG` overrides the level.
pub fn init_logging(log: &Log) -> anyhow::Result<()> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(directives) if !directives.is_empty() => {
            EnvFilter::try_new(&directives).with_context(|| format!("RUST_LOG={directives}"))?
        }
        _ => EnvFilter::try_new(directives(log.level))?,
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match log.format {
        LogFormat::Text => {
            use std::io::IsTerminal;
            builder.with_ansi(std::io::stderr().is_terminal()).try_init()
        }
        LogFormat::Json => builder.json().with_current_span(false).try_init(),
    };
    started.map_err(|e| anyhow!("logging: {e}"))
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
