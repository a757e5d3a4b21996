//! The parts of a message while it is scanned, and what becomes of them at its end.

use super::content::Content;
use super::{Body, Envelope, Part};

/// One part: where it lies and what its header says. Offsets count from the start of the message.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) parent: Option<usize>,
    /// Parts around it.
    pub(super) depth: usize,
    pub(super) kind: Kind,
    pub(super) header_start: u64,
    pub(super) header_end: u64,
    pub(super) body_start: u64,
    pub(super) body_end: u64,
    /// Lines of the message before the content; lines of the content once it is closed.
    pub(super) lines: u64,
    pub(super) content: Content,
    /// Of the message or of an inner message.
    pub(super) envelope: Option<Box<Envelope>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    #[default]
    Leaf,
    Multipart,
    /// message/rfc822: its one child is the inner message.
    Message,
}

impl Node {
    pub(super) fn is_digest(&self) -> bool {
        self.kind == Kind::Multipart && self.content.is_subtype(b"digest")
    }

    /// Ends the part. The line end before a boundary belongs to the boundary, even that of the header's blank line; an
    /// inner message of which nothing is there may begin after it.
    pub(super) fn close(&mut self, end: u64, lines: u64) {
        self.body_end = end;
        for offset in [&mut self.header_start, &mut self.header_end, &mut self.body_start] {
            *offset = (*offset).min(end);
        }
        self.lines = lines.saturating_sub(self.lines);
    }
}

/// The tree of the parts: the first is the message, every other comes after its parent.
pub(super) fn build(nodes: Vec<Node>) -> (Option<Box<Envelope>>, Part) {
    let mut children: Vec<Vec<Built>> = nodes.iter().map(|_| Vec::new()).collect();
    let mut root = None;
    for node in nodes.into_iter().rev() {
        let parent = node.parent;
        let built = Built::new(node, children.pop().unwrap_or_default());
        match parent.and_then(|p| children.get_mut(p)) {
            Some(siblings) => siblings.push(built),
            None => root = Some(built),
        }
    }
    root.map_or_else(|| (None, empty_part(0)), |built| (built.envelope, built.part))
}

struct Built {
    envelope: Option<Box<Envelope>>,
    part: Part,
}

impl Built {
    /// `children` in reverse.
    fn new(node: Node, mut children: Vec<Self>) -> Self {
        let body = match node.kind {
            Kind::Leaf => Body::Leaf,
            Kind::Message => match children.pop() {
                Some(inner) => Body::Message(inner.envelope.unwrap_or_default(), Box::new(inner.part)),
                None => Body::Message(Box::default(), Box::new(empty_part(node.body_end))),
            },
            // RFC 9051 section 9 `body-type-mpart` has at least one part: shown is an empty one.
            Kind::Multipart if children.is_empty() => Body::Multipart(vec![empty_part(node.body_end)]),
            Kind::Multipart => Body::Multipart(children.into_iter().rev().map(|child| child.part).collect()),
        };
        let part = Part {
            media_type: node.content.media_type,
            subtype: node.content.subtype,
            parameters: node.content.parameters,
            id: node.content.id,
            description: node.content.description,
            encoding: node.content.encoding,
            md5: node.content.md5,
            disposition: node.content.disposition,
            language: node.content.language,
            location: node.content.location,
            body,
            header_span: node.header_start..node.header_end,
            body_span: node.body_start..node.body_end,
            lines: node.lines,
        };
        Self { envelope: node.envelope, part }
    }
}

/// An empty text part at this place.
fn empty_part(at: u64) -> Part {
    let content = Content::default_text();
    Part {
        media_type: content.media_type,
        subtype: content.subtype,
        parameters: content.parameters,
        id: None,
        description: None,
        encoding: content.encoding,
        md5: None,
        disposition: None,
        language: Vec::new(),
        location: None,
        body: Body::Leaf,
        header_span: at..at,
        body_span: at..at,
        lines: 0,
    }
}
