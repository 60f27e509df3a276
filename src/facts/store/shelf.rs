//! What the fact log asks of a key-value store: four operations, so that a test can fail each one.
//!
//! Nothing is asked about atomicity: after a crash any subset of the writes since the last sync may
//! be there, in any mixture. Values are small ([`VALUE_BYTES_MAX`]).

use std::ops::ControlFlow;

use crate::facts::store::FactSource;
use crate::facts::store::LogHead;

/// Longest value, in bytes. sled keeps a leaf of up to 17 values as one page and puts pages above
/// 128 KiB into files that it never syncs; this keeps every page well below.
pub(super) const VALUE_BYTES_MAX: usize = 6 << 10;

/// The four key spaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Tree {
    /// Manifests of snapshots.
    Meta,
    /// Rows of snapshots.
    Snapshot,
    /// Texts of snapshots.
    Symbols,
    /// One record per transaction.
    Deltas,
}

impl Tree {
    pub(super) const ALL: [Self; 4] = [Self::Meta, Self::Snapshot, Self::Symbols, Self::Deltas];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Snapshot => "snapshot",
            Self::Symbols => "symbols",
            Self::Deltas => "deltas",
        }
    }
}

/// Why an operation failed.
#[derive(Debug)]
pub(super) enum ShelfError {
    /// The disk is full or sick.
    Io(String),
    /// What is stored contradicts itself.
    Damaged(String),
}

/// Takes a key and its value; says whether to go on.
pub(super) type Each<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>;

/// Ordered keys with values, in four trees.
pub(super) trait Shelf {
    /// Sets the value of `key`.
    fn put(&mut self, tree: Tree, key: &[u8], value: &[u8]) -> Result<(), ShelfError>;

    /// Removes `key`, if it is there.
    fn remove(&mut self, tree: Tree, key: &[u8]) -> Result<(), ShelfError>;

    /// Visits keys from `from` on, in byte order.
    fn scan(&self, tree: Tree, from: &[u8], each: Each<'_>) -> Result<(), ShelfError>;

    /// Returns once everything before would survive a loss of power.
    fn sync(&mut self) -> Result<(), ShelfError>;

    /// Keeps what follows from the facts up to a transaction, in place of what was kept before. It
    /// may be lost at any time: nothing rests on it, so failures are not told.
    fn keep_derived(&mut self, _head: &LogHead, _facts: &dyn FactSource) {}

    /// Gives `take` what was kept for this transaction, whole or not at all, and whether this build
    /// kept it; true when it was taken.
    fn derived(&self, _head: &LogHead, _take: &mut dyn FnMut(&[u8], bool) -> bool) -> bool {
        false
    }
}
