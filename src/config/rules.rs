//! `rules` of a user: which messages go where, and with which flags.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::section::{Item, Section};
use super::types::{Account, User};
use super::value;
use crate::ingest::{self, Condition, Pattern, Rules, Subject};
use crate::mail::{FlagList, Flags, Keyword, MailboxName, is_among_accounts};

/// Rules of one user.
const MAX_RULES: usize = 1_000;

/// Patterns of one condition.
const MAX_PATTERNS: usize = 1_000;

/// Sizes that `larger_than` may name.
const LARGER: std::ops::RangeInclusive<u64> = 1..=2 << 30;

/// One rule, as it was written and as it is applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    written: Vec<(String, Vec<String>)>,
    rule: ingest::Rule,
}

impl User {
    /// The rules, as they are applied.
    pub(crate) fn rules(&self) -> Rules {
        Rules::new(self.rules.iter().map(|rule| rule.rule.clone()).collect())
    }
}

/// Reads the key of a user.
pub(super) fn read(
    section: &mut Section<'_>,
    accounts: Option<&[Account]>,
    account_mailboxes: bool,
) -> Option<Vec<Rule>> {
    let Some(item) = section.item("rules") else { return Some(Vec::new()) };
    let items = item.list()?;
    if items.len() > MAX_RULES {
        item.problem(format!("has {} rules; write at most {MAX_RULES}", items.len()));
        return None;
    }
    let expected = items.len();
    let one = |item: Item<'_>| rule(item.section()?, accounts, account_mailboxes);
    let read: Vec<Rule> = items.into_iter().filter_map(one).collect();
    (read.len() == expected).then_some(read)
}

fn rule(mut section: Section<'_>, accounts: Option<&[Account]>, account_mailboxes: bool) -> Option<Rule> {
    let (cx, line, path) = (section.cx, section.line, section.path_of("match"));
    let matched = section.required("match", "{ from: \"*@lists.example.org\" }").and_then(Item::section);
    let matched = matched.and_then(|section| conditions(section, accounts));
    let target = section.item("deliver_to");
    let deliver_to = target.as_ref().map(|item| {
        item.value(|text| match MailboxName::new(text) {
            Ok(name) if account_mailboxes && is_among_accounts(&name) => {
                Err(format!("{text:?} shows what came from an account; write the name of another mailbox"))
            }
            Ok(name) => Ok(name),
            Err(e) => Err(format!("{e}; write a mailbox name such as INBOX or Lists/Example")),
        })
    });
    let flagged = section.item("flags").map(|item| flags(&item));
    let is_continued = section.value("continue", false, value::switch);
    section.finish();
    if deliver_to.is_none() && flagged.is_none() {
        cx.problem(line, path, "the rule does nothing; write deliver_to: MAILBOX or flags: [...] beside match");
        return None;
    }
    // What cannot be read is no rule without it.
    let deliver_to = deliver_to.map_or(Some(None), |read| read.map(Some))?;
    let (flags, names) = flagged.unwrap_or_else(|| Some((FlagList::default(), Vec::new())))?;
    let (written, conditions) = matched?;
    let mut all = written;
    all.extend(deliver_to.iter().map(|name| ("deliver_to".to_owned(), vec![name.to_string()])));
    if !names.is_empty() {
        all.push(("flags".to_owned(), names));
    }
    Some(Rule { written: all, rule: ingest::Rule { conditions, deliver_to, flags, is_continued } })
}

/// As they were written, by key, and as they are applied.
type Conditions = (Vec<(String, Vec<String>)>, Vec<Condition>);

fn conditions(mut section: Section<'_>, accounts: Option<&[Account]>) -> Option<Conditions> {
    let (cx, line, path) = (section.cx, section.line, section.path_of("from"));
    let (mut written, mut conditions, mut is_good) = (Vec::new(), Vec::new(), true);
    let mut add = |key: String, read: Option<(Vec<String>, Condition)>| match read {
        Some((texts, condition)) => {
            written.push((key, texts));
            conditions.push(condition);
        }
        None => is_good = false,
    };
    for (key, subject) in
        [("from", Subject::From), ("to", Subject::To), ("subject", Subject::Subject), ("list_id", Subject::ListId)]
    {
        if let Some(item) = section.item(key) {
            add(key.to_owned(), text(&item, subject));
        }
    }
    if let Some(item) = section.item("header") {
        match item.fields() {
            Some(fields) => fields.into_iter().for_each(|(name, item)| {
                let named = field_name(&name).map_err(|what| item.problem(what)).ok();
                add(format!("header.{name}"), named.and_then(|()| text(&item, Subject::Header(name))));
            }),
            None => add("header".to_owned(), None),
        }
    }
    if let Some(item) = section.item("account") {
        let known = |name: &str| accounts.is_none_or(|all| all.iter().any(|account| account.name == name));
        let named = texts(&item, |name| match known(name) {
            true => Ok(name.to_owned()),
            false => Err(format!("{name:?} is no account of this user; write the name of one")),
        });
        add("account".to_owned(), named.map(|names| (names.clone(), Condition::Account(names))));
    }
    if let Some(item) = section.item("larger_than") {
        let size = item.value(value::size(LARGER));
        add("larger_than".to_owned(), size.map(|size| (vec![value::show_size(size)], Condition::Larger(size))));
    }
    section.finish();
    if is_good && conditions.is_empty() {
        cx.problem(line, path, "is one of the keys that match needs; write from: \"*\" for every message");
        return None;
    }
    is_good.then_some((written, conditions))
}

fn text(item: &Item<'_>, subject: Subject) -> Option<(Vec<String>, Condition)> {
    let texts = texts(item, |text| match text.len() {
        0 => Err("is empty and matches nothing; write a pattern such as \"*@lists.example.org\"".to_owned()),
        length if length > Pattern::MAX => Err(format!("has more than {} octets; write a shorter one", Pattern::MAX)),
        _ => Ok(text.to_owned()),
    })?;
    let patterns = texts.iter().map(|text| Pattern::new(text)).collect();
    Some((texts, Condition::Text(subject, patterns)))
}

/// One value or a list of them.
fn texts(item: &Item<'_>, read: impl Fn(&str) -> Result<String, String>) -> Option<Vec<String>> {
    let items = item.one_or_list()?;
    if items.is_empty() || items.len() > MAX_PATTERNS {
        item.problem(format!("has {} patterns; write 1 to {MAX_PATTERNS}", items.len()));
        return None;
    }
    let all: Vec<Option<String>> = items.iter().map(|item| item.value(&read)).collect();
    all.into_iter().collect()
}

/// RFC 5322 section 2.2.
fn field_name(name: &str) -> Result<(), String> {
    let is_one = !name.is_empty() && name.bytes().all(|octet| (33..=126).contains(&octet) && octet != b':');
    is_one.then_some(()).ok_or_else(|| format!("{name:?} is no name of a header field; write one such as X-Spam-Flag"))
}

/// The flags, and as they were written.
fn flags(item: &Item<'_>) -> Option<(FlagList, Vec<String>)> {
    let items = item.list()?;
    if items.is_empty() {
        item.problem("is empty; write flags such as [\"\\\\Seen\", newsletter], or leave it out");
        return None;
    }
    let mut list = FlagList::default();
    let mut names = Vec::new();
    let mut is_good = true;
    for item in items {
        let Some(name) = item.value(flag) else {
            is_good = false;
            continue;
        };
        match (Flags::from_name(name.as_bytes()), Keyword::new(&name)) {
            (Some(flag), _) => list.flags |= flag,
            (None, Some(keyword)) if !list.keywords.contains(&keyword) => list.keywords.push(keyword),
            _ => continue,
        }
        names.push(name);
    }
    is_good.then_some((list, names))
}

fn flag(text: &str) -> Result<String, String> {
    match Flags::from_name(text.as_bytes()) {
        // The next EXPUNGE of any mail program would remove what nobody has read.
        Some(Flags::DELETED) => Err("a message is not deleted by a rule; write another flag".to_owned()),
        Some(_) => Ok(text.to_owned()),
        None if Keyword::new(text).is_some() => Ok(text.to_owned()),
        None => Err(format!("{text:?} is no flag; write \\Seen, \\Flagged, \\Answered, \\Draft or a keyword")),
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let is_action = |key: &str| matches!(key, "deliver_to" | "flags");
        let matched: Vec<&(String, Vec<String>)> = self.written.iter().filter(|(key, _)| !is_action(key)).collect();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("match", &Match(&matched))?;
        for (key, texts) in self.written.iter().filter(|(key, _)| is_action(key)) {
            match texts.as_slice() {
                [name] if key == "deliver_to" => map.serialize_entry(key, name)?,
                names => map.serialize_entry(key, names)?,
            }
        }
        if self.rule.is_continued {
            map.serialize_entry("continue", &true)?;
        }
        map.end()
    }
}

struct Match<'a>(&'a [&'a (String, Vec<String>)]);

impl Serialize for Match<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let header: Vec<(&str, &[String])> =
            self.0.iter().filter_map(|(key, texts)| Some((key.strip_prefix("header.")?, texts.as_slice()))).collect();
        let mut map = serializer.serialize_map(None)?;
        for (key, texts) in self.0.iter().filter(|(key, _)| !key.starts_with("header.")) {
            match texts.as_slice() {
                [size] if key == "larger_than" => map.serialize_entry(key, size)?,
                texts => map.serialize_entry(key, texts)?,
            }
        }
        if !header.is_empty() {
            map.serialize_entry("header", &header.into_iter().collect::<std::collections::BTreeMap<_, _>>())?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::{good, minimal, one_problem, problems};

    fn rules(yaml: &str) -> Vec<Rule> {
        good(&minimal(&format!("    rules: {yaml}\n"))).users.remove(0).rules
    }

    fn refused(yaml: &str) -> String {
        one_problem(&minimal(&format!("    rules: {yaml}\n")))
    }

    #[test]
    fn rules_are_read() {
        assert_eq!((rules("[]"), rules("")), (Vec::new(), Vec::new()));
        let text = "[{ match: { from: \"*@lists.example.org\" }, deliver_to: Lists/Example, flags: [\"\\\\Seen\", newsletter] }, \
                    { match: { to: [a@b, \"c?@d\"], subject: x, list_id: y, header: { X-Spam: \"yes*\" }, account: isp, \
                    larger_than: 10MiB }, flags: [big], continue: true }]";
        let read = rules(text);
        let rule = &read[0].rule;
        assert_eq!(rule.conditions, [Condition::Text(Subject::From, vec![Pattern::new("*@lists.example.org")])]);
        assert_eq!(rule.deliver_to.as_ref().map(MailboxName::as_str), Some("Lists/Example"));
        assert_eq!((rule.flags.flags, rule.flags.keywords[0].as_str()), (Flags::SEEN, "newsletter"));
        assert!(!rule.is_continued && read[1].rule.is_continued);
        let texts = |subject, patterns: &[&str]| {
            Condition::Text(subject, patterns.iter().map(|pattern| Pattern::new(pattern)).collect())
        };
        let wanted = [
            texts(Subject::To, &["a@b", "c?@d"]),
            texts(Subject::Subject, &["x"]),
            texts(Subject::ListId, &["y"]),
            texts(Subject::Header("X-Spam".to_owned()), &["yes*"]),
            Condition::Account(vec!["isp".to_owned()]),
            Condition::Larger(10 << 20),
        ];
        assert_eq!((read[1].rule.conditions.as_slice(), read[1].rule.deliver_to.as_ref()), (wanted.as_slice(), None));
    }

    /// What check-config prints is what was meant.
    #[test]
    fn what_is_printed_reads_back() {
        let text = "[{ match: { from: [a, b], header: { x: y, z: [u, v] }, larger_than: 1MiB }, deliver_to: A, flags: [k, \
                    \"\\\\Flagged\"], continue: true }, { match: { account: isp }, deliver_to: B }]";
        let config = good(&minimal(&format!("    rules: {text}\n")));
        let printed = serde_yaml::to_string(&config.users[0].rules).expect("yaml");
        let again = rules(&format!("\n{}", printed.lines().map(|line| format!("      {line}\n")).collect::<String>()));
        let applied = |rules: &[Rule]| rules.iter().map(|rule| rule.rule.clone()).collect::<Vec<_>>();
        assert_eq!(applied(&again), applied(&config.users[0].rules), "{printed}");
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (yaml, wanted) in [
            ("[{ deliver_to: A }]", "rules[0].match: is required"),
            ("[{ match: { from: x } }]", "does nothing; write deliver_to"),
            ("[{ match: {}, deliver_to: A }]", "is one of the keys that match needs"),
            ("[{ match: { from: \"\" }, deliver_to: A }]", "is empty and matches nothing"),
            ("[{ match: { from: [] }, deliver_to: A }]", "has 0 patterns"),
            ("[{ match: { form: x }, deliver_to: A }]", "unknown key; write from instead"),
            ("[{ match: { account: other }, deliver_to: A }]", "\"other\" is no account of this user"),
            ("[{ match: { header: { \"a b\": x } }, deliver_to: A }]", "is no name of a header field"),
            ("[{ match: { header: x }, deliver_to: A }]", "where a mapping is expected"),
            ("[{ match: { larger_than: 0 }, deliver_to: A }]", "larger_than"),
            ("[{ match: { from: x }, deliver_to: \"a//b\" }]", "write a mailbox name such as"),
            ("[{ match: { from: x }, deliver_to: Accounts/isp }]", "shows what came from an account"),
            ("[{ match: { from: x }, flags: [] }]", "is empty; write flags such as"),
            ("[{ match: { from: x }, flags: [\"\\\\Recent\"] }]", "is no flag"),
            ("[{ match: { from: x }, flags: [\"\\\\deleted\"] }]", "a message is not deleted by a rule"),
        ] {
            let problem = problems(&minimal(&format!("    rules: {yaml}\n"))).join("; ");
            assert!(problem.contains(wanted), "{yaml}: {problem}");
        }
        good(&minimal("    account_mailboxes: false\n    rules: [{ match: { from: x }, deliver_to: Accounts/isp }]\n"));
    }

    #[test]
    fn numbers_and_lengths_are_bounded() {
        let many = |count: usize| format!("[{}]", "{ match: { from: x }, deliver_to: A },".repeat(count));
        assert_eq!(rules(&many(MAX_RULES)).len(), MAX_RULES);
        assert!(refused(&many(MAX_RULES + 1)).contains("write at most 1000"));
        let patterns = |count: usize| format!("[{{ match: {{ from: [{}] }}, deliver_to: A }}]", "x,".repeat(count));
        rules(&patterns(MAX_PATTERNS));
        assert!(refused(&patterns(MAX_PATTERNS + 1)).contains("write 1 to 1000"));
        let long = |length: usize| format!("[{{ match: {{ from: {} }}, deliver_to: A }}]", "x".repeat(length));
        rules(&long(Pattern::MAX));
        assert!(refused(&long(Pattern::MAX + 1)).contains("more than 1000 octets"));
    }
}
