//! Reads a message front to back, in pieces of any size, and tells its parts apart (RFC 2046 section 5.1). Memory: the
//! header block being read, the boundaries open, what is kept of each part; of a body line only its start is looked at.
//!
//! A boundary line may stand in a header block and then ends it. Any octets are a message.

use memchr::{memchr, memchr_iter};

use super::boundary::{Boundaries, MAX_BOUNDARY_START};
use super::content::Content;
use super::date::Date;
use super::envelope::MAX_ADDRESSES;
use super::header::{Fields, header_text, unfold};
use super::text::TextSink;
use super::tree::{self, Kind, Node};
use super::{Envelope, INNER_HEADERS_FOLLOW, Limits, Structure};

/// Reads a message once, front to back, in pieces of any size, with memory bounded by the limits.
pub struct Scanner {
    limits: Limits,
    nodes: Vec<Node>,
    current: usize,
    state: State,
    boundaries: Boundaries,
    /// The header block being read, and where in it the current line starts.
    header: Vec<u8>,
    header_line: usize,
    /// Octets and lines read.
    position: u64,
    lines: u64,
    line: Line,
    /// Parameters, addresses and header octets that may still be kept.
    parameters: usize,
    addresses: usize,
    header_octets: usize,
    top_header: Vec<u8>,
    /// Search text of the header blocks of parts and inner messages.
    inner_headers: String,
    sink: Option<TextSink>,
    wants_text: bool,
    wants_envelopes: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Header,
    Body,
}

/// Where the content of parts ends.
struct Close {
    end: u64,
    lines: u64,
    /// The boundary stands in the header block of the innermost part.
    in_header: bool,
}

/// The line being read.
#[derive(Default)]
struct Line {
    start: u64,
    /// Its first octets while it may still be a boundary line.
    head: Vec<u8>,
    undecided: bool,
    /// Known to be a boundary line: which, and whether it closes the multipart.
    boundary: Option<(usize, bool)>,
    /// The last octet of the piece before.
    last: u8,
    /// Length of the line end before it, if that belongs to content.
    end_before: u64,
}

impl Scanner {
    /// A scanner at the start of a message.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            nodes: vec![Node { envelope: Some(Box::default()), ..Node::default() }],
            current: 0,
            state: State::Header,
            boundaries: Boundaries::default(),
            header: Vec::new(),
            header_line: 0,
            position: 0,
            lines: 0,
            line: Line { undecided: true, ..Line::default() },
            parameters: limits.parameters,
            addresses: MAX_ADDRESSES,
            header_octets: limits.header.saturating_mul(HEADER_BLOCKS),
            top_header: Vec::new(),
            inner_headers: String::new(),
            sink: None,
            wants_text: true,
            wants_envelopes: true,
        }
    }

    /// The same for one that wants no search text.
    pub fn without_text(limits: Limits) -> Self {
        Self { wants_text: false, ..Self::new(limits) }
    }

    /// The same for one that wants the search text alone.
    pub fn for_text(limits: Limits) -> Self {
        Self { nodes: vec![Node::default()], wants_envelopes: false, ..Self::new(limits) }
    }

    /// Reads a piece. `text` receives decoded, case-folded UTF-8 for SEARCH: of the parts that are text (text/*, and
    /// message/* that is not an inner message), one after the other. Then, in the end and if there are any, come
    /// [`INNER_HEADERS_FOLLOW`] and the header blocks of parts and inner messages.
    pub fn feed(&mut self, data: &[u8], text: &mut Vec<u8>) {
        let mut rest = data;
        while !rest.is_empty() {
            if self.state == State::Body && self.boundaries.is_empty() && self.line.boundary.is_none() {
                return self.run(rest, text);
            }
            let end = memchr(b'\n', rest).map_or(rest.len(), |lf| lf + 1);
            let (piece, after) = rest.split_at(end);
            self.piece(piece, text);
            rest = after;
        }
    }

    /// The end of the message, of which only the search text is wanted; its header block.
    pub fn finish_text(mut self, text: &mut Vec<u8>) -> Vec<u8> {
        self.end(text);
        self.top_header
    }

    /// The end of the message.
    pub fn finish(mut self, text: &mut Vec<u8>) -> Structure {
        self.end(text);
        let (envelope, root) = tree::build(self.nodes);
        let envelope = *envelope.unwrap_or_default();
        let date = envelope.date.as_deref().and_then(Date::parse);
        let received = Fields::new(&self.top_header)
            .find(|field| field.name.eq_ignore_ascii_case(b"Received"))
            .and_then(|field| Date::parse_received(&unfold(field.value)));
        Structure {
            header: self.top_header,
            sent_day: date.map(|date| date.day),
            received: received.or(date).map(|date| (date.unix(), date.zone)),
            envelope,
            root,
        }
    }

    fn end(&mut self, text: &mut Vec<u8>) {
        if self.line.start < self.position {
            self.last_line(text);
        }
        while self.state == State::Header {
            self.end_header(self.position, self.lines, false);
        }
        self.close_to(None, Close { end: self.position, lines: self.lines, in_header: false }, text);
        if !self.inner_headers.is_empty() {
            text.push(INNER_HEADERS_FOLLOW);
            text.extend_from_slice(self.inner_headers.as_bytes());
        }
    }

    /// No boundary can come any more: lines need only be counted.
    fn run(&mut self, data: &[u8], text: &mut Vec<u8>) {
        self.settle_head(text);
        if let Some(sink) = &mut self.sink {
            sink.write(data, text);
        }
        self.lines += memchr_iter(b'\n', data).count() as u64;
        self.position += data.len() as u64;
    }

    /// A piece of one line, with its line end or without.
    fn piece(&mut self, piece: &[u8], text: &mut Vec<u8>) {
        let complete = piece.ends_with(b"\n");
        self.position += piece.len() as u64;
        match self.state {
            State::Header => self.header_piece(piece, complete, text),
            State::Body => self.body_piece(piece, complete, text),
        }
        if complete {
            let before = piece.len().checked_sub(2).and_then(|at| piece.get(at)).copied().unwrap_or(self.line.last);
            let was_boundary = self.line.boundary.is_some();
            if let Some((index, closing)) = self.line.boundary.take() {
                self.boundary_line(index, closing, true, text);
            }
            self.lines += 1;
            // The line end of a boundary line is its own: the next boundary does not take it from the content.
            self.line.end_before = if was_boundary { 0 } else { 1 + u64::from(before == b'\r') };
            self.line.start = self.position;
            self.line.head.clear();
            self.line.undecided = true;
            self.line.last = 0;
        } else if let Some(&last) = piece.last() {
            self.line.last = last;
        }
    }

    fn header_piece(&mut self, piece: &[u8], complete: bool, text: &mut Vec<u8>) {
        self.header.extend_from_slice(piece);
        if self.header.len() > self.limits.header.min(self.header_octets) {
            return self.cut_header(text);
        }
        if !complete {
            return;
        }
        let line = self.header.get(self.header_line..).unwrap_or_default();
        if let Some(boundary) = self.boundaries.find(line) {
            self.header.truncate(self.header_line);
            self.line.boundary = Some(boundary);
        } else if matches!(line, b"\r\n" | b"\n") {
            self.end_header(self.position, self.lines + 1, false);
        } else {
            self.header_line = self.header.len();
        }
    }

    fn body_piece(&mut self, piece: &[u8], complete: bool, text: &mut Vec<u8>) {
        if self.line.boundary.is_some() {
            return;
        }
        if !self.line.undecided {
            return self.write_text(piece, text);
        }
        let first = self.line.head.first().or_else(|| piece.first());
        if first == Some(&b'-') {
            self.line.head.extend_from_slice(piece);
            if !complete && self.line.head.len() < MAX_BOUNDARY_START {
                return;
            }
            self.line.boundary = self.boundaries.find(&self.line.head);
            self.line.undecided = false;
            self.settle_head(text);
        } else {
            self.line.undecided = false;
            self.write_text(piece, text);
        }
    }

    /// The last line, which has no line end.
    fn last_line(&mut self, text: &mut Vec<u8>) {
        if self.line.boundary.is_none() {
            match self.state {
                State::Header => {
                    let line = self.header.get(self.header_line..).unwrap_or_default();
                    self.line.boundary = self.boundaries.find(line);
                    if self.line.boundary.is_some() {
                        self.header.truncate(self.header_line);
                    }
                }
                State::Body if self.line.undecided => {
                    self.line.boundary = self.boundaries.find(&self.line.head);
                    self.settle_head(text);
                }
                State::Body => {}
            }
        }
        if let Some((index, closing)) = self.line.boundary.take() {
            self.boundary_line(index, closing, false, text);
        }
    }

    /// A boundary line that starts at `line.start` and ends at `position`.
    fn boundary_line(&mut self, index: usize, closing: bool, complete: bool, text: &mut Vec<u8>) {
        let end = self.line.start - self.line.end_before.min(self.line.start);
        let lines = self.lines - u64::from(self.line.end_before > 0).min(self.lines);
        let cut = (self.state == State::Header).then_some(self.current);
        while self.state == State::Header {
            self.end_header(end, lines, false);
        }
        let Some(owner) = self.boundaries.owner(index) else { return };
        let in_header = cut == Some(self.current);
        self.close_to(Some(owner), Close { end, lines, in_header }, text);
        self.current = owner;
        self.boundaries.truncate(if closing { index } else { index + 1 });
        if closing {
            return;
        }
        if self.nodes.len() >= self.limits.parts || self.header_octets == 0 {
            // What follows belongs to the multipart, untold apart.
            self.boundaries.truncate(0);
        } else if complete {
            self.open(owner, None);
        }
    }

    /// Starts a part, of which the header block comes next.
    fn open(&mut self, parent: usize, envelope: Option<Box<Envelope>>) {
        let depth = self.nodes.get(parent).map_or(0, |node| node.depth + 1);
        let at = self.position;
        self.nodes.push(Node { parent: Some(parent), depth, header_start: at, envelope, ..Node::default() });
        self.current = self.nodes.len() - 1;
        self.state = State::Header;
        self.header.clear();
        self.header_line = 0;
    }

    /// The header block is too long: it ends before the current line, and its part is not looked into.
    fn cut_header(&mut self, text: &mut Vec<u8>) {
        if self.header_octets < self.limits.header {
            self.header_octets = 0;
        }
        let line = self.header.split_off(self.header_line.min(self.header.len()));
        self.end_header(self.position - line.len() as u64, self.lines, true);
        self.line.undecided = false;
        self.write_text(&line, text);
    }

    /// The header block is complete, or `cut`: what it says decides how the content is read.
    fn end_header(&mut self, at: u64, lines: u64, cut: bool) {
        let header = std::mem::take(&mut self.header);
        self.header_line = 0;
        self.header_octets = self.header_octets.saturating_sub(header.len());
        self.state = State::Body;
        let digest = self.parent_of_current().is_some_and(Node::is_digest);
        let of_message = self.parent_of_current().is_none_or(|parent| parent.kind == Kind::Message);
        let room = self.nodes.len() < self.limits.parts && !cut;
        let index = self.current;
        let Some(node) = self.nodes.get_mut(index) else { return };
        node.header_end = at.max(node.header_start);
        (node.body_start, node.lines) = (node.header_end, lines);
        node.content = Content::parse(&header, digest, of_message, &mut self.parameters);
        if let Some(envelope) = &mut node.envelope {
            **envelope = Envelope::parse_within(&header, &mut self.addresses);
        }
        node.kind = kind_of(&node.content);
        if node.kind != Kind::Leaf && (node.depth + 1 >= self.limits.depth || !room) {
            node.kind = Kind::Leaf;
            node.content.make_opaque();
        }
        match node.kind {
            Kind::Leaf => {
                if index == 0 {
                    node.content.make_plain();
                }
                self.sink = if self.wants_text { TextSink::of(&node.content) } else { None };
            }
            Kind::Multipart => {
                if let Some(boundary) = node.content.parameter(b"boundary") {
                    self.boundaries.push(boundary, index);
                }
            }
            Kind::Message => {
                node.content.media_type.make_ascii_lowercase();
                node.content.subtype.make_ascii_lowercase();
                self.open(index, self.wants_envelopes.then(Box::default));
                if let Some(child) = self.nodes.last_mut() {
                    child.header_start = at;
                }
            }
        }
        if index == 0 {
            self.top_header = header;
        } else if self.wants_text {
            self.inner_headers.push_str(&header_text(&header));
        }
    }

    /// Closes the current part and those around it, up to `owner` or to the message itself.
    fn close_to(&mut self, owner: Option<usize>, close: Close, text: &mut Vec<u8>) {
        self.settle_head(text);
        if let Some(sink) = self.sink.take() {
            sink.finish(text);
        }
        let Close { mut end, mut lines, in_header } = close;
        let mut innermost = true;
        let mut next = Some(self.current);
        while let Some(index) = next.filter(|_| next != owner) {
            let Some(node) = self.nodes.get_mut(index) else { return };
            // Nothing of an inner message is there: its part counts as the innermost.
            let absent = node.header_start > end;
            // Where the boundary follows a line of the header, only the part itself loses the line end to the boundary:
            // the parts around it keep it.
            let takes_header = innermost && !absent && (in_header || node.body_start > end);
            node.close(end, lines);
            next = node.parent;
            innermost &= absent;
            if takes_header {
                (end, lines) = (self.line.start, self.lines);
            }
        }
    }

    /// The line's first octets are content, unless they are those of a boundary line.
    fn settle_head(&mut self, text: &mut Vec<u8>) {
        if self.line.boundary.is_none()
            && let Some(sink) = &mut self.sink
        {
            sink.write(&self.line.head, text);
        }
        self.line.head.clear();
    }

    fn write_text(&mut self, data: &[u8], text: &mut Vec<u8>) {
        if let Some(sink) = &mut self.sink {
            sink.write(data, text);
        }
    }

    fn parent_of_current(&self) -> Option<&Node> {
        self.nodes.get(self.nodes.get(self.current)?.parent?)
    }
}

/// How the content of a part is to be read. An inner message is looked into whatever its encoding: RFC 2046 section 5.2.1
/// forbids any that would change its octets, and RFC 9051 has no other form to show it in. A message/global is not looked
/// into: RFC 3501 section 9 has no other form for it than that of any part (`media-message` is RFC822 alone).
fn kind_of(content: &Content) -> Kind {
    if content.is_type(b"multipart") {
        return Kind::Multipart;
    }
    if content.is_type(b"message") && content.is_subtype(b"rfc822") { Kind::Message } else { Kind::Leaf }
}

/// Header octets kept of all parts together, as a multiple of the limit for one header block.
const HEADER_BLOCKS: usize = 4;

#[cfg(test)]
mod tests;
