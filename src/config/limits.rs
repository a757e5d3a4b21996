//! Bounds on what a peer may ask of us (`limits:`), with their defaults and the range each may have.

use std::time::Duration;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::section::Section;
use super::value;

/// All bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// On IMAP clients.
    pub imap: ImapLimits,
    /// On upstream POP3 servers.
    pub pop3: Pop3Limits,
    /// On what is told apart in a message.
    pub mime: MimeLimits,
}

const SECOND: Duration = Duration::from_secs(1);
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;

/// One line a limit, so that its default, its range, its reading and its printing cannot part.
macro_rules! limits {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])+ $field:ident: $kind:ident = $default:expr, $range:expr;)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name {
            $($(#[$field_doc])+ pub $field: $kind!(type),)+
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)+ }
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut map = serializer.serialize_map(None)?;
                $(map.serialize_entry(stringify!($field), &$kind!(show self.$field))?;)+
                map.end()
            }
        }

        impl $name {
            pub(super) fn read(mut section: Section<'_>) -> Self {
                let read = Self { $($field: section.value(stringify!($field), $default, $kind!(read $range)),)+ };
                section.finish();
                read
            }
        }
    };
}

macro_rules! time {
    (type) => {
        Duration
    };
    (show $value:expr) => {
        humantime::format_duration($value).to_string()
    };
    (read $least:expr) => {
        value::duration($least)
    };
}

macro_rules! bytes {
    (type) => {
        u64
    };
    (show $value:expr) => {
        value::show_size($value)
    };
    (read $range:expr) => {
        value::size($range)
    };
}

macro_rules! number {
    (type) => {
        u64
    };
    (show $value:expr) => {
        $value
    };
    (read $range:expr) => {
        value::number($range)
    };
}

limits! {
    /// On IMAP clients. The lower ends are what the protocol cannot do without.
    ImapLimits {
        /// To complete a TLS handshake.
        time_to_tls: time = Duration::from_secs(30), SECOND;
        /// From the connection to a login.
        time_to_login: time = Duration::from_secs(60), SECOND;
        /// Without a command; RFC 9051 section 5.4 asks for 30 minutes at least. Does not apply to IDLE.
        idle_timeout: time = Duration::from_secs(31 * 60), SECOND;
        /// For a client that takes none of what is written to it.
        write_timeout: time = Duration::from_secs(60), SECOND;
        /// The least silence that a client in IDLE is left in, however soon its connections die.
        keepalive_shortest: time = Duration::from_secs(30), SECOND;
        /// The silence at first, where nothing is known of the network of the client.
        keepalive_first: time = Duration::from_secs(2 * 60), SECOND;
        /// The silence that connections are tried with which survive all shorter ones.
        keepalive_longest: time = Duration::from_secs(29 * 60), SECOND;
        /// Silence before TCP asks whether the client is there.
        tcp_keepalive_idle: time = Duration::from_secs(30 * 60), SECOND;
        /// Between its questions.
        tcp_keepalive_interval: time = Duration::from_secs(60), SECOND;
        /// How many of them stay unanswered before the connection ends.
        tcp_keepalive_count: number = 4, 1..=127;
        /// How long TCP waits for the acknowledgement of what was sent.
        tcp_unacknowledged: time = Duration::from_secs(3 * 60), SECOND;
        /// A command line before login.
        line_before_login: bytes = 8 * KIB, KIB..=MIB;
        /// A command line after login.
        line: bytes = 64 * KIB, 8 * KIB..=16 * MIB;
        /// A literal before login.
        literal_before_login: bytes = KIB, 256..=MIB;
        /// A literal that is no message.
        literal: bytes = 128 * KIB, KIB..=16 * MIB;
        /// Literals in one command.
        literals: number = 256, 8..=65_536;
        /// All literals of one command together.
        literals_size: bytes = MIB, KIB..=64 * MIB;
        /// A message that a client uploads; advertised as APPENDLIMIT.
        append_size: bytes = 64 * MIB, 64 * KIB..=2 * GIB;
        /// Messages in one APPEND, or literals of which they are catenated.
        append_literals: number = 1000, 8..=65_536;
        /// Bad commands before login.
        bad_commands_before_login: number = 3, 1..=1000;
        /// Bad commands after login.
        bad_commands: number = 20, 1..=100_000;
        /// Of one user.
        connections_per_user: number = 64, 1..=100_000;
        /// Of one user from one address.
        connections_per_user_and_address: number = 32, 1..=100_000;
        /// In all.
        connections: number = 10_000, 1..=1_000_000;
    }
}

limits! {
    /// On upstream POP3 servers.
    Pop3Limits {
        /// At one time, of all accounts.
        connections: number = 256, 1..=100_000;
        /// At one time to one host.
        connections_per_host: number = 8, 1..=100_000;
        /// Messages of one session together; what is left waits for the next.
        session_size: bytes = 64 * GIB, MIB..=16 * TIB;
        /// The longest session; what is left waits for the next.
        session_time: time = Duration::from_secs(6 * 3600), SECOND;
        /// A status line or a line of a listing.
        reply_line: bytes = 8 * KIB, 512..=MIB;
        /// A unique-id (RFC 1939 section 7 says 70; servers send more).
        unique_id: bytes = 1000, 70..=8 * KIB;
        /// Messages in one maildrop.
        listing_entries: number = 2_000_000, 1000..=100_000_000;
        /// The header of a message that is looked at before the message is fetched; the rest of it is not.
        header_size: bytes = MIB, 4 * KIB..=64 * MIB;
        /// Larger messages are left upstream; an account may say otherwise.
        max_message_size: bytes = 150 * MIB, 64 * KIB..=2 * GIB;
        /// To be connected, TLS included.
        connect_timeout: time = Duration::from_secs(30), SECOND;
        /// Until a reply begins.
        reply_timeout: time = Duration::from_secs(60), SECOND;
        /// Without progress within a message or listing.
        body_timeout: time = Duration::from_secs(120), SECOND;
    }
}

limits! {
    /// On what is told apart in a message. Past them its octets are still stored and shown.
    MimeLimits {
        /// Levels of parts, the message being the first.
        depth: number = 100, 1..=1000;
        /// Parts of a message.
        parts: number = 10_000, 1..=1_000_000;
        /// Parameters of all MIME fields of a message.
        parameters: number = 1000, 1..=1_000_000;
        /// A header block of which the fields are read; the rest of it is body.
        header_size: bytes = MIB, 4 * KIB..=MIB;
    }
}

impl Limits {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let imap = section.section("imap").map(ImapLimits::read).unwrap_or_default();
        let pop3 = section.section("pop3").map(Pop3Limits::read).unwrap_or_default();
        let mime = section.section("mime").map(MimeLimits::read).unwrap_or_default();
        section.finish();
        Self { imap, pop3, mime }
    }
}
