//! From raw octets to a message ready for the store; used by the poller and by APPEND. Never alters a message but for bare
//! LF, which becomes CRLF (I7), and refuses none (I9). Memory is bounded whatever the size of the message.

mod glob;
mod line_ends;
mod record;
mod rules;

use std::time::SystemTime;

use crate::mail::InternalDate;
use crate::mime::{Limits, MergeKey, Scanner};
use crate::store;

use line_ends::LineEnds;
use rules::Facts;
pub use rules::{Condition, Pattern, Routed, Rule, Rules, Subject};

/// One message being received, streamed to the store with bounded memory: bare LF made CRLF (I7), scanned, everything
/// rendered that FETCH will need. Dropped without `finish`: nothing is stored.
pub struct Intake {
    writer: store::BodyWriter,
    scanner: Scanner,
    line_ends: LineEnds,
    octets: Vec<u8>,
    /// Where messages that are alike are one.
    merge_key: Option<MergeKey>,
    /// Of the user, with the name of the account that it comes from.
    rules: Option<(Rules, String)>,
    received: u64,
}

/// A message ready to be appended or delivered.
#[derive(Debug)]
pub struct Prepared {
    /// Its bytes, durable.
    pub body: store::PreparedBody,
    /// Normalised hash of its header (see `mime::header_hash`).
    pub header_hash: [u8; 16],
    /// It has a Message-ID: its header tells it from every other message.
    pub has_message_id: bool,
    /// What it has in common with other copies of it; `None`: none was asked for, or it could be another message.
    pub merge_key: Option<[u8; 16]>,
    /// What the user's rules say of it.
    pub routed: Routed,
    /// Date of the topmost Received header, else of Date: INTERNALDATE of mail from a maildrop.
    pub received: Option<InternalDate>,
}

impl Intake {
    /// Starts a message.
    pub async fn begin(store: &store::Store) -> store::Result<Self> {
        Ok(Self {
            writer: store.body_writer().await?,
            scanner: Scanner::without_text(store.parse_limits()),
            line_ends: LineEnds::default(),
            octets: Vec::new(),
            merge_key: None,
            rules: None,
            received: 0,
        })
    }

    /// Before the first octet: what it is one with is to be found.
    pub fn find_merge_key(&mut self) {
        self.merge_key = Some(MergeKey::default());
    }

    /// The user's rules are to be applied to it, a message from the account of this name.
    pub fn apply_rules(&mut self, rules: Rules, account: &str) {
        self.rules = Some((rules, account.to_owned()));
    }

    /// Adds octets of the message, in pieces of any size.
    pub async fn write(&mut self, data: &[u8]) -> store::Result<()> {
        for piece in data.chunks(PIECE) {
            self.octets.clear();
            self.line_ends.convert(piece, &mut self.octets);
            self.scanner.feed(&self.octets, &mut Vec::new());
            if let Some(key) = &mut self.merge_key {
                key.feed(&self.octets);
            }
            self.received += self.octets.len() as u64;
            self.writer.write(&self.octets).await?;
        }
        Ok(())
    }

    /// The end of the message. Completes once its bytes are durable.
    pub async fn finish(self) -> store::Result<Prepared> {
        let structure = self.scanner.finish(&mut Vec::new());
        let received = structure.received.map(|(unix, offset_minutes)| InternalDate { unix, offset_minutes });
        let header_hash = crate::mime::header_hash(&structure.header);
        let has_message_id = structure.envelope.message_id.is_some();
        let merge_key = self.merge_key.and_then(|key| key.finish(&structure.header));
        let route = |(rules, account): &(Rules, String)| {
            let (header, envelope) = (&structure.header, &structure.envelope);
            rules.route(&Facts { header, envelope, octets: self.received, account })
        };
        let routed = self.rules.as_ref().map(route).unwrap_or_default();
        let mut writer = self.writer;
        writer.set_thread_keys(crate::mime::thread_keys(&structure.header));
        let body = writer.finish(record::of(structure)).await?;
        Ok(Prepared { body, header_hash, has_message_id, merge_key, routed, received })
    }
}

/// The record of a message that is stored, derived from its octets once more.
pub struct Derivation(Scanner);

impl Derivation {
    /// Tells apart what the message was told apart by when it was stored, unless the limits have changed since.
    pub fn new(limits: Limits) -> Self {
        Self(Scanner::without_text(limits))
    }
}

impl std::fmt::Debug for Derivation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Derivation").finish_non_exhaustive()
    }
}

impl store::Derive for Derivation {
    fn feed(&mut self, octets: &[u8]) {
        self.0.feed(octets, &mut Vec::new());
    }

    fn finish(self: Box<Self>) -> store::Record {
        record::of(self.0.finish(&mut Vec::new()))
    }
}

/// Octets taken through all steps at once.
const PIECE: usize = 64 * 1024;

/// INTERNALDATE of a message that brings none: now, UTC.
pub fn now() -> InternalDate {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    InternalDate { unix: i64::try_from(since.as_secs()).unwrap_or(i64::MAX), offset_minutes: 0 }
}

#[cfg(test)]
mod tests;
