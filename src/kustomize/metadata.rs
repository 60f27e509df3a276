//! The texts in an object's metadata: its name and namespace, its labels and annotations.
//!
//! A key may stand twice in a map until the object is printed, which refuses it. The first one is
//! what is looked up, set and removed. Upstream writes all labels or annotations anew by removing
//! the first map of that name and filling the one that is then there: what stands under the same
//! key a second time takes up the first. Upstream: `kyaml/yaml/rnode.go`, `kfns.go`.

use std::collections::BTreeMap;

use super::error::BuildError;
use super::error::ErrorKind;
use super::error::Result;
use super::path;
use super::path::Kind;
use super::pen;
use super::pen::Pen;
use super::yaml::Entry;
use super::yaml::Node;
use super::yaml::Place;
use super::yaml::Style;
use super::yaml::Tag;

/// The metadata of an object, unless it is empty.
fn metadata(node: &Node) -> Option<&Node> {
    node.get("metadata").filter(|found| !path::is_null_or_empty(found))
}

/// A field of the metadata, unless it is empty.
pub(crate) fn field<'n>(node: &'n Node, name: &str) -> Option<&'n Node> {
    metadata(node)?.get(name).filter(|found| !path::is_null_or_empty(found))
}

/// The text of a field of the metadata: nothing for a list or a map.
pub(crate) fn text<'n>(node: &'n Node, name: &str) -> Option<&'n str> {
    field(node, name).map(path::text)
}

/// Sets a text of the metadata, in the style of the old one.
pub(crate) fn set_text(node: &mut Node, field: &str, text: &str) -> Result<()> {
    match path::lookup_create(node, &["metadata"], Kind::Mapping)? {
        Some(metadata) => {
            // The name goes on to come from where it was written: this is for suffixes.
            let place =
                metadata.get(field).map(Node::place).filter(|p| pen::group_of(*p).is_none());
            path::set_field(metadata, field, Node::scalar(text).at(place.unwrap_or_default()))
        }
        None => Ok(()),
    }
}

/// An annotation's text; the first of equal keys counts, as in an object's validated metadata.
pub(crate) fn first_annotation<'n>(node: &'n Node, key: &str) -> Option<&'n str> {
    metadata(node)?.get("annotations")?.get(key).map(path::text)
}

/// An annotation's text; the last of equal keys counts, as in the map of all annotations.
pub(crate) fn annotation<'n>(node: &'n Node, key: &str) -> Option<&'n str> {
    last(metadata(node)?.get("annotations")?, key).map(path::text)
}

fn last<'n>(map: &'n Node, key: &str) -> Option<&'n Node> {
    let entries = map.entries()?;
    let named = |entry: &&Entry| entry.key.text() == Some(key);
    entries.iter().rev().find(named).map(|entry| &entry.value)
}

/// All entries of `metadata.field` as texts. Upstream never asks for its kind: of a list, each item
/// is the key of the next one.
pub(crate) fn map(node: &Node, field: &str) -> BTreeMap<String, String> {
    let map = metadata(node).and_then(|metadata| metadata.get(field));
    let pair =
        |key: &Node, value: &Node| (path::text(key).to_owned(), path::text(value).to_owned());
    match map.and_then(Node::items) {
        Some(items) => items.chunks_exact(2).map(|two| pair(&two[0], &two[1])).collect(),
        None => {
            let entries = map.and_then(Node::entries).unwrap_or_default();
            entries.iter().map(|entry| pair(&entry.key, &entry.value)).collect()
        }
    }
}

/// How often a key stands in the metadata.
pub(crate) fn count(node: &Node, field: &str) -> usize {
    let entries = metadata(node).and_then(Node::entries).unwrap_or_default();
    entries.iter().filter(|entry| entry.key.text() == Some(field)).count()
}

/// Refuses annotations that are a list whose last item has no partner: upstream ends there.
pub(crate) fn refuse_odd_list(node: &Node) -> Result<()> {
    let annotations = metadata(node).and_then(|metadata| metadata.get("annotations"));
    match annotations.and_then(Node::items) {
        Some(items) if items.len() % 2 == 1 => {
            let words = format!("index out of range [{0}] with length {0}", items.len());
            Err(BuildError::new(ErrorKind::InvalidObject, words)
                .says("the annotations of an object are a list"))
        }
        _ => Ok(()),
    }
}

/// A string as upstream makes one: lines stand in a literal block.
fn made_string(text: &str) -> Node {
    let style = if text.contains('\n') { Style::Literal } else { Style::Plain };
    Node::string(text).styled(style)
}

/// Writes all of `metadata.field` anew; `groups` says where shared nodes come from.
pub(crate) fn set_map(
    node: &mut Node,
    field: &str,
    map: &BTreeMap<String, String>,
    groups: &[Place],
) -> Result<()> {
    let Some(metadata) = path::lookup_create(node, &["metadata"], Kind::Mapping)? else {
        return Ok(());
    };
    // The place of an entry that stays is kept, origins need it; what it shared is left.
    let old = metadata.get(field);
    let place_of = |key: &str| {
        let place = old.and_then(|old| last(old, key)).map(Node::place).unwrap_or_default();
        let group = pen::group_of(place).and_then(|group| groups.get(group));
        group.copied().unwrap_or(place)
    };
    let made: Vec<(&String, Node)> =
        map.iter().map(|(key, value)| (key, made_string(value).at(place_of(key)))).collect();
    path::remove_field(metadata, field)?;
    if made.is_empty() {
        return Ok(());
    }
    match path::lookup_create(metadata, &[field], Kind::Mapping)? {
        Some(map) => made.into_iter().try_for_each(|(key, value)| put(map, key, value)),
        None => Ok(()),
    }
}

/// Sets an entry of a map. In null, upstream adds it all the same: the map of entries is found, but
/// whoever looks at the node itself, as printing does, finds null. An empty key means the node
/// itself, which may then be no map.
fn put(map: &mut Node, key: &str, value: Node) -> Result<()> {
    if key.is_empty() {
        return path::set_scalar(map, value, &mut Pen::default());
    }
    if !path::is_null(map) {
        return path::set_field(map, key, value);
    }
    let mut value = value;
    path::quote(&mut value);
    if !map.is_mapping() {
        *map = Kind::Mapping.empty().at(map.place());
        map.set_tag(Tag::Null);
    }
    map.push_entry(Entry::new(key, value));
    Ok(())
}

/// Sets one annotation in place (kyaml: `SetAnnotation`).
pub(crate) fn set_annotation(node: &mut Node, key: &str, value: &str) -> Result<()> {
    if let Some(metadata) = node.get_mut("metadata") {
        remove_empty(metadata, "annotations");
        remove_empty(node, "metadata");
    }
    set_entry(node, "annotations", key, value)
}

/// Removes the first of all entries of this name that has no content.
fn remove_empty(map: &mut Node, name: &str) {
    let is_empty = |entry: &Entry| {
        let value = &entry.value;
        entry.key.text() == Some(name) && (value.is_scalar() || value.is_empty_collection())
    };
    let found = map.entries().and_then(|entries| entries.iter().position(is_empty));
    if let (Some(at), Some(entries)) = (found, map.entries_mut()) {
        entries.remove(at);
    }
}

/// Sets one annotation as a field spec would.
pub(crate) fn set_plain_annotation(node: &mut Node, key: &str, value: &str) -> Result<()> {
    let map = path::lookup_create(node, &["metadata", "annotations"], Kind::Mapping)?;
    let Some(map) = map else { return Ok(()) };
    if path::is_null(map) {
        *map = Kind::Mapping.empty();
    }
    path::set_field(map, key, Node::string(value))
}

/// Sets one label in place (kyaml: `SetLabel`).
pub(crate) fn set_label(node: &mut Node, key: &str, value: &str) -> Result<()> {
    set_entry(node, "labels", key, value)
}

fn set_entry(node: &mut Node, field: &str, key: &str, value: &str) -> Result<()> {
    match path::lookup_create(node, &["metadata", field], Kind::Mapping)? {
        Some(map) => put(map, key, made_string(value).styled(Style::SingleQuoted)),
        None => Ok(()),
    }
}
