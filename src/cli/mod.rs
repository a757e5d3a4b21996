//! The command line: what can be asked, and the exit code: 0 done, 1 failed (reason on stderr), 2 usage.

mod backup;
mod check;
mod check_config;
mod compact;
mod confirm_deletes;
mod control;
mod demo;
mod doctor;
mod hash_password;
mod healthcheck;
mod oauth;
mod pages;
mod pause;
mod poll;
mod serve;
mod stats;
mod status;
mod upkeep;
mod who;

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
        after_help = "SIGHUP reads the configuration and the certificate again: users, accounts, limits and everything else but \
            data_dir, log.format and the listeners take effect without dropping a session. A file that is wrong is \
            refused whole. With watch_config: true, a change of the file does the same.\n\n\
            Example:\n  tributary serve -c /etc/tributary/tributary.yaml"
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
    /// Look at upstream maildrops, say what is wrong and which settings suit them
    #[command(
        after_help = "Names, connects, logs in and lists, as a poll does, and takes nothing: no message is fetched or deleted. \
        The service need not run.\n\nExamples:\n  tributary doctor\n  tributary doctor alice/isp -c tributary.yaml"
    )]
    Doctor {
        /// The account, as `user/name` or just its name; all of them when left out
        account: Option<String>,
    },
    /// Show how every account of the running service is
    #[command(
        after_help = "Behind the table, in plain words: what failed last, deletions that wait to be confirmed, messages that \
        are too long or could not be fetched whole, and what the server does wrong.\n\n\
        Examples:\n  tributary status\n  tributary status --json"
    )]
    Status(status::Flags),
    /// Poll an account, or all, now, and say how it went
    #[command(
        after_help = "Polls also after refused logins and failures. During a lock, a throttle, the server's login delay or \
        a pause it only says so, unless forced: a login would be refused, or make it last longer.\n\n\
        Examples:\n  tributary poll\n  tributary poll alice/isp\n  tributary poll alice/isp --dry-run"
    )]
    Poll(poll::Flags),
    /// Poll an account no more until it is resumed, also after a restart
    #[command(
        after_help = "A poll that is running comes to its next safe point.\n\nExample:\n  tributary pause alice/isp"
    )]
    Pause(pause::Flags),
    /// Poll a paused account again
    #[command(after_help = "Example:\n  tributary resume alice/isp")]
    Resume(pause::Flags),
    /// Make the deletions upstream that were held because there are so many
    #[command(
        after_help = "With leave_on_server: until_expunged, what is expunged here is deleted upstream; more than half of a \
        maildrop at once is held until a person says that it is meant. Asks before it does anything.\n\n\
        Examples:\n  tributary confirm-deletes alice/isp\n  tributary confirm-deletes alice/isp --yes"
    )]
    ConfirmDeletes(confirm_deletes::Flags),
    /// Show who is connected: mail programs, addresses, mailboxes
    #[command(after_help = "What a mail program calls itself is what it says, and nothing more.\n\n\
        Examples:\n  tributary who\n  tributary who --json")]
    Who(who::WhoFlags),
    /// End a session, or all sessions of a user
    #[command(
        after_help = "A mail program that is told to go connects again by itself unless its password no longer works.\n\n\
        Examples:\n  tributary kick 17\n  tributary kick alice"
    )]
    Kick(who::KickFlags),
    /// Ask a running service whether it is ready; exit code 1 when it is not
    #[command(after_help = "For containers and supervisors. Reads nothing of the configuration but http.listen.\n\n\
        Examples:\n  tributary healthcheck\n  tributary healthcheck --http 127.0.0.1:8025")]
    Healthcheck(healthcheck::Flags),
    /// Write the manual pages
    #[command(after_help = "Examples:\n  tributary man | man -l -\n  tributary man --dir /usr/local/share/man/man1")]
    Man(pages::ManFlags),
    /// Write the completions of a shell
    #[command(after_help = "Examples:\n  tributary completions bash > /etc/bash_completion.d/tributary\n  \
        tributary completions zsh > ~/.zfunc/_tributary")]
    Completions(pages::CompletionsFlags),
    /// Check every invariant of the store and the octets of every message
    #[command(
        after_help = "Names what is wrong in plain words; exit code 1 when there is anything. The service may run meanwhile.\n\n\
        Examples:\n  tributary check\n  tributary check --repair"
    )]
    Check(check::Flags),
    /// Show what takes how much room, by user and mailbox
    #[command(
        after_help = "LOGICAL counts every copy, DEDUPLICATED identical messages once; STORED is what these take compressed; INDEX \
        is everything else.\n\nExamples:\n  tributary stats\n  tributary stats --json"
    )]
    Stats(stats::Flags),
    /// Copy the store into a directory while the service goes on
    #[command(
        after_help = "A second backup into the same directory copies only what is new. The directory is a data directory itself; \
        one backup is whole at any time, also when the next is cut short.\n\n\
        Example:\n  tributary backup /mnt/backup/tributary"
    )]
    Backup(backup::Flags),
    /// Make the store from a backup; data_dir must not have one
    #[command(
        after_help = "UIDs, UIDVALIDITY, mod-sequences, flags and what was fetched stay as they were, so that no client downloads \
        again and no message is fetched twice. Stop the service first, and move what is left of its store away.\n\n\
        Example:\n  tributary restore /mnt/backup/tributary"
    )]
    Restore(backup::Flags),
    /// Give room that expunged mail has left back to the disk
    #[command(after_help = "The service goes on; writes wait for a moment. Needs room for a copy of what is in use. \
        Not needed now and then: new mail takes the room that old mail has left.\n\nExample:\n  tributary compact")]
    Compact,
    /// Log in to the provider of an upstream account that uses OAuth 2.0
    #[command(
        after_help = "Shows an address, and a code to type there, or waits for the browser (`flow: browser`). A service that is \
        running polls the account at once.\n\nExample:\n  tributary oauth alice/work -c /etc/tributary/tributary.yaml"
    )]
    Oauth {
        /// The account, as `user/name` or just its name
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
        Command::Doctor { account } => doctor::run(&config_file(cli.config)?, account.as_deref()),
        Command::Status(flags) => status::run(&config_file(cli.config)?, &flags),
        Command::Poll(flags) => poll::run(&config_file(cli.config)?, flags),
        Command::Pause(flags) => pause::pause(&config_file(cli.config)?, flags),
        Command::Resume(flags) => pause::resume(&config_file(cli.config)?, flags),
        Command::ConfirmDeletes(flags) => confirm_deletes::run(&config_file(cli.config)?, flags),
        // Without a configuration the usual address is asked.
        Command::Healthcheck(flags) => healthcheck::run(config_file(cli.config).ok().as_deref(), &flags),
        Command::Man(flags) => pages::man(&flags),
        Command::Completions(flags) => {
            pages::completions(&flags);
            Ok(())
        }
        Command::Who(flags) => who::who(&config_file(cli.config)?, &flags),
        Command::Kick(flags) => who::kick(&config_file(cli.config)?, flags),
        Command::Check(flags) => check::run(&config_file(cli.config)?, &flags),
        Command::Backup(flags) => backup::backup(&config_file(cli.config)?, &flags),
        Command::Restore(flags) => backup::restore(&config_file(cli.config)?, &flags),
        Command::Compact => compact::run(&config_file(cli.config)?),
        Command::Stats(flags) => stats::run(&config_file(cli.config)?, &flags),
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
fn block_on<T>(service: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
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
