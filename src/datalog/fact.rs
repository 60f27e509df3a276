//! Facts, patterns and transactions: what goes into the engine and what is asked of it.

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::Serialize;

use crate::datalog::diagnostic::CheckError;
use crate::datalog::diagnostic::Code;
use crate::datalog::diagnostic::Complaint;
use crate::datalog::diagnostic::Complaints;
use crate::datalog::lexer::Kind;
use crate::datalog::parser::Broken;
use crate::datalog::parser::Parser;
use crate::datalog::syntax::Atom;
use crate::datalog::syntax::ExprKind;
use crate::datalog::value::Row;
use crate::datalog::value::Value;

/// One row of one relation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fact {
    /// The relation's name.
    #[serde(with = "crate::datalog::value::text")]
    pub relation: Arc<str>,
    /// The values, in column order.
    pub row: Row,
}

impl Fact {
    /// A fact; nothing is checked until it meets a program.
    pub fn new(relation: impl Into<Arc<str>>, row: Row) -> Self {
        Self { relation: relation.into(), row }
    }

    /// Reads rule text such as `live("a", 3)`, with or without a full stop.
    pub fn parse(text: &str) -> Result<Self, CheckError> {
        let pattern = Pattern::parse(text)?;
        let row: Option<Row> = pattern.columns.into_iter().collect();
        match row {
            Some(row) => Ok(Self { relation: pattern.relation, row }),
            None => {
                let complaint = Complaint::error(Code::NotGround, "a fact has no `_`");
                Err(complain(text, complaint))
            }
        }
    }

    /// The pattern that only this fact matches.
    pub fn pattern(&self) -> Pattern {
        let columns = self.row.iter().cloned().map(Some).collect();
        Pattern { relation: Arc::clone(&self.relation), columns }
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, &self.relation, &self.row)
    }
}

/// The text of a fact that is in two parts.
pub(crate) fn text(relation: &str, row: &[Value]) -> String {
    let mut text = String::with_capacity(relation.len() + 40 * row.len());
    write(&mut text, relation, row).expect("a string takes all that is written to it");
    text
}

fn write(out: &mut impl fmt::Write, relation: &str, row: &[Value]) -> fmt::Result {
    write!(out, "{relation}(")?;
    for (at, value) in row.iter().enumerate() {
        let comma = if at == 0 { "" } else { ", " };
        write!(out, "{comma}{value}")?;
    }
    out.write_str(")")
}

/// A fact with holes: `None` matches any value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Pattern {
    /// The relation's name.
    #[serde(with = "crate::datalog::value::text")]
    pub relation: Arc<str>,
    /// The wanted values, in column order.
    pub columns: Vec<Option<Value>>,
}

impl Pattern {
    /// Reads rule text such as `live("a", _)`; variables count as holes.
    pub fn parse(text: &str) -> Result<Self, CheckError> {
        let mut parser = Parser::new(0, text);
        let parsed = parser.atom().and_then(|atom| {
            if parser.kind() == Kind::Dot {
                parser.expect(Kind::Dot, "`.`")?;
            }
            parser.expect(Kind::End, "the end of the text")?;
            Ok(atom)
        });
        let atom = parsed.map_err(|Broken(complaint)| complain(text, complaint))?;
        Self::from_atom(&atom).map_err(|complaint| complain(text, complaint))
    }

    pub(crate) fn from_atom(atom: &Atom) -> Result<Self, Complaint> {
        let mut columns = Vec::with_capacity(atom.args.len());
        for arg in &atom.args {
            columns.push(match &arg.kind {
                ExprKind::Constant(value) => Some(value.clone()),
                ExprKind::Wildcard | ExprKind::Variable(_) => None,
                _ => {
                    let complaint = Complaint::error(Code::NotGround, "expected a plain value");
                    return Err(complaint.at(arg.span, "this must be computed"));
                }
            });
        }
        Ok(Self { relation: Arc::clone(&atom.name.text), columns })
    }

    /// True when `row` has the wanted values.
    pub fn matches(&self, row: &[Value]) -> bool {
        self.columns.len() == row.len()
            && self
                .columns
                .iter()
                .zip(row)
                .all(|(want, value)| want.as_ref().is_none_or(|w| w == value))
    }

    /// The fact, when no column is open.
    pub fn as_fact(&self) -> Option<Fact> {
        let row: Option<Row> = self.columns.iter().cloned().collect();
        Some(Fact { relation: Arc::clone(&self.relation), row: row? })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.relation)?;
        for (at, column) in self.columns.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            match column {
                Some(value) => write!(f, "{comma}{value}")?,
                None => write!(f, "{comma}_")?,
            }
        }
        f.write_str(")")
    }
}

fn complain(text: &str, complaint: Complaint) -> CheckError {
    let source: Arc<str> = text.into();
    let mut complaints = Complaints::new([("fact", &source)].into_iter());
    complaints.push(complaint);
    complaints.into_sorted().pop().expect("one complaint was just pushed")
}

/// Changes that commit together. Deletes take effect before inserts, so a fact in both stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transaction {
    /// Facts that must hold afterwards.
    pub inserts: Vec<Fact>,
    /// Facts that must be gone, unless inserted again by the same transaction.
    pub deletes: Vec<Fact>,
}
