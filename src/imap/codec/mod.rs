//! The IMAP codec, in two stages: [`fragment`] finds the end of a command, [`parse`] reads it. Pure: bytes to
//! values and back, no input or output, no clock, no store.

mod calendar;
mod chars;
pub mod command;
pub mod envelope;
pub mod fragment;
pub mod parse;
pub mod utf7;
pub mod write;

#[cfg(test)]
mod oracle_tests;
