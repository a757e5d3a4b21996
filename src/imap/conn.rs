//! The only file of the IMAP server that touches a socket: reading with deadlines, writing with back-pressure.

use std::future::pending;
use std::io;
use std::time::Duration;

use prometheus::IntCounter;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;

use super::codec::fragment::{Event, Fragmenter, Limits};
use super::deflate::{Damaged, Deflater, Flush, Inflater};
use super::keepalive::{Keepalive, SharedPath};
use super::pulse::{Pulse, Stalled};

/// Output collected before it is written, in bytes: large enough for few system calls, small enough for many
/// sessions.
const RELIEVE_AT: usize = 64 << 10;
const READ_SIZE: usize = 16 << 10;
/// A buffer that grew past this is given back when the session rests.
const KEEP_CAPACITY: usize = 16 << 10;
/// A client that has sent nothing for so long rests: what compression can give back is given back.
const REST_AFTER: Duration = Duration::from_secs(2);
/// How a deflate stream ends that has been flushed: a last block, empty, in either of its forms (RFC 1951 section 3.2.3).
const LAST_BLOCKS: [&[u8]; 2] = [b"\x03\x00", b"\x01\x00\x00\xff\xff"];

/// A byte stream: TCP, TLS over TCP, or memory in tests.
pub(in crate::imap) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// The reading side: bytes to commands.
pub(in crate::imap) struct Input {
    fragmenter: Fragmenter,
    /// After COMPRESS.
    inflater: Option<Box<Inflater>>,
    /// Right after compression: what has come of the end of the client's stream, which may be sent as late as the OK of
    /// UNAUTHENTICATE is read. No command begins with such octets.
    ending: Option<Vec<u8>>,
    received: IntCounter,
}

/// The writing side, which also holds the stream. What is written is buffered until `flush` or [`RELIEVE_AT`].
pub(in crate::imap) struct Output {
    buf: Vec<u8>,
    /// After COMPRESS.
    deflater: Option<Deflater>,
    stream: Box<dyn Duplex>,
    /// How long one write may make no progress before the client is cut.
    stall: Duration,
    /// What this connection has been through.
    pulse: Pulse,
    sent: IntCounter,
}

/// Why there is no next event.
#[derive(Debug)]
pub(in crate::imap) enum ReadError {
    /// The client closed its side.
    Closed,
    /// Nothing complete arrived before the deadline.
    TimedOut,
    /// What should be compressed is not.
    Damaged,
    /// The stream failed.
    Io(io::Error),
}

/// A connection: both sides of one stream.
pub(in crate::imap) struct Conn {
    pub(in crate::imap) input: Input,
    pub(in crate::imap) output: Output,
}

impl Conn {
    pub(in crate::imap) fn new(
        stream: Box<dyn Duplex>,
        limits: Limits,
        stall: Duration,
        keepalive: Keepalive,
        received: IntCounter,
        sent: IntCounter,
    ) -> Self {
        let input = Input { fragmenter: Fragmenter::new(limits), inflater: None, ending: None, received };
        let pulse = Pulse::new(keepalive);
        Self { input, output: Output { buf: Vec::new(), deflater: None, stream, stall, pulse, sent } }
    }

    /// The next event of the command stream. Cancel-safe: bytes read are kept.
    pub(in crate::imap) async fn next_event(&mut self, deadline: Option<Instant>) -> Result<Event, ReadError> {
        loop {
            if let Some(event) = self.input.fragmenter.poll() {
                return Ok(event);
            }
            self.fill(deadline).await?;
        }
    }

    /// An event for which no reading is needed: what the client has pipelined.
    pub(in crate::imap) fn ready_event(&mut self) -> Result<Option<Event>, ReadError> {
        loop {
            let event = self.input.fragmenter.poll();
            if event.is_some() || !self.input.inflate()? {
                return Ok(event);
            }
        }
    }

    /// Whether nothing has come of the next command.
    pub(in crate::imap) fn is_between_commands(&self) -> bool {
        !self.input.fragmenter.has_input()
    }

    /// The next raw line: a SASL response, or `DONE`. `Ok(None)` for one over the limit. Cancel-safe.
    pub(in crate::imap) async fn next_line(&mut self, deadline: Option<Instant>) -> Result<Option<Vec<u8>>, ReadError> {
        loop {
            match self.input.fragmenter.poll_line() {
                Some(Ok(line)) => return Ok(Some(line)),
                Some(Err(())) => return Ok(None),
                None => self.fill(deadline).await?,
            }
        }
    }

    async fn fill(&mut self, deadline: Option<Instant>) -> Result<(), ReadError> {
        if self.input.inflate()? {
            return Ok(());
        }
        let mut buf = [0; READ_SIZE];
        let n = match self.read(&mut buf, deadline).await? {
            0 => return Err(ReadError::Closed),
            n => n,
        };
        self.input.received.inc_by(n as u64);
        self.output.pulse.received();
        match &mut self.input.inflater {
            Some(inflater) => inflater.push(&buf[..n]),
            None => self.input.plain(&buf[..n]),
        }
        Ok(())
    }

    async fn read(&mut self, buf: &mut [u8], deadline: Option<Instant>) -> Result<usize, ReadError> {
        let rest_at = Instant::now() + REST_AFTER;
        if self.input.inflater.is_some() && deadline.is_none_or(|at| rest_at < at) {
            match timeout_at(rest_at, self.output.stream.read(buf)).await {
                Ok(n) => return n.map_err(ReadError::Io),
                Err(_) => self.rest(),
            }
        }
        let read = self.output.stream.read(buf);
        let n = match deadline {
            Some(at) => timeout_at(at, read).await.map_err(|_| ReadError::TimedOut)?,
            None => read.await,
        };
        n.map_err(ReadError::Io)
    }

    /// Gives back what compression can do without while nothing is sent. What is on its way to the client has been flushed:
    /// nothing is read before.
    fn rest(&mut self) {
        if let Some(inflater) = &mut self.input.inflater {
            inflater.rest();
        }
        if let Some(deflater) = self.output.deflater.as_mut().filter(|_| self.output.buf.is_empty()) {
            deflater.rest();
        }
    }

    /// When the client must hear something to keep the connection, if nothing passes until then; none while it is in the
    /// middle of a line. A wait for changes ends then, and says [`STILL_HERE`](super::keepalive::STILL_HERE) if it is still
    /// due.
    fn keepalive_due(&mut self) -> Option<Instant> {
        (!self.input.fragmenter.has_input()).then(|| self.output.pulse.due())
    }

    /// Completes when [`Self::keepalive_due`] says, as things are now.
    pub(in crate::imap) fn silence(&mut self) -> impl Future<Output = ()> + use<> {
        let due = self.keepalive_due();
        async move {
            match due {
                Some(due) => sleep_until(due).await,
                None => pending().await,
            }
        }
    }

    /// Whether it is time: octets that are no line, or a line, may have passed since the wait began.
    pub(in crate::imap) fn is_silent_for_long(&mut self) -> bool {
        self.keepalive_due().is_some_and(|due| due <= Instant::now())
    }

    /// The client has logged in from a network of which this is known.
    pub(in crate::imap) fn set_path(&mut self, path: SharedPath) {
        self.output.pulse.set_path(path);
    }

    /// The connection has ended in this error: the silence may be to blame.
    pub(in crate::imap) fn failed(&mut self, error: &io::Error) {
        self.output.pulse.failed(error);
    }

    /// Begins to compress, after the OK of COMPRESS, which is sent as it is (RFC 4978 section 3). The client has compressed
    /// what it sent after the command.
    pub(in crate::imap) async fn start_compression(&mut self) -> io::Result<()> {
        self.output.flush().await?;
        let mut inflater = Inflater::default();
        inflater.push(&self.input.fragmenter.take_rest());
        self.input.inflater = Some(Box::new(inflater));
        self.output.deflater = Some(Deflater::default());
        Ok(())
    }

    /// Whether COMPRESS is active.
    pub(in crate::imap) fn is_compressed(&self) -> bool {
        self.output.deflater.is_some()
    }

    /// Ends compression after the OK of UNAUTHENTICATE; the client has ended its own after the command (RFC 8437 section 4.1).
    pub(in crate::imap) async fn end_compression(&mut self) -> io::Result<()> {
        let Some(inflater) = self.input.inflater.take() else { return Ok(()) };
        self.output.write_out(Flush::End).await?;
        self.output.deflater = None;
        self.output.flush().await?;
        self.input.ending = Some(Vec::new());
        self.input.plain(&inflater.end()?);
        Ok(())
    }

    /// Upgrades the stream after the OK of STARTTLS has been flushed. Nothing the client sent before it survives
    /// (RFC 9051 section 6.2.1; the injection attack of CVE-2011-0411).
    pub(in crate::imap) async fn start_tls(mut self, acceptor: &TlsAcceptor, within: Duration) -> io::Result<Self> {
        self.input.fragmenter.clear();
        let stream =
            timeout(within, acceptor.accept(self.output.stream)).await.map_err(|_| io::ErrorKind::TimedOut)??;
        self.output.stream = Box::new(stream);
        Ok(self)
    }
}

impl Input {
    /// Inflates some of what has been received; whether there was any.
    fn inflate(&mut self) -> Result<bool, ReadError> {
        let Some(inflater) = &mut self.inflater else { return Ok(false) };
        let mut plain = Vec::new();
        inflater.step(&mut plain).map_err(|Damaged| ReadError::Damaged)?;
        self.fragmenter.push(&plain);
        Ok(!plain.is_empty())
    }

    /// Takes octets as they are, without the end of a deflate stream before them.
    fn plain(&mut self, octets: &[u8]) {
        let Some(mut held) = self.ending.take() else { return self.fragmenter.push(octets) };
        held.extend_from_slice(octets);
        if LAST_BLOCKS.iter().any(|block| block.len() > held.len() && block.starts_with(&held)) {
            self.ending = Some(held);
            return;
        }
        let rest = LAST_BLOCKS.iter().find_map(|block| held.strip_prefix(*block));
        self.fragmenter.push(rest.unwrap_or(&held));
    }

    pub(in crate::imap) fn set_limits(&mut self, limits: Limits) {
        self.fragmenter.set_limits(limits);
    }

    /// Lets the announced APPEND literal come.
    pub(in crate::imap) fn accept_stream(&mut self) {
        self.fragmenter.accept_stream();
    }

    /// Refuses the announced APPEND literal.
    pub(in crate::imap) fn refuse(&mut self) {
        self.fragmenter.refuse();
    }
}

impl Output {
    /// The buffer, for the codec to append to.
    pub(in crate::imap) fn buf(&mut self) -> &mut Vec<u8> {
        &mut self.buf
    }

    /// Appends text as it stands.
    pub(in crate::imap) fn push(&mut self, text: impl AsRef<[u8]>) {
        self.buf.extend_from_slice(text.as_ref());
    }

    /// Appends a whole line.
    pub(in crate::imap) fn line(&mut self, line: impl AsRef<[u8]>) {
        self.push(line);
        self.push("\r\n");
    }

    /// Writes out what has been collected once it is much. Compressed, some of it may stay behind until the next flush. Handlers call it between responses.
    pub(in crate::imap) async fn relieve(&mut self) -> io::Result<()> {
        if self.buf.len() >= RELIEVE_AT { self.write_out(Flush::None).await } else { Ok(()) }
    }

    /// Writes out all that has been collected.
    pub(in crate::imap) async fn flush(&mut self) -> io::Result<()> {
        self.write_out(Flush::All).await?;
        if self.buf.capacity() > KEEP_CAPACITY {
            self.buf.shrink_to(KEEP_CAPACITY);
        }
        timeout(self.stall, self.stream.flush()).await.map_err(|_| Stalled::error())?
    }

    async fn write_out(&mut self, flush: Flush) -> io::Result<()> {
        let packed;
        let mut rest = match &mut self.deflater {
            None => self.buf.as_slice(),
            Some(deflater) => {
                let mut out = Vec::new();
                deflater.pack(&self.buf, flush, &mut out)?;
                packed = out;
                packed.as_slice()
            }
        };
        while !rest.is_empty() {
            let n = timeout(self.stall, self.stream.write(rest)).await.map_err(|_| Stalled::error())??;
            if n == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.sent.inc_by(n as u64);
            self.pulse.sent();
            rest = &rest[n..];
        }
        self.buf.clear();
        Ok(())
    }

    /// Closes the writing side in order (TLS close_notify, FIN).
    pub(in crate::imap) async fn shutdown(&mut self) {
        // The peer may be gone already; there is nothing to do about it.
        let _ = timeout(self.stall.min(Duration::from_secs(5)), self.stream.shutdown()).await;
    }
}

impl From<Damaged> for io::Error {
    fn from(Damaged: Damaged) -> Self {
        Self::new(io::ErrorKind::InvalidData, "not a deflate stream")
    }
}
