//! OAuth 2.0 access tokens: XOAUTH2 (Google's and Microsoft's) and OAUTHBEARER (RFC 7628).

use zeroize::Zeroizing;

use super::{Broken, Credentials, Mechanism, OnOk};

/// Why a token is refused comes in a challenge, as JSON; the client answers and only then comes `-ERR`.
#[derive(Debug)]
pub(super) struct Token {
    credentials: Credentials,
    is_bearer: bool,
    failed: bool,
}

impl Token {
    pub(super) const fn xoauth2(credentials: Credentials) -> Self {
        Self { credentials, is_bearer: false, failed: false }
    }

    pub(super) const fn bearer(credentials: Credentials) -> Self {
        Self { credentials, is_bearer: true, failed: false }
    }
}

pub(super) fn xoauth2_message(credentials: &Credentials) -> Zeroizing<Vec<u8>> {
    let (user, token) = (&credentials.username, credentials.password.expose());
    Zeroizing::new(format!("user={user}\x01auth=Bearer {token}\x01\x01").into_bytes())
}

/// RFC 7628 section 3.1; the name is a `saslname` (RFC 5801 section 4). Host and port are left out: they are those of
/// the connection.
pub(super) fn bearer_message(credentials: &Credentials) -> Zeroizing<Vec<u8>> {
    let user = credentials.username.replace('=', "=3D").replace(',', "=2C");
    let token = credentials.password.expose();
    Zeroizing::new(format!("n,a={user},\x01auth=Bearer {token}\x01\x01").into_bytes())
}

impl Mechanism for Token {
    fn initial(&self) -> Option<Zeroizing<Vec<u8>>> {
        Some(if self.is_bearer { bearer_message(&self.credentials) } else { xoauth2_message(&self.credentials) })
    }

    /// RFC 7628 section 3.2.3: `%x01` ends the exchange; for XOAUTH2 it is an empty line.
    fn respond(&mut self, _: Option<&[u8]>) -> Result<Zeroizing<Vec<u8>>, Broken> {
        if std::mem::replace(&mut self.failed, true) {
            return Err(Broken::Unexpected);
        }
        Ok(Zeroizing::new(if self.is_bearer { vec![1] } else { Vec::new() }))
    }

    fn on_ok(&mut self, _: Option<&[u8]>) -> OnOk {
        OnOk::Done
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::*;
    use crate::secret::Secret;

    #[test]
    fn the_example_of_google() {
        let token = Secret::new("ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg");
        let credentials = Credentials::with_token("someuser@example.com", token).expect("fits");
        let want = "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRH\
                    RXVZMjl0Q2cBAQ==";
        assert_eq!(STANDARD.encode(Token::xoauth2(credentials).initial().expect("initial")), want);
    }

    #[test]
    fn the_example_of_rfc_7628() {
        let token = Secret::new("vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==");
        let credentials = Credentials::with_token("user@example.com", token).expect("fits");
        let mut mechanism = Token::bearer(credentials);
        // Section 4.1, without its host and port.
        let want = "n,a=user@example.com,\x01auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01";
        assert_eq!(mechanism.initial().expect("initial").as_slice(), want.as_bytes());
        // Section 4.3.
        let response = mechanism.respond(Some(br#"{"status":"invalid_token"}"#)).expect("an answer");
        assert_eq!(STANDARD.encode(response), "AQ==");
        assert_eq!(mechanism.respond(None), Err(Broken::Unexpected));
    }

    #[test]
    fn a_name_is_escaped() {
        let credentials = Credentials::with_token("a=b,c", Secret::new("t")).expect("fits");
        assert_eq!(bearer_message(&credentials).as_slice(), b"n,a=a=3Db=2Cc,\x01auth=Bearer t\x01\x01");
    }
}
