//! Both stages of the IMAP codec on arbitrary input: nothing panics, and how the input is cut changes nothing.
//! The first octet is the size of the cuts, its top bit whether messages of APPENDs are accepted.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tributary::imap::codec::fragment::{Event, Fragmenter, Limits};
use tributary::imap::codec::parse::{parse, parse_append_head};
use tributary::imap::codec::{utf7, write};

const LIMITS: Limits = Limits { line: 512, literal: 64, literals: 8, literal_total: 128, append: 256, append_literals: 4 };

fuzz_target!(|input: &[u8]| {
    let Some((options, wire)) = input.split_first() else { return };
    let (accept, size) = (options & 0x80 != 0, usize::from(options & 0x7f).max(1));
    let events = feed(wire.chunks(wire.len().max(1)), accept);
    assert_eq!(feed(wire.chunks(size), accept), events);
    for event in &events {
        match event {
            Event::Command(pieces) => {
                let _ = (parse(pieces, false), parse(pieces, true));
            }
            Event::AppendLiteral { head, .. } => {
                let _ = (parse_append_head(head, false), parse_append_head(head, true));
            }
            _ => {}
        }
    }
    if let Some(name) = utf7::decode(wire) {
        assert_eq!(utf7::encode(&name).as_bytes(), wire);
    }
    let mut out = Vec::new();
    write::string(&mut out, wire);
    assert!(!out.contains(&0));
});

/// The events, with the data of one literal joined.
fn feed<'a>(cuts: impl Iterator<Item = &'a [u8]>, accept: bool) -> Vec<Event> {
    let mut fragmenter = Fragmenter::new(LIMITS);
    let mut events = Vec::new();
    for cut in cuts {
        fragmenter.push(cut);
        while let Some(event) = fragmenter.poll() {
            if matches!(event, Event::AppendLiteral { .. }) {
                if accept { fragmenter.accept_stream() } else { fragmenter.refuse() }
            }
            match (events.last_mut(), event) {
                (Some(Event::Data(all)), Event::Data(data)) => all.extend(data),
                (_, event) => events.push(event),
            }
        }
    }
    events
}
