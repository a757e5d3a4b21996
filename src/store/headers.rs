//! Header blocks that were read lately, kept in memory: a list that is shown again, or searched, decompresses nothing.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use super::notify::lock;
use crate::mail::BodyId;

/// Octets kept in all, each header counted with what it takes to find it.
const ROOM: usize = 32 << 20;
const OVERHEAD: usize = 96;

/// The longest header that is kept.
const MAX_HEADER: usize = 64 << 10;

/// Where all the room is taken, one of so many new headers displaces the oldest. What is kept stays for a while even where
/// a mailbox that has no room as a whole is read again and again from its start.
const ADMITTED: u32 = 8;

/// The headers of bodies. The id of a body is never used again, and its octets never change: nothing here goes stale.
#[derive(Debug, Default)]
pub(super) struct Headers(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    headers: HashMap<u64, Arc<[u8]>>,
    /// The oldest first.
    order: VecDeque<u64>,
    octets: usize,
    refused: u32,
}

impl Headers {
    pub(super) fn get(&self, body: BodyId) -> Option<Arc<[u8]>> {
        lock(&self.0).headers.get(&body.0).cloned()
    }

    pub(super) fn keep(&self, body: BodyId, header: &Arc<[u8]>) {
        let size = header.len() + OVERHEAD;
        let mut kept = lock(&self.0);
        if header.len() > MAX_HEADER || kept.headers.contains_key(&body.0) {
            return;
        }
        if kept.octets + size > ROOM {
            kept.refused += 1;
            if kept.refused < ADMITTED {
                return;
            }
            kept.refused = 0;
        }
        while kept.octets + size > ROOM {
            let Some(oldest) = kept.order.pop_front() else { break };
            let freed = kept.headers.remove(&oldest).map_or(0, |header| header.len() + OVERHEAD);
            kept.octets -= freed;
        }
        kept.headers.insert(body.0, Arc::clone(header));
        kept.order.push_back(body.0);
        kept.octets += size;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(len: usize) -> Arc<[u8]> {
        vec![b'x'; len].into()
    }

    #[test]
    fn a_header_is_kept_up_to_its_limit() {
        let headers = Headers::default();
        headers.keep(BodyId(1), &header(MAX_HEADER));
        headers.keep(BodyId(2), &header(MAX_HEADER + 1));
        assert_eq!(headers.get(BodyId(1)).map(|header| header.len()), Some(MAX_HEADER));
        assert_eq!(headers.get(BodyId(2)), None);
    }

    #[test]
    fn the_room_is_never_exceeded_and_new_headers_come_in() {
        let headers = Headers::default();
        let one = ROOM / 1024;
        for id in 0..1024 {
            headers.keep(BodyId(id), &header(one - OVERHEAD));
        }
        assert_eq!(lock(&headers.0).octets, ROOM);
        for id in 2000..2000 + u64::from(ADMITTED) - 1 {
            headers.keep(BodyId(id), &header(1));
            assert_eq!(headers.get(BodyId(id)), None, "{id}");
        }
        headers.keep(BodyId(3000), &header(one));
        assert!(headers.get(BodyId(3000)).is_some());
        assert!(headers.get(BodyId(0)).is_none() && headers.get(BodyId(1)).is_none());
        assert!(headers.get(BodyId(2)).is_some());
        let kept = lock(&headers.0);
        assert_eq!(kept.octets, ROOM - one + OVERHEAD);
        assert_eq!(kept.order.len(), kept.headers.len());
    }

    #[test]
    fn a_header_is_kept_once() {
        let headers = Headers::default();
        headers.keep(BodyId(1), &header(5));
        headers.keep(BodyId(1), &header(5));
        assert_eq!(lock(&headers.0).octets, 5 + OVERHEAD);
    }
}
