//! A house with a store and a poller, and how to look into it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tributary::demo::pop3d::{Pop3d, Settings as ServerSettings};
use tributary::mail::{AccountId, FlagList, FlagOp, Flags, MailboxId, MailboxName, Uid, UidSet, UserId};
use tributary::poll::{
    AccountSettings, FirstPoll, LeaveOnServer, Login, Metrics, Mode, Poller, Report, Route, Settings, Tls,
};
use tributary::secret::{Secret, SecretSource};
use tributary::status::Accounts;
use tributary::store::{self, BodyCursor, FlagChange, LedgerRow, Store};

pub(crate) struct House {
    dir: TempDir,
    pub(crate) store: Store,
    pub(crate) poller: Poller,
    pub(crate) registry: prometheus::Registry,
    pub(crate) status: watch::Receiver<Accounts>,
    shutdown: CancellationToken,
    running: JoinHandle<()>,
}

impl House {
    pub(crate) async fn of(accounts: Vec<AccountSettings>) -> Self {
        Self::with(Settings { accounts, ..Settings::default() }).await
    }

    pub(crate) async fn with(settings: Settings) -> Self {
        Self::on(tempfile::tempdir().unwrap(), settings)
    }

    /// As [`Self::of`], with a quota for the user `u`.
    pub(crate) async fn limited(accounts: Vec<AccountSettings>, quota: u64) -> Self {
        Self::limited_on(tempfile::tempdir().unwrap(), accounts, quota).await
    }

    pub(crate) async fn limited_on(dir: TempDir, accounts: Vec<AccountSettings>, quota: u64) -> Self {
        let store = open(&dir);
        limit(&store, quota).await;
        Self::over(dir, store, Settings { accounts, ..Settings::default() })
    }

    pub(crate) fn on(dir: TempDir, settings: Settings) -> Self {
        let store = open(&dir);
        Self::over(dir, store, settings)
    }

    fn over(dir: TempDir, store: Store, settings: Settings) -> Self {
        let registry = prometheus::Registry::new();
        let metrics = Metrics::register(&registry).unwrap();
        let (sender, status) = watch::channel(Accounts::default());
        let poller = Poller::new(settings, store.clone(), &metrics, sender, tributary::status::Events::new());
        let shutdown = CancellationToken::new();
        let running = tokio::spawn({
            let (poller, shutdown) = (poller.clone(), shutdown.clone());
            async move { poller.run(shutdown).await }
        });
        Self { dir, store, poller, registry, status, shutdown, running }
    }

    /// Stops everything and begins anew on the same files.
    pub(crate) async fn restarted(self, accounts: Vec<AccountSettings>) -> Self {
        let dir = self.stop().await;
        Self::on(dir, Settings { accounts, ..Settings::default() })
    }

    pub(crate) async fn stop(self) -> TempDir {
        self.shutdown.cancel();
        self.running.await.unwrap();
        self.store.close().await.unwrap();
        self.dir
    }

    pub(crate) async fn poll(&self, account: &str) -> Report {
        self.poller.poll_now(account).await.unwrap()
    }

    /// A poll that must go well.
    pub(crate) async fn poll_ok(&self, account: &str) -> Report {
        let report = self.poll(account).await;
        assert_eq!((report.result.label(), &report.error), ("ok", &None), "{report:?}");
        report
    }

    pub(crate) async fn user(&self) -> UserId {
        self.store.ensure_user("u").await.unwrap()
    }

    pub(crate) async fn mailbox(&self, name: &str) -> MailboxId {
        let name = MailboxName::new(name).unwrap();
        self.store.mailbox(self.user().await, &name).await.unwrap().unwrap().id
    }

    /// The messages of a mailbox, in order.
    pub(crate) async fn messages(&self, name: &str) -> Vec<Vec<u8>> {
        let messages = messages_of(&self.store, self.mailbox(name).await).await;
        messages.into_iter().map(|(_, bytes)| bytes).collect()
    }

    /// The subjects in the order of the alphabet.
    pub(crate) async fn subjects(&self, name: &str) -> Vec<String> {
        let mut subjects = self.subjects_by_uid(name).await;
        subjects.sort();
        subjects
    }

    /// The subjects in the order of the mailbox.
    pub(crate) async fn subjects_by_uid(&self, name: &str) -> Vec<String> {
        let messages = self.messages(name).await;
        let subject = |bytes: &Vec<u8>| {
            let text = String::from_utf8_lossy(bytes).into_owned();
            text.lines().find_map(|line| line.strip_prefix("Subject: ").map(str::to_owned)).unwrap_or_default()
        };
        messages.iter().map(subject).collect()
    }

    /// Removes messages for good, as a mail client does.
    pub(crate) async fn expunge(&self, name: &str, uids: std::ops::RangeInclusive<u32>) {
        let mailbox = self.mailbox(name).await;
        let uids: UidSet = [(*uids.start(), *uids.end())].into_iter().collect();
        let list = FlagList { flags: Flags::DELETED, ..FlagList::default() };
        let change = FlagChange { op: FlagOp::Add, list, unchanged_since: None };
        self.store.set_flags(mailbox, uids, change).await.unwrap();
        self.store.expunge(mailbox, None).await.unwrap();
    }

    /// A poll that only says what it would do.
    pub(crate) async fn dry_run(&self, account: &str) -> Report {
        self.poller.poll_on_demand(account, Mode::DryRun, false).await.unwrap()
    }

    pub(crate) async fn account_id(&self, account: &str) -> AccountId {
        self.store.ensure_account(self.user().await, account).await.unwrap()
    }

    pub(crate) async fn ledger(&self, account: &str) -> BTreeMap<String, LedgerRow> {
        let account = self.store.ensure_account(self.user().await, account).await.unwrap();
        let ledger = self.store.ledger(account).await.unwrap();
        ledger.into_iter().map(|(id, row)| (String::from_utf8_lossy(&id).into_owned(), row)).collect()
    }

    /// The value of a metric, by name and the values of its labels in any order.
    pub(crate) fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let families = self.registry.gather();
        let family = families.iter().find(|family| family.name() == name).unwrap_or_else(|| panic!("no {name}"));
        let matches = |metric: &&prometheus::proto::Metric| {
            labels.iter().all(|value| metric.get_label().iter().any(|label| label.value() == *value))
        };
        let metric = family.get_metric().iter().find(matches).unwrap_or_else(|| panic!("no {name} {labels:?}"));
        metric.get_counter().get_value() + metric.get_gauge().get_value()
    }
}

/// Sets the quota of the user `u`.
pub(crate) async fn limit(store: &Store, quota: u64) {
    let user = store.ensure_user("u").await.unwrap();
    store.set_quota(user, Some(quota)).await.unwrap();
}

/// The messages of a mailbox with their UIDs, in order.
pub(crate) async fn messages_of(store: &Store, mailbox: MailboxId) -> Vec<(Uid, Vec<u8>)> {
    let watch = store.watch(mailbox).await.unwrap();
    let rows: Vec<_> = watch.current().unwrap().iter().map(|row| (row.uid, row.body, row.size)).collect();
    let read = move |reader: &store::Reader| {
        let mut messages = Vec::new();
        for (uid, body, size) in rows {
            let (mut cursor, mut bytes) = (BodyCursor::new(body, 0..u64::from(size)), Vec::new());
            while !cursor.is_done() {
                reader.read_body(&mut cursor, &mut bytes, 1 << 20)?;
            }
            messages.push((uid, bytes));
        }
        Ok(messages)
    };
    store.read(read).await.unwrap()
}

pub(crate) fn open(dir: &TempDir) -> Store {
    let data_dir = dir.path().join("data");
    Store::open(&store::Settings { data_dir, cache_bytes: 8 << 20, gc_grace: Duration::from_secs(60) }).unwrap()
}

/// An account `u/NAME` of the server's user that is polled only when told, into a mailbox of its own name.
pub(crate) fn account(name: &str, address: SocketAddr) -> AccountSettings {
    AccountSettings {
        id: format!("u/{name}"),
        user: "u".to_owned(),
        name: name.to_owned(),
        host: address.ip().to_string(),
        port: address.port(),
        tls: Tls::None,
        username: "demo".to_owned(),
        login: password("demo"),
        method: None,
        route: Route::Direct,
        certificate_sha256: None,
        ca_file: None,
        insecure: false,
        poll_interval: Duration::from_secs(24 * 3600),
        leave_on_server: LeaveOnServer::Forever,
        delete_larger_than: None,
        delete_dry_run: false,
        first_poll: FirstPoll::All,
        deliver_to: MailboxName::new(name).unwrap(),
        keyword: None,
        rules: tributary::ingest::Rules::default(),
        merge: false,
        enabled: true,
        max_message_size: 150 << 20,
    }
}

/// A password that stays.
pub(crate) fn password(text: &str) -> Login {
    Login::Password(SecretSource::fixed(Secret::new(text)))
}

pub(crate) fn emptying(account: AccountSettings) -> AccountSettings {
    AccountSettings { leave_on_server: LeaveOnServer::Never, ..account }
}

pub(crate) async fn server() -> Pop3d {
    Pop3d::start(ServerSettings::default()).await.unwrap()
}

/// A server that says so little: no CAPA, so no pipelining and USER and PASS.
pub(crate) async fn plain_server() -> Pop3d {
    Pop3d::start(ServerSettings { capabilities: None, ..ServerSettings::default() }).await.unwrap()
}

pub(crate) fn message(subject: &str) -> Arc<[u8]> {
    format!("From: a@b.example\r\nSubject: {subject}\r\n\r\n.hello\r\n..\r\n").into_bytes().into()
}

/// A message as mail servers make them, with a Message-ID.
pub(crate) fn letter(subject: &str) -> Arc<[u8]> {
    dated_letter(subject, "Thu, 1 Jan 1998 10:00:00 +0000")
}

pub(crate) fn dated_letter(subject: &str, received: &str) -> Arc<[u8]> {
    format!(
        "Received: by mx.example; {received}\r\nFrom: a@b.example\r\nMessage-ID: <{subject}@b.example>\r\n\
         Subject: {subject}\r\n\r\n.hello {subject}\r\n"
    )
    .into_bytes()
    .into()
}

/// Puts letters of these numbers into the maildrop, of unique-ids `id1` and so on.
pub(crate) fn post(server: &Pop3d, numbers: std::ops::RangeInclusive<u32>) {
    numbers.for_each(|n| server.deliver(&format!("id{n}"), letter(&n.to_string())));
}

/// How often the server was sent a command.
pub(crate) fn sent(server: &Pop3d, command: &str) -> usize {
    server.log().iter().filter(|line| line.starts_with(command)).count()
}

/// A server with messages 1 to `count`, of unique-ids `id1` and so on.
pub(crate) async fn server_with(count: u32) -> Pop3d {
    let server = server().await;
    (1..=count).for_each(|n| server.deliver(&format!("id{n}"), message(&n.to_string())));
    server
}
