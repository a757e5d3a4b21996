//! Throwing away a command that is too large, to its true end: its lines and its non-synchronising literals.

use super::marker::{self, Marker};
use super::{Event, Fragmenter, Piece, State, Step};

/// A command being thrown away.
#[derive(Debug)]
pub(super) struct Discard {
    tag: Option<Vec<u8>>,
    append: bool,
    /// The session has answered already.
    silent: bool,
    /// The start of the line being read is gone.
    cut: bool,
    count: u64,
}

impl Fragmenter {
    /// From here on the command is thrown away. `self.text` is the line up to here.
    pub(super) fn begin_discard(&mut self, append: bool, silent: bool) {
        let first = match self.pieces.first() {
            Some(Piece::Text(first)) => first,
            _ => &self.text,
        };
        let tag = marker::tag(first);
        let text = std::mem::take(&mut self.text);
        self.reset();
        self.discard = Some(Discard { tag, append, silent, cut: false, count: 0 });
        self.keep_tail(text);
    }

    pub(super) fn discard_line(&mut self) -> Step {
        let taken = self.input.take_line(usize::MAX);
        let count = taken.len() as u64;
        let tail = taken.get(taken.len().saturating_sub(Marker::LONGEST)..).unwrap_or_default();
        let mut text = std::mem::take(&mut self.text);
        text.extend_from_slice(tail);
        if let Some(discard) = &mut self.discard {
            discard.cut |= tail.len() < taken.len();
        }
        self.keep_tail(text);
        if !self.count_discarded(count) {
            return self.finish_discard(true);
        }
        if !self.input.take_line_end() {
            return Step::Wait;
        }
        self.strip_cr();
        let cut = self.discard.as_ref().is_some_and(|d| d.cut);
        self.discard_line_end(Marker::at_end(&self.text, cut))
    }

    /// A discarded line has ended: with the command, or with a literal.
    pub(super) fn discard_line_end(&mut self, marker: Option<Marker>) -> Step {
        self.text.clear();
        if let Some(discard) = &mut self.discard {
            discard.cut = false;
        }
        match marker {
            // The client waits for a continuation that it will not get: the command ends here.
            None | Some(Marker { sync: true, .. }) => self.finish_discard(false),
            Some(Marker { size, .. }) => match size {
                Some(size) if self.count_discarded(size) => {
                    self.state = State::Skip { left: size };
                    Step::Again
                }
                _ => self.finish_discard(true),
            },
        }
    }

    pub(super) fn skip(&mut self, left: u64) -> Step {
        let taken = self.input.take(left).len() as u64;
        let left = left.saturating_sub(taken);
        self.state = if left == 0 { State::Line } else { State::Skip { left } };
        if left == 0 { Step::Again } else { Step::Wait }
    }

    /// Counts octets that are thrown away; false when they are too many.
    fn count_discarded(&mut self, octets: u64) -> bool {
        let most = self.limits.discard();
        self.discard.as_mut().is_none_or(|discard| {
            discard.count = discard.count.saturating_add(octets);
            discard.count <= most
        })
    }

    fn finish_discard(&mut self, close: bool) -> Step {
        let discard = self.discard.take();
        self.reset();
        if close {
            self.input.clear();
            self.state = State::Closed;
        }
        match discard {
            Some(d) if close || !d.silent => Step::Event(Event::TooLarge { tag: d.tag, append: d.append, close }),
            _ => Step::Again,
        }
    }

    /// Keeps as much of the line as a marker at its end needs.
    fn keep_tail(&mut self, mut line: Vec<u8>) {
        let excess = line.len().saturating_sub(Marker::LONGEST);
        if let (Some(discard), true) = (&mut self.discard, excess > 0) {
            discard.cut = true;
            line.drain(..excess);
            line.shrink_to(Marker::LONGEST);
        }
        self.text = line;
    }
}
