//! A world: all that an engine is at one generation. The engine owns one, readers share theirs.
//!
//! # How readers and forks see one generation while the engine commits on
//!
//! A world is cloned: [`Store`] shares its blocks, and whoever writes copies what it touches. A
//! reader is a world behind an `Arc`; a fork is a world with an engine of its own. Nothing is
//! locked, so no query delays a commit, and no vacuum is needed: a block lives as long as somebody
//! holds it.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::datalog::builtins::Calls;
use crate::datalog::compile::Compiled;
use crate::datalog::compile::FoldUnit;
use crate::datalog::compile::Unit;
use crate::datalog::compile::empty_value;
use crate::datalog::engine::EngineOptions;
use crate::datalog::fact::Fact;
use crate::datalog::fault::Fault;
use crate::datalog::fold;
use crate::datalog::fold::Entry;
use crate::datalog::maintain::Stated;
use crate::datalog::maintain::input::ASSERTED;
use crate::datalog::program::Aggregate;
use crate::datalog::program::Program;
use crate::datalog::program::RelationKind;
use crate::datalog::solve::Note;
use crate::datalog::solve::View;
use crate::datalog::store::Age;
use crate::datalog::store::List;
use crate::datalog::store::Store;
use crate::datalog::store::key_of;
use crate::datalog::syntax::Fold;
use crate::datalog::value::Row;
use crate::datalog::value::Value;

/// One generation of an engine. A clone shares all of it.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) compiled: Arc<Compiled>,
    pub(crate) calls: Calls,
    pub(crate) options: EngineOptions,
    pub(crate) store: Store,
    pub(crate) stated: Arc<Stated>,
    pub(crate) faults: BTreeMap<usize, Fault>,
    pub(crate) generation: u64,
}

impl World {
    pub(crate) fn program(&self) -> &Program {
        &self.compiled.program
    }

    /// How many rows a relation has.
    pub(crate) fn len(&self, relation: usize) -> usize {
        self.store.table(relation).live()
    }

    /// The words of a row, when all its values have one.
    pub(crate) fn words(&self, row: &[Value]) -> Option<Vec<u32>> {
        row.iter().map(|value| self.store.interner.find(value)).collect()
    }

    pub(crate) fn decode(&self, words: &[u32]) -> Row {
        words.iter().map(|word| self.store.interner.value(*word)).collect()
    }

    /// What is noted of a row; none when it does not hold.
    pub(crate) fn note(&self, relation: usize, row: &[Value]) -> Option<Note> {
        let table = self.store.table(relation);
        let id = table.find(&self.words(row)?)?;
        table.meta(id).is_in(Age::Old).then(|| self.note_of(relation, id))
    }

    fn note_of(&self, relation: usize, id: u32) -> Note {
        let meta = self.store.table(relation).meta(id);
        let info = self.program().info(relation);
        let recursive = self.program().inner.strata[info.stratum].recursive;
        Note {
            since: meta.since(),
            rank: if recursive { meta.support } else { 0 },
            asserted: info.kind == RelationKind::Input && meta.support == ASSERTED,
        }
    }

    /// The facts that transactions asserted and did not delete, each with the generation since
    /// which it holds.
    pub(crate) fn inputs_since(&self) -> impl Iterator<Item = (Fact, u64)> {
        let relations = self.program().relations().enumerate();
        let inputs = relations.filter(|(_, info)| info.kind == RelationKind::Input);
        inputs.flat_map(move |(at, info)| {
            let table = self.store.table(at);
            let asserted = table.ids().filter(move |id| {
                let meta = table.meta(*id);
                meta.is_in(Age::Old) && meta.support == ASSERTED
            });
            asserted.map(move |id| {
                let row = self.decode(table.row(id));
                (Fact::new(Arc::clone(&info.name), row), table.meta(id).since())
            })
        })
    }

    /// Rows of a relation, sorted by value.
    pub(crate) fn sorted_rows(&self, relation: usize) -> Vec<Row> {
        let table = self.store.table(relation);
        let ids = table.ids().filter(|id| table.meta(*id).is_in(Age::Old));
        let mut rows: Vec<Row> = ids.map(|id| self.decode(table.row(id))).collect();
        rows.sort();
        rows
    }
}

impl World {
    /// Calls `visit` with each stored row, hidden relations included, that has the wanted values.
    fn matching(
        &self,
        relation: usize,
        wanted: &[Option<Value>],
        visit: &mut dyn FnMut(u32) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let mut words: Vec<Option<u32>> = Vec::with_capacity(wanted.len());
        for want in wanted {
            let Some(value) = want else {
                words.push(None);
                continue;
            };
            match self.store.interner.find(value) {
                Some(word) => words.push(Some(word)),
                None => return ControlFlow::Continue(()),
            }
        }
        let table = self.store.table(relation);
        let mut take = |entry: &u64| {
            let id = *entry as u32;
            let (row, meta) = table.row_and_meta(id);
            let fits = words.iter().zip(row).all(|(want, word)| want.is_none_or(|w| w == *word));
            if fits && meta.is_in(Age::Old) { visit(id) } else { ControlFlow::Continue(()) }
        };
        if let Some(row) = words.iter().copied().collect::<Option<Vec<u32>>>() {
            return table.probe_row(key_of(row.iter().copied())).try_for_each(&mut take);
        }
        let usable = table.indexes().enumerate().filter_map(|(at, columns)| {
            let is_known = columns.iter().all(|column| words[*column].is_some());
            is_known.then_some((columns.len(), at, columns))
        });
        match usable.max() {
            Some((_, at, columns)) => {
                let key = columns.iter().map(|column| words[*column].unwrap_or_default());
                table.probe(at, key_of(key)).try_for_each(&mut take)
            }
            None => table.entries().try_for_each(&mut take),
        }
    }

    /// The rows with the wanted values in order of value, when they are a list that is kept so.
    fn walk(&self, relation: usize, wanted: &[Option<Value>]) -> Option<impl Iterator<Item = u32>> {
        let table = self.store.table(relation);
        let known: Vec<usize> = (0..wanted.len()).filter(|at| wanted[*at].is_some()).collect();
        let list = match table.indexes().position(|columns| *columns == *known) {
            Some(at) => List::OfIndex(at),
            None if known.is_empty() => List::Whole,
            None => return None,
        };
        if !table.keeps(list) {
            return None;
        }
        let find = |at: &usize| wanted[*at].as_ref().and_then(|v| self.store.interner.find(v));
        let words: Vec<u32> = known.iter().map(find).collect::<Option<_>>()?;
        let key = if known.is_empty() { 0 } else { key_of(words.iter().copied()) };
        let fits = move |id: &u32| {
            let row = table.row(*id);
            known.iter().zip(&words).all(|(column, word)| row[*column] == *word)
        };
        Some(table.walk(list, key)?.filter(fits))
    }

    /// Like [`View::each`], smallest row first, and only rows of a rank below `below` if that is
    /// not 0. A long list stands in order; the rows of a short one are put in order as far as they
    /// are asked for.
    pub(crate) fn each_smallest(
        &self,
        relation: usize,
        wanted: &[Option<Value>],
        below: u32,
        visit: &mut dyn FnMut(&[Value], Note) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let table = self.store.table(relation);
        let is_below = |id: u32| below == 0 || table.meta(id).support < below;
        if let Some(ids) = self.walk(relation, wanted) {
            for id in ids.filter(|id| is_below(*id)) {
                visit(&self.decode(table.row(id)), self.note_of(relation, id))?;
            }
            return ControlFlow::Continue(());
        }
        let mut ids = Vec::new();
        let _ = self.matching(relation, wanted, &mut |id| {
            if is_below(id) {
                ids.push(id);
            }
            ControlFlow::Continue(())
        });
        let (mut rest, mut step) = (ids.as_mut_slice(), 1);
        while !rest.is_empty() {
            let order = |a: &u32, b: &u32| self.store.compare(relation, *a, *b);
            if step < rest.len() {
                rest.select_nth_unstable_by(step - 1, order);
            }
            let (next, later) = rest.split_at_mut(step.min(rest.len()));
            next.sort_unstable_by(order);
            for id in next.iter() {
                visit(&self.decode(table.row(*id)), self.note_of(relation, *id))?;
            }
            (rest, step) = (later, step * 16);
        }
        ControlFlow::Continue(())
    }
}

impl World {
    /// The first entries of a fold's group in its ordered index, each once, from which as many
    /// different selected tuples come as asked for; none for a fold without such an index.
    pub(crate) fn first_entries(
        &self,
        aggregate: &Aggregate,
        binding: &[Option<Value>],
        tuples: usize,
    ) -> Option<Vec<Entry>> {
        if matches!(aggregate.fold, Fold::Count | Fold::Sum) {
            return None;
        }
        let unit = self.fold_unit(aggregate)?;
        let keys: Option<Row> = aggregate.keys.iter().map(|key| binding[*key].clone()).collect();
        let table = self.store.table(unit.group);
        let Some(group) = self.words(&keys?) else { return Some(Vec::new()) };
        let from = unit.keys + aggregate.order.len();
        let (mut entries, mut seen) = (Vec::new(), BTreeSet::new());
        for id in table.ordered.items_from(|id| &table.row(*id)[..unit.keys] < group.as_slice()) {
            let row = table.row(*id);
            if !row.starts_with(&group) {
                break;
            }
            if seen.insert(&row[from..]) && seen.len() > tuples {
                break;
            }
            let (order, selected) = (self.decode(&row[unit.keys..from]), self.decode(&row[from..]));
            entries.push(Entry { order, selected });
        }
        Some(entries)
    }

    /// How many solutions the group of a fold has: its result rows say so.
    pub(crate) fn solutions(
        &self,
        aggregate: &Aggregate,
        binding: &[Option<Value>],
    ) -> Option<u64> {
        let unit = self.fold_unit(aggregate)?;
        let results = self.store.table(unit.result);
        let keys = aggregate.keys.iter().map(|key| binding[*key].clone());
        let wanted: Vec<_> = keys.chain(std::iter::repeat(None)).take(results.arity()).collect();
        let mut solutions = 0;
        let _ = self.matching(unit.result, &wanted, &mut |id| {
            solutions = u64::from(results.meta(id).support);
            ControlFlow::Break(())
        });
        Some(solutions)
    }

    fn fold_unit(&self, aggregate: &Aggregate) -> Option<&FoldUnit> {
        let Compiled { folds, units, .. } = &*self.compiled;
        let at = folds.partition_point(|(place, _)| *place < aggregate.place);
        match folds.get(at).filter(|(place, _)| *place == aggregate.place) {
            Some((_, unit)) if let Unit::Fold(fold) = &units[*unit] => Some(&**fold),
            _ => None,
        }
    }
}

impl View for World {
    fn each(
        &self,
        relation: usize,
        wanted: &[Option<Value>],
        visit: &mut dyn FnMut(&[Value], Note) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let table = self.store.table(relation);
        self.matching(relation, wanted, &mut |id| {
            visit(&self.decode(table.row(id)), self.note_of(relation, id))
        })
    }

    fn each_in_order(
        &self,
        relation: usize,
        wanted: &[Option<Value>],
        visit: &mut dyn FnMut(&[Value], Note) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        self.each_smallest(relation, wanted, 0, visit)
    }

    fn folded(&self, aggregate: &Aggregate, binding: &[Option<Value>]) -> Option<Vec<Row>> {
        if let Fold::Top(rows) = aggregate.fold {
            // Its result rows are stored in no order, and which is the best has to be known.
            let entries = self.first_entries(aggregate, binding, rows)?;
            return Some(fold::ranked(aggregate, &entries).into_iter().take(rows).collect());
        }
        let unit = self.fold_unit(aggregate)?;
        let wanted = |relation: usize| -> Vec<Option<Value>> {
            let keys = aggregate.keys.iter().map(|key| binding[*key].clone());
            let arity = self.store.table(relation).arity();
            keys.chain(std::iter::repeat(None)).take(arity).collect()
        };
        let mut rows: Vec<Row> = Vec::new();
        let results = self.store.table(unit.result);
        let _ = self.matching(unit.result, &wanted(unit.result), &mut |id| {
            rows.push(self.decode(&results.row(id)[unit.keys..]));
            ControlFlow::Continue(())
        });
        if rows.is_empty() {
            rows.extend(empty_value(aggregate).map(|value| vec![value]));
        }
        Some(rows)
    }
}
