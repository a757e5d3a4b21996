//! The demo: sample maildrops that are polled for real.

pub mod pop3d;
