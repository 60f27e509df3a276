//! The interner: one word per value, equal words for equal values and for nothing else.
//!
//! | top bits of a word | the rest |
//! | --- | --- |
//! | `1` | a number from 0 to 2³¹-1 |
//! | `01` | the slot of a symbol `sha256:…`, kept as 32 bytes instead of 71 |
//! | `00` | the slot of any other value |
//!
//! A slot whose value no row holds any more is freed by whoever counts the rows (`uses`) and used
//! again; a reader that is pinned to an older generation has its own clone, in which the slot still
//! means what it meant.

use std::cmp::Ordering;
use std::hash::BuildHasher;
use std::hash::Hash;
use std::hash::Hasher;
use std::hash::RandomState;
use std::io;
use std::io::Write;

use crate::datalog::decimal::Decimal;
use crate::datalog::store::bytes::Bytes;
use crate::datalog::store::bytes::put_bytes;
use crate::datalog::store::bytes::put_u64;
use crate::datalog::store::pool::Entry;
use crate::datalog::store::pool::Pool;
use crate::datalog::value::Value;
use crate::datalog::value::Version;

const INLINE: u32 = 1 << 31;
const DIGEST: u32 = 1 << 30;
const DIGEST_PREFIX: &str = "sha256:";
const DIGEST_LEN: usize = 71;

/// The 32 bytes of a symbol `sha256:…`.
type Digest = [u8; 32];

/// Words and their values. A clone shares everything.
#[derive(Clone)]
pub(crate) struct Interner {
    values: Pool<Value>,
    digests: Pool<Digest>,
    /// Words made since [`Interner::take_fresh`].
    fresh: Vec<u32>,
    /// Chosen at random, so that nobody can prepare texts that fall into one bucket.
    seed: u64,
}

impl Default for Interner {
    fn default() -> Self {
        let seed = RandomState::new().hash_one(DIGEST_PREFIX);
        Self { values: Pool::default(), digests: Pool::default(), fresh: Vec::new(), seed }
    }
}

impl Entry for Value {
    fn vacant(next: u32) -> Self {
        Self::Number(i64::from(next))
    }

    fn next(&self) -> u32 {
        match self {
            Self::Number(next) => *next as u32,
            _ => u32::MAX,
        }
    }

    fn part(&self, at: usize) -> u64 {
        match self {
            Self::Symbol(text) => part_of(text.as_bytes(), at),
            Self::Version(version) => part_of(version.as_str().as_bytes(), at),
            Self::Decimal(decimal) if at == 0 => (decimal.nanos() >> 64) as u64,
            Self::Decimal(decimal) if at == 1 => decimal.nanos() as u64,
            Self::Number(number) | Self::Time(number) | Self::Duration(number) if at == 0 => {
                *number as u64
            }
            _ => 0,
        }
    }
}

impl Entry for Digest {
    fn vacant(next: u32) -> Self {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&next.to_le_bytes());
        bytes
    }

    fn next(&self) -> u32 {
        u32::from_le_bytes([self[0], self[1], self[2], self[3]])
    }

    fn part(&self, at: usize) -> u64 {
        part_of(self, at)
    }
}

/// Eight bytes of a text in the order of texts; 0 stands for what is behind its end.
fn part_of(bytes: &[u8], at: usize) -> u64 {
    let mut part = [0; 8];
    let from = bytes.len().min(at * 8);
    let taken = &bytes[from..bytes.len().min(from + 8)];
    part[..taken.len()].copy_from_slice(taken);
    u64::from_be_bytes(part)
}

/// A quick hash: eight bytes a step.
#[derive(Default)]
pub(crate) struct Mix(u64);

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            let mut word = [0; 8];
            word.copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
        let mut last = [0; 8];
        last[..chunks.remainder().len()].copy_from_slice(chunks.remainder());
        self.write_u64(u64::from_le_bytes(last) ^ (bytes.len() as u64) << 56);
    }

    fn write_u64(&mut self, word: u64) {
        let mixed = (self.0.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 29);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// A place behind all words that there are.
pub(crate) struct End {
    values: u32,
    digests: u32,
}

/// Where a value stands, or how it is found.
enum Key {
    Word(u32),
    Digest(Digest),
    Value,
}

impl Key {
    fn of(value: &Value) -> Self {
        match value {
            Value::Number(number) => match u32::try_from(*number) {
                Ok(small) if small & INLINE == 0 => Self::Word(small | INLINE),
                _ => Self::Value,
            },
            Value::Symbol(text) => digest_of(text).map_or(Self::Value, Self::Digest),
            _ => Self::Value,
        }
    }
}

/// The bytes of a digest in exactly the text form that [`digest_text`] gives back.
fn digest_of(text: &str) -> Option<Digest> {
    if text.len() != DIGEST_LEN {
        return None;
    }
    let hex = text.strip_prefix(DIGEST_PREFIX)?.as_bytes();
    let nibble = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut digest = [0; 32];
    for (byte, pair) in digest.iter_mut().zip(hex.chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some(digest)
}

fn digest_text(digest: &Digest) -> Value {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(DIGEST_LEN);
    text.push_str(DIGEST_PREFIX);
    for byte in digest {
        text.push(char::from(HEX[usize::from(byte >> 4)]));
        text.push(char::from(HEX[usize::from(byte & 15)]));
    }
    Value::from(text)
}

impl Interner {
    fn hash_of(&self, value: &Value) -> u32 {
        let mut hasher = Mix(self.seed);
        match value {
            Value::Symbol(text) => hasher.write(text.as_bytes()),
            other => other.hash(&mut hasher),
        }
        (hasher.finish() >> 32) as u32
    }

    fn hash_of_digest(&self, digest: &Digest) -> u32 {
        let mut hasher = Mix(self.seed);
        // All of it: whoever writes digests down chooses how they begin.
        hasher.write(digest);
        (hasher.finish() >> 32) as u32
    }

    /// The word of `value`, if it has one.
    pub(crate) fn find(&self, value: &Value) -> Option<u32> {
        match Key::of(value) {
            Key::Word(word) => Some(word),
            Key::Digest(digest) => {
                let hash = self.hash_of_digest(&digest);
                self.digests.find(hash, |other| *other == digest).map(|slot| slot | DIGEST)
            }
            Key::Value => self.values.find(self.hash_of(value), |other| other == value),
        }
    }

    /// The word of `value`, made when it has none.
    pub(crate) fn intern(&mut self, value: &Value) -> u32 {
        let word = match Key::of(value) {
            Key::Word(word) => return word,
            Key::Digest(digest) => {
                let hash = self.hash_of_digest(&digest);
                if let Some(slot) = self.digests.find(hash, |other| *other == digest) {
                    return slot | DIGEST;
                }
                self.digests.add(hash, digest) | DIGEST
            }
            Key::Value => {
                let hash = self.hash_of(value);
                if let Some(slot) = self.values.find(hash, |other| other == value) {
                    return slot;
                }
                self.values.add(hash, value.clone())
            }
        };
        assert!(word & !DIGEST < DIGEST, "fewer than 2^30 different values fit in memory");
        self.fresh.push(word);
        word
    }

    /// The words of many values, as by [`Interner::intern`] for each: looked up in three rounds, so
    /// that the processor waits for many places of memory at once instead of one after the other.
    pub(crate) fn intern_many<'v>(
        &mut self,
        values: impl Iterator<Item = &'v Value> + Clone,
        words: &mut Vec<u32>,
    ) {
        let hash = |value: &Value| match Key::of(value) {
            Key::Value => Some(self.hash_of(value)),
            _ => None,
        };
        let hashes: Vec<Option<u32>> = values.clone().map(hash).collect();
        let likely = |hash: &Option<u32>| self.values.with_hash((*hash)?).next();
        let likely: Vec<Option<u32>> = hashes.iter().map(likely).collect();
        let same = |(slot, value): (&Option<u32>, &Value)| {
            slot.filter(|slot| self.values.get(*slot) == value)
        };
        let found: Vec<Option<u32>> = likely.iter().zip(values.clone()).map(same).collect();
        for (found, value) in found.into_iter().zip(values) {
            words.push(found.unwrap_or_else(|| self.intern(value)));
        }
    }

    /// Behind all words that there are.
    pub(crate) fn end(&self) -> End {
        End { values: self.values.end(), digests: self.digests.end() }
    }

    /// Gives the words made since `end` to the same values in order, so that values which are alike
    /// have words near each other. No row may have one of them yet; `words` are those that are
    /// already on their way.
    pub(crate) fn put_in_order<'w>(&mut self, end: &End, words: impl Iterator<Item = &'w mut u32>) {
        let values = self.values.put_in_order(end.values);
        let digests = self.digests.put_in_order(end.digests);
        for word in words.filter(|word| **word & INLINE == 0) {
            let (now, first, slot) = if *word & DIGEST != 0 {
                (&digests, end.digests, *word & !DIGEST)
            } else {
                (&values, end.values, *word)
            };
            if slot >= first {
                *word = now[(slot - first) as usize] | (*word & DIGEST);
            }
        }
    }

    /// The value of `word`.
    pub(crate) fn value(&self, word: u32) -> Value {
        if word & INLINE != 0 {
            Value::Number(i64::from(word & !INLINE))
        } else if word & DIGEST != 0 {
            digest_text(self.digests.get(word & !DIGEST))
        } else {
            self.values.get(word).clone()
        }
    }

    /// The value of a word that may not be one of these.
    pub(crate) fn known(&self, word: u32) -> Option<Value> {
        let has = if word & INLINE != 0 {
            true
        } else if word & DIGEST != 0 {
            self.digests.has(word & !DIGEST)
        } else {
            self.values.has(word)
        };
        has.then(|| self.value(word))
    }

    /// The order of the values of two words.
    pub(crate) fn compare(&self, a: u32, b: u32) -> Ordering {
        if a == b {
            return Ordering::Equal;
        }
        if a & b & INLINE != 0 {
            return a.cmp(&b);
        }
        if (a | b) & (INLINE | DIGEST) == 0 {
            return self.values.get(a).cmp(self.values.get(b));
        }
        if a & b & DIGEST != 0 && (a | b) & INLINE == 0 {
            // Hexadecimal digits stand in the order of what they mean.
            return self.digests.get(a & !DIGEST).cmp(self.digests.get(b & !DIGEST));
        }
        self.value(a).cmp(&self.value(b))
    }

    /// Writes all words and what they stand for.
    pub(crate) fn save(&self, out: &mut dyn Write) -> io::Result<()> {
        put_u64(out, self.seed)?;
        self.values.save(out, put_value)?;
        self.digests.save(out, |out, digest| out.write_all(digest))
    }

    /// What [`Interner::save`] wrote; none when it is not that.
    pub(crate) fn restore(from: &mut Bytes<'_>) -> Option<Self> {
        let seed = from.u64()?;
        let values = Pool::restore(from, take_value)?;
        let digests = Pool::restore(from, |from| from.take(32)?.try_into().ok())?;
        Some(Self { values, digests, fresh: Vec::new(), seed })
    }

    /// Values that have a slot.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.values.len() + self.digests.len()
    }

    /// Slots, vacant ones included.
    #[cfg(test)]
    pub(crate) fn slots(&self) -> usize {
        self.values.slots() + self.digests.slots()
    }

    /// Words made since this was last asked.
    pub(crate) fn take_fresh(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.fresh)
    }

    /// Frees the slot of a word that nothing uses.
    pub(crate) fn free(&mut self, word: u32) {
        if word & DIGEST != 0 {
            let slot = word & !DIGEST;
            let hash = self.hash_of_digest(self.digests.get(slot));
            self.digests.remove(hash, slot);
        } else {
            let hash = self.hash_of(self.values.get(word));
            self.values.remove(hash, word);
        }
    }
}

fn put_value(out: &mut dyn Write, value: &Value) -> io::Result<()> {
    match value {
        Value::Symbol(text) => {
            out.write_all(&[0])?;
            put_bytes(out, text.as_bytes())
        }
        Value::Version(version) => {
            out.write_all(&[1])?;
            put_bytes(out, version.as_str().as_bytes())
        }
        Value::Decimal(decimal) => {
            out.write_all(&[2])?;
            out.write_all(&decimal.nanos().to_le_bytes())
        }
        Value::Number(number) => {
            out.write_all(&[3])?;
            out.write_all(&number.to_le_bytes())
        }
        Value::Time(ms) => {
            out.write_all(&[4])?;
            out.write_all(&ms.to_le_bytes())
        }
        Value::Duration(ms) => {
            out.write_all(&[5])?;
            out.write_all(&ms.to_le_bytes())
        }
    }
}

fn take_value(from: &mut Bytes<'_>) -> Option<Value> {
    let tag = from.take(1)?[0];
    let number = |from: &mut Bytes<'_>| Some(from.u64()? as i64);
    Some(match tag {
        0 => Value::from(std::str::from_utf8(from.bytes()?).ok()?),
        1 => Value::Version(Version::parse(std::str::from_utf8(from.bytes()?).ok()?)?),
        2 => {
            let nanos = i128::from_le_bytes(from.take(16)?.try_into().ok()?);
            Value::Decimal(Decimal::from_nanos(nanos))
        }
        3 => Value::Number(number(from)?),
        4 => Value::Time(number(from)?),
        5 => Value::Duration(number(from)?),
        _ => return None,
    })
}

/// How many rows and constants use each word of an interner.
#[derive(Clone, Default)]
pub(crate) struct Uses {
    values: Vec<u32>,
    digests: Vec<u32>,
    /// Words whose last use may have gone.
    loose: Vec<u32>,
}

impl Uses {
    fn count(&mut self, word: u32) -> Option<&mut u32> {
        if word & INLINE != 0 {
            return None;
        }
        let (counts, slot) = if word & DIGEST != 0 {
            (&mut self.digests, (word & !DIGEST) as usize)
        } else {
            (&mut self.values, word as usize)
        };
        if slot >= counts.len() {
            counts.resize(slot + 1, 0);
        }
        Some(&mut counts[slot])
    }

    /// Notes that a row with these words came.
    pub(crate) fn add(&mut self, words: &[u32]) {
        for word in words {
            if let Some(count) = self.count(*word) {
                *count += 1;
            }
        }
    }

    /// Notes that a row with these words left.
    pub(crate) fn remove(&mut self, words: &[u32]) {
        for word in words {
            let Some(count) = self.count(*word) else { continue };
            *count -= 1;
            if *count == 0 {
                self.loose.push(*word);
            }
        }
    }

    /// Frees every word of `interner` that has no use, of those that lost one or were just made.
    pub(crate) fn settle(&mut self, interner: &mut Interner) {
        let mut loose = std::mem::take(&mut self.loose);
        loose.sort_unstable();
        loose.dedup();
        let mut unused = interner.take_fresh();
        unused.retain(|word| loose.binary_search(word).is_err());
        unused.append(&mut loose);
        for word in unused {
            if self.count(word).is_some_and(|count| *count == 0) {
                interner.free(word);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_for_values_and_are_used_again() {
        let (mut interner, mut uses) = (Interner::default(), Uses::default());
        let value = |at: u64| match at % 3 {
            0 => Value::from(format!("text {at}")),
            1 => Value::from(format!("sha256:{at:064x}")),
            _ => Value::Time(at as i64),
        };
        let words: Vec<u32> = (0..5_000).map(|at| interner.intern(&value(at))).collect();
        for (at, word) in words.iter().enumerate() {
            assert_eq!(interner.value(*word), value(at as u64));
            assert_eq!(interner.find(&value(at as u64)), Some(*word));
            let order = value(at as u64).cmp(&value(7));
            assert_eq!(interner.compare(*word, words[7]), order);
        }
        uses.add(&words[..1_000]);
        let pinned = interner.clone();
        uses.settle(&mut interner);
        assert_eq!(interner.len(), 1_000);
        assert_eq!(interner.find(&value(4_000)), None);
        let again: Vec<u32> = (9_000..12_900).map(|at| interner.intern(&value(at))).collect();
        let highest = again.iter().chain(&words[..1_000]).map(|word| word & !DIGEST).max();
        assert!(highest <= words.iter().map(|word| word & !DIGEST).max(), "slots are used again");
        for (at, word) in words.iter().enumerate() {
            assert_eq!(pinned.value(*word), value(at as u64), "a pinned clone does not change");
        }
        uses.remove(&words[..1_000]);
        uses.settle(&mut interner);
        assert_eq!(interner.len(), 0);
    }

    #[test]
    fn many_values_are_put_in_order_behind_those_that_were_there() {
        let mut interner = Interner::default();
        let before: Vec<u32> =
            ["z", "y"].map(|text| interner.intern(&Value::from(text))).into_iter().collect();
        interner.free(before[1]);
        let end = interner.end();
        let value = |at: u64| match at % 3 {
            0 => Value::from(format!("text {:03}", at * 7 % 100)),
            1 => Value::from(format!("sha256:{:064x}", at * 7 % 100)),
            _ => Value::Number(at as i64),
        };
        let mut words: Vec<u32> = (0..99).map(|at| interner.intern(&value(at))).collect();
        interner.put_in_order(&end, words.iter_mut());
        for (at, word) in (0..).zip(&words) {
            assert_eq!(
                (interner.value(*word), interner.find(&value(at))),
                (value(at), Some(*word))
            );
        }
        assert_eq!(interner.value(before[0]), Value::from("z"));
        // The first text took the place of one that had left.
        for kind in [3.., 1..] {
            let mut of_kind: Vec<u32> =
                kind.step_by(3).map_while(|at| words.get(at).copied()).collect();
            of_kind.sort_by(|a, b| interner.compare(*a, *b));
            assert!(of_kind.is_sorted(), "words rise with their values");
        }
    }

    #[test]
    fn digests_that_begin_alike_are_told_apart() {
        let interner = Interner::default();
        let hashes = (0..1_000_u32).map(|at| {
            let mut digest = [0; 32];
            digest[28..].copy_from_slice(&at.to_be_bytes());
            interner.hash_of_digest(&digest)
        });
        assert!(hashes.collect::<std::collections::BTreeSet<_>>().len() > 990);
    }

    #[test]
    fn only_exact_digests_are_packed() {
        let digest = format!("sha256:{:064x}", 77);
        assert!(digest_of(&digest).is_some());
        for other in [digest.to_uppercase(), format!("{digest}0"), digest.replace('d', "g")] {
            assert!(digest_of(&other).is_none(), "{other}");
        }
    }
}
