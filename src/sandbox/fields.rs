//! Field sets: which paths of an object a manager owns, and the `FieldsV1` form of them.
//!
//! In: the JSON of a `managedFields` entry, or paths put in one by one. Out: sets with the algebra
//! of server-side apply, and the same JSON again.
//!
//! ```text
//! {"f:spec":{"f:ports":{"k:{\"port\":80}":{".":{},"f:port":{}}}}}
//!                       └─ item keyed by port ─┘ └─ the item itself is a member
//! ```
//!
//! Pure. Facts about the algebra: sigs.k8s.io/structured-merge-diff, `fieldpath`.
//! Not here: how values are compared or merged (`typed.rs`).

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Map;
use serde_json::Value;

use super::schema::TypeId;
use super::schema::Types;

/// One step of a path, in the text form that `FieldsV1` uses: `f:name`, `k:{...}`, `v:...`, `i:0`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Element(String);

impl Element {
    /// The field or map key `name`.
    pub(crate) fn field(name: &str) -> Self {
        Self(format!("f:{name}"))
    }

    /// The list item with these key fields; the order of keys does not matter.
    pub(crate) fn keyed(keys: &Map<String, Value>) -> Self {
        let sorted: BTreeMap<&String, &Value> = keys.iter().collect();
        let text = serde_json::to_string(&sorted).expect("string keys always encode");
        Self(format!("k:{text}"))
    }

    /// The item `value` of a set.
    pub(crate) fn item(value: &Value) -> Self {
        Self(format!("v:{value}"))
    }

    /// The item at `index` of a list without keys.
    pub(crate) fn index(index: usize) -> Self {
        Self(format!("i:{index}"))
    }

    /// The field's name, when this is a field.
    pub(crate) fn name(&self) -> Option<&str> {
        self.0.strip_prefix("f:")
    }
}

impl fmt::Display for Element {
    /// As conflict messages write it: `.name`, `[name="x"]`, `[="x"]`, `[0]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = self.0.strip_prefix("f:") {
            return write!(f, ".{name}");
        }
        if let Some(value) = self.0.strip_prefix("v:") {
            return write!(f, "[={value}]");
        }
        let Some(keys) = self.0.strip_prefix("k:") else {
            return write!(f, "[{}]", self.0.trim_start_matches("i:"));
        };
        let keys: BTreeMap<String, Value> = serde_json::from_str(keys).unwrap_or_default();
        let shown: Vec<String> =
            keys.iter().map(|(name, value)| format!("{name}={value}")).collect();
        write!(f, "[{}]", shown.join(","))
    }
}

/// A set of paths. A path may be a member while paths below it are members too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FieldSet {
    nodes: BTreeMap<Element, Node>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Node {
    member: bool,
    below: FieldSet,
}

impl FieldSet {
    /// Reads the JSON of `fieldsV1`; parts that are no objects are ignored.
    pub(crate) fn parse(fields: &Value) -> Self {
        let mut set = Self::default();
        let Value::Object(fields) = fields else { return set };
        for (name, inner) in fields.iter().filter(|(name, _)| *name != ".") {
            let below = Self::parse(inner);
            let own = inner.as_object().is_none_or(|inner| inner.is_empty());
            let member = own || inner.get(".").is_some();
            set.nodes.insert(Element(canonical(name)), Node { member, below });
        }
        set
    }

    /// Writes the JSON of `fieldsV1`.
    pub(crate) fn to_json(&self) -> Value {
        let mut fields = Map::new();
        for (element, node) in &self.nodes {
            let mut inner = node.below.to_json();
            if let Value::Object(map) = &mut inner
                && node.member
                && !map.is_empty()
            {
                map.insert(".".to_owned(), Value::Object(Map::new()));
            }
            fields.insert(element.0.clone(), inner);
        }
        Value::Object(fields)
    }

    /// Adds the path; the empty path (the whole object) is nobody's and is not added.
    pub(crate) fn insert(&mut self, path: &[Element]) {
        let Some((last, above)) = path.split_last() else { return };
        let mut set = self;
        for element in above {
            set = &mut set.nodes.entry(element.clone()).or_default().below;
        }
        set.nodes.entry(last.clone()).or_default().member = true;
    }

    /// A set of dotted field paths, such as `metadata.name`.
    pub(crate) fn of_fields(paths: &[&str]) -> Self {
        let mut set = Self::default();
        for path in paths {
            let elements: Vec<Element> = path.split('.').map(Element::field).collect();
            set.insert(&elements);
        }
        set
    }

    /// Whether no path is a member.
    pub(crate) fn is_empty(&self) -> bool {
        self.nodes.values().all(|node| !node.member && node.below.is_empty())
    }

    /// Whether the one-element path is a member.
    pub(crate) fn has(&self, element: &Element) -> bool {
        self.nodes.get(element).is_some_and(|node| node.member)
    }

    /// The members below `element`, if there are any.
    pub(crate) fn below(&self, element: &Element) -> Option<&Self> {
        self.nodes.get(element).map(|node| &node.below).filter(|set| !set.is_empty())
    }

    /// Paths of either set.
    pub(crate) fn union(&self, other: &Self) -> Self {
        let mut set = self.clone();
        for (element, theirs) in &other.nodes {
            let node = set.nodes.entry(element.clone()).or_default();
            node.member |= theirs.member;
            node.below = node.below.union(&theirs.below);
        }
        set
    }

    /// Paths of both sets.
    pub(crate) fn intersection(&self, other: &Self) -> Self {
        self.combine(|element, node| {
            let theirs = other.nodes.get(element)?;
            let below = node.below.intersection(&theirs.below);
            Some(Node { member: node.member && theirs.member, below })
        })
    }

    /// Paths of this set that are not in `other`; what lies below a path of `other` stays.
    pub(crate) fn difference(&self, other: &Self) -> Self {
        self.combine(|element, node| match other.nodes.get(element) {
            None => Some(node.clone()),
            Some(theirs) => Some(Node {
                member: node.member && !theirs.member,
                below: node.below.difference(&theirs.below),
            }),
        })
    }

    /// As [`Self::difference`], but a path of `other` takes away all below it too.
    pub(crate) fn without_trees(&self, other: &Self) -> Self {
        self.combine(|element, node| match other.nodes.get(element) {
            None => Some(node.clone()),
            Some(theirs) if theirs.member => None,
            Some(theirs) => {
                Some(Node { member: node.member, below: node.below.without_trees(&theirs.below) })
            }
        })
    }

    fn combine(&self, keep: impl Fn(&Element, &Node) -> Option<Node>) -> Self {
        let nodes = self
            .nodes
            .iter()
            .filter_map(|(element, node)| Some((element.clone(), keep(element, node)?)))
            .filter(|(_, node)| node.member || !node.below.is_empty())
            .collect();
        Self { nodes }
    }

    /// Adds each declared field that has members below it, so that it can be removed with them;
    /// keys of free maps are not declared.
    pub(crate) fn with_named_fields(&self, types: &Types, ty: Option<TypeId>) -> Self {
        let map = ty.and_then(|id| types.get(id).map.as_ref());
        let list = ty.and_then(|id| types.get(id).list.as_ref());
        let nodes = self.nodes.iter().map(|(element, node)| {
            let mut member = node.member;
            let inner = match element.name() {
                Some(name) => map.and_then(|map| match map.fields.get(name) {
                    Some(field) => {
                        member |= !node.below.is_empty();
                        Some(field.ty)
                    }
                    None => map.element,
                }),
                None => list.map(|list| list.item),
            };
            let below = node.below.with_named_fields(types, inner);
            (element.clone(), Node { member, below })
        });
        Self { nodes: nodes.collect() }
    }

    /// Every member path as text, members of a level before those below.
    pub(crate) fn paths(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.collect("", &mut found);
        found
    }

    fn collect(&self, prefix: &str, found: &mut Vec<String>) {
        let members = self.nodes.iter().filter(|(_, node)| node.member);
        found.extend(members.map(|(element, _)| format!("{prefix}{element}")));
        for (element, node) in &self.nodes {
            node.below.collect(&format!("{prefix}{element}"), found);
        }
    }
}

/// Keys are compared as text, so their JSON is brought into one form.
fn canonical(name: &str) -> String {
    let parsed = |text: &str| serde_json::from_str::<Value>(text).ok();
    if let Some(Value::Object(keys)) = name.strip_prefix("k:").and_then(parsed) {
        return Element::keyed(&keys).0;
    }
    if let Some(value) = name.strip_prefix("v:").and_then(parsed) {
        return Element::item(&value).0;
    }
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(fields: Value) -> FieldSet {
        FieldSet::parse(&fields)
    }

    #[test]
    fn the_json_form_round_trips() {
        let fields = json!({"f:spec": {"f:ports": {
            "k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}}},
            "f:finalizers": {"v:\"a\"": {}}}});
        assert_eq!(set(fields.clone()).to_json(), fields);
    }

    #[test]
    fn keys_are_one_whatever_their_order() {
        let one = set(json!({"k:{\"protocol\":\"TCP\",\"port\":80}": {}}));
        let other = set(json!({"k:{\"port\":80,\"protocol\":\"TCP\"}": {}}));
        assert_eq!(one, other);
    }

    #[test]
    fn taking_away_a_parent_keeps_or_drops_its_children() {
        let owned = set(json!({"f:a": {".": {}, "f:b": {}}}));
        let parent = set(json!({"f:a": {}}));
        assert_eq!(owned.difference(&parent), set(json!({"f:a": {"f:b": {}}})));
        assert!(owned.without_trees(&parent).is_empty());
    }

    #[test]
    fn paths_read_like_conflicts() {
        let owned = set(json!({"f:spec": {"f:containers": {
            "k:{\"name\":\"web\"}": {"f:image": {}}}, "f:set": {"v:1": {}}}}));
        assert_eq!(owned.paths(), [".spec.containers[name=\"web\"].image", ".spec.set[=1]"]);
    }
}
