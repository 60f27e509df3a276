//! A growing array in two levels, shared and copied on write.
//!
//! A clone shares everything; the first write after it copies the top level and one group of 64,
//! never the whole directory, so that pinning a generation costs a writer the same among few rows
//! and among a million. Two steps per look-up.

use std::ops::Index;
use std::sync::Arc;

const GROUP: usize = 64;

/// An array of things that are cheap to clone.
#[derive(Clone)]
pub(crate) struct Shared<T> {
    groups: Arc<[Arc<[T]>]>,
    len: usize,
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self { groups: Arc::new([]), len: 0 }
    }
}

impl<T> Index<usize> for Shared<T> {
    type Output = T;

    fn index(&self, at: usize) -> &T {
        &self.groups[at / GROUP][at % GROUP]
    }
}

impl<T: Clone> Shared<T> {
    pub(crate) fn from_items(items: Vec<T>) -> Self {
        let groups = items.chunks(GROUP).map(Arc::from);
        Self { groups: groups.collect(), len: items.len() }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.groups.iter().flat_map(|group| group.iter())
    }

    pub(crate) fn get_mut(&mut self, at: usize) -> &mut T {
        &mut Arc::make_mut(&mut Arc::make_mut(&mut self.groups)[at / GROUP])[at % GROUP]
    }

    pub(crate) fn push(&mut self, item: T) {
        if self.len.is_multiple_of(GROUP) {
            let last = std::iter::once(Arc::from([item]));
            self.groups = self.groups.iter().cloned().chain(last).collect();
        } else {
            let group = &mut Arc::make_mut(&mut self.groups)[self.len / GROUP];
            *group = group.iter().cloned().chain(std::iter::once(item)).collect();
        }
        self.len += 1;
    }
}
