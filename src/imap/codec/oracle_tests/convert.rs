//! The oracle's commands as ours; `None` for what we refuse on purpose, or do not have.

use imap_codec::imap_types::command::{CommandBody, FetchModifier, SelectParameter, StoreModifier};
use imap_codec::imap_types::core::IString;
use imap_codec::imap_types::extensions::binary::LiteralOrLiteral8;
use imap_codec::imap_types::fetch::{MacroOrMessageDataItemNames, MessageDataItemName, Part, Section};
use imap_codec::imap_types::flag::{Flag, StoreResponse, StoreType};
use imap_codec::imap_types::mailbox::{ListMailbox, Mailbox};
use imap_codec::imap_types::sequence::{SeqOrUid, Sequence, SequenceSet as Set};
use imap_codec::imap_types::status::StatusDataItemName;

use crate::imap::codec::command::{self as ours, Command, FetchItem, Name, SectionText, StatusItem};
use crate::imap::codec::utf7;
use crate::mail::{FlagList, FlagOp, Flags, InternalDate, Keyword, MailboxName, ModSeq, SequenceSet, SetNumber};
use crate::secret::Secret;

mod keys;

pub(super) fn command(body: &CommandBody<'_>) -> Option<Command> {
    Some(match body {
        CommandBody::Capability => Command::Capability,
        CommandBody::Noop => Command::Noop,
        CommandBody::Logout => Command::Logout,
        CommandBody::StartTLS => Command::StartTls,
        CommandBody::Idle => Command::Idle,
        CommandBody::Namespace => Command::Namespace,
        CommandBody::Check => Command::Check,
        CommandBody::Close => Command::Close,
        CommandBody::Unselect => Command::Unselect,
        CommandBody::Expunge => Command::Expunge(None),
        CommandBody::ExpungeUid { sequence_set } => Command::Expunge(Some(set(sequence_set))),
        CommandBody::Id { parameters } => {
            // The oracle knows no limit (RFC 2971 section 3.3).
            let long = |(field, value): &ours::IdPair| {
                field.len() > 30 || value.as_ref().is_some_and(|value| value.len() > 1024)
            };
            if parameters.iter().flatten().map(pair).any(|pair| long(&pair)) {
                return None;
            }
            Command::Id(parameters.as_ref().map(|pairs| pairs.iter().map(pair).collect()))
        }
        // The oracle reads a trailing space as an empty response.
        CommandBody::Authenticate { initial_response: Some(initial), .. } if initial.declassify().is_empty() => {
            return None;
        }
        CommandBody::Authenticate { mechanism, initial_response } => Command::Authenticate {
            mechanism: mechanism.as_ref().to_ascii_uppercase(),
            initial: initial_response.as_ref().map(|initial| initial.declassify().to_vec()),
        },
        CommandBody::Login { username, password } => Command::Login {
            user: username.as_ref().to_vec(),
            password: Secret::new(std::str::from_utf8(password.declassify().as_ref()).ok()?),
        },
        CommandBody::Enable { capabilities } => {
            Command::Enable(capabilities.as_ref().iter().map(|name| name.to_string().to_ascii_uppercase()).collect())
        }
        CommandBody::Select { mailbox, parameters } => Command::Select(select(mailbox, parameters)?),
        CommandBody::Examine { mailbox, parameters } => Command::Examine(select(mailbox, parameters)?),
        CommandBody::Create { mailbox } => {
            Command::Create(ours::CreateArgs { mailbox: name(mailbox), supplied: None, special_use: ours::Use::None })
        }
        CommandBody::Delete { mailbox } => Command::Delete(name(mailbox), None),
        CommandBody::Rename { from, to } => Command::Rename(name(from), name(to), None),
        CommandBody::Subscribe { mailbox } => Command::Subscribe(name(mailbox)),
        CommandBody::Unsubscribe { mailbox } => Command::Unsubscribe(name(mailbox)),
        CommandBody::List { reference, mailbox_wildcard } => Command::List(list(reference, mailbox_wildcard)),
        CommandBody::Lsub { reference, mailbox_wildcard } => Command::Lsub(list(reference, mailbox_wildcard)),
        // The oracle takes none, and the grammar wants one.
        CommandBody::Status { item_names, .. } if item_names.is_empty() => return None,
        CommandBody::Status { mailbox, item_names } => Command::Status(name(mailbox), unique(item_names, status_item)?),
        CommandBody::GetQuota { root } => Command::GetQuota(root.as_ref().to_vec()),
        CommandBody::GetQuotaRoot { mailbox } => Command::GetQuotaRoot(name(mailbox)),
        CommandBody::SetQuota { root, .. } => Command::SetQuota(root.as_ref().to_vec()),
        _ => return message_command(body),
    })
}

fn message_command(body: &CommandBody<'_>) -> Option<Command> {
    Some(match body {
        CommandBody::Append { mailbox, flags, date, message } => {
            let size = match message {
                LiteralOrLiteral8::Literal(message) => message.as_ref().len() as u64,
                LiteralOrLiteral8::Literal8(message) => message.data.len() as u64,
            };
            let message = ours::AppendMessage {
                flags: flag_list(flags)?,
                date: date.as_ref().map(|date| InternalDate {
                    unix: date.as_ref().timestamp(),
                    offset_minutes: i16::try_from(date.as_ref().offset().local_minus_utc() / 60).expect("a zone"),
                }),
                parts: vec![ours::AppendPart::Literal(size)],
                catenated: false,
            };
            Command::Append(ours::AppendArgs { mailbox: name(mailbox), messages: vec![message] })
        }
        CommandBody::Search { charset, criteria, uid } => Command::Search(ours::SearchArgs {
            uid: *uid,
            returns: None,
            charset: charset.as_ref().map(|charset| charset.as_ref().to_ascii_uppercase()),
            key: keys::all(criteria.as_ref())?,
        }),
        CommandBody::Fetch { sequence_set, macro_or_item_names, uid, modifiers } => Command::Fetch(ours::FetchArgs {
            uid: *uid,
            set: set(sequence_set),
            items: match macro_or_item_names {
                MacroOrMessageDataItemNames::Macro(name) => unique(&name.expand(), item)?,
                // The grammar has no empty list; the oracle writes and reads one.
                MacroOrMessageDataItemNames::MessageDataItemNames(names) if names.is_empty() => return None,
                MacroOrMessageDataItemNames::MessageDataItemNames(names) => unique(names, item)?,
            },
            changed_since: match modifiers.as_slice() {
                [] => None,
                [FetchModifier::ChangedSince(n)] => Some(ModSeq(n.get())),
                [FetchModifier::ChangedSince(n), FetchModifier::Vanished]
                | [FetchModifier::Vanished, FetchModifier::ChangedSince(n)]
                    if *uid =>
                {
                    Some(ModSeq(n.get()))
                }
                _ => return None,
            },
            vanished: modifiers.contains(&FetchModifier::Vanished),
            partial: None,
        }),
        CommandBody::Store { sequence_set, kind, response, flags, uid, modifiers } => Command::Store(ours::StoreArgs {
            uid: *uid,
            set: set(sequence_set),
            op: match kind {
                StoreType::Add => FlagOp::Add,
                StoreType::Remove => FlagOp::Remove,
                StoreType::Replace => FlagOp::Replace,
            },
            silent: *response == StoreResponse::Silent,
            list: flag_list(flags)?,
            unchanged_since: match modifiers.as_slice() {
                [] => None,
                [StoreModifier::UnchangedSince(n)] => Some(ModSeq(*n)),
                _ => return None,
            },
        }),
        CommandBody::Copy { sequence_set, mailbox, uid } => {
            Command::Copy(ours::CopyArgs { uid: *uid, set: set(sequence_set), mailbox: name(mailbox) })
        }
        CommandBody::Move { sequence_set, mailbox, uid } => {
            Command::Move(ours::CopyArgs { uid: *uid, set: set(sequence_set), mailbox: name(mailbox) })
        }
        _ => return None,
    })
}

fn octets<'a>(mailbox: &'a Mailbox<'_>) -> &'a [u8] {
    match mailbox {
        Mailbox::Inbox => b"INBOX",
        Mailbox::Other(other) => other.as_ref(),
    }
}

fn name(mailbox: &Mailbox<'_>) -> Name {
    let name = utf7::decode(octets(mailbox)).and_then(|name| MailboxName::new(&name).ok());
    name.map_or(Name::Impossible, Name::Valid)
}

fn pair((field, value): &(IString<'_>, imap_codec::imap_types::core::NString<'_>)) -> ours::IdPair {
    (field.as_ref().to_vec(), value.0.as_ref().map(|value| value.as_ref().to_vec()))
}

fn select(mailbox: &Mailbox<'_>, parameters: &[SelectParameter]) -> Option<ours::SelectArgs> {
    let (mut condstore, mut qresync) = (false, None);
    for parameter in parameters {
        match parameter {
            SelectParameter::CondStore => condstore = true,
            SelectParameter::QResync { .. } if qresync.is_some() => return None,
            SelectParameter::QResync { uid_validity, mod_sequence_value, known_uids, seq_match_data } => {
                qresync = Some(ours::Qresync {
                    uid_validity: *uid_validity,
                    mod_seq: ModSeq(mod_sequence_value.get()),
                    known: match known_uids {
                        Some(uids) => Some(known(uids)?),
                        None => None,
                    },
                    matches: match seq_match_data {
                        Some((numbers, uids)) => Some((known(numbers)?, known(uids)?)),
                        None => None,
                    },
                });
            }
        }
    }
    Some(ours::SelectArgs { mailbox: name(mailbox), denormalized: None, condstore, qresync })
}

/// The oracle lets `*` through, which the grammar forbids in words.
fn known(sequence_set: &Set) -> Option<SequenceSet> {
    let known = set(sequence_set);
    let SequenceSet::Ranges(ranges) = &known else { return None };
    ranges.iter().all(|(a, b)| ![*a, *b].contains(&SetNumber::Star)).then_some(known)
}

fn list(reference: &Mailbox<'_>, pattern: &ListMailbox<'_>) -> ours::ListArgs {
    let pattern = match pattern {
        ListMailbox::Token(token) => token.as_ref(),
        ListMailbox::String(string) => string.as_ref(),
    };
    match utf7::decode(octets(reference)) {
        Some(reference) => {
            ours::ListArgs { reference, patterns: utf7::decode(pattern).into_iter().collect(), ..Default::default() }
        }
        None => ours::ListArgs::default(),
    }
}

fn status_item(item: &StatusDataItemName) -> Option<StatusItem> {
    Some(match item {
        StatusDataItemName::Messages => StatusItem::Messages,
        StatusDataItemName::Recent => StatusItem::Recent,
        StatusDataItemName::UidNext => StatusItem::UidNext,
        StatusDataItemName::UidValidity => StatusItem::UidValidity,
        StatusDataItemName::Unseen => StatusItem::Unseen,
        StatusDataItemName::Deleted => StatusItem::Deleted,
        StatusDataItemName::Size => StatusItem::Size,
        StatusDataItemName::HighestModSeq => StatusItem::HighestModSeq,
        StatusDataItemName::DeletedStorage => StatusItem::DeletedStorage,
    })
}

/// Each once, in order.
fn unique<T, U: PartialEq>(items: &[T], convert: impl Fn(&T) -> Option<U>) -> Option<Vec<U>> {
    let mut all = Vec::new();
    for item in items {
        let item = convert(item)?;
        if !all.contains(&item) {
            all.push(item);
        }
    }
    Some(all)
}

fn set(set: &Set) -> SequenceSet {
    let number = |n: &SeqOrUid| match n {
        SeqOrUid::Value(n) => SetNumber::Number(*n),
        SeqOrUid::Asterisk => SetNumber::Star,
    };
    let range = |sequence: &Sequence| match sequence {
        Sequence::Single(n) => (number(n), number(n)),
        Sequence::Range(a, b) => (number(a), number(b)),
    };
    SequenceSet::Ranges(set.0.as_ref().iter().map(range).collect())
}

fn flag_list(flags: &[Flag<'_>]) -> Option<FlagList> {
    let mut list = FlagList::default();
    for flag in flags {
        match flag {
            Flag::Answered => list.flags |= Flags::ANSWERED,
            Flag::Deleted => list.flags |= Flags::DELETED,
            Flag::Draft => list.flags |= Flags::DRAFT,
            Flag::Flagged => list.flags |= Flags::FLAGGED,
            Flag::Seen => list.flags |= Flags::SEEN,
            Flag::Extension(_) => return None,
            Flag::Keyword(atom) => {
                let keyword = Keyword::new(atom.as_ref())?;
                if !list.keywords.contains(&keyword) {
                    list.keywords.push(keyword);
                }
            }
        }
    }
    Some(list)
}

fn item(item: &MessageDataItemName<'_>) -> Option<FetchItem> {
    Some(match item {
        MessageDataItemName::Body => FetchItem::Body,
        MessageDataItemName::BodyExt { section: spec, partial, peek } => FetchItem::Section {
            section: section(spec.as_ref()),
            partial: partial.map(|(offset, count)| (offset.into(), count.get().into())),
            peek: *peek,
        },
        MessageDataItemName::BodyStructure => FetchItem::BodyStructure,
        MessageDataItemName::Envelope => FetchItem::Envelope,
        MessageDataItemName::Flags => FetchItem::Flags,
        MessageDataItemName::InternalDate => FetchItem::InternalDate,
        MessageDataItemName::Rfc822 => FetchItem::Rfc822,
        MessageDataItemName::Rfc822Header => FetchItem::Rfc822Header,
        MessageDataItemName::Rfc822Size => FetchItem::Size,
        MessageDataItemName::Rfc822Text => FetchItem::Rfc822Text,
        MessageDataItemName::Uid => FetchItem::Uid,
        MessageDataItemName::ModSeq => FetchItem::ModSeq,
        MessageDataItemName::Binary { section, partial, peek } => FetchItem::Binary {
            section: binary(section),
            partial: partial.map(|(offset, count)| (offset.into(), count.get().into())),
            peek: *peek,
        },
        MessageDataItemName::BinarySize { section } => FetchItem::BinarySize(binary(section)),
    })
}

fn binary(path: &[std::num::NonZeroU32]) -> ours::Section {
    ours::Section { path: path.iter().map(|n| n.get()).collect(), text: SectionText::Whole }
}

fn section(section: Option<&Section<'_>>) -> ours::Section {
    let path = |part: &Part| part.0.as_ref().iter().map(|n| n.get()).collect();
    let optional = |part: &Option<Part>| part.as_ref().map(path).unwrap_or_default();
    let names =
        |names: &[imap_codec::imap_types::core::AString<'_>]| names.iter().map(|n| n.as_ref().to_vec()).collect();
    let (path, text) = match section {
        None => (Vec::new(), SectionText::Whole),
        Some(Section::Part(part)) => (path(part), SectionText::Whole),
        Some(Section::Mime(part)) => (path(part), SectionText::Mime),
        Some(Section::Header(part)) => (optional(part), SectionText::Header),
        Some(Section::Text(part)) => (optional(part), SectionText::Text),
        Some(Section::HeaderFields(part, list)) => (optional(part), SectionText::HeaderFields(names(list.as_ref()))),
        Some(Section::HeaderFieldsNot(part, list)) => {
            (optional(part), SectionText::HeaderFieldsNot(names(list.as_ref())))
        }
    };
    ours::Section { path, text }
}
