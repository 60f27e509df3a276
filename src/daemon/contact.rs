//! Whether the cluster is still heard: the leases are held, and no watch fails for long.
//!
//! In: the write gate, which follows the leases, and the fact `unheard` of each generation. Out:
//! what was lost, in words, once it was lost for longer than a lease may go without a renewal:
//! a watch that is opened anew, or a server that starts again, is no loss.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::cluster::write::WriteGate;
use crate::daemon::stores::rows;
use crate::datalog::Reader;
use crate::model::Clock;
use crate::model::Timestamp;

/// How the daemon knows that it hears the cluster.
pub(super) struct Contact {
    gate: WriteGate,
    clock: Arc<dyn Clock>,
    patience_ms: i64,
    /// Kinds whose watch fails, each with when that was seen first.
    unheard: BTreeMap<String, Timestamp>,
}

impl Contact {
    /// Through this gate, and by this clock; what fails for no longer than `patience` is no loss.
    pub(super) fn new(gate: WriteGate, clock: Arc<dyn Clock>, patience: Duration) -> Self {
        let patience_ms = i64::try_from(patience.as_millis()).unwrap_or(i64::MAX);
        Self { gate, clock, patience_ms, unheard: BTreeMap::new() }
    }

    /// Takes note of which watches fail in this generation.
    pub(super) fn see(&mut self, reader: &Reader) {
        self.note(unheard(reader));
    }

    fn note(&mut self, unheard: Vec<String>) {
        let now = self.clock.now();
        self.unheard.retain(|kind, _| unheard.contains(kind));
        for kind in unheard {
            self.unheard.entry(kind).or_insert(now);
        }
    }

    /// What was lost and is awaited.
    pub(super) fn lost(&self) -> Vec<String> {
        let mut lost = Vec::new();
        if !self.gate.is_open() {
            lost.push("the leases: they could not be renewed in time".to_owned());
        }
        let now = self.clock.now().millis();
        let is_long = |since: &Timestamp| now.saturating_sub(since.millis()) >= self.patience_ms;
        let failing = self.unheard.iter().filter(|(_, since)| is_long(since));
        lost.extend(
            failing.map(|(kind, since)| format!("the watch of {kind}, which fails since {since}")),
        );
        lost
    }
}

/// The kinds whose watch fails, though the server serves them.
fn unheard(reader: &Reader) -> Vec<String> {
    let mut unheard = first_column(reader, "unheard");
    if !unheard.is_empty() {
        let served = first_column(reader, "served");
        unheard.retain(|kind| served.contains(kind));
    }
    unheard
}

fn first_column(reader: &Reader, relation: &str) -> Vec<String> {
    let rows = rows(reader, relation);
    rows.iter().filter_map(|row| row.first()?.as_symbol().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicI64;
    use std::sync::atomic::Ordering;

    use super::*;

    struct Stopped(AtomicI64);

    impl Clock for Stopped {
        fn now(&self) -> Timestamp {
            Timestamp(self.0.load(Ordering::SeqCst))
        }
    }

    #[test]
    fn what_is_lost_for_long_is_awaited_until_it_is_back() {
        let clock = Arc::new(Stopped(AtomicI64::new(0)));
        let gate = WriteGate::until_deadline(clock.clone());
        let mut contact = Contact::new(gate.clone(), clock.clone(), Duration::from_secs(30));
        gate.extend(Timestamp(30_000));
        contact.note(vec!["Bucket".to_owned()]);
        clock.0.store(20_000, Ordering::SeqCst);
        contact.note(vec!["Bucket".to_owned(), "GitRepository".to_owned()]);
        clock.0.store(29_999, Ordering::SeqCst);
        assert_eq!(contact.lost(), Vec::<String>::new(), "a break is no loss");
        clock.0.store(30_000, Ordering::SeqCst);
        let leases = "the leases: they could not be renewed in time";
        let watch = "the watch of Bucket, which fails since 1970-01-01T00:00:00Z";
        assert_eq!(contact.lost(), [leases, watch]);
        gate.extend(Timestamp(60_000));
        contact.note(Vec::new());
        assert_eq!(contact.lost(), Vec::<String>::new());
        contact.note(vec!["Bucket".to_owned()]);
        assert_eq!(contact.lost(), Vec::<String>::new(), "counted from the new break on");
    }
}
