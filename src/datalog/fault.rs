//! Faults: conclusions that the engine refuses to draw. Inputs commit all the same.
//!
//! A faulted relation and all above it hold no rows until the cause is gone, so nobody acts on
//! them.

use std::fmt;
use std::sync::Arc;

use miette::Diagnostic;
use thiserror::Error;

use crate::datalog::expr::Stop;
use crate::datalog::fact::Fact;
use crate::datalog::program::Clause;
use crate::datalog::program::FileOrigin;
use crate::datalog::program::Program;
use crate::datalog::value::Row;

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// More rows than `.limitsize` allows.
    Limit {
        /// Rows found before evaluation stopped.
        have: u64,
        /// Rows allowed.
        limit: u64,
    },
    /// Two rows with the same key.
    Key {
        /// The two rows.
        rows: [Row; 2],
    },
    /// Arithmetic left its range.
    Overflow {
        /// The operation, with its operands.
        operation: String,
    },
    /// More work than the budget of the file allows: rows looked at, a derived row counted as many.
    Work {
        /// Work when evaluation stopped.
        have: u64,
        /// Work allowed.
        limit: u64,
    },
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limit { have, limit } => write!(f, "{have} rows, more than the {limit} allowed"),
            Self::Key { rows: [first, second] } => {
                let text = |row: &Row| Fact::new("", row.clone()).to_string();
                write!(f, "two rows with one key: {} and {}", text(first), text(second))
            }
            Self::Overflow { operation } => write!(f, "`{operation}` is out of range"),
            Self::Work { have, limit } => {
                write!(f, "{have} steps of work, more than the {limit} allowed")
            }
        }
    }
}

/// A relation that holds no rows because deriving them went wrong, here or below.
#[derive(Clone, Debug, PartialEq, Eq, Error, Diagnostic)]
#[error("relation `{relation}` is faulted by `{cause}`: {kind}")]
#[diagnostic(
    code(rules::fault),
    help("nothing is concluded from it until its cause is gone: fix the facts or the clause")
)]
pub struct Fault {
    /// The relation without rows.
    pub relation: Arc<str>,
    /// The relation in which it went wrong: the same, or one below.
    pub cause: Arc<str>,
    /// The clause at fault, when it is one.
    pub clause: Option<Arc<str>>,
    /// The file of that clause, or of the declaration.
    pub file: Arc<str>,
    /// Who wrote that file.
    pub origin: FileOrigin,
    /// What went wrong.
    pub kind: FaultKind,
}

impl Fault {
    pub(crate) fn new(program: &Program, relation: usize, kind: FaultKind) -> Self {
        let info = program.info(relation);
        Self {
            relation: Arc::clone(&info.name),
            cause: Arc::clone(&info.name),
            clause: None,
            file: Arc::clone(&info.file),
            origin: info.origin,
            kind,
        }
    }

    pub(crate) fn stopped(program: &Program, clause: &Clause, stop: &Stop) -> Self {
        let kind = match stop {
            Stop::Overflow(text) | Stop::Failed(text) => {
                FaultKind::Overflow { operation: text.clone() }
            }
            Stop::Work { have, limit } => FaultKind::Work { have: *have, limit: *limit },
        };
        Self {
            clause: Some(Arc::clone(&clause.label)),
            file: Arc::clone(&clause.file),
            origin: clause.origin,
            ..Self::new(program, clause.head, kind)
        }
    }
}

/// A fact that a transaction could not take. The rest of the transaction committed.
#[derive(Clone, Debug, PartialEq, Eq, Error, Diagnostic)]
#[error("fact `{fact}` is refused: {reason}")]
#[diagnostic(
    code(facts::refused),
    help("check the relation's declaration: name, kind, columns, types")
)]
pub struct Refused {
    /// The fact as given.
    pub fact: Fact,
    /// What is wrong with it.
    pub reason: RefusedReason,
}

/// What is wrong with a refused fact.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RefusedReason {
    /// No such relation.
    #[error("no relation of this name is declared")]
    UnknownRelation,
    /// Only inputs take facts.
    #[error("the relation is derived, not an input")]
    NotAnInput,
    /// Another number of columns.
    #[error("it has {have} columns, the relation {want}")]
    Arity {
        /// Columns of the fact.
        have: usize,
        /// Columns of the relation.
        want: usize,
    },
    /// A value of another type.
    #[error("column `{column}` takes {want}, not {have}")]
    Type {
        /// The column's name.
        column: Arc<str>,
        /// The type of the value.
        have: crate::datalog::value::Type,
        /// The type of the column.
        want: crate::datalog::value::Type,
    },
}
