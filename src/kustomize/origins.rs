//! Where fields come from: for each one the scalar that was written for it, and the step that put
//! it there.
//!
//! Every node knows its [`Place`], and steps that write a value give it the place of the text that
//! asked for it. What is added here is which step that was: before a step each object notes the
//! places in it, and those that are new afterwards are the step's.
//!
//! ```text
//! places before ─┐
//!                ├─▶ new ones ─▶ (place, step), kept with the object
//! places after ──┘
//! ```
//!
//! Only a build that is asked to (`BuildOptions::origins`) does any of this; to all others an
//! object is one empty pointer larger. Limit: a value that a replacement copies within one object
//! keeps its place, and with it whatever step wrote it before.

use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::Arc;

use super::build::Build;
use super::resmap::ResMap;
use super::resource::Object;
use super::yaml::Node;
use super::yaml::Place;
use crate::model::pointer;

/// A step of a build that wrote fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The transformer or generator, as upstream names it.
    pub name: String,
    /// The kustomization, or the file of the plugin's configuration.
    pub file: Arc<str>,
    /// The field of the kustomization that asks for it; empty for steps that always run.
    pub field: String,
    /// The entry of that field, from 0, when it is a list of steps.
    pub index: Option<usize>,
}

/// Where one field comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldOrigin {
    /// The field's JSON pointer.
    pub pointer: String,
    /// The file in which its value is written, from the tree's root; empty when none is known.
    pub file: Arc<str>,
    /// The line there, from 1; 0 when the value stands on no line.
    pub line: u32,
    /// The step that put it there; `None` when it stands in the object's own file.
    pub step: Option<Arc<Step>>,
}

/// What an object remembers of the steps that it went through.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trail {
    steps: HashMap<Place, Arc<Step>>,
    before: HashSet<Place>,
}

/// Notes what stands in each object, before a step.
pub(crate) fn before(map: &mut ResMap) {
    for object in map.objects_untouched() {
        let found = places(object);
        object.trail_mut().before = found;
    }
}

/// Notes that what is new in each object is the step's.
pub(crate) fn after(map: &mut ResMap, step: &Arc<Step>) {
    for object in map.objects_untouched() {
        claim(object, step);
    }
}

/// Notes that what is new in an object is the step's.
pub(crate) fn claim(object: &mut Object, step: &Arc<Step>) {
    let found = places(object);
    let trail = object.trail_mut();
    let before = std::mem::take(&mut trail.before);
    let unknown = Place::default();
    for place in found.into_iter().filter(|p| *p != unknown && !before.contains(p)) {
        trail.steps.insert(place, Arc::clone(step));
    }
}

/// The fields by which a patch finds its object: it repeats them, and does not write them.
const IDENTITY: &[&[&str]] =
    &[&["apiVersion"], &["kind"], &["metadata", "name"], &["metadata", "namespace"]];

/// The fields that make an object the one it is, before a patch; nothing when none are noted.
pub(crate) fn identity(object: &Object) -> Vec<Option<Node>> {
    match object.trail() {
        Some(_) => IDENTITY.iter().map(|path| object.node().get_path(path).cloned()).collect(),
        None => Vec::new(),
    }
}

/// Gives those that a patch left as they were the places that they had.
pub(crate) fn keep_identity(object: &mut Object, before: Vec<Option<Node>>) {
    for (path, old) in IDENTITY.iter().zip(before) {
        let Some(old) = old else { continue };
        if let Some(now) = object.body_mut().get_path_mut(path).filter(|n| n.text() == old.text()) {
            now.set_place(old.place());
        }
    }
}

/// Gives what a generator made of nothing the place of the generator.
pub(crate) fn adopt(object: &mut Object, name: Place, all_else: Place) {
    fill(object.body_mut(), all_else);
    let text = object.body_mut().get_path_mut(&["metadata", "name"]);
    text.into_iter().for_each(|node| node.set_place(name));
}

fn fill(node: &mut Node, place: Place) {
    if node.place() == Place::default() {
        node.set_place(place);
    }
    if node.is_mapping() {
        let entries = node.entries_mut().into_iter().flatten();
        entries.for_each(|entry| fill(&mut entry.value, place));
    } else {
        node.items_mut().into_iter().flatten().for_each(|item| fill(item, place));
    }
}

/// Takes over what another object remembers, for what is merged from it.
pub(crate) fn inherit(object: &mut Object, other: &Object) {
    let Some(theirs) = other.trail() else { return };
    let (steps, before) = (theirs.steps.clone(), places(other));
    let trail = object.trail_mut();
    trail.before = before;
    for (place, step) in steps {
        trail.steps.entry(place).or_insert(step);
    }
}

fn places(object: &Object) -> HashSet<Place> {
    let mut found = HashSet::new();
    visit(object.node(), &mut |node| {
        found.insert(object.origin_of(node.place()));
    });
    found
}

/// Calls `see` with each scalar, and with lists and maps that hold nothing.
fn visit(node: &Node, see: &mut impl FnMut(&Node)) {
    match (node.entries(), node.items()) {
        (Some(entries), _) if !entries.is_empty() => {
            entries.iter().for_each(|entry| visit(&entry.value, see));
        }
        (_, Some(items)) if !items.is_empty() => items.iter().for_each(|item| visit(item, see)),
        _ => see(node),
    }
}

/// The origins of all fields of an object, in the order of its text.
pub(crate) fn fields(build: &Build<'_>, object: &Object) -> Vec<FieldOrigin> {
    let mut found = Vec::new();
    leaves(object.node(), String::new(), &mut |pointer, node| {
        let place = object.origin_of(node.place());
        let step = object.trail().and_then(|trail| trail.steps.get(&place)).cloned();
        found.push(FieldOrigin {
            pointer,
            file: build.file_name(place.file),
            line: place.line,
            step,
        });
    });
    found
}

/// Calls `see` with each scalar below `node`, and with lists and maps that hold nothing, each with
/// its JSON pointer; `pointer` is that of `node`.
pub(crate) fn leaves(node: &Node, pointer: String, see: &mut impl FnMut(String, &Node)) {
    if let Some(entries) = node.entries().filter(|entries| !entries.is_empty()) {
        for entry in entries {
            let key = pointer::escaped(entry.key.text().unwrap_or_default());
            leaves(&entry.value, format!("{pointer}/{key}"), see);
        }
    } else if let Some(items) = node.items().filter(|items| !items.is_empty()) {
        for (i, item) in items.iter().enumerate() {
            leaves(item, format!("{pointer}/{i}"), see);
        }
    } else {
        see(pointer, node);
    }
}
