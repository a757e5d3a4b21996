//! Capabilities (RFC 2449 section 6, RFC 2595, RFC 3206, RFC 5034, RFC 6856).

use super::Method;
use super::reply::number;

/// The longest name of a server's software that is kept, in characters.
const MAX_IMPLEMENTATION: usize = 100;

/// What a server says it can do. Small whatever the server sends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// CAPA was answered at all.
    pub known: bool,
    /// `STLS` (RFC 2595 section 4).
    pub stls: bool,
    /// `USER`.
    pub user: bool,
    /// The server has a list of SASL mechanisms, be it empty.
    pub sasl_listed: bool,
    /// Those of `SASL` (RFC 5034) that are known here, each once.
    pub sasl: Vec<Method>,
    /// `PIPELINING` (RFC 2449 section 6.6).
    pub pipelining: bool,
    /// `UIDL`.
    pub uidl: bool,
    /// `TOP`.
    pub top: bool,
    /// `RESP-CODES` (RFC 2449 section 6.4).
    pub resp_codes: bool,
    /// `AUTH-RESP-CODE` (RFC 3206 section 4): a refusal of the credentials always says `[AUTH]`.
    pub auth_resp_code: bool,
    /// `LOGIN-DELAY`, in seconds.
    pub login_delay: Option<u32>,
    /// `LOGIN-DELAY n USER`: it may be another for this user, to be had after login.
    pub login_delay_per_user: bool,
    /// `EXPIRE` (RFC 2449 section 6.7).
    pub expire: Option<Expire>,
    /// `EXPIRE n USER`: it may be another for this user, to be had after login.
    pub expire_per_user: bool,
    /// `UTF8` (RFC 6856 section 2.1).
    pub utf8: bool,
    /// `UTF8 USER`: user names and passwords in UTF-8 are accepted.
    pub utf8_user: bool,
    /// `LANG` (RFC 6856 section 3).
    pub lang: bool,
    /// `IMPLEMENTATION`: printable ASCII, at most 100 characters.
    pub implementation: Option<String>,
}

/// How long a server keeps messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expire {
    /// For ever.
    Never,
    /// For so many days at least; 0: mail may not be left on the server.
    Days(u32),
}

impl Capabilities {
    /// Takes one line of the response; unknown and malformed ones are skipped.
    pub(super) fn add_line(&mut self, line: &[u8]) {
        let mut words = line.split(|b| b.is_ascii_whitespace()).filter(|word| !word.is_empty());
        let Some(name) = words.next() else { return };
        match name.to_ascii_uppercase().as_slice() {
            b"STLS" => self.stls = true,
            b"USER" => self.user = true,
            b"SASL" => self.add_mechanisms(words),
            b"PIPELINING" => self.pipelining = true,
            b"UIDL" => self.uidl = true,
            b"TOP" => self.top = true,
            b"RESP-CODES" => self.resp_codes = true,
            b"AUTH-RESP-CODE" => self.auth_resp_code = true,
            b"LOGIN-DELAY" => {
                self.login_delay = words.next().and_then(number);
                self.login_delay_per_user = says_user(words.next());
            }
            b"EXPIRE" => {
                self.expire = words.next().and_then(expire);
                self.expire_per_user = says_user(words.next());
            }
            b"UTF8" => {
                self.utf8 = true;
                self.utf8_user |= says_user(words.next());
            }
            b"LANG" => self.lang = true,
            b"IMPLEMENTATION" => self.implementation = implementation(line.get(name.len()..).unwrap_or_default()),
            _ => {}
        }
    }

    fn add_mechanisms<'a>(&mut self, names: impl Iterator<Item = &'a [u8]>) {
        self.sasl_listed = true;
        for method in names.filter_map(Method::of_sasl_name) {
            if !self.sasl.contains(&method) {
                self.sasl.push(method);
            }
        }
    }
}

fn says_user(word: Option<&[u8]>) -> bool {
    word.is_some_and(|word| word.eq_ignore_ascii_case(b"USER"))
}

fn expire(word: &[u8]) -> Option<Expire> {
    if word.eq_ignore_ascii_case(b"NEVER") { Some(Expire::Never) } else { number(word).map(Expire::Days) }
}

fn implementation(text: &[u8]) -> Option<String> {
    let printable = |b: &u8| if *b == b' ' || b.is_ascii_graphic() { char::from(*b) } else { '?' };
    let text: String = text.trim_ascii().iter().map(printable).take(MAX_IMPLEMENTATION).collect();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capabilities(lines: &[&str]) -> Capabilities {
        let mut capabilities = Capabilities::default();
        lines.iter().for_each(|line| capabilities.add_line(line.as_bytes()));
        capabilities
    }

    #[test]
    fn lines_in_any_case_and_malformed_ones_skipped() {
        let got = capabilities(&[
            "stls",
            "SASL CRAM-MD5 plain GSSAPI",
            "sasl PLAIN scram-sha-256-plus",
            "EXPIRENEVER",
            "",
            "  ",
            "Login-Delay 60 user",
            "UIDL ",
            "PIPELININGX",
            "AUTH-RESP-CODES",
            "utf8 USER",
            "LANG",
            "resp-codes",
            "IMPLEMENTATION  Cyrus POP3 v3\u{7}",
        ]);
        let want = Capabilities {
            stls: true,
            sasl_listed: true,
            sasl: vec![Method::CramMd5, Method::Plain, Method::ScramSha256Plus],
            uidl: true,
            login_delay: Some(60),
            login_delay_per_user: true,
            utf8: true,
            utf8_user: true,
            lang: true,
            resp_codes: true,
            implementation: Some("Cyrus POP3 v3?".to_owned()),
            ..Capabilities::default()
        };
        assert_eq!(got, want);
    }

    #[test]
    fn how_long_mail_is_kept() {
        for (line, expire, per_user) in [
            ("EXPIRE NEVER", Some(Expire::Never), false),
            ("expire never user", Some(Expire::Never), true),
            ("EXPIRE 0", Some(Expire::Days(0)), false),
            ("EXPIRE 30 USER", Some(Expire::Days(30)), true),
            ("EXPIRE 4294967295", Some(Expire::Days(u32::MAX)), false),
            ("EXPIRE 4294967296", None, false),
            ("EXPIRE -1", None, false),
            ("EXPIRE", None, false),
            ("EXPIRE soon", None, false),
        ] {
            let got = capabilities(&[line]);
            assert_eq!((got.expire, got.expire_per_user), (expire, per_user), "{line}");
        }
    }

    #[test]
    fn all_of_it_stays_small() {
        let long = "x".repeat(MAX_IMPLEMENTATION);
        let implementation = |text: &str| capabilities(&[&format!("IMPLEMENTATION {text}")]).implementation;
        assert_eq!(implementation(&long), Some(long.clone()));
        assert_eq!(implementation(&format!("{long}x")), Some(long));
        assert_eq!(implementation(" "), None);
        let names: Vec<_> = Method::ALL.iter().filter_map(|method| method.sasl_name()).collect();
        let all = format!("SASL {}", names.join(" ").repeat(100));
        assert!(capabilities(&[&all, &all, &all]).sasl.len() <= names.len());
        assert!(capabilities(&["SASL"]).sasl_listed);
    }
}
