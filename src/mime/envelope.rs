//! The ENVELOPE of a message (RFC 9051 section 7.5.2) from its header block.

use super::header::{Fields, collapse, text, unfold, without_nul};
use super::{Address, address};

/// ENVELOPE (RFC 9051 section 7.5.2): header values unfolded, not decoded; `None`: NIL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    /// Date
    pub date: Option<Vec<u8>>,
    /// Subject, runs of white space made one space.
    pub subject: Option<Vec<u8>>,
    /// From
    pub from: Vec<Address>,
    /// Sender, or else From.
    pub sender: Vec<Address>,
    /// Reply-To, or else From.
    pub reply_to: Vec<Address>,
    /// To
    pub to: Vec<Address>,
    /// Cc
    pub cc: Vec<Address>,
    /// Bcc
    pub bcc: Vec<Address>,
    /// In-Reply-To
    pub in_reply_to: Option<Vec<u8>>,
    /// Message-ID
    pub message_id: Option<Vec<u8>>,
}

impl Envelope {
    /// Reads a header block. Of a text field given twice the last counts, address lists are joined.
    pub fn parse(header: &[u8]) -> Self {
        let mut budget = MAX_ADDRESSES;
        Self::parse_within(header, &mut budget)
    }

    /// Reads a header block; `budget`: addresses that may still be kept.
    pub(super) fn parse_within(header: &[u8], budget: &mut usize) -> Self {
        let mut envelope = Self::default();
        for field in Fields::new(header) {
            let text = || Some(text(field.value));
            let mut add = |list: &mut Vec<Address>| address::parse_into(&unfold(field.value), list, budget);
            match field.name.to_ascii_lowercase().as_slice() {
                b"date" => envelope.date = text(),
                b"subject" => envelope.subject = Some(without_nul(collapse(field.value))),
                b"from" => add(&mut envelope.from),
                b"sender" => add(&mut envelope.sender),
                b"reply-to" => add(&mut envelope.reply_to),
                b"to" => add(&mut envelope.to),
                b"cc" => add(&mut envelope.cc),
                b"bcc" => add(&mut envelope.bcc),
                b"in-reply-to" => envelope.in_reply_to = text(),
                b"message-id" => envelope.message_id = text(),
                _ => {}
            }
        }
        if envelope.sender.is_empty() {
            envelope.sender.clone_from(&envelope.from);
        }
        if envelope.reply_to.is_empty() {
            envelope.reply_to.clone_from(&envelope.from);
        }
        envelope
    }
}

/// Addresses kept of a message, those of its inner messages counted in. An ENVELOPE is many times as large as what it shows,
/// and a header of a few megabytes must not become gigabytes.
pub(super) const MAX_ADDRESSES: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_and_absent_fields() {
        let envelope = Envelope::parse(b"From: a@b\r\nSubject:  x\r\n\ty  z \r\nSender:\r\nDate: c\r\nDate: d\r\nCc: c@d\r\nCC: e@f\r\n\r\nTo: no\r\n");
        assert_eq!(envelope.subject.as_deref(), Some(b"x y z".as_slice()));
        assert_eq!(envelope.sender, envelope.from);
        assert_eq!(envelope.reply_to, envelope.from);
        assert_eq!(envelope.date.as_deref(), Some(b"d".as_slice()));
        assert_eq!((envelope.from.len(), envelope.cc.len()), (1, 2));
        assert!(envelope.to.is_empty() && envelope.message_id.is_none());
        assert_eq!(Envelope::parse(b""), Envelope::default());
        let nul = Envelope::parse(b"Subject: a\0b\r\n").subject;
        assert_eq!(nul.as_deref(), Some("a\u{fffd}b".as_bytes()));
    }
}
