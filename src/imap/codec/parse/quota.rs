//! The commands of RFC 9208 section 4.1.

use super::input::{Input, Parsed};
use super::mailbox;
use crate::imap::codec::command::Command;

/// `getquota = "GETQUOTA" SP quota-root-name`
pub(super) fn get_quota(input: &mut Input<'_>) -> Parsed<Command> {
    root(input).map(Command::GetQuota)
}

/// `getquotaroot = "GETQUOTAROOT" SP mailbox`
pub(super) fn get_quota_root(input: &mut Input<'_>) -> Parsed<Command> {
    mailbox::argument(input).map(Command::GetQuotaRoot)
}

/// `setquota = "SETQUOTA" SP quota-root-name SP setquota-list`
///
/// `setquota-list = "(" [setquota-resource *(SP setquota-resource)] ")"`
///
/// `setquota-resource = resource-name SP resource-limit`, `resource-name = atom`, `resource-limit = number64`
pub(super) fn set_quota(input: &mut Input<'_>) -> Parsed<Command> {
    let root = root(input)?;
    input.sp()?;
    input.list(true, |input| {
        input.atom()?;
        input.sp()?;
        input.number64()
    })?;
    Ok(Command::SetQuota(root))
}

/// `SP quota-root-name`, `quota-root-name = astring`
fn root(input: &mut Input<'_>) -> Parsed<Vec<u8>> {
    input.sp()?;
    Ok(input.astring()?.into_owned())
}
