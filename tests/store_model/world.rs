//! A store under test: operations on it, and what can be seen of it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tributary::mail::{
    AccountId, BodyId, FlagList, FlagOp, Flags, InternalDate, Keyword, MailboxId, MailboxName, ModSeq, SpecialUse, Uid,
    UidSet, UserId,
};
use tributary::store::{
    AccountView as StoreView, BodyCursor, Counts, Delivered, Delivery, Error, FlagChange, LedgerChange, NewMessage,
    Place, PreparedBody, Record, Settings, Snapshot, Store, Trouble,
};

use crate::client::Client;
use crate::model::{Model, TAKEN};
use crate::op::{ACCOUNTS, Call, Change, KEYWORDS, NAMES, New, Op, USERS};
use crate::view::{
    AccountView, Answer, MailboxView, MessageView, NOW, RowView, UserView, View, annotation, change_poll_state, date,
    key, octets, state,
};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Files,
    Memory,
}

pub(crate) struct World {
    /// With files: where they are.
    dir: Option<tempfile::TempDir>,
    store: Option<Store>,
    users: Vec<UserId>,
    accounts: Vec<AccountId>,
    /// Bodies that no message has yet, with what is in them.
    held: VecDeque<(u8, PreparedBody)>,
    clients: BTreeMap<MailboxId, Client>,
    /// UIDVALIDITY of each mailbox there has been (I4).
    validities: BTreeMap<MailboxId, u32>,
    /// Of messages that there have been.
    bodies: BTreeSet<BodyId>,
}

fn name(index: usize) -> MailboxName {
    MailboxName::new(NAMES[index]).unwrap()
}

fn uid_set(range: (u32, u32)) -> UidSet {
    [range].into_iter().collect()
}

fn flag_list(flags: u8, keywords: &[usize]) -> FlagList {
    let keywords = keywords.iter().map(|k| Keyword::new(KEYWORDS[*k]).unwrap()).collect();
    FlagList { flags: Flags::from_bits(flags), keywords }
}

fn open(dir: Option<&tempfile::TempDir>) -> Store {
    match dir {
        Some(dir) => {
            let (data_dir, gc_grace) = (dir.path().to_owned(), Duration::ZERO);
            Store::open(&Settings { data_dir, cache_bytes: 8 << 20, gc_grace }).unwrap()
        }
        None => Store::in_memory(Duration::ZERO).unwrap(),
    }
}

type Made<'a> = Pin<Box<dyn Future<Output = Result<Answer, Error>> + 'a>>;

/// Polls all of them in this order until each is done: what they queue is queued in this order.
async fn in_order(mut calls: Vec<Made<'_>>) -> Vec<Answer> {
    let mut answers: Vec<Option<Answer>> = calls.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (call, answer) in calls.iter_mut().zip(&mut answers).filter(|(_, answer)| answer.is_none()) {
            if let Poll::Ready(made) = call.as_mut().poll(context) {
                *answer = Some(made.unwrap_or_else(Answer::from));
            }
        }
        if answers.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    answers.into_iter().flatten().collect()
}

impl World {
    /// With two users, their accounts, and a message of the second user that leaves little room for keywords.
    pub(crate) async fn new(kind: Kind) -> Self {
        let dir = matches!(kind, Kind::Files).then(|| tempfile::tempdir().unwrap());
        let store = open(dir.as_ref());
        let (mut users, mut accounts) = (Vec::new(), Vec::new());
        for n in 0..USERS {
            users.push(store.ensure_user(&format!("u{n}")).await.unwrap());
        }
        for (n, user) in ACCOUNTS.iter().enumerate() {
            accounts.push(store.ensure_account(users[*user], &format!("a{n}")).await.unwrap());
        }
        let (held, bodies) = (VecDeque::new(), BTreeSet::new());
        let (clients, validities) = (BTreeMap::new(), BTreeMap::new());
        let world = Self { dir, store: Some(store), users, accounts, held, clients, validities, bodies };
        let mut first = world.message(&New { content: 0, flags: 0, keywords: Vec::new(), account: None }).await;
        first.flags.keywords = (0..TAKEN).map(|n| Keyword::new(&format!("taken{n}")).unwrap()).collect();
        let inbox = world.store().mailbox(world.users[1], &MailboxName::inbox()).await.unwrap().unwrap().id;
        world.store().append(inbox, vec![first]).await.unwrap();
        world
    }

    fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    async fn body(&self, content: u8) -> PreparedBody {
        let mut writer = self.store().body_writer().await.unwrap();
        writer.write(&octets(content)).await.unwrap();
        writer.finish(Record { envelope: vec![content], ..Record::default() }).await.unwrap()
    }

    async fn message(&self, new: &New) -> NewMessage {
        self.with_body(new, self.body(new.content).await)
    }

    fn with_body(&self, new: &New, body: PreparedBody) -> NewMessage {
        let internal_date = InternalDate { unix: date(new.content), offset_minutes: 60 };
        let account = new.account.map(|account| self.accounts[account]);
        NewMessage { body, flags: flag_list(new.flags, &new.keywords), internal_date, account }
    }

    /// Does what the operation says.
    pub(crate) async fn make(&mut self, op: &Op<MailboxId>) -> Vec<Answer> {
        match op {
            Op::Calls(calls) => return self.calls(calls).await,
            Op::ChangesSince { of, since } => return vec![self.changes_since(*of, *since).await],
            Op::ClaimRecent { of } => return vec![self.claim_recent(*of).await],
            Op::Hold { content } => {
                let body = self.body(*content).await;
                self.held.push_back((*content, body));
            }
            Op::Abandon => drop(self.held.pop_front()),
            Op::HalfWritten { content } => {
                let mut writer = self.store().body_writer().await.unwrap();
                writer.write(&octets(*content)).await.unwrap();
            }
            Op::Collect => {
                self.store().collect().await.unwrap();
                self.compare_collected().await;
            }
            Op::Quota { user, limit } => {
                let limit = limit.map(|limit| u64::from(limit) * 1000);
                self.store().set_quota(self.users[*user], limit).await.unwrap();
            }
            Op::Reopen { cleanly } => self.reopen(*cleanly).await,
        }
        Vec::new()
    }

    /// A store in memory is never closed.
    async fn reopen(&mut self, cleanly: bool) {
        self.held.clear();
        let Some(dir) = &self.dir else { return };
        let mut marks = Vec::new();
        // To take what is below no UID says what is recent, of views that are not shown as well.
        marks.extend(self.clients.keys().map(|id| (*id, self.store().claim_recent(*id, 0))));
        self.clients.clear();
        let store = self.store.take().unwrap();
        let quotas: Vec<_> = self.users.iter().map(|user| store.quota(*user)).collect();
        if cleanly {
            store.close().await.unwrap();
            assert!(matches!(store.mailboxes(self.users[0]).await, Err(Error::Closed)));
        }
        drop(store);
        self.store = Some(open(Some(dir)));
        for (n, user) in self.users.iter().enumerate() {
            assert_eq!(self.store().ensure_user(&format!("u{n}")).await.unwrap(), *user);
        }
        for (n, account) in self.accounts.iter().enumerate() {
            let user = self.users[ACCOUNTS[n]];
            assert_eq!(self.store().ensure_account(user, &format!("a{n}")).await.unwrap(), *account);
        }
        for (user, quota) in self.users.iter().zip(quotas) {
            self.store()
                .set_quota(*user, quota.and_then(|quota| quota.storage).map(|share| share.limit))
                .await
                .unwrap();
        }
        for (mailbox, mark) in marks {
            // Marks are durable when the store is closed; else a message may be shown as recent again.
            let claimed = self.store().claim_recent(mailbox, mark);
            assert!(if cleanly { claimed == mark } else { claimed <= mark }, "{claimed} for {mark}");
        }
    }

    async fn calls(&mut self, calls: &[Call<MailboxId>]) -> Vec<Answer> {
        let mut prepared = Vec::new();
        for call in calls {
            let mut messages = Vec::new();
            for new in call.messages() {
                messages.push(self.message(new).await);
            }
            if matches!(call, Call::AppendHeld { .. })
                && let Some((content, body)) = self.held.pop_front()
            {
                let new = New { content, flags: 0, keywords: Vec::new(), account: None };
                messages.push(self.with_body(&new, body));
            }
            prepared.push(messages);
        }
        in_order(calls.iter().zip(prepared).map(|(call, messages)| self.call(call, messages)).collect()).await
    }

    fn call<'a>(&'a self, call: &'a Call<MailboxId>, mut messages: Vec<NewMessage>) -> Made<'a> {
        let store = self.store();
        Box::pin(async move {
            match call {
                Call::Append { to, .. } => {
                    let appended = store.append(*to, messages).await?;
                    self.assert_validity(*to, appended.uid_validity.value());
                    return Ok(Answer::Uids(appended.uids.iter().map(|uid| uid.value()).collect()));
                }
                Call::AppendHeld { .. } if messages.is_empty() => {}
                Call::AppendHeld { to } => {
                    let appended = store.append(*to, messages).await?;
                    return Ok(Answer::Uids(appended.uids.iter().map(|uid| uid.value()).collect()));
                }
                Call::Deliver { account, to, key: n, size, header, delete, reused, merge, .. } => {
                    let Some(message) = messages.pop() else { return Ok(Answer::Done) };
                    let delivery = Delivery {
                        account: self.accounts[*account],
                        mailbox: *to,
                        message,
                        unique_id: n.map(key),
                        listed_size: u64::from(*size),
                        header_hash: [*header; 16],
                        delete_upstream: *delete,
                        reused: *reused,
                        merge: merge.map(|n| [n; 16]),
                    };
                    return Ok(match store.deliver(delivery).await? {
                        Delivered::Stored(uid) => Answer::Delivered(Some(uid.value())),
                        Delivered::Merged(uid) => Answer::Merged(uid.value()),
                        Delivered::Duplicate => Answer::Delivered(None),
                    });
                }
                Call::Flags { of, range, op, flags, keywords, since } => {
                    let op = [FlagOp::Add, FlagOp::Remove, FlagOp::Replace][usize::from(*op)];
                    let list = flag_list(*flags, keywords);
                    let change = FlagChange { op, list, unchanged_since: since.map(ModSeq) };
                    let stored = store.set_flags(*of, uid_set(*range), change).await?;
                    let (applied, modified, missing) = (stored.applied, stored.modified, stored.missing);
                    return Ok(Answer::Flags { applied, modified, missing });
                }
                Call::Copy { from, range, to } | Call::Move { from, range, to } => {
                    let uids = uid_set(*range);
                    let copied = match call {
                        Call::Copy { .. } => store.copy(*from, uids, *to).await?,
                        _ => store.move_messages(*from, uids, *to).await?,
                    };
                    self.assert_validity(*to, copied.uid_validity.value());
                    let pairs = copied.pairs.iter().map(|(from, to)| (from.value(), to.value())).collect();
                    return Ok(Answer::Copied { pairs, missing: copied.missing });
                }
                Call::Replace { from, old, to, .. } => {
                    let (Some(new), Some(old)) = (messages.pop(), Uid::new(*old)) else { return Ok(Answer::Done) };
                    let Some(appended) = store.replace(*from, old, *to, new).await? else { return Ok(Answer::Done) };
                    self.assert_validity(*to, appended.uid_validity.value());
                    return Ok(Answer::Uids(appended.uids.iter().map(|uid| uid.value()).collect()));
                }
                Call::Expunge { of, only } => {
                    return Ok(Answer::Expunged(store.expunge(*of, only.map(uid_set)).await?));
                }
                Call::Create { place: (user, n), special_use } => {
                    let special_use = special_use.map(|n| SpecialUse::ALL[n].0);
                    let made = store.create_mailbox(self.users[*user], &name(*n), special_use).await?;
                    return Ok(Answer::Created(made.0));
                }
                Call::Delete { place: (user, n) } => store.delete_mailbox(self.users[*user], &name(*n)).await?,
                Call::Rename { user, from, to } => {
                    store.rename_mailbox(self.users[*user], &name(*from), &name(*to)).await?;
                }
                Call::Views { user, views } => {
                    let view =
                        |(account, n): &(usize, usize)| StoreView { account: self.accounts[*account], name: name(*n) };
                    let taken = store.set_account_views(self.users[*user], views.iter().map(view).collect()).await?;
                    return Ok(Answer::Names(taken.iter().map(ToString::to_string).collect()));
                }
                Call::Subscribe { place: (user, n), on } => {
                    store.set_subscribed(self.users[*user], &name(*n), *on).await?;
                }
                Call::Annotate { of, entry, value } => {
                    let change = vec![(annotation(*entry), value.map(|value| vec![value]))];
                    store.set_metadata(self.users[0], Some(*of), change).await?;
                }
                Call::Ledger { account, changes } => {
                    store.change_ledger(self.accounts[*account], changes.iter().map(ledger_change).collect()).await?;
                }
                Call::Troubles { account, rows } => {
                    let trouble = |(tries, at)| Trouble {
                        tries: u32::from(tries),
                        last_try: i64::from(at),
                        is_quarantined: false,
                    };
                    let rows = rows.iter().map(|(n, row): &(u8, Option<(u8, u8)>)| (key(*n), row.map(trouble)));
                    store.set_troubles(self.accounts[*account], rows.collect()).await?;
                }
                Call::Quarantine { account, key: n, to, .. } => {
                    store.quarantine(self.accounts[*account], key(*n), *to, messages).await?;
                }
                Call::PollState { account, value } => {
                    let (account, value) = (self.accounts[*account], *value);
                    let state = store.change_poll_state(account, move |state| change_poll_state(state, value));
                    return Ok(Answer::Poll(state.await?));
                }
            }
            Ok(Answer::Done)
        })
    }

    /// A mailbox that was known before the operation has the UIDVALIDITY it had.
    fn assert_validity(&self, mailbox: MailboxId, found: u32) {
        assert_eq!(self.validities.get(&mailbox).copied().unwrap_or(found), found);
    }

    /// Nothing of it is there, and nothing else vanished.
    async fn changes_since(&self, mailbox: MailboxId, since: u64) -> Answer {
        let delta = match self.store().changes_since(mailbox, ModSeq(since)).await {
            Ok(delta) => delta,
            Err(e) => return e.into(),
        };
        assert!(delta.appended.is_empty());
        let snapshot = self.store().watch(mailbox).await.unwrap().current().unwrap();
        assert!(snapshot.iter().all(|m| !delta.vanished.contains_uid(m.uid)), "a message that is there vanished");
        let highest = delta.vanished.ranges().last().map_or(0, |range| range.1);
        assert!(highest < snapshot.counts.uid_next, "a UID vanished that was never given out");
        let changed = delta.changed.iter().map(|uid| uid.value()).collect();
        Answer::Changes { changed, vanished: delta.vanished }
    }

    /// A session that selects the mailbox takes what is recent.
    async fn claim_recent(&self, mailbox: MailboxId) -> Answer {
        let next = match self.store().watch(mailbox).await {
            Ok(watch) => watch.current().unwrap().counts.uid_next,
            Err(_) => 1,
        };
        Answer::Recent(self.store().claim_recent(mailbox, next))
    }

    /// What no message has is gone, and what one has is there.
    async fn compare_collected(&self) {
        let mut alive = BTreeSet::new();
        for user in &self.users {
            for mailbox in self.store().mailboxes(*user).await.unwrap() {
                let snapshot = self.store().watch(mailbox.id).await.unwrap().current().unwrap();
                alive.extend(snapshot.iter().map(|m| m.body));
            }
        }
        let bodies = &self.bodies | &alive;
        let read = self.store().read(move |reader| {
            for body in bodies {
                let is_there = reader.read_body(&mut BodyCursor::new(body, 0..1), &mut Vec::new(), 1)?;
                assert_eq!((is_there, reader.record(body)?.is_some()), (alive.contains(&body), alive.contains(&body)));
            }
            Ok(())
        });
        read.await.unwrap();
    }

    /// The store holds what the model holds, and clients that follow differences know it.
    pub(crate) async fn compare(&mut self, model: &Model) {
        assert_eq!(self.store().check().unwrap(), Vec::<String>::new());
        assert_eq!(self.view().await, model.view());
        let last = self.validities.values().max().copied().unwrap_or(0);
        let mut there = BTreeSet::new();
        for (n, user) in self.users.clone().into_iter().enumerate() {
            let found = self.store().mailboxes(user).await.unwrap();
            let names: Vec<MailboxName> = found.iter().map(|m| m.name.clone()).collect();
            assert_eq!(names, model.names(n));
            for mailbox in found {
                assert_eq!(self.store().mailbox(user, &mailbox.name).await.unwrap().map(|m| m.id), Some(mailbox.id));
                there.insert(mailbox.id);
                let validity = mailbox.uid_validity.value();
                match self.validities.insert(mailbox.id, validity) {
                    Some(before) => assert_eq!(before, validity),
                    None => assert!(validity > last),
                }
            }
        }
        there.extend(model.hidden());
        for (id, client) in &mut self.clients {
            assert_eq!(client.is_gone(), !there.contains(id));
        }
        self.clients.retain(|id, _| there.contains(id));
        for id in there {
            let watch = self.store().watch(id).await.unwrap();
            let client = self.clients.entry(id).or_insert_with(|| Client::new(watch));
            let snapshot = client.follow();
            let validity = snapshot.uid_validity.value();
            // A view may be made and hidden at one time.
            assert_eq!(*self.validities.entry(id).or_insert(validity), validity);
            self.bodies.extend(snapshot.iter().map(|m| m.body));
        }
    }

    async fn view(&self) -> View {
        let mut view = View::default();
        for user in &self.users {
            let mut mailboxes = BTreeMap::new();
            for mailbox in self.store().mailboxes(*user).await.unwrap() {
                let snapshot = self.store().watch(mailbox.id).await.unwrap().current().unwrap();
                // The mark of what is recent is not a change to be told of.
                let recent_from = mailbox.counts.recent_from;
                assert_eq!(Counts { recent_from, ..snapshot.counts }, mailbox.counts);
                let found = MailboxView {
                    id: mailbox.id.0,
                    special_use: mailbox.special_use.map(SpecialUse::attribute),
                    counts: mailbox.counts,
                    messages: messages(&snapshot),
                    annotations: self.store().metadata(*user, Some(mailbox.id)).await.unwrap(),
                };
                mailboxes.insert(mailbox.name.to_string(), found);
            }
            let subscriptions = self.store().subscriptions(*user).await.unwrap();
            let subscriptions = subscriptions.iter().map(ToString::to_string).collect();
            let (usage, quota) = (self.store().usage(*user).await.unwrap(), self.store().quota(*user));
            view.users.push(UserView { usage, quota, mailboxes, subscriptions });
        }
        for account in &self.accounts {
            view.accounts.push(self.account(*account).await);
        }
        view
    }

    async fn account(&self, account: AccountId) -> AccountView {
        let (mut view, store) = (AccountView::default(), self.store());
        for (key, row) in store.ledger(account).await.unwrap() {
            assert_eq!(store.content_of(account, key.clone()).await.unwrap(), row.content);
            if let Place::At(mailbox, uid) = row.place {
                let snapshot = store.watch(mailbox).await.unwrap().current().unwrap();
                let message = snapshot.find(uid).unwrap();
                // One that two accounts were given is of the first of them.
                let of = row.merged.unwrap_or(account);
                assert_eq!((Some(message.body), message.account), (row.body, Some(of)));
            }
            let found = RowView {
                state: row.state,
                listed_size: row.listed_size,
                header_hash: row.header_hash,
                content: row.content,
                has_body: row.body.is_some(),
                has_place: matches!(row.place, Place::At(..)),
            };
            view.ledger.insert(key, found);
        }
        let troubles = store.troubles(account).await.unwrap();
        view.troubles = troubles
            .into_iter()
            .map(|(key, found)| (key, (found.tries, found.last_try.min(NOW), found.is_quarantined)))
            .collect();
        view.poll_state = store.poll_state(account).await.unwrap();
        view
    }

    pub(crate) async fn compare_octets(&self, model: &Model) {
        let mut messages = (0, 0);
        for user in &self.users {
            for mailbox in self.store().mailboxes(*user).await.unwrap() {
                if mailbox.view.is_none() {
                    messages.0 += u64::from(mailbox.counts.exists);
                    messages.1 += mailbox.counts.size;
                }
                let snapshot = self.store().watch(mailbox.id).await.unwrap().current().unwrap();
                let bodies: Vec<_> = snapshot.iter().map(|m| m.body).zip(model.contents(mailbox.id)).collect();
                let read = self.store().read(move |reader| {
                    for (body, content) in bodies {
                        let (mut cursor, mut out) = (BodyCursor::new(body, 0..u64::MAX), Vec::new());
                        assert!(reader.read_body(&mut cursor, &mut out, usize::MAX)?);
                        assert!(out == octets(content));
                        assert_eq!(reader.record(body)?.unwrap().envelope(), [content]);
                    }
                    Ok(())
                });
                read.await.unwrap();
            }
        }
        assert_eq!(self.store().check_octets().unwrap(), Vec::<String>::new());
        let stats = self.store().stats(&|_| {}).unwrap();
        assert_eq!((stats.total.messages, stats.total.logical), messages);
        assert_eq!(self.store().sizes().await.unwrap().messages, messages.0);
    }
}

fn messages(snapshot: &Snapshot) -> BTreeMap<u32, MessageView> {
    for (index, m) in snapshot.iter().enumerate() {
        assert_eq!((snapshot.position(m.uid), snapshot.get(index)), (Ok(index), Some(m)));
    }
    let middle = snapshot.len() / 2;
    assert!(snapshot.iter_range(middle..snapshot.len()).eq(snapshot.iter().skip(middle)));
    let keyword = |row: usize| snapshot.keywords[row].as_str().to_ascii_lowercase();
    let message = |m: &tributary::mail::Message| MessageView {
        flags: m.flags.bits(),
        keywords: m.keywords.iter().map(keyword).collect(),
        mod_seq: m.mod_seq.0,
        size: m.size,
        account: m.account.map(|account| account.0),
        internal_date: m.internal_date.unix,
    };
    snapshot.iter().map(|m| (m.uid.value(), message(m))).collect()
}

fn ledger_change(change: &Change) -> LedgerChange {
    match *change {
        Change::SetState(n, to) => LedgerChange::SetState(key(n), state(to)),
        Change::Forget(n) => LedgerChange::Forget(key(n)),
        Change::Skip { key: n, size, header } => {
            LedgerChange::Skip { unique_id: key(n), listed_size: u64::from(size), header_hash: [header; 16] }
        }
        Change::Resize(n, size) => LedgerChange::Resize(key(n), u64::from(size)),
        Change::EndFirstPoll => LedgerChange::EndFirstPoll,
        Change::Adopt(from, to) => LedgerChange::Adopt { from: key(from), to: key(to) },
    }
}
