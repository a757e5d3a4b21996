//! Character classes of the IMAP grammar (RFC 9051 section 9). Each is a predicate on one octet, tested over all 256.

/// `CHAR` of RFC 5234 less `CTL`: a printable ASCII octet or the space.
const fn printable(b: u8) -> bool {
    b >= 0x20 && b < 0x7f
}

/// `ATOM-CHAR = <any CHAR except atom-specials>`
/// `atom-specials = "(" / ")" / "{" / SP / CTL / list-wildcards / quoted-specials / resp-specials`
pub(super) const fn is_atom(b: u8) -> bool {
    printable(b) && !matches!(b, b'(' | b')' | b'{' | b' ' | b'%' | b'*' | b'"' | b'\\' | b']')
}

/// `ASTRING-CHAR = ATOM-CHAR / resp-specials`, `resp-specials = "]"`
pub(super) const fn is_astring(b: u8) -> bool {
    is_atom(b) || b == b']'
}

/// `list-char = ATOM-CHAR / list-wildcards / resp-specials`, `list-wildcards = "%" / "*"`
pub(super) const fn is_list(b: u8) -> bool {
    is_astring(b) || matches!(b, b'%' | b'*')
}

/// `tag = 1*<any ASTRING-CHAR except "+">`
pub(super) const fn is_tag(b: u8) -> bool {
    is_astring(b) && b != b'+'
}

/// What may stand in a quoted string without a backslash: `TEXT-CHAR = <any CHAR except CR and LF>` less
/// `quoted-specials = DQUOTE / "\"`, and octets of UTF-8 (`UTF8-2 / UTF8-3 / UTF8-4`), which rev1 clients send raw too.
pub(super) const fn is_quoted(b: u8) -> bool {
    !matches!(b, 0 | b'\r' | b'\n' | b'"' | b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The octets of a class, straight from the ABNF: a second way to say the same.
    fn class(except: &[u8], also: &[u8]) -> Vec<u8> {
        (1..=127).filter(|b| !(*b < 0x20 || *b == 0x7f) && (!except.contains(b) || also.contains(b))).collect()
    }

    fn members(predicate: impl Fn(u8) -> bool) -> Vec<u8> {
        (0..=255).filter(|b| predicate(*b)).collect()
    }

    #[test]
    fn every_octet_of_every_class() {
        let specials = b"(){ %*\"\\]";
        assert_eq!(members(is_atom), class(specials, b""));
        assert_eq!(members(is_astring), class(specials, b"]"));
        assert_eq!(members(is_list), class(specials, b"]%*"));
        assert_eq!(members(is_tag), class(b"(){ %*\"\\+", b""));
        let quoted: Vec<u8> = (1..=255).filter(|b| !b"\r\n\"\\".contains(b)).collect();
        assert_eq!(members(is_quoted), quoted);
    }
}
