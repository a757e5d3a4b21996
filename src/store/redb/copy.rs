//! Copies of bodies from one blobs.redb to another, in batches: no transaction is open for long, on either side.

use redb::{Database, ReadTransaction, ReadableTable, Table};

use super::blobs::BlobReader;
use super::schema::{BODY, BlobTables, ReadTable, is_first_pass};
use crate::mail::BodyId;
use crate::store::body::BodyRow;
use crate::store::error::{Error, Result};
use crate::store::progress::{Progress, Tell};
use crate::store::reader::digest;

/// What one transaction copies.
const MAX_BODIES: usize = 1024;
const MAX_PIECES: u64 = 512;

/// Bytes of the longest piece.
const PIECE_LEN: u64 = 16 * 1024;

/// Bytes that the pieces of a body take at most.
pub(super) fn stored_len(row: &BodyRow) -> u64 {
    // zstd adds little to what it cannot compress.
    (u64::from(row.chunks) * PIECE_LEN).min(row.size + row.size / 256 + 1024)
}

/// What was copied.
#[derive(Debug, Default)]
pub(super) struct Copied {
    /// Bytes of pieces.
    pub(super) bytes: u64,
    /// Bodies whose octets are not what was stored; one line each.
    pub(super) problems: Vec<String>,
}

/// Copies these bodies, which `rows` describes. Pieces that stand in the target already are left alone. Each body is
/// compared with its BLAKE3; one that differs is copied all the same, and told.
pub(super) fn copy_bodies(
    begin: &dyn Fn() -> Result<BlobReader>,
    rows: &ReadTransaction,
    bodies: &[u64],
    target: &Database,
    tell: Tell<'_>,
) -> Result<Copied> {
    let rows = rows.open_table(BODY)?;
    let mut copied = Copied::default();
    let mut rest = bodies.iter().copied().peekable();
    let mut done = 0;
    while rest.peek().is_some() {
        let source = begin()?;
        let mut transaction = target.begin_write()?;
        transaction.set_quick_repair(true);
        {
            let mut tables = BlobTables::open(&transaction)?;
            let (mut batch, mut pieces) = (Vec::new(), 0);
            while batch.len() < MAX_BODIES && pieces < MAX_PIECES {
                let Some(body) = rest.next() else { break };
                done += 1;
                let Some(row) = rows.get(body)? else { continue };
                let row = BodyRow::decode(row.value())?;
                pieces += u64::from(row.chunks);
                batch.push((body, row));
            }
            for is_first in [true, false] {
                for (_, (body, row)) in (0..).zip(&batch).filter(|(n, _)| is_first_pass(*n) == is_first) {
                    copy_body(&source, &mut tables, *body, row, &mut copied)?;
                }
            }
        }
        transaction.commit()?;
        tell(Progress { phase: "copying messages", done, total: bodies.len() as u64 });
    }
    Ok(copied)
}

fn copy_body(
    source: &BlobReader,
    target: &mut BlobTables<'_>,
    body: u64,
    row: &BodyRow,
    copied: &mut Copied,
) -> Result<()> {
    copied.bytes += copy_rows(source.chunk()?, &mut target.chunk, body)?;
    copied.bytes += copy_rows(source.tail()?, &mut target.tail, body)?;
    match digest(source, BodyId(body)) {
        Ok(Some(found)) if found == (row.size, row.hash) => {}
        Ok(_) | Err(Error::Damaged(_)) => {
            copied.problems.push(format!("the octets of body {body} are not what was stored"));
        }
        Err(e) => return Err(e),
    }
    Ok(())
}

type Rows = ReadTable<(u64, u32), &'static [u8]>;

/// Makes the rows of a body what they are in the source.
fn copy_rows(source: &Rows, target: &mut Table<'_, (u64, u32), &'static [u8]>, body: u64) -> Result<u64> {
    let all = (body, 0)..=(body, u32::MAX);
    let (mut rows, mut bytes) = (0, 0);
    for entry in source.range(all.clone())? {
        let (key, value) = entry?;
        rows += 1;
        if target.get(key.value())?.is_none_or(|found| found.value() != value.value()) {
            target.insert(key.value(), value.value())?;
            bytes += value.value().len() as u64;
        }
    }
    if target.range(all.clone())?.count() != rows {
        // What another store of the same origin has put there under this number.
        target.retain_in(all, |key, _| source.get(key).is_ok_and(|found| found.is_some()))?;
    }
    Ok(bytes)
}
