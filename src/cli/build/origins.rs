//! Origins in print: a line for each object, and below it one for each field that a step wrote.
//!
//! Values of Secrets are never shown: only where they come from.

use std::fmt::Write as _;
use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value as Json;

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

/// Where the fields of a build come from, as JSON (`schemas/origins.v1.json`).
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct Origins {
    /// Always `origins.v1`.
    version: &'static str,
    /// The objects, in the order of the build.
    objects: Vec<ObjectOrigin>,
}

/// One object.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ObjectOrigin {
    /// Its group and version.
    api_version: String,
    /// Its kind.
    kind: String,
    /// Its namespace; null when it names none.
    namespace: Option<String>,
    /// Its name.
    name: String,
    /// The file in which it stands, or that made it.
    file: String,
    /// Its first line there; 0 when it stands in no file.
    line: u32,
    /// The fields that a step wrote.
    fields: Vec<FieldWritten>,
}

/// One field that a step wrote.
#[derive(Debug, Serialize, JsonSchema)]
struct FieldWritten {
    /// Its JSON pointer.
    pointer: String,
    /// Its value; words stand in place of a secret one.
    value: Json,
    /// The file of the text that was written.
    file: String,
    /// The line there; 0 when the whole file was taken.
    line: u32,
    /// The step that wrote it.
    step: Option<StepTaken>,
}

/// One step of a build.
#[derive(Debug, Serialize, JsonSchema)]
struct StepTaken {
    /// The transformer or generator.
    name: String,
    /// The file that asks for it.
    file: String,
    /// The field of that file; empty when the whole file does.
    field: String,
    /// Its place in that field's list.
    index: Option<usize>,
}

/// For programs.
pub(super) fn of(built: &Built, here: &Path) -> Origins {
    let object = |resource: &Resource| {
        let json = resource.json();
        let text = |pointer: &str| json.pointer(pointer).and_then(Json::as_str).map(str::to_owned);
        let fields = written(resource).map(|field| field_written(&json, field, here));
        ObjectOrigin {
            api_version: text("/apiVersion").unwrap_or_default(),
            kind: text("/kind").unwrap_or_default(),
            namespace: text("/metadata/namespace"),
            name: text("/metadata/name").unwrap_or_default(),
            file: shown(&resource.origin().file, here),
            line: resource.origin().line,
            fields: fields.collect(),
        }
    };
    Origins { version: "origins.v1", objects: built.resources.iter().map(object).collect() }
}

fn field_written(object: &Json, field: &FieldOrigin, here: &Path) -> FieldWritten {
    let taken = |step: &Step| StepTaken {
        name: step.name.clone(),
        file: shown(&step.file, here),
        field: step.field.clone(),
        index: step.index,
    };
    FieldWritten {
        pointer: field.pointer.clone(),
        value: value_of(object, field),
        file: shown(&field.file, here),
        line: field.line,
        step: field.step.as_deref().map(taken),
    }
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
