//! Capabilities (RFC 2449 section 6).

/// What a server says it can do; only what decides something here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// CAPA was answered at all.
    pub known: bool,
    /// `STLS` (RFC 2595 section 4).
    pub stls: bool,
    /// `USER`.
    pub user: bool,
    /// `SASL PLAIN` (RFC 5034).
    pub sasl_plain: bool,
    /// `PIPELINING` (RFC 2449 section 6.6).
    pub pipelining: bool,
    /// `UIDL`.
    pub uidl: bool,
    /// `TOP`.
    pub top: bool,
    /// `AUTH-RESP-CODE` (RFC 3206 section 4): a refusal of the credentials always says `[AUTH]`.
    pub auth_resp_code: bool,
    /// `LOGIN-DELAY`, in seconds.
    pub login_delay: Option<u32>,
}

impl Capabilities {
    /// Takes one line of the response; unknown and malformed ones are skipped.
    pub(super) fn add_line(&mut self, line: &[u8]) {
        let mut words = line.split(|b| b.is_ascii_whitespace()).filter(|word| !word.is_empty());
        let Some(name) = words.next() else { return };
        match name.to_ascii_uppercase().as_slice() {
            b"STLS" => self.stls = true,
            b"USER" => self.user = true,
            b"SASL" => self.sasl_plain |= words.any(|mechanism| mechanism.eq_ignore_ascii_case(b"PLAIN")),
            b"PIPELINING" => self.pipelining = true,
            b"UIDL" => self.uidl = true,
            b"TOP" => self.top = true,
            b"AUTH-RESP-CODE" => self.auth_resp_code = true,
            b"LOGIN-DELAY" => self.login_delay = words.next().and_then(super::reply::number),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_in_any_case_and_malformed_ones_skipped() {
        let mut capabilities = Capabilities::default();
        for line in
            ["stls", "SASL CRAM-MD5 plain", "EXPIRENEVER", "", "  ", "LOGIN-DELAY 60 USER", "UIDL ", "PIPELININGX"]
        {
            capabilities.add_line(line.as_bytes());
        }
        let want =
            Capabilities { stls: true, sasl_plain: true, uidl: true, login_delay: Some(60), ..Capabilities::default() };
        assert_eq!(capabilities, want);
    }
}
