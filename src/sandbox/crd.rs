//! Custom resource definitions: checked, established at once, and served.
//!
//! In: a definition as it was written. Out: what is wrong with it, its status with accepted names
//! and conditions, and the kinds that it adds.
//!
//! Pure. Facts: Kubernetes `apiextensions-apiserver`. Absent: conversion webhooks (every version
//! is read and written unchanged but for its `apiVersion`), checks of schemas beyond "structural".

use serde_json::Value;
use serde_json::json;

use super::refusal::FieldError;

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

/// Fills in names and what the server sets in each version.
pub(crate) fn fill(definition: &mut Value) {
    let spec = &mut definition["spec"];
    let names = &mut spec["names"];
    let kind = text(names, "kind").to_owned();
    if text(names, "singular").is_empty() {
        names["singular"] = json!(kind.to_lowercase());
    }
    if text(names, "listKind").is_empty() {
        names["listKind"] = json!(format!("{kind}List"));
    }
}

/// Every rule that a definition breaks.
pub(crate) fn validate(definition: &Value) -> Vec<FieldError> {
    let spec = &definition["spec"];
    let mut errors = Vec::new();
    let (plural, group) = (text(&spec["names"], "plural"), text(spec, "group"));
    let wanted = format!("{plural}.{group}");
    let name = &definition["metadata"]["name"];
    if name != &json!(wanted) {
        let detail = "must be spec.names.plural+\".\"+spec.group";
        errors.push(FieldError::invalid("metadata.name", name, detail));
    }
    for (field, value) in [
        ("spec.group", group),
        ("spec.scope", text(spec, "scope")),
        ("spec.names.plural", plural),
        ("spec.names.kind", text(&spec["names"], "kind")),
    ] {
        if value.is_empty() {
            errors.push(FieldError::required(field, ""));
        }
    }
    let versions = spec["versions"].as_array().cloned().unwrap_or_default();
    let stored = versions.iter().filter(|version| version["storage"] == true).count();
    if stored != 1 {
        let detail = "must have exactly one version marked as storage version";
        errors.push(FieldError::invalid("spec.versions", &json!(versions), detail));
    }
    for (index, version) in versions.iter().enumerate() {
        let field = format!("spec.versions[{index}].schema.openAPIV3Schema");
        match &version["schema"]["openAPIV3Schema"] {
            Value::Null => errors.push(FieldError::required(&field, "schemas are required")),
            schema => {
                if schema["type"] != "object" {
                    let field = format!("{field}.type");
                    match text(schema, "type") {
                        "" => errors
                            .push(FieldError::required(&field, "must not be empty at the root")),
                        _ => {
                            let detail = "must be object at the root";
                            errors.push(FieldError::invalid(&field, &schema["type"], detail));
                        }
                    }
                }
                structural(schema, &field, &mut errors);
            }
        }
    }
    errors
}

/// Every field has a type, unless it may be anything.
fn structural(schema: &Value, field: &str, errors: &mut Vec<FieldError>) {
    let any = schema["x-kubernetes-preserve-unknown-fields"] == true
        || schema["x-kubernetes-int-or-string"] == true;
    if text(schema, "type").is_empty() && !any {
        errors.push(FieldError::required(
            &format!("{field}.type"),
            "must not be empty for specified object fields",
        ));
    }
    if let Some(properties) = schema["properties"].as_object() {
        for (name, inner) in properties {
            structural(inner, &format!("{field}.properties[{name}]"), errors);
        }
    }
    match (text(schema, "type"), &schema["items"]) {
        ("array", Value::Null) => {
            errors.push(FieldError::required(&format!("{field}.items"), "must be specified"));
        }
        ("array", items) => structural(items, &format!("{field}.items"), errors),
        _ => {}
    }
    if schema["additionalProperties"].is_object() {
        let field = format!("{field}.additionalProperties");
        structural(&schema["additionalProperties"], &field, errors);
    }
}

/// Sets the status of a definition whose names are accepted and which is served.
pub(crate) fn establish(definition: &mut Value, now: &str) {
    let names = definition["spec"]["names"].clone();
    let stored = definition["spec"]["versions"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|version| version["storage"] == true)
        .map(|version| version["name"].clone())
        .unwrap_or_default();
    let before = definition["status"].clone();
    let mut versions = before["storedVersions"].as_array().cloned().unwrap_or_default();
    if !versions.contains(&stored) {
        versions.push(stored);
    }
    let condition = |kind: &str, reason: &str, message: &str| {
        let known = before["conditions"].as_array().into_iter().flatten();
        let since = known
            .filter(|condition| condition["type"] == kind && condition["status"] == "True")
            .find_map(|condition| condition["lastTransitionTime"].as_str());
        json!({"type": kind, "status": "True", "reason": reason, "message": message,
            "lastTransitionTime": since.unwrap_or(now)})
    };
    definition["status"] = json!({
        "acceptedNames": names,
        "storedVersions": versions,
        "conditions": [
            condition("NamesAccepted", "NoConflicts", "no conflicts found"),
            condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        ],
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition() -> Value {
        json!({"metadata": {"name": "widgets.example.com"}, "spec": {"group": "example.com",
            "scope": "Namespaced", "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema":
                {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object"}}}}}]}})
    }

    #[test]
    fn a_good_definition_is_established() {
        let mut good = definition();
        fill(&mut good);
        assert_eq!(validate(&good), []);
        establish(&mut good, "2026-01-01T00:00:00Z");
        assert_eq!(good["status"]["acceptedNames"]["listKind"], "WidgetList");
        assert_eq!(good["status"]["storedVersions"], json!(["v1"]));
        let first = good.clone();
        establish(&mut good, "2027-01-01T00:00:00Z");
        assert_eq!(good, first, "times move only when something changes");
    }

    #[test]
    fn broken_definitions_are_refused() {
        let errors = |edit: fn(&mut Value)| -> Vec<String> {
            let mut broken = definition();
            edit(&mut broken);
            validate(&broken).iter().map(FieldError::text).collect()
        };
        assert_eq!(
            errors(|broken| broken["metadata"]["name"] = json!("x")),
            ["metadata.name: Invalid value: \"x\": must be spec.names.plural+\".\"+spec.group"]
        );
        let untyped = errors(|broken| {
            broken["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"] =
                json!({});
        });
        assert_eq!(
            untyped,
            ["spec.versions[0].schema.openAPIV3Schema.properties[spec].type: Required value: \
              must not be empty for specified object fields"]
        );
    }
}
