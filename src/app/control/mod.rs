//! The control socket, `control.sock` in the data directory: by it the commands ask and tell the running service.
//!
//! Only the service's own user and root get an answer. Each connection is one request and one answer, each a line of
//! bounded length (`protocol`), with lines of progress between them where it takes long; `commands` does what is asked.

mod commands;
mod path;
pub(crate) mod protocol;

use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use path::Reach;

pub(super) use commands::Commands;
use protocol::{Progress, answer_line, parse_request, progress_line};

/// Connections at once; further ones wait in the backlog.
const CONNECTIONS: usize = 32;

/// A request with its end of line.
const MAX_REQUEST: usize = 4096;

/// For the request to arrive, and for the answer to be taken.
const PATIENCE: Duration = Duration::from_secs(10);

/// After an accept error, which is usually a lack of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// The bound socket. The file goes when it is dropped.
pub(super) struct Socket {
    listener: UnixListener,
    path: PathBuf,
    /// The user whose file it is, who is the one that the service runs as.
    owner: u32,
}

impl Socket {
    /// Binds the socket of this data directory; one that a dead service left is replaced. `None`, with a warning, where
    /// there can be none: the service is worth more than its control.
    ///
    /// An error says that a service which is alive has it.
    pub(super) async fn bind(data_dir: &Path) -> anyhow::Result<Option<Self>> {
        let path = path::of(data_dir);
        if is_alive(data_dir, &path).await {
            bail!("already running: a service answers at {}", path.display());
        }
        let bound = bind(data_dir, &path).with_context(|| format!("control socket {}", path.display()));
        Ok(bound.inspect_err(|error| tracing::warn!("no status, poll or pause by command: {error:#}")).ok())
    }

    /// Serves requests until `shutdown`.
    pub(super) async fn run(self, commands: Commands, shutdown: CancellationToken) {
        let (commands, permits) = (Arc::new(commands), Arc::new(Semaphore::new(CONNECTIONS)));
        let connections = TaskTracker::new();
        loop {
            // The permit comes first, so that a flood waits in the kernel and not here.
            let accepted = async {
                let permit = Arc::clone(&permits).acquire_owned().await.map_err(io::Error::other)?;
                Ok::<_, io::Error>((self.listener.accept().await?.0, permit))
            };
            let accepted = tokio::select! {
                () = shutdown.cancelled() => break,
                accepted = accepted => accepted,
            };
            match accepted {
                Ok((stream, _)) if !self.may(&stream) => drop(stream),
                Ok((stream, permit)) => {
                    let (commands, shutdown) = (Arc::clone(&commands), shutdown.clone());
                    connections.spawn(async move {
                        if let Err(error) = serve(stream, &commands, &shutdown).await {
                            tracing::debug!(%error, "control connection");
                        }
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a control connection");
                    tokio::select! {
                        () = shutdown.cancelled() => break,
                        () = tokio::time::sleep(ACCEPT_PAUSE) => {}
                    }
                }
            }
        }
        drop(self);
        connections.close();
        connections.wait().await;
    }

    /// Beside the file's mode, which a copy or an operator may have changed.
    fn may(&self, stream: &UnixStream) -> bool {
        stream.peer_cred().is_ok_and(|peer| is_trusted(peer.uid(), self.owner))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Whoever starts next replaces it if this fails.
        let _ = std::fs::remove_file(&self.path);
    }
}

const fn is_trusted(peer: u32, owner: u32) -> bool {
    peer == owner || peer == 0
}

/// Whether a service answers there.
async fn is_alive(data_dir: &Path, path: &Path) -> bool {
    if !std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        return false;
    }
    let Ok(reach) = Reach::of(data_dir) else { return false };
    timeout(PATIENCE, UnixStream::connect(reach.path())).await.is_ok_and(|connected| connected.is_ok())
}

/// Makes the socket in a directory that nobody else may enter, and moves it to its place when its mode is right: at no
/// time could another user connect.
fn bind(data_dir: &Path, path: &Path) -> anyhow::Result<Socket> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => bail!("there is something else that is no socket"),
        _ => {}
    }
    let private = tempfile::Builder::new()
        .prefix(".control-")
        .permissions(std::fs::Permissions::from_mode(0o700))
        .tempdir_in(data_dir)?;
    let reach = Reach::of(private.path())?;
    let listener = UnixListener::bind(reach.path())?;
    let made = path::of(private.path());
    std::fs::set_permissions(&made, std::fs::Permissions::from_mode(0o600))?;
    let owner = std::fs::symlink_metadata(&made)?.uid();
    std::fs::rename(&made, path)?;
    Ok(Socket { listener, path: path.to_owned(), owner })
}

/// One request and its answer. A client that goes away gives up the answer, not what it asked for.
async fn serve(mut stream: UnixStream, commands: &Commands, shutdown: &CancellationToken) -> io::Result<()> {
    let (reading, mut writing) = stream.split();
    let mut reading = BufReader::new(reading.take(MAX_REQUEST as u64 + 1));
    let mut line = Vec::new();
    let read = tokio::select! {
        read = timeout(PATIENCE, reading.read_until(b'\n', &mut line)) => read,
        () = shutdown.cancelled() => return Ok(()),
    };
    read.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    if line.is_empty() {
        return Ok(());
    }
    let answer = if line.len() > MAX_REQUEST {
        Err(format!("a request has at most {MAX_REQUEST} bytes"))
    } else if !line.ends_with(b"\n") {
        return Ok(());
    } else {
        match parse_request(&line) {
            Err(error) => Err(error),
            Ok(request) => {
                let (told, mut progress) = watch::channel(Progress::default());
                let mut answer = std::pin::pin!(commands.obey(request, told));
                loop {
                    tokio::select! {
                        biased;
                        answer = &mut answer => break answer,
                        // Nothing follows a request: readable is at its end.
                        _ = reading.read_u8() => return Ok(()),
                        () = shutdown.cancelled() => break Err("the service is stopping".to_owned()),
                        // Only the newest counts, so a slow reader holds up nothing.
                        Ok(()) = progress.changed() => {
                            let line = progress_line(&progress.borrow_and_update()).map_err(io::Error::other)?;
                            write(&mut writing, &line).await?;
                        }
                    }
                }
            }
        }
    };
    write(&mut writing, &answer_line(answer).map_err(io::Error::other)?).await?;
    writing.shutdown().await
}

async fn write(stream: &mut (impl AsyncWriteExt + Unpin), line: &[u8]) -> io::Result<()> {
    timeout(PATIENCE, stream.write_all(line)).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

#[cfg(test)]
mod tests;
