//! Bytes of rows: a tag and a variable-length number per value; texts stand once, in a dictionary.
//!
//! ```text
//! delta     generation · time · dictionary · count of operations · operations
//! operation relation×2 + (1 if delete) · columns · (tag · number)…
//! chunk     count of rows · (relation · since, less the row before · columns · (tag · number)…)…
//! ```
//!
//! A delta brings its own dictionary; the chunks of a snapshot share the snapshot's symbols.

use std::collections::HashMap;

use crate::facts::store::FactSink;
use crate::facts::store::Packed;
use crate::facts::store::Since;
use crate::facts::store::ValueRef;
use crate::model::Timestamp;

/// Texts by number, in order of first use.
#[derive(Clone, Debug, Default)]
pub(super) struct Dictionary {
    numbers: HashMap<Box<str>, u32>,
    /// Encoded texts that were not taken yet, and how many.
    bytes: Vec<u8>,
    fresh: u64,
}

impl Dictionary {
    fn number(&mut self, text: &str) -> u128 {
        if let Some(number) = self.numbers.get(text) {
            return u128::from(*number);
        }
        let number = u32::try_from(self.numbers.len()).expect("fewer texts than memory has bytes");
        self.numbers.insert(text.into(), number);
        put_number(&mut self.bytes, text.len() as u128);
        self.bytes.extend_from_slice(text.as_bytes());
        self.fresh += 1;
        u128::from(number)
    }

    /// Bytes of texts not taken yet.
    pub(super) fn fresh_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The texts since the last call, encoded.
    pub(super) fn take_fresh(&mut self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.bytes.len() + 5);
        put_number(&mut out, u128::from(self.fresh));
        out.append(&mut self.bytes);
        self.fresh = 0;
        out
    }
}

/// One transaction of facts, encoded as it is built.
#[derive(Clone, Debug)]
pub struct Delta {
    since: Since,
    dictionary: Dictionary,
    operations: Vec<u8>,
    count: u64,
}

impl Delta {
    /// An empty transaction that commits `generation` at `at`.
    pub fn new(generation: u64, at: Timestamp) -> Self {
        let since = Since { generation, at };
        Self { since, dictionary: Dictionary::default(), operations: Vec::new(), count: 0 }
    }

    /// Adds a row that holds from now on.
    pub fn insert(&mut self, relation: &str, row: &[ValueRef<'_>]) {
        self.operation(relation, row, false);
    }

    /// Adds a row that holds no longer.
    pub fn delete(&mut self, relation: &str, row: &[ValueRef<'_>]) {
        self.operation(relation, row, true);
    }

    /// How many rows were added.
    pub fn len(&self) -> u64 {
        self.count
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The generation that it commits.
    pub fn generation(&self) -> u64 {
        self.since.generation
    }

    fn operation(&mut self, relation: &str, row: &[ValueRef<'_>], is_delete: bool) {
        let relation = self.dictionary.number(relation);
        put_number(&mut self.operations, relation * 2 + u128::from(is_delete));
        put_row(&mut self.operations, row, &mut self.dictionary);
        self.count += 1;
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_number(&mut out, u128::from(self.since.generation));
        put_signed(&mut out, i128::from(self.since.at.millis()));
        out.append(&mut self.dictionary.clone().take_fresh());
        put_number(&mut out, u128::from(self.count));
        out.extend_from_slice(&self.operations);
        out
    }
}

/// The generation of an encoded delta.
pub(super) fn delta_generation(mut bytes: &[u8]) -> Option<u64> {
    take_u64(&mut bytes)
}

/// Gives the operations of an encoded delta to `sink`. `None`: it is not one, and `sink` may have
/// got a part of it.
pub(super) fn replay_delta(mut bytes: &[u8], sink: &mut dyn FactSink) -> Option<()> {
    let bytes = &mut bytes;
    let generation = take_u64(bytes)?;
    let at = Timestamp(i64::try_from(take_signed(bytes)?).ok()?);
    let since = Since { generation, at };
    let mut texts = Vec::new();
    take_texts(bytes, &mut texts)?;
    let mut packed = Vec::new();
    for _ in 0..take_u64(bytes)? {
        let head = take_u64(bytes)?;
        let relation = *texts.get(usize::try_from(head / 2).ok()?)?;
        take_row(bytes, texts.len(), &mut packed)?;
        let row: Vec<ValueRef<'_>> = packed.iter().map(|value| value.unpack(&texts)).collect();
        match head % 2 {
            0 => sink.insert(relation, &row, since),
            _ => sink.delete(relation, &row),
        }
    }
    bytes.is_empty().then_some(())
}

/// Rows of a snapshot, up to the size of one chunk.
pub(super) struct Chunk {
    rows: Vec<u8>,
    count: u64,
    last: Since,
}

const NO_SINCE: Since = Since { generation: 0, at: Timestamp(0) };

impl Chunk {
    pub(super) fn new() -> Self {
        Self { rows: Vec::new(), count: 0, last: NO_SINCE }
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn add(
        &mut self,
        relation: &str,
        row: &[ValueRef<'_>],
        since: Since,
        dictionary: &mut Dictionary,
    ) {
        put_number(&mut self.rows, dictionary.number(relation));
        let step = |now: i128, before: i128| now - before;
        let (now, last) = (since, self.last);
        put_signed(&mut self.rows, step(now.generation.into(), last.generation.into()));
        put_signed(&mut self.rows, step(now.at.millis().into(), last.at.millis().into()));
        put_row(&mut self.rows, row, dictionary);
        self.last = since;
        self.count += 1;
    }

    pub(super) fn encode(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.rows.len() + 5);
        put_number(&mut out, u128::from(self.count));
        out.extend_from_slice(&self.rows);
        out
    }
}

/// Gives the rows of an encoded chunk to `sink` and says how many. `None`: it is not a chunk.
pub(super) fn replay_chunk(
    mut bytes: &[u8],
    texts: &[Box<str>],
    sink: &mut dyn FactSink,
) -> Option<u64> {
    let bytes = &mut bytes;
    let count = take_u64(bytes)?;
    let mut last = NO_SINCE;
    let mut row = Vec::new();
    for _ in 0..count {
        let relation = text_number(bytes, texts.len())?;
        let generation = i128::from(last.generation) + take_signed(bytes)?;
        let at = i128::from(last.at.millis()) + take_signed(bytes)?;
        last = Since {
            generation: u64::try_from(generation).ok()?,
            at: Timestamp(i64::try_from(at).ok()?),
        };
        take_row(bytes, texts.len(), &mut row)?;
        sink.recall(texts, relation, &row, last);
    }
    bytes.is_empty().then_some(count)
}

/// Appends the texts that [`Dictionary::take_fresh`] encoded.
pub(super) fn take_texts<'a>(bytes: &mut &'a [u8], texts: &mut Vec<&'a str>) -> Option<()> {
    for _ in 0..take_u64(bytes)? {
        let len = usize::try_from(take_u64(bytes)?).ok()?;
        let (text, rest) = bytes.split_at_checked(len)?;
        texts.push(std::str::from_utf8(text).ok()?);
        *bytes = rest;
    }
    Some(())
}

fn put_row(out: &mut Vec<u8>, row: &[ValueRef<'_>], dictionary: &mut Dictionary) {
    put_number(out, row.len() as u128);
    for value in row {
        match *value {
            ValueRef::Symbol(text) => {
                out.push(0);
                put_number(out, dictionary.number(text));
            }
            ValueRef::Number(number) => {
                out.push(1);
                put_signed(out, number.into());
            }
            ValueRef::Decimal(units) => {
                out.push(2);
                put_signed(out, units);
            }
            ValueRef::Version(text) => {
                out.push(3);
                put_number(out, dictionary.number(text));
            }
            ValueRef::Time(ms) => {
                out.push(4);
                put_signed(out, ms.into());
            }
            ValueRef::Duration(ms) => {
                out.push(5);
                put_signed(out, ms.into());
            }
        }
    }
}

/// The number of one of `count` texts.
fn text_number(bytes: &mut &[u8], count: usize) -> Option<usize> {
    usize::try_from(take_u64(bytes)?).ok().filter(|number| *number < count)
}

fn take_row(bytes: &mut &[u8], texts: usize, row: &mut Vec<Packed>) -> Option<()> {
    row.clear();
    for _ in 0..take_u64(bytes)? {
        let (tag, rest) = bytes.split_first()?;
        *bytes = rest;
        row.push(match tag {
            0 => Packed::Symbol(text_number(bytes, texts)?),
            3 => Packed::Version(text_number(bytes, texts)?),
            1 => Packed::Number(i64::try_from(take_signed(bytes)?).ok()?),
            2 => Packed::Decimal(take_signed(bytes)?),
            4 => Packed::Time(i64::try_from(take_signed(bytes)?).ok()?),
            5 => Packed::Duration(i64::try_from(take_signed(bytes)?).ok()?),
            _ => return None,
        });
    }
    Some(())
}

/// Seven bits a byte, lowest first; the high bit says that more follow.
fn put_number(out: &mut Vec<u8>, mut number: u128) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Small numbers of either sign stay short: 0, -1, 1, -2, … become 0, 1, 2, 3, ….
fn put_signed(out: &mut Vec<u8>, number: i128) {
    put_number(out, ((number << 1) ^ (number >> 127)).cast_unsigned());
}

fn take_number(bytes: &mut &[u8]) -> Option<u128> {
    let mut number: u128 = 0;
    for shift in (0..=126).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u128::from(byte & 0x7f);
        if bits.leading_zeros() < shift {
            return None;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn take_u64(bytes: &mut &[u8]) -> Option<u64> {
    // Most numbers are short, and need no wide arithmetic.
    if let [low, rest @ ..] = *bytes
        && *low < 0x80
    {
        *bytes = rest;
        return Some(u64::from(*low));
    }
    if let [low, middle, rest @ ..] = *bytes
        && *middle < 0x80
    {
        *bytes = rest;
        return Some(u64::from(low & 0x7f) | u64::from(*middle) << 7);
    }
    u64::try_from(take_number(bytes)?).ok()
}

fn take_signed(bytes: &mut &[u8]) -> Option<i128> {
    let number = take_number(bytes)?;
    Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
}
