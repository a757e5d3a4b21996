//! `process_*` by the Prometheus client conventions, read from /proc when scraped; absent where there is no /proc.
//!
//! Read here rather than by prometheus' own feature, which reports whole seconds of processor time only.

use std::fs;
use std::sync::Mutex;

use prometheus::core::{Collector, Desc};
use prometheus::{Counter, Gauge, Opts, proto};

/// Clock ticks a second in /proc/*/stat: USER_HZ, which Linux fixes at 100 for user space on every platform we run on.
const TICKS: f64 = 100.0;

/// Reads /proc/self at each scrape.
pub(super) struct ProcessCollector {
    cpu: Counter,
    resident: Gauge,
    virtual_memory: Gauge,
    open_fds: Gauge,
    max_fds: Gauge,
    threads: Gauge,
    start: Gauge,
    /// Held while the counter is advanced to what /proc says, so that two scrapes at once cannot add the same time twice.
    advance: Mutex<()>,
}

impl ProcessCollector {
    pub(super) fn new() -> Self {
        #[allow(clippy::expect_used, reason = "the names are literals that are valid")]
        let gauge = |name: &str, help: &str| Gauge::with_opts(Opts::new(name, help)).expect("valid name");
        let cpu = Opts::new("process_cpu_seconds_total", "User and system processor time used, in seconds.");
        #[allow(clippy::expect_used, reason = "the name is a literal that is valid")]
        let cpu = Counter::with_opts(cpu).expect("valid name");
        Self {
            cpu,
            resident: gauge("process_resident_memory_bytes", "Resident memory, in bytes."),
            virtual_memory: gauge("process_virtual_memory_bytes", "Virtual memory, in bytes."),
            open_fds: gauge("process_open_fds", "Open file descriptors."),
            max_fds: gauge("process_max_fds", "Limit of open file descriptors."),
            threads: gauge("process_threads", "Threads of the process."),
            start: gauge("process_start_time_seconds", "Start of the process since the Unix epoch, in seconds."),
            advance: Mutex::new(()),
        }
    }

    fn metrics(&self) -> [&dyn Collector; 7] {
        [&self.cpu, &self.resident, &self.virtual_memory, &self.open_fds, &self.max_fds, &self.threads, &self.start]
    }

    fn refresh(&self) -> Option<()> {
        let stat = parse_stat(&fs::read_to_string("/proc/self/stat").ok()?)?;
        let status = fs::read_to_string("/proc/self/status").ok()?;
        self.resident.set(kilobytes(&status, "VmRSS:").unwrap_or_default());
        self.virtual_memory.set(kilobytes(&status, "VmSize:").unwrap_or_default());
        self.threads.set(stat.threads);
        // The directory handle of this very listing is one of the entries.
        self.open_fds.set(fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1) as f64);
        self.max_fds.set(max_fds(&fs::read_to_string("/proc/self/limits").ok()?).unwrap_or_default());
        self.start.set(boot_time(&fs::read_to_string("/proc/stat").ok()?)? + stat.start_after_boot);
        let _held = self.advance.lock().ok()?;
        self.cpu.inc_by((stat.cpu - self.cpu.get()).max(0.0));
        Some(())
    }
}

impl Collector for ProcessCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.metrics().into_iter().flat_map(Collector::desc).collect()
    }

    fn collect(&self) -> Vec<proto::MetricFamily> {
        match self.refresh() {
            Some(()) => self.metrics().into_iter().flat_map(Collector::collect).collect(),
            None => Vec::new(),
        }
    }
}

#[derive(Debug, PartialEq)]
struct Stat {
    cpu: f64,
    threads: f64,
    start_after_boot: f64,
}

/// Fields by proc_pid_stat(5); the command name may hold spaces and parentheses, so fields count from its last one.
fn parse_stat(text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    // `fields[0]` is field 3 (state).
    let field = |number: usize| fields.get(number.checked_sub(3)?)?.parse::<f64>().ok();
    Some(Stat { cpu: (field(14)? + field(15)?) / TICKS, threads: field(20)?, start_after_boot: field(22)? / TICKS })
}

fn kilobytes(status: &str, key: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    Some(line.split_ascii_whitespace().next()?.parse::<f64>().ok()? * 1024.0)
}

fn max_fds(limits: &str) -> Option<f64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

fn boot_time(stat: &str) -> Option<f64> {
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_stat_line_whose_command_holds_parentheses() {
        let line = "7 (a) b (c)) S 1 7 7 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 9 0 1234 1000 10 18446744073709551615";
        assert_eq!(parse_stat(line), Some(Stat { cpu: 2.0, threads: 9.0, start_after_boot: 12.34 }));
        assert_eq!(parse_stat("7 (a"), None);
        assert_eq!(parse_stat("7 (a) S 1 2"), None);
    }

    #[test]
    fn reads_status_limits_and_boot_time() {
        assert_eq!(kilobytes("VmPeak:\t 9 kB\nVmRSS:\t  2 kB\n", "VmRSS:"), Some(2048.0));
        assert_eq!(
            max_fds("Max open files            1024                 4096                 files\n"),
            Some(1024.0)
        );
        assert_eq!(boot_time("cpu 1\nbtime 1700000000\n"), Some(1_700_000_000.0));
    }
}
