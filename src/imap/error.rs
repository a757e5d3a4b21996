//! How a command can fail, and the one place that maps it to the wire.

use std::borrow::Cow;
use std::io;

use super::conn::ReadError;
use crate::store;

/// The reasons of BYE (RFC 9051 section 7.1.5), with a response code where RFC 5530 has one.
pub(in crate::imap) const TIMED_OUT: &str = "Idle for too long";
pub(in crate::imap) const DAMAGED: &str = "[CLIENTBUG] The compressed data is damaged";
pub(in crate::imap) const EVICTED: &str = "[UNAVAILABLE] Another device of yours needed this connection";
pub(in crate::imap) const DISCONNECTED: &str =
    "[UNAVAILABLE] This connection was ended on the status page or by an administrator";
pub(in crate::imap) const DISMISSED: &str = "This user is configured no more";
pub(in crate::imap) const STOPPING: &str = "[UNAVAILABLE] The server is stopping";
pub(in crate::imap) const MISBEHAVED: &str = "[CLIENTBUG] Too many or too large bad commands";

/// Why a command did not succeed.
#[derive(Debug)]
pub(in crate::imap) enum CommandError {
    /// The client broke the protocol: `BAD`.
    Bad(&'static str),
    /// Message numbers after ENABLE UIDONLY: `BAD` (RFC 9586 section 3).
    UidRequired,
    /// The command cannot be done: `NO`, with a response code or none.
    No(Option<&'static str>, &'static str),
    /// The same with a response code that has an argument.
    NoWith(String, &'static str),
    /// The session must end: `BYE`.
    Bye(&'static str),
    /// The store failed; the client sees a fixed sentence, the log the detail.
    Store(store::Error),
    /// The peer is gone or does not read.
    Io(io::Error),
}

/// What a handler answers: the end of the tagged line.
#[derive(Debug, Default)]
pub(in crate::imap) struct Done {
    /// Response code without its brackets.
    pub(in crate::imap) code: Option<String>,
    /// Text after it; the dispatcher has a default.
    pub(in crate::imap) text: Option<&'static str>,
    /// The code is HIGHESTMODSEQ, for those who use it (RFC 7162 sections 3.2.7 and 3.2.9). The dispatcher fills it in,
    /// when all that it covers has been told.
    pub(in crate::imap) mod_seq: bool,
}

pub(in crate::imap) type CommandResult = Result<Done, CommandError>;

impl Done {
    pub(in crate::imap) fn ok() -> CommandResult {
        Ok(Self::default())
    }

    pub(in crate::imap) fn code(code: String) -> CommandResult {
        Ok(Self { code: Some(code), ..Self::default() })
    }

    pub(in crate::imap) fn text(text: &'static str) -> CommandResult {
        Ok(Self { text: Some(text), ..Self::default() })
    }

    pub(in crate::imap) fn mod_seq() -> CommandResult {
        Ok(Self { mod_seq: true, ..Self::default() })
    }
}

/// The tagged (or BYE) answer to a failed command.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::imap) struct Failure {
    pub(in crate::imap) condition: Condition,
    pub(in crate::imap) code: Option<Cow<'static, str>>,
    pub(in crate::imap) text: &'static str,
}

/// How a command ended: a metric label as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::imap) enum Condition {
    Ok,
    No,
    Bad,
    Bye,
}

impl Condition {
    pub(in crate::imap) const ALL: [Self; 4] = [Self::Ok, Self::No, Self::Bad, Self::Bye];

    pub(in crate::imap) fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::No => "NO",
            Self::Bad => "BAD",
            Self::Bye => "BYE",
        }
    }

    pub(in crate::imap) fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::No => "no",
            Self::Bad => "bad",
            Self::Bye => "bye",
        }
    }
}

impl CommandError {
    /// RFC 5530: a message that the command named is gone, and the client has not been told yet.
    pub(in crate::imap) fn expunge_issued() -> Self {
        Self::No(Some("EXPUNGEISSUED"), "Some of the messages no longer exist")
    }

    /// RFC 5530: what a client cannot do, whoever it is.
    pub(in crate::imap) fn view() -> Self {
        Self::No(
            Some("CANNOT"),
            "This mailbox shows messages of INBOX that came from one account: nothing can be put into it",
        )
    }

    /// Likewise.
    pub(in crate::imap) fn kept_name() -> Self {
        Self::No(Some("CANNOT"), "The mailboxes of accounts follow the configuration: no client can change them")
    }

    /// A message without an octet (RFC 3502 section 6.3.11).
    pub(in crate::imap) fn empty_message() -> Self {
        Self::No(Some("CANNOT"), "An empty message cannot be appended")
    }

    /// What the client is told; `Err` when there is nobody to tell.
    pub(in crate::imap) fn failure(self) -> Result<Failure, io::Error> {
        let (condition, code, text) = match self {
            Self::Bad(text) => (Condition::Bad, None, text),
            Self::UidRequired => (Condition::Bad, Some("UIDREQUIRED"), "No message numbers after ENABLE UIDONLY"),
            Self::No(code, text) => (Condition::No, code, text),
            Self::NoWith(code, text) => return Ok(Failure { condition: Condition::No, code: Some(code.into()), text }),
            Self::Bye(text) => (Condition::Bye, None, text),
            Self::Store(error) => store_failure(&error),
            Self::Io(error) => return Err(error),
        };
        Ok(Failure { condition, code: code.map(Cow::Borrowed), text })
    }
}

/// Store errors as RFC 5530 response codes.
fn store_failure(error: &store::Error) -> (Condition, Option<&'static str>, &'static str) {
    match error {
        store::Error::NoMailbox => (Condition::No, Some("NONEXISTENT"), "No such mailbox"),
        store::Error::MailboxExists => (Condition::No, Some("ALREADYEXISTS"), "The mailbox exists already"),
        store::Error::Refused(why) => (Condition::No, Some("CANNOT"), why),
        store::Error::Limit(why) => (Condition::No, Some("LIMIT"), why),
        store::Error::OverQuota { .. } => {
            (Condition::No, Some("OVERQUOTA"), "The quota does not allow it: delete mail and expunge it first")
        }
        store::Error::NoSpace => (Condition::No, Some("OVERQUOTA"), "The disk is full"),
        store::Error::Closed => (Condition::Bye, Some("UNAVAILABLE"), "The server is stopping"),
        other => {
            tracing::error!(error = %other, "store failure in an IMAP command");
            (Condition::No, Some("SERVERBUG"), "Internal error, see the server's log")
        }
    }
}

impl From<store::Error> for CommandError {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

impl From<io::Error> for CommandError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Nothing more can be read in the middle of a command.
impl From<ReadError> for CommandError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::TimedOut => Self::Bye(TIMED_OUT),
            ReadError::Damaged => Self::Bye(DAMAGED),
            ReadError::Closed => Self::Io(io::ErrorKind::UnexpectedEof.into()),
            ReadError::Io(error) => Self::Io(error),
        }
    }
}
