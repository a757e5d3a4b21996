//! A strict reader of FETCH responses: the grammar of RFC 9051 section 9 (and RFC 3501, where it allows less), octet by octet.
//! It panics at the first octet that does not fit.

/// One item of a FETCH response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// `BODY[HEADER]<0>`, `ENVELOPE`, ...
    pub name: String,
    pub value: Value,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// nstring or literal8
    Octets(Option<Vec<u8>>),
    Number(u64),
    Envelope(Box<Envelope>),
    Structure(Structure),
    /// What is not looked into: a flag list, a date, a mod-sequence.
    Other(Vec<u8>),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    pub date: Option<Vec<u8>>,
    pub subject: Option<Vec<u8>>,
    /// From, Sender, Reply-To, To, Cc, Bcc.
    pub addresses: [Vec<[Option<Vec<u8>>; 4]>; 6],
    pub in_reply_to: Option<Vec<u8>>,
    pub message_id: Option<Vec<u8>>,
}

/// What a BODY or BODYSTRUCTURE shows of the tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Structure {
    /// Parts that are neither multipart nor a message.
    pub leaves: usize,
    /// Parts around the innermost.
    pub depth: usize,
    /// Envelopes of inner messages.
    pub envelopes: usize,
}

/// The sequence number and the items of a FETCH response without its line end.
pub fn fetch(response: &[u8]) -> (u32, Vec<Item>) {
    let mut input = Input { rest: response };
    input.word(b"* ");
    let seq = u32::try_from(input.number()).expect("a sequence number");
    input.word(b" FETCH (");
    let mut items = Vec::new();
    loop {
        items.push(input.item());
        if input.eat(b')') {
            break;
        }
        input.word(b" ");
    }
    assert!(input.rest.is_empty(), "octets after the response: {}", input.near());
    (seq, items)
}

struct Input<'a> {
    rest: &'a [u8],
}

impl Input<'_> {
    fn near(&self) -> String {
        self.rest[..self.rest.len().min(80)].escape_ascii().to_string()
    }

    fn eat(&mut self, wanted: u8) -> bool {
        let found = self.rest.first() == Some(&wanted);
        if found {
            self.rest = &self.rest[1..];
        }
        found
    }

    fn word(&mut self, wanted: &[u8]) {
        self.rest = self
            .rest
            .strip_prefix(wanted)
            .unwrap_or_else(|| panic!("wanted {} at {}", wanted.escape_ascii(), self.near()));
    }

    fn number(&mut self) -> u64 {
        let digits = self.rest.iter().take_while(|b| b.is_ascii_digit()).count();
        assert!(digits > 0, "wanted a number at {}", self.near());
        let (number, rest) = self.rest.split_at(digits);
        self.rest = rest;
        std::str::from_utf8(number).unwrap().parse().expect("63 bits")
    }

    fn item(&mut self) -> Item {
        let mut name = Vec::new();
        let mut within = 0;
        while let Some((&b, rest)) = self.rest.split_first() {
            match b {
                b'[' => within += 1,
                b']' => within -= 1,
                b' ' if within == 0 => break,
                _ => {}
            }
            name.push(b);
            self.rest = rest;
        }
        self.word(b" ");
        let name = String::from_utf8(name).expect("an item name in ASCII");
        let value = match name.as_str() {
            "ENVELOPE" => Value::Envelope(Box::new(self.envelope())),
            "BODY" => Value::Structure(self.body(false)),
            "BODYSTRUCTURE" => Value::Structure(self.body(true)),
            "UID" | "RFC822.SIZE" => Value::Number(self.number()),
            name if name.starts_with("BINARY.SIZE[") => Value::Number(self.number()),
            name if name.starts_with("BINARY[") => Value::Octets(self.nstring(true)),
            name if name.starts_with("BODY[") || name == "PREVIEW" || name.starts_with("RFC822") => {
                Value::Octets(self.nstring(false))
            }
            _ => Value::Other(self.other()),
        };
        Item { name, value }
    }

    /// A parenthesised list without strings, or a quoted string.
    fn other(&mut self) -> Vec<u8> {
        if self.rest.first() == Some(&b'"') {
            return self.string();
        }
        self.word(b"(");
        let end = self.rest.iter().position(|b| *b == b')').expect("a list that ends");
        let (list, rest) = self.rest.split_at(end);
        self.rest = &rest[1..];
        list.to_vec()
    }

    fn nstring(&mut self, binary: bool) -> Option<Vec<u8>> {
        if self.rest.starts_with(b"NIL") {
            self.word(b"NIL");
            return None;
        }
        if binary && self.eat(b'~') {
            let octets = self.literal();
            assert!(octets.contains(&0), "literal8 without NUL");
            return Some(octets);
        }
        Some(self.string())
    }

    fn string(&mut self) -> Vec<u8> {
        if !self.eat(b'"') {
            let octets = self.literal();
            assert!(!octets.contains(&0), "NUL in a literal");
            return octets;
        }
        let mut octets = Vec::new();
        loop {
            let (&b, rest) = self.rest.split_first().expect("a quoted string that ends");
            self.rest = rest;
            match b {
                b'"' => return octets,
                b'\\' => {
                    let (&escaped, rest) = self.rest.split_first().expect("an escaped character");
                    assert!(matches!(escaped, b'"' | b'\\'), "wrong escape {escaped}");
                    self.rest = rest;
                    octets.push(escaped);
                }
                0 | b'\r' | b'\n' | 0x80.. => panic!("octet {b} in a quoted string"),
                _ => octets.push(b),
            }
        }
    }

    fn literal(&mut self) -> Vec<u8> {
        self.word(b"{");
        let size = usize::try_from(self.number()).unwrap();
        assert!(size > 0, "an empty literal stalls a client");
        self.word(b"}\r\n");
        let (octets, rest) = self.rest.split_at(size);
        self.rest = rest;
        octets.to_vec()
    }

    fn envelope(&mut self) -> Envelope {
        let mut envelope = Envelope::default();
        self.word(b"(");
        envelope.date = self.nstring(false);
        self.word(b" ");
        envelope.subject = self.nstring(false);
        for list in &mut envelope.addresses {
            self.word(b" ");
            *list = self.addresses();
        }
        let [from, sender, reply_to, ..] = &envelope.addresses;
        assert!(from.is_empty() || !sender.is_empty() && !reply_to.is_empty(), "Sender and Reply-To default to From");
        self.word(b" ");
        envelope.in_reply_to = self.nstring(false);
        self.word(b" ");
        envelope.message_id = self.nstring(false);
        self.word(b")");
        envelope
    }

    /// `"(" 1*address ")" / nil`
    fn addresses(&mut self) -> Vec<[Option<Vec<u8>>; 4]> {
        if self.rest.starts_with(b"NIL") {
            self.word(b"NIL");
            return Vec::new();
        }
        self.word(b"(");
        let mut addresses = Vec::new();
        loop {
            self.word(b"(");
            let address = std::array::from_fn(|at| {
                if at > 0 {
                    self.word(b" ");
                }
                self.nstring(false)
            });
            self.word(b")");
            addresses.push(address);
            if self.eat(b')') {
                return addresses;
            }
        }
    }

    fn body(&mut self, extended: bool) -> Structure {
        self.word(b"(");
        let mut structure = Structure::default();
        if self.rest.first() == Some(&b'(') {
            while self.rest.first() == Some(&b'(') {
                structure.add(self.body(extended));
            }
            structure.depth += 1;
            self.word(b" ");
            self.string();
            if extended {
                self.word(b" ");
                self.parameters();
                self.extension();
            }
        } else {
            structure = self.single_part(extended);
        }
        self.word(b")");
        structure
    }

    fn single_part(&mut self, extended: bool) -> Structure {
        let media_type = self.string().to_ascii_lowercase();
        self.word(b" ");
        let subtype = self.string().to_ascii_lowercase();
        self.word(b" ");
        self.parameters();
        for _ in 0..2 {
            self.word(b" ");
            self.nstring(false);
        }
        self.word(b" ");
        assert!(!self.string().is_empty(), "a transfer encoding without a name");
        self.word(b" ");
        self.number();
        let mut structure = Structure { leaves: 1, ..Structure::default() };
        // message/global in the form of `media-basic`, as Dovecot and Cyrus show it.
        let message = media_type == b"message" && subtype == b"rfc822";
        if message {
            self.word(b" ");
            self.envelope();
            self.word(b" ");
            structure = self.body(extended);
            structure.depth += 1;
            structure.envelopes += 1;
        }
        if message || media_type == b"text" {
            self.word(b" ");
            self.number();
        }
        if extended {
            self.word(b" ");
            self.nstring(false);
            self.extension();
        }
        structure
    }

    /// `SP body-fld-dsp SP body-fld-lang SP body-fld-loc`
    fn extension(&mut self) {
        self.word(b" ");
        if self.eat(b'(') {
            self.string();
            self.word(b" ");
            self.parameters();
            self.word(b")");
        } else {
            self.word(b"NIL");
        }
        self.word(b" ");
        if self.eat(b'(') {
            self.string();
            while self.eat(b' ') {
                self.string();
            }
            self.word(b")");
        } else {
            self.nstring(false);
        }
        self.word(b" ");
        self.nstring(false);
    }

    /// `"(" string SP string *(SP string SP string) ")" / nil`
    fn parameters(&mut self) {
        if !self.eat(b'(') {
            return self.word(b"NIL");
        }
        loop {
            self.string();
            self.word(b" ");
            self.string();
            if self.eat(b')') {
                return;
            }
            self.word(b" ");
        }
    }
}

impl Structure {
    fn add(&mut self, part: Self) {
        self.leaves += part.leaves;
        self.depth = self.depth.max(part.depth);
        self.envelopes += part.envelopes;
    }
}
