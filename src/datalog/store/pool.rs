//! Slots that are found by their contents: what the interner is made of.
//!
//! Slots stand in shared blocks; buckets of some twenty entries (hash above, slot below, then
//! places to spare) lead to them. The table of buckets grows by one bucket at a time, so no insert
//! ever moves more than one bucket's entries. Vacant slots form a list through themselves.

use std::io;
use std::io::Write;
use std::sync::Arc;

use crate::datalog::store::bytes::Bytes;
use crate::datalog::store::bytes::put_u32;
use crate::datalog::store::bytes::put_u64;
use crate::datalog::store::bytes::put_wide;
use crate::datalog::store::shared::Shared;

const BLOCK: usize = 64;
/// Entries per bucket, on average, before another bucket is added.
const BUCKET_FILL: usize = 20;
/// By how many places a full bucket grows.
const BUCKET_STEP: usize = 6;
const NONE: u32 = u32::MAX;
/// A place of a bucket without an entry: no slot has this number.
const EMPTY: u64 = u64::MAX;

/// What a pool holds.
pub(crate) trait Entry: Clone + PartialEq {
    /// What stands in a vacant slot, and names the next one.
    fn vacant(next: u32) -> Self;

    /// The slot that a vacant slot names.
    fn next(&self) -> u32;

    /// The eight bytes at eight times `at` of what contents are put in order by; 0 behind the end.
    fn part(&self, at: usize) -> u64;
}

/// How many parts of their contents tell slots apart that are put in order.
const PARTS: usize = 6;

/// Slots and the way to them. A clone shares everything.
#[derive(Clone)]
pub(crate) struct Pool<T> {
    blocks: Shared<Arc<[T]>>,
    buckets: Shared<Arc<[u64]>>,
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
    /// Writes all slots and buckets; `put` writes the contents of a slot.
    pub(crate) fn save(
        &self,
        out: &mut dyn Write,
        put: impl Fn(&mut dyn Write, &T) -> io::Result<()>,
    ) -> io::Result<()> {
        put_u64(out, self.len as u64)?;
        put_u32(out, self.slots)?;
        put_u32(out, self.first_vacant)?;
        (0..self.slots).try_for_each(|slot| put(out, self.get(slot)))?;
        put_u64(out, self.buckets.len() as u64)?;
        self.buckets.iter().try_for_each(|bucket| {
            put_u32(out, bucket.len() as u32)?;
            put_wide(out, bucket)
        })
    }

    /// What [`Pool::save`] wrote; none when it is not that.
    pub(crate) fn restore(
        from: &mut Bytes<'_>,
        mut take: impl FnMut(&mut Bytes<'_>) -> Option<T>,
    ) -> Option<Self> {
        let (len, slots, first_vacant) = (from.len()?, from.u32()?, from.u32()?);
        let mut blocks = Vec::new();
        for start in (0..slots).step_by(BLOCK) {
            let mut block = Vec::with_capacity(BLOCK);
            for _ in start..slots.min(start + BLOCK as u32) {
                block.push(take(from)?);
            }
            block.resize(BLOCK, T::vacant(NONE));
            blocks.push(Arc::from(block));
        }
        let mut buckets: Vec<Arc<[u64]>> = Vec::new();
        for _ in 0..from.u64()? {
            let places = from.u32()? as usize;
            let bucket: Arc<[u64]> = from.wide(places)?.collect();
            let is_slot = |entry: &u64| *entry == EMPTY || (*entry as u32) < slots;
            bucket.iter().all(is_slot).then(|| buckets.push(bucket))?;
        }
        let (blocks, buckets) = (Shared::from_items(blocks), Shared::from_items(buckets));
        Some(Self { blocks, buckets, len, slots, first_vacant })
    }

    /// Slots in use.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Slots, vacant ones included.
    #[cfg(test)]
    pub(crate) fn slots(&self) -> usize {
        self.slots as usize
    }

    pub(crate) fn has(&self, slot: u32) -> bool {
        slot < self.slots
    }

    pub(crate) fn get(&self, slot: u32) -> &T {
        &self.blocks[slot as usize / BLOCK][slot as usize % BLOCK]
    }

    fn bucket(&self, hash: u32) -> usize {
        let wide = self.buckets.len().next_power_of_two();
        let at = hash as usize & (wide - 1);
        if at < self.buckets.len() { at } else { at & (wide / 2 - 1) }
    }

    /// Slots whose contents have this hash.
    pub(crate) fn with_hash(&self, hash: u32) -> impl Iterator<Item = u32> {
        let bucket = if self.len == 0 { &[][..] } else { &self.buckets[self.bucket(hash)] };
        let same = move |entry: &&u64| (**entry >> 32) as u32 == hash && **entry != EMPTY;
        bucket.iter().filter(same).map(|entry| *entry as u32)
    }

    /// The slot whose contents have this hash and fit.
    pub(crate) fn find(&self, hash: u32, fits: impl Fn(&T) -> bool) -> Option<u32> {
        self.with_hash(hash).find(|slot| fits(self.get(*slot)))
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
        let bucket = self.buckets.get_mut(bucket);
        if bucket.last().is_none_or(|last| *last != EMPTY) {
            let spare = std::iter::repeat_n(EMPTY, BUCKET_STEP);
            *bucket = bucket.iter().copied().chain(spare).collect();
        }
        let places = Arc::make_mut(bucket);
        let free = places.partition_point(|entry| *entry != EMPTY);
        places[free] = entry;
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
        self.buckets.push(Arc::new([]));
        if old == 0 {
            return;
        }
        let from = old - (old + 1).next_power_of_two() / 2;
        let entries = self.buckets[from].iter().copied().filter(|entry| *entry != EMPTY);
        let (go, stay): (Vec<u64>, Vec<u64>) =
            entries.partition(|entry| self.bucket((*entry >> 32) as u32) == old);
        let with_room = |entries: Vec<u64>| -> Arc<[u64]> {
            entries.into_iter().chain(std::iter::repeat_n(EMPTY, BUCKET_STEP)).collect()
        };
        *self.buckets.get_mut(from) = with_room(stay);
        *self.buckets.get_mut(old) = with_room(go);
    }

    /// Puts the slots from `first` on, which are all in use, in the order of their contents, as far
    /// as [`PARTS`] tell it. Says where the contents of each of them went.
    pub(crate) fn put_in_order(&mut self, first: u32) -> Vec<u32> {
        let mut order: Vec<(u64, u32)> = (first..self.slots).map(|slot| (0, slot)).collect();
        self.sort_by_parts(&mut order, 0);
        let order: Vec<u32> = order.into_iter().map(|(_, slot)| slot).collect();
        let items: Vec<T> = order.iter().map(|slot| self.get(*slot).clone()).collect();
        let mut now = vec![0; order.len()];
        for (slot, (was, item)) in (first..).zip(order.iter().zip(items)) {
            now[(*was - first) as usize] = slot;
            let block = self.blocks.get_mut(slot as usize / BLOCK);
            Arc::make_mut(block)[slot as usize % BLOCK] = item;
        }
        for at in 0..self.buckets.len() {
            for entry in Arc::make_mut(self.buckets.get_mut(at)) {
                let slot = *entry as u32;
                if *entry != EMPTY && slot >= first {
                    *entry = *entry >> 32 << 32 | u64::from(now[(slot - first) as usize]);
                }
            }
        }
        now
    }

    /// Sorts slots that agree up to a part: each of their contents is read once a part, not once a
    /// comparison.
    fn sort_by_parts(&self, slots: &mut [(u64, u32)], at: usize) {
        slots.iter_mut().for_each(|(part, slot)| *part = self.get(*slot).part(at));
        slots.sort_unstable();
        if at + 1 < PARTS {
            for alike in slots.chunk_by_mut(|a, b| a.0 == b.0).filter(|alike| alike.len() > 1) {
                self.sort_by_parts(alike, at + 1);
            }
        }
    }

    /// The first slot behind all: those from it on that are added later are all in use.
    pub(crate) fn end(&self) -> u32 {
        self.slots
    }

    /// Empties a slot in use whose contents have this hash.
    pub(crate) fn remove(&mut self, hash: u32, slot: u32) {
        let bucket = self.bucket(hash);
        let entries = Arc::make_mut(self.buckets.get_mut(bucket));
        let entry = u64::from(hash) << 32 | u64::from(slot);
        let Some(at) = entries.iter().position(|other| *other == entry) else { return };
        let last = entries.partition_point(|entry| *entry != EMPTY) - 1;
        entries[at] = entries[last];
        entries[last] = EMPTY;
        self.len -= 1;
        let vacant = T::vacant(self.first_vacant);
        Arc::make_mut(self.blocks.get_mut(slot as usize / BLOCK))[slot as usize % BLOCK] = vacant;
        self.first_vacant = slot;
    }
}
