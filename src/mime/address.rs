//! Address lists (RFC 5322 section 3.4 and 4.4, RFC 6854) as the ENVELOPE shows them. Linear time, any octets. What is not
//! an address is shown as Dovecot shows it: a missing part has a name of its own, a list ends where an address is followed
//! by anything but a comma.

use super::Address;
use super::header::collapse;
use super::lexer::Cursor;

/// Stands for a mailbox that is not there.
const MISSING_MAILBOX: &[u8] = b"MISSING_MAILBOX";
/// Stands for a domain that is not there.
const MISSING_DOMAIN: &[u8] = b"MISSING_DOMAIN";
/// Stands for the domain of an address whose angle brackets hold something else.
const SYNTAX_ERROR: &[u8] = b"SYNTAX_ERROR";
/// Stands for a source route that is none.
const INVALID_ROUTE: &[u8] = b"INVALID_ROUTE";

/// Appends the addresses of an unfolded field value. `budget`: addresses that may still be kept; the rest is left out.
pub(super) fn parse_into(value: &[u8], addresses: &mut Vec<Address>, budget: &mut usize) {
    let before = addresses.len();
    let most = before.saturating_add(*budget);
    List { cursor: Cursor::new(value), addresses, most, in_group: false }.run();
    addresses.truncate(most);
    *budget -= addresses.len() - before;
}

struct List<'a> {
    cursor: Cursor<'a>,
    addresses: &'a mut Vec<Address>,
    most: usize,
    in_group: bool,
}

impl List<'_> {
    fn run(&mut self) {
        self.cursor.skip_cfws();
        if self.cursor.is_at_end() {
            return;
        }
        loop {
            self.element();
            if self.in_group && self.cursor.eat(b';') {
                self.end_group();
                self.cursor.skip_cfws();
            }
            if self.addresses.len() >= self.most || !self.cursor.eat(b',') {
                break;
            }
            self.cursor.skip_cfws();
            if self.cursor.is_at_end() {
                if self.cursor.has_open_comment() {
                    self.push(None, None, None, None);
                }
                break;
            }
        }
        if self.in_group {
            self.end_group();
        }
    }

    /// One mailbox, or the start of a group.
    fn element(&mut self) {
        let phrase = Phrase::read(&mut self.cursor);
        if phrase.broken {
            return self.push(None, None, None, None);
        }
        if phrase.open {
            return self.no_address(phrase);
        }
        match self.cursor.peek() {
            Some(b'<') => {
                self.cursor.bump();
                let name = phrase.into_name().filter(|name| !name.is_empty());
                self.angle_address(name);
            }
            Some(b':') if !self.in_group => {
                self.cursor.bump();
                self.addresses.push(Address { mailbox: Some(phrase.text), ..Address::default() });
                self.in_group = true;
                self.group_start();
            }
            Some(b'@') if phrase.is_local_part() => {
                self.cursor.bump();
                let domain = self.cursor.domain().filter(|_| !self.cursor.has_open_comment());
                let name = self.comment_name();
                self.push(name, None, phrase.into_local_part(), domain);
            }
            _ => self.no_address(phrase),
        }
    }

    /// Words without a domain: one atom is a mailbox, any other words are a name. With a comment behind its first word it is
    /// a mailbox and the comment its name.
    fn no_address(&mut self, phrase: Phrase) {
        if let Some(name) = self.comment_name() {
            let mailbox = phrase.first.clone().or_else(|| phrase.into_local_part());
            return self.push(Some(name), None, mailbox, None);
        }
        if phrase.is_local_part() && !phrase.quoted && !phrase.loose {
            let ends_in_dot = phrase.local.ends_with(b".") && !self.cursor.is_at_end();
            let mailbox = phrase.into_local_part().filter(|_| !ends_in_dot);
            return self.push(None, None, mailbox, None);
        }
        let name = phrase.into_name();
        self.push(name, None, None, None);
    }

    /// `[obs-route] local-part ["@" domain] ">"`, after the opening bracket.
    fn angle_address(&mut self, name: Option<Vec<u8>>) {
        self.cursor.skip_cfws();
        let route = self.route();
        let local = self.local_part().filter(|_| !self.cursor.has_open_comment());
        let mut domain = None;
        let mut broken = false;
        if self.cursor.eat(b'@') {
            domain = self.cursor.domain();
            broken = domain.is_none();
        }
        self.cursor.skip_cfws();
        if broken || !self.cursor.eat(b'>') {
            domain = Some(SYNTAX_ERROR.to_vec());
        }
        self.cursor.skip_cfws();
        if self.cursor.has_open_comment() {
            domain = Some(SYNTAX_ERROR.to_vec());
        }
        self.cursor.take_comment();
        self.push(name, route, local, domain);
    }

    /// `local-part`, or `obs-local-part` with CFWS around its dots.
    fn local_part(&mut self) -> Option<Vec<u8>> {
        let mut local = Vec::new();
        let mut words = 0;
        loop {
            self.cursor.skip_cfws();
            if self.cursor.peek() == Some(b'"') {
                local.extend(self.cursor.closed_quoted_string()?);
                words += 1;
            } else {
                let atom = self.cursor.atom();
                local.extend_from_slice(atom);
                words += usize::from(!atom.is_empty());
            }
            self.cursor.skip_cfws();
            if !self.cursor.eat(b'.') {
                return (words > 0 || !local.is_empty()).then_some(local);
            }
            local.push(b'.');
        }
    }

    /// `obs-route = "@" domain *("," "@" domain) ":"`
    fn route(&mut self) -> Option<Vec<u8>> {
        if self.cursor.peek() != Some(b'@') {
            return None;
        }
        let mut route = Vec::new();
        while self.cursor.eat(b'@') {
            if !route.is_empty() {
                route.push(b',');
            }
            route.push(b'@');
            let Some(domain) = self.cursor.domain() else { return Some(INVALID_ROUTE.to_vec()) };
            route.extend(domain);
            while self.cursor.eat(b',') {
                self.cursor.skip_cfws();
            }
        }
        let valid = self.cursor.eat(b':');
        self.cursor.skip_cfws();
        Some(if valid { route } else { INVALID_ROUTE.to_vec() })
    }

    /// A group may be empty.
    fn group_start(&mut self) {
        self.cursor.skip_cfws();
        if !self.cursor.is_at_end() && self.cursor.peek() != Some(b';') {
            self.element();
        }
    }

    fn end_group(&mut self) {
        self.addresses.push(Address::default());
        self.in_group = false;
    }

    /// `user@host (Name)`: the comment is the name.
    fn comment_name(&mut self) -> Option<Vec<u8>> {
        self.cursor.skip_cfws();
        self.cursor.take_comment().map(|text| collapse(&text)).filter(|text| !text.is_empty())
    }

    fn push(&mut self, name: Option<Vec<u8>>, route: Option<Vec<u8>>, mailbox: Option<Vec<u8>>, host: Option<Vec<u8>>) {
        let mailbox = mailbox.or_else(|| Some(MISSING_MAILBOX.to_vec()));
        let host = host.or_else(|| Some(MISSING_DOMAIN.to_vec()));
        self.addresses.push(Address { name, route, mailbox, host });
    }
}

/// Words up to the next special character: a display name (obs-phrase), a local part, or both as far as one can tell.
struct Phrase {
    /// The words as a display name.
    text: Vec<u8>,
    /// The words as a local part: without what stands between them.
    local: Vec<u8>,
    words: usize,
    /// Words not joined by a dot to the one before: more than one cannot be a local part.
    runs: usize,
    /// The last word was quoted.
    quoted: bool,
    /// White space after a dot: "Dr. Who" is a name, unless a domain follows (RFC 5322 section 4.4 `obs-local-part`).
    loose: bool,
    /// The local part up to the first comment or second run.
    first: Option<Vec<u8>>,
    /// A comment has no end.
    broken: bool,
    /// A quoted string without an end follows the words.
    open: bool,
}

impl Phrase {
    fn read(cursor: &mut Cursor<'_>) -> Self {
        let mut phrase = Self {
            text: Vec::new(),
            local: Vec::new(),
            words: 0,
            runs: 0,
            quoted: false,
            loose: false,
            first: None,
            broken: false,
            open: false,
        };
        let mut after_dot = false;
        cursor.take_comment();
        loop {
            let before = cursor.position();
            cursor.skip_cfws();
            let spaced = cursor.position() != before;
            phrase.broken |= cursor.has_open_comment();
            match cursor.peek() {
                Some(b'.') => {
                    cursor.bump();
                    phrase.text.push(b'.');
                    phrase.local.push(b'.');
                    phrase.runs = phrase.runs.max(1);
                    after_dot = true;
                }
                Some(b'"') => {
                    let Some(word) = cursor.closed_quoted_string() else {
                        phrase.open = true;
                        return phrase;
                    };
                    phrase.word(&word, spaced, after_dot, true);
                    after_dot = false;
                }
                _ => {
                    let word = cursor.atom();
                    if word.is_empty() {
                        return phrase;
                    }
                    phrase.word(word, spaced, after_dot, false);
                    after_dot = false;
                }
            }
        }
    }

    fn word(&mut self, word: &[u8], spaced: bool, after_dot: bool, quoted: bool) {
        if self.words > 0 && !after_dot && self.first.is_none() {
            self.first = Some(self.local.clone());
        }
        if !self.text.is_empty() && (spaced || !after_dot || quoted) {
            self.text.push(b' ');
        }
        self.loose |= after_dot && spaced;
        self.text.extend_from_slice(word);
        self.local.extend_from_slice(word);
        self.words += 1;
        self.runs += usize::from(!after_dot);
        self.quoted = quoted;
    }

    fn is_local_part(&self) -> bool {
        self.runs <= 1
    }

    fn into_local_part(self) -> Option<Vec<u8>> {
        (self.words > 0 || !self.local.is_empty()).then_some(self.local)
    }

    fn into_name(self) -> Option<Vec<u8>> {
        let name = collapse(&self.text);
        (self.words > 0 || !name.is_empty()).then_some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(value: &[u8]) -> Vec<Address> {
        let mut addresses = Vec::new();
        parse_into(value, &mut addresses, &mut 10);
        addresses
    }

    fn shown(value: &[u8]) -> String {
        let part = |value: &Option<Vec<u8>>| match value {
            Some(value) => format!("{:?}", String::from_utf8_lossy(value)),
            None => "NIL".to_owned(),
        };
        parse(value)
            .iter()
            .map(|a| format!("({} {} {} {})", part(&a.name), part(&a.route), part(&a.mailbox), part(&a.host)))
            .collect()
    }

    #[test]
    fn lists() {
        let cases: &[(&str, &str)] = &[
            ("", ""),
            ("a@b", r#"(NIL NIL "a" "b")"#),
            ("A B <a@b>, c@d (C D)", r#"("A B" NIL "a" "b")("C D" NIL "c" "d")"#),
            ("\"A, B\" <a@b>", r#"("A, B" NIL "a" "b")"#),
            ("Joe Q. Public <j.q@x . y>", r#"("Joe Q. Public" NIL "j.q" "x.y")"#),
            ("Whomever", r#"(NIL NIL "Whomever" "MISSING_DOMAIN")"#),
            ("Dr. Who", r#"("Dr. Who" NIL "MISSING_MAILBOX" "MISSING_DOMAIN")"#),
            ("Big Bug bb@bug.com, a@b", r#"("Big Bug bb" NIL "MISSING_MAILBOX" "MISSING_DOMAIN")"#),
            ("a . \"b\"@c, d@e", r#"(NIL NIL "a.b" "c")(NIL NIL "d" "e")"#),
            ("\"Drew Fossum\"", r#"("Drew Fossum" NIL "MISSING_MAILBOX" "MISSING_DOMAIN")"#),
            ("\"a b\"@c", r#"(NIL NIL "a b" "c")"#),
            ("<>", r#"(NIL NIL "MISSING_MAILBOX" "MISSING_DOMAIN")"#),
            ("<a@b", r#"(NIL NIL "a" "SYNTAX_ERROR")"#),
            ("<Undisclosed:@x;>", r#"(NIL NIL "Undisclosed" "SYNTAX_ERROR")"#),
            ("<Undisclosed Recipients>, a@b", r#"(NIL NIL "Undisclosed" "SYNTAX_ERROR")"#),
            (", a@b", r#"(NIL NIL "MISSING_MAILBOX" "MISSING_DOMAIN")(NIL NIL "a" "b")"#),
            ("M <@x,@y:m@z>", r#"("M" "@x,@y" "m" "z")"#),
            ("undisclosed-recipients:;", r#"(NIL NIL "undisclosed-recipients" NIL)(NIL NIL NIL NIL)"#),
            ("G: a@b, C <c@d>; e@f", r#"(NIL NIL "G" NIL)(NIL NIL "a" "b")("C" NIL "c" "d")(NIL NIL NIL NIL)"#),
            ("A Group:a@b;, c@d", r#"(NIL NIL "A Group" NIL)(NIL NIL "a" "b")(NIL NIL NIL NIL)(NIL NIL "c" "d")"#),
            ("a@[10.0.0.1]", r#"(NIL NIL "a" "[10.0.0.1]")"#),
            ("nsb (Nathaniel Borenstein)", r#"("Nathaniel Borenstein" NIL "nsb" "MISSING_DOMAIN")"#),
            ("jdoe@machine(comment).  example", r#"("comment" NIL "jdoe" "machine.example")"#),
        ];
        for (value, want) in cases {
            assert_eq!(shown(value.as_bytes()), *want, "{value}");
        }
    }

    /// What Dovecot 2.3.19 answers.
    #[test]
    fn what_is_no_list() {
        let cases: &[(&str, &str)] = &[
            ("a@b c@d, e@f", r#"(NIL NIL "a" "b")"#),
            ("a@b <c@d>, e@f", r#"(NIL NIL "a" "b")"#),
            ("<a@b> c, d@e", r#"(NIL NIL "a" "b")"#),
            ("x <a@b, d@e", r#"("x" NIL "a" "SYNTAX_ERROR")(NIL NIL "d" "e")"#),
            ("a@, b@c", r#"(NIL NIL "a" "MISSING_DOMAIN")(NIL NIL "b" "c")"#),
            ("a@b., c@d", r#"(NIL NIL "a" "MISSING_DOMAIN")(NIL NIL "c" "d")"#),
            ("a@[1.2, c@d", r#"(NIL NIL "a" "MISSING_DOMAIN")"#),
            ("@b, c@d", r#"(NIL NIL "MISSING_MAILBOX" "b")(NIL NIL "c" "d")"#),
            ("\"\"@b", r#"(NIL NIL "" "b")"#),
            ("\"\" <a@b>", r#"(NIL NIL "a" "b")"#),
            ("\"a, b@c", r#"(NIL NIL "MISSING_MAILBOX" "MISSING_DOMAIN")"#),
            ("a\"@b, c@d", r#"(NIL NIL "a" "MISSING_DOMAIN")"#),
            ("a b\"c@d", r#"("a b" NIL "MISSING_MAILBOX" "MISSING_DOMAIN")"#),
            ("a (c) \"c", r#"("c" NIL "a" "MISSING_DOMAIN")"#),
            ("\"a\" \"b", r#"("a" NIL "MISSING_MAILBOX" "MISSING_DOMAIN")"#),
            ("x <b.c(d@e>", r#"("x" NIL "MISSING_MAILBOX" "SYNTAX_ERROR")"#),
            ("<\"a@b>, c@d", r#"(NIL NIL "MISSING_MAILBOX" "SYNTAX_ERROR")"#),
            ("a@b, (c", r#"(NIL NIL "a" "b")(NIL NIL "MISSING_MAILBOX" "MISSING_DOMAIN")"#),
            ("(c <a@b>", ""),
            ("x <a@b> (c", r#"("x" NIL "a" "SYNTAX_ERROR")"#),
            ("a (c) b@d", r#"("c" NIL "a" "MISSING_DOMAIN")"#),
            ("\"a\" (x), b@c", r#"("x" NIL "a" "MISSING_DOMAIN")(NIL NIL "b" "c")"#),
            ("<a@>, b@c", r#"(NIL NIL "a" "SYNTAX_ERROR")"#),
            ("<<a@b>>, c@d", r#"(NIL NIL "MISSING_MAILBOX" "SYNTAX_ERROR")"#),
            ("<@a>, b@c", r#"(NIL "INVALID_ROUTE" "MISSING_MAILBOX" "MISSING_DOMAIN")(NIL NIL "b" "c")"#),
            ("<@a b:c@d>", r#"(NIL "INVALID_ROUTE" "b" "SYNTAX_ERROR")"#),
            (": a@b", r#"(NIL NIL "" NIL)(NIL NIL "a" "b")(NIL NIL NIL NIL)"#),
            ("g:; a@b", r#"(NIL NIL "g" NIL)(NIL NIL NIL NIL)"#),
            ("g: h: a@b;, c@d", r#"(NIL NIL "g" NIL)(NIL NIL "h" "MISSING_DOMAIN")(NIL NIL NIL NIL)"#),
            (
                "g: a@b,;",
                r#"(NIL NIL "g" NIL)(NIL NIL "a" "b")(NIL NIL "MISSING_MAILBOX" "MISSING_DOMAIN")(NIL NIL NIL NIL)"#,
            ),
        ];
        for (value, want) in cases {
            assert_eq!(shown(value.as_bytes()), *want, "{value}");
        }
    }

    #[test]
    fn at_the_limit_and_past_it() {
        assert_eq!(parse(&b"a@b,".repeat(10)).len(), 10);
        assert_eq!(parse(&b"a@b,".repeat(11)).len(), 10);
        let (mut addresses, mut budget) = (Vec::new(), 3);
        parse_into(b"a@b, c@d", &mut addresses, &mut budget);
        parse_into(b"g:e@f,g@h;", &mut addresses, &mut budget);
        parse_into(b"i@j", &mut addresses, &mut budget);
        assert_eq!((addresses.len(), budget), (3, 0));
    }

    #[test]
    fn hostile_input_takes_linear_time() {
        for piece in ["a ", "<", "\"", "(", "a:", "@", "a@", ";", "<@a,"] {
            parse_into(&piece.as_bytes().repeat(300_000), &mut Vec::new(), &mut 1_000_000);
        }
    }
}
