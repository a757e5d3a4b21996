//! `tributary healthcheck`: for containers and supervisors, which need no other program for it.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// For the whole of it: less than the timeout of any supervisor.
const PATIENCE: Duration = Duration::from_secs(4);

/// More than the answer has.
const MAX_ANSWER: u64 = 16 * 1024;

/// Where to ask.
#[derive(Debug, clap::Args)]
pub(super) struct Flags {
    /// Address of the HTTP listener [default: http.listen of the configuration, else 127.0.0.1:8025]
    #[arg(long, value_name = "ADDR")]
    http: Option<SocketAddr>,
}

/// Fails unless the service says that it is ready.
pub(super) fn run(file: Option<&Path>, flags: &Flags) -> anyhow::Result<()> {
    let configured = || file.map_or(Ok(None), listener);
    let address = match flags.http {
        Some(address) => address,
        None => configured()?.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 8025))),
    };
    let address = reachable(address);
    let answer = ask(address).with_context(|| format!("no answer from {address}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    if !head.starts_with("HTTP/1.1 200 ") {
        let parts: Vec<&str> = body.lines().filter(|line| line.ends_with("not ready")).collect();
        bail!(
            "not ready: {}",
            if parts.is_empty() { head.lines().next().unwrap_or_default().to_owned() } else { parts.join(", ") }
        );
    }
    Ok(())
}

/// The first address of `http.listen`. Nothing else is looked at: a check every half minute must not fetch secrets.
fn listener(file: &Path) -> anyhow::Result<Option<SocketAddr>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let tree: serde_yaml::Value =
        serde_yaml::from_str(&text).with_context(|| format!("cannot read {}", file.display()))?;
    let listen = tree.get("http").and_then(|http| http.get("listen"));
    let first = match listen {
        Some(serde_yaml::Value::Sequence(all)) => match all.first() {
            Some(first) => first.as_str(),
            None => bail!("http.listen is empty: there is nothing to ask"),
        },
        other => other.and_then(serde_yaml::Value::as_str),
    };
    first.map(|text| text.parse().with_context(|| format!("http.listen: {text:?} is no address"))).transpose()
}

/// What listens everywhere is asked on this machine.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        // Where there is no IPv6 it is the IPv4 half that listens; where there is, it takes IPv4 as well.
        IpAddr::V6(ip) if ip == Ipv6Addr::UNSPECIFIED => Ipv4Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn ask(address: SocketAddr) -> std::io::Result<String> {
    let end = Instant::now() + PATIENCE;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    let mut piece = [0; 1024];
    while (answer.len() as u64) < MAX_ANSWER {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(std::io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut piece)? {
            0 => break,
            count => answer.extend_from_slice(piece.get(..count).unwrap_or_default()),
        }
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_listener_is_found_without_the_rest_of_the_configuration() {
        let dir = tempfile::tempdir().expect("dir");
        let file = dir.path().join("c.yaml");
        for (text, wanted) in [
            ("http: { listen: \"0.0.0.0:8025\" }\nusers: [{ password: { command: [false] } }]", Some("127.0.0.1:8025")),
            ("http: { listen: [\"[::]:99\", \"192.0.2.1:1\"] }", Some("127.0.0.1:99")),
            ("http: { listen: \"192.0.2.1:80\" }", Some("192.0.2.1:80")),
            ("users: []", None),
        ] {
            std::fs::write(&file, text).expect("write");
            let found = listener(&file).expect(text).map(reachable);
            assert_eq!(found, wanted.map(|address| address.parse().expect("address")), "{text}");
        }
        for text in ["http: { listen: [] }", "http: { listen: nonsense }", "{"] {
            std::fs::write(&file, text).expect("write");
            assert!(listener(&file).is_err(), "{text}");
        }
    }
}
