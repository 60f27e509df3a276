//! Time as a value: rules and plans get it handed in, only the shell reads a clock.

use std::fmt;

use jiff::Timestamp as Instant;

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Whole milliseconds since the epoch.
    pub fn millis(self) -> i64 {
        self.0
    }

    /// `ms` later; saturates at the ends of the range.
    pub fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Reads RFC 3339, as Kubernetes writes times.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        text.parse::<Instant>().ok().map(|at| Self(at.as_millisecond()))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with whole seconds, the form of `metav1.Time`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Instant::from_second(self.0.div_euclid(1000)) {
            Ok(at) => write!(f, "{at}"),
            Err(_) => write!(f, "{}ms", self.0),
        }
    }
}

/// Where the time comes from: the system's clock in the daemon, a simulated one in tests.
pub trait Clock: Send + Sync {
    /// The current time.
    fn now(&self) -> Timestamp;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_as_kubernetes_writes_it() {
        let at = Timestamp(1_764_000_000_123);
        assert_eq!(at.to_string(), "2025-11-24T16:00:00Z");
        assert_eq!(
            Timestamp::parse_rfc3339("2025-11-24T16:00:00Z"),
            Some(Timestamp(1_764_000_000_000))
        );
    }
}
