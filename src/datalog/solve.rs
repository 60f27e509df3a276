//! Solutions of a body over a view of the facts, one binding at a time.
//!
//! This is the plain reading of a clause: nested loops in the checked order, values and not words.
//! It serves explanation, where a handful of solutions is wanted; `maintain` has the fast joins.

use std::ops::ControlFlow;

use crate::datalog::builtins::Calls;
use crate::datalog::expr;
use crate::datalog::expr::Binding;
use crate::datalog::expr::Stop;
use crate::datalog::fold;
use crate::datalog::program::Aggregate;
use crate::datalog::program::Expr;
use crate::datalog::program::Literal;
use crate::datalog::program::LiteralKind;
use crate::datalog::program::Term;
use crate::datalog::syntax::Comparison;
use crate::datalog::value::Row;
use crate::datalog::value::Value;

/// Facts of one generation.
pub(crate) trait View {
    /// Calls `visit` for each row of `relation` that has the wanted values, until it breaks.
    fn each(
        &self,
        relation: usize,
        wanted: &[Option<Value>],
        visit: &mut dyn FnMut(&[Value], Note) -> ControlFlow<()>,
    ) -> ControlFlow<()>;

    /// The same, smallest row first.
    fn each_in_order(
        &self,
        relation: usize,
        wanted: &[Option<Value>],
        visit: &mut dyn FnMut(&[Value], Note) -> ControlFlow<()>,
    ) -> ControlFlow<()>;

    /// The result rows of a fold for the group that `binding` chooses, when they are stored.
    fn folded(&self, _aggregate: &Aggregate, _binding: &[Option<Value>]) -> Option<Vec<Row>> {
        None
    }
}

/// What is noted of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    /// The generation since which it holds.
    pub(crate) since: u64,
    /// The height of its lowest proof within a recursive stratum, from 1; 0 elsewhere.
    pub(crate) rank: u32,
    /// For inputs: a transaction asserted it.
    pub(crate) asserted: bool,
}

/// Walks bodies over a view and counts the rows that it looks at.
pub(crate) struct Solver<'a, V: View + ?Sized> {
    pub(crate) view: &'a V,
    pub(crate) calls: &'a Calls,
    /// Rows that the positive literals before this point matched, in order of evaluation.
    pub(crate) trail: Vec<(usize, Row)>,
    /// Rows looked at so far.
    pub(crate) work: u64,
    /// Most rows to look at; the walk breaks beyond.
    pub(crate) work_max: u64,
    /// True: rows are taken smallest first, so that the first solution is the canonical one.
    pub(crate) in_order: bool,
}

type Found<'f, 'a, V> =
    &'f mut dyn FnMut(&mut Solver<'a, V>, &mut Binding) -> Result<ControlFlow<()>, Stop>;

impl<'a, V: View + ?Sized> Solver<'a, V> {
    /// A solver that looks at no more than `work_max` rows.
    pub(crate) fn new(view: &'a V, calls: &'a Calls, work_max: u64) -> Self {
        Self { view, calls, trail: Vec::new(), work: 0, work_max, in_order: false }
    }

    /// True when the walk ran out of work; its answer is then incomplete.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.work > self.work_max
    }

    fn spend(&mut self) -> ControlFlow<()> {
        self.work += 1;
        if self.is_exhausted() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Calls `found` for each extension of `binding` that satisfies the literals at `order`.
    pub(crate) fn solve(
        &mut self,
        body: &[Literal],
        order: &[usize],
        binding: &mut Binding,
        found: Found<'_, 'a, V>,
    ) -> Result<ControlFlow<()>, Stop> {
        let Some((&at, rest)) = order.split_first() else { return found(self, binding) };
        self.literal(&body[at], binding, &mut |solver, binding| {
            solver.solve(body, rest, binding, found)
        })
    }

    /// Calls `found` for each extension of `binding` that satisfies one literal.
    pub(crate) fn literal(
        &mut self,
        literal: &Literal,
        binding: &mut Binding,
        found: Found<'_, 'a, V>,
    ) -> Result<ControlFlow<()>, Stop> {
        match &literal.kind {
            LiteralKind::Atom { relation, args, negated: false } => {
                self.atom(*relation, args, binding, found)
            }
            LiteralKind::Atom { relation, args, negated: true } => {
                let wanted = wanted(args, binding);
                let spent = self.spend();
                let absent = self.view.each(*relation, &wanted, &mut |_, _| ControlFlow::Break(()));
                if spent.is_break() {
                    return Ok(spent);
                }
                if absent.is_continue() { found(self, binding) } else { Ok(absent_is_false()) }
            }
            LiteralKind::Compare { op, left, right } => {
                for (to, from) in [(left, right), (right, left)] {
                    if let Expr::Variable(variable) = to
                        && *op == Comparison::Equal
                        && binding[*variable].is_none()
                    {
                        let Some(value) = self.try_value(from, binding)? else { return go_on() };
                        return self.with(*variable, value, binding, found);
                    }
                }
                let Some(left) = self.try_value(left, binding)? else { return go_on() };
                let Some(right) = self.try_value(right, binding)? else { return go_on() };
                if op.holds(left.cmp(&right)) { found(self, binding) } else { go_on() }
            }
            LiteralKind::Test { call, negated } => {
                let inputs = match expr::inputs(call, binding, self.calls) {
                    Err(Stop::Failed(_)) => return go_on(),
                    other => other?,
                };
                let holds = self.calls.test(call.function, &inputs) == Ok(!negated);
                if holds { found(self, binding) } else { go_on() }
            }
            LiteralKind::Rows { call, outs } => {
                let inputs = match expr::inputs(call, binding, self.calls) {
                    Err(Stop::Failed(_)) => return go_on(),
                    other => other?,
                };
                let rows = self.calls.relation(call.function, &inputs).unwrap_or_default();
                self.rows(&rows, outs, binding, found)
            }
            LiteralKind::Aggregate(aggregate) => {
                let rows = self.aggregate(aggregate, binding)?;
                self.rows(&rows, &aggregate.targets, binding, found)
            }
        }
    }

    fn try_value(&self, expr: &Expr, binding: &Binding) -> Result<Option<Value>, Stop> {
        match expr::value(expr, binding, self.calls) {
            Ok(value) => Ok(Some(value)),
            Err(Stop::Failed(_)) => Ok(None),
            Err(stop) => Err(stop),
        }
    }

    fn with(
        &mut self,
        variable: usize,
        value: Value,
        binding: &mut Binding,
        found: Found<'_, 'a, V>,
    ) -> Result<ControlFlow<()>, Stop> {
        binding[variable] = Some(value);
        let flow = found(self, binding);
        binding[variable] = None;
        flow
    }

    fn atom(
        &mut self,
        relation: usize,
        args: &[Term],
        binding: &mut Binding,
        found: Found<'_, 'a, V>,
    ) -> Result<ControlFlow<()>, Stop> {
        let mut stop = None;
        let view = self.view;
        let wanted = wanted(args, binding);
        let in_order = self.in_order;
        let mut take = |row: &[Value], _: Note| {
            self.spend()?;
            self.trail.push((relation, row.to_vec()));
            let outcome = self.row(row, args, binding, found);
            self.trail.pop();
            match outcome {
                Ok(flow) => flow,
                Err(error) => {
                    stop = Some(error);
                    ControlFlow::Break(())
                }
            }
        };
        let flow = if in_order {
            view.each_in_order(relation, &wanted, &mut take)
        } else {
            view.each(relation, &wanted, &mut take)
        };
        stop.map_or(Ok(flow), Err)
    }

    /// Binds the open variables of `args` to `row` and goes on, when repeated variables agree.
    fn row(
        &mut self,
        row: &[Value],
        args: &[Term],
        binding: &mut Binding,
        found: Found<'_, 'a, V>,
    ) -> Result<ControlFlow<()>, Stop> {
        let mut fresh = Vec::new();
        let mut agrees = true;
        for (arg, value) in args.iter().zip(row) {
            match arg {
                Term::Constant(constant) => agrees &= constant == value,
                Term::Wildcard => {}
                Term::Variable(variable) => match &binding[*variable] {
                    Some(bound) => agrees &= bound == value,
                    None => {
                        binding[*variable] = Some(value.clone());
                        fresh.push(*variable);
                    }
                },
            }
        }
        let flow = if agrees { found(self, binding) } else { go_on() };
        fresh.into_iter().for_each(|variable| binding[variable] = None);
        flow
    }

    fn rows(
        &mut self,
        rows: &[Vec<Value>],
        args: &[Term],
        binding: &mut Binding,
        found: Found<'_, 'a, V>,
    ) -> Result<ControlFlow<()>, Stop> {
        for row in rows {
            if self.spend().is_break() {
                return Ok(ControlFlow::Break(()));
            }
            if self.row(row, args, binding, found)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        go_on()
    }

    /// The result rows of an aggregate whose keys are bound.
    pub(crate) fn aggregate(
        &mut self,
        aggregate: &Aggregate,
        binding: &Binding,
    ) -> Result<Vec<Vec<Value>>, Stop> {
        match self.view.folded(aggregate, binding) {
            Some(rows) => {
                self.work += 1;
                Ok(rows)
            }
            None => fold::fold(aggregate, &self.group(aggregate, binding)?),
        }
    }

    /// The solutions of an aggregate's body, as entries to fold.
    pub(crate) fn group(
        &mut self,
        aggregate: &Aggregate,
        binding: &Binding,
    ) -> Result<Vec<fold::Entry>, Stop> {
        let mut inner: Binding = vec![None; binding.len()];
        for key in &aggregate.keys {
            inner[*key].clone_from(&binding[*key]);
        }
        let mut entries = Vec::new();
        let in_order = std::mem::replace(&mut self.in_order, false);
        let flow =
            self.solve(&aggregate.body, &aggregate.body_order, &mut inner, &mut |solver, inner| {
                if let Some(entry) = fold::entry(aggregate, inner, solver.calls)? {
                    entries.push(entry);
                }
                go_on()
            });
        self.in_order = in_order;
        let flow = flow?;
        debug_assert!(flow.is_continue() || self.is_exhausted());
        Ok(entries)
    }
}

fn wanted(args: &[Term], binding: &Binding) -> Vec<Option<Value>> {
    args.iter().map(|arg| expr::wanted(arg, binding)).collect()
}

fn go_on() -> Result<ControlFlow<()>, Stop> {
    Ok(ControlFlow::Continue(()))
}

/// A negated literal that does not hold: nothing found, the walk goes on.
fn absent_is_false() -> ControlFlow<()> {
    ControlFlow::Continue(())
}
