//! The embedded store: two redb files behind an asynchronous, cheap-to-clone facade.
//!
//! Every mutation is a request to the one writer thread of its file; the writer groups what is queued into one
//! transaction, commits, publishes the new mailbox versions, and only then answers the callers (I1, I2, I6).
//! `redb` is named only inside this module. `docs/store-format.md` describes the bytes.

mod api;

pub use api::*;
