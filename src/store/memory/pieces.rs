//! Message bytes, piece by piece.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::mail::BodyId;
use crate::store::error::{Error, Result};
use crate::store::notify::lock;
use crate::store::seam::{Answer, BodyRead, BodyStore, Octets, Put};

/// One version of all pieces, by body and number.
type Version = BTreeMap<(BodyId, u32), Arc<[u8]>>;

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
                version.extend(put.pieces.into_iter().map(|piece| ((put.body, piece.n), piece.bytes.into())));
            })?;
            if let Some(done) = put.done {
                // A caller that has gone away has dropped its claim: the body is discarded.
                drop(done.send(Ok(())));
            }
            Ok(())
        })
    }

    fn remove(&self, bodies: &[BodyId]) -> Result<()> {
        self.change(|version| version.retain(|(of, _), _| !bodies.contains(of)))
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
    fn piece(&self, body: BodyId, n: u32) -> Result<Option<Octets<'_>>> {
        Ok(self.get(&(body, n)).map(|bytes| Box::new(&**bytes) as Octets<'_>))
    }

    fn pieces(&self, f: &mut dyn FnMut(BodyId, u32, usize)) -> Result<()> {
        self.iter().for_each(|((body, n), bytes)| f(*body, *n, bytes.len()));
        Ok(())
    }
}
