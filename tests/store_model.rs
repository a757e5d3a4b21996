//! The store against a plain model: random operations on the store in files and on the store in memory, alone and in
//! bursts, which must give the same answers and errors and hold the same as the model, with every invariant kept after
//! each, and with clients that follow only the differences of versions and yet know what the store holds.
//!
//! `TRIBUTARY_MODEL_CASES` makes so many cases instead of a few.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "store_model/client.rs"]
mod client;
#[path = "store_model/ledger.rs"]
mod ledger;
#[path = "store_model/model.rs"]
mod model;
#[path = "store_model/op.rs"]
mod op;
#[path = "store_model/twins.rs"]
mod twins;
#[path = "store_model/view.rs"]
mod view;
#[path = "store_model/world.rs"]
mod world;

use model::Model;
use op::{Op, Place, operation};
use proptest::prelude::*;
use world::{Kind, World};

/// Cases with files: each operation is a commit on disk.
const CASES: u32 = 12;
/// Cases in memory alone cost little.
const CASES_IN_MEMORY: u32 = 60;

fn config(cases: u32) -> ProptestConfig {
    let given = std::env::var("TRIBUTARY_MODEL_CASES").ok().map(|text| text.parse().unwrap());
    ProptestConfig { cases: given.unwrap_or(cases), max_shrink_iters: 400, ..ProptestConfig::default() }
}

fn run(kinds: &[Kind], operations: Vec<Op<Place>>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut model = Model::default();
        let mut worlds = Vec::new();
        for kind in kinds {
            worlds.push(World::new(*kind).await);
        }
        model.begin();
        for operation in operations {
            let operation = model.resolve(&operation);
            let mut answers = Vec::new();
            for world in &mut worlds {
                answers.push(world.make(&operation).await);
            }
            let expected = model.make(&operation);
            for found in &answers {
                view::assert_answers(found, &expected);
                assert_eq!(found, &answers[0], "the back-ends differ");
            }
            for world in &mut worlds {
                world.compare(&model).await;
            }
        }
        for world in &mut worlds {
            world.compare_octets(&model).await;
        }
    });
}

proptest! {
    #![proptest_config(config(CASES))]

    #[test]
    fn files_and_memory_are_the_model(operations in prop::collection::vec(operation(), 1..40)) {
        run(&[Kind::Files, Kind::Memory], operations);
    }
}

proptest! {
    #![proptest_config(config(CASES_IN_MEMORY))]

    #[test]
    fn memory_is_the_model(operations in prop::collection::vec(operation(), 1..80)) {
        run(&[Kind::Memory], operations);
    }
}
