//! Message bytes, piece by piece.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::mail::BodyId;
use crate::store::error::{Error, Result};
use crate::store::notify::lock;
use crate::store::seam::{Answer, BodyRead, BodyStore, Octets, Piece, Put, Stream};

/// One version of all pieces, by body and number.
#[derive(Clone, Default)]
struct Version {
    message: BTreeMap<(BodyId, u32), Arc<[u8]>>,
    text: BTreeMap<(BodyId, u32), Arc<[u8]>>,
}

impl Version {
    const fn stream(&self, stream: Stream) -> &BTreeMap<(BodyId, u32), Arc<[u8]>> {
        match stream {
            Stream::Message => &self.message,
            Stream::Text => &self.text,
        }
    }
}

/// `None`: closed. Copied by a change only while somebody reads it.
pub(in crate::store) struct Pieces(Mutex<Option<Arc<Version>>>);

impl Pieces {
    pub(in crate::store) fn new() -> Self {
        Self(Mutex::new(Some(Arc::default())))
    }

    fn change(&self, change: impl FnOnce(&mut Version)) -> Result<()> {
        let mut newest = lock(&self.0);
        change(Arc::make_mut(newest.as_mut().ok_or(Error::Closed)?));
        Ok(())
    }
}

impl BodyStore for Pieces {
    fn put(&self, put: Put) -> Answer<'_, ()> {
        Box::pin(async move {
            self.change(|version| {
                version.message.extend(put.message.into_iter().map(|piece| ((put.body, piece.n), piece.bytes.into())));
                version.text.extend(put.text.into_iter().map(|piece| ((put.body, piece.n), piece.bytes.into())));
            })?;
            if let Some(done) = put.done {
                // A caller that has gone away has dropped its claim: the body is discarded.
                drop(done.send(Ok(())));
            }
            Ok(())
        })
    }

    fn remove(&self, bodies: &[BodyId]) -> Result<()> {
        self.change(|version| {
            version.message.retain(|(of, _), _| !bodies.contains(of));
            version.text.retain(|(of, _), _| !bodies.contains(of));
        })
    }

    fn replace_text(&self, body: BodyId, text: Vec<Piece>) -> Result<()> {
        self.change(|version| {
            version.text.retain(|(of, _), _| *of != body);
            version.text.extend(text.into_iter().map(|piece| ((body, piece.n), piece.bytes.into())));
        })
    }

    fn read(&self) -> Result<Box<dyn BodyRead>> {
        let newest = lock(&self.0).clone().ok_or(Error::Closed)?;
        Ok(Box::new(newest))
    }

    fn size(&self) -> Result<u64> {
        lock(&self.0).as_ref().map(|_| 0).ok_or(Error::Closed)
    }

    fn stop(&self) -> Result<()> {
        *lock(&self.0) = None;
        Ok(())
    }
}

impl BodyRead for Arc<Version> {
    fn piece(&self, body: BodyId, stream: Stream, n: u32) -> Result<Option<Octets<'_>>> {
        Ok(self.stream(stream).get(&(body, n)).map(|bytes| Box::new(&**bytes) as Octets<'_>))
    }

    fn pieces(&self, stream: Stream, f: &mut dyn FnMut(BodyId, u32, usize)) -> Result<()> {
        self.stream(stream).iter().for_each(|((body, n), bytes)| f(*body, *n, bytes.len()));
        Ok(())
    }
}
