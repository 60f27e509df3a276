//! Writing a snapshot of all facts, beside what is appended meanwhile.
//!
//! In: facts that do not change any more, and the transaction after which they hold. Out: chunks,
//! a manifest that names their hashes, and the deltas that they cover gone.
//!
//! ```text
//! chunks ─▶ manifest ─▶ sync ─▶ covered deltas and the snapshot before go ─▶ sync
//! ```
//!
//! Until the first sync returns, the snapshot before and its deltas are the way to the facts; from
//! then on, this one. The writer owns keys that nobody else touches: those of its number, and the
//! deltas up to its transaction. So it may run on a thread of its own (`disk.rs` gives it one).

use serde::Deserialize;
use serde::Serialize;

use crate::facts::store::FactSource;
use crate::facts::store::LogHead;
use crate::facts::store::Since;
use crate::facts::store::ValueRef;
use crate::facts::store::record::Link;
use crate::facts::store::record::remove_records;
use crate::facts::store::record::write_record;
use crate::facts::store::row::Chunk;
use crate::facts::store::row::Dictionary;
use crate::facts::store::shelf::Shelf;
use crate::facts::store::shelf::ShelfError;
use crate::facts::store::shelf::Tree;
use crate::model::Digest;

/// Rows in one chunk of a snapshot.
const CHUNK_ROWS: u64 = 4096;
/// Bytes of texts in one chunk of symbols.
const SYMBOL_CHUNK_BYTES: usize = 256 << 10;

/// Where a store without a snapshot keeps the digest of its declarations.
pub(super) const SCHEMA_KEY: &[u8] = b"schema";

/// What makes a snapshot whole.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) head: LogHead,
    pub(super) schema: String,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) symbol_chunks: u64,
    pub(super) symbols_hash: String,
    pub(super) row_chunks: u64,
    pub(super) rows_hash: String,
}

/// The start of the chain that part `what` of snapshot `number` forms.
pub(super) fn chain_of(what: &str, number: u64) -> Link {
    let parts = [b"hence snapshot".as_slice(), what.as_bytes(), &number.to_be_bytes()];
    Link { seq: 0, hash: Digest::of_parts(parts) }
}

/// The number that a key begins with.
pub(super) fn number_of(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(*key.first_chunk()?))
}

/// A snapshot that is to be written.
pub(super) struct Snapshot<S> {
    pub(super) shelf: S,
    pub(super) number: u64,
    /// The last transaction that the facts hold.
    pub(super) head: LogHead,
    pub(super) schema: Digest,
    pub(super) facts: Box<dyn FactSource + Send>,
}

impl<S: Shelf> Snapshot<S> {
    /// Writes it and removes what it replaces. Returns its size once it is durable; a crash in
    /// between leaves the snapshot before it.
    pub(super) fn write(mut self) -> Result<u64, ShelfError> {
        let mut writer = SnapshotWriter::new(&mut self.shelf, self.number);
        self.facts.each(&mut |relation, row, since| writer.add(relation, row, since));
        let mut manifest = writer.finish()?;
        manifest.head = self.head;
        manifest.schema = self.schema.to_string();
        let text = serde_json::to_vec(&manifest)
            .map_err(|error| ShelfError::Io(format!("the manifest: {error}")))?;
        let (key, before) = (self.number.to_be_bytes(), chain_of("manifest", self.number));
        write_record(&mut self.shelf, Tree::Meta, &key, &before, &text)?;
        self.shelf.sync()?;
        // It is durable: what it replaces may go, whether or not a crash brings it back.
        remove_replaced(&mut self.shelf, self.number, self.head.seq)?;
        self.shelf.sync()?;
        self.shelf.keep_derived(&self.head, &*self.facts);
        Ok(manifest.bytes)
    }
}

/// Removes what snapshot `number` replaces: deltas up to the transaction, and other snapshots.
pub(super) fn remove_replaced(
    shelf: &mut dyn Shelf,
    number: u64,
    covered: u64,
) -> Result<(), ShelfError> {
    let is_covered = |key: &[u8]| number_of(key).is_some_and(|seq| seq <= covered);
    remove_records(shelf, Tree::Deltas, &is_covered)?;
    let is_stale = |key: &[u8]| key != SCHEMA_KEY && number_of(key) != Some(number);
    for tree in [Tree::Meta, Tree::Symbols, Tree::Snapshot] {
        remove_records(shelf, tree, &is_stale)?;
    }
    Ok(())
}

/// Cuts rows into chunks while they come. The first failure is kept; what follows it is skipped.
struct SnapshotWriter<'a> {
    shelf: &'a mut dyn Shelf,
    number: u64,
    dictionary: Dictionary,
    chunk: Chunk,
    symbols: Link,
    rows: Link,
    count: u64,
    bytes: u64,
    failed: Option<ShelfError>,
}

impl<'a> SnapshotWriter<'a> {
    fn new(shelf: &'a mut dyn Shelf, number: u64) -> Self {
        Self {
            shelf,
            number,
            dictionary: Dictionary::default(),
            chunk: Chunk::new(),
            symbols: chain_of(Tree::Symbols.name(), number),
            rows: chain_of(Tree::Snapshot.name(), number),
            count: 0,
            bytes: 0,
            failed: None,
        }
    }

    fn add(&mut self, relation: &str, row: &[ValueRef<'_>], since: Since) {
        if self.failed.is_some() {
            return;
        }
        self.chunk.add(relation, row, since, &mut self.dictionary);
        self.count += 1;
        if self.chunk.count() == CHUNK_ROWS {
            self.failed = self.end_chunk().err();
        }
    }

    fn end_chunk(&mut self) -> Result<(), ShelfError> {
        if self.dictionary.fresh_bytes() > SYMBOL_CHUNK_BYTES {
            self.end_symbols()?;
        }
        let chunk = std::mem::replace(&mut self.chunk, Chunk::new());
        self.rows = self.write(Tree::Snapshot, self.rows, &chunk.encode())?;
        Ok(())
    }

    fn end_symbols(&mut self) -> Result<(), ShelfError> {
        let texts = self.dictionary.take_fresh();
        self.symbols = self.write(Tree::Symbols, self.symbols, &texts)?;
        Ok(())
    }

    fn write(&mut self, tree: Tree, before: Link, payload: &[u8]) -> Result<Link, ShelfError> {
        let key = [self.number.to_be_bytes(), before.seq.to_be_bytes()].concat();
        let (after, bytes) = write_record(self.shelf, tree, &key, &before, payload)?;
        self.bytes += bytes;
        Ok(after)
    }

    fn finish(mut self) -> Result<Manifest, ShelfError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.end_chunk()?;
        self.end_symbols()?;
        Ok(Manifest {
            head: LogHead::empty(),
            schema: String::new(),
            rows: self.count,
            bytes: self.bytes,
            symbol_chunks: self.symbols.seq,
            symbols_hash: self.symbols.hash.to_string(),
            row_chunks: self.rows.seq,
            rows_hash: self.rows.hash.to_string(),
        })
    }
}
