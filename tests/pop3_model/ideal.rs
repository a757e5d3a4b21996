//! What there was, and what must be here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::random::Random;

/// A message as it was put into the maildrop.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    pub(crate) bytes: Arc<[u8]>,
    /// What TOP and LIST can tell of it; with a Message-ID.
    look: Option<(String, usize)>,
}

/// Messages that the poller may take for one another, where they are not told apart by their unique-ids.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Family {
    Look(String, usize),
    Content(String),
}

impl Letter {
    /// As it is stored.
    pub(crate) fn stored(&self) -> Vec<u8> {
        let text = String::from_utf8(self.bytes.to_vec()).unwrap();
        text.replace("\r\n", "\n").replace('\n', "\r\n").into_bytes()
    }

    pub(crate) fn family(&self) -> Family {
        match &self.look {
            Some((header, size)) => Family::Look(header.clone(), *size),
            None => Family::Content(String::from_utf8(self.stored()).unwrap()),
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Ideal {
    /// All there ever were.
    pub(crate) letters: Vec<Letter>,
    /// Of each family, so many must be here or expunged.
    least: BTreeMap<Family, usize>,
    /// Expunged by the user.
    expunged: BTreeMap<Vec<u8>, usize>,
    /// Messages that `first_poll` may leave where they are.
    optional: BTreeSet<Vec<u8>>,
}

impl Ideal {
    /// Another message; `alike`: it may look like an earlier one.
    pub(crate) fn letter(&mut self, random: &mut Random, alike: bool) -> Letter {
        let n = self.letters.len();
        let earlier = random.pick(&self.letters).cloned().filter(|_| alike && random.one_in(3));
        let letter = match earlier {
            Some(earlier) if random.one_in(2) => Letter { bytes: earlier.bytes.to_vec().into(), ..earlier },
            Some(earlier) => Self::lookalike(&earlier, n, random.one_in(3)),
            None => Self::new_letter(random, n),
        };
        self.letters.push(letter.clone());
        letter
    }

    fn new_letter(random: &mut Random, n: usize) -> Letter {
        let id = if random.one_in(2) { format!("Message-ID: <{n}@b.example>\r\n") } else { String::new() };
        let header = format!("From: {n:04}@b.example\r\n{id}Subject: {n}\r\n");
        let body = match random.below(4) {
            0 => String::new(),
            1 => format!(".{n}\r\n..\r\n.\u{e4}\r\n"),
            2 => format!("a\nb {n}\n\r\n"),
            _ => format!("{n:04}\r\n{}", "a line\r\n".repeat(random.below(3) * 40)),
        };
        let bytes: Arc<[u8]> = format!("{header}\r\n{body}").into_bytes().into();
        let look = (!id.is_empty()).then(|| (header.clone(), bytes.len()));
        Letter { bytes, look }
    }

    /// The same header and another body.
    fn lookalike(letter: &Letter, n: usize, longer: bool) -> Letter {
        let text = String::from_utf8(letter.bytes.to_vec()).unwrap();
        let (header, body) = text.split_once("\r\n\r\n").unwrap();
        let digits = format!("{n:04}");
        let mut body = if body.len() < 6 { body.to_owned() } else { format!("{digits}{}", &body[body.len() - 2..]) };
        if longer || body.len() < 6 {
            body.push_str(&format!("{digits} more\r\n"));
        } else {
            let missing = letter.bytes.len() - header.len() - 4 - body.len();
            body.insert_str(4, &"x".repeat(missing));
        }
        let bytes: Arc<[u8]> = format!("{header}\r\n\r\n{body}").into_bytes().into();
        let look = letter.look.as_ref().map(|(header, _)| (header.clone(), bytes.len()));
        Letter { bytes, look }
    }

    /// These may stay upstream unseen.
    pub(crate) fn may_skip(&mut self, letters: &[Letter]) {
        self.optional.extend(letters.iter().map(Letter::stored));
    }

    /// These have been listed in a session in which nothing went wrong, each with a unique-id of its own or without.
    /// Without TOP (`headers`) nobody sees that several have one header before each of them is compared with what is here.
    pub(crate) fn sight(&mut self, listed: &[(Letter, bool)], headers: bool) {
        let mut families: BTreeMap<Family, (usize, bool, BTreeSet<Vec<u8>>)> = BTreeMap::new();
        for (letter, named) in listed.iter().filter(|(letter, _)| !self.optional.contains(&letter.stored())) {
            let (count, all_named, distinct) = families.entry(letter.family()).or_insert((0, true, BTreeSet::new()));
            *count += 1;
            *all_named &= named;
            distinct.insert(letter.stored());
        }
        for (family, (count, named, distinct)) in families {
            let is_look = matches!(family, Family::Look(..));
            let least = self.least.entry(family).or_default();
            *least = (*least).max(if named {
                count
            } else if is_look && !headers {
                1
            } else {
                distinct.len()
            });
        }
    }

    pub(crate) fn expunge(&mut self, bytes: &[u8]) {
        *self.expunged.entry(bytes.to_vec()).or_default() += 1;
    }

    pub(crate) fn is_expunged(&self, family: &Family) -> bool {
        self.letters.iter().any(|letter| letter.family() == *family && self.expunged.contains_key(&letter.stored()))
    }

    pub(crate) fn is_optional(&self, letter: &Letter) -> bool {
        self.optional.contains(&letter.stored())
    }

    /// Whether another message may be taken for this one.
    pub(crate) fn is_single(&self, letter: &Letter) -> bool {
        self.letters.iter().filter(|other| other.family() == letter.family()).count() == 1
    }

    /// Whether no other message has its header.
    pub(crate) fn has_own_header(&self, letter: &Letter) -> bool {
        let header = |letter: &Letter| {
            let at = letter.bytes.windows(4).position(|four| four == b"\r\n\r\n");
            letter.bytes[..at.unwrap()].to_vec()
        };
        let own = header(letter);
        self.letters.iter().filter(|other| header(other) == own).count() == 1
    }

    /// Whether the message, or one that looks like it, is here or was.
    pub(crate) fn was_stored(&self, letter: &Letter, here: &[Vec<u8>]) -> bool {
        let family = letter.family();
        let alike = self.letters.iter().filter(|other| other.family() == family).map(Letter::stored);
        alike.into_iter().any(|bytes| self.expunged.contains_key(&bytes) || here.contains(&bytes))
    }

    /// What is wrong with what is here. `least`: it must be here by now.
    pub(crate) fn compare(&self, here: &[Vec<u8>], least: bool) -> Result<(), String> {
        let (mut counts, mut most) = (self.expunged.clone(), BTreeMap::<Vec<u8>, usize>::new());
        here.iter().for_each(|bytes| *counts.entry(bytes.clone()).or_default() += 1);
        let mut families: BTreeMap<Family, BTreeSet<Vec<u8>>> = BTreeMap::new();
        for letter in &self.letters {
            *most.entry(letter.stored()).or_default() += 1;
            families.entry(letter.family()).or_default().insert(letter.stored());
        }
        for (bytes, count) in &counts {
            let text = String::from_utf8_lossy(bytes);
            let most = most.get(bytes).ok_or_else(|| format!("nobody sent this: {text:?}"))?;
            if count > most {
                return Err(format!("came {count} times, sent {most} times: {text:?}"));
            }
        }
        for (family, wanted) in self.least.iter().filter(|_| least) {
            let found: usize = families[family].iter().map(|bytes| counts.get(bytes).copied().unwrap_or(0)).sum();
            if found < *wanted {
                return Err(format!("{found} of {wanted} came of {family:?}"));
            }
        }
        Ok(())
    }
}
