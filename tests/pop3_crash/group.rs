//! The accounts of one process: it is killed when each has come to its place, and started again.

use std::path::Path;

use tokio::runtime::Runtime;

use super::account::{Account, Phase, Plan};
use super::support::server::Server;
use super::support::{DEADLINE, config, scratch, wait};
use super::world::World;

/// Polls once all looks right, in which nothing may change any more.
const MORE_POLLS: u64 = 2;
/// Polls by which all mail has been here for a second, since they are nearly a second apart.
const POLLS_OF_A_SECOND: u64 = 4;

pub(crate) struct Group<'a> {
    runtime: &'a Runtime,
    world: World,
    accounts: Vec<Account>,
}

impl<'a> Group<'a> {
    pub(crate) fn new(runtime: &'a Runtime, plans: Vec<Plan>) -> Self {
        let world = World::new();
        let start = async {
            let mut accounts = Vec::new();
            for (number, plan) in (0_u8..).zip(plans) {
                accounts.push(Account::start(&world, number, plan).await);
            }
            accounts
        };
        let accounts = runtime.block_on(start);
        Self { runtime, world, accounts }
    }

    pub(crate) fn run(self) {
        let dir = scratch();
        let phase = self.accounts[0].plan.phase;
        if phase == Phase::Deleting {
            let server = Server::start(dir.path(), &self.yaml(dir.path(), Phase::Fetching));
            self.wait_for_mail(&server);
            self.wait_for_polls(POLLS_OF_A_SECOND);
            self.accounts.iter().for_each(|account| account.expunge(&mut server.imap()));
            assert!(server.stop().success());
        }
        self.accounts.iter().for_each(Account::hold);
        let server = Server::start(dir.path(), &self.yaml(dir.path(), phase));
        self.runtime.block_on(async {
            for account in &self.accounts {
                let held = tokio::time::timeout(DEADLINE, account.held()).await;
                assert!(held.is_ok(), "{:?} never came to its place", account.plan);
            }
        });
        self.accounts.iter().for_each(Account::heal);
        let server = server.restart_after_kill();
        let mut imap = server.imap();
        self.accounts.iter().for_each(|account| account.assert_nothing_is_lost(&mut imap, &self.world));
        self.comes_right(&server, phase == Phase::Deleting);
        if phase == Phase::Fetching {
            self.accounts.iter().for_each(|account| account.expunge(&mut imap));
            self.comes_right(&server, true);
        }
        assert!(server.stop().success());
    }

    /// Waits until upstream is as the policy says and all mail is here, and that it stays so.
    fn comes_right(&self, server: &Server, expunged: bool) {
        for account in &self.accounts {
            let what = format!("upstream is as the policy says: {:?}", account.plan);
            wait::until(&what, DEADLINE, || account.upstream_is_right(expunged).then_some(()));
        }
        if !expunged {
            self.wait_for_mail(server);
        }
        self.wait_for_polls(MORE_POLLS);
        let mut imap = server.imap();
        for account in &self.accounts {
            assert!(account.upstream_is_right(expunged), "{:?}", account.plan);
            account.assert_complete(&mut imap, &self.world, expunged);
        }
    }

    fn wait_for_polls(&self, count: u64) {
        let logins: Vec<u64> = self.accounts.iter().map(Account::logins).collect();
        for (account, before) in self.accounts.iter().zip(logins) {
            let what = format!("{count} more polls: {:?}", account.plan);
            wait::until(&what, DEADLINE, || (account.logins() >= before + count).then_some(()));
        }
    }

    fn wait_for_mail(&self, server: &Server) {
        let mut imap = server.imap();
        for account in &self.accounts {
            let what = format!("all mail of {:?} is here", account.plan);
            let all = self.world.mail.len() as u64;
            wait::until(&what, DEADLINE, || (account.messages(&mut imap) >= all).then_some(()));
        }
    }

    fn yaml(&self, dir: &Path, phase: Phase) -> String {
        let accounts: String = self.accounts.iter().map(|account| account.yaml(phase)).collect();
        config::yaml(dir, &[]).replace("accounts: []\n", &format!("accounts:\n{accounts}"))
    }
}
