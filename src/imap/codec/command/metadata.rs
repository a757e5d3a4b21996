//! GETMETADATA and SETMETADATA (RFC 5464) as values.

use super::Name;

/// What annotations belong to: the server, named by the empty string, or a mailbox (RFC 5464 section 4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Annotated {
    /// The server.
    Server,
    /// A mailbox.
    Mailbox(Name),
}

/// Arguments of GETMETADATA (RFC 5464 section 4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetMetadataArgs {
    /// Of what.
    pub of: Annotated,
    /// `MAXSIZE`: values of more octets are left out.
    pub max_size: Option<u64>,
    /// `DEPTH`: what below the named entries is asked for.
    pub depth: MetadataDepth,
    /// Entry names as sent.
    pub entries: Vec<Vec<u8>>,
}

/// `DEPTH` of GETMETADATA (RFC 5464 section 4.2.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MetadataDepth {
    /// `0`: the entries named alone.
    #[default]
    Zero,
    /// `1`: those one level below as well.
    One,
    /// `infinity`: all below as well.
    Infinity,
}

/// Arguments of SETMETADATA (RFC 5464 section 4.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetMetadataArgs {
    /// Of what.
    pub of: Annotated,
    /// Entry names as sent, each with its value; NIL removes it.
    pub entries: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}
