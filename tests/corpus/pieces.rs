//! A message scanned in pieces of any size is the same message as scanned at once.

use tributary::imap::codec::write;
use tributary::mime::{Limits, PartTable, Scanner};

use crate::messages;

#[test]
fn pieces_do_not_matter() {
    let Some(path) = messages::find() else { return };
    for (index, case) in messages::load(&path).iter().enumerate() {
        let whole = scan(&case.message, usize::MAX, 1);
        let pieces = scan(&case.message, [3, 80, 5000][index % 3], index as u64);
        assert!(whole == pieces, "{}", case.path);
        assert!(std::str::from_utf8(&whole.1).is_ok(), "search text is UTF-8");
    }
}

/// All that is rendered, and the search text. The pieces have sizes up to `longest`.
fn scan(message: &[u8], longest: usize, seed: u64) -> (Vec<u8>, Vec<u8>) {
    let mut scanner = Scanner::new(Limits::default());
    let mut text = Vec::new();
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut rest = message;
    while !rest.is_empty() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let size = if longest == usize::MAX { rest.len() } else { 1 + state as usize % longest };
        let (piece, after) = rest.split_at(size.min(rest.len()));
        scanner.feed(piece, &mut text);
        rest = after;
    }
    let structure = scanner.finish(&mut text);
    let mut rendered = PartTable::of(&structure.root).as_bytes().to_vec();
    write::envelope(&mut rendered, &structure.envelope);
    write::body_structure(&mut rendered, &structure.root, true);
    rendered.extend_from_slice(&structure.header);
    (rendered, text)
}
