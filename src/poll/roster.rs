//! Which accounts there are: what the configuration names now, and the tasks of those that it names no more and that are
//! still on their way to a safe point.
//!
//! A maildrop has one task at a time: the task of an account that changed waits for the end of the one before it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use arc_swap::ArcSwap;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::account::Account;
use super::gate::Gates;
use super::kept::Kept;
use super::source::{Common, Source};
use super::{AccountSettings, Handle, MAX_REQUESTS, Metrics, Settings, supervise};
use crate::status::{AccountState, AccountStatus, AccountsSender, Events};
use crate::store::Store;

/// The accounts of the poller.
pub(super) struct Roster {
    store: Store,
    events: Events,
    metrics: Metrics,
    status: AccountsSender,
    common: Arc<ArcSwap<Common>>,
    /// By id. Written under the lock of `desk` only.
    handles: RwLock<HashMap<String, Arc<Handle>>>,
    desk: Mutex<Desk>,
    begin: mpsc::UnboundedSender<Begun>,
    /// Taken by the one who runs the tasks.
    begun: Mutex<Option<mpsc::UnboundedReceiver<Begun>>>,
}

/// What changes with the configuration, one change at a time.
struct Desk {
    gates: Gates,
    /// The ends of tasks whose accounts are named no more.
    leaving: HashMap<String, CancellationToken>,
}

/// An account that begins.
pub(super) struct Begun {
    id: String,
    /// `None`: it is not enabled.
    account: Option<Account>,
    /// The end of the task that polled it before.
    after: Option<CancellationToken>,
    stop: CancellationToken,
    ended: DropGuard,
}

impl Roster {
    /// No accounts yet.
    pub(super) fn new(
        settings: &Settings,
        store: Store,
        metrics: Metrics,
        status: AccountsSender,
        events: Events,
    ) -> Self {
        let common = Arc::new(ArcSwap::from_pointee(common(settings)));
        let desk = Desk { gates: Gates::new(settings.bounds), leaving: HashMap::new() };
        let (begin, begun) = mpsc::unbounded_channel();
        let (desk, begun, handles) = (Mutex::new(desk), Mutex::new(Some(begun)), RwLock::default());
        Self { store, events, metrics, status, common, handles, desk, begin, begun }
    }

    pub(super) fn handles(&self) -> RwLockReadGuard<'_, HashMap<String, Arc<Handle>>> {
        self.handles.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn take_begun(&self) -> Option<mpsc::UnboundedReceiver<Begun>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(super) fn apply(&self, settings: Settings) {
        let mut desk = self.desk();
        desk.gates.resize(settings.bounds);
        desk.leaving.retain(|_, ended| !ended.is_cancelled());
        self.common.store(Arc::new(common(&settings)));
        let mut before = self.handles().clone();
        let (mut now, mut stopping, mut beginning) = (HashMap::new(), Vec::new(), Vec::new());
        for account in settings.accounts {
            let id = account.id.clone();
            let handle = match before.remove(&id) {
                Some(handle) if handle.settings == account => handle,
                changed => {
                    let ended = changed.as_ref().map(|handle| handle.ended.clone());
                    let after = ended.or_else(|| desk.leaving.remove(&id));
                    stopping.extend(changed);
                    let (handle, begun) = self.begin(account, after, &mut desk.gates);
                    beginning.push(begun);
                    Arc::new(handle)
                }
            };
            now.insert(id, handle);
        }
        desk.leaving.extend(before.iter().map(|(id, handle)| (id.clone(), handle.ended.clone())));
        *self.handles.write().unwrap_or_else(PoisonError::into_inner) = now;
        // Not before nobody can ask it for anything any more.
        stopping.iter().chain(before.values()).for_each(|handle| handle.stop.cancel());
        for begun in beginning {
            // The receiver is gone when the service stops: then nothing begins any more.
            let _ = self.begin.send(begun);
        }
    }

    fn begin(&self, account: AccountSettings, after: Option<CancellationToken>, gates: &mut Gates) -> (Handle, Begun) {
        let (commands, inbox) = mpsc::channel(MAX_REQUESTS);
        let (nudge, stop, ended) = (Arc::new(Notify::new()), CancellationToken::new(), CancellationToken::new());
        let handle = Handle {
            settings: account.clone(),
            nudge: nudge.clone(),
            commands,
            kept: Kept::new(self.store.clone(), &account),
            stop: stop.clone(),
            ended: ended.clone(),
        };
        let id = account.id.clone();
        let metrics = self.metrics.account(&id, account.poll_interval);
        let state = if account.enabled { AccountState::Ok } else { AccountState::Paused };
        // What a task before it is still to show comes first.
        if after.is_none() {
            metrics.state(state, None);
            let shown = AccountStatus { state, ..AccountStatus::default() };
            self.status.send_modify(|accounts| drop(accounts.insert(id.clone(), shown)));
        }
        let account = account.enabled.then(|| {
            let gate = gates.of(&account);
            let source = Source::new(account, self.common.clone(), self.store.clone(), metrics);
            Account::new(source, self.status.clone(), self.events.clone(), gate, nudge, inbox)
        });
        (handle, Begun { id, account, after, stop, ended: ended.drop_guard() })
    }

    /// The work on one account, until the configuration or `shutdown` ends it.
    pub(super) async fn work(&self, begun: Begun, shutdown: CancellationToken) {
        let Begun { id, account, after, stop, ended } = begun;
        if let Some(after) = after {
            tokio::select! {
                () = after.cancelled() => {}
                () = shutdown.cancelled() => return,
            }
            self.metrics.forget_expiries(&id);
        }
        if let Some(mut account) = account {
            account.hurry = shutdown.clone();
            let supervised = supervise::supervise(id.clone(), account, stop.clone());
            tokio::pin!(supervised);
            tokio::select! {
                () = &mut supervised => {}
                () = shutdown.cancelled() => {
                    stop.cancel();
                    supervised.await;
                }
            }
        } else {
            self.show_disabled(&id);
            tokio::select! {
                () = stop.cancelled() => {}
                () = shutdown.cancelled() => {}
            }
        }
        self.forget_if_gone(&id);
        drop(ended);
    }

    fn show_disabled(&self, id: &str) {
        let _desk = self.desk();
        let Some(interval) = self.handles().get(id).map(|handle| handle.settings.poll_interval) else { return };
        self.metrics.account(id, interval).state(AccountState::Paused, None);
        self.status.send_modify(|accounts| {
            let status = accounts.entry(id.to_owned()).or_default();
            (status.state, status.polling, status.next_poll) = (AccountState::Paused, false, None);
        });
    }

    /// Shows nothing more of an account that is named no more.
    fn forget_if_gone(&self, id: &str) {
        // While it is held nobody can name it again.
        let _desk = self.desk();
        if !self.handles().contains_key(id) {
            self.metrics.forget(id);
            self.status.send_modify(|accounts| drop(accounts.remove(id)));
        }
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn common(settings: &Settings) -> Common {
    Common { timeouts: settings.timeouts, limits: settings.limits, bounds: settings.bounds }
}
