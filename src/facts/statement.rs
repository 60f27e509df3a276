//! What an observation says: rows that hold, rows that do not, or all rows about one subject.

use std::sync::Arc;

use crate::datalog::Fact;
use crate::datalog::Pattern;
use crate::datalog::Row;
use crate::datalog::Value;

/// One thing said about the input relations. Statements of one commit are applied in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Statement {
    /// The row holds.
    Holds(Fact),
    /// The row does not hold.
    Fails(Fact),
    /// The rows of `relation` that begin with `prefix` are exactly `rows`; others do not hold.
    Exactly {
        /// The relation.
        relation: Arc<str>,
        /// Values of its first columns; empty means the whole relation.
        prefix: Vec<Value>,
        /// The rows, each beginning with `prefix`.
        rows: Vec<Row>,
    },
}

impl Statement {
    /// Nothing in `relation` begins with `prefix`.
    pub fn nothing(relation: &str, prefix: Vec<Value>) -> Self {
        Self::Exactly { relation: relation.into(), prefix, rows: Vec::new() }
    }

    /// The rows of `relation` that begin with `prefix` are exactly those of `facts`.
    pub fn exactly(relation: &str, prefix: Vec<Value>, facts: Vec<Fact>) -> Self {
        let rows = facts.into_iter().map(|fact| fact.row).collect();
        Self::Exactly { relation: relation.into(), prefix, rows }
    }

    /// `facts` are all rows of these relations that begin with `subject`.
    pub fn about(relations: &[&str], subject: &Value, facts: &[Fact]) -> Vec<Self> {
        let of = |relation: &str| {
            let rows = facts.iter().filter(|fact| &*fact.relation == relation).cloned().collect();
            Self::exactly(relation, vec![subject.clone()], rows)
        };
        relations.iter().map(|relation| of(relation)).collect()
    }

    /// The pattern of the rows that an `Exactly` speaks about, given the relation's arity.
    pub(super) fn pattern(relation: &Arc<str>, prefix: &[Value], arity: usize) -> Pattern {
        let bound = prefix.iter().cloned().map(Some);
        let columns = bound.chain(std::iter::repeat(None)).take(arity).collect();
        Pattern { relation: relation.clone(), columns }
    }
}
