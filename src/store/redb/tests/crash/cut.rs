//! What a power cut may leave of both files.

use rand::seq::SliceRandom;

use super::sim::{Event, SECTOR, Which, apply_write};
use super::*;

/// What becomes of what was written and not yet synced.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fate {
    Lost,
    Kept,
    /// Some of it kept, in some order, torn at sectors.
    Chance(u64),
}

/// Both files on the disk, and what is on its way there.
#[derive(Default)]
pub(super) struct Cut {
    durable: [Option<Vec<u8>>; 2],
    pending: [Vec<Event>; 2],
    /// Whether the entry in the directory is durable.
    is_named: [bool; 2],
}

impl Cut {
    /// Of files that are durable as they are.
    pub(super) fn of(durable: [Option<Vec<u8>>; 2]) -> Self {
        let is_named = [0, 1].map(|which: Which| durable[which].is_some());
        Self { durable, is_named, ..Self::default() }
    }

    pub(super) fn advance(&mut self, event: &Event) {
        match event {
            Event::Create(which) => self.durable[*which] = Some(Vec::new()),
            Event::Write(which, ..) | Event::SetLen(which, _) => self.pending[*which].push(event.clone()),
            Event::Sync(which) => {
                let pending = std::mem::take(&mut self.pending[*which]);
                let file = self.durable[*which].as_mut().expect("a file that was made");
                pending.iter().for_each(|event| apply(file, event));
            }
            Event::SyncDir => self.is_named = [0, 1].map(|which: Which| self.durable[which].is_some()),
            Event::Began | Event::Acknowledged => {}
        }
    }

    pub(super) fn leave(&self, fate: Fate) -> [Option<Vec<u8>>; 2] {
        let mut rng = chance(match fate {
            Fate::Chance(seed) => seed,
            Fate::Lost | Fate::Kept => 0,
        });
        [0, 1].map(|which: Which| {
            let mut file = self.durable[which].clone()?;
            let is_kept = self.is_named[which]
                || match fate {
                    Fate::Lost => false,
                    Fate::Kept => true,
                    Fate::Chance(_) => rng.random_bool(0.7),
                };
            if !is_kept {
                return None;
            }
            match fate {
                Fate::Lost => {}
                Fate::Kept => self.pending[which].iter().for_each(|event| apply(&mut file, event)),
                Fate::Chance(_) => scatter(&mut file, &self.pending[which], &mut rng),
            }
            Some(file)
        })
    }
}

fn apply(file: &mut Vec<u8>, event: &Event) {
    match event {
        Event::Write(_, offset, data) => apply_write(file, *offset, data),
        Event::SetLen(_, len) => file.resize(*len as usize, 0),
        _ => {}
    }
}

/// Keeps some of the events. Writes change places, but not with a change of length; some are torn.
fn scatter(file: &mut Vec<u8>, pending: &[Event], rng: &mut StdRng) {
    let (keep, tear) = ([0.1, 0.5, 0.9][rng.random_range(0..3)], [0.0, 0.3][rng.random_range(0..2)]);
    let is_shuffled = rng.random_bool(0.5);
    // One is torn in any case.
    let torn = rng.random_range(0..pending.len().max(1));
    let mut kept: Vec<(usize, &Event)> = pending.iter().enumerate().collect();
    if is_shuffled {
        let mut from = 0;
        for at in 0..=kept.len() {
            if at == kept.len() || matches!(kept[at].1, Event::SetLen(..)) {
                kept[from..at].shuffle(rng);
                from = at + 1;
            }
        }
    }
    for (n, event) in kept {
        match event {
            Event::Write(_, offset, data) if n == torn || rng.random_bool(tear) => {
                for (i, sector) in data.chunks(SECTOR).enumerate() {
                    if rng.random_bool(0.5) {
                        apply_write(file, offset + (i * SECTOR) as u64, sector);
                    }
                }
            }
            event if rng.random_bool(keep) => apply(file, event),
            _ => {}
        }
    }
}
