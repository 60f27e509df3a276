//! From the checked program to what the maintainer runs: relations, hidden ones included, and
//! units.
//!
//! Three kinds of hidden relation make every body a plain join over stored rows:
//!
//! | for | hidden relation | holds |
//! | --- | --- | --- |
//! | `!p(X, _)` | projection of `p` on the columns that matter | is there any such row |
//! | `N = fold : {…}` | group: keys, order, selected values | each solution, counted |
//! | the same | result: keys, targets | the fold's value per group |
//!
//! A projection on columns with all of `p`'s key would have as many rows as `p`: there `p` itself
//! is asked, which has at most one such row in each version.
//!
//! A unit is what is brought up to date in one go: the clauses of one stratum, or one fold.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::Arc;

use crate::datalog::diagnostic::Span;
use crate::datalog::maintain::walks;
use crate::datalog::plan::Plan;
use crate::datalog::plan::Planner;
use crate::datalog::program::Aggregate;
use crate::datalog::program::Clause;
use crate::datalog::program::Expr;
use crate::datalog::program::FileOrigin;
use crate::datalog::program::Literal;
use crate::datalog::program::LiteralKind;
use crate::datalog::program::Program;
use crate::datalog::program::RelationInfo;
use crate::datalog::program::RelationKind;
use crate::datalog::program::Term;
use crate::datalog::store::Interner;
use crate::datalog::store::List;
use crate::datalog::store::Mix;
use crate::datalog::store::Table;
use crate::datalog::syntax::Fold;
use crate::datalog::value::Value;

/// A stored relation.
pub(crate) struct CoreRelation {
    pub(crate) arity: usize,
    /// The relation of the program that this is, or for whose clauses it exists.
    pub(crate) source: usize,
    pub(crate) hidden: bool,
    /// The columns that no two of its rows share, rising; none when it has no such declaration.
    pub(crate) key: Option<Vec<usize>>,
    /// Column lists that plans probe.
    pub(crate) indexes: Vec<Arc<[usize]>>,
    /// Lists that proofs may have to walk.
    pub(crate) walks: Vec<List>,
}

impl CoreRelation {
    /// An empty table for its rows.
    pub(crate) fn table(&self) -> Table {
        Table::new(self.arity, &self.indexes, &self.walks)
    }
}

/// One condition over stored rows, or a computation.
#[derive(Clone, Debug)]
pub(crate) enum CoreLiteral {
    Stored(Stored),
    Computed(LiteralKind),
}

/// Rows of a relation that match `args`.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) relation: usize,
    pub(crate) args: Vec<Term>,
    pub(crate) negated: bool,
    /// For results of folds with a value for the empty group: how many columns are keys, and the
    /// value.
    pub(crate) default: Option<(usize, Value)>,
    /// True when the relation belongs to the clause's own stratum.
    pub(crate) recursive: bool,
}

/// A clause with all its plans.
pub(crate) struct CoreClause {
    pub(crate) head: usize,
    /// The clause of the program that it comes from, for faults.
    pub(crate) source: usize,
    /// The user file whose budget it spends.
    pub(crate) user_file: Option<Arc<str>>,
    pub(crate) full: Plan,
    /// Per stored literal: its position, itself, and the plan that starts from its changed rows.
    pub(crate) deltas: Vec<(usize, Stored, Plan)>,
    /// The plan that starts from a head row; only in recursive units.
    pub(crate) backward: Option<Plan>,
}

/// A fold of a group relation into a result relation.
pub(crate) struct FoldUnit {
    pub(crate) group: usize,
    pub(crate) result: usize,
    pub(crate) keys: usize,
    pub(crate) aggregate: Aggregate,
    /// Position of the result's index on its keys.
    pub(crate) result_index: Option<usize>,
    pub(crate) source: usize,
}

/// What is brought up to date in one go.
pub(crate) enum Unit {
    Rules {
        relations: Vec<usize>,
        clauses: Vec<CoreClause>,
        recursive: bool,
        /// Per condition over stored rows, clause by clause.
        triggers: Vec<Trigger>,
    },
    Fold(Box<FoldUnit>),
}

/// A condition whose relation may change: few words, so that those which did not are passed over
/// without a look at their plans.
#[derive(Clone, Copy)]
pub(crate) struct Trigger {
    pub(crate) relation: u32,
    pub(crate) clause: u32,
    pub(crate) delta: u32,
}

/// The relations below each unit that it reads, one list after the other: most transactions change
/// few relations, and all units are asked whether they read them.
#[derive(Default)]
pub(crate) struct Reads {
    relations: Vec<u32>,
    ends: Vec<u32>,
}

impl Reads {
    fn of(units: &[Unit]) -> Self {
        let mut reads = Self::default();
        for unit in units {
            reads.relations.extend(reads_of(unit).into_iter().map(|relation| relation as u32));
            reads.ends.push(reads.relations.len() as u32);
        }
        reads
    }

    /// The lists, unit by unit.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u32]> {
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let from = std::mem::replace(&mut start, *end as usize);
            &self.relations[from..start]
        })
    }
}

fn triggers_of(clauses: &[CoreClause]) -> Vec<Trigger> {
    let mut triggers = Vec::new();
    for (clause, core) in (0..).zip(clauses) {
        for (delta, (_, stored, _)) in (0..).zip(&core.deltas) {
            triggers.push(Trigger { relation: stored.relation as u32, clause, delta });
        }
    }
    triggers
}

impl Unit {
    /// The relations that the unit writes.
    pub(crate) fn own(&self) -> &[usize] {
        match self {
            Self::Rules { relations, .. } => relations,
            Self::Fold(fold) => std::slice::from_ref(&fold.result),
        }
    }
}

/// A program ready to run.
pub(crate) struct Compiled {
    pub(crate) program: Program,
    pub(crate) relations: Vec<CoreRelation>,
    pub(crate) units: Vec<Unit>,
    pub(crate) reads: Reads,
    /// Per relation with a key: the index on it.
    pub(crate) key_indexes: Vec<Option<usize>>,
    /// Holds the constants of all plans, and nothing else.
    pub(crate) interner: Interner,
    /// Per relation of the program: its clauses, in file and text order.
    pub(crate) by_head: Vec<Vec<usize>>,
    /// Per clause of the program: the order of its conditions when its head is known.
    pub(crate) from_head: Vec<Vec<usize>>,
    /// The unit of each fold, by the place of its aggregate.
    pub(crate) folds: Vec<(Span, usize)>,
    /// The program's relations by name.
    pub(crate) positions: HashMap<Arc<str>, usize, BuildHasherDefault<Mix>>,
}

/// A clause before planning.
struct Draft {
    head: usize,
    head_args: Vec<Expr>,
    body: Vec<CoreLiteral>,
    variables: usize,
    source: usize,
}

enum DraftUnit {
    Rules { relations: Vec<usize>, drafts: Vec<Draft>, recursive: bool },
    Fold(Box<FoldUnit>),
}

/// A projection: relation, columns, and the user file that pays for it.
type Projection = (usize, Vec<bool>, Option<Arc<str>>);

struct Compiler<'a> {
    program: &'a Program,
    relations: Vec<CoreRelation>,
    units: Vec<DraftUnit>,
    /// Projections made so far.
    projections: BTreeMap<Projection, usize>,
}

/// Compiles `program`.
pub(crate) fn compile(program: &Program) -> Compiled {
    let relations = program.relations().enumerate().map(|(source, info)| CoreRelation {
        arity: info.columns.len(),
        source,
        hidden: false,
        key: own_key(info),
        indexes: Vec::new(),
        walks: Vec::new(),
    });
    let relations = relations.collect();
    let (units, projections) = (Vec::new(), BTreeMap::new());
    let mut compiler = Compiler { program, relations, units, projections };
    for at in 0..program.inner.strata.len() {
        compiler.stratum(at);
    }
    compiler.finish()
}

impl Compiler<'_> {
    fn hidden(&mut self, arity: usize, source: usize) -> usize {
        let (indexes, walks) = (Vec::new(), Vec::new());
        let (hidden, key) = (true, None);
        self.relations.push(CoreRelation { arity, source, hidden, key, indexes, walks });
        self.relations.len() - 1
    }

    fn stratum(&mut self, at: usize) {
        let stratum = &self.program.inner.strata[at];
        let derived = |relation: &&usize| self.program.info(**relation).kind != RelationKind::Input;
        let relations: Vec<usize> = stratum.relations.iter().filter(derived).copied().collect();
        if relations.is_empty() {
            return;
        }
        let mut drafts = Vec::new();
        for &source in &stratum.clauses {
            let clause = &self.program.inner.clauses[source];
            let body = self.body(source, &clause.body, at, stratum.recursive);
            drafts.push(Draft {
                head: clause.head,
                head_args: clause.head_args.clone(),
                body,
                variables: clause.variables.len(),
                source,
            });
        }
        self.units.push(DraftUnit::Rules { relations, drafts, recursive: stratum.recursive });
    }

    fn body(
        &mut self,
        source: usize,
        body: &[Literal],
        stratum: usize,
        recursive: bool,
    ) -> Vec<CoreLiteral> {
        let mut core = Vec::new();
        for (at_literal, literal) in body.iter().enumerate() {
            core.push(match &literal.kind {
                LiteralKind::Atom { relation, args, negated: true }
                    if args.contains(&Term::Wildcard) && !self.keeps_key(*relation, args) =>
                {
                    self.projection(source, *relation, args)
                }
                LiteralKind::Atom { relation, args, negated } => CoreLiteral::Stored(Stored {
                    relation: *relation,
                    args: args.clone(),
                    negated: *negated,
                    default: None,
                    recursive: recursive && self.program.info(*relation).stratum == stratum,
                }),
                LiteralKind::Aggregate(aggregate) => {
                    self.aggregate(source, body, at_literal, aggregate)
                }
                computed => CoreLiteral::Computed(computed.clone()),
            });
        }
        core
    }

    fn single(&mut self, draft: Draft) {
        let relations = vec![draft.head];
        self.units.push(DraftUnit::Rules { relations, drafts: vec![draft], recursive: false });
    }

    /// True when the columns that a condition looks at have all of the relation's key.
    fn keeps_key(&self, relation: usize, args: &[Term]) -> bool {
        let key = self.relations[relation].key.as_deref();
        key.is_some_and(|key| key.iter().all(|column| args[*column] != Term::Wildcard))
    }

    /// `!p(X, _)` becomes `!q(X)` with `q(A) :- p(A, _)`; clauses share it.
    fn projection(&mut self, source: usize, relation: usize, args: &[Term]) -> CoreLiteral {
        let clause = &self.program.inner.clauses[source];
        let (owner, is_user) = (clause.head, clause.origin == FileOrigin::User);
        let kept: Vec<Term> = args.iter().filter(|arg| **arg != Term::Wildcard).cloned().collect();
        let mask: Vec<bool> = args.iter().map(|arg| *arg != Term::Wildcard).collect();
        let payer = is_user.then(|| Arc::clone(&clause.file));
        let known = self.projections.get(&(relation, mask.clone(), payer.clone()));
        let head = known.copied().unwrap_or_else(|| {
            let head = self.hidden(kept.len(), owner);
            let column = |at: usize| if mask[at] { Term::Variable(at) } else { Term::Wildcard };
            let columns = (0..args.len()).map(column).collect();
            let heads = (0..args.len()).filter(|at| mask[*at]).map(Expr::Variable);
            let head_args = heads.collect();
            let all =
                Stored { relation, args: columns, negated: false, default: None, recursive: false };
            let body = vec![CoreLiteral::Stored(all)];
            self.single(Draft { head, head_args, body, variables: args.len(), source });
            self.projections.insert((relation, mask, payer), head);
            head
        });
        CoreLiteral::Stored(Stored {
            relation: head,
            args: kept,
            negated: true,
            default: None,
            recursive: false,
        })
    }

    fn aggregate(
        &mut self,
        source: usize,
        outer: &[Literal],
        at: usize,
        aggregate: &Aggregate,
    ) -> CoreLiteral {
        let clause = &self.program.inner.clauses[source];
        let (owner, variables) = (clause.head, clause.variables.len());
        let keys: Vec<Expr> = aggregate.keys.iter().map(|key| Expr::Variable(*key)).collect();
        let mut body = Vec::new();
        if !crate::datalog::check::binds_alone(aggregate) {
            body.push(self.context(source, outer, at, aggregate));
        }
        body.extend(self.body(source, &aggregate.body, usize::MAX, false));
        let mut head_args = keys;
        head_args.extend(aggregate.order.iter().map(|(key, _)| key.clone()));
        head_args.extend(aggregate.selected.iter().cloned());
        let group = self.hidden(head_args.len(), owner);
        self.single(Draft { head: group, head_args, body, variables, source });
        let arity = aggregate.keys.len() + aggregate.targets.len();
        let result = self.hidden(arity, owner);
        self.units.push(DraftUnit::Fold(Box::new(FoldUnit {
            group,
            result,
            keys: aggregate.keys.len(),
            aggregate: aggregate.clone(),
            result_index: None,
            source,
        })));
        let mut args: Vec<Term> = aggregate.keys.iter().map(|key| Term::Variable(*key)).collect();
        args.extend(aggregate.targets.iter().cloned());
        let default = empty_value(aggregate).map(|value| (aggregate.keys.len(), value));
        CoreLiteral::Stored(Stored {
            relation: result,
            args,
            negated: false,
            default,
            recursive: false,
        })
    }

    /// The keys that the other conditions give, for an aggregate that does not bind them itself.
    fn context(
        &mut self,
        source: usize,
        outer: &[Literal],
        at: usize,
        aggregate: &Aggregate,
    ) -> CoreLiteral {
        let clause = &self.program.inner.clauses[source];
        let (owner, variables) = (clause.head, clause.variables.len());
        let used = crate::datalog::check::solvable_without(outer, at);
        let literals: Vec<Literal> = used.iter().map(|at| outer[*at].clone()).collect();
        let body = self.body(source, &literals, usize::MAX, false);
        let head = self.hidden(aggregate.keys.len(), owner);
        let head_args = aggregate.keys.iter().map(|key| Expr::Variable(*key)).collect();
        self.single(Draft { head, head_args, body, variables, source });
        let args = aggregate.keys.iter().map(|key| Term::Variable(*key)).collect();
        CoreLiteral::Stored(Stored {
            relation: head,
            args,
            negated: false,
            default: None,
            recursive: false,
        })
    }

    fn finish(self) -> Compiled {
        let Self { program, mut relations, units, .. } = self;
        let mut interner = Interner::default();
        let mut planner = Planner { relations: &mut relations, interner: &mut interner };
        let mut planned = Vec::new();
        for unit in units {
            planned.push(match unit {
                DraftUnit::Rules { relations, drafts, recursive } => {
                    let clauses = drafts
                        .iter()
                        .map(|draft| plan_clause(program, &mut planner, draft, recursive));
                    let clauses: Vec<CoreClause> = clauses.collect();
                    let triggers = triggers_of(&clauses);
                    Unit::Rules { clauses, relations, recursive, triggers }
                }
                DraftUnit::Fold(mut fold) => {
                    let keys: Vec<usize> = (0..fold.keys).collect();
                    fold.result_index = planner.index(fold.result, &keys);
                    Unit::Fold(fold)
                }
            });
        }
        let keys: Vec<Option<Vec<usize>>> =
            program.relations().map(|info| info.key.clone()).collect();
        let key_indexes = keys
            .iter()
            .enumerate()
            .map(|(relation, key)| key.as_ref().and_then(|key| planner.index(relation, key)))
            .collect();
        walks::of_program(program, &mut relations);
        let reads = Reads::of(&planned);
        let program = program.clone();
        let names = program.relations().map(|info| Arc::clone(&info.name));
        let positions = names.enumerate().map(|(at, name)| (name, at)).collect();
        let mut by_head = vec![Vec::new(); program.relations().count()];
        for (at, clause) in program.clauses().enumerate() {
            by_head[clause.head].push(at);
        }
        Compiled {
            relations,
            reads,
            key_indexes,
            interner,
            by_head,
            from_head: program.clauses().map(order_from_head).collect(),
            folds: folds_by_place(&planned),
            positions,
            units: planned,
            program,
        }
    }
}

/// The declared key, rising. No column at all is a key of one row, which no index serves.
fn own_key(info: &RelationInfo) -> Option<Vec<usize>> {
    let mut key = info.key.clone().filter(|key| !key.is_empty())?;
    key.sort_unstable();
    Some(key)
}

fn order_from_head(clause: &Clause) -> Vec<usize> {
    let variables = clause.head_args.iter().filter_map(|arg| match arg {
        Expr::Variable(variable) => Some(*variable),
        _ => None,
    });
    crate::datalog::check::order_given(&clause.body, variables.collect())
}

fn folds_by_place(units: &[Unit]) -> Vec<(Span, usize)> {
    let fold = |(at, unit): (usize, &Unit)| match unit {
        Unit::Fold(fold) => Some((fold.aggregate.place, at)),
        Unit::Rules { .. } => None,
    };
    let mut folds: Vec<(Span, usize)> = units.iter().enumerate().filter_map(fold).collect();
    folds.sort_unstable();
    folds
}

fn plan_clause(
    program: &Program,
    planner: &mut Planner<'_>,
    draft: &Draft,
    recursive: bool,
) -> CoreClause {
    let clause = &program.inner.clauses[draft.source];
    let full = planner.full(&draft.body, &draft.head_args, draft.variables);
    let mut deltas = Vec::new();
    for (at, literal) in draft.body.iter().enumerate() {
        if let CoreLiteral::Stored(stored) = literal {
            let plan = planner.delta(&draft.body, at, &draft.head_args, draft.variables);
            deltas.push((at, stored.clone(), plan));
        }
    }
    let backward =
        recursive.then(|| planner.backward(&draft.body, &draft.head_args, draft.variables));
    let user_file = (clause.origin == FileOrigin::User).then(|| Arc::clone(&clause.file));
    CoreClause { head: draft.head, source: draft.source, user_file, full, deltas, backward }
}

/// The value of an empty group, for folds that have one.
pub(crate) fn empty_value(aggregate: &Aggregate) -> Option<Value> {
    match aggregate.fold {
        Fold::Count => Some(Value::Number(0)),
        Fold::Sum => crate::datalog::fold::narrow(aggregate.base, 0),
        Fold::Join { .. } => Some(Value::from("")),
        _ => None,
    }
}

/// Relations that a unit reads, its own excepted.
fn reads_of(unit: &Unit) -> Vec<usize> {
    let mut relations: BTreeSet<usize> = BTreeSet::new();
    match unit {
        Unit::Rules { clauses, .. } => {
            let literals = clauses.iter().flat_map(|clause| &clause.deltas);
            relations.extend(literals.map(|(_, stored, _)| stored.relation));
        }
        Unit::Fold(fold) => relations.extend([fold.group]),
    }
    let own = unit.own();
    relations.into_iter().filter(|relation| !own.contains(relation)).collect()
}
