//! Recursive strata: rank-guided delete and rederive.
//!
//! The rank of a row is the height of its lowest proof within the stratum: 1 + the highest rank of
//! the derivation's own-stratum rows, least over all derivations. It is kept exact, so it depends
//! on the facts alone and proofs that follow falling ranks are the same after any history.
//!
//! 1. *Suspects*, lowest rank first: rows that lost a derivation. One that still has a derivation
//!    from rows of lower rank stays; any other is taken out and its dependents of higher rank are
//!    suspects. Rows of lower rank are settled by then, so one bounded backward look is enough.
//! 2. *Arrivals*, lowest rank first, as in shortest paths: rows taken out that have another
//!    derivation, rows that gained one, and what follows from either. A row that is there already
//!    only gets its rank lowered.
//!
//! Cost: rows whose presence or rank changes, times their fan-in and fan-out.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashSet;

use crate::datalog::compile::CoreClause;
use crate::datalog::exec::Ages;
use crate::datalog::exec::Heads;
use crate::datalog::fault::Fault;
use crate::datalog::fault::FaultKind;
use crate::datalog::maintain::Starts;
use crate::datalog::maintain::Work;
use crate::datalog::store::Age;

/// Rows waiting for their turn, by rank, then relation; one after the other, maybe several times.
type Arrivals = BTreeMap<u32, BTreeMap<usize, Waiting>>;

#[derive(Default)]
struct Waiting {
    words: Vec<u32>,
    count: usize,
}

/// Ids waiting for their turn, by rank, then relation.
type Suspects = BTreeMap<u32, BTreeMap<usize, BTreeSet<u32>>>;

impl Work<'_> {
    /// Derives a recursive unit from nothing.
    pub(super) fn recursive_in_full(
        &mut self,
        relations: &[usize],
        clauses: &[CoreClause],
    ) -> Result<(), Fault> {
        relations.iter().for_each(|relation| self.reset(*relation));
        let mut arrivals = Arrivals::new();
        for clause in clauses {
            if clause.deltas.iter().any(|(_, stored, _)| stored.recursive) {
                continue; // Its own stratum is empty.
            }
            let heads = self.run_in_full(clause)?;
            self.arrive(&mut arrivals, clause.head, &heads);
        }
        self.take_in(relations, clauses, arrivals)
    }

    /// Brings a recursive unit up to date with the changes below it.
    pub(super) fn recursive_changes(
        &mut self,
        relations: &[usize],
        clauses: &[CoreClause],
    ) -> Result<(), Fault> {
        let out = self.take_out(clauses)?;
        self.effort.overdeleted += out.values().map(|ids| ids.len() as u64).sum::<u64>();
        let mut arrivals = Arrivals::new();
        for clause in clauses {
            let (Some(ids), Some(backward)) = (out.get(&clause.head), &clause.backward) else {
                continue;
            };
            let (starts, ages) = (Starts::Ids(clause.head, ids), Ages::All(Age::New));
            // The head of a backward plan is the row that it started from.
            let heads = self.run(clause, backward, starts, ages, u32::MAX)?;
            self.arrive(&mut arrivals, clause.head, &heads);
        }
        for clause in clauses {
            for (_, stored, plan) in clause.deltas.iter().filter(|(_, stored, _)| !stored.recursive)
            {
                let ages = Ages::All(Age::New);
                let heads = self.run_changed(clause, stored, plan, Some(!stored.negated), ages)?;
                self.arrive(&mut arrivals, clause.head, &heads);
            }
        }
        self.take_in(relations, clauses, arrivals)?;
        for (relation, ids) in &out {
            let table = self.store.table(*relation);
            let back = ids.iter().filter(|id| table.meta(**id).is_in(Age::New)).count();
            self.effort.rederived += back as u64;
        }
        Ok(())
    }

    /// Takes out all rows without support from rows of lower rank; returns them per relation.
    fn take_out(&mut self, clauses: &[CoreClause]) -> Result<BTreeMap<usize, Vec<u32>>, Fault> {
        let mut suspects = Suspects::new();
        for clause in clauses {
            for (_, stored, plan) in clause.deltas.iter().filter(|(_, stored, _)| !stored.recursive)
            {
                let ages = Ages::All(Age::Old);
                let found = self.run_changed(clause, stored, plan, Some(stored.negated), ages)?;
                self.suspect(&mut suspects, clause.head, &found, 0);
            }
        }
        let mut out: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
        while let Some((rank, level)) = suspects.pop_first() {
            for (relation, ids) in level {
                let gone = self.unsupported(clauses, relation, ids, rank)?;
                for &id in &gone {
                    self.store.table_mut(relation).clear_new(id);
                    self.touched[relation].push(id);
                }
                for clause in clauses {
                    let own = |stored: &crate::datalog::compile::Stored| {
                        stored.recursive && stored.relation == relation
                    };
                    for (_, _, plan) in clause.deltas.iter().filter(|(_, stored, _)| own(stored)) {
                        let (starts, ages) = (Starts::Ids(relation, &gone), Ages::All(Age::Old));
                        let found = self.run(clause, plan, starts, ages, u32::MAX)?;
                        self.suspect(&mut suspects, clause.head, &found, rank);
                    }
                }
                out.entry(relation).or_default().extend(gone);
            }
        }
        Ok(out)
    }

    /// Adds old heads that lost a derivation, those above `rank`.
    fn suspect(&self, suspects: &mut Suspects, head: usize, heads: &Heads, rank: u32) {
        let table = self.store.table(head);
        for id in heads.iter().filter_map(|(row, _)| table.find(row)) {
            let meta = table.meta(id);
            if meta.is_in(Age::New) && meta.support > rank {
                let level = suspects.entry(meta.support).or_default();
                level.entry(head).or_default().insert(id);
            }
        }
    }

    /// Which of some rows of one rank have no derivation from rows of lower rank.
    fn unsupported(
        &mut self,
        clauses: &[CoreClause],
        relation: usize,
        ids: BTreeSet<u32>,
        rank: u32,
    ) -> Result<Vec<u32>, Fault> {
        let mut left: Vec<u32> = ids.into_iter().collect();
        for clause in clauses.iter().filter(|clause| clause.head == relation) {
            let Some(backward) = &clause.backward else { continue };
            if left.is_empty() {
                break;
            }
            let (starts, ages) = (Starts::Ids(relation, &left), Ages::All(Age::New));
            let found = self.run(clause, backward, starts, ages, rank)?;
            let held: HashSet<u32> =
                found.iter().map(|(_, note)| left[note.tag as usize]).collect();
            left.retain(|id| !held.contains(id));
        }
        Ok(left)
    }

    /// Notes derivations, except of rows that are there with as low a rank.
    fn arrive(&self, arrivals: &mut Arrivals, relation: usize, heads: &Heads) {
        let table = self.store.table(relation);
        for (row, note) in heads.iter() {
            let rank = note.rank + 1;
            let known = table.find(row).map(|id| table.meta(id));
            if !known.is_some_and(|meta| meta.is_in(Age::New) && meta.support <= rank) {
                let waiting = arrivals.entry(rank).or_default().entry(relation).or_default();
                waiting.words.extend_from_slice(row);
                waiting.count += 1;
            }
        }
    }

    /// Takes in arrivals, lowest rank first, and all that follows from them.
    fn take_in(
        &mut self,
        relations: &[usize],
        clauses: &[CoreClause],
        mut arrivals: Arrivals,
    ) -> Result<(), Fault> {
        while let Some((rank, level)) = arrivals.pop_first() {
            let mut fresh: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
            for (relation, Waiting { words, count }) in level {
                let table = self.store.table_mut(relation);
                for id in table.place_many(&words, count) {
                    let meta = table.meta(id);
                    if meta.is_in(Age::New) && meta.support <= rank {
                        continue;
                    }
                    table.set_new(id, rank, true);
                    self.touched[relation].push(id);
                    fresh.entry(relation).or_default().push(id);
                }
            }
            fresh.keys().for_each(|relation| self.store.table_mut(*relation).index());
            self.check_growth(relations)?;
            for clause in clauses {
                for (_, stored, plan) in
                    clause.deltas.iter().filter(|(_, stored, _)| stored.recursive)
                {
                    let Some(ids) = fresh.get(&stored.relation) else { continue };
                    let (starts, ages) = (Starts::Ids(stored.relation, ids), Ages::All(Age::New));
                    let heads = self.run(clause, plan, starts, ages, u32::MAX)?;
                    self.arrive(&mut arrivals, clause.head, &heads);
                }
            }
        }
        Ok(())
    }

    /// Stops a growing relation at its limit, before it fills memory.
    fn check_growth(&self, relations: &[usize]) -> Result<(), Fault> {
        for &relation in relations {
            let Some(limit) = self.compiled.program.info(relation).limit else { continue };
            let table = self.store.table(relation);
            let touched = self.touched[relation].len() as u64;
            if table.live() as u64 + touched <= limit {
                continue;
            }
            let have = table.ids().filter(|id| table.meta(*id).is_in(Age::New)).count() as u64;
            if have > limit {
                let kind = FaultKind::Limit { have, limit };
                return Err(Fault::new(&self.compiled.program, relation, kind));
            }
        }
        Ok(())
    }
}
