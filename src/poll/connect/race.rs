//! Connects to whichever address of a host answers first (RFC 8305, happy eyeballs).

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::{Error, resolve};

/// How long an attempt is alone before the next one begins (RFC 8305 section 8).
const HEAD_START: Duration = Duration::from_millis(250);

/// The least head start, however many addresses share the time that is left (RFC 8305 section 8).
const MIN_HEAD_START: Duration = Duration::from_millis(10);

/// Addresses tried at most: a bound on what a name server can make us do.
const MAX_ADDRESSES: usize = 32;

/// Failures told in an error; the rest is counted.
const MAX_TOLD: usize = 4;

/// Resolves the name and connects.
pub(super) async fn connect(host: &str, port: u16, deadline: Instant) -> Result<TcpStream, Error> {
    let addresses = resolve::addresses(host, lookup_host((host, port)), deadline).await?;
    let stream = race(&addresses, TcpStream::connect::<SocketAddr>, deadline).await?;
    // Commands are short and answers awaited: never hold them back.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// The first attempt that goes well wins, the others are dropped. An attempt begins when the one before has failed or
/// has had its head start; each address gets its attempt before the deadline.
pub(super) async fn race<T, A, F>(addresses: &[SocketAddr], attempt: A, deadline: Instant) -> Result<T, Error>
where
    T: Send + 'static,
    A: Fn(SocketAddr) -> F,
    F: Future<Output = io::Result<T>> + Send + 'static,
{
    let mut queue = interleaved(addresses);
    let share = deadline.saturating_duration_since(Instant::now()) / u32::try_from(queue.len() + 1).unwrap_or(u32::MAX);
    let head_start = share.clamp(MIN_HEAD_START, HEAD_START);
    let (mut attempts, mut pending, mut failures) = (JoinSet::new(), Vec::new(), Vec::new());
    loop {
        if let Some(address) = queue.pop_front() {
            let connecting = attempt(address);
            attempts.spawn(async move { (address, connecting.await) });
            pending.push(address);
        }
        let next = Instant::now() + head_start;
        tokio::select! {
            biased;
            ended = attempts.join_next() => match ended {
                Some(Ok((_, Ok(stream)))) => return Ok(stream),
                Some(Ok((address, Err(error)))) => {
                    pending.retain(|other| *other != address);
                    failures.push(format!("{address}: {}", short(&error)));
                }
                // An attempt does not panic; if it did it would have failed.
                Some(Err(error)) => failures.push(error.to_string()),
                None => return Err(Error::Connect(told(&failures))),
            },
            () = sleep_until(deadline) => {
                failures.extend(pending.iter().chain(&queue).map(|address| format!("{address}: no answer")));
                return Err(Error::ConnectTimeout(told(&failures)));
            }
            () = sleep_until(next), if !queue.is_empty() => {}
        }
    }
}

/// The families in turn, beginning with the resolver's first choice; the order within each is kept (RFC 8305
/// section 4).
fn interleaved(addresses: &[SocketAddr]) -> VecDeque<SocketAddr> {
    let first_is_ipv6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (one, other): (Vec<SocketAddr>, Vec<_>) =
        addresses.iter().copied().partition(|address| address.is_ipv6() == first_is_ipv6);
    let (mut one, mut other) = (one.into_iter(), other.into_iter());
    let mut queue = VecDeque::new();
    while queue.len() < MAX_ADDRESSES {
        let before = queue.len();
        queue.extend(one.next().into_iter().chain(other.next()));
        if queue.len() == before {
            break;
        }
    }
    queue.truncate(MAX_ADDRESSES);
    queue
}

/// Without the number that the standard library appends.
fn short(error: &io::Error) -> String {
    let text = error.to_string();
    text.split_once(" (os error").map_or_else(|| text.clone(), |(words, _)| words.to_lowercase())
}

fn told(failures: &[String]) -> String {
    let mut text = failures.iter().take(MAX_TOLD).map(String::as_str).collect::<Vec<_>>().join("; ");
    if failures.len() > MAX_TOLD {
        text.push_str(&format!("; and {} more", failures.len() - MAX_TOLD));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::{Arc, Mutex};

    use tokio::time::sleep;

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(30);

    fn v6(n: u16) -> SocketAddr {
        SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, n], 995))
    }

    fn v4(n: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, n], 995))
    }

    /// When each address was tried, in milliseconds since the start.
    #[derive(Clone)]
    struct Log(Arc<Mutex<Vec<(SocketAddr, u128)>>>, Instant);

    impl Log {
        fn new() -> Self {
            Self(Arc::default(), Instant::now())
        }

        fn note(&self, address: SocketAddr) {
            self.0.lock().expect("lock").push((address, self.1.elapsed().as_millis()));
        }

        fn tried(&self) -> Vec<(SocketAddr, u128)> {
            self.0.lock().expect("lock").clone()
        }

        fn deadline(&self) -> Instant {
            self.1 + DEADLINE
        }
    }

    #[test]
    fn families_take_turns_and_the_first_choice_begins() {
        let mixed = [v6(1), v6(2), v6(3), v4(1)];
        assert_eq!(interleaved(&mixed), [v6(1), v4(1), v6(2), v6(3)]);
        assert_eq!(interleaved(&[v4(1), v4(2), v6(1)]), [v4(1), v6(1), v4(2)]);
        assert_eq!(interleaved(&[]), []);
    }

    #[test]
    fn no_more_addresses_are_tried_than_the_bound() {
        let many: Vec<_> = (0..100).map(v4).chain((0..100).map(v6)).collect();
        assert_eq!(interleaved(&many[..MAX_ADDRESSES]).len(), MAX_ADDRESSES);
        assert_eq!(interleaved(&many[..MAX_ADDRESSES + 1]).len(), MAX_ADDRESSES);
        assert_eq!(interleaved(&many).iter().filter(|address| address.is_ipv6()).count(), MAX_ADDRESSES / 2);
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_hangs_does_not_hold_up_the_others() {
        let log = Log::new();
        let attempt = |address: SocketAddr| {
            log.note(address);
            async move {
                if address != v4(2) {
                    pending::<()>().await;
                }
                sleep(Duration::from_millis(40)).await;
                Ok(address)
            }
        };
        let addresses = [v6(1), v6(2), v4(1), v4(2)];
        assert_eq!(race(&addresses, attempt, log.deadline()).await.expect("one answers"), v4(2));
        assert_eq!(log.tried(), [(v6(1), 0), (v4(1), 250), (v6(2), 500), (v4(2), 750)]);
        assert_eq!(log.1.elapsed().as_millis(), 790);
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_begins_at_once_when_one_fails() {
        let log = Log::new();
        let attempt = |address: SocketAddr| {
            log.note(address);
            async move { if address == v4(1) { Ok(address) } else { Err(io::ErrorKind::ConnectionRefused.into()) } }
        };
        assert_eq!(race(&[v6(1), v6(2), v4(1)], attempt, log.deadline()).await.expect("one answers"), v4(1));
        assert_eq!(log.tried(), [(v6(1), 0), (v4(1), 0)]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_to_answer_wins_even_if_it_began_first_and_is_slow() {
        let log = Log::new();
        let attempt = |address: SocketAddr| async move {
            sleep(Duration::from_millis(if address == v6(1) { 300 } else { 100 })).await;
            Ok(address)
        };
        assert_eq!(race(&[v6(1), v4(1)], attempt, log.deadline()).await.expect("both answer"), v6(1));
        assert_eq!(log.1.elapsed().as_millis(), 300);
    }

    #[tokio::test(start_paused = true)]
    async fn the_attempts_that_lose_are_dropped() {
        struct Held(Arc<()>);
        let held = Arc::new(());
        let log = Log::new();
        let attempt = |address: SocketAddr| {
            let held = Held(held.clone());
            async move {
                if address == v6(1) {
                    pending::<()>().await;
                }
                Ok(held)
            }
        };
        let won = race(&[v6(1), v4(1)], attempt, log.deadline()).await.expect("one answers");
        while Arc::strong_count(&held) > 2 {
            tokio::task::yield_now().await;
        }
        drop(won.0);
        assert_eq!(Arc::strong_count(&held), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn when_all_fail_each_failure_is_told() {
        let log = Log::new();
        let refused = |_| async { Err::<(), _>(io::Error::from_raw_os_error(111)) };
        let error = race(&[v6(1), v4(1)], refused, log.deadline()).await.expect_err("refused");
        let told = "cannot connect: [2001:db8::1]:995: connection refused; 192.0.2.1:995: connection refused";
        assert_eq!((error.to_string().as_str(), error.result().label()), (told, "connect"));
        let many: Vec<_> = (0..9).map(v4).collect();
        let error = race(&many, refused, log.deadline()).await.expect_err("refused");
        assert!(error.to_string().ends_with("192.0.2.3:995: connection refused; and 5 more"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn at_the_deadline_all_is_given_up() {
        let log = Log::new();
        let attempt = |address: SocketAddr| async move {
            if address.is_ipv6() {
                return Err(io::Error::from_raw_os_error(101));
            }
            pending::<io::Result<()>>().await
        };
        let error = race(&[v6(1), v4(1)], attempt, log.deadline()).await.expect_err("no answer");
        let told = "no connection in time: [2001:db8::1]:995: network is unreachable; 192.0.2.1:995: no answer";
        assert_eq!((error.to_string().as_str(), error.result().label()), (told, "timeout"));
        assert_eq!(log.1.elapsed(), DEADLINE);
    }

    #[tokio::test(start_paused = true)]
    async fn every_address_has_its_turn_however_short_the_time() {
        let log = Log::new();
        let attempt = |address: SocketAddr| {
            log.note(address);
            pending::<io::Result<()>>()
        };
        let addresses: Vec<_> = (0..9).map(v4).collect();
        let deadline = log.1 + Duration::from_secs(1);
        race(&addresses, attempt, deadline).await.expect_err("no answer");
        let tried = log.tried();
        assert_eq!(tried.len(), 9);
        assert!(tried.iter().all(|(_, at)| *at <= 900), "{tried:?}");
    }

    #[tokio::test]
    async fn a_closed_port_of_one_family_does_not_hide_the_other() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("listener");
        let open = listener.local_addr().expect("address");
        // Nobody listens there in IPv6, and where there is no IPv6 at all the attempt fails as well.
        let closed = SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], open.port()));
        let deadline = Instant::now() + DEADLINE;
        let stream = race(&[closed, open], TcpStream::connect::<SocketAddr>, deadline).await.expect("connected");
        assert_eq!(stream.peer_addr().expect("peer"), open);
    }
}
