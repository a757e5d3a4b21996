//! What can happen.

use tributary::demo::pop3d::{Action, At, Chunks, Damage, Fault, OutputFault, Top, UniqueIds};
use tributary::poll::{FirstPoll, Mode};
use tributary::pop3::Verb;

use super::random::Random;
use super::world::World;

/// A message that fails in three sessions is in quarantine for a day, and no poll of this test is a day later.
const MAX_FAULTY: usize = 2;
/// The brake on expunged messages is not for this test.
const MAX_UPSTREAM: usize = 40;

const KINDS: [UniqueIds; 6] = [
    UniqueIds::Delivered,
    UniqueIds::Delivered,
    UniqueIds::Absent,
    UniqueIds::Empty,
    UniqueIds::Numbers,
    UniqueIds::Same,
];
const TOPS: [Top; 6] = [Top::Proper, Top::Proper, Top::Proper, Top::Absent, Top::Truncated, Top::WithBody];

impl World {
    pub(crate) async fn step(&mut self, random: &mut Random) -> Result<(), String> {
        match random.below(40) {
            0..=9 => self.mail_comes(random).await,
            10..=12 => self.mail_goes(random),
            13 if self.settings.first_poll == FirstPoll::All => return self.migrate(random).await,
            14..=16 => self.change_quirks(random),
            17..=19 => return self.disturbed(random).await,
            20..=24 => drop(self.poll().await?),
            25..=30 => self.user(random).await,
            31 | 32 => self.restart().await,
            33 | 34 => return self.change_policy(random).await,
            35 => return self.pause(random).await,
            36 => return self.drift(random).await,
            37 => self.commands(random).await,
            _ => return self.come_right(random.one_in(3)).await,
        }
        Ok(())
    }

    async fn mail_comes(&mut self, random: &mut Random) {
        for _ in 0..=random.below(4) {
            if self.upstream.len() >= MAX_UPSTREAM {
                return;
            }
            let letter = self.ideal.letter(random, self.alike);
            let n = self.ideal.letters.len();
            let size = letter.bytes.len() as u64 + self.drift;
            let mut unique_id = format!("m{n}");
            match random.below(12) {
                // One that was used before, or is.
                0..=3 => {
                    let old = format!("m{}", random.below(n.max(1)) + 1);
                    let twice = self.upstream.iter().any(|(id, _)| *id == old);
                    let single = self.ideal.has_own_header(&letter);
                    if (twice && random.one_in(4)) || (!twice && single && self.reusable(&old, size).await) {
                        unique_id = old;
                    }
                }
                // That of a maildrop that counts.
                4 => {
                    let number = format!("{}", self.upstream.len() + 1);
                    let used = self.upstream.iter().any(|(id, _)| *id == number);
                    if !used && self.ideal.has_own_header(&letter) && self.reusable(&number, size).await {
                        unique_id = number;
                    }
                }
                _ => {}
            }
            self.tell(format!("{unique_id} comes: {:?}", String::from_utf8_lossy(&letter.bytes)));
            self.deliver(&unique_id, letter);
        }
    }

    /// Another client deletes.
    fn mail_goes(&mut self, random: &mut Random) {
        for _ in 0..=random.below(3) {
            let Some((unique_id, _)) = random.pick(&self.upstream).cloned() else { return };
            self.tell(format!("{unique_id} goes"));
            self.server.remove(&unique_id);
            self.upstream.retain(|(id, _)| *id != unique_id);
        }
    }

    /// The same mail on another server.
    async fn migrate(&mut self, random: &mut Random) -> Result<(), String> {
        let mark = format!("-{}", random.below(1_000_000));
        if self.shows_deleted().await {
            self.come_right(true).await?;
        }
        self.tell(format!("new unique-ids: {mark}"));
        self.renamed = true;
        self.server.rename(|id| format!("{id}{mark}"));
        self.upstream.iter_mut().for_each(|(id, _)| id.push_str(&mark));
        Ok(())
    }

    fn change_quirks(&mut self, random: &mut Random) {
        let quirks = &mut self.quirks;
        match random.below(9) {
            0 | 1 => {
                quirks.unique_ids = random.pick(&KINDS).copied().unwrap_or_default();
                if self.announces_uidl && quirks.unique_ids == UniqueIds::Absent {
                    quirks.unique_ids = UniqueIds::Empty;
                }
            }
            2 | 3 => quirks.top = random.pick(&TOPS).copied().unwrap_or_default(),
            4 => quirks.uidl_ends_after = random.one_in(2).then(|| random.below(10)),
            5 => quirks.lists_backwards = !quirks.lists_backwards,
            6 => quirks.ignores_dele = !quirks.ignores_dele,
            7 => quirks.dele_needs_retr = !quirks.dele_needs_retr,
            _ => quirks.chunks = if random.one_in(2) { Chunks::Whole } else { Chunks::Random(7) },
        }
        let quirks = quirks.clone();
        self.tell(format!(
            "{:?} TOP {:?} UIDL {:?} backwards {} DELE ignored {} needs RETR {}",
            quirks.unique_ids,
            quirks.top,
            quirks.uidl_ends_after,
            quirks.lists_backwards,
            quirks.ignores_dele,
            quirks.dele_needs_retr
        ));
        self.server.quirks(|now| *now = quirks);
    }

    /// A poll in which something goes wrong.
    async fn disturbed(&mut self, random: &mut Random) -> Result<(), String> {
        if self.faulty == MAX_FAULTY {
            self.come_right(false).await?;
        }
        self.faulty += 1;
        let number = u32::try_from(1 + random.below(self.upstream.len() + 1)).unwrap();
        match random.below(6) {
            0..=2 => {
                let octets = usize::try_from(self.server.traffic().octets).unwrap() + 20;
                let at = match random.below(3) {
                    0 => At::Byte(random.below(octets) as u64),
                    1 => At::ByteAfterLogin(random.below(octets) as u64),
                    _ => At::Answer(u32::try_from(random.below(30)).unwrap(), random.below(9) as u64),
                };
                let damage = if random.one_in(2) { Damage::Cut } else { Damage::Reset };
                self.tell(format!("{damage:?} at {at:?}"));
                self.server.damage(OutputFault::once(at, damage));
            }
            kind => {
                let verb = [Verb::Retr, Verb::Dele, Verb::Top][kind - 3];
                self.tell(format!("{verb:?} of {number} is refused"));
                self.server.fault(Fault::of_message(verb, number, Action::Answer(b"-ERR not that one\r\n".to_vec())));
            }
        }
        let outcome = self.poll().await.map(drop);
        self.server.heal();
        outcome
    }

    async fn user(&mut self, random: &mut Random) {
        let from = ["a", "Trash"][random.below(2)];
        let messages = self.messages(from).await;
        let Some((uid, bytes)) = random.pick(&messages).cloned() else { return };
        if random.one_in(2) {
            self.tell(format!("expunged from {from}: {:?}", String::from_utf8_lossy(&bytes)));
            self.expunge(from, uid, &bytes).await;
        } else {
            let to = if from == "a" { "Trash" } else { "a" };
            self.tell(format!("moved to {to}: {:?}", String::from_utf8_lossy(&bytes)));
            self.move_message(from, uid, to).await;
        }
    }

    async fn change_policy(&mut self, random: &mut Random) -> Result<(), String> {
        let settings = &mut self.settings;
        match random.below(6) {
            0 => settings.delete_larger_than = random.one_in(2).then_some(200),
            1 => settings.delete_dry_run = !settings.delete_dry_run,
            2 if settings.first_poll != FirstPoll::All && !random.one_in(3) => settings.first_poll = FirstPoll::All,
            _ => settings.leave_on_server = random.pick(&Self::policies()).copied().unwrap_or(settings.leave_on_server),
        }
        self.restart().await;
        Ok(())
    }

    async fn pause(&mut self, random: &mut Random) -> Result<(), String> {
        let (poller, before) = (self.house().poller.clone(), self.paused);
        if before {
            assert!(poller.resume("u/a").await.unwrap());
        } else if random.one_in(2) {
            assert!(poller.pause("u/a").await.unwrap());
        } else {
            return Ok(());
        }
        self.paused = !before;
        self.tell(format!("paused: {}", self.paused));
        self.poll().await.map(drop)
    }

    /// LIST counts otherwise from now on.
    async fn drift(&mut self, random: &mut Random) -> Result<(), String> {
        self.come_right(false).await?;
        self.drift = random.below(4) as u64;
        self.tell(format!("sizes are {} more", self.drift));
        let all = std::mem::take(&mut self.upstream);
        all.iter().for_each(|(id, _)| self.server.remove(id));
        all.into_iter().for_each(|(id, letter)| self.deliver(&id, letter));
        self.come_right(false).await
    }

    async fn commands(&mut self, random: &mut Random) {
        let poller = self.house().poller.clone();
        if random.one_in(2) {
            self.tell(format!("confirmed: {:?}", poller.confirm_deletes("u/a").await));
        } else if !self.paused {
            let before = self.server.counters().retrieved;
            let outcome = poller.poll_on_demand("u/a", Mode::DryRun, true).await;
            self.tell(format!("dry run: {:?}", outcome.map(|report| report.result)));
            assert_eq!(self.server.counters().retrieved, before);
        }
    }
}
