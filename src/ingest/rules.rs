//! The rules of a user: where a message from a maildrop goes, and which flags it has from the start, by what its header says.

use std::sync::Arc;

pub use super::glob::Pattern;
use crate::mail::{FlagList, MailboxName};
use crate::mime::{self, Address, Envelope};

/// Of one value of a header field so much is compared, in octets: what is longer is no address and no subject.
const VALUE: usize = 8 << 10;

/// Values of one message that a condition is compared with.
const VALUES: usize = 1_000;

/// All rules of a user, in order. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules(Arc<[Rule]>);

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// All of them must hold; none at all hold for every message.
    pub conditions: Vec<Condition>,
    /// Where the message goes; `None`: where the account delivers.
    pub deliver_to: Option<MailboxName>,
    /// Flags that it has from the start.
    pub flags: FlagList,
    /// The rules behind it are looked at as well.
    pub is_continued: bool,
}

/// What must hold of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// One of the values of this is as one of the patterns.
    Text(Subject, Vec<Pattern>),
    /// It came from one of these accounts of the user.
    Account(Vec<String>),
    /// It has more octets than this.
    Larger(u64),
}

/// What of a message is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Address or display name in From or Sender.
    From,
    /// The same in To, Cc or Bcc; or the address in Delivered-To, X-Original-To or Envelope-To, which servers add.
    To,
    /// The Subject field, decoded.
    Subject,
    /// The List-Id field (RFC 2919), or the identifier in its angle brackets.
    ListId,
    /// Each field of this name, decoded.
    Header(String),
}

/// What the rules say of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routed {
    /// `None`: where its account delivers.
    pub deliver_to: Option<MailboxName>,
    /// Flags that it has from the start.
    pub flags: FlagList,
}

/// A message, as rules see it.
pub(super) struct Facts<'a> {
    pub(super) header: &'a [u8],
    pub(super) envelope: &'a Envelope,
    pub(super) octets: u64,
    pub(super) account: &'a str,
}

impl Rules {
    /// These rules, in this order.
    pub fn new(rules: Vec<Rule>) -> Self {
        Self(rules.into())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What the first rule that matches says, and those behind it where it is to be continued: flags are gathered, of
    /// mailboxes the first counts.
    pub(super) fn route(&self, facts: &Facts<'_>) -> Routed {
        let mut routed = Routed::default();
        for rule in self.0.iter().filter(|rule| rule.conditions.iter().all(|condition| condition.holds(facts))) {
            if routed.deliver_to.is_none() {
                routed.deliver_to.clone_from(&rule.deliver_to);
            }
            routed.flags.flags |= rule.flags.flags;
            for keyword in &rule.flags.keywords {
                if !routed.flags.keywords.contains(keyword) {
                    routed.flags.keywords.push(keyword.clone());
                }
            }
            if !rule.is_continued {
                break;
            }
        }
        routed
    }
}

impl Condition {
    fn holds(&self, facts: &Facts<'_>) -> bool {
        match self {
            Self::Text(subject, patterns) => {
                let values = subject.values(facts);
                values.iter().any(|value| patterns.iter().any(|pattern| pattern.matches(value)))
            }
            Self::Account(names) => names.iter().any(|name| name == facts.account),
            Self::Larger(octets) => facts.octets > *octets,
        }
    }
}

impl Subject {
    /// Folded.
    fn values(&self, facts: &Facts<'_>) -> Vec<String> {
        let Envelope { from, sender, to, cc, bcc, .. } = facts.envelope;
        let mut values = match self {
            Self::From => from.iter().chain(sender).flat_map(of_address).collect(),
            Self::To => {
                let added = ["delivered-to", "x-original-to", "envelope-to"];
                let added = added.iter().flat_map(|name| texts(facts, name)).map(|text| bare(&text).to_owned());
                to.iter().chain(cc).chain(bcc).take(VALUES).flat_map(of_address).chain(added).collect()
            }
            Self::Subject => texts(facts, "subject"),
            Self::ListId => {
                let whole = texts(facts, "list-id");
                let ids: Vec<String> = whole.iter().filter_map(|text| in_brackets(text)).map(str::to_owned).collect();
                [whole, ids].concat()
            }
            Self::Header(name) => texts(facts, name),
        };
        values.truncate(VALUES);
        values.iter_mut().for_each(cut);
        values
    }
}

/// The values of each field of this name, decoded, folded, without white space around them.
fn texts(facts: &Facts<'_>, name: &str) -> Vec<String> {
    let texts = mime::header_texts(facts.header, name.as_bytes());
    texts.iter().map(|text| text.trim().to_owned()).collect()
}

/// The address, and the display name where there is one.
fn of_address(address: &Address) -> Vec<String> {
    let text = |octets: &[u8]| mime::fold(&String::from_utf8_lossy(octets));
    let mut values = Vec::new();
    // A group has no host.
    if let (Some(mailbox), Some(host)) = (&address.mailbox, &address.host) {
        values.push(format!("{}@{}", text(mailbox), text(host)));
    }
    if let Some(name) = &address.name {
        values.push(mime::fold(&mime::decode_words(name)).trim().to_owned());
    }
    values
}

fn bare(text: &str) -> &str {
    text.trim_start_matches('<').trim_end_matches('>')
}

fn in_brackets(text: &str) -> Option<&str> {
    let (_, rest) = text.rsplit_once('<')?;
    rest.strip_suffix('>')
}

fn cut(value: &mut String) {
    if value.len() > VALUE {
        let end = (0..=VALUE).rev().find(|end| value.is_char_boundary(*end)).unwrap_or_default();
        value.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{Flags, Keyword};

    const HEADER: &str = "From: =?utf-8?q?Caf=C3=A9?= Bar <Owner@Cafe.Example>\r\nTo: Ann <ann@one.example>,\r\n two@two.example\r\n\
        Cc: team: x@y.example;\r\nDelivered-To: <ann+shop@one.example>\r\nSubject: =?utf-8?b?UmVjaG51bmc=?=\r\n of May\r\n\
        List-Id: \"Some list\" <rust.lists.example>\r\nX-Spam: YES\r\nX-Spam: no\r\n\r\n";

    fn rule(conditions: Vec<Condition>) -> Rule {
        Rule { conditions, deliver_to: None, flags: FlagList::default(), is_continued: false }
    }

    fn holds(header: &str, condition: &Condition) -> bool {
        let envelope = Envelope::parse(header.as_bytes());
        condition.holds(&Facts { header: header.as_bytes(), envelope: &envelope, octets: 100, account: "isp" })
    }

    fn text(subject: Subject, pattern: &str) -> bool {
        holds(HEADER, &Condition::Text(subject, vec![Pattern::new("nothing"), Pattern::new(pattern)]))
    }

    #[test]
    fn what_is_compared() {
        for pattern in ["owner@cafe.example", "*@CAFE.example", "caf\u{e9} bar"] {
            assert!(text(Subject::From, pattern), "{pattern}");
        }
        assert!(!text(Subject::From, "owner") && !text(Subject::From, "*<*"));
        for pattern in ["ann@one.example", "two@*", "x@y.example", "ann", "ann+shop@one.example"] {
            assert!(text(Subject::To, pattern), "{pattern}");
        }
        assert!(!text(Subject::To, "team"), "a group is no recipient");
        assert!(text(Subject::Subject, "rechnung of may") && text(Subject::Subject, "*Rechnung*"));
        assert!(text(Subject::ListId, "rust.lists.example") && text(Subject::ListId, "*Some list*"));
        let spam = |pattern| text(Subject::Header("x-spam".to_owned()), pattern);
        assert!(spam("yes") && spam("no") && !spam("maybe"));
        assert!(!text(Subject::Header("X-Missing".to_owned()), "*"));
        for (name, wanted) in [("isp", true), ("Isp", false)] {
            assert_eq!(holds(HEADER, &Condition::Account(vec![name.to_owned()])), wanted);
        }
        assert!(!holds(HEADER, &Condition::Larger(100)) && holds(HEADER, &Condition::Larger(99)));
    }

    #[test]
    fn the_first_that_matches_counts_unless_it_is_continued() {
        let keyword = |name: &str| Keyword::new(name).expect("keyword");
        let list = |flags, name: &str| FlagList { flags, keywords: vec![keyword(name)] };
        let to = |name: &str| Some(MailboxName::new(name).expect("name"));
        let any = || vec![Condition::Text(Subject::Subject, vec![Pattern::new("*")])];
        let rules = |is_continued| {
            Rules::new(vec![
                Rule { deliver_to: to("Never"), ..rule(vec![any().remove(0), Condition::Larger(1000)]) },
                Rule { flags: list(Flags::SEEN, "a"), is_continued, ..rule(any()) },
                Rule { deliver_to: to("A"), flags: list(Flags::FLAGGED, "A"), is_continued, ..rule(any()) },
                Rule { deliver_to: to("B"), flags: list(Flags::NONE, "b"), ..rule(Vec::new()) },
            ])
        };
        let envelope = Envelope::parse(HEADER.as_bytes());
        let facts = Facts { header: HEADER.as_bytes(), envelope: &envelope, octets: 100, account: "isp" };
        assert_eq!(rules(false).route(&facts), Routed { deliver_to: None, flags: list(Flags::SEEN, "a") });
        let all = FlagList { flags: Flags::SEEN | Flags::FLAGGED, keywords: vec![keyword("a"), keyword("b")] };
        assert_eq!(rules(true).route(&facts), Routed { deliver_to: to("A"), flags: all });
        assert_eq!(Rules::default().route(&facts), Routed::default());
    }

    #[test]
    fn long_values_are_cut_and_many_are_left_out() {
        let subject = |n: usize| format!("Subject: {}\u{e9}\r\n\r\n", "a".repeat(n));
        let ends = |n, end: &str| {
            let pattern = vec![Pattern::new(&format!("*{end}"))];
            holds(&subject(n), &Condition::Text(Subject::Subject, pattern))
        };
        assert!(ends(VALUE - 3, "\u{e9}") && !ends(VALUE, "\u{e9}") && ends(VALUE, "a"));
        let fields = |n: usize| "X: a\r\n".repeat(n) + "X: b\r\n\r\n";
        let last = Condition::Text(Subject::Header("x".to_owned()), vec![Pattern::new("b")]);
        assert!(holds(&fields(VALUES - 1), &last) && !holds(&fields(VALUES), &last));
    }
}
