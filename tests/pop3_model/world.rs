//! The server, the service and what happens to them.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tributary::demo::pop3d::{Pop3d, Quirks, Settings as ServerSettings, Top, UniqueIds, Window};
use tributary::mail::{FlagList, MailboxId, MailboxName, Uid, UidSet};
use tributary::poll::{AccountSettings, FirstPoll, LeaveOnServer, Mode, PollNowError};
use tributary::store::{self, LedgerState};

use super::ideal::{Ideal, Letter};
use super::poll_support::{House, account, messages_of};
use super::random::Random;

/// Polls in which all has to come to rest.
const TRIES: usize = 15;
/// For one poll, in which nothing is ever silent.
const PATIENCE: Duration = Duration::from_secs(40);
const ACCOUNT: &str = "u/a";
const MAILBOXES: [&str; 2] = ["a", "Trash"];

pub(crate) struct World {
    pub(crate) server: Pop3d,
    house: Option<House>,
    pub(crate) ideal: Ideal,
    /// What is upstream, in its order.
    pub(crate) upstream: Vec<(String, Letter)>,
    pub(crate) settings: AccountSettings,
    pub(crate) quirks: Quirks,
    /// CAPA lists UIDL: a refusal of it ends the session.
    pub(crate) announces_uidl: bool,
    /// Messages may look like others.
    pub(crate) alike: bool,
    pub(crate) paused: bool,
    /// What LIST says too much.
    pub(crate) drift: u64,
    /// Sessions that may have gone wrong since all was quiet.
    pub(crate) faulty: usize,
    /// Unique-ids have changed since all was quiet.
    pub(crate) renamed: bool,
    told: Vec<String>,
}

impl World {
    pub(crate) async fn new(random: &mut Random) -> Self {
        let mut settings = ServerSettings::default();
        if random.one_in(3) {
            settings.capabilities.iter_mut().flatten().for_each(|name| *name = name.replace("PIPELINING", "X-ONE"));
        }
        let announces_uidl = random.one_in(2);
        if !announces_uidl {
            settings.capabilities.iter_mut().flatten().for_each(|name| *name = name.replace("UIDL", "X-NONE"));
        }
        let mut quirks = Quirks::default();
        if random.one_in(6) {
            quirks.window = Window::First(7);
        }
        settings.quirks = quirks.clone();
        let server = Pop3d::start(settings).await.unwrap();
        let first_poll = if random.one_in(5) { FirstPoll::New } else { FirstPoll::All };
        let settings = AccountSettings { first_poll, ..account("a", server.address()) };
        let house = Some(House::of(vec![settings.clone()]).await);
        let alike = first_poll == FirstPoll::All;
        let told = vec![format!("{quirks:?} {first_poll:?}")];
        let (ideal, upstream) = (Ideal::default(), Vec::new());
        let (paused, drift, faulty, renamed) = (false, 0, 0, false);
        let mut world = Self {
            server,
            house,
            ideal,
            upstream,
            settings,
            quirks,
            announces_uidl,
            alike,
            paused,
            drift,
            faulty,
            renamed,
            told,
        };
        let trash = MailboxName::new("Trash").unwrap();
        let house = world.house();
        if house.store.mailbox(house.user().await, &trash).await.unwrap().is_none() {
            house.store.create_mailbox(house.user().await, &trash, None).await.unwrap();
        }
        if first_poll != FirstPoll::All {
            for n in 0..random.below(8) {
                let letter = world.ideal.letter(random, false);
                world.ideal.may_skip(std::slice::from_ref(&letter));
                world.deliver(&format!("first{n}"), letter);
            }
        }
        // An account that never was is polled at once.
        world.poll().await.unwrap();
        world
    }

    pub(crate) fn house(&self) -> &House {
        self.house.as_ref().unwrap()
    }

    /// What has happened.
    pub(crate) fn told(&self) -> String {
        let mut log = self.server.log();
        let last = log.split_off(log.len().saturating_sub(60));
        format!("{}\nthe last commands: {}", self.told.join("\n"), last.join(" | "))
    }

    pub(crate) fn tell(&mut self, text: String) {
        self.told.push(text);
    }

    pub(crate) async fn end(self) {
        self.house.unwrap().stop().await;
    }

    pub(crate) fn deliver(&mut self, unique_id: &str, letter: Letter) {
        let size = letter.bytes.len() as u64 + self.drift;
        self.server.deliver_listed(unique_id, Arc::clone(&letter.bytes), size);
        self.upstream.push((unique_id.to_owned(), letter));
    }

    /// Whether a message of this size may be given this unique-id, once used for another.
    pub(crate) async fn reusable(&self, unique_id: &str, size: u64) -> bool {
        let rows = self.house().ledger("a").await;
        rows.get(unique_id)
            .is_none_or(|row| !self.renamed && (row.state == LedgerState::Gone || row.listed_size != size))
    }

    /// Whether the server lists a message that it was told to delete and did.
    pub(crate) async fn shows_deleted(&self) -> bool {
        let rows = self.house().ledger("a").await;
        self.upstream.iter().any(|(id, _)| rows.get(id).is_some_and(|row| row.state == LedgerState::Gone))
    }

    pub(crate) async fn restart(&mut self) {
        self.tell(format!(
            "restart: {:?}, larger {:?}, dry run {}, {:?}",
            self.settings.leave_on_server,
            self.settings.delete_larger_than,
            self.settings.delete_dry_run,
            self.settings.first_poll
        ));
        let house = self.house.take().unwrap();
        self.house = Some(house.restarted(vec![self.settings.clone()]).await);
    }

    /// One poll, whatever comes of it. True: it went well and found nothing to do.
    pub(crate) async fn poll(&mut self) -> Result<bool, String> {
        let poll = self.house().poller.poll_on_demand(ACCOUNT, Mode::Normal, !self.paused);
        let outcome = timeout(PATIENCE, poll).await.map_err(|_| "the poll does not end".to_owned())?;
        if self.paused {
            return if outcome == Err(PollNowError::Paused) { Ok(false) } else { Err(format!("paused: {outcome:?}")) };
        }
        let report = outcome.map_err(|error| error.to_string())?;
        self.tell(format!(
            "poll: listed {} fetched {} duplicates {} adopted {} deleted {} pending {} {:?} {:?}",
            report.listed,
            report.fetched,
            report.duplicates,
            report.adopted,
            report.deleted,
            report.deletes_pending,
            report.error,
            report.faults
        ));
        self.look().await?;
        Ok(report.error.is_none() && report.fetched + report.adopted + report.deleted + report.backlog == 0)
    }

    /// At any time: nothing is here too often, and upstream has lost only what it may.
    async fn look(&mut self) -> Result<(), String> {
        let here = self.here().await;
        self.ideal.compare(&here, false)?;
        let contents = self.server.contents();
        let is_there = |letter: &Letter| contents.iter().any(|(_, bytes)| Arc::ptr_eq(bytes, &letter.bytes));
        let (kept, gone): (Vec<_>, Vec<_>) = self.upstream.drain(..).partition(|(_, letter)| is_there(letter));
        self.upstream = kept;
        for (unique_id, letter) in gone {
            let larger = self.is_larger(&letter);
            let wanted = match self.settings.leave_on_server {
                LeaveOnServer::Forever => larger,
                LeaveOnServer::Never | LeaveOnServer::For(_) => true,
                LeaveOnServer::UntilExpunged => larger || self.ideal.is_expunged(&letter.family()),
            };
            if !wanted || self.settings.delete_dry_run {
                return Err(format!("{unique_id} was deleted upstream against the policy"));
            }
            if !self.ideal.was_stored(&letter, &here) {
                return Err(format!("{unique_id} was deleted upstream and is not here"));
            }
        }
        Ok(())
    }

    fn is_larger(&self, letter: &Letter) -> bool {
        self.settings.delete_larger_than.is_some_and(|limit| letter.bytes.len() as u64 + self.drift > limit)
    }

    /// All faults end, and polls follow until nothing changes: then everything must be here.
    pub(crate) async fn come_right(&mut self, restart: bool) -> Result<(), String> {
        self.server.heal();
        self.quirks.ignores_dele = false;
        let quirks = self.quirks.clone();
        self.server.quirks(|now| *now = quirks);
        if self.paused {
            self.house().poller.resume(ACCOUNT).await.unwrap();
            self.paused = false;
        }
        self.faulty = 0;
        self.tell("all is well".to_owned());
        if restart {
            self.restart().await;
        }
        let outcome = self.rests(restart).await;
        if outcome.is_ok() || restart {
            return outcome;
        }
        // What was learnt of the server may be wrong now: it is forgotten after a day, or with the service.
        self.restart().await;
        self.rests(true).await
    }

    async fn rests(&mut self, anew: bool) -> Result<(), String> {
        let mut idle = 0;
        for _ in 0..TRIES {
            idle = if self.poll().await? { idle + 1 } else { 0 };
            if idle == 2 {
                self.sight();
                self.renamed = false;
                self.ideal.compare(&self.here().await, true)?;
                self.house().store.check().unwrap().first().map_or(Ok(()), |fault| Err(fault.clone()))?;
                return if anew { self.upstream_is_as_told() } else { Ok(()) };
            }
        }
        Err("does not come to rest".to_owned())
    }

    /// What is upstream has been listed.
    fn sight(&mut self) {
        let shown = if let Window::First(count) = self.quirks.window { count } else { usize::MAX };
        let shown: Vec<_> = self.upstream.iter().take(shown).collect();
        let is_own = |id: &str| shown.iter().filter(|(other, _)| other == id).count() == 1;
        let numeric = (1..).zip(&shown).all(|(n, (id, _))| *id == format!("{n}"));
        let (kind, ends) = (self.quirks.unique_ids, self.quirks.uidl_ends_after.unwrap_or(usize::MAX));
        let has_ids = matches!(kind, UniqueIds::Delivered) && !numeric;
        let named = |index: usize, id: &str| has_ids && index < ends && is_own(id);
        let listed: Vec<_> =
            shown.iter().enumerate().map(|(index, (id, letter))| (letter.clone(), named(index, id))).collect();
        self.ideal.sight(&listed, !matches!(self.quirks.top, Top::Absent | Top::Truncated));
    }

    /// What the policy wants gone is gone.
    fn upstream_is_as_told(&self) -> Result<(), String> {
        if self.settings.delete_dry_run || self.quirks.window != Window::All {
            return Ok(());
        }
        for (unique_id, letter) in self.upstream.iter().filter(|(_, letter)| self.ideal.is_single(letter)) {
            let goes = match self.settings.leave_on_server {
                _ if self.ideal.is_optional(letter) => false,
                _ if self.is_larger(letter) => true,
                LeaveOnServer::Forever => false,
                LeaveOnServer::Never | LeaveOnServer::For(_) => true,
                LeaveOnServer::UntilExpunged => self.ideal.is_expunged(&letter.family()),
            };
            if goes {
                return Err(format!("{unique_id} is still upstream"));
            }
        }
        Ok(())
    }

    async fn mailbox(&self, name: &str) -> Option<MailboxId> {
        let house = self.house();
        let found = house.store.mailbox(house.user().await, &MailboxName::new(name).unwrap()).await.unwrap();
        found.map(|mailbox| mailbox.id)
    }

    /// The messages of a mailbox.
    pub(crate) async fn messages(&self, name: &str) -> Vec<(Uid, Vec<u8>)> {
        let Some(mailbox) = self.mailbox(name).await else { return Vec::new() };
        messages_of(&self.house().store, mailbox).await
    }

    /// All messages of the user.
    async fn here(&self) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        for name in MAILBOXES {
            all.extend(self.messages(name).await.into_iter().map(|(_, bytes)| bytes));
        }
        all
    }

    /// Removes a message for good.
    pub(crate) async fn expunge(&mut self, name: &str, uid: Uid, bytes: &[u8]) {
        let Some(mailbox) = self.mailbox(name).await else { return };
        let list = FlagList { flags: tributary::mail::Flags::DELETED, ..FlagList::default() };
        let change = store::FlagChange { op: tributary::mail::FlagOp::Add, list, unchanged_since: None };
        let uids: UidSet = [uid].into_iter().collect();
        self.house().store.set_flags(mailbox, uids.clone(), change).await.unwrap();
        assert_eq!(self.house().store.expunge(mailbox, Some(uids.clone())).await.unwrap(), uids);
        self.ideal.expunge(bytes);
        if self.ideal.letters.len().is_multiple_of(2) {
            // Its octets may be gone by the next poll.
            self.house().store.collect().await.unwrap();
        }
    }

    pub(crate) async fn move_message(&self, from: &str, uid: Uid, to: &str) {
        let (Some(from), Some(to)) = (self.mailbox(from).await, self.mailbox(to).await) else { return };
        self.house().store.move_messages(from, [uid].into_iter().collect(), to).await.unwrap();
    }

    pub(crate) fn policies() -> [LeaveOnServer; 4] {
        let age = LeaveOnServer::For(Duration::from_millis(1));
        [LeaveOnServer::Forever, LeaveOnServer::Never, age, LeaveOnServer::UntilExpunged]
    }
}
