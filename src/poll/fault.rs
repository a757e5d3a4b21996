//! The faults of servers that a poll reports, by name.

use crate::pop3::Misbehavior;

/// What is wrong with a server: seen on the wire, or only by comparing what it said at different times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Against the protocol.
    Wire(Misbehavior),
    /// A message is the pseudo-message of the server's mail file.
    FolderInternalData,
    /// A known unique-id is that of another message now.
    UniqueIdReused,
    /// Known messages came under new unique-ids.
    UniqueIdsChanged,
    /// A message whose deletion was confirmed is still listed.
    DeleteIgnored,
    /// DELE is refused unless the message was retrieved in the same session.
    DeleteNeedsRetrieval,
    /// Deletions wait for `tributary confirm-deletes`.
    DeletesHeld,
    /// `first_poll` asks for what this server cannot tell, so all is fetched.
    FirstPollImpossible,
    /// More messages were refused than came: none of them is blamed.
    MostMessagesRefused,
}

impl Fault {
    /// Those that are not seen on the wire.
    const OWN: [Self; 8] = [
        Self::FolderInternalData,
        Self::UniqueIdReused,
        Self::UniqueIdsChanged,
        Self::DeleteIgnored,
        Self::DeleteNeedsRetrieval,
        Self::DeletesHeld,
        Self::FirstPollImpossible,
        Self::MostMessagesRefused,
    ];

    /// The name in status, logs and JSON.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Wire(misbehavior) => misbehavior.label(),
            Self::FolderInternalData => "folder_internal_data",
            Self::UniqueIdReused => "unique_id_reused",
            Self::UniqueIdsChanged => "unique_ids_changed",
            Self::DeleteIgnored => "delete_ignored",
            Self::DeleteNeedsRetrieval => "delete_needs_retrieval",
            Self::DeletesHeld => "deletes_held",
            Self::FirstPollImpossible => "first_poll_impossible",
            Self::MostMessagesRefused => "most_messages_refused",
        }
    }
}

/// Every label that [`super::Report::faults`] may hold; docs/pop3-servers.md explains each.
pub fn fault_labels() -> impl Iterator<Item = &'static str> {
    let wire = Misbehavior::ALL.into_iter().map(Fault::Wire);
    wire.chain(Fault::OWN).map(Fault::label)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_fault_has_a_label_of_its_own() {
        let arms = include_str!("fault.rs").lines().filter(|line| line.trim_start().starts_with("Self::"));
        let own = arms.filter(|line| line.contains(" => \"")).count();
        let labels: BTreeSet<_> = fault_labels().collect();
        assert_eq!((own, labels.len()), (Fault::OWN.len(), Misbehavior::ALL.len() + own));
    }
}
