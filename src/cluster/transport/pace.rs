//! Our own limit on requests a second: a bucket of tokens that fills at a steady rate.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::time::Instant;

/// A bucket of tokens; one is taken for each request.
pub(super) struct Pace {
    rate: f64,
    burst: f64,
    state: Mutex<(f64, Instant)>,
}

impl Pace {
    /// `rate` tokens a second, at most `burst` of them kept.
    pub(super) fn new(rate: f32, burst: u32) -> Self {
        let burst = f64::from(burst.max(1));
        Self { rate: f64::from(rate.max(0.01)), burst, state: Mutex::new((burst, Instant::now())) }
    }

    /// Takes a token, and waits until it is there. Callers are served in the order of their calls.
    pub(super) async fn take(&self) {
        let wait = self.reserve(Instant::now());
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }

    /// Takes a token that may still have to come; says how long that takes.
    fn reserve(&self, now: Instant) -> Duration {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (tokens, at) = *state;
        let filled = tokens + now.saturating_duration_since(at).as_secs_f64() * self.rate;
        let left = filled.min(self.burst) - 1.0;
        *state = (left, now.max(at));
        Duration::from_secs_f64((-left).max(0.0) / self.rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate() {
        let pace = Pace::new(10.0, 3);
        let start = Instant::now();
        let waits: Vec<u128> = (0..5).map(|_| pace.reserve(start).as_millis()).collect();
        assert_eq!(waits, [0, 0, 0, 100, 200]);
        let later = start + Duration::from_secs(60);
        assert_eq!(pace.reserve(later).as_millis(), 0, "the bucket filled again");
    }
}
