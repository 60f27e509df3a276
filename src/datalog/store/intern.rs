//! The interner: one word per value, equal words for equal values and for nothing else.
//!
//! Numbers from 0 to 2³¹-1 are their own word with the top bit set; every other value has a slot.
//! Dead slots are found by [`Interner::keep`] and used again; a reader that is pinned to an older
//! generation has its own clone, in which the slot still means what it meant.

use std::cmp::Ordering;
use std::hash::Hash;
use std::hash::Hasher;
use std::sync::Arc;

use crate::datalog::store::sorted::Sorted;
use crate::datalog::value::Value;

const INLINE: u32 = 1 << 31;
const BLOCK: usize = 256;

/// Words and their values. A clone shares everything.
#[derive(Clone, Default)]
pub(crate) struct Interner {
    blocks: Arc<Vec<Arc<Vec<Option<Value>>>>>,
    /// Hash of the value above, slot below.
    by_hash: Sorted<u64>,
    slots: u32,
    free: Arc<Vec<u32>>,
}

/// A quick hash in the upper half of a word. Texts come from many hands, but a collision costs one
/// more comparison, and a piece of the run holds them together: no table degrades.
struct Mix(u64);

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

fn hash_of(value: &Value) -> u64 {
    let mut hasher = Mix(0x517c_c1b7_2722_0a95);
    value.hash(&mut hasher);
    hasher.finish() & 0xffff_ffff_0000_0000
}

impl Interner {
    /// The word of `value`, if it has one.
    pub(crate) fn find(&self, value: &Value) -> Option<u32> {
        if let Some(word) = inline(value) {
            return Some(word);
        }
        self.find_hashed(value, hash_of(value))
    }

    fn find_hashed(&self, value: &Value, hash: u64) -> Option<u32> {
        let same = self.by_hash.items_from(|entry| *entry < hash);
        let mut same = same.take_while(|entry| **entry & 0xffff_ffff_0000_0000 == hash);
        same.find(|entry| self.slot(**entry as u32) == Some(value)).map(|entry| *entry as u32)
    }

    /// The word of `value`, made when it has none.
    pub(crate) fn intern(&mut self, value: &Value) -> u32 {
        if let Some(word) = inline(value) {
            return word;
        }
        let hash = hash_of(value);
        if let Some(word) = self.find_hashed(value, hash) {
            return word;
        }
        let free = if self.free.is_empty() { None } else { Arc::make_mut(&mut self.free).pop() };
        let slot = free.unwrap_or_else(|| {
            self.slots += 1;
            assert!(self.slots < INLINE, "fewer than 2^31 different values fit in memory");
            self.slots - 1
        });
        let blocks = Arc::make_mut(&mut self.blocks);
        if slot as usize / BLOCK == blocks.len() {
            blocks.push(Arc::new(Vec::with_capacity(BLOCK)));
        }
        let block = Arc::make_mut(&mut blocks[slot as usize / BLOCK]);
        if slot as usize % BLOCK == block.len() {
            block.push(Some(value.clone()));
        } else {
            block[slot as usize % BLOCK] = Some(value.clone());
        }
        let entry = hash | u64::from(slot);
        self.by_hash.insert(entry, |other| *other < entry);
        slot
    }

    fn slot(&self, slot: u32) -> Option<&Value> {
        self.blocks.get(slot as usize / BLOCK)?.get(slot as usize % BLOCK)?.as_ref()
    }

    /// The value of `word`.
    pub(crate) fn value(&self, word: u32) -> Value {
        if word & INLINE != 0 {
            return Value::Number(i64::from(word & !INLINE));
        }
        self.slot(word).cloned().expect("a row holds only words whose slots are kept")
    }

    /// The order of the values of two words.
    pub(crate) fn compare(&self, a: u32, b: u32) -> Ordering {
        if a == b {
            return Ordering::Equal;
        }
        if a & b & INLINE != 0 {
            return a.cmp(&b);
        }
        match (self.slot(a), self.slot(b)) {
            (Some(a), Some(b)) => a.cmp(b),
            _ => self.value(a).cmp(&self.value(b)),
        }
    }

    /// Slots in use.
    pub(crate) fn len(&self) -> usize {
        self.by_hash.len()
    }

    /// Frees every slot that `live` (one flag per slot) does not name.
    pub(crate) fn keep(&mut self, live: &[bool]) {
        for slot in 0..self.slots {
            if live.get(slot as usize) == Some(&true) || self.slot(slot).is_none() {
                continue;
            }
            let block = Arc::make_mut(&mut Arc::make_mut(&mut self.blocks)[slot as usize / BLOCK]);
            if let Some(value) = block[slot as usize % BLOCK].take() {
                let entry = hash_of(&value) | u64::from(slot);
                self.by_hash.remove(|other| *other < entry, |other| *other == entry);
                Arc::make_mut(&mut self.free).push(slot);
            }
        }
    }

    /// How many slots exist, free ones included.
    pub(crate) fn slots(&self) -> usize {
        self.slots as usize
    }

    /// The slot of a word, when it has one.
    pub(crate) fn slot_of(word: u32) -> Option<usize> {
        (word & INLINE == 0).then_some(word as usize)
    }
}

fn inline(value: &Value) -> Option<u32> {
    match value {
        Value::Number(number) => {
            u32::try_from(*number).ok().filter(|n| n & INLINE == 0).map(|n| n | INLINE)
        }
        _ => None,
    }
}
