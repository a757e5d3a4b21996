//! NOTIFY as a value (RFC 5465).

use super::{FetchItem, Name};

/// Arguments of NOTIFY.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotifyArgs {
    /// `NONE`: no event at all.
    None,
    /// `SET`
    Set {
        /// `STATUS`: of each mailbox that is watched, before the tagged OK.
        status: bool,
        /// At least one.
        groups: Vec<EventGroup>,
    },
}

/// Which events of which mailboxes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventGroup {
    /// The mailboxes.
    pub filter: MailboxFilter,
    /// The events; none for `NONE`.
    pub events: Events,
}

/// Which mailboxes (RFC 5465 section 6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailboxFilter {
    /// `SELECTED`: the one that is selected at the time.
    Selected,
    /// `SELECTED-DELAYED`: the same, but expunges wait for a command that allows them.
    SelectedDelayed,
    /// `INBOXES`
    Inboxes,
    /// `PERSONAL`
    Personal,
    /// `SUBSCRIBED`
    Subscribed,
    /// `SUBTREE`: these and what is below them.
    Subtree(Vec<Name>),
    /// `MAILBOXES`
    Mailboxes(Vec<Name>),
}

/// A set of events (RFC 5465 section 5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "a set, one name for each member")]
pub struct Events {
    /// `MessageNew`
    pub message_new: bool,
    /// What to tell of a new message in the selected mailbox.
    pub fetch: Vec<FetchItem>,
    /// `MessageExpunge`
    pub message_expunge: bool,
    /// `FlagChange`
    pub flag_change: bool,
    /// `MailboxName`
    pub mailbox_name: bool,
    /// `SubscriptionChange`
    pub subscription_change: bool,
    /// `MailboxMetadataChange`
    pub mailbox_metadata_change: bool,
    /// `ServerMetadataChange`
    pub server_metadata_change: bool,
    /// One that there is not here: `AnnotationChange`, or a name that is not known.
    pub unsupported: bool,
}
