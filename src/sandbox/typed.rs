//! Values seen through their type: field sets, comparison, merge and removal.
//!
//! In: JSON values and their type. Out: what server-side apply is made of:
//!
//! ```text
//! live ──merge──▶ merged ──remove(last − now)──▶ new ──compare(live)──▶ added, modified, removed
//!   config ─┘
//! ```
//!
//! Pure; linear in the values. Facts about the behaviour: sigs.k8s.io/structured-merge-diff,
//! `typed`. Not here: who owns what (`managed.rs`).

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde_json::Map;
use serde_json::Value;

use super::fields::Element;
use super::fields::FieldSet;
use super::schema::Form;
use super::schema::List;
use super::schema::MapShape;
use super::schema::Relation;
use super::schema::Scalar;
use super::schema::TypeId;
use super::schema::Types;

/// Where a value does not fit its type: a path such as `.spec.replicas`, and what is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Issue {
    path: String,
    text: String,
}

/// Several issues as one message, in the form that the real server uses.
pub(crate) fn issues_text(issues: &[Issue]) -> String {
    let one = |issue: &Issue| match issue.path.as_str() {
        "" => issue.text.clone(),
        path => format!("{path}: {}", issue.text),
    };
    match issues {
        [issue] => one(issue),
        several => {
            let lines: Vec<String> = several.iter().map(|i| format!("  {}", one(i))).collect();
            format!("errors:\n{}", lines.join("\n"))
        }
    }
}

/// A type within its arena.
#[derive(Clone, Copy)]
pub(crate) struct Typed<'t> {
    pub(crate) types: &'t Types,
    pub(crate) ty: TypeId,
}

/// What changed between two values.
#[derive(Clone, Debug, Default)]
pub(crate) struct Comparison {
    pub(crate) added: FieldSet,
    pub(crate) modified: FieldSet,
    pub(crate) removed: FieldSet,
}

impl<'t> Typed<'t> {
    fn to(self, ty: TypeId) -> Self {
        Self { types: self.types, ty }
    }

    fn form(self, value: Option<&Value>) -> Form<'t> {
        self.types.get(self.ty).form(value)
    }

    /// The path element of a list item, by its keys or its value.
    fn element(self, list: &List, item: &Value) -> Result<Element, String> {
        match &list.relation {
            Relation::Atomic => Err("invalid indexing of non-associative list".to_owned()),
            Relation::Set => match item {
                Value::Object(_) => {
                    Err("associative list without keys has an element that's a map type".to_owned())
                }
                Value::Array(_) => {
                    Err("not supported: associative list with lists as elements".to_owned())
                }
                Value::Null => {
                    Err("associative list without keys has an element that's an explicit null"
                        .to_owned())
                }
                scalar => Ok(Element::item(scalar)),
            },
            Relation::Keyed(keys) => self.keyed(list, keys, item),
        }
    }

    fn keyed(self, list: &List, keys: &[String], item: &Value) -> Result<Element, String> {
        let Value::Object(map) = item else {
            let what = if item.is_null() { "a null element" } else { "non-map elements" };
            return Err(format!("associative list with keys may not have {what}"));
        };
        let declared = self.types.get(list.item).map.as_ref();
        let mut found = Map::new();
        for key in keys {
            let default = || declared?.fields.get(key)?.default.as_ref();
            if let Some(value) = map.get(key).or_else(default) {
                found.insert(key.clone(), value.clone());
            }
        }
        if found.is_empty() {
            return Err(format!(
                "associative list with keys has an element that omits all key fields {} (and \
                 doesn't have default values for any key fields)",
                quoted(keys)
            ));
        }
        Ok(Element::keyed(&found))
    }

    fn field(self, map: &MapShape, name: &str) -> TypeId {
        map.fields.get(name).map(|field| field.ty).or(map.element).unwrap_or(Types::FREE)
    }

    /// Checks that `value` fits. `duplicates` allows list items with one key.
    pub(crate) fn validate(self, value: &Value, duplicates: bool) -> Vec<Issue> {
        let mut issues = Vec::new();
        self.check(value, "", duplicates, &mut issues);
        issues
    }

    fn check(self, value: &Value, path: &str, duplicates: bool, issues: &mut Vec<Issue>) {
        let mut complain = |text: String| issues.push(Issue { path: path.to_owned(), text });
        match (self.form(Some(value)), value) {
            (_, Value::Null) => {}
            (Form::Scalar(scalar), value) => {
                if let Some(text) = scalar_issue(scalar, value) {
                    complain(text);
                }
            }
            (Form::List(list), Value::Array(items)) => {
                self.check_items(list, items, path, duplicates, issues);
            }
            (Form::Map(map), Value::Object(entries)) => {
                for (name, inner) in entries {
                    let path = format!("{path}.{name}");
                    if map.fields.contains_key(name) || map.element.is_some() {
                        let inside = self.to(self.field(map, name));
                        inside.check(inner, &path, duplicates, issues);
                    } else {
                        let text = "field not declared in schema".to_owned();
                        issues.push(Issue { path, text });
                        return;
                    }
                }
            }
            (Form::List(_), other) => complain(format!("expected list, got {}", shown(other))),
            (Form::Map(_), other) => complain(format!("expected map, got {}", shown(other))),
        }
    }

    fn check_items(
        self,
        list: &List,
        items: &[Value],
        path: &str,
        duplicates: bool,
        issues: &mut Vec<Issue>,
    ) {
        let mut seen = BTreeSet::new();
        for (index, item) in items.iter().enumerate() {
            let mut complain = |text: String| issues.push(Issue { path: path.to_owned(), text });
            let element = if list.relation == Relation::Atomic {
                Element::index(index)
            } else {
                match self.element(list, item) {
                    Ok(element) => element,
                    Err(text) => return complain(format!("element {index}: {text}")),
                }
            };
            if list.relation != Relation::Atomic && !seen.insert(element.clone()) && !duplicates {
                complain(format!("duplicate entries for key {element}"));
            }
            self.to(list.item).check(item, &format!("{path}{element}"), duplicates, issues);
        }
    }

    /// Every leaf and list item that `value` names.
    pub(crate) fn field_set(self, value: &Value) -> FieldSet {
        let mut set = FieldSet::default();
        self.gather(value, &mut Vec::new(), &mut set);
        set
    }

    fn gather(self, value: &Value, path: &mut Vec<Element>, set: &mut FieldSet) {
        match (self.form(Some(value)), value) {
            (Form::Scalar(_), _) => set.insert(path),
            (Form::List(list), _) if list.relation == Relation::Atomic => set.insert(path),
            (Form::List(list), Value::Array(items)) => {
                let elements: Vec<_> =
                    items.iter().filter_map(|item| self.element(list, item).ok()).collect();
                for (element, item) in elements.iter().zip(items) {
                    path.push(element.clone());
                    if elements.iter().filter(|other| *other == element).count() == 1 {
                        self.to(list.item).gather(item, path, set);
                    }
                    set.insert(path);
                    path.pop();
                }
            }
            (Form::Map(map), _) if map.atomic => set.insert(path),
            (Form::Map(map), Value::Object(entries)) => {
                for (name, inner) in entries {
                    path.push(Element::field(name));
                    self.to(self.field(map, name)).gather(inner, path, set);
                    let empty = inner.is_null() || inner.as_object().is_some_and(Map::is_empty);
                    if empty || !map.fields.contains_key(name) {
                        set.insert(path);
                    }
                    path.pop();
                }
            }
            (Form::List(_) | Form::Map(_), _) => {}
        }
    }

    /// What leads from `left` to `right`.
    pub(crate) fn compare(self, left: &Value, right: &Value) -> Comparison {
        let mut found = Comparison::default();
        self.walk(Some(left), Some(right), &mut Vec::new(), &mut found);
        found
    }

    fn walk(
        self,
        left: Option<&Value>,
        right: Option<&Value>,
        path: &mut Vec<Element>,
        found: &mut Comparison,
    ) {
        let (lists, maps) = (as_lists(left, right), as_maps(left, right));
        let leaf = match self.form(right.or(left)) {
            Form::Scalar(_) => true,
            Form::List(list) => {
                let empty = lists.0.is_empty() && lists.1.is_empty();
                let leaf = list.relation == Relation::Atomic || empty;
                if !leaf {
                    self.walk_items(list, lists.0, lists.1, path, found);
                }
                leaf
            }
            Form::Map(map) => {
                let count = |side: Option<&Map<String, Value>>| side.map_or(0, Map::len);
                let leaf = map.atomic || count(maps.0) + count(maps.1) == 0;
                if !leaf {
                    let names = maps.0.into_iter().chain(maps.1).flat_map(Map::keys);
                    for name in names.collect::<BTreeSet<_>>() {
                        path.push(Element::field(name));
                        let side = |map: Option<&'_ Map<String, Value>>| map?.get(name).cloned();
                        let (l, r) = (side(maps.0), side(maps.1));
                        let inside = self.to(self.field(map, name));
                        inside.walk(l.as_ref(), r.as_ref(), path, found);
                        path.pop();
                    }
                }
                leaf
            }
        };
        match (left, right) {
            (None, _) => found.added.insert(path),
            (_, None) => found.removed.insert(path),
            (Some(l), Some(r)) if leaf && !same(l, r) => found.modified.insert(path),
            _ => {}
        }
    }

    fn walk_items(
        self,
        list: &List,
        left: &[Value],
        right: &[Value],
        path: &mut Vec<Element>,
        found: &mut Comparison,
    ) {
        let mut both: BTreeMap<Element, (Vec<&Value>, Vec<&Value>)> = BTreeMap::new();
        for item in left {
            if let Ok(element) = self.element(list, item) {
                both.entry(element).or_default().0.push(item);
            }
        }
        for item in right {
            if let Ok(element) = self.element(list, item) {
                both.entry(element).or_default().1.push(item);
            }
        }
        let inside = self.to(list.item);
        for (element, (l, r)) in both {
            path.push(element);
            match (l.len(), r.len()) {
                (0..=1, 0..=1) => {
                    inside.walk(l.first().copied(), r.first().copied(), path, found);
                }
                (2.., 2..) => {
                    if l != r {
                        found.modified.insert(path);
                    }
                }
                (2.., _) => {
                    if let Some(item) = r.first() {
                        inside.walk(None, Some(item), path, found);
                    }
                    found.removed.insert(path);
                }
                (_, _) => {
                    if let Some(item) = l.first() {
                        inside.walk(Some(item), None, path, found);
                    }
                    found.added.insert(path);
                }
            }
            path.pop();
        }
    }

    /// `config` laid over `live`; nothing is ever removed.
    pub(crate) fn merge(self, live: &Value, config: &Value) -> Value {
        self.lay(Some(live), Some(config)).unwrap_or(Value::Null)
    }

    fn lay(self, left: Option<&Value>, right: Option<&Value>) -> Option<Value> {
        let keep_right = || right.or(left).cloned();
        match self.form(right.or(left)) {
            Form::Scalar(_) => keep_right(),
            Form::List(list) => {
                let (l, r) = as_lists(left, right);
                if list.relation == Relation::Atomic || l.is_empty() && r.is_empty() {
                    return keep_right();
                }
                Some(Value::Array(self.lay_items(list, l, r)))
                    .filter(|v| v != &Value::Array(vec![]))
            }
            Form::Map(map) => {
                let (l, r) = as_maps(left, right);
                let count = |side: Option<&Map<String, Value>>| side.map_or(0, Map::len);
                if map.atomic || count(l) + count(r) == 0 {
                    return keep_right();
                }
                let names: BTreeSet<&String> = l.into_iter().chain(r).flat_map(Map::keys).collect();
                let mut out = Map::new();
                for name in names {
                    let (l, r) = (l.and_then(|m| m.get(name)), r.and_then(|m| m.get(name)));
                    if let Some(value) = self.to(self.field(map, name)).lay(l, r) {
                        out.insert(name.clone(), value);
                    }
                }
                Some(Value::Object(out)).filter(|_| count(l) + count(r) > 0)
            }
        }
    }

    /// Merges keyed lists. Shared items come in the order of `right`; items of `left` alone keep
    /// their place before the shared item that followed them.
    fn lay_items(self, list: &List, left: &[Value], right: &[Value]) -> Vec<Value> {
        let name = |item: &Value| self.element(list, item).unwrap_or_else(|_| Element::index(0));
        let lefts: Vec<Element> = left.iter().map(name).collect();
        let rights: Vec<Element> = right.iter().map(name).collect();
        let find = |names: &[Element], element: &Element| names.iter().position(|n| n == element);
        let single = |element: &Element| lefts.iter().filter(|n| *n == element).count() == 1;
        let inside = self.to(list.item);
        let mut shared = rights.iter().filter(|element| lefts.contains(element));
        let mut next_shared = shared.next();
        let mut merged: BTreeSet<&Element> = BTreeSet::new();
        let (mut l, mut r) = (0, 0);
        let mut out = Vec::new();
        let both = |element: &Element, r: usize| {
            let live = find(&lefts, element).filter(|_| single(element)).map(|at| &left[at]);
            inside.lay(live, Some(&right[r]))
        };
        while l < left.len() || r < right.len() {
            if l < left.len() && r < right.len() {
                if lefts[l] == rights[r] {
                    merged.insert(&rights[r]);
                    out.extend(both(&rights[r], r));
                    l += 1;
                    r += 1;
                    next_shared = shared.next();
                    continue;
                }
                if rights.contains(&lefts[l]) && next_shared.is_some_and(|next| *next != lefts[l]) {
                    l += 1;
                    continue;
                }
            }
            if l < left.len() {
                if !rights.contains(&lefts[l]) {
                    out.push(left[l].clone());
                    l += 1;
                    continue;
                }
                if merged.contains(&lefts[l]) {
                    l += 1;
                }
            }
            if r < right.len() {
                merged.insert(&rights[r]);
                out.extend(both(&rights[r], r));
                if next_shared == Some(&rights[r]) {
                    next_shared = shared.next();
                }
                r += 1;
            }
        }
        out
    }

    /// `value` without the paths of `gone`; a container that becomes empty becomes null.
    pub(crate) fn remove(self, value: &Value, gone: &FieldSet) -> Value {
        match (self.form(Some(value)), value) {
            (Form::Scalar(_), value) => value.clone(),
            (Form::List(list), Value::Array(items)) if list.relation != Relation::Atomic => {
                let mut kept = Vec::new();
                for item in items {
                    let Ok(element) = self.element(list, item) else { continue };
                    if gone.has(&element) {
                        continue;
                    }
                    kept.push(match gone.below(&element) {
                        Some(inner) => self.to(list.item).remove(item, inner),
                        None => item.clone(),
                    });
                }
                if kept.is_empty() { Value::Null } else { Value::Array(kept) }
            }
            (Form::Map(map), Value::Object(entries)) if !map.atomic => {
                let mut kept = Map::new();
                for (name, inner) in entries {
                    let element = Element::field(name);
                    if gone.has(&element) {
                        continue;
                    }
                    let inner = match gone.below(&element) {
                        Some(below) => self.to(self.field(map, name)).remove(inner, below),
                        None => inner.clone(),
                    };
                    kept.insert(name.clone(), inner);
                }
                if kept.is_empty() { Value::Null } else { Value::Object(kept) }
            }
            _ => Value::Null,
        }
    }
}

fn as_lists<'v>(l: Option<&'v Value>, r: Option<&'v Value>) -> (&'v [Value], &'v [Value]) {
    let list = |v: Option<&'v Value>| v.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    (list(l), list(r))
}

type Entries<'v> = Option<&'v Map<String, Value>>;

fn as_maps<'v>(l: Option<&'v Value>, r: Option<&'v Value>) -> (Entries<'v>, Entries<'v>) {
    (l.and_then(Value::as_object), r.and_then(Value::as_object))
}

/// Equal as the server sees it: 1 and 1.0 are one number.
pub(crate) fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(l), Value::Number(r)) => l == r || l.as_f64() == r.as_f64(),
        (Value::Array(l), Value::Array(r)) => {
            l.len() == r.len() && l.iter().zip(r).all(|(l, r)| same(l, r))
        }
        (Value::Object(l), Value::Object(r)) => {
            l.len() == r.len() && l.iter().all(|(k, l)| r.get(k).is_some_and(|r| same(l, r)))
        }
        (l, r) => l == r,
    }
}

fn scalar_issue(scalar: Scalar, value: &Value) -> Option<String> {
    let (expected, fits) = match scalar {
        Scalar::Integer | Scalar::Number => ("numeric (int or float)", value.is_number()),
        Scalar::Text | Scalar::Bytes | Scalar::Time | Scalar::MicroTime => {
            ("string", value.is_string())
        }
        Scalar::Boolean => ("boolean", value.is_boolean()),
        Scalar::IntOrString | Scalar::Quantity | Scalar::Any => {
            ("any scalar", !value.is_array() && !value.is_object())
        }
    };
    let got = match (scalar, value) {
        (Scalar::Integer | Scalar::Number, value) => go_type(value).to_owned(),
        (_, value) => shown(value),
    };
    (!fits).then(|| format!("expected {expected}, got {got}"))
}

/// A value's type as Go names it.
fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "nil",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// A value as Go's `%v` shows a wrapped one.
fn shown(value: &Value) -> String {
    match value {
        Value::Array(_) | Value::Object(_) => format!("&{{{value}}}"),
        Value::String(text) => format!("&{{{text}}}"),
        other => format!("&{{{other}}}"),
    }
}

fn quoted(keys: &[String]) -> String {
    let keys: Vec<String> = keys.iter().map(|key| format!("{key:?}")).collect();
    format!("[{}]", keys.join(" "))
}

#[cfg(test)]
#[path = "typed_tests.rs"]
mod tests;
