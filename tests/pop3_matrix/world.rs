//! One store for all cases, and the mail.

use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tributary::demo::pop3d::{Action, Fault, Pop3d, Settings as ServerSettings, Traffic};
use tributary::mail::{FlagList, FlagOp, Flags, MailboxId, MailboxName, Uid, UidSet};
use tributary::poll::{AccountSettings, LeaveOnServer, Metrics, Poller, Report, Settings};
use tributary::pop3::{Timeouts, Verb};
use tributary::status::Accounts;
use tributary::store::{FlagChange, Store};

use super::poll_support as support;

/// The answer to QUIT.
pub(crate) const QUITTED: &[u8] = b"+OK\r\n";

/// Messages in a maildrop.
pub(crate) const MESSAGES: usize = 20;

/// What all cases share.
pub(crate) struct World {
    _dir: TempDir,
    pub(crate) store: Store,
    metrics: Metrics,
    pub(crate) mail: Vec<Arc<[u8]>>,
}

impl World {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = support::open(&dir);
        let metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
        Self { _dir: dir, store, metrics, mail: (0..MESSAGES).map(message).collect() }
    }

    /// A maildrop with all the mail in it.
    pub(crate) async fn maildrop(&self, settings: ServerSettings) -> Pop3d {
        let server = Pop3d::start(settings).await.unwrap();
        (0..).zip(&self.mail).for_each(|(n, bytes)| server.deliver(&unique_id(n), Arc::clone(bytes)));
        server
    }

    /// A poller of one account of one user, who has no other.
    pub(crate) fn poller(&self, user: &str, server: &Pop3d, policy: LeaveOnServer, patience: Duration) -> Polling {
        let account = AccountSettings {
            id: format!("{user}/a"),
            user: user.to_owned(),
            leave_on_server: policy,
            ..support::account("a", server.address())
        };
        let timeouts = Timeouts { connect: Duration::from_secs(20), reply: patience, body: patience };
        let settings = Settings { accounts: vec![account], timeouts, ..Settings::default() };
        let (sender, _) = watch::channel(Accounts::default());
        let poller = Poller::new(settings, self.store.clone(), &self.metrics, sender, tributary::status::Events::new());
        let shutdown = CancellationToken::new();
        let running = tokio::spawn({
            let (poller, shutdown) = (poller.clone(), shutdown.clone());
            async move { poller.run(shutdown).await }
        });
        Polling { poller, account: format!("{user}/a"), shutdown, running }
    }

    /// What the next session sends, to its end, when nothing goes wrong: a poll may have several. Ends the poller.
    pub(crate) async fn next_session(server: Pop3d, polling: Polling) -> Traffic {
        server.fault(Fault::once(Verb::Quit, Action::Hang));
        let poll = tokio::spawn(async move {
            // It fails with the end of the server.
            polling.poll().await;
            polling
        });
        server.faults(1).await;
        let traffic = server.traffic();
        drop(server);
        poll.await.unwrap().stop().await;
        Traffic { octets: traffic.octets + QUITTED.len() as u64, ..traffic }
    }

    /// The messages that the user has, in the order of the mailbox.
    pub(crate) async fn stored(&self, user: &str) -> Vec<Vec<u8>> {
        self.messages(user).await.into_iter().map(|(_, bytes)| bytes).collect()
    }

    /// Expunges the messages that are meant.
    pub(crate) async fn expunge(&self, user: &str, meant: impl Fn(&[u8]) -> bool) {
        let uids: UidSet =
            self.messages(user).await.iter().filter(|(_, bytes)| meant(bytes)).map(|(uid, _)| *uid).collect();
        let Some(mailbox) = self.mailbox(user).await else { return };
        let list = FlagList { flags: Flags::DELETED, keywords: Vec::new() };
        let change = FlagChange { op: FlagOp::Add, list, unchanged_since: None };
        self.store.set_flags(mailbox, uids.clone(), change).await.unwrap();
        assert_eq!(self.store.expunge(mailbox, None).await.unwrap(), uids);
    }

    async fn mailbox(&self, user: &str) -> Option<MailboxId> {
        let user = self.store.ensure_user(user).await.unwrap();
        Some(self.store.mailbox(user, &MailboxName::new("a").unwrap()).await.unwrap()?.id)
    }

    async fn messages(&self, user: &str) -> Vec<(Uid, Vec<u8>)> {
        let Some(mailbox) = self.mailbox(user).await else { return Vec::new() };
        support::messages_of(&self.store, mailbox).await
    }

    /// The store's own invariants.
    pub(crate) fn check(&self) {
        assert_eq!(self.store.check().unwrap(), Vec::<String>::new());
    }
}

/// A running poller.
pub(crate) struct Polling {
    poller: Poller,
    account: String,
    shutdown: CancellationToken,
    running: JoinHandle<()>,
}

impl Polling {
    pub(crate) async fn poll(&self) -> Report {
        self.poller.poll_now(&self.account).await.unwrap()
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.running.await.unwrap();
    }
}

pub(crate) fn unique_id(n: usize) -> String {
    format!("uid-{n:02}")
}

/// Messages of several shapes, no two alike in more than a few lines.
fn message(n: usize) -> Arc<[u8]> {
    let shape = match n % 5 {
        0 => format!("Plain text {n}.\r\n"),
        1 => format!(".a dot first {n}\r\n..and two {n}\r\n"),
        2 => format!("{}\r\n", format!("long {n} ").repeat(12)),
        3 => format!("8-bit \u{e4}\u{f6}\u{fc} {n}\r\n\r\n\r\n"),
        _ => String::new(),
    };
    format!("From: {n}@example.org\r\nSubject: {n}\r\nX-Twice: {n}-{n}-{n}\r\n\r\n{shape}").into_bytes().into()
}
