//! Work on the whole store, the same for a running service and for a command that opens the store itself.

use serde::{Deserialize, Serialize};

use crate::store::{Result, Store, Tell};

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checked {
    /// What is wrong, one line each; after a repair, what is still wrong.
    pub(crate) problems: Vec<String>,
}

/// Checks every invariant and the octets of every body.
pub(crate) fn check(store: &Store, _repair: bool, _tell: Tell<'_>) -> Result<Checked> {
    let mut problems = store.check()?;
    problems.extend(store.check_octets()?);
    Ok(Checked { problems })
}
