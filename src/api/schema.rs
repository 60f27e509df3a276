//! Schemas of custom resources: from the types, in the form that CRDs take.
//!
//! In: a type with a JSON schema. Out: a structural schema: inlined, without `null` and without
//! defaults, unit enums as `enum`. Defaults and CEL rules are added from tables (`crd.rs`), because
//! they are promises of the API server, not of these types.
//!
//! Pure. Cost: linear in the schema.

use std::borrow::Cow;

use schemars::JsonSchema;
use schemars::Schema;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use schemars::json_schema;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::Duration;
use super::Time;

/// For `skip_serializing_if`: Go leaves out what is false.
pub(super) fn is_false(value: &bool) -> bool {
    !*value
}

impl JsonSchema for Duration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string"})
    }
}

impl JsonSchema for Time {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "date-time"})
    }
}

/// The structural schema of `T`.
pub(super) fn structural<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::openapi3().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    simplify(&mut schema);
    schema
}

/// Brings a schema, and all below it, into structural form.
fn simplify(schema: &mut Value) {
    let Some(fields) = schema.as_object_mut() else { return };
    for name in ["$schema", "title", "default", "nullable"] {
        fields.remove(name);
    }
    unwrap_single(fields);
    enumerate(fields);
    drop_redundant_bounds(fields);
    for name in ["items", "additionalProperties"] {
        if let Some(inner) = fields.get_mut(name) {
            simplify(inner);
        }
    }
    if let Some(Value::Object(properties)) = fields.get_mut("properties") {
        properties.values_mut().for_each(simplify);
    }
    if let Some(Value::Array(required)) = fields.get_mut("required") {
        required.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
    }
}

/// `allOf` or `anyOf` around one schema (and `null`) gives way to that schema.
fn unwrap_single(fields: &mut Map<String, Value>) {
    for name in ["allOf", "anyOf"] {
        let Some(Value::Array(list)) = fields.remove(name) else { continue };
        let is_null = |schema: &Value| {
            schema.get("type") == Some(&json!("null")) || schema.get("enum") == Some(&json!([null]))
        };
        for inner in list.into_iter().filter(|schema| !is_null(schema)) {
            let Value::Object(inner) = inner else { continue };
            for (key, value) in inner {
                fields.entry(key).or_insert(value);
            }
        }
    }
    if let Some(Value::Array(types)) = fields.get("type") {
        let kept = types.iter().find(|name| *name != "null").cloned();
        fields.insert("type".to_owned(), kept.unwrap_or(Value::Null));
    }
}

/// `oneOf` over documented constants gives way to one `enum`.
fn enumerate(fields: &mut Map<String, Value>) {
    if let Some(Value::Array(choices)) = fields.remove("oneOf") {
        let value = |choice: &Value| {
            let one = choice.pointer("/enum/0").or_else(|| choice.get("const"));
            one.cloned().expect("an enum of an API type has unit variants only")
        };
        let values: Vec<Value> = choices.iter().map(value).collect();
        fields.insert("type".to_owned(), json!("string"));
        fields.insert("enum".to_owned(), Value::Array(values));
    }
    if let Some(Value::Array(values)) = fields.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
}

/// Bounds are integers, and `int64` says its range itself.
fn drop_redundant_bounds(fields: &mut Map<String, Value>) {
    for name in ["minimum", "maximum"] {
        if let Some(number) = fields.get(name).and_then(Value::as_f64) {
            fields.insert(name.to_owned(), json!(number as i64));
        }
    }
}
