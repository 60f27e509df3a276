//! Writing over nodes that stand in several places at once.
//!
//! Upstream puts one and the same label node into every field that it makes for an object: what
//! later changes the label in one field changes it in all of them, selectors included. Such nodes
//! form a group, told by their [`Place`]; a pen notes each one that is written over, and the object
//! then repeats the change in the rest of the group. Groups belong to one object.

use super::yaml::FileId;
use super::yaml::Node;
use super::yaml::Place;

/// Files have smaller numbers than this; from here on they name groups.
const GROUPS_FROM: u32 = 0x8000_0000;

/// The group that a place names, if it does.
pub(crate) fn group_of(place: Place) -> Option<usize> {
    place.file.0.checked_sub(GROUPS_FROM).map(|group| group as usize)
}

/// The place of all nodes of a group.
pub(crate) fn group_place(group: usize) -> Place {
    let number = u32::try_from(group).unwrap_or(u32::MAX).saturating_add(GROUPS_FROM);
    Place::made_by(FileId(number))
}

/// Notes what is written over.
#[derive(Debug, Default)]
pub(crate) struct Pen {
    /// Group, place of the new value, new value.
    changes: Vec<(usize, Place, Node)>,
}

impl Pen {
    /// Puts `new` where `old` stands.
    pub(crate) fn write(&mut self, old: &mut Node, new: Node) {
        let place = old.place();
        *old = match group_of(place) {
            None => new,
            Some(group) => {
                let origin = new.place();
                let new = new.at(place);
                self.changes.push((group, origin, new.clone()));
                new
            }
        };
    }

    /// Notes that a group has become `new`, which keeps the group's place.
    pub(crate) fn note(&mut self, group: usize, origin: Place, new: Node) {
        self.changes.push((group, origin, new));
    }

    pub(crate) fn into_changes(self) -> Vec<(usize, Place, Node)> {
        self.changes
    }
}

/// Replaces all nodes of a group below `node`.
pub(crate) fn repeat(node: &mut Node, group: usize, new: &Node) {
    if !contains(node, group) {
        return;
    }
    if group_of(node.place()) == Some(group) {
        *node = new.clone();
        return;
    }
    if node.is_mapping() {
        for entry in node.entries_mut().into_iter().flatten() {
            repeat(&mut entry.value, group, new);
        }
    } else {
        node.items_mut().into_iter().flatten().for_each(|item| repeat(item, group, new));
    }
}

/// Whether a node of the group stands here or below.
fn contains(node: &Node, group: usize) -> bool {
    group_of(node.place()) == Some(group)
        || node.entries().is_some_and(|list| list.iter().any(|e| contains(&e.value, group)))
        || node.items().is_some_and(|list| list.iter().any(|item| contains(item, group)))
}
