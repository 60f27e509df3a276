//! Verification: every record follows the one before it, every intent has one outcome or is open.
//!
//! Reads the whole journal again, whatever was read before. Where segments were moved away from the
//! front, it begins with the first that is there: what rests on records before it is counted, and
//! no problem. Not here: deriving again what a proof
//! says, which needs the engine (`explain`); the rule texts for it are in the journal.

use crate::audit::AuditError;
use crate::audit::Head;
use crate::audit::JournalStorage;
use crate::audit::Problem;
use crate::audit::ProofId;
use crate::audit::RecordKind;
use crate::audit::index::Index;
use crate::audit::scan::Walk;
use crate::model::Timestamp;

/// What verification found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    /// Records that are there.
    pub records: u64,
    /// The record before the first one that is there: record 0 unless older ones were archived.
    pub start: Head,
    /// The last record. Compare it with the head that was seen elsewhere.
    pub head: Head,
    /// Intents.
    pub intents: u64,
    /// Intents without outcome, oldest first: right while a plan runs, or after a crash.
    pub open: Vec<ProofId>,
    /// Different rule sets.
    pub rule_sets: u64,
    /// Outcomes of intents that stand before the first record that is there.
    pub earlier_intents: u64,
    /// Rule sets of which texts stand before the first record that is there.
    pub earlier_rules: u64,
    /// Intents behind a change in an export: nothing vouches for them, or for what came of them.
    pub unverifiable: u64,
    /// Records whose body an export left out: counted, chained, but not shown.
    pub left_out: u64,
    /// Bytes at the very end that are no record: one that is being written, or what a crash left.
    /// Whether records stood there cannot be told from here.
    pub tail_bytes: u64,
    /// What was noted of records that are lost: when, and what. The chain goes on without them.
    pub losses: Vec<(Timestamp, String)>,
    /// Everything that is wrong.
    pub problems: Vec<Problem>,
}

impl Verification {
    /// Whether nothing is wrong. Open intents are not wrong.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }

    pub(super) fn of(index: &Index, start: Head, head: Head, problems: Vec<Problem>) -> Self {
        let intents = index.entries.iter().filter(|entry| entry.kind == RecordKind::Intent);
        Self {
            records: index.entries.len() as u64,
            start,
            head,
            intents: intents.count() as u64,
            open: index.open().map(|entry| entry.id).collect(),
            rule_sets: index.rule_set_count() as u64,
            earlier_intents: index.before.as_ref().map_or(0, |b| b.intents.len() as u64),
            earlier_rules: index.before.as_ref().map_or(0, |b| b.rules.len() as u64),
            unverifiable: 0,
            left_out: 0,
            tail_bytes: 0,
            losses: index.losses.clone(),
            problems,
        }
    }
}

/// Verifies the journal in `storage`, and that it holds `expected`, a head that was seen elsewhere.
pub fn verify(
    storage: &dyn JournalStorage,
    expected: Option<Head>,
) -> Result<Verification, AuditError> {
    let mut index = Index::default();
    let mut walk = Walk::new();
    walk.advance(storage, &mut |place, frame, head, problems| {
        index.add(place, frame, head, problems);
    })?;
    let Walk { head, start, tail, mut problems, .. } = walk;
    if let Some(expected) = expected
        && expected.seq > 0
        && !index.holds(&expected)
    {
        let Head { seq, hash } = expected;
        problems.push(Problem::RolledBack { seq, hash, ends_at: head.seq });
    }
    let start = start.unwrap_or(Head::empty());
    let tail_bytes = tail.map_or(0, |tail| tail.bytes.len() as u64);
    Ok(Verification { tail_bytes, ..Verification::of(&index, start, head, problems) })
}
