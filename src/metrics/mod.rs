//! The metrics registry and what every part needs of it: registration with the `tributary_` prefix, shared buckets,
//! `build_info`, `panics_total` and the `process_*` family.
//!
//! Each family lives beside the code it measures (`auth/metrics.rs`, `imap/metrics.rs`, ...) and is registered on the one
//! [`Registry`] that `app` makes. Labels come from closed sets and never carry an address, a subject or error text.

mod panics;
mod process;

use prometheus::core::Collector;
use prometheus::{
    Encoder, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, TextEncoder,
};

pub use panics::{count_panics, expecting_panics};

/// Prefix of every metric but `process_*`, whose names are the Prometheus client convention.
pub const PREFIX: &str = "tributary_";

/// Buckets in seconds for work that is usually done within milliseconds: commands, commits, pushes.
pub const SECONDS_FAST: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Buckets in seconds for work that waits for another machine: polls.
pub const SECONDS_SLOW: &[f64] = &[0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0];

/// A metric was registered twice, or its name or labels are not valid.
#[derive(Debug, thiserror::Error)]
#[error("metric {name}: {source}")]
pub struct Error {
    name: String,
    source: prometheus::Error,
}

/// All metrics of the process; cheap to clone.
#[derive(Clone, Debug)]
pub struct Registry(prometheus::Registry);

impl Registry {
    /// A registry with `build_info`, `panics_total` and `process_*`.
    pub fn new() -> Result<Self, Error> {
        let registry = Self(prometheus::Registry::new());
        let info = registry.int_gauge_vec("build_info", "Always 1; the labels say what runs.", &["version"])?;
        info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        registry.register("process", process::ProcessCollector::new())?;
        registry.register("panics_total", panics::PanicCollector::new())?;
        Ok(registry)
    }

    /// A counter; `name` without the prefix, as for all constructors here.
    pub fn counter(&self, name: &str, help: &str) -> Result<IntCounter, Error> {
        self.add(name, IntCounter::with_opts(opts(name, help)))
    }

    /// A family of counters.
    pub fn counter_vec(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, Error> {
        self.add(name, IntCounterVec::new(opts(name, help), labels))
    }

    /// A gauge of whole numbers.
    pub fn int_gauge(&self, name: &str, help: &str) -> Result<IntGauge, Error> {
        self.add(name, IntGauge::with_opts(opts(name, help)))
    }

    /// A family of gauges of whole numbers.
    pub fn int_gauge_vec(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, Error> {
        self.add(name, IntGaugeVec::new(opts(name, help), labels))
    }

    /// A gauge.
    pub fn gauge(&self, name: &str, help: &str) -> Result<Gauge, Error> {
        self.add(name, Gauge::with_opts(opts(name, help)))
    }

    /// A family of gauges.
    pub fn gauge_vec(&self, name: &str, help: &str, labels: &[&str]) -> Result<GaugeVec, Error> {
        self.add(name, GaugeVec::new(opts(name, help), labels))
    }

    /// A histogram.
    pub fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Result<Histogram, Error> {
        self.add(name, Histogram::with_opts(histogram_opts(name, help, buckets)))
    }

    /// A family of histograms.
    pub fn histogram_vec(
        &self,
        name: &str,
        help: &str,
        buckets: &[f64],
        labels: &[&str],
    ) -> Result<HistogramVec, Error> {
        self.add(name, HistogramVec::new(histogram_opts(name, help, buckets), labels))
    }

    /// Registers a collector that reads its values when scraped; its names carry [`PREFIX`] themselves.
    pub fn register(&self, name: &str, collector: impl Collector + 'static) -> Result<(), Error> {
        self.0.register(Box::new(collector)).map_err(|source| Error { name: name.to_owned(), source })
    }

    /// For parts that register their families themselves; their names carry [`PREFIX`].
    pub fn as_prometheus(&self) -> &prometheus::Registry {
        &self.0
    }

    /// All metrics in the Prometheus text format.
    pub fn render(&self) -> Result<Vec<u8>, Error> {
        let mut out = Vec::with_capacity(32 * 1024);
        TextEncoder::new()
            .encode(&self.0.gather(), &mut out)
            .map_err(|source| Error { name: "(scrape)".to_owned(), source })?;
        Ok(out)
    }

    /// Names of all families that have at least one sample, with prefix, sorted.
    pub fn names(&self) -> Vec<String> {
        self.0.gather().iter().map(|family| family.name().to_owned()).collect()
    }

    fn add<C: Collector + Clone + 'static>(&self, name: &str, made: prometheus::Result<C>) -> Result<C, Error> {
        let collector = made.map_err(|source| Error { name: name.to_owned(), source })?;
        self.register(name, collector.clone())?;
        Ok(collector)
    }
}

/// Content type of [`Registry::render`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(format!("{PREFIX}{name}"), help)
}

fn histogram_opts(name: &str, help: &str, buckets: &[f64]) -> HistogramOpts {
    HistogramOpts::from(opts(name, help)).buckets(buckets.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carries_process_build_and_panics_from_the_start() {
        let registry = Registry::new().expect("registry");
        let text = String::from_utf8(registry.render().expect("render")).expect("utf-8");
        assert!(text.contains(&format!("tributary_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"))));
        assert!(text.contains("\ntributary_panics_total "));
        if cfg!(target_os = "linux") {
            for name in ["resident_memory_bytes", "cpu_seconds_total", "open_fds", "start_time_seconds"] {
                assert!(text.contains(&format!("\nprocess_{name} ")), "{name} in {text}");
            }
        }
    }

    #[test]
    fn adds_the_prefix_and_refuses_twins() {
        let registry = Registry::new().expect("registry");
        let counter = registry.counter("things_total", "Things.").expect("counter");
        counter.inc();
        assert!(registry.names().contains(&"tributary_things_total".to_owned()));
        assert!(registry.counter("things_total", "Things.").is_err());
        assert!(registry.counter("not valid", "x").is_err());
    }
}
