//! SKELETON: from raw octets to a message ready for the store. Used by the poller and by APPEND.
#![allow(missing_docs, unused_variables, clippy::todo)]

use crate::mail::InternalDate;
use crate::store;

/// One message being received, streamed to the store with bounded memory: bare LF made CRLF (I7), scanned, its search text
/// extracted, everything rendered that FETCH will need.
pub struct Intake(());

/// A message ready to be appended or delivered.
pub struct Prepared {
    pub body: store::PreparedBody,
    pub header_hash: [u8; 16],
    /// Date of the topmost Received header, else of Date: INTERNALDATE of mail from a maildrop.
    pub received: Option<InternalDate>,
}

impl Intake {
    pub async fn begin(store: &store::Store) -> store::Result<Self> {
        todo!()
    }
    pub async fn write(&mut self, data: &[u8]) -> store::Result<()> {
        todo!()
    }
    pub async fn finish(self) -> store::Result<Prepared> {
        todo!()
    }
}
