//! The syntax tree: what rule text says, before anybody asks whether it makes sense.
//!
//! Every node keeps its span, so that the checker can point at it.

use std::sync::Arc;

use crate::datalog::diagnostic::Span;
use crate::datalog::value::Value;

/// A name with its place.
#[derive(Clone, Debug)]
pub(crate) struct Ident {
    pub(crate) text: Arc<str>,
    pub(crate) span: Span,
}

/// One declaration, mark or clause.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    Type {
        name: Ident,
        base: Ident,
    },
    Relation(RelationDecl),
    /// `.output a, b`: a mark on relations that are declared elsewhere.
    Mark {
        role: Role,
        names: Vec<Ident>,
    },
    Limit {
        name: Ident,
        rows: i64,
    },
    Clause(Clause),
}

/// Which word introduced a relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Input,
    Derived,
    Output,
    Extension,
}

#[derive(Clone, Debug)]
pub(crate) struct RelationDecl {
    pub(crate) role: Role,
    pub(crate) name: Ident,
    /// Column name and type name.
    pub(crate) columns: Vec<(Ident, Ident)>,
    pub(crate) key: Option<Vec<Ident>>,
    pub(crate) from: Option<Arc<str>>,
    pub(crate) doc: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Clause {
    pub(crate) label: Option<Ident>,
    pub(crate) doc: String,
    pub(crate) head: Atom,
    pub(crate) body: Vec<Literal>,
    pub(crate) span: Span,
}

/// `name(inputs)` or `name(inputs; outputs)`.
#[derive(Clone, Debug)]
pub(crate) struct Atom {
    pub(crate) name: Ident,
    pub(crate) args: Vec<Expr>,
    pub(crate) outs: Option<Vec<Expr>>,
    pub(crate) span: Span,
}

#[derive(Clone, Debug)]
pub(crate) struct Literal {
    pub(crate) kind: LiteralKind,
    pub(crate) span: Span,
}

#[derive(Clone, Debug)]
pub(crate) enum LiteralKind {
    Atom { negated: bool, atom: Atom },
    Compare { op: Comparison, left: Expr, right: Expr },
    Aggregate(Box<Aggregate>),
}

/// The six comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

impl Comparison {
    pub(crate) fn sign(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
        }
    }

    pub(crate) fn holds(self, order: std::cmp::Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::LessEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterEqual => order.is_ge(),
        }
    }
}

/// The seven ways to fold a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fold {
    Count,
    Sum,
    Min,
    Max,
    Best,
    Top(usize),
    Join { separator: Arc<str>, limit: usize },
}

impl Fold {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Sum => "sum",
            Self::Min => "min",
            Self::Max => "max",
            Self::Best => "best",
            Self::Top(_) => "top",
            Self::Join { .. } => "join",
        }
    }
}

/// `targets = fold selected by order : { body }`.
#[derive(Clone, Debug)]
pub(crate) struct Aggregate {
    pub(crate) targets: Vec<Expr>,
    pub(crate) fold: Fold,
    pub(crate) selected: Vec<Expr>,
    /// Each key and whether it is descending.
    pub(crate) order: Vec<(Expr, bool)>,
    pub(crate) body: Vec<Literal>,
}

#[derive(Clone, Debug)]
pub(crate) struct Expr {
    pub(crate) kind: ExprKind,
    pub(crate) span: Span,
}

#[derive(Clone, Debug)]
pub(crate) enum ExprKind {
    Variable(Arc<str>),
    Wildcard,
    Constant(Value),
    Arithmetic(Operator, Box<Expr>, Box<Expr>),
    Call(Ident, Vec<Expr>),
}

/// Arithmetic signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Operator {
    pub(crate) fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
        }
    }
}
