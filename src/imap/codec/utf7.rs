//! Modified UTF-7, the encoding of mailbox names in IMAP4rev1 (RFC 3501 section 5.1.3), canonical form only.
//! Must never panic and never take two spellings for one name.

use base64::Engine;
use base64::alphabet::IMAP_MUTF7;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// The alphabet with `,` for `/`, without padding; bits past the last octet must be zero.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &IMAP_MUTF7,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(false),
);

/// Encodes a name.
pub fn encode(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        if is_direct(first) {
            out.push(first);
            if first == '&' {
                out.push('-');
            }
            rest = &rest[1..];
            continue;
        }
        let end = rest.find(is_direct).unwrap_or(rest.len());
        let (shifted, after) = rest.split_at(end);
        let utf16: Vec<u8> = shifted.encode_utf16().flat_map(u16::to_be_bytes).collect();
        out.push('&');
        BASE64.encode_string(&utf16, &mut out);
        out.push('-');
        rest = after;
    }
    out
}

/// Decodes a name; `None` unless it is what [`encode`] makes of some name. Other spellings of a name (encoded ASCII, a
/// needless shift, left-over bits) are refused, since two clients would otherwise see two mailboxes in one.
pub fn decode(wire: &[u8]) -> Option<String> {
    let wire = std::str::from_utf8(wire).ok()?;
    let mut out = String::with_capacity(wire.len());
    let mut parts = wire.split('&');
    out.push_str(parts.next()?);
    for part in parts {
        let (shifted, direct) = part.split_once('-')?;
        if shifted.is_empty() {
            out.push('&');
        } else {
            let utf16 = BASE64.decode(shifted).ok()?;
            let units: Vec<u16> = utf16.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
            out.push_str(&String::from_utf16(&units).ok()?);
        }
        out.push_str(direct);
    }
    (encode(&out) == wire).then_some(out)
}

/// Whether a character stands for itself (`&` is then followed by `-`).
fn is_direct(c: char) -> bool {
    (' '..='~').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_answers() {
        for (wire, name) in [
            ("", ""),
            ("INBOX", "INBOX"),
            ("~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/\u{53f0}\u{5317}/\u{65e5}\u{672c}\u{8a9e}"),
            ("R&AOk-sum&AOk-", "R\u{e9}sum\u{e9}"),
            ("A&-B", "A&B"),
            ("&-&-", "&&"),
            ("&AOk-&-", "\u{e9}&"),
            ("&2Dzfiw-", "\u{1f38b}"),
            ("Entw&APw-rfe", "Entw\u{fc}rfe"),
            ("&AAA-", "\0"),
        ] {
            assert_eq!(decode(wire.as_bytes()).as_deref(), Some(name), "{wire}");
            assert_eq!(encode(name), wire);
        }
    }

    #[test]
    fn rule_34_only_the_canonical_form() {
        for wire in [
            "&",
            "&AOk",
            "a&b",
            "&*-",
            "&A-",
            "&AO-",
            "&AOl-",
            "&AGE-",
            "&AOk-&AOk-",
            "&AOkAYQ-",
            "&2Dw-",
            "&34s-",
            "&AOk=-",
            "&A/k-",
            "\u{e9}",
            "a\tb",
            "a\u{7f}",
            "&AOk-&",
        ] {
            assert_eq!(decode(wire.as_bytes()), None, "{wire}");
        }
        assert_eq!(decode(b"\xff"), None);
    }

    proptest! {
        #[test]
        fn any_name_survives(name in ".*") {
            let wire = encode(&name);
            prop_assert!(wire.bytes().all(|b| (0x20..0x7f).contains(&b)));
            prop_assert_eq!(decode(wire.as_bytes()), Some(name));
        }

        #[test]
        fn any_octets_decode_to_what_encodes_to_them(wire in "[&A-Za-z0-9+,/ -]{0,20}", tail in prop::collection::vec(any::<u8>(), 0..3)) {
            let mut wire = wire.into_bytes();
            wire.extend(tail);
            if let Some(name) = decode(&wire) {
                prop_assert_eq!(encode(&name).into_bytes(), wire);
            }
        }
    }
}
