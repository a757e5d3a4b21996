//! One client's session: its state, what it has enabled, and its view of the selected mailbox.

mod contexts;
mod state;
mod updates;
mod upload;
mod view;

pub(super) use contexts::{Contexts, Place, Refused, SearchContext};
pub(super) use state::{Authenticated, Features, Login, SelectedCx, SelectedMailbox, Session, State};
pub(super) use updates::{
    FlagEcho, exists, fetch_flags, fetch_head, flag_list, flags_line, flags_lines, mod_seq_item, vanished_lines,
    write_flags,
};
pub(super) use upload::Upload;
pub(super) use view::{Entry, MailboxView};
