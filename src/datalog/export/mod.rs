//! Export: a program and its facts as text for another engine, to compare what both conclude.
//!
//! ```text
//! engine ─▶ calls: every computed value that the clauses come across ─┐
//! program ─▶ clauses: one rule per clause, aggregates spelt out ──────┴▶ text
//! ```
//!
//! What another engine cannot compute stands in tables of the calls used: built-ins, texts and
//! arithmetic by their arguments, `join` and sums of anything but numbers by their group. An order
//! that is not that of numbers is a table of ranks, one row per value that is ordered. Recursion,
//! negation, joins, counts, extrema, winners and sums of numbers are left to the other engine.
//!
//! Pure. Cost: one plain evaluation of each clause over the finished facts. Limits: numbers must
//! fit 32 bits. Faulted relations cannot be exported: they hold nothing, for reasons that another
//! engine does not know.

mod calls;
mod clauses;
mod dialect;
mod folds;

use std::collections::BTreeMap;

use miette::Diagnostic;
use thiserror::Error;

use crate::datalog::builtins::Builtins;
use crate::datalog::engine::Engine;
use crate::datalog::export::calls::Used;
use crate::datalog::export::clauses::Writer;
pub use crate::datalog::export::dialect::Dialect;
use crate::datalog::program::RelationKind;
use crate::datalog::value::Type;
use crate::datalog::value::Value;

/// Why there is no text.
#[derive(Clone, Debug, PartialEq, Eq, Error, Diagnostic)]
pub enum ExportError {
    /// A relation holds nothing because deriving it went wrong.
    #[error("relation `{relation}` is faulted")]
    #[diagnostic(
        code(rules::export_faulted),
        help("mend what faults it first: `hence rules eval` says what")
    )]
    Faulted {
        /// The relation.
        relation: String,
    },
    /// A number that the other engines cannot hold.
    #[error("the number {number} does not fit 32 bits")]
    #[diagnostic(
        code(rules::export_number),
        help("the other engines compute with 32 bits: use smaller numbers, or a duration")
    )]
    Number {
        /// The number.
        number: i64,
    },
}

/// The engine's program and facts for another engine.
///
/// # Errors
/// A relation is faulted, or a number is too large.
pub fn export(
    engine: &Engine,
    builtins: &Builtins,
    dialect: Dialect,
) -> Result<String, ExportError> {
    let reader = engine.reader();
    if let Some(fault) = reader.faults().next() {
        return Err(ExportError::Faulted { relation: fault.relation.to_string() });
    }
    let used = Used::collect(reader.world());
    if let Some(number) = used.large.first() {
        return Err(ExportError::Number { number: *number });
    }
    let mut writer = Writer::new(engine.program(), builtins, dialect);
    for clause in 0..engine.program().clauses().count() {
        writer.clause(clause);
    }
    let is_used = writer.names();
    let mut text = writer.text();
    for info in engine.program().relations() {
        if info.kind == RelationKind::Input {
            let rows = engine.rows(&info.name);
            facts(&mut text, dialect, &dialect.relation(&info.name), rows.iter());
        }
    }
    for (name, rows) in used.tables.iter().filter(|(name, _)| is_used.contains(*name)) {
        facts(&mut text, dialect, name, rows.iter());
    }
    for (base, values) in &used.ordered {
        let ranks: Vec<Vec<Value>> = (0..)
            .zip(values)
            .map(|(rank, value)| vec![value.clone(), Value::Number(rank)])
            .collect();
        let table = order_table(*base);
        if is_used.contains(&table) {
            facts(&mut text, dialect, &table, ranks.iter());
        }
    }
    Ok(text)
}

fn facts<'a>(
    text: &mut String,
    dialect: Dialect,
    name: &str,
    rows: impl Iterator<Item = &'a Vec<Value>>,
) {
    for row in rows {
        let values: Vec<String> = row.iter().map(|value| dialect.value(value)).collect();
        text.push_str(&dialect.atom(name, &values));
        text.push_str(".\n");
    }
}

/// The table of ranks of a type.
fn order_table(base: Type) -> String {
    format!("order__{}", base.name())
}

/// Declarations of the tables and relations of a text, by name.
type Declared = BTreeMap<String, Vec<Type>>;

#[cfg(test)]
mod tests;
