//! The oracle: all strata from scratch, naive rounds, plain sets of decoded rows.
//!
//! It shares no join, no index, no count and no word with the engine. Rank is the round in which a
//! row of a recursive stratum first appears: the height of its lowest proof there.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::datalog::builtins::Calls;
use crate::datalog::expr;
use crate::datalog::expr::Binding;
use crate::datalog::expr::Stop;
use crate::datalog::fault::Fault;
use crate::datalog::fault::FaultKind;
use crate::datalog::program::Clause;
use crate::datalog::program::LiteralKind;
use crate::datalog::program::Program;
use crate::datalog::program::RelationKind;
use crate::datalog::program::Stratum;
use crate::datalog::solve::Note;
use crate::datalog::solve::Solver;
use crate::datalog::solve::View;
use crate::datalog::value::Row;
use crate::datalog::value::Value;

/// Rows of every relation, by position.
#[derive(Clone, Default)]
pub(super) struct Rows(pub(super) Vec<Arc<BTreeMap<Row, Note>>>);

impl View for Rows {
    fn each_in_order(
        &self,
        relation: usize,
        wanted: &[Option<Value>],
        visit: &mut dyn FnMut(&[Value], Note) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        self.each(relation, wanted, visit)
    }

    fn each(
        &self,
        relation: usize,
        wanted: &[Option<Value>],
        visit: &mut dyn FnMut(&[Value], Note) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let prefix: Row = wanted.iter().map_while(Clone::clone).collect();
        for (row, note) in self.0[relation].range::<Row, _>(&prefix..) {
            if !row.starts_with(&prefix) {
                break;
            }
            let fits = wanted
                .iter()
                .zip(row)
                .all(|(want, value)| want.as_ref().is_none_or(|w| w == value));
            if fits {
                visit(row, *note)?;
            }
        }
        ControlFlow::Continue(())
    }
}

/// Derives all rows over the inputs in `rows`; `since` of new rows is `generation`.
pub(super) fn evaluate(
    program: &Program,
    calls: &Calls,
    rows: &mut Rows,
    generation: u64,
) -> BTreeMap<usize, Fault> {
    let mut work = Evaluation { program, calls, rows, generation, faults: BTreeMap::new() };
    for stratum in &program.inner.strata {
        work.stratum(stratum);
    }
    work.faults
}

struct Evaluation<'a> {
    program: &'a Program,
    calls: &'a Calls,
    rows: &'a mut Rows,
    generation: u64,
    faults: BTreeMap<usize, Fault>,
}

impl Evaluation<'_> {
    fn stratum(&mut self, stratum: &Stratum) {
        let derived = |relation: &&usize| self.program.info(**relation).kind != RelationKind::Input;
        let derived: Vec<usize> = stratum.relations.iter().filter(derived).copied().collect();
        for relation in &derived {
            self.rows.0[*relation] = Arc::default();
        }
        if let Some(fault) = self.fault_below(stratum) {
            self.spread(&derived, &fault);
            return;
        }
        for round in 1.. {
            let mut found: BTreeSet<(usize, Row)> = BTreeSet::new();
            for &at in &stratum.clauses {
                let clause = &self.program.inner.clauses[at];
                if self.program.info(clause.head).kind == RelationKind::Input {
                    continue;
                }
                if let Err(stop) = self.clause(clause, &mut found) {
                    let fault = Fault::stopped(self.program, clause, &stop);
                    self.spread(&derived, &fault);
                    return;
                }
            }
            let mut changed = false;
            let rank = if stratum.recursive { round } else { 0 };
            for (relation, row) in found {
                let rows = Arc::make_mut(&mut self.rows.0[relation]);
                rows.entry(row).or_insert_with(|| {
                    changed = true;
                    Note { since: self.generation, rank, asserted: false }
                });
            }
            if let Some(fault) = self.over_limit(&derived) {
                self.spread(&derived, &fault);
                return;
            }
            if !changed || !stratum.recursive {
                break;
            }
        }
        if let Some(fault) = derived.iter().find_map(|relation| self.key_clash(*relation)) {
            self.spread(&derived, &fault);
        }
    }

    fn clause(&self, clause: &Clause, found: &mut BTreeSet<(usize, Row)>) -> Result<(), Stop> {
        let mut solver = Solver::new(&*self.rows, self.calls, u64::MAX);
        let mut binding: Binding = vec![None; clause.variables.len()];
        let flow = solver.solve(&clause.body, &clause.order, &mut binding, &mut |_, binding| {
            if let Some(row) = head_row(clause, binding, self.calls)? {
                found.insert((clause.head, row));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        debug_assert!(flow.is_continue());
        Ok(())
    }

    fn fault_below(&self, stratum: &Stratum) -> Option<Fault> {
        for &at in &stratum.clauses {
            let mut below = None;
            each_relation(&self.program.inner.clauses[at], &mut |relation| {
                below = below.clone().or_else(|| self.faults.get(&relation).cloned());
            });
            if below.is_some() {
                return below;
            }
        }
        None
    }

    fn spread(&mut self, derived: &[usize], fault: &Fault) {
        for relation in derived {
            self.rows.0[*relation] = Arc::default();
            let name = Arc::clone(&self.program.info(*relation).name);
            self.faults.insert(*relation, Fault { relation: name, ..fault.clone() });
        }
    }

    fn over_limit(&self, derived: &[usize]) -> Option<Fault> {
        derived.iter().find_map(|relation| {
            let limit = self.program.info(*relation).limit?;
            let have = self.rows.0[*relation].len() as u64;
            (have > limit)
                .then(|| Fault::new(self.program, *relation, FaultKind::Limit { have, limit }))
        })
    }

    fn key_clash(&self, relation: usize) -> Option<Fault> {
        let key = self.program.info(relation).key.as_ref()?;
        let mut seen: BTreeMap<Vec<&Value>, &Row> = BTreeMap::new();
        for row in self.rows.0[relation].keys() {
            let key: Vec<&Value> = key.iter().map(|column| &row[*column]).collect();
            if let Some(first) = seen.insert(key, row) {
                let rows = [first.clone(), row.clone()];
                return Some(Fault::new(self.program, relation, FaultKind::Key { rows }));
            }
        }
        None
    }
}

/// Calls `visit` for each relation that the clause reads.
pub(super) fn each_relation(clause: &Clause, visit: &mut impl FnMut(usize)) {
    for literal in &clause.body {
        match &literal.kind {
            LiteralKind::Atom { relation, .. } => visit(*relation),
            LiteralKind::Aggregate(aggregate) => {
                for inner in &aggregate.body {
                    if let LiteralKind::Atom { relation, .. } = &inner.kind {
                        visit(*relation);
                    }
                }
            }
            _ => {}
        }
    }
}

/// The head under a full binding; `None` when a built-in in it fails.
pub(super) fn head_row(
    clause: &Clause,
    binding: &Binding,
    calls: &Calls,
) -> Result<Option<Row>, Stop> {
    let mut row = Vec::with_capacity(clause.head_args.len());
    for arg in &clause.head_args {
        match expr::value(arg, binding, calls) {
            Ok(value) => row.push(value),
            Err(Stop::Failed(_)) => return Ok(None),
            Err(stop) => return Err(stop),
        }
    }
    Ok(Some(row))
}
