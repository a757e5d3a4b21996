//! The wall around code that trusts what it reads from a file: in a damaged one it may meet what it holds for impossible,
//! and panic. That must end one request, not the process.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::error::{Error, Result};

/// Runs `run`; a panic in it becomes [`Error::Damaged`]. What `run` had borrowed is not to be trusted afterwards.
pub(super) fn contained<T>(run: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Err(damaged()))
}

/// What a panic over a file means.
pub(super) fn damaged() -> Error {
    Error::Damaged(WHAT_TO_DO.to_owned())
}

const WHAT_TO_DO: &str =
    "the file holds what it cannot hold; stop the service, then run `tributary check`, or restore a backup";
