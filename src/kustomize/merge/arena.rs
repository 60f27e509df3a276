//! Nodes that can be shared and changed in place. An id is what a pointer is upstream.

use std::collections::HashMap;

use crate::kustomize::path;
use crate::kustomize::path::Kind;
use crate::kustomize::pen;
use crate::kustomize::pen::Pen;
use crate::kustomize::yaml::Entry;
use crate::kustomize::yaml::Node;
use crate::kustomize::yaml::Style;

/// A node of the arena.
pub(super) type Id = usize;

/// A node, and its children once somebody asked for them.
#[derive(Clone, Debug)]
struct Cell {
    /// Kind, tag, style and place; the content too while it is not opened.
    node: Node,
    children: Option<Children>,
}

#[derive(Clone, Debug)]
enum Children {
    Map(Vec<(Node, Id)>),
    List(Vec<Id>),
}

/// All nodes of one merge.
#[derive(Debug, Default)]
pub(super) struct Arena {
    cells: Vec<Cell>,
    /// The one node of each group of shared nodes that has been met.
    groups: HashMap<usize, Id>,
    pub(super) pen: Pen,
}

impl Arena {
    pub(super) fn add(&mut self, node: Node) -> Id {
        let group = pen::group_of(node.place());
        if let Some(&id) = group.as_ref().and_then(|group| self.groups.get(group)) {
            return id;
        }
        self.cells.push(Cell { node, children: None });
        let id = self.cells.len() - 1;
        if let Some(group) = group {
            self.groups.insert(group, id);
        }
        id
    }

    fn cell(&self, id: Id) -> &Cell {
        self.cells.get(id).expect("ids come from this arena alone")
    }

    fn cell_mut(&mut self, id: Id) -> &mut Cell {
        self.cells.get_mut(id).expect("ids come from this arena alone")
    }

    /// The node's own part: kind, tag, style. Its content may be out of date.
    pub(super) fn node(&self, id: Id) -> &Node {
        &self.cell(id).node
    }

    pub(super) fn node_mut(&mut self, id: Id) -> &mut Node {
        &mut self.cell_mut(id).node
    }

    pub(super) fn kind(&self, id: Id) -> Kind {
        Kind::of(self.node(id))
    }

    pub(super) fn is_null(&self, id: Id) -> bool {
        path::is_null(self.node(id))
    }

    pub(super) fn text(&self, id: Id) -> &str {
        path::text(self.node(id))
    }

    /// Not opened yet: the content is exactly the node's.
    pub(super) fn is_closed(&self, id: Id) -> bool {
        self.cell(id).children.is_none()
    }

    fn open(&mut self, id: Id) {
        if !self.is_closed(id) {
            return;
        }
        let node = self.node(id).clone();
        let children = if let Some(entries) = node.entries() {
            let pairs = entries.iter().map(|e| (e.key.clone(), self.add(e.value.clone())));
            Children::Map(pairs.collect())
        } else if let Some(items) = node.items() {
            Children::List(items.iter().map(|item| self.add(item.clone())).collect())
        } else {
            return;
        };
        self.cell_mut(id).children = Some(children);
    }

    /// The keys of a map.
    pub(super) fn fields(&mut self, id: Id) -> Vec<String> {
        self.open(id);
        match &self.cell(id).children {
            Some(Children::Map(pairs)) => {
                pairs.iter().map(|(key, _)| path::text(key).to_owned()).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The value of a map's first entry of this name.
    pub(super) fn field(&mut self, id: Id, name: &str) -> Option<Id> {
        self.open(id);
        match &self.cell(id).children {
            Some(Children::Map(pairs)) => {
                pairs.iter().find(|(key, _)| path::text(key) == name).map(|(_, value)| *value)
            }
            _ => None,
        }
    }

    /// Adds an entry to the end of a map.
    pub(super) fn add_field(&mut self, id: Id, key: Node, value: Id) {
        self.open(id);
        if let Some(Children::Map(pairs)) = &mut self.cell_mut(id).children {
            pairs.push((key, value));
        }
    }

    /// How the key of a map's first entry of this name is written.
    pub(super) fn key_style(&mut self, id: Id, name: &str) -> Style {
        self.open(id);
        match &self.cell(id).children {
            Some(Children::Map(pairs)) => {
                let found = pairs.iter().find(|(key, _)| path::text(key) == name);
                found.map(|(key, _)| key.style()).unwrap_or_default()
            }
            _ => Style::Plain,
        }
    }

    /// Removes a map's first entry of this name.
    pub(super) fn remove_field(&mut self, id: Id, name: &str) {
        self.open(id);
        if let Some(Children::Map(pairs)) = &mut self.cell_mut(id).children
            && let Some(at) = pairs.iter().position(|(key, _)| path::text(key) == name)
        {
            pairs.remove(at);
        }
    }

    /// How many entries or items.
    pub(super) fn len(&mut self, id: Id) -> usize {
        self.open(id);
        match &self.cell(id).children {
            Some(Children::Map(pairs)) => pairs.len(),
            Some(Children::List(items)) => items.len(),
            None => 0,
        }
    }

    /// A map without entries, or null.
    pub(super) fn is_empty_map(&mut self, id: Id) -> bool {
        self.is_null(id) || (self.kind(id) == Kind::Mapping && self.len(id) == 0)
    }

    /// Null, or without content.
    pub(super) fn is_null_or_empty(&mut self, id: Id) -> bool {
        self.is_null(id) || (self.kind(id) != Kind::Scalar && self.len(id) == 0)
    }

    pub(super) fn items(&mut self, id: Id) -> Vec<Id> {
        self.open(id);
        match &self.cell(id).children {
            Some(Children::List(items)) => items.clone(),
            _ => Vec::new(),
        }
    }

    pub(super) fn set_items(&mut self, id: Id, items: Vec<Id>) {
        self.open(id);
        if let Some(Children::List(old)) = &mut self.cell_mut(id).children {
            *old = items;
        }
    }

    /// Makes `id` what `other` is; children are shared from then on.
    pub(super) fn assign(&mut self, id: Id, other: Id) {
        if id == other {
            return;
        }
        let mut copy = self.cell(other).clone();
        let place = self.node(id).place();
        if let Some(group) = pen::group_of(place) {
            let origin = copy.node.place();
            copy.node.set_place(place);
            self.pen.note(group, origin, copy.node.clone());
        }
        *self.cell_mut(id) = copy;
    }

    /// The tree below `id`.
    pub(super) fn close(&self, id: Id) -> Node {
        let cell = self.cell(id);
        let mut closed = match &cell.children {
            None => return cell.node.clone(),
            Some(Children::Map(pairs)) => {
                let entries = pairs
                    .iter()
                    .map(|(key, value)| Entry { key: key.clone(), value: self.close(*value) });
                Node::mapping(entries.collect())
            }
            Some(Children::List(items)) => {
                Node::sequence(items.iter().map(|item| self.close(*item)).collect())
            }
        };
        closed.set_tag(cell.node.tag());
        closed.styled(cell.node.style()).at(cell.node.place())
    }
}
