//! Waiting for a condition, with a deadline that names it.

use std::time::{Duration, Instant};

/// How long to leave the processor to the others between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// Evaluates `look` until it yields a value; panics naming `what` when the limit passes.
pub fn until<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + limit;
    loop {
        if let Some(value) = look() {
            return value;
        }
        assert!(Instant::now() < end, "waited {limit:?} in vain: {what}");
        std::thread::park_timeout(PAUSE);
    }
}
