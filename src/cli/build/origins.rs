//! Origins in print: a line for each object, and below it one for each field that a step wrote.
//!
//! Values of Secrets are never shown: only where they come from.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value as Json;
use serde_json::json;

use crate::explain;
use crate::kustomize::Built;
use crate::kustomize::FieldOrigin;
use crate::kustomize::Resource;
use crate::kustomize::Step;
use crate::model::pointer;

use super::shown;

/// For people.
pub(super) fn text(built: &Built, here: &Path) -> String {
    let mut out = String::new();
    for resource in &built.resources {
        let _ = writeln!(out, "{}  {}", title(resource), place_of(resource, here));
        let object = resource.json();
        for field in written(resource) {
            let value = explain::short(&value_of(&object, field));
            let place = place(field, here);
            let step = field.step.as_deref().map(|step| phrase(step, here)).unwrap_or_default();
            let _ =
                writeln!(out, "  {}: {value}\n    {place}{step}", pointer::shown(&field.pointer));
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
    if explain::tells_of_secret(object, &field.pointer) {
        return Json::from(explain::REDACTED);
    }
    object.pointer(&field.pointer).cloned().unwrap_or_default()
}
