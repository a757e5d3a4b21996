//! NOTIFY (RFC 5465): every filter and every event, told between commands, in IDLE and at the end of commands.

mod mailboxes;
mod selected;
mod state;
