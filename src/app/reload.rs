//! Reading the configuration again while the service runs, on SIGHUP or because the file has changed.
//!
//! All or nothing: whatever can fail is done before anything else is changed. Each part then takes what is its own, and no
//! session is dropped but those of users who are none any more.

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use prometheus::{Gauge, IntCounterVec, IntGauge};

use super::{Running, logging, raise_descriptors, views, wiring};
use crate::auth::Known;
use crate::config::{self, Config};
use crate::metrics::{Error, Registry};
use crate::status::EventKind;
use crate::tls;

/// The log and the status page name so many changes or problems.
const MAX_TOLD: usize = 50;

/// How reading the configuration again went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Ok,
    /// The file cannot be read or is wrong.
    Invalid,
    /// Something that it needs cannot be had: a certificate, the store.
    Failed,
}

impl Outcome {
    const ALL: [Self; 3] = [Self::Ok, Self::Invalid, Self::Failed];

    const fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Invalid => "invalid",
            Self::Failed => "failed",
        }
    }
}

/// The metrics of reloads.
pub(super) struct Reloads {
    results: IntCounterVec,
    successful: IntGauge,
    timestamp: Gauge,
}

impl Reloads {
    /// The configuration has been read at the start.
    pub(super) fn register(registry: &Registry) -> Result<Self, Error> {
        let help = "Times that the configuration was read again, by what came of it: ok, invalid, failed.";
        let reloads = Self {
            results: registry.counter_vec("config_reloads_total", help, &["result"])?,
            successful: registry.int_gauge(
                "config_last_reload_successful",
                "1 unless the configuration was refused when it was last read.",
            )?,
            timestamp: registry
                .gauge("config_last_reload_timestamp_seconds", "When the configuration in use was read.")?,
        };
        for outcome in Outcome::ALL {
            reloads.results.with_label_values(&[outcome.label()]);
        }
        reloads.successful.set(1);
        reloads.timestamp.set(now());
        Ok(reloads)
    }

    fn count(&self, outcome: Outcome) {
        self.results.with_label_values(&[outcome.label()]).inc();
        self.successful.set(i64::from(outcome == Outcome::Ok));
        if outcome == Outcome::Ok {
            self.timestamp.set(now());
        }
    }
}

/// What of a configuration can fail, done.
struct Prepared {
    tls: tls::Renewed,
    users: Known,
}

impl Prepared {
    /// Blocking.
    fn new(config: &Config) -> anyhow::Result<Self> {
        let tls = tls::read(&wiring::tls(config)).context("tls")?;
        let users = Known::new(wiring::auth(config).users).context("users")?;
        Ok(Self { tls, users })
    }
}

impl Running {
    /// Reads the file again and takes what it says. One that is wrong is refused whole and changes nothing: the log, the
    /// metrics and the administrators are told.
    pub async fn reload(&mut self, file: &Path) {
        let path = file.to_owned();
        // Secrets are fetched, which may run programs.
        let loaded = tokio::task::spawn_blocking(move || config::load(&path)).await;
        let (outcome, problems) = match loaded {
            Ok(Ok(loaded)) => {
                for warning in &loaded.warnings {
                    tracing::warn!(file = %file.display(), "{warning}");
                }
                match self.apply(loaded.config).await {
                    Ok(()) => return,
                    Err(error) => (Outcome::Failed, vec![format!("{error:#}")]),
                }
            }
            Ok(Err(config::Error::Invalid { problems, .. })) => {
                (Outcome::Invalid, problems.iter().map(ToString::to_string).collect())
            }
            Ok(Err(error)) => (Outcome::Invalid, vec![error.to_string()]),
            Err(error) => (Outcome::Failed, vec![error.to_string()]),
        };
        self.reloads.count(outcome);
        let told = shortened(problems);
        tracing::error!(
            file = %file.display(),
            result = outcome.label(),
            problems = told.join("; "),
            "the configuration was not taken: all stays as it was"
        );
        self.events.of_user(None, EventKind::ReloadRefused { problems: told });
    }

    /// Takes another configuration, whole or, on an error, not at all. What needs a restart stays as it is.
    pub async fn apply(&mut self, mut config: Config) -> anyhow::Result<()> {
        let before = Arc::clone(&self.config.borrow());
        let restart = keep_until_restart(&before, &mut config);
        let config = Arc::new(config);
        let prepared = {
            let config = Arc::clone(&config);
            tokio::task::spawn_blocking(move || Prepared::new(&config)).await.context("preparing")??
        };
        if let Err(error) = self.tell_store(&config).await {
            // It was told of some users, perhaps; a store that fails now may fail again, and says so itself.
            let _ = self.tell_store(&before).await;
            return Err(error.context("the store"));
        }
        // Nothing fails from here on.
        let mut changes = before.changes(&config);
        let fingerprint = self.tls.fingerprint;
        self.tls.show(prepared.tls);
        if self.tls.fingerprint != fingerprint {
            changes.push("the certificate".to_owned());
            tracing::info!(fingerprint = %self.tls.fingerprint, "new connections are shown another certificate");
        }
        self.store.limit_parsing(wiring::mime(&config));
        raise_descriptors(&config);
        // Users before sessions: one that logs in meanwhile is seen by the server or refused by the users.
        self.users.replace(prepared.users);
        self.imap.apply(wiring::imap(&config));
        self.poller.apply(wiring::poll(&config));
        self.notifier.apply(wiring::notifier(&config));
        logging::set_level(config.log.level);
        self.config.send_replace(config);
        self.reloads.count(Outcome::Ok);
        let changes = shortened(changes);
        let told = if changes.is_empty() { "nothing".to_owned() } else { changes.join(", ") };
        tracing::info!(changed = told, "the configuration was read again");
        if !restart.is_empty() {
            tracing::warn!(settings = restart.join(", "), "these have changed and take effect at the next start");
        }
        self.events.of_user(None, EventKind::Reloaded { changes });
        Ok(())
    }

    async fn tell_store(&self, config: &Config) -> anyhow::Result<()> {
        views::set(config, &self.store).await?;
        self.quotas.set(config, &self.store).await
    }
}

/// Puts what cannot change while the service runs back as it is; says which settings differ.
fn keep_until_restart(running: &Config, config: &mut Config) -> Vec<&'static str> {
    let mut kept = Vec::new();
    let mut keep = |key, differs: bool| {
        if differs {
            kept.push(key);
        }
    };
    keep("data_dir", config.data_dir != running.data_dir);
    keep("log.format", config.log.format != running.log.format);
    keep("imap.listen", config.imap.listen != running.imap.listen);
    keep("imap.listen_tls", config.imap.listen_tls != running.imap.listen_tls);
    keep("http.listen", config.http.listen != running.http.listen);
    config.data_dir.clone_from(&running.data_dir);
    config.log.format = running.log.format;
    config.imap.listen.clone_from(&running.imap.listen);
    config.imap.listen_tls.clone_from(&running.imap.listen_tls);
    config.http.listen.clone_from(&running.http.listen);
    kept
}

fn shortened(mut told: Vec<String>) -> Vec<String> {
    let more = told.len().saturating_sub(MAX_TOLD);
    if more > 0 {
        told.truncate(MAX_TOLD);
        told.push(format!("and {more} more"));
    }
    told
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_a_restart_stays() {
        let config = |text: &str| {
            let text = format!("{text}\nusers: [{{ name: u, password: p }}]\n");
            config::parse(&text, Path::new("/")).expect("config").config
        };
        let running = config("data_dir: /a\nlog: { format: text }");
        let mut other = config(
            "data_dir: /b\nlog: { format: json, level: debug }\nimap: { listen: [\"127.0.0.1:1\"], listen_tls: [], allow_cleartext_login: true }\n\
             http: { listen: [], user_labels: true }",
        );
        let kept = keep_until_restart(&running, &mut other);
        assert_eq!(kept, ["data_dir", "log.format", "imap.listen", "imap.listen_tls", "http.listen"]);
        assert_eq!(running.changes(&other), ["log.level", "imap.allow_cleartext_login", "http.user_labels"]);
        assert!(keep_until_restart(&running, &mut other).is_empty());
    }

    #[test]
    fn long_lists_are_cut() {
        let told = |count: usize| shortened(vec![String::new(); count]);
        assert_eq!((told(MAX_TOLD).len(), told(MAX_TOLD + 1).len()), (MAX_TOLD, MAX_TOLD + 1));
        assert_eq!(told(MAX_TOLD + 2).last().map(String::as_str), Some("and 2 more"));
    }
}
