//! A sorted set in shared leaves: the run that every index is.
//!
//! Leaves of at most 126 items behind a directory of two levels; a clone shares all of them, and a
//! write copies one leaf and the part of the directory above it, if somebody else holds them.
//! Look-up: three binary searches, or one beside the place of the last change: what changes
//! together stands together more often than not. Nothing is ever compacted: a write moves at most
//! one leaf's items. The order is the caller's: every search takes a predicate "stands before the
//! wanted place".

use std::sync::Arc;

/// Most items of a leaf: of 64 bits so many, with the counters of what is shared, fill a kibibyte.
/// Larger copies more per write, smaller makes a larger directory.
pub(crate) const LEAF_MAX: usize = 126;
/// Items that a leaf gets when many are sorted at once: some room, for what comes next.
const LEAF_FILL: usize = 114;
/// Most leaves behind one entry of the top level.
const GROUP_MAX: usize = 128;

/// A leaf. Its length and last item stand here, for searching without touching it.
#[derive(Clone)]
struct Leaf<T> {
    last: T,
    len: u32,
    /// The items, and behind them whatever was there.
    items: Arc<[T; LEAF_MAX]>,
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
    /// Where it was changed last.
    changed: Place,
}

impl<T: Copy> Default for Sorted<T> {
    fn default() -> Self {
        Self { groups: Arc::default(), len: 0, changed: Place::default() }
    }
}

/// Where an item stands or would stand.
#[derive(Clone, Copy, Default)]
pub(crate) struct Place {
    group: usize,
    leaf: usize,
    item: usize,
}

impl<T: Copy> Leaf<T> {
    fn new(from: &[T]) -> Self {
        let last = from[from.len() - 1];
        let mut items = [last; LEAF_MAX];
        items[..from.len()].copy_from_slice(from);
        Self { last, len: from.len() as u32, items: Arc::new(items) }
    }

    fn items(&self) -> &[T] {
        &self.items[..self.len as usize]
    }

    /// Puts an item at a place; there is room for it.
    fn insert(&mut self, at: usize, item: T) {
        let len = self.len as usize;
        let items = Arc::make_mut(&mut self.items);
        items.copy_within(at..len, at + 1);
        items[at] = item;
        self.last = items[len];
        self.len += 1;
    }

    /// Takes an item out; others are left.
    fn remove(&mut self, at: usize) {
        let len = self.len as usize;
        let items = Arc::make_mut(&mut self.items);
        items.copy_within(at + 1..len, at);
        self.last = items[len - 2];
        self.len -= 1;
    }

    /// Keeps the first items; the others are a new leaf's.
    fn split_off(&mut self, at: usize) -> Self {
        let upper = Self::new(&self.items()[at..]);
        (self.len, self.last) = (at as u32, self.items[at - 1]);
        upper
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
        let leaves: Vec<Leaf<T>> = items.chunks(LEAF_FILL).map(Leaf::new).collect();
        let groups = leaves.chunks(GROUP_MAX * 7 / 8).map(|chunk| Group::new(chunk.to_vec()));
        Self { groups: Arc::new(groups.collect()), len: items.len(), changed: Place::default() }
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

    /// Removes all items that are not to be kept.
    pub(crate) fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        let kept: Vec<T> = self.iter().copied().filter(|item| keep(item)).collect();
        *self = Self::from_sorted(&kept);
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
        let item = leaves[leaf].items().partition_point(&before);
        Some(Place { group, leaf, item })
    }

    /// The leaf of a place, when the set still has it.
    fn leaf(&self, place: Place) -> Option<&Leaf<T>> {
        self.groups.get(place.group)?.leaves.get(place.leaf)
    }

    fn leaf_mut(&mut self, place: Place) -> &mut Leaf<T> {
        let group = &mut Arc::make_mut(&mut self.groups)[place.group];
        &mut Arc::make_mut(&mut group.leaves)[place.leaf]
    }

    /// The same place as [`Sorted::place`], looked for beside the last change first.
    fn place_near(&self, before: impl Fn(&T) -> bool) -> Option<Place> {
        if let Some(leaf) = self.leaf(self.changed) {
            let items = leaf.items();
            let item = near(items.len(), |at| before(&items[at]), self.changed.item);
            // Between two items of a leaf it stands nowhere else.
            if 0 < item && item < items.len() {
                return Some(Place { item, ..self.changed });
            }
        }
        self.place(before)
    }

    /// Adds an item that is not in the set, behind all that are `before` it.
    pub(crate) fn insert(&mut self, item: T, before: impl Fn(&T) -> bool) {
        let place = self.place_near(before);
        self.insert_at(place, item);
    }

    /// Adds an item that is not in the set at the place where it would stand.
    pub(crate) fn insert_at(&mut self, place: Option<Place>, item: T) {
        self.len += 1;
        let Some(mut place) = place else {
            self.groups = Arc::new(vec![Group::new(vec![Leaf::new(&[item])])]);
            return;
        };
        self.changed = place;
        let groups = Arc::make_mut(&mut self.groups);
        let at_end = place.group + 1 == groups.len();
        let group = &mut groups[place.group];
        let leaves = Arc::make_mut(&mut group.leaves);
        let at_end = at_end && place.leaf + 1 == leaves.len();
        let len = leaves[place.leaf].len as usize;
        if len < LEAF_MAX {
            leaves[place.leaf].insert(place.item, item);
        } else if at_end && place.item == len {
            // At the end, rising items come one after another: keep the full leaf full.
            leaves.push(Leaf::new(&[item]));
        } else {
            let upper = leaves[place.leaf].split_off(LEAF_MAX / 2);
            leaves.insert(place.leaf + 1, upper);
            if place.item > LEAF_MAX / 2 {
                place.leaf += 1;
                place.item -= LEAF_MAX / 2;
            }
            leaves[place.leaf].insert(place.item, item);
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
        let place = self.place_near(before);
        self.remove_at(place, is)
    }

    fn remove_at(&mut self, place: Option<Place>, is: impl Fn(&T) -> bool) -> bool {
        let Some(place) = place else { return false };
        let leaf = &self.groups[place.group].leaves[place.leaf];
        if !leaf.items().get(place.item).is_some_and(is) {
            return false;
        }
        self.len -= 1;
        self.changed = place;
        let groups = Arc::make_mut(&mut self.groups);
        let group = &mut groups[place.group];
        let leaves = Arc::make_mut(&mut group.leaves);
        if leaves[place.leaf].len > 1 {
            leaves[place.leaf].remove(place.item);
        } else {
            leaves.remove(place.leaf);
        }
        match leaves.last() {
            Some(last) => group.last = last.last,
            None => drop(groups.remove(place.group)),
        }
        true
    }

    /// The items from the place behind all that are `before` it, in order.
    pub(crate) fn items_from(&self, before: impl Fn(&T) -> bool) -> Items<'_, T> {
        self.items_at(self.place(before))
    }

    pub(crate) fn items_at(&self, place: Option<Place>) -> Items<'_, T> {
        let Some(place) = place else { return Items::default() };
        let group = &self.groups[place.group];
        Items {
            items: group.leaves[place.leaf].items()[place.item..].iter(),
            leaves: group.leaves[place.leaf + 1..].iter(),
            groups: self.groups[place.group + 1..].iter(),
        }
    }

    /// All items in order.
    pub(crate) fn iter(&self) -> Items<'_, T> {
        Items { groups: self.groups.iter(), ..Items::default() }
    }
}

impl Leaf<u64> {
    /// Puts sorted numbers in, all below the last item; there is room for them.
    fn insert_many(&mut self, new: &[u64]) {
        let len = self.len as usize;
        let items = Arc::make_mut(&mut self.items);
        let mut end = len;
        for (behind, item) in new.iter().enumerate().rev() {
            let at = items[..end].partition_point(|other| other < item);
            items.copy_within(at..end, at + behind + 1);
            items[at + behind] = *item;
            end = at;
        }
        self.len += new.len() as u32;
    }

    /// Takes numbers out, all of which stand at `at` or behind it; others are left.
    fn remove_many(&mut self, at: usize, old: &[u64]) {
        let len = self.len as usize;
        let items = Arc::make_mut(&mut self.items);
        let (mut old, mut to) = (old.iter().peekable(), at);
        for from in at..len {
            if old.next_if(|item| **item == items[from]).is_none() {
                items[to] = items[from];
                to += 1;
            }
        }
        self.last = items[to - 1];
        self.len = to as u32;
    }
}

/// Numbers in their own order, which are spread evenly more often than not.
impl Sorted<u64> {
    /// The place of the first item that is not below `wanted`. Within a group and a leaf it is
    /// guessed from the values at their ends, so that few lines of the cache are touched.
    fn seek(&self, wanted: u64) -> Option<Place> {
        let group = self.groups.partition_point(|group| group.last < wanted);
        let group = group.min(self.groups.len().checked_sub(1)?);
        let low = group.checked_sub(1).map_or(0, |before| self.groups[before].last);
        let Group { last, leaves } = &self.groups[group];
        let guess = share(low, wanted, *last, leaves.len());
        let leaf = near(leaves.len(), |at| leaves[at].last < wanted, guess).min(leaves.len() - 1);
        let low = leaf.checked_sub(1).map_or(low, |before| leaves[before].last);
        let items = leaves[leaf].items();
        let guess = share(low, wanted, leaves[leaf].last, items.len());
        let item = near(items.len(), |at| items[at] < wanted, guess);
        Some(Place { group, leaf, item })
    }

    /// The same, looked for beside another place first.
    pub(crate) fn seek_near(&self, other: Place, wanted: u64) -> Option<Place> {
        if let Some(leaf) = self.leaf(other) {
            let items = leaf.items();
            if items[0] < wanted && wanted <= leaf.last {
                let item = near(items.len(), |at| items[at] < wanted, other.item);
                return Some(Place { item, ..other });
            }
        }
        self.seek(wanted)
    }

    /// The place of the first item that is not below `wanted`, looked for beside the last change
    /// first.
    pub(crate) fn seek_changed(&self, wanted: u64) -> Option<Place> {
        self.seek_near(self.changed, wanted)
    }

    pub(crate) fn insert_number(&mut self, item: u64) {
        let place = self.seek_changed(item);
        self.insert_at(place, item);
    }

    /// Adds numbers, sorted and not in the set; those that come into one leaf come together. Tells
    /// those whose like, which have the same upper half, may go on beyond that leaf: the like of
    /// others are fewer than [`LEAF_MAX`].
    pub(crate) fn insert_numbers(&mut self, new: &[u64], mut reaches: impl FnMut(u64)) {
        let mut rest = new;
        while let [first, ..] = *rest {
            let place = self.seek_changed(first);
            let (now, later) = match place {
                Some(place) => rest.split_at(self.fitting(place, rest).max(1)),
                None => rest.split_at(1),
            };
            let leaf = place.and_then(|place| self.leaf(place)).map_or(&[][..], Leaf::items);
            let ends = [leaf.first(), leaf.last()].map(|end| end.map(|item| item >> 32));
            let is_first = place.is_some_and(|place| place.item == 0);
            for item in now {
                let is_last = leaf.last().is_none_or(|last| last < item);
                if is_first || is_last || ends.contains(&Some(item >> 32)) {
                    reaches(*item);
                }
            }
            match place {
                Some(place) if now.len() > 1 => self.insert_in_leaf(place, now),
                _ => self.insert_at(place, first),
            }
            rest = later;
        }
    }

    /// How many of these numbers stand in the leaf of a place, before its last, and fit into it.
    fn fitting(&self, place: Place, new: &[u64]) -> usize {
        let leaf = &self.groups[place.group].leaves[place.leaf];
        let room = LEAF_MAX - leaf.len as usize;
        new.iter().take(room).take_while(|item| **item < leaf.last).count()
    }

    fn insert_in_leaf(&mut self, place: Place, new: &[u64]) {
        self.len += new.len();
        self.changed = place;
        self.leaf_mut(place).insert_many(new);
    }

    /// Removes numbers, sorted and in the set; those that stand in one leaf go together.
    pub(crate) fn remove_numbers(&mut self, old: &[u64]) {
        let mut rest = old;
        while let [first, ..] = *rest {
            let Some(place) = self.seek_changed(first) else { return };
            let leaf = &self.groups[place.group].leaves[place.leaf];
            let together = rest.iter().take_while(|item| **item <= leaf.last).count();
            if together < 2 || together >= leaf.len as usize {
                self.remove_at(Some(place), |other| *other == first);
                rest = &rest[1..];
                continue;
            }
            let (now, later) = rest.split_at(together);
            let leaf = self.leaf_mut(place);
            let before = leaf.len;
            leaf.remove_many(place.item, now);
            let (gone, last) = (before - leaf.len, leaf.last);
            (self.len, self.changed) = (self.len - gone as usize, place);
            let group = &mut Arc::make_mut(&mut self.groups)[place.group];
            if place.leaf + 1 == group.leaves.len() {
                group.last = last;
            }
            rest = later;
        }
    }

    /// The items that are not below `first`, in order.
    pub(crate) fn numbers_from(&self, first: u64) -> Items<'_, u64> {
        self.items_at(self.seek(first))
    }
}

/// Where `wanted` stands among so many numbers that are spread evenly behind `low` up to `last`.
fn share(low: u64, wanted: u64, last: u64, count: usize) -> usize {
    let share = wanted.saturating_sub(low) as f64 / last.saturating_sub(low).max(1) as f64;
    (share * count as f64) as usize
}

/// How many of so many things are `before`, searched for from a guess in steps that double.
fn near(count: usize, before: impl Fn(usize) -> bool, guess: usize) -> usize {
    let guess = guess.min(count);
    let (mut low, mut high, mut step) = (guess, guess, 1);
    while low > 0 && !before(low - 1) {
        (low, high) = (low.saturating_sub(step), low);
        step *= 2;
    }
    while high < count && before(high) {
        (low, high) = (high + 1, (high + step).min(count));
        step *= 2;
    }
    while low < high {
        let middle = low.midpoint(high);
        if before(middle) { low = middle + 1 } else { high = middle }
    }
    low
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

impl<'a, T: Copy> Iterator for Items<'a, T> {
    type Item = &'a T;

    fn next(&mut self) -> Option<&'a T> {
        loop {
            if let Some(item) = self.items.next() {
                return Some(item);
            }
            match self.leaves.next() {
                Some(leaf) => self.items = leaf.items().iter(),
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
        merged.retain(|item| item % 2 == 1);
        assert!(merged.iter().eq(odd.iter()) && merged.len() == odd.len());
    }

    #[test]
    fn numbers_are_found_wherever_they_gather() {
        let spread = |at: u64| at.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let crowded = |at: u64| (at / 300) << 32 | (at * 7 % 300);
        let skewed = |at: u64| 1 << (at % 60) | at;
        for number in [spread as fn(u64) -> u64, crowded, skewed] {
            let plain: BTreeSet<u64> = (1..20_000).map(number).collect();
            let mut sorted = Sorted::default();
            for at in 1..20_000 {
                if sorted.numbers_from(number(at)).next() != Some(&number(at)) {
                    sorted.insert_numbers(&[number(at)], |_| {});
                }
            }
            assert!(sorted.iter().eq(plain.iter()));
            for at in (0..30_000).step_by(7) {
                for wanted in [number(at).wrapping_sub(1), number(at), number(at).wrapping_add(1)] {
                    let found = sorted.numbers_from(wanted).take(3);
                    assert!(found.eq(plain.range(wanted..).take(3)), "{wanted}");
                }
            }
            for item in &plain {
                sorted.remove_numbers(&[*item]);
                assert_ne!(sorted.numbers_from(*item).next(), Some(item));
            }
            assert!(sorted.iter().next().is_none());
        }
    }

    #[test]
    fn numbers_come_and_go_together() {
        let mut sorted = Sorted::default();
        let mut plain = BTreeSet::new();
        let mut state: u64 = 11;
        for step in 0..3_000_u64 {
            let mut some = BTreeSet::new();
            for _ in 0..step % 90 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(step);
                some.insert(((step % 7) << 32) | ((state >> 40) % 3_000));
            }
            let kept = (sorted.clone(), plain.clone());
            let (old, new): (Vec<u64>, Vec<u64>) =
                some.iter().copied().partition(|item| plain.contains(item));
            sorted.remove_numbers(&old);
            plain.retain(|item| !old.contains(item));
            let mut reaching = BTreeSet::new();
            sorted.insert_numbers(&new, |item| reaching.extend([item >> 32]));
            plain.extend(&new);
            assert!(sorted.iter().eq(plain.iter()) && sorted.len() == plain.len());
            assert!(kept.0.iter().eq(kept.1.iter()), "a clone stays as it was");
            let silent = new.iter().filter(|item| !reaching.contains(&(**item >> 32)));
            for item in silent {
                let like = (item & !u64::from(u32::MAX))..=(item | u64::from(u32::MAX));
                assert!(plain.range(like).count() < LEAF_MAX, "{item} has many like it");
            }
        }
        let all: Vec<u64> = plain.into_iter().collect();
        sorted.remove_numbers(&all);
        assert_eq!((sorted.len(), sorted.iter().next()), (0, None));
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
