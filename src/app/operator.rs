//! What the status page asks of the running service, and tells it.

use std::sync::Arc;

use tokio::sync::watch;

use crate::config::Config;
use crate::http::{self, MailboxView, Told};
use crate::imap;
use crate::poll::{Mode, Poller};
use crate::status::{Device, EventKind, Events};
use crate::store::{self, Store};

/// The parts that can be asked or told.
pub(super) struct Operator {
    config: watch::Receiver<Arc<Config>>,
    poller: Poller,
    imap: Arc<imap::Server>,
    store: Store,
    events: Events,
}

impl Operator {
    pub(super) fn new(
        config: watch::Receiver<Arc<Config>>,
        poller: Poller,
        imap: Arc<imap::Server>,
        store: Store,
        events: Events,
    ) -> Self {
        Self { config, poller, imap, store, events }
    }

    /// All users there are now, by name.
    fn users(&self) -> Vec<String> {
        let mut users: Vec<String> = self.config.borrow().users.iter().map(|user| user.name.clone()).collect();
        users.sort();
        users
    }
}

impl http::Operator for Operator {
    fn is_admin(&self, user: &str) -> bool {
        self.config.borrow().admins.iter().any(|admin| admin == user)
    }

    fn allows_cleartext(&self) -> bool {
        self.config.borrow().http.allow_cleartext_login
    }

    fn devices(&self) -> Vec<Device> {
        self.imap.devices()
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.imap.changes()
    }

    fn disconnect(&self, device: u64) -> bool {
        let client = self.imap.devices().into_iter().find(|shown| shown.id == device).map(|shown| shown.client);
        let user = self.imap.disconnect(device);
        if let Some(user) = &user {
            let client = client.unwrap_or_default();
            self.events.of_user(Some(user), EventKind::Disconnected { client });
        }
        user.is_some()
    }

    fn storage(&self, user: Option<String>) -> http::Answer<Vec<MailboxView>> {
        let store = self.store.clone();
        let users = user.map_or_else(|| self.users(), |user| vec![user]);
        Box::pin(async move {
            let mut all = Vec::new();
            for user in users {
                let of_user = mailboxes(&store, &user).await.map_err(|error| error.to_string())?;
                all.extend(of_user);
            }
            Ok(all)
        })
    }

    fn poll(&self, account: String) -> Told {
        let poller = self.poller.clone();
        Box::pin(async move {
            poller.poll_on_demand(&account, Mode::Normal, false).await.map(drop).map_err(|error| error.to_string())
        })
    }

    fn pause(&self, account: String) -> Told {
        let poller = self.poller.clone();
        Box::pin(async move { poller.pause(&account).await.map(drop).map_err(|error| error.to_string()) })
    }

    fn resume(&self, account: String) -> Told {
        let poller = self.poller.clone();
        Box::pin(async move { poller.resume(&account).await.map(drop).map_err(|error| error.to_string()) })
    }
}

/// What the mailboxes of a user hold, but for views of accounts, which show messages of INBOX.
async fn mailboxes(store: &Store, user: &str) -> store::Result<Vec<MailboxView>> {
    let id = store.ensure_user(user).await?;
    let mailboxes = store.mailboxes(id).await?;
    let own = mailboxes.into_iter().filter(|mailbox| mailbox.view.is_none());
    let mut views: Vec<MailboxView> = own
        .map(|mailbox| MailboxView {
            user: user.to_owned(),
            mailbox: mailbox.name.to_string(),
            messages: mailbox.counts.exists.into(),
            unseen: mailbox.counts.unseen.into(),
            bytes: mailbox.counts.size,
        })
        .collect();
    views.sort_by(|one, other| one.mailbox.cmp(&other.mailbox));
    Ok(views)
}
