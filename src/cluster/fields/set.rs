//! A set of paths, as `fieldsV1` writes it.
//!
//! A node is *owned* when the path to it is in the set. `{}` is an owned node with nothing below;
//! `"."` in a node that holds more says that it is owned too.

use std::collections::BTreeMap;

use serde_json::Map;
use serde_json::Value;

use super::PathElement;

/// A set of paths: a tree of steps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSet {
    /// Whether the path to this node is in the set.
    pub owned: bool,
    /// The steps that go on from here.
    pub children: BTreeMap<PathElement, FieldSet>,
}

impl FieldSet {
    /// Reads `fieldsV1`; notations that are not known are left out.
    pub fn read(fields: &Value) -> Self {
        let mut set = Self::read_node(fields);
        set.owned = false;
        set
    }

    fn read_node(fields: &Value) -> Self {
        let Some(fields) = fields.as_object() else { return Self::default() };
        let mut set = Self { owned: fields.is_empty(), ..Self::default() };
        for (raw, below) in fields {
            if raw == "." {
                set.owned = true;
            } else if let Some(element) = PathElement::parse(raw) {
                set.children.insert(element, Self::read_node(below));
            }
        }
        set
    }

    /// As `fieldsV1`.
    pub fn to_value(&self) -> Value {
        let mut fields = Map::new();
        if self.owned && !self.children.is_empty() {
            fields.insert(".".to_owned(), Value::Object(Map::new()));
        }
        for (element, below) in &self.children {
            fields.insert(element.as_str().to_owned(), below.to_value());
        }
        Value::Object(fields)
    }

    /// Adds all paths of `other`.
    pub fn add(&mut self, other: &Self) {
        self.owned |= other.owned;
        for (element, below) in &other.children {
            self.children.entry(element.clone()).or_default().add(below);
        }
    }

    /// The node at `path`.
    pub fn at(&self, path: &[PathElement]) -> Option<&Self> {
        path.iter().try_fold(self, |node, element| node.children.get(element))
    }

    /// Whether the set has to do with `path`: it holds it, something below it, or a whole above it.
    pub fn touches(&self, path: &[PathElement]) -> bool {
        let mut node = self;
        for element in path {
            match node.children.get(element) {
                Some(below) => node = below,
                None => return node.owned && node.children.is_empty(),
            }
        }
        true
    }

    /// All paths of the set, in order.
    pub fn paths(&self) -> Vec<Vec<PathElement>> {
        let mut found = Vec::new();
        self.collect(&mut Vec::new(), &mut found);
        found
    }

    fn collect(&self, path: &mut Vec<PathElement>, found: &mut Vec<Vec<PathElement>>) {
        if self.owned {
            found.push(path.clone());
        }
        for (element, below) in &self.children {
            path.push(element.clone());
            below.collect(path, found);
            path.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cluster::fields::path_text;

    fn texts(set: &FieldSet) -> Vec<String> {
        set.paths().iter().map(|path| path_text(path)).collect()
    }

    #[test]
    fn read_as_the_api_server_writes_it() {
        let fields = json!({"f:spec": {
            "f:replicas": {},
            "f:ports": {r#"k:{"port":80}"#: {".": {}, "f:name": {}}},
        }});
        let set = FieldSet::read(&fields);
        assert_eq!(
            texts(&set),
            ["spec.ports[port=80]", "spec.ports[port=80].name", "spec.replicas"]
        );
        assert_eq!(set.to_value(), fields);
        assert!(texts(&FieldSet::read(&json!({}))).is_empty());
    }

    #[test]
    fn a_union_holds_the_paths_of_both() {
        let mut a = FieldSet::read(&json!({"f:a": {}, "f:b": {"f:c": {}}}));
        a.add(&FieldSet::read(&json!({"f:b": {}, "f:d": {}})));
        assert_eq!(texts(&a), ["a", "b", "b.c", "d"]);
        assert_eq!(a.to_value(), json!({"f:a": {}, "f:b": {".": {}, "f:c": {}}, "f:d": {}}));
    }

    #[test]
    fn a_whole_touches_its_parts() {
        let set = FieldSet::read(&json!({"f:whole": {}, "f:part": {"f:x": {}}}));
        let path = |names: &[&str]| names.iter().map(|n| PathElement::field(n)).collect::<Vec<_>>();
        #[rustfmt::skip]
        let cases: &[(&[&str], bool)] = &[
            (&["whole"], true), (&["whole", "x"], true), (&["part"], true), (&["part", "x"], true),
            (&["part", "x", "y"], true), (&["part", "y"], false), (&["other"], false),
        ];
        for (names, want) in cases {
            assert_eq!(set.touches(&path(names)), *want, "{names:?}");
        }
    }
}
