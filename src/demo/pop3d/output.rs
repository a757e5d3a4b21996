//! The connection of one session: reads commands, and writes answers with whatever faults are due in their bytes.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio_rustls::TlsAcceptor;

use super::fault::{At, Damage};
use super::quirks::Chunks;
use super::{Shared, Traffic};

/// The longest command line (RFC 2449 section 4 says 255), which may be one of an AUTH exchange (RFC 5034 section 4).
const MAX_LINE: u64 = 12 * 1024;

/// What a session speaks over.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// One connection. Counts what it sends, before TLS.
pub(super) struct Wire<'a> {
    io: BufReader<Box<dyn Stream + 'a>>,
    /// Of the TLS channel (RFC 9266).
    binding: Option<[u8; 32]>,
    shared: Arc<Shared>,
    chunks: Chunks,
    random: u64,
    traffic: Traffic,
    /// Where the present answer began.
    answer_at: u64,
    /// Faults that have happened in this session, by serial.
    happened: Vec<u64>,
}

impl<'a> Wire<'a> {
    pub(super) fn new(stream: Box<dyn Stream + 'a>, shared: Arc<Shared>, chunks: Chunks) -> Self {
        Self {
            io: BufReader::new(stream),
            binding: None,
            shared,
            chunks,
            random: 0,
            traffic: Traffic::default(),
            answer_at: 0,
            happened: Vec::new(),
        }
    }

    /// The same connection behind a TLS handshake; what came before it is dropped (RFC 2595 section 4).
    pub(super) async fn secured(self, tls: Arc<rustls::ServerConfig>) -> io::Result<Self> {
        let stream = TlsAcceptor::from(tls).accept(self.io.into_inner()).await?;
        let binding = stream.get_ref().1.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(b"")).ok();
        let stream: Box<dyn Stream + 'a> = Box::new(stream);
        Ok(Self { io: BufReader::new(stream), binding, ..self })
    }

    /// What a login can be bound to: the data of `tls-exporter`, where it is defined.
    pub(super) fn binding(&self) -> Option<&[u8]> {
        self.binding.as_ref().map(<[u8; 32]>::as_slice)
    }

    /// The next command line; `None` at the end of the connection. An answer begins with it.
    pub(super) async fn read_line(&mut self) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        if (&mut self.io).take(MAX_LINE).read_until(b'\n', &mut line).await? == 0 {
            return Ok(None);
        }
        self.traffic.answers += 1;
        self.answer_at = self.traffic.octets;
        self.publish();
        Ok(Some(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned()))
    }

    /// Whether more has come than was read.
    pub(super) fn has_more(&self) -> bool {
        !self.io.buffer().is_empty()
    }

    /// Loses what has come and was not read.
    pub(super) fn drop_input(&mut self) {
        let length = self.io.buffer().len();
        self.io.consume(length);
    }

    /// From here on bytes count as after the login.
    pub(super) fn logged_in(&mut self) {
        self.traffic.login_octets = self.traffic.octets;
    }

    /// Writes a line.
    pub(super) async fn say(&mut self, line: &str) -> io::Result<()> {
        self.write(format!("{line}\r\n").as_bytes()).await
    }

    /// Writes, unless a fault comes before the end of the bytes.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while let Some((before, damage)) = self.due(rest.len()) {
            let (sound, after) = rest.split_at_checked(before).unwrap_or((rest, &[]));
            self.put(sound).await?;
            rest = match damage {
                Damage::Cut => {
                    self.close().await?;
                    return Err(io::ErrorKind::ConnectionAborted.into());
                }
                Damage::Reset => {
                    self.io.flush().await?;
                    return Err(io::ErrorKind::ConnectionReset.into());
                }
                Damage::Stall => {
                    self.io.flush().await?;
                    return self.stall().await;
                }
                Damage::Overwrite(noise) => {
                    let (lost, after) = after.split_at_checked(noise.len()).unwrap_or((after, &[]));
                    self.put(noise.get(..lost.len()).unwrap_or_default()).await?;
                    after
                }
                Damage::Insert(noise) => {
                    self.io.write_all(&noise).await?;
                    after
                }
            };
        }
        self.put(rest).await?;
        self.io.flush().await
    }

    /// Says nothing until the client goes.
    pub(super) async fn stall(&mut self) -> io::Result<()> {
        let mut ignored = [0; 512];
        while self.io.read(&mut ignored).await? > 0 {}
        Err(io::ErrorKind::ConnectionAborted.into())
    }

    /// Ends the connection behind what was written.
    pub(super) async fn close(&mut self) -> io::Result<()> {
        self.io.shutdown().await
    }

    /// Tells what was sent so far.
    pub(super) fn publish(&self) {
        self.shared.lock().traffic = self.traffic;
    }

    /// The first fault within the next bytes, and how many come before it; uses it up.
    fn due(&mut self, length: usize) -> Option<(usize, Damage)> {
        let mut maildrop = self.shared.lock();
        let from = self.traffic.octets;
        let place = |at: At| match at {
            At::Byte(byte) => Some(byte),
            At::ByteAfterLogin(byte) => {
                Some(self.traffic.login_octets + byte).filter(|_| self.traffic.login_octets > 0)
            }
            At::Answer(answer, byte) => Some(self.answer_at + byte).filter(|_| answer == self.traffic.answers),
        };
        let within = |at: At| {
            let before = usize::try_from(place(at)?.checked_sub(from)?).ok()?;
            (before < length).then_some(before)
        };
        let open = maildrop
            .output_faults
            .iter_mut()
            .filter(|(serial, fault)| fault.times != Some(0) && !self.happened.contains(serial));
        let (before, serial, fault) = open
            .filter_map(|(serial, fault)| Some((within(fault.at)?, *serial, fault)))
            .min_by_key(|(before, ..)| *before)?;
        fault.times = fault.times.map(|times| times.saturating_sub(1));
        let damage = fault.damage.clone();
        self.happened.push(serial);
        maildrop.counters.faults += 1;
        drop(maildrop);
        self.shared.changed();
        Some((before, damage))
    }

    async fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.traffic.octets += bytes.len() as u64;
        if self.chunks == Chunks::Whole {
            return self.io.write_all(bytes).await;
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let size = self.chunks.next(&mut self.random);
            let (chunk, after) = rest.split_at_checked(size).unwrap_or((rest, &[]));
            self.io.write_all(chunk).await?;
            self.io.flush().await?;
            // Lets a client of the same runtime read before more comes.
            tokio::task::yield_now().await;
            rest = after;
        }
        Ok(())
    }
}
