//! Bare LF to CRLF (I7), over pieces of any size. A bare CR and CR CR LF stay as they are.

use memchr::memchr_iter;

/// What the piece before ended in.
#[derive(Debug, Default)]
pub(super) struct LineEnds {
    after_cr: bool,
}

impl LineEnds {
    /// Appends `data` with each LF that follows no CR made CRLF.
    pub(super) fn convert(&mut self, data: &[u8], out: &mut Vec<u8>) {
        let Some(&last) = data.last() else { return };
        out.reserve(data.len() + data.len() / 32);
        let mut copied = 0;
        for lf in memchr_iter(b'\n', data) {
            let bare = match lf.checked_sub(1) {
                Some(before) => data.get(before) != Some(&b'\r'),
                None => !self.after_cr,
            };
            if bare {
                out.extend_from_slice(data.get(copied..lf).unwrap_or_default());
                out.push(b'\r');
                copied = lf;
            }
        }
        out.extend_from_slice(data.get(copied..).unwrap_or_default());
        self.after_cr = last == b'\r';
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_lf_only_however_it_is_cut() {
        let cases: [(&[u8], &[u8]); 7] = [
            (b"", b""),
            (b"\n", b"\r\n"),
            (b"a\nb\r\nc\n\n", b"a\r\nb\r\nc\r\n\r\n"),
            (b"a\rb\r", b"a\rb\r"),
            (b"\r\r\n\n", b"\r\r\n\r\n"),
            (b"a\n\r", b"a\r\n\r"),
            (b"\0\n\xff", b"\0\r\n\xff"),
        ];
        for (from, to) in cases {
            for size in 1..=from.len().max(1) {
                let (mut line_ends, mut out) = (LineEnds::default(), Vec::new());
                for piece in from.chunks(size) {
                    line_ends.convert(piece, &mut out);
                }
                assert_eq!(out, to, "{} by {size}", from.escape_ascii());
            }
        }
    }
}
