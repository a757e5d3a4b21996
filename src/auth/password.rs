//! Password hashes: argon2id in PHC string format (RFC 9106), and the keyed hash for comparing and remembering in memory.

use argon2::password_hash::rand_core::OsRng;
use argon2::password_hash::{self, PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use rand::RngCore;

use crate::secret::Secret;

/// A hash may ask for this much memory and no more: two checks at once must not exhaust the machine.
const MAX_MEMORY_KIB: u32 = 1024 * 1024;

/// Why a hash line cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HashError {
    /// Not a PHC string.
    #[error("not a password hash: {0}")]
    Malformed(password_hash::Error),
    /// A hash by another function.
    #[error("not an argon2id hash")]
    OtherAlgorithm,
    /// Its cost is beyond what we are willing to spend.
    #[error("asks for more than 1 GiB of memory")]
    TooCostly,
    /// The function itself failed.
    #[error("hashing failed: {0}")]
    Failed(password_hash::Error),
}

/// Makes the hash line for the configuration, with a fresh salt and the recommended cost. Takes tens of milliseconds.
pub fn hash_password(password: &Secret) -> Result<String, HashError> {
    hash_with(&Argon2::default(), password)
}

/// Whether the line is a hash that [`super::Users`] can check.
pub fn check_hash(line: &str) -> Result<(), HashError> {
    hasher_of(line).map(drop)
}

/// Whether the password is the one hashed. Takes as long as the hash says; never on an async thread.
pub(super) fn matches(line: &str, password: &Secret) -> bool {
    PasswordHash::new(line)
        .and_then(|hash| Argon2::default().verify_password(password.expose().as_bytes(), &hash))
        .is_ok()
}

/// A hash of nobody's password, as costly to check as `like`: for users that do not exist.
pub(super) fn decoy(like: Option<&str>) -> Result<String, HashError> {
    let hasher = like.map_or_else(|| Ok(Argon2::default()), hasher_of)?;
    let mut unguessable = [0; 32];
    rand::rng().fill_bytes(&mut unguessable);
    hash_with(&hasher, &Secret::new(blake3::hash(&unguessable).to_hex().as_str()))
}

fn hash_with(hasher: &Argon2<'_>, password: &Secret) -> Result<String, HashError> {
    let salt = SaltString::generate(&mut OsRng);
    let hash = hasher.hash_password(password.expose().as_bytes(), &salt).map_err(HashError::Failed)?;
    Ok(hash.to_string())
}

/// The function with the cost that the hash line names.
fn hasher_of(line: &str) -> Result<Argon2<'static>, HashError> {
    let hash = PasswordHash::new(line).map_err(HashError::Malformed)?;
    if hash.algorithm != Algorithm::Argon2id.ident() {
        return Err(HashError::OtherAlgorithm);
    }
    if hash.salt.is_none() || hash.hash.is_none() {
        return Err(HashError::Malformed(password_hash::Error::PhcStringField));
    }
    let version = match hash.version {
        Some(version) => Version::try_from(version).map_err(|e| HashError::Malformed(e.into()))?,
        None => Version::default(),
    };
    let params = Params::try_from(&hash).map_err(HashError::Malformed)?;
    if params.m_cost() > MAX_MEMORY_KIB {
        return Err(HashError::TooCostly);
    }
    Ok(Argon2::new(Algorithm::Argon2id, version, params))
}

/// Key of the process for hashing credentials in memory: what is remembered is of no use to anyone who reads it elsewhere.
pub(super) struct Key([u8; 32]);

/// Keyed BLAKE3 of a user name and password; compares in constant time.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Digest(blake3::Hash);

impl Key {
    pub(super) fn random() -> Self {
        let mut key = [0; 32];
        rand::rng().fill_bytes(&mut key);
        Self(key)
    }

    /// The name's length goes first, so that no two pairs share their bytes.
    pub(super) fn digest(&self, user: &str, password: &Secret) -> Digest {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(&(user.len() as u64).to_le_bytes());
        hasher.update(user.as_bytes());
        hasher.update(password.expose().as_bytes());
        Digest(hasher.finalize())
    }
}

impl Digest {
    pub(super) fn octets(&self) -> [u8; 32] {
        *self.0.as_bytes()
    }

    /// The first octets, to tell attempts apart.
    pub(super) fn short(&self) -> u64 {
        self.0.as_bytes().iter().take(8).fold(0, |value, byte| value << 8 | u64::from(*byte))
    }
}

#[cfg(test)]
pub(super) use tests::cheap;

#[cfg(test)]
mod tests {
    use super::*;

    /// Costs next to nothing, for tests.
    pub(crate) fn cheap(password: &str) -> String {
        let params = Params::new(8, 1, 1, None).expect("params");
        hash_with(&Argon2::new(Algorithm::Argon2id, Version::V0x13, params), &Secret::new(password)).expect("hash")
    }

    #[test]
    fn a_hash_verifies_its_own_password_only() {
        let line = hash_password(&Secret::new("correct horse")).expect("hash");
        assert!(line.starts_with("$argon2id$v=19$"), "{line}");
        assert!(matches(&line, &Secret::new("correct horse")));
        assert!(!matches(&line, &Secret::new("correct horse ")));
        assert!(check_hash(&line).is_ok());
    }

    #[test]
    fn refuses_what_is_no_usable_hash() {
        assert!(matches!(check_hash("secret"), Err(HashError::Malformed(_))));
        assert!(matches!(check_hash("$argon2id$v=19$m=8,t=1,p=1"), Err(HashError::Malformed(_))));
        let other = cheap("x").replace("argon2id", "argon2i");
        assert!(matches!(check_hash(&other), Err(HashError::OtherAlgorithm)));
        let at_limit = cheap("x").replace("m=8,", "m=1048576,");
        assert!(check_hash(&at_limit).is_ok());
        let past_limit = cheap("x").replace("m=8,", "m=1048577,");
        assert!(matches!(check_hash(&past_limit), Err(HashError::TooCostly)));
    }

    #[test]
    fn a_decoy_costs_what_its_model_costs() {
        let like = cheap("x");
        let made = decoy(Some(&like)).expect("decoy");
        assert!(made.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{made}");
        assert!(decoy(None).expect("decoy").contains("m=19456,t=2,p=1"));
    }

    #[test]
    fn digests_tell_pairs_apart() {
        let key = Key::random();
        let digest = |user, password: &str| key.digest(user, &Secret::new(password));
        assert!(digest("ab", "c") == digest("ab", "c"));
        assert!(digest("ab", "c") != digest("a", "bc"));
        assert!(digest("ab", "c") != Key::random().digest("ab", &Secret::new("c")));
    }
}
