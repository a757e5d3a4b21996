//! A POP3 session against any server: nothing panics, and no limit is passed. The first octet is the size of the cuts.
#![no_main]

use std::time::Instant;

use libfuzzer_sys::fuzz_target;
use tributary::pop3::{Credentials, Event, Limits, Options, Security, Session, Timeouts};
use tributary::secret::Secret;

const MESSAGE: u64 = 500;
const LISTING: usize = 50;

fuzz_target!(|input: &[u8]| {
    let Some((size, wire)) = input.split_first() else { return };
    let Ok(credentials) = Credentials::new("u", Secret::new("p")) else { return };
    let limits = Limits { line: 100, unique_id: 20, listing: LISTING, message: MESSAGE, ..Limits::default() };
    let security = if size & 0x80 == 0 { Security::Tls } else { Security::StartTls };
    let options = Options { credentials, security, use_capa: true, method: None, avoid: Vec::new(), binding: None, limits, timeouts: Timeouts::default() };
    let now = Instant::now();
    let mut session = Session::new(options, now);
    let mut received = 0;
    for cut in wire.chunks(usize::from(size & 0x7f).max(1)) {
        if session.handle_bytes(now, cut).is_err() {
            return;
        }
        while let Some(event) = session.poll_event() {
            match event {
                Event::StartTls => session.tls_started(now, None),
                Event::Listed(listing) => {
                    assert!(listing.len() <= 2 * LISTING);
                    listing.iter().for_each(|item| session.retrieve(item.number, item.size));
                }
                Event::Body { data, .. } => {
                    received += data.len() as u64;
                    assert!(received <= MESSAGE);
                }
                Event::Retrieved { number, octets } => {
                    assert_eq!(octets, received);
                    received = 0;
                    session.delete(number);
                }
                Event::TooLong { .. } => received = 0,
                Event::Deleted { .. } => session.quit(),
                _ => {}
            }
        }
        session.poll_transmit(now);
    }
});
