//! The one writer thread of blobs.redb: pieces of bodies in, groups of them durable, dead bodies out.
//!
//! A body's pieces may be spread over several transactions: only when `Put::done` is answered are all of them
//! durable. Until then nothing in meta.redb names the body.

use std::cell::OnceCell;
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use redb::{AccessGuard, Database, ReadTransaction, ReadableDatabase, ReadableTable};
use tokio::sync::{mpsc, oneshot};

use super::file::File;
use super::read::{Value, get_or_open};
use super::schema::{BlobTables, CHUNK, ReadTable, TAIL};
use super::writer::Alone;
use crate::mail::BodyId;
use crate::store::contain::{contained, damaged};
use crate::store::error::{Error, Result};
use crate::store::seam::{BodyRead, Octets, Piece, Put};
use crate::store::{PIECE_LENS, Shared};

/// Requests that may wait before writers of bodies are held back; each has up to about 16 pieces.
pub(super) const QUEUE: usize = 16;

/// Bytes gathered for one transaction when nobody waits for it yet.
const MAX_BATCH_BYTES: usize = 2 << 20;

/// What the thread is sent.
pub(super) enum Request {
    Put(Put),
    /// Remove these bodies, whatever of them is there.
    Remove(Vec<BodyId>, oneshot::Sender<Result<()>>),
    /// Do this between two transactions.
    Alone(Alone),
    /// Nothing sent after this is done.
    Stop,
}

impl Request {
    fn len(&self) -> usize {
        match self {
            Self::Put(put) => put.pieces.iter().map(|piece| piece.bytes.len()).sum(),
            Self::Remove(..) | Self::Alone(_) | Self::Stop => 0,
        }
    }

    fn bodies(&self) -> Vec<u64> {
        match self {
            Self::Put(put) => vec![put.body.0],
            Self::Remove(bodies, _) => bodies.iter().map(|body| body.0).collect(),
            Self::Alone(_) | Self::Stop => Vec::new(),
        }
    }

    const fn is_waited_for(&self) -> bool {
        match self {
            Self::Put(put) => put.done.is_some(),
            Self::Remove(..) | Self::Alone(_) | Self::Stop => true,
        }
    }
}

/// Body of the thread.
fn run(shared: &Shared, file: &File, mut requests: mpsc::Receiver<Request>) {
    // Bodies that lost pieces with a failed transaction: their `done` must not report success.
    let mut broken = HashSet::new();
    while let Some(first) = requests.blocking_recv() {
        let (mut batch, mut len, mut is_waited_for) = (Vec::new(), 0, false);
        let mut next = Some(first);
        while let Some(request) = next {
            len += request.len();
            is_waited_for |= request.is_waited_for();
            let is_last = matches!(request, Request::Alone(_) | Request::Stop) || len >= MAX_BATCH_BYTES;
            batch.push(request);
            next = match is_last {
                true => None,
                false if is_waited_for => requests.try_recv().ok(),
                false => requests.blocking_recv(),
            };
        }
        let is_stopping = matches!(batch.last(), Some(Request::Stop));
        let outcome = catch_unwind(AssertUnwindSafe(|| commit(file, &batch)));
        let outcome = outcome.unwrap_or_else(|_| {
            file.fail();
            Err(damaged())
        });
        if let Err(e) = &outcome {
            shared.metrics.error(e);
        }
        if !file.is_open() {
            // Tried again before the next batch if it does not succeed now. Pieces of a failed commit may be there all
            // the same: they are removed with the body, whose `done` reports the failure.
            drop(contained(|| file.reopen()));
        }
        for request in batch {
            answer(request, &outcome, &mut broken);
        }
        if is_stopping {
            return;
        }
    }
}

fn answer(request: Request, outcome: &Result<()>, broken: &mut HashSet<BodyId>) {
    match request {
        Request::Put(Put { body, done: None, .. }) => {
            if outcome.is_err() {
                broken.insert(body);
            }
        }
        Request::Put(Put { body, done: Some(done), .. }) => {
            let outcome = match broken.remove(&body) {
                true if outcome.is_ok() => Err(Error::Internal("an earlier write of this message failed".to_owned())),
                _ => outcome.clone(),
            };
            // A caller that has gone away has dropped its claim: the body is discarded.
            drop(done.send(outcome));
        }
        Request::Remove(bodies, done) => {
            for body in &bodies {
                broken.remove(body);
            }
            drop(done.send(outcome.clone()));
        }
        Request::Alone(run) => run(),
        Request::Stop => {}
    }
}

fn commit(file: &File, batch: &[Request]) -> Result<()> {
    if batch.iter().all(|request| matches!(request, Request::Alone(_) | Request::Stop)) {
        return Ok(());
    }
    if !file.is_open() {
        file.reopen()?;
    }
    let handle = file.writable()?;
    let mut transaction = handle.database.begin_write()?;
    transaction.set_quick_repair(true);
    {
        let mut tables = BlobTables::open(&transaction)?;
        for request in batch {
            match request {
                Request::Put(put) => {
                    for piece in &put.pieces {
                        insert(&mut tables, put.body, piece)?;
                    }
                }
                Request::Remove(bodies, _) => {
                    for body in bodies {
                        tables.remove(body.0..=body.0)?;
                    }
                }
                Request::Alone(_) | Request::Stop => {}
            }
        }
    }
    file.wrote(batch.iter().flat_map(Request::bodies));
    transaction.commit()?;
    Ok(())
}

/// A piece that fills a page has it for itself. A shorter one, the last of its body, is cut up so that its parts fill
/// pages together with those of other bodies.
fn insert(tables: &mut BlobTables<'_>, body: BodyId, piece: &Piece) -> Result<()> {
    if PIECE_LENS.contains(&piece.bytes.len()) {
        tables.chunk.insert((body.0, piece.n), piece.bytes.as_slice())?;
        return Ok(());
    }
    for (part, bytes) in (0..).zip(piece.bytes.chunks(TAIL_LEN)) {
        tables.tail.insert((body.0, piece.n << TAIL_SHIFT | part), bytes)?;
    }
    Ok(())
}

/// Longest value of `tail`: eight of them, with their keys, fill a page of 4 KiB.
const TAIL_LEN: usize = 495;

/// The key of a row of `tail` is the number of the piece, and in the lowest bits which part of it the row is.
const TAIL_SHIFT: u32 = 4;

/// Starts the thread.
pub(super) fn spawn(
    shared: Arc<Shared>,
    file: Arc<File>,
    requests: mpsc::Receiver<Request>,
) -> std::io::Result<std::thread::JoinHandle<()>> {
    std::thread::Builder::new().name("store-blobs".to_owned()).spawn(move || run(&shared, &file, requests))
}

type Pieces = ReadTable<(u64, u32), &'static [u8]>;

/// One read transaction of blobs.redb.
pub(super) struct BlobReader {
    read: ReadTransaction,
    chunk: OnceCell<Pieces>,
    tail: OnceCell<Pieces>,
    _file: Option<Arc<Database>>,
}

impl BlobReader {
    pub(super) fn begin(file: &File) -> Result<Self> {
        let file = file.get()?.database;
        Ok(Self { _file: Some(Arc::clone(&file)), ..Self::of(file.begin_read()?) })
    }

    /// The file has to stay open as long as this lives.
    pub(super) const fn of(read: ReadTransaction) -> Self {
        Self { read, chunk: OnceCell::new(), tail: OnceCell::new(), _file: None }
    }

    pub(super) fn chunk(&self) -> Result<&Pieces> {
        get_or_open(&self.chunk, || Ok(self.read.open_table(CHUNK)?))
    }

    pub(super) fn tail(&self) -> Result<&Pieces> {
        get_or_open(&self.tail, || Ok(self.read.open_table(TAIL)?))
    }
}

impl BodyRead for BlobReader {
    fn piece(&self, body: BodyId, n: u32) -> Result<Option<Octets<'_>>> {
        if let Some(guard) = ReadableTable::get(self.chunk()?, (body.0, n))? {
            return Ok(Some(Box::new(Value(guard))));
        }
        let first = n << TAIL_SHIFT;
        let mut bytes = Vec::new();
        for row in ReadableTable::range(self.tail()?, (body.0, first)..(body.0, first + (1 << TAIL_SHIFT)))? {
            bytes.extend_from_slice(row?.1.value());
        }
        Ok((!bytes.is_empty()).then(|| Box::new(bytes) as Octets<'_>))
    }

    fn pieces(&self, f: &mut dyn FnMut(BodyId, u32, usize)) -> Result<()> {
        let mut chunks = self.chunk()?.iter()?.map(key_and_len).peekable();
        let mut parts = self.tail()?.iter()?.map(key_and_len).peekable();
        while let Some(part) = parts.next() {
            let ((body, part), mut len) = part?;
            let tail = (body, part >> TAIL_SHIFT);
            while let Some(more) = parts.next_if(|part| is_of(part, tail)) {
                len += more?.1;
            }
            while let Some(chunk) = chunks.next_if(|chunk| chunk.as_ref().map_or(true, |(at, _)| *at < tail)) {
                let ((body, n), len) = chunk?;
                f(BodyId(body), n, len);
            }
            f(BodyId(tail.0), tail.1, len);
        }
        for chunk in chunks {
            let ((body, n), len) = chunk?;
            f(BodyId(body), n, len);
        }
        Ok(())
    }
}

type Row<'r> = (AccessGuard<'r, (u64, u32)>, AccessGuard<'r, &'static [u8]>);

fn key_and_len(row: Result<Row<'_>, redb::StorageError>) -> Result<((u64, u32), usize)> {
    let (key, bytes) = row?;
    Ok((key.value(), bytes.value().len()))
}

/// Whether a row of `tail` is a part of this piece.
fn is_of(row: &Result<((u64, u32), usize)>, (body, n): (u64, u32)) -> bool {
    row.as_ref().is_ok_and(|((of, part), _)| (*of, part >> TAIL_SHIFT) == (body, n))
}
