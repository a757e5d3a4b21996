//! What the pages ask of the service and tell it: the seam to the parts that this layer must not know.

use std::pin::Pin;

use tokio::sync::watch;

use super::view::MailboxView;
use crate::status::Device;

/// An answer to come; the error is for people, without secrets.
pub type Answer<T> = Pin<Box<dyn Future<Output = Result<T, String>> + Send>>;

/// Whether it was done.
pub type Told = Answer<()>;

/// The service, as its pages see it. Who may see and tell what is decided by the pages.
pub trait Operator: Send + Sync {
    /// Whether this user sees and tells everything.
    fn is_admin(&self, user: &str) -> bool;

    /// Whether passwords are taken over connections that others can read.
    fn allows_cleartext(&self) -> bool;

    /// All sessions of people who have logged in, by user and then by the time of their login.
    fn devices(&self) -> Vec<Device>;

    /// Changes whenever the sessions may have.
    fn changes(&self) -> watch::Receiver<u64>;

    /// Ends a session with BYE. False: there is none of this id.
    fn disconnect(&self, device: u64) -> bool;

    /// What the mailboxes of a user, or of all users, hold, by user and then by name.
    fn storage(&self, user: Option<String>) -> Answer<Vec<MailboxView>>;

    /// Polls the account `user/name` now and waits for the end of it.
    fn poll(&self, account: String) -> Told;

    /// Polls the account no more until it is resumed.
    fn pause(&self, account: String) -> Told;

    /// Polls it again.
    fn resume(&self, account: String) -> Told;
}
