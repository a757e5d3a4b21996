//! HTML to the text it shows, as far as a preview needs: no parser, only what is between tags. One character at a time, in
//! bounded memory; nothing is an error.

/// What the markup gives.
pub(super) enum Shown {
    /// A character of the text.
    Character(char),
    /// A tag between two words.
    Break,
}

/// Takes the source of a page.
#[derive(Default)]
pub(super) struct Html {
    state: State,
    /// The tag or entity being read, as far as it matters.
    held: String,
    /// The element whose content is not shown.
    hidden: Option<&'static str>,
    /// The quote that an attribute value is in, and the last character before it that was no space.
    quote: Option<char>,
    before: char,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    /// After `<`
    Open,
    /// In a tag, a declaration or a processing instruction.
    Tag,
    Comment,
    /// After `&`
    Entity,
}

impl Html {
    /// Takes the next character.
    pub(super) fn push(&mut self, c: char, mut show: impl FnMut(Shown)) {
        match self.state {
            State::Text => self.text(c, &mut show),
            State::Open => self.open(c, &mut show),
            State::Tag => self.tag(c, &mut show),
            State::Comment => {
                self.held.push(c);
                if self.held.ends_with("-->") {
                    self.leave(State::Text);
                } else if self.held.len() > MAX_HELD {
                    // Only the end is looked for.
                    let end: String = self.held.chars().rev().take(2).collect();
                    self.held = end.chars().rev().collect();
                }
            }
            State::Entity => self.entity(c, &mut show),
        }
    }

    /// The end of the source: an entity may stand there without its `;`.
    pub(super) fn end(&mut self, mut show: impl FnMut(char)) {
        if self.state == State::Entity {
            self.give_entity(&mut |shown| {
                if let Shown::Character(c) = shown {
                    show(c);
                }
            });
        }
    }

    fn text(&mut self, c: char, show: &mut impl FnMut(Shown)) {
        match c {
            '<' => self.leave(State::Open),
            '&' if self.hidden.is_none() => self.leave(State::Entity),
            _ if self.hidden.is_none() => show(Shown::Character(c)),
            _ => {}
        }
    }

    /// A tag begins with a letter or `/`; anything else after `<` is text.
    fn open(&mut self, c: char, show: &mut impl FnMut(Shown)) {
        if c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?') {
            self.state = State::Tag;
            self.held.push(c.to_ascii_lowercase());
            return;
        }
        self.leave(State::Text);
        if self.hidden.is_none() {
            show(Shown::Character('<'));
        }
        self.text(c, show);
    }

    fn tag(&mut self, c: char, show: &mut impl FnMut(Shown)) {
        if let Some(quote) = self.quote {
            self.quote = Some(quote).filter(|quote| *quote != c);
            return;
        }
        match c {
            '>' => {
                let name = std::mem::take(&mut self.held);
                self.close(&name, show);
                self.leave(State::Text);
            }
            // Within what is hidden there are no tags, but for its end.
            '"' | '\'' if self.before == '=' && self.hidden.is_none() => self.quote = Some(c),
            '<' if self.hidden.is_some() => self.leave(State::Open),
            _ => {
                if !c.is_whitespace() {
                    self.before = c;
                }
                if self.held.len() < MAX_NAME {
                    self.held.push(c.to_ascii_lowercase());
                }
                if self.held == "!--" && self.hidden.is_none() {
                    self.leave(State::Comment);
                }
            }
        }
    }

    /// A tag is complete.
    fn close(&mut self, tag: &str, show: &mut impl FnMut(Shown)) {
        let is_end = tag.starts_with('/');
        let name = tag.trim_start_matches('/');
        let name = name.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        match self.hidden {
            Some(hidden) if is_end && name == hidden => self.hidden = None,
            Some(_) => {}
            None => {
                if !is_end && self.before != '/' {
                    self.hidden = HIDDEN.iter().copied().find(|hidden| *hidden == name);
                }
                if !INLINE.contains(&name) {
                    show(Shown::Break);
                }
            }
        }
    }

    fn entity(&mut self, c: char, show: &mut impl FnMut(Shown)) {
        if (c.is_ascii_alphanumeric() || c == '#') && self.held.len() < MAX_NAME {
            return self.held.push(c);
        }
        let known = self.give_entity(show);
        if c != ';' || !known {
            self.text(c, show);
        }
    }

    /// Shows the entity that was read, or what stands there if it is none.
    fn give_entity(&mut self, show: &mut impl FnMut(Shown)) -> bool {
        let name = std::mem::take(&mut self.held);
        self.leave(State::Text);
        let character = match name.strip_prefix('#') {
            Some(number) => Some(numbered(number)),
            None => ENTITIES.iter().find(|(known, _)| *known == name).map(|(_, character)| *character),
        };
        match character {
            Some(character) => show(Shown::Character(character)),
            None => "&".chars().chain(name.chars()).for_each(|c| show(Shown::Character(c))),
        }
        character.is_some()
    }

    fn leave(&mut self, state: State) {
        self.state = state;
        self.held.clear();
        (self.quote, self.before) = (None, ' ');
    }
}

/// A numeric character reference; a space for what is no character.
fn numbered(number: &str) -> char {
    let code = match number.strip_prefix(['x', 'X']) {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => number.parse(),
    };
    match code {
        // Numbers that were meant as those of windows-1252.
        Ok(code @ 0x80..=0x9f) => encoding_rs::WINDOWS_1252.decode(&[code as u8]).0.chars().next().unwrap_or(' '),
        Ok(code) => char::from_u32(code).unwrap_or(' '),
        Err(_) => ' ',
    }
}

/// Elements whose content is no text.
const HIDDEN: [&str; 5] = ["script", "style", "title", "template", "svg"];

/// Elements that may stand within a word.
const INLINE: [&str; 20] = [
    "a", "abbr", "b", "bdi", "bdo", "big", "code", "em", "font", "i", "ins", "mark", "s", "small", "span", "strong",
    "sub", "sup", "u", "wbr",
];

/// Longest name of a tag or an entity.
const MAX_NAME: usize = 32;
/// Octets held of a comment.
const MAX_HELD: usize = 64;

/// The named character references that mail has; more than two thousand others are shown as they are written.
const ENTITIES: [(&str, char); 60] = [
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("nbsp", '\u{a0}'),
    ("ensp", '\u{2002}'),
    ("emsp", '\u{2003}'),
    ("thinsp", '\u{2009}'),
    ("zwnj", '\u{200c}'),
    ("zwj", '\u{200d}'),
    ("shy", '\u{ad}'),
    ("copy", '\u{a9}'),
    ("reg", '\u{ae}'),
    ("trade", '\u{2122}'),
    ("hellip", '\u{2026}'),
    ("ndash", '\u{2013}'),
    ("mdash", '\u{2014}'),
    ("lsquo", '\u{2018}'),
    ("rsquo", '\u{2019}'),
    ("sbquo", '\u{201a}'),
    ("ldquo", '\u{201c}'),
    ("rdquo", '\u{201d}'),
    ("bdquo", '\u{201e}'),
    ("laquo", '\u{ab}'),
    ("raquo", '\u{bb}'),
    ("bull", '\u{2022}'),
    ("middot", '\u{b7}'),
    ("sect", '\u{a7}'),
    ("deg", '\u{b0}'),
    ("times", '\u{d7}'),
    ("frac12", '\u{bd}'),
    ("euro", '\u{20ac}'),
    ("pound", '\u{a3}'),
    ("yen", '\u{a5}'),
    ("cent", '\u{a2}'),
    ("auml", '\u{e4}'),
    ("ouml", '\u{f6}'),
    ("uuml", '\u{fc}'),
    ("Auml", '\u{c4}'),
    ("Ouml", '\u{d6}'),
    ("Uuml", '\u{dc}'),
    ("szlig", '\u{df}'),
    ("agrave", '\u{e0}'),
    ("aacute", '\u{e1}'),
    ("acirc", '\u{e2}'),
    ("aring", '\u{e5}'),
    ("aelig", '\u{e6}'),
    ("ccedil", '\u{e7}'),
    ("egrave", '\u{e8}'),
    ("eacute", '\u{e9}'),
    ("ecirc", '\u{ea}'),
    ("iacute", '\u{ed}'),
    ("ntilde", '\u{f1}'),
    ("oacute", '\u{f3}'),
    ("ocirc", '\u{f4}'),
    ("oslash", '\u{f8}'),
    ("uacute", '\u{fa}'),
    ("iexcl", '\u{a1}'),
    ("iquest", '\u{bf}'),
];
