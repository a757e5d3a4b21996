//! What the server says that is in its mailboxes.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::Flags;
use crate::wire::{Wire, number_after};

#[derive(Debug)]
pub(crate) struct Mailbox {
    pub(crate) uid_validity: u64,
    pub(crate) uid_next: u32,
    pub(crate) high: u64,
    pub(crate) messages: BTreeMap<u32, Row>,
}

#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) flags: Flags,
    pub(crate) mod_seq: u64,
    pub(crate) size: u64,
}

/// Names of all mailboxes that begin so, without the name itself.
pub(crate) fn names(wire: &mut Wire, prefix: &str) -> Vec<String> {
    let answer = wire.ok("LIST \"\" \"*\"").unwrap();
    let lines = answer.untagged.iter().map(|line| String::from_utf8_lossy(line).into_owned());
    let last = |line: String| line.rsplit(' ').next().unwrap().trim_matches('"').to_owned();
    lines.map(last).filter(|name| name.starts_with(prefix) && name != prefix).collect()
}

/// Every mailbox whose name begins so.
pub(crate) fn mailboxes(wire: &mut Wire, prefix: &str) -> BTreeMap<String, Mailbox> {
    let names = names(wire, prefix);
    names.into_iter().map(|name| (name.clone(), mailbox(wire, &name))).collect()
}

/// Opens the mailbox and reads all of it but octets.
pub(crate) fn mailbox(wire: &mut Wire, name: &str) -> Mailbox {
    let opened = wire.ok(&format!("EXAMINE {name}")).unwrap();
    let mut messages = BTreeMap::new();
    let rows = wire.ok("UID FETCH 1:* (UID FLAGS MODSEQ RFC822.SIZE)").unwrap();
    for line in &rows.untagged {
        let line = String::from_utf8_lossy(line);
        if let Some(uid) = number_after(&line, "(UID ") {
            let row = Row {
                flags: flags(&line),
                mod_seq: number_after(&line, "MODSEQ ").unwrap(),
                size: number_after(&line, "RFC822.SIZE ").unwrap(),
            };
            assert!(messages.insert(uid as u32, row).is_none(), "UID {uid} is there twice");
        }
    }
    let exists: usize = opened.untagged.iter().find_map(|line| exists(line)).unwrap();
    // Mail may come into INBOX between the two.
    assert!(messages.len() >= exists, "{name}: {exists} messages, {} can be read", messages.len());
    let number = |word| opened.number(word).unwrap_or_else(|| panic!("no {word} of {name}"));
    Mailbox {
        uid_validity: number("UIDVALIDITY "),
        uid_next: number("UIDNEXT ") as u32,
        high: number("HIGHESTMODSEQ "),
        messages,
    }
}

fn exists(line: &[u8]) -> Option<usize> {
    std::str::from_utf8(line).ok()?.strip_prefix("* ")?.strip_suffix(" EXISTS")?.parse().ok()
}

/// The flags in a FETCH response, without \Recent.
pub(crate) fn flags(line: &str) -> Flags {
    let rest = line.split_once("FLAGS (").unwrap().1;
    let list = rest.split_once(')').unwrap().0;
    list.split(' ').filter(|flag| !flag.is_empty() && *flag != "\\Recent").map(str::to_owned).collect()
}

/// UIDs of the open mailbox that changed after a mod-sequence.
pub(crate) fn changed(wire: &mut Wire, since: u64) -> BTreeSet<u32> {
    let answer = wire.ok(&format!("UID FETCH 1:* (FLAGS) (CHANGEDSINCE {since})")).unwrap();
    let uids = answer.untagged.iter().filter_map(|line| number_after(&String::from_utf8_lossy(line), "UID "));
    uids.map(|uid| uid as u32).collect()
}

/// The UIDs of a set as the server writes it.
pub(crate) fn uids(set: &str) -> impl Iterator<Item = u32> + '_ {
    set.split(',').flat_map(|range| {
        let (low, high) = range.split_once(':').unwrap_or((range, range));
        let (low, high): (u32, u32) = (low.parse().unwrap(), high.parse().unwrap());
        low.min(high)..=low.max(high)
    })
}

/// Octets of these messages of the open mailbox.
pub(crate) fn octets(wire: &mut Wire, uids: &[u32]) -> BTreeMap<u32, Vec<u8>> {
    if uids.is_empty() {
        return BTreeMap::new();
    }
    let answer = wire.ok(&format!("UID FETCH {} (UID BODY.PEEK[])", set(uids))).unwrap();
    let rows = answer.untagged.iter().filter_map(|line| {
        let open = line.windows(7).position(|window| window == b"BODY[] ")?;
        let head = String::from_utf8_lossy(&line[..open]);
        let uid = number_after(&head, "(UID ")?;
        let brace = open + 7;
        let newline = brace + line[brace..].iter().position(|byte| *byte == b'\n')?;
        let length: usize = std::str::from_utf8(&line[brace + 1..newline - 2]).ok()?.parse().ok()?;
        Some((uid as u32, line[newline + 1..newline + 1 + length].to_vec()))
    });
    rows.collect()
}

/// A set for a command.
pub(crate) fn set(uids: &[u32]) -> String {
    uids.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
}
