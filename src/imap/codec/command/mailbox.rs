//! CREATE, DELETE and RENAME as values.

use super::Name;
use crate::mail::SpecialUse;

/// A name as the client wrote it, decoded, where the name that it stands for is written in another way (RFC 9051
/// section 6.3.9.7).
pub type Supplied = Option<String>;

/// Arguments of CREATE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateArgs {
    /// The name.
    pub mailbox: Name,
    /// See [`Supplied`].
    pub supplied: Supplied,
    /// What USE says (RFC 6154 section 3).
    pub special_use: Use,
}

/// The special use that a mailbox is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// None.
    None,
    /// This one.
    One(SpecialUse),
    /// One that is not supported, or more than one.
    Unsupported,
}
