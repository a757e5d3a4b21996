//! A program as a connection: its standard input and output are what goes to the server and comes from it.
//!
//! A task of its own waits for the program, so that none is left behind as a zombie: it ends it, with the programs that
//! it started, when the connection is dropped. What it writes to standard error is read so that it never blocks on it.

use std::io;
use std::pin::Pin;
use std::process::{ExitStatus, Stdio};
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, BufReader, ReadBuf};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Error;

/// Octets kept of a line of standard error; the rest is dropped.
const MAX_LINE: usize = 200;

/// Lines of standard error logged for one connection; the rest is read and dropped.
const MAX_LOGGED: usize = 100;

/// Patience with the end of a program that has closed its output.
const GRACE: Duration = Duration::from_secs(1);

/// Patience with the end of standard error when the program has ended: another may hold it open.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// The connection that a program carries.
pub(super) struct Tunnel {
    /// `None` once shut down: the program sees the end of its input.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

/// The program, which ends when this is dropped. It outlives its connection to tell why that failed.
pub(super) struct Program {
    name: String,
    told: watch::Receiver<Told>,
    _ends_it: DropGuard,
}

#[derive(Default)]
struct Told {
    last_line: String,
    ended: Option<String>,
}

impl Program {
    /// Starts the program, the first word, with the others as its arguments. No shell is involved.
    pub(super) fn start(words: &[String]) -> Result<(Self, Tunnel), Error> {
        let Some((program, arguments)) = words.split_first() else {
            return Err(Error::Connect("tunnel: no program".to_owned()));
        };
        let failed = |error: io::Error| Error::Connect(format!("tunnel {program}: it cannot be started: {error}"));
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A group of its own, so that what it starts ends with it.
        let mut child = command.process_group(0).kill_on_drop(true).spawn().map_err(failed)?;
        let (Some(input), Some(output), Some(errors)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(failed(io::Error::other("no pipes")));
        };
        let (sender, told) = watch::channel(Told::default());
        let dropped = CancellationToken::new();
        tokio::spawn(supervise(child, errors, program.clone(), dropped.clone(), sender));
        let program = Self { name: program.clone(), told, _ends_it: dropped.drop_guard() };
        Ok((program, Tunnel { input: Some(input), output: BufReader::new(output) }))
    }

    /// Waits until there is something to read.
    pub(super) async fn first_octet(&mut self, tunnel: &mut Tunnel, deadline: Instant) -> Result<(), Error> {
        match timeout_at(deadline, tunnel.output.fill_buf()).await {
            Ok(Ok(octets)) if !octets.is_empty() => Ok(()),
            Ok(_) => Err(self.ended(deadline).await),
            Err(_) => Err(Error::ConnectTimeout(self.says("no answer", &self.told.borrow().last_line))),
        }
    }

    /// Why the program closed the connection.
    pub(super) async fn ended(&mut self, deadline: Instant) -> Error {
        let patience = deadline.min(Instant::now() + GRACE);
        // Out of time, or the task is gone with the runtime: then it has only closed its output.
        let _ = timeout_at(patience, self.told.wait_for(|told| told.ended.is_some())).await;
        let told = self.told.borrow();
        let how = told.ended.as_deref().unwrap_or("it closed its output");
        Error::Connect(self.says(how, &told.last_line))
    }

    fn says(&self, what: &str, last_line: &str) -> String {
        let colon = if last_line.is_empty() { "" } else { ": " };
        format!("tunnel {}: {what}{colon}{last_line}", self.name)
    }
}

/// Reads what the program says and waits for its end, which it brings about when the connection is dropped.
async fn supervise(
    mut child: Child,
    mut errors: ChildStderr,
    program: String,
    dropped: CancellationToken,
    told: watch::Sender<Told>,
) {
    let mut lines = Lines { told: &told, program: &program, line: Vec::new(), logged: 0 };
    let mut buffer = [0; 1024];
    let mut open = true;
    let status = loop {
        tokio::select! {
            status = child.wait() => break status,
            () = dropped.cancelled() => break kill(&mut child).await,
            read = errors.read(&mut buffer), if open => open = lines.push(&buffer, read),
        }
    };
    // What it wrote last is in the pipe still.
    let until = Instant::now() + LAST_WORDS;
    while open && !dropped.is_cancelled() {
        let Ok(read) = timeout_at(until, errors.read(&mut buffer)).await else { break };
        open = lines.push(&buffer, read);
    }
    lines.end();
    let how = ended(status);
    tracing::debug!(program, "the tunnel's program: {how}");
    told.send_modify(|told| told.ended = Some(how));
}

/// Ends the program and its group. It is not yet waited for, so its id is its own.
async fn kill(child: &mut Child) -> io::Result<ExitStatus> {
    let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    // It may have ended by itself.
    let _ = id.map(|group| kill_process_group(group, Signal::KILL));
    let _ = child.start_kill();
    child.wait().await
}

fn ended(status: io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => format!("it ended with {status}"),
        Err(error) => format!("it cannot be waited for: {error}"),
    }
}

/// Standard error in lines, bounded.
struct Lines<'a> {
    told: &'a watch::Sender<Told>,
    program: &'a str,
    line: Vec<u8>,
    logged: usize,
}

impl Lines<'_> {
    /// Whether more can come.
    fn push(&mut self, buffer: &[u8], read: io::Result<usize>) -> bool {
        let octets = read.ok().and_then(|length| buffer.get(..length)).unwrap_or_default();
        for octet in octets {
            match octet {
                b'\n' => self.end(),
                _ if self.line.len() < MAX_LINE => self.line.push(*octet),
                _ => {}
            }
        }
        !octets.is_empty()
    }

    fn end(&mut self) {
        let text = String::from_utf8_lossy(&self.line);
        let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let text = text.trim().to_owned();
        self.line.clear();
        if text.is_empty() {
            return;
        }
        if self.logged < MAX_LOGGED {
            self.logged += 1;
            tracing::debug!(program = self.program, "the tunnel's program says: {text}");
        }
        self.told.send_modify(|told| told.last_line = text);
    }
}

impl AsyncRead for Tunnel {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.output).poll_read(cx, buf)
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.input {
            Some(input) => Pin::new(input).poll_write(cx, buf),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.input {
            Some(input) => Pin::new(input).poll_flush(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    /// A pipe has no half: closing it is what tells the program.
    fn poll_shutdown(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.input = None;
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    fn sh(script: &str) -> (Program, Tunnel) {
        Program::start(&["/bin/sh", "-c", script].map(str::to_owned)).expect("started")
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(30)
    }

    #[tokio::test]
    async fn octets_go_through_the_program_both_ways() {
        let (mut program, mut tunnel) = Program::start(&["cat".to_owned()]).expect("started");
        tunnel.write_all(b"hello").await.expect("written");
        program.first_octet(&mut tunnel, soon()).await.expect("something to read");
        tunnel.shutdown().await.expect("shut down");
        let mut read = Vec::new();
        tunnel.read_to_end(&mut read).await.expect("read");
        assert_eq!(read, b"hello");
        assert_eq!(tunnel.write(b"x").await.expect_err("closed").kind(), io::ErrorKind::BrokenPipe);
    }

    #[tokio::test]
    async fn no_shell_looks_at_the_words() {
        let words = ["echo", "$HOME", ";", "id"].map(str::to_owned);
        let (_program, mut tunnel) = Program::start(&words).expect("started");
        let mut read = String::new();
        tunnel.read_to_string(&mut read).await.expect("read");
        assert_eq!(read, "$HOME ; id\n");
    }

    #[tokio::test]
    async fn a_program_that_cannot_be_started_is_named() {
        let Err(error) = Program::start(&["/no/such/program".to_owned(), "secret".to_owned()]) else {
            panic!("it started");
        };
        assert_eq!(error.result().label(), "connect");
        let error = error.to_string();
        assert!(error.starts_with("cannot connect: tunnel /no/such/program: it cannot be started: No such file"));
        assert!(!error.contains("secret"));
        assert!(Program::start(&[]).is_err());
    }

    #[tokio::test]
    async fn a_program_that_ends_at_once_is_quoted() {
        let (mut program, mut tunnel) = sh("echo one >&2; printf 'two\\001\\n' >&2; exit 3");
        let error = program.first_octet(&mut tunnel, soon()).await.expect_err("ended");
        assert_eq!(error.to_string(), "cannot connect: tunnel /bin/sh: it ended with exit status: 3: two");
        // A connection that is gone does not end the program before it has told.
        let (mut program, tunnel) = sh("read line; echo last >&2; exit 4");
        drop(tunnel);
        let error = program.ended(soon()).await;
        assert_eq!(error.to_string(), "cannot connect: tunnel /bin/sh: it ended with exit status: 4: last");
        let (mut program, mut tunnel) = sh("exec >&-; read line");
        let error = program.first_octet(&mut tunnel, soon()).await.expect_err("closed");
        assert_eq!(error.to_string(), "cannot connect: tunnel /bin/sh: it closed its output");
    }

    #[tokio::test]
    async fn what_it_says_is_bounded_and_never_blocks_it() {
        // A line at the bound, one past it, and more than a pipe holds.
        for (length, kept) in [(MAX_LINE, MAX_LINE), (MAX_LINE + 1, MAX_LINE), (200_000, MAX_LINE)] {
            let (mut program, mut tunnel) = sh(&format!("head -c {length} /dev/zero | tr '\\0' x >&2; echo said"));
            let mut read = String::new();
            tunnel.read_to_string(&mut read).await.expect("read");
            assert_eq!(read, "said\n");
            let error = program.ended(soon()).await.to_string();
            assert!(error.ends_with(&format!(": {}", "x".repeat(kept))), "{length}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_program_that_says_nothing_is_given_up_at_the_deadline() {
        let started = Instant::now();
        let (mut program, mut tunnel) = sh("exec sleep 1000");
        let error = program.first_octet(&mut tunnel, started + Duration::from_secs(30)).await.expect_err("no answer");
        assert_eq!(error.to_string(), "no connection in time: tunnel /bin/sh: no answer");
        assert_eq!((error.result().label(), started.elapsed().as_secs()), ("timeout", 30));
    }

    #[tokio::test]
    async fn dropping_the_connection_ends_the_program_and_what_it_started() {
        // Both hold the write end of standard error: its end is seen when both are gone and waited for.
        let (program, mut tunnel) = sh("sleep 1000 & echo $! $$; exec sleep 1000");
        let mut line = String::new();
        tunnel.output.read_line(&mut line).await.expect("ids");
        let ids: Vec<i32> = line.split_whitespace().map(|id| id.parse().expect("id")).collect();
        let mut told = program.told.clone();
        drop(program);
        let ended = told.wait_for(|told| told.ended.is_some()).await.expect("supervised").ended.clone();
        assert_eq!(ended.as_deref(), Some("it ended with signal: 9 (SIGKILL)"));
        // Waited for: not even a zombie has this id now.
        let leader = Pid::from_raw(ids[1]).expect("id");
        assert_eq!(rustix::process::test_kill_process(leader), Err(rustix::io::Errno::SRCH));
        // The other is no child of ours: whoever inherits it waits for it.
        let other = std::path::PathBuf::from(format!("/proc/{}/stat", ids[0]));
        while std::fs::read_to_string(&other).is_ok_and(|stat| !stat.contains(") Z ") && !stat.contains(") X ")) {
            tokio::task::yield_now().await;
        }
    }
}
