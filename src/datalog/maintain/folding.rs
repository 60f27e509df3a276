//! Folds: the result rows of the groups that changed, and of no other.
//!
//! `count` and `sum` add the signed changes to the value that stands. `min max best top join` read
//! the group's rows from its ordered index, best first: one step for the extremum, N for `top`;
//! only `join` walks the group, because it says how many items there are.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::datalog::compile::FoldUnit;
use crate::datalog::compile::empty_value;
use crate::datalog::expr::Stop;
use crate::datalog::fault::Fault;
use crate::datalog::fold;
use crate::datalog::maintain::Change;
use crate::datalog::maintain::Work;
use crate::datalog::store::Age;
use crate::datalog::store::Interner;
use crate::datalog::store::Sorted;
use crate::datalog::store::Table;
use crate::datalog::store::key_of;
use crate::datalog::syntax::Fold;
use crate::datalog::value::Value;

/// Changed derivations and their sum, per group.
type Groups = BTreeMap<Box<[u32]>, (i64, i128)>;

/// Rows of a group relation, per group.
type Members = BTreeMap<Box<[u32]>, Vec<u32>>;

impl Work<'_> {
    /// Brings the result relation of a fold up to date.
    pub(super) fn fold(&mut self, unit: &FoldUnit, full: bool) -> Result<(), Fault> {
        let is_total = matches!(unit.aggregate.fold, Fold::Count | Fold::Sum);
        if !is_total {
            self.reorder(unit);
        }
        if self.full {
            return self.fold_in_full(unit);
        }
        let groups = self.touched_groups(unit, full);
        let mut all = if full { self.members(unit) } else { Members::new() };
        for (group, change) in groups {
            let members = all.remove(&group).unwrap_or_default();
            let size = if full {
                self.size_of(unit, &members)
            } else {
                self.standing_size(unit, &group) + change.0
            };
            let size = u32::try_from(size).unwrap_or_else(|_| {
                self.inconsistent = true;
                0
            });
            let rows = if size == 0 {
                Vec::new()
            } else if is_total && !full {
                vec![self.total_changed(unit, &group, change)?]
            } else {
                self.results(unit, &group, &members)?
            };
            self.put(unit, &group, rows, size);
        }
        Ok(())
    }

    /// Folds every group from nothing.
    fn fold_in_full(&mut self, unit: &FoldUnit) -> Result<(), Fault> {
        self.reset(unit.result);
        let table = self.store.table(unit.group);
        let is_total = matches!(unit.aggregate.fold, Fold::Count | Fold::Sum);
        let ids: Vec<u32> = if is_total {
            let mut ids = table.ids().filter(|id| table.meta(*id).is_in(Age::New)).collect();
            sort_by_group(table, unit.keys, &mut ids, |_, _| Ordering::Equal);
            ids
        } else {
            table.ordered.iter().copied().collect()
        };
        let same = |a: &u32, b: &u32| {
            let table = self.store.table(unit.group);
            table.row(*a)[..unit.keys] == table.row(*b)[..unit.keys]
        };
        let groups: Vec<&[u32]> = ids.chunk_by(same).collect();
        let (mut words, mut sizes) = (Vec::new(), Vec::new());
        for members in groups {
            let group = self.store.table(unit.group).row(members[0])[..unit.keys].to_vec();
            let size = self.size_of(unit, members);
            for row in self.results(unit, &group, members)? {
                words.extend_from_slice(&row);
                sizes.push(u32::try_from(size).unwrap_or(u32::MAX));
            }
        }
        let table = self.store.table_mut(unit.result);
        let ids = if table.is_untouched() {
            table.fill(&words, sizes.len(), |_| 1).into_iter().flatten().collect()
        } else {
            table.place_many(&words, sizes.len())
        };
        for (id, size) in ids.iter().zip(sizes) {
            table.set_new(*id, size, true);
        }
        self.touched[unit.result].extend(ids);
        Ok(())
    }

    /// How many solutions some members of a group stand for.
    fn size_of(&self, unit: &FoldUnit, members: &[u32]) -> i64 {
        let table = self.store.table(unit.group);
        members.iter().map(|id| i64::from(table.meta(*id).support)).sum()
    }

    /// How many solutions a group had: every result row of it notes that.
    fn standing_size(&self, unit: &FoldUnit, group: &[u32]) -> i64 {
        let standing = self.standing(unit, group);
        let table = self.store.table(unit.result);
        standing.first().map_or(0, |id| i64::from(table.meta(*id).support))
    }

    fn touched_groups(&self, unit: &FoldUnit, full: bool) -> Groups {
        let mut groups = Groups::new();
        let table = self.store.table(unit.group);
        let counts = self.counts.get(&unit.group);
        for &(id, change) in counts.into_iter().flatten() {
            let row = table.row(id);
            let totals = groups.entry(row[..unit.keys].into()).or_default();
            totals.0 += change;
            if unit.aggregate.fold == Fold::Sum {
                totals.1 += i128::from(change) * fold::wide(&self.summand(unit, row));
            }
        }
        if full {
            for relation in [unit.group, unit.result] {
                let table = self.store.table(relation);
                for id in table.ids() {
                    groups.entry(table.row(id)[..unit.keys].into()).or_default();
                }
            }
        }
        groups
    }

    /// The value that a group row adds to a sum, which has no columns to order by.
    fn summand(&self, unit: &FoldUnit, row: &[u32]) -> Value {
        self.store.interner.value(row[unit.keys])
    }

    /// The result rows of a group before the transaction.
    fn standing(&self, unit: &FoldUnit, group: &[u32]) -> Vec<u32> {
        let table = self.store.table(unit.result);
        let fits = |id: &u32| table.meta(*id).is_in(Age::Old) && table.row(*id).starts_with(group);
        match unit.result_index {
            Some(at) => {
                let key = key_of(group.iter().copied());
                table.probe(at, key).map(|entry| *entry as u32).filter(fits).collect()
            }
            None if group.is_empty() => {
                table.entries().map(|entry| *entry as u32).filter(fits).collect()
            }
            None => {
                let key = key_of(group.iter().copied());
                table.probe_row(key).map(|entry| *entry as u32).filter(fits).collect()
            }
        }
    }

    /// `count` or `sum` after a change of derivations and their sum.
    fn total_changed(
        &mut self,
        unit: &FoldUnit,
        group: &[u32],
        (count, sum): (i64, i128),
    ) -> Result<Box<[u32]>, Fault> {
        let old = self.standing(unit, group);
        let old = old.first().map(|id| {
            let row = self.store.table(unit.result).row(*id);
            fold::wide(&self.store.interner.value(row[unit.keys]))
        });
        let is_count = unit.aggregate.fold == Fold::Count;
        let total = old.unwrap_or(0) + if is_count { i128::from(count) } else { sum };
        self.total_row(unit, group, total)
    }

    fn total_row(
        &mut self,
        unit: &FoldUnit,
        group: &[u32],
        total: i128,
    ) -> Result<Box<[u32]>, Fault> {
        let Some(value) = fold::narrow(unit.aggregate.base, total) else {
            let stop = Stop::Overflow("the sum of a group".to_owned());
            return Err(self.stopped(unit.source, &stop));
        };
        Ok(self.result_row(group, &[value]))
    }

    fn result_row(&mut self, group: &[u32], values: &[Value]) -> Box<[u32]> {
        let mut row = group.to_vec();
        row.extend(values.iter().map(|value| self.store.interner.intern(value)));
        row.into()
    }

    /// The members of every group. Only a fold that was faulted asks for them, so no index is kept.
    fn members(&self, unit: &FoldUnit) -> Members {
        let table = self.store.table(unit.group);
        let mut members = Members::new();
        for id in table.ids().filter(|id| table.meta(*id).is_in(Age::New)) {
            members.entry(table.row(id)[..unit.keys].into()).or_default().push(id);
        }
        members
    }

    /// The result rows of a group, read from its members; only totals need to be told which.
    fn results(
        &mut self,
        unit: &FoldUnit,
        group: &[u32],
        members: &[u32],
    ) -> Result<Vec<Box<[u32]>>, Fault> {
        let aggregate = &unit.aggregate;
        match &aggregate.fold {
            Fold::Count | Fold::Sum => {
                if members.is_empty() {
                    return Ok(Vec::new());
                }
                let table = self.store.table(unit.group);
                let mut total: i128 = 0;
                for id in members {
                    let (row, meta) = table.row_and_meta(*id);
                    let times = i128::from(meta.support);
                    total += match aggregate.fold {
                        Fold::Count => times,
                        _ => times * fold::wide(&self.summand(unit, row)),
                    };
                }
                self.total_row(unit, group, total).map(|row| vec![row])
            }
            Fold::Min | Fold::Max | Fold::Best => Ok(self.winners(unit, group, 1).0),
            Fold::Top(rows) => Ok(self.winners(unit, group, *rows).0),
            Fold::Join { separator, limit } => {
                let (rows, total) = self.winners(unit, group, usize::MAX);
                if total == 0 {
                    return Ok(Vec::new());
                }
                let shown: Vec<Value> = rows
                    .iter()
                    .take(*limit)
                    .map(|row| self.store.interner.value(row[unit.keys]))
                    .collect();
                let text = fold::joined(shown.iter(), separator, *limit, total);
                Ok(vec![self.result_row(group, &[text])])
            }
        }
    }

    /// The first `rows` different selected tuples of a group behind its keys, and how many were
    /// seen.
    fn winners(&self, unit: &FoldUnit, group: &[u32], rows: usize) -> (Vec<Box<[u32]>>, usize) {
        let table = self.store.table(unit.group);
        let from = unit.keys + unit.aggregate.order.len();
        let mut seen = std::collections::HashSet::new();
        let mut found: Vec<Box<[u32]>> = Vec::new();
        let members = table.ordered.items_from(|id| &table.row(*id)[..unit.keys] < group);
        for id in members {
            let row = table.row(*id);
            if !row.starts_with(group) || found.len() == rows {
                break;
            }
            if seen.insert(&row[from..]) {
                found.push(group.iter().chain(&row[from..]).copied().collect());
            }
        }
        let total = found.len();
        (found, total)
    }

    /// Keeps the ordered index of a group relation up to date with its rows.
    fn reorder(&mut self, unit: &FoldUnit) {
        let mut ordered = std::mem::take(&mut self.store.table_mut(unit.group).ordered);
        let table = self.store.table(unit.group);
        let interner = &self.store.interner;
        let order = |a: u32, b: u32| order(unit, interner, table, a, b);
        let Change { added, removed, .. } = self.changes.of(unit.group);
        if self.full {
            let mut all = table.ids().filter(|id| table.meta(*id).is_in(Age::New)).collect();
            sort_by_group(table, unit.keys, &mut all, order);
            ordered = Sorted::from_sorted(&all);
        } else {
            for &id in removed {
                ordered.remove(|other| order(*other, id).is_lt(), |other| *other == id);
            }
            for &id in added {
                ordered.insert(id, |other| order(*other, id).is_lt());
            }
        }
        self.store.table_mut(unit.group).ordered = ordered;
    }

    /// Makes `rows` the result of a group of so many solutions.
    fn put(&mut self, unit: &FoldUnit, group: &[u32], rows: Vec<Box<[u32]>>, size: u32) {
        let standing = self.standing(unit, group);
        let before: Vec<Box<[u32]>> =
            standing.iter().map(|id| self.store.table(unit.result).row(*id).into()).collect();
        for (id, row) in standing.iter().zip(&before) {
            if !rows.contains(row) {
                self.store.table_mut(unit.result).clear_new(*id);
                self.touched[unit.result].push(*id);
            }
        }
        for row in &rows {
            let table = self.store.table_mut(unit.result);
            let id = table.place(row);
            let is_new = !table.meta(id).is_in(Age::New);
            table.set_new(id, size, true);
            if is_new {
                self.touched[unit.result].push(id);
            }
        }
        self.note_with_empty_value(unit, group, before, rows);
    }

    /// Notes old and new value of a group, where the empty group has one.
    fn note_with_empty_value(
        &mut self,
        unit: &FoldUnit,
        group: &[u32],
        mut before: Vec<Box<[u32]>>,
        mut after: Vec<Box<[u32]>>,
    ) {
        let Some(value) = empty_value(&unit.aggregate) else { return };
        for rows in [&mut before, &mut after] {
            if rows.is_empty() {
                rows.push(self.result_row(group, std::slice::from_ref(&value)));
            }
        }
        if before != after {
            self.moved[unit.result] = true;
            let changes = self.fold_changes.entry(unit.result).or_default();
            changes.extend(before.into_iter().map(|row| (row, false)));
            changes.extend(after.into_iter().map(|row| (row, true)));
        }
    }
}

/// Sorts row ids so that groups are apart, and by `order` within. The words of two keys settle most
/// comparisons without a look at the rows.
fn sort_by_group(
    table: &Table,
    keys: usize,
    ids: &mut Vec<u32>,
    order: impl Fn(u32, u32) -> Ordering,
) {
    let word = |row: &[u32], at: usize| if at < keys { u64::from(row[at]) } else { 0 };
    let mut keyed: Vec<(u64, u32)> = ids
        .iter()
        .map(|id| {
            let row = table.row(*id);
            (word(row, 0) << 32 | word(row, 1), *id)
        })
        .collect();
    let rest = 2.min(keys)..keys;
    keyed.sort_unstable_by(|(a_key, a), (b_key, b)| {
        let by_key = a_key.cmp(b_key);
        let by_key =
            by_key.then_with(|| table.row(*a)[rest.clone()].cmp(&table.row(*b)[rest.clone()]));
        by_key.then_with(|| order(*a, *b)).then_with(|| a.cmp(b))
    });
    *ids = keyed.into_iter().map(|(_, id)| id).collect();
}

/// The order of a group relation: groups apart, best first within.
fn order(unit: &FoldUnit, interner: &Interner, table: &Table, a: u32, b: u32) -> Ordering {
    if a == b {
        return Ordering::Equal;
    }
    let (a, b) = (table.row(a), table.row(b));
    let keys = unit.keys;
    let mut result = a[..keys].cmp(&b[..keys]);
    for (at, (_, descending)) in unit.aggregate.order.iter().enumerate() {
        result = result.then_with(|| {
            let order = interner.compare(a[keys + at], b[keys + at]);
            if *descending { order.reverse() } else { order }
        });
    }
    for at in keys + unit.aggregate.order.len()..a.len() {
        result = result.then_with(|| {
            let order = interner.compare(a[at], b[at]);
            if unit.aggregate.fold == Fold::Max { order.reverse() } else { order }
        });
    }
    result
}
