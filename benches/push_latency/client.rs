//! Clients that idle and note when they are told of new mail, and one that puts it there.

use std::net::SocketAddr;
use std::time::Instant;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedSender;

const MESSAGE: &str = "From: Ann <ann@example.org>\r\nTo: bob@example.org\r\nSubject: Greetings\r\n\
     Date: Mon, 7 Feb 1994 21:52:25 -0800\r\nMessage-ID: <1@example.org>\r\n\r\nHello Bob\r\n";

/// One IMAP connection.
pub struct Client {
    stream: BufReader<TcpStream>,
    line: String,
}

impl Client {
    /// Connects and logs in.
    pub async fn login(address: SocketAddr, user: &str) -> Self {
        let stream = TcpStream::connect(address).await.expect("connect");
        stream.set_nodelay(true).expect("nodelay");
        let mut client = Self { stream: BufReader::new(stream), line: String::new() };
        client.read_until("* OK").await;
        client.run(&format!("LOGIN {user} pw")).await;
        client
    }

    /// Appends one message: when that began, and when it was answered.
    pub async fn append(&mut self) -> (Instant, Instant) {
        let command = format!("APPEND INBOX {{{}+}}\r\n{MESSAGE}", MESSAGE.len());
        let begun = Instant::now();
        self.run(&command).await;
        (begun, Instant::now())
    }

    /// Selects INBOX and idles; from then on the moment of every EXISTS goes to `told`.
    pub async fn idle(mut self, told: UnboundedSender<Instant>) {
        self.run("SELECT INBOX").await;
        self.send("IDLE").await;
        self.read_until("+").await;
        tokio::spawn(async move {
            while self.next().await {
                if self.line.trim_end().ends_with(" EXISTS") && told.send(Instant::now()).is_err() {
                    return;
                }
            }
        });
    }

    async fn run(&mut self, command: &str) {
        self.send(command).await;
        self.read_until("t OK").await;
    }

    async fn send(&mut self, command: &str) {
        self.stream.get_mut().write_all(format!("t {command}\r\n").as_bytes()).await.expect("send");
    }

    async fn read_until(&mut self, wanted: &str) {
        while self.next().await {
            if self.line.starts_with(wanted) {
                return;
            }
            assert!(!self.line.starts_with("t "), "{}", self.line);
        }
        panic!("the connection ended before {wanted}");
    }

    async fn next(&mut self) -> bool {
        self.line.clear();
        self.stream.read_line(&mut self.line).await.is_ok_and(|n| n > 0)
    }
}
