//! The plain model: what every operation means, in as few words as possible.

use std::collections::{BTreeMap, BTreeSet};

use tributary::mail::{Flags, MAX_KEYWORDS, MailboxId, MailboxName, SpecialUse, UidSet};
use tributary::store::{Counts, Error, LedgerState, Quota, Share, Stored, half};

use crate::ledger::{Account, Row};
use crate::op::{ACCOUNTS, Call, KEYWORDS, NAMES, New, Op, Place, USERS};
use crate::view::{
    AccountView, Answer, MailboxView, MessageView, NOW, RowView, UserView, View, annotation, change_poll_state, hash,
    key, octets,
};

/// Keywords that the second user has from the start: there is room for two more.
pub(crate) const TAKEN: usize = MAX_KEYWORDS - 2;

pub(crate) const DELETED: u8 = 4;

#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) flags: u8,
    pub(crate) keywords: BTreeSet<String>,
    pub(crate) mod_seq: u64,
    content: u8,
    /// The how manieth body of this content: one that nobody has any more does not come back.
    body: u32,
    pub(crate) account: Option<usize>,
    /// Of what is in a view: the UID in INBOX.
    pub(crate) of: Option<u32>,
    /// Of what is in INBOX: accounts that it was delivered to besides.
    pub(crate) also: BTreeSet<usize>,
}

#[derive(Clone, Debug)]
pub(crate) struct Mailbox {
    pub(crate) user: usize,
    special_use: Option<SpecialUse>,
    next: u32,
    pub(crate) highest: u64,
    recent: u32,
    pub(crate) messages: BTreeMap<u32, Message>,
    gone: Vec<(u64, u32)>,
    annotations: BTreeMap<String, Vec<u8>>,
}

#[derive(Debug, Default)]
pub(crate) struct User {
    pub(crate) mod_seq: u64,
    keywords: BTreeSet<String>,
    pub(crate) mailboxes: BTreeMap<String, u32>,
    subscriptions: BTreeSet<String>,
    limit: Option<u64>,
    /// By account: mailbox, whether it is shown.
    pub(crate) views: BTreeMap<usize, (u32, bool)>,
    /// UID in INBOX of the last message that came with what makes two one.
    pub(crate) merges: BTreeMap<u8, u32>,
    /// Of names, also of such as are not there any more.
    last_ids: BTreeMap<String, u32>,
}

#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) users: Vec<User>,
    accounts: Vec<Account>,
    pub(crate) mailboxes: BTreeMap<u32, Mailbox>,
    pub(crate) last_mailbox: u32,
    /// Of each content, how many bodies there have been.
    bodies: BTreeMap<u8, u32>,
    held: Vec<u8>,
}

fn storage(used: u64, limit: u64) -> Quota {
    Quota { storage: Some(Share { used, limit }), messages: None }
}

fn within(range: (u32, u32), uid: u32) -> bool {
    (range.0..=range.1).contains(&uid)
}

/// The UIDs of `range` that were given out and are not among `found`.
fn missing(range: (u32, u32), next: u32, found: &UidSet) -> UidSet {
    let given: UidSet = (range.0 < next).then(|| (range.0, range.1.min(next - 1))).into_iter().collect();
    given.difference(found)
}

fn parent(name: &str) -> Option<&str> {
    name.rsplit_once('/').map(|(parent, _)| parent)
}

pub(crate) fn named(keywords: &[usize]) -> BTreeSet<String> {
    keywords.iter().map(|k| KEYWORDS[*k].to_ascii_lowercase()).collect()
}

impl Model {
    /// What every world has from the start.
    pub(crate) fn begin(&mut self) {
        for user in 0..USERS {
            self.users.push(User::default());
            self.add(user, "INBOX", None);
            SpecialUse::ALL.iter().for_each(|(special_use, _, name)| self.add(user, name, Some(*special_use)));
            self.users[user].subscriptions = self.users[user].mailboxes.keys().cloned().collect();
        }
        self.accounts.extend(ACCOUNTS.map(|_| Account::default()));
        let inbox = MailboxId(self.users[1].mailboxes["INBOX"]);
        let first = New { content: 0, flags: 0, keywords: Vec::new(), account: None };
        self.append(inbox, &[first]).expect("has room");
        self.users[1].keywords = (0..TAKEN).map(|n| format!("taken{n}")).collect();
        let all = self.users[1].keywords.clone();
        let inbox = self.mailboxes.get_mut(&inbox.0).expect("INBOX");
        inbox.messages.values_mut().for_each(|m| m.keywords = all.clone());
    }

    /// The operation for mailboxes as they are now. A name without a mailbox is that of the last that had it.
    pub(crate) fn resolve(&self, op: &Op<Place>) -> Op<MailboxId> {
        let id = |(user, name): Place| self.users[user].last_ids.get(NAMES[name]).copied().unwrap_or(u32::MAX);
        let highest = |id: MailboxId| self.mailboxes.get(&id.0).map_or(0, |mailbox| mailbox.highest);
        op.resolved(|place| MailboxId(id(place)), highest)
    }

    /// Contents of a mailbox in order.
    pub(crate) fn contents(&self, mailbox: MailboxId) -> Vec<u8> {
        self.mailboxes[&mailbox.0].messages.values().map(|m| m.content).collect()
    }

    pub(crate) fn make(&mut self, op: &Op<MailboxId>) -> Vec<Answer> {
        match op {
            Op::Calls(calls) => return calls.iter().map(|call| self.call(call).unwrap_or_else(Answer::from)).collect(),
            Op::ChangesSince { of, since } => return vec![self.changes_since(*of, *since)],
            Op::ClaimRecent { of } => {
                let Some(mailbox) = self.mailboxes.get_mut(&of.0) else { return vec![Answer::Recent(1)] };
                return vec![Answer::Recent(std::mem::replace(&mut mailbox.recent, mailbox.next))];
            }
            Op::Hold { content } => self.held.push(*content),
            Op::Abandon if !self.held.is_empty() => drop(self.held.remove(0)),
            Op::Abandon | Op::HalfWritten { .. } | Op::Collect => {}
            Op::Quota { user, limit } => self.users[*user].limit = limit.map(|limit| u64::from(limit) * 1000),
            Op::Reopen { .. } => self.held.clear(),
        }
        Vec::new()
    }

    fn call(&mut self, call: &Call<MailboxId>) -> Result<Answer, Error> {
        match call {
            Call::Append { to, messages } => self.append(*to, messages),
            Call::AppendHeld { to } => {
                if self.held.is_empty() {
                    return Ok(Answer::Done);
                }
                let content = self.held.remove(0);
                self.append(*to, &[New { content, flags: 0, keywords: Vec::new(), account: None }])
            }
            Call::Deliver { .. } => self.deliver(call),
            Call::Flags { .. } => self.set_flags(call),
            Call::Copy { from, range, to } => self.transfer(*from, *range, *to, false),
            Call::Move { from, range, to } => self.transfer(*from, *range, *to, true),
            Call::Replace { from, old, to, new } => self.replace(*from, *old, *to, new),
            Call::Expunge { of, only } => self.expunge(*of, *only),
            Call::Create { place: (user, name), special_use } => {
                self.create(*user, NAMES[*name], special_use.map(|n| SpecialUse::ALL[n].0))
            }
            Call::Delete { place: (user, name) } => self.delete(*user, NAMES[*name]),
            Call::Rename { user, from, to } => self.rename(*user, NAMES[*from], NAMES[*to]),
            Call::Views { user, views } => self.set_views(*user, views),
            Call::Subscribe { place: (user, name), on } => {
                let names = &mut self.users[*user].subscriptions;
                let _ = if *on { names.insert(NAMES[*name].to_owned()) } else { names.remove(NAMES[*name]) };
                Ok(Answer::Done)
            }
            Call::Annotate { of, entry, value } => {
                self.mailboxes.get(&of.0).filter(|found| found.user == 0).ok_or(Error::NoMailbox)?;
                let annotations = &mut self.mailboxes.get_mut(&of.0).expect("is there").annotations;
                match value {
                    Some(value) => annotations.insert(annotation(*entry), vec![*value]),
                    None => annotations.remove(&annotation(*entry)),
                };
                Ok(Answer::Done)
            }
            Call::Ledger { account, changes } => {
                changes.iter().for_each(|change| self.accounts[*account].change(change));
                Ok(Answer::Done)
            }
            Call::Troubles { account, rows } => {
                for (n, row) in rows {
                    let troubles = &mut self.accounts[*account].troubles;
                    match row {
                        Some((tries, at)) => troubles.insert(key(*n), (u32::from(*tries), i64::from(*at), false)),
                        None => troubles.remove(&key(*n)),
                    };
                }
                Ok(Answer::Done)
            }
            Call::Quarantine { account, key: n, to, messages } => {
                self.check_account(*to, *account)?;
                let (tries, _, is_quarantined) =
                    self.accounts[*account].troubles.get(&key(*n)).copied().unwrap_or_default();
                if !is_quarantined {
                    self.append(*to, messages)?;
                }
                self.accounts[*account].troubles.insert(key(*n), (tries, NOW, true));
                Ok(Answer::Done)
            }
            Call::PollState { account, value } => {
                let state = &mut self.accounts[*account].poll_state;
                change_poll_state(state, *value);
                Ok(Answer::Poll(*state))
            }
        }
    }

    fn mailbox(&self, id: MailboxId) -> Result<&Mailbox, Error> {
        self.mailboxes.get(&id.0).ok_or(Error::NoMailbox)
    }

    fn check_account(&self, mailbox: MailboxId, account: usize) -> Result<usize, Error> {
        let user = self.mailbox(mailbox)?.user;
        if ACCOUNTS[account] == user { Ok(user) } else { Err(Error::NoMailbox) }
    }

    fn messages(&self) -> impl Iterator<Item = (usize, &Message)> {
        let counted = self.mailboxes.iter().filter(|(id, _)| self.view_of(**id).is_none());
        counted.flat_map(|(_, mailbox)| mailbox.messages.values().map(|m| (mailbox.user, m)))
    }

    /// The body of this content: the one that is there, else another.
    fn body(&mut self, content: u8) -> u32 {
        let is_there = self.messages().any(|(_, m)| m.content == content);
        let count = self.bodies.entry(content).or_default();
        *count += u32::from(!is_there);
        *count
    }

    pub(crate) fn next_mod_seq(&mut self, user: usize) -> u64 {
        self.users[user].mod_seq += 1;
        self.users[user].mod_seq
    }

    pub(crate) fn learn(&mut self, user: usize, keywords: BTreeSet<String>) -> Result<(), Error> {
        let all = &self.users[user].keywords | &keywords;
        if all.len() > MAX_KEYWORDS {
            return Err(Error::Limit(""));
        }
        self.users[user].keywords = all;
        Ok(())
    }

    /// Octets and messages, each copy counted.
    fn usage(&self, user: usize) -> Stored {
        let own = self.messages().filter(|(owner, _)| *owner == user).map(|(_, m)| octets(m.content).len() as u64);
        own.fold(Stored::default(), |sum, len| Stored { octets: sum.octets + len, messages: sum.messages + 1 })
    }

    /// `freed`: octets that go at the same time.
    fn check_quota(&self, user: usize, contents: impl Iterator<Item = u8>, freed: u64) -> Result<(), Error> {
        let Some(limit) = self.users[user].limit else { return Ok(()) };
        let quota = storage(self.usage(user).octets - freed, limit);
        let octets = contents.map(|content| octets(content).len() as u64).sum();
        if self.usage(user).octets - freed + octets > limit { Err(Error::OverQuota { quota, octets }) } else { Ok(()) }
    }

    /// Puts messages at the end, with a mod-sequence of their own.
    fn push(&mut self, to: MailboxId, mod_seq: u64, messages: Vec<Message>) -> Vec<u32> {
        let messages = messages.into_iter().map(|m| Message { of: None, also: BTreeSet::new(), ..m }).collect();
        let uids = self.push_alone(to, mod_seq, messages);
        let user = self.mailboxes[&to.0].user;
        if self.users[user].mailboxes["INBOX"] == to.0 {
            let views: Vec<(usize, u32)> = self.users[user].views.iter().map(|(of, view)| (*of, view.0)).collect();
            for (account, view) in views {
                self.push_twins(user, account, view, mod_seq, &uids);
            }
        }
        uids
    }

    /// Those of these messages of INBOX that are of the account.
    pub(crate) fn push_twins(&mut self, user: usize, account: usize, view: u32, mod_seq: u64, uids: &[u32]) {
        let inbox = &self.mailboxes[&self.users[user].mailboxes["INBOX"]];
        let of = uids.iter().map(|uid| (*uid, &inbox.messages[uid]));
        let of = of.filter(|(_, m)| m.account == Some(account) || m.also.contains(&account));
        let twin = |(uid, m): (u32, &Message)| Message { flags: m.flags & !DELETED, of: Some(uid), ..m.clone() };
        let rows: Vec<Message> = of.map(twin).collect();
        if !rows.is_empty() {
            self.push_alone(MailboxId(view), mod_seq, rows);
        }
    }

    fn push_alone(&mut self, to: MailboxId, mod_seq: u64, messages: Vec<Message>) -> Vec<u32> {
        let mailbox = self.mailboxes.get_mut(&to.0).expect("there");
        mailbox.highest = mod_seq;
        let place = |m| {
            mailbox.messages.insert(mailbox.next, Message { mod_seq, ..m });
            mailbox.next += 1;
            mailbox.next - 1
        };
        messages.into_iter().map(place).collect()
    }

    fn append(&mut self, to: MailboxId, messages: &[New]) -> Result<Answer, Error> {
        self.append_freeing(to, messages, 0)
    }

    fn replace(&mut self, from: MailboxId, old: u32, to: MailboxId, new: &New) -> Result<Answer, Error> {
        let (source, user) = (self.mailbox(from)?, self.mailbox(to)?.user);
        if source.user != user {
            return Err(Error::NoMailbox);
        }
        self.check_target(to.0)?;
        let Some(replaced) = source.messages.get(&old) else { return Ok(Answer::Done) };
        let freed = octets(replaced.content).len() as u64;
        let answer = self.append_freeing(to, std::slice::from_ref(new), freed)?;
        self.remove(from, self.users[user].mod_seq, &[old]);
        Ok(answer)
    }

    fn append_freeing(&mut self, to: MailboxId, messages: &[New], freed: u64) -> Result<Answer, Error> {
        let user = self.mailbox(to)?.user;
        self.check_target(to.0)?;
        if messages.iter().filter_map(|m| m.account).any(|account| ACCOUNTS[account] != user) {
            return Err(Error::NoMailbox);
        }
        self.check_quota(user, messages.iter().map(|m| m.content), freed)?;
        self.learn(user, messages.iter().flat_map(|m| named(&m.keywords)).collect())?;
        if messages.is_empty() {
            return Ok(Answer::Uids(Vec::new()));
        }
        let mut rows = Vec::new();
        for new in messages {
            let known = rows.iter().find(|m: &&Message| m.content == new.content).map(|m| m.body);
            let body = known.unwrap_or_else(|| self.body(new.content));
            let New { content, flags, ref keywords, account } = *new;
            rows.push(Message {
                flags,
                keywords: named(keywords),
                mod_seq: 0,
                content,
                body,
                account,
                of: None,
                also: BTreeSet::new(),
            });
        }
        let mod_seq = self.next_mod_seq(user);
        Ok(Answer::Uids(self.push(to, mod_seq, rows)))
    }

    fn deliver(&mut self, call: &Call<MailboxId>) -> Result<Answer, Error> {
        let Call::Deliver { account, to, key: n, new, size, header, delete, reused, merge } = call else {
            return Ok(Answer::Done);
        };
        self.check_account(*to, *account)?;
        let key = n.map_or_else(|| [&[0], hash(new.content).as_slice()].concat(), key);
        if let Some(row) = self.accounts[*account].ledger.get(&key) {
            let is_other = *reused && row.content.is_some_and(|content| content != new.content);
            if row.state != LedgerState::Skipped && !is_other {
                return Ok(Answer::Delivered(None));
            }
        }
        let same = self.same(*to, *account, *merge);
        let (answer, body, of) = match same {
            Some(uid) => {
                self.merge(*to, uid, *account, &new.keywords)?;
                let m = &self.mailboxes[&to.0].messages[&uid];
                (Answer::Merged(uid), (m.content, m.body), m.account.expect("an account"))
            }
            None => {
                let Answer::Uids(uids) = self.append(*to, std::slice::from_ref(new))? else { return Ok(Answer::Done) };
                let user = ACCOUNTS[*account];
                if self.users[user].mailboxes["INBOX"] == to.0 {
                    self.users[user].merges.extend(merge.map(|merge| (merge, uids[0])));
                }
                (Answer::Delivered(uids.first().copied()), (new.content, self.body(new.content)), *account)
            }
        };
        let state = if *delete { LedgerState::DeleteWanted } else { LedgerState::Stored };
        let (size, header, body, content) = (u64::from(*size), *header, Some(body), Some(new.content));
        self.accounts[*account].troubles.remove(&key);
        self.accounts[*account].ledger.insert(key, Row { state, size, header, body, content, of });
        Ok(answer)
    }

    fn set_flags(&mut self, call: &Call<MailboxId>) -> Result<Answer, Error> {
        let Call::Flags { of, range, op, flags, keywords, since } = call else { return Ok(Answer::Done) };
        let mailbox = self.mailbox(*of)?;
        let (user, next) = (mailbox.user, mailbox.next);
        let chosen = mailbox.messages.iter().filter(|(uid, _)| within(*range, **uid));
        let (mut applied, mut modified) = (UidSet::default(), UidSet::default());
        for (uid, m) in chosen {
            let set = if since.is_some_and(|since| m.mod_seq > since) { &mut modified } else { &mut applied };
            set.insert(*uid);
        }
        let found: UidSet = applied.ranges().iter().chain(modified.ranges()).copied().collect();
        let missing = missing(*range, next, &found);
        let answer = Answer::Flags { applied: applied.clone(), modified, missing };
        let named = named(keywords);
        if applied.is_empty() {
            return Ok(answer);
        }
        if *op != 1 {
            self.learn(user, named.clone())?;
        }
        let mod_seq = self.users[user].mod_seq + 1;
        let mailbox = self.mailboxes.get_mut(&of.0).expect("there");
        for (_, m) in mailbox.messages.iter_mut().filter(|(uid, _)| applied.contains(**uid)) {
            let after = match op {
                0 => (m.flags | flags, &m.keywords | &named),
                1 => (m.flags & !flags, &m.keywords - &named),
                _ => (*flags, named.clone()),
            };
            if after != (m.flags, m.keywords.clone()) {
                (m.flags, m.keywords) = after;
                m.mod_seq = mod_seq;
                (mailbox.highest, self.users[user].mod_seq) = (mod_seq, mod_seq);
            }
        }
        for uid in applied.iter() {
            self.share(*of, uid, mod_seq);
        }
        Ok(answer)
    }

    fn transfer(&mut self, from: MailboxId, range: (u32, u32), to: MailboxId, is_move: bool) -> Result<Answer, Error> {
        let (source, user) = (self.mailbox(from)?, self.mailbox(to)?.user);
        if source.user != user {
            return Err(Error::NoMailbox);
        }
        self.check_target(to.0)?;
        let chosen = source.messages.iter().filter(|(uid, _)| within(range, **uid));
        let (uids, messages): (Vec<u32>, Vec<Message>) = chosen.map(|(uid, m)| (*uid, m.clone())).unzip();
        let missing = missing(range, source.next, &uids.iter().map(|uid| (*uid, *uid)).collect());
        if messages.is_empty() {
            return Ok(Answer::Copied { pairs: Vec::new(), missing });
        }
        if !is_move {
            self.check_quota(user, messages.iter().map(|m| m.content), 0)?;
        }
        let mod_seq = self.next_mod_seq(user);
        let pairs = uids.iter().copied().zip(self.push(to, mod_seq, messages)).collect();
        if is_move {
            self.remove(from, mod_seq, &uids);
        }
        Ok(Answer::Copied { pairs, missing })
    }

    fn remove(&mut self, from: MailboxId, mod_seq: u64, uids: &[u32]) {
        let of = |uid: &u32| self.mailboxes[&from.0].messages[uid].of.unwrap_or(*uid);
        let origins: Vec<u32> = uids.iter().map(of).collect();
        let family = self.family(from.0);
        if family.is_empty() {
            return self.remove_alone(from, mod_seq, uids);
        }
        for id in family {
            let is_gone = |(uid, m): (&u32, &Message)| origins.contains(&m.of.unwrap_or(*uid)).then_some(*uid);
            let gone: Vec<u32> = self.mailboxes[&id].messages.iter().filter_map(is_gone).collect();
            if !gone.is_empty() {
                self.remove_alone(MailboxId(id), mod_seq, &gone);
            }
        }
    }

    fn remove_alone(&mut self, from: MailboxId, mod_seq: u64, uids: &[u32]) {
        let mailbox = self.mailboxes.get_mut(&from.0).expect("there");
        mailbox.highest = mod_seq;
        mailbox.messages.retain(|uid, _| !uids.contains(uid));
        mailbox.gone.extend(uids.iter().map(|uid| (mod_seq, *uid)));
    }

    fn expunge(&mut self, of: MailboxId, only: Option<(u32, u32)>) -> Result<Answer, Error> {
        let mailbox = self.mailbox(of)?;
        let user = mailbox.user;
        let is_chosen = |uid: u32| only.is_none_or(|range| within(range, uid));
        let deleted = mailbox.messages.iter().filter(|(_, m)| m.flags & Flags::DELETED.bits() != 0);
        let uids: Vec<u32> = deleted.map(|(uid, _)| *uid).filter(|uid| is_chosen(*uid)).collect();
        if !uids.is_empty() {
            let mod_seq = self.next_mod_seq(user);
            self.remove(of, mod_seq, &uids);
        }
        Ok(Answer::Expunged(uids.iter().map(|uid| (*uid, *uid)).collect()))
    }

    pub(crate) fn add(&mut self, user: usize, name: &str, special_use: Option<SpecialUse>) {
        self.last_mailbox += 1;
        let highest = self.next_mod_seq(user);
        let (messages, gone, annotations) = (BTreeMap::new(), Vec::new(), BTreeMap::new());
        let mailbox = Mailbox { user, special_use, next: 1, highest, recent: 1, messages, gone, annotations };
        self.mailboxes.insert(self.last_mailbox, mailbox);
        self.name(user, name, self.last_mailbox);
    }

    pub(crate) fn name(&mut self, user: usize, name: &str, id: u32) {
        self.users[user].mailboxes.insert(name.to_owned(), id);
        self.users[user].last_ids.insert(name.to_owned(), id);
    }

    /// Up to the first that is there.
    fn add_parents(&mut self, user: usize, name: &str) {
        if let Some(parent) = parent(name).filter(|parent| !self.users[user].mailboxes.contains_key(*parent)) {
            self.add_parents(user, parent);
            self.add(user, parent, None);
        }
    }

    fn create(&mut self, user: usize, name: &str, special_use: Option<SpecialUse>) -> Result<Answer, Error> {
        self.check_name(user, name)?;
        if self.users[user].mailboxes.contains_key(name) {
            return Err(Error::MailboxExists);
        }
        let mut had_it = self.mailboxes.values_mut().filter(|m| m.user == user && m.special_use == special_use);
        if let Some(had_it) = had_it.next().filter(|_| special_use.is_some()) {
            had_it.special_use = None;
        }
        self.add_parents(user, name);
        self.add(user, name, special_use);
        Ok(Answer::Created(self.last_mailbox))
    }

    fn delete(&mut self, user: usize, name: &str) -> Result<Answer, Error> {
        if name == "INBOX" {
            return Err(Error::Refused(""));
        }
        let id =
            self.users[user].mailboxes.get(name).copied().filter(|id| !self.is_hidden(*id)).ok_or(Error::NoMailbox)?;
        self.check_target(id)?;
        self.users[user].mailboxes.remove(name);
        self.mailboxes.remove(&id);
        Ok(Answer::Done)
    }

    fn rename(&mut self, user: usize, from: &str, to: &str) -> Result<Answer, Error> {
        let mut there = self.users[user].mailboxes.clone();
        there.retain(|_, id| !self.is_hidden(*id));
        let source = there.get(from).copied();
        if source.is_none() && !there.keys().any(|name| name.starts_with(&format!("{from}/"))) {
            return Err(Error::NoMailbox);
        }
        let is_moved = |name: &str| name == from || name.starts_with(&format!("{from}/"));
        if from != "INBOX" {
            there.iter().filter(|(name, _)| is_moved(name)).try_for_each(|(_, id)| self.check_target(*id))?;
        }
        self.check_name(user, to)?;
        if from == to || there.contains_key(to) {
            return Err(Error::MailboxExists);
        }
        if let Some(inbox) = source.filter(|_| from == "INBOX") {
            self.create(user, to, None)?;
            let target = MailboxId(self.last_mailbox);
            self.transfer(MailboxId(inbox), (1, u32::MAX), target, true)?;
            return Ok(Answer::Done);
        }
        if to.starts_with(&format!("{from}/")) {
            return Err(Error::Refused(""));
        }
        let renamed = |name: &str| format!("{to}{}", &name[from.len()..]);
        let (moved, kept): (Vec<_>, Vec<_>) = there.iter().partition(|(name, _)| is_moved(name));
        moved.iter().try_for_each(|(name, _)| self.check_name(user, &renamed(name)))?;
        if moved.iter().any(|(name, _)| kept.iter().any(|(other, _)| **other == renamed(name))) {
            return Err(Error::MailboxExists);
        }
        self.add_parents(user, to);
        for (name, _) in &moved {
            self.users[user].mailboxes.remove(*name);
        }
        for (name, id) in moved {
            self.name(user, &renamed(name), *id);
        }
        Ok(Answer::Done)
    }

    fn changes_since(&self, id: MailboxId, since: u64) -> Answer {
        let Ok(mailbox) = self.mailbox(id) else { return Error::NoMailbox.into() };
        let changed = mailbox.messages.iter().filter(|(_, m)| m.mod_seq > since).map(|(uid, _)| *uid).collect();
        let gone = mailbox.gone.iter().filter(|(mod_seq, _)| *mod_seq > since);
        Answer::Changes { changed, vanished: gone.map(|(_, uid)| (*uid, *uid)).collect() }
    }

    pub(crate) fn view(&self) -> View {
        let users = self.users.iter().enumerate().map(|(n, user)| UserView {
            usage: self.usage(n),
            quota: user.limit.map(|limit| storage(self.usage(n).octets, limit)),
            mailboxes: self.shown(user).map(|(name, id)| (name.clone(), self.mailboxes[id].view(*id))).collect(),
            subscriptions: user.subscriptions.clone(),
        });
        let accounts = self.accounts.iter().map(|found| AccountView {
            ledger: found.ledger.iter().map(|(key, row)| (key.clone(), self.row(row))).collect(),
            troubles: found.troubles.clone(),
            poll_state: found.poll_state,
        });
        View { users: users.collect(), accounts: accounts.collect() }
    }

    fn row(&self, row: &Row) -> RowView {
        let is_its = |m: &Message| m.account == Some(row.of) && Some((m.content, m.body)) == row.body;
        RowView {
            state: row.state,
            listed_size: row.size,
            header_hash: [row.header; 16],
            content: row.content.map(|content| half(&hash(content))).unwrap_or_default(),
            has_body: row.body.is_some(),
            has_place: self.messages().any(|(_, m)| is_its(m)),
        }
    }

    /// Names in the order of LIST.
    pub(crate) fn names(&self, user: usize) -> Vec<MailboxName> {
        let mut names: Vec<&String> = self.shown(&self.users[user]).map(|(name, _)| name).collect();
        names.sort_by_key(|name| (*name != "INBOX", *name));
        names.into_iter().map(|name| MailboxName::new(name).expect("a name")).collect()
    }
}

impl Mailbox {
    fn view(&self, id: u32) -> MailboxView {
        let with = |flag: Flags| self.messages.values().filter(|m| m.flags & flag.bits() != 0).count() as u32;
        let size = |m: &Message| octets(m.content).len() as u32;
        let exists = self.messages.len() as u32;
        let counts = Counts {
            uid_next: self.next,
            highest_mod_seq: tributary::mail::ModSeq(self.highest),
            exists,
            unseen: exists - with(Flags::SEEN),
            deleted: with(Flags::DELETED),
            size: self.messages.values().map(|m| u64::from(size(m))).sum(),
            recent_from: self.recent,
        };
        let message = |m: &Message| MessageView {
            flags: m.flags,
            keywords: m.keywords.clone(),
            mod_seq: m.mod_seq,
            size: size(m),
            account: m.account.map(|account| account as u32 + 1),
            internal_date: crate::view::date(m.content),
        };
        let messages = self.messages.iter().map(|(uid, m)| (*uid, message(m))).collect();
        let annotations = self.annotations.clone();
        MailboxView { id, special_use: self.special_use.map(SpecialUse::attribute), counts, messages, annotations }
    }
}
