//! What random runs saw, counted, so that nobody has to believe that they are worth something.
//!
//! Classes are found from outside: from the rows before and after a transaction, and from the
//! engine's counted effort.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::ControlFlow;

use crate::datalog::builtins::Calls;
use crate::datalog::expr::Binding;
use crate::datalog::fold;
use crate::datalog::maintain::Effort;
use crate::datalog::program::Aggregate;
use crate::datalog::program::Clause;
use crate::datalog::program::LiteralKind;
use crate::datalog::program::Program;
use crate::datalog::program::Term;
use crate::datalog::solve::Solver;
use crate::datalog::syntax::Fold;
use crate::datalog::tests::naive::Rows;
use crate::datalog::value::Row;
use crate::datalog::value::Value;

/// Counts of one property, all runs together.
#[derive(Default, Debug)]
pub(super) struct Coverage {
    pub(super) programs: u64,
    pub(super) mutually_recursive: u64,
    pub(super) over_recursion: u64,
    pub(super) transactions: u64,
    pub(super) facts: u64,
    pub(super) proofs: u64,
    pub(super) steps_checked: u64,
    pub(super) with_derived_delta: u64,
    pub(super) overdeleted_and_rederived: u64,
    pub(super) extremum_changed: u64,
    pub(super) group_emptied: u64,
    pub(super) group_refilled: u64,
    pub(super) negation_flipped: u64,
    pub(super) in_full: u64,
    pub(super) forks: u64,
    pub(super) pinned_readers: u64,
    pub(super) freed_under_reader: u64,
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = 100 * self.with_derived_delta / self.transactions.max(1);
        let lines = [
            ("programs", self.programs),
            ("  with mutual recursion", self.mutually_recursive),
            ("  with negation or a fold over recursion", self.over_recursion),
            ("transactions", self.transactions),
            ("  whose derived delta is not empty, percent", share),
            ("  that overdelete and rederive", self.overdeleted_and_rederived),
            ("  that change an extremum", self.extremum_changed),
            ("  that empty a group", self.group_emptied),
            ("  that refill one", self.group_refilled),
            ("  that flip a negated condition", self.negation_flipped),
            ("  run on a fork too", self.forks),
            ("  under a pinned reader", self.pinned_readers),
            ("  that free values under a pinned reader", self.freed_under_reader),
            ("  evaluated in full, at least in part", self.in_full),
            ("facts compared", self.facts),
            ("proofs checked", self.proofs),
            ("  steps in them", self.steps_checked),
        ];
        lines.iter().try_for_each(|(name, count)| writeln!(f, "{name:<44} {count:>10}"))
    }
}

/// Results of the folds of a program: per clause and condition, per group.
type Folds = BTreeMap<(usize, usize), BTreeMap<Row, Vec<Row>>>;

/// What is remembered from one transaction of a run to the next.
pub(super) struct Watch {
    calls: Calls,
    folds: Folds,
    projections: BTreeMap<(usize, usize), BTreeSet<Row>>,
    emptied: BTreeSet<(usize, usize, Row)>,
}

impl Watch {
    pub(super) fn new(program: &Program, rows: &Rows, calls: Calls, seen: &mut Coverage) -> Self {
        seen.programs += 1;
        let derived = |relations: &[usize]| relations.len();
        let strata = &program.inner.strata;
        let mutual = strata.iter().any(|s| s.recursive && derived(&s.relations) > 1);
        seen.mutually_recursive += u64::from(mutual);
        seen.over_recursion += u64::from(program.inner.clauses.iter().any(|clause| {
            reads_closed(clause).any(|relation| strata[program.info(relation).stratum].recursive)
        }));
        let (folds, projections) = (folds(program, rows, &calls), projections(program, rows));
        Self { calls, folds, projections, emptied: BTreeSet::new() }
    }

    /// Counts the classes that a transaction is in.
    pub(super) fn after(
        &mut self,
        program: &Program,
        rows: &Rows,
        effort: &Effort,
        seen: &mut Coverage,
    ) {
        seen.transactions += 1;
        seen.overdeleted_and_rederived += u64::from(effort.overdeleted > 0 && effort.rederived > 0);
        seen.in_full += u64::from(effort.full_units > 0);
        let folds = folds(program, rows, &self.calls);
        let projections = projections(program, rows);
        seen.negation_flipped += u64::from(projections != self.projections);
        let (mut changed, mut emptied, mut refilled) = (false, false, false);
        for (&(clause, literal), now) in &folds {
            let before = self.folds.get(&(clause, literal));
            let before = before.cloned().unwrap_or_default();
            for (group, result) in now {
                changed |= is_extremum(program, clause, literal)
                    && before.get(group).is_some_and(|old| old != result);
                refilled |= self.emptied.remove(&(clause, literal, group.clone()));
            }
            for group in before.keys().filter(|group| !now.contains_key(*group)) {
                emptied = true;
                self.emptied.insert((clause, literal, group.clone()));
            }
        }
        seen.extremum_changed += u64::from(changed);
        seen.group_emptied += u64::from(emptied);
        seen.group_refilled += u64::from(refilled);
        (self.folds, self.projections) = (folds, projections);
    }
}

/// Relations that a clause reads through a negation or a fold.
fn reads_closed(clause: &Clause) -> impl Iterator<Item = usize> {
    clause.body.iter().flat_map(|literal| match &literal.kind {
        LiteralKind::Atom { relation, negated: true, .. } => vec![*relation],
        LiteralKind::Aggregate(aggregate) => atoms(aggregate),
        _ => Vec::new(),
    })
}

fn atoms(aggregate: &Aggregate) -> Vec<usize> {
    let atoms = aggregate.body.iter().filter_map(|literal| match &literal.kind {
        LiteralKind::Atom { relation, .. } => Some(*relation),
        _ => None,
    });
    atoms.collect()
}

/// True for a fold that is one of the values that it is made of.
fn is_extremum(program: &Program, clause: usize, literal: usize) -> bool {
    match &program.inner.clauses[clause].body[literal].kind {
        LiteralKind::Aggregate(aggregate) => {
            matches!(aggregate.fold, Fold::Min | Fold::Max | Fold::Best)
        }
        _ => false,
    }
}

/// The groups of every fold that binds its own keys, and their results.
fn folds(program: &Program, rows: &Rows, calls: &Calls) -> Folds {
    let mut found = Folds::new();
    for (at, clause) in program.inner.clauses.iter().enumerate() {
        for (place, literal) in clause.body.iter().enumerate() {
            let LiteralKind::Aggregate(aggregate) = &literal.kind else { continue };
            if crate::datalog::check::binds_alone(aggregate) {
                found.insert((at, place), groups(aggregate, clause, rows, calls));
            }
        }
    }
    found
}

fn groups(
    aggregate: &Aggregate,
    clause: &Clause,
    rows: &Rows,
    calls: &Calls,
) -> BTreeMap<Row, Vec<Row>> {
    let mut entries: BTreeMap<Row, Vec<fold::Entry>> = BTreeMap::new();
    let mut binding: Binding = vec![None; clause.variables.len()];
    let mut solver = Solver::new(rows, calls, u64::MAX);
    // The order for bound keys may ask too early here, so the positive conditions go first.
    let mut order: Vec<usize> = (0..aggregate.body.len()).collect();
    order.sort_by_key(|at| {
        !matches!(aggregate.body[*at].kind, LiteralKind::Atom { negated: false, .. })
    });
    let flow = solver.solve(&aggregate.body, &order, &mut binding, &mut |solver, binding| {
        let key: Row = aggregate.keys.iter().filter_map(|key| binding[*key].clone()).collect();
        if let Some(entry) = fold::entry(aggregate, binding, solver.calls)? {
            entries.entry(key).or_default().push(entry);
        }
        Ok(ControlFlow::Continue(()))
    });
    assert!(flow.is_ok(), "random programs stay in range");
    let results = entries.into_iter();
    results.map(|(key, entries)| (key, fold::fold(aggregate, &entries).unwrap())).collect()
}

/// What each negated condition asks for: the columns that matter of the rows that there are.
fn projections(program: &Program, rows: &Rows) -> BTreeMap<(usize, usize), BTreeSet<Row>> {
    let mut found = BTreeMap::new();
    for (at, clause) in program.inner.clauses.iter().enumerate() {
        for (place, literal) in clause.body.iter().enumerate() {
            let LiteralKind::Atom { relation, args, negated: true } = &literal.kind else {
                continue;
            };
            let fits = |row: &&Row| {
                args.iter().zip(row.iter()).all(|(arg, value)| match arg {
                    Term::Constant(constant) => constant == value,
                    _ => true,
                })
            };
            let columns = |row: &Row| -> Row {
                let matter = args.iter().zip(row).filter(|(arg, _)| **arg != Term::Wildcard);
                matter.map(|(_, value): (_, &Value)| value.clone()).collect()
            };
            let rows = rows.0[*relation].keys().filter(fits).map(columns).collect();
            found.insert((at, place), rows);
        }
    }
    found
}
