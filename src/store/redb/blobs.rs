//! The one writer thread of blobs.redb: pieces of bodies in, groups of them durable, dead bodies out.
//!
//! A body's pieces may be spread over several transactions: only when `Put::done` is answered are all of them
//! durable. Until then nothing in meta.redb names the body.

use std::cell::OnceCell;
use std::collections::HashSet;
use std::sync::Arc;

use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable};
use tokio::sync::{mpsc, oneshot};

use super::file::File;
use super::read::{Value, get_or_open};
use super::schema::{BlobTables, CHUNK, PieceTable, ReadTable, TEXT};
use crate::mail::BodyId;
use crate::store::Shared;
use crate::store::contain::contained;
use crate::store::error::{Error, Result};
use crate::store::seam::{BodyRead, Octets, Put, Stream};

/// Requests that may wait before writers of bodies are held back; each has up to about 16 pieces.
pub(super) const QUEUE: usize = 16;

/// Bytes gathered for one transaction when nobody waits for it yet.
const MAX_BATCH_BYTES: usize = 2 << 20;

/// What the thread is sent.
pub(super) enum Request {
    Put(Put),
    /// Remove these bodies, whatever of them is there.
    Remove(Vec<BodyId>, oneshot::Sender<Result<()>>),
    /// Nothing sent after this is done.
    Stop,
}

impl Request {
    fn len(&self) -> usize {
        match self {
            Self::Put(put) => put.message.iter().chain(&put.text).map(|piece| piece.bytes.len()).sum(),
            Self::Remove(..) | Self::Stop => 0,
        }
    }

    const fn is_waited_for(&self) -> bool {
        matches!(self, Self::Put(Put { done: Some(_), .. }) | Self::Remove(..) | Self::Stop)
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
            let is_last = matches!(request, Request::Stop) || len >= MAX_BATCH_BYTES;
            batch.push(request);
            next = match is_last {
                true => None,
                false if is_waited_for => requests.try_recv().ok(),
                false => requests.blocking_recv(),
            };
        }
        let is_stopping = matches!(batch.last(), Some(Request::Stop));
        let outcome = contained(|| commit(file, &batch));
        if let Err(e) = &outcome {
            shared.metrics.error(e);
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
        Request::Stop => {}
    }
}

fn commit(file: &File, batch: &[Request]) -> Result<()> {
    if batch.iter().all(|request| matches!(request, Request::Stop)) {
        return Ok(());
    }
    if !file.is_open() {
        file.reopen()?;
    }
    let database = file.get()?;
    let mut transaction = database.begin_write()?;
    transaction.set_quick_repair(true);
    {
        let mut tables = BlobTables::open(&transaction)?;
        for request in batch {
            match request {
                Request::Put(put) => {
                    for piece in &put.message {
                        tables.chunk.insert((put.body.0, piece.n), piece.bytes.as_slice())?;
                    }
                    for piece in &put.text {
                        tables.text.insert((put.body.0, piece.n), piece.bytes.as_slice())?;
                    }
                }
                Request::Remove(bodies, _) => {
                    for body in bodies {
                        tables.remove(body.0..=body.0)?;
                    }
                }
                Request::Stop => {}
            }
        }
    }
    transaction.commit()?;
    Ok(())
}

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
    text: OnceCell<Pieces>,
    _file: Arc<Database>,
}

impl BlobReader {
    pub(super) fn begin(file: &File) -> Result<Self> {
        let file = file.get()?;
        Ok(Self { read: file.begin_read()?, chunk: OnceCell::new(), text: OnceCell::new(), _file: file })
    }

    fn table(&self, stream: Stream) -> Result<&Pieces> {
        let (cell, definition): (_, PieceTable) = match stream {
            Stream::Message => (&self.chunk, CHUNK),
            Stream::Text => (&self.text, TEXT),
        };
        get_or_open(cell, || Ok(self.read.open_table(definition)?))
    }
}

impl BodyRead for BlobReader {
    fn piece(&self, body: BodyId, stream: Stream, n: u32) -> Result<Option<Octets<'_>>> {
        let found = ReadableTable::get(self.table(stream)?, (body.0, n))?;
        Ok(found.map(|guard| Box::new(Value(guard)) as Octets<'_>))
    }

    fn pieces(&self, stream: Stream, f: &mut dyn FnMut(BodyId, u32)) -> Result<()> {
        for entry in self.table(stream)?.iter()? {
            let (body, n) = entry?.0.value();
            f(BodyId(body), n);
        }
        Ok(())
    }
}
