//! What a server can be told to do wrong.

use std::sync::Arc;

use tokio::sync::Semaphore;

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
    /// No answer.
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
pub(super) fn take(faults: &mut [Fault], verb: Verb, message: Option<u32>) -> Option<Action> {
    let applies = |fault: &&mut Fault| {
        fault.verb == verb && fault.times != Some(0) && (fault.message.is_none() || fault.message == message)
    };
    let fault = faults.iter_mut().find(applies)?;
    fault.times = fault.times.map(|times| times.saturating_sub(1));
    Some(fault.action.clone())
}
