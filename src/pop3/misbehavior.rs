//! Every way in which a POP3 server breaks the rules, by name.

/// A fault of the peer. Some end the session, others are worked around and only reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Misbehavior {
    /// A status or listing line longer than the limit.
    #[error("a reply line is too long")]
    LineTooLong,
    /// A line that is neither `+OK` nor `-ERR` where a reply is due.
    #[error("a reply is neither +OK nor -ERR")]
    MalformedReply,
    /// The greeting is that of another protocol.
    #[error("the greeting is not that of a POP3 server")]
    NotPop3,
    /// Lines before or behind the greeting that are no replies: skipped.
    #[error("lines that are no replies around the greeting")]
    BannerLines,
    /// A reply nobody asked for.
    #[error("a reply came without a command")]
    UnsolicitedReply,
    /// `+ ` where no continuation is due.
    #[error("an unexpected continuation request")]
    UnexpectedContinuation,
    /// Empty lines where a reply is due, or in a listing; more than a few in a row end the session.
    #[error("empty lines where there should be none")]
    EmptyLine,
    /// `+OK` where `+ ` is due in an AUTH exchange.
    #[error("+OK in place of a continuation request")]
    OkForContinuation,
    /// A challenge in an AUTH exchange that cannot be answered: not base64, empty, or against its mechanism.
    #[error("a challenge of an AUTH exchange is malformed")]
    MalformedChallenge,
    /// SCRAM (RFC 5802): the server does not prove that it knows the password.
    #[error("the server does not know the password")]
    BadServerSignature,
    /// Bytes between the answer to STLS and the handshake: discarded (RFC 2595 section 4).
    #[error("data before the TLS handshake")]
    DataBeforeTls,
    /// The answer to STAT is not two numbers.
    #[error("the answer to STAT is malformed")]
    MalformedStat,
    /// A line of UIDL does not begin with a message number.
    #[error("a line of UIDL is malformed")]
    MalformedUidl,
    /// A line of LIST does not begin with a message number.
    #[error("a line of LIST is malformed")]
    MalformedList,
    /// More messages, or more bytes of unique-ids, than the limit.
    #[error("the listing is too long")]
    ListingTooLong,
    /// The numbers of a listing do not ascend.
    #[error("the listing is out of order")]
    ListingOutOfOrder,
    /// A message number twice in one listing.
    #[error("message {0} is listed twice")]
    RepeatedNumber(u32),
    /// UIDL or LIST shows another number of messages than STAT.
    #[error("the listing and STAT differ in the number of messages")]
    CountMismatch,
    /// The listing and STAT agree in the number of messages, but a message number is beyond it.
    #[error("message {0} has a number beyond the count of messages")]
    NumberBeyondCount(u32),
    /// A line of LIST has no size.
    #[error("message {0} has no size that is a number")]
    MalformedSize(u32),
    /// In LIST but not in UIDL.
    #[error("message {0} has no line in UIDL")]
    MissingUniqueId(u32),
    /// In UIDL but not in LIST.
    #[error("message {0} has no line in LIST")]
    MissingSize(u32),
    /// A line of UIDL with a number only.
    #[error("message {0} has an empty unique-id")]
    EmptyUniqueId(u32),
    /// A unique-id longer than the limit.
    #[error("message {0} has a unique-id that is too long")]
    UniqueIdTooLong(u32),
    /// A unique-id with a control character in it.
    #[error("message {0} has a unique-id that is none")]
    InvalidUniqueId(u32),
    /// Two messages with one unique-id.
    #[error("message {0} shares its unique-id with another")]
    DuplicateUniqueId(u32),
    /// Every unique-id is the message's number, which identifies nothing beyond the session.
    #[error("the unique-ids are message numbers, as for message {0}")]
    NumericUniqueIds(u32),
    /// TOP brought lines of the body although none was asked for: not kept.
    #[error("TOP shows more than the header of message {0}")]
    TopWithBody(u32),
    /// The end of a message was lost, and the answer to the next command became a part of it.
    #[error("message {0} has no end, and the next one follows in it")]
    MergedMessages(u32),
    /// The answer to TOP ended before the blank line behind the header.
    #[error("TOP shows the header of message {0} without its end")]
    TopTruncated(u32),
    /// A header longer than the limit: the rest of it is not kept.
    #[error("the header of message {0} is longer than the limit")]
    HeaderTooLong(u32),
    /// A line of a message begins with a single dot.
    #[error("message {0} is not dot-stuffed")]
    UnstuffedDot(u32),
    /// The last line of a message response lacks its CRLF.
    #[error("the end of message {0} lacks its line end")]
    UnendedTerminator(u32),
    /// The dot that ends a message response is not on a line of its own.
    #[error("the end of message {0} is not on a line of its own")]
    GluedTerminator(u32),
    /// A message of no octets at all.
    #[error("message {0} is empty")]
    EmptyMessage(u32),
    /// A message longer than the limit: the rest of it is discarded.
    #[error("message {0} is longer than the limit")]
    MessageTooLong(u32),
    /// A message that goes on past twice the limit.
    #[error("message {0} does not end")]
    MessageNeverEnds(u32),
}

impl Misbehavior {
    /// One of each kind.
    pub const ALL: [Self; 37] = [
        Self::LineTooLong,
        Self::MalformedReply,
        Self::BannerLines,
        Self::UnsolicitedReply,
        Self::UnexpectedContinuation,
        Self::EmptyLine,
        Self::OkForContinuation,
        Self::MalformedChallenge,
        Self::BadServerSignature,
        Self::DataBeforeTls,
        Self::MalformedStat,
        Self::MalformedUidl,
        Self::MalformedList,
        Self::ListingTooLong,
        Self::ListingOutOfOrder,
        Self::RepeatedNumber(0),
        Self::CountMismatch,
        Self::NumberBeyondCount(0),
        Self::MalformedSize(0),
        Self::MissingUniqueId(0),
        Self::MissingSize(0),
        Self::EmptyUniqueId(0),
        Self::UniqueIdTooLong(0),
        Self::InvalidUniqueId(0),
        Self::DuplicateUniqueId(0),
        Self::NumericUniqueIds(0),
        Self::TopWithBody(0),
        Self::MergedMessages(0),
        Self::TopTruncated(0),
        Self::HeaderTooLong(0),
        Self::UnstuffedDot(0),
        Self::UnendedTerminator(0),
        Self::GluedTerminator(0),
        Self::EmptyMessage(0),
        Self::MessageTooLong(0),
        Self::MessageNeverEnds(0),
        Self::NotPop3,
    ];

    /// The name in metrics and logs.
    pub const fn label(self) -> &'static str {
        match self {
            Self::LineTooLong => "line_too_long",
            Self::MalformedReply => "malformed_reply",
            Self::BannerLines => "banner_lines",
            Self::NotPop3 => "not_pop3",
            Self::UnsolicitedReply => "unsolicited_reply",
            Self::UnexpectedContinuation => "unexpected_continuation",
            Self::EmptyLine => "empty_line",
            Self::OkForContinuation => "ok_for_continuation",
            Self::MalformedChallenge => "malformed_challenge",
            Self::BadServerSignature => "bad_server_signature",
            Self::DataBeforeTls => "data_before_tls",
            Self::MalformedStat => "malformed_stat",
            Self::MalformedUidl => "malformed_uidl",
            Self::MalformedList => "malformed_list",
            Self::ListingTooLong => "listing_too_long",
            Self::ListingOutOfOrder => "listing_out_of_order",
            Self::RepeatedNumber(_) => "repeated_number",
            Self::CountMismatch => "count_mismatch",
            Self::NumberBeyondCount(_) => "number_beyond_count",
            Self::MalformedSize(_) => "malformed_size",
            Self::MissingUniqueId(_) => "missing_unique_id",
            Self::MissingSize(_) => "missing_size",
            Self::EmptyUniqueId(_) => "empty_unique_id",
            Self::UniqueIdTooLong(_) => "unique_id_too_long",
            Self::InvalidUniqueId(_) => "invalid_unique_id",
            Self::DuplicateUniqueId(_) => "duplicate_unique_id",
            Self::NumericUniqueIds(_) => "numeric_unique_ids",
            Self::TopWithBody(_) => "top_with_body",
            Self::MergedMessages(_) => "merged_messages",
            Self::TopTruncated(_) => "top_truncated",
            Self::HeaderTooLong(_) => "header_too_long",
            Self::UnstuffedDot(_) => "unstuffed_dot",
            Self::UnendedTerminator(_) => "unended_terminator",
            Self::GluedTerminator(_) => "glued_terminator",
            Self::EmptyMessage(_) => "empty_message",
            Self::MessageTooLong(_) => "message_too_long",
            Self::MessageNeverEnds(_) => "message_never_ends",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn all_lists_every_kind_once_with_a_name_and_a_sentence_of_its_own() {
        let arms = include_str!("misbehavior.rs").lines().filter(|line| line.trim_start().starts_with("Self::"));
        let named = arms.filter(|line| line.contains(" => \"")).count();
        let labels: BTreeSet<_> = Misbehavior::ALL.iter().map(|fault| fault.label()).collect();
        let sentences: BTreeSet<_> = Misbehavior::ALL.iter().map(ToString::to_string).collect();
        assert_eq!((named, labels.len(), sentences.len()), (Misbehavior::ALL.len(), named, named));
        assert!(labels.iter().all(|label| label.bytes().all(|b| b.is_ascii_lowercase() || b == b'_' || b == b'3')));
    }
}
