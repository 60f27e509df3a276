//! Changing a tree. New entries go to the end of a map, as the official program puts them; the
//! emitter sorts in any case, but lists of objects and origins see the order.

use super::node::Entry;
use super::node::Node;
use super::node::Style;
use super::node::Tag;

/// Maps of fewer entries grow by one: most get one or two more, and there are many of them.
const SMALL_MAP: usize = 8;

impl Node {
    /// The first entry of a map whose key has this text, to change. Nothing is copied when absent.
    pub fn entry_mut(&mut self, key: &str) -> Option<&mut Entry> {
        let index = self.index_of(key)?;
        self.entries_mut()?.get_mut(index)
    }

    /// The value of a map's first entry whose key has this text, to change.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        self.entry_mut(key).map(|entry| &mut entry.value)
    }

    /// The node below this one along these keys, to change.
    pub fn get_path_mut(&mut self, keys: &[&str]) -> Option<&mut Node> {
        self.get_path(keys)?; // so that a missing path copies nothing
        keys.iter().try_fold(self, |node, key| node.get_mut(key))
    }

    /// The value of `key` in a map, put there (at the end) as `absent` when missing; `None` when
    /// this is not a map.
    pub fn get_or_insert(&mut self, key: &str, absent: impl FnOnce() -> Node) -> Option<&mut Node> {
        let index = match self.index_of(key) {
            Some(index) => index,
            None => self.push_entry(Entry::new(key, absent()))?,
        };
        self.entries_mut()?.get_mut(index).map(|entry| &mut entry.value)
    }

    /// Sets `key` of a map: replaces the value of its first entry, which is returned, or adds an
    /// entry at the end. Does nothing when this is not a map.
    pub fn set(&mut self, key: &str, value: Node) -> Option<Node> {
        match self.index_of(key) {
            Some(index) => {
                let entry = self.entries_mut()?.get_mut(index)?;
                Some(std::mem::replace(&mut entry.value, value))
            }
            None => {
                self.push_entry(Entry::new(key, value));
                None
            }
        }
    }

    /// Like [`Node::set`], but replaces the key's node too (kyaml: `MapEntrySetter`).
    pub fn set_entry(&mut self, entry: Entry) {
        let index = entry.key.text().and_then(|key| self.index_of(key));
        match index.and_then(|index| self.entries_mut()?.get_mut(index)) {
            Some(old) => *old = entry,
            None => {
                self.push_entry(entry);
            }
        }
    }

    /// Adds an entry to the end of a map, and gives its position. Does nothing when this is not a
    /// map.
    pub(crate) fn push_entry(&mut self, entry: Entry) -> Option<usize> {
        let entries = self.entries_mut()?;
        if entries.len() < SMALL_MAP {
            entries.reserve_exact(1);
        }
        entries.push(entry);
        Some(entries.len() - 1)
    }

    /// Removes the first entry of a map whose key has this text.
    pub fn remove(&mut self, key: &str) -> Option<Entry> {
        let index = self.index_of(key)?;
        Some(self.entries_mut()?.remove(index))
    }

    /// Adds an item to the end of a list. Does nothing when this is not a list.
    pub fn push(&mut self, item: Node) {
        if let Some(items) = self.items_mut() {
            items.push(item);
        }
    }

    /// Makes this node a string of its own: tag `!!str`, plain style; the place stays.
    pub fn set_string(&mut self, text: &str) {
        self.set_text(text);
        self.set_tag(Tag::Str);
        self.set_style(Style::Plain);
    }

    /// Position of the first entry whose key has this text.
    pub fn index_of(&self, key: &str) -> Option<usize> {
        self.entries()?.iter().position(|entry| entry.key.text() == Some(key))
    }

    /// Calls `visit` on each scalar value of the tree (not on keys), depth first.
    pub fn for_each_scalar_mut(&mut self, visit: &mut impl FnMut(&mut Node)) {
        if self.is_scalar() {
            visit(self);
            return;
        }
        for item in self.items_mut().into_iter().flatten() {
            item.for_each_scalar_mut(visit);
        }
        for entry in self.entries_mut().into_iter().flatten() {
            entry.value.for_each_scalar_mut(visit);
        }
    }
}
