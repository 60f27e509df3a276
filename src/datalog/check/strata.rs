//! Stratification: layers of relations that can be evaluated one after another.
//!
//! A relation lands above all that it negates or aggregates, so no conclusion is ever taken back. A
//! loop through a negation has no such layer: the complaint shows the loop, one label per edge.

use std::collections::BTreeMap;
use std::collections::VecDeque;

use crate::datalog::check::declare::Scope;
use crate::datalog::check::resolve::CheckedClause;
use crate::datalog::check::resolve::Resolved;
use crate::datalog::diagnostic::Code;
use crate::datalog::diagnostic::Complaint;
use crate::datalog::diagnostic::Complaints;
use crate::datalog::diagnostic::Span;
use crate::datalog::program::Expr;
use crate::datalog::program::Literal;
use crate::datalog::program::LiteralKind;
use crate::datalog::program::Stratum;
use crate::datalog::program::Term;

/// One way in which a head depends on a relation.
#[derive(Clone, Copy)]
struct Edge {
    target: usize,
    negative: bool,
    span: Span,
}

/// Calls `visit(relation, negative, literal position)` for each relation that `body` reads; the
/// position is that of the outermost literal.
pub(super) fn each_read(body: &[Literal], visit: &mut impl FnMut(usize, bool, usize)) {
    for (at, literal) in body.iter().enumerate() {
        match &literal.kind {
            LiteralKind::Atom { relation, negated, .. } => visit(*relation, *negated, at),
            LiteralKind::Aggregate(aggregate) => {
                for inner in &aggregate.body {
                    if let LiteralKind::Atom { relation, .. } = &inner.kind {
                        visit(*relation, true, at);
                    }
                }
            }
            _ => {}
        }
    }
}

/// Finds the strata, lowest first, and writes each relation's into `scope`.
pub(super) fn stratify(
    resolved: &Resolved,
    scope: &mut Scope,
    complaints: &mut Complaints,
) -> Vec<Stratum> {
    let count = scope.relations.len();
    let mut edges: Vec<Vec<Edge>> = vec![Vec::new(); count];
    for clause in &resolved.clauses {
        each_read(&clause.clause.body, &mut |target, negative, at| {
            let span = clause.literal_spans[at];
            edges[clause.clause.head].push(Edge { target, negative, span });
        });
    }
    let components = components(&edges);
    let mut component_of = vec![0; count];
    for (at, members) in components.iter().enumerate() {
        for member in members {
            component_of[*member] = at;
        }
    }
    for members in &components {
        complain_of_negative_cycle(members, &edges, &component_of, scope, complaints);
    }
    let mut strata: Vec<Stratum> = Vec::with_capacity(components.len());
    for (at, members) in components.iter().enumerate() {
        for member in members {
            scope.relations[*member].stratum = at;
        }
        let inside = |edge: &Edge| component_of[edge.target] == at;
        let recursive = members.iter().any(|member| edges[*member].iter().any(inside));
        strata.push(Stratum { relations: members.clone(), clauses: Vec::new(), recursive });
    }
    for (at, clause) in resolved.clauses.iter().enumerate() {
        let stratum = component_of[clause.clause.head];
        strata[stratum].clauses.push(at);
        if strata[stratum].recursive {
            complain_of_open_aggregate(clause, &component_of, complaints);
            complain_of_endless_recursion(clause, &component_of, scope, complaints);
        }
    }
    strata
}

/// Strongly connected components, dependencies first (Tarjan's method, with a stack of its own so
/// that a long chain of relations cannot exhaust the thread's).
fn components(edges: &[Vec<Edge>]) -> Vec<Vec<usize>> {
    const NEW: usize = usize::MAX;
    let count = edges.len();
    let (mut index, mut low) = (vec![NEW; count], vec![0; count]);
    let mut on_stack = vec![false; count];
    let (mut stack, mut found, mut next) = (Vec::new(), Vec::new(), 0);
    for root in 0..count {
        if index[root] != NEW {
            continue;
        }
        let mut path = vec![(root, 0)];
        while let Some((node, edge)) = path.pop() {
            if edge == 0 {
                (index[node], low[node]) = (next, next);
                next += 1;
                stack.push(node);
                on_stack[node] = true;
            }
            if let Some(target) = edges[node].get(edge).map(|edge| edge.target) {
                path.push((node, edge + 1));
                if index[target] == NEW {
                    path.push((target, 0));
                } else if on_stack[target] {
                    low[node] = low[node].min(index[target]);
                }
                continue;
            }
            if let Some((parent, _)) = path.last() {
                low[*parent] = low[*parent].min(low[node]);
            }
            if low[node] == index[node] {
                let at = stack.iter().rposition(|member| *member == node);
                let mut members =
                    stack.split_off(at.expect("a node is on the stack until its component closes"));
                members.iter().for_each(|member| on_stack[*member] = false);
                members.sort_unstable();
                found.push(members);
            }
        }
    }
    found
}

fn complain_of_negative_cycle(
    members: &[usize],
    edges: &[Vec<Edge>],
    component_of: &[usize],
    scope: &Scope,
    complaints: &mut Complaints,
) {
    let inside = |edge: &&Edge| component_of[edge.target] == component_of[members[0]];
    let found = members.iter().find_map(|&head| {
        let negative = edges[head].iter().filter(inside).find(|edge| edge.negative);
        negative.map(|edge| (head, *edge))
    });
    let Some((head, edge)) = found else { return };
    let name = |relation: usize| &scope.relations[relation].name;
    let mut text = format!("{} -> !{}", name(head), name(edge.target));
    let label = format!("{} needs {} to be complete", name(head), name(edge.target));
    let mut labels = vec![(edge.span, label)];
    let mut from = edge.target;
    for step in path(edge.target, head, edges, component_of) {
        let sign = if step.negative { "!" } else { "" };
        text.push_str(&format!(" -> {sign}{}", name(step.target)));
        labels.push((step.span, format!("{} reads {}", name(from), name(step.target))));
        from = step.target;
    }
    let message = format!("no order of evaluation: {text}");
    let mut complaint = Complaint::error(Code::NegativeCycle, message);
    for (span, label) in labels {
        complaint = complaint.at(span, label);
    }
    complaints.push(complaint.help(
        "derive the bad state with positive recursion (`bad(X) :- cause(X). bad(X) :- \
         depends(X, Y), bad(Y).`) and negate it once, in a relation above the loop",
    ));
}

/// The shortest way from `start` to `goal` inside their component.
fn path(start: usize, goal: usize, edges: &[Vec<Edge>], component_of: &[usize]) -> Vec<Edge> {
    let mut reached: BTreeMap<usize, (usize, Edge)> = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        if node == goal {
            break;
        }
        for edge in &edges[node] {
            let same = component_of[edge.target] == component_of[goal];
            if same && edge.target != start && !reached.contains_key(&edge.target) {
                reached.insert(edge.target, (node, *edge));
                queue.push_back(edge.target);
            }
        }
    }
    let mut way = Vec::new();
    let mut at = goal;
    while at != start {
        let Some((before, edge)) = reached.get(&at) else { break };
        way.push(*edge);
        at = *before;
    }
    way.reverse();
    way
}

/// In a recursive clause the group of an aggregate must not depend on the recursion.
fn complain_of_open_aggregate(
    clause: &CheckedClause,
    component_of: &[usize],
    complaints: &mut Complaints,
) {
    let mut recursive = false;
    each_read(&clause.clause.body, &mut |relation, _, _| {
        recursive |= component_of[relation] == component_of[clause.clause.head];
    });
    if !recursive {
        return;
    }
    for (literal, span) in clause.clause.body.iter().zip(&clause.literal_spans) {
        let LiteralKind::Aggregate(aggregate) = &literal.kind else { continue };
        if clause.sound && !super::binds_alone(aggregate) {
            let message = "an aggregate of a recursive clause must bind its own keys";
            let complaint = Complaint::error(Code::Unbound, message).at(*span, "not bound in here");
            let help = "add a condition inside the braces that binds every key";
            complaints.push(complaint.help(help));
        }
    }
}

/// A recursive clause that makes new values may never end: it needs a size limit on its relation.
fn complain_of_endless_recursion(
    clause: &CheckedClause,
    component_of: &[usize],
    scope: &Scope,
    complaints: &mut Complaints,
) {
    let head = clause.clause.head;
    if scope.relations[head].limit.is_some() {
        return;
    }
    let mut recursive = false;
    let mut known: Vec<usize> = Vec::new();
    for literal in &clause.clause.body {
        // A fold over lower strata has finitely many values, whatever its keys are.
        let terms = match &literal.kind {
            LiteralKind::Atom { relation, args, negated: false } => {
                recursive |= component_of[*relation] == component_of[head];
                args
            }
            LiteralKind::Aggregate(aggregate) => &aggregate.targets,
            _ => continue,
        };
        known.extend(terms.iter().filter_map(|term| match term {
            Term::Variable(variable) => Some(*variable),
            _ => None,
        }));
    }
    if !recursive {
        return;
    }
    for (arg, span) in clause.clause.head_args.iter().zip(&clause.head_spans) {
        let made = match arg {
            Expr::Constant(_) => false,
            Expr::Variable(variable) => {
                !known.contains(variable) && !is_constant(clause, *variable)
            }
            _ => true,
        };
        if made {
            let name = &scope.relations[head].name;
            let message = format!("recursive relation `{name}` makes new values and may never end");
            let complaint = Complaint::error(Code::EndlessRecursion, message);
            let help = format!("bound it: .limitsize {name}(n=10000)");
            complaints.push(complaint.at(*span, "a new value each round").help(help));
        }
    }
}

/// True when the body says `variable = constant`.
fn is_constant(clause: &CheckedClause, variable: usize) -> bool {
    clause.clause.body.iter().any(|literal| match &literal.kind {
        LiteralKind::Compare { left, right, .. } => matches!(
            (left, right),
            (Expr::Variable(v), Expr::Constant(_)) | (Expr::Constant(_), Expr::Variable(v))
                if *v == variable
        ),
        _ => false,
    })
}
