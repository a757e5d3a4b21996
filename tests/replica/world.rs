//! The server, its store, and what the clients of a test share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tributary::ingest::Intake;
use tributary::mail::{AccountId, FlagList, InternalDate, MailboxId, MailboxName, UserId};
use tributary::store::{Delivery, NewMessage, Store};

use crate::harness::TestServer;
use crate::replica::picture::{Checked, Constants};
use crate::replica::truth::Truth;

pub struct World {
    pub server: TestServer,
    pub constants: Constants,
    pub user: UserId,
    pub names: Vec<String>,
    mailboxes: Vec<MailboxId>,
    accounts: Vec<AccountId>,
    serial: AtomicU64,
    /// The highest mod-sequence that anybody has been told.
    highest: AtomicU64,
    /// Commands answered.
    pub commands: AtomicU64,
}

impl World {
    /// INBOX and another mailbox.
    pub async fn new(server: TestServer) -> Arc<Self> {
        let store = server.store.clone();
        let user = store.ensure_user("alice").await.unwrap();
        let other = MailboxName::new("box").unwrap();
        store.create_mailbox(user, &other, None).await.unwrap();
        let names = vec!["INBOX".to_owned(), "box".to_owned()];
        let mut mailboxes = Vec::new();
        for name in [MailboxName::inbox(), other] {
            mailboxes.push(store.mailbox(user, &name).await.unwrap().unwrap().id);
        }
        let mut accounts = Vec::new();
        for name in ["one", "two"] {
            accounts.push(store.ensure_account(user, name).await.unwrap());
        }
        let (serial, highest, commands) = Default::default();
        let constants = Constants::default();
        Arc::new(Self { server, constants, user, names, mailboxes, accounts, serial, highest, commands })
    }

    pub fn store(&self) -> &Store {
        &self.server.store
    }

    /// Never the same again.
    pub fn serial(&self) -> u64 {
        self.serial.fetch_add(1, Ordering::Relaxed)
    }

    pub async fn truth(&self, mailbox: &str) -> Truth {
        let at = self.names.iter().position(|name| name == mailbox).unwrap();
        Truth::of(self.store(), self.mailboxes[at]).await
    }

    /// A message from a maildrop, as the poller stores it.
    pub async fn deliver(&self, account: usize) {
        let serial = self.serial();
        let mut intake = Intake::begin(self.store()).await.unwrap();
        let octets = format!("Subject: delivery {serial}\r\nMessage-ID: <{serial}@example.org>\r\n\r\nmail\r\n");
        intake.write(octets.as_bytes()).await.unwrap();
        let account = self.accounts[account % self.accounts.len()];
        let message = NewMessage {
            body: intake.finish().await.unwrap().body,
            flags: FlagList::default(),
            internal_date: InternalDate { unix: 1_000_000_000 + serial as i64, offset_minutes: 0 },
            account: Some(account),
        };
        let delivery = Delivery {
            account,
            mailbox: self.mailboxes[0],
            message,
            unique_id: Some(serial.to_string().into_bytes()),
            listed_size: 0,
            header_hash: [0; 16],
            delete_upstream: false,
            reused: false,
            merge: None,
        };
        self.store().deliver(delivery).await.unwrap();
    }

    /// Remembers the mod-sequences of a response; the highest so far.
    pub fn seen(&self, line: &str) -> u64 {
        for word in ["MODSEQ ", "MODSEQ ("] {
            let digits = line.split_once(word).map(|(_, rest)| rest.split(|c: char| !c.is_ascii_digit()).next());
            if let Some(Ok(value)) = digits.flatten().map(str::parse) {
                self.highest.fetch_max(value, Ordering::Relaxed);
            }
        }
        self.highest.load(Ordering::Relaxed)
    }

    /// The invariants of the store.
    pub fn check(&self) -> Checked {
        let found = self.store().check().map_err(|error| error.to_string())?;
        if found.is_empty() { Ok(()) } else { Err(found.join("\n")) }
    }
}
