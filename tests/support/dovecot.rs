//! A private Dovecot: POP3 and POP3S (and IMAP where its package is there), with generated mail in Maildirs.
//!
//! Runs in the foreground as a child. As root it uses the users that Debian's package makes; as a normal user it runs
//! everything as that user.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{DEADLINE, mail, program, terminate, wait};

pub const PASSWORD: &str = "maildrop-pw";

/// Programs that the tests with Dovecot need.
pub const PROGRAMS: &[&str] = &["dovecot", "openssl"];

/// How often a start is tried again with other ports: another process may take a free one first.
const TRIES: usize = 5;

/// A running Dovecot. Stopped when dropped.
pub struct Dovecot {
    child: Child,
    base: PathBuf,
    pub pop3: SocketAddr,
    pub pop3s: SocketAddr,
    pub imap: Option<SocketAddr>,
    pub imaps: Option<SocketAddr>,
}

/// A user of the maildrop server and the mail in it: messages `0..count` of the seed.
pub struct Maildrop {
    pub user: &'static str,
    pub seed: u64,
    pub count: usize,
}

impl Dovecot {
    /// Starts a server in `dir` with these maildrops; returns when it answers.
    pub fn start(dir: &Path, maildrops: &[Maildrop]) -> Self {
        let base = dir.join("dovecot");
        std::fs::create_dir_all(base.join("mail")).unwrap();
        certificates(&base);
        let owner = Owner::find();
        for maildrop in maildrops {
            fill(&base.join("mail").join(maildrop.user), maildrop);
        }
        owner.take(&base.join("mail"));
        let users: String = maildrops.iter().map(|m| format!("{}:{{PLAIN}}{PASSWORD}\n", m.user)).collect();
        std::fs::write(base.join("passwd"), users).unwrap();
        for _ in 0..TRIES {
            if let Some(server) = Self::try_start(&base, &owner) {
                return server;
            }
        }
        panic!("Dovecot did not start: {}", log(&base));
    }

    fn try_start(base: &Path, owner: &Owner) -> Option<Self> {
        let with_imap = ["/usr/lib/dovecot/imap", "/usr/libexec/dovecot/imap"].iter().any(|f| Path::new(f).exists());
        let [pop3, pop3s, imap, imaps] = free_ports();
        let ports = [pop3, pop3s, imap, imaps].map(|address| address.port());
        let file = base.join("dovecot.conf");
        std::fs::write(&file, owner.configuration(base, ports, with_imap)).unwrap();
        let mut child = Command::new(program("dovecot")?)
            .args(["-F", "-c"])
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(base.join("start.log")).unwrap())
            .spawn()
            .unwrap();
        let up = wait::until("Dovecot answers", DEADLINE, || match greeting(pop3) {
            true => Some(true),
            false => child.try_wait().unwrap().map(|_| false),
        });
        let some = |address| with_imap.then_some(address);
        up.then(|| Self { child, base: base.to_owned(), pop3, pop3s, imap: some(imap), imaps: some(imaps) })
    }

    /// The CA that issued the server's certificate, PEM.
    pub fn ca_file(&self) -> PathBuf {
        self.base.join("ca.pem")
    }

    /// SHA-256 fingerprint of the server's certificate.
    pub fn certificate_sha256(&self) -> String {
        let mut openssl = Command::new("openssl");
        let text = super::run(
            openssl.args(["x509", "-noout", "-fingerprint", "-sha256", "-in"]).arg(self.base.join("srv.pem")),
        );
        text.trim().rsplit('=').next().unwrap().to_owned()
    }

    /// Where the messages of a maildrop lie.
    pub fn maildir(&self, user: &str) -> PathBuf {
        self.base.join("mail").join(user).join("Maildir")
    }

    /// Number of messages that lie in a maildrop, counted in its files.
    pub fn count(&self, user: &str) -> usize {
        let maildir = self.maildir(user);
        ["cur", "new"].iter().map(|dir| std::fs::read_dir(maildir.join(dir)).map_or(0, Iterator::count)).sum()
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        terminate(&self.child);
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("log of Dovecot:\n{}", log(&self.base));
        }
    }
}

/// The user that owns the mail and, unless that is root's choice, runs every process.
struct Owner {
    uid: u32,
    gid: u32,
    /// Set when not root: Dovecot can then not change users.
    name: Option<(String, String)>,
}

impl Owner {
    fn find() -> Self {
        let own = std::fs::metadata("/proc/self").unwrap();
        if own.uid() != 0 {
            let [user, group] = ["-un", "-gn"].map(|what| super::run(Command::new("id").arg(what)).trim().to_owned());
            return Self { uid: own.uid(), gid: own.gid(), name: Some((user, group)) };
        }
        let [uid, gid] =
            ["-u", "-g"].map(|what| super::run(Command::new("id").args([what, "mail"])).trim().parse().unwrap());
        Self { uid, gid, name: None }
    }

    /// Hands a directory with all in it to the owner of the mail.
    fn take(&self, dir: &Path) {
        chown(dir, Some(self.uid), Some(self.gid)).unwrap();
        for entry in std::fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                self.take(&entry.path());
            } else {
                chown(entry.path(), Some(self.uid), Some(self.gid)).unwrap();
            }
        }
    }

    fn configuration(&self, base: &Path, ports: [u16; 4], with_imap: bool) -> String {
        let base = base.display();
        let (uid, gid) = (self.uid, self.gid);
        let [pop3, pop3s, imap, imaps] = ports;
        let unprivileged = self.name.as_ref().map_or_else(String::new, |(user, group)| {
            let services = ["anvil", "pop3-login", "imap-login", "stats", "imap-urlauth-login"];
            let no_chroot: String = services.iter().map(|s| format!("service {s} {{\n  chroot =\n}}\n")).collect();
            format!(
                "default_internal_user = {user}\ndefault_internal_group = {group}\ndefault_login_user = {user}\n{no_chroot}"
            )
        });
        let (protocols, imap_login) =
            if with_imap { ("pop3 imap", login("imap", imap, imaps)) } else { ("pop3", String::new()) };
        format!(
            "base_dir = {base}/run\nstate_dir = {base}/state\nlog_path = {base}/dovecot.log\nprotocols = {protocols}\n\
             listen = 127.0.0.1\nauth_mechanisms = plain login cram-md5 apop scram-sha-1 scram-sha-256\ndisable_plaintext_auth = no\n\
             ssl = yes\nssl_cert = <{base}/srv.pem\nssl_key = <{base}/srv.key\n\
             mail_location = maildir:~/Maildir\nmail_save_crlf = yes\nfirst_valid_uid = 1\nmail_max_userip_connections = 1000\n\
             passdb {{\n  driver = passwd-file\n  args = scheme=PLAIN username_format=%u {base}/passwd\n}}\n\
             userdb {{\n  driver = static\n  args = uid={uid} gid={gid} home={base}/mail/%u\n}}\n\
             namespace inbox {{\n  inbox = yes\n  separator = /\n\
             {}{}}}\n\
             pop3_no_flag_updates = yes\n{}{imap_login}{unprivileged}",
            special_use("Sent"),
            special_use("Trash"),
            login("pop3", pop3, pop3s),
        )
    }
}

fn special_use(name: &str) -> String {
    format!("  mailbox {name} {{\n    auto = create\n    special_use = \\{name}\n  }}\n")
}

fn login(protocol: &str, plain: u16, tls: u16) -> String {
    format!(
        "service {protocol}-login {{\n  inet_listener {protocol} {{\n    port = {plain}\n  }}\n  \
         inet_listener {protocol}s {{\n    port = {tls}\n    ssl = yes\n  }}\n  service_count = 0\n  process_min_avail = 1\n}}\n"
    )
}

/// A CA and a certificate for localhost and 127.0.0.1 that it issued.
fn certificates(base: &Path) {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.distinguished_name.push(DnType::CommonName, "Test CA");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    std::fs::write(base.join("ca.pem"), ca.self_signed(&ca_key).unwrap().pem()).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut leaf = CertificateParams::new(["localhost", "127.0.0.1"].map(str::to_owned)).unwrap();
    leaf.distinguished_name.push(DnType::CommonName, "localhost");
    let issuer = Issuer::from_params(&ca, &ca_key);
    std::fs::write(base.join("srv.pem"), leaf.signed_by(&key, &issuer).unwrap().pem()).unwrap();
    std::fs::write(base.join("srv.key"), key.serialize_pem()).unwrap();
}

fn fill(home: &Path, maildrop: &Maildrop) {
    let cur = home.join("Maildir/cur");
    for dir in ["cur", "new", "tmp"] {
        std::fs::create_dir_all(home.join("Maildir").join(dir)).unwrap();
    }
    for n in 0..maildrop.count {
        std::fs::write(cur.join(format!("1790000000.{n:07}.test:2,")), mail::message(maildrop.seed, n)).unwrap();
    }
}

fn free_ports<const N: usize>() -> [SocketAddr; N] {
    let bound = [(); N].map(|()| TcpListener::bind(("127.0.0.1", 0)).unwrap());
    bound.map(|listener| listener.local_addr().unwrap())
}

fn greeting(address: SocketAddr) -> bool {
    let Ok(stream) = TcpStream::connect(address) else { return false };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).is_ok() && line.starts_with("+OK")
}

fn log(base: &Path) -> String {
    let read = |name: &str| std::fs::read_to_string(base.join(name)).unwrap_or_default();
    let (start, log) = (read("start.log"), read("dovecot.log"));
    let lines: Vec<&str> = start.lines().chain(log.lines()).collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
