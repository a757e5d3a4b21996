//! What is read in a certificate (RFC 5280 section 4.1): its key, the end of its validity, and the hash for channel binding.
//! The bytes may be anybody's: what is not understood is `None`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::civil::DateTime;
use ring::digest::{self, Algorithm};

const SEQUENCE: u8 = 0x30;
const BIT_STRING: u8 = 0x03;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// `[0]`, constructed: the version of a certificate, the hash in the parameters of RSASSA-PSS.
const CONTEXT_0: u8 = 0xa0;

/// `tls-server-end-point` (RFC 5929 section 4.1): the certificate's hash by the hash function of its signature, or by
/// SHA-256 where that is MD5 or SHA-1. `None` for signatures without one (Ed25519), and for SHA-224.
pub(crate) fn end_point(der: &[u8]) -> Option<Vec<u8>> {
    let mut certificate = Reader(Reader(der).expect(SEQUENCE)?);
    let _signed = certificate.expect(SEQUENCE)?;
    let algorithm = signature_hash(certificate.expect(SEQUENCE)?)?;
    Some(digest::digest(algorithm, der).as_ref().to_vec())
}

/// The key of a certificate (SubjectPublicKeyInfo).
pub(crate) struct PublicKey<'a> {
    /// The whole element.
    pub(crate) info: &'a [u8],
    /// The contents of its AlgorithmIdentifier.
    pub(crate) algorithm: &'a [u8],
    /// The key itself.
    pub(crate) key: &'a [u8],
}

/// Its key, whatever its version and extensions.
pub(crate) fn public_key(der: &[u8]) -> Option<PublicKey<'_>> {
    let mut rest = from_validity(der)?;
    let _validity = rest.expect(SEQUENCE)?;
    let _subject = rest.expect(SEQUENCE)?;
    let before = rest.0;
    let mut inner = Reader(rest.expect(SEQUENCE)?);
    let (info, _) = before.split_at_checked(before.len() - rest.0.len())?;
    let algorithm = inner.expect(SEQUENCE)?;
    // The first octet counts the bits of the last that do not belong to it.
    let key = inner.expect(BIT_STRING)?.strip_prefix(&[0])?;
    Some(PublicKey { info, algorithm, key })
}

/// What is signed, from the validity on.
fn from_validity(der: &[u8]) -> Option<Reader<'_>> {
    let mut signed = Reader(Reader(Reader(der).expect(SEQUENCE)?).expect(SEQUENCE)?);
    let (tag, _) = signed.next()?;
    if tag == CONTEXT_0 {
        let _serial_number = signed.next()?;
    }
    let _signature = signed.expect(SEQUENCE)?;
    let _issuer = signed.expect(SEQUENCE)?;
    Some(signed)
}

/// The end of its validity; before the epoch it is the epoch.
pub(crate) fn not_after(der: &[u8]) -> Option<SystemTime> {
    let mut validity = Reader(from_validity(der)?.expect(SEQUENCE)?);
    let _not_before = validity.next()?;
    let (tag, text) = validity.next()?;
    let text = text.strip_suffix(b"Z")?;
    if !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digits = std::str::from_utf8(text).ok()?;
    let (year, rest) = match (tag, digits.len()) {
        (UTC_TIME, 12) => {
            let (year, rest) = digits.split_at(2);
            let year: i16 = year.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        (GENERALIZED_TIME, 14) => {
            let (year, rest) = digits.split_at(4);
            (year.parse().ok()?, rest)
        }
        _ => return None,
    };
    let two = |at: usize| rest.get(at..at + 2)?.parse::<i8>().ok();
    let time = DateTime::new(year, two(0)?, two(2)?, two(4)?, two(6)?, two(8)?, 0).ok()?;
    let since = time.duration_since(DateTime::new(1970, 1, 1, 0, 0, 0, 0).ok()?);
    UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(since.as_secs()).unwrap_or(0)))
}

/// The hash function of an AlgorithmIdentifier of signatures, as RFC 5929 wants it.
fn signature_hash(identifier: &[u8]) -> Option<&'static Algorithm> {
    let mut identifier = Reader(identifier);
    match identifier.expect(OBJECT_IDENTIFIER)? {
        // 1.2.840.113549.1.1: RSA (RFC 8017).
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, last] => match last {
            4 | 5 | 11 => Some(&digest::SHA256),
            12 => Some(&digest::SHA384),
            13 => Some(&digest::SHA512),
            10 => pss_hash(identifier.expect(SEQUENCE)?),
            _ => None,
        },
        // 1.2.840.10045.4: ECDSA (RFC 5758).
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01 | 0x03, rest @ ..] => match rest {
            [] | [2] => Some(&digest::SHA256),
            [3] => Some(&digest::SHA384),
            [4] => Some(&digest::SHA512),
            _ => None,
        },
        // 1.2.840.10040.4.3 and 2.16.840.1.101.3.4.3.2: DSA with SHA-1 or SHA-256.
        [0x2a, 0x86, 0x48, 0xce, 0x38, 0x04, 0x03] | [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03, 0x02] => {
            Some(&digest::SHA256)
        }
        _ => None,
    }
}

/// The hash function in the parameters of RSASSA-PSS; it is SHA-1 unless given (RFC 4055 section 3.1).
fn pss_hash(parameters: &[u8]) -> Option<&'static Algorithm> {
    let mut parameters = Reader(parameters);
    let Some((CONTEXT_0, hash)) = parameters.next() else { return Some(&digest::SHA256) };
    match Reader(Reader(hash).expect(SEQUENCE)?).expect(OBJECT_IDENTIFIER)? {
        // 1.3.14.3.2.26: SHA-1.
        [0x2b, 0x0e, 0x03, 0x02, 0x1a] | [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 1] => Some(&digest::SHA256),
        [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 2] => Some(&digest::SHA384),
        [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 3] => Some(&digest::SHA512),
        _ => None,
    }
}

/// DER elements one after the other.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Tag and contents of the next element. Tags of more than one octet do not occur.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&[tag, length], rest) = self.0.split_first_chunk()?;
        let (length, rest) = match length {
            0..=0x7f => (usize::from(length), rest),
            0x81..=0x84 => {
                let (octets, rest) = rest.split_at_checked(usize::from(length - 0x80))?;
                (octets.iter().fold(0, |sum, octet| sum << 8 | usize::from(*octet)), rest)
            }
            _ => return None,
        };
        let (contents, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, contents))
    }

    /// The contents of the next element, which must have this tag.
    fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, contents)| contents)
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, SignatureAlgorithm};

    use super::*;

    fn made(algorithm: &'static SignatureAlgorithm, year: i32) -> Vec<u8> {
        let mut params = CertificateParams::new(["mail.example".to_owned()]).expect("name");
        params.not_after = rcgen::date_time_ymd(year, 2, 3);
        let key = KeyPair::generate_for(algorithm).expect("key");
        params.self_signed(&key).expect("certificate").der().to_vec()
    }

    fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
        let mut element = vec![tag, 0x82];
        element.extend(u16::try_from(contents.len()).expect("short").to_be_bytes());
        element.extend(contents);
        element
    }

    /// A certificate with nothing in it but an AlgorithmIdentifier of its signature.
    fn signed_by(identifier: &[u8], parameters: &[u8]) -> Vec<u8> {
        let identifier = [element(OBJECT_IDENTIFIER, identifier), parameters.to_vec()].concat();
        element(SEQUENCE, &[element(SEQUENCE, &[]), element(SEQUENCE, &identifier)].concat())
    }

    fn expiring(tag: u8, text: &str) -> Option<SystemTime> {
        let validity = element(SEQUENCE, &[element(tag, text.as_bytes()), element(tag, text.as_bytes())].concat());
        // Version 1: there is no [0].
        let signed = [element(2, &[1]), element(SEQUENCE, &[]), element(SEQUENCE, &[]), validity].concat();
        not_after(&element(SEQUENCE, &element(SEQUENCE, &signed)))
    }

    fn epoch(seconds: u64) -> Option<SystemTime> {
        Some(UNIX_EPOCH + Duration::from_secs(seconds))
    }

    #[test]
    fn the_end_of_validity_is_read_in_both_forms() {
        assert_eq!(not_after(&made(&rcgen::PKCS_ECDSA_P256_SHA256, 2031)), epoch(1_927_843_200));
        assert_eq!(not_after(&made(&rcgen::PKCS_ECDSA_P256_SHA256, 2077)), epoch(3_379_536_000));
        assert_eq!(expiring(UTC_TIME, "700101000001Z"), epoch(1));
        assert_eq!(expiring(UTC_TIME, "490101000000Z"), epoch(2_493_072_000));
        assert_eq!(expiring(UTC_TIME, "500101000000Z"), epoch(0));
        assert_eq!(expiring(GENERALIZED_TIME, "99991231235959Z"), epoch(253_402_300_799));
    }

    #[test]
    fn the_key_is_found() {
        let key = KeyPair::generate().expect("key");
        let certificate = CertificateParams::default().self_signed(&key).expect("certificate");
        let found = public_key(certificate.der()).expect("key");
        assert_eq!(found.info, rcgen::PublicKeyData::subject_public_key_info(&key));
        assert_eq!(found.key, rcgen::PublicKeyData::der_bytes(&key));
        assert!(found.info.windows(found.algorithm.len()).any(|window| window == found.algorithm));
    }

    #[test]
    fn a_time_that_is_none_is_not_read() {
        for text in ["", "Z", "700101000001", "7001010000Z", "701301000001Z", "70010100000+Z", "7001010000\u{e9}Z"] {
            assert_eq!(expiring(UTC_TIME, text), None, "{text:?}");
        }
        assert_eq!(expiring(GENERALIZED_TIME, "700101000001Z"), None);
        assert_eq!(expiring(4, "700101000001Z"), None);
    }

    #[test]
    fn the_end_point_is_hashed_as_the_signature_was() {
        let p256 = made(&rcgen::PKCS_ECDSA_P256_SHA256, 2031);
        assert_eq!(end_point(&p256), Some(digest::digest(&digest::SHA256, &p256).as_ref().to_vec()));
        let p384 = made(&rcgen::PKCS_ECDSA_P384_SHA384, 2031);
        assert_eq!(end_point(&p384), Some(digest::digest(&digest::SHA384, &p384).as_ref().to_vec()));
        assert_eq!(end_point(&made(&rcgen::PKCS_ED25519, 2031)), None);
    }

    #[test]
    fn every_signature_algorithm_has_its_hash() {
        let rsa = |last: u8| [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, last].to_vec();
        let ecdsa = |rest: &[u8]| [&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04], rest].concat();
        let sha2 = |last: u8| {
            let hash = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, last];
            element(SEQUENCE, &element(CONTEXT_0, &element(SEQUENCE, &element(OBJECT_IDENTIFIER, &hash))))
        };
        for (identifier, parameters, length) in [
            (rsa(4), vec![], Some(32)),
            (rsa(5), vec![], Some(32)),
            (rsa(11), vec![], Some(32)),
            (rsa(12), vec![], Some(48)),
            (rsa(13), vec![], Some(64)),
            (rsa(14), vec![], None),
            (rsa(10), element(SEQUENCE, &[]), Some(32)),
            (rsa(10), sha2(1), Some(32)),
            (rsa(10), sha2(2), Some(48)),
            (rsa(10), sha2(3), Some(64)),
            (rsa(10), sha2(4), None),
            (rsa(10), vec![], None),
            (ecdsa(&[1]), vec![], Some(32)),
            (ecdsa(&[3, 1]), vec![], None),
            (ecdsa(&[3, 2]), vec![], Some(32)),
            (ecdsa(&[3, 3]), vec![], Some(48)),
            (ecdsa(&[3, 4]), vec![], Some(64)),
            (vec![0x2b, 0x65, 0x70], vec![], None),
        ] {
            let found = end_point(&signed_by(&identifier, &parameters)).map(|hash| hash.len());
            assert_eq!(found, length, "{identifier:02x?}");
        }
    }

    #[test]
    fn half_a_certificate_is_none() {
        let whole = made(&rcgen::PKCS_ECDSA_P256_SHA256, 2031);
        for length in 0..whole.len() {
            assert_eq!((not_after(&whole[..length]), end_point(&whole[..length])), (None, None));
            assert!(public_key(&whole[..length]).is_none());
        }
        // Whatever octet is wrong, nothing panics.
        for at in 0..whole.len() {
            let mut wrong = whole.clone();
            wrong[at] ^= 0xff;
            let _ = (not_after(&wrong), end_point(&wrong), public_key(&wrong).is_some());
        }
    }
}
