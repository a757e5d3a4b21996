//! `panics_total`: counts panics of the whole process, 0 from the start so that `rate()` sees the first one.

use std::cell::Cell;
use std::panic;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, Once};

use prometheus::core::{Collector, Desc};
use prometheus::{IntCounter, proto};

static PANICS: AtomicU64 = AtomicU64::new(0);
static HOOK: Once = Once::new();

/// Installs, once, a hook that counts each panic and logs where it happened.
///
/// Only literal messages are logged: a formatted one (a failed index or UTF-8 slice, say) may quote message text (I10).
pub fn count_panics() {
    HOOK.call_once(|| {
        panic::set_hook(Box::new(|info| {
            if EXPECTED.get() {
                return;
            }
            PANICS.fetch_add(1, Ordering::Relaxed);
            let location = info.location().map_or_else(String::new, ToString::to_string);
            let message = info.payload().downcast_ref::<&'static str>().copied().unwrap_or("(message withheld)");
            let thread = std::thread::current();
            tracing::error!(location, thread = thread.name().unwrap_or(""), message, "panic");
        }));
    });
}

thread_local! {
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// Runs what may panic without a defect, as it reads what nobody vouches for; whoever catches the panic reports it. It is
/// neither counted nor logged.
pub fn expecting_panics<T>(run: impl FnOnce() -> T) -> T {
    struct Reset(bool);
    impl Drop for Reset {
        fn drop(&mut self) {
            EXPECTED.set(self.0);
        }
    }
    let _reset = Reset(EXPECTED.replace(true));
    run()
}

/// Shows the count when scraped.
pub(super) struct PanicCollector {
    shown: IntCounter,
    /// Held from reading to advancing, so that two scrapes at once cannot add the same panic twice.
    advance: Mutex<()>,
}

impl PanicCollector {
    pub(super) fn new() -> Self {
        let opts = super::opts("panics_total", "Panics caught since the start; each one is a defect.");
        #[allow(clippy::expect_used, reason = "the name is a literal that is valid")]
        let shown = IntCounter::with_opts(opts).expect("valid name");
        Self { shown, advance: Mutex::new(()) }
    }
}

impl Collector for PanicCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.shown.desc()
    }

    fn collect(&self) -> Vec<proto::MetricFamily> {
        if let Ok(_held) = self.advance.lock() {
            self.shown.inc_by(PANICS.load(Ordering::Relaxed).saturating_sub(self.shown.get()));
        }
        self.shown.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_a_panic() {
        count_panics();
        let before = PANICS.load(Ordering::Relaxed);
        assert!(std::thread::spawn(|| panic!("on purpose")).join().is_err());
        assert!(PANICS.load(Ordering::Relaxed) > before);
    }

    #[test]
    fn an_expected_panic_is_expected_only_where_it_was_said() {
        let outcome = panic::catch_unwind(|| expecting_panics(|| panic!("on purpose")));
        assert!(outcome.is_err() && !EXPECTED.get());
        expecting_panics(|| {
            assert!(panic::catch_unwind(|| expecting_panics(|| panic!("on purpose"))).is_err());
            assert!(EXPECTED.get());
        });
    }
}
