//! Every access of the work fails once, or from there on until it is put right.

use super::sim::{EIO, ENOSPC, Plan};
use super::*;

/// Steps that fail before a lasting fault is put right.
const PATIENCE: usize = 2;

/// Does the work with a fault. Whether there was one.
async fn survive(plan: Plan, at: &str) -> bool {
    let sim = Sim::default();
    sim.plan(plan);
    let mut was_refused = false;
    let open_on = if plan.read_fails_at.is_some() { open_cold } else { open_on };
    let store = match open_on(&sim) {
        Ok(store) => store,
        Err(_) => {
            was_refused = true;
            assert!(sim.state().failed > 0, "{at}: refused without a fault");
            sim.plan(Plan::default());
            open_on(&sim).unwrap_or_else(|e| panic!("{at}: not made at the second try: {e}"))
        }
    };
    let (mut worlds, mut failures) = (vec![World::default()], 0);
    let mut steps = std::collections::VecDeque::from(work::steps());
    while let Some(step) = steps.pop_front() {
        let outcomes = work::run(&store, &step).await;
        worlds = after(&worlds, &step, &outcomes);
        if outcomes.iter().all(Result::is_ok) {
            continue;
        }
        failures += 1;
        if plan.errno == ENOSPC {
            let is_told = |outcome: &Result<()>| matches!(outcome, Err(Error::NoSpace));
            assert!(outcomes.iter().any(is_told), "{at}: {outcomes:?}");
        }
        // Reads go on, and tell what became of it.
        let actual = model::read(&store).await.unwrap_or_else(|e| panic!("{at}: not readable: {e}"));
        worlds = worlds.iter().filter(|w| w.is_kept_by(&actual)).map(|world| world.learn(&actual)).collect();
        assert!(!worlds.is_empty(), "{at}: after {step:?} {outcomes:?} the store holds {actual:?}");
        if failures == PATIENCE {
            sim.plan(Plan::default());
        }
        // Ids of users are given out in order.
        if matches!(step[0], Op::User { .. }) {
            steps.push_front(step);
        }
    }
    let is_hit = was_refused || sim.state().failed > 0 || failures > 0;
    assert!(plan.is_lasting || failures <= 1, "{at}: {failures} steps failed of one fault");
    if is_hit {
        sim.plan(Plan::default());
        let step = [Op::Append { user: 0, to: "INBOX", contents: &[9, 11], flags: 0 }];
        let outcomes = work::run(&store, &step).await;
        assert!(outcomes[0].is_ok(), "{at}: {outcomes:?} once all is well");
        worlds = after(&worlds, &step, &outcomes);
        store.collect().await.unwrap_or_else(|e| panic!("{at}: not collected once all is well: {e}"));
        worlds = vec![verify(&store, &worlds, &format!("{at}, in the same process")).await];
        let without_power = Sim::with(sim.on_disk());
        let store = open_on(&without_power).unwrap_or_else(|e| panic!("{at}: not opened as the disk has it: {e}"));
        verify(&store, &worlds, &format!("{at}, as the disk has it")).await;
    }
    let closed = store.close().await;
    assert!(!is_hit || closed.is_ok(), "{at}: not closed: {closed:?}");
    drop(store);
    let is_hit = is_hit || sim.state().failed > 0;
    sim.plan(Plan::default());
    for files in [sim.files(), sim.on_disk()] {
        let store = open_on(&Sim::with(files)).unwrap_or_else(|e| panic!("{at}: not opened again: {e}"));
        verify(&store, &worlds, &format!("{at}, opened again")).await;
    }
    is_hit
}

async fn fail_everywhere(what: &str, stride: u64, plan: impl Fn(u64) -> Plan) {
    let (mut points, mut point) = (0, 0);
    loop {
        if is_chosen(point, stride) {
            if !survive(plan(point), &format!("{what} at {point}")).await {
                break;
            }
            points += 1;
        }
        point += 1;
        if point > 100_000 {
            break;
        }
    }
    eprintln!("{what}: {points} points tried and passed");
}

const STRIDE: u64 = 67;

#[tokio::test]
async fn an_access_that_fails_once_costs_one_request_at_most() {
    fail_everywhere("EIO once", STRIDE, |at| Plan { fails_at: Some(at), errno: EIO, ..Plan::default() }).await;
}

#[tokio::test]
async fn a_full_disk_costs_one_request_at_most_when_there_is_room_at_once() {
    fail_everywhere("ENOSPC once", STRIDE, |at| Plan { fails_at: Some(at), errno: ENOSPC, ..Plan::default() }).await;
}

#[tokio::test]
async fn a_lasting_failure_refuses_what_is_new_until_it_is_put_right() {
    let plan = |at| Plan { fails_at: Some(at), errno: EIO, is_lasting: true, ..Plan::default() };
    fail_everywhere("EIO lasting", STRIDE, plan).await;
}

#[tokio::test]
async fn a_full_disk_refuses_what_is_new_until_there_is_room() {
    let plan = |at| Plan { fails_at: Some(at), errno: ENOSPC, is_lasting: true, ..Plan::default() };
    fail_everywhere("ENOSPC lasting", STRIDE, plan).await;
}

#[tokio::test]
async fn a_sync_that_gives_up_what_was_written_loses_nothing_acknowledged() {
    let plan = |at| Plan { fails_at: Some(at), errno: EIO, gives_up: true, ..Plan::default() };
    fail_everywhere("EIO of a sync that gives up", 17, plan).await;
}

#[tokio::test]
async fn a_read_that_fails_costs_one_request_at_most() {
    fail_everywhere("EIO of a read", 397, |at| Plan { read_fails_at: Some(at), ..Plan::default() }).await;
}
