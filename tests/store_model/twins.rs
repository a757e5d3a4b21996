//! Account views in the plain model: a message of a view says which of INBOX it is, and is looked for.

use std::collections::BTreeMap;

use tributary::mail::MailboxId;
use tributary::store::Error;

use crate::model::{DELETED, Mailbox, Model, User, named};
use crate::op::{ACCOUNTS, NAMES};
use crate::view::Answer;

impl Model {
    /// The account of which the mailbox is the view, and whether it is shown.
    pub(crate) fn view_of(&self, id: u32) -> Option<(usize, bool)> {
        let views = self.users.iter().flat_map(|user| &user.views);
        views.into_iter().find(|(_, view)| view.0 == id).map(|(account, view)| (*account, view.1))
    }

    pub(crate) fn is_hidden(&self, id: u32) -> bool {
        self.view_of(id).is_some_and(|(_, is_shown)| !is_shown)
    }

    pub(crate) fn hidden(&self) -> impl Iterator<Item = MailboxId> {
        self.mailboxes.keys().filter(|id| self.is_hidden(**id)).map(|id| MailboxId(*id))
    }

    pub(crate) fn shown<'u>(&'u self, user: &'u User) -> impl Iterator<Item = (&'u String, &'u u32)> {
        user.mailboxes.iter().filter(|(_, id)| !self.is_hidden(**id))
    }

    pub(crate) fn check_target(&self, id: u32) -> Result<(), Error> {
        if self.view_of(id).is_some() { Err(Error::Refused("")) } else { Ok(()) }
    }

    pub(crate) fn check_name(&self, user: usize, name: &str) -> Result<(), Error> {
        let taken = self.users[user].mailboxes.iter().filter(|(_, id)| self.view_of(**id).is_some());
        let is_taken = |taken: &String| name == taken || name.starts_with(&format!("{taken}/"));
        if taken.map(|(name, _)| name).any(is_taken) { Err(Error::Refused("")) } else { Ok(()) }
    }

    /// INBOX and the views, of each of which the mailbox may be one; else nothing.
    pub(crate) fn family(&self, id: u32) -> Vec<u32> {
        let user = &self.users[self.mailboxes[&id].user];
        let all = user.views.values().map(|view| view.0).chain([user.mailboxes["INBOX"]]);
        let all: Vec<u32> = all.collect();
        if all.contains(&id) { all } else { Vec::new() }
    }

    /// Gives the twins of a message its flags and keywords.
    pub(crate) fn share(&mut self, at: MailboxId, uid: u32, mod_seq: u64) {
        let from = self.mailboxes[&at.0].messages[&uid].clone();
        let origin = from.of.unwrap_or(uid);
        for id in self.family(at.0) {
            let Mailbox { messages, highest, .. } = self.mailboxes.get_mut(&id).expect("there");
            for (_, m) in messages.iter_mut().filter(|(uid, m)| m.of.unwrap_or(**uid) == origin) {
                let after = ((from.flags & !DELETED) | (m.flags & DELETED), from.keywords.clone());
                if after != (m.flags, m.keywords.clone()) {
                    (m.flags, m.keywords) = after;
                    (m.mod_seq, *highest) = (mod_seq, mod_seq);
                }
            }
        }
    }

    pub(crate) fn set_views(&mut self, user: usize, views: &[(usize, usize)]) -> Result<Answer, Error> {
        if views.iter().any(|(account, _)| ACCOUNTS[*account] != user) {
            return Err(Error::NoMailbox);
        }
        let (mut shown, mut taken): (BTreeMap<&str, usize>, Vec<String>) = (BTreeMap::new(), Vec::new());
        let mut order = Vec::new();
        for (account, name) in views {
            let (name, there) = (NAMES[*name], self.users[user].mailboxes.get(NAMES[*name]));
            if there.is_some_and(|id| self.view_of(*id).is_none()) || shown.contains_key(name) {
                taken.push(name.to_owned());
            } else if !order.iter().any(|(other, _)| other == account) {
                shown.insert(name, *account);
                order.push((*account, name));
            }
        }
        let known = self.users[user].views.clone();
        let mut names = self.users[user].mailboxes.clone();
        names.retain(|_, id| self.view_of(*id).is_none());
        let had: BTreeMap<u32, String> =
            self.users[user].mailboxes.iter().map(|(name, id)| (*id, name.clone())).collect();
        self.users[user].mailboxes = names;
        for (account, (id, _)) in &known {
            let wanted = order.iter().find(|(other, _)| other == account);
            self.users[user].views.insert(*account, (*id, wanted.is_some()));
            match wanted {
                Some((_, name)) => self.name(user, name, *id),
                None => {
                    let is_free = !shown.contains_key(had[id].as_str());
                    let name = if is_free { had[id].clone() } else { format!("view.{id}.0") };
                    self.users[user].mailboxes.insert(name, *id);
                }
            }
        }
        for (account, name) in order.into_iter().filter(|(account, _)| !known.contains_key(account)) {
            self.add(user, name, None);
            let (id, mod_seq) = (self.last_mailbox, self.users[user].mod_seq);
            self.users[user].views.insert(account, (id, true));
            let inbox = self.users[user].mailboxes["INBOX"];
            let uids: Vec<u32> = self.mailboxes[&inbox].messages.keys().copied().collect();
            self.push_twins(user, account, id, mod_seq, &uids);
        }
        Ok(Answer::Names(taken))
    }

    /// The message of INBOX that a delivery is one with.
    pub(crate) fn same(&self, to: MailboxId, account: usize, merge: Option<u8>) -> Option<u32> {
        let user = &self.users[ACCOUNTS[account]];
        let uid = *user.merges.get(&merge?)?;
        let m = self.mailboxes[&to.0].messages.get(&uid).filter(|_| user.mailboxes["INBOX"] == to.0)?;
        (m.account.is_some_and(|first| first != account) && !m.also.contains(&account)).then_some(uid)
    }

    pub(crate) fn merge(&mut self, to: MailboxId, uid: u32, account: usize, keywords: &[usize]) -> Result<(), Error> {
        let user = ACCOUNTS[account];
        self.learn(user, named(keywords))?;
        let m = self.mailboxes.get_mut(&to.0).and_then(|inbox| inbox.messages.get_mut(&uid)).expect("there");
        let is_new = !named(keywords).is_subset(&m.keywords);
        m.also.insert(account);
        m.keywords.extend(named(keywords));
        let view = self.users[user].views.get(&account).copied();
        if is_new || view.is_some() {
            let mod_seq = self.next_mod_seq(user);
            if is_new {
                let inbox = self.mailboxes.get_mut(&to.0).expect("there");
                inbox.messages.get_mut(&uid).expect("there").mod_seq = mod_seq;
                inbox.highest = mod_seq;
                self.share(to, uid, mod_seq);
            }
            if let Some((view, _)) = view {
                self.push_twins(user, account, view, mod_seq, &[uid]);
            }
        }
        Ok(())
    }
}
