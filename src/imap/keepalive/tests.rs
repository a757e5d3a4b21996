use proptest::prelude::*;

use super::*;

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A connection, its network and a clock.
struct World {
    pace: Pace,
    path: Path,
    now: Duration,
}

impl World {
    fn new(path: Path) -> Self {
        Self { pace: Pace::new(Keepalive::default(), s(0)), path, now: s(0) }
    }

    /// Seconds until the next word is due.
    fn due_in(&mut self) -> u64 {
        self.pace.due(self.now, &mut self.path).saturating_sub(self.now).as_secs()
    }

    /// Waits for it, and says it if it is due then; how long it was silent.
    fn speak(&mut self) -> u64 {
        loop {
            let due = self.pace.due(self.now, &mut self.path);
            if due > self.now {
                self.now = due;
                continue;
            }
            let silence = self.now - self.pace.last;
            self.pace.sent(self.now);
            return silence.as_secs();
        }
    }

    fn hear(&mut self, after: u64) {
        self.now += s(after);
        self.pace.received(self.now, &mut self.path);
    }
}

#[test]
fn the_silence_grows_to_29_minutes_and_no_further() {
    let mut world = World::new(Path::default());
    let silences: Vec<u64> = (0..12).map(|_| world.speak()).collect();
    // Two of each at first: it takes three minutes until a word is proven.
    assert_eq!(silences, [120, 120, 240, 480, 960, 1740, 1740, 1740, 1740, 1740, 1740, 1740]);
}

#[test]
fn the_next_connection_starts_from_what_is_known() {
    let mut world = World::new(Path::default());
    while world.speak() < 960 {}
    world.speak();
    let mut next = World::new(world.path);
    assert_eq!(next.speak(), 960);
    assert_eq!(World::new(Path::default()).speak(), 120);
}

#[test]
fn a_death_keeps_the_network_well_below() {
    let mut world = World::new(Path::default());
    while world.speak() < 960 {}
    world.now += s(100);
    world.pace.died(world.now, false, &mut world.path);
    let mut next = World::new(world.path);
    let silences: Vec<u64> = (0..FORGIVE_AFTER).map(|_| next.speak()).collect();
    assert_eq!(silences, [480; FORGIVE_AFTER as usize]);
    // It may have been a phone that was switched off.
    assert_eq!((next.speak(), next.path.fatal), (960, Some(s(1920))));
    // It was not: the next try takes twice as long.
    next.now += s(100);
    next.pace.died(next.now, false, &mut next.path);
    let mut next = World::new(next.path);
    for _ in 0..2 * FORGIVE_AFTER {
        assert_eq!(next.speak(), 480);
    }
    assert_eq!(next.speak(), 960);
}

#[test]
fn deaths_lead_to_the_shortest_and_no_further() {
    let mut path = Path::default();
    for _ in 0..20 {
        let mut world = World::new(path);
        world.speak();
        world.pace.died(world.now + s(1), true, &mut world.path);
        path = world.path;
    }
    assert_eq!(World::new(path).speak(), 30);
}

/// Not the last word that was sent: the first that nobody answered.
#[test]
fn the_silence_before_the_first_unproven_word_is_to_blame() {
    let mut world = World::new(Path { survived: s(600), ..Path::default() });
    assert_eq!(world.speak(), 600);
    for _ in 0..5 {
        world.now += s(31);
        world.pace.sent(world.now);
    }
    world.pace.died(world.now, false, &mut world.path);
    assert_eq!(world.path.fatal, Some(s(600)));
}

#[test]
fn a_client_that_speaks_proves_the_network_and_is_let_alone() {
    let mut world = World::new(Path::default());
    world.hear(100);
    assert_eq!(world.due_in(), 200);
    world.hear(199);
    assert_eq!(world.due_in(), 398);
    world.hear(1700);
    assert_eq!((world.due_in(), world.path.survived), (1740, s(1700)));
    // Whatever is sent breaks the silence as well as a word of ours.
    world.now += s(1000);
    world.pace.sent(world.now);
    assert_eq!(world.due_in(), 1740);
}

#[test]
fn an_answer_proves_at_once_what_was_sent() {
    let mut world = World::new(Path::default());
    assert_eq!(world.speak(), 120);
    world.hear(1);
    assert_eq!(world.path.survived, s(120));
    assert_eq!(world.due_in(), 240);
}

#[test]
fn what_is_no_silence_teaches_nothing() {
    let mut world = World::new(Path::default());
    world.hear(29);
    world.now += s(29);
    world.pace.sent(world.now);
    world.pace.died(world.now, true, &mut world.path);
    assert_eq!(world.path, Path::default());
    // A client that resets its connection by itself after an hour.
    world.pace.died(world.now + s(3600), true, &mut world.path);
    assert_eq!(world.path, Path::default());
    // TCP gave it up.
    world.pace.died(world.now + s(3600), false, &mut world.path);
    assert_eq!(world.path.fatal, Some(s(3600)));
    assert_eq!(World::new(world.path).speak(), 120);
}

#[test]
fn bounds_that_leave_no_room() {
    let equal = Keepalive { shortest: s(60), first: s(600), longest: s(60), proof: s(1) };
    let upside_down = Keepalive { longest: s(10), ..equal };
    for bounds in [equal, upside_down] {
        let mut pace = Pace::new(bounds, s(0));
        assert_eq!(pace.due(s(0), &mut Path::default()), s(60));
    }
}

proptest! {
    /// A network that drops what is silent for `bears` seconds: however connections come and go, the silence settles where
    /// they live, and words are never further apart than the bounds say, nor closer than the shortest.
    #[test]
    fn it_settles_on_what_the_network_bears(
        bears in 61_u64..4000,
        speaks in prop::collection::vec((any::<bool>(), 1_u64..2000), 0..40),
    ) {
        let mut path = Path::default();
        let (mut deaths, mut words) = (0, 0);
        let mut speaks = speaks.into_iter();
        for _ in 0..200 {
            let mut world = World::new(path);
            for _ in 0..10 {
                if let Some((true, after)) = speaks.next() && after < bears && after < world.due_in() {
                    world.hear(after);
                    continue;
                }
                let silence = world.speak();
                prop_assert!((30..=1740).contains(&silence));
                words += 1;
                if silence >= bears {
                    deaths += 1;
                    world.now += s(180);
                    world.pace.died(world.now, false, &mut world.path);
                    break;
                }
            }
            path = world.path;
            prop_assert!(path.survived <= path.limit(&Keepalive::default()));
        }
        // Nineteen of twenty words or more find the connection alive.
        prop_assert!(deaths * 20 <= words, "{deaths} of {words}");
        let mut last = World::new(path);
        let silence = last.speak();
        prop_assert!(silence >= 30 && (silence * 8 >= bears.min(1740) || path.fatal.is_some()), "{silence}");
    }

    /// Any order of events, with a clock that may stand still or go back.
    #[test]
    fn no_events_break_the_bounds(events in prop::collection::vec((0_u8..4, 0_u64..10_000), 0..100)) {
        let bounds = Keepalive::default();
        let (mut pace, mut path) = (Pace::new(bounds, s(0)), Path::default());
        for (kind, at) in events {
            match kind {
                0 => pace.sent(s(at)),
                1 => pace.received(s(at), &mut path),
                2 => pace.died(s(at), at % 2 == 0, &mut path),
                _ => {
                    let silence = pace.due(s(at), &mut path) - pace.last;
                    prop_assert!(silence >= bounds.shortest && silence <= bounds.longest);
                }
            }
        }
    }
}
