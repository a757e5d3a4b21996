//! One case: a session goes wrong in one place, later ones go well.

use std::collections::BTreeSet;
use std::time::Duration;

use tributary::demo::pop3d::{At, Chunks, Damage, OutputFault, Pop3d, Traffic};
use tributary::poll::{LeaveOnServer, Report};

use super::plan;
use super::world::{MESSAGES, Polling, World, unique_id};

/// Polls in which all has to come right once nothing goes wrong any more.
const TRIES: usize = 10;
/// Sessions that were slowed down by a busy machine do not come to the place of the fault: such a case begins anew.
const ATTEMPTS: usize = 5;
/// With servers that do not stall.
const PATIENCE: Duration = Duration::from_secs(60);
/// With servers that do: this is what such a case takes.
const IMPATIENCE: Duration = Duration::from_millis(200);

/// What happens in the one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Cut,
    Reset,
    Stall,
    /// A byte comes as NUL. Noise that a client cannot tell from an answer is not in the matrix: POP3 has no checksum.
    Overwrite,
    /// A NUL and a line end come between.
    Insert,
}

impl Fault {
    const INSERTED: &[u8] = b"\0\r\n";

    pub(crate) fn garbles(self) -> bool {
        matches!(self, Self::Overwrite | Self::Insert)
    }

    fn damage(self) -> Damage {
        match self {
            Self::Cut => Damage::Cut,
            Self::Reset => Damage::Reset,
            Self::Stall => Damage::Stall,
            Self::Overwrite => Damage::Overwrite(b"\0".to_vec()),
            Self::Insert => Damage::Insert(Self::INSERTED.to_vec()),
        }
    }
}

/// The session in which it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// All mail is new.
    Fetching,
    /// All mail is here, and the policy wants some of it deleted.
    Deleting,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) policy: LeaveOnServer,
    pub(crate) phase: Phase,
    pub(crate) pipelining: bool,
    pub(crate) fault: Fault,
    pub(crate) at: At,
    pub(crate) chunks: Chunks,
}

/// Ends a case with a text.
macro_rules! ensure {
    ($holds:expr, $($text:tt)*) => {
        if !$holds {
            return Err(format!($($text)*));
        }
    };
}

impl Case {
    /// What the session of this phase sends when nothing goes wrong.
    pub(crate) async fn record(self, world: &World) -> Traffic {
        let user = format!("{self:?}");
        let server = self.server(world).await;
        let poller = self.prepared(world, &user, &server).await.unwrap();
        World::next_session(server, poller).await
    }

    pub(crate) async fn run(self, world: &World, number: usize) -> Result<(), String> {
        for attempt in 0..ATTEMPTS {
            let user = format!("case-{number}-{attempt}");
            let server = self.server(world).await;
            let poller = self.prepared(world, &user, &server).await?;
            server.damage(OutputFault::once(self.at, self.fault.damage()));
            let disturbed = poller.poll().await;
            let happened = server.counters().faults > 0;
            if happened {
                self.nothing_is_lost(world, &user, &server).await?;
            }
            server.heal();
            let outcome = if happened { self.comes_right(world, &user, &server, &poller).await } else { Ok(()) };
            poller.stop().await;
            outcome.map_err(|error| format!("{error}; the disturbed poll: {disturbed:?}"))?;
            if happened {
                return Ok(());
            }
        }
        Err("the session never came to the place of the fault".to_owned())
    }

    async fn server(&self, world: &World) -> Pop3d {
        world.maildrop(plan::settings(self.pipelining, self.chunks)).await
    }

    /// Brings the account to the beginning of its phase. The poller returned has not polled.
    async fn prepared(&self, world: &World, user: &str, server: &Pop3d) -> Result<Polling, String> {
        if self.phase == Phase::Deleting {
            let before = world.poller(user, server, LeaveOnServer::Forever, PATIENCE);
            let report = before.poll().await;
            before.stop().await;
            ensure!(report.error.is_none() && report.fetched == MESSAGES as u64, "not begun: {report:?}");
            if self.policy == LeaveOnServer::UntilExpunged {
                self.expunge(world, user).await;
            }
        }
        let patience = if self.fault == Fault::Stall || self.fault.garbles() { IMPATIENCE } else { PATIENCE };
        Ok(world.poller(user, server, self.policy, patience))
    }

    /// I1, at any time: what is gone upstream is here, or was deleted here.
    async fn nothing_is_lost(&self, world: &World, user: &str, server: &Pop3d) -> Result<(), String> {
        let upstream: BTreeSet<String> = server.unique_ids().into_iter().collect();
        let stored = world.stored(user).await;
        for n in (0..MESSAGES).filter(|n| !upstream.contains(&unique_id(*n))) {
            let is_here = stored.iter().any(|bytes| self.is_message(world, n, bytes));
            ensure!(is_here || self.is_expunged(n), "message {n} is lost");
        }
        Ok(())
    }

    /// Polls until nothing is left to do, and looks at the result.
    async fn comes_right(&self, world: &World, user: &str, server: &Pop3d, poller: &Polling) -> Result<(), String> {
        quiet(poller).await?;
        let garbled = self.is_complete(world, user, self.phase == Phase::Deleting, None).await?;
        if self.policy == LeaveOnServer::UntilExpunged && self.phase == Phase::Fetching {
            let upstream = server.unique_ids();
            ensure!(upstream.len() == MESSAGES, "deleted before it was expunged: {upstream:?}");
            self.expunge(world, user).await;
            quiet(poller).await?;
        }
        let upstream: BTreeSet<String> = server.unique_ids().into_iter().collect();
        let wanted: BTreeSet<String> = (0..MESSAGES).filter(|n| self.stays_upstream(*n)).map(unique_id).collect();
        let with_garbled = wanted.iter().cloned().chain(garbled.map(unique_id)).collect();
        ensure!(upstream == wanted || upstream == with_garbled, "upstream there are {upstream:?}");
        self.is_complete(world, user, true, garbled).await?;
        Ok(())
    }

    /// Every message is here once, apart from those expunged; tells which one was garbled on its way. Of that one the
    /// sound copy may come as well: before it is deleted upstream its header is found not to be what is stored, and a
    /// message that nobody has seen is not deleted.
    async fn is_complete(
        &self,
        world: &World,
        user: &str,
        expunged: bool,
        mut garbled: Option<usize>,
    ) -> Result<Option<usize>, String> {
        let stored = world.stored(user).await;
        let mut copies = 0;
        for n in 0..MESSAGES {
            let sound = stored.iter().filter(|bytes| **bytes == *world.mail[n]).count();
            let unsound = stored.iter().filter(|bytes| self.is_message(world, n, bytes)).count() - sound;
            if unsound > 0 {
                ensure!(garbled.is_none_or(|other| other == n), "more than one message is not what was sent");
                garbled = Some(n);
            }
            let (wanted, again) = (usize::from(!(expunged && self.is_expunged(n))), usize::from(garbled == Some(n)));
            let here = sound + unsound;
            ensure!(sound <= 1 && here >= wanted && here <= wanted + again, "message {n} is here {here} times");
            copies += here;
        }
        ensure!(copies == stored.len(), "{} messages are here that nobody sent", stored.len() - copies);
        ensure!(garbled.is_none() || self.fault.garbles(), "message {garbled:?} is not what was sent");
        Ok(garbled)
    }

    /// The user expunges every other message.
    async fn expunge(&self, world: &World, user: &str) {
        world
            .expunge(user, |bytes| (0..MESSAGES).any(|n| self.is_expunged(n) && self.is_message(world, n, bytes)))
            .await;
    }

    /// Whether these are the bytes of a message, or what the fault makes of them.
    fn is_message(&self, world: &World, n: usize, bytes: &[u8]) -> bool {
        let sent = &*world.mail[n];
        if !self.fault.garbles() || bytes == sent {
            return bytes == sent;
        }
        let pairs = || bytes.iter().zip(sent).take_while(|(a, b)| a == b).count();
        let mirrored = bytes.iter().rev().zip(sent.iter().rev()).take_while(|(a, b)| a == b).count();
        // One byte, and a dot or line end whose meaning it changes.
        bytes.len() <= sent.len() + Fault::INSERTED.len() + 2 && pairs() + mirrored + 2 >= sent.len()
    }

    fn is_expunged(&self, n: usize) -> bool {
        self.policy == LeaveOnServer::UntilExpunged && n.is_multiple_of(2)
    }

    fn stays_upstream(&self, n: usize) -> bool {
        match self.policy {
            LeaveOnServer::Forever => true,
            LeaveOnServer::Never | LeaveOnServer::For(_) => false,
            LeaveOnServer::UntilExpunged => !self.is_expunged(n),
        }
    }
}

/// Polls until a poll finds nothing to do.
async fn quiet(poller: &Polling) -> Result<(), String> {
    let idle = |report: &Report| {
        let done = report.fetched + report.duplicates + report.adopted + report.deleted + report.deletes_pending;
        report.error.is_none() && done + report.backlog == 0
    };
    let mut reports = Vec::new();
    for _ in 0..TRIES {
        let report = poller.poll().await;
        if idle(&report) {
            return Ok(());
        }
        reports.push(report);
    }
    Err(format!("does not come to rest: {:?}", reports.last()))
}
