//! Why a certificate is not trusted, in words that help.

use std::fmt;

use rustls::CertificateError;
use rustls::pki_types::UnixTime;

use super::hex;

/// Names of a certificate told in an error, and characters of each.
const MAX_NAMES: usize = 5;
const MAX_NAME: usize = 64;

/// A certificate that is not trusted: why, and what can be done.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::poll) struct Refused {
    pub(super) reason: CertificateError,
    /// Of the certificate.
    pub(super) sha256: [u8; 32],
    pub(super) host: String,
    /// The authorities are those of `ca_file`.
    pub(super) of_file: bool,
}

impl std::error::Error for Refused {}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = &self.host;
        match &self.reason {
            CertificateError::ExpiredContext { not_after, .. } => {
                write!(f, "the certificate of {host} expired on {}; the server needs a new one", date(*not_after))?;
            }
            CertificateError::NotValidYetContext { not_before, .. } => {
                let date = date(*not_before);
                write!(f, "the certificate of {host} is not valid before {date}; is the clock of this machine right?")?;
            }
            reason if is_unknown(reason) => {
                let known = if self.of_file { "in ca_file" } else { "that this system trusts" };
                write!(f, "the certificate of {host} is self-signed or of no authority {known}")?;
                if self.reason == CertificateError::UnknownIssuer && !self.of_file {
                    f.write_str("; name its authority by ca_file")?;
                }
            }
            CertificateError::NotValidForNameContext { presented, .. } => {
                write!(f, "the certificate is not for {host} but for {}", names(presented))?;
            }
            CertificateError::Other(other) => write!(f, "the certificate of {host} cannot be checked: {}", other.0)?,
            other => write!(f, "the certificate of {host}: {other}")?,
        }
        let sha256 = hex(&self.sha256);
        write!(f, "; to trust this very certificate, if it is the server's: certificate_sha256: \"{sha256}\"")
    }
}

/// Whether nobody vouches for the certificate. The usual self-signed one is that of an authority, which may be no
/// server's; the library has no type for that, only its name.
fn is_unknown(reason: &CertificateError) -> bool {
    match reason {
        CertificateError::UnknownIssuer => true,
        CertificateError::Other(other) => other.0.to_string() == "CaUsedAsEndEntity",
        _ => false,
    }
}

/// The day of a certificate's time.
fn date(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    match jiff::Timestamp::from_second(seconds) {
        Ok(time) => time.strftime("%Y-%m-%d").to_string(),
        Err(_) => "a day out of all reckoning".to_owned(),
    }
}

/// The names in a certificate, which are the server's words: bounded, and nothing in them reaches a terminal.
fn names(presented: &[String]) -> String {
    let bare = |name: &String| {
        // The library says `DnsName("a.example")`.
        let inner = name.split_once('(').map_or(name.as_str(), |(_, inner)| inner.trim_end_matches(')'));
        inner.trim_matches('"').escape_default().take(MAX_NAME).collect::<String>()
    };
    let mut names: Vec<_> = presented.iter().take(MAX_NAMES).map(bare).collect();
    match presented.len() {
        0 => return "no name at all".to_owned(),
        count if count > MAX_NAMES => names.push(format!("{} more", count - MAX_NAMES)),
        _ => {}
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::ServerName;

    use super::*;

    fn refused(reason: CertificateError) -> String {
        Refused { reason, sha256: [0xab; 32], host: "mail.example".to_owned(), of_file: false }.to_string()
    }

    #[test]
    fn a_refusal_says_why_and_what_to_write() {
        let write = format!("certificate_sha256: \"{}ab\"", "ab:".repeat(31));
        let time = UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_700_000_000));
        let name = ServerName::try_from("mail.example").expect("name");
        let presented = vec!["DnsName(\"*.other.example\")".to_owned(), "IpAddress(192.0.2.1)".to_owned()];
        for (reason, begin) in [
            (
                CertificateError::ExpiredContext { time, not_after: time },
                "the certificate of mail.example expired on 2023-11-14; ",
            ),
            (
                CertificateError::NotValidYetContext { time, not_before: time },
                "the certificate of mail.example is not valid before 2023-11-14; is",
            ),
            (
                CertificateError::UnknownIssuer,
                "the certificate of mail.example is self-signed or of no authority that this system trusts; name its authority by ca_file; ",
            ),
            (
                CertificateError::NotValidForNameContext { expected: name.clone(), presented },
                "the certificate is not for mail.example but for *.other.example, 192.0.2.1; ",
            ),
            (
                CertificateError::NotValidForNameContext { expected: name, presented: vec![] },
                "the certificate is not for mail.example but for no name at all; ",
            ),
            (CertificateError::Revoked, "the certificate of mail.example: "),
        ] {
            let text = refused(reason);
            assert!(text.starts_with(begin) && text.ends_with(&write), "{text}");
        }
    }

    #[test]
    fn names_in_certificates_are_bounded_and_harmless() {
        let long = |length: usize| format!("DnsName(\"{}\")", "x".repeat(length));
        assert_eq!(names(&[long(MAX_NAME)]).len(), MAX_NAME);
        assert_eq!(names(&[long(MAX_NAME + 1)]).len(), MAX_NAME);
        assert_eq!(names(&vec![long(1); MAX_NAMES]), "x, x, x, x, x");
        assert_eq!(names(&vec![long(1); MAX_NAMES + 1]), "x, x, x, x, x, 1 more");
        assert_eq!(names(&["DnsName(\"a\u{1b}[2J\")".to_owned()]), "a\\u{1b}[2J");
    }
}
