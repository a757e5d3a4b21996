//! Schema versions: which one a file has, and the numbered, forward-only steps to the newest.

use redb::{Database, ReadableDatabase};

use super::open::global_number;
use super::schema::{GLOBAL, SCHEMA_VERSION, global};
use crate::store::error::{Error, Result};

/// Whether the file has no schema yet.
pub(super) fn is_fresh(meta: &Database) -> Result<bool> {
    Ok(version(meta)? == 0)
}

fn version(meta: &Database) -> Result<u64> {
    match meta.begin_read()?.open_table(GLOBAL) {
        Ok(table) => global_number(&table, global::SCHEMA_VERSION),
        Err(redb::TableError::TableDoesNotExist(_)) => Ok(0),
        Err(e) => Err(e.into()),
    }
}

/// Brings the file to [`SCHEMA_VERSION`]. There is one version so far: a new file gets it, a newer file is refused.
pub(super) fn migrate(meta: &Database) -> Result<()> {
    match version(meta)? {
        0 => {
            let mut write = meta.begin_write()?;
            write.set_quick_repair(true);
            write.open_table(GLOBAL)?.insert(global::SCHEMA_VERSION, SCHEMA_VERSION.to_le_bytes().as_slice())?;
            Ok(write.commit()?)
        }
        SCHEMA_VERSION => Ok(()),
        newer => Err(Error::Internal(format!(
            "the store has schema version {newer}, and this program knows up to {SCHEMA_VERSION}: \
             run the newer version of tributary again, or restore a backup made by this one"
        ))),
    }
}
