//! SKELETON: stage one of the codec: finds where a command ends. Interface only.
#![allow(missing_docs, unused_variables, clippy::todo)]

/// Sizes beyond which a command is refused (DESIGN 2.8).
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest line, literals not counted.
    pub line: usize,
    /// Largest literal kept in memory.
    pub literal: u64,
    /// Number and total size of the literals of one command kept in memory.
    pub literals: usize,
    pub literal_total: u64,
    /// Largest literal of APPEND (streamed). 0: not logged in, no streaming.
    pub append: u64,
}

/// A complete command: text and literals in the order sent. The text before a literal ends with its `{n}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    Text(Vec<u8>),
    Literal(Vec<u8>),
    /// An APPEND literal whose octets went out as `Event::Data`.
    Streamed(u64),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A whole command (final CRLF or LF removed).
    Command(Vec<Piece>),
    /// Send `+ ` (a synchronising literal was accepted and kept in memory).
    Continue,
    /// The message literal of an APPEND begins: `head` is the text so far, so that the session can check state, mailbox
    /// and quota first. Answer with `accept_stream` (then send a continuation if `sync`) or `refuse`.
    AppendLiteral { head: Vec<Piece>, size: u64, sync: bool },
    /// Octets of an accepted APPEND literal.
    Data(Vec<u8>),
    /// The last octet of the streamed literal was given out.
    DataEnd,
    /// Too long a line, or too many or too large literals. The fragmenter discards to the end of the command by itself
    /// (a refused synchronising literal is never sent; a non-synchronising one is consumed, up to `close` = true
    /// when it is so large that the connection must end with BYE). `tag` if one could be read.
    TooLarge { tag: Option<Vec<u8>>, close: bool },
}

pub struct Fragmenter(());

impl Fragmenter {
    pub fn new(limits: Limits) -> Self {
        todo!()
    }
    pub fn set_limits(&mut self, limits: Limits) {
        todo!()
    }
    /// Gives input to the fragmenter. It buffers at most what the limits allow; call `poll` until `None` before more.
    pub fn push(&mut self, data: &[u8]) {
        todo!()
    }
    pub fn poll(&mut self) -> Option<Event> {
        todo!()
    }
    pub fn accept_stream(&mut self) {
        todo!()
    }
    /// Refuses the announced APPEND literal: a synchronising one ends the command (the client does not send it), the octets of a
    /// non-synchronising one and the rest of the command are discarded.
    pub fn refuse(&mut self) {
        todo!()
    }
    /// Takes one raw line (without its line end) for SASL responses and IDLE's DONE; `Err` when over the line limit.
    pub fn poll_line(&mut self) -> Option<Result<Vec<u8>, ()>> {
        todo!()
    }
    /// Bytes pushed and not yet taken. Dropped on STARTTLS (nothing sent before TLS survives it).
    pub fn clear(&mut self) {
        todo!()
    }
}
