//! One relation's rows: words and notes in shared blocks, found by row id or through sorted runs.
//!
//! A row has two visible versions during a transaction (bits OLD and NEW) and stays in all indexes
//! until the commit, so both versions can be joined. Its `support` is the number of derivations in
//! a counted relation, the rank in a recursive one, and flags for an input.

use std::sync::Arc;

use crate::datalog::store::Age;
use crate::datalog::store::sorted::Sorted;

const BLOCK: u32 = 256;
const OLD: u32 = 1;
const NEW: u32 = 2;

/// What is noted of a row: 8 bytes.
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

    pub(crate) fn set_new(&mut self, holds: bool) {
        self.state = if holds { self.state | NEW } else { self.state & !NEW };
    }
}

#[derive(Clone, Default)]
struct Block {
    words: Vec<u32>,
    metas: Vec<Meta>,
}

/// A run over some columns: entries are the key above, the row id below.
#[derive(Clone)]
struct Index {
    columns: Arc<[usize]>,
    run: Sorted<u64>,
}

/// The rows of one relation. A clone shares all blocks.
#[derive(Clone)]
pub(crate) struct Table {
    arity: usize,
    blocks: Arc<Vec<Arc<Block>>>,
    slots: u32,
    free: Arc<Vec<u32>>,
    live: usize,
    by_row: Sorted<u64>,
    indexes: Vec<Index>,
    /// Rows that are in no index yet but `by_row`.
    unindexed: Vec<u32>,
    /// Row ids in the order of an aggregate, for tables that one folds.
    pub(crate) ordered: Sorted<u32>,
}

/// The key of some words: the word itself, or a hash that must be checked again.
pub(crate) fn key_of(words: impl ExactSizeIterator<Item = u32>) -> u32 {
    if words.len() == 1 {
        return words.last().unwrap_or_default();
    }
    let mut hash: u64 = 0x9e37_79b9_7f4a_7c15;
    for word in words {
        hash = (hash.rotate_left(5) ^ u64::from(word)).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
    (hash >> 32) as u32
}

fn entry(key: u32, id: u32) -> u64 {
    u64::from(key) << 32 | u64::from(id)
}

fn with_key(run: &Sorted<u64>, key: u32) -> impl Iterator<Item = &u64> {
    let first = entry(key, 0);
    run.items_from(move |other| *other < first)
        .take_while(move |other| (**other >> 32) as u32 == key)
}

impl Table {
    /// An empty table with a run per column list of `indexes`.
    pub(crate) fn new(arity: usize, indexes: &[Arc<[usize]>]) -> Self {
        let index =
            |columns: &Arc<[usize]>| Index { columns: Arc::clone(columns), run: Sorted::default() };
        Self {
            arity,
            blocks: Arc::default(),
            slots: 0,
            free: Arc::default(),
            live: 0,
            by_row: Sorted::default(),
            indexes: indexes.iter().map(index).collect(),
            unindexed: Vec::new(),
            ordered: Sorted::default(),
        }
    }

    /// Rows of the last commit.
    pub(crate) fn live(&self) -> usize {
        self.live
    }

    /// The words of a row.
    pub(crate) fn row(&self, id: u32) -> &[u32] {
        let at = (id % BLOCK) as usize * self.arity;
        &self.blocks[(id / BLOCK) as usize].words[at..at + self.arity]
    }

    /// The notes of a row.
    pub(crate) fn meta(&self, id: u32) -> Meta {
        self.blocks[(id / BLOCK) as usize].metas[(id % BLOCK) as usize]
    }

    /// Changes the notes of a row.
    pub(crate) fn meta_mut(&mut self, id: u32) -> &mut Meta {
        let blocks = Arc::make_mut(&mut self.blocks);
        &mut Arc::make_mut(&mut blocks[(id / BLOCK) as usize]).metas[(id % BLOCK) as usize]
    }

    /// The id of a row, in any version.
    pub(crate) fn find(&self, row: &[u32]) -> Option<u32> {
        let key = key_of(row.iter().copied());
        with_key(&self.by_row, key).map(|entry| *entry as u32).find(|id| self.row(*id) == row)
    }

    /// Entries whose row may have the wanted words at the columns of index `at`; check multi-column
    /// keys again.
    pub(crate) fn probe(&self, at: usize, key: u32) -> impl Iterator<Item = &u64> {
        with_key(&self.indexes[at].run, key)
    }

    /// Entries whose whole row may have this key.
    pub(crate) fn probe_row(&self, key: u32) -> impl Iterator<Item = &u64> {
        with_key(&self.by_row, key)
    }

    /// Entries of all rows, in any version.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &u64> {
        self.by_row.iter()
    }

    /// The indexes' columns, by position.
    pub(crate) fn indexes(&self) -> impl Iterator<Item = &[usize]> {
        self.indexes.iter().map(|index| &*index.columns)
    }

    /// Adds a row that is in no version yet; it is visible in none, and in no index until
    /// [`Table::index`].
    pub(crate) fn add(&mut self, row: &[u32]) -> u32 {
        let id = self.take_slot();
        let blocks = Arc::make_mut(&mut self.blocks);
        if (id / BLOCK) as usize == blocks.len() {
            blocks.push(Arc::default());
        }
        let block = Arc::make_mut(&mut blocks[(id / BLOCK) as usize]);
        let place = (id % BLOCK) as usize;
        if place == block.metas.len() {
            block.words.extend_from_slice(row);
            block.metas.push(Meta::default());
        } else {
            block.words[place * self.arity..(place + 1) * self.arity].copy_from_slice(row);
            block.metas[place] = Meta::default();
        }
        let new = entry(key_of(row.iter().copied()), id);
        self.by_row.insert(new, |other| *other < new);
        if !self.indexes.is_empty() {
            self.unindexed.push(id);
        }
        id
    }

    /// Puts all added rows into the indexes: one by one, or by one sort when they are many.
    pub(crate) fn index(&mut self) {
        let ids = std::mem::take(&mut self.unindexed);
        if ids.is_empty() {
            return;
        }
        for at in 0..self.indexes.len() {
            let columns = Arc::clone(&self.indexes[at].columns);
            let mut run = std::mem::take(&mut self.indexes[at].run);
            let new = ids.iter().map(|id| {
                let row = self.row(*id);
                entry(key_of(columns.iter().map(|column| row[*column])), *id)
            });
            if ids.len() > 64 + run.len() / 4 {
                let mut all: Vec<u64> = run.iter().copied().chain(new).collect();
                all.sort_unstable();
                run = Sorted::from_sorted(&all);
            } else {
                new.for_each(|new| run.insert(new, |other| *other < new));
            }
            self.indexes[at].run = run;
        }
    }

    fn take_slot(&mut self) -> u32 {
        if !self.free.is_empty()
            && let Some(id) = Arc::make_mut(&mut self.free).pop()
        {
            return id;
        }
        self.slots += 1;
        self.slots - 1
    }

    /// Makes the new version of a row the old one; a row in neither leaves for good.
    pub(crate) fn commit(&mut self, id: u32, generation: u64) {
        let meta = self.meta(id);
        match (meta.is_in(Age::Old), meta.is_in(Age::New)) {
            (true, true) => {}
            (false, true) => {
                self.meta_mut(id).state = (generation as u32) << 2 | OLD | NEW;
                self.live += 1;
            }
            (was, false) => {
                self.live -= usize::from(was);
                self.forget(id);
            }
        }
    }

    fn forget(&mut self, id: u32) {
        let row = self.row(id).to_vec();
        let old = entry(key_of(row.iter().copied()), id);
        self.by_row.remove(|other| *other < old, |other| *other == old);
        for index in &mut self.indexes {
            let old = entry(key_of(index.columns.iter().map(|column| row[*column])), id);
            index.run.remove(|other| *other < old, |other| *other == old);
        }
        *self.meta_mut(id) = Meta::default();
        Arc::make_mut(&mut self.free).push(id);
    }

    /// Ids of all rows, in any version, in no meaningful order.
    pub(crate) fn ids(&self) -> Vec<u32> {
        self.by_row.iter().map(|entry| *entry as u32).collect()
    }

    /// Sets since when a row holds, for rows that come from a record.
    pub(crate) fn set_since(&mut self, id: u32, generation: u64) {
        let meta = self.meta_mut(id);
        meta.state = (generation as u32) << 2 | (meta.state & (OLD | NEW));
    }
}
