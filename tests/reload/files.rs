//! The certificate, and `watch_config`: files that change in every way in which files change.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::house::{House, eventually, user};
use crate::{DEADLINE, users};

/// Makes a certificate for localhost and puts it there by renaming, key first; returns it as PEM.
fn renew(dir: &Path) -> String {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let put = |name: &str, text: String| {
        let temporary = dir.join(format!("{name}.new"));
        std::fs::write(&temporary, text).unwrap();
        std::fs::rename(temporary, dir.join(name)).unwrap();
    };
    put("key.pem", made.signing_key.serialize_pem());
    put("cert.pem", made.cert.pem());
    made.cert.pem()
}

type Tls = BufReader<StreamOwned<ClientConnection, TcpStream>>;

/// A session that takes this certificate and no other.
fn connect(house: &House, pem: &str) -> Result<Tls, std::io::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let client = ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap();
    let stream = TcpStream::connect(house.server.address("imaps")).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut tls = BufReader::new(StreamOwned::new(client, stream));
    let mut greeting = String::new();
    tls.read_line(&mut greeting)?;
    assert!(greeting.starts_with("* OK"), "{greeting}");
    Ok(tls)
}

fn noop(tls: &mut Tls) {
    tls.get_mut().write_all(b"n NOOP\r\n").unwrap();
    let mut line = String::new();
    tls.read_line(&mut line).unwrap();
    assert!(line.starts_with("n OK"), "{line}");
}

const CERTIFICATE: &str = "tls: { certificate: cert.pem, private_key: key.pem }\n";

#[test]
fn another_certificate_is_shown_and_sessions_under_the_old_one_go_on() {
    let robin = users(&[user("robin", "pw", "")]);
    let house = House::new(&robin);
    let self_signed = std::fs::read_to_string(house.dir().join("data/tls/cert.pem")).unwrap();
    let mut oldest = connect(&house, &self_signed).unwrap();

    let first = renew(house.dir());
    house.reload(&format!("{CERTIFICATE}{robin}"), "ok");
    let mut old = connect(&house, &first).unwrap();
    assert!(connect(&house, &self_signed).is_err());

    let second = renew(house.dir());
    noop(&mut old);
    house.hang_up("ok");
    assert!(connect(&house, &first).is_err());
    noop(&mut connect(&house, &second).unwrap());
    std::fs::write(house.dir().join("key.pem"), "no key").unwrap();
    house.hang_up("invalid");
    noop(&mut connect(&house, &second).unwrap());
    noop(&mut old);
    noop(&mut oldest);
    house.reload(&robin, "ok");
    noop(&mut connect(&house, &self_signed).unwrap());
}

#[test]
fn a_file_is_followed_however_it_is_written() {
    let with = |watch: bool, names: &[&str]| {
        let all: Vec<_> = ["robin"].iter().chain(names).map(|name| user(name, "pw", "")).collect();
        format!("watch_config: {watch}\n{}", users(&all))
    };
    let house = House::new(&with(true, &[]));
    let idler = house.idler("robin", "pw");
    let replace = |text: &str| {
        let temporary = house.dir().join(".tributary.yaml.swp");
        std::fs::write(&temporary, house.yaml(text)).unwrap();
        std::fs::rename(temporary, &house.file).unwrap();
    };
    // In place.
    house.write(&with(true, &["a"]));
    house.wait_for("ok", 1.0);
    assert!(house.login("a", "pw").starts_with("OK"));
    // By renaming, twice: a watch of the file itself would be lost with the first.
    for (name, count) in [("b", 2.0), ("c", 3.0)] {
        replace(&with(true, &[name]));
        house.wait_for("ok", count);
        assert!(house.login(name, "pw").starts_with("OK"));
    }
    // In steps: what is half written for a moment is not taken.
    let text = house.yaml(&with(true, &["d"]));
    let mut file = std::fs::File::create(&house.file).unwrap();
    for piece in text.as_bytes().chunks(text.len() / 5) {
        file.write_all(piece).unwrap();
        file.flush().unwrap();
    }
    drop(file);
    house.wait_for("ok", 4.0);
    assert_eq!(house.count("invalid"), 0.0);
    // One that is wrong, and put right.
    replace("users: 7\n");
    house.wait_for("invalid", 1.0);
    assert!(house.login("d", "pw").starts_with("OK"));
    replace(&with(true, &["e"]));
    house.wait_for("ok", 5.0);
    // What it says about being watched is followed as well.
    replace(&with(false, &["e"]));
    house.wait_for("ok", 6.0);
    replace(&with(true, &["f"]));
    house.hang_up("ok");
    assert!(house.login("f", "pw").starts_with("OK"));
    assert_eq!(house.count("ok"), 7.0, "by the signal alone");
    replace(&with(true, &["g"]));
    house.wait_for("ok", 8.0);
    assert!(house.login("g", "pw").starts_with("OK"));
    idler.done();
}

#[test]
fn a_renewed_certificate_and_a_changed_secret_are_noticed() {
    let text = format!("watch_config: true\n{CERTIFICATE}{}", users(&[user("robin", "{ file: secret }", "")]));
    let dir = tempfile::tempdir().unwrap();
    let first = renew(dir.path());
    std::fs::write(dir.path().join("secret"), "one\n").unwrap();
    let text = text.replace("cert.pem", &dir.path().join("cert.pem").display().to_string());
    let text = text.replace("key.pem", &dir.path().join("key.pem").display().to_string());
    let house = House::new(&text.replace("file: secret", &format!("file: {}", dir.path().join("secret").display())));
    drop(connect(&house, &first).unwrap());
    let second = renew(dir.path());
    eventually("the new certificate is shown", || connect(&house, &second).is_ok());
    assert!(house.login("robin", "one").starts_with("OK"));
    std::fs::write(dir.path().join("secret"), "two\n").unwrap();
    eventually("the new password counts", || house.login("robin", "two").starts_with("OK"));
    assert!(house.login("robin", "one").starts_with("NO"));
}

/// A volume of Kubernetes: the file is a link through `..data`, which is moved to another directory as a whole.
#[test]
fn a_moved_link_of_the_directory_is_noticed() {
    let house = House::new(&users(&[user("robin", "pw", "")]));
    let mount = house.dir();
    let version = |n: u32, text: &str| {
        let dir = mount.join(format!("..version{n}"));
        std::fs::create_dir(&dir).unwrap();
        std::fs::write(dir.join("tributary.yaml"), house.yaml(text)).unwrap();
        std::os::unix::fs::symlink(dir.file_name().unwrap(), mount.join("..data_tmp")).unwrap();
        std::fs::rename(mount.join("..data_tmp"), mount.join("..data")).unwrap();
    };
    let with = |name: &str| format!("watch_config: true\n{}", users(&[user("robin", "pw", ""), user(name, "pw", "")]));
    version(1, &with("a"));
    std::fs::remove_file(&house.file).unwrap();
    std::os::unix::fs::symlink("..data/tributary.yaml", &house.file).unwrap();
    house.hang_up("ok");
    for (n, name) in [(2, "b"), (3, "c")] {
        version(n, &with(name));
        house.wait_for("ok", f64::from(n));
        assert!(house.login(name, "pw").starts_with("OK"));
    }
}
