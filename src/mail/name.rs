//! Mailbox names (RFC 9051 section 5.1): UTF-8 in NFC, `/` between levels, INBOX in any case.

use std::fmt;
use std::sync::Arc;

use unicode_normalization::UnicodeNormalization;

/// The hierarchy delimiter.
pub const DELIMITER: char = '/';

/// The longest mailbox name, in bytes of UTF-8.
pub const MAX_NAME_LEN: usize = 1000;

/// The deepest hierarchy of mailbox names.
const MAX_LEVELS: usize = 32;

/// A valid mailbox name in canonical form. Two names are equal when they are the same bytes. Cheap to clone: stores and
/// sessions keep many.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MailboxName(Arc<str>);

/// Why a name cannot be a mailbox name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The name, or a level of it, is empty.
    #[error("a level of the mailbox name is empty")]
    EmptyLevel,
    /// A control character.
    #[error("the mailbox name has a control character")]
    Control,
    /// Longer than [`MAX_NAME_LEN`] or deeper than 32 levels.
    #[error("the mailbox name is too long or too deep")]
    TooLong,
}

impl MailboxName {
    /// INBOX.
    pub fn inbox() -> Self {
        Self("INBOX".into())
    }

    /// The canonical form of what a client, the config or a rule named. One trailing delimiter is dropped (a
    /// client may create `a/` to say that it wants children: RFC 9051 section 6.3.4).
    pub fn new(raw: &str) -> Result<Self, NameError> {
        let name: String = raw.strip_suffix(DELIMITER).unwrap_or(raw).nfc().collect();
        if name.len() > MAX_NAME_LEN || name.split(DELIMITER).count() > MAX_LEVELS {
            return Err(NameError::TooLong);
        }
        if name.split(DELIMITER).any(str::is_empty) {
            return Err(NameError::EmptyLevel);
        }
        if name.chars().any(char::is_control) {
            return Err(NameError::Control);
        }
        let (first, rest) = name.split_once(DELIMITER).map_or((name.as_str(), None), |(f, r)| (f, Some(r)));
        Ok(Self(match (first.eq_ignore_ascii_case("INBOX"), rest) {
            (true, None) => "INBOX".into(),
            (true, Some(rest)) => format!("INBOX{DELIMITER}{rest}").into(),
            (false, _) => name.into(),
        }))
    }

    /// The name in UTF-8.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is INBOX itself.
    pub fn is_inbox(&self) -> bool {
        &*self.0 == "INBOX"
    }

    /// The name one level up.
    pub fn parent(&self) -> Option<Self> {
        self.0.rsplit_once(DELIMITER).map(|(parent, _)| Self(parent.into()))
    }

    /// Whether `self` lies below `ancestor`, at any depth.
    pub fn is_below(&self, ancestor: &Self) -> bool {
        self.0.strip_prefix(&*ancestor.0).is_some_and(|rest| rest.starts_with(DELIMITER))
    }

    /// The name that `self` gets when `from`, which is `self` or above it, is renamed to `to`.
    pub fn renamed(&self, from: &Self, to: &Self) -> Option<Self> {
        let rest = self.0.strip_prefix(&*from.0)?;
        (rest.is_empty() || rest.starts_with(DELIMITER)).then(|| Self(format!("{}{rest}", to.0).into()))
    }
}

impl fmt::Display for MailboxName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Special use of a mailbox (RFC 6154).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpecialUse {
    /// `\Archive`
    Archive,
    /// `\Drafts`
    Drafts,
    /// `\Junk`
    Junk,
    /// `\Sent`
    Sent,
    /// `\Trash`
    Trash,
}

impl SpecialUse {
    /// Every special use, with its attribute and the name of the mailbox that has it from the start.
    pub const ALL: [(Self, &'static str, &'static str); 5] = [
        (Self::Archive, "\\Archive", "Archive"),
        (Self::Drafts, "\\Drafts", "Drafts"),
        (Self::Junk, "\\Junk", "Junk"),
        (Self::Sent, "\\Sent", "Sent"),
        (Self::Trash, "\\Trash", "Trash"),
    ];

    /// The attribute that LIST shows.
    pub fn attribute(self) -> &'static str {
        Self::ALL.iter().find(|(s, ..)| *s == self).map_or("", |(_, attribute, _)| attribute)
    }

    /// From its attribute, in any case.
    pub fn from_attribute(attribute: &[u8]) -> Option<Self> {
        Self::ALL.iter().find(|(_, a, _)| a.as_bytes().eq_ignore_ascii_case(attribute)).map(|(s, ..)| *s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(raw: &str) -> MailboxName {
        MailboxName::new(raw).expect(raw)
    }

    #[test]
    fn inbox_in_any_case_also_as_parent() {
        assert!(name("inBox").is_inbox());
        assert_eq!(name("inbox/a").as_str(), "INBOX/a");
        assert_eq!(name("inboxes").as_str(), "inboxes");
    }

    #[test]
    fn names_are_nfc_and_bounded() {
        assert_eq!(name("Cafe\u{301}"), name("Caf\u{e9}"));
        assert_eq!(name("a/"), name("a"));
        assert_eq!(MailboxName::new("a//b"), Err(NameError::EmptyLevel));
        assert_eq!(MailboxName::new(""), Err(NameError::EmptyLevel));
        assert_eq!(MailboxName::new("/a"), Err(NameError::EmptyLevel));
        assert_eq!(MailboxName::new("a\u{7f}"), Err(NameError::Control));
        assert!(MailboxName::new(&"a".repeat(MAX_NAME_LEN)).is_ok());
        assert_eq!(MailboxName::new(&"a".repeat(MAX_NAME_LEN + 1)), Err(NameError::TooLong));
        assert!(MailboxName::new(&vec!["a"; 32].join("/")).is_ok());
        assert_eq!(MailboxName::new(&vec!["a"; 33].join("/")), Err(NameError::TooLong));
    }

    #[test]
    fn renaming_moves_whole_levels_only() {
        assert_eq!(name("a/b/c").renamed(&name("a/b"), &name("x")), Some(name("x/c")));
        assert_eq!(name("a/bc").renamed(&name("a/b"), &name("x")), None);
        assert!(name("a/b").is_below(&name("a")));
        assert!(!name("ab").is_below(&name("a")));
        assert_eq!(name("a/b").parent(), Some(name("a")));
    }
}
