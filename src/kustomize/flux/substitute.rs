//! Variables in one object: its printed text is filled in and read again.
//!
//! Reading it again gives values their types: `replicas: ${n}` becomes a number. Numbers go through
//! 64-bit floats on this way, as Flux's do.

use std::ops::Range;

use super::error::SubstituteError;
use super::evaluate;
use super::template;
use super::variables::Variables;
use crate::kustomize::yaml::FileId;
use crate::kustomize::yaml::Node;
use crate::kustomize::yaml::Place;
use crate::kustomize::yaml::read_kustomization;
use crate::model::pointer;

/// The label or annotation that keeps variables out of an object.
const SWITCH: &str = "kustomize.toolkit.fluxcd.io/substitute";
const DISABLED: &str = "disabled";

/// An object with its variables filled in.
#[derive(Debug)]
pub struct Substituted {
    /// The object. Fields that did not change keep their places.
    pub node: Node,
    /// JSON pointers of the fields that a secret value reached, sorted; a map stands for all that
    /// is in it when one of its keys was reached.
    pub secret_fields: Vec<String>,
}

/// Is substitution switched off in this object?
pub fn is_disabled(object: &Node) -> bool {
    let says = |field: &str| object.str_at(&["metadata", field, SWITCH]) == Some(DISABLED);
    says("labels") || says("annotations")
}

/// Fills `variables` into any text. Bytes come out: a substring may cut a character.
pub fn substitute_text(
    text: &str,
    variables: &Variables,
    strict: bool,
) -> Result<Vec<u8>, SubstituteError> {
    evaluate::fill(&template::parse(text)?, variables, strict).map(|filled| filled.text)
}

/// Fills `variables` into `text`, the printed form of `object`. New fields get `place`.
pub fn substitute(
    object: &Node,
    text: &str,
    variables: &Variables,
    strict: bool,
    place: Place,
) -> Result<Substituted, SubstituteError> {
    variables.check_names()?;
    let filled = evaluate::fill(&template::parse(text)?, variables, strict)?;
    let read = read_kustomization(&filled.text, FileId::default());
    let read = read.map_err(|error| SubstituteError::BrokenText { line: error.at().line })?;
    let read = read.ok_or(SubstituteError::NotAnObject)?;
    let json = read
        .to_kustomization_json()
        .map_err(|error| SubstituteError::BrokenText { line: error.at().line })?;
    if !json.is_object() {
        return Err(SubstituteError::NotAnObject);
    }
    let mut node = Node::from_json(&json, place);
    keep_places(&mut node, object);
    let text = String::from_utf8_lossy(&filled.text);
    let secret_fields = secret_fields(&read, &text, &filled.secret);
    Ok(Substituted { node, secret_fields })
}

/// Gives parts that are as before the place that they had.
fn keep_places(node: &mut Node, before: &Node) {
    if node.text().is_some() && node.text() == before.text() {
        return node.set_place(before.place());
    }
    if let (Some(items), Some(old)) = (node.items_mut(), before.items()) {
        items.iter_mut().zip(old).for_each(|(item, old)| keep_places(item, old));
        return node.set_place(before.place());
    }
    if let (Some(entries), Some(_)) = (node.entries_mut(), before.entries()) {
        for entry in entries {
            let Some(old) = entry.key.text().and_then(|key| before.entry(key)) else { continue };
            entry.key.set_place(old.key.place());
            keep_places(&mut entry.value, &old.value);
        }
        node.set_place(before.place());
    }
}

/// A scalar or empty collection of the text, and the pointer that stands for it.
struct Leaf {
    start: usize,
    pointer: String,
    /// It is a key; the pointer is that of the map around it.
    is_key: bool,
}

fn secret_fields(read: &Node, text: &str, secret: &[Range<usize>]) -> Vec<String> {
    if secret.is_empty() {
        return Vec::new();
    }
    let lines: Vec<usize> =
        std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
    let offset = |place: Place| {
        let line = lines.get(place.line.saturating_sub(1) as usize).copied().unwrap_or(text.len());
        let column = place.column.saturating_sub(1) as usize;
        let rest = text.get(line..).unwrap_or_default();
        line + rest.char_indices().nth(column).map_or(rest.len(), |(at, _)| at)
    };
    let mut leaves = Vec::new();
    collect(read, String::new(), &offset, &mut leaves);
    leaves.sort_by_key(|leaf: &Leaf| leaf.start);
    let starts: Vec<usize> = leaves.iter().map(|leaf| leaf.start).collect();
    let (mut fields, mut maps): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    for leaf in leaves {
        let next = starts.partition_point(|start| *start <= leaf.start);
        let end = starts.get(next).copied().unwrap_or(text.len());
        // Empty values count too: that there is nothing is also something.
        let reaches = |part: &Range<usize>| {
            part.start < end.max(leaf.start + 1) && part.end.max(part.start + 1) > leaf.start
        };
        if secret.iter().any(reaches) {
            if leaf.is_key {
                maps.push(format!("{}/", leaf.pointer));
            }
            fields.push(leaf.pointer);
        }
    }
    // A pointer below such a map could spell the key.
    fields.retain(|field| !maps.iter().any(|map| field.starts_with(map.as_str())));
    fields.sort();
    fields.dedup();
    fields
}

fn collect(node: &Node, pointer: String, offset: &impl Fn(Place) -> usize, leaves: &mut Vec<Leaf>) {
    if let Some(entries) = node.entries().filter(|entries| !entries.is_empty()) {
        for entry in entries {
            // A key's name must not stand in a report: the map around it stands for it.
            leaves.push(Leaf {
                start: offset(entry.key.place()),
                pointer: pointer.clone(),
                is_key: true,
            });
            let key = pointer::escaped(entry.key.text().unwrap_or_default());
            collect(&entry.value, format!("{pointer}/{key}"), offset, leaves);
        }
    } else if let Some(items) = node.items().filter(|items| !items.is_empty()) {
        for (index, item) in items.iter().enumerate() {
            collect(item, format!("{pointer}/{index}"), offset, leaves);
        }
    } else {
        leaves.push(Leaf { start: offset(node.place()), pointer, is_key: false });
    }
}
