//! What an account says when its user's quota leaves no room. Nothing is dropped then: mail stays in the maildrop until
//! there is room.

use crate::store::{Quota, Share};

/// Why polling has paused, and what helps. `octets`: of the message that did not fit.
pub(super) fn reason(user: &str, quota: Quota, octets: u64) -> String {
    if let Some(Share { used, limit }) = quota.messages.filter(|share| share.used >= share.limit) {
        return format!("the quota of {user} is full: {used} of {limit} messages; delete mail or raise it");
    }
    let Some(share) = quota.storage else { return format!("the quota of {user} is full; delete mail or raise it") };
    let (used, limit, message) = (size(share.used), size(share.limit), size(octets));
    if octets > share.limit {
        format!("a message of {message} is larger than the quota of {user}, {limit}; raise it")
    } else if share.used >= share.limit {
        format!("the quota of {user} is full: {used} of {limit}; delete mail or raise it")
    } else {
        format!(
            "a message of {message} does not fit into the quota of {user}: {used} of {limit} are used; \
             delete mail or raise it"
        )
    }
}

/// A size for people: rounded down, so that what is not full never looks full.
fn size(octets: u64) -> String {
    const UNITS: [(&str, u32); 4] = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let Some((unit, shift)) = UNITS.into_iter().find(|(_, shift)| octets >> shift > 0) else {
        return format!("{octets} octets");
    };
    let (whole, rest) = (octets >> shift, octets & ((1 << shift) - 1));
    match ((rest >> (shift - 10)) * 10) >> 10 {
        0 => format!("{whole} {unit}"),
        tenths => format!("{whole}.{tenths} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_for_people() {
        for (octets, want) in [
            (0, "0 octets"),
            (1023, "1023 octets"),
            (1024, "1 KiB"),
            (1536, "1.5 KiB"),
            ((1 << 20) - 1, "1023.9 KiB"),
            (25 << 20, "25 MiB"),
            ((20 << 30) - 1, "19.9 GiB"),
            (20 << 30, "20 GiB"),
            (u64::MAX, "16777215.9 TiB"),
        ] {
            assert_eq!(size(octets), want);
        }
    }

    #[test]
    fn it_says_what_helps() {
        let storage = |used, limit| Quota { storage: Some(Share { used, limit }), messages: None };
        let full = storage(20 << 30, 20 << 30);
        assert_eq!(reason("alice", full, 1), "the quota of alice is full: 20 GiB of 20 GiB; delete mail or raise it");
        let nearly = storage((20 << 30) - 1, 20 << 30);
        assert_eq!(
            reason("alice", nearly, 25 << 20),
            "a message of 25 MiB does not fit into the quota of alice: 19.9 GiB of 20 GiB are used; \
             delete mail or raise it"
        );
        let many = Quota { messages: Some(Share { used: 1001, limit: 1000 }), ..nearly };
        assert_eq!(
            reason("alice", many, 1),
            "the quota of alice is full: 1001 of 1000 messages; delete mail or raise it"
        );
        let small = storage(0, 1 << 20);
        assert_eq!(
            reason("alice", small, 25 << 20),
            "a message of 25 MiB is larger than the quota of alice, 1 MiB; raise it"
        );
    }
}
