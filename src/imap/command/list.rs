//! LIST, LSUB and NAMESPACE (RFC 9051 sections 6.3.9 and 6.3.10, RFC 3501 section 6.3.9, RFC 5258, RFC 6154).

use std::collections::{BTreeMap, BTreeSet};

use unicode_normalization::UnicodeNormalization;

use super::{metadata, status};
use crate::imap::codec::command::ListArgs;
use crate::imap::codec::write;
use crate::imap::conn::Output;
use crate::imap::error::{CommandResult, Done};
use crate::imap::session::{Authenticated, flag_list};
use crate::mail::{DELIMITER, MAX_NAME_LEN, MailboxName};
use crate::store::Mailbox;

/// A name in the hierarchy: a mailbox, or a level that only has children.
struct Node {
    mailbox: Option<Mailbox>,
    children: bool,
    subscribed: bool,
    /// A child of it is subscribed.
    subscribed_below: bool,
}

/// RFC 9051 section 6.3.9. `LIST "" ""` asks for the delimiter alone.
pub(in crate::imap) async fn list(cx: &mut Authenticated<'_>, args: &ListArgs, out: &mut Output) -> CommandResult {
    if !args.extended && asks_for_delimiter(args) {
        out.line("* LIST (\\Noselect) \"/\" \"\"");
        return Done::ok();
    }
    metadata::names(&args.return_metadata)?;
    let nodes = hierarchy(cx).await?;
    let patterns = patterns(args);
    for (name, node) in &nodes {
        if !patterns.iter().any(|p| p.matches(name)) || !selected_by(args, node) {
            continue;
        }
        // A name that is only subscribed to is shown to those who ask for subscriptions.
        if node.mailbox.is_none() && !node.children && !args.select_subscribed {
            continue;
        }
        let mut attributes = attributes(node, false);
        if node.subscribed && (args.select_subscribed || args.return_subscribed) {
            attributes.push("\\Subscribed");
        }
        // RFC 5258 section 3.5: why a name that is not subscribed is in the answer.
        let child_info = args.recursive_match && !node.subscribed && node.subscribed_below;
        let extended = if child_info { " (\"CHILDINFO\" (\"SUBSCRIBED\"))" } else { "" };
        line(out, "LIST", &attributes, name, cx.features.utf8_names(), extended);
        if let (Some(items), Some(mailbox)) = (&args.return_status, &node.mailbox) {
            status::line(cx, mailbox, items, out).await?;
        }
        if let (false, Some(mailbox)) = (args.return_metadata.is_empty(), &node.mailbox) {
            metadata::line(cx, mailbox, &args.return_metadata, out).await?;
        }
        out.relieve().await?;
    }
    Done::ok()
}

/// RFC 3501 section 6.3.9: the subscribed names, and for `%` the levels above them.
pub(in crate::imap) async fn lsub(cx: &Authenticated<'_>, args: &ListArgs, out: &mut Output) -> CommandResult {
    if asks_for_delimiter(args) {
        out.line("* LSUB (\\Noselect) \"/\" \"\"");
        return Done::ok();
    }
    let nodes = hierarchy(cx).await?;
    let patterns = patterns(args);
    let levels_above = args.patterns.iter().any(|p| p.ends_with('%'));
    for (name, node) in &nodes {
        let above = node.subscribed_below && levels_above;
        if (node.subscribed || above) && patterns.iter().any(|p| p.matches(name)) {
            line(out, "LSUB", &attributes(node, !node.subscribed), name, cx.features.utf8_names(), "");
            out.relieve().await?;
        }
    }
    Done::ok()
}

/// The one empty pattern; a pattern that cannot be decoded has been left out and is none.
fn asks_for_delimiter(args: &ListArgs) -> bool {
    args.patterns.first().is_some_and(String::is_empty)
}

/// RFC 2342: one personal namespace.
pub(in crate::imap) fn namespace(out: &mut Output) -> CommandResult {
    out.line("* NAMESPACE ((\"\" \"/\")) NIL NIL");
    Done::ok()
}

async fn hierarchy(cx: &Authenticated<'_>) -> Result<BTreeMap<Key, Node>, crate::store::Error> {
    let mut nodes: BTreeMap<Key, Node> = BTreeMap::new();
    let empty = || Node { mailbox: None, children: false, subscribed: false, subscribed_below: false };
    for mailbox in cx.store.mailboxes(cx.login.id).await? {
        let mut above = mailbox.name.parent();
        while let Some(name) = above {
            above = name.parent();
            nodes.entry(Key::of(&name)).or_insert_with(empty).children = true;
        }
        let key = Key::of(&mailbox.name);
        nodes.entry(key).or_insert_with(empty).mailbox = Some(mailbox);
    }
    let subscribed: BTreeSet<MailboxName> = cx.store.subscriptions(cx.login.id).await?.into_iter().collect();
    for name in &subscribed {
        nodes.entry(Key::of(name)).or_insert_with(empty).subscribed = true;
        let mut above = name.parent();
        while let Some(name) = above {
            above = name.parent();
            nodes.entry(Key::of(&name)).or_insert_with(empty).subscribed_below = true;
        }
    }
    Ok(nodes)
}

/// INBOX first, then by name.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key(bool, String);

impl Key {
    fn of(name: &MailboxName) -> Self {
        Self(!name.is_inbox(), name.as_str().to_owned())
    }
}

fn selected_by(args: &ListArgs, node: &Node) -> bool {
    let subscribed = node.subscribed || args.recursive_match && node.subscribed_below;
    let special = node.mailbox.as_ref().is_some_and(|m| m.special_use.is_some());
    (!args.select_subscribed || subscribed) && (!args.select_special_use || special)
}

/// Special uses are shown without being asked for: several clients look for them there only.
fn attributes(node: &Node, hide: bool) -> Vec<&'static str> {
    let mut attributes = Vec::with_capacity(3);
    if node.mailbox.is_none() {
        attributes.push("\\NonExistent");
    }
    if node.mailbox.is_none() || hide {
        attributes.push("\\Noselect");
    }
    attributes.push(if node.children { "\\HasChildren" } else { "\\HasNoChildren" });
    attributes.extend(node.mailbox.as_ref().and_then(|m| m.special_use).map(|special| special.attribute()));
    attributes
}

fn line(out: &mut Output, what: &str, attributes: &[&str], name: &Key, utf8: bool, extended: &str) {
    out.push(format!("* {what} "));
    flag_list(out.buf(), attributes.iter().copied());
    out.push(format!(" \"{DELIMITER}\" "));
    write::mailbox(out.buf(), &name.1, utf8);
    out.line(extended);
}

/// A LIST pattern: reference and name together, in NFC.
struct Pattern(Vec<char>);

fn patterns(args: &ListArgs) -> Vec<Pattern> {
    let whole = |pattern: &String| format!("{}{pattern}", args.reference).nfc().collect::<Vec<char>>();
    args.patterns.iter().map(whole).filter(|p| p.len() <= 2 * MAX_NAME_LEN).map(Pattern).collect()
}

impl Pattern {
    /// `*` matches anything, `%` anything but the delimiter; INBOX in any case. Time is the product of the two
    /// lengths, whatever the pattern: each character of the name moves a set of places in the pattern.
    fn matches(&self, name: &Key) -> bool {
        let inbox = name.1 == "INBOX" || name.1.starts_with("INBOX/");
        let mut places = vec![false; self.0.len() + 1];
        places[0] = true;
        self.skip_wildcards(&mut places);
        for (index, c) in name.1.chars().enumerate() {
            let mut next = vec![false; places.len()];
            for (place, p) in self.0.iter().enumerate().filter(|(place, _)| places[*place]) {
                let same = *p == c || inbox && index < 5 && p.eq_ignore_ascii_case(&c);
                match p {
                    '*' => next[place] = true,
                    '%' if c != DELIMITER => next[place] = true,
                    '%' => {}
                    _ if same => next[place + 1] = true,
                    _ => {}
                }
            }
            self.skip_wildcards(&mut next);
            places = next;
        }
        places.last().copied().unwrap_or(false)
    }

    /// A wildcard may stand for nothing.
    fn skip_wildcards(&self, places: &mut [bool]) {
        for (place, p) in self.0.iter().enumerate() {
            if places[place] && matches!(p, '*' | '%') {
                places[place + 1] = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        let args = ListArgs { patterns: vec![pattern.into()], ..ListArgs::default() };
        patterns(&args).iter().any(|p| p.matches(&Key(true, name.into())))
    }

    #[test]
    fn wildcards() {
        for (pattern, name, want) in [
            ("*", "a/b", true),
            ("%", "a", true),
            ("%", "a/b", false),
            ("a/%", "a/b", true),
            ("a/%", "a/b/c", false),
            ("a/*", "a/b/c", true),
            ("a*", "a", true),
            ("%/b", "a/b", true),
            ("a%c/d", "abc/d", true),
            ("inbox", "INBOX", true),
            ("InB%", "INBOX", true),
            ("inbox/A", "INBOX/A", true),
            ("inbox/a", "INBOX/A", false),
            ("inbo", "INBOX", false),
            ("sent", "Sent", false),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern, name), want, "{pattern} {name}");
        }
    }

    #[test]
    fn hostile_patterns_take_no_exponential_time() {
        assert!(!matches(&"*a".repeat(500), &"a".repeat(499)));
        assert!(matches(&"%*".repeat(1000), &"a/".repeat(400)));
        assert!(!matches(&"*".repeat(2 * MAX_NAME_LEN + 1), "a"));
    }
}
