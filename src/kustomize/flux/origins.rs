//! Where the fields of a unit's objects come from: seen through the kustomization that was laid
//! over, back to the unit's file or spec, and through the variables that were filled in.
//!
//! ```text
//! field ─▶ line of the laid-over file ─▶ line of the file, or a field of the spec
//! field ─▶ text with ${…} in it       ─▶ its origin, and the variables
//! ```
//!
//! Only a build that notes origins does this. Values never stand here.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::template;
use super::template::Part;
use crate::kustomize::BuildError;
use crate::kustomize::FieldOrigin;
use crate::kustomize::Step;
use crate::kustomize::origins::leaves;
use crate::kustomize::yaml::FileId;
use crate::kustomize::yaml::Node;
use crate::kustomize::yaml::Place;
use crate::kustomize::yaml::read_kustomization;
use crate::model::pointer;

/// Stands for a file where the unit's spec is meant.
pub const SPEC_FILE: &str = "spec";

/// The place of what the spec lays over the file.
pub(super) const SPEC_PLACE: Place = Place { file: FileId(u32::MAX - 1), line: 0, column: 0 };

/// Fields of a kustomization that the spec names otherwise.
const RENAMED: &[(&str, &str)] = &[("namespace", "targetNamespace")];
/// Lists to which the spec appends.
const APPENDED: &[&str] = &["patches", "components"];

/// Where one field of a unit's object comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitFieldOrigin {
    /// File and line of the text that was written for it, and the step that put it there. The file
    /// is [`SPEC_FILE`] when the text stands in the unit's spec.
    pub origin: FieldOrigin,
    /// The variables that were filled in, sorted; their text stands at `origin`.
    pub variables: Vec<String>,
}

/// What a line of the laid-over file shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Line {
    /// Nothing that can be told.
    #[default]
    Unknown,
    /// This line of the file.
    File(u32),
    /// A field of the spec.
    Spec,
}

/// The laid-over file, line by line, and where each comes from.
pub(super) struct Lines {
    path: String,
    lines: Vec<Line>,
    /// How many entries of the lists in [`APPENDED`] the file has itself.
    own: BTreeMap<&'static str, usize>,
    /// Scalar fields that the spec set.
    replaced: Vec<String>,
}

impl Lines {
    /// `node` is the file as it was laid over, with places; `text` is how it was printed.
    pub(super) fn new(path: &str, node: &Node, text: &str) -> Self {
        let mut lines = vec![Line::Unknown; text.lines().count() + 1];
        if let Ok(Some(printed)) = read_kustomization(text.as_bytes(), FileId::default()) {
            trace(node, &printed, &mut lines);
        }
        let is_own = |item: &&Node| !is_of_spec(item);
        let count = |field: &str| {
            let items = node.get(field).and_then(Node::items).unwrap_or_default();
            items.iter().filter(is_own).count()
        };
        let own = APPENDED.iter().map(|field| (*field, count(field))).collect();
        let entries = node.entries().unwrap_or_default();
        let replaced = entries.iter().filter(|e| e.value.place() == SPEC_PLACE);
        let replaced = replaced.filter_map(|entry| entry.key.text().map(str::to_owned)).collect();
        Self { path: path.to_owned(), lines, own, replaced }
    }

    fn line(&self, line: u32) -> Line {
        self.lines.get(line as usize).copied().unwrap_or_default()
    }

    /// A failure that names the file's own line.
    pub(super) fn error(&self, error: BuildError) -> BuildError {
        if error.file() != Some(self.path.as_str()) {
            return error;
        }
        match self.line(error.line()) {
            Line::File(line) => error.moved(&self.path, line),
            Line::Spec => error.moved(SPEC_FILE, 0),
            Line::Unknown => error.moved(&self.path, 0),
        }
    }

    fn origin(&self, origin: &FieldOrigin) -> FieldOrigin {
        let mut origin = origin.clone();
        if *origin.file == *self.path {
            match self.line(origin.line) {
                Line::File(line) => origin.line = line,
                Line::Spec => (origin.file, origin.line) = (SPEC_FILE.into(), 0),
                Line::Unknown => origin.line = 0,
            }
        }
        if let Some(step) = origin.step.as_deref().filter(|step| *step.file == *self.path) {
            origin.step = Some(Arc::new(self.step(step)));
        }
        origin
    }

    fn step(&self, step: &Step) -> Step {
        let mut step = step.clone();
        let own = self.own.get(step.field.as_str()).copied();
        match (step.index, own) {
            (Some(index), Some(own)) if index >= own => {
                step.file = SPEC_FILE.into();
                step.index = Some(index - own);
            }
            _ if self.replaced.contains(&step.field) => {
                step.file = SPEC_FILE.into();
                let renamed = RENAMED.iter().find(|(field, _)| *field == step.field);
                step.field = renamed.map_or(step.field, |(_, name)| (*name).to_owned());
            }
            _ => {}
        }
        step
    }

    /// The origins of a built object's fields.
    pub(super) fn fields(&self, built: &[FieldOrigin]) -> Vec<UnitFieldOrigin> {
        let seen = |field| UnitFieldOrigin { origin: self.origin(field), variables: Vec::new() };
        built.iter().map(seen).collect()
    }
}

/// Whether the spec laid this node over the file.
fn is_of_spec(node: &Node) -> bool {
    node.place() == SPEC_PLACE
}

/// Notes for each printed line of `printed` where the same part of `node` was written.
fn trace(node: &Node, printed: &Node, lines: &mut [Line]) {
    if let Some(entries) = printed.entries() {
        for entry in entries {
            let key = entry.key.text().unwrap_or_default();
            let Some(old) = node.entry(key) else { continue };
            let place = if is_of_spec(&old.value) { SPEC_PLACE } else { old.key.place() };
            note(lines, entry.key.place().line, place, 0);
            trace(&old.value, &entry.value, lines);
        }
    } else if let Some(items) = printed.items() {
        for (old, item) in node.items().unwrap_or_default().iter().zip(items) {
            trace(old, item, lines);
        }
    } else {
        // The lines of a block follow its mark in both.
        let count = printed.text().unwrap_or_default().lines().count();
        let more = if count > 1 { u32::try_from(count).unwrap_or(u32::MAX) } else { 0 };
        for i in 0..=more {
            note(lines, printed.place().line.saturating_add(i), node.place(), i);
        }
    }
}

fn note(lines: &mut [Line], printed: u32, place: Place, offset: u32) {
    let Some(slot) = lines.get_mut(printed as usize) else { return };
    *slot = match place {
        SPEC_PLACE => Line::Spec,
        Place { line: 0, .. } => return,
        Place { line, .. } => Line::File(line.saturating_add(offset)),
    };
}

/// The origins of an object's fields after its variables were filled in: fields that changed come
/// from where the text with the variables stands.
pub(super) fn filled(
    before: &Node,
    fields: &[UnitFieldOrigin],
    after: &Node,
    substitution: Place,
) -> Vec<UnitFieldOrigin> {
    let known: BTreeMap<&str, &UnitFieldOrigin> =
        fields.iter().map(|field| (field.origin.pointer.as_str(), field)).collect();
    let mut found = Vec::new();
    leaves(after, String::new(), &mut |pointer, node| {
        let at = above(&pointer).find_map(|above| known.get(above).copied());
        let mut field = match at {
            Some(field) => field.clone(),
            None => return,
        };
        if node.place() == substitution {
            let text = at_pointer(before, &field.origin.pointer).and_then(Node::text);
            field.variables = text.map(variables_of).unwrap_or_default();
        }
        field.origin.pointer = pointer;
        found.push(field);
    });
    found
}

/// A pointer, and those of all that it is in.
fn above(pointer: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(pointer), |pointer| pointer.rfind('/').map(|at| &pointer[..at]))
}

fn at_pointer<'n>(node: &'n Node, pointer: &str) -> Option<&'n Node> {
    pointer.split('/').skip(1).try_fold(node, |node, part| {
        let key = pointer::unescaped(part);
        match node.items() {
            Some(items) => items.get(key.parse::<usize>().ok()?),
            None => node.get(&key),
        }
    })
}

/// The variables that a text names, sorted.
fn variables_of(text: &str) -> Vec<String> {
    fn gather(parts: &[Part], found: &mut Vec<String>) {
        for part in parts {
            if let Part::Call(call) = part {
                found.push(call.variable.clone());
                gather(&call.arguments, found);
            }
        }
    }
    let mut found = Vec::new();
    gather(&template::parse(text).unwrap_or_default(), &mut found);
    found.sort();
    found.dedup();
    found
}
