//! The IMAP server.

pub mod codec;
