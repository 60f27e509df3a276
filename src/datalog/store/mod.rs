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
mod pool;
mod shared;
mod sorted;
mod table;

use std::cmp::Ordering;
use std::sync::Arc;

pub(crate) use intern::Interner;
pub(crate) use intern::Mix;
pub(crate) use intern::Uses;
pub(crate) use sorted::Sorted;
pub(crate) use table::List;
pub(crate) use table::Table;
pub(crate) use table::key_of;

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
