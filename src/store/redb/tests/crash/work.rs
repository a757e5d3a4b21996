//! The work that is cut short: what pollers, clients and the collector do, in an order that repeats.

use super::super::*;
use super::model::USERS;

/// Octets there are to choose from, by number.
pub(super) const CONTENTS: u8 = 100;

/// The octets of a number: small, empty, two that take many pieces, and from 12 on some that nothing makes smaller.
pub(super) fn octets(content: u8) -> Vec<u8> {
    match content {
        0 => Vec::new(),
        10.. => {
            let mut noise = u64::from(content);
            let mut next = || {
                noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (noise >> 32) as u32
            };
            (0..if content < 12 { 30_000 } else { 6_000 }).flat_map(|_| next().to_le_bytes()).collect()
        }
        _ => format!("Subject: {content}\r\n\r\n").into_bytes().repeat(usize::from(content) * 40),
    }
}

type Uids = (u32, u32);

#[derive(Clone, Debug)]
pub(super) enum Op {
    User { user: usize },
    Append { user: usize, to: &'static str, contents: &'static [u8], flags: u8 },
    Deliver { user: usize, to: &'static str, id: u8, content: u8 },
    Flags { user: usize, of: &'static str, range: Uids, op: FlagOp, flags: u8, keyword: Option<&'static str> },
    Transfer { user: usize, from: &'static str, range: Uids, to: &'static str, is_move: bool },
    Replace { user: usize, from: &'static str, uid: u32, to: &'static str, content: u8 },
    Expunge { user: usize, of: &'static str },
    Create { user: usize, name: &'static str },
    Delete { user: usize, name: &'static str },
    Rename { user: usize, from: &'static str, to: &'static str },
    Subscribe { user: usize, name: &'static str },
    Skip { user: usize, id: u8 },
    Gone { user: usize, id: u8 },
    Forget { user: usize, id: u8 },
    Trouble { user: usize, id: u8, tries: u32 },
    Failures { user: usize, failures: u32 },
    Collect,
}

impl Op {
    pub(super) const fn user(&self) -> usize {
        match self {
            Self::Collect => 0,
            Self::User { user }
            | Self::Append { user, .. }
            | Self::Deliver { user, .. }
            | Self::Flags { user, .. }
            | Self::Transfer { user, .. }
            | Self::Replace { user, .. }
            | Self::Expunge { user, .. }
            | Self::Create { user, .. }
            | Self::Delete { user, .. }
            | Self::Rename { user, .. }
            | Self::Subscribe { user, .. }
            | Self::Skip { user, .. }
            | Self::Gone { user, .. }
            | Self::Forget { user, .. }
            | Self::Trouble { user, .. }
            | Self::Failures { user, .. } => *user,
        }
    }
}

/// The work. Operations of one step are deliveries that are submitted together.
#[rustfmt::skip]
pub(super) fn steps() -> Vec<Vec<Op>> {
    const SEEN: u8 = Flags::SEEN.bits();
    const DELETED: u8 = Flags::DELETED.bits();
    let deliver = |user, id, content| Op::Deliver { user, to: "INBOX", id, content };
    let flag = |user, of, range, flags| Op::Flags { user, of, range, op: FlagOp::Add, flags, keyword: None };
    let copy = |user, from, range, to| Op::Transfer { user, from, range, to, is_move: false };
    let moved = |user, from, range, to| Op::Transfer { user, from, range, to, is_move: true };
    vec![
        vec![Op::User { user: 0 }],
        vec![deliver(0, 1, 1), deliver(0, 2, 2), deliver(0, 3, 10)],
        vec![Op::Append { user: 0, to: "Sent", contents: &[3], flags: SEEN }],
        vec![flag(0, "INBOX", (1, 2), SEEN)],
        vec![Op::User { user: 1 }],
        vec![Op::Trouble { user: 1, id: 2, tries: 3 }],
        vec![Op::Skip { user: 1, id: 3 }],
        vec![deliver(1, 1, 1), deliver(1, 2, 4), deliver(1, 3, 5), deliver(1, 1, 1)],
        vec![Op::Append { user: 0, to: "Drafts", contents: &[10, 11, 3, 3, 0], flags: 0 }],
        vec![moved(0, "INBOX", (1, 2), "Archive")],
        vec![Op::Gone { user: 0, id: 1 }],
        vec![copy(0, "Drafts", (1, 3), "Trash")],
        vec![flag(0, "Drafts", (1, 2), DELETED)],
        vec![Op::Expunge { user: 0, of: "Drafts" }],
        vec![Op::Create { user: 0, name: "Work/2024" }],
        vec![Op::Flags { user: 0, of: "Archive", range: (1, 9), op: FlagOp::Replace, flags: SEEN, keyword: Some("$Work") }],
        vec![moved(0, "Archive", (1, 1), "Work/2024")],
        vec![flag(0, "Trash", (1, 9), DELETED)],
        vec![Op::Expunge { user: 0, of: "Trash" }],
        vec![Op::Collect],
        vec![Op::Append { user: 1, to: "INBOX", contents: &[11, 6], flags: SEEN }],
        vec![Op::Failures { user: 1, failures: 4 }],
        vec![Op::Rename { user: 0, from: "Work/2024", to: "Old/Work" }],
        vec![deliver(0, 4, 7), deliver(0, 5, 10), deliver(0, 4, 7)],
        vec![Op::Rename { user: 0, from: "INBOX", to: "Before" }],
        vec![Op::Subscribe { user: 0, name: "Before" }],
        vec![deliver(0, 6, 8)],
        vec![Op::Delete { user: 0, name: "Old/Work" }],
        vec![Op::Forget { user: 0, id: 2 }],
        vec![flag(1, "INBOX", (1, 4), DELETED)],
        vec![Op::Expunge { user: 1, of: "INBOX" }],
        vec![Op::Collect],
        vec![Op::Create { user: 0, name: "Old/Work" }],
        vec![copy(1, "INBOX", (1, 9), "Archive")],
        vec![Op::Append { user: 1, to: "Archive", contents: &[9], flags: 0 }],
        vec![Op::Replace { user: 1, from: "Archive", uid: 1, to: "Archive", content: 11 }],
        vec![Op::Replace { user: 1, from: "Archive", uid: 1, to: "Drafts", content: 2 }],
        vec![Op::Replace { user: 1, from: "Archive", uid: 2, to: "Drafts", content: 6 }],
        vec![deliver(1, 7, 4), deliver(1, 8, 9)],
    ]
}

/// Does the operations of one step; what each of them came to. A refusal that is no failure changed nothing and had to:
/// the model agrees.
pub(super) async fn run(store: &Store, step: &[Op]) -> Vec<Result<()>> {
    let (mut submitted, mut outcomes) = (Vec::new(), Vec::new());
    for op in step {
        submitted.push(match op {
            Op::Deliver { user, to, id, content } => submit(store, *user, to, *id, *content).await.map(Some),
            other => alone(store, other).await.map(|()| None),
        });
    }
    for answer in submitted {
        let outcome = match answer {
            Ok(Some(answer)) => answer.await.map(drop),
            Ok(None) => Ok(()),
            Err(e) => Err(e),
        };
        outcomes.push(match outcome {
            Err(e) if !e.is_failure() && !matches!(e, Error::Closed) => Ok(()),
            outcome => outcome,
        });
    }
    outcomes
}

async fn message(store: &Store, content: u8, flags: u8, account: Option<AccountId>) -> Result<NewMessage> {
    let octets = octets(content);
    let mut writer = store.body_writer().await?;
    writer.write(&octets).await?;
    let body = writer.finish(record(&[content])).await?;
    let flags = FlagList { flags: Flags::from_bits(flags), keywords: Vec::new() };
    Ok(NewMessage { body, flags, internal_date: InternalDate::default(), account })
}

async fn submit(
    store: &Store,
    user: usize,
    to: &str,
    id: u8,
    content: u8,
) -> Result<impl Future<Output = Result<Delivered>> + use<>> {
    let mailbox = find(store, user, to).await?;
    let account = store.ensure_account(of(user), "isp").await?;
    store
        .submit(Delivery {
            account,
            mailbox,
            message: message(store, content, 0, Some(account)).await?,
            unique_id: Some(vec![id]),
            listed_size: octets(content).len() as u64,
            header_hash: [id; 16],
            delete_upstream: true,
            reused: false,
            merge: None,
        })
        .await
}

const fn of(user: usize) -> UserId {
    UserId(user as u32 + 1)
}

async fn find(store: &Store, user: usize, name: &str) -> Result<MailboxId> {
    Ok(store.mailbox(of(user), &super::super::name(name)).await?.ok_or(Error::NoMailbox)?.id)
}

async fn alone(store: &Store, op: &Op) -> Result<()> {
    let user = of(op.user());
    match op {
        Op::User { user } => {
            let id = store.ensure_user(USERS[*user]).await?;
            let account = store.ensure_account(id, "isp").await?;
            assert_eq!((id.0, account.0), (*user as u32 + 1, *user as u32 + 1));
        }
        Op::Append { user, to, contents, flags } => {
            let mailbox = find(store, *user, to).await?;
            let mut messages = Vec::new();
            for content in *contents {
                messages.push(message(store, *content, *flags, None).await?);
            }
            store.append(mailbox, messages).await?;
        }
        Op::Flags { user, of, range, op, flags, keyword } => {
            let keywords = keyword.iter().map(|k| Keyword::new(k).expect("a keyword")).collect();
            let list = FlagList { flags: Flags::from_bits(*flags), keywords };
            let change = FlagChange { op: *op, list, unchanged_since: None };
            store.set_flags(find(store, *user, of).await?, set(&[*range]), change).await?;
        }
        Op::Transfer { user, from, range, to, is_move } => {
            let (from, to) = (find(store, *user, from).await?, find(store, *user, to).await?);
            match is_move {
                true => store.move_messages(from, set(&[*range]), to).await?,
                false => store.copy(from, set(&[*range]), to).await?,
            };
        }
        Op::Replace { user, from, uid, to, content } => {
            let (from, to) = (find(store, *user, from).await?, find(store, *user, to).await?);
            let new = message(store, *content, 0, None).await?;
            store.replace(from, Uid::new(*uid).expect("a UID"), to, new).await?;
        }
        Op::Expunge { user, of } => drop(store.expunge(find(store, *user, of).await?, None).await?),
        Op::Create { name, .. } => drop(store.create_mailbox(user, &super::super::name(name), None).await?),
        Op::Delete { name, .. } => store.delete_mailbox(user, &super::super::name(name)).await?,
        Op::Rename { from, to, .. } => {
            store.rename_mailbox(user, &super::super::name(from), &super::super::name(to)).await?;
        }
        Op::Subscribe { name, .. } => store.set_subscribed(user, &super::super::name(name), true).await?,
        Op::Skip { id, .. } => {
            let skip = LedgerChange::Skip { unique_id: vec![*id], listed_size: 5, header_hash: [0; 16] };
            store.change_ledger(AccountId(user.0), vec![skip]).await?;
        }
        Op::Gone { id, .. } => {
            let gone = LedgerChange::SetState(vec![*id], LedgerState::Gone);
            store.change_ledger(AccountId(user.0), vec![gone]).await?;
        }
        Op::Forget { id, .. } => {
            store.change_ledger(AccountId(user.0), vec![LedgerChange::Forget(vec![*id])]).await?;
        }
        Op::Trouble { id, tries, .. } => {
            let trouble = Trouble { tries: *tries, ..Trouble::default() };
            store.set_troubles(AccountId(user.0), vec![(vec![*id], Some(trouble))]).await?;
        }
        Op::Failures { failures, .. } => {
            let failures = *failures;
            store.change_poll_state(AccountId(user.0), move |state| state.failures = failures).await?;
        }
        Op::Deliver { .. } => unreachable!("submitted"),
        Op::Collect => drop(store.collect().await?),
    }
    Ok(())
}
