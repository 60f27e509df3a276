//! Slots that are found by their contents: what the interner is made of.
//!
//! Slots stand in shared blocks; buckets of some ten entries (hash above, slot below) lead to them.
//! The table of buckets grows by one bucket at a time, so no insert ever moves more than one
//! bucket's entries. Vacant slots form a list through themselves.

use std::sync::Arc;

use crate::datalog::store::shared::Shared;

const BLOCK: usize = 64;
/// Entries per bucket, on average, before another bucket is added.
const BUCKET_FILL: usize = 12;
const NONE: u32 = u32::MAX;

/// What a pool holds.
pub(crate) trait Entry: Clone + PartialEq {
    /// What stands in a vacant slot, and names the next one.
    fn vacant(next: u32) -> Self;

    /// The slot that a vacant slot names.
    fn next(&self) -> u32;
}

/// Slots and the way to them. A clone shares everything.
#[derive(Clone)]
pub(crate) struct Pool<T> {
    blocks: Shared<Arc<[T]>>,
    buckets: Shared<Arc<Vec<u64>>>,
    len: usize,
    slots: u32,
    first_vacant: u32,
}

impl<T> Default for Pool<T> {
    fn default() -> Self {
        let (blocks, buckets) = (Shared::default(), Shared::default());
        Self { blocks, buckets, len: 0, slots: 0, first_vacant: NONE }
    }
}

impl<T: Entry> Pool<T> {
    /// Slots in use.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn get(&self, slot: u32) -> &T {
        &self.blocks[slot as usize / BLOCK][slot as usize % BLOCK]
    }

    fn bucket(&self, hash: u32) -> usize {
        let wide = self.buckets.len().next_power_of_two();
        let at = hash as usize & (wide - 1);
        if at < self.buckets.len() { at } else { at & (wide / 2 - 1) }
    }

    /// The slot whose contents have this hash and fit.
    pub(crate) fn find(&self, hash: u32, fits: impl Fn(&T) -> bool) -> Option<u32> {
        if self.len == 0 {
            return None;
        }
        let bucket = &self.buckets[self.bucket(hash)];
        let mut same = bucket.iter().filter(|entry| (**entry >> 32) as u32 == hash);
        same.find(|entry| fits(self.get(**entry as u32))).map(|entry| *entry as u32)
    }

    /// Puts contents that no slot has into one.
    pub(crate) fn add(&mut self, hash: u32, item: T) -> u32 {
        let slot = self.vacant_slot();
        Arc::make_mut(self.blocks.get_mut(slot as usize / BLOCK))[slot as usize % BLOCK] = item;
        self.len += 1;
        if self.len > self.buckets.len() * BUCKET_FILL {
            self.split();
        }
        let bucket = self.bucket(hash);
        let entry = u64::from(hash) << 32 | u64::from(slot);
        Arc::make_mut(self.buckets.get_mut(bucket)).push(entry);
        slot
    }

    fn vacant_slot(&mut self) -> u32 {
        if self.first_vacant != NONE {
            let slot = self.first_vacant;
            self.first_vacant = self.get(slot).next();
            return slot;
        }
        if (self.slots as usize).is_multiple_of(BLOCK) {
            self.blocks.push(std::iter::repeat_n(T::vacant(NONE), BLOCK).collect());
        }
        self.slots += 1;
        self.slots - 1
    }

    /// Adds a bucket and moves to it what belongs there from the one bucket that had it.
    fn split(&mut self) {
        let old = self.buckets.len();
        self.buckets.push(Arc::default());
        if old == 0 {
            return;
        }
        let from = old - (old + 1).next_power_of_two() / 2;
        let all = std::mem::take(Arc::make_mut(self.buckets.get_mut(from)));
        let (go, stay) = all.into_iter().partition(|e| self.bucket((*e >> 32) as u32) == old);
        *self.buckets.get_mut(from) = Arc::new(stay);
        *self.buckets.get_mut(old) = Arc::new(go);
    }

    /// Empties a slot in use whose contents have this hash.
    pub(crate) fn remove(&mut self, hash: u32, slot: u32) {
        let bucket = self.bucket(hash);
        let entries = Arc::make_mut(self.buckets.get_mut(bucket));
        let entry = u64::from(hash) << 32 | u64::from(slot);
        let Some(at) = entries.iter().position(|other| *other == entry) else { return };
        entries.swap_remove(at);
        self.len -= 1;
        let vacant = T::vacant(self.first_vacant);
        Arc::make_mut(self.blocks.get_mut(slot as usize / BLOCK))[slot as usize % BLOCK] = vacant;
        self.first_vacant = slot;
    }
}
