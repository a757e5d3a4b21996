//! From two pictures of what a user has to what a client is told of the difference (RFC 5465 section 5). Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::notify::{Interests, Known, Own, Picture};
use crate::mail::{MailboxId, MailboxName, ModSeq};

/// What a client is to be told.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::imap) enum News {
    /// LIST of a name.
    Name {
        name: MailboxName,
        /// What the mailbox was called before.
        old: Option<MailboxName>,
    },
    /// STATUS of a mailbox.
    Status {
        id: MailboxId,
        /// Messages came or went.
        messages: bool,
        /// Flags changed, which the client wants to know.
        flags: bool,
        /// So did the number of messages without \Seen.
        unseen: bool,
    },
    /// METADATA of a mailbox, or (`None`) of the server: the names of the entries.
    Metadata { id: Option<MailboxId>, entries: Vec<String> },
}

/// What makes one picture out of the other.
pub(in crate::imap) struct Comparison<'a> {
    pub(in crate::imap) told: &'a Picture,
    pub(in crate::imap) next: &'a Picture,
    pub(in crate::imap) interests: &'a Interests,
    pub(in crate::imap) own: &'a Own,
    /// Mailboxes whose messages are not told of here: the selected one, and those where this session alone changed any.
    pub(in crate::imap) quiet: &'a BTreeSet<MailboxId>,
}

/// Shows the special use of a mailbox as an annotation does.
const SPECIAL_USE: &str = "/private/specialuse";

impl Comparison<'_> {
    /// Names first, so that a mailbox is known before its STATUS.
    pub(in crate::imap) fn news(&self) -> Vec<News> {
        let mut news = self.names();
        news.extend(self.statuses());
        news.extend(self.metadata());
        news
    }

    fn wants_name(&self, name: &MailboxName) -> bool {
        self.interests.of(name, self.is_subscribed(name)).mailbox_name
    }

    /// Before or after: a mailbox that is unsubscribed leaves the filter with this event.
    fn is_subscribed(&self, name: &MailboxName) -> bool {
        self.told.subscriptions.contains(name) || self.next.subscriptions.contains(name)
    }

    fn names(&self) -> Vec<News> {
        let mut affected: Vec<(&MailboxName, Option<&MailboxName>)> = Vec::new();
        let mut parents: Vec<MailboxName> = Vec::new();
        let there: BTreeSet<&MailboxName> = self.next.mailboxes.values().map(|mailbox| &mailbox.name).collect();
        let mut renamed: Vec<(&MailboxName, &MailboxName)> = Vec::new();
        for (id, mailbox) in &self.next.mailboxes {
            match self.told.mailboxes.get(id) {
                Some(known) if known.name != mailbox.name => renamed.push((&known.name, &mailbox.name)),
                Some(_) => {}
                None if self.own.has_made(&mailbox.name) => {}
                None => {
                    affected.push((&mailbox.name, None));
                    parents.extend(mailbox.name.parent());
                }
            }
        }
        for (id, known) in &self.told.mailboxes {
            if !self.next.mailboxes.contains_key(id) && !there.contains(&known.name) {
                affected.push((&known.name, None));
                parents.extend(known.name.parent());
            }
        }
        affected.retain(|(name, _)| self.wants_name(name));
        // What is below a renamed mailbox is renamed with it and not told: section 5.4.
        renamed.sort();
        let mut tops: BTreeMap<&MailboxName, &MailboxName> = BTreeMap::new();
        for (old, new) in renamed.into_iter().filter(|(old, new)| self.wants_name(old) || self.wants_name(new)) {
            let mut above = std::iter::successors(old.parent(), MailboxName::parent);
            let goes_along =
                above.any(|top| tops.get(&top).is_some_and(|to| old.renamed(&top, to).as_ref() == Some(new)));
            if !goes_along {
                tops.insert(old, new);
            }
        }
        affected.extend(tops.iter().map(|(old, new)| (*new, Some(*old))));
        let subscribed = self.told.subscriptions.symmetric_difference(&self.next.subscriptions);
        affected.extend(
            subscribed.filter(|name| self.interests.of(name, true).subscription_change).map(|name| (name, None)),
        );
        // The parent of what came or went is affected too, whether or not it is a mailbox: section 5.4.
        let parents: Vec<&MailboxName> = parents.iter().filter(|name| self.wants_name(name)).collect();
        affected.extend(parents.into_iter().map(|name| (name, None)));
        let mut told = BTreeSet::new();
        affected.retain(|(name, _)| told.insert(*name));
        let news = affected.into_iter().map(|(name, old)| News::Name { name: name.clone(), old: old.cloned() });
        news.collect()
    }

    fn statuses(&self) -> Vec<News> {
        let mut gone: Option<BTreeSet<&MailboxName>> = None;
        let mut news = Vec::new();
        for (id, mailbox) in self.next.mailboxes.iter().filter(|(id, _)| !self.quiet.contains(id)) {
            let known = self.told.mailboxes.get(id);
            if known == Some(mailbox) {
                continue;
            }
            let events = self.interests.of(&mailbox.name, self.next.subscriptions.contains(&mailbox.name));
            let (messages, flags, unseen) = match known {
                Some(Known { exists, uid_next, unseen, mod_seq, .. }) => {
                    let messages = (*exists, *uid_next) != (mailbox.exists, mailbox.uid_next);
                    let flags = messages || *mod_seq != ModSeq(0);
                    (messages, flags && *mod_seq != mailbox.mod_seq, *unseen != mailbox.unseen)
                }
                None => {
                    // The name may have been that of a mailbox with another UIDVALIDITY, of whose going only MailboxName
                    // tells: section 5.1.
                    let gone = gone.get_or_insert_with(|| self.gone());
                    let is_other = !events.mailbox_name || gone.contains(&mailbox.name);
                    (mailbox.uid_next > 1 || is_other && events.flag_change, false, mailbox.unseen > 0)
                }
            };
            let (messages, flags) = (messages && events.message_new, flags && events.flag_change);
            if messages || flags {
                news.push(News::Status { id: *id, messages, flags, unseen: unseen && events.flag_change });
            }
        }
        news
    }

    /// Names of mailboxes that are not there any more.
    fn gone(&self) -> BTreeSet<&MailboxName> {
        let gone = self.told.mailboxes.iter().filter(|(id, _)| !self.next.mailboxes.contains_key(id));
        gone.map(|(_, mailbox)| &mailbox.name).collect()
    }

    fn metadata(&self) -> Vec<News> {
        if !self.interests.metadata() {
            return Vec::new();
        }
        let mut entries: BTreeMap<Option<MailboxId>, BTreeSet<&str>> = BTreeMap::new();
        let (told, next) = (&self.told.prints, &self.next.prints);
        let set = next.iter().filter(|(key, print)| told.get(*key) != Some(*print)).map(|(key, _)| key);
        let removed = told.keys().filter(|key| !next.contains_key(*key));
        for (of, entry) in set.chain(removed) {
            entries.entry(*of).or_default().insert(entry);
        }
        for (id, mailbox) in &self.next.mailboxes {
            if self.told.mailboxes.get(id).is_some_and(|known| known.special_use != mailbox.special_use) {
                entries.entry(Some(*id)).or_default().insert(SPECIAL_USE);
            }
        }
        let is_wanted = |id: &Option<MailboxId>| match id {
            None => self.interests.server_metadata(),
            // The annotations of a mailbox that is gone went with it.
            Some(id) => self.next.mailboxes.get(id).is_some_and(|mailbox| {
                self.interests.of(&mailbox.name, self.is_subscribed(&mailbox.name)).mailbox_metadata_change
            }),
        };
        let wanted = entries.into_iter().filter(|(id, _)| is_wanted(id));
        wanted
            .map(|(id, entries)| News::Metadata { id, entries: entries.into_iter().map(str::to_owned).collect() })
            .collect()
    }
}
