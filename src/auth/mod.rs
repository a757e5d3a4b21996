//! Who may log in over IMAP: the configured users, their passwords and what slows a guesser down.
//!
//! A password is checked against an argon2id hash (or a plain secret), a success is remembered under a keyed hash because
//! clients open many connections, and failures from an address delay its next answers. Whether a user exists cannot be told
//! from the answer or its time (I10). Nothing here writes a password to a log, metric or error.

mod metrics;
mod password;
mod throttle;
mod users;

pub use password::{HashError, check_hash, hash_password};
pub use throttle::Settings as ThrottleSettings;
pub use users::{Denied, Error, Known, Password, Settings, User, UserSettings, Users};
