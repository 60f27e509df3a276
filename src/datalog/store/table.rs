//! One relation's rows: words and notes in shared blocks, found by row id or through sorted runs.
//!
//! ```text
//! block   256 rows of: columns … · support · state        (one allocation, one cache line a row)
//! by_row  (hash of the row, id)        index  (key of some columns, id)        both sorted
//! ```
//!
//! A row has two visible versions during a transaction (bits OLD and NEW) and stays in all indexes
//! until the commit, so both versions can be joined. Its `support` is the number of derivations in
//! a counted relation, the rank in a recursive one, how many solutions the group has for a result
//! of a fold, and flags for an input.

use std::sync::Arc;

use crate::datalog::store::Age;
use crate::datalog::store::key::entry;
use crate::datalog::store::key::key_of;
use crate::datalog::store::key::occurrences;
use crate::datalog::store::key::sorted_entries;
use crate::datalog::store::shared::Shared;
use crate::datalog::store::sorted::Items;
use crate::datalog::store::sorted::Place;
use crate::datalog::store::sorted::Sorted;

pub(super) const BLOCK: usize = 256;
pub(super) const OLD: u32 = 1;
const NEW: u32 = 2;
/// Words of a row behind its columns: support, then state.
pub(super) const NOTES: usize = 2;
/// The state of a slot without a row: in no version, and held since no generation there is.
pub(super) const VACANT: u32 = !(OLD | NEW);
const NONE: u32 = u32::MAX;

/// What is noted of a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Meta {
    /// Derivations, rank, or input flags.
    pub(crate) support: u32,
    /// The generation since which the row holds, above the two version bits.
    state: u32,
}

impl Meta {
    pub(crate) fn is_in(self, age: Age) -> bool {
        self.state & if age == Age::Old { OLD } else { NEW } != 0
    }

    pub(crate) fn since(self) -> u64 {
        u64::from(self.state >> 2)
    }
}

/// A run over some columns: entries are the key above, the row id below.
#[derive(Clone)]
pub(super) struct Index {
    columns: Arc<[usize]>,
    pub(super) run: Sorted<u64>,
}

/// Lists by index and key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Grown {
    /// These, and no others.
    Only(Vec<(usize, u32)>),
    /// Any.
    Any,
}

impl Default for Grown {
    fn default() -> Self {
        Self::Only(Vec::new())
    }
}

/// Rows that a condition may have to choose from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum List {
    /// Those with one key in the index at this position.
    OfIndex(usize),
    /// All of them.
    Whole,
}

/// The rows of one relation. A clone shares all blocks.
#[derive(Clone)]
pub(crate) struct Table {
    pub(super) arity: usize,
    pub(super) blocks: Shared<Arc<[u32]>>,
    pub(super) slots: u32,
    pub(super) first_vacant: u32,
    pub(super) live: usize,
    pub(super) by_row: Sorted<u64>,
    pub(super) indexes: Vec<Index>,
    /// Rows that are in no index yet but `by_row`.
    unindexed: Vec<u32>,
    /// Lists that grew since [`Table::take_grown`] and may be longer than a leaf.
    grown: Grown,
    /// Row ids in the order of an aggregate, for tables that one folds.
    pub(crate) ordered: Sorted<u32>,
    /// Long lists in order of value, for proofs: per kind of list one run of them all, by key.
    pub(super) walks: Vec<(List, Sorted<u32>)>,
}

/// Entries of one key, in the order of their ids.
pub(crate) struct WithKey<'a> {
    items: Items<'a, u64>,
    key: u32,
}

impl<'a> Iterator for WithKey<'a> {
    type Item = &'a u64;

    fn next(&mut self) -> Option<&'a u64> {
        self.items.next().filter(|entry| (**entry >> 32) as u32 == self.key)
    }
}

fn with_key(run: &Sorted<u64>, key: u32) -> WithKey<'_> {
    WithKey { items: run.numbers_from(entry(key, 0)), key }
}

/// The same, searched for beside `last`, which then says where it is.
fn with_key_near<'a>(run: &'a Sorted<u64>, key: u32, last: &mut Place) -> WithKey<'a> {
    let place = run.seek_near(*last, entry(key, 0));
    *last = place.unwrap_or_default();
    WithKey { items: run.items_at(place), key }
}

impl Table {
    /// An empty table with a run per column list of `indexes`, and one per kind of list in `walks`.
    pub(crate) fn new(arity: usize, indexes: &[Arc<[usize]>], walks: &[List]) -> Self {
        let index =
            |columns: &Arc<[usize]>| Index { columns: Arc::clone(columns), run: Sorted::default() };
        Self {
            arity,
            blocks: Shared::default(),
            slots: 0,
            first_vacant: NONE,
            live: 0,
            by_row: Sorted::default(),
            indexes: indexes.iter().map(index).collect(),
            unindexed: Vec::new(),
            grown: Grown::default(),
            ordered: Sorted::default(),
            walks: walks.iter().map(|list| (*list, Sorted::default())).collect(),
        }
    }

    /// Rows of the last commit.
    pub(crate) fn live(&self) -> usize {
        self.live
    }

    /// Rows in any version.
    pub(crate) fn rows(&self) -> usize {
        self.by_row.len()
    }

    /// True when it has never had a row.
    pub(crate) fn is_untouched(&self) -> bool {
        self.slots == 0
    }

    pub(crate) fn arity(&self) -> usize {
        self.arity
    }

    pub(super) fn stride(&self) -> usize {
        self.arity + NOTES
    }

    /// The columns and notes of a row.
    fn slot(&self, id: u32) -> &[u32] {
        let at = id as usize % BLOCK * self.stride();
        &self.blocks[id as usize / BLOCK][at..at + self.stride()]
    }

    fn slot_mut(&mut self, id: u32) -> &mut [u32] {
        let (stride, at) = (self.stride(), id as usize % BLOCK * self.stride());
        let block = Arc::make_mut(self.blocks.get_mut(id as usize / BLOCK));
        &mut block[at..at + stride]
    }

    /// The words of a row.
    pub(crate) fn row(&self, id: u32) -> &[u32] {
        &self.slot(id)[..self.arity]
    }

    /// The notes of a row.
    pub(crate) fn meta(&self, id: u32) -> Meta {
        self.row_and_meta(id).1
    }

    pub(crate) fn row_and_meta(&self, id: u32) -> (&[u32], Meta) {
        let (row, notes) = self.slot(id).split_at(self.arity);
        (row, Meta { support: notes[0], state: notes[1] })
    }

    /// Says whether a row is in the new version, and with which support.
    pub(crate) fn set_new(&mut self, id: u32, support: u32, holds: bool) {
        let arity = self.arity;
        let slot = self.slot_mut(id);
        slot[arity] = support;
        slot[arity + 1] = slot[arity + 1] & !NEW | if holds { NEW } else { 0 };
    }

    /// Takes a row out of the new version.
    pub(crate) fn clear_new(&mut self, id: u32) {
        let state = self.arity + 1;
        self.slot_mut(id)[state] &= !NEW;
    }

    /// The id of a row, in any version.
    pub(crate) fn find(&self, row: &[u32]) -> Option<u32> {
        let key = key_of(row.iter().copied());
        with_key(&self.by_row, key).map(|entry| *entry as u32).find(|id| self.row(*id) == row)
    }

    /// Entries whose row may have the wanted words at the columns of index `at`; check multi-column
    /// keys again.
    pub(crate) fn probe(&self, at: usize, key: u32) -> WithKey<'_> {
        with_key(&self.indexes[at].run, key)
    }

    /// The same for one that probes often: near the place of its last probe, mostly.
    pub(crate) fn probe_near(&self, at: usize, key: u32, last: &mut Place) -> WithKey<'_> {
        with_key_near(&self.indexes[at].run, key, last)
    }

    /// Entries whose whole row may have this key.
    pub(crate) fn probe_row(&self, key: u32) -> WithKey<'_> {
        with_key(&self.by_row, key)
    }

    /// The same for one that probes often.
    pub(crate) fn probe_row_near(&self, key: u32, last: &mut Place) -> WithKey<'_> {
        with_key_near(&self.by_row, key, last)
    }

    /// Entries of all rows, in any version.
    pub(crate) fn entries(&self) -> Items<'_, u64> {
        self.by_row.iter()
    }

    /// The indexes' columns, by position.
    pub(crate) fn indexes(&self) -> impl Iterator<Item = &[usize]> {
        self.indexes.iter().map(|index| &*index.columns)
    }

    /// The key of the list that a row is in.
    pub(crate) fn list_key(&self, list: List, id: u32) -> u32 {
        let List::OfIndex(at) = list else { return 0 };
        let row = self.row(id);
        key_of(self.indexes[at].columns.iter().map(|column| row[*column]))
    }

    /// The ids of one list, in any version.
    pub(crate) fn list(&self, list: List, key: u32) -> Box<dyn Iterator<Item = u32> + '_> {
        match list {
            List::OfIndex(at) => Box::new(self.probe(at, key).map(|entry| *entry as u32)),
            List::Whole => Box::new(self.ids()),
        }
    }

    /// The ids of all rows, list by list.
    pub(crate) fn by_list(&self, list: List) -> Box<dyn Iterator<Item = u32> + '_> {
        match list {
            List::OfIndex(at) => Box::new(self.indexes[at].run.iter().map(|entry| *entry as u32)),
            List::Whole => Box::new(self.ids()),
        }
    }

    /// Which lists of an index grew and may be longer than a leaf; asked once a transaction.
    pub(crate) fn take_grown(&mut self) -> Grown {
        std::mem::take(&mut self.grown)
    }

    /// Whether a list has at least so many rows, in any version.
    pub(crate) fn is_longer(&self, list: List, key: u32, rows: usize) -> bool {
        match list {
            List::OfIndex(at) => self.probe(at, key).nth(rows).is_some(),
            List::Whole => self.by_row.len() > rows,
        }
    }

    /// The kept lists of the kind at this position.
    pub(crate) fn walk_mut(&mut self, at: usize) -> &mut Sorted<u32> {
        &mut self.walks[at].1
    }

    /// True when lists of this kind are kept.
    pub(crate) fn keeps(&self, list: List) -> bool {
        self.walks.iter().any(|(other, run)| *other == list && run.len() > 0)
    }

    /// The ids of one list in order of value; none when it is not kept.
    pub(crate) fn walk(&self, list: List, key: u32) -> Option<impl Iterator<Item = u32>> {
        let (_, run) = self.walks.iter().find(|(other, _)| *other == list)?;
        let from = run.items_from(move |id| self.list_key(list, *id) < key).copied();
        let mut ids = from.take_while(move |id| self.list_key(list, *id) == key).peekable();
        ids.peek()?;
        Some(ids)
    }

    /// Adds a row that is in no version yet; it is visible in none, and in no index until
    /// [`Table::index`].
    fn add(&mut self, row: &[u32]) -> u32 {
        let id = self.put(row, 0);
        let new = entry(key_of(row.iter().copied()), id);
        self.by_row.insert_number(new);
        id
    }

    /// Stores a row; with support it is in the new version.
    fn put(&mut self, row: &[u32], support: u32) -> u32 {
        let id = self.take_slot();
        let arity = self.arity;
        let slot = self.slot_mut(id);
        slot[..arity].copy_from_slice(row);
        slot[arity] = support;
        slot[arity + 1] = if support > 0 { NEW } else { 0 };
        if !self.indexes.is_empty() {
            self.unindexed.push(id);
        }
        id
    }

    fn take_slot(&mut self) -> u32 {
        if self.first_vacant != NONE {
            let id = self.first_vacant;
            self.first_vacant = self.meta(id).support;
            return id;
        }
        if (self.slots as usize).is_multiple_of(BLOCK) {
            self.blocks.push(std::iter::repeat_n(0, BLOCK * self.stride()).collect());
        }
        self.slots += 1;
        self.slots - 1
    }

    /// Fills an untouched table: `words` has the rows one after the other, equal ones included, and
    /// `support` says what a row gets that occurs so many times. All are in the new version, with
    /// ids from 0 in the order of their keys, so that rows which begin alike share blocks. Returns
    /// the ids in the order of `words`; none for later occurrences.
    pub(crate) fn fill(
        &mut self,
        words: &[u32],
        count: usize,
        support: impl Fn(u32) -> u32,
    ) -> Vec<Option<u32>> {
        let arity = self.arity;
        let row = |at: u32| &words[at as usize * arity..(at as usize + 1) * arity];
        let mut found = sorted_entries(count, row);
        let times = occurrences(&mut found, count, row);
        let mut ids = vec![None; count];
        let mut block = Vec::with_capacity(BLOCK * self.stride());
        let mut blocks = Vec::with_capacity(count / BLOCK + 1);
        for item in &mut found {
            let at = *item as u32;
            ids[at as usize] = Some(self.slots);
            *item = entry((*item >> 32) as u32, self.slots);
            block.extend_from_slice(row(at));
            block.extend([support(times[at as usize]), NEW]);
            self.slots += 1;
            if (self.slots as usize).is_multiple_of(BLOCK) {
                blocks.push(Arc::from(&*block));
                block.clear();
            }
        }
        if !block.is_empty() {
            block.resize(BLOCK * self.stride(), 0);
            blocks.push(Arc::from(block));
        }
        self.blocks = Shared::from_items(blocks);
        self.by_row = Sorted::from_sorted(&found);
        if !self.indexes.is_empty() {
            self.unindexed.extend(0..self.slots);
        }
        ids
    }

    /// The ids of many rows, which stand in `words` one after the other; rows that the table does
    /// not have are added as by [`Table::add`].
    pub(crate) fn place_many(&mut self, words: &[u32], count: usize) -> Vec<u32> {
        let arity = self.arity;
        let row = |at: u32| &words[at as usize * arity..(at as usize + 1) * arity];
        if count <= 64 + self.by_row.len() / 16 {
            return (0..count as u32).map(|at| self.place(row(at))).collect();
        }
        let mut ids = vec![NONE; count];
        let mut new: Vec<u64> = Vec::new();
        for item in sorted_entries(count, row) {
            let (key, at) = ((item >> 32) as u32, item as u32);
            let mut just_added = new.iter().rev().take_while(|other| (**other >> 32) as u32 == key);
            let known = just_added.find(|other| self.row(**other as u32) == row(at));
            let known = known.map(|other| *other as u32).or_else(|| self.find(row(at)));
            ids[at as usize] = known.unwrap_or_else(|| {
                let id = self.put(row(at), 0);
                new.push(entry(key, id));
                id
            });
        }
        new.sort_unstable();
        self.by_row.merge(&new, |a, b| a < b);
        ids
    }

    /// The id of a row, added in no version when the table does not have it.
    pub(crate) fn place(&mut self, row: &[u32]) -> u32 {
        let key = key_of(row.iter().copied());
        let place = self.by_row.seek_changed(entry(key, 0));
        let mut same = WithKey { items: self.by_row.items_at(place), key }.peekable();
        if same.peek().is_some() {
            let known = same.map(|entry| *entry as u32).find(|id| self.row(*id) == row);
            return known.unwrap_or_else(|| self.add(row));
        }
        let id = self.put(row, 0);
        self.by_row.insert_at(place, entry(key, id));
        id
    }

    /// Gives different rows, with their keys, a new support: what `support` says for each from the
    /// one that it had. A row is in the new version when it has some. Rows that the table does not
    /// have, and so no support, are added. Returns the ids.
    pub(crate) fn support_many<'a>(
        &mut self,
        rows: impl Iterator<Item = (u32, &'a [u32])>,
        mut support: impl FnMut(usize, u32) -> u32,
    ) -> Vec<u32> {
        let (mut last, mut new) = (Place::default(), Vec::new());
        let one = |(at, (key, row)): (usize, (u32, &[u32]))| {
            let same = with_key_near(&self.by_row, key, &mut last).map(|entry| *entry as u32);
            let known = same.into_iter().find(|id| self.row(*id) == row);
            let support = support(at, known.map_or(0, |id| self.meta(id).support));
            match known {
                Some(id) => {
                    self.set_new(id, support, support > 0);
                    id
                }
                None => {
                    let id = self.put(row, support);
                    new.push(entry(key, id));
                    id
                }
            }
        };
        let ids = rows.enumerate().map(one).collect();
        new.sort_unstable();
        self.by_row.insert_numbers(&new, |_| {});
        ids
    }

    /// Puts all added rows into the indexes: one by one, or by one sort when they are many.
    pub(crate) fn index(&mut self) {
        let ids = std::mem::take(&mut self.unindexed);
        if ids.is_empty() {
            return;
        }
        let mut indexes = std::mem::take(&mut self.indexes);
        let mut grown = std::mem::take(&mut self.grown);
        for (at, Index { columns, run }) in indexes.iter_mut().enumerate() {
            let mut new: Vec<u64> = ids.iter().map(|id| self.entry_at(columns, *id)).collect();
            new.sort_unstable();
            if ids.len() > 64 + run.len() / 16 {
                run.merge(&new, |a, b| a < b);
                grown = Grown::Any;
                continue;
            }
            run.insert_numbers(&new, |item| {
                if let Grown::Only(lists) = &mut grown {
                    lists.push((at, (item >> 32) as u32));
                }
            });
        }
        (self.indexes, self.grown) = (indexes, grown);
    }

    /// Makes the new version of some rows the old one; a row in neither leaves for good. Tells
    /// `came` and `went` of rows whose presence changed.
    pub(crate) fn commit(
        &mut self,
        ids: &[u32],
        generation: u64,
        mut came: impl FnMut(&[u32]),
        mut went: impl FnMut(&[u32]),
    ) {
        let (arity, stride) = (self.arity, self.stride());
        let held = (generation as u32) << 2 | OLD | NEW;
        let mut gone: Vec<u32> = Vec::new();
        for ids in ids.chunk_by(|a, b| *a as usize / BLOCK == *b as usize / BLOCK) {
            let at = ids[0] as usize / BLOCK;
            let block = Arc::make_mut(self.blocks.get_mut(at));
            for id in ids {
                let slot = &mut block[*id as usize % BLOCK * stride..][..stride];
                let state = slot[arity + 1];
                match (state & OLD != 0, state & NEW != 0) {
                    (true, true) => {}
                    (false, true) => {
                        slot[arity + 1] = held;
                        self.live += 1;
                        came(&slot[..arity]);
                    }
                    (was, false) => {
                        if was {
                            self.live -= 1;
                            went(&slot[..arity]);
                        }
                        gone.push(*id);
                    }
                }
            }
        }
        if gone.len() == self.by_row.len() {
            self.clear();
        } else if gone.len() > 64 + self.by_row.len() / 16 {
            self.forget_many(&gone);
        } else {
            self.forget(&gone);
        }
    }

    /// Forgets all rows at once: however many a stopped clause left, this costs the same.
    fn clear(&mut self) {
        self.blocks = Shared::default();
        (self.slots, self.first_vacant) = (0, NONE);
        self.by_row = Sorted::default();
        self.indexes.iter_mut().for_each(|index| index.run = Sorted::default());
        self.unindexed.clear();
        self.ordered = Sorted::default();
        self.walks.iter_mut().for_each(|(_, run)| *run = Sorted::default());
    }

    /// Forgets a large part of all rows: each run is read once, instead of searched for each row.
    fn forget_many(&mut self, gone: &[u32]) {
        let mut stays = vec![true; self.slots as usize];
        gone.iter().for_each(|id| stays[*id as usize] = false);
        let stays = |entry: &u64| stays[*entry as u32 as usize];
        self.by_row.retain(stays);
        self.indexes.iter_mut().for_each(|index| index.run.retain(stays));
        gone.iter().for_each(|id| self.vacate(*id));
    }

    fn forget(&mut self, gone: &[u32]) {
        let mut old: Vec<u64> =
            gone.iter().map(|id| entry(key_of(self.row(*id).iter().copied()), *id)).collect();
        old.sort_unstable();
        self.by_row.remove_numbers(&old);
        let mut indexes = std::mem::take(&mut self.indexes);
        for Index { columns, run } in &mut indexes {
            old.clear();
            old.extend(gone.iter().map(|id| self.entry_at(columns, *id)));
            old.sort_unstable();
            run.remove_numbers(&old);
        }
        self.indexes = indexes;
        gone.iter().for_each(|id| self.vacate(*id));
    }

    /// The entry of a row in an index of these columns.
    fn entry_at(&self, columns: &[usize], id: u32) -> u64 {
        let row = self.row(id);
        entry(key_of(columns.iter().map(|column| row[*column])), id)
    }

    fn vacate(&mut self, id: u32) {
        let (arity, next) = (self.arity, self.first_vacant);
        let slot = self.slot_mut(id);
        (slot[arity], slot[arity + 1]) = (next, VACANT);
        self.first_vacant = id;
    }

    /// Ids of all rows, in any version, rising.
    pub(crate) fn ids(&self) -> impl Iterator<Item = u32> {
        (0..self.slots).filter(|id| self.meta(*id).state != VACANT)
    }

    /// Sets since when a row holds, for rows that come from a record.
    pub(crate) fn set_since(&mut self, id: u32, generation: u64) {
        let state = self.arity + 1;
        let slot = self.slot_mut(id);
        slot[state] = (generation as u32) << 2 | (slot[state] & (OLD | NEW));
    }
}
