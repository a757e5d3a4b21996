//! What the store keeps beside the bytes of a message, so that FETCH and SEARCH parse nothing.

use crate::imap::codec::write;
use crate::mime::{PartTable, Structure};
use crate::store::Record;

/// Renders everything that FETCH will need.
pub(super) fn of(structure: Structure) -> Record {
    let mut record = Record {
        parts: PartTable::of(&structure.root).as_bytes().to_vec(),
        sent_day: structure.sent_day,
        text_end: structure.text_end(),
        ..Record::default()
    };
    write::envelope(&mut record.envelope, &structure.envelope);
    write::body_structure(&mut record.body, &structure.root, false);
    write::body_structure(&mut record.body_structure, &structure.root, true);
    record
}

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
        assert_eq!(record.text_end, 56);
        assert!(!record.parts.is_empty());
    }

    #[test]
    fn text_ends_with_the_last_text_or_header() {
        let message =
            |rest: &str| format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nHi\r\n--b\r\n{rest}");
        let end = |message: &str| record(message.as_bytes()).text_end as usize;
        let attachment = "Content-Type: image/png\r\n\r\n";
        assert_eq!(end(&message(&format!("{attachment}xx\r\n--b--\r\n"))), message(attachment).len());
        let text_last = format!("{attachment}xx\r\n--b\r\nContent-Type: text/html\r\n\r\nx\r\n");
        assert_eq!(end(&message(&format!("{text_last}--b--\r\n"))), message(&text_last).len());
        let inner = "Content-Type: message/rfc822\r\n\r\nContent-Type: message/delivery-status\r\n\r\nx\r\n";
        assert_eq!(end(&message(&format!("{inner}--b--\r\n"))), message(inner).len());
    }
}
