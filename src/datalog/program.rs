//! The checked program: relations, clauses and strata, resolved to positions.
//!
//! In: what the checker accepts. Out: a value that is cheap to clone and never changes. Evaluation,
//! explanation and export all read this form; nobody but the checker makes one.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::datalog::diagnostic::CheckError;
use crate::datalog::diagnostic::Span;
use crate::datalog::syntax::Comparison;
use crate::datalog::syntax::Fold;
use crate::datalog::syntax::Operator;
use crate::datalog::value::Type;
use crate::datalog::value::Value;

/// Who wrote a rule file. User files may add clauses to extension points only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileOrigin {
    /// Shipped with the program.
    BuiltIn,
    /// Given by the operator.
    User,
}

/// One rule file, as read.
#[derive(Clone, Debug)]
pub struct RuleFile {
    /// The name that diagnostics and proofs show, such as `rules/prune.dl`.
    pub name: String,
    /// Its text.
    pub text: Arc<str>,
    /// Who wrote it.
    pub origin: FileOrigin,
}

/// What a relation is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RelationKind {
    /// Rows come from transactions.
    Input,
    /// Rows come from clauses.
    Derived,
    /// Derived, and open to clauses of user files.
    Extension,
}

/// One column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name in the declaration.
    pub name: Arc<str>,
    /// The declared type, often a subtype.
    pub type_name: Arc<str>,
    /// The base type that values have.
    pub base: Type,
}

/// One relation and all that is known about it.
#[derive(Clone, Debug)]
pub struct RelationInfo {
    /// Its name.
    pub name: Arc<str>,
    /// The sentence before its declaration; empty when there is none.
    pub doc: Arc<str>,
    /// Its columns.
    pub columns: Vec<Column>,
    /// What it is for.
    pub kind: RelationKind,
    /// True when it is marked `.output`.
    pub output: bool,
    /// Positions of the key's columns: at most one row per key.
    pub key: Option<Vec<usize>>,
    /// The text after `from`; the engine gives it no meaning.
    pub from: Option<Arc<str>>,
    /// The most rows it may have.
    pub limit: Option<u64>,
    /// The file that declares it.
    pub file: Arc<str>,
    /// The line of the declaration, from 1.
    pub line: usize,
    /// Who declared it.
    pub origin: FileOrigin,
    /// Its layer: a relation only negates relations of lower layers.
    pub stratum: usize,
    /// Labels of the clauses that derive it.
    pub writers: Vec<Arc<str>>,
    /// Labels of the clauses that read it.
    pub readers: Vec<Arc<str>>,
}

impl RelationInfo {
    /// True when its rows go in or out: they are what is written down and what others act on.
    pub fn is_at_the_edge(&self) -> bool {
        self.output || self.kind == RelationKind::Input
    }
}

/// A variable of a clause.
#[derive(Clone, Debug)]
pub(crate) struct Variable {
    pub(crate) name: Arc<str>,
}

/// A checked clause.
#[derive(Clone, Debug)]
pub struct Clause {
    pub(crate) label: Arc<str>,
    pub(crate) sentence: Arc<str>,
    pub(crate) text: Arc<str>,
    pub(crate) file: Arc<str>,
    pub(crate) line: usize,
    pub(crate) origin: FileOrigin,
    pub(crate) head: usize,
    pub(crate) head_args: Vec<Expr>,
    pub(crate) body: Vec<Literal>,
    /// Positions in `body` in an order in which every literal finds its variables bound.
    pub(crate) order: Vec<usize>,
    pub(crate) variables: Vec<Variable>,
}

impl Clause {
    /// The stable name, such as `prune/orphan`.
    pub fn label(&self) -> &Arc<str> {
        &self.label
    }

    /// The sentence before the clause; empty when there is none.
    pub fn sentence(&self) -> &Arc<str> {
        &self.sentence
    }

    /// The clause as written.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// The file it stands in.
    pub fn file(&self) -> &Arc<str> {
        &self.file
    }

    /// The line it starts on, from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// Who wrote it.
    pub fn origin(&self) -> FileOrigin {
        self.origin
    }

    /// True for a clause without body.
    pub fn is_fact(&self) -> bool {
        self.body.is_empty()
    }
}

/// One condition of a body, with its source text.
#[derive(Clone, Debug)]
pub(crate) struct Literal {
    pub(crate) kind: LiteralKind,
    pub(crate) text: Arc<str>,
}

#[derive(Clone, Debug)]
pub(crate) enum LiteralKind {
    Atom { relation: usize, args: Vec<Term>, negated: bool },
    Compare { op: Comparison, left: Expr, right: Expr },
    Test { call: Call, negated: bool },
    Rows { call: Call, outs: Vec<Term> },
    Aggregate(Box<Aggregate>),
}

/// An aggregate over the solutions of a body of its own.
#[derive(Clone, Debug)]
pub(crate) struct Aggregate {
    /// Where it stands: no other aggregate of the program stands there.
    pub(crate) place: Span,
    pub(crate) fold: Fold,
    pub(crate) targets: Vec<Term>,
    pub(crate) selected: Vec<Expr>,
    pub(crate) order: Vec<(Expr, bool)>,
    /// The base type of the first selected value; number for `count`.
    pub(crate) base: Type,
    pub(crate) body: Vec<Literal>,
    pub(crate) body_order: Vec<usize>,
    /// Variables of the clause that the body uses: they choose the group.
    pub(crate) keys: Vec<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Term {
    Variable(usize),
    Constant(Value),
    Wildcard,
}

/// A call of a registered built-in, by its position in [`Program::functions`].
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) function: usize,
    pub(crate) args: Vec<Expr>,
}

#[derive(Clone, Debug)]
pub(crate) enum Expr {
    Variable(usize),
    Constant(Value),
    Arithmetic(Operator, Box<Expr>, Box<Expr>),
    Call(Call),
    /// The texts of all arguments, one after the other.
    Concat(Vec<Expr>),
    /// The text of the error that a function or test gives; no value when it succeeds.
    ErrorOf {
        call: Call,
        is_test: bool,
    },
}

impl Expr {
    /// Calls `visit` for each variable in it.
    pub(crate) fn variables(&self, visit: &mut impl FnMut(usize)) {
        match self {
            Self::Variable(variable) => visit(*variable),
            Self::Constant(_) => {}
            Self::Arithmetic(_, left, right) => {
                left.variables(visit);
                right.variables(visit);
            }
            Self::Call(call) | Self::ErrorOf { call, .. } => {
                call.args.iter().for_each(|arg| arg.variables(visit));
            }
            Self::Concat(args) => args.iter().for_each(|arg| arg.variables(visit)),
        }
    }
}

/// Relations that depend on each other, or one alone.
#[derive(Clone, Debug)]
pub(crate) struct Stratum {
    pub(crate) relations: Vec<usize>,
    pub(crate) clauses: Vec<usize>,
    pub(crate) recursive: bool,
}

pub(crate) struct Inner {
    pub(crate) relations: Vec<RelationInfo>,
    pub(crate) names: BTreeMap<Arc<str>, usize>,
    pub(crate) clauses: Vec<Clause>,
    pub(crate) strata: Vec<Stratum>,
    pub(crate) functions: Vec<Arc<str>>,
    pub(crate) warnings: Vec<CheckError>,
    pub(crate) hash: Arc<str>,
}

/// A checked program. Cloning shares it.
#[derive(Clone)]
pub struct Program {
    pub(crate) inner: Arc<Inner>,
}

impl Program {
    /// All relations, in the order of their declaration.
    pub fn relations(&self) -> impl Iterator<Item = &RelationInfo> {
        self.inner.relations.iter()
    }

    /// The relation of this name.
    pub fn relation(&self, name: &str) -> Option<&RelationInfo> {
        self.position(name).map(|at| &self.inner.relations[at])
    }

    /// All clauses, in file and text order.
    pub fn clauses(&self) -> impl Iterator<Item = &Clause> {
        self.inner.clauses.iter()
    }

    /// The clause of this label.
    pub fn clause(&self, label: &str) -> Option<&Clause> {
        self.inner.clauses.iter().find(|clause| &*clause.label == label)
    }

    /// A hash of all rule text, as 64 hexadecimal digits: equal for equal files in any order.
    pub fn hash(&self) -> &Arc<str> {
        &self.inner.hash
    }

    /// Complaints that did not turn the program down.
    pub fn warnings(&self) -> &[CheckError] {
        &self.inner.warnings
    }

    /// How many strata there are.
    pub fn strata(&self) -> usize {
        self.inner.strata.len()
    }

    /// Names of the built-ins that clauses call.
    pub fn functions(&self) -> &[Arc<str>] {
        &self.inner.functions
    }

    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.inner.names.get(name).copied()
    }

    pub(crate) fn info(&self, relation: usize) -> &RelationInfo {
        &self.inner.relations[relation]
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (relations, clauses) = (self.inner.relations.len(), self.inner.clauses.len());
        write!(f, "Program({relations} relations, {clauses} clauses, {})", self.inner.hash)
    }
}
