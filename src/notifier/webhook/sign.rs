//! Signatures as the Standard Webhooks specification has them: HMAC-SHA256 of `id.timestamp.body`.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use base64::engine::{DecodePaddingMode, Engine as _};
use ring::hmac;
use zeroize::Zeroizing;

use crate::secret::Secret;

/// What a secret begins with whose rest is base64.
const PREFIX: &str = "whsec_";

/// Octets of a secret that we make (the specification asks for 24 to 64).
const LENGTH: usize = 32;

/// The longest file that is taken for a secret.
const MAX_FILE: u64 = 16 * 1024;

/// Secrets are handed around with their padding and without.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Whether a webhook's requests can be signed with this text: all but what begins like a key in base64 and is none.
pub fn is_signing_secret(text: &str) -> bool {
    text.strip_prefix(PREFIX).is_none_or(|rest| LENIENT.decode(rest).is_ok_and(|key| !key.is_empty()))
}

/// What requests are signed with.
#[derive(Clone)]
pub(super) struct Key(hmac::Key);

impl Key {
    /// Of `whsec_` and base64, or of the octets of any other text.
    pub(super) fn new(secret: &Secret) -> Self {
        let text = secret.expose();
        let decoded = text.strip_prefix(PREFIX).and_then(|rest| LENIENT.decode(rest).ok()).map(Zeroizing::new);
        let octets = decoded.as_ref().map_or(text.as_bytes(), |octets| octets.as_slice());
        Self(hmac::Key::new(hmac::HMAC_SHA256, octets))
    }

    /// The value of `webhook-signature`.
    pub(super) fn sign(&self, id: &str, timestamp: i64, body: &str) -> String {
        let tag = hmac::sign(&self.0, format!("{id}.{timestamp}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(tag.as_ref()))
    }
}

/// The secret in this file, which is made if it is not there, for its owner alone. Blocking.
pub(super) fn kept_secret(file: &Path) -> io::Result<Secret> {
    match read(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(file),
        read => read,
    }
}

fn read(file: &Path) -> io::Result<Secret> {
    let mut text = Zeroizing::new(String::new());
    File::open(file)?.take(MAX_FILE).read_to_string(&mut text)?;
    let secret = text.trim_end();
    if secret.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the file is empty: remove it, and a new one is made"));
    }
    Ok(Secret::new(secret))
}

fn make(file: &Path) -> io::Result<Secret> {
    let octets: Zeroizing<[u8; LENGTH]> = Zeroizing::new(rand::random());
    let secret = Secret::new(format!("{PREFIX}{}", STANDARD.encode(octets.as_slice())));
    // A crash must not leave half of one under this name.
    let fresh = file.with_extension("new");
    let mut written = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    writeln!(written, "{}", secret.expose())?;
    written.sync_all()?;
    std::fs::rename(&fresh, file)?;
    File::open(file.parent().unwrap_or_else(|| Path::new(".")))?.sync_all()?;
    tracing::info!(file = %file.display(), "made a secret for webhooks: receivers check signatures with it");
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// The example of the specification's own libraries.
    #[test]
    fn signatures_are_those_of_the_specification() {
        let key = Key::new(&Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
        let signature = key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, "{\"test\": 2432232314}");
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn any_other_text_is_taken_as_it_stands() {
        let sign = |secret: &str| Key::new(&Secret::new(secret)).sign("a", 1, "b");
        assert_ne!(sign("aGVsbG8="), sign("whsec_aGVsbG8="));
        assert_eq!(sign("hello"), sign("whsec_aGVsbG8="));
        assert_eq!(sign("hello"), sign("whsec_aGVsbG8"), "without padding");
        assert!(["x", "whsec_aGVsbG8=", "whsec_aGVsbG8"].iter().all(|text| is_signing_secret(text)));
        assert!(!["whsec_", "whsec_hunter2", "whsec_a b="].iter().any(|text| is_signing_secret(text)));
    }

    #[test]
    fn a_secret_is_made_once_and_for_its_owner() {
        let home = tempfile::tempdir().expect("directory");
        let file = home.path().join("webhook.secret");
        let made = kept_secret(&file).expect("made");
        assert!(made.expose().starts_with(PREFIX));
        assert_eq!(STANDARD.decode(&made.expose()[PREFIX.len()..]).map(|octets| octets.len()), Ok(LENGTH));
        assert_eq!(std::fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o600);
        assert_eq!(kept_secret(&file).expect("read"), made);
        std::fs::write(&file, "\n").expect("written");
        assert!(kept_secret(&file).expect_err("empty").to_string().contains("the file is empty"));
    }
}
