//! Folds: what `count sum min max best top join` make of the solutions of a body.
//!
//! A solution is one assignment to the body's variables and wildcards, so `count : {p(_, X)}`
//! counts rows of `p`. `best`, `top` and `join` see each selected tuple once, at its best place.

use std::cmp::Ordering;

use crate::datalog::builtins::Calls;
use crate::datalog::decimal::Decimal;
use crate::datalog::expr;
use crate::datalog::expr::Binding;
use crate::datalog::expr::Stop;
use crate::datalog::program::Aggregate;
use crate::datalog::syntax::Fold;
use crate::datalog::value::Row;
use crate::datalog::value::Type;
use crate::datalog::value::Value;

/// One solution, as far as the fold looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The values of `by`.
    pub(crate) order: Row,
    /// The selected values.
    pub(crate) selected: Row,
}

/// The entry of one solution; `None` when a built-in in it fails.
pub(crate) fn entry(
    aggregate: &Aggregate,
    binding: &Binding,
    calls: &Calls,
) -> Result<Option<Entry>, Stop> {
    let mut values = Vec::new();
    let order = aggregate.order.iter().map(|(key, _)| key);
    for expr in order.chain(&aggregate.selected) {
        match expr::value(expr, binding, calls) {
            Ok(value) => values.push(value),
            Err(Stop::Failed(_)) => return Ok(None),
            Err(stop) => return Err(stop),
        }
    }
    let selected = values.split_off(aggregate.order.len());
    Ok(Some(Entry { order: values, selected }))
}

/// The order of two entries: the keys in their directions, then the selected values upwards.
pub(crate) fn compare(aggregate: &Aggregate, a: &Entry, b: &Entry) -> Ordering {
    for (at, (_, descending)) in aggregate.order.iter().enumerate() {
        let order = a.order[at].cmp(&b.order[at]);
        let order = if *descending { order.reverse() } else { order };
        if order.is_ne() {
            return order;
        }
    }
    a.selected.cmp(&b.selected)
}

/// The order in which contributors are shown: the extremum first for `max`, best first otherwise.
pub(crate) fn best_first(aggregate: &Aggregate, a: &Entry, b: &Entry) -> Ordering {
    match aggregate.fold {
        Fold::Max => b.selected.cmp(&a.selected),
        _ => compare(aggregate, a, b),
    }
}

/// How many tuples a fold keeps.
pub(crate) enum Kept {
    /// The first so many.
    First(usize),
    /// One value made of all.
    Whole,
}

/// How many tuples `fold` keeps.
pub(crate) fn kept(fold: &Fold) -> Kept {
    match fold {
        Fold::Best => Kept::First(1),
        Fold::Top(rows) => Kept::First(*rows),
        _ => Kept::Whole,
    }
}

/// The different selected tuples, best first.
pub(crate) fn ranked(aggregate: &Aggregate, entries: &[Entry]) -> Vec<Row> {
    let mut sorted: Vec<&Entry> = entries.iter().collect();
    sorted.sort_by(|a, b| compare(aggregate, a, b));
    let mut seen = std::collections::BTreeSet::new();
    sorted.retain(|entry| seen.insert(&entry.selected));
    sorted.into_iter().map(|entry| entry.selected.clone()).collect()
}

/// The result rows of a group.
pub(crate) fn fold(aggregate: &Aggregate, entries: &[Entry]) -> Result<Vec<Row>, Stop> {
    let one = |value: Value| Ok(vec![vec![value]]);
    match &aggregate.fold {
        Fold::Count => one(Value::Number(entries.len() as i64)),
        Fold::Sum => one(sum(aggregate, entries)?),
        Fold::Min => {
            Ok(entries.iter().map(|entry| entry.selected.clone()).min().into_iter().collect())
        }
        Fold::Max => {
            Ok(entries.iter().map(|entry| entry.selected.clone()).max().into_iter().collect())
        }
        Fold::Best => Ok(ranked(aggregate, entries).into_iter().take(1).collect()),
        Fold::Top(rows) => Ok(ranked(aggregate, entries).into_iter().take(*rows).collect()),
        Fold::Join { separator, limit } => {
            let items = ranked(aggregate, entries);
            let total = items.len();
            one(joined(items.iter().map(|row| &row[0]), separator, *limit, total))
        }
    }
}

/// The text of a `join`: the first `limit` of `total` items, and how many more there are.
pub(crate) fn joined<'a>(
    items: impl Iterator<Item = &'a Value>,
    separator: &str,
    limit: usize,
    total: usize,
) -> Value {
    let mut parts: Vec<String> = items.take(limit).map(Value::plain).collect();
    if total > limit {
        parts.push(format!("+{} more", total - limit));
    }
    Value::from(parts.join(separator))
}

/// The exact sum; added up wide, so that the order of the entries cannot matter.
fn sum(aggregate: &Aggregate, entries: &[Entry]) -> Result<Value, Stop> {
    let mut total: i128 = 0;
    for entry in entries {
        total = total.checked_add(wide(&entry.selected[0])).ok_or_else(too_large)?;
    }
    narrow(aggregate.base, total).ok_or_else(too_large)
}

fn too_large() -> Stop {
    Stop::Overflow("the sum of a group".to_owned())
}

/// A summable value in its smallest unit.
pub(crate) fn wide(value: &Value) -> i128 {
    match value {
        Value::Number(number) | Value::Duration(number) => i128::from(*number),
        Value::Decimal(decimal) => decimal.nanos(),
        _ => 0,
    }
}

/// The value of a sum, when it fits its type.
pub(crate) fn narrow(base: Type, total: i128) -> Option<Value> {
    match base {
        Type::Decimal => Some(Value::Decimal(Decimal::from_nanos(total))),
        Type::Duration => i64::try_from(total).ok().map(Value::Duration),
        _ => i64::try_from(total).ok().map(Value::Number),
    }
}
