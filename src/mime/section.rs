//! Where each section of a message lies (RFC 9051 section 6.4.5.1), in a compact encoding that is stored with the message.
//!
//! Format: the parts in pre-order, each as a kind octet (0 leaf, 1 multipart, 2 message) and LEB128 numbers: start of its
//! header block, its length, start of its content, its length, and for a multipart the number of its children. A message
//! has one child, the inner message. Any octets can be read: what is no table has no sections.

use std::ops::Range;

use super::{Body, Part};

/// Where each section of a message lies; stored, so that FETCH never parses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartTable(Vec<u8>);

/// What of a part (RFC 9051 section 6.4.5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// `[n]`, and `[]` for the message.
    Whole,
    /// `[HEADER]`, `[n.HEADER]`
    Header,
    /// `[TEXT]`, `[n.TEXT]`
    Text,
    /// `[n.MIME]`
    Mime,
}

impl PartTable {
    /// The table of a message.
    pub fn of(root: &Part) -> Self {
        let mut out = Vec::new();
        let mut next = vec![root];
        while let Some(part) = next.pop() {
            out.push(match part.body {
                Body::Leaf => LEAF,
                Body::Multipart(_) => MULTIPART,
                Body::Message(..) => MESSAGE,
            });
            for span in [&part.header_span, &part.body_span] {
                put_number(&mut out, span.start);
                put_number(&mut out, span.end.saturating_sub(span.start));
            }
            match &part.body {
                Body::Leaf => {}
                Body::Multipart(children) => {
                    put_number(&mut out, children.len() as u64);
                    next.extend(children.iter().rev());
                }
                Body::Message(_, inner) => next.push(inner),
            }
        }
        Self(out)
    }

    /// A table as it was stored.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    /// The table as it is stored.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The octets of a section. `None` when there is no such part, or nothing of this kind in it: HEADER and TEXT are of
    /// a message, MIME is of a part. An empty path is the message itself.
    ///
    /// A message that is not multipart has one part, 1, whose MIME header is the message's header. Part numbers descend
    /// through message/rfc822 into the parts of the inner message.
    pub fn section(&self, path: &[u32], want: Want) -> Option<Range<u64>> {
        self.content(path, want).map(|(octets, _)| octets)
    }

    /// The same, and the header block that names the transfer encoding of the octets, if one does: header blocks, whole
    /// messages and what is made of parts have none of their own (RFC 2045 section 6.4).
    pub fn content(&self, path: &[u32], want: Want) -> Option<(Range<u64>, Option<Range<u64>>)> {
        let mut reader = Reader { bytes: &self.0 };
        let mut entry = reader.entry()?;
        if path.is_empty() {
            return match want {
                Want::Whole => Some((entry.header.start..entry.body.end, None)),
                Want::Header => Some((entry.header, None)),
                Want::Text => Some(entry.content()),
                Want::Mime => None,
            };
        }
        let mut unnumbered_root = true;
        for &number in path {
            if entry.kind == MESSAGE && !unnumbered_root {
                entry = reader.entry()?;
                unnumbered_root = true;
            }
            if entry.kind == MULTIPART {
                let before = u64::from(number).checked_sub(1)?;
                if before >= entry.children {
                    return None;
                }
                reader.skip(before)?;
                entry = reader.entry()?;
            } else if !unnumbered_root || number != 1 {
                return None;
            }
            unnumbered_root = false;
        }
        match want {
            Want::Whole => Some(entry.content()),
            Want::Mime => Some((entry.header, None)),
            Want::Header | Want::Text if entry.kind != MESSAGE => None,
            Want::Header => Some((reader.entry()?.header, None)),
            Want::Text => Some(reader.entry()?.content()),
        }
    }

    /// The parts that are neither multipart nor a message, in order, those of inner messages too; the first `most`.
    pub fn leaves(&self, most: usize) -> Vec<Leaf> {
        let mut reader = Reader { bytes: &self.0 };
        let mut leaves = Vec::new();
        // Of the parts around the next one: the header block, if it is a multipart, and how many parts are to come.
        let mut around: Vec<(Option<Range<u64>>, u64)> = Vec::new();
        while leaves.len() < most
            && let Some(entry) = reader.entry()
        {
            if entry.kind == LEAF {
                let multipart = around.last().and_then(|(header, _)| header.clone());
                leaves.push(Leaf { header: entry.header, body: entry.body, multipart });
            } else {
                let header = (entry.kind == MULTIPART).then_some(entry.header);
                around.push((header, entry.children));
                continue;
            }
            while let Some((_, left)) = around.last_mut() {
                *left = left.saturating_sub(1);
                if *left > 0 {
                    break;
                }
                around.pop();
            }
        }
        leaves
    }
}

/// A part that is neither multipart nor a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Its header block.
    pub header: Range<u64>,
    /// Its content.
    pub body: Range<u64>,
    /// The header block of the multipart that it stands in.
    pub multipart: Option<Range<u64>>,
}

const LEAF: u8 = 0;
const MULTIPART: u8 = 1;
const MESSAGE: u8 = 2;

struct Entry {
    kind: u8,
    header: Range<u64>,
    body: Range<u64>,
    children: u64,
}

impl Entry {
    /// Its content, and the header block that names the transfer encoding.
    fn content(self) -> (Range<u64>, Option<Range<u64>>) {
        let header = (self.kind != MULTIPART).then_some(self.header);
        (self.body, header)
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl Reader<'_> {
    fn entry(&mut self) -> Option<Entry> {
        let (&kind, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        let header = self.span()?;
        let body = self.span()?;
        let children = match kind {
            LEAF => 0,
            MULTIPART => self.number()?,
            MESSAGE => 1,
            _ => return None,
        };
        Some(Entry { kind, header, body, children })
    }

    /// Passes so many parts with all that is in them.
    fn skip(&mut self, parts: u64) -> Option<()> {
        let mut pending = parts;
        while pending > 0 {
            pending = (pending - 1).checked_add(self.entry()?.children)?;
        }
        Some(())
    }

    fn span(&mut self) -> Option<Range<u64>> {
        let start = self.number()?;
        Some(start..start.checked_add(self.number()?)?)
    }

    fn number(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.bytes.split_first()?;
            self.bytes = rest;
            value |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

fn put_number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::{Limits, Scanner};

    fn table(message: &[u8]) -> PartTable {
        let mut scanner = Scanner::new(Limits::default());
        scanner.feed(message, &mut Vec::new());
        PartTable::of(&scanner.finish(&mut Vec::new()).root)
    }

    #[test]
    fn sections_of_a_plain_message() {
        let message = b"A: b\r\n\r\nbody\r\n";
        let table = table(message);
        assert_eq!(table.section(&[], Want::Whole), Some(0..14));
        assert_eq!(table.section(&[], Want::Header), Some(0..8));
        assert_eq!(table.section(&[], Want::Text), Some(8..14));
        assert_eq!(table.section(&[], Want::Mime), None);
        assert_eq!(table.section(&[1], Want::Whole), Some(8..14));
        assert_eq!(table.section(&[1], Want::Mime), Some(0..8));
        for want in [Want::Header, Want::Text] {
            assert_eq!(table.section(&[1], want), None);
        }
        for path in [&[0][..], &[2], &[1, 1], &[u32::MAX]] {
            assert_eq!(table.section(path, Want::Whole), None);
        }
    }

    #[test]
    fn numbers_descend_through_messages() {
        let message = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n\
            Content-Type: multipart/mixed; boundary=i\r\n\r\n--i\r\nX: y\r\n\r\ntwo\r\n--i--\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n\
            Y: z\r\n\r\nthree\r\n--b--\r\n";
        let table = table(message);
        let text = |path: &[u32], want| {
            let span = table.section(path, want)?;
            message.get(span.start as usize..span.end as usize).map(|b| String::from_utf8_lossy(b).into_owned())
        };
        assert_eq!(text(&[1], Want::Whole).as_deref(), Some("one"));
        assert_eq!(text(&[2, 1], Want::Whole).as_deref(), Some("two"));
        assert_eq!(text(&[2, 1], Want::Mime).as_deref(), Some("X: y\r\n\r\n"));
        assert_eq!(text(&[2], Want::Mime).as_deref(), Some("Content-Type: message/rfc822\r\n\r\n"));
        assert_eq!(text(&[3], Want::Header).as_deref(), Some("Y: z\r\n\r\n"));
        assert_eq!(text(&[3], Want::Text).as_deref(), Some("three"));
        assert_eq!(text(&[3, 1], Want::Whole).as_deref(), Some("three"));
        assert_eq!(text(&[3, 1], Want::Mime).as_deref(), Some("Y: z\r\n\r\n"));
        assert_eq!(text(&[3, 2], Want::Whole), None);
        assert_eq!(text(&[4], Want::Whole), None);
        assert_eq!(PartTable::from_bytes(table.as_bytes()), table);
    }

    #[test]
    fn transfer_encodings_are_named_by_the_innermost_header() {
        let message = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nA: b\r\n\r\none\r\n\
            --b\r\nContent-Type: message/rfc822\r\n\r\nC: d\r\n\r\ntwo\r\n--b--\r\n";
        let table = table(message);
        let header = |path: &[u32], want| {
            let span = table.content(path, want)?.1?;
            message.get(span.start as usize..span.end as usize).map(|b| String::from_utf8_lossy(b).into_owned())
        };
        assert_eq!(header(&[1], Want::Whole).as_deref(), Some("A: b\r\n\r\n"));
        assert_eq!(header(&[2], Want::Whole).as_deref(), Some("Content-Type: message/rfc822\r\n\r\n"));
        assert_eq!(header(&[2], Want::Text).as_deref(), Some("C: d\r\n\r\n"));
        assert_eq!(header(&[2, 1], Want::Whole).as_deref(), Some("C: d\r\n\r\n"));
        for (path, want) in [(&[][..], Want::Whole), (&[], Want::Text), (&[1], Want::Mime), (&[2], Want::Header)] {
            assert_eq!(header(path, want), None);
        }
        let leaves = table.leaves(9);
        let body = |leaf: &Leaf| String::from_utf8_lossy(&message[leaf.body.start as usize..leaf.body.end as usize]);
        assert_eq!(leaves.iter().map(body).collect::<Vec<_>>(), ["one", "two"]);
        assert_eq!(leaves[0].multipart, table.section(&[], Want::Header));
        assert_eq!(leaves[1].multipart, None);
        assert_eq!(table.leaves(1), leaves[..1]);
    }

    #[test]
    fn damaged_tables_have_no_sections() {
        let good =
            table(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\n");
        for cut in 0..good.as_bytes().len() {
            assert_eq!(PartTable::from_bytes(&good.as_bytes()[..cut]).section(&[2], Want::Whole), None);
        }
        let endless = [[MULTIPART, 0, 0, 0, 0].as_slice(), &[0xff; 9], &[1]].concat();
        assert_eq!(PartTable::from_bytes(&endless).section(&[u32::MAX], Want::Whole), None);
        assert_eq!(PartTable::from_bytes(&[0xff; 40]).section(&[], Want::Whole), None);
    }
}
