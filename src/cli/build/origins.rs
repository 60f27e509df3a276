//! Origins in print: a line for each object, and below it one for each field that a step wrote.
//!
//! Values of Secrets are never shown: only where they come from.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value as Json;
use serde_json::json;

use crate::kustomize::Built;
use crate::kustomize::FieldOrigin;
use crate::kustomize::Resource;
use crate::kustomize::Step;

use super::shown;

/// What stands in place of a Secret's value.
const REDACTED: &str = "(secret)";
/// Longest value that is shown whole, in characters.
const VALUE_CHARS_MAX: usize = 60;

/// For people.
pub(super) fn text(built: &Built, here: &Path) -> String {
    let mut out = String::new();
    for resource in &built.resources {
        let _ = writeln!(out, "{}  {}", title(resource), place_of(resource, here));
        let object = resource.json();
        for field in written(resource) {
            let value = short(&value_of(&object, field));
            let place = place(field, here);
            let step = field.step.as_deref().map(|step| phrase(step, here)).unwrap_or_default();
            let _ = writeln!(out, "  {}: {value}\n    {place}{step}", path(&field.pointer));
        }
    }
    out
}

/// For programs.
pub(super) fn json(built: &Built, here: &Path) -> Json {
    let objects: Vec<Json> = built
        .resources
        .iter()
        .map(|resource| {
            let object = resource.json();
            let fields: Vec<Json> =
                written(resource).map(|field| field_json(&object, field, here)).collect();
            json!({
                "apiVersion": object["apiVersion"],
                "kind": object["kind"],
                "namespace": object["metadata"]["namespace"],
                "name": object["metadata"]["name"],
                "file": shown(&resource.origin().file, here),
                "line": resource.origin().line,
                "fields": fields,
            })
        })
        .collect();
    json!({ "version": "origins.v1", "objects": objects })
}

fn field_json(object: &Json, field: &FieldOrigin, here: &Path) -> Json {
    let step = field.step.as_deref().map(|step| {
        json!({
            "name": step.name,
            "file": shown(&step.file, here),
            "field": step.field,
            "index": step.index,
        })
    });
    json!({
        "pointer": field.pointer,
        "value": value_of(object, field),
        "file": shown(&field.file, here),
        "line": field.line,
        "step": step,
    })
}

/// The fields that a step wrote.
fn written(resource: &Resource) -> impl Iterator<Item = &FieldOrigin> {
    resource.fields().iter().filter(|field| field.step.is_some())
}

fn title(resource: &Resource) -> String {
    let object = resource.json();
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    let (kind, metadata) = (text(&object["kind"]), &object["metadata"]);
    let (namespace, name) = (text(&metadata["namespace"]), text(&metadata["name"]));
    if namespace.is_empty() {
        format!("{kind} {name}")
    } else {
        format!("{kind} {namespace}/{name}")
    }
}

fn place_of(resource: &Resource, here: &Path) -> String {
    let origin = resource.origin();
    numbered(&shown(&origin.file, here), origin.line)
}

fn place(field: &FieldOrigin, here: &Path) -> String {
    numbered(&shown(&field.file, here), field.line)
}

fn numbered(file: &str, line: u32) -> String {
    if line == 0 { file.to_owned() } else { format!("{file}:{line}") }
}

/// `, by images[0] of overlay/kustomization.yaml`
fn phrase(step: &Step, here: &Path) -> String {
    let index = step.index.map(|index| format!("[{index}]")).unwrap_or_default();
    let file = shown(&step.file, here);
    match step.field.as_str() {
        "" => format!(", by {} of {file}", step.name),
        field => format!(", by {field}{index} of {file}"),
    }
}

/// The value of a field; a Secret's data and what applying kept of it are not told.
fn value_of(object: &Json, field: &FieldOrigin) -> Json {
    let is_secret = object["kind"] == "Secret";
    let pointer = field.pointer.as_str();
    let tells = pointer.starts_with("/data/")
        || pointer.starts_with("/stringData/")
        || pointer.starts_with("/metadata/annotations/");
    if is_secret && tells {
        return Json::from(REDACTED);
    }
    object.pointer(pointer).cloned().unwrap_or_default()
}

fn short(value: &Json) -> String {
    let text =
        value.as_str().map_or_else(|| value.to_string(), |text| text.escape_debug().to_string());
    match text.char_indices().nth(VALUE_CHARS_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

/// `spec.containers[0].image` from a JSON pointer; parts with dots stand in brackets.
fn path(pointer: &str) -> String {
    let mut out = String::new();
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        let is_index = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if is_index || part.contains('.') || part.contains('/') {
            let _ = write!(out, "[{part}]");
        } else {
            let dot = if out.is_empty() { "" } else { "." };
            let _ = write!(out, "{dot}{part}");
        }
    }
    out
}
