//! The IMAP codec, in two stages: [`fragment`] finds the end of a command, [`parse`] reads it. Pure.

pub mod command;
pub mod fragment;
pub mod parse;
pub mod write;
