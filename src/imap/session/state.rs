//! The states of RFC 9051 section 3 as types: a handler that needs a selected mailbox takes one.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::updates::{fetch_flags, sync};
use super::view::OutOfRange;
use super::{Contexts, MailboxView, Notify, Telling, Upload};
use crate::auth;
use crate::imap::codec::command::Name;
use crate::imap::conn::Output;
use crate::imap::error::CommandError;
use crate::imap::registry::{Handle, Membership, Registry};
use crate::imap::server::Deps;
use crate::mail::{AccountId, MailboxId, MailboxName, ModSeq, SequenceSet, Uid, UidSet, UserId, is_among_accounts};
use crate::store::{Appended, BodyCursor, Copied, Delta, Mailbox, MailboxWatch, Store};

/// Who is logged in.
pub(in crate::imap) struct Login {
    pub(in crate::imap) user: Arc<auth::User>,
    pub(in crate::imap) id: UserId,
    /// Keeps the session listed under its user; gone with the session.
    pub(in crate::imap) _membership: Membership,
}

/// The selected mailbox of a session.
pub(in crate::imap) struct SelectedMailbox {
    pub(in crate::imap) id: MailboxId,
    pub(in crate::imap) name: MailboxName,
    /// It is the view of this account.
    pub(in crate::imap) account: Option<AccountId>,
    /// Opened by EXAMINE.
    pub(in crate::imap) read_only: bool,
    pub(in crate::imap) view: MailboxView,
    pub(in crate::imap) watch: MailboxWatch,
    /// UIDs this session shows as `\Recent`.
    pub(in crate::imap) recent: UidSet,
    /// `$`: the saved result of a search (RFC 5182), as UIDs that the client has been shown.
    pub(in crate::imap) saved: UidSet,
    /// Results that the client follows (RFC 5267).
    pub(in crate::imap) contexts: Contexts,
    /// Where the last partial FETCH ended.
    pub(in crate::imap) partial: Option<BodyCursor>,
    /// How many rows of the keyword table the client has been told in FLAGS.
    pub(in crate::imap) keywords_told: usize,
    /// HIGHESTMODSEQ was told while CONDSTORE was enabled.
    pub(in crate::imap) condstore: bool,
    /// UIDNEXT of what NOTIFY has told the items of.
    pub(in crate::imap) news_from: u32,
    /// Something was told without its mod-sequence: HIGHESTMODSEQ follows before the command ends.
    pub(in crate::imap) owes_mod_seq: bool,
}

impl SelectedMailbox {
    /// Who looks at it would like what there is in the maildrops.
    pub(in crate::imap) fn is_of_maildrops(&self) -> bool {
        self.name.is_inbox() || self.account.is_some()
    }
}

/// RFC 9051 section 3.
pub(in crate::imap) enum State {
    NotAuthenticated,
    Authenticated(Login),
    Selected(Login, Box<SelectedMailbox>),
    Logout,
}

impl State {
    /// Metric label.
    pub(in crate::imap) fn label(&self) -> &'static str {
        match self {
            Self::NotAuthenticated | Self::Logout => "not_authenticated",
            Self::Authenticated(_) => "authenticated",
            Self::Selected(..) => "selected",
        }
    }
}

/// What the client has switched on for the rest of the session.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::imap) struct Features {
    /// A CONDSTORE-enabling command was given (RFC 7162 section 3.1).
    pub(in crate::imap) condstore: bool,
    /// ENABLE QRESYNC was given, and so CONDSTORE is enabled too (RFC 7162 section 3.2.3).
    pub(in crate::imap) qresync: bool,
    /// ENABLE UIDONLY was given (RFC 9586): no message number is sent or taken.
    pub(in crate::imap) uid_only: bool,
    /// ENABLE UTF8=ACCEPT was given (RFC 6855): strings and mailbox names may be UTF-8.
    pub(in crate::imap) utf8: bool,
    /// ENABLE IMAP4rev2 was given (RFC 9051 section 6.3.1).
    pub(in crate::imap) rev2: bool,
    /// What ENABLE has answered, a bit for each extension: CONDSTORE may be on without it.
    pub(in crate::imap) named: u8,
}

impl Features {
    /// Mailbox names are UTF-8 on the wire, not modified UTF-7 (RFC 6855 section 3, RFC 9051 section 5.1).
    pub(in crate::imap) fn utf8_names(self) -> bool {
        self.utf8 || self.rev2
    }
}

/// One client's session.
pub(in crate::imap) struct Session {
    pub(in crate::imap) deps: Arc<Deps>,
    /// For the log: tells sessions of one client apart.
    pub(in crate::imap) id: u64,
    pub(in crate::imap) peer: SocketAddr,
    /// The connection is encrypted.
    pub(in crate::imap) tls: bool,
    pub(in crate::imap) state: State,
    pub(in crate::imap) features: Features,
    /// What NOTIFY has asked for; `None` before the first (RFC 5465).
    pub(in crate::imap) notify: Option<Box<Notify>>,
    /// Commands that could not be parsed, in the present state of authentication.
    pub(in crate::imap) bad_commands: u32,
    /// Since when the client could have logged in.
    pub(in crate::imap) login_since: Instant,
    /// The messages of the APPEND or REPLACE that is being received.
    pub(in crate::imap) upload: Option<Upload>,
    /// Where this session can be told to end.
    pub(in crate::imap) handle: Handle,
    /// Where it is listed.
    pub(in crate::imap) registry: Arc<Registry>,
    /// The server stops.
    pub(in crate::imap) shutdown: CancellationToken,
}

/// What a command of the authenticated states works on.
pub(in crate::imap) struct Authenticated<'s> {
    pub(in crate::imap) store: &'s Store,
    pub(in crate::imap) login: &'s Login,
    pub(in crate::imap) features: &'s mut Features,
    pub(in crate::imap) deps: &'s Deps,
    pub(in crate::imap) notify: Option<&'s mut Notify>,
    /// The selected mailbox, if any, and the mod-sequence up to which the client has been told of it.
    selected: Option<(MailboxId, ModSeq)>,
}

/// What a command of the selected state works on.
pub(in crate::imap) struct SelectedCx<'s> {
    pub(in crate::imap) store: &'s Store,
    pub(in crate::imap) login: &'s Login,
    pub(in crate::imap) features: &'s mut Features,
    pub(in crate::imap) deps: &'s Deps,
    pub(in crate::imap) notify: Option<&'s mut Notify>,
    pub(in crate::imap) mailbox: &'s mut SelectedMailbox,
}

impl Session {
    /// Whether a password may travel here (RFC 9051 section 6.2.3).
    pub(in crate::imap) fn may_log_in(&self) -> bool {
        self.tls || self.deps.settings.allow_cleartext_login
    }

    /// Whether the configuration hides this capability from who is connected.
    pub(in crate::imap) fn hides(&self, capability: &str) -> bool {
        let user = match &self.state {
            State::Authenticated(login) | State::Selected(login, _) => Some(login.user.name.as_str()),
            State::NotAuthenticated | State::Logout => None,
        };
        self.deps.settings.hidden_capabilities.hides(capability, user)
    }

    /// The context of a command that needs a login.
    pub(in crate::imap) fn authenticated(&mut self) -> Option<Authenticated<'_>> {
        let (login, selected) = match &self.state {
            State::Authenticated(login) => (login, None),
            State::Selected(login, mailbox) => (login, Some((mailbox.id, mailbox.view.highest_mod_seq()))),
            State::NotAuthenticated | State::Logout => return None,
        };
        let (store, features, notify) = (&self.deps.store, &mut self.features, self.notify.as_deref_mut());
        Some(Authenticated { store, login, features, deps: &self.deps, notify, selected })
    }

    /// The context of a command that needs a selected mailbox.
    pub(in crate::imap) fn selected(&mut self) -> Option<SelectedCx<'_>> {
        let State::Selected(login, mailbox) = &mut self.state else { return None };
        let (store, features, notify) = (&self.deps.store, &mut self.features, self.notify.as_deref_mut());
        Some(SelectedCx { store, login, features, deps: &self.deps, notify, mailbox })
    }

    /// Whether the client waits for word without a command of its own, by NOTIFY: it need not send anything for long.
    pub(in crate::imap) fn notifies(&self) -> bool {
        self.notify.as_ref().is_some_and(|notify| notify.is_active())
    }

    /// Leaves the selected state, if it is the present one; says whether it was.
    pub(in crate::imap) fn unselect(&mut self) -> bool {
        if let (Some(notify), State::Selected(_, mailbox)) = (&mut self.notify, &self.state) {
            notify.has_left(mailbox);
        }
        self.transition(|state| match state {
            State::Selected(login, _) => (State::Authenticated(login), true),
            other => (other, false),
        })
    }

    /// Enters the selected state.
    pub(in crate::imap) fn select(&mut self, mailbox: SelectedMailbox) {
        self.transition(|state| match state {
            State::Authenticated(login) | State::Selected(login, _) => (State::Selected(login, Box::new(mailbox)), ()),
            other => (other, ()),
        });
    }

    /// Replaces the state and keeps the gauge of connections by state right.
    pub(in crate::imap) fn transition<T>(&mut self, step: impl FnOnce(State) -> (State, T)) -> T {
        let gauge = &self.deps.metrics.connections;
        gauge.with_label_values(&[self.state.label()]).dec();
        let (next, answer) = step(std::mem::replace(&mut self.state, State::Logout));
        self.state = next;
        self.handle.shows_mailbox(match &self.state {
            State::Selected(_, mailbox) => Some(mailbox.name.as_str()),
            _ => None,
        });
        gauge.with_label_values(&[self.state.label()]).inc();
        answer
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.deps.metrics.connections.with_label_values(&[self.state.label()]).dec();
    }
}

impl Authenticated<'_> {
    /// The mailbox of this name. The wording never tells "not yours" from "not there" (I10).
    pub(in crate::imap) async fn mailbox(&self, name: &Name) -> Result<Mailbox, CommandError> {
        find(self.store, self.login.id, name).await?.ok_or(CommandError::No(Some("NONEXISTENT"), "No such mailbox"))
    }

    /// HIGHESTMODSEQ of a mailbox; of the selected one no more than the client has been told (IMAP-RULES 21).
    pub(in crate::imap) fn told(&self, mailbox: &Mailbox) -> ModSeq {
        let selected = self.selected.filter(|(id, _)| *id == mailbox.id);
        selected.map_or(mailbox.counts.highest_mod_seq, |(_, told)| told)
    }

    /// Refuses a name under which the configuration shows accounts, or that stands among such names.
    pub(in crate::imap) async fn check_not_kept(&self, name: &MailboxName) -> Result<(), CommandError> {
        if is_kept(self.store, self.login.id, name).await? { Err(CommandError::kept_name()) } else { Ok(()) }
    }

    /// The selected mailbox, if any.
    pub(in crate::imap) fn selected_mailbox(&self) -> Option<MailboxId> {
        self.selected.map(|(id, _)| id)
    }

    /// This session put messages into a mailbox: NOTIFY does not tell it of them.
    pub(in crate::imap) fn has_appended(&mut self, mailbox: MailboxId, appended: &Appended) {
        if let Some(notify) = &mut self.notify {
            notify.has_changed_messages(mailbox, appended.uids.iter().map(|uid| (uid.value(), uid.value())));
        }
    }

    /// The target of APPEND, COPY or MOVE: a missing one may be created and the command tried again.
    pub(in crate::imap) async fn target(&self, name: &Name) -> Result<Mailbox, CommandError> {
        target(self.store, self.login.id, name).await
    }
}

impl SelectedCx<'_> {
    /// What is told of the mailbox, and when.
    pub(in crate::imap) fn telling(&self) -> Telling {
        self.notify.as_ref().map(|notify| notify.telling.clone()).unwrap_or_default()
    }

    /// The UIDs that a set names for this client.
    pub(in crate::imap) fn resolve(&self, set: &SequenceSet, uid: bool) -> Result<UidSet, CommandError> {
        if *set == SequenceSet::SavedResult {
            return Ok(self.mailbox.saved.clone());
        }
        let resolved = self.mailbox.view.resolve(set, uid);
        resolved.map_err(|OutOfRange| CommandError::Bad("A sequence number is out of range"))
    }

    /// Moves to the newest version and announces arrivals; expunges if `expunge`. The flag changes are returned.
    pub(in crate::imap) async fn sync(&mut self, out: &mut Output, expunge: bool) -> Result<Delta, CommandError> {
        let (store, id) = (self.store, self.mailbox.id);
        sync(self.mailbox, *self.features, out, expunge, |snapshot| store.claim_recent(id, snapshot.counts.uid_next))
            .await
    }

    /// Moves to the newest version and announces everything; expunges only if `expunge`.
    pub(in crate::imap) async fn announce(&mut self, out: &mut Output, expunge: bool) -> Result<(), CommandError> {
        let changed = self.sync(out, expunge).await?.changed;
        self.flags(changed, out).await
    }

    /// Announces the flags of these messages, and of those whose flags were withheld.
    pub(in crate::imap) async fn flags(&mut self, changed: Vec<Uid>, out: &mut Output) -> Result<(), CommandError> {
        let untold = self.mailbox.view.take_untold();
        let with_uid = self.notify.is_some();
        let changed = changed.into_iter().map(|uid| (uid.value(), uid.value()));
        let all: UidSet = changed.chain(untold.ranges().iter().copied()).collect();
        // Each UID of it is one of a message.
        for uid in all.ranges().iter().flat_map(|(low, high)| *low..=*high) {
            fetch_flags(self.mailbox, *self.features, out, uid, with_uid);
            out.relieve().await?;
        }
        Ok(())
    }

    /// HIGHESTMODSEQ for the end of a command, if the client must have it (RFC 7162 sections 3.1, 3.2 and 6): it was just
    /// told of expunges, or has just begun to ask for mod-sequences, or takes the highest MODSEQ that it saw for what it
    /// knows while expunges are held back. `always`: the tagged response has it.
    pub(in crate::imap) fn mod_seq_due(&mut self, always: bool) -> Option<ModSeq> {
        let mailbox = &mut *self.mailbox;
        let first = !std::mem::replace(&mut mailbox.condstore, self.features.condstore);
        let owed = std::mem::take(&mut mailbox.owes_mod_seq);
        let due = always || first || owed || mailbox.view.holds_back() || mailbox.view.withholds_flags();
        (self.features.condstore && due).then(|| mailbox.view.highest_mod_seq())
    }

    /// The same of COPY and MOVE.
    pub(in crate::imap) fn has_copied(&mut self, mailbox: MailboxId, copied: &Copied) {
        if let Some(notify) = &mut self.notify {
            notify.has_changed_messages(mailbox, copied.pairs.iter().map(|(_, uid)| (uid.value(), uid.value())));
        }
    }

    /// The target of COPY or MOVE.
    pub(in crate::imap) async fn target(&self, name: &Name) -> Result<Mailbox, CommandError> {
        target(self.store, self.login.id, name).await
    }
}

async fn find(store: &Store, user: UserId, name: &Name) -> Result<Option<Mailbox>, CommandError> {
    match name {
        Name::Valid(name) => Ok(store.mailbox(user, name).await?),
        Name::Impossible => Ok(None),
    }
}

async fn target(store: &Store, user: UserId, name: &Name) -> Result<Mailbox, CommandError> {
    match (find(store, user, name).await?, name) {
        (Some(mailbox), _) if mailbox.view.is_some() => Err(CommandError::view()),
        (Some(mailbox), _) => Ok(mailbox),
        (None, Name::Valid(name)) if is_kept(store, user, name).await? => Err(CommandError::view()),
        (None, Name::Valid(_)) => Err(CommandError::No(Some("TRYCREATE"), "No such mailbox")),
        (None, Name::Impossible) => Err(CommandError::No(Some("CANNOT"), "No mailbox can have this name")),
    }
}

/// Whether no client can make a mailbox of this name, or take it from one: it stands among the views of the user's accounts.
async fn is_kept(store: &Store, user: UserId, name: &MailboxName) -> Result<bool, CommandError> {
    Ok(is_among_accounts(name) && store.mailboxes(user).await?.iter().any(|mailbox| mailbox.view.is_some()))
}
