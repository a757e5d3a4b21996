//! Scraping `/metrics` and reading single samples out of it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::DEADLINE;

/// One scrape.
pub struct Metrics(String);

impl Metrics {
    pub fn scrape(address: SocketAddr) -> Self {
        let (status, body) = get(address, "/metrics");
        assert_eq!(status, 200, "{body}");
        Self(body)
    }

    pub fn text(&self) -> &str {
        &self.0
    }

    /// The sum of all samples of this name whose labels include those given; 0 when there are none.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.samples(name, labels).sum()
    }

    fn samples<'a>(&'a self, name: &'a str, labels: &'a [(&str, &str)]) -> impl Iterator<Item = f64> + 'a {
        self.0.lines().filter_map(move |line| {
            let rest = line.strip_prefix(name)?;
            if !rest.starts_with(['{', ' ']) {
                return None;
            }
            let (labelled, value) = rest.rsplit_once(' ')?;
            labels.iter().all(|(key, want)| labelled.contains(&format!("{key}=\"{want}\""))).then_some(())?;
            value.parse::<f64>().ok()
        })
    }
}

/// GET by HTTP/1.0: the status and the body.
pub fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let text = String::from_utf8_lossy(&answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no HTTP answer: {text}"));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    (status.unwrap_or_else(|| panic!("no HTTP status: {head}")), body.to_owned())
}
