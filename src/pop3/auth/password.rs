//! The password itself: SASL PLAIN (RFC 4616) and LOGIN (draft-murchison-sasl-login).

use zeroize::Zeroizing;

use super::{Broken, Credentials, Mechanism, OnOk};

/// RFC 4616 section 2: `[authzid] NUL authcid NUL passwd`.
pub(super) fn plain_message(credentials: &Credentials) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(format!("\0{}\0{}", credentials.username, credentials.password.expose()).into_bytes())
}

#[derive(Debug)]
pub(super) struct Plain(pub(super) Credentials);

impl Mechanism for Plain {
    fn initial(&self) -> Option<Zeroizing<Vec<u8>>> {
        Some(plain_message(&self.0))
    }

    fn takes_challenges(&self) -> bool {
        false
    }

    fn respond(&mut self, _: Option<&[u8]>) -> Result<Zeroizing<Vec<u8>>, Broken> {
        Err(Broken::Unexpected)
    }

    fn on_ok(&mut self, _: Option<&[u8]>) -> OnOk {
        OnOk::Done
    }
}

/// The server asks twice; what it says in asking differs and is not looked at.
#[derive(Debug)]
pub(super) struct Login {
    credentials: Credentials,
    answered: u8,
}

impl Login {
    pub(super) const fn new(credentials: Credentials) -> Self {
        Self { credentials, answered: 0 }
    }
}

impl Mechanism for Login {
    fn respond(&mut self, _: Option<&[u8]>) -> Result<Zeroizing<Vec<u8>>, Broken> {
        let answer = match self.answered {
            0 => self.credentials.username.as_bytes(),
            1 => self.credentials.password.expose().as_bytes(),
            _ => return Err(Broken::Unexpected),
        };
        self.answered += 1;
        Ok(Zeroizing::new(answer.to_vec()))
    }

    fn on_ok(&mut self, _: Option<&[u8]>) -> OnOk {
        if self.answered < 2 { OnOk::Challenge } else { OnOk::Done }
    }
}
