//! Times as percentiles, memory as the system sees it, and the lines of the table.

use std::time::Duration;
use std::time::Instant;

/// Times of one thing that was done often.
#[derive(Default)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    /// Does it once more.
    pub(crate) fn time<T>(&mut self, go: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let done = go();
        self.0.push(start.elapsed());
        done
    }

    /// The time below which so many of a thousand stay.
    pub(crate) fn at(&self, per_mille: usize) -> Duration {
        let mut times = self.0.clone();
        times.sort();
        times[(times.len() - 1) * per_mille / 1_000]
    }

    /// The times of one tenth, from 0.
    pub(crate) fn tenth(&self, at: usize) -> Self {
        let size = self.0.len() / 10;
        Self(self.0[at * size..(at + 1) * size].to_vec())
    }

    /// Median, 99 of 100, longest.
    pub(crate) fn text(&self) -> String {
        format!(
            "p50 {:>9.1?}  p99 {:>9.1?}  max {:>9.1?}",
            self.at(500),
            self.at(990),
            self.at(1_000)
        )
    }
}

/// One line of the table.
pub(crate) fn line(name: &str, text: &str) {
    println!("{name:<44} {text}");
}

/// Memory of this process that is in RAM, in bytes.
pub(crate) fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

/// How busy the machine is: the load of the last minute.
pub(crate) fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or("unknown").to_owned()
}
