//! A sorted set in shared leaves: the run that every index is.
//!
//! Leaves of at most 128 items behind a directory of two levels; a clone shares all of them, and a
//! write copies one leaf and the part of the directory above it, if somebody else holds them.
//! Look-up: three binary searches. Nothing is ever compacted: a write moves at most one leaf's
//! items. The order is the caller's: every search takes a predicate "stands before the wanted
//! place".

use std::sync::Arc;

/// Most items of a leaf. Larger copies more per write, smaller makes a larger directory.
const LEAF_MAX: usize = 128;
/// Items that a leaf gets when many are sorted at once: some room, for what comes next.
const LEAF_FILL: usize = LEAF_MAX * 7 / 8;
/// Most leaves behind one entry of the top level.
const GROUP_MAX: usize = 128;

/// A leaf, and its last item for searching without touching it.
#[derive(Clone)]
struct Leaf<T> {
    last: T,
    items: Arc<Vec<T>>,
}

#[derive(Clone)]
struct Group<T> {
    last: T,
    leaves: Arc<Vec<Leaf<T>>>,
}

/// A sorted set of small items.
#[derive(Clone)]
pub(crate) struct Sorted<T> {
    groups: Arc<Vec<Group<T>>>,
    len: usize,
}

impl<T: Copy> Default for Sorted<T> {
    fn default() -> Self {
        Self { groups: Arc::default(), len: 0 }
    }
}

/// Where an item stands or would stand.
#[derive(Clone, Copy)]
struct Place {
    group: usize,
    leaf: usize,
    item: usize,
}

impl<T: Copy> Leaf<T> {
    fn new(items: Vec<T>) -> Self {
        Self { last: items[items.len() - 1], items: Arc::new(items) }
    }

    /// The items, owned by this leaf alone and with room for one more.
    fn items_mut(&mut self) -> &mut Vec<T> {
        if Arc::get_mut(&mut self.items).is_none() {
            let mut own = Vec::with_capacity((self.items.len() + 8).min(LEAF_MAX + 1));
            own.extend_from_slice(&self.items);
            self.items = Arc::new(own);
        }
        let items = Arc::make_mut(&mut self.items);
        if items.len() == items.capacity() {
            items.reserve_exact(
                (items.len() / 4 + 4).min((LEAF_MAX + 1).saturating_sub(items.len())),
            );
        }
        items
    }
}

impl<T: Copy> Group<T> {
    fn new(leaves: Vec<Leaf<T>>) -> Self {
        Self { last: leaves[leaves.len() - 1].last, leaves: Arc::new(leaves) }
    }
}

impl<T: Copy> Sorted<T> {
    /// The set of `items`, which are sorted and different.
    pub(crate) fn from_sorted(items: &[T]) -> Self {
        let leaves: Vec<Leaf<T>> =
            items.chunks(LEAF_FILL).map(|chunk| Leaf::new(chunk.to_vec())).collect();
        let groups = leaves.chunks(GROUP_MAX * 7 / 8).map(|chunk| Group::new(chunk.to_vec()));
        Self { groups: Arc::new(groups.collect()), len: items.len() }
    }

    /// Adds many items, sorted and not in the set.
    pub(crate) fn merge(&mut self, items: &[T], before: impl Fn(&T, &T) -> bool) {
        let mut all = Vec::with_capacity(self.len + items.len());
        let mut new = items.iter().peekable();
        for item in self.iter() {
            while let Some(next) = new.next_if(|next| before(next, item)) {
                all.push(*next);
            }
            all.push(*item);
        }
        all.extend(new);
        *self = Self::from_sorted(&all);
    }

    /// How many items there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The place behind all that are `before` it; in the last leaf, when it is behind them all.
    fn place(&self, before: impl Fn(&T) -> bool) -> Option<Place> {
        let group = self.groups.partition_point(|group| before(&group.last));
        let group = group.min(self.groups.len().checked_sub(1)?);
        let leaves = &self.groups[group].leaves;
        let leaf = leaves.partition_point(|leaf| before(&leaf.last)).min(leaves.len() - 1);
        let item = leaves[leaf].items.partition_point(&before);
        Some(Place { group, leaf, item })
    }

    /// Adds an item that is not in the set, behind all that are `before` it.
    pub(crate) fn insert(&mut self, item: T, before: impl Fn(&T) -> bool) {
        self.len += 1;
        let Some(place) = self.place(before) else {
            self.groups = Arc::new(vec![Group::new(vec![Leaf::new(vec![item])])]);
            return;
        };
        let groups = Arc::make_mut(&mut self.groups);
        let at_end = place.group + 1 == groups.len();
        let group = &mut groups[place.group];
        let leaves = Arc::make_mut(&mut group.leaves);
        let at_end = at_end && place.leaf + 1 == leaves.len();
        let leaf = &mut leaves[place.leaf];
        let items = leaf.items_mut();
        let at_end = at_end && place.item == items.len();
        items.insert(place.item, item);
        if items.len() > LEAF_MAX {
            // At the end, rising items come one after another: keep the full leaf full.
            let upper = items.split_off(if at_end { LEAF_MAX } else { LEAF_MAX / 2 });
            items.shrink_to_fit();
            leaf.last = items[items.len() - 1];
            leaves.insert(place.leaf + 1, Leaf::new(upper));
        } else {
            leaf.last = items[items.len() - 1];
        }
        group.last = leaves[leaves.len() - 1].last;
        if leaves.len() > GROUP_MAX {
            let upper = leaves.split_off(if at_end { GROUP_MAX } else { GROUP_MAX / 2 });
            group.last = leaves[leaves.len() - 1].last;
            groups.insert(place.group + 1, Group::new(upper));
        }
    }

    /// Removes the item at the place behind all that are `before` it, when `is` says so.
    pub(crate) fn remove(&mut self, before: impl Fn(&T) -> bool, is: impl Fn(&T) -> bool) -> bool {
        let Some(place) = self.place(before) else { return false };
        let leaf = &self.groups[place.group].leaves[place.leaf];
        if !leaf.items.get(place.item).is_some_and(&is) {
            return false;
        }
        self.len -= 1;
        let groups = Arc::make_mut(&mut self.groups);
        let group = &mut groups[place.group];
        let leaves = Arc::make_mut(&mut group.leaves);
        let leaf = &mut leaves[place.leaf];
        let items = leaf.items_mut();
        items.remove(place.item);
        match items.last() {
            Some(last) => leaf.last = *last,
            None => drop(leaves.remove(place.leaf)),
        }
        match leaves.last() {
            Some(last) => group.last = last.last,
            None => drop(groups.remove(place.group)),
        }
        true
    }

    /// True when the places behind what is `before` the one and the other are in different leaves.
    pub(crate) fn are_apart(&self, one: impl Fn(&T) -> bool, other: impl Fn(&T) -> bool) -> bool {
        let leaf = |place: Option<Place>| place.map(|place| (place.group, place.leaf));
        leaf(self.place(one)) != leaf(self.place(other))
    }

    /// The items from the place behind all that are `before` it, in order.
    pub(crate) fn items_from(&self, before: impl Fn(&T) -> bool) -> Items<'_, T> {
        let Some(place) = self.place(before) else { return Items::default() };
        let group = &self.groups[place.group];
        Items {
            items: group.leaves[place.leaf].items[place.item..].iter(),
            leaves: group.leaves[place.leaf + 1..].iter(),
            groups: self.groups[place.group + 1..].iter(),
        }
    }

    /// All items in order.
    pub(crate) fn iter(&self) -> Items<'_, T> {
        Items { groups: self.groups.iter(), ..Items::default() }
    }
}

/// Items in order, leaf by leaf.
pub(crate) struct Items<'a, T> {
    items: std::slice::Iter<'a, T>,
    leaves: std::slice::Iter<'a, Leaf<T>>,
    groups: std::slice::Iter<'a, Group<T>>,
}

impl<T> Default for Items<'_, T> {
    fn default() -> Self {
        Self { items: [].iter(), leaves: [].iter(), groups: [].iter() }
    }
}

impl<'a, T> Iterator for Items<'a, T> {
    type Item = &'a T;

    fn next(&mut self) -> Option<&'a T> {
        loop {
            if let Some(item) = self.items.next() {
                return Some(item);
            }
            match self.leaves.next() {
                Some(leaf) => self.items = leaf.items.iter(),
                None => self.leaves = self.groups.next()?.leaves.iter(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn behaves_like_a_set_and_clones_stay() {
        let mut sorted = Sorted::default();
        let mut plain = BTreeSet::new();
        let mut state: u64 = 7;
        for step in 0..20_000_u64 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(step);
            let item = (state >> 40) % 5_000;
            if plain.insert(item) {
                sorted.insert(item, |other| *other < item);
            } else if step % 2 == 0 {
                plain.remove(&item);
                assert!(sorted.remove(|other| *other < item, |other| *other == item));
            }
            if step % 1_000 == 0 {
                let (kept, want) = (sorted.clone(), plain.clone());
                sorted.insert(9_999_999, |other| *other < 9_999_999);
                assert!(kept.iter().eq(want.iter()));
                assert!(sorted.remove(|other| *other < 9_999_999, |other| *other == 9_999_999));
            }
        }
        assert_eq!(sorted.len(), plain.len());
        assert!(sorted.iter().eq(plain.iter()));
        assert!(sorted.items_from(|other| *other < 2_500).eq(plain.range(2_500..)));
        assert!(!sorted.remove(|other| *other < 77_777, |other| *other == 77_777));
        let rebuilt = Sorted::from_sorted(&plain.iter().copied().collect::<Vec<_>>());
        assert!(rebuilt.iter().eq(plain.iter()));
        let (odd, even): (Vec<u64>, Vec<u64>) =
            plain.iter().copied().partition(|item| item % 2 == 1);
        let mut merged = Sorted::from_sorted(&odd);
        merged.merge(&even, |a, b| a < b);
        assert!(merged.iter().eq(plain.iter()));
    }

    #[test]
    fn a_run_of_three_levels_grows_and_shrinks() {
        let mut sorted = Sorted::default();
        for item in 0..60_000_u64 {
            let item = item * 7_919 % 60_000;
            sorted.insert(item, |other| *other < item);
        }
        assert!(sorted.iter().copied().eq(0..60_000));
        for item in (0..60_000_u64).filter(|item| item % 16 != 0) {
            assert!(sorted.remove(|other| *other < item, |other| *other == item));
        }
        assert!(sorted.iter().copied().eq((0..60_000).step_by(16)));
        assert!(sorted.items_from(|other| *other < 59_999).next().is_none());
    }
}
