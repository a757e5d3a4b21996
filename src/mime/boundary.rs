//! The boundaries that are open at one place of a message (RFC 2046 section 5.1.1). A boundary line is a line that starts
//! with `--` and a boundary, whatever follows; the longest boundary counts, of equal ones the innermost.

/// The open boundaries, from the outermost to the innermost.
#[derive(Debug, Default)]
pub(super) struct Boundaries(Vec<Boundary>);

#[derive(Debug)]
struct Boundary {
    delimiter: Vec<u8>,
    owner: usize,
}

/// Octets of a boundary that are compared: RFC 2046 section 5.1.1 allows 70.
const MAX_DELIMITER: usize = 80;

/// So many octets tell whether a line is a boundary line, and whether it closes its multipart.
pub(super) const MAX_BOUNDARY_START: usize = MAX_DELIMITER + 4;

impl Boundaries {
    /// Opens the boundary of the multipart `owner`.
    pub(super) fn push(&mut self, boundary: &[u8], owner: usize) {
        let delimiter = boundary.get(..MAX_DELIMITER).unwrap_or(boundary).to_vec();
        self.0.push(Boundary { delimiter, owner });
    }

    /// Keeps the outermost `count`.
    pub(super) fn truncate(&mut self, count: usize) {
        self.0.truncate(count);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The multipart of a boundary.
    pub(super) fn owner(&self, index: usize) -> Option<usize> {
        self.0.get(index).map(|boundary| boundary.owner)
    }

    /// The boundary that the line starts with, and whether the line closes its multipart.
    pub(super) fn find(&self, line: &[u8]) -> Option<(usize, bool)> {
        let line = line.strip_prefix(b"--")?;
        let mut best: Option<(usize, usize)> = None;
        for (index, boundary) in self.0.iter().enumerate().rev() {
            let length = boundary.delimiter.len();
            if line.starts_with(&boundary.delimiter) && best.is_none_or(|(_, longest)| length > longest) {
                best = Some((index, length));
            }
        }
        best.map(|(index, length)| (index, line.get(length..).is_some_and(|rest| rest.starts_with(b"--"))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longest_then_innermost() {
        let mut boundaries = Boundaries::default();
        for (owner, boundary) in [b"a".as_slice(), b"ab", b"ab", b"x--"].into_iter().enumerate() {
            boundaries.push(boundary, owner);
        }
        type Found = Option<(usize, bool)>;
        let cases: [(&[u8], Found); 9] = [
            (b"--a\r\n", Some((0, false))),
            (b"--a--\r\n", Some((0, true))),
            (b"--abc", Some((2, false))),
            (b"--ab-- \n", Some((2, true))),
            (b"--x--", Some((3, false))),
            (b"--x----", Some((3, true))),
            (b"--b", None),
            (b"-a", None),
            (b"", None),
        ];
        for (line, want) in cases {
            assert_eq!(boundaries.find(line), want, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn octets_compared_at_the_limit_and_past_it() {
        let mut boundaries = Boundaries::default();
        boundaries.push(&[b'x'; MAX_DELIMITER + 1], 0);
        let line = |n: usize| [b"--".as_slice(), &vec![b'x'; n]].concat();
        assert_eq!(boundaries.find(&line(MAX_DELIMITER - 1)), None);
        assert_eq!(boundaries.find(&line(MAX_DELIMITER)), Some((0, false)));
    }
}
