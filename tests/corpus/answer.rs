//! The answers of other servers, as values.

/// Text in which one character is one octet, as octets.
pub(crate) fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).expect("one character is one octet")).collect()
}

/// SHA-256 in hexadecimal, as the corpus gives it.
pub(crate) fn sha256(data: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, data);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An IMAP value, however it was quoted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Nil,
    Number(u64),
    Text(Vec<u8>),
    List(Vec<Self>),
}

impl Value {
    /// Reads one parenthesised list.
    pub(crate) fn parse(wire: &[u8]) -> Self {
        let mut rest = wire;
        let value = Self::read(&mut rest);
        assert!(rest.is_empty(), "left over: {}", String::from_utf8_lossy(rest));
        value
    }

    fn read(rest: &mut &[u8]) -> Self {
        match rest[0] {
            b'(' => {
                *rest = &rest[1..];
                let mut list = Vec::new();
                while rest[0] != b')' {
                    if rest[0] == b' ' {
                        *rest = &rest[1..];
                    }
                    list.push(Self::read(rest));
                }
                *rest = &rest[1..];
                Self::List(list)
            }
            b'"' => {
                let mut text = Vec::new();
                let mut at = 1;
                while rest[at] != b'"' {
                    at += usize::from(rest[at] == b'\\');
                    text.push(rest[at]);
                    at += 1;
                }
                *rest = &rest[at + 1..];
                Self::Text(text)
            }
            b'{' => {
                let end = rest.iter().position(|&b| b == b'}').expect("a literal has a length");
                let len: usize = std::str::from_utf8(&rest[1..end]).expect("digits").parse().expect("a number");
                let text = rest[end + 3..end + 3 + len].to_vec();
                *rest = &rest[end + 3 + len..];
                Self::Text(text)
            }
            _ => {
                let end = rest.iter().position(|b| b" ()".contains(b)).unwrap_or(rest.len());
                let word = std::str::from_utf8(&rest[..end]).expect("an atom");
                *rest = &rest[end..];
                if word == "NIL" { Self::Nil } else { Self::Number(word.parse().expect("a number")) }
            }
        }
    }
}
