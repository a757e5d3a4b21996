//! Credentials and how they are written: USER and PASS (RFC 1939 section 7), SASL PLAIN (RFC 4616, RFC 5034).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::Refusal;
use crate::secret::Secret;

/// The longest AUTH command with an initial response (RFC 5034 section 4: 255 octets with CRLF).
const MAX_AUTH_LINE: usize = 255;

/// A way to log in (RFC 1939 section 7, RFC 5034).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are those of the protocols")]
pub enum Method {
    User,
    Apop,
    Plain,
    Login,
    CramMd5,
    ScramSha1,
    ScramSha1Plus,
    ScramSha256,
    ScramSha256Plus,
    Xoauth2,
    OauthBearer,
}

impl Method {
    /// Every method.
    pub const ALL: [Self; 11] = [
        Self::User,
        Self::Apop,
        Self::Plain,
        Self::Login,
        Self::CramMd5,
        Self::ScramSha1,
        Self::ScramSha1Plus,
        Self::ScramSha256,
        Self::ScramSha256Plus,
        Self::Xoauth2,
        Self::OauthBearer,
    ];

    /// The name in the configuration and in logs.
    pub const fn label(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Apop => "apop",
            Self::Plain => "plain",
            Self::Login => "login",
            Self::CramMd5 => "cram-md5",
            Self::ScramSha1 => "scram-sha-1",
            Self::ScramSha1Plus => "scram-sha-1-plus",
            Self::ScramSha256 => "scram-sha-256",
            Self::ScramSha256Plus => "scram-sha-256-plus",
            Self::Xoauth2 => "xoauth2",
            Self::OauthBearer => "oauthbearer",
        }
    }

    /// Whether it proves an OAuth 2.0 token rather than a password.
    pub const fn wants_token(self) -> bool {
        matches!(self, Self::Xoauth2 | Self::OauthBearer)
    }
}

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
        Ok(Self { is_token: true, ..Self::new(username, token)? })
    }

    /// Whether they are a token rather than a password.
    pub const fn is_token(&self) -> bool {
        self.is_token
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
