//! Walks: long lists of rows in order of value, for proofs.
//!
//! A proof takes each condition at its smallest row. Where a condition may have many rows, finding
//! the smallest by looking at all of them is too slow; so the lists that proofs may walk are known
//! from the program ([`of_program`]), and those that are long are kept in order. Short lists cost
//! nothing, and what proofs say never depends on which lists are kept.
//!
//! Cost: per changed row of a long list, one search by value. A list that has been long stays kept.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::datalog::check::bind_all;
use crate::datalog::check::order_given;
use crate::datalog::compile::CoreRelation;
use crate::datalog::maintain::Work;
use crate::datalog::program::Expr;
use crate::datalog::program::Literal;
use crate::datalog::program::LiteralKind;
use crate::datalog::program::Program;
use crate::datalog::program::Term;
use crate::datalog::store::Age;
use crate::datalog::store::Grown;
use crate::datalog::store::LEAF_MAX;
use crate::datalog::store::List;
use crate::datalog::store::Sorted;

/// From how many rows on a list is kept in order: below, looking at all of them is quick. More than
/// a leaf has, so that a list which becomes long reaches over the end of one.
pub(crate) const LONG: usize = LEAF_MAX + 2;

/// Notes for each relation the lists that a proof may walk: rows of one key of an index, or all.
pub(crate) fn of_program(program: &Program, relations: &mut [CoreRelation]) {
    for clause in &program.inner.clauses {
        let mut given = BTreeSet::new();
        for arg in &clause.head_args {
            if let Expr::Variable(variable) = arg {
                given.insert(*variable);
            }
        }
        let order = order_given(&clause.body, given.clone());
        of_body(&clause.body, &order, given, relations);
    }
}

fn of_body(
    body: &[Literal],
    order: &[usize],
    mut bound: BTreeSet<usize>,
    relations: &mut [CoreRelation],
) {
    for literal in order.iter().map(|at| &body[*at]) {
        match &literal.kind {
            LiteralKind::Atom { relation, args, negated: false } => {
                note(&mut relations[*relation], args, &bound);
            }
            LiteralKind::Aggregate(aggregate) => {
                let keys = aggregate.keys.iter().copied().collect();
                of_body(&aggregate.body, &aggregate.body_order, keys, relations);
            }
            _ => {}
        }
        bind_all(&literal.kind, &mut bound);
    }
}

fn note(relation: &mut CoreRelation, args: &[Term], bound: &BTreeSet<usize>) {
    let is_known = |at: &usize| match &args[*at] {
        Term::Variable(variable) => bound.contains(variable),
        Term::Constant(_) => true,
        Term::Wildcard => false,
    };
    let known: Vec<usize> = (0..args.len()).filter(is_known).collect();
    let serves = |columns: &Arc<[usize]>| columns.iter().all(|column| known.contains(column));
    let list = match relation.indexes.iter().position(|columns| **columns == *known) {
        Some(at) => List::OfIndex(at),
        None if known.is_empty() && !args.is_empty() => List::Whole,
        None if known.len() == args.len() || relation.indexes.iter().any(serves) => return,
        None => {
            // No join looks these rows up; a proof is not to look at all of them.
            relation.indexes.push(Arc::from(known));
            List::OfIndex(relation.indexes.len() - 1)
        }
    };
    if !relation.walks.contains(&list) {
        relation.walks.push(list);
    }
}

impl Work<'_> {
    /// Brings the kept lists of a relation up to date with its changes.
    pub(super) fn rewalk(&mut self, relation: usize) {
        let change = self.changes.of(relation);
        let changed = change.added.len() + change.removed.len();
        if changed == 0 {
            return;
        }
        let grown = self.store.table_mut(relation).take_grown();
        let many = changed > LONG / 2 + self.store.table(relation).live() / 16;
        for at in 0..self.compiled.relations[relation].walks.len() {
            let run = std::mem::take(self.store.table_mut(relation).walk_mut(at));
            let run = if many {
                self.walk_anew(relation, at)
            } else {
                self.walk_on(relation, at, run, &grown)
            };
            *self.store.table_mut(relation).walk_mut(at) = run;
        }
    }

    /// The order of two rows: lists apart, then by value.
    fn walk_order(&self, relation: usize, list: List, a: u32, b: u32) -> Ordering {
        let table = self.store.table(relation);
        let by_key = table.list_key(list, a).cmp(&table.list_key(list, b));
        by_key.then_with(|| self.store.compare(relation, a, b))
    }

    /// The lists after a change of few rows: those that are kept follow it, and those that became
    /// long are added.
    fn walk_on(
        &self,
        relation: usize,
        at: usize,
        mut run: Sorted<u32>,
        grown: &Grown,
    ) -> Sorted<u32> {
        let (table, change) = (self.store.table(relation), self.changes.of(relation));
        let list = self.compiled.relations[relation].walks[at];
        let order = |a: u32, b: u32| self.walk_order(relation, list, a, b);
        let is_kept = |run: &Sorted<u32>, key: u32| {
            let first = run.items_from(|other| table.list_key(list, *other) < key).next();
            first.is_some_and(|other| table.list_key(list, *other) == key)
        };
        if run.len() > 0 {
            let signed = |(id, came): &(u32, bool)| (table.list_key(list, *id), *came, *id);
            let mut changed: Vec<(u32, bool, u32)> = change.both.iter().map(signed).collect();
            changed.sort_unstable();
            for same in changed.chunk_by(|a, b| a.0 == b.0) {
                if is_kept(&run, same[0].0) {
                    for &(_, came, id) in same {
                        if came {
                            run.insert(id, |other| order(*other, id).is_lt());
                        } else {
                            run.remove(|other| order(*other, id).is_lt(), |other| *other == id);
                        }
                    }
                }
            }
        }
        for key in self.grown_keys(relation, list, grown) {
            if !is_kept(&run, key) {
                for id in self.long_list(relation, list, key) {
                    run.insert(id, |other| order(*other, id).is_lt());
                }
            }
        }
        run
    }

    /// The keys of lists that may have become long.
    fn grown_keys(&self, relation: usize, list: List, grown: &Grown) -> BTreeSet<u32> {
        let added = self.changes.of(relation).added.iter();
        match (list, grown) {
            (List::OfIndex(at), Grown::Only(lists)) => {
                lists.iter().filter(|(index, _)| *index == at).map(|(_, key)| *key).collect()
            }
            _ => added.map(|id| self.store.table(relation).list_key(list, *id)).collect(),
        }
    }

    /// The rows of one list, when they are many.
    fn long_list(&self, relation: usize, list: List, key: u32) -> Vec<u32> {
        let table = self.store.table(relation);
        if !table.is_longer(list, key, LONG - 1) {
            return Vec::new();
        }
        let ids = table.list(list, key).filter(|id| table.meta(*id).is_in(Age::New));
        let ids: Vec<u32> = ids.collect();
        if ids.len() < LONG { Vec::new() } else { ids }
    }

    /// The lists from nothing.
    fn walk_anew(&self, relation: usize, at: usize) -> Sorted<u32> {
        let table = self.store.table(relation);
        let list = self.compiled.relations[relation].walks[at];
        let ids = table.by_list(list).filter(|id| table.meta(*id).is_in(Age::New));
        let keyed: Vec<(u32, u32)> = ids.map(|id| (table.list_key(list, id), id)).collect();
        let mut all = Vec::new();
        for same in keyed.chunk_by(|a, b| a.0 == b.0).filter(|same| same.len() >= LONG) {
            let from = all.len();
            all.extend(same.iter().map(|(_, id)| *id));
            all[from..].sort_unstable_by(|a, b| self.store.compare(relation, *a, *b));
        }
        Sorted::from_sorted(&all)
    }
}
