//! Credentials and how they are proved: USER and PASS, APOP (RFC 1939 section 7), SASL (RFC 5034).
//!
//! A family of mechanisms a file; [`exchange`] has what they share, [`method`] which of them is tried.

mod blot;
mod digest;
mod exchange;
mod method;
mod password;
mod scram;
mod token;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

pub(super) use digest::{apop_line, timestamp};
#[cfg(test)]
pub(super) use exchange::MAX_CHALLENGE;
use exchange::Mechanism;
pub(super) use exchange::{Broken, Exchange, OnOk};
pub use method::Method;
pub(super) use method::{Situation, is_final};

use super::Refusal;
use crate::secret::Secret;

/// What binds a login to its TLS channel (RFC 5929, RFC 9266).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelBinding {
    /// `tls-exporter`, of TLS 1.3.
    Exporter(Vec<u8>),
    /// `tls-server-end-point`: the hash of the server's certificate.
    ServerEndPoint(Vec<u8>),
}

/// A user name and password that fit on a command line.
#[derive(Clone, Debug)]
pub struct Credentials {
    username: String,
    password: Secret,
    /// The password is an OAuth 2.0 access token.
    is_token: bool,
}

/// Why credentials cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a user name or password is empty or has a line break or NUL in it")]
pub struct CredentialError;

impl Credentials {
    /// Refuses what would break out of its command line.
    pub fn new(username: impl Into<String>, password: Secret) -> Result<Self, CredentialError> {
        let username = username.into();
        let fits = |text: &str| !text.is_empty() && !text.contains(['\r', '\n', '\0']);
        if !fits(&username) || !fits(password.expose()) {
            return Err(CredentialError);
        }
        Ok(Self { username, password, is_token: false })
    }

    /// Likewise for an OAuth 2.0 access token.
    pub fn with_token(username: impl Into<String>, token: Secret) -> Result<Self, CredentialError> {
        let credentials = Self::new(username, token)?;
        // It ends the token in XOAUTH2 and OAUTHBEARER.
        if credentials.username.contains('\x01') || credentials.password.expose().contains('\x01') {
            return Err(CredentialError);
        }
        Ok(Self { is_token: true, ..credentials })
    }

    /// Whether they are a token rather than a password.
    pub const fn is_token(&self) -> bool {
        self.is_token
    }

    /// Whether the name can stand before another word: APOP has no way to quote it.
    pub(super) fn is_one_word(&self) -> bool {
        !self.username.contains(|c: char| c.is_ascii_whitespace())
    }

    /// A refusal with whatever of the credentials the server repeats blotted out, in any form in which it was sent.
    pub(super) fn refusal(&self, text: &[u8]) -> Refusal {
        let encode = |message: &[u8]| Zeroizing::new(STANDARD.encode(message));
        let encoded = [
            encode(&password::plain_message(self)),
            encode(self.password.expose().as_bytes()),
            encode(&token::xoauth2_message(self)),
            encode(&token::bearer_message(self)),
        ];
        let blotted = blot::blot(text, self.password.expose(), &encoded);
        // The code is the server's own even where a secret happens to look like one.
        Refusal { code: Refusal::new(text, &[]).code, ..Refusal::new(blotted.as_bytes(), &[]) }
    }

    pub(super) fn user_line(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(format!("USER {}\r\n", self.username).into_bytes())
    }

    pub(super) fn pass_line(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(format!("PASS {}\r\n", self.password.expose()).into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_breaks_out_of_its_line() {
        for (user, password) in [("a\r\nDELE 1", "p"), ("a", "p\nQUIT"), ("a", "p\0"), ("", "p"), ("a", "")] {
            assert!(Credentials::new(user, Secret::new(password)).is_err(), "{user:?} {password:?}");
        }
        for (user, token) in [("a\x01", "t"), ("a", "t\x01auth=Bearer x"), ("a", "t\r\n")] {
            assert!(Credentials::with_token(user, Secret::new(token)).is_err(), "{user:?} {token:?}");
        }
    }
}
