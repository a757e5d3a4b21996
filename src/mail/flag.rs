//! Flags (RFC 9051 section 2.3.2): system flags, keywords, and the changes a client may ask for.

use std::fmt;
use std::ops::{BitOr, BitOrAssign};

/// A set of the storable system flags. `\Recent` is not among them: it belongs to a session.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Flags(u8);

impl Flags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// `\Answered`
    pub const ANSWERED: Self = Self(1);
    /// `\Flagged`
    pub const FLAGGED: Self = Self(2);
    /// `\Deleted`
    pub const DELETED: Self = Self(4);
    /// `\Seen`
    pub const SEEN: Self = Self(8);
    /// `\Draft`
    pub const DRAFT: Self = Self(16);
    /// Every system flag, in the order in which they are written.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::ANSWERED, "\\Answered"),
        (Self::FLAGGED, "\\Flagged"),
        (Self::DELETED, "\\Deleted"),
        (Self::SEEN, "\\Seen"),
        (Self::DRAFT, "\\Draft"),
    ];

    /// From the stored byte; unknown bits are dropped.
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & 31)
    }

    /// The stored byte.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether all of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether no flag is set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// These flags without `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The flag of this name (with its backslash, in any case), unless it is `\Recent` or no system flag.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL.iter().find(|(_, n)| n.as_bytes().eq_ignore_ascii_case(name)).map(|(flag, _)| *flag)
    }

    /// The names of the flags that are set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::ALL.into_iter().filter(move |(flag, _)| self.contains(*flag)).map(|(_, name)| name)
    }
}

impl BitOr for Flags {
    type Output = Self;
    fn bitor(self, rhs: Self) -> Self {
        Self(self.0 | rhs.0)
    }
}

impl BitOrAssign for Flags {
    fn bitor_assign(&mut self, rhs: Self) {
        self.0 |= rhs.0;
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

/// A keyword: a flag name chosen by a client. An atom (RFC 9051 section 9 `flag-keyword`), compared without
/// case, kept in the spelling first seen.
#[derive(Clone, Debug)]
pub struct Keyword(String);

/// The longest keyword accepted, in bytes.
pub const MAX_KEYWORD_LEN: usize = 128;

impl Keyword {
    /// `None` unless `name` is an atom of at most [`MAX_KEYWORD_LEN`] bytes.
    pub fn new(name: &str) -> Option<Self> {
        let atom = |b: u8| b > 0x20 && b < 0x7f && !b"(){%*\"\\]".contains(&b);
        (!name.is_empty() && name.len() <= MAX_KEYWORD_LEN && name.bytes().all(atom)).then(|| Self(name.to_owned()))
    }

    /// The keyword as first spelled.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PartialEq for Keyword {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Keyword {}

/// The number of different keywords a user may have: the width of [`KeywordSet`].
pub const MAX_KEYWORDS: usize = 128;

/// A set of keywords as bits; bit `n` is row `n` of the user's keyword table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct KeywordSet(pub u128);

impl KeywordSet {
    /// Whether keyword `index` is set.
    pub const fn contains(self, index: usize) -> bool {
        index < MAX_KEYWORDS && self.0 >> index & 1 == 1
    }

    /// The indexes of the keywords that are set, ascending.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        let mut bits = self.0;
        std::iter::from_fn(move || {
            let index = bits.trailing_zeros() as usize;
            bits &= bits.wrapping_sub(1);
            (index < MAX_KEYWORDS).then_some(index)
        })
    }
}

/// Flags as a client lists them: in STORE, APPEND and rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlagList {
    /// The system flags named.
    pub flags: Flags,
    /// The keywords named, each once.
    pub keywords: Vec<Keyword>,
}

/// How a [`FlagList`] is applied (RFC 9051 section 6.4.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagOp {
    /// `+FLAGS`
    Add,
    /// `-FLAGS`
    Remove,
    /// `FLAGS`
    Replace,
}
