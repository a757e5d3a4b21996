//! How an account is, for people: what its card and the headline say.

use super::icon;
use super::remedy::is_over_quota;
use crate::http::view::AccountView;
use crate::status::AccountState;

/// The condition of an account. Those in trouble come first: so the page is ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Health {
    /// The server refuses the credentials.
    Refused,
    /// The last poll failed.
    Failing,
    /// Another session holds the maildrop.
    Locked,
    /// The quota of its user leaves no room.
    Full,
    /// Deletions wait for a person's word.
    Held,
    /// Polled, and all went well.
    Well,
    /// Not polled yet.
    New,
    /// Told to pause, or disabled.
    Paused,
}

impl Health {
    pub(super) fn of(account: &AccountView) -> Self {
        let is_full = || account.last_error.as_deref().is_some_and(is_over_quota);
        match account.state {
            AccountState::AuthFailed => Self::Refused,
            AccountState::Backoff => Self::Failing,
            AccountState::Locked => Self::Locked,
            AccountState::Paused if is_full() => Self::Full,
            AccountState::Paused => Self::Paused,
            AccountState::Ok if account.deletes_held > 0 => Self::Held,
            AccountState::Ok if account.last_success.is_none() => Self::New,
            AccountState::Ok => Self::Well,
        }
    }

    /// A person should look.
    pub(super) fn is_trouble(self) -> bool {
        self <= Self::Held
    }

    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Refused => "Login refused",
            Self::Failing => "Failing, will retry",
            Self::Locked => "Maildrop in use elsewhere",
            Self::Full => "No room: quota full",
            Self::Held => "Waits for your word",
            Self::Well => "Well",
            Self::New => "Not polled yet",
            Self::Paused => "Paused",
        }
    }

    pub(super) fn icon(self) -> &'static str {
        match self {
            Self::Refused => icon::KEY,
            Self::Failing | Self::Held => icon::WARNING,
            Self::Locked => icon::LOCK,
            Self::Full => icon::FULL,
            Self::Well => icon::WELL,
            Self::New => icon::CLOCK,
            Self::Paused => icon::PAUSE,
        }
    }

    /// The class that colours it.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Refused | Self::Failing | Self::Full => "bad",
            Self::Locked | Self::Held => "warn",
            Self::Well => "well",
            Self::New | Self::Paused => "quiet",
        }
    }
}
