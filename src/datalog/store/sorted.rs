//! A sorted set in shared pieces: the run that every index is.
//!
//! Pieces of at most 512 items behind one directory; a clone shares all of them, and a write copies
//! the directory and the one piece it touches, if somebody else holds them. Look-up: two binary
//! searches. The order is the caller's: every search takes a predicate "stands before the wanted
//! place".

use std::sync::Arc;

/// Most items of a piece. Larger copies more per write, smaller makes a larger directory.
const PIECE_MAX: usize = 512;

/// A piece, and its last item for searching without touching it.
#[derive(Clone)]
struct Piece<T> {
    last: T,
    items: Arc<Vec<T>>,
}

/// A sorted set of small items.
#[derive(Clone)]
pub(crate) struct Sorted<T> {
    pieces: Arc<Vec<Piece<T>>>,
    len: usize,
}

impl<T: Copy> Default for Sorted<T> {
    fn default() -> Self {
        Self { pieces: Arc::default(), len: 0 }
    }
}

impl<T: Copy> Sorted<T> {
    /// The set of `items`, which are sorted and different.
    pub(crate) fn from_sorted(items: &[T]) -> Self {
        let pieces = items
            .chunks(PIECE_MAX * 3 / 4)
            .map(|chunk| Piece { last: chunk[chunk.len() - 1], items: Arc::new(chunk.to_vec()) });
        Self { pieces: Arc::new(pieces.collect()), len: items.len() }
    }

    /// How many items there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Adds an item that is not in the set, behind all that are `before` it.
    pub(crate) fn insert(&mut self, item: T, before: impl Fn(&T) -> bool) {
        let pieces = Arc::make_mut(&mut self.pieces);
        self.len += 1;
        if pieces.is_empty() {
            pieces.push(Piece { last: item, items: Arc::new(vec![item]) });
            return;
        }
        let found = pieces.partition_point(|piece| before(&piece.last));
        let at = found.min(pieces.len() - 1);
        let piece = &mut pieces[at];
        let items = Arc::make_mut(&mut piece.items);
        let place = items.partition_point(&before);
        items.insert(place, item);
        if items.len() > PIECE_MAX {
            // At the end, rising items come one after another: keep the full piece full.
            let cut = if found > at { PIECE_MAX } else { PIECE_MAX / 2 };
            let upper = items.split_off(cut);
            piece.last = items[cut - 1];
            let next = Piece { last: upper[upper.len() - 1], items: Arc::new(upper) };
            pieces.insert(at + 1, next);
        } else {
            piece.last = items[items.len() - 1];
        }
    }

    /// Removes the item at the place behind all that are `before` it, when `is` says so.
    pub(crate) fn remove(&mut self, before: impl Fn(&T) -> bool, is: impl Fn(&T) -> bool) -> bool {
        let at = self.pieces.partition_point(|piece| before(&piece.last));
        let Some(piece) = self.pieces.get(at) else { return false };
        let place = piece.items.partition_point(&before);
        if !piece.items.get(place).is_some_and(&is) {
            return false;
        }
        let pieces = Arc::make_mut(&mut self.pieces);
        let piece = &mut pieces[at];
        let items = Arc::make_mut(&mut piece.items);
        items.remove(place);
        self.len -= 1;
        if items.is_empty() {
            pieces.remove(at);
        } else {
            piece.last = items[items.len() - 1];
        }
        true
    }

    /// The items from the place behind all that are `before` it, in order.
    pub(crate) fn items_from(&self, before: impl Fn(&T) -> bool) -> impl Iterator<Item = &T> {
        let at = self.pieces.partition_point(|piece| before(&piece.last));
        let place = self.pieces.get(at).map_or(0, |piece| piece.items.partition_point(&before));
        let (first, rest) = match self.pieces.get(at..) {
            Some([first, rest @ ..]) => (&first.items[place..], rest),
            _ => (&[][..], &[][..]),
        };
        first.iter().chain(rest.iter().flat_map(|piece| piece.items.iter()))
    }

    /// All items in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.pieces.iter().flat_map(|piece| piece.items.iter())
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
    }
}
