//! (skeleton)

pub mod samples;
