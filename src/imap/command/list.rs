//! LIST, LSUB and NAMESPACE (RFC 9051 sections 6.3.9 and 6.3.10, RFC 3501 section 6.3.9, RFC 5258, RFC 5819, RFC 6154).

mod hierarchy;
mod pattern;

use self::hierarchy::{Facts, Node};
use self::pattern::Patterns;
use super::{metadata, status};
use crate::imap::codec::command::ListArgs;
use crate::imap::codec::write;
use crate::imap::conn::Output;
use crate::imap::error::{CommandError, CommandResult, Done};
use crate::imap::session::{Authenticated, Features, flag_list};
use crate::mail::DELIMITER;

/// After so many names others get their turn: a command may have many patterns.
const NAMES_AT_ONCE: usize = 128;

/// RFC 9051 section 6.3.9. In the basic form `LIST "" ""` asks for the delimiter alone.
pub(in crate::imap) async fn list(cx: &mut Authenticated<'_>, args: &ListArgs, out: &mut Output) -> CommandResult {
    if !args.extended && asks_for_delimiter(args) {
        out.line("* LIST (\\Noselect) \"/\" \"\"");
        return Done::ok();
    }
    metadata::names(&args.return_metadata)?;
    let nodes = names(cx).await?;
    let facts = look(&nodes, args, |node| meets(args, node)).await;
    for (node, facts) in nodes.iter().zip(&facts).filter(|(_, facts)| is_shown(args, **facts)) {
        let begin = out.buf().len();
        let child_info = child_info(args, *facts);
        line(out, "LIST", &attributes(args, node), &node.name, *cx.features, child_info);
        // RFC 5819 section 2: for each mailbox that meets the criteria, at once after its LIST.
        if let (Some(items), Some(mailbox), true) = (&args.return_status, &node.mailbox, facts.meets) {
            match status::line(cx, mailbox, items, out).await {
                Ok(()) => {}
                Err(CommandError::Io(error)) => return Err(CommandError::Io(error)),
                // It is gone, or cannot be read: the STATUS is left out, the LIST does not fail.
                Err(_) => {
                    out.buf().truncate(begin);
                    let attributes = [&["\\Noselect"], attributes(args, node).as_slice()].concat();
                    line(out, "LIST", &attributes, &node.name, *cx.features, child_info);
                }
            }
        }
        if let (false, Some(mailbox)) = (args.return_metadata.is_empty(), &node.mailbox) {
            metadata::line(cx, mailbox, &args.return_metadata, out).await?;
        }
        out.relieve().await?;
    }
    Done::ok()
}

/// RFC 3501 section 6.3.9: the names subscribed to, and for a `%` at the end the levels above them.
pub(in crate::imap) async fn lsub(cx: &Authenticated<'_>, args: &ListArgs, out: &mut Output) -> CommandResult {
    if asks_for_delimiter(args) {
        out.line("* LSUB (\\Noselect) \"/\" \"\"");
        return Done::ok();
    }
    let nodes = names(cx).await?;
    let facts = look(&nodes, args, |node| node.subscribed).await;
    for (node, facts) in nodes.iter().zip(&facts) {
        if facts.matched && (facts.meets || facts.below && asks_for_levels(args)) {
            let is_mailbox = facts.meets && node.mailbox.is_some();
            let mut attributes = if is_mailbox { Vec::new() } else { vec!["\\Noselect"] };
            children_and_use(node, &mut attributes);
            line(out, "LSUB", &attributes, &node.name, *cx.features, "");
            out.relieve().await?;
        }
    }
    Done::ok()
}

/// RFC 2342: one personal namespace.
pub(in crate::imap) fn namespace(out: &mut Output) -> CommandResult {
    out.line("* NAMESPACE ((\"\" \"/\")) NIL NIL");
    Done::ok()
}

/// An unsolicited LIST that tells a client of IMAP4rev2 by what name goes what it named otherwise (RFC 9051 section
/// 6.3.9.7). Others do not know OLDNAME.
pub(in crate::imap) fn old_name(out: &mut Output, features: Features, attributes: &[&str], name: &str, old: &str) {
    if features.rev2 {
        name_line(out, features, attributes, name, Some(old));
    }
}

/// One LIST, with OLDNAME where the client has given the name otherwise.
pub(super) fn name_line(out: &mut Output, features: Features, attributes: &[&str], name: &str, old: Option<&str>) {
    let mut item = Vec::new();
    if let Some(old) = old {
        item.extend_from_slice(b" (\"OLDNAME\" (");
        write::mailbox(&mut item, old, features.utf8_names());
        item.extend_from_slice(b"))");
    }
    line(out, "LIST", attributes, name, features, item);
}

/// The one empty pattern; a pattern that cannot be decoded has been left out and is none.
fn asks_for_delimiter(args: &ListArgs) -> bool {
    args.patterns.first().is_some_and(String::is_empty)
}

/// RFC 3501 section 6.3.8: a `%` at the end asks for levels of the hierarchy as well.
fn asks_for_levels(args: &ListArgs) -> bool {
    args.patterns.iter().any(|pattern| pattern.ends_with('%'))
}

async fn names(cx: &Authenticated<'_>) -> Result<Vec<Node>, CommandError> {
    let mailboxes = cx.store.mailboxes(cx.login.id).await?;
    Ok(hierarchy::build(mailboxes, cx.store.subscriptions(cx.login.id).await?))
}

async fn look(nodes: &[Node], args: &ListArgs, meets: impl Fn(&Node) -> bool) -> Vec<Facts> {
    let mut patterns = Patterns::new(args);
    let mut facts = Vec::with_capacity(nodes.len());
    for some in nodes.chunks(NAMES_AT_ONCE) {
        let known =
            |node: &Node| Facts { matched: patterns.match_name(&node.name), meets: meets(node), ..Facts::default() };
        facts.extend(some.iter().map(known));
        tokio::task::yield_now().await;
    }
    hierarchy::look_below(nodes, &mut facts);
    facts
}

/// The selection options together. REMOTE only adds mailboxes of other servers, of which there are none.
fn meets(args: &ListArgs, node: &Node) -> bool {
    let is_listed = if args.select_subscribed { node.subscribed } else { node.mailbox.is_some() };
    is_listed && (!args.select_special_use || node.mailbox.as_ref().is_some_and(|m| m.special_use.is_some()))
}

/// RFC 9051 section 6.3.9.3: a matching name is shown when it meets the criteria, or when it stands for one below it that
/// the answer does not show. Without criteria that holds for mere levels, and `%` at the end asks for all of them.
fn is_shown(args: &ListArgs, facts: Facts) -> bool {
    let stands_for_others = if args.recursive_match {
        facts.hidden
    } else if args.select_subscribed || args.select_special_use {
        false
    } else {
        facts.hidden || facts.below && !args.extended && asks_for_levels(args)
    };
    facts.matched && (facts.meets || stands_for_others)
}

/// RFC 9051 section 6.3.9.6: that a name below meets the criteria, and which they are.
fn child_info(args: &ListArgs, facts: Facts) -> &'static str {
    match (args.recursive_match && facts.below, args.select_subscribed, args.select_special_use) {
        (true, true, true) => " (\"CHILDINFO\" (\"SUBSCRIBED\" \"SPECIAL-USE\"))",
        (true, false, true) => " (\"CHILDINFO\" (\"SPECIAL-USE\"))",
        (true, true, false) => " (\"CHILDINFO\" (\"SUBSCRIBED\"))",
        _ => "",
    }
}

/// Those who use the extended form know `\NonExistent`, which implies `\Noselect` (RFC 9051 section 6.3.9.4).
fn attributes(args: &ListArgs, node: &Node) -> Vec<&'static str> {
    let mut attributes = Vec::with_capacity(4);
    if node.mailbox.is_none() {
        attributes.push(if args.extended { "\\NonExistent" } else { "\\Noselect" });
    }
    if node.subscribed && (args.select_subscribed || args.return_subscribed) {
        attributes.push("\\Subscribed");
    }
    children_and_use(node, &mut attributes);
    attributes
}

/// Shown without being asked for: several clients look for special uses there only (RFC 6154 section 2).
fn children_and_use(node: &Node, attributes: &mut Vec<&'static str>) {
    attributes.push(if node.has_children { "\\HasChildren" } else { "\\HasNoChildren" });
    attributes.extend(node.mailbox.as_ref().and_then(|m| m.special_use).map(|special| special.attribute()));
}

fn line(out: &mut Output, what: &str, attributes: &[&str], name: &str, features: Features, extended: impl AsRef<[u8]>) {
    out.push(format!("* {what} "));
    flag_list(out.buf(), attributes.iter().copied());
    out.push(format!(" \"{DELIMITER}\" "));
    write::mailbox(out.buf(), name, features.utf8_names());
    out.line(extended);
}
