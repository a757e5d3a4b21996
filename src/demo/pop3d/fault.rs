//! What a server can be told to do wrong.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::Shared;
use crate::pop3::Verb;

/// Something that goes wrong at a command.
#[derive(Clone, Debug)]
pub struct Fault {
    /// The command; [`Verb::Greeting`] is the moment after the connection, before TLS.
    pub verb: Verb,
    /// The message, for RETR and DELE; `None`: any.
    pub message: Option<u32>,
    /// What happens.
    pub action: Action,
    /// How often; `None`: always.
    pub times: Option<u32>,
}

/// What goes wrong.
#[derive(Clone, Debug)]
pub enum Action {
    /// No answer, until the client goes.
    Hang,
    /// The connection is closed.
    Close,
    /// These bytes are the answer, and the command does nothing.
    Answer(Vec<u8>),
    /// These bytes are the answer, and the connection is closed behind them.
    AnswerAndClose(Vec<u8>),
    /// The command waits for a permit, then goes on.
    Wait(Arc<Semaphore>),
}

impl Fault {
    /// At every such command.
    pub fn always(verb: Verb, action: Action) -> Self {
        Self { verb, message: None, action, times: None }
    }

    /// At the next such command.
    pub fn once(verb: Verb, action: Action) -> Self {
        Self { verb, message: None, action, times: Some(1) }
    }

    /// At every such command for this message.
    pub fn of_message(verb: Verb, message: u32, action: Action) -> Self {
        Self { verb, message: Some(message), action, times: None }
    }
}

/// The action for a command, if there is one; uses it up.
pub(super) fn take(shared: &Shared, verb: Verb, message: Option<u32>) -> Option<Action> {
    let applies = |fault: &&mut Fault| {
        fault.verb == verb && fault.times != Some(0) && (fault.message.is_none() || fault.message == message)
    };
    let mut maildrop = shared.lock();
    let fault = maildrop.faults.iter_mut().find(applies)?;
    fault.times = fault.times.map(|times| times.saturating_sub(1));
    let action = fault.action.clone();
    maildrop.counters.faults += 1;
    drop(maildrop);
    shared.changed();
    Some(action)
}

/// Something that happens to the bytes of a session, at most once in each.
#[derive(Clone, Debug)]
pub struct OutputFault {
    /// Where.
    pub at: At,
    /// What happens.
    pub damage: Damage,
    /// In how many sessions; `None`: in all.
    pub times: Option<u32>,
}

/// A place in what the server sends, without TLS: before the byte that is named, which must come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// So many bytes after the connection.
    Byte(u64),
    /// So many bytes after the login was answered.
    ByteAfterLogin(u64),
    /// So many bytes after the beginning of an answer; answer 0 is the greeting.
    Answer(u32, u64),
}

/// What happens to the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// The connection is closed.
    Cut,
    /// The connection is reset.
    Reset,
    /// Nothing more comes, until the client goes.
    Stall,
    /// These bytes come in place of as many.
    Overwrite(Vec<u8>),
    /// These bytes come besides.
    Insert(Vec<u8>),
}

impl OutputFault {
    /// In the next session that comes so far.
    pub fn once(at: At, damage: Damage) -> Self {
        Self { at, damage, times: Some(1) }
    }

    /// In every session that comes so far.
    pub fn always(at: At, damage: Damage) -> Self {
        Self { at, damage, times: None }
    }
}
