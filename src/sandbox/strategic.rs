//! Strategic merge patch: a merge patch that knows the keys of lists.
//!
//! In: an object, a patch and their type. Out: the patched object. Directives: `$patch`
//! (`delete`, `replace`, `merge`), `$retainKeys`, `$deleteFromPrimitiveList/…`,
//! `$setElementOrder/…`.
//!
//! Pure. Facts: Kubernetes `apimachinery/pkg/util/strategicpatch`.
//! Not here: plain merge patch (`patch.rs`).

use serde_json::Map;
use serde_json::Value;

use super::schema::Form;
use super::schema::Strategy;
use super::schema::TypeId;
use super::schema::Types;

const DELETE_FROM: &str = "$deleteFromPrimitiveList/";
const ORDER: &str = "$setElementOrder/";

/// Lays `patch` over `target`.
pub(crate) fn merge(types: &Types, ty: TypeId, target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    match patch.get("$patch").and_then(Value::as_str) {
        Some("delete") => {
            *target = Value::Object(Map::new());
            return;
        }
        Some("replace") => {
            *target = plain(&Value::Object(patch.clone()));
            return;
        }
        _ => {}
    }
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(entries) = target else { return };
    if let Some(Value::Array(keep)) = patch.get("$retainKeys") {
        entries.retain(|name, _| keep.iter().any(|kept| kept == name));
    }
    for (name, value) in patch {
        if let Some(list) = name.strip_prefix(DELETE_FROM) {
            delete_scalars(entries.get_mut(list), value);
        }
    }
    for (name, value) in patch.iter().filter(|(name, _)| !name.starts_with('$')) {
        let order = patch.get(&format!("{ORDER}{name}"));
        field(types, ty, entries, name, value, order);
    }
    for (name, order) in patch {
        let Some(list) = name.strip_prefix(ORDER).filter(|list| !patch.contains_key(*list)) else {
            continue;
        };
        let key = strategy(types, ty, list).and_then(|strategy| strategy.key);
        if let Some(Value::Array(items)) = entries.get_mut(list) {
            sort(items, order, key.as_deref());
        }
    }
}

fn strategy(types: &Types, ty: TypeId, name: &str) -> Option<Strategy> {
    let Form::Map(map) = types.get(ty).form(Some(&Value::Object(Map::new()))) else { return None };
    map.fields.get(name).map(|field| field.strategy.clone())
}

fn field(
    types: &Types,
    ty: TypeId,
    entries: &mut Map<String, Value>,
    name: &str,
    patch: &Value,
    order: Option<&Value>,
) {
    if patch.is_null() {
        entries.remove(name);
        return;
    }
    let (inner, strategy) = match types.get(ty).form(Some(&Value::Object(Map::new()))) {
        Form::Map(map) => match map.fields.get(name) {
            Some(field) => (field.ty, field.strategy.clone()),
            None => (map.element.unwrap_or(Types::FREE), Strategy::default()),
        },
        _ => (Types::FREE, Strategy::default()),
    };
    let slot = entries.entry(name.to_owned()).or_insert(Value::Null);
    match patch {
        Value::Object(_) if !strategy.replace => merge(types, inner, slot, patch),
        Value::Array(changes) if strategy.merge => {
            let mut items = slot.as_array().cloned().unwrap_or_default();
            let item = match types.get(inner).form(Some(patch)) {
                Form::List(list) => list.item,
                _ => Types::FREE,
            };
            match &strategy.key {
                Some(key) => merge_items(types, item, key, &mut items, changes),
                None => {
                    for change in changes {
                        if !items.contains(change) {
                            items.push(change.clone());
                        }
                    }
                }
            }
            if let Some(order) = order {
                sort(&mut items, order, strategy.key.as_deref());
            }
            *slot = Value::Array(items);
        }
        other => *slot = plain(other),
    }
}

fn merge_items(types: &Types, item: TypeId, key: &str, items: &mut Vec<Value>, changes: &[Value]) {
    let directive = |change: &Value| {
        change.get("$patch").and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    if changes.iter().any(|change| directive(change) == "replace" && change.get(key).is_none()) {
        let kept = changes.iter().filter(|change| directive(change) != "replace");
        *items = kept.map(plain).collect();
        return;
    }
    for change in changes {
        let id = change.get(key);
        let at = items.iter().position(|item| id.is_some() && item.get(key) == id);
        match (directive(change).as_str(), at) {
            ("delete", Some(at)) => drop(items.remove(at)),
            ("delete", None) => {}
            ("replace", Some(at)) => items[at] = plain(change),
            (_, Some(at)) => merge(types, item, &mut items[at], change),
            (_, None) => items.push(plain(change)),
        }
    }
}

fn delete_scalars(list: Option<&mut Value>, gone: &Value) {
    if let (Some(Value::Array(items)), Value::Array(gone)) = (list, gone) {
        items.retain(|item| !gone.contains(item));
    }
}

/// Puts items into the order that the patch lists; others keep their place after them.
fn sort(items: &mut [Value], order: &Value, key: Option<&str>) {
    let Value::Array(order) = order else { return };
    let id = |value: &Value| match key {
        Some(key) => value.get(key).cloned(),
        None => Some(value.clone()),
    };
    let places: Vec<Option<Value>> = order.iter().map(id).collect();
    items.sort_by_key(|item| {
        places.iter().position(|place| *place == id(item)).unwrap_or(usize::MAX)
    });
}

/// A patch value without its directives, for where there is nothing to merge with.
fn plain(value: &Value) -> Value {
    match value {
        Value::Object(entries) => entries
            .iter()
            .filter(|(name, value)| !name.starts_with('$') && !value.is_null())
            .map(|(name, value)| (name.clone(), plain(value)))
            .collect(),
        Value::Array(items) => items.iter().map(plain).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sandbox::builtin::BUILT_IN;

    #[test]
    fn lists_merge_by_their_keys() {
        let pod = BUILT_IN.ids["core.v1.PodSpec"];
        #[rustfmt::skip]
        let cases = [
            ("an item is merged", json!({"containers": [{"name": "b", "image": "2"}]}),
                json!({"containers": [{"name": "a"}, {"name": "b", "image": "2", "args": ["x"]}]})),
            ("an item is deleted", json!({"containers": [{"name": "a", "$patch": "delete"}]}),
                json!({"containers": [{"name": "b", "args": ["x"]}]})),
            ("an item is added", json!({"containers": [{"name": "c"}]}),
                json!({"containers": [{"name": "a"}, {"name": "b", "args": ["x"]}, {"name": "c"}]})),
            ("the list is replaced", json!({"containers": [{"$patch": "replace"}, {"name": "z"}]}),
                json!({"containers": [{"name": "z"}]})),
            ("atomic lists are replaced", json!({"containers": [{"name": "b", "args": ["y"]}]}),
                json!({"containers": [{"name": "a"}, {"name": "b", "args": ["y"]}]})),
            ("the order is set", json!({"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}),
                json!({"containers": [{"name": "b", "args": ["x"]}, {"name": "a"}]})),
        ];
        for (why, patch, want) in cases {
            let mut spec = json!({"containers": [{"name": "a"}, {"name": "b", "args": ["x"]}]});
            merge(&BUILT_IN.types, pod, &mut spec, &patch);
            assert_eq!(spec, want, "{why}");
        }
    }

    #[test]
    fn scalars_are_merged_and_deleted() {
        let meta = BUILT_IN.ids["meta.v1.ObjectMeta"];
        let mut object = json!({"finalizers": ["a", "b"], "labels": {"x": "1", "y": "2"}});
        let patch = json!({"$deleteFromPrimitiveList/finalizers": ["a"], "finalizers": ["c"],
            "labels": {"x": null}});
        merge(&BUILT_IN.types, meta, &mut object, &patch);
        assert_eq!(object, json!({"finalizers": ["b", "c"], "labels": {"y": "2"}}));
    }
}
