//! Reading an ENVELOPE that `write::envelope` has rendered: SORT and THREAD take from the store what FETCH sends, and the store
//! finds by it the conversations of messages whose header is not at hand.

/// A rendered ENVELOPE.
#[derive(Clone, Copy, Debug)]
pub struct Rendered<'a>(&'a [u8]);

/// An address of a list; `host` is `None` where a group starts or ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RenderedAddress {
    /// Display name, not decoded.
    pub name: Option<Vec<u8>>,
    /// Local part, or the name of the group that starts here.
    pub mailbox: Vec<u8>,
    /// Domain.
    pub host: Option<Vec<u8>>,
}

/// The members that are read here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    /// Date
    pub date: Option<Vec<u8>>,
    /// Subject
    pub subject: Option<Vec<u8>>,
    /// From
    pub from: Option<RenderedAddress>,
    /// To
    pub to: Option<RenderedAddress>,
    /// Cc
    pub cc: Option<RenderedAddress>,
    /// In-Reply-To
    pub in_reply_to: Option<Vec<u8>>,
    /// Message-ID
    pub message_id: Option<Vec<u8>>,
}

impl<'a> Rendered<'a> {
    /// Of the octets of a rendered ENVELOPE.
    pub const fn new(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    /// Its members. What cannot be read, which was not written here, is missing.
    pub fn members(self) -> Members {
        let mut cursor = Cursor(self.0);
        cursor.eat(b'(');
        let (date, subject) = (cursor.nstring(), cursor.nstring());
        let from = cursor.first_address();
        let (_sender, _reply_to) = (cursor.first_address(), cursor.first_address());
        let (to, cc, _bcc) = (cursor.first_address(), cursor.first_address(), cursor.first_address());
        Members { date, subject, from, to, cc, in_reply_to: cursor.nstring(), message_id: cursor.nstring() }
    }
}

/// The lists of addresses of an ENVELOPE that SEARCH looks into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressList {
    /// From
    From,
    /// To
    To,
    /// Cc
    Cc,
    /// Bcc
    Bcc,
}

impl Rendered<'_> {
    /// Gives every address of a list to `each` until that says it has seen enough.
    pub fn any_address(self, list: AddressList, mut each: impl FnMut(&RenderedAddress) -> bool) -> bool {
        let mut cursor = Cursor(self.0);
        cursor.eat(b'(');
        let before = match list {
            AddressList::From => 0,
            AddressList::To => 3,
            AddressList::Cc => 4,
            AddressList::Bcc => 5,
        };
        let (_date, _subject) = (cursor.nstring(), cursor.nstring());
        for _ in 0..before {
            cursor.addresses(|_| {});
        }
        let mut found = false;
        cursor.addresses(|address| found = found || each(&address));
        found
    }
}

struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn eat(&mut self, wanted: u8) -> bool {
        match self.0.split_first() {
            Some((first, rest)) if *first == wanted => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    /// `nstring`, and the space before it.
    fn nstring(&mut self) -> Option<Vec<u8>> {
        self.eat(b' ');
        if self.eat(b'"') {
            return Some(self.quoted());
        }
        if self.eat(b'{') {
            return Some(self.literal());
        }
        self.0 = self.0.strip_prefix(b"NIL").unwrap_or_default();
        None
    }

    /// The rest of a quoted string.
    fn quoted(&mut self) -> Vec<u8> {
        let mut value = Vec::new();
        while let Some((first, rest)) = self.0.split_first() {
            self.0 = rest;
            match first {
                b'"' => break,
                b'\\' => {
                    if let Some((escaped, rest)) = self.0.split_first() {
                        value.push(*escaped);
                        self.0 = rest;
                    }
                }
                _ => value.push(*first),
            }
        }
        value
    }

    /// The rest of a literal.
    fn literal(&mut self) -> Vec<u8> {
        let digits = self.0.iter().take_while(|b| b.is_ascii_digit()).count();
        let (size, rest) = self.0.split_at(digits);
        let size = std::str::from_utf8(size).ok().and_then(|digits| digits.parse().ok());
        let octets = rest.strip_prefix(b"}\r\n").zip(size).and_then(|(rest, size)| rest.split_at_checked(size));
        let (value, rest) = octets.unwrap_or_default();
        self.0 = rest;
        value.to_vec()
    }

    /// A list of addresses, or NIL, and the space before it.
    fn addresses(&mut self, mut each: impl FnMut(RenderedAddress)) {
        self.eat(b' ');
        if !self.eat(b'(') {
            self.0 = self.0.strip_prefix(b"NIL").unwrap_or_default();
            return;
        }
        while self.eat(b'(') {
            let (name, _route) = (self.nstring(), self.nstring());
            let (mailbox, host) = (self.nstring().unwrap_or_default(), self.nstring());
            each(RenderedAddress { name, mailbox, host });
            self.eat(b')');
        }
        self.eat(b')');
    }

    /// The same, of which the first is wanted.
    fn first_address(&mut self) -> Option<RenderedAddress> {
        let mut first = None;
        self.addresses(|address| {
            first.get_or_insert(address);
        });
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imap::codec::write;
    use crate::mime::{Address, Envelope};

    fn members(envelope: &Envelope) -> Members {
        let mut octets = Vec::new();
        write::envelope(&mut octets, envelope);
        Rendered::new(&octets).members()
    }

    #[test]
    fn what_was_written_is_read() {
        let envelope = Envelope::parse(
            b"Date: d \"x\" \\ \r\nSubject: caf\xc3\xa9 (\r\nFrom: \"A (B\" <a@b>, c@d\r\nTo: G: e@f;\r\nIn-Reply-To: <i@j>\r\n\
            Message-ID: <\"k\"@l>\r\n\r\n",
        );
        let got = members(&envelope);
        assert_eq!(got.date, envelope.date);
        assert_eq!(got.subject.as_deref(), Some("caf\u{e9} (".as_bytes()));
        let first = |list: &[Address]| {
            let address = list[0].clone();
            Some(RenderedAddress { name: address.name, mailbox: address.mailbox.unwrap(), host: address.host })
        };
        assert_eq!(got.from, first(&envelope.from));
        assert_eq!(got.to, first(&envelope.to));
        assert_eq!(got.to.unwrap().host, None);
        assert_eq!((got.cc, got.in_reply_to), (None, envelope.in_reply_to.clone()));
        assert_eq!(got.message_id.as_deref(), Some(b"<\"k\"@l>".as_slice()));
        assert_eq!(members(&Envelope::default()), Members::default());
        let mut octets = Vec::new();
        write::envelope(&mut octets, &envelope);
        let mailboxes = |list| {
            let mut all = Vec::new();
            Rendered::new(&octets).any_address(list, |address| {
                all.push(String::from_utf8(address.mailbox.clone()).unwrap());
                false
            });
            all
        };
        assert_eq!(mailboxes(AddressList::From), ["a", "c"]);
        assert_eq!(mailboxes(AddressList::To), ["G", "e", ""]);
        assert_eq!(mailboxes(AddressList::Cc), [""; 0]);
        assert!(Rendered::new(&octets).any_address(AddressList::To, |address| address.mailbox == b"e"));
    }

    /// Message-ID and In-Reply-To.
    fn ids(envelope: &str) -> (Option<String>, Option<String>) {
        let text = |value: Vec<u8>| String::from_utf8(value).unwrap();
        let members = Rendered::new(envelope.as_bytes()).members();
        (members.message_id.map(text), members.in_reply_to.map(text))
    }

    #[test]
    fn the_last_two_of_ten() {
        let addresses = "((\"a ) (\" NIL {3}\r\n)\") \"x\")(NIL NIL \"b\" \"y\"))";
        let envelope = format!(
            "(\"date\" {{4}}\r\n(\"(\" {addresses} {addresses} {addresses} NIL NIL NIL \"<\\\"p\\\\@x>\" {{5}}\r\n<o@x>)"
        );
        assert_eq!(ids(&envelope), (Some("<o@x>".to_owned()), Some("<\"p\\@x>".to_owned())));
        assert_eq!(ids("(NIL NIL NIL NIL NIL NIL NIL NIL NIL \"<o>\")"), (Some("<o>".to_owned()), None));
        assert_eq!(ids("(NIL NIL NIL NIL NIL NIL NIL NIL \"<p>\" NIL)"), (None, Some("<p>".to_owned())));
    }

    #[test]
    fn what_is_no_envelope_has_no_ids() {
        for text in ["", "(", ")", "\"", "(\"", "(\"\\", "({", "({9}\r\nx", "({99999999999999999999}\r\n", "({1}x"] {
            assert_eq!(ids(text), (None, None), "{text}");
        }
    }

    #[test]
    fn any_octets_are_read() {
        for octets in ["", "(", "(\"", "({9}\r\nab", "({x", "(NIL NIL ((", "(\"a\\", "(NIL NIL ((NIL NIL \"a\""] {
            Rendered::new(octets.as_bytes()).members();
            Rendered::new(octets.as_bytes()).any_address(AddressList::Bcc, |_| true);
        }
    }
}
