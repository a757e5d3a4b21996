//! The command handlers, one file a family. A handler writes untagged responses and returns how the tagged one
//! ends; it never writes a tagged line and never touches the socket.

pub(super) mod any;
pub(super) mod append;
pub(super) mod auth;
mod catenate;
pub(super) mod compress;
pub(super) mod context;
pub(super) mod copy_move;
pub(super) mod enable;
pub(super) mod expunge;
pub(super) mod fetch;
mod fetch_render;
pub(super) mod idle;
pub(super) mod list;
pub(super) mod mailbox;
pub(super) mod metadata;
pub(super) mod quota;
pub(super) mod replace;
mod resync;
pub(super) mod search;
mod search_answer;
mod search_charset;
mod search_lookup;
mod search_match;
pub(super) mod select;
pub(super) mod sort;
pub(super) mod status;
pub(super) mod store;
pub(super) mod thread;
mod thread_tree;
pub(super) mod uid_batches;
