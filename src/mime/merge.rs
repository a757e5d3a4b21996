//! What tells that two messages are copies of one, delivered to two maildrops: all of it but what was written on the way.
//!
//! Who merges hides a message, so this errs on the side of difference: the copies have the same Message-ID and the same
//! fields in the same order, apart from those listed here, and every octet after the header is the same.

use super::header::{Fields, collapse};

/// Fields that say which way a copy has come, and what was thought of it on the way (trace fields, results of
/// authentication, signatures, and what servers and filters add). Not among them is whatever the sender or a mailing list writes.
const ON_THE_WAY: [&[u8]; 31] = [
    b"received",
    b"x-received",
    b"return-path",
    b"delivered-to",
    b"x-delivered-to",
    b"original-recipient",
    b"x-original-to",
    b"envelope-to",
    b"x-envelope-to",
    b"x-envelope-from",
    b"delivery-date",
    b"x-apparently-to",
    b"received-spf",
    b"authentication-results",
    b"x-original-authentication-results",
    b"arc-seal",
    b"arc-message-signature",
    b"arc-authentication-results",
    b"dkim-signature",
    b"domainkey-signature",
    b"x-google-dkim-signature",
    b"x-google-smtp-source",
    b"x-gm-message-state",
    b"status",
    b"x-status",
    b"x-keywords",
    b"x-uidl",
    b"x-uid",
    b"x-imapbase",
    b"content-length",
    b"lines",
];

/// The same, by how the names begin.
const ON_THE_WAY_PREFIXES: [&[u8]; 9] = [
    b"x-spam-",
    b"x-spamd-",
    b"x-virus-",
    b"x-antivirus-",
    b"x-rspamd-",
    b"x-mozilla-",
    b"x-ms-exchange-organization-",
    b"x-ms-exchange-crosstenant-",
    b"x-forefront-",
];

/// Fed with a message in pieces of any size, whose line ends are CRLF.
#[derive(Clone, Debug, Default)]
pub struct MergeKey {
    /// What the octets so far end with, of the CRLF CRLF that ends a header.
    ending: usize,
    /// Octets of the header so far.
    header: u64,
    is_in_body: bool,
    body: blake3::Hasher,
}

impl MergeKey {
    /// The next octets.
    pub fn feed(&mut self, octets: &[u8]) {
        let mut rest = octets;
        while let (false, [octet, after @ ..]) = (self.is_in_body, rest) {
            const END: [u8; 4] = *b"\r\n\r\n";
            // A message that begins with a blank line has no header: as if a line had ended before it.
            let before = if self.header == 0 { 2 } else { self.ending };
            self.ending = match END.get(before) {
                Some(awaited) if awaited == octet => before + 1,
                _ => usize::from(*octet == b'\r'),
            };
            self.header += 1;
            self.is_in_body = self.ending == END.len();
            rest = after;
        }
        self.body.update(rest);
    }

    /// The key of the message with this header block. `None`: it is not one with any other, since it has no Message-ID, or
    /// several, or more header than was looked at.
    pub fn finish(&self, header: &[u8]) -> Option<[u8; 16]> {
        let is_whole = header.len() as u64 == self.header;
        let mut ids = Fields::new(header).filter(|field| field.name.eq_ignore_ascii_case(b"message-id"));
        let (id, other) = (ids.next()?, ids.next());
        if !is_whole || other.is_some() || collapse(id.value).is_empty() {
            return None;
        }
        let mut hasher = blake3::Hasher::new();
        for field in Fields::new(header).filter(|field| !is_on_the_way(field.name)) {
            hasher.update(&field.name.to_ascii_lowercase()).update(b":");
            hasher.update(&collapse(field.value)).update(b"\n");
        }
        // No field is empty: the rest cannot be taken for one.
        hasher.update(b"\n").update(self.body.finalize().as_bytes());
        let mut key = [0; 16];
        hasher.finalize_xof().fill(&mut key);
        Some(key)
    }
}

fn is_on_the_way(name: &[u8]) -> bool {
    let begins = |prefix: &[u8]| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    ON_THE_WAY.iter().any(|field| field.eq_ignore_ascii_case(name)) || ON_THE_WAY_PREFIXES.iter().any(|p| begins(p))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The header block as a scanner gives it, up to its blank line.
    fn header_of(message: &str) -> &str {
        let end = if message.starts_with("\r\n") { Some(2) } else { message.find("\r\n\r\n").map(|at| at + 4) };
        &message[..end.unwrap_or(message.len())]
    }

    fn key(message: &str) -> Option<[u8; 16]> {
        let mut whole = MergeKey::default();
        whole.feed(message.as_bytes());
        let found = whole.finish(header_of(message).as_bytes());
        for size in 1..6 {
            let mut pieces = MergeKey::default();
            message.as_bytes().chunks(size).for_each(|piece| pieces.feed(piece));
            assert_eq!(pieces.finish(header_of(message).as_bytes()), found, "in pieces of {size}");
        }
        found
    }

    const MESSAGE: &str =
        "From: a@x\r\nTo: b@y\r\nSubject: one\r\n two\r\nMessage-ID: <1@x>\r\n\r\nHello\r\n\r\nBob\r\n";

    #[test]
    fn copies_that_came_by_two_ways_are_one() {
        let first = key(MESSAGE);
        assert!(first.is_some());
        for on_the_way in [
            "Received: from x by y; Fri, 2 Jan 1970 00:00:00 +0000\r\n",
            "Return-Path: <a@x>\r\nDelivered-To: b@y\r\nX-Original-To: c@y\r\nEnvelope-To: c@y\r\n",
            "DKIM-Signature: v=1;\r\n\tb=xyz\r\nARC-Seal: i=1\r\nAuthentication-Results: y; spf=pass\r\n",
            "X-Spam-Status: No\r\nx-spam-SCORE: 1\r\nX-MS-Exchange-Organization-SCL: 1\r\nX-UIDL: 9\r\n",
        ] {
            assert_eq!(key(&format!("{on_the_way}{MESSAGE}")), first, "{on_the_way}");
        }
        assert_eq!(key(&MESSAGE.replace("one\r\n two", "one  two").replace("To:", "TO:")), first, "folded otherwise");
    }

    #[test]
    fn what_differs_is_not_one() {
        let first = key(MESSAGE);
        for (from, to) in [
            ("Hello", "Hallo"),
            ("Bob\r\n", "Bob"),
            ("Hello\r\n", "Hello\r\n\r\n"),
            ("a@x", "c@x"),
            ("one", "One"),
            ("To: b@y\r\n", "To: b@y\r\nCc: c@y\r\n"),
            ("To: b@y\r\n", "To: b@y\r\nList-Id: <l.y>\r\n"),
            ("To: b@y\r\n", "To: b@y\r\nX-Spam: yes\r\n"),
            ("<1@x>", "<2@x>"),
            ("From: a@x\r\nTo: b@y\r\n", "To: b@y\r\nFrom: a@x\r\n"),
        ] {
            let other = key(&MESSAGE.replacen(from, to, 1));
            assert!(other.is_some() && other != first, "{from} {to}");
        }
        let moved = "From: a@x\r\nMessage-ID: <1@x>\r\n\r\nTo: b@y\r\n";
        assert_ne!(key(moved), key("From: a@x\r\nMessage-ID: <1@x>\r\nTo: b@y\r\n\r\n"));
    }

    #[test]
    fn without_one_message_id_nothing_is_one() {
        for message in [
            MESSAGE.replace("Message-ID: <1@x>\r\n", ""),
            MESSAGE.replace("Message-ID: <1@x>", "Message-ID:  "),
            MESSAGE.replace("To: b@y", "Message-Id: <1@x>"),
            "\r\nMessage-ID: <1@x>\r\n\r\n".to_owned(),
            String::new(),
        ] {
            assert_eq!(key(&message), None, "{message}");
        }
        assert!(key("Message-ID: <1@x>\r\n").is_some(), "all of it is header");
        let mut long = MergeKey::default();
        long.feed(MESSAGE.as_bytes());
        assert_eq!(long.finish(&header_of(MESSAGE).as_bytes()[..60]), None, "a part of the header was looked at");
    }
}
