//! JSON patches (RFC 6902) with the leniencies of the library that the official program uses.
//!
//! A path's first segment is never looked at, `replace` makes what is missing in a map, an index
//! may be negative, and a missing `value` is null. Upstream: `evanphx/json-patch` v4.

use std::collections::HashSet;

use super::error::BuildError;
use super::error::ErrorKind;
use super::error::Result;
use super::json;
use super::json::Detour;
use super::path;
use super::yaml::Dialect;
use super::yaml::Entry;
use super::yaml::Node;
use super::yaml::Place;
use super::yaml::Value;
use super::yaml::read_kustomization_at;
use crate::model::pointer;

/// Operations in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct JsonPatch(pub(crate) Vec<Operation>);

/// One step.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    kind: String,
    path: Option<String>,
    from: Option<String>,
    value: Node,
}

fn wrong(words: impl Into<String>) -> BuildError {
    BuildError::new(ErrorKind::InvalidPatch, words)
}

fn failed(words: impl Into<String>) -> BuildError {
    BuildError::new(ErrorKind::PatchFailed, words)
}

impl JsonPatch {
    /// Reads a patch, before which `start.line` lines stand. Text that starts with `[` must be
    /// JSON, all other is YAML.
    pub(crate) fn parse(text: &str, start: Place) -> Result<Self> {
        if text.is_empty() {
            return Err(wrong("empty json patch operations"));
        }
        if text.starts_with('[')
            && let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(text)
        {
            return Err(wrong(error.to_string()));
        }
        let node = read_kustomization_at(text.as_bytes(), start)
            .map_err(|error| BuildError::of_yaml(ErrorKind::InvalidPatch, "yaml: ", &error))?;
        let Some(node) = node.filter(|node| !path::is_null(node)) else {
            return Ok(Self::default());
        };
        let unfit = |what: &str| {
            wrong(format!("json: cannot unmarshal {what} into Go value of type jsonpatch.Patch"))
        };
        let Some(items) = node.items() else {
            return Err(unfit(if node.is_mapping() { "object" } else { "string" }));
        };
        let read = |item: &Node| match item.is_mapping() || path::is_null(item) {
            true => operation(item),
            false => Err(unfit("value")),
        };
        items.iter().map(read).collect::<Result<_>>().map(Self)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The document with all operations applied.
    pub(crate) fn apply(&self, document: &mut Node) -> Result<()> {
        self.0.iter().try_for_each(|operation| operation.apply(document))
    }
}

fn operation(node: &Node) -> Result<Operation> {
    // Of equal keys the last one counts.
    let last = |field: &str| {
        let named = |entry: &&Entry| entry.key.text() == Some(field);
        node.entries()?.iter().rev().find(named).map(|entry| &entry.value)
    };
    let text = |field: &str| match last(field)?.value(Dialect::V2)? {
        Value::Str(text) => Some((*text).to_owned()),
        _ => None,
    };
    let value = match last("value") {
        Some(value) => spelt_out(value)?,
        None => Node::null(),
    };
    let kind = text("op").unwrap_or_else(|| "unknown".to_owned());
    Ok(Operation { kind, path: text("path"), from: text("from"), value })
}

/// Scalars by what they mean in YAML 1.1, so that the rules of resources read the same from them.
fn spelt_out(node: &Node) -> Result<Node> {
    let place = node.place();
    if let Some(items) = node.items() {
        let items = items.iter().map(spelt_out).collect::<Result<_>>()?;
        return Ok(Node::sequence(items).at(place));
    }
    if let Some(entries) = node.entries() {
        let mut made = Vec::with_capacity(entries.len());
        let mut seen = HashSet::with_capacity(entries.len());
        for entry in entries.iter().rev() {
            let name = entry.key.kustomization_key();
            let key = Node::string(&name).at(entry.key.place());
            if seen.insert(name) {
                made.push(Entry { key, value: spelt_out(&entry.value)? });
            }
        }
        made.reverse();
        return Ok(Node::mapping(made).at(place));
    }
    let value = node.value(Dialect::V2).unwrap_or(Value::Null);
    Ok(json::scalar(&value, Detour::JsonText)?.at(place))
}

/// The segments between the first and the last, and the last.
fn segments(pointer: &str) -> Option<(Vec<String>, String)> {
    let mut parts = pointer.split('/').map(pointer::unescaped);
    parts.next();
    let mut parts: Vec<String> = parts.collect();
    let last = parts.pop()?;
    Some((parts, last))
}

/// A list's index; a negative one counts from the end of `len` items.
fn index(key: &str, len: usize) -> Result<usize> {
    let number: i64 = key
        .parse()
        .map_err(|_| failed(format!("strconv.Atoi: parsing {key:?}: invalid syntax")))?;
    let from_end = i64::try_from(len).unwrap_or(i64::MAX);
    let at = if number < 0 { number + from_end } else { number };
    usize::try_from(at).map_err(|_| invalid_index(number))
}

fn invalid_index(number: i64) -> BuildError {
    failed(format!("Unable to access invalid index: {number}: invalid index referenced"))
}

/// A map or list, to change.
struct Container<'n>(&'n mut Node);

impl<'n> Container<'n> {
    /// The container that a pointer's last segment stands in.
    fn find(document: &'n mut Node, parts: &[String]) -> Option<Self> {
        let mut at = document;
        for part in parts {
            let position = if at.is_mapping() {
                at.index_of(part)?
            } else {
                let len = at.items()?.len();
                index(part, len).ok().filter(|&i| i < len)?
            };
            at = if at.is_mapping() {
                &mut at.entries_mut()?.get_mut(position)?.value
            } else {
                at.items_mut()?.get_mut(position)?
            };
        }
        (at.is_mapping() || at.is_sequence()).then_some(Self(at))
    }

    /// The value at `key`; a map has `None` for what it lacks.
    fn get(&self, key: &str) -> Result<Option<Node>> {
        if self.0.is_mapping() {
            return Ok(self.0.get(key).cloned());
        }
        let items = self.0.items().unwrap_or_default();
        let at = index(key, items.len())?;
        match items.get(at) {
            Some(item) => Ok(Some(item.clone())),
            None => Err(invalid_index(key.parse().unwrap_or_default())),
        }
    }

    fn set(&mut self, key: &str, value: Node) -> Result<()> {
        if self.0.is_mapping() {
            self.0.set_entry(Entry { key: Node::string(key), value });
            return Ok(());
        }
        let len = self.0.items().unwrap_or_default().len();
        let at = index(key, len)?;
        if let Some(slot) = self.0.items_mut().and_then(|items| items.get_mut(at)) {
            *slot = value;
        }
        Ok(())
    }

    fn add(&mut self, key: &str, value: Node) -> Result<()> {
        if self.0.is_mapping() {
            return self.set(key, value);
        }
        if key == "-" {
            self.0.push(value);
            return Ok(());
        }
        let len = self.0.items().unwrap_or_default().len();
        let number: i64 = key.parse().map_err(|_| {
            failed(format!(
                "value was not a proper array index: '{key}': strconv.Atoi: parsing {key:?}: invalid syntax"
            ))
        })?;
        let at = index(key, len + 1)?;
        if at > len {
            return Err(invalid_index(number));
        }
        if let Some(items) = self.0.items_mut() {
            items.insert(at, value);
        }
        Ok(())
    }

    fn remove(&mut self, key: &str) -> Result<()> {
        if self.0.is_mapping() {
            let words = format!("Unable to remove nonexistent key: {key}: missing value");
            return self.0.remove(key).map(|_| ()).ok_or_else(|| failed(words));
        }
        let len = self.0.items().unwrap_or_default().len();
        let at = index(key, len)?;
        if at >= len {
            return Err(invalid_index(key.parse().unwrap_or_default()));
        }
        if let Some(items) = self.0.items_mut() {
            items.remove(at);
        }
        Ok(())
    }
}

impl Operation {
    fn apply(&self, document: &mut Node) -> Result<()> {
        match self.kind.as_str() {
            "add" => self.add(document),
            "remove" => self.remove(document),
            "replace" => self.replace(document),
            "move" => self.transfer(document, true),
            "copy" => self.transfer(document, false),
            "test" => self.test(document),
            kind => {
                let says = "the operation is none of add, remove, replace, move, copy and test";
                Err(wrong(format!("Unexpected kind: {kind}")).says(says))
            }
        }
    }

    fn pointer(&self, words: &str) -> Result<&str> {
        self.path.as_deref().ok_or_else(|| {
            wrong(format!("{words} operation failed to decode path: missing value"))
                .says(format!("the `{words}` operation has no path"))
        })
    }

    /// The container of `pointer`, and its last segment.
    fn container<'n>(
        document: &'n mut Node,
        pointer: &str,
        words: &str,
    ) -> Result<(Container<'n>, String)> {
        let missing = || {
            failed(format!("{words}: {pointer}: missing value"))
                .says(format!("the target has nothing at `{pointer}`"))
        };
        let (parts, last) = segments(pointer).ok_or_else(missing)?;
        let container = Container::find(document, &parts).ok_or_else(missing)?;
        Ok((container, last))
    }

    fn add(&self, document: &mut Node) -> Result<()> {
        let pointer = self.pointer("add")?;
        let quoted = format!("{pointer:?}");
        let words = "add operation does not apply: doc is missing path";
        let (mut container, last) = Self::container(document, pointer, words)
            .map_err(|e| e.reworded(format!("{words}: {quoted}: missing value")))?;
        container
            .add(&last, self.value.clone())
            .map_err(|error| error.wrap(format!("error in add for path: '{pointer}'")))
    }

    fn remove(&self, document: &mut Node) -> Result<()> {
        let pointer = self.pointer("remove")?;
        let words = "remove operation does not apply: doc is missing path";
        let (mut container, last) = Self::container(document, pointer, words)
            .map_err(|e| e.reworded(format!("{words}: {pointer:?}: missing value")))?;
        container
            .remove(&last)
            .map_err(|error| error.wrap(format!("error in remove for path: '{pointer}'")))
    }

    fn replace(&self, document: &mut Node) -> Result<()> {
        let pointer = self.pointer("replace")?;
        if pointer.is_empty() {
            if self.value.is_scalar() && !path::is_null(&self.value) {
                return Err(failed("replace operation value must be object or array"));
            }
            *document = self.value.clone();
            return Ok(());
        }
        let words = "replace operation does not apply: doc is missing path";
        let (mut container, last) = Self::container(document, pointer, words)?;
        container.get(&last).map_err(|_| {
            failed(format!(
                "replace operation does not apply: doc is missing key: {pointer}: missing value"
            ))
        })?;
        container.set(&last, self.value.clone())
    }

    /// `move` and `copy`.
    fn transfer(&self, document: &mut Node, remove: bool) -> Result<()> {
        let word = if remove { "move" } else { "copy" };
        let from = self.from.as_deref().ok_or_else(|| {
            wrong(format!("{word} operation failed to decode from: operation, missing from field: missing value"))
        })?;
        let words = format!("{word} operation does not apply: doc is missing from path");
        let (mut container, last) = Self::container(document, from, &words)?;
        let wrapped = |error: BuildError| {
            let at = if remove { format!("path: '{last}'") } else { format!("from: '{from}'") };
            error.wrap(format!("error in {word} for {at}"))
        };
        let value = container.get(&last).map_err(wrapped)?.unwrap_or_else(Node::null);
        if remove {
            container.remove(&last).map_err(wrapped)?;
        }
        let pointer = self.pointer(word)?;
        let words = format!("{word} operation does not apply: doc is missing destination path");
        let (mut container, last) = Self::container(document, pointer, &words)?;
        container.add(&last, value).map_err(|error| {
            if remove {
                error.wrap(format!("error in move for path: '{pointer}'"))
            } else {
                error.wrap("error while adding value during copy")
            }
        })
    }

    fn test(&self, document: &mut Node) -> Result<()> {
        let pointer = self.pointer("test")?;
        let unequal = || {
            failed(format!("testing value {pointer} failed: test failed"))
                .says(format!("`{pointer}` is not what the patch expects"))
        };
        if pointer.is_empty() {
            return if same(document, &self.value) { Ok(()) } else { Err(unequal()) };
        }
        let words = "test operation does not apply: is missing path";
        let (container, last) = Self::container(document, pointer, words)?;
        let found = container
            .get(&last)
            .map_err(|error| error.wrap(format!("error in test for path: '{pointer}'")))?
            .unwrap_or_else(Node::null);
        if same(&found, &self.value) { Ok(()) } else { Err(unequal()) }
    }
}

/// Equal as JSON: entries in any order, scalars by their JSON text.
fn same(a: &Node, b: &Node) -> bool {
    match (a.entries(), b.entries(), a.items(), b.items()) {
        (Some(x), Some(y), _, _) => {
            let fits = |e: &Entry| b.get(path::text(&e.key)).is_some_and(|v| same(&e.value, v));
            x.len() == y.len() && x.iter().all(fits)
        }
        (_, _, Some(x), Some(y)) => x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same(x, y)),
        (None, None, None, None) => a.value(Dialect::V3) == b.value(Dialect::V3),
        _ => false,
    }
}
