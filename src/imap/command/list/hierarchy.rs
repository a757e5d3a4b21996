//! The names that LIST and LSUB choose from, as a tree: mailboxes, names subscribed to, and the levels above them.

use std::cmp::Ordering;

use crate::mail::{DELIMITER, MailboxName};
use crate::store::Mailbox;

/// A name of the hierarchy.
pub(super) struct Node {
    pub(super) name: String,
    /// `None`: only subscribed to, or only a level above others.
    pub(super) mailbox: Option<Mailbox>,
    pub(super) subscribed: bool,
    /// There is a mailbox below it.
    pub(super) has_children: bool,
    /// Where the nearest level above it is.
    parent: Option<usize>,
}

/// What a LIST finds out about a name.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Facts {
    /// A pattern matches it.
    pub(super) matched: bool,
    /// It meets the selection criteria.
    pub(super) meets: bool,
    /// A name below it meets them.
    pub(super) below: bool,
    /// So does one below it that no pattern matches.
    pub(super) hidden: bool,
}

/// All names: INBOX and what is below it first, each name right before what is below it.
pub(super) fn build(mailboxes: Vec<Mailbox>, subscriptions: Vec<MailboxName>) -> Vec<Node> {
    let node = |name: &MailboxName, mailbox, subscribed| {
        let name = name.as_str().to_owned();
        Node { name, mailbox, subscribed, has_children: false, parent: None }
    };
    let mut given: Vec<Node> = Vec::with_capacity(mailboxes.len() + subscriptions.len());
    given.extend(mailboxes.into_iter().map(|mailbox| node(&mailbox.name.clone(), Some(mailbox), false)));
    given.extend(subscriptions.iter().map(|name| node(name, None, true)));
    given.sort_by(|a, b| order(&a.name, &b.name));

    let mut nodes: Vec<Node> = Vec::with_capacity(given.len());
    // The levels above the present name, topmost first.
    let mut open: Vec<usize> = Vec::new();
    for mut next in given {
        if let Some(last) = nodes.last_mut().filter(|last| last.name == next.name) {
            last.mailbox = last.mailbox.take().or(next.mailbox);
            last.subscribed |= next.subscribed;
            continue;
        }
        while open.last().is_some_and(|level| !is_below(&next.name, &nodes[*level].name)) {
            open.pop();
        }
        let known = open.last().map_or(0, |level| nodes[*level].name.len() + 1);
        let ends = next.name.match_indices(DELIMITER).map(|(end, _)| end).filter(|end| *end > known);
        for end in ends {
            let (name, parent) = (next.name[..end].to_owned(), open.last().copied());
            open.push(nodes.len());
            nodes.push(Node { name, mailbox: None, subscribed: false, has_children: false, parent });
        }
        next.parent = open.last().copied();
        open.push(nodes.len());
        nodes.push(next);
    }
    for index in (0..nodes.len()).rev() {
        let Node { mailbox, has_children, parent, .. } = &nodes[index];
        if let (true, Some(parent)) = (mailbox.is_some() || *has_children, *parent) {
            nodes[parent].has_children = true;
        }
    }
    nodes
}

/// Adds to what is known of each name itself what follows from the names below it.
pub(super) fn look_below(nodes: &[Node], facts: &mut [Facts]) {
    for (index, node) in nodes.iter().enumerate().rev() {
        let Some(parent) = node.parent else { continue };
        let below = facts[index];
        facts[parent].below |= below.meets || below.below;
        facts[parent].hidden |= below.meets && !below.matched || below.hidden;
    }
}

fn is_below(name: &str, level: &str) -> bool {
    name.strip_prefix(level).is_some_and(|rest| rest.starts_with(DELIMITER))
}

/// By levels, so that what is below a name follows it at once; INBOX first.
fn order(a: &str, b: &str) -> Ordering {
    let in_inbox = |name: &str| name == "INBOX" || is_below(name, "INBOX");
    in_inbox(b).cmp(&in_inbox(a)).then_with(|| a.split(DELIMITER).cmp(b.split(DELIMITER)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{MailboxId, UidValidity};
    use crate::store::Counts;

    fn name(name: &str) -> MailboxName {
        MailboxName::new(name).expect("valid")
    }

    fn mailbox(of: &str) -> Mailbox {
        let uid_validity = UidValidity::new(1).expect("not 0");
        Mailbox {
            id: MailboxId(1),
            name: name(of),
            uid_validity,
            special_use: None,
            view: None,
            counts: Counts::default(),
        }
    }

    fn shown(mailboxes: &[&str], subscriptions: &[&str]) -> Vec<String> {
        let mailboxes = mailboxes.iter().map(|of| mailbox(of)).collect();
        let nodes = build(mailboxes, subscriptions.iter().map(|of| name(of)).collect());
        let mark = |yes: bool, mark: &'static str| if yes { mark } else { "" };
        let line = |node: &Node| {
            let (there, subscribed) = (node.mailbox.is_some(), node.subscribed);
            format!("{}{}{}{}", node.name, mark(there, "!"), mark(subscribed, "s"), mark(node.has_children, "+"))
        };
        nodes.iter().map(line).collect()
    }

    #[test]
    fn levels_stand_before_what_is_below_them() {
        assert_eq!(
            shown(&["a-b", "a/b/c", "a", "INBOX", "Z", "INBOX/x"], &[]),
            ["INBOX!+", "INBOX/x!", "Z!", "a!+", "a/b+", "a/b/c!", "a-b!"]
        );
    }

    #[test]
    fn names_subscribed_to_are_no_mailboxes() {
        assert_eq!(shown(&["a"], &["a", "b/c", "a/x"]), ["a!s", "a/xs", "b", "b/cs"]);
        assert_eq!(shown(&["b/c/d"], &["b/c", "b/c/d"]), ["b+", "b/cs+", "b/c/d!s"]);
    }
}
