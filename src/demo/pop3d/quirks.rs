//! How a server that means well differs from RFC 1939: what real servers do, and hostile ones. Faults that happen at one
//! command are in `fault`.

use std::time::Duration;

/// The ways of a server; the default keeps to the rules. A session keeps those with which it began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quirks {
    /// `+OK` and `-ERR` come without text, as popa3d says them.
    pub bare_status: bool,
    /// A wrong password ends the connection without a word.
    pub hangs_up_on_bad_password: bool,
    /// Commands in the segment behind PASS or AUTH are lost (Courier, solid-pop3d).
    pub drops_behind_login: bool,
    /// Of each segment only the first command is read, whatever CAPA says.
    pub one_command_a_segment: bool,
    /// A second session at the same time is refused with `[IN-USE]` (GNU Mailutils).
    pub exclusive: bool,
    /// A session that ended without QUIT leaves a lock behind; see [`Pop3d::unlock`](super::Pop3d::unlock).
    pub locks_when_dropped: bool,
    /// Logins sooner than this after the one before are refused with `[LOGIN-DELAY]`.
    pub login_delay: Option<Duration>,
    /// Which messages a session shows.
    pub window: Window,
    /// What was retrieved in a session that ended with QUIT is not shown again (Gmail).
    pub hides_retrieved: bool,
    /// Mail that comes while a session is open is shown in it (GNU Mailutils).
    pub shows_new_mail: bool,
    /// What UIDL says.
    pub unique_ids: UniqueIds,
    /// UIDL ends after this many messages.
    pub uidl_ends_after: Option<usize>,
    /// UIDL and LIST begin with the last message.
    pub lists_backwards: bool,
    /// At its first login a message gets an X-UIDL field, which LIST counts from the second login on (GNU Mailutils).
    pub adds_header_at_login: bool,
    /// Return-Path, Status, X-UIDL and Content-Length differ each time a message is sent.
    pub volatile_headers: bool,
    /// What TOP does.
    pub top: Top,
    /// Lines that begin with a dot are sent as they are.
    pub leaves_dots_unstuffed: bool,
    /// How a message ends.
    pub ending: Ending,
    /// DELE is answered and does nothing (Gmail).
    pub ignores_dele: bool,
    /// DELE is refused for what was not retrieved in the same session.
    pub dele_needs_retr: bool,
    /// An empty line follows the answer to DELE.
    pub blank_after_dele: bool,
    /// How the bytes are cut.
    pub chunks: Chunks,
}

/// Which messages a session shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Window {
    /// All.
    #[default]
    All,
    /// So many, from the first.
    First(usize),
    /// So many, up to the last.
    Last(usize),
}

/// What UIDL says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UniqueIds {
    /// The unique-id with which the message was delivered.
    #[default]
    Delivered,
    /// There is no UIDL.
    Absent,
    /// Message numbers alone.
    Empty,
    /// The message number: it means another message once mail was deleted.
    Numbers,
    /// The same for all messages.
    Same,
    /// That of the delivery, filled up to this many bytes.
    Long(usize),
    /// That of the delivery, with a space in it.
    Spaced,
}

/// What TOP does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Top {
    /// The header, and the lines that were asked for.
    #[default]
    Proper,
    /// There is no TOP.
    Absent,
    /// Half of the header.
    Truncated,
    /// Lines that begin with a dot are sent as they are.
    Unstuffed,
    /// The whole message.
    WithBody,
}

/// How a message ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ending {
    /// By a line with a dot.
    #[default]
    Proper,
    /// The dot follows the last line without CRLF between them.
    Unbroken,
    /// By a dot and CR; LF never comes.
    NoLineFeed,
    /// By an empty line that is not the message's, and a line with a dot (solid-pop3d).
    BlankLine,
}

/// How the bytes are cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Chunks {
    /// An answer is written at once.
    #[default]
    Whole,
    /// So many bytes are written at a time.
    Of(usize),
    /// A number of bytes that changes, from this seed.
    Random(u64),
}

impl Chunks {
    /// The size of the next chunk, at least 1; `state` begins as 0.
    pub(super) fn next(self, state: &mut u64) -> usize {
        match self {
            Self::Whole => usize::MAX,
            Self::Of(size) => size.max(1),
            Self::Random(seed) => {
                // Knuth's linear congruential generator.
                let before = if *state == 0 { seed | 1 } else { *state };
                *state = before.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                1 + usize::try_from(*state >> 58).unwrap_or(0)
            }
        }
    }
}
