//! The fact log on any shelf: recovery and appending; `snapshot.rs` writes its snapshots.
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

use crate::facts::store::Delta;
use crate::facts::store::FactSink;
use crate::facts::store::FactSource;
use crate::facts::store::LogHead;
use crate::facts::store::Loss;
use crate::facts::store::Recovered;
use crate::facts::store::StoreError;
use crate::facts::store::StoreOptions;
use crate::facts::store::record::Link;
use crate::facts::store::record::read_record;
use crate::facts::store::record::remove_records;
use crate::facts::store::record::scan_records;
use crate::facts::store::record::write_record;
use crate::facts::store::row::delta_generation;
use crate::facts::store::row::replay_chunk;
use crate::facts::store::row::replay_delta;
use crate::facts::store::row::take_texts;
use crate::facts::store::shelf::Shelf;
use crate::facts::store::shelf::ShelfError;
use crate::facts::store::shelf::Tree;
use crate::facts::store::snapshot::Manifest;
use crate::facts::store::snapshot::SCHEMA_KEY;
use crate::facts::store::snapshot::Snapshot;
use crate::facts::store::snapshot::chain_of;
use crate::facts::store::snapshot::number_of;
use crate::facts::store::snapshot::remove_replaced;
use crate::model::Digest;

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
    /// How many of these the snapshot covers that is being written now.
    covered: Option<(u64, u64)>,
    halted: Option<String>,
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
            covered: None,
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
        let last = self.appended.seq;
        remove_records(&mut self.shelf, Tree::Deltas, &|key| {
            number_of(key).is_none_or(|seq| seq > last)
        })?;
        remove_replaced(&mut self.shelf, self.snapshot, last - self.deltas)
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
}

impl<S: Shelf + Clone> FactLog<S> {
    /// Appends one transaction. It is durable, and may be acted upon, only after `sync`.
    pub(super) fn append(&mut self, delta: &Delta) -> Result<LogHead, StoreError> {
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

    /// Makes everything appended durable: one sync for all. Returns the head that now is.
    pub(super) fn sync(&mut self) -> Result<LogHead, StoreError> {
        self.check_running()?;
        if self.head != self.appended {
            let synced = self.shelf.sync();
            self.or_halt(synced)?;
            self.head = self.appended;
        }
        Ok(self.head)
    }

    /// The last durable transaction.
    pub(super) fn head(&self) -> LogHead {
        self.head
    }

    /// Whether the deltas have grown so long that a snapshot pays, and none is being written.
    pub(super) fn wants_snapshot(&self) -> bool {
        let long = self.delta_bytes > self.snapshot_bytes.max(self.options.delta_bytes_min);
        self.covered.is_none() && (long || self.deltas > self.options.deltas_max)
    }

    /// A snapshot of all facts as they are after the last appended delta, to be written beside
    /// what is appended from now on. `None`: there is nothing to write, or one is being written.
    pub(super) fn begin_snapshot(
        &mut self,
        facts: Box<dyn FactSource + Send>,
    ) -> Result<Option<Snapshot<S>>, StoreError> {
        self.check_running()?;
        if self.appended.seq == 0 || self.covered.is_some() {
            return Ok(None);
        }
        self.covered = Some((self.deltas, self.delta_bytes));
        Ok(Some(Snapshot {
            shelf: self.shelf.clone(),
            number: self.snapshot + 1,
            head: self.appended,
            schema: self.options.schema,
            facts,
        }))
    }

    /// The snapshot that was begun is written, with this many bytes, or failed.
    pub(super) fn end_snapshot(
        &mut self,
        bytes: Result<u64, ShelfError>,
    ) -> Result<(), StoreError> {
        let bytes = self.or_halt(bytes)?;
        let (deltas, delta_bytes) = self.covered.take().unwrap_or_default();
        self.snapshot += 1;
        self.snapshot_bytes = bytes;
        self.deltas -= deltas;
        self.delta_bytes -= delta_bytes;
        Ok(())
    }
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
        let is_resumed = shelf.derived(&head, &mut |state, is_own| sink.resume(state, is_own));
        let count = if is_resumed {
            Some(manifest.rows)
        } else {
            read_snapshot(shelf, *number, manifest, sink)?
        };
        match count {
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
