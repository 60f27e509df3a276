//! The record of our fields after an apply, and what differs from it later.
//!
//! A difference is: a recorded path whose value changed or is gone; or a path that our entry holds
//! now and did not hold then (a takeover whose apply never came). Where the object is seen in
//! another API version than it was applied in, values cannot be compared: then it is a recorded
//! path that our entry no longer holds, because every change by somebody else takes it away.
//!
//! Not recorded, as Flux does not compare it: status, and metadata but for labels and annotations.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::FieldSet;
use super::Manager;
use super::PathElement;
use super::managers;
use super::path_text;
use crate::model::DigestKey;
use crate::model::Timestamp;

/// Our name.
const MANAGER: &str = "kustomize-controller";
/// Bytes kept of a value's keyed digest: enough that no two values of one field ever meet.
const DIGEST_BYTES: usize = 12;

/// Our fields of one object, each with a digest of its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedFields {
    uid: String,
    api_version: String,
    resource_version: String,
    root: Node,
}

/// One step of the recorded paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Node {
    /// What was there, when the path to this node is recorded.
    mark: Option<Mark>,
    children: BTreeMap<PathElement, Node>,
}

/// What was found at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Mark {
    /// Nothing, or `null`.
    Absent,
    /// Something whose parts are recorded one by one.
    Present,
    /// A map without entries.
    EmptyMap,
    /// A list without items.
    EmptyList,
    /// A value with this digest.
    Value([u8; DIGEST_BYTES]),
}

/// How an object differs from the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The path as people write it.
    pub path: String,
    /// Whether nothing is left at the path.
    pub missing: bool,
    /// Who did it; empty when nobody can be named.
    pub manager: String,
    /// `Apply` or `Update`; empty when nobody can be named.
    pub operation: String,
    /// When that manager last changed something.
    pub at: Option<Timestamp>,
}

impl RecordedFields {
    /// Records the fields that we own in `live`, the answer to an apply of ours.
    pub fn of(live: &Value, key: &DigestKey) -> Self {
        let text =
            |path: &str| live.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        let api_version = text("/apiVersion");
        let own = own_fields(live, &api_version).unwrap_or_default();
        Self {
            uid: text("/metadata/uid"),
            resource_version: text("/metadata/resourceVersion"),
            root: Node::record(&own, Some(live), key),
            api_version,
        }
    }

    /// The uid of the object that was recorded.
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// Whether both record the same fields of one object with the same values.
    pub fn has_content_of(&self, other: &Self) -> bool {
        self.uid == other.uid && self.api_version == other.api_version && self.root == other.root
    }

    /// How many paths are recorded.
    pub fn len(&self) -> usize {
        self.root.count()
    }

    /// Whether nothing is recorded.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// As one line of text, without the uid.
    pub fn to_text(&self) -> String {
        let fields = self.root.to_value();
        json!({"v": self.api_version, "rv": self.resource_version, "f": fields}).to_string()
    }

    /// Reads the text back; `None` when it was not written by [`RecordedFields::to_text`].
    pub fn parse(uid: &str, text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        Some(Self {
            uid: uid.to_owned(),
            api_version: value["v"].as_str()?.to_owned(),
            resource_version: value["rv"].as_str()?.to_owned(),
            root: Node::read(&value["f"])?,
        })
    }

    /// How `live` differs from the record, in the order of paths.
    ///
    /// An object with another uid is another object, and a state from before the record says
    /// nothing about it: neither differs.
    pub fn compare(&self, live: &Value, key: &DigestKey) -> Vec<Difference> {
        let text = |path: &str| live.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let before = is_before(text("/metadata/resourceVersion"), &self.resource_version);
        if text("/metadata/uid") != self.uid || before {
            return Vec::new();
        }
        let own = own_fields(live, &self.api_version);
        let mut found = Found::default();
        if text("/apiVersion") == self.api_version {
            self.root.compare(Some(live), own.as_ref(), key, &mut found);
        } else {
            match &own {
                Some(own) => self.root.lost(own, &mut found),
                None => found.add_path(vec![PathElement::field("apiVersion")], false),
            }
        }
        if let Some(own) = &own {
            self.root.gained(own, &mut found);
        }
        found.attribute(live)
    }
}

/// What we own, without what is not compared; `None` when we have no entry in this API version.
fn own_fields(live: &Value, api_version: &str) -> Option<FieldSet> {
    let ours =
        |manager: &Manager<'_>| manager.is_applier(MANAGER) && manager.api_version == api_version;
    let mut fields = managers(live).find(ours)?.fields();
    fields.children.remove(&PathElement::field("status"));
    if let Some(metadata) = fields.children.get_mut(&PathElement::field("metadata")) {
        metadata
            .children
            .retain(|step, _| matches!(step.field_name(), Some("labels" | "annotations")));
        metadata.owned = false;
    }
    Some(fields)
}

/// Whether one version of an object is older than another. Versions are opaque; those of API
/// servers are numbers that grow, and if they are not, nothing is known.
fn is_before(version: &str, other: &str) -> bool {
    let number = |text: &str| text.parse::<u64>().ok();
    number(version).zip(number(other)).is_some_and(|(version, other)| version < other)
}

impl Mark {
    /// What is at a path. `whole`: nothing below it is recorded by itself.
    fn of(value: Option<&Value>, whole: bool, key: &DigestKey) -> Self {
        match value {
            None | Some(Value::Null) => Self::Absent,
            Some(_) if !whole => Self::Present,
            Some(Value::Object(fields)) if fields.is_empty() => Self::EmptyMap,
            Some(Value::Array(items)) if items.is_empty() => Self::EmptyList,
            Some(value) => {
                let mut text = String::new();
                write_canonical(value, &mut text);
                let digest = key.digest(text.as_bytes());
                let mut kept = [0; DIGEST_BYTES];
                kept.copy_from_slice(&digest.as_bytes()[..DIGEST_BYTES]);
                Self::Value(kept)
            }
        }
    }

    /// A container that was empty, so that others may fill it without taking it from us.
    fn is_open(&self, now: Option<&Value>) -> bool {
        match self {
            Self::EmptyMap => now.is_some_and(Value::is_object),
            Self::EmptyList => now.is_some_and(Value::is_array),
            _ => false,
        }
    }

    fn to_text(&self) -> String {
        match self {
            Self::Absent => "-".to_owned(),
            Self::Present => "+".to_owned(),
            Self::EmptyMap => "{}".to_owned(),
            Self::EmptyList => "[]".to_owned(),
            Self::Value(digest) => BASE64_STANDARD_NO_PAD.encode(digest),
        }
    }

    fn read(text: &str) -> Option<Self> {
        match text {
            "-" => Some(Self::Absent),
            "+" => Some(Self::Present),
            "{}" => Some(Self::EmptyMap),
            "[]" => Some(Self::EmptyList),
            text => {
                let bytes = BASE64_STANDARD_NO_PAD.decode(text).ok()?;
                Some(Self::Value(bytes.try_into().ok()?))
            }
        }
    }
}

impl Node {
    fn record(owned: &FieldSet, value: Option<&Value>, key: &DigestKey) -> Self {
        let whole = owned.children.is_empty();
        let child = |(element, below): (&PathElement, &FieldSet)| {
            let found = value.and_then(|value| element.select(value));
            let mut node = Self::record(below, found, key);
            if element.is_value() {
                node.mark = node.mark.map(|_| Mark::of(found, false, key));
            }
            (element.clone(), node)
        };
        Self {
            mark: owned.owned.then(|| Mark::of(value, whole, key)),
            children: owned.children.iter().map(child).collect(),
        }
    }

    fn count(&self) -> usize {
        usize::from(self.mark.is_some()) + self.children.values().map(Self::count).sum::<usize>()
    }

    fn to_value(&self) -> Value {
        let own = self.mark.as_ref().map(|mark| Value::from(mark.to_text()));
        match own {
            Some(own) if self.children.is_empty() => own,
            own => {
                let mut fields = Map::new();
                if let Some(own) = own {
                    fields.insert(".".to_owned(), own);
                }
                for (element, below) in &self.children {
                    fields.insert(element.as_str().to_owned(), below.to_value());
                }
                Value::Object(fields)
            }
        }
    }

    fn read(value: &Value) -> Option<Self> {
        if let Some(text) = value.as_str() {
            return Some(Self { mark: Some(Mark::read(text)?), children: BTreeMap::new() });
        }
        let mut node = Self::default();
        for (raw, below) in value.as_object()? {
            match raw.as_str() {
                "." => node.mark = Some(Mark::read(below.as_str()?)?),
                raw => {
                    node.children.insert(PathElement::parse(raw)?, Self::read(below)?);
                }
            }
        }
        Some(node)
    }

    /// Paths whose value is not the recorded one.
    fn compare(
        &self,
        value: Option<&Value>,
        own: Option<&FieldSet>,
        key: &DigestKey,
        found: &mut Found,
    ) {
        if let Some(mark) = &self.mark {
            let whole = self.children.is_empty() && *mark != Mark::Present;
            let now = Mark::of(value, whole, key);
            let shared = mark.is_open(value) && own.is_some_and(|own| own.owned);
            if now != *mark && !shared {
                found.add(value.is_none());
            }
            if value.is_none() {
                return;
            }
        }
        for (element, below) in &self.children {
            let value = value.and_then(|value| element.select(value));
            found.path.push(element.clone());
            below.compare(value, own.and_then(|own| own.children.get(element)), key, found);
            found.path.pop();
        }
    }

    /// Recorded paths that our entry no longer holds.
    fn lost(&self, own: &FieldSet, found: &mut Found) {
        let none = FieldSet::default();
        if self.mark.is_some() && !own.owned {
            found.add(false);
        }
        for (element, below) in &self.children {
            found.path.push(element.clone());
            below.lost(own.children.get(element).unwrap_or(&none), found);
            found.path.pop();
        }
    }

    /// Paths that our entry holds now and that were not recorded.
    fn gained(&self, own: &FieldSet, found: &mut Found) {
        let none = Self::default();
        if own.owned && self.mark.is_none() && !found.path.is_empty() {
            found.add(false);
        }
        for (element, below) in &own.children {
            found.path.push(element.clone());
            self.children.get(element).unwrap_or(&none).gained(below, found);
            found.path.pop();
        }
    }
}

/// Paths that differ, gathered on the way through the tree.
#[derive(Default)]
struct Found {
    path: Vec<PathElement>,
    differences: BTreeMap<Vec<PathElement>, bool>,
}

impl Found {
    fn add(&mut self, missing: bool) {
        self.differences.insert(self.path.clone(), missing);
    }

    fn add_path(&mut self, path: Vec<PathElement>, missing: bool) {
        self.differences.insert(path, missing);
    }

    /// Names who changed each path.
    fn attribute(self, live: &Value) -> Vec<Difference> {
        if self.differences.is_empty() {
            return Vec::new();
        }
        let all: Vec<(Manager<'_>, FieldSet)> =
            managers(live).map(|manager| (manager.clone(), manager.fields())).collect();
        let ours = all.iter().find(|(manager, _)| manager.is_applier(MANAGER));
        let since = ours.and_then(|(manager, _)| manager.at);
        let others: Vec<&(Manager<'_>, FieldSet)> =
            all.iter().filter(|(manager, _)| !manager.is_applier(MANAGER)).collect();
        let name = |(path, missing): (Vec<PathElement>, bool)| {
            // Who holds the path now changed it; of a path that nobody holds, the last writer of
            // the object after us is the likeliest.
            let holder = latest(others.iter().filter(|(_, fields)| fields.touches(&path)));
            let likely =
                || {
                    latest(others.iter().filter(|(manager, _)| {
                        manager.subresource != "status" && manager.at >= since
                    }))
                };
            let author = holder.or_else(likely);
            Difference {
                path: path_text(&path),
                missing,
                manager: author.map_or_else(String::new, |author| author.name.to_owned()),
                operation: author.map_or_else(String::new, |author| author.operation.to_owned()),
                at: author.and_then(|author| author.at),
            }
        };
        self.differences.into_iter().map(name).collect()
    }
}

/// The manager that wrote last.
fn latest<'a, 'b: 'a>(
    entries: impl Iterator<Item = &'a &'a (Manager<'b>, FieldSet)>,
) -> Option<&'a Manager<'b>> {
    entries.map(|(manager, _)| manager).max_by_key(|manager| manager.at)
}

/// JSON with sorted keys and without blanks.
fn write_canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut names: Vec<&String> = fields.keys().collect();
            names.sort();
            text.push('{');
            for name in names {
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push(':');
                write_canonical(&fields[name], text);
                text.push(',');
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for item in items {
                write_canonical(item, text);
                text.push(',');
            }
            text.push(']');
        }
        scalar => text.push_str(&scalar.to_string()),
    }
}

#[cfg(test)]
mod tests;
