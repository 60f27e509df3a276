//! Non-recursive relations: the number of derivations of each row.
//!
//! For a clause `h :- L1, …, Ln` the derivations that came and went are, over all i,
//! `new(L1 … Li-1) ⋈ ΔLi ⋈ old(Li+1 … Ln)`, with the sign of the change, turned for a negated
//! condition. A row is there while its count is above zero: no search for other proofs is needed.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::rc::Rc;

use crate::datalog::compile::CoreClause;
use crate::datalog::compile::Stored;
use crate::datalog::exec::Ages;
use crate::datalog::exec::Heads;
use crate::datalog::fault::Fault;
use crate::datalog::maintain::Change;
use crate::datalog::maintain::Work;
use crate::datalog::program::Term;
use crate::datalog::store::Mix;

/// Derivations that came (positive) or went, per head row.
type Tally = HashMap<Box<[u32]>, i64, BuildHasherDefault<Mix>>;

impl Work<'_> {
    /// Counts every derivation of a unit from nothing.
    pub(super) fn count_in_full(
        &mut self,
        relations: &[usize],
        clauses: &[CoreClause],
    ) -> Result<(), Fault> {
        relations.iter().for_each(|relation| self.reset(*relation));
        for &relation in relations {
            let (mut words, mut count) = (Vec::new(), 0);
            for clause in clauses.iter().filter(|clause| clause.head == relation) {
                let heads = self.run_in_full(clause)?;
                words.extend_from_slice(heads.words());
                count += heads.len();
            }
            self.count_up(relation, &words, count);
        }
        Ok(())
    }

    /// Adds one derivation for each of some rows.
    fn count_up(&mut self, relation: usize, words: &[u32], count: usize) {
        let table = self.store.table_mut(relation);
        if table.is_untouched() && self.full {
            table.fill(words, count, |times| times);
            self.touched[relation].extend(table.ids());
            return;
        }
        let ids = table.place_many(words, count);
        for id in &ids {
            table.set_new(*id, table.meta(*id).support + 1, true);
        }
        if self.compiled.relations[relation].hidden {
            let changes = self.counts.entry(relation).or_default();
            changes.extend(ids.iter().map(|id| (*id, 1)));
        }
        self.touched[relation].extend(ids);
    }

    /// Counts the derivations that the changes below bring and take.
    pub(super) fn count_changes(&mut self, clauses: &[CoreClause]) -> Result<(), Fault> {
        let mut tallies: Vec<(usize, Tally)> = Vec::new();
        for clause in clauses {
            let mut tally = Tally::default();
            for (at, stored, plan) in &clause.deltas {
                for (to_true, sign) in [(true, 1), (false, -1)] {
                    let ages = Ages::Split(*at);
                    let found = self.run_changed(clause, stored, plan, to_true, ages)?;
                    add_up(&mut tally, &found, sign);
                }
            }
            tallies.push((clause.head, tally));
        }
        for (head, tally) in tallies {
            self.apply(head, tally);
        }
        Ok(())
    }

    /// The changed rows of a condition without the pairs that it does not tell apart: a row that
    /// came where one went that differs only in columns it leaves open adds as many derivations as
    /// the other takes. What is left of a negated condition, whose columns have a key, is there in
    /// one version only. None when all rows count.
    pub(super) fn told_apart(&mut self, stored: &Stored) -> Option<Rc<Change>> {
        let change = &self.changes[stored.relation];
        let open = |term: &Term| *term == Term::Wildcard;
        if stored.default.is_some()
            || change.added.is_empty()
            || change.removed.is_empty()
            || !stored.args.iter().any(open)
        {
            return None;
        }
        let columns: Vec<usize> =
            (0..stored.args.len()).filter(|at| !open(&stored.args[*at])).collect();
        let known = self
            .told_apart
            .iter()
            .find(|(relation, known, _)| *relation == stored.relation && *known == columns);
        if let Some((_, _, change)) = known {
            return Some(Rc::clone(change));
        }
        let apart = Rc::new(self.without_pairs(stored.relation, &columns));
        self.told_apart.push((stored.relation, columns, Rc::clone(&apart)));
        Some(apart)
    }

    /// The changed rows of a relation, less as many that came as went with equal words in some
    /// columns.
    fn without_pairs(&self, relation: usize, columns: &[usize]) -> Change {
        let (table, change) = (self.store.table(relation), &self.changes[relation]);
        let words = |id: u32| -> Box<[u32]> {
            let row = table.row(id);
            columns.iter().map(|column| row[*column]).collect()
        };
        let mut went: HashMap<Box<[u32]>, Vec<u32>, BuildHasherDefault<Mix>> = HashMap::default();
        for &id in &change.removed {
            went.entry(words(id)).or_default().push(id);
        }
        let mut apart = Change::default();
        for &id in &change.added {
            if went.get_mut(&words(id)).and_then(Vec::pop).is_none() {
                apart.added.push(id);
            }
        }
        apart.removed.extend(went.into_values().flatten());
        apart.removed.sort_unstable();
        apart
    }

    fn apply(&mut self, head: usize, tally: Tally) {
        let is_group = self.compiled.relations[head].hidden;
        for (row, change) in tally {
            if change == 0 {
                continue;
            }
            let id = self.store.table_mut(head).place(&row);
            let count = i64::from(self.store.table(head).meta(id).support) + change;
            let count = u32::try_from(count).unwrap_or_else(|_| {
                self.inconsistent = true;
                0
            });
            self.store.table_mut(head).set_new(id, count, count > 0);
            self.touched[head].push(id);
            if is_group {
                self.counts.entry(head).or_default().push((id, change));
            }
        }
    }
}

fn add_up(tally: &mut Tally, heads: &Heads, sign: i64) {
    for (row, _) in heads.iter() {
        match tally.get_mut(row) {
            Some(count) => *count += sign,
            None => drop(tally.insert(row.into(), sign)),
        }
    }
}
