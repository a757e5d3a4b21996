//! Object identifiers (RFC 8474): what a client is told in place of the store's own numbers, which would let one user see
//! how much mail others get (I10). They are keyed hashes of these numbers, so they stay the same for as long as the numbers
//! do: over restarts, backup and restore, and compaction.

use std::fmt;

use super::Store;
use crate::mail::{BodyId, MailboxId, ThreadId, UserId};

/// Hexadecimal digits of an identifier: 96 bits, of which no two will ever be the same.
const DIGITS: usize = 24;

/// Makes the identifiers of one user's objects.
#[derive(Clone, Copy)]
pub struct ObjectIds([u8; 32]);

/// An identifier: `objectid = 1*255(ALPHA / DIGIT / "_" / "-")` (RFC 8474 section 7).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ObjectId([u8; DIGITS + 1]);

impl ObjectIds {
    pub(super) fn new(store_id: &[u8; 16], user: UserId) -> Self {
        let material = [store_id.as_slice(), &user.0.to_le_bytes()].concat();
        Self(blake3::derive_key("Tributary 2026-11 object identifiers of a user", &material))
    }

    /// EMAILID: the same for the same octets, wherever they are copied or moved to (RFC 8474 section 5.1).
    pub fn email(&self, body: BodyId) -> ObjectId {
        self.id(b'M', body.0)
    }

    /// THREADID; `None` for a message that was never given to a conversation (RFC 8474 section 5.2).
    pub fn thread(&self, thread: ThreadId) -> Option<ObjectId> {
        (thread.0 != 0).then(|| self.id(b'T', thread.0))
    }

    /// MAILBOXID: constant over RENAME (RFC 8474 section 4).
    pub fn mailbox(&self, mailbox: MailboxId) -> ObjectId {
        self.id(b'F', mailbox.0.into())
    }

    fn id(&self, kind: u8, number: u64) -> ObjectId {
        let mut message = [kind; 9];
        message[1..].copy_from_slice(&number.to_le_bytes());
        let hash = blake3::keyed_hash(&self.0, &message).to_hex();
        let mut id = [kind; DIGITS + 1];
        id[1..].copy_from_slice(&hash.as_bytes()[..DIGITS]);
        ObjectId(id)
    }
}

impl fmt::Debug for ObjectIds {
    /// The key stays here.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectIds").finish_non_exhaustive()
    }
}

impl ObjectId {
    /// The octets to be sent.
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{}", char::from(*b)))
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Store {
    /// What the user's objects are called.
    pub fn object_ids(&self, user: UserId) -> ObjectIds {
        ObjectIds::new(&self.0.shared.store_id, user)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn an_object_has_one_name_and_a_name_one_object() {
        let mut names = HashSet::new();
        for store in [[0; 16], [1; 16]] {
            for user in [1, 2] {
                let ids = ObjectIds::new(&store, UserId(user));
                let again = ObjectIds::new(&store, UserId(user));
                for n in 1..=100 {
                    let of = |ids: &ObjectIds| {
                        let thread = ids.thread(ThreadId(n)).expect("a thread");
                        [ids.email(BodyId(n)), thread, ids.mailbox(MailboxId(n as u32))].map(|id| id.to_string())
                    };
                    assert_eq!(of(&ids), of(&again));
                    for name in of(&ids) {
                        assert!(name.len() <= 255 && name.bytes().all(|b| b.is_ascii_alphanumeric()), "{name}");
                        assert!(names.insert(name));
                    }
                }
                assert_eq!(ids.thread(ThreadId(0)), None);
            }
        }
    }
}
