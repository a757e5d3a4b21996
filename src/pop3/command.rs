//! The commands of a client, without their credentials (RFC 1939, RFC 2449, RFC 2595, RFC 5034, RFC 6856).

use std::fmt;

/// What the client waits for an answer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// No command: the server speaks first.
    Greeting,
    /// RFC 2449 section 5.
    Capa,
    /// RFC 2595 section 4.
    Stls,
    /// RFC 6856 section 3.
    Lang,
    /// RFC 6856 section 2.1.
    Utf8,
    /// RFC 5034 section 4.
    Auth,
    /// RFC 1939 section 7.
    Apop,
    /// RFC 1939 section 7.
    User,
    /// RFC 1939 section 7.
    Pass,
    /// RFC 1939 section 5.
    Stat,
    /// RFC 1939 section 7.
    Uidl,
    /// RFC 1939 section 5.
    List,
    /// RFC 1939 section 5.
    Retr,
    /// RFC 1939 section 7.
    Top,
    /// RFC 1939 section 5.
    Dele,
    /// RFC 1939 section 5.
    Noop,
    /// RFC 1939 section 5.
    Rset,
    /// RFC 1939 sections 4 and 6.
    Quit,
}

impl Verb {
    /// The keyword as sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Greeting => "greeting",
            Self::Capa => "CAPA",
            Self::Stls => "STLS",
            Self::Lang => "LANG",
            Self::Utf8 => "UTF8",
            Self::Auth => "AUTH",
            Self::Apop => "APOP",
            Self::User => "USER",
            Self::Pass => "PASS",
            Self::Stat => "STAT",
            Self::Uidl => "UIDL",
            Self::List => "LIST",
            Self::Retr => "RETR",
            Self::Top => "TOP",
            Self::Dele => "DELE",
            Self::Noop => "NOOP",
            Self::Rset => "RSET",
            Self::Quit => "QUIT",
        }
    }

    /// Whether its refusal is about who may log in, and when.
    pub const fn is_login(self) -> bool {
        matches!(self, Self::Auth | Self::Apop | Self::User | Self::Pass)
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a header takes of the window.
const HEADER_SIZE: u64 = 4 * 1024;

/// What a message of unknown size takes of the window.
const UNKNOWN_SIZE: u64 = 1024 * 1024;

/// A command of the TRANSACTION or UPDATE state, as queued and as waiting for its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) verb: Verb,
    /// The message, for RETR, TOP and DELE.
    pub(super) message: u32,
    /// The listed size, for RETR.
    pub(super) size: Option<u64>,
    /// It was sent while another had no answer yet.
    pub(super) pipelined: bool,
}

impl Command {
    pub(super) const fn new(verb: Verb) -> Self {
        Self::of_message(verb, 0, None)
    }

    pub(super) const fn of_message(verb: Verb, message: u32, size: Option<u64>) -> Self {
        Self { verb, message, size, pipelined: false }
    }

    /// What its answer takes of the window, in octets.
    pub(super) fn weight(self) -> u64 {
        match self.verb {
            Verb::Retr => self.size.unwrap_or(UNKNOWN_SIZE),
            Verb::Top => HEADER_SIZE,
            _ => 0,
        }
    }

    pub(super) fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.verb.as_str().as_bytes());
        match self.verb {
            Verb::Retr | Verb::Dele => out.extend_from_slice(format!(" {}", self.message).as_bytes()),
            Verb::Top => out.extend_from_slice(format!(" {} 0", self.message).as_bytes()),
            _ => {}
        }
        out.extend_from_slice(b"\r\n");
    }
}
