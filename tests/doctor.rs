//! `tributary doctor`, the real binary, against scripted servers and a real one.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "doctor/maildrops.rs"]
mod maildrops;
#[path = "doctor/reaching.rs"]
mod reaching;
mod support;
#[path = "doctor/world.rs"]
mod world;
