//! Power is cut at every point of recorded work, at every point of opening what that leaves, of the first start and of
//! the end.

use super::cut::{Cut, Fate};
use super::sim::Event;
use super::*;

/// Chances at every point, besides everything lost and everything kept.
const CHANCES: u64 = 4;

struct Recording {
    log: Vec<Event>,
    /// What the store holds after each step; the first is that of an empty one.
    worlds: Vec<World>,
}

async fn record_work() -> Recording {
    let sim = Sim::default();
    sim.state().log = Some(Vec::new());
    let store = open_on(&sim).expect("a new store");
    let mut worlds = vec![World::default()];
    for (n, step) in work::steps().iter().enumerate() {
        sim.mark(Event::Began);
        let outcomes = work::run(&store, step).await;
        assert!(outcomes.iter().all(Result::is_ok), "step {n}: {outcomes:?}");
        let allowed = after(&worlds[n..], step, &outcomes);
        worlds.push(verify(&store, &allowed, &format!("step {n}, undisturbed")).await);
        sim.mark(Event::Acknowledged);
    }
    store.close().await.expect("close");
    drop(store);
    let log = sim.state().log.take().expect("a log");
    Recording { log, worlds }
}

impl Recording {
    /// What there may be when the first `point` events have happened.
    fn allowed(&self, point: usize) -> Vec<World> {
        let acknowledged = self.log[..point].iter().filter(|event| matches!(event, Event::Acknowledged)).count();
        let mut allowed = vec![self.worlds[acknowledged].clone()];
        if self.log[..point].iter().filter(|event| matches!(event, Event::Began)).count() > acknowledged {
            for op in &work::steps()[acknowledged] {
                let mut next = allowed[allowed.len() - 1].clone();
                next.apply(op);
                allowed.push(next);
            }
        }
        allowed
    }
}

/// Opens what is left, compares, and says how many points were tried: opening it is cut short as well.
async fn survive(files: [Option<Vec<u8>>; 2], allowed: &[World], at: &str, rng: &mut StdRng) -> u64 {
    let sim = Sim::with(files.clone());
    sim.state().log = Some(Vec::new());
    let store = open_on(&sim).unwrap_or_else(|e| panic!("{at}: not opened: {e}"));
    let log = sim.state().log.take().expect("a log");
    let held = verify(&store, allowed, at).await;
    if rng.random_bool(0.2) {
        // It goes on from there: no id or UID comes twice.
        let step = [Op::User { user: 0 }, Op::Append { user: 0, to: "INBOX", contents: &[9, 10], flags: 0 }];
        for op in step.chunks(1) {
            assert!(work::run(&store, op).await[0].is_ok(), "{at}: a message after the cut");
        }
        let allowed = after(std::slice::from_ref(&held), &step, &[Ok(()), Ok(())]);
        store.collect().await.expect("collect");
        verify(&store, &allowed, &format!("{at}, used further")).await;
    }
    drop(store);
    let mut points = 1;
    for _ in 0..rng.random_range(0..3) {
        let point = rng.random_range(0..=log.len());
        let mut cut = Cut::of(files.clone());
        log[..point].iter().for_each(|event| cut.advance(event));
        let fate = Fate::Chance(rng.random());
        let at = format!("{at}, opening cut at {point}: {fate:?}");
        let sim = Sim::with(cut.leave(fate));
        let store = open_on(&sim).unwrap_or_else(|e| panic!("{at}: not opened: {e}"));
        // What was there after the first cut has been seen by nobody; what it was made of is there.
        verify(&store, std::slice::from_ref(&held), &at).await;
        points += 1;
    }
    points
}

async fn cut_everywhere(stride: u64, of: usize, parts: usize) {
    let recording = record_work().await;
    let (mut cut, mut points, mut opened) = (Cut::default(), 0, 0);
    for point in 0..=recording.log.len() {
        if point > 0 {
            cut.advance(&recording.log[point - 1]);
        }
        let is_creation = point < CREATION && super::env("TRIBUTARY_CRASH").is_none();
        if point % parts != of || !(is_creation || is_chosen((point / parts) as u64, stride)) {
            continue;
        }
        let allowed = recording.allowed(point);
        let fates = [Fate::Lost, Fate::Kept].into_iter();
        for fate in fates.chain((0..CHANCES).map(|n| Fate::Chance(point as u64 * CHANCES + n))) {
            let at = format!("part {of} point {} ({point} of {}): {fate:?}", point / parts, recording.log.len());
            opened += survive(cut.leave(fate), &allowed, &at, &mut chance(point as u64)).await;
        }
        points += 1;
    }
    eprintln!("power cut at {points} of {} points of part {of}, opened {opened} times", recording.log.len() / parts);
}

#[tokio::test]
async fn a_power_cut_loses_nothing_acknowledged() {
    cut_everywhere(STRIDE, 0, 2).await;
}

#[tokio::test]
async fn a_power_cut_loses_nothing_acknowledged_between() {
    cut_everywhere(STRIDE, 1, 2).await;
}

const STRIDE: u64 = 15;

/// The first start is tried at every point.
const CREATION: usize = 24;
