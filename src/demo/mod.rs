//! `tributary demo`: the whole product with no set-up. Two sample maildrops behind a POP3 server of its own on loopback,
//! polled for real by the service, with a new message each minute.
//!
//! Owns the sample mail, the configuration of the demo and what it prints; serves nothing itself.

mod banner;
mod data;
mod maildrops;
pub mod pop3d;
pub mod samples;

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use jiff::Timestamp;

use crate::app::{self, Addresses, App, Running};
use crate::config::{self, Config};
use crate::shutdown::StopSignals;
use banner::Banner;
use data::DataDir;
use maildrops::Maildrops;
use samples::Maildrop;

/// The login of the demo; its password is the same.
const USER: &str = "demo";
const PASSWORD: &str = "demo";

/// For the first poll of both maildrops.
const FIRST_POLLS: Duration = Duration::from_secs(10);

/// Between two new messages.
const NEW_MAIL_INTERVAL: Duration = Duration::from_secs(60);

/// Between two polls of a maildrop: short, so that new mail shows soon.
const POLL_INTERVAL: &str = "5s";

/// Where the demo listens and keeps its data.
#[derive(Clone, Debug)]
pub struct Options {
    /// IMAP in cleartext and with STARTTLS.
    pub imap: SocketAddr,
    /// IMAP with implicit TLS.
    pub imaps: SocketAddr,
    /// Metrics and status page.
    pub http: SocketAddr,
    /// `None`: a directory of its own, removed at the end.
    pub data_dir: Option<PathBuf>,
}

/// Runs the demo until SIGINT or SIGTERM.
pub async fn run(options: Options) -> anyhow::Result<()> {
    let mut signals = StopSignals::new().context("cannot listen for signals")?;
    for (address, flag) in [(options.imap, "--imap"), (options.imaps, "--imaps"), (options.http, "--http")] {
        check_free(address, flag)?;
    }
    let data = DataDir::new(options.data_dir.clone())?;
    let mail = samples::initial(Timestamp::now());
    let messages = mail.len();
    let maildrops = Maildrops::start(mail).await?;
    let config = configuration(&options, data.path(), &maildrops)?;
    app::init_logging(&config.log)?;
    let mut running = App::start(config).await?;
    first_polls(&mut running).await;
    println!("{}", banner(&running.addresses, &data.to_string(), messages)?);
    tokio::select! {
        signal = signals.recv() => println!("\n{signal}: stopping."),
        never = new_mail(&maildrops) => match never {},
    }
    let stopped = running.stop().await;
    drop(maildrops);
    drop(data);
    stopped
}

/// Waits until every maildrop has been polled once, so that what is printed next works at once. Not for ever: a poll that
/// hangs is shown by the service itself.
async fn first_polls(running: &mut Running) {
    let polled = running.accounts.wait_for(|all| all.values().all(|account| account.last_result.is_some()));
    // The poller lives as long as the service; when it takes too long, the demo goes on without.
    let _ = tokio::time::timeout(FIRST_POLLS, polled).await;
}

/// Delivers a message each minute, to the maildrops in turn.
async fn new_mail(maildrops: &Maildrops) -> std::convert::Infallible {
    let mut minutes = tokio::time::interval(NEW_MAIL_INTERVAL);
    minutes.tick().await;
    let mut turns = Maildrop::ALL.into_iter().cycle();
    let mut n = 0;
    loop {
        minutes.tick().await;
        if let Some(maildrop) = turns.next() {
            let now = Timestamp::now();
            maildrops.deliver(maildrop, &format!("fresh-{}-{n}", now.as_second()), samples::fresh(n, now));
            n += 1;
        }
    }
}

/// What to print once the service is up: with port 0 only it knows the ports.
fn banner<'a>(addresses: &Addresses, data: &'a str, messages: usize) -> anyhow::Result<Banner<'a>> {
    let first = |addresses: &[SocketAddr]| addresses.first().copied().context("the demo does not listen");
    let (imap, imaps, http) = (first(&addresses.imap)?, first(&addresses.imaps)?, first(&addresses.http)?);
    Ok(Banner { imap, imaps, http, data, messages })
}

/// Fails with the flag to use when the address cannot be had. Binding it again moments later can still fail; that error
/// is the listener's own.
fn check_free(address: SocketAddr, flag: &str) -> anyhow::Result<()> {
    match TcpListener::bind(address) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            let any = SocketAddr::new(address.ip(), 0);
            bail!(
                "{address} is in use by another program; choose another port with {flag} ADDR, \
                 or any free one with {flag} {any}"
            )
        }
        Err(error) => bail!("cannot listen on {address}: {error}; choose another address with {flag} ADDR"),
    }
}

/// The configuration that a user would have written.
fn configuration(options: &Options, data: &Path, maildrops: &Maildrops) -> anyhow::Result<Config> {
    let accounts: Vec<serde_json::Value> = Maildrop::ALL
        .into_iter()
        .map(|maildrop| {
            let address = maildrops.address(maildrop);
            serde_json::json!({
                "name": maildrop.name(),
                "pop3": {
                    "host": address.ip().to_string(),
                    "port": address.port(),
                    "tls": "none",
                    "username": maildrop.name(),
                    "password": maildrops::PASSWORD,
                },
                "poll_interval": POLL_INTERVAL,
                "leave_on_server": "forever",
            })
        })
        .collect();
    let whole = serde_json::json!({
        "data_dir": data,
        "log": { "level": "warn", "format": "text" },
        "imap": {
            "listen": [options.imap.to_string()],
            "listen_tls": [options.imaps.to_string()],
            "allow_cleartext_login": true,
        },
        "http": { "listen": options.http.to_string() },
        "admins": [USER],
        // Whoever tries the demo with many clients at once does so as its one user.
        "limits": { "imap": { "connections_per_user": 1000 } },
        "users": [{ "name": USER, "password": PASSWORD, "accounts": accounts }],
    });
    // JSON is YAML (YAML 1.2 section 1.3).
    let text = serde_json::to_string_pretty(&whole).context("the demo's configuration")?;
    match config::parse(&text, data) {
        Ok(loaded) => Ok(loaded.config),
        Err(problems) => {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            bail!("the demo's configuration: {}", lines.join("; "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_names_the_flag() {
        let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = taken.local_addr().unwrap();
        let words = check_free(address, "--http").unwrap_err().to_string();
        assert!(words.contains(&address.to_string()) && words.contains("--http 127.0.0.1:0"), "{words}");
    }

    #[test]
    fn a_free_port_and_port_0_are_fine() {
        check_free("127.0.0.1:0".parse().unwrap(), "--imap").unwrap();
    }

    #[tokio::test]
    async fn the_configuration_is_valid() {
        let maildrops = Maildrops::start(Vec::new()).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let config =
            configuration(&Options { imap: any, imaps: any, http: any, data_dir: None }, dir.path(), &maildrops)
                .unwrap();
        assert_eq!(config.data_dir, dir.path());
        assert!(config.imap.allow_cleartext_login);
        let names: Vec<&str> = config.users[0].accounts.iter().map(|account| account.name.as_str()).collect();
        assert_eq!(names, ["personal", "work"]);
    }
}
