//! Does what is asked over the control socket.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::protocol::{Devices, Held, Kicked, Polled, Progress, Request, Status, Switched};
use crate::http::{AccountView, DeviceView};
use crate::imap;
use crate::poll::{Mode, Poller};
use crate::status::Accounts;
use crate::store::{self, Store};

/// The parts of the service that can be asked or told.
pub(in crate::app) struct Commands {
    pub(in crate::app) poller: Poller,
    pub(in crate::app) accounts: watch::Receiver<Accounts>,
    pub(in crate::app) store: Store,
    pub(in crate::app) imap: Arc<imap::Server>,
}

impl Commands {
    /// The error is for people.
    pub(super) async fn obey(&self, request: Request, told: watch::Sender<Progress>) -> Result<Value, String> {
        match request {
            Request::Status => value(&self.status()),
            Request::Poll { account, dry_run, force } => {
                let mode = if dry_run { Mode::DryRun } else { Mode::Normal };
                let accounts = match account {
                    Some(name) => vec![self.find(&name)?],
                    None => self.poller.accounts(),
                };
                value(&self.poll(accounts, mode, force).await)
            }
            Request::Pause { account } => {
                let account = self.find(&account)?;
                let changed = self.poller.pause(&account).await.map_err(|error| format!("{account}: {error}"))?;
                value(&Switched { account, changed })
            }
            Request::Resume { account } => {
                let account = self.find(&account)?;
                let changed = self.poller.resume(&account).await.map_err(|error| format!("{account}: {error}"))?;
                value(&Switched { account, changed })
            }
            Request::ConfirmDeletes { account, count_only } => {
                let account = self.find(&account)?;
                let counted = if count_only {
                    self.poller.held_deletes(&account).await
                } else {
                    self.poller.confirm_deletes(&account).await
                };
                let count = counted.map_err(|error| format!("{account}: {error}"))?;
                value(&Held { account, count })
            }
            Request::Who => value(&Devices { devices: self.imap.devices().iter().map(DeviceView::of).collect() }),
            Request::Kick { who } => value(&self.kick(&who)?),
            Request::Stats => {
                let store = self.store.clone();
                value(&blocking(told, move |tell| store.stats(tell)).await?)
            }
            Request::Check { repair } => {
                let store = self.store.clone();
                value(&blocking(told, move |tell| super::super::upkeep::check(&store, repair, tell)).await?)
            }
            Request::Backup { target } => {
                let store = self.store.clone();
                value(&blocking(told, move |tell| super::super::upkeep::backup(&store, &target, tell)).await?)
            }
            Request::Compact => {
                let store = self.store.clone();
                value(&blocking(told, move |tell| super::super::upkeep::compact(&store, tell)).await?)
            }
        }
    }

    fn find(&self, name: &str) -> Result<String, String> {
        self.poller.find(name).map_err(|error| error.to_string())
    }

    /// By the number of a session, or else by the name of a user, who may be called like a number.
    fn kick(&self, who: &str) -> Result<Kicked, String> {
        let devices = self.imap.devices();
        let of_user: Vec<u64> = devices.iter().filter(|device| device.user == who).map(|device| device.id).collect();
        let ids = match who.parse() {
            Ok(id) if devices.iter().any(|device| device.id == id) => vec![id],
            _ => of_user,
        };
        let sessions = ids.into_iter().filter(|id| self.imap.disconnect(*id).is_some()).count() as u64;
        if sessions == 0 {
            return Err(format!("nobody is connected by the number or name {who}; `tributary who` shows who is"));
        }
        Ok(Kicked { sessions })
    }

    fn status(&self) -> Status {
        let accounts = self.accounts.borrow().iter().map(|(id, status)| AccountView::of(id, status)).collect();
        Status { version: env!("CARGO_PKG_VERSION").to_owned(), accounts }
    }

    /// All of them at the same time; the poller bounds the connections.
    async fn poll(&self, accounts: Vec<String>, mode: Mode, force: bool) -> Vec<Polled> {
        let mut polls = JoinSet::new();
        for account in accounts {
            let poller = self.poller.clone();
            polls.spawn(async move {
                let outcome = poller.poll_on_demand(&account, mode, force).await;
                Polled::new(account, mode, outcome)
            });
        }
        let mut polled = polls.join_all().await;
        polled.sort_by(|one, other| one.account.cmp(&other.account));
        polled
    }
}

/// Runs what blocks on a thread of its own, with its progress told.
async fn blocking<T: Send + 'static>(
    told: watch::Sender<Progress>,
    work: impl FnOnce(store::Tell<'_>) -> store::Result<T> + Send + 'static,
) -> Result<T, String> {
    let tell = move |progress: store::Progress| drop(told.send_replace(progress.into()));
    let done = tokio::task::spawn_blocking(move || work(&tell)).await;
    done.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
}

fn value(answer: &impl Serialize) -> Result<Value, String> {
    serde_json::to_value(answer).map_err(|error| error.to_string())
}
