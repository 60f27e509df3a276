//! The fact log on any shelf: recovery, appending, snapshots.
//!
//! ```text
//! meta      generation                → manifest: where the snapshot stands, its counts and hashes
//! symbols   generation · chunk · part → texts
//! snapshot  generation · chunk · part → up to 4096 rows
//! deltas    transaction · part        → one transaction
//! ```
//!
//! A snapshot counts when its manifest and every chunk hold; then the one before it and the deltas
//! that it covers are removed. Until then they stay, so that a crash at any step leaves one whole
//! way to all acknowledged facts.

use std::ops::ControlFlow;

use serde::Deserialize;
use serde::Serialize;

use crate::facts::store::Delta;
use crate::facts::store::FactSink;
use crate::facts::store::FactSource;
use crate::facts::store::FactStore;
use crate::facts::store::LogHead;
use crate::facts::store::Loss;
use crate::facts::store::Recovered;
use crate::facts::store::Since;
use crate::facts::store::StoreError;
use crate::facts::store::StoreOptions;
use crate::facts::store::ValueRef;
use crate::facts::store::record::Link;
use crate::facts::store::record::read_record;
use crate::facts::store::record::remove_records;
use crate::facts::store::record::scan_records;
use crate::facts::store::record::write_record;
use crate::facts::store::row::Chunk;
use crate::facts::store::row::Dictionary;
use crate::facts::store::row::delta_generation;
use crate::facts::store::row::replay_chunk;
use crate::facts::store::row::replay_delta;
use crate::facts::store::row::take_texts;
use crate::facts::store::shelf::Shelf;
use crate::facts::store::shelf::ShelfError;
use crate::facts::store::shelf::Tree;
use crate::model::Digest;

/// Rows in one chunk of a snapshot.
const CHUNK_ROWS: u64 = 4096;
/// Bytes of texts in one chunk of symbols.
const SYMBOL_CHUNK_BYTES: usize = 256 << 10;

/// The durable facts on one shelf.
pub(super) struct FactLog<S> {
    shelf: S,
    options: StoreOptions,
    /// The last transaction appended, and the last one synced.
    appended: LogHead,
    head: LogHead,
    /// The newest snapshot: its number (0: none) and its size.
    snapshot: u64,
    snapshot_bytes: u64,
    /// Deltas since that snapshot.
    deltas: u64,
    delta_bytes: u64,
    halted: Option<String>,
}

/// What makes a snapshot whole.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Manifest {
    head: LogHead,
    schema: String,
    rows: u64,
    bytes: u64,
    symbol_chunks: u64,
    symbols_hash: String,
    row_chunks: u64,
    rows_hash: String,
}

/// What a way to the facts led to.
struct Found {
    head: LogHead,
    rows: u64,
    deltas: u64,
    delta_bytes: u64,
    /// Records behind the last good delta.
    unusable: u64,
}

impl From<ShelfError> for StoreError {
    fn from(error: ShelfError) -> Self {
        match error {
            ShelfError::Io(reason) => Self::Write { reason },
            ShelfError::Damaged(reason) => Self::Damaged { reason },
        }
    }
}

impl<S: Shelf> FactLog<S> {
    /// Reads all facts on `shelf` into `sink` and clears away what a crash left half done.
    ///
    /// [`StoreError::Damaged`]: something acknowledged is gone in a way that leaves no whole state.
    pub(super) fn open(
        shelf: S,
        options: StoreOptions,
        sink: &mut dyn FactSink,
    ) -> Result<(Self, Recovered), StoreError> {
        let manifests = read_manifests(&shelf)?;
        // Facts as of the newest manifest were acknowledged when the deltas that it covers went.
        let at_least = manifests.iter().map(|(_, manifest)| manifest.head.seq).max().unwrap_or(0);
        let nothing = std::iter::once(None);
        let ways = manifests.iter().rev().map(Some).chain(nothing);
        let mut chosen = None;
        for way in ways {
            sink.clear();
            let found = follow(&shelf, way, sink)?;
            if let Some(found) = found.filter(|found| found.head.seq >= at_least) {
                chosen = Some((way, found));
                break;
            }
        }
        let Some((way, found)) = chosen else {
            sink.clear();
            let reason = format!("no snapshot leads to transaction {at_least}");
            return Err(StoreError::Damaged { reason });
        };
        let Found { head, rows, deltas, delta_bytes, unusable } = found;
        if way.is_none() && head.seq == 0 && !is_new(&shelf)? {
            let reason = "the snapshot that the deltas rest on is unusable".to_owned();
            return Err(StoreError::Damaged { reason });
        }
        let mut log = Self {
            shelf,
            options,
            appended: head,
            head,
            snapshot: way.map_or(0, |(number, _)| *number),
            snapshot_bytes: way.map_or(0, |(_, manifest)| manifest.bytes),
            deltas,
            delta_bytes,
            halted: None,
        };
        let schema = log.read_schema(way.map(|(_, manifest)| manifest))?;
        log.sweep()?;
        log.shelf.sync()?;
        let cut = Loss::Cut { last: head.seq, records: unusable };
        let losses = Vec::from_iter((unusable > 0).then_some(cut));
        Ok((log, Recovered { head, rows, deltas, schema, losses }))
    }

    /// The declarations that the stored rows follow; a store without a snapshot keeps them apart.
    fn read_schema(&mut self, manifest: Option<&Manifest>) -> Result<Option<Digest>, StoreError> {
        if let Some(manifest) = manifest {
            return Ok(Digest::parse(&manifest.schema));
        }
        let mut stored = None;
        self.shelf.scan(Tree::Meta, SCHEMA_KEY, &mut |key, value| {
            if key == SCHEMA_KEY {
                stored = std::str::from_utf8(value).ok().and_then(Digest::parse);
            }
            ControlFlow::Break(())
        })?;
        if self.appended.seq > 0 {
            return Ok(stored);
        }
        let text = self.options.schema.to_string();
        self.shelf.put(Tree::Meta, SCHEMA_KEY, text.as_bytes())?;
        Ok(None)
    }

    /// Removes everything that the facts do not rest on: covered or unusable deltas, other
    /// snapshots.
    fn sweep(&mut self) -> Result<(), ShelfError> {
        let covered = self.appended.seq - self.deltas;
        let last = self.appended.seq;
        remove_records(&mut self.shelf, Tree::Deltas, &|key| {
            !number_of(key).is_some_and(|seq| seq > covered && seq <= last)
        })?;
        let current = self.snapshot;
        let is_stale = |key: &[u8]| key != SCHEMA_KEY && number_of(key) != Some(current);
        for tree in [Tree::Meta, Tree::Symbols, Tree::Snapshot] {
            remove_records(&mut self.shelf, tree, &is_stale)?;
        }
        Ok(())
    }

    fn check_running(&self) -> Result<(), StoreError> {
        match &self.halted {
            None => Ok(()),
            Some(reason) => Err(StoreError::Halted { reason: reason.clone() }),
        }
    }

    /// Remembers a failure: whatever the disk holds now, only opening it again can tell.
    fn or_halt<T>(&mut self, result: Result<T, ShelfError>) -> Result<T, StoreError> {
        result.map_err(|error| {
            let (ShelfError::Io(reason) | ShelfError::Damaged(reason)) = &error;
            self.halted = Some(reason.clone());
            StoreError::Write { reason: reason.clone() }
        })
    }

    fn write_snapshot(&mut self, facts: &dyn FactSource) -> Result<Manifest, ShelfError> {
        let mut writer = SnapshotWriter::new(&mut self.shelf, self.snapshot + 1);
        facts.each(&mut |relation, row, since| writer.add(relation, row, since));
        let mut manifest = writer.finish()?;
        manifest.head = self.appended;
        manifest.schema = self.options.schema.to_string();
        let text = serde_json::to_vec(&manifest)
            .map_err(|error| ShelfError::Io(format!("the manifest: {error}")))?;
        let number = self.snapshot + 1;
        let before = chain_of("manifest", number);
        write_record(&mut self.shelf, Tree::Meta, &number.to_be_bytes(), &before, &text)?;
        self.shelf.sync()?;
        Ok(manifest)
    }
}

impl<S: Shelf> FactStore for FactLog<S> {
    fn append(&mut self, delta: &Delta) -> Result<LogHead, StoreError> {
        self.check_running()?;
        let before = Link { seq: self.appended.seq, hash: self.appended.hash };
        let key = (before.seq + 1).to_be_bytes();
        let payload = delta.encode();
        let written = write_record(&mut self.shelf, Tree::Deltas, &key, &before, &payload);
        let (after, bytes) = self.or_halt(written)?;
        let generation = delta.generation();
        self.appended = LogHead { seq: after.seq, generation, hash: after.hash };
        self.deltas += 1;
        self.delta_bytes += bytes;
        Ok(self.appended)
    }

    fn sync(&mut self) -> Result<LogHead, StoreError> {
        self.check_running()?;
        if self.head != self.appended {
            let synced = self.shelf.sync();
            self.or_halt(synced)?;
            self.head = self.appended;
        }
        Ok(self.head)
    }

    fn head(&self) -> LogHead {
        self.head
    }

    fn wants_snapshot(&self) -> bool {
        let long = self.delta_bytes > self.snapshot_bytes.max(self.options.delta_bytes_min);
        long || self.deltas > self.options.deltas_max
    }

    fn snapshot(&mut self, facts: &dyn FactSource) -> Result<LogHead, StoreError> {
        self.check_running()?;
        if self.appended.seq == 0 {
            return Ok(self.appended);
        }
        let written = self.write_snapshot(facts);
        let manifest = self.or_halt(written)?;
        self.snapshot += 1;
        self.snapshot_bytes = manifest.bytes;
        self.deltas = 0;
        self.delta_bytes = 0;
        self.head = self.appended;
        // The snapshot is durable: what it replaces may go, whether or not a crash brings it back.
        let swept = self.sweep().and_then(|()| self.shelf.sync());
        self.or_halt(swept)?;
        Ok(self.appended)
    }
}

const SCHEMA_KEY: &[u8] = b"schema";

/// The start of the chain that part `what` of snapshot `number` forms.
fn chain_of(what: &str, number: u64) -> Link {
    let parts = [b"hence snapshot".as_slice(), what.as_bytes(), &number.to_be_bytes()];
    Link { seq: 0, hash: Digest::of_parts(parts) }
}

/// The number that a key begins with.
fn number_of(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(*key.first_chunk()?))
}

/// Whether `shelf`, which led to no facts, never acknowledged any: its deltas begin with the first
/// transaction, and it has no rows of a snapshot.
fn is_new(shelf: &dyn Shelf) -> Result<bool, StoreError> {
    let mut first = None;
    shelf.scan(Tree::Deltas, &[], &mut |key, _| {
        first = number_of(key);
        ControlFlow::Break(())
    })?;
    let mut has_rows = false;
    shelf.scan(Tree::Snapshot, &[], &mut |_, _| {
        has_rows = true;
        ControlFlow::Break(())
    })?;
    Ok(first.is_none_or(|seq| seq == 1) && !has_rows)
}

/// The manifests that hold, lowest number first.
fn read_manifests(shelf: &dyn Shelf) -> Result<Vec<(u64, Manifest)>, StoreError> {
    let mut manifests = Vec::new();
    scan_records(shelf, Tree::Meta, &[], &mut |key, bytes| {
        if let Some(number) = number_of(key)
            && let Some((_, payload)) = read_record(bytes, &chain_of("manifest", number))
            && let Ok(manifest) = serde_json::from_slice(payload)
        {
            manifests.push((number, manifest));
        }
        ControlFlow::Continue(())
    })?;
    Ok(manifests)
}

/// Gives `sink` the facts of `snapshot` (or none) and the deltas behind it. `None`: the snapshot is
/// not whole, and `sink` may have got a part of it.
fn follow(
    shelf: &dyn Shelf,
    snapshot: Option<&(u64, Manifest)>,
    sink: &mut dyn FactSink,
) -> Result<Option<Found>, StoreError> {
    let mut head = LogHead::empty();
    let mut rows = 0;
    if let Some((number, manifest)) = snapshot {
        head = manifest.head;
        match read_snapshot(shelf, *number, manifest, sink)? {
            Some(count) => rows = count,
            None => return Ok(None),
        }
    }
    let mut found = Found { head, rows, deltas: 0, delta_bytes: 0, unusable: 0 };
    scan_records(shelf, Tree::Deltas, &[], &mut |key, bytes| {
        let covered = number_of(key).is_some_and(|seq| seq <= head.seq);
        if covered {
            return ControlFlow::Continue(());
        }
        let before = Link { seq: found.head.seq, hash: found.head.hash };
        let follows = number_of(key) == Some(before.seq + 1);
        let record = read_record(bytes, &before).filter(|_| follows);
        let generation = record.and_then(|(_, payload)| delta_generation(payload));
        let (Some((after, payload)), Some(generation)) = (record, generation) else {
            found.unusable += 1;
            return ControlFlow::Continue(());
        };
        if replay_delta(payload, sink).is_none() {
            // Its checksum holds, so it was written so: a bug, and no state to go on from.
            found.unusable = u64::MAX;
            return ControlFlow::Break(());
        }
        found.head = LogHead { seq: after.seq, generation, hash: after.hash };
        found.deltas += 1;
        found.delta_bytes += bytes.len() as u64;
        ControlFlow::Continue(())
    })?;
    if found.unusable == u64::MAX {
        let reason = format!("transaction {} cannot be decoded", found.head.seq + 1);
        return Err(StoreError::Damaged { reason });
    }
    Ok(Some(found))
}

/// Gives `sink` the rows of one snapshot and says how many. `None`: it is not whole.
fn read_snapshot(
    shelf: &dyn Shelf,
    number: u64,
    manifest: &Manifest,
    sink: &mut dyn FactSink,
) -> Result<Option<u64>, StoreError> {
    let mut texts: Vec<Box<str>> = Vec::new();
    let end = read_chunks(shelf, Tree::Symbols, number, &mut |payload| {
        let (mut bytes, mut fresh) = (payload, Vec::new());
        take_texts(&mut bytes, &mut fresh)?;
        texts.extend(fresh.into_iter().map(Box::from));
        bytes.is_empty().then_some(())
    })?;
    let whole = |end: Option<Link>, chunks: u64, hash: &str| {
        end.is_some_and(|end| end.seq == chunks && Some(end.hash) == Digest::parse(hash))
    };
    if !whole(end, manifest.symbol_chunks, &manifest.symbols_hash) {
        return Ok(None);
    }
    let mut rows = 0;
    let end = read_chunks(shelf, Tree::Snapshot, number, &mut |payload| {
        rows += replay_chunk(payload, &texts, sink)?;
        Some(())
    })?;
    let whole = whole(end, manifest.row_chunks, &manifest.rows_hash) && rows == manifest.rows;
    Ok(whole.then_some(rows))
}

/// Reads the chain of chunks of snapshot `number`. `None`: a chunk does not hold.
fn read_chunks(
    shelf: &dyn Shelf,
    tree: Tree,
    number: u64,
    each: &mut dyn FnMut(&[u8]) -> Option<()>,
) -> Result<Option<Link>, StoreError> {
    let mut link = Some(chain_of(tree.name(), number));
    scan_records(shelf, tree, &number.to_be_bytes(), &mut |_, bytes| {
        let read = link.as_ref().and_then(|before| read_record(bytes, before));
        link = read.and_then(|(after, payload)| each(payload).map(|()| after));
        if link.is_some() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(link)
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
