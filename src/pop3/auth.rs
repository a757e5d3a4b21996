//! Credentials and how they are written: USER and PASS (RFC 1939 section 7), SASL PLAIN (RFC 4616, RFC 5034).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::Refusal;
use crate::secret::Secret;

/// The longest AUTH command with an initial response (RFC 5034 section 4: 255 octets with CRLF).
const MAX_AUTH_LINE: usize = 255;

/// A user name and password that fit on a command line.
#[derive(Clone, Debug)]
pub struct Credentials {
    username: String,
    password: Secret,
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
        Ok(Self { username, password })
    }

    /// A refusal with whatever of the credentials the server repeats blotted out.
    pub(super) fn refusal(&self, text: &[u8]) -> Refusal {
        Refusal::new(text, &[&self.plain(), self.password.expose()])
    }

    pub(super) fn user_line(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(format!("USER {}\r\n", self.username).into_bytes())
    }

    pub(super) fn pass_line(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(format!("PASS {}\r\n", self.password.expose()).into_bytes())
    }

    /// `AUTH PLAIN` with the initial response if that fits on the line; true if it does.
    pub(super) fn auth_line(&self) -> (Zeroizing<Vec<u8>>, bool) {
        let response = self.plain();
        let line = Zeroizing::new(format!("AUTH PLAIN {}\r\n", *response).into_bytes());
        if line.len() > MAX_AUTH_LINE { (Zeroizing::new(b"AUTH PLAIN\r\n".to_vec()), false) } else { (line, true) }
    }

    /// The response to a continuation request.
    pub(super) fn response_line(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(format!("{}\r\n", *self.plain()).into_bytes())
    }

    /// RFC 4616 section 2: `[authzid] NUL authcid NUL passwd`.
    fn plain(&self) -> Zeroizing<String> {
        let message = Zeroizing::new(format!("\0{}\0{}", self.username, self.password.expose()));
        Zeroizing::new(STANDARD.encode(message.as_bytes()))
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
    }

    #[test]
    fn a_long_initial_response_waits_for_its_continuation() {
        let credentials = |length: usize| Credentials::new("u", Secret::new("p".repeat(length))).expect("fits");
        let (line, with_response) = credentials(1).auth_line();
        assert_eq!((line.as_slice(), with_response), (b"AUTH PLAIN AHUAcA==\r\n".as_slice(), true));
        // 11 octets of command, 240 of base64, CRLF; three octets of password more make 257.
        assert_eq!(credentials(177).auth_line().0.len(), 253);
        assert!(!credentials(178).auth_line().1);
    }
}
