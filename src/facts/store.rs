//! The fact log: input facts made durable, as a snapshot in chunks and a log of deltas behind it.
//!
//! In: one [`Delta`] per transaction of facts. Out: after a restart, all facts up to some
//! transaction, never fewer than those that [`FactStore::sync`] acknowledged, never a part of one.
//!
//! ```text
//! Delta ─▶ append ─▶ deltas   1 2 3 4 5 6 …       each with length, CRC, hash of the one before
//!            sync      │ snapshot
//!                      ▼
//!                   snapshot  chunks of rows + symbols, one manifest that names their hashes
//! open: newest snapshot whose chunks all hold, then deltas while number and hash chain hold
//! ```
//!
//! Beside a snapshot may stand what followed from it (`derived.rs`): read instead of its rows when
//! it is whole and by this build, and never missed.
//!
//! Rows are opaque here: a relation's name and typed values. Rows of volatile relations are simply
//! not handed in. Secrets never are: facts hold digests of them.
//!
//! A store that lost something says so in [`Recovered`]; it is a cache of observations, so starting
//! empty is safe, and a mixture of old and new is not: damage to a snapshot discards all of it.
//!
//! Pure but for `store/disk.rs`, the one file here that touches a file system. Limits:
//! [`StoreOptions`]. Not here: what relations exist and what columns they have (`facts`).

mod derived;
mod disk;
mod error;
#[cfg(test)]
mod faulty;
mod log;
mod record;
mod row;
mod shelf;
mod snapshot;
#[cfg(test)]
mod tests;

pub use disk::STATE_VERSION;
pub use disk::StateDir;
pub use disk::copy_for_reading;
pub use disk::expect_state;
pub use disk::open;
pub use error::Loss;
pub use error::StoreError;
pub use row::Delta;

use serde::Deserialize;
use serde::Serialize;

use crate::model::Digest;
use crate::model::Timestamp;

/// One value of a row. Text is borrowed; the numbers' meaning is the engine's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ValueRef<'a> {
    /// Text.
    Symbol(&'a str),
    /// An integer.
    Number(i64),
    /// A fixed-point number, in its smallest unit.
    Decimal(i128),
    /// A version, as written.
    Version(&'a str),
    /// Milliseconds since 1970-01-01T00:00:00Z.
    Time(i64),
    /// Milliseconds.
    Duration(i64),
}

/// One value of a row in a snapshot: texts by their number.
#[derive(Clone, Copy, Debug)]
pub enum Packed {
    /// Text.
    Symbol(usize),
    /// An integer.
    Number(i64),
    /// A fixed-point number, in its smallest unit.
    Decimal(i128),
    /// A version, as written.
    Version(usize),
    /// Milliseconds since 1970-01-01T00:00:00Z.
    Time(i64),
    /// Milliseconds.
    Duration(i64),
}

impl Packed {
    /// The value itself. Every text has a number in `texts`: whoever read the row saw to that.
    pub fn unpack<'t>(&self, texts: &'t [impl AsRef<str>]) -> ValueRef<'t> {
        match *self {
            Self::Symbol(text) => ValueRef::Symbol(texts[text].as_ref()),
            Self::Number(number) => ValueRef::Number(number),
            Self::Decimal(units) => ValueRef::Decimal(units),
            Self::Version(text) => ValueRef::Version(texts[text].as_ref()),
            Self::Time(ms) => ValueRef::Time(ms),
            Self::Duration(ms) => ValueRef::Duration(ms),
        }
    }
}

/// Since when a row has held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Since {
    /// The generation that inserted it.
    pub generation: u64,
    /// When that generation was committed.
    pub at: Timestamp,
}

/// Takes the facts that a store holds, when it is opened.
pub trait FactSink {
    /// Forgets everything that was given so far: it turned out to be damaged.
    fn clear(&mut self);

    /// A row of a snapshot: never given twice, and before every `insert` and `delete`. Texts are
    /// numbers in `texts`, which are the same for all rows between two calls of `clear`.
    fn recall(&mut self, texts: &[Box<str>], relation: usize, row: &[Packed], since: Since) {
        let row: Vec<ValueRef<'_>> = row.iter().map(|value| value.unpack(texts)).collect();
        self.insert(&texts[relation], &row, since);
    }

    /// Takes what [`FactSource::state`] wrote instead of the rows of a snapshot, when it can and
    /// this build wrote it: then none of them is given.
    fn resume(&mut self, _state: &[u8], _is_own: bool) -> bool {
        false
    }

    /// A row that holds. Given again, the later `since` counts.
    fn insert(&mut self, relation: &str, row: &[ValueRef<'_>], since: Since);

    /// A row, given before, that holds no longer.
    fn delete(&mut self, relation: &str, row: &[ValueRef<'_>]);
}

/// Gives all facts, for a snapshot.
pub trait FactSource {
    /// Calls `give` once per row. Rows of one relation should come together and sorted: the
    /// snapshot is smaller then, and equal facts give equal bytes.
    fn each(&self, give: &mut dyn FnMut(&str, &[ValueRef<'_>], Since));

    /// Writes what follows from the facts, with them, for [`FactSink::resume`]. False: there is
    /// nothing to be kept beside the facts.
    ///
    /// # Errors
    /// Those of `out`.
    fn state(&self, _out: &mut dyn std::io::Write) -> std::io::Result<bool> {
        Ok(false)
    }
}

/// The end of the fact log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogHead {
    /// The last transaction's number, from 1; 0 when there is none.
    pub seq: u64,
    /// The generation that it committed; 0 when there is none.
    pub generation: u64,
    /// The hash of its record, which covers all before it. An intent names this.
    #[serde(serialize_with = "digest_to_text", deserialize_with = "digest_from_text")]
    pub hash: Digest,
}

impl LogHead {
    /// The end of an empty log.
    pub fn empty() -> Self {
        Self { seq: 0, generation: 0, hash: Digest::from_bytes([0; 32]) }
    }
}

/// Durable facts. After any error but a refusal the store is halted: open it again, which finds out
/// what the disk holds.
pub trait FactStore {
    /// Appends one transaction. It is durable, and may be acted upon, only after `sync`.
    fn append(&mut self, delta: &Delta) -> Result<LogHead, StoreError>;

    /// Makes everything appended durable: one sync for all. Returns the head that now is.
    fn sync(&mut self) -> Result<LogHead, StoreError>;

    /// The last durable transaction.
    fn head(&self) -> LogHead;

    /// Whether the deltas have grown so long that a snapshot pays, and none is being written.
    fn wants_snapshot(&self) -> bool;

    /// Begins to write all facts as they are after the last appended delta, beside what is appended
    /// from now on, and then to drop the deltas that they cover. A crash in between leaves the
    /// snapshot before it. Whether it succeeded is the business of a later `sync`.
    fn snapshot(&mut self, facts: Box<dyn FactSource + Send>) -> Result<(), StoreError>;
}

/// How a store is opened.
#[derive(Clone, Copy, Debug)]
pub struct StoreOptions {
    /// Digest of the declarations that rows follow. Kept beside them, so that rows of other
    /// declarations are recognised: [`Recovered::schema`].
    pub schema: Digest,
    /// Deltas after which a snapshot pays.
    pub deltas_max: u64,
    /// Bytes of deltas below which no snapshot pays, however small the facts.
    pub delta_bytes_min: u64,
    /// The highest generation that an intent of the journal names. A log that ends before it was
    /// lost or rolled back, which is told; nothing inside the log could know. 0: nothing to
    /// compare. Every generation has to be appended for this, an empty delta included.
    pub expected_generation: u64,
}

impl StoreOptions {
    /// Defaults for rows that follow the declarations with this digest.
    pub fn new(schema: Digest) -> Self {
        Self { schema, deltas_max: 10_000, delta_bytes_min: 4 << 20, expected_generation: 0 }
    }
}

/// What opening found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The last transaction that is there.
    pub head: LogHead,
    /// Rows taken from the snapshot.
    pub rows: u64,
    /// Transactions taken from the deltas behind it.
    pub deltas: u64,
    /// The declarations that the rows follow. `None` for an empty store.
    pub schema: Option<Digest>,
    /// What was lost or put right, worst last. Empty after a clean stop.
    pub losses: Vec<Loss>,
}

fn digest_to_text<S: serde::Serializer>(digest: &Digest, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(digest)
}

fn digest_from_text<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Digest, D::Error> {
    let text = String::deserialize(from)?;
    Digest::parse(&text).ok_or_else(|| serde::de::Error::custom("not a `sha256:` digest"))
}
