//! The message literal of an APPEND on its way to the store, streamed with bounded memory.

use crate::imap::error::CommandError;
use crate::ingest::{Intake, Prepared};

/// An APPEND literal: being received, or received.
pub(in crate::imap) enum Upload {
    /// Octets are coming.
    Receiving(Box<Intake>),
    /// All octets are durable.
    Received(Box<Prepared>),
    /// The store failed meanwhile; the rest of the octets is ignored and the command fails.
    Failed(crate::store::Error),
}

impl Upload {
    pub(in crate::imap) async fn write(&mut self, data: &[u8]) {
        if let Self::Receiving(intake) = self
            && let Err(error) = intake.write(data).await
        {
            *self = Self::Failed(error);
        }
    }

    #[must_use]
    pub(in crate::imap) async fn end(self) -> Self {
        match self {
            Self::Receiving(intake) => match intake.finish().await {
                Ok(prepared) => Self::Received(Box::new(prepared)),
                Err(error) => Self::Failed(error),
            },
            other => other,
        }
    }

    pub(in crate::imap) fn into_prepared(self) -> Result<Prepared, CommandError> {
        match self {
            Self::Received(prepared) => Ok(*prepared),
            Self::Failed(error) => Err(error.into()),
            Self::Receiving(_) => Err(CommandError::Bad("The message literal is incomplete")),
        }
    }
}
