//! The messages of an APPEND or REPLACE on their way to the store, streamed with bounded memory.

use crate::imap::error::CommandError;
use crate::ingest::{Intake, Prepared};
use crate::store::{self, Store};

/// What is derived from the messages of one command, and waits in memory for the end of the command, in octets. A single
/// message may always be as large as it is.
const MAX_HELD: usize = 8 << 20;

/// Messages that are being received. Dropped: nothing is stored of any of them.
#[derive(Default)]
pub(in crate::imap) struct Upload {
    /// The complete ones: their octets are durable.
    prepared: Vec<Prepared>,
    held: usize,
    /// Their octets.
    before: u64,
    /// The one that is being received, once it has a part.
    intake: Option<Box<Intake>>,
    /// Its parts so far; the octets of the last one may be under way.
    parts: usize,
    /// The octets of these parts.
    size: u64,
    /// The store failed meanwhile: the octets that still come are ignored and the command fails.
    failed: Option<store::Error>,
}

impl Upload {
    /// Complete messages.
    pub(in crate::imap) fn messages(&self) -> usize {
        self.prepared.len()
    }

    /// Parts of the message after them.
    pub(in crate::imap) fn parts(&self) -> usize {
        self.parts
    }

    /// Octets of the message that is being received.
    pub(in crate::imap) fn size(&self) -> u64 {
        self.size
    }

    /// Octets of all messages.
    pub(in crate::imap) fn total(&self) -> u64 {
        self.before.saturating_add(self.size)
    }

    /// So many octets are to follow in the present message.
    pub(in crate::imap) async fn begin_part(&mut self, store: &Store, size: u64) -> Result<(), CommandError> {
        self.check()?;
        if self.intake.is_none() {
            self.intake = Some(Box::new(Intake::begin(store).await?));
        }
        self.parts += 1;
        self.size = self.size.saturating_add(size);
        Ok(())
    }

    pub(in crate::imap) async fn write(&mut self, data: &[u8]) {
        let Some(intake) = &mut self.intake else { return };
        if let Err(error) = intake.write(data).await {
            self.intake = None;
            self.failed = Some(error);
        }
    }

    /// The present message is complete. Ends when its octets are durable (I2).
    pub(in crate::imap) async fn end_message(&mut self) -> Result<(), CommandError> {
        self.check()?;
        let Some(intake) = self.intake.take().filter(|_| self.size > 0) else {
            return Err(CommandError::empty_message());
        };
        let prepared = intake.finish().await?;
        self.held = self.held.saturating_add(prepared.body.held());
        if self.held > MAX_HELD && !self.prepared.is_empty() {
            return Err(CommandError::No(Some("LIMIT"), "The headers of the messages are too large for one command"));
        }
        self.before = self.total();
        (self.parts, self.size) = (0, 0);
        self.prepared.push(prepared);
        Ok(())
    }

    /// The complete messages, in order.
    pub(in crate::imap) fn into_prepared(self) -> Vec<Prepared> {
        self.prepared
    }

    fn check(&mut self) -> Result<(), CommandError> {
        self.failed.take().map_or(Ok(()), |error| Err(error.into()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn message(upload: &mut Upload, store: &Store, octets: &[u8]) -> Result<(), CommandError> {
        upload.begin_part(store, octets.len() as u64).await?;
        upload.write(octets).await;
        upload.end_message().await
    }

    #[tokio::test]
    async fn what_is_held_in_memory_at_the_limit_and_one_past_it() {
        let store = Store::in_memory(Duration::ZERO).expect("a store");
        let mut one = Upload::default();
        message(&mut one, &store, b"Subject: x\r\n\r\n").await.expect("a message");
        let size = one.held;
        assert!(size > 0 && size < MAX_HELD);
        for (held, fine) in [(MAX_HELD - size, true), (MAX_HELD - size + 1, false)] {
            let mut upload = Upload::default();
            message(&mut upload, &store, b"x").await.expect("a message");
            upload.held = held;
            assert_eq!(message(&mut upload, &store, b"Subject: x\r\n\r\n").await.is_ok(), fine, "{held}");
        }
        // One message alone may be larger.
        let mut alone = Upload { held: MAX_HELD, ..Upload::default() };
        message(&mut alone, &store, b"x").await.expect("a message");
        assert_eq!((alone.messages(), alone.total(), alone.size(), alone.parts()), (1, 1, 0, 0));
        drop((one, alone));
        assert!(store.collect().await.expect("collected") > 0);
        assert_eq!(store.check().expect("check"), Vec::<String>::new());
        store.close().await.expect("closes");
    }

    #[tokio::test]
    async fn a_store_that_fails_meanwhile_fails_the_command() {
        let store = Store::in_memory(Duration::ZERO).expect("a store");
        let mut upload = Upload::default();
        upload.begin_part(&store, 9).await.expect("begins");
        upload.failed = Some(store::Error::NoSpace);
        upload.intake = None;
        upload.write(b"ignored").await;
        assert!(matches!(upload.end_message().await, Err(CommandError::Store(store::Error::NoSpace))));
    }
}
