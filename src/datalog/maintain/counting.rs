//! Non-recursive relations: the number of derivations of each row.
//!
//! For a clause `h :- L1, …, Ln` the derivations that came and went are, over all i,
//! `new(L1 … Li-1) ⋈ ΔLi ⋈ old(Li+1 … Ln)`, with the sign of the change, turned for a negated
//! condition. A row is there while its count is above zero: no search for other proofs is needed.

use std::collections::HashMap;

use crate::datalog::compile::CoreClause;
use crate::datalog::exec::Ages;
use crate::datalog::exec::Heads;
use crate::datalog::fault::Fault;
use crate::datalog::maintain::Starts;
use crate::datalog::maintain::Work;
use crate::datalog::store::Age;

/// Derivations that came (positive) or went, per head row.
type Tally = HashMap<Box<[u32]>, i64>;

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
                let ages = Ages::All(Age::New);
                let heads = self.run(clause, &clause.full, Starts::Nowhere, ages, u32::MAX)?;
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
            let mut tally = Tally::new();
            for (at, stored, plan) in &clause.deltas {
                for sign in [1, -1] {
                    let ages = Ages::Split(*at);
                    let found = self.run_changed(clause, stored, plan, sign > 0, ages)?;
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
