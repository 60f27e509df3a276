//! Why a fact does not hold: per clause, how far it got and which condition stopped it.
//!
//! Nobody has to bind variables first: the search takes every partial match, keeps the one with the
//! most conditions met, and reports the next condition. Asking on is the caller's: `why_not` of a
//! missing fact, `why` of a blocking one.

use std::ops::ControlFlow;

use crate::datalog::builtins::Calls;
use crate::datalog::expr;
use crate::datalog::expr::Binding;
use crate::datalog::expr::Stop;
use crate::datalog::fact::Fact;
use crate::datalog::fact::Pattern;
use crate::datalog::instance::Names;
use crate::datalog::program::Clause;
use crate::datalog::program::Expr;
use crate::datalog::program::Literal;
use crate::datalog::program::LiteralKind;
use crate::datalog::program::Program;
use crate::datalog::program::RelationKind;
use crate::datalog::proof::FailedRule;
use crate::datalog::proof::Failure;
use crate::datalog::proof::clause_text;
use crate::datalog::solve::Solver;
use crate::datalog::solve::View;
use crate::datalog::value::Value;
use crate::datalog::why::bind_head;
use crate::datalog::world::World;

/// Searches for near misses.
pub(crate) struct Search<'a> {
    pub(crate) program: &'a Program,
    pub(crate) calls: &'a Calls,
    pub(crate) rows: &'a World,
    pub(crate) work: u64,
    pub(crate) work_max: u64,
    pub(crate) complete: bool,
}

/// The deepest partial match so far.
struct Deepest {
    met: usize,
    binding: Binding,
    distance: usize,
}

impl Search<'_> {
    /// All clauses that could derive `pattern`, nearest first.
    pub(crate) fn rules(&mut self, relation: usize, pattern: &Pattern) -> Vec<FailedRule> {
        let info = self.program.info(relation);
        if info.kind == RelationKind::Input {
            let failure = Failure::Missing { pattern: pattern.clone(), expandable: false };
            return vec![FailedRule {
                clause: None,
                sentence: info.doc.to_string(),
                matched: Vec::new(),
                bindings: Vec::new(),
                failing: pattern.to_string(),
                failure,
                distance: 1,
            }];
        }
        let clauses = self.program.inner.clauses.iter().filter(|clause| clause.head == relation);
        let mut failed: Vec<FailedRule> =
            clauses.map(|clause| self.clause(clause, pattern)).collect();
        failed.sort_by_key(|rule| (rule.failure == Failure::Head, rule.distance));
        failed
    }

    fn clause(&mut self, clause: &Clause, pattern: &Pattern) -> FailedRule {
        let names = Names { program: self.program, clause };
        let mut rule = FailedRule {
            clause: Some(clause_text(clause)),
            sentence: self.program.info(clause.head).doc.to_string(),
            matched: Vec::new(),
            bindings: Vec::new(),
            failing: pattern.to_string(),
            failure: Failure::Head,
            distance: clause.body.len() + 1,
        };
        let Some(mut binding) = bind_head(clause, &pattern.columns) else { return rule };
        let work_max = self.work_max.saturating_sub(self.work);
        let mut solver = Solver::new(self.rows, self.calls, work_max);
        let mut deepest: Option<Deepest> = None;
        let walked = descend(&mut solver, clause, pattern, 0, &mut binding, &mut deepest);
        self.work += solver.work;
        self.complete &= walked.is_ok() && !solver.is_exhausted();
        let Some(deepest) = deepest else { return rule };
        let order = &clause.order;
        let met = order[..deepest.met].iter().map(|at| &clause.body[*at]);
        rule.matched =
            met.map(|literal| names.computed(literal, &deepest.binding, self.calls)).collect();
        rule.bindings = names.bindings(&deepest.binding);
        rule.distance = deepest.distance;
        if let Some(at) = order.get(deepest.met) {
            let literal = &clause.body[*at];
            rule.failing = names.literal(literal, &deepest.binding);
            rule.failure = self.failure(&names, literal, &deepest.binding);
        }
        rule
    }

    fn failure(&mut self, names: &Names<'_>, literal: &Literal, binding: &Binding) -> Failure {
        let derives = |relation: usize| self.program.info(relation).kind != RelationKind::Input;
        match &literal.kind {
            LiteralKind::Atom { relation, args, negated } => {
                let pattern = names.pattern(*relation, args, binding);
                let expandable = derives(*relation);
                let mut blocking = None;
                if *negated {
                    let _ = self.rows.each(*relation, &pattern.columns, &mut |row, _| {
                        blocking = Some(row.to_vec());
                        ControlFlow::Break(())
                    });
                }
                match blocking {
                    Some(row) => {
                        Failure::Blocked { fact: Fact::new(pattern.relation, row), expandable }
                    }
                    None => Failure::Missing { pattern, expandable },
                }
            }
            LiteralKind::Compare { left, right, .. } => {
                let sides = [left, right].into_iter().filter(|side| expr::is_bound(side, binding));
                let stopped =
                    sides.filter_map(|side| expr::value(side, binding, self.calls).err()).next();
                stopped.map_or(Failure::False, |stop| Failure::Error { message: message(stop) })
            }
            LiteralKind::Test { call, .. } => {
                let outcome = expr::inputs(call, binding, self.calls).map_err(message);
                match outcome.and_then(|inputs| self.calls.test(call.function, &inputs)) {
                    Ok(_) => Failure::False,
                    Err(message) => Failure::Error { message },
                }
            }
            LiteralKind::Rows { call, .. } => {
                let outcome = expr::inputs(call, binding, self.calls).map_err(message);
                match outcome.and_then(|inputs| self.calls.relation(call.function, &inputs)) {
                    Ok(_) => Failure::False,
                    Err(message) => Failure::Error { message },
                }
            }
            LiteralKind::Aggregate(aggregate) => {
                let work_max = self.work_max.saturating_sub(self.work);
                let mut solver = Solver::new(self.rows, self.calls, work_max);
                let entries = solver.group(aggregate, binding).unwrap_or_default();
                self.work += solver.work;
                let rows = crate::datalog::fold::fold(aggregate, &entries).unwrap_or_default();
                let need: Option<Vec<Value>> =
                    aggregate.targets.iter().map(|term| expr::wanted(term, binding)).collect();
                let have = rows.into_iter().next();
                Failure::Aggregate { need, have, group_size: entries.len() as u64 }
            }
        }
    }
}

fn message(stop: Stop) -> String {
    match stop {
        Stop::Failed(message) => message,
        Stop::Overflow(operation) => format!("`{operation}` is out of range"),
        Stop::Work { .. } => "too much work".to_owned(),
    }
}

/// Walks all partial matches from the literal at `place` of the order; notes the deepest.
fn descend<V: View + ?Sized>(
    solver: &mut Solver<'_, V>,
    clause: &Clause,
    pattern: &Pattern,
    place: usize,
    binding: &mut Binding,
    deepest: &mut Option<Deepest>,
) -> Result<ControlFlow<()>, Stop> {
    let Some(&at) = clause.order.get(place) else {
        return Ok(complete_match(solver, clause, pattern, binding, deepest));
    };
    let mut any = false;
    let flow = solver.literal(&clause.body[at], binding, &mut |solver, binding| {
        any = true;
        descend(solver, clause, pattern, place + 1, binding, deepest)
    });
    let flow = match flow {
        Err(_) => ControlFlow::Continue(()),
        Ok(flow) => flow,
    };
    if !any && deepest.as_ref().is_none_or(|best| best.met <= place) {
        let distance = unmet(solver, clause, place, binding);
        let nearer = |best: &Deepest| best.met < place || distance < best.distance;
        if deepest.as_ref().is_none_or(nearer) {
            *deepest = Some(Deepest { met: place, binding: binding.clone(), distance });
        }
    }
    Ok(flow)
}

/// All conditions hold, so only a computed head can differ from what was asked.
fn complete_match<V: View + ?Sized>(
    solver: &Solver<'_, V>,
    clause: &Clause,
    pattern: &Pattern,
    binding: &Binding,
    deepest: &mut Option<Deepest>,
) -> ControlFlow<()> {
    let computed = |arg: &Expr| !matches!(arg, Expr::Variable(_) | Expr::Constant(_));
    if clause.head_args.iter().any(computed) {
        let fits = clause.head_args.iter().zip(&pattern.columns).all(|(arg, want)| {
            want.as_ref().is_none_or(|w| expr::value(arg, binding, solver.calls).as_ref() == Ok(w))
        });
        if !fits && deepest.is_none() {
            *deepest =
                Some(Deepest { met: clause.order.len(), binding: binding.clone(), distance: 1 });
        }
    }
    ControlFlow::Continue(())
}

/// How many conditions from `place` on do not hold under `binding`, as far as it binds them.
fn unmet<V: View + ?Sized>(
    solver: &mut Solver<'_, V>,
    clause: &Clause,
    place: usize,
    binding: &mut Binding,
) -> usize {
    let mut count = 1;
    for &at in &clause.order[place + 1..] {
        let literal = &clause.body[at];
        if !is_ready(literal, binding) {
            continue;
        }
        let mut holds = false;
        let _ = solver.literal(literal, binding, &mut |_, _| {
            holds = true;
            Ok(ControlFlow::Break(()))
        });
        count += usize::from(!holds);
    }
    count
}

/// True when the literal can be asked under this binding.
fn is_ready(literal: &Literal, binding: &Binding) -> bool {
    match &literal.kind {
        LiteralKind::Atom { args, negated, .. } => {
            let bound = |term: &crate::datalog::program::Term| match term {
                crate::datalog::program::Term::Variable(variable) => binding[*variable].is_some(),
                _ => true,
            };
            !negated || args.iter().all(bound)
        }
        LiteralKind::Compare { left, right, .. } => {
            expr::is_bound(left, binding) && expr::is_bound(right, binding)
        }
        LiteralKind::Test { call, .. } | LiteralKind::Rows { call, .. } => {
            call.args.iter().all(|arg| expr::is_bound(arg, binding))
        }
        LiteralKind::Aggregate(aggregate) => {
            aggregate.keys.iter().all(|key| binding[*key].is_some())
        }
    }
}
