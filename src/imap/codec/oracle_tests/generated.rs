//! Commands that the oracle makes up as values and writes: every one of its command types, with any arguments.

use arbitrary::{Arbitrary, Unstructured};
use imap_codec::encode::Encoder;
use imap_codec::imap_types::command::Command;

use super::*;

/// What a value is made of: numbers choose among variants, so all octets; letters, so that text is mostly text.
fn material() -> impl Strategy<Value = Vec<u8>> {
    let octet = prop_oneof![2 => any::<u8>(), 3 => proptest::char::range('a', 'z').prop_map(|c| c as u8), 1 => Just(0)];
    prop::collection::vec(octet, 40..400)
}

/// A command in the oracle's spelling, if the material makes one.
fn written(material: &[u8]) -> Option<Vec<u8>> {
    let command = Command::arbitrary(&mut Unstructured::new(material)).ok()?;
    Some(CommandCodec::default().encode(&command).dump())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8_000))]

    #[test]
    fn what_the_oracle_writes_we_read_as_the_same(material in material()) {
        if let Some(wire) = written(&material) {
            compare(&wire);
        }
    }
}

#[test]
fn the_oracle_writes_commands_of_every_kind() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut names, mut compared) = (std::collections::BTreeSet::new(), 0);
    for _ in 0..8_000 {
        let material = material().new_tree(&mut runner).expect("octets").current();
        let Some(wire) = written(&material).filter(|wire| compare(wire)) else { continue };
        compared += 1;
        let mut words = wire.split(|b| b.is_ascii_whitespace());
        names.insert(String::from_utf8_lossy(words.nth(1).unwrap_or_default()).to_ascii_uppercase());
    }
    assert!(compared > 500 && names.len() > 20, "{compared} {names:?}");
}
