//! Schema versions: which one a store has, and the numbered, forward-only steps to the newest.
//!
//! A step works in small transactions, each of which leaves rows that its own version reads, and may be begun again at any
//! point: what is done already is passed over. The new version is written before the first of them, so that an older program
//! refuses the store, and beside it `migrating_from`, until the last is durable.

use std::ops::Bound;
use std::path::Path;

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

use super::open::global_number;
use super::schema::{ENV, GLOBAL, PieceTable, SCHEMA_VERSION, global};
use crate::store::error::{Error, Result};
use crate::store::types::Record;

/// Whether the file has no schema yet.
pub(super) fn is_fresh(meta: &Database) -> Result<bool> {
    Ok(number(meta, global::SCHEMA_VERSION)? == 0)
}

fn number(meta: &Database, key: &str) -> Result<u64> {
    match meta.begin_read()?.open_table(GLOBAL) {
        Ok(table) => global_number(&table, key),
        Err(redb::TableError::TableDoesNotExist(_)) => Ok(0),
        Err(e) => Err(e.into()),
    }
}

/// Brings the store to [`SCHEMA_VERSION`]: a new one gets it, an older one goes through the steps, a newer one is refused.
pub(super) fn migrate(meta: &Database, blobs: &Database, dir: &Path) -> Result<()> {
    let version = number(meta, global::SCHEMA_VERSION)?;
    if version > SCHEMA_VERSION {
        return Err(Error::Internal(format!(
            "the store in {} has schema version {version}, and this program knows up to {SCHEMA_VERSION}: \
             run the newer version of tributary again, or restore a backup made by this one",
            dir.display()
        )));
    }
    if version == 0 {
        return set_version(meta, SCHEMA_VERSION, None);
    }
    let begun = Some(number(meta, global::MIGRATING_FROM)?).filter(|from| *from != 0);
    for from in begun.unwrap_or(version)..SCHEMA_VERSION {
        tracing::info!(from, to = from + 1, "bringing the store to a newer schema; stopping meanwhile does no harm");
        set_version(meta, from + 1, Some(from))?;
        step(from, meta, blobs)?;
        set_version(meta, from + 1, None)?;
        tracing::info!(version = from + 1, "the store has the newer schema");
    }
    Ok(())
}

fn set_version(meta: &Database, version: u64, migrating_from: Option<u64>) -> Result<()> {
    let mut write = meta.begin_write()?;
    write.set_quick_repair(true);
    {
        let mut table = write.open_table(GLOBAL)?;
        table.insert(global::SCHEMA_VERSION, version.to_le_bytes().as_slice())?;
        match migrating_from {
            Some(from) => table.insert(global::MIGRATING_FROM, from.to_le_bytes().as_slice())?,
            None => table.remove(global::MIGRATING_FROM)?,
        };
    }
    Ok(write.commit()?)
}

/// The step from this version to the next.
fn step(from: u64, meta: &Database, blobs: &Database) -> Result<()> {
    match from {
        1 => {
            pack_records(meta)?;
            drop_text(blobs)
        }
        2 => super::threads::assign_all(meta),
        // Three tables more, which are empty and made when the file is opened; ledger rows that end earlier are read.
        3 => Ok(()),
        _ => Err(Error::Internal(format!("there is no way from schema version {from}"))),
    }
}

/// Octets of records that one transaction packs: bounds memory, and what is done again after a crash.
const MAX_BATCH: usize = 4 << 20;

/// 1 to 2: records are compressed and no longer have the header block, which the message has.
fn pack_records(meta: &Database) -> Result<()> {
    let mut last = None;
    loop {
        let mut write = meta.begin_write()?;
        write.set_quick_repair(true);
        let mut packed = Vec::new();
        let before = last;
        {
            let mut table = write.open_table(ENV)?;
            let mut octets = 0;
            for entry in table.range::<u64>((last.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded))? {
                let (body, row) = entry?;
                last = Some(body.value());
                if let Some(record) = Record::decode_plain(row.value())? {
                    packed.push((body.value(), record.encode()?));
                }
                octets += row.value().len();
                if octets >= MAX_BATCH {
                    break;
                }
            }
            for (body, row) in &packed {
                table.insert(*body, row.as_slice())?;
            }
        }
        if packed.is_empty() {
            write.abort()?;
        } else {
            write.commit()?;
        }
        if last == before {
            return Ok(());
        }
    }
}

/// 1 to 2: the text that SEARCH looks into is made of the message. The streams of messages stay as they are.
fn drop_text(blobs: &Database) -> Result<()> {
    const TEXT: PieceTable = TableDefinition::new("text");
    let mut write = blobs.begin_write()?;
    write.set_quick_repair(true);
    write.delete_table(TEXT)?;
    Ok(write.commit()?)
}
