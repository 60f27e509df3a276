//! When what nobody needs is removed from the stores: after a fetch, at most once a minute, and
//! when a source is gone; only while nothing reads or writes them.

use crate::daemon::due::Due;
use crate::ingest::Ingest;
use crate::ingest::Observation;
use crate::model::Timestamp;

/// Least time between two collections.
const PAUSE_MS: i64 = 60_000;
/// Verbs of actions that use the stores.
const USERS: &[&str] = &["fetch ", "render ", "pack "];

/// Whether a collection is due.
#[derive(Default)]
pub(super) struct Collector {
    is_due: bool,
    is_urgent: bool,
    not_before: Option<Timestamp>,
}

impl Collector {
    /// Something was observed.
    pub(super) fn observed(&mut self, observation: &Observation) {
        self.is_due |= matches!(observation, Observation::Fetched(_) | Observation::SourceGone(_));
    }

    /// Whether to collect now; it is not asked for again until the next fetch.
    pub(super) fn begins(&mut self, due: &Due, ingest: &Ingest, now: Timestamp) -> bool {
        let rests = !self.is_urgent && self.not_before.is_some_and(|at| now < at);
        let used = USERS.iter().any(|verb| due.is_underway(verb));
        if !self.is_due || rests || used || !ingest.knows_all_sources() {
            return false;
        }
        self.is_due = false;
        self.is_urgent = false;
        self.not_before = Some(now.plus_ms(PAUSE_MS));
        true
    }
}
