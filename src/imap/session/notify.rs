//! What a client has asked to be told of by NOTIFY (RFC 5465), and what it has been told. Pure but for the watch.
//!
//! Word of the store says only that something changed. What to tell is the difference between the picture that the client
//! has and the one that the store holds now: so nothing is lost however many changes one word stands for, nothing is told
//! twice, and what is kept for a session is one picture, however slowly its client reads.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use crate::imap::codec::command::{EventGroup, Events, FetchItem, MailboxFilter, Name};
use crate::mail::{MailboxId, MailboxName, ModSeq, SpecialUse, UidSet};
use crate::store::{Annotation, Counts, Mailbox, MetadataPrints, UserMarks, UserWatch, metadata_print};

/// Of the selected mailbox: what is told, and when.
#[derive(Clone, Debug)]
pub(in crate::imap) struct Telling {
    /// Arrivals and expunges.
    pub(in crate::imap) messages: bool,
    pub(in crate::imap) flags: bool,
    /// While no command runs too.
    pub(in crate::imap) unasked: bool,
    /// Expunges at any time: the client does without sequence numbers (RFC 5465 section 6.1.1).
    pub(in crate::imap) expunge: bool,
    /// Items of FETCH for new messages.
    pub(in crate::imap) fetch: Arc<[FetchItem]>,
}

impl Default for Telling {
    /// Before the first NOTIFY (RFC 5465 section 3.1).
    fn default() -> Self {
        Self { messages: true, flags: true, unasked: false, expunge: false, fetch: Arc::from([]) }
    }
}

impl Telling {
    /// RFC 5465 section 3.1: without SELECTED it is as with SELECTED NONE.
    fn new(groups: &[EventGroup]) -> Self {
        let selected = groups.iter().find_map(|group| match group.filter {
            MailboxFilter::Selected => Some((true, &group.events)),
            MailboxFilter::SelectedDelayed => Some((false, &group.events)),
            _ => None,
        });
        let nothing = Self { messages: false, flags: false, ..Self::default() };
        let Some((expunge, events)) = selected else { return nothing };
        Self {
            messages: events.message_new,
            flags: events.flag_change,
            unasked: events.message_new,
            expunge: expunge && events.message_new,
            fetch: events.fetch.clone().into(),
        }
    }
}

/// Mailboxes by name.
#[derive(Debug)]
enum Filter {
    All,
    Subscribed,
    Subtree(HashSet<MailboxName>),
    Names(HashSet<MailboxName>),
}

/// The event groups of other mailboxes than the selected one.
#[derive(Debug, Default)]
pub(in crate::imap) struct Interests(Vec<(Filter, Events)>);

impl Interests {
    pub(in crate::imap) fn new(groups: Vec<EventGroup>) -> Self {
        let valid = |names: Vec<Name>| {
            let names = names.into_iter().filter_map(|name| match name {
                Name::Valid(name) => Some(name),
                // It refers to no mailbox, and never will: section 3.1.
                Name::Impossible => None,
            });
            names.collect()
        };
        let groups = groups.into_iter().filter_map(|group| {
            let filter = match group.filter {
                MailboxFilter::Selected | MailboxFilter::SelectedDelayed => return None,
                // Mail may be delivered into any mailbox: section 6.3.
                MailboxFilter::Inboxes | MailboxFilter::Personal => Filter::All,
                MailboxFilter::Subscribed => Filter::Subscribed,
                MailboxFilter::Subtree(names) => Filter::Subtree(valid(names)),
                MailboxFilter::Mailboxes(names) => Filter::Names(valid(names)),
            };
            Some((filter, group.events))
        });
        Self(groups.collect())
    }

    /// The events of a name. All groups that have the name count (section 6), but NONE hides it from the groups after it.
    pub(in crate::imap) fn of(&self, name: &MailboxName, is_subscribed: bool) -> Events {
        let mut all = Events::default();
        for (filter, events) in &self.0 {
            let matches = match filter {
                Filter::All => true,
                Filter::Subscribed => is_subscribed,
                Filter::Names(names) => names.contains(name),
                Filter::Subtree(names) => {
                    names.contains(name)
                        || std::iter::successors(name.parent(), MailboxName::parent).any(|above| names.contains(&above))
                }
            };
            if matches && *events == Events::default() {
                break;
            }
            if matches {
                all.message_new |= events.message_new;
                all.message_expunge |= events.message_expunge;
                all.flag_change |= events.flag_change;
                all.mailbox_name |= events.mailbox_name;
                all.subscription_change |= events.subscription_change;
                all.mailbox_metadata_change |= events.mailbox_metadata_change;
            }
        }
        all
    }

    fn any(&self, has: impl Fn(&Events) -> bool) -> bool {
        self.0.iter().any(|(_, events)| has(events))
    }

    /// An event of the user, not of a mailbox.
    pub(in crate::imap) fn server_metadata(&self) -> bool {
        self.any(|events| events.server_metadata_change)
    }

    /// Whether annotations matter.
    pub(in crate::imap) fn metadata(&self) -> bool {
        self.server_metadata() || self.any(|events| events.mailbox_metadata_change)
    }

    fn is_empty(&self) -> bool {
        !self.any(|events| *events != Events::default())
    }
}

/// What is compared of a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::imap) struct Known {
    pub(in crate::imap) name: MailboxName,
    pub(in crate::imap) special_use: Option<SpecialUse>,
    pub(in crate::imap) exists: u32,
    pub(in crate::imap) uid_next: u32,
    pub(in crate::imap) unseen: u32,
    /// 0: of a mailbox that this session has just made.
    pub(in crate::imap) mod_seq: ModSeq,
}

impl From<&Mailbox> for Known {
    fn from(mailbox: &Mailbox) -> Self {
        let Counts { exists, uid_next, unseen, highest_mod_seq, .. } = mailbox.counts;
        Self {
            name: mailbox.name.clone(),
            special_use: mailbox.special_use,
            exists,
            uid_next,
            unseen,
            mod_seq: highest_mod_seq,
        }
    }
}

/// What the store holds of a user.
#[derive(Debug, Default)]
pub(in crate::imap) struct Picture {
    pub(in crate::imap) mailboxes: BTreeMap<MailboxId, Known>,
    pub(in crate::imap) subscriptions: BTreeSet<MailboxName>,
    /// Empty where annotations do not matter.
    pub(in crate::imap) prints: MetadataPrints,
}

/// What this session itself did since the last comparison, where that is not in the picture yet.
#[derive(Debug, Default)]
pub(in crate::imap) struct Own {
    /// Messages that it added or expunged.
    pub(in crate::imap) messages: BTreeMap<MailboxId, UidSet>,
    /// Names that it gave: mailboxes above them may have been made.
    names: Vec<MailboxName>,
}

impl Own {
    pub(in crate::imap) fn has_made(&self, name: &MailboxName) -> bool {
        self.names.iter().any(|made| made == name || made.is_below(name))
    }
}

/// NOTIFY as it is in effect.
#[derive(Debug, Default)]
pub(in crate::imap) struct Notify {
    pub(in crate::imap) telling: Telling,
    pub(in crate::imap) interests: Interests,
    /// `None`: of other mailboxes there is nothing to tell.
    pub(in crate::imap) watch: Option<UserWatch>,
    /// Up to which the picture goes.
    pub(in crate::imap) marks: UserMarks,
    pub(in crate::imap) told: Picture,
    pub(in crate::imap) own: Own,
    /// The picture was set back: it is to be compared although there is no word.
    pub(in crate::imap) is_behind: bool,
}

impl Notify {
    /// After NOTIFY NONE, and after an overflow.
    pub(in crate::imap) fn none() -> Self {
        Self { telling: Telling::new(&[]), ..Self::default() }
    }

    /// After NOTIFY SET; the picture is still to be taken. `watch` watches since before that.
    pub(in crate::imap) fn set(groups: Vec<EventGroup>, watch: UserWatch) -> Self {
        let telling = Telling::new(&groups);
        let interests = Interests::new(groups);
        let watch = (!interests.is_empty()).then_some(watch);
        Self { telling, interests, watch, ..Self::default() }
    }

    /// Whether the client waits for word without a command of its own.
    pub(in crate::imap) fn is_active(&self) -> bool {
        self.telling.unasked || self.watch.is_some()
    }
}

/// What this session does itself is not told to it (RFC 5465 section 5): it goes into the picture at once.
impl Notify {
    pub(in crate::imap) fn has_created(
        &mut self,
        mailbox: MailboxId,
        name: &MailboxName,
        special_use: Option<SpecialUse>,
    ) {
        self.own.names.push(name.clone());
        let made = Known { name: name.clone(), special_use, exists: 0, uid_next: 1, unseen: 0, mod_seq: ModSeq(0) };
        self.told.mailboxes.insert(mailbox, made);
    }

    pub(in crate::imap) fn has_deleted(&mut self, mailbox: MailboxId) {
        self.told.mailboxes.remove(&mailbox);
        self.told.prints.retain(|(of, _), _| *of != Some(mailbox));
    }

    pub(in crate::imap) fn has_renamed(&mut self, from: &MailboxName, to: &MailboxName) {
        self.own.names.push(to.clone());
        if from.is_inbox() {
            // Its messages are in a new mailbox; what is below it stays.
            let everything = || std::iter::once((1, u32::MAX)).collect();
            let inbox = self.told.mailboxes.iter().find(|(_, mailbox)| mailbox.name.is_inbox()).map(|(id, _)| *id);
            inbox.into_iter().for_each(|id| drop(self.own.messages.insert(id, everything())));
            return;
        }
        for mailbox in self.told.mailboxes.values_mut() {
            if let Some(name) = mailbox.name.renamed(from, to) {
                mailbox.name = name;
            }
        }
    }

    pub(in crate::imap) fn has_subscribed(&mut self, name: &MailboxName, subscribed: bool) {
        if subscribed {
            self.told.subscriptions.insert(name.clone());
        } else {
            self.told.subscriptions.remove(name);
        }
    }

    pub(in crate::imap) fn has_annotated(&mut self, mailbox: Option<MailboxId>, changes: &[Annotation]) {
        if !self.interests.metadata() {
            return;
        }
        for (entry, value) in changes {
            let key = (mailbox, entry.clone());
            match value {
                Some(value) => drop(self.told.prints.insert(key, metadata_print(value))),
                None => drop(self.told.prints.remove(&key)),
            }
        }
    }

    pub(in crate::imap) fn has_changed_messages(&mut self, mailbox: MailboxId, uids: impl Iterator<Item = (u32, u32)>) {
        let known = self.own.messages.remove(&mailbox).unwrap_or_default();
        let all = known.ranges().iter().copied().chain(uids).collect();
        self.own.messages.insert(mailbox, all);
    }

    /// The selected mailbox is left: of it the client knows what its view had.
    pub(super) fn has_left(&mut self, selected: &super::SelectedMailbox) {
        if let Some(mailbox) = self.told.mailboxes.get_mut(&selected.id) {
            let counts = selected.view.snapshot().counts;
            (mailbox.exists, mailbox.uid_next, mailbox.unseen) = (selected.view.len(), counts.uid_next, counts.unseen);
            mailbox.mod_seq = selected.view.highest_mod_seq();
            self.is_behind = true;
        }
    }
}
