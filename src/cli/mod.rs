//! The command line: what can be asked, and the exit code: 0 done, 1 failed (reason on stderr), 2 usage.

mod check_config;
mod demo;
mod hash_password;
mod oauth;
mod serve;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Parser, Subcommand};

/// Many POP3 maildrops flow into one IMAP mailbox, the same on every device.
#[derive(Debug, Parser)]
#[command(name = "tributary", version, max_term_width = 100, arg_required_else_help = true)]
struct Cli {
    /// The configuration; before or after the command [default: ./tributary.yaml, then
    /// /etc/tributary/tributary.yaml]
    #[arg(short, long, global = true, value_name = "FILE", env = "TRIBUTARY_CONFIG")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service in the foreground; SIGTERM and SIGINT stop it cleanly
    #[command(
        after_help = "SIGHUP reads the certificate again; other settings take effect at the next start.\n\nExample:\n  tributary serve -c /etc/tributary/tributary.yaml"
    )]
    Serve,
    /// Run the whole product with no set-up: two sample maildrops, user demo, password demo
    #[command(after_help = "Prints where it listens and what to try; new mail keeps arriving. Ctrl-C ends it.\n\n\
        Example:\n  tributary demo --imap 127.0.0.1:2143")]
    Demo(demo::Flags),
    /// Check the configuration and print what is in effect, with secrets masked
    #[command(after_help = "All errors are shown at once, each with its line, its key and what to write instead.\n\n\
        Example:\n  tributary check-config -c tributary.yaml")]
    CheckConfig,
    /// Read a password and print the hash line for the configuration
    #[command(after_help = "Asks twice on a terminal; else reads one line from standard input.\n\n\
        Examples:\n  tributary hash-password\n  pass show mail/alice | tributary hash-password\n\n\
        In the configuration:\n  password: { hash: \"$argon2id$...\" }")]
    HashPassword,
    /// Log in to the provider of an upstream account that uses OAuth 2.0
    #[command(
        after_help = "Shows an address, and a code to type there, or waits for the browser (`flow: browser`). A service that is \
        running sees the new login by itself.\n\nExample:\n  tributary oauth alice/work -c /etc/tributary/tributary.yaml"
    )]
    Oauth {
        /// The account, as `user/name`
        account: String,
    },
}

/// Parses the command line and does what it asks.
pub fn run() -> ExitCode {
    // Exits with 2 on a usage error, with 0 after --help and --version.
    let cli = Cli::parse();
    match execute(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("tributary: {e:#}");
            ExitCode::FAILURE
        }
    }
}

fn execute(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Command::Serve => serve::run(&config_file(cli.config)?),
        Command::Demo(flags) => demo::run(flags),
        Command::CheckConfig => check_config::run(&config_file(cli.config)?),
        Command::HashPassword => hash_password::run(),
        Command::Oauth { account } => oauth::run(&config_file(cli.config)?, &account),
    }
}

/// The file named, else the first of the usual ones that exists.
fn config_file(named: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    if let Some(named) = named {
        return Ok(named);
    }
    match CONFIG_FILES.iter().map(Path::new).find(|path| path.exists()) {
        Some(found) => Ok(found.to_owned()),
        None => bail!(
            "no configuration: neither {} exists; name one with -c FILE or in $TRIBUTARY_CONFIG",
            CONFIG_FILES.join(" nor ")
        ),
    }
}

const CONFIG_FILES: [&str; 2] = ["./tributary.yaml", "/etc/tributary/tributary.yaml"];

/// Runs a service on all cores; what it leaves running has a moment to end.
fn block_on(service: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(blocking_threads())
        .build()
        .context("cannot start the asynchronous runtime")?;
    let ended = runtime.block_on(service);
    runtime.shutdown_timeout(Duration::from_secs(1));
    ended
}

/// Threads for reads of the store and password checks. More than this only costs memory: each holds buffers.
fn blocking_threads() -> usize {
    std::thread::available_parallelism().map_or(16, |cores| (4 * cores.get()).clamp(16, 64))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn config_goes_before_or_after_the_command() {
        for arguments in [["tributary", "-c", "x", "serve"], ["tributary", "serve", "-c", "x"]] {
            assert_eq!(Cli::parse_from(arguments).config, Some(PathBuf::from("x")));
        }
    }

    #[test]
    fn every_command_shows_an_example() {
        for command in Cli::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Example") && help.contains("tributary "), "{}", command.get_name());
        }
    }
}
