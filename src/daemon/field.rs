//! Questions about a field: the unit is built once more, with origins noted.
//!
//! Nothing is kept for it: an answer costs one build. Values of Secrets, and those that variables
//! brought out of Secrets, are never told.

use serde_json::Value as Json;

use crate::datalog::Reader;
use crate::explain;
use crate::explain::Answer;
use crate::explain::FieldStory;
use crate::explain::ObjectError;
use crate::ingest::Recipe;
use crate::ingest::Recipes;
use crate::ingest::SetAfterwards;
use crate::kustomize::Step;
use crate::kustomize::flux;
use crate::kustomize::flux::UnitFieldOrigin;
use crate::kustomize::flux::UnitObject;
use crate::model::ObjectRef;
use crate::model::pointer;

/// Where the field of an object comes from.
pub(super) fn why_field(
    reader: &Reader,
    object: &ObjectRef,
    field: &str,
    recipes: Option<&Recipes>,
) -> Answer {
    let unknown = |reason: &str| explain::field_unknown(reader, object, field, reason.to_owned());
    let Some(unit) = explain::declaring_unit(reader, object) else {
        return unknown("no unit declares the object");
    };
    let Some(recipes) = recipes else {
        return unknown("the daemon does not run: only it holds the files of the sources");
    };
    let Some(recipe) = recipes.get(&unit) else {
        return unknown("the unit was not built since the daemon started");
    };
    match stories(&recipe, object, field) {
        Ok(stories) => explain::why_field(reader, object, &unit.to_string(), field, &stories),
        Err(reason) => unknown(&reason),
    }
}

fn stories(recipe: &Recipe, object: &ObjectRef, field: &str) -> Result<Vec<FieldStory>, String> {
    let built =
        recipe.build().map_err(|reason| format!("the unit cannot be built now: {reason}"))?;
    let is_meant = |built: &&UnitObject| is_same(built, object);
    let found = built.iter().find(is_meant).ok_or("the last build does not contain it")?;
    let json = recipe.finish(found.node.to_json().unwrap_or_default());
    let Some(pointer) = pointer_of(field, &json) else { return Ok(Vec::new()) };
    let mut pointers = Vec::new();
    if let Some(value) = json.pointer(&pointer) {
        leaves(value, pointer, &mut pointers);
    }
    Ok(pointers.into_iter().map(|pointer| story(recipe, found, &json, pointer)).collect())
}

fn is_same(built: &UnitObject, object: &ObjectRef) -> bool {
    let text = |path: &[&str]| built.node.str_at(path).unwrap_or_default();
    let api_version = text(&["apiVersion"]);
    let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
    let namespace = text(&["metadata", "namespace"]);
    group == object.group
        && text(&["kind"]) == object.kind
        && text(&["metadata", "name"]) == object.name
        && (object.namespace.is_empty() || namespace == object.namespace)
}

fn story(recipe: &Recipe, built: &UnitObject, json: &Json, pointer: String) -> FieldStory {
    let value = if is_secret(built, json, &pointer) {
        explain::REDACTED.to_owned()
    } else {
        explain::short(json.pointer(&pointer).unwrap_or(&Json::Null))
    };
    let path = pointer::shown(&pointer);
    let known = built.fields.iter().find(|field| field.origin.pointer == pointer);
    let by_name = |written: String| FieldStory {
        path: path.clone(),
        value: value.clone(),
        written,
        is_file: false,
        step: None,
        variables: Vec::new(),
    };
    match (recipe.set_afterwards(&pointer), known) {
        (Some(SetAfterwards::CommonMetadata), _) => {
            by_name(format!("spec.commonMetadata of Kustomization {}", recipe.unit()))
        }
        (Some(SetAfterwards::Owner), _) => by_name("hence: it names the owner".to_owned()),
        (None, Some(field)) => FieldStory {
            step: field.origin.step.as_deref().map(|step| phrase(recipe, step)),
            variables: field.variables.clone(),
            is_file: !matches!(&*field.origin.file, "" | flux::SPEC_FILE),
            ..by_name(place(recipe, field))
        },
        (None, None) => FieldStory { is_file: true, ..by_name(built.origin.file.to_string()) },
    }
}

/// A Secret's data, annotations that may repeat it, and what a secret variable reached.
fn is_secret(built: &UnitObject, json: &Json, pointer: &str) -> bool {
    let reached = |field: &String| {
        pointer == field
            || pointer.strip_prefix(field.as_str()).is_some_and(|rest| rest.starts_with('/'))
    };
    explain::tells_of_secret(json, pointer) || built.secret_fields.iter().any(reached)
}

fn place(recipe: &Recipe, field: &UnitFieldOrigin) -> String {
    let origin = &field.origin;
    match (&*origin.file, origin.line) {
        (flux::SPEC_FILE, _) => format!("the spec of Kustomization {}", recipe.unit()),
        ("", _) => "the build itself".to_owned(),
        (file, 0) => file.to_owned(),
        (file, line) => format!("{file}:{line}"),
    }
}

/// `patches[0] of apps/web/kustomization.yaml`
fn phrase(recipe: &Recipe, step: &Step) -> String {
    let index = step.index.map(|index| format!("[{index}]")).unwrap_or_default();
    match (&*step.file, step.field.as_str()) {
        (flux::SPEC_FILE, field) => {
            format!("spec.{field}{index} of Kustomization {}", recipe.unit())
        }
        (file, "") => format!("{} of {file}", step.name),
        (file, field) => format!("{field}{index} of {file}"),
    }
}

/// The JSON pointer of `spec.containers[0].image`, `metadata.labels[app.kubernetes.io/name]`,
/// `containers[name=main]`, or of a pointer; `None` when the object has no such field.
fn pointer_of(field: &str, json: &Json) -> Option<String> {
    if field.starts_with('/') {
        return json.pointer(field).map(|_| field.to_owned());
    }
    let (mut at, mut pointer) = (json, String::new());
    for part in parts(field).ok()? {
        let key = match (at, part.split_once('=')) {
            (Json::Array(items), Some((name, value))) => {
                items.iter().position(|item| item[name] == value)?.to_string()
            }
            _ => pointer::escaped(&part),
        };
        pointer = format!("{pointer}/{key}");
        at = json.pointer(&pointer)?;
    }
    Some(pointer)
}

/// Whether a path can be read at all.
///
/// # Errors
/// It is empty, a part of it is, or its brackets do not fit.
pub(super) fn check(field: &str) -> Result<(), ObjectError> {
    let wrong = |why| Err(ObjectError::Field { field: field.to_owned(), why });
    match parts(field) {
        _ if field.starts_with('/') => Ok(()),
        Err(why) => wrong(why),
        Ok(parts) if parts.is_empty() => wrong("it is empty"),
        Ok(_) => Ok(()),
    }
}

/// The parts of a path: between dots, and in brackets.
fn parts(field: &str) -> Result<Vec<String>, &'static str> {
    let (mut parts, mut rest) = (Vec::new(), field);
    while !rest.is_empty() {
        let (part, tail) = match rest.strip_prefix('[') {
            Some(inside) => inside.split_once(']').ok_or("a bracket is not closed")?,
            None => rest.split_at(rest.find(['.', '[', ']']).unwrap_or(rest.len())),
        };
        if part.is_empty() {
            return Err("a part of it is empty");
        }
        parts.push(part.to_owned());
        rest = match tail.chars().next() {
            Some('.') if tail.len() == 1 => return Err("a part of it is empty"),
            Some('.') => &tail[1..],
            None | Some('[') => tail,
            Some(_) => return Err("a bracket, or text behind it, does not fit"),
        };
    }
    Ok(parts)
}

/// Pointers of all scalars, and of what is empty, at or below a value.
fn leaves(value: &Json, pointer: String, found: &mut Vec<String>) {
    match value {
        Json::Object(entries) if !entries.is_empty() => {
            for (key, value) in entries {
                let key = pointer::escaped(key);
                leaves(value, format!("{pointer}/{key}"), found);
            }
        }
        Json::Array(items) if !items.is_empty() => {
            for (i, item) in items.iter().enumerate() {
                leaves(item, format!("{pointer}/{i}"), found);
            }
        }
        _ => found.push(pointer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_fields() {
        let json = serde_json::json!({
            "metadata": {"labels": {"app.kubernetes.io/name": "a"}},
            "spec": {"containers": [{"name": "x"}, {"name": "main", "image": "i"}]},
        });
        #[rustfmt::skip]
        let cases = [
            ("spec.containers[1].image",               Some("/spec/containers/1/image")),
            ("spec.containers.1.image",                Some("/spec/containers/1/image")),
            ("spec.containers[name=main].image",       Some("/spec/containers/1/image")),
            ("metadata.labels[app.kubernetes.io/name]", Some("/metadata/labels/app.kubernetes.io~1name")),
            ("/spec/containers/0",                     Some("/spec/containers/0")),
            ("spec.absent",                            None),
            ("spec.containers[name=none].image",       None),
        ];
        for (path, want) in cases {
            assert_eq!(pointer_of(path, &json).as_deref(), want, "{path}");
        }
    }

    #[test]
    fn paths_that_lead_nowhere_are_told() {
        #[rustfmt::skip]
        let cases = [
            ("data[",          "a bracket is not closed"),
            ("data[a",         "a bracket is not closed"),
            ("data]",          "a bracket, or text behind it, does not fit"),
            ("data[a]b",       "a bracket, or text behind it, does not fit"),
            ("data[]",         "a part of it is empty"),
            ("data..a",        "a part of it is empty"),
            (".data",          "a part of it is empty"),
            ("data.",          "a part of it is empty"),
            ("",               "it is empty"),
        ];
        for (path, want) in cases {
            let error = check(path).expect_err(path);
            assert!(error.to_string().ends_with(want), "{path}: {error}");
        }
        for path in ["data", "data[a.b/c]", "[a]", "a[0][name=x].b", "/data/a"] {
            assert!(check(path).is_ok(), "{path}");
        }
    }
}
