//! Look-ups of a join: the entries of one table that fit a binding.
//!
//! [`ProbeLeaper`] is the only leaper that rules need. It remembers what it found last: a row that
//! went and the one that came in its place ask for the same, one after the other. Cost: one search
//! of a run, and the rows that have its key, counted in `probed`.

use datafrog::Leapers;

use crate::datalog::exec::Binding;
use crate::datalog::plan::Access;
use crate::datalog::plan::Probe;
use crate::datalog::plan::Source;
use crate::datalog::store::Age;
use crate::datalog::store::KEY_BITS;
use crate::datalog::store::Place;
use crate::datalog::store::Table;
use crate::datalog::store::key_of;

/// The key under which the wanted rows stand in the index of a probe.
pub(crate) fn key(probe: &Probe, words: &[u32]) -> u32 {
    key_of(probe.key.iter().map(|source| known(*source, words)))
}

/// The word of a source in a binding.
pub(crate) fn known(source: Source, words: &[u32]) -> u32 {
    match source {
        Source::Slot(slot) => words[slot],
        Source::Word(word) => word,
    }
}

/// True when a row has the words that are known and agrees with itself.
pub(crate) fn fits(
    row: &[u32],
    checks: &[(usize, Source)],
    twins: &[(usize, usize)],
    words: &[u32],
) -> bool {
    twins.iter().all(|(a, b)| row[*a] == row[*b])
        && checks.iter().all(|(column, source)| known(*source, words) == row[*column])
}

/// Proposes the entries of one table that fit a binding: the only leaper that rules need.
pub(crate) struct ProbeLeaper<'leap> {
    pub(crate) table: &'leap Table,
    pub(crate) probe: &'leap Probe,
    /// All row ids, when the probe scans.
    pub(crate) scan: &'leap [u64],
    pub(crate) age: Age,
    pub(crate) rank_limit: u32,
    pub(crate) probed: u64,
    pub(crate) paid: u64,
    pub(crate) binding_cost: u64,
    pub(crate) work_max: u64,
    pub(crate) last: Last<'leap>,
}

/// The words that were looked for last, and what was found.
#[derive(Default)]
pub(crate) struct Last<'leap> {
    asked: Option<Vec<u32>>,
    found: Vec<&'leap u64>,
    places: Places,
}

/// Where keys were found last. Keys that begin alike stand in a few leaves, in no order of their
/// own; so there is a place for each part of them.
#[derive(Default)]
struct Places([Place; 8]);

impl Places {
    fn of(&mut self, key: u32) -> &mut Place {
        &mut self.0[(key >> (KEY_BITS - 3)) as usize % 8]
    }
}

impl<'leap> ProbeLeaper<'leap> {
    /// True when an entry fits a binding.
    pub(crate) fn has_any(&mut self, words: &[u32]) -> bool {
        self.look_up(words);
        !self.last.found.is_empty()
    }

    /// The entries that fit a binding; none more once the budget is spent.
    pub(crate) fn candidates(&mut self, words: &[u32], values: &mut Vec<&'leap u64>) {
        if self.probed.saturating_add(self.paid) > self.work_max {
            return;
        }
        let before = self.probed;
        self.look_up(words);
        // Each row is one more binding, found again or not.
        let rows = self.last.found.len() as u64;
        self.probed = self.probed.max(before + rows);
        self.paid += self.binding_cost * rows;
        values.extend_from_slice(&self.last.found);
    }

    /// Finds the entries that fit: those found last, when the same is looked for again, as for the
    /// old and the new row of one key.
    fn look_up(&mut self, words: &[u32]) {
        let probe = self.probe;
        let wanted = probe.checks.iter().map(|(_, source)| known(*source, words));
        let mut asked = match self.last.asked.take() {
            Some(asked) if wanted.clone().eq(asked.iter().copied()) => {
                self.last.asked = Some(asked);
                return;
            }
            other => other.unwrap_or_default(),
        };
        asked.clear();
        asked.extend(wanted);
        self.last.asked = Some(asked);
        let mut found = std::mem::take(&mut self.last.found);
        found.clear();
        self.search(words, &mut found);
        self.last.found = found;
    }

    fn search(&mut self, words: &[u32], values: &mut Vec<&'leap u64>) {
        let (table, probe) = (self.table, self.probe);
        match probe.access {
            Access::Scan => self.take(self.scan.iter(), words, values),
            Access::Index(at) => {
                let key = key(probe, words);
                let rows = table.probe_near(at, key, self.last.places.of(key));
                self.take(rows, words, values);
            }
            Access::Row => {
                let key = key(probe, words);
                let rows = table.probe_row_near(key, self.last.places.of(key));
                self.take(rows, words, values);
            }
        }
    }

    fn take(
        &mut self,
        entries: impl Iterator<Item = &'leap u64>,
        words: &[u32],
        values: &mut Vec<&'leap u64>,
    ) {
        for entry in entries {
            self.probed += 1;
            if self.probed.saturating_add(self.paid) > self.work_max {
                return;
            }
            let (row, meta) = self.table.row_and_meta(*entry as u32);
            let seen = meta.is_in(self.age)
                && (self.rank_limit == u32::MAX || meta.support < self.rank_limit);
            if seen && fits(row, &self.probe.checks, &self.probe.twins, words) {
                values.push(entry);
            }
        }
    }

    /// The row of a group, whatever stands behind its keys.
    pub(crate) fn group(&mut self, words: &[u32], keys: usize, values: &mut Vec<&'leap u64>) {
        let (table, probe) = (self.table, self.probe);
        let entries: Vec<&u64> = match probe.access {
            Access::Scan => self.scan.iter().collect(),
            Access::Index(at) => table.probe(at, key(probe, words)).collect(),
            Access::Row => table.probe_row(key(probe, words)).collect(),
        };
        for entry in entries {
            self.probed += 1;
            let (row, meta) = table.row_and_meta(*entry as u32);
            let mut checks = probe.checks.iter().filter(|(column, _)| *column < keys);
            let same = checks.all(|(column, source)| known(*source, words) == row[*column]);
            if same && meta.is_in(self.age) {
                values.push(entry);
            }
        }
    }
}

impl<'leap, const W: usize> Leapers<'leap, Binding<W>, u64> for &mut ProbeLeaper<'leap> {
    fn for_each_count(&mut self, _: &Binding<W>, mut op: impl FnMut(usize, usize)) {
        op(0, 1);
    }

    fn propose(&mut self, binding: &Binding<W>, _: usize, values: &mut Vec<&'leap u64>) {
        self.candidates(&binding.words, values);
    }

    fn intersect(&mut self, _: &Binding<W>, _: usize, _: &mut Vec<&'leap u64>) {}
}
