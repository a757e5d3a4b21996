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

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nil => write!(f, "NIL"),
            Self::Number(n) => write!(f, "{n}"),
            Self::Text(text) => write!(f, "\"{}\"", text.escape_ascii()),
            Self::List(list) => {
                let items: Vec<_> = list.iter().map(Self::to_string).collect();
                write!(f, "({})", items.join(" "))
            }
        }
    }
}

impl Value {
    /// Reads one parenthesised list.
    pub(crate) fn parse(wire: &[u8]) -> Self {
        let mut rest = wire;
        let value = Self::read(&mut rest);
        assert!(rest.is_empty(), "left over: {}", String::from_utf8_lossy(rest));
        value
    }

    /// The name of a FETCH item: up to the space before its value, with its section and origin octet.
    pub(crate) fn item_name(rest: &mut &[u8]) -> String {
        let mut depth = 0;
        let end = rest.iter().position(|&b| {
            depth += i32::from(b == b'[') - i32::from(b == b']');
            b == b' ' && depth == 0
        });
        let (name, after) = rest.split_at(end.expect("an item has a value"));
        *rest = &after[1..];
        String::from_utf8_lossy(name).into_owned()
    }

    /// The octets of a string; none for NIL.
    pub(crate) fn octets(&self) -> Option<&[u8]> {
        match self {
            Self::Nil => None,
            Self::Text(text) => Some(text),
            _ => panic!("no string: {self:?}"),
        }
    }

    /// The elements of a list; none for anything else.
    pub(crate) fn items(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }

    /// Reads one value and leaves what follows.
    pub(crate) fn read(rest: &mut &[u8]) -> Self {
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
