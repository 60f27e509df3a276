//! Why a fact holds: its canonical proof, built by running clauses backwards.
//!
//! For each fact the first clause that derives it (file and text order), each condition taken at
//! its smallest row, in the best order for a known head; inside a recursive stratum only premises
//! of lower rank count, so the graph has no cycle. The first solution is the canonical one, so the
//! others are never looked at. Facts are taken breadth first: a depth cut is the same on every way.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::ops::ControlFlow;

use crate::datalog::builtins::Calls;
use crate::datalog::compile::Compiled;
use crate::datalog::expr;
use crate::datalog::expr::Binding;
use crate::datalog::fact;
use crate::datalog::fold;
use crate::datalog::instance::Names;
use crate::datalog::program::Aggregate;
use crate::datalog::program::Clause;
use crate::datalog::program::Expr;
use crate::datalog::program::Literal;
use crate::datalog::program::LiteralKind;
use crate::datalog::program::Program;
use crate::datalog::program::RelationKind;
use crate::datalog::proof::Cut;
use crate::datalog::proof::NodeKind;
use crate::datalog::proof::Premise;
use crate::datalog::proof::Proof;
use crate::datalog::proof::ProofNode;
use crate::datalog::proof::QueryOptions;
use crate::datalog::proof::clause_text;
use crate::datalog::solve::Note;
use crate::datalog::solve::Solver;
use crate::datalog::solve::View;
use crate::datalog::syntax::Fold;
use crate::datalog::value::Row;
use crate::datalog::value::Value;
use crate::datalog::world::World;

/// Builds one proof.
pub(crate) struct Prover<'a> {
    pub(crate) program: &'a Program,
    pub(crate) calls: &'a Calls,
    pub(crate) rows: &'a World,
    pub(crate) generation: u64,
    pub(crate) options: &'a QueryOptions,
    pub(crate) work: u64,
    pub(crate) complete: bool,
}

/// The view in which a fact of a recursive stratum looks for premises: its own stratum below its
/// rank.
struct Below<'a> {
    program: &'a Program,
    rows: &'a World,
    stratum: usize,
    rank: u32,
}

impl View for Below<'_> {
    fn each(
        &self,
        relation: usize,
        wanted: &[Option<Value>],
        visit: &mut dyn FnMut(&[Value], Note) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let limited = self.is_limited(relation);
        self.rows.each(relation, wanted, &mut |row, note| {
            if limited && note.rank >= self.rank {
                return ControlFlow::Continue(());
            }
            visit(row, note)
        })
    }

    fn each_in_order(
        &self,
        relation: usize,
        wanted: &[Option<Value>],
        visit: &mut dyn FnMut(&[Value], Note) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let below = if self.is_limited(relation) { self.rank } else { 0 };
        self.rows.each_smallest(relation, wanted, below, visit)
    }

    fn folded(&self, aggregate: &Aggregate, binding: &[Option<Value>]) -> Option<Vec<Row>> {
        self.rows.folded(aggregate, binding)
    }
}

impl Below<'_> {
    fn is_limited(&self, relation: usize) -> bool {
        self.rank > 0 && self.program.info(relation).stratum == self.stratum
    }
}

/// A clause, a binding that satisfies it, and per positive literal the row that it matches.
type Derivation<'a> = (&'a Clause, Binding, BTreeMap<usize, (usize, Row)>);

fn is_positive(literal: &Literal) -> bool {
    matches!(literal.kind, LiteralKind::Atom { negated: false, .. })
}

/// The nodes of a proof under construction.
#[derive(Default)]
struct Graph {
    nodes: Vec<ProofNode>,
    places: BTreeMap<(usize, Row), usize>,
    open: VecDeque<Open>,
}

/// A node that waits to be expanded.
struct Open {
    node: usize,
    relation: usize,
    depth: usize,
    /// What is noted of its row, when it holds.
    note: Option<Note>,
}

impl<'a> Prover<'a> {
    /// The proof of a fact, or none when it does not hold.
    pub(crate) fn prove(&mut self, relation: usize, row: &Row) -> Option<Proof> {
        self.rows.note(relation, row)?;
        Some(self.graph(relation, row))
    }

    /// The proof of a row as far as the facts give it one, whether or not it holds: rows of a
    /// faulted relation do not, and yet follow.
    pub(crate) fn graph(&mut self, relation: usize, row: &Row) -> Proof {
        let mut graph = Graph::default();
        self.place(&mut graph, relation, row, 0);
        while let Some(open) = graph.open.pop_front() {
            // Nobody looks at the row of a node that is being expanded.
            let row = std::mem::take(&mut graph.nodes[open.node].row);
            self.expand(&mut graph, &open, &row);
            graph.nodes[open.node].row = row;
        }
        let rules_hash = self.program.hash().to_string();
        Proof { rules_hash, generation: self.generation, nodes: graph.nodes }
    }

    /// The node of a fact; a new one waits to be expanded.
    fn place(&self, graph: &mut Graph, relation: usize, row: &Row, depth: usize) -> usize {
        let next = graph.nodes.len();
        let node = *graph.places.entry((relation, row.clone())).or_insert(next);
        if node < next {
            return node;
        }
        let info = self.program.info(relation);
        let note = self.rows.note(relation, row);
        graph.open.push_back(Open { node, relation, depth, note });
        graph.nodes.push(ProofNode {
            conclusion: fact::text(&info.name, row),
            relation: info.name.to_string(),
            row: row.clone(),
            sentence: info.doc.to_string(),
            kind: NodeKind::Derived,
            clause: None,
            bindings: Vec::new(),
            premises: Vec::new(),
            since: note.map(|note| note.since),
            cut: None,
        });
        node
    }

    fn expand(&mut self, graph: &mut Graph, open: &Open, row: &Row) {
        let &Open { node, relation, depth, note } = open;
        if self.program.info(relation).kind == RelationKind::Input {
            graph.nodes[node].kind = NodeKind::Input;
            if !note.is_some_and(|note| note.asserted) {
                graph.nodes[node].kind = NodeKind::Stated;
                graph.nodes[node].clause = self.stating_clause(relation, row).map(clause_text);
            }
            return;
        }
        let reason = if depth >= self.options.depth {
            "depth"
        } else if graph.nodes.len() > self.options.limit {
            "size"
        } else if self.work > self.options.work {
            "work"
        } else {
            ""
        };
        let found = if reason.is_empty() { self.derivation(relation, row, note) } else { None };
        let Some((clause, binding, rows)) = found else {
            let reason = if reason.is_empty() { "work" } else { reason };
            let handle = graph.nodes[node].conclusion.clone();
            let cut = Cut { reason: reason.to_owned(), generation: self.generation, handle };
            graph.nodes[node].cut = Some(cut);
            self.complete = false;
            return;
        };
        let names = Names { program: self.program, clause };
        let mut premises = Vec::new();
        for (at, literal) in clause.body.iter().enumerate() {
            premises.push(match rows.get(&at) {
                Some((relation, row)) => {
                    Premise::Fact { node: self.place(graph, *relation, row, depth + 1) }
                }
                None => self.premise(graph, &names, literal, &binding, depth),
            });
        }
        let out = &mut graph.nodes[node];
        out.kind = if clause.is_fact() { NodeKind::Stated } else { NodeKind::Derived };
        out.clause = Some(clause_text(clause));
        out.bindings = names.bindings(&binding);
        out.premises = premises;
    }

    fn stating_clause(&self, relation: usize, row: &Row) -> Option<&Clause> {
        let own = self.rows.compiled.by_head[relation].iter();
        let mut clauses = own.map(|at| &self.program.inner.clauses[*at]);
        clauses.find(|clause| {
            bind_head(clause, &row.iter().cloned().map(Some).collect::<Vec<_>>()).is_some()
        })
    }

    /// The canonical derivation of a fact that holds.
    fn derivation(
        &mut self,
        relation: usize,
        row: &Row,
        note: Option<Note>,
    ) -> Option<Derivation<'a>> {
        let view = Below {
            program: self.program,
            rows: self.rows,
            stratum: self.program.info(relation).stratum,
            rank: note.map_or(0, |note| note.rank),
        };
        let wanted: Vec<Option<Value>> = row.iter().cloned().map(Some).collect();
        let program: &'a Program = self.program;
        let compiled: &'a Compiled = &self.rows.compiled;
        for at in &compiled.by_head[relation] {
            let clause = &program.inner.clauses[*at];
            let Some(mut binding) = bind_head(clause, &wanted) else { continue };
            let order = &compiled.from_head[*at];
            let work_max = self.options.work.saturating_sub(self.work);
            let mut solver = Solver::new(&view, self.calls, work_max);
            solver.in_order = true;
            let mut best: Option<(Binding, Vec<(usize, Row)>)> = None;
            let solved = solver.solve(&clause.body, order, &mut binding, &mut |solver, binding| {
                if !head_is(clause, binding, row, solver.calls) {
                    return Ok(ControlFlow::Continue(()));
                }
                best = Some((binding.clone(), solver.trail.clone()));
                Ok(ControlFlow::Break(()))
            });
            self.work += solver.work;
            self.complete &= solved.is_ok() && !solver.is_exhausted();
            if let Some((binding, trail)) = best {
                let positive = order.iter().filter(|at| is_positive(&clause.body[**at]));
                return Some((clause, binding, positive.copied().zip(trail).collect()));
            }
        }
        None
    }

    fn premise(
        &mut self,
        graph: &mut Graph,
        names: &Names<'_>,
        literal: &Literal,
        binding: &Binding,
        depth: usize,
    ) -> Premise {
        match &literal.kind {
            LiteralKind::Atom { relation, args, negated } => {
                let pattern = names.pattern(*relation, args, binding);
                debug_assert!(negated, "positive conditions have their row");
                let searched = self.rows.len(*relation) as u64;
                let expandable = self.program.info(*relation).kind != RelationKind::Input;
                Premise::Absent { pattern, searched, expandable }
            }
            LiteralKind::Aggregate(aggregate) => {
                self.aggregate(graph, names, literal, aggregate, binding, depth)
            }
            _ => Premise::Holds { text: names.computed(literal, binding, self.calls) },
        }
    }

    fn aggregate(
        &mut self,
        graph: &mut Graph,
        names: &Names<'_>,
        literal: &Literal,
        aggregate: &Aggregate,
        binding: &Binding,
        depth: usize,
    ) -> Premise {
        let (group_size, runner_up) = self.group(aggregate, binding);
        let facts = self.contributors(aggregate, binding);
        let listed: Vec<usize> = facts
            .iter()
            .map(|(relation, row)| self.place(graph, *relation, row, depth + 1))
            .collect();
        Premise::Aggregate {
            text: names.literal(literal, binding),
            values: aggregate
                .targets
                .iter()
                .filter_map(|term| expr::wanted(term, binding))
                .collect(),
            group_size,
            more: group_size.saturating_sub(self.options.contributors as u64),
            contributors: listed,
            runner_up,
        }
    }

    /// How many solutions an aggregate's group has, and the first tuple that did not win.
    fn group(&mut self, aggregate: &Aggregate, binding: &Binding) -> (u64, Option<Row>) {
        self.work += 1;
        let solutions = self.rows.solutions(aggregate, binding).unwrap_or_default();
        let fold::Kept::First(kept) = fold::kept(&aggregate.fold) else { return (solutions, None) };
        let entries = self.rows.first_entries(aggregate, binding, kept + 1).unwrap_or_default();
        (solutions, fold::ranked(aggregate, &entries).into_iter().nth(kept))
    }

    /// The positive facts of the first solutions of an aggregate's body: best first, and for
    /// `count`, which has no best, in order of evaluation.
    fn contributors(&mut self, aggregate: &Aggregate, binding: &Binding) -> Vec<(usize, Row)> {
        let keep = self.options.contributors;
        let mut inner: Binding = vec![None; binding.len()];
        for key in &aggregate.keys {
            inner[*key].clone_from(&binding[*key]);
        }
        let first = self.rows.first_entries(aggregate, binding, keep);
        let Some(entries) = first.filter(|_| is_plain(aggregate)) else {
            return rows_of(self.best(aggregate, inner, keep));
        };
        let mut found = Vec::new();
        for entry in entries.iter().take(keep) {
            // The entry tells its variables, so only its own solutions are looked at.
            let mut own = inner.clone();
            let exprs = aggregate.order.iter().map(|(key, _)| key).chain(&aggregate.selected);
            for (expr, value) in exprs.zip(entry.order.iter().chain(&entry.selected)) {
                if let Expr::Variable(variable) = expr {
                    own[*variable] = Some(value.clone());
                }
            }
            found.extend(self.best(aggregate, own, keep - found.len()));
            if found.len() == keep {
                break;
            }
        }
        debug_assert!(self.are_first(aggregate, &inner, &found), "the index knows the first");
        rows_of(found)
    }

    /// True when a walk through the whole of a small group finds the same.
    fn are_first(&self, aggregate: &Aggregate, inner: &Binding, found: &[Contributor]) -> bool {
        let solutions = self.rows.solutions(aggregate, inner).unwrap_or_default();
        if solutions > 64 || !self.complete {
            return true;
        }
        let mut other = Prover { work: 0, ..*self };
        let walked = other.best(aggregate, inner.clone(), self.options.contributors);
        !other.complete || walked == found
    }

    /// The first `keep` solutions of an aggregate's body that extend a binding.
    fn best(&mut self, aggregate: &Aggregate, mut inner: Binding, keep: usize) -> Vec<Contributor> {
        let work_max = self.options.work.saturating_sub(self.work);
        let mut solver = Solver::new(self.rows, self.calls, work_max);
        let mut found: Vec<Contributor> = Vec::new();
        let is_count = aggregate.fold == Fold::Count;
        solver.in_order = is_count;
        let _ = solver.solve(
            &aggregate.body,
            &aggregate.body_order,
            &mut inner,
            &mut |solver, inner| {
                if let Some(entry) = fold::entry(aggregate, inner, solver.calls)? {
                    let item = (entry, inner.clone(), solver.trail.clone());
                    if is_count {
                        found.push(item);
                        let more = found.len() < keep;
                        return if more {
                            Ok(ControlFlow::Continue(()))
                        } else {
                            Ok(ControlFlow::Break(()))
                        };
                    }
                    let less = |a: &Contributor, b: &Contributor| {
                        let by_entry = fold::best_first(aggregate, &a.0, &b.0);
                        by_entry.then_with(|| (&a.1, &a.2).cmp(&(&b.1, &b.2)))
                    };
                    let at = found.partition_point(|other| less(other, &item).is_lt());
                    if at < keep {
                        found.insert(at, item);
                        found.truncate(keep);
                    }
                }
                Ok(ControlFlow::Continue(()))
            },
        );
        self.work += solver.work;
        self.complete &= !solver.is_exhausted();
        found.truncate(keep);
        found
    }
}

/// True when every value that the fold looks at is a variable: then an entry tells them all.
fn is_plain(aggregate: &Aggregate) -> bool {
    let order = aggregate.order.iter().map(|(key, _)| key);
    order.chain(&aggregate.selected).all(|expr| matches!(expr, Expr::Variable(_)))
}

fn rows_of(found: Vec<Contributor>) -> Vec<(usize, Row)> {
    found.into_iter().flat_map(|(_, _, trail)| trail).collect()
}

/// A solution of an aggregate's body: its entry, its binding, the rows it matched.
type Contributor = (fold::Entry, Binding, Vec<(usize, Row)>);

/// The binding that the head gives for the wanted columns; `None` when it can never fit.
pub(crate) fn bind_head(clause: &Clause, wanted: &[Option<Value>]) -> Option<Binding> {
    let mut binding: Binding = vec![None; clause.variables.len()];
    for (arg, want) in clause.head_args.iter().zip(wanted) {
        let Some(want) = want else { continue };
        match arg {
            Expr::Constant(value) if value != want => return None,
            Expr::Variable(variable) => match &binding[*variable] {
                Some(bound) if bound != want => return None,
                _ => binding[*variable] = Some(want.clone()),
            },
            _ => {}
        }
    }
    Some(binding)
}

/// True when the head under `binding` is `row`.
fn head_is(clause: &Clause, binding: &Binding, row: &Row, calls: &Calls) -> bool {
    let values = clause.head_args.iter().zip(row);
    values.into_iter().all(|(arg, want)| expr::value(arg, binding, calls).as_ref() == Ok(want))
}
