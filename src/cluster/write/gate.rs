//! Until when writes may be sent: the local deadline of the lease.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering;

use crate::cluster::ClusterError;
use crate::model::Clock;
use crate::model::Timestamp;

/// Lets writes through until a deadline, which whoever holds the lease moves forward.
///
/// Checked as the last thing before a request is sent, so that an intent that was journaled in time
/// but had to wait is refused all the same.
#[derive(Clone)]
pub struct WriteGate(Option<Arc<Limited>>);

struct Limited {
    deadline_ms: AtomicI64,
    clock: Arc<dyn Clock>,
}

impl WriteGate {
    /// Always open: for writes that need no lease, such as the lease itself.
    pub fn open() -> Self {
        Self(None)
    }

    /// Closed until [`WriteGate::extend`] is called.
    pub fn until_deadline(clock: Arc<dyn Clock>) -> Self {
        Self(Some(Arc::new(Limited { deadline_ms: AtomicI64::new(i64::MIN), clock })))
    }

    /// Moves the deadline; never back.
    pub fn extend(&self, deadline: Timestamp) {
        if let Some(limited) = &self.0 {
            limited.deadline_ms.fetch_max(deadline.millis(), Ordering::SeqCst);
        }
    }

    /// Closes the gate at once, for all clones.
    pub fn close(&self) {
        if let Some(limited) = &self.0 {
            limited.deadline_ms.store(i64::MIN, Ordering::SeqCst);
        }
    }

    /// Whether a write may be sent now.
    pub fn is_open(&self) -> bool {
        self.0.as_ref().is_none_or(|limited| {
            limited.clock.now().millis() < limited.deadline_ms.load(Ordering::SeqCst)
        })
    }

    /// An error when the gate is closed.
    pub(super) fn check(&self, request: &str) -> Result<(), ClusterError> {
        match self.is_open() {
            true => Ok(()),
            false => Err(ClusterError::LeaseExpired { request: request.to_owned() }),
        }
    }
}

impl fmt::Debug for WriteGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WriteGate(open: {})", self.is_open())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Stopped(AtomicI64);

    impl Clock for Stopped {
        fn now(&self) -> Timestamp {
            Timestamp(self.0.load(Ordering::SeqCst))
        }
    }

    #[test]
    fn closed_from_the_deadline_on() {
        let clock = Arc::new(Stopped(AtomicI64::new(1000)));
        let gate = WriteGate::until_deadline(clock.clone());
        assert!(!gate.is_open(), "no lease yet");
        gate.extend(Timestamp(2000));
        gate.extend(Timestamp(1500));
        let other = gate.clone();
        clock.0.store(1999, Ordering::SeqCst);
        assert!(other.is_open());
        clock.0.store(2000, Ordering::SeqCst);
        assert!(!other.is_open());
        gate.extend(Timestamp(9000));
        gate.close();
        assert!(!other.is_open());
        assert!(WriteGate::open().is_open());
    }
}
