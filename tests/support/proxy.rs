//! A TCP proxy on loopback between the service and a maildrop, which a test can shut, or stop at a chosen byte or line.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// What the proxy does with the next traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gate {
    /// All passes.
    Open,
    /// Nothing passes, connections are kept waiting.
    Shut,
    /// The server's bytes pass until this many have in all; then the gate shuts and the test is told.
    AfterBytes(u64),
    /// The client's bytes pass until it sends a line that begins so; then the gate shuts and the test is told.
    BeforeLine(&'static str),
}

struct Shared {
    gate: Mutex<Gate>,
    moved: Condvar,
    from_server: AtomicU64,
    /// Connections of an earlier generation are dead: their bytes neither pass nor count.
    generation: AtomicU64,
    told: Sender<()>,
}

pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    stops: Receiver<()>,
}

impl Proxy {
    pub fn start(upstream: SocketAddr, gate: Gate) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let (told, stops) = channel();
        let shared = Arc::new(Shared {
            gate: Mutex::new(gate),
            moved: Condvar::new(),
            from_server: AtomicU64::new(0),
            generation: AtomicU64::new(0),
            told,
        });
        let proxy = Self { address: listener.local_addr().unwrap(), shared: Arc::clone(&shared), stops };
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(upstream) else { continue };
                let (c2, s2) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let generation = shared.generation.load(Ordering::SeqCst);
                let (one, two) = (Arc::clone(&shared), Arc::clone(&shared));
                std::thread::spawn(move || copy(client, s2, |data| one.client_sent(data, generation)));
                std::thread::spawn(move || copy(server, c2, |data| two.server_sent(data, generation)));
            }
        });
        proxy
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Bytes the server has sent through in all.
    pub fn bytes_passed(&self) -> u64 {
        self.shared.from_server.load(Ordering::SeqCst)
    }

    /// Sets the gate and forgets earlier stops.
    pub fn set(&self, gate: Gate) {
        let mut current = self.shared.gate.lock().unwrap_or_else(PoisonError::into_inner);
        while self.stops.try_recv().is_ok() {}
        *current = gate;
        self.shared.moved.notify_all();
    }

    /// Ends all connections there are, with what is still on its way in them.
    pub fn end_connections(&self) {
        // Under the lock: a thread that has looked at the generation is by then waiting, or has not yet looked.
        let gate = self.shared.gate.lock().unwrap_or_else(PoisonError::into_inner);
        self.shared.generation.fetch_add(1, Ordering::SeqCst);
        drop(gate);
        self.shared.moved.notify_all();
    }

    /// Waits until the gate has shut by itself; false when the limit passes first.
    pub fn stopped_within(&self, limit: std::time::Duration) -> bool {
        self.stops.recv_timeout(limit).is_ok()
    }
}

impl Shared {
    /// How many of the bytes may pass now; blocks while none may. `None` ends the connection.
    fn server_sent(&self, data: &[u8], generation: u64) -> Option<usize> {
        let mut gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        while self.generation.load(Ordering::SeqCst) == generation {
            let sent = self.from_server.load(Ordering::SeqCst);
            let allowed = match *gate {
                Gate::Open | Gate::BeforeLine(_) => data.len(),
                Gate::Shut => 0,
                Gate::AfterBytes(limit) => {
                    usize::try_from(limit.saturating_sub(sent)).unwrap_or(usize::MAX).min(data.len())
                }
            };
            if allowed > 0 {
                self.from_server.fetch_add(allowed as u64, Ordering::SeqCst);
                return Some(allowed);
            }
            if *gate != Gate::Shut {
                *gate = Gate::Shut;
                let _ = self.told.send(());
            }
            gate = self.moved.wait(gate).unwrap_or_else(PoisonError::into_inner);
        }
        None
    }

    fn client_sent(&self, data: &[u8], generation: u64) -> Option<usize> {
        let mut gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        while self.generation.load(Ordering::SeqCst) == generation {
            let stop = match *gate {
                Gate::Open | Gate::AfterBytes(_) => None,
                Gate::Shut => Some(0),
                Gate::BeforeLine(start) => line_starting(data, start.as_bytes()),
            };
            match stop {
                None => return Some(data.len()),
                Some(0) => {
                    if *gate != Gate::Shut {
                        *gate = Gate::Shut;
                        let _ = self.told.send(());
                    }
                    gate = self.moved.wait(gate).unwrap_or_else(PoisonError::into_inner);
                }
                Some(before) => return Some(before),
            }
        }
        None
    }
}

/// Where a line that begins with `start` begins. Commands reach the proxy whole: clients write them in one piece.
fn line_starting(data: &[u8], start: &[u8]) -> Option<usize> {
    let begins = std::iter::once(0).chain(data.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| at + 1));
    begins.into_iter().find(|at| data.get(*at..).is_some_and(|rest| rest.starts_with(start)))
}

fn copy(mut from: TcpStream, mut to: TcpStream, pass: impl Fn(&[u8]) -> Option<usize>) {
    let mut buffer = vec![0; 16384];
    let _ = to.set_nodelay(true);
    while let Ok(n) = from.read(&mut buffer) {
        // A server that writes small pieces waits for the acknowledgement of each.
        #[cfg(target_os = "linux")]
        let _ = rustix::net::sockopt::set_tcp_quickack(&from, true);
        let mut rest = &buffer[..n];
        if rest.is_empty() {
            break;
        }
        while !rest.is_empty() {
            let Some(n) = pass(rest) else {
                // Else the side that waits for an answer learns nothing of the end.
                let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
                return;
            };
            if to.write_all(&rest[..n]).is_err() {
                return;
            }
            rest = &rest[n..];
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
