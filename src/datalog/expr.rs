//! Values of expressions under a binding.

use crate::datalog::arithmetic;
use crate::datalog::builtins::Calls;
use crate::datalog::program::Call;
use crate::datalog::program::Expr;
use crate::datalog::program::Term;
use crate::datalog::value::Value;

/// A binding: one place per variable of the clause.
pub(crate) type Binding = Vec<Option<Value>>;

/// Why an expression has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// A built-in answered with an error: no row, and nothing is wrong.
    Failed(String),
    /// Arithmetic left its range: the relation is faulted.
    Overflow(String),
    /// More work than allowed: the relation is faulted.
    Work { have: u64, limit: u64 },
}

/// The value of `expr`. Every variable in it is bound; the checker saw to that.
pub(crate) fn value(expr: &Expr, binding: &[Option<Value>], calls: &Calls) -> Result<Value, Stop> {
    value_with(expr, &known(binding), calls)
}

/// The values of a call's arguments.
pub(crate) fn inputs(
    call: &Call,
    binding: &[Option<Value>],
    calls: &Calls,
) -> Result<Vec<Value>, Stop> {
    inputs_with(call, &known(binding), calls)
}

fn known(binding: &[Option<Value>]) -> impl Fn(usize) -> Value {
    |variable| binding[variable].clone().expect("the checker orders literals so that this is bound")
}

/// The value of `expr`, variables read through `of`.
pub(crate) fn value_with(
    expr: &Expr,
    of: &dyn Fn(usize) -> Value,
    calls: &Calls,
) -> Result<Value, Stop> {
    match expr {
        Expr::Variable(variable) => Ok(of(*variable)),
        Expr::Constant(value) => Ok(value.clone()),
        Expr::Arithmetic(op, left, right) => {
            let (left, right) = (value_with(left, of, calls)?, value_with(right, of, calls)?);
            arithmetic::apply(*op, &left, &right)
                .ok_or_else(|| Stop::Overflow(format!("{left} {} {right}", op.sign())))
        }
        Expr::Call(call) => {
            let inputs = inputs_with(call, of, calls)?;
            calls.function(call.function, &inputs).map_err(Stop::Failed)
        }
        Expr::Concat(args) => {
            let mut text = String::new();
            for arg in args {
                text.push_str(&value_with(arg, of, calls)?.plain());
            }
            Ok(Value::from(text))
        }
        Expr::ErrorOf { call, is_test } => {
            let inputs = inputs_with(call, of, calls)?;
            let failed = if *is_test {
                calls.test(call.function, &inputs).err()
            } else {
                calls.function(call.function, &inputs).err()
            };
            failed.map(Value::from).ok_or_else(|| Stop::Failed("it did not fail".to_owned()))
        }
    }
}

/// The values of a call's arguments, variables read through `of`.
pub(crate) fn inputs_with(
    call: &Call,
    of: &dyn Fn(usize) -> Value,
    calls: &Calls,
) -> Result<Vec<Value>, Stop> {
    call.args.iter().map(|arg| value_with(arg, of, calls)).collect()
}

/// True when every variable of `expr` is bound.
pub(crate) fn is_bound(expr: &Expr, binding: &[Option<Value>]) -> bool {
    let mut all = true;
    expr.variables(&mut |variable| all &= binding[variable].is_some());
    all
}

/// What `term` demands of a column: a value, or nothing.
pub(crate) fn wanted(term: &Term, binding: &[Option<Value>]) -> Option<Value> {
    match term {
        Term::Variable(variable) => binding[*variable].clone(),
        Term::Constant(value) => Some(value.clone()),
        Term::Wildcard => None,
    }
}
