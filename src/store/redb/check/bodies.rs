//! Bodies against the messages that have them, their records and their pieces.

use std::collections::HashMap;

use redb::ReadableTable;

use super::super::open::global_number;
use super::super::row::DeadRow;
use super::super::schema::{BODY, DEAD, ENV, GLOBAL, HASH, global};
use super::Check;
use crate::mail::BodyId;
use crate::store::body::{BodyRow, Unplaced};
use crate::store::check::Fix;
use crate::store::codec::Unpacker;
use crate::store::error::Result;
use crate::store::record::RecordLayout;

impl Check<'_> {
    pub(super) fn bodies(&mut self) -> Result<()> {
        let mut unpacker = Unpacker::new()?;
        let meta = &self.reader.meta;
        let (env, hash) = (meta.open_table(ENV)?, meta.open_table(HASH)?);
        let next = global_number(&meta.open_table(GLOBAL)?, global::NEXT_BODY)?;
        for entry in meta.open_table(BODY)?.iter()? {
            let (id, row) = entry?;
            let id = id.value();
            let decoded = BodyRow::decode(row.value());
            let counted = self.references.remove(&id).unwrap_or(0);
            let Some(row) = self.decoded(decoded, None, || format!("body {id}, which {counted} messages have,"))?
            else {
                continue;
            };
            let stored = row.references;
            self.problem(stored != counted || counted == 0, Fix::References, || {
                format!("body {id}: {stored} references, {counted} messages")
            });
            self.problem(id >= next, Fix::Ids, || format!("body {id} is not below next_body {next}"));
            let record = env.get(id)?;
            self.problem(record.is_none(), Fix::Record(BodyId(id)), || format!("body {id} has no record"));
            if let Some(record) = record {
                let decoded = RecordLayout::decode(record.value(), &mut unpacker);
                self.decoded(decoded, Fix::Record(BodyId(id)), || format!("the record of body {id}"))?;
            }
            let by_hash = hash.get(&row.hash)?.map(|found| found.value());
            self.problem(by_hash != Some(id), Fix::References, || format!("body {id} is not found by its hash"));
            self.bodies.insert(id, row);
        }
        for (body, _) in std::mem::take(&mut self.references) {
            self.problem(true, None, || format!("body {body} is missing, but messages have it"));
        }
        for entry in meta.open_table(DEAD)?.iter()? {
            let (id, row) = entry?;
            let id = id.value();
            self.problem(self.bodies.contains_key(&id), Fix::References, || format!("body {id} is alive and dead"));
            let decoded = DeadRow::decode(row.value());
            if let Some(row) = self.decoded(decoded, None, || format!("body {id}, which is dead,"))? {
                self.dead.insert(id, row.body);
            }
        }
        for entry in hash.iter()? {
            let id = entry?.1.value();
            self.problem(!self.bodies.contains_key(&id), Fix::References, || {
                format!("a hash leads to body {id}, which is not there")
            });
        }
        for entry in env.iter()? {
            let id = entry?.0.value();
            let is_known = self.bodies.contains_key(&id) || self.dead.contains_key(&id);
            self.problem(!is_known, Fix::Stray(BodyId(id)), || format!("a record of body {id}, which is not there"));
        }
        Ok(())
    }

    /// Every body has its pieces, numbered from 0, and every piece has its body.
    pub(super) fn pieces(&mut self, unplaced: &Unplaced) -> Result<()> {
        let mut found: HashMap<u64, u32> = HashMap::new();
        let problems = &mut self.problems;
        self.pieces.pieces(&mut |body, n, _| {
            let pieces = found.entry(body.0).or_default();
            if *pieces != n {
                problems.push(format!("body {}: piece {n} is out of order", body.0).into());
            }
            *pieces += 1;
        })?;
        let alive: Vec<(u64, u32)> = self.bodies.iter().map(|(id, row)| (*id, row.chunks)).collect();
        for (body, expected) in alive {
            let pieces = found.remove(&body).unwrap_or(0);
            self.problem(pieces != expected, None, || format!("body {body}: {pieces} of {expected} pieces"));
        }
        for body in found.into_keys() {
            let is_known = self.dead.contains_key(&body) || unplaced.in_flight.contains(&body) || body >= unplaced.next;
            self.problem(!is_known, Fix::Stray(BodyId(body)), || format!("pieces of body {body}, which is not there"));
        }
        Ok(())
    }
}
