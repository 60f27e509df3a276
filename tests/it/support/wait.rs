//! Waiting for something to become true, with a deadline and a message that says what was missing.

use std::future::Future;
use std::time::Duration;
use std::time::Instant;

/// How long a test waits before it fails: far more than anything takes here on a loaded machine.
pub(crate) const LONGEST: Duration = Duration::from_secs(90);

const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// Asks `probe` until it answers with a value, and gives that value.
///
/// # Panics
/// After [`LONGEST`], naming `what`.
pub(crate) async fn until<T, F>(what: &str, probe: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    until_within(LONGEST, what, probe).await
}

/// Like [`until`], with a deadline of its own: for what must happen quickly, or may take longer.
pub(crate) async fn until_within<T, F>(
    longest: Duration,
    what: &str,
    mut probe: impl FnMut() -> F,
) -> T
where
    F: Future<Output = Option<T>>,
{
    let asking = async {
        let mut pause = FIRST_PAUSE;
        loop {
            if let Some(value) = probe().await {
                return value;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    };
    match tokio::time::timeout(longest, asking).await {
        Ok(value) => value,
        Err(_) => panic!("waited {} s for {what}", longest.as_secs()),
    }
}

/// Lets time pass in which something must *not* happen, or whose length is the test's own input.
pub(crate) async fn passed(time: Duration) {
    let started = Instant::now();
    let over = || async move { (started.elapsed() >= time).then_some(()) };
    until_within(time + LONGEST, "time to pass", over).await;
}

/// Like [`until`], for a test without a runtime: blocks the calling thread.
pub(crate) fn until_blocking<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(started.elapsed() < LONGEST, "waited {} s for {what}", LONGEST.as_secs());
        std::thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
