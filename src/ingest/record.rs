//! What the store keeps beside the bytes of a message, so that FETCH and SEARCH parse nothing.

use crate::imap::codec::write;
use crate::mime::{PartTable, Structure};
use crate::store::Record;

/// Renders everything that FETCH will need.
pub(super) fn of(structure: Structure) -> Record {
    let mut record = Record {
        parts: PartTable::of(&structure.root).as_bytes().to_vec(),
        sent_day: structure.sent_day,
        ..Record::default()
    };
    write::envelope(&mut record.envelope, &structure.envelope);
    write::body_structure(&mut record.body, &structure.root, false);
    write::body_structure(&mut record.body_structure, &structure.root, true);
    if structure.header.len() <= MAX_HEADER {
        record.header = structure.header;
    }
    record
}

/// A longer header block is not kept apart: it is read from the message.
const MAX_HEADER: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::{Limits, Scanner};

    fn record(message: &[u8]) -> Record {
        let mut scanner = Scanner::new(Limits::default());
        scanner.feed(message, &mut Vec::new());
        of(scanner.finish(&mut Vec::new()))
    }

    #[test]
    fn rendered() {
        let record = record(b"Date: Fri, 2 Jan 1970 00:00:00 +0000\r\nFrom: a@b\r\n\r\nx\r\n");
        let envelope: &[u8] =
            b"(\"Fri, 2 Jan 1970 00:00:00 +0000\" NIL ((NIL NIL \"a\" \"b\")) ((NIL NIL \"a\" \"b\")) \
            ((NIL NIL \"a\" \"b\")) NIL NIL NIL NIL NIL)";
        assert_eq!(record.envelope, envelope);
        let body: &[u8] = b"(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 3 1)";
        assert_eq!(record.body, body);
        assert!(record.body_structure.starts_with(&body[..body.len() - 1]));
        assert_eq!(record.sent_day, Some(1));
        assert!(record.header.ends_with(b"\r\n\r\n"));
        assert!(!record.parts.is_empty());
    }

    #[test]
    fn header_at_the_limit_and_past_it() {
        let mut message = b"X: ".to_vec();
        message.resize(MAX_HEADER - 4, b'x');
        message.extend_from_slice(b"\r\n\r\n");
        assert_eq!(record(&message).header, message);
        message.insert(3, b'x');
        assert_eq!(record(&message).header, b"");
    }
}
