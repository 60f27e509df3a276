//! The calls used: every value that the clauses compute over the finished facts, by arguments.
//!
//! Each clause is walked once, in the order of the checker, and each computed value on the way is
//! noted. A solution that another engine finds is one that the walk finds, so nothing is missing.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::ops::ControlFlow;

use crate::datalog::arithmetic;
use crate::datalog::expr::Binding;
use crate::datalog::expr::Stop;
use crate::datalog::program::Aggregate;
use crate::datalog::program::Call;
use crate::datalog::program::Expr;
use crate::datalog::program::Literal;
use crate::datalog::program::LiteralKind;
use crate::datalog::program::Program;
use crate::datalog::program::RelationKind;
use crate::datalog::program::Term;
use crate::datalog::solve::Solver;
use crate::datalog::syntax::Comparison;
use crate::datalog::syntax::Fold;
use crate::datalog::syntax::Operator;
use crate::datalog::value::Row;
use crate::datalog::value::Type;
use crate::datalog::value::Value;
use crate::datalog::world::World;

/// What was computed, what is ordered by something else than numbers, and what is too large.
#[derive(Default)]
pub(super) struct Used {
    pub(super) tables: BTreeMap<String, BTreeSet<Row>>,
    /// Values whose order decides something, by type.
    pub(super) ordered: BTreeMap<Type, BTreeSet<Value>>,
    /// Numbers that 32 bits do not hold.
    pub(super) large: BTreeSet<i64>,
}

/// The table of an arithmetic sign on two types.
pub(super) fn arithmetic_table(op: Operator, left: Type, right: Type) -> String {
    let word = match op {
        Operator::Add => "add",
        Operator::Subtract => "subtract",
        Operator::Multiply => "multiply",
        Operator::Divide => "divide",
        Operator::Remainder => "remainder",
    };
    format!("{word}__{}_{}", left.name(), right.name())
}

/// The table of `cat` on these types.
pub(super) fn concat_table(types: impl Iterator<Item = Type>) -> String {
    let types: Vec<&str> = types.map(Type::name).collect();
    format!("cat__{}", types.join("_"))
}

/// The table of a built-in; `what` is `value`, `error`, `holds`, `fails` or `rows`.
pub(super) fn call_table(program: &Program, call: &Call, what: &str) -> String {
    format!("{what}__{}", program.functions()[call.function])
}

/// The table of an aggregate's values by group.
pub(super) fn fold_table(clause: usize, literal: usize) -> String {
    format!("fold__{clause}_{literal}")
}

/// True for a fold that only a table can give.
pub(super) fn is_tabled(aggregate: &Aggregate) -> bool {
    match aggregate.fold {
        Fold::Join { .. } => true,
        Fold::Sum => aggregate.base != Type::Number,
        _ => false,
    }
}

impl Used {
    /// Walks all clauses.
    pub(super) fn collect(world: &World) -> Self {
        let program = world.program();
        let mut used = Self::default();
        for (at, info) in program.relations().enumerate() {
            world.sorted_rows(at).into_iter().flatten().for_each(|value| used.value(&value));
            debug_assert_eq!(program.position(&info.name), Some(at));
        }
        for (at, clause) in program.inner.clauses.iter().enumerate() {
            if program.info(clause.head).kind == RelationKind::Input {
                continue;
            }
            let mut binding: Binding = vec![None; clause.variables.len()];
            let mut solver = Solver::new(world, &world.calls, u64::MAX);
            let mut walk = Walk { world, clause: at, used: &mut used };
            // A value out of range would have faulted the relation.
            let _ =
                walk.body(&mut solver, &clause.body, &clause.order, &mut binding, &mut |w, b| {
                    clause.head_args.iter().for_each(|arg| {
                        w.expr(arg, b);
                    });
                });
        }
        used
    }

    fn value(&mut self, value: &Value) {
        if let Value::Number(number) = value
            && i32::try_from(*number).is_err()
        {
            self.large.insert(*number);
        }
    }

    fn order(&mut self, value: Value) {
        self.ordered.entry(value.base()).or_default().insert(value);
    }

    fn row(&mut self, table: String, row: Row) {
        row.iter().for_each(|value| self.value(value));
        self.tables.entry(table).or_default().insert(row);
    }
}

/// One walk through a clause.
struct Walk<'u, 'w> {
    world: &'w World,
    clause: usize,
    used: &'u mut Used,
}

type End<'e, 'u, 'w> = &'e mut dyn FnMut(&mut Walk<'u, 'w>, &Binding);

impl<'u, 'w> Walk<'u, 'w> {
    fn body(
        &mut self,
        solver: &mut Solver<'w, World>,
        body: &[Literal],
        order: &[usize],
        binding: &mut Binding,
        end: End<'_, 'u, 'w>,
    ) -> Result<ControlFlow<()>, Stop> {
        let Some((&at, rest)) = order.split_first() else {
            end(self, binding);
            return Ok(ControlFlow::Continue(()));
        };
        self.note(&body[at], at, binding)?;
        solver.literal(&body[at], binding, &mut |solver, binding| {
            self.body(solver, body, rest, binding, end)
        })
    }

    /// Notes what one literal computes under a binding.
    fn note(&mut self, literal: &Literal, at: usize, binding: &Binding) -> Result<(), Stop> {
        let program = self.world.program();
        let calls = &self.world.calls;
        match &literal.kind {
            LiteralKind::Atom { args, .. } => self.constants(args),
            LiteralKind::Compare { op, left, right } => {
                let sides = [self.expr(left, binding), self.expr(right, binding)];
                if !matches!(op, Comparison::Equal | Comparison::NotEqual) {
                    sides.into_iter().flatten().for_each(|value| self.used.order(value));
                }
            }
            LiteralKind::Test { call, .. } => {
                let Some(inputs) = self.inputs(&call.args, binding) else { return Ok(()) };
                if let Ok(holds) = calls.test(call.function, &inputs) {
                    let what = if holds { "holds" } else { "fails" };
                    self.used.row(call_table(program, call, what), inputs);
                }
            }
            LiteralKind::Rows { call, outs } => {
                self.constants(outs);
                let Some(inputs) = self.inputs(&call.args, binding) else { return Ok(()) };
                for row in calls.relation(call.function, &inputs).unwrap_or_default() {
                    let row = [inputs.clone(), row].concat();
                    self.used.row(call_table(program, call, "rows"), row);
                }
            }
            LiteralKind::Aggregate(aggregate) => self.aggregate(aggregate, at, binding)?,
        }
        Ok(())
    }

    fn aggregate(
        &mut self,
        aggregate: &Aggregate,
        at: usize,
        binding: &Binding,
    ) -> Result<(), Stop> {
        self.constants(&aggregate.targets);
        let mut inner: Binding = vec![None; binding.len()];
        for key in &aggregate.keys {
            inner[*key].clone_from(&binding[*key]);
        }
        let is_ordered =
            !matches!(aggregate.fold, Fold::Count | Fold::Sum) && !is_tabled(aggregate);
        let mut solver = Solver::new(self.world, &self.world.calls, u64::MAX);
        let flow = self.body(
            &mut solver,
            &aggregate.body,
            &aggregate.body_order,
            &mut inner,
            &mut |walk, binding| {
                let keys = aggregate.order.iter().map(|(key, _)| key);
                for expr in aggregate.selected.iter().chain(keys) {
                    let value = walk.expr(expr, binding);
                    value
                        .filter(|_| is_ordered)
                        .into_iter()
                        .for_each(|value| walk.used.order(value));
                }
            },
        )?;
        debug_assert!(flow.is_continue());
        let rows = solver.aggregate(aggregate, binding)?;
        for row in rows {
            row.iter().for_each(|value| self.used.value(value));
            if is_tabled(aggregate) {
                let keys = aggregate.keys.iter().filter_map(|key| binding[*key].clone());
                let row = keys.chain(row).collect();
                self.used.row(fold_table(self.clause, at), row);
            }
        }
        Ok(())
    }

    fn constants(&mut self, terms: &[Term]) {
        for term in terms {
            if let Term::Constant(value) = term {
                self.used.value(value);
            }
        }
    }

    fn inputs(&mut self, args: &[Expr], binding: &Binding) -> Option<Row> {
        args.iter().map(|arg| self.expr(arg, binding)).collect()
    }

    /// The value of an expression, all its parts noted; none when a part is unbound or fails.
    fn expr(&mut self, expr: &Expr, binding: &Binding) -> Option<Value> {
        let program = self.world.program();
        let calls = &self.world.calls;
        match expr {
            Expr::Variable(variable) => binding[*variable].clone(),
            Expr::Constant(value) => {
                self.used.value(value);
                Some(value.clone())
            }
            Expr::Arithmetic(op, left, right) => {
                let (left, right) = (self.expr(left, binding)?, self.expr(right, binding)?);
                let value = arithmetic::apply(*op, &left, &right)?;
                let table = arithmetic_table(*op, left.base(), right.base());
                self.used.row(table, vec![left, right, value.clone()]);
                Some(value)
            }
            Expr::Call(call) => {
                let mut row = self.inputs(&call.args, binding)?;
                let value = calls.function(call.function, &row).ok()?;
                row.push(value.clone());
                self.used.row(call_table(program, call, "value"), row);
                Some(value)
            }
            Expr::Concat(args) => {
                let mut row = self.inputs(args, binding)?;
                let table = concat_table(row.iter().map(Value::base));
                let value = Value::from(row.iter().map(Value::plain).collect::<String>());
                row.push(value.clone());
                self.used.row(table, row);
                Some(value)
            }
            Expr::ErrorOf { call, is_test } => {
                let mut row = self.inputs(&call.args, binding)?;
                let failed = if *is_test {
                    calls.test(call.function, &row).err()
                } else {
                    calls.function(call.function, &row).err()
                };
                let value = Value::from(failed?);
                row.push(value.clone());
                self.used.row(call_table(program, call, "error"), row);
                Some(value)
            }
        }
    }
}
