//! NOTIFY (RFC 5465 section 8).

use super::MAX_FETCH_ITEMS;
use super::fetch::fetch_att;
use super::input::{Input, Parsed};
use super::mailbox::mailbox;
use crate::imap::codec::command::{EventGroup, Events, MailboxFilter, Name, NotifyArgs};

/// `notify = "NOTIFY" SP (notify-set / notify-none)`, `notify-none = "NONE"`,
/// `notify-set = "SET" [status-indicator] SP event-groups`, `status-indicator = SP "STATUS"`
///
/// `event-groups = event-group *(SP event-group)`
pub(super) fn notify(input: &mut Input<'_>) -> Parsed<NotifyArgs> {
    input.sp()?;
    match input.word().to_ascii_uppercase().as_slice() {
        b"NONE" => return Ok(NotifyArgs::None),
        b"SET" => {}
        _ => return Err("NOTIFY is followed by SET or NONE"),
    }
    let status = input.eat_word(b" STATUS");
    let mut groups: Vec<EventGroup> = Vec::new();
    while groups.is_empty() || input.has_argument() {
        input.sp()?;
        groups.push(event_group(input)?);
    }
    let selected = groups.iter().filter(|group| is_selected(&group.filter)).count();
    if selected > 1 { Err("the selected mailbox is named twice") } else { Ok(NotifyArgs::Set { status, groups }) }
}

fn is_selected(filter: &MailboxFilter) -> bool {
    matches!(filter, MailboxFilter::Selected | MailboxFilter::SelectedDelayed)
}

/// `event-group = "(" filter-mailboxes SP events ")"`; of the selected mailbox message events alone
fn event_group(input: &mut Input<'_>) -> Parsed<EventGroup> {
    input.expect(b'(', "expected an event group")?;
    let filter = filter(input)?;
    input.sp()?;
    let events = events(input)?;
    input.expect(b')', "an event group does not end")?;
    let of_mailboxes = events.mailbox_name || events.subscription_change || events.mailbox_metadata_change;
    if is_selected(&filter) && (of_mailboxes || events.server_metadata_change) {
        return Err("of the selected mailbox there are message events alone");
    }
    if !is_selected(&filter) && !events.fetch.is_empty() {
        return Err("FETCH items are for the selected mailbox alone");
    }
    Ok(EventGroup { filter, events })
}

/// `filter-mailboxes = filter-mailboxes-selected / filter-mailboxes-other`,
/// `filter-mailboxes-selected = "selected" / "selected-delayed"`,
/// `filter-mailboxes-other = "inboxes" / "personal" / "subscribed" / ( "subtree" SP one-or-more-mailbox ) /
/// ( "mailboxes" SP one-or-more-mailbox )`
fn filter(input: &mut Input<'_>) -> Parsed<MailboxFilter> {
    Ok(match input.word().to_ascii_uppercase().as_slice() {
        b"SELECTED" => MailboxFilter::Selected,
        b"SELECTED-DELAYED" => MailboxFilter::SelectedDelayed,
        b"INBOXES" => MailboxFilter::Inboxes,
        b"PERSONAL" => MailboxFilter::Personal,
        b"SUBSCRIBED" => MailboxFilter::Subscribed,
        b"SUBTREE" => MailboxFilter::Subtree(names(input)?),
        b"MAILBOXES" => MailboxFilter::Mailboxes(names(input)?),
        _ => return Err("unknown mailbox filter"),
    })
}

/// `one-or-more-mailbox = mailbox / many-mailboxes`, `many-mailboxes = "(" mailbox *(SP mailbox) ")"`
fn names(input: &mut Input<'_>) -> Parsed<Vec<Name>> {
    input.sp()?;
    if input.peek() == Some(b'(') { input.list(false, mailbox) } else { Ok(vec![mailbox(input)?]) }
}

/// `events = ( "(" event *(SP event) ")" ) / "NONE"`
///
/// MessageNew and MessageExpunge come together, and with any other message event (section 5).
fn events(input: &mut Input<'_>) -> Parsed<Events> {
    let mut events = Events::default();
    if input.peek() != Some(b'(') {
        return if input.atom()?.eq_ignore_ascii_case(b"NONE") { Ok(events) } else { Err("expected events or NONE") };
    }
    let mut of_message = false;
    input.list(false, |input| event(input, &mut events, &mut of_message))?;
    if events.message_new != events.message_expunge || of_message && !events.message_new {
        return Err("MessageNew, MessageExpunge and other message events go together");
    }
    Ok(events)
}

/// `event = message-event / mailbox-event / user-event / event-ext`, `event-ext = atom`
///
/// `message-event = ( "MessageNew" [SP "(" fetch-att *(SP fetch-att) ")" ] ) / "MessageExpunge" / "FlagChange" /
/// "AnnotationChange"`, `mailbox-event = "MailboxName" / "SubscriptionChange" / "MailboxMetadataChange"`,
/// `user-event = "ServerMetadataChange"`
fn event(input: &mut Input<'_>, events: &mut Events, of_message: &mut bool) -> Parsed<()> {
    match input.atom()?.to_ascii_uppercase().as_slice() {
        b"MESSAGENEW" => {
            events.message_new = true;
            if input.at_word(b" (") {
                input.sp()?;
                fetch_items(input, events)?;
            }
        }
        b"MESSAGEEXPUNGE" => events.message_expunge = true,
        b"FLAGCHANGE" => (events.flag_change, *of_message) = (true, true),
        b"ANNOTATIONCHANGE" => (events.unsupported, *of_message) = (true, true),
        b"MAILBOXNAME" => events.mailbox_name = true,
        b"SUBSCRIPTIONCHANGE" => events.subscription_change = true,
        b"MAILBOXMETADATACHANGE" => events.mailbox_metadata_change = true,
        b"SERVERMETADATACHANGE" => events.server_metadata_change = true,
        _ => events.unsupported = true,
    }
    Ok(())
}

/// `"(" fetch-att *(SP fetch-att) ")"`, each once
fn fetch_items(input: &mut Input<'_>, events: &mut Events) -> Parsed<()> {
    for item in input.list(false, fetch_att)? {
        if !events.fetch.contains(&item) {
            if events.fetch.len() >= MAX_FETCH_ITEMS {
                return Err("too many FETCH items");
            }
            events.fetch.push(item);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;
    use crate::imap::codec::command::{Command, FetchItem, Section, SectionText};
    use crate::imap::codec::fragment::Piece;
    use crate::mail::MailboxName;

    fn read(line: &str) -> Result<NotifyArgs, &'static str> {
        match parse(&[Piece::Text(format!("a NOTIFY {line}").into_bytes())], false) {
            Ok(tagged) => match tagged.command {
                Command::Notify(args) => Ok(args),
                other => panic!("{line}: {other:?}"),
            },
            Err(error) => Err(error.message),
        }
    }

    fn set(line: &str) -> Vec<EventGroup> {
        match read(line) {
            Ok(NotifyArgs::Set { groups, .. }) => groups,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn pair() -> Events {
        Events { message_new: true, message_expunge: true, ..Events::default() }
    }

    fn name(name: &str) -> Name {
        Name::Valid(MailboxName::new(name).expect("a name"))
    }

    #[test]
    fn the_examples_of_the_rfc() {
        // Section 3.1, with what section 5 wants beside MessageNew.
        let line = "set status (selected (MessageNew (uid body.peek[header.fields (from to subject)]) MessageExpunge)) \
                    (subtree Lists (MessageNew MessageExpunge))";
        let fields = ["from", "to", "subject"].map(|field| field.as_bytes().to_vec()).to_vec();
        let section = Section { path: Vec::new(), text: SectionText::HeaderFields(fields) };
        let fetch = vec![FetchItem::Uid, FetchItem::Section { section, partial: None, peek: true }];
        let selected = EventGroup { filter: MailboxFilter::Selected, events: Events { fetch, ..pair() } };
        let subtree = EventGroup { filter: MailboxFilter::Subtree(vec![name("Lists")]), events: pair() };
        assert_eq!(read(line), Ok(NotifyArgs::Set { status: true, groups: vec![selected, subtree] }));
        // Section 6.
        let groups = set("set (mailboxes INBOX (Messagenew messageExpunge)) (personal (SubscriptionChange))");
        assert_eq!(groups[0].filter, MailboxFilter::Mailboxes(vec![name("INBOX")]));
        let subscriptions = Events { subscription_change: true, ..Events::default() };
        assert_eq!(groups[1], EventGroup { filter: MailboxFilter::Personal, events: subscriptions });
        let groups = set("set (selected (Messagenew (uid flags) messageExpunge)) \
                          (personal (MessageNew FlagChange MessageExpunge))");
        assert_eq!(groups[0].events.fetch, [FetchItem::Uid, FetchItem::Flags]);
        assert!(groups[1].events.flag_change && groups[1].events.fetch.is_empty());
    }

    #[test]
    fn filters_and_events_in_any_case() {
        assert_eq!(read("none"), Ok(NotifyArgs::None));
        let groups = set("SET (Selected-Delayed NONE) (INBOXES (mailboxname servermetadatachange)) \
                          (SUBSCRIBED (MailboxMetadataChange)) (subtree (a \"b c\" inbox) NONE)");
        let filters: Vec<_> = groups.iter().map(|group| group.filter.clone()).collect();
        let names = MailboxFilter::Subtree(vec![name("a"), name("b c"), name("INBOX")]);
        assert_eq!(filters, [MailboxFilter::SelectedDelayed, MailboxFilter::Inboxes, MailboxFilter::Subscribed, names]);
        assert_eq!(groups[0].events, Events::default());
        assert!(groups[1].events.mailbox_name && groups[1].events.server_metadata_change);
        // For the command to refuse, with the events that there are.
        for line in [
            "set (selected (MessageNew MessageExpunge AnnotationChange))",
            "set (personal (MailboxName x-new))",
            "set (selected (Other))",
        ] {
            assert!(set(line)[0].events.unsupported, "{line}");
        }
        // A name that no mailbox has is no error of syntax.
        assert_eq!(set("set (mailboxes \"\" NONE)")[0].filter, MailboxFilter::Mailboxes(vec![Name::Impossible]));
    }

    #[test]
    fn what_is_not_allowed_is_refused() {
        for line in [
            "",
            "SET",
            "SETS (personal NONE)",
            "SET STATUS",
            "SET ()",
            "SET (personal)",
            "SET (personal ())",
            "SET (personal MessageNew)",
            "SET personal NONE",
            "SET (personal NONE",
            "SET (personal NONE) x",
            "SET (bogus NONE)",
            "SET (subtree NONE)",
            "SET (mailboxes () NONE)",
            "NONE x",
            // Section 5: which events go together.
            "SET (selected (MessageNew))",
            "SET (personal (MessageExpunge))",
            "SET (personal (FlagChange))",
            "SET (personal (AnnotationChange))",
            "SET (personal (MessageNew FlagChange))",
            // Section 6.1.
            "SET (selected (MessageNew MessageExpunge)) (selected-delayed NONE)",
            "SET (selected (MailboxName))",
            "SET (selected (MessageNew MessageExpunge SubscriptionChange))",
            "SET (selected-delayed (ServerMetadataChange))",
            "SET (selected (MailboxMetadataChange))",
            // Section 8: of the selected mailbox alone, and of MessageNew alone.
            "SET (personal (MessageNew (uid) MessageExpunge))",
            "SET (selected (MessageExpunge (uid) MessageNew))",
            "SET (selected (MessageNew () MessageExpunge))",
            "SET (selected (MessageNew (all) MessageExpunge))",
        ] {
            assert!(read(line).is_err(), "{line}");
        }
    }

    #[test]
    fn items_of_a_new_message_at_the_limit_and_one_past_it() {
        let line = |count: usize| {
            let items: Vec<String> = (1..=count).map(|n| format!("BODY.PEEK[{n}]")).collect();
            format!("SET (selected (MessageNew ({} UID UID) MessageExpunge))", items.join(" "))
        };
        assert_eq!(set(&line(MAX_FETCH_ITEMS - 1))[0].events.fetch.len(), MAX_FETCH_ITEMS);
        assert!(read(&line(MAX_FETCH_ITEMS)).is_err());
    }
}
