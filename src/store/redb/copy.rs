//! Copies of bodies from one blobs.redb to another, in batches: no transaction is open for long, on either side.

use std::sync::Arc;

use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable, Table};
use zstd::stream::raw::{Decoder, InBuffer, Operation, OutBuffer};

use super::file::File;
use super::schema::{BODY, BlobTables, CHUNK, ReadTable, TEXT, is_first_pass};
use crate::store::body::{BodyRow, PIECE_LEN};
use crate::store::error::{Error, Result};
use crate::store::progress::{Progress, Tell};

/// What one transaction copies.
const MAX_BODIES: usize = 1024;
const MAX_PIECES: u64 = 512;

/// Octets decompressed at a time.
const STEP: usize = 64 * 1024;

type Pieces = ReadTable<(u64, u32), &'static [u8]>;

/// One read transaction of a blobs.redb.
pub(super) struct Source {
    pub(super) chunk: Pieces,
    pub(super) text: Pieces,
    _file: Option<Arc<Database>>,
}

impl Source {
    pub(super) fn begin(file: &File) -> Result<Self> {
        let database = file.get()?;
        let read = database.begin_read()?;
        Ok(Self { _file: Some(database), ..Self::of(&read)? })
    }

    pub(super) fn of(read: &ReadTransaction) -> Result<Self> {
        Ok(Self { chunk: read.open_table(CHUNK)?, text: read.open_table(TEXT)?, _file: None })
    }
}

/// Bytes that the pieces of a body take at most.
pub(super) fn stored_len(row: &BodyRow) -> u64 {
    // zstd adds little to what it cannot compress.
    let stream = |pieces: u32| (u64::from(pieces) * PIECE_LEN as u64).min(row.size + row.size / 256 + 1024);
    stream(row.chunks) + if row.text_chunks == 0 { 0 } else { stream(row.text_chunks) }
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
    begin: &dyn Fn() -> Result<Source>,
    rows: &ReadTransaction,
    bodies: &[u64],
    target: &Database,
    tell: Tell<'_>,
) -> Result<Copied> {
    let rows = rows.open_table(BODY)?;
    let (mut copied, mut digest) = (Copied::default(), Digest::new()?);
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
                pieces += u64::from(row.chunks) + u64::from(row.text_chunks);
                batch.push((body, row));
            }
            for is_first in [true, false] {
                for (_, (body, row)) in (0..).zip(&batch).filter(|(n, _)| is_first_pass(*n) == is_first) {
                    copy_body(&source, &mut tables, *body, row, &mut digest, &mut copied)?;
                }
            }
        }
        transaction.commit()?;
        tell(Progress { phase: "copying messages", done, total: bodies.len() as u64 });
    }
    Ok(copied)
}

fn copy_body(
    source: &Source,
    target: &mut BlobTables<'_>,
    body: u64,
    row: &BodyRow,
    digest: &mut Digest,
    copied: &mut Copied,
) -> Result<()> {
    digest.begin()?;
    for n in 0..row.chunks {
        let Some(piece) = source.chunk.get((body, n))? else { continue };
        digest.add(piece.value());
        copied.bytes += put(&mut target.chunk, (body, n), piece.value())?;
    }
    for n in 0..row.text_chunks {
        let Some(piece) = source.text.get((body, n))? else { continue };
        copied.bytes += put(&mut target.text, (body, n), piece.value())?;
    }
    // What another store of the same origin has put there under this number.
    cut(&mut target.chunk, (body, row.chunks))?;
    cut(&mut target.text, (body, row.text_chunks))?;
    if !digest.is(row) {
        copied.problems.push(format!("the octets of body {body} are not what was stored"));
    }
    Ok(())
}

fn put(table: &mut Table<'_, (u64, u32), &'static [u8]>, key: (u64, u32), piece: &[u8]) -> Result<u64> {
    if table.get(key)?.is_some_and(|found| found.value() == piece) {
        return Ok(0);
    }
    table.insert(key, piece)?;
    Ok(piece.len() as u64)
}

fn cut(table: &mut Table<'_, (u64, u32), &'static [u8]>, from: (u64, u32)) -> Result<()> {
    if table.get(from)?.is_some() {
        table.retain_in(from..=(from.0, u32::MAX), |_, _| false)?;
    }
    Ok(())
}

/// Octets and BLAKE3 of a message, from its pieces.
struct Digest {
    decoder: Decoder<'static>,
    hasher: blake3::Hasher,
    out: Vec<u8>,
    octets: u64,
    is_ended: bool,
    is_damaged: bool,
}

impl Digest {
    fn new() -> Result<Self> {
        Ok(Self {
            decoder: Decoder::new()?,
            hasher: blake3::Hasher::new(),
            out: Vec::with_capacity(STEP),
            octets: 0,
            is_ended: false,
            is_damaged: false,
        })
    }

    fn begin(&mut self) -> Result<()> {
        self.decoder.reinit().map_err(|e| Error::Internal(e.to_string()))?;
        self.hasher.reset();
        (self.octets, self.is_ended, self.is_damaged) = (0, false, false);
        Ok(())
    }

    fn add(&mut self, piece: &[u8]) {
        let mut input = InBuffer::around(piece);
        // Nothing may follow the end of the stream.
        self.is_damaged |= self.is_ended && !piece.is_empty();
        while !self.is_ended && !self.is_damaged {
            self.out.clear();
            match self.decoder.run(&mut input, &mut OutBuffer::around(&mut self.out)) {
                Ok(rest) => self.is_ended = rest == 0,
                Err(_) => self.is_damaged = true,
            }
            self.hasher.update(&self.out);
            self.octets += self.out.len() as u64;
            if input.pos() == piece.len() && self.out.len() < self.out.capacity() {
                break;
            }
        }
    }

    fn is(&self, row: &BodyRow) -> bool {
        self.is_ended && !self.is_damaged && self.octets == row.size && *self.hasher.finalize().as_bytes() == row.hash
    }
}
