use std::os::unix::fs::PermissionsExt;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, ServerConnection};

use super::*;

fn made() -> (tempfile::TempDir, Settings, Loaded) {
    let home = tempfile::tempdir().expect("temp dir");
    let settings = Settings::SelfSigned { directory: home.path().join("tls") };
    let loaded = load(&settings).expect("load");
    (home, settings, loaded)
}

#[test]
fn makes_a_certificate_once_with_private_files() {
    let (home, settings, first) = made();
    for file in ["cert.pem", "key.pem"] {
        let mode = fs::metadata(home.path().join("tls").join(file)).expect("file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    assert_eq!(load(&settings).expect("again").fingerprint, first.fingerprint);
    let as_files =
        Settings::Files { certificate: home.path().join("tls/cert.pem"), private_key: home.path().join("tls/key.pem") };
    assert_eq!(load(&as_files).expect("as files").fingerprint, first.fingerprint);
    fs::remove_file(home.path().join("tls/cert.pem")).expect("remove");
    assert_ne!(load(&settings).expect("anew").fingerprint, first.fingerprint);
}

/// Runs a handshake in memory; returns the negotiated ALPN protocol.
fn handshake(
    loaded: &Loaded,
    name: &str,
    alpn: &[&[u8]],
    version: &'static rustls::SupportedProtocolVersion,
) -> Option<Vec<u8>> {
    let roots = root_store(&loaded.certificate).expect("roots");
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[version])
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    let name = ServerName::try_from(name.to_owned()).expect("name");
    let mut client = ClientConnection::new(Arc::new(config), name).expect("client");
    let mut server = ServerConnection::new(Arc::clone(&loaded.config)).expect("server");
    for _ in 0..8 {
        let mut wire = Vec::new();
        client.write_tls(&mut wire).expect("write");
        server.read_tls(&mut wire.as_slice()).expect("read");
        server.process_new_packets().expect("server");
        wire.clear();
        server.write_tls(&mut wire).expect("write");
        client.read_tls(&mut wire.as_slice()).expect("read");
        client.process_new_packets().expect("client");
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    server.alpn_protocol().map(<[u8]>::to_vec)
}

#[test]
fn serves_both_versions_under_each_name_with_and_without_alpn() {
    let (_home, _, loaded) = made();
    assert_eq!(handshake(&loaded, "localhost", &[b"imap"], &rustls::version::TLS13), Some(b"imap".to_vec()));
    assert_eq!(handshake(&loaded, "127.0.0.1", &[], &rustls::version::TLS13), None);
    assert_eq!(handshake(&loaded, "::1", &[], &rustls::version::TLS12), None);
    assert_eq!(handshake(&loaded, &host_name(), &[b"imap"], &rustls::version::TLS12), Some(b"imap".to_vec()));
}

#[test]
fn a_renewed_certificate_is_shown_and_a_broken_one_is_not() {
    let (home, settings, mut loaded) = made();
    let (other_home, _, other) = made();
    let file = |home: &tempfile::TempDir, name: &str| home.path().join("tls").join(name);
    fs::copy(file(&other_home, "cert.pem"), file(&home, "cert.pem")).expect("copy");
    assert!(read(&settings).is_err(), "the certificate without its key");
    assert_ne!(loaded.fingerprint, other.fingerprint);
    fs::copy(file(&other_home, "key.pem"), file(&home, "key.pem")).expect("copy");
    loaded.show(read(&settings).expect("read"));
    assert_eq!(loaded.fingerprint, other.fingerprint);
    // The client trusts the file, which now holds the other certificate.
    handshake(&loaded, "localhost", &[], &rustls::version::TLS13);
}

#[test]
fn says_which_file_is_wrong() {
    let (home, _, loaded) = made();
    let load_files = |certificate: &Path, private_key: &Path| {
        let settings = Settings::Files { certificate: certificate.to_owned(), private_key: private_key.to_owned() };
        load(&settings).expect_err("must fail").to_string()
    };
    let key = home.path().join("tls/key.pem");
    let missing = home.path().join("missing.pem");
    assert!(load_files(&missing, &key).starts_with(&format!("{}: ", missing.display())));
    let no_certificate = load_files(&key, &key);
    assert!(no_certificate.contains("holds no certificate"), "{no_certificate}");
    let no_key = load_files(&loaded.certificate, &loaded.certificate);
    assert!(no_key.contains("holds no private key"), "{no_key}");
    let (other_home, _, _) = made();
    let mismatch = load_files(&loaded.certificate, &other_home.path().join("tls/key.pem"));
    assert!(mismatch.starts_with("certificate "), "{mismatch}");
}

#[test]
fn fingerprints_read_back_what_they_print() {
    let (_home, _, loaded) = made();
    let text = loaded.fingerprint.to_string();
    assert_eq!(text.len(), 95);
    assert_eq!(parse_fingerprint(&text), Ok(loaded.fingerprint));
    assert_eq!(parse_fingerprint(&text.to_uppercase()), Ok(loaded.fingerprint));
    assert_eq!(parse_fingerprint(&text.replace(':', "")), Ok(loaded.fingerprint));
    for wrong in
        ["", ":", &text[1..], &text[..92], &format!("{text}:00"), &text.replace(':', " "), &text.replacen(':', "0", 1)]
    {
        assert_eq!(parse_fingerprint(wrong), Err(FingerprintError), "{wrong}");
    }
    assert_eq!(parse_fingerprint(&"g".repeat(64)), Err(FingerprintError));
    assert_eq!(parse_fingerprint(&"\u{e9}".repeat(32)), Err(FingerprintError));
}
