//! OpenAPI documents: enough for kubectl to validate, explain and merge.
//!
//! In: the kinds with their shapes. Out: the index at `/openapi/v3`, one document for each group
//! and version, and a small `/openapi/v2`. Descriptions are not recorded, so `kubectl explain`
//! shows fields without words.
//!
//! Pure. Not here: aggregated discovery (`discovery.rs`).

use std::collections::BTreeSet;

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::builtin::BUILT_IN;
use super::builtin::open_api_name;
use super::kinds::Kind;
use super::kinds::Kinds;
use super::schema::Form;
use super::schema::Relation;
use super::schema::Scalar;
use super::schema::TypeId;
use super::schema::Types;

fn group_path(group: &str, version: &str) -> String {
    if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") }
}

/// `/openapi/v3`
pub(crate) fn index(kinds: &Kinds) -> Value {
    let mut paths = Map::new();
    for (group, versions) in kinds.groups() {
        for version in versions {
            let path = group_path(&group, &version);
            let url = json!({"serverRelativeURL": format!("/openapi/v3/{path}")});
            paths.insert(path, url);
        }
    }
    json!({ "paths": paths })
}

/// `/openapi/v3/{path}`
pub(crate) fn version_three(kinds: &Kinds, path: &str, version: &str) -> Option<Value> {
    let here = |kind: &&std::sync::Arc<Kind>| group_path(&kind.id.group, &kind.version) == path;
    let mut schemas = Map::new();
    let mut paths = Map::new();
    let mut wanted: BTreeSet<String> = BTreeSet::new();
    for kind in kinds.all().filter(here) {
        let name = schema_name(kind);
        let reference = json!({"$ref": format!("#/components/schemas/{name}")});
        add_paths(kind, &reference, &mut paths);
        if let Some(custom) = &kind.custom {
            schemas.insert(name, custom_schema(kind, &custom.schema));
            wanted.insert("meta.v1.ObjectMeta".to_owned());
        } else {
            wanted.insert(kind.type_name.clone());
        }
    }
    if paths.is_empty() {
        return None;
    }
    while let Some(name) = wanted.pop_first() {
        let full = open_api_name(&name);
        if !schemas.contains_key(&full) {
            let mut schema = schema_of(&BUILT_IN.types, BUILT_IN.ids[&name], true, &mut wanted);
            let named: Vec<Value> = kinds
                .all()
                .filter(|kind| kind.custom.is_none() && kind.type_name == name)
                .map(|kind| gvk(kind))
                .collect();
            if !named.is_empty() {
                schema["x-kubernetes-group-version-kind"] = json!(named);
            }
            schemas.insert(full, schema);
        }
    }
    Some(json!({"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": version},
        "paths": paths, "components": {"schemas": schemas}}))
}

fn gvk(kind: &Kind) -> Value {
    json!({"group": kind.id.group, "version": kind.version, "kind": kind.kind})
}

fn schema_name(kind: &Kind) -> String {
    match kind.custom {
        None => open_api_name(&kind.type_name),
        Some(_) => {
            let reversed: Vec<&str> = kind.id.group.rsplit('.').collect();
            format!("{}.{}.{}", reversed.join("."), kind.version, kind.kind)
        }
    }
}

fn custom_schema(kind: &Kind, schema: &Value) -> Value {
    let mut schema = schema.clone();
    let properties = &mut schema["properties"];
    properties["apiVersion"] = json!({"type": "string"});
    properties["kind"] = json!({"type": "string"});
    let metadata = open_api_name("meta.v1.ObjectMeta");
    properties["metadata"] =
        json!({"allOf": [{"$ref": format!("#/components/schemas/{metadata}")}]});
    schema["x-kubernetes-group-version-kind"] = json!([gvk(kind)]);
    schema
}

/// The operations that kubectl looks at: which parameters a patch of this kind takes.
fn add_paths(kind: &Kind, reference: &Value, paths: &mut Map<String, Value>) {
    let base = group_path(&kind.id.group, &kind.version);
    let home = if kind.namespaced { "/namespaces/{namespace}" } else { "" };
    let collection = format!("/{base}{home}/{}", kind.id.resource);
    let parameters: Vec<Value> = ["dryRun", "fieldManager", "fieldValidation", "force"]
        .iter()
        .map(|name| json!({"name": name, "in": "query", "schema": {"type": "string"}}))
        .collect();
    let operation = |action: &str| {
        let media = json!({"application/json": {"schema": reference}});
        json!({"parameters": parameters, "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": gvk(kind),
            "responses": {"200": {"description": "OK", "content": media}}})
    };
    paths.insert(
        format!("{collection}/{{name}}"),
        json!({"get": operation("get"), "put": operation("put"), "patch": operation("patch"),
            "delete": operation("delete")}),
    );
    paths.insert(collection, json!({"get": operation("list"), "post": operation("post")}));
}

/// A recorded type as a schema; types that it refers to go to `wanted`.
fn schema_of(types: &Types, ty: TypeId, top: bool, wanted: &mut BTreeSet<String>) -> Value {
    let described = types.get(ty);
    if let Some(name) = described.name.as_ref().filter(|_| !top) {
        wanted.insert(name.clone());
        let reference = format!("#/components/schemas/{}", open_api_name(name));
        return json!({"allOf": [{"$ref": reference}]});
    }
    if described.is_free() {
        return json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    }
    match described.form(None) {
        Form::Scalar(scalar) => scalar_schema(scalar),
        Form::List(list) => {
            let mut schema =
                json!({"type": "array", "items": schema_of(types, list.item, false, wanted)});
            match &list.relation {
                Relation::Atomic => schema["x-kubernetes-list-type"] = json!("atomic"),
                Relation::Set => schema["x-kubernetes-list-type"] = json!("set"),
                Relation::Keyed(keys) => {
                    schema["x-kubernetes-list-type"] = json!("map");
                    schema["x-kubernetes-list-map-keys"] = json!(keys);
                }
            }
            schema
        }
        Form::Map(map) => {
            let mut schema = json!({"type": "object"});
            if map.atomic {
                schema["x-kubernetes-map-type"] = json!("atomic");
            }
            if let Some(element) = map.element {
                schema["additionalProperties"] = schema_of(types, element, false, wanted);
            }
            let mut required = Vec::new();
            for (name, field) in &map.fields {
                let mut property = schema_of(types, field.ty, false, wanted);
                if let Some(default) = &field.default {
                    property["default"] = default.clone();
                }
                if let Some(key) = &field.strategy.key {
                    property["x-kubernetes-patch-merge-key"] = json!(key);
                }
                if field.strategy.merge {
                    let both =
                        if field.strategy.retain_keys { "merge,retainKeys" } else { "merge" };
                    property["x-kubernetes-patch-strategy"] = json!(both);
                }
                schema["properties"][name] = property;
                if field.required {
                    required.push(name.clone());
                }
            }
            if !required.is_empty() {
                schema["required"] = json!(required);
            }
            schema
        }
    }
}

fn scalar_schema(scalar: Scalar) -> Value {
    match scalar {
        Scalar::Text => json!({"type": "string"}),
        Scalar::Integer => json!({"type": "integer", "format": "int32"}),
        Scalar::Number => json!({"type": "number", "format": "double"}),
        Scalar::Boolean => json!({"type": "boolean"}),
        Scalar::Bytes => json!({"type": "string", "format": "byte"}),
        Scalar::Time => json!({"type": "string", "format": "date-time"}),
        Scalar::Quantity => json!({"oneOf": [{"type": "string"}, {"type": "number"}]}),
        Scalar::IntOrString => {
            json!({"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]})
        }
        Scalar::Any => json!({}),
    }
}

/// `/openapi/v2`, for clients that look whether a patch takes `dryRun` and `fieldValidation`.
pub(crate) fn version_two(kinds: &Kinds, version: &str) -> Value {
    let mut paths = Map::new();
    for kind in kinds.all() {
        add_paths(kind, &json!({"type": "object"}), &mut paths);
    }
    json!({"swagger": "2.0", "info": {"title": "Kubernetes", "version": version}, "paths": paths,
        "definitions": {}})
}
