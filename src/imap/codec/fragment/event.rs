//! What goes into the fragmenter beside octets, and what comes out.

/// Sizes beyond which a command is refused (DESIGN 2.8).
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest line in octets, over all lines of a command, literals and line ends not counted.
    pub line: usize,
    /// Largest literal kept in memory.
    pub literal: u64,
    /// Most literals kept in memory in one command.
    pub literals: usize,
    /// Total size of the literals of one command kept in memory.
    pub literal_total: u64,
    /// Largest message literal of APPEND or REPLACE (streamed). 0: not logged in, no streaming.
    pub append: u64,
    /// Most message literals in one command.
    pub append_literals: usize,
}

impl Limits {
    /// For tests in which limits are not the point.
    #[cfg(test)]
    pub(in crate::imap::codec) const ROOMY: Self = Self {
        line: 1 << 20,
        literal: 1 << 20,
        literals: 256,
        literal_total: 1 << 20,
        append: 1 << 20,
        append_literals: 256,
    };

    /// Octets of a refused command that are read and thrown away; past them the connection must end.
    pub(super) fn discard(self) -> u64 {
        const LEAST: u64 = 1024 * 1024;
        self.append.saturating_mul(2).max(LEAST)
    }
}

/// A complete command: text and literals in the order sent. The text before a literal ends with its `{n}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Text, without the line end.
    Text(Vec<u8>),
    /// The octets of a literal.
    Literal(Vec<u8>),
    /// A message literal whose octets went out as `Event::Data`.
    Streamed(u64),
}

/// What the input turned out to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A whole command (final CRLF or LF removed).
    Command(Vec<Piece>),
    /// Send `+ ` (a synchronising literal was accepted and kept in memory).
    Continue,
    /// A message literal of an APPEND or REPLACE begins: `head` is the text so far, so that the session can check state, mailbox
    /// and quota first. Answer with `accept_stream` (then send a continuation if `sync`) or `refuse`.
    AppendLiteral {
        /// The command so far; its last text ends with the `{n}` of this literal.
        head: Vec<Piece>,
        /// Octets in the literal.
        size: u64,
        /// Whether the client waits for a continuation before it sends them.
        sync: bool,
    },
    /// Octets of an accepted message literal.
    Data(Vec<u8>),
    /// The last octet of the streamed literal was given out.
    DataEnd,
    /// Too long a line, or too many or too large literals. Comes once a command, when all of it has been thrown away
    /// (a refused synchronising literal is never sent; a non-synchronising one is consumed), or, with `close`, when
    /// it is so large that the connection must end with BYE.
    TooLarge {
        /// The tag, if one could be read.
        tag: Option<Vec<u8>>,
        /// A message literal was over its limit: the answer is `NO [TOOBIG]` (RFC 7889 section 4).
        append: bool,
        /// Nothing more will be read.
        close: bool,
    },
}
