//! kill -9 of the real service while a maildrop of twenty messages holds back an answer: each answer of a session, under
//! each delete policy. After the next start every message is here exactly once, and upstream holds what the policy says.
//!
//! Many accounts share a process: it dies when the maildrops of all of them have come to their places.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "pop3_crash/account.rs"]
mod account;
#[path = "pop3_crash/group.rs"]
mod group;
#[path = "poll_accounts/support.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod poll_support;
mod support;
#[path = "pop3_matrix/world.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod world;

use std::sync::Mutex;

use account::{Hold, POLICIES, Phase, Plan, Policy};
use group::Group;
use tokio::runtime::Runtime;

/// Accounts of one process.
const GROUP: usize = 24;
/// Processes at one time.
const PARALLEL: usize = 2;

#[test]
fn kill_9_at_every_answer_loses_and_doubles_nothing() {
    let runtime = Runtime::new().unwrap();
    let plans = plans(&runtime);
    let count = plans.len();
    let groups: Vec<Vec<Plan>> = [Phase::Fetching, Phase::Deleting]
        .into_iter()
        .flat_map(|phase| {
            let of_phase: Vec<Plan> = plans.iter().filter(|plan| plan.phase == phase).copied().collect();
            of_phase.chunks(GROUP).map(<[Plan]>::to_vec).collect::<Vec<_>>()
        })
        .collect();
    let kills = groups.len();
    let queue = Mutex::new(groups);
    std::thread::scope(|scope| {
        for _ in 0..PARALLEL {
            scope.spawn(|| {
                loop {
                    let Some(plans) = queue.lock().unwrap().pop() else { return };
                    Group::new(&runtime, plans).run();
                }
            });
        }
    });
    println!("crash matrix: {count} cases, {kills} kills");
    eprintln!("crash matrix: {count} cases, {kills} kills");
}

/// Each answer of each session; QUIT also before the deletions are made.
fn plans(runtime: &Runtime) -> Vec<Plan> {
    let mut plans = Vec::new();
    for phase in [Phase::Fetching, Phase::Deleting] {
        for policy in POLICIES.into_iter().filter(|policy| phase == Phase::Fetching || *policy != Policy::Forever) {
            let answers = runtime.block_on(account::answers(policy, phase));
            let holds = (0..=answers).map(Hold::Answer).chain([Hold::BeforeQuit]);
            // Every other session allows pipelining.
            plans.extend((0_u32..).zip(holds).map(|(n, hold)| Plan { policy, phase, hold, pipelining: n % 2 == 0 }));
        }
    }
    // Places that lie near each other fall into one group, so that none waits long for another.
    plans.sort_by_key(|plan| plan.hold);
    plans
}
