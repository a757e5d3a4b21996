//! `tributary demo`.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::demo;

/// Where the demo listens and keeps its data.
#[derive(Debug, clap::Args)]
pub(super) struct Flags {
    /// IMAP with STARTTLS
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:1143")]
    imap: SocketAddr,
    /// IMAP with TLS from the start
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:1993")]
    imaps: SocketAddr,
    /// Metrics, health and status page
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8025")]
    http: SocketAddr,
    /// Keep the data here [default: a directory that is removed at the end]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// Runs until a signal stops it.
pub(super) fn run(flags: Flags) -> anyhow::Result<()> {
    let Flags { imap, imaps, http, data_dir } = flags;
    super::block_on(demo::run(demo::Options { imap, imaps, http, data_dir }))
}

#[cfg(test)]
mod tests {
    use clap::{Args, FromArgMatches};

    use super::*;

    #[test]
    fn defaults_are_those_of_the_contract() {
        let matches = Flags::augment_args(clap::Command::new("demo")).get_matches_from(["demo"]);
        let flags = Flags::from_arg_matches(&matches).expect("flags");
        assert_eq!(flags.imap.to_string(), "127.0.0.1:1143");
        assert_eq!(flags.imaps.to_string(), "127.0.0.1:1993");
        assert_eq!(flags.http.to_string(), "127.0.0.1:8025");
        assert_eq!(flags.data_dir, None);
    }
}
