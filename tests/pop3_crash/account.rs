//! One account: its maildrop, where that holds back, and what must be true in the end.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tributary::demo::pop3d::{Action, At, Damage, Fault, OutputFault, Pop3d, Settings};
use tributary::poll::LeaveOnServer;
use tributary::pop3::Verb;

use super::support::DEADLINE;
use super::support::imap::Imap;
use super::world::{MESSAGES, World, unique_id};

pub(crate) const POLICIES: [Policy; 4] = [Policy::Forever, Policy::Never, Policy::OneSecond, Policy::UntilExpunged];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    Forever,
    Never,
    OneSecond,
    UntilExpunged,
}

impl Policy {
    /// As the configuration says it.
    fn text(self) -> &'static str {
        match self {
            Self::Forever => "forever",
            Self::Never => "never",
            Self::OneSecond => "1s",
            Self::UntilExpunged => "until_expunged",
        }
    }

    fn leave_on_server(self) -> LeaveOnServer {
        match self {
            Self::Forever => LeaveOnServer::Forever,
            Self::Never => LeaveOnServer::Never,
            // Over by the next poll, as a second is by the time a process has been started.
            Self::OneSecond => LeaveOnServer::For(Duration::from_millis(1)),
            Self::UntilExpunged => LeaveOnServer::UntilExpunged,
        }
    }
}

/// The session in which the process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// All mail is new.
    Fetching,
    /// All mail is here, and the policy wants some of it deleted.
    Deleting,
}

/// Where the maildrop holds back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Hold {
    /// This answer; the command has been executed.
    Answer(u32),
    /// QUIT, and nothing is deleted.
    BeforeQuit,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) policy: Policy,
    pub(crate) phase: Phase,
    pub(crate) hold: Hold,
    pub(crate) pipelining: bool,
}

/// An account and its maildrop.
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) plan: Plan,
    server: Pop3d,
}

impl Account {
    /// Each maildrop has a host of its own, so that no bound on the connections to one host delays any.
    pub(crate) async fn start(world: &World, number: u8, plan: Plan) -> Self {
        let host = Ipv4Addr::new(127, 0, 3, number + 1);
        let listen = SocketAddr::new(IpAddr::V4(host), 0);
        let server = world.maildrop(Settings { listen, ..settings(plan.pipelining) }).await;
        Self { name: format!("box{number}"), plan, server }
    }

    /// Its lines of the configuration.
    pub(crate) fn yaml(&self, phase: Phase) -> String {
        let (address, mut text) = (self.server.address(), String::new());
        // Before mail is deleted it is fetched and left where it is.
        let policy = if phase == self.plan.phase { self.plan.policy } else { Policy::Forever };
        write!(
            text,
            "      - name: {0}\n        pop3: {{ host: {1}, port: {2}, tls: none, username: demo, password: demo }}\n        \
             poll_interval: 1s\n        leave_on_server: {3}\n        deliver_to: {0}\n",
            self.name,
            address.ip(),
            address.port(),
            policy.text(),
        )
        .unwrap();
        text
    }

    /// From now on one session is held back.
    pub(crate) fn hold(&self) {
        match self.plan.hold {
            Hold::Answer(answer) => self.server.damage(OutputFault::once(At::Answer(answer, 0), Damage::Stall)),
            Hold::BeforeQuit => self.server.fault(Fault::once(Verb::Quit, Action::Hang)),
        }
    }

    pub(crate) fn heal(&self) {
        self.server.heal();
    }

    /// Waits until the session is held back.
    pub(crate) async fn held(&self) {
        self.server.faults(1).await;
    }

    pub(crate) fn logins(&self) -> u64 {
        self.server.counters().logins
    }

    /// Whether upstream holds what the policy says; `expunged`: the user has expunged what is to be expunged.
    pub(crate) fn upstream_is_right(&self, expunged: bool) -> bool {
        let upstream: BTreeSet<String> = self.server.unique_ids().into_iter().collect();
        upstream == (0..MESSAGES).filter(|n| self.stays_upstream(*n, expunged)).map(unique_id).collect()
    }

    /// I1, at any time: what is gone upstream is here, or was expunged here.
    pub(crate) fn assert_nothing_is_lost(&self, imap: &mut Imap, world: &World) {
        let (stored, upstream) = (self.stored(imap), self.server.unique_ids());
        for (n, message) in world.mail.iter().enumerate() {
            let gone = !upstream.contains(&unique_id(n)) && !self.is_expunged(n);
            assert!(!gone || copies(&stored, message) == 1, "{:?}: message {n} is lost", self.plan);
        }
    }

    /// Every message is here once, byte for byte, apart from those expunged.
    pub(crate) fn assert_complete(&self, imap: &mut Imap, world: &World, expunged: bool) {
        let stored = self.stored(imap);
        for (n, message) in world.mail.iter().enumerate() {
            let wanted = usize::from(!(expunged && self.is_expunged(n)));
            assert_eq!(copies(&stored, message), wanted, "{:?}: copies of message {n}", self.plan);
        }
        let wanted = (0..MESSAGES).filter(|n| !(expunged && self.is_expunged(*n))).count();
        assert_eq!(stored.len(), wanted, "{:?}: messages", self.plan);
    }

    /// The user expunges what is to be expunged.
    pub(crate) fn expunge(&self, imap: &mut Imap) {
        let rows = imap.uids_with_field(&self.name, "Subject");
        let meant = rows.iter().filter(|(_, subject)| subject.parse().is_ok_and(|n| self.is_expunged(n)));
        let uids: Vec<String> = meant.map(|(uid, _)| uid.to_string()).collect();
        if !uids.is_empty() {
            imap.ok(&format!("SELECT {}", self.name));
            imap.ok(&format!("UID STORE {} +FLAGS.SILENT (\\Deleted)", uids.join(",")));
            imap.ok("EXPUNGE");
        }
    }

    /// How many messages are here; the first poll makes the mailbox.
    pub(crate) fn messages(&self, imap: &mut Imap) -> u64 {
        let exists = imap.command(&format!("STATUS {} (MESSAGES)", self.name)).tagged.starts_with("OK");
        if exists { imap.status(&self.name, "MESSAGES") } else { 0 }
    }

    /// FETCH responses with the whole message in each.
    fn stored(&self, imap: &mut Imap) -> Vec<Vec<u8>> {
        if self.messages(imap) == 0 {
            return Vec::new();
        }
        imap.ok(&format!("EXAMINE {}", self.name));
        imap.ok("FETCH 1:* (BODY.PEEK[])").untagged
    }

    fn is_expunged(&self, n: usize) -> bool {
        self.plan.policy == Policy::UntilExpunged && n.is_multiple_of(2)
    }

    fn stays_upstream(&self, n: usize, expunged: bool) -> bool {
        match self.plan.policy {
            Policy::Forever => true,
            Policy::Never | Policy::OneSecond => false,
            Policy::UntilExpunged => !(expunged && self.is_expunged(n)),
        }
    }
}

/// How many answers a session has in which nothing goes wrong.
pub(crate) async fn answers(policy: Policy, phase: Phase) -> u32 {
    let world = World::new();
    let server = world.maildrop(settings(true)).await;
    if phase == Phase::Deleting {
        let before = world.poller("u", &server, LeaveOnServer::Forever, DEADLINE);
        assert_eq!(before.poll().await.fetched, MESSAGES as u64);
        before.stop().await;
        if policy == Policy::UntilExpunged {
            world.expunge("u", |bytes| (0..MESSAGES).step_by(2).any(|n| *bytes == *world.mail[n])).await;
        }
    }
    let poller = world.poller("u", &server, policy.leave_on_server(), DEADLINE);
    World::next_session(server, poller).await.answers
}

fn settings(pipelining: bool) -> Settings {
    let mut settings = Settings::default();
    settings.capabilities.iter_mut().for_each(|names| names.retain(|name| pipelining || name != "PIPELINING"));
    settings
}

fn copies(responses: &[Vec<u8>], message: &[u8]) -> usize {
    responses.iter().filter(|response| response.windows(message.len()).any(|window| window == message)).count()
}
