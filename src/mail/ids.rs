//! Identifiers of the mail model. Each is its own type: a `Seq` becomes a `Uid` only through a mailbox view.

use std::num::NonZeroU32;

/// A positive number of 32 bits with a meaning of its own.
macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(NonZeroU32);

        impl $name {
            /// `None` for zero.
            pub const fn new(value: u32) -> Option<Self> {
                match NonZeroU32::new(value) {
                    Some(v) => Some(Self(v)),
                    None => None,
                }
            }

            /// The number as sent on the wire.
            pub const fn value(self) -> u32 {
                self.0.get()
            }
        }
    };
}

number! {
    /// Unique identifier of a message within its mailbox (RFC 9051 section 2.3.1.1): ascending, never reused,
    /// kept within 31 bits because some clients store it signed.
    Uid
}

number! {
    /// Message sequence number: the position of a message in what one client knows (RFC 9051 section 2.3.1.2).
    Seq
}

number! {
    /// Validity value of a mailbox's UIDs (RFC 9051 section 2.3.1.1); 31 bits.
    UidValidity
}

/// The largest UID ever assigned.
pub const MAX_UID: u32 = 0x7fff_ffff;

impl Uid {
    /// The first UID of a mailbox.
    pub const FIRST: Self = Self(NonZeroU32::MIN);
}

/// Mod-sequence (RFC 7162): one counter a user, 63 bits; every visible change takes the next value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModSeq(pub u64);

/// A configured user in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(pub u32);

/// A mailbox in the store, of whichever user; ids are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MailboxId(pub u32);

/// An upstream account (maildrop) of a user in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(pub u32);

/// The bytes of a message, shared by every message that has the same content; ids are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BodyId(pub u64);

/// A conversation. Zero: not yet assigned to one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ThreadId(pub u64);
