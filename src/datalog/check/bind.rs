//! Safety: an order in which every literal of a body finds its variables bound.
//!
//! Filters first, then what has one answer, then the atom with the most bound columns. What is left
//! over when nothing fits is unbound, and the complaint names a condition that could bind it.

use std::collections::BTreeSet;

use crate::datalog::check::declare::Scope;
use crate::datalog::check::is_negated;
use crate::datalog::check::resolve::CheckedClause;
use crate::datalog::check::resolve::variables_of_body;
use crate::datalog::diagnostic::Code;
use crate::datalog::diagnostic::Complaint;
use crate::datalog::diagnostic::Complaints;
use crate::datalog::program::Aggregate;
use crate::datalog::program::Expr;
use crate::datalog::program::Literal;
use crate::datalog::program::LiteralKind;
use crate::datalog::program::Term;
use crate::datalog::syntax::Comparison;

/// Fills in the orders of a clause and of its aggregates.
pub(super) fn order(clause: &mut CheckedClause, scope: &Scope, complaints: &mut Complaints) {
    if !clause.sound {
        return;
    }
    let mut bound = BTreeSet::new();
    let mut unbound: BTreeSet<usize> = BTreeSet::new();
    clause.clause.order = arrange(&clause.clause.body, &mut bound, &mut unbound);
    for literal in &mut clause.clause.body {
        if let LiteralKind::Aggregate(aggregate) = &mut literal.kind {
            let mut inner: BTreeSet<usize> = aggregate.keys.iter().copied().collect();
            aggregate.body_order = arrange(&aggregate.body, &mut inner, &mut unbound);
            let keys = aggregate.order.iter().map(|(key, _)| key);
            for expr in aggregate.selected.iter().chain(keys) {
                missing_in(expr, &inner, &mut unbound);
            }
        }
    }
    for arg in &clause.clause.head_args {
        missing_in(arg, &bound, &mut unbound);
    }
    for variable in unbound {
        complain(clause, variable, scope, complaints);
    }
}

fn missing_in(expr: &Expr, bound: &BTreeSet<usize>, missing: &mut BTreeSet<usize>) {
    expr.variables(&mut |variable| {
        if !bound.contains(&variable) {
            missing.insert(variable);
        }
    });
}

/// Orders `body`; adds to `bound` what it binds and to `unbound` what nothing can bind.
fn arrange(
    body: &[Literal],
    bound: &mut BTreeSet<usize>,
    unbound: &mut BTreeSet<usize>,
) -> Vec<usize> {
    let mut left: Vec<usize> = (0..body.len()).collect();
    let mut order = Vec::with_capacity(body.len());
    while !left.is_empty() {
        let scored = left.iter().enumerate().filter_map(|(place, at)| {
            readiness(&body[*at].kind, bound).map(|score| (score, std::cmp::Reverse(place)))
        });
        let Some((_, std::cmp::Reverse(place))) = scored.max() else { break };
        let at = left.remove(place);
        order.push(at);
        bind_all(&body[at].kind, bound);
    }
    for &at in &left {
        assume(&body[at].kind, bound);
    }
    for at in left {
        wanted(&body[at].kind, bound, unbound);
        order.push(at);
    }
    order
}

/// The order of a body whose head gives some variables their values already.
pub(crate) fn order_given(body: &[Literal], mut bound: BTreeSet<usize>) -> Vec<usize> {
    arrange(body, &mut bound, &mut BTreeSet::new())
}

/// True when an aggregate's own conditions bind all its keys.
pub(crate) fn binds_alone(aggregate: &Aggregate) -> bool {
    let (mut bound, mut unbound) = (BTreeSet::new(), BTreeSet::new());
    arrange(&aggregate.body, &mut bound, &mut unbound);
    unbound.is_empty() && aggregate.keys.iter().all(|key| bound.contains(key))
}

/// The conditions of `body` that can be satisfied without the one at `without`, in a good order.
pub(crate) fn solvable_without(body: &[Literal], without: usize) -> Vec<usize> {
    let mut bound = BTreeSet::new();
    let mut left: Vec<usize> = (0..body.len()).filter(|at| *at != without).collect();
    let mut order = Vec::new();
    loop {
        let ready = left.iter().position(|at| readiness(&body[*at].kind, &bound).is_some());
        let Some(place) = ready else { return order };
        let at = left.remove(place);
        bind_all(&body[at].kind, &mut bound);
        order.push(at);
    }
}

/// How ready a comparison is that gives a variable its value.
pub(crate) const GIVES_VALUE: u32 = 950;

/// How good it is to take this literal next; `None` when it needs more variables.
pub(crate) fn readiness(kind: &LiteralKind, bound: &BTreeSet<usize>) -> Option<u32> {
    let is_bound = |expr: &Expr| {
        let mut all = true;
        expr.variables(&mut |variable| all &= bound.contains(&variable));
        all
    };
    let has = |term: &Term| match term {
        Term::Variable(variable) => bound.contains(variable),
        Term::Constant(_) => true,
        Term::Wildcard => false,
    };
    match kind {
        LiteralKind::Atom { args, negated: true, .. } => {
            args.iter().all(|arg| has(arg) || *arg == Term::Wildcard).then_some(1000)
        }
        LiteralKind::Atom { args, .. } => {
            let count = args.iter().filter(|arg| has(arg)).count() as u32;
            let all = count as usize == args.len();
            Some(if all { 900 } else { 10 + count * 10 })
        }
        LiteralKind::Compare { op, left, right } => match (is_bound(left), is_bound(right)) {
            (true, true) => Some(1000),
            (true, false) if binds(*op, right) => Some(GIVES_VALUE),
            (false, true) if binds(*op, left) => Some(GIVES_VALUE),
            _ => None,
        },
        LiteralKind::Test { call, .. } => call.args.iter().all(is_bound).then_some(1000),
        LiteralKind::Rows { call, .. } => call.args.iter().all(is_bound).then_some(500),
        LiteralKind::Aggregate(aggregate) => {
            aggregate.keys.iter().all(|key| bound.contains(key)).then_some(400)
        }
    }
}

fn binds(op: Comparison, expr: &Expr) -> bool {
    op == Comparison::Equal && matches!(expr, Expr::Variable(_))
}

pub(crate) fn bind_all(kind: &LiteralKind, bound: &mut BTreeSet<usize>) {
    let one = Literal { kind: kind.clone(), text: "".into() };
    variables_of_body(&[one], &mut |variable| {
        bound.insert(variable);
    });
}

/// Adds what a stuck literal would bind, so that one missing variable is one complaint.
fn assume(kind: &LiteralKind, bound: &mut BTreeSet<usize>) {
    let terms = match kind {
        LiteralKind::Rows { outs, .. } => outs,
        LiteralKind::Aggregate(aggregate) => &aggregate.targets,
        LiteralKind::Compare { op: Comparison::Equal, left, right } => {
            for (to, from) in [(left, right), (right, left)] {
                if let Expr::Variable(variable) = to
                    && !matches!(from, Expr::Variable(_))
                {
                    bound.insert(*variable);
                }
            }
            return;
        }
        _ => return,
    };
    bound.extend(terms.iter().filter_map(|term| match term {
        Term::Variable(variable) => Some(*variable),
        _ => None,
    }));
}

/// Which variables a stuck literal waits for.
fn wanted(kind: &LiteralKind, bound: &BTreeSet<usize>, missing: &mut BTreeSet<usize>) {
    match kind {
        LiteralKind::Rows { call, .. } => {
            call.args.iter().for_each(|arg| missing_in(arg, bound, missing));
        }
        LiteralKind::Aggregate(aggregate) => {
            missing.extend(aggregate.keys.iter().filter(|key| !bound.contains(key)));
        }
        _ => {
            let one = Literal { kind: kind.clone(), text: "".into() };
            variables_of_body(&[one], &mut |variable| {
                if !bound.contains(&variable) {
                    missing.insert(variable);
                }
            });
        }
    }
}

fn complain(clause: &CheckedClause, variable: usize, scope: &Scope, complaints: &mut Complaints) {
    let name = &clause.clause.variables[variable].name;
    let message = format!("variable `{name}` is not bound");
    let (span, _) = clause.occurrences[variable];
    let complaint =
        Complaint::error(Code::Unbound, message).at(span, "no positive condition binds it");
    let help = match binder(clause, variable, scope) {
        Some(text) => format!("bind it with a positive condition, such as `{text}`"),
        None => {
            format!("bind it with a positive condition, such as `rel({name}, …)` or `{name} = …`")
        }
    };
    complaints.push(complaint.help(help));
}

/// A positive literal that could bind `variable`: the negated one it stands in, or any relation
/// with a column of the same name in lower case.
fn binder(clause: &CheckedClause, variable: usize, scope: &Scope) -> Option<String> {
    let name = &clause.clause.variables[variable].name;
    for literal in clause.clause.body.iter().filter(|literal| is_negated(&literal.kind)) {
        let LiteralKind::Atom { relation, args, .. } = &literal.kind else { continue };
        let Some(column) = args.iter().position(|arg| *arg == Term::Variable(variable)) else {
            continue;
        };
        let wanted = &scope.relations[*relation].columns[column].type_name;
        let found = scope.relations.iter().enumerate().find(|(at, info)| {
            at != relation && info.columns.iter().any(|column| column.type_name == *wanted)
        });
        if let Some((_, info)) = found {
            let mut placed = false;
            let args: Vec<&str> = info
                .columns
                .iter()
                .map(|column| {
                    let here = !placed && column.type_name == *wanted;
                    placed |= here;
                    if here { &**name } else { "_" }
                })
                .collect();
            return Some(format!("{}({})", info.name, args.join(", ")));
        }
    }
    None
}
