//! The store: interned rows with their notes, and the sorted indexes that joins probe.
//!
//! ```text
//! Store ─▶ Table ─▶ blocks of 256 rows (words, notes)
//!    │        └───▶ indexes: sorted runs of (key, row id), in leaves of 128
//!    └─▶ Interner: word ◀─▶ value, in pools
//! ```
//!
//! All of it is made of shared blocks that are copied when written while somebody else holds them.
//! So a clone of the store is a generation, fixed for as long as it is held: it costs one counter
//! per table, and the writer pays one block per place that it touches afterwards. Readers and forks
//! are such clones; dropping one frees exactly the blocks that only it held.

pub(crate) mod bytes;
mod intern;
mod kept;
mod key;
mod pool;
mod shared;
mod sorted;
mod table;

use std::cmp::Ordering;
use std::sync::Arc;

pub(crate) use intern::End;
pub(crate) use intern::Interner;
pub(crate) use intern::Mix;
pub(crate) use intern::Uses;
pub(crate) use key::KEY_BITS;
pub(crate) use key::key_of;
pub(crate) use key::sorted_entries;
pub(crate) use sorted::LEAF_MAX;
pub(crate) use sorted::Place;
pub(crate) use sorted::Sorted;
pub(crate) use table::Grown;
pub(crate) use table::List;
pub(crate) use table::Table;

/// Which of the two versions of a transaction is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Age {
    /// As it was before the transaction.
    Old,
    /// As it will be after it.
    New,
}

/// All rows of one generation. A clone shares everything.
#[derive(Clone, Default)]
pub(crate) struct Store {
    pub(crate) interner: Interner,
    pub(crate) tables: Vec<Arc<Table>>,
}

impl Store {
    pub(crate) fn table(&self, relation: usize) -> &Table {
        &self.tables[relation]
    }

    /// The order of two rows of a relation by value.
    pub(crate) fn compare(&self, relation: usize, a: u32, b: u32) -> Ordering {
        let table = self.table(relation);
        let mut columns = table.row(a).iter().zip(table.row(b));
        let different = columns.find(|(a, b)| a != b);
        different.map_or(Ordering::Equal, |(a, b)| self.interner.compare(*a, *b))
    }

    pub(crate) fn table_mut(&mut self, relation: usize) -> &mut Table {
        Arc::make_mut(&mut self.tables[relation])
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn rows_that_begin_alike_stand_together() {
        let keys = |first: u32| (0..1_000).map(move |other| key_of([first, other, 7].into_iter()));
        for first in 0..100 {
            let regions: BTreeSet<u32> = keys(first).map(|key| key >> 14).collect();
            assert_eq!(regions.len(), 1, "{first}");
            assert!(keys(first).collect::<BTreeSet<_>>().len() > 950, "and are told apart");
        }
        let near: BTreeSet<u32> =
            (400..404).map(|first| key_of([first, 9].into_iter()) >> 14).collect();
        assert_eq!(near.len(), 1, "so do rows whose first words follow each other");
        let apart: BTreeSet<u32> =
            (0..4_000).map(|first| key_of([first, 1].into_iter()) >> 14).collect();
        assert_eq!(apart.len(), 1_000, "and others do not");
        assert_eq!(key_of([77].into_iter()), 77);
    }
}
