//! Non-recursive relations: the number of derivations of each row.
//!
//! For a clause `h :- L1, …, Ln` the derivations that came and went are, over all i,
//! `new(L1 … Li-1) ⋈ ΔLi ⋈ old(Li+1 … Ln)`, with the sign of the change, turned for a negated
//! condition. A row is there while its count is above zero: no search for other proofs is needed.

use std::collections::HashMap;

use crate::datalog::compile::CoreClause;
use crate::datalog::exec::Ages;
use crate::datalog::exec::Found;
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
        for clause in clauses {
            let ages = Ages::All(Age::New);
            let found = self.run(clause, &clause.full, Starts::Nowhere, ages, u32::MAX)?;
            let mut tally = Tally::new();
            add_up(&mut tally, found, 1);
            self.apply(clause.head, tally);
        }
        Ok(())
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
                    add_up(&mut tally, found, sign);
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
            let id = self.place(head, &row);
            let count = i64::from(self.store.table(head).meta(id).support) + change;
            let count = u32::try_from(count).unwrap_or_else(|_| {
                self.inconsistent = true;
                0
            });
            let meta = self.store.table_mut(head).meta_mut(id);
            meta.support = count;
            meta.set_new(count > 0);
            self.touched[head].push(id);
            if is_group {
                self.counts.entry(head).or_default().push((id, change));
            }
        }
    }
}

fn add_up(tally: &mut Tally, found: Vec<Found>, sign: i64) {
    for found in found {
        *tally.entry(found.head).or_default() += sign;
    }
}
