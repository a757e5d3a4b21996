//! Runs of base64 lines, as attachments are made of, kept as the octets they stand for: a quarter less, and open to
//! compression. Only what is made again octet for octet is taken: lines of one length, of whole groups of four, without
//! padding, each with its CRLF. Everything else is kept as it is.
//!
//! The shortened stream is a sequence of blocks. Each begins with a LEB128 number n: when n is even, n / 2 octets as they are
//! follow; when n is odd, a run of n / 2 lines: an octet with the number of groups in each line, then the decoded octets.

use memchr::memchr;

use super::error::{Error, Result};

/// Groups of four in the longest line that is looked at, and in the shortest that pays.
const MAX_GROUPS: usize = 255;
const MIN_GROUPS: usize = 4;

/// Fewer lines in a row are kept as they are: a block of their own would cost more than they save.
const MIN_LINES: usize = 3;

/// Longest blocks: what is held back while a block grows.
const MAX_PLAIN: usize = 64 * 1024;
const MAX_LINES: usize = 256;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Not a base64 digit.
const NONE: u8 = 0xff;

const VALUES: [u8; 256] = {
    let mut values = [NONE; 256];
    let mut i = 0;
    while i < ALPHABET.len() {
        values[ALPHABET[i] as usize] = i as u8;
        i += 1;
    }
    values
};

/// Shortens octets as they come.
#[derive(Debug, Default)]
pub(super) struct Shortener {
    /// The start of a line of which the end has not come.
    line: Vec<u8>,
    /// The current line is longer than any that is looked at: the rest of it is plain.
    is_long: bool,
    /// Octets as they are, before the run.
    plain: Vec<u8>,
    /// Groups in each line of the run, lines in it, and what they stand for.
    groups: usize,
    lines: usize,
    run: Vec<u8>,
}

impl Shortener {
    /// Appends to `out` what is complete.
    pub(super) fn write(&mut self, data: &[u8], out: &mut Vec<u8>) {
        let mut rest = data;
        while !rest.is_empty() {
            let end = memchr(b'\n', rest).map(|lf| lf + 1);
            let (piece, after) = rest.split_at(end.unwrap_or(rest.len()));
            rest = after;
            if self.is_long {
                self.keep(piece, out);
                self.is_long = end.is_none();
            } else if end.is_some() && self.line.is_empty() {
                self.line(piece, out);
            } else {
                self.line.extend_from_slice(piece);
                if end.is_some() || self.line.len() > MAX_GROUPS * 4 + 2 {
                    let mut line = std::mem::take(&mut self.line);
                    self.line(&line, out);
                    self.is_long = end.is_none();
                    line.clear();
                    self.line = line;
                }
            }
        }
    }

    /// Appends what was held back. Nothing comes after it.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        let line = std::mem::take(&mut self.line);
        // Ends the run as well.
        self.keep(&line, out);
        self.give_plain(out);
    }

    /// A line with its end, or the start of one that is too long.
    fn line(&mut self, line: &[u8], out: &mut Vec<u8>) {
        let digits = line.strip_suffix(b"\r\n").unwrap_or_default();
        let groups = digits.len() / 4;
        if !(MIN_GROUPS..=MAX_GROUPS).contains(&groups) || digits.len() % 4 != 0 {
            return self.keep(line, out);
        }
        let before = self.run.len();
        if self.lines > 0 && groups != self.groups {
            self.end_run(out);
            return self.line(line, out);
        }
        if !decode(digits, &mut self.run) {
            self.run.truncate(before);
            return self.keep(line, out);
        }
        self.groups = groups;
        self.lines += 1;
        if self.lines == MAX_LINES {
            self.end_run(out);
        }
    }

    /// Octets that stay as they are.
    fn keep(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        self.end_run(out);
        self.plain.extend_from_slice(octets);
        if self.plain.len() >= MAX_PLAIN {
            self.give_plain(out);
        }
    }

    fn end_run(&mut self, out: &mut Vec<u8>) {
        if self.lines >= MIN_LINES {
            self.give_plain(out);
            put_number(out, self.lines << 1 | 1);
            out.push(self.groups as u8);
            out.extend_from_slice(&self.run);
        } else if self.lines > 0 {
            for line in self.run.chunks(self.groups * 3) {
                encode(line, &mut self.plain);
            }
        }
        self.lines = 0;
        self.run.clear();
    }

    fn give_plain(&mut self, out: &mut Vec<u8>) {
        if !self.plain.is_empty() {
            put_number(out, self.plain.len() << 1);
            out.append(&mut self.plain);
        }
    }
}

/// Appends what the digits stand for; `false`: there is something else among them.
fn decode(digits: &[u8], out: &mut Vec<u8>) -> bool {
    let mut all = 0;
    for group in digits.chunks_exact(4) {
        let [a, b, c, d] = [group[0], group[1], group[2], group[3]].map(|digit| VALUES[usize::from(digit)]);
        all |= a | b | c | d;
        let bits = u32::from(a) << 18 | u32::from(b) << 12 | u32::from(c) << 6 | u32::from(d);
        out.extend_from_slice(&[(bits >> 16) as u8, (bits >> 8) as u8, bits as u8]);
    }
    all < 64
}

/// Appends a line and its end.
fn encode(octets: &[u8], out: &mut Vec<u8>) {
    let digit = |bits: u32| ALPHABET[(bits & 63) as usize];
    for group in octets.chunks_exact(3) {
        let bits = u32::from(group[0]) << 16 | u32::from(group[1]) << 8 | u32::from(group[2]);
        out.extend_from_slice(&[digit(bits >> 18), digit(bits >> 12), digit(bits >> 6), digit(bits)]);
    }
    out.extend_from_slice(b"\r\n");
}

fn put_number(out: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Makes the octets again, as room for them comes.
#[derive(Debug, Default)]
pub(super) struct Restorer {
    block: Block,
    /// Part of a line of a run, as it was decoded.
    line: Vec<u8>,
    /// Octets made for which there was no room yet, and how many of them have been given.
    ready: Vec<u8>,
    given: usize,
}

#[derive(Debug)]
enum Block {
    /// Its number: the bits so far, and where the next go.
    Number(u64, u32),
    Plain(u64),
    Groups(u64),
    Lines {
        left: u64,
        octets: usize,
    },
}

impl Default for Block {
    fn default() -> Self {
        Self::Number(0, 0)
    }
}

impl Restorer {
    /// Appends octets to `out` until it has `limit` of them or `data` is used up; says how much of `data` was taken.
    pub(super) fn read(&mut self, data: &[u8], out: &mut Vec<u8>, limit: usize) -> Result<usize> {
        let mut rest = data;
        loop {
            let room = limit.saturating_sub(out.len());
            let waiting = self.ready.get(self.given..).unwrap_or_default();
            let given = waiting.len().min(room);
            out.extend_from_slice(waiting.get(..given).unwrap_or_default());
            self.given += given;
            if room == given || rest.is_empty() {
                return Ok(data.len() - rest.len());
            }
            rest = self.step(rest, out, room - given)?;
        }
    }

    /// Takes some of `data`, which is not empty, and gives out at most `room` octets.
    fn step<'d>(&mut self, data: &'d [u8], out: &mut Vec<u8>, room: usize) -> Result<&'d [u8]> {
        let (&first, after) = data.split_first().ok_or_else(damaged)?;
        match &mut self.block {
            Block::Number(bits, shift) => {
                *bits |= u64::from(first & 0x7f) << *shift;
                *shift += 7;
                if first < 0x80 {
                    self.block = if *bits & 1 == 0 { Block::plain(*bits >> 1) } else { Block::Groups(*bits >> 1) };
                } else if *shift > 56 {
                    return Err(damaged());
                }
                Ok(after)
            }
            Block::Plain(left) => {
                let take = data.len().min(room).min(usize::try_from(*left).unwrap_or(usize::MAX));
                let (taken, after) = data.split_at(take);
                out.extend_from_slice(taken);
                self.block = Block::plain(*left - take as u64);
                Ok(after)
            }
            // Each line is made of octets that were read: no stream is made longer without end.
            Block::Groups(left) if *left == 0 || usize::from(first) < MIN_GROUPS => Err(damaged()),
            Block::Groups(left) => {
                self.block = Block::Lines { left: *left, octets: usize::from(first) * 3 };
                Ok(after)
            }
            Block::Lines { left, octets } => {
                let take = data.len().min(octets.saturating_sub(self.line.len()));
                let (taken, after) = data.split_at(take);
                self.line.extend_from_slice(taken);
                if self.line.len() == *octets {
                    self.ready.clear();
                    self.given = 0;
                    encode(&self.line, &mut self.ready);
                    self.line.clear();
                    *left -= 1;
                    if *left == 0 {
                        self.block = Block::default();
                    }
                }
                Ok(after)
            }
        }
    }

    /// Whether octets wait for room.
    pub(super) fn has_more(&self) -> bool {
        self.given < self.ready.len()
    }

    /// Whether the stream may end here.
    pub(super) fn is_complete(&self) -> bool {
        matches!(self.block, Block::Number(0, 0)) && !self.has_more()
    }
}

impl Block {
    fn plain(left: u64) -> Self {
        if left == 0 { Self::default() } else { Self::Plain(left) }
    }
}

fn damaged() -> Error {
    Error::Damaged("a shortened body cannot be read".to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shortened(data: &[u8], cut: usize) -> Vec<u8> {
        let (mut shortener, mut out) = (Shortener::default(), Vec::new());
        data.chunks(cut).for_each(|piece| shortener.write(piece, &mut out));
        shortener.finish(&mut out);
        out
    }

    fn restored(data: &[u8], cut: usize, room: usize) -> Result<Vec<u8>> {
        let (mut restorer, mut out) = (Restorer::default(), Vec::new());
        for piece in data.chunks(cut) {
            let mut taken = 0;
            while taken < piece.len() || restorer.has_more() {
                let limit = out.len() + room;
                taken += restorer.read(&piece[taken..], &mut out, limit)?;
                assert!(out.len() <= limit);
            }
        }
        if restorer.is_complete() { Ok(out) } else { Err(damaged()) }
    }

    fn lines(count: usize, groups: usize) -> Vec<u8> {
        let mut out = Vec::new();
        for n in 0..count {
            let octets: Vec<u8> = (0..groups * 3).map(|i| (i * 7 + n * 31) as u8).collect();
            encode(&octets, &mut out);
        }
        out
    }

    fn same(data: &[u8]) -> usize {
        let whole = shortened(data, usize::MAX);
        for cut in [1, 3, 77, 1000] {
            // Not octet for octet the same stream: where a block of plain octets ends depends on the cuts.
            assert!(restored(&shortened(data, cut), 1000, 9).is_ok_and(|octets| octets == data), "cut at {cut}");
            assert!(restored(&whole, cut, 5).is_ok_and(|octets| octets == data), "cut at {cut}");
        }
        assert!(restored(&whole, usize::MAX, usize::MAX >> 1).is_ok_and(|octets| octets == data));
        whole.len()
    }

    #[test]
    fn runs_become_shorter() {
        let attachment = [b"Content: x\r\n\r\n".as_slice(), &lines(1000, 19), b"QQ==\r\n--b--\r\n"].concat();
        assert!(same(&attachment) < attachment.len() * 74 / 100);
        // Runs of different widths, next to each other.
        let mixed = [lines(5, 19), lines(4, 18), lines(2, 17), lines(9, 16)].concat();
        assert!(same(&mixed) < mixed.len());
    }

    #[test]
    fn what_is_not_a_run_is_kept() {
        for data in [
            b"".as_slice(),
            b"no line end",
            b"AAAA\nAAAA\nAAAA\nAAAA\n",
            b"\r\n\r\n\r\n\r\n",
            b"AAAAAAAAAAAAAAAAAAAAAAA=\r\nAAAAAAAAAAAAAAAAAAAAAAA=\r\nAAAAAAAAAAAAAAAAAAAAAAA=\r\n",
        ] {
            assert!(same(data) <= data.len() + 2, "{}", data.escape_ascii());
        }
        // A line end of its own kind, a cut line, a foreign octet: in the middle of a run.
        for odd in [b"AAAA\n".as_slice(), b"AAAAA\r\n", b"AA-A\r\n", b"AAAA", b"\r", &[0xff; 3000]] {
            same(&[lines(6, 19), odd.to_vec(), lines(6, 19)].concat());
        }
    }

    #[test]
    fn limits_and_one_past_them() {
        let saves = |data: &[u8]| same(data) < data.len();
        assert!(saves(&lines(MIN_LINES, 19)) && !saves(&lines(MIN_LINES - 1, 19)));
        assert!(saves(&lines(9, MIN_GROUPS)) && !saves(&lines(9, MIN_GROUPS - 1)));
        assert!(saves(&lines(9, MAX_GROUPS)) && !saves(&lines(9, MAX_GROUPS + 1)));
        for count in [MAX_LINES - 1, MAX_LINES, MAX_LINES + 1, MAX_LINES + MIN_LINES] {
            assert!(saves(&lines(count, 19)));
        }
        for len in [MAX_PLAIN - 1, MAX_PLAIN, MAX_PLAIN + 1] {
            same(&vec![b'-'; len]);
        }
    }

    #[test]
    fn damage_is_told() {
        let whole = shortened(&lines(9, 19), usize::MAX);
        assert!(restored(&whole[..whole.len() - 1], 100, 100).is_err());
        assert!(restored(&[1, 19], 100, 100).is_err());
        assert!(restored(&[0xff; 20], 100, 100).is_err());
    }

    proptest! {
        #[test]
        fn any_octets_come_back(parts in prop::collection::vec((any::<bool>(), 0..12usize, 1..30usize, prop::collection::vec(any::<u8>(), 0..90)), 0..8)) {
            let mut data = Vec::new();
            for (is_run, count, groups, octets) in parts {
                if is_run { data.extend(lines(count, groups)) } else { data.extend(octets) }
            }
            same(&data);
        }

        #[test]
        fn any_stream_is_read_or_refused(data in prop::collection::vec(any::<u8>(), 0..200)) {
            drop(restored(&data, 7, 11));
        }
    }
}
