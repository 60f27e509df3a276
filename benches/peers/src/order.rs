//! Conditions in an order that joins well, the same for both peers; the engine orders its own.
//!
//! Greedy: what filters as soon as it can be decided, else the atom with the fewest rows to expect.
//! What to expect is known from a small world of facts: rows, and different values by column.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::program::Condition;
use crate::program::Program;
use crate::program::Rule;
use crate::program::Term;

/// Rows of a relation, and how many different values each column has.
#[derive(Clone, Debug, Default)]
pub struct Size {
    /// The rows.
    pub rows: usize,
    /// Different values by column.
    pub values: Vec<usize>,
}

/// Brings the conditions of all rules into their order.
pub fn order(program: &mut Program, sizes: &[Size]) {
    for rule in &mut program.rules {
        unify(rule);
        free(rule);
        reorder(rule, sizes);
    }
}

/// Equalities of a variable become that variable everywhere, where no aggregate gives it.
fn unify(rule: &mut Rule) {
    let mut at = 0;
    while at < rule.body.len() {
        let given = |name: &str| {
            rule.body.iter().any(|condition| match condition {
                Condition::Fold(target, ..) => target.name() == Some(name),
                _ => false,
            })
        };
        let pair = match &rule.body[at] {
            Condition::Compare(left, op, right) if op == "=" => match (left.name(), right.name()) {
                (Some(name), _) if !given(name) => Some((left.clone(), right.clone())),
                (_, Some(name)) if !given(name) => Some((right.clone(), left.clone())),
                _ => None,
            },
            _ => None,
        };
        let Some((name, by)) = pair else {
            at += 1;
            continue;
        };
        rule.body.remove(at);
        let terms = rule.body.iter_mut().flat_map(Condition::terms_mut);
        for term in terms.chain(&mut rule.head.terms).filter(|term| **term == name) {
            *term = by.clone();
        }
    }
}

/// Variables that stand at one place only become wildcards.
fn free(rule: &mut Rule) {
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    let terms = rule.body.iter().flat_map(Condition::terms).chain(&rule.head.terms);
    for name in terms.filter_map(Term::name) {
        *count.entry(name.to_owned()).or_default() += 1;
    }
    for condition in &mut rule.body {
        // What an aggregate gives has a name even where nobody reads it.
        let terms = match condition {
            Condition::Fold(_, _, _, atom) => atom.terms.iter_mut().collect(),
            other => other.terms_mut(),
        };
        for term in terms {
            if term.name().is_some_and(|name| count[name] == 1) {
                *term = Term::Wildcard;
            }
        }
    }
}

fn reorder(rule: &mut Rule, sizes: &[Size]) {
    let mut rest = std::mem::take(&mut rule.body);
    let mut bound: BTreeSet<String> = BTreeSet::new();
    while !rest.is_empty() {
        let mut outside: BTreeMap<&str, usize> = BTreeMap::new();
        let all = rest.iter().chain(&rule.body);
        for condition in all {
            let names: BTreeSet<&str> =
                condition.terms().into_iter().filter_map(Term::name).collect();
            names.into_iter().for_each(|name| *outside.entry(name).or_default() += 1);
        }
        let costs = rest.iter().map(|condition| cost(condition, &bound, &outside, sizes));
        let best = costs.enumerate().filter_map(|(at, cost)| Some((cost?, at)));
        let best = best.min_by(|(a, _), (b, _)| a.total_cmp(b));
        let (_, best) = best.unwrap_or_else(|| panic!("no order for {rest:?}"));
        let condition = rest.remove(best);
        let names = match &condition {
            Condition::Fold(target, ..) => vec![target],
            other => other.terms(),
        };
        bound.extend(names.into_iter().filter_map(Term::name).map(str::to_owned));
        rule.body.push(condition);
    }
}

/// How many rows to expect of a condition, none where it cannot be decided yet.
fn cost(
    condition: &Condition,
    bound: &BTreeSet<String>,
    outside: &BTreeMap<&str, usize>,
    sizes: &[Size],
) -> Option<f64> {
    let is_known = |term: &Term| match term {
        Term::Variable(name) => bound.contains(name),
        Term::Value(_) => true,
        Term::Wildcard => false,
    };
    match condition {
        Condition::Compare(left, _, right) => (is_known(left) && is_known(right)).then_some(0.0),
        Condition::Atom(atom, false) => {
            let open = atom.terms.iter().any(|term| !is_known(term) && *term != Term::Wildcard);
            (!open).then_some(0.1)
        }
        // Columns that occur elsewhere choose the group: they must be bound before.
        Condition::Fold(target, _, _, atom) => {
            let is_open = |term: &Term| {
                term != target
                    && !is_known(term)
                    && term.name().is_some_and(|name| outside[name] > 1)
            };
            (!atom.terms.iter().any(is_open)).then_some(1.0)
        }
        Condition::Atom(atom, true) => {
            let Size { rows, values } = &sizes[atom.relation];
            let known = atom.terms.iter().zip(values).filter(|(term, _)| is_known(term));
            let different: f64 = known.map(|(_, values)| *values as f64).product();
            Some((*rows as f64 / different.max(1.0)).max(0.2))
        }
    }
}
