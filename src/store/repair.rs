//! Finding what is wrong, and rebuilding what can be rebuilt.

use std::collections::BTreeSet;

use super::Store;
use super::check::{Deriving, Fix, Problem};
use super::contain::contained;
use super::error::{Error, Result};
use super::progress::{Progress, Tell};
use super::reader::{BodyCursor, Reader};
use super::seam::operation;
use super::types::Record;
use crate::mail::BodyId;

/// Octets read at a time.
const STEP: usize = 1 << 20;

impl Store {
    /// Messages in all mailboxes, and octets of all bodies. Blocking.
    pub fn extent(&self) -> Result<(u64, u64)> {
        let reader = Reader::begin(&self.0)?;
        let mut octets = 0;
        reader.meta.bodies(&mut |_, row| {
            octets += row.size;
            Ok(())
        })?;
        Ok((reader.meta.messages()?, octets))
    }

    /// Checks every invariant that can be checked without reading all octets. Blocking.
    pub fn examine(&self) -> Result<Vec<Problem>> {
        let unplaced = self.0.shared.bodies.unplaced();
        contained(|| {
            let reader = Reader::begin(&self.0)?;
            reader.meta.check(reader.bodies()?, &unplaced)
        })
    }

    /// Reads every body and compares its BLAKE3. Blocking, and as slow as the disk.
    pub fn examine_octets(&self, tell: Tell<'_>) -> Result<Vec<Problem>> {
        let mut bodies = Vec::new();
        contained(|| {
            Reader::begin(&self.0)?.meta.bodies(&mut |body, row| {
                bodies.push((body, row.size));
                Ok(())
            })
        })?;
        let total = bodies.iter().map(|(_, size)| size).sum();
        let (mut problems, mut done, mut octets) = (Vec::new(), 0, Vec::new());
        for (body, size) in bodies {
            // One reader a body: a long one would keep freed pages from being used again.
            let reader = Reader::begin(&self.0)?;
            self.examine_body(&reader, body, &mut octets, &mut problems)?;
            done += size;
            tell(Progress { phase: "octets", done, total });
        }
        Ok(problems)
    }

    fn examine_body(
        &self,
        reader: &Reader,
        body: BodyId,
        octets: &mut Vec<u8>,
        problems: &mut Vec<Problem>,
    ) -> Result<()> {
        let read = contained(|| each_octets(reader, body, octets, &mut |_| {}));
        let found = match read {
            Ok(true) => None,
            // Expunged and collected since it was listed.
            Ok(false) if contained(|| reader.meta.body(body))?.is_none() => return Ok(()),
            Ok(false) => Some(format!("body {} has no octets", body.0)),
            Err(Error::Damaged(what)) => Some(what),
            Err(e) => return Err(e),
        };
        problems.extend(found.map(Problem::from));
        Ok(())
    }

    /// Checks everything and rebuilds what can be rebuilt. Returns what was found. Blocking.
    pub fn repair(&self, deriving: Deriving<'_>, tell: Tell<'_>) -> Result<Vec<Problem>> {
        let _busy = self.0.shared.upkeep.begin("a repair")?;
        let mut found = self.examine()?;
        found.extend(self.examine_octets(tell)?);
        let fixes: BTreeSet<Fix> = found.iter().filter_map(|problem| problem.fix).collect();
        let is_row = |fix: &Fix| !matches!(fix, Fix::Record(_) | Fix::Stray(_));
        let rows: Vec<Fix> = fixes.iter().copied().filter(is_row).collect();
        if !rows.is_empty() {
            tell(Progress { phase: "rows", done: 0, total: rows.len() as u64 });
            self.write_blocking(move |txn| txn.repair(&rows))?;
        }
        let derived: BTreeSet<BodyId> = fixes
            .iter()
            .filter_map(|fix| match fix {
                Fix::Record(body) => Some(*body),
                _ => None,
            })
            .collect();
        let total = derived.len() as u64;
        for (done, body) in derived.into_iter().enumerate() {
            tell(Progress { phase: "records", done: done as u64, total });
            match self.derive_again(body, deriving) {
                // Found as damaged already, and nothing to derive from.
                Ok(()) | Err(Error::Damaged(_)) => {}
                Err(e) => return Err(e),
            }
        }
        for fix in &fixes {
            if let Fix::Stray(body) = fix {
                self.remove_stray(*body)?;
            }
        }
        Ok(found)
    }

    /// Rebuilds the record of a body from its octets, which are compared with their BLAKE3.
    fn derive_again(&self, body: BodyId, deriving: Deriving<'_>) -> Result<()> {
        let reader = Reader::begin(&self.0)?;
        let mut derive = deriving();
        let is_there = each_octets(&reader, body, &mut Vec::new(), &mut |octets| derive.feed(octets))?;
        drop(reader);
        if !is_there {
            return Ok(());
        }
        let record: Record = derive.finish();
        self.write_blocking(move |txn| txn.set_record(body, &record))
    }

    /// Ids are never reused, so pieces that no row names now are named by none later, unless they are being written.
    fn remove_stray(&self, body: BodyId) -> Result<()> {
        let unplaced = self.0.shared.bodies.unplaced();
        if unplaced.next <= body.0 || unplaced.in_flight.contains(&body.0) {
            return Ok(());
        }
        if Reader::begin(&self.0)?.meta.body(body)?.is_none() {
            self.0.bodies.remove(&[body])?;
            self.write_blocking(move |txn| txn.forget_bodies(&[body]))?;
        }
        Ok(())
    }

    fn write_blocking(&self, run: impl FnMut(&mut dyn super::MetaTxn) -> Result<()> + Send + 'static) -> Result<()> {
        let (operation, done) = operation(run);
        self.0.meta.queue_blocking(operation)?;
        done.blocking_recv().map_err(|_| Error::Closed)?
    }
}

/// Calls `f` with all octets of a body in turn. `false`: there are none.
fn each_octets(reader: &Reader, body: BodyId, buffer: &mut Vec<u8>, f: &mut dyn FnMut(&[u8])) -> Result<bool> {
    let mut cursor = BodyCursor::new(body, 0..u64::MAX);
    while !cursor.is_done() {
        buffer.clear();
        if !reader.read_body(&mut cursor, buffer, STEP)? {
            return Ok(false);
        }
        f(buffer);
    }
    Ok(true)
}
