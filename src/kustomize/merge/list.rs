//! Merging lists item by item: items with equal merge keys are one item.
//!
//! A key that no item of either list has is left out of the comparison; items that share one key
//! and leave the other open are taken to mean the same. Upstream: `associative_sequence.go`.

use super::arena::Id;
use super::elements;
use super::walk::Sources;
use super::walk::Walked;
use super::walk::Walker;
use crate::kustomize::error::Result;
use crate::kustomize::path;
use crate::kustomize::path::Kind;
use crate::kustomize::schema::Schema;
use crate::kustomize::yaml::Node;

impl Walker<'_> {
    pub(super) fn walk_list(
        &mut self,
        sources: Sources,
        schema: Option<&Schema>,
    ) -> Result<Walked> {
        let Some(dest) = self.visit_list(sources)? else { return Ok(Walked::some(None)) };
        let sources = [Some(dest), sources[1]];
        let (_, keys) = schema.map(Schema::strategy).unwrap_or_default();
        let keys: Vec<String> = keys.into_iter().map(str::to_owned).collect();
        let item_schema = schema.and_then(Schema::elements);
        let merged = if keys.is_empty() {
            let rows = self.scalar_rows(sources);
            self.merge_items(sources, rows, &[String::new()], dest, item_schema)?
        } else {
            let rows = self.rows(sources, &keys);
            self.merge_items(sources, rows, &keys, dest, item_schema)?
        };
        Ok(Walked::some(Some(merged).filter(|&id| !self.arena.is_null(id))))
    }

    /// The key values of all items, each once: the patch's first, then the object's.
    fn rows(&mut self, sources: Sources, keys: &[String]) -> Vec<Vec<String>> {
        let mut rows: Vec<Vec<String>> = Vec::new();
        for id in [sources[1], sources[0]].into_iter().flatten() {
            for row in elements::values(&mut self.arena, id, keys) {
                if !rows.contains(&row) {
                    rows.push(row);
                }
            }
        }
        rows
    }

    /// The same for lists of scalars.
    fn scalar_rows(&mut self, sources: Sources) -> Vec<Vec<String>> {
        let mut rows: Vec<Vec<String>> = Vec::new();
        for id in [sources[1], sources[0]].into_iter().flatten() {
            for item in self.arena.items(id) {
                let row = vec![self.arena.text(item).to_owned()];
                if !rows.contains(&row) {
                    rows.push(row);
                }
            }
        }
        rows
    }

    fn merge_items(
        &mut self,
        sources: Sources,
        mut rows: Vec<Vec<String>>,
        keys: &[String],
        dest: Id,
        schema: Option<Schema>,
    ) -> Result<Id> {
        if keys.len() > 1 {
            join_rows(&mut rows);
        }
        let made = self.arena.add(Node::sequence(Vec::new()));
        let mut valid_keys = Vec::new();
        for row in &rows {
            let (own_keys, own_values) = valid(&rows, row, keys);
            let (find_keys, find_values) =
                valid(std::slice::from_ref(&own_values), &own_values, &own_keys);
            let items = sources
                .map(|list| elements::find(&mut self.arena, list?, &find_keys, &find_values));
            let walked = self.walk(items, schema.clone())?;
            valid_keys = own_keys;
            let value = walked.id.filter(|&id| !self.arena.is_empty_map(id));
            let Some(value) = value else {
                for _ in &valid_keys {
                    elements::set(&mut self.arena, dest, None, &valid_keys, &own_values)?;
                }
                continue;
            };
            self.fill_keys(value, &valid_keys, &own_values)?;
            elements::set(&mut self.arena, made, Some(value), &valid_keys, &own_values)?;
        }
        if rows.is_empty() {
            return Ok(dest);
        }
        self.append_items(made, dest, &valid_keys)?;
        Ok(made)
    }

    /// Makes sure that an item has its keys.
    fn fill_keys(&mut self, item: Id, keys: &[String], values: &[String]) -> Result<()> {
        for (key, value) in keys.iter().zip(values) {
            let is_map = self.arena.kind(item) == Kind::Mapping;
            if value.is_empty() || (is_map && self.arena.field(item, key).is_some()) {
                continue;
            }
            let scalar = Node::scalar(value);
            if key.is_empty() {
                path::expect_kind(self.arena.node(item), Kind::Scalar)?;
                let old = self.arena.node(item);
                let scalar = scalar.styled(old.style()).at(old.place());
                *self.arena.node_mut(item) = scalar; // the same text, but of open meaning
                continue;
            }
            path::expect_kind(self.arena.node(item), Kind::Mapping)?;
            let id = self.arena.add(scalar);
            self.set_field(item, Node::scalar(key), Walked::some(Some(id)))?;
        }
        Ok(())
    }

    /// Puts the object's own items behind those that are made already.
    fn append_items(&mut self, made: Id, dest: Id, keys: &[String]) -> Result<()> {
        for item in self.arena.items(dest) {
            if keys.first().is_none_or(String::is_empty) {
                let value = self.arena.text(item).to_owned();
                elements::set(&mut self.arena, made, Some(item), keys, &[value])?;
                continue;
            }
            let mut values = Vec::new();
            for key in keys {
                let found = if self.arena.is_null(item) {
                    None
                } else {
                    path::expect_kind(self.arena.node(item), Kind::Mapping)?;
                    self.arena.field(item, key)
                };
                match found {
                    Some(found) => values.push(self.arena.text(found).to_owned()),
                    None => {
                        let mut items = self.arena.items(made);
                        items.push(item);
                        self.arena.set_items(made, items);
                    }
                }
            }
            if keys.len() > 1 {
                elements::set(&mut self.arena, made, None, keys, &values)?;
            }
            elements::set(&mut self.arena, made, Some(item), keys, &values)?;
        }
        Ok(())
    }
}

/// Rows that agree where both have a value become one.
fn join_rows(rows: &mut [Vec<String>]) {
    for i in 0..rows.len() {
        // Upstream reads the row once per outer turn, before the inner loop changes it.
        let Some(first) = rows.get(i).cloned() else { continue };
        for j in 0..rows.len() {
            let Some(joined) = rows.get(j).and_then(|second| joined(&first, second)) else {
                continue;
            };
            for at in [i, j] {
                if let Some(row) = rows.get_mut(at) {
                    row.clone_from(&joined);
                }
            }
        }
    }
}

/// Both rows in one, when they share a value and contradict each other nowhere.
fn joined(first: &[String], second: &[String]) -> Option<Vec<String>> {
    if first.len() != second.len() {
        return None;
    }
    let mut shared = false;
    let mut row = Vec::with_capacity(first.len());
    for (a, b) in first.iter().zip(second) {
        if a == b {
            shared = true;
        } else if !a.is_empty() && !b.is_empty() {
            return None;
        }
        row.push(if a.is_empty() { b.clone() } else { a.clone() });
    }
    shared.then_some(row)
}

/// The keys that some row has a value for, and this row's values at them.
fn valid(rows: &[Vec<String>], row: &[String], keys: &[String]) -> (Vec<String>, Vec<String>) {
    let used = |i: usize| rows.iter().any(|row| row.get(i).is_some_and(|v| !v.is_empty()));
    let any = (0..keys.len()).any(used);
    if !any {
        return (keys.to_vec(), row.to_vec());
    }
    let pairs = keys.iter().zip(row).enumerate().filter(|(i, _)| used(*i));
    pairs.map(|(_, (key, value))| (key.clone(), value.clone())).unzip()
}
