//! Schemas of custom resources: their shape, what is pruned and what is filled in.
//!
//! In: the `openAPIV3Schema` of one version of a definition. Out: the shape for server-side apply;
//! objects without unknown fields and with defaults.
//!
//! Pure. Facts: Kubernetes `apiextensions-apiserver/pkg/apiserver/schema` and
//! `kube-openapi/pkg/schemaconv`. Not here: validation (`crd_validate.rs`).

use std::sync::Arc;

use serde_json::Map;
use serde_json::Value;

use super::builtin::BUILT_IN;
use super::schema::Field;
use super::schema::List;
use super::schema::MapShape;
use super::schema::Presence;
use super::schema::Relation;
use super::schema::Scalar;
use super::schema::Strategy;
use super::schema::Type;
use super::schema::TypeId;
use super::schema::Types;

/// Fields that every object has, whatever its schema says of them.
const IMPLIED: &[&str] = &["apiVersion", "kind", "metadata"];

/// Whether an extension of `schema` is set.
pub(crate) fn flag(schema: &Value, name: &str) -> bool {
    schema.get(name).and_then(Value::as_bool).unwrap_or(false)
}

fn text<'v>(schema: &'v Value, name: &str) -> &'v str {
    schema.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The shape of a custom resource with this schema.
pub(crate) fn shape(schema: &Value) -> (Arc<Types>, TypeId) {
    let mut types = Types::upon(Arc::clone(&BUILT_IN.types));
    let mut map = struct_shape(schema, &mut types);
    imply(&mut map, &mut types);
    let ty = types.add(Type { map: Some(map), ..Type::default() });
    (Arc::new(types), ty)
}

fn declared(ty: TypeId, default: Option<Value>) -> Field {
    let strategy = Strategy::default();
    Field { ty, default, presence: Presence::Set, required: false, nullable: false, strategy }
}

fn imply(map: &mut MapShape, types: &mut Types) {
    let word = types.add(Type::scalar(Scalar::Text));
    map.fields.insert("apiVersion".to_owned(), declared(word, None));
    map.fields.insert("kind".to_owned(), declared(word, None));
    let metadata = BUILT_IN.ids["meta.v1.ObjectMeta"];
    map.fields.insert("metadata".to_owned(), declared(metadata, None));
}

fn struct_shape(schema: &Value, types: &mut Types) -> MapShape {
    let mut map = MapShape {
        atomic: text(schema, "x-kubernetes-map-type") == "atomic",
        ..MapShape::default()
    };
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, inner) in properties.into_iter().flatten() {
        let field = declared(type_of(inner, types), inner.get("default").cloned());
        map.fields.insert(name.clone(), field);
    }
    map.element = match schema.get("additionalProperties") {
        Some(inner @ Value::Object(_)) => Some(type_of(inner, types)),
        Some(Value::Bool(true)) => Some(Types::FREE),
        Some(_) => None,
        None => {
            let free = map.fields.is_empty() || keeps_unknown(schema);
            free.then_some(Types::FREE)
        }
    };
    if flag(schema, "x-kubernetes-embedded-resource") {
        imply(&mut map, types);
    }
    map
}

fn keeps_unknown(schema: &Value) -> bool {
    flag(schema, "x-kubernetes-preserve-unknown-fields")
}

fn type_of(schema: &Value, types: &mut Types) -> TypeId {
    if flag(schema, "x-kubernetes-int-or-string") {
        return types.add(Type::scalar(Scalar::IntOrString));
    }
    let scalar = match text(schema, "type") {
        "object" => {
            let map = Some(struct_shape(schema, types));
            return types.add(Type { map, ..Type::default() });
        }
        "array" => {
            let keys = schema.get("x-kubernetes-list-map-keys").and_then(Value::as_array);
            let keys = keys.into_iter().flatten().filter_map(Value::as_str);
            let relation = match text(schema, "x-kubernetes-list-type") {
                "set" => Relation::Set,
                "map" => Relation::Keyed(keys.map(str::to_owned).collect()),
                _ => Relation::Atomic,
            };
            let item = type_of(schema.get("items").unwrap_or(&Value::Null), types);
            let list = Some(List { item, relation });
            return types.add(Type { list, ..Type::default() });
        }
        "string" => Scalar::Text,
        "integer" => Scalar::Integer,
        "number" => Scalar::Number,
        "boolean" => Scalar::Boolean,
        _ => return Types::FREE,
    };
    types.add(Type::scalar(scalar))
}

/// Removes fields that the schema of an object does not declare; their paths go to `unknown`.
pub(crate) fn prune(schema: &Value, object: &mut Value, unknown: &mut Vec<String>) {
    prune_at(schema, object, "", true, unknown);
}

fn prune_at(
    schema: &Value,
    value: &mut Value,
    path: &str,
    is_object: bool,
    unknown: &mut Vec<String>,
) {
    match value {
        Value::Array(items) => {
            let Some(inner) = schema.get("items") else { return };
            for (index, item) in items.iter_mut().enumerate() {
                prune_at(inner, item, &format!("{path}[{index}]"), false, unknown);
            }
        }
        Value::Object(entries) => {
            let is_object = is_object || flag(schema, "x-kubernetes-embedded-resource");
            prune_fields(schema, entries, path, is_object, unknown);
        }
        _ => {}
    }
}

fn prune_fields(
    schema: &Value,
    entries: &mut Map<String, Value>,
    path: &str,
    is_object: bool,
    unknown: &mut Vec<String>,
) {
    let join = |name: &str| match path {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    };
    let properties = schema.get("properties").and_then(Value::as_object);
    let additional = schema.get("additionalProperties");
    let keeps = keeps_unknown(schema) || additional == Some(&Value::Bool(true));
    entries.retain(|name, inner| {
        if is_object && IMPLIED.contains(&name.as_str()) {
            return true;
        }
        if let Some(known) = properties.and_then(|properties| properties.get(name)) {
            prune_at(known, inner, &join(name), false, unknown);
            return true;
        }
        if let Some(known @ Value::Object(_)) = additional {
            prune_at(known, inner, &join(name), false, unknown);
            return true;
        }
        if !keeps {
            unknown.push(join(name));
        }
        keeps
    });
}

/// Fills in the schema's defaults; a null where null is not allowed counts as missing when there
/// is a default, and is removed otherwise.
pub(crate) fn fill(schema: &Value, value: &mut Value) {
    match value {
        Value::Array(items) => {
            if let Some(inner) = schema.get("items") {
                items.iter_mut().for_each(|item| fill(inner, item));
            }
        }
        Value::Object(entries) => {
            let properties = schema.get("properties").and_then(Value::as_object);
            for (name, inner) in properties.into_iter().flatten() {
                if entries.get(name) == Some(&Value::Null) && !flag(inner, "nullable") {
                    entries.remove(name);
                }
                if let Some(default) = inner.get("default") {
                    entries.entry(name.clone()).or_insert_with(|| default.clone());
                }
                if let Some(found) = entries.get_mut(name) {
                    fill(inner, found);
                }
            }
            if let Some(inner @ Value::Object(_)) = schema.get("additionalProperties") {
                let known = |name: &String| properties.is_some_and(|p| p.contains_key(name));
                for (_, found) in entries.iter_mut().filter(|(name, _)| !known(name)) {
                    fill(inner, found);
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Value {
        json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
            "size": {"type": "integer", "default": 1},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "items": {"type": "array", "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
                "items": {"type": "object", "properties": {"name": {"type": "string"},
                    "mode": {"type": "string", "default": "on"}}}}}}}})
    }

    #[test]
    fn unknown_fields_go_and_defaults_come() {
        let mut object = json!({"apiVersion": "x/v1", "kind": "X", "metadata": {"name": "a"},
            "top": 1, "spec": {"size": null, "free": {"a": {"b": 1}}, "labels": {"l": "v"},
            "items": [{"name": "one", "other": true}]}});
        let mut unknown = Vec::new();
        prune(&schema(), &mut object, &mut unknown);
        fill(&schema(), &mut object);
        assert_eq!(unknown, ["spec.items[0].other", "top"]);
        assert_eq!(
            object["spec"],
            json!({"size": 1, "free": {"a": {"b": 1}}, "labels": {"l": "v"},
                "items": [{"name": "one", "mode": "on"}]})
        );
    }

    #[test]
    fn the_shape_knows_list_keys_and_metadata() {
        let (types, ty) = shape(&schema());
        let items = types.at(ty, &["spec", "items"]).expect("declared");
        let list = types.get(items).list.as_ref().expect("a list");
        assert_eq!(list.relation, Relation::Keyed(vec!["name".to_owned()]));
        let finalizers = types.at(ty, &["metadata", "finalizers"]).expect("implied");
        let list = types.get(finalizers).list.as_ref().expect("a list");
        assert_eq!(list.relation, Relation::Set);
        assert_eq!(types.at(ty, &["spec", "free", "any", "thing"]), Some(Types::FREE));
    }
}
