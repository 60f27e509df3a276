//! JSON patch and JSON merge patch.
//!
//! In: a document and a patch. Out: the patched document, or what is wrong with the patch.
//!
//! Pure. Sources: RFC 6902, RFC 7386; messages as evanphx/json-patch words them for kube-apiserver.
//! Not here: strategic merge patch (`strategic.rs`), apply (`managed.rs`).

use serde_json::Map;
use serde_json::Value;

use crate::model::pointer;

/// Lays a merge patch over `target`: null deletes, objects merge, all else replaces.
pub(crate) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(entries) = target else { return };
    for (name, value) in patch {
        match value {
            Value::Null => drop(entries.remove(name)),
            value => merge(entries.entry(name.clone()).or_insert(Value::Null), value),
        }
    }
}

/// Carries out the operations of a JSON patch in order.
pub(crate) fn apply(document: &mut Value, patch: &Value) -> Result<(), String> {
    let Value::Array(operations) = patch else {
        return Err("json: cannot unmarshal object into Go value of type jsonpatch.Patch".into());
    };
    operations.iter().try_for_each(|operation| operate(document, operation))
}

fn operate(document: &mut Value, operation: &Value) -> Result<(), String> {
    let text = |name: &str| operation.get(name).and_then(Value::as_str);
    let path = text("path").ok_or("missing path")?;
    let kind = text("op").unwrap_or_default();
    let value = || operation.get("value").cloned().unwrap_or(Value::Null);
    let from = || text("from").ok_or_else(|| "missing from".to_owned());
    let missing = |what: &str| {
        format!("{what} operation does not apply: doc is missing path: {path:?}: missing value")
    };
    match kind {
        "add" => add(document, path, value()),
        "remove" => take(document, path).map(drop).ok_or_else(|| {
            format!("remove operation does not apply: doc is missing path: {path:?}")
        }),
        "replace" => {
            let slot = document.pointer_mut(path).ok_or_else(|| {
                format!(
                    "replace operation does not apply: doc is missing key: {path}: missing value"
                )
            })?;
            *slot = value();
            Ok(())
        }
        "move" => {
            let moved = take(document, from()?).ok_or_else(|| missing("move"))?;
            add(document, path, moved)
        }
        "copy" => {
            let copied = document.pointer(from()?).cloned().ok_or_else(|| missing("copy"))?;
            add(document, path, copied)
        }
        "test" => match document.pointer(path).unwrap_or(&Value::Null) == &value() {
            true => Ok(()),
            false => Err(format!("testing value {path} failed: test failed")),
        },
        other => Err(format!("unexpected kind: {other}")),
    }
}

/// Splits a pointer into its parent and its last token, unescaped.
fn split(path: &str) -> Option<(&str, String)> {
    let (parent, last) = path.rsplit_once('/')?;
    Some((parent, pointer::unescaped(last)))
}

fn add(document: &mut Value, path: &str, value: Value) -> Result<(), String> {
    let missing =
        || format!("add operation does not apply: doc is missing path: {path:?}: missing value");
    let Some((parent, last)) = split(path) else {
        *document = value;
        return Ok(());
    };
    match document.pointer_mut(parent).ok_or_else(missing)? {
        Value::Object(entries) => {
            entries.insert(last, value);
        }
        Value::Array(items) if last == "-" => items.push(value),
        Value::Array(items) => {
            let index: usize = last.parse().map_err(|_| missing())?;
            if index > items.len() {
                return Err(format!(
                    "add operation does not apply: Unable to access invalid index: {index}"
                ));
            }
            items.insert(index, value);
        }
        _ => return Err(missing()),
    }
    Ok(())
}

fn take(document: &mut Value, path: &str) -> Option<Value> {
    let (parent, last) = split(path)?;
    match document.pointer_mut(parent)? {
        Value::Object(entries) => entries.remove(&last),
        Value::Array(items) => {
            let index: usize = last.parse().ok()?;
            (index < items.len()).then(|| items.remove(index))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_examples_of_rfc_7386() {
        #[rustfmt::skip]
        let cases = [
            (json!({"a": "b"}),            json!({"a": "c"}),          json!({"a": "c"})),
            (json!({"a": "b"}),            json!({"b": "c"}),          json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}),            json!({"a": null}),         json!({})),
            (json!({"a": ["b"]}),          json!({"a": "c"}),          json!({"a": "c"})),
            (json!({"a": {"b": "c"}}),     json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}),   json!({"a": [1]}),          json!({"a": [1]})),
            (json!({"e": null}),           json!({"a": 1}),            json!({"e": null, "a": 1})),
            (json!({}),                    json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ];
        for (mut target, patch, want) in cases {
            merge(&mut target, &patch);
            assert_eq!(target, want, "{patch}");
        }
    }

    #[test]
    fn operations_change_the_document() {
        let mut document = json!({"a": [1, 2], "b": {"x/y": 1}});
        let patch = json!([
            {"op": "test", "path": "/a/0", "value": 1},
            {"op": "add", "path": "/a/1", "value": 9},
            {"op": "add", "path": "/a/-", "value": 3},
            {"op": "replace", "path": "/b/x~1y", "value": 2},
            {"op": "move", "from": "/a/0", "path": "/c"},
            {"op": "copy", "from": "/c", "path": "/d"},
            {"op": "remove", "path": "/c"},
        ]);
        apply(&mut document, &patch).expect("every path exists");
        assert_eq!(document, json!({"a": [9, 2, 3], "b": {"x/y": 2}, "d": 1}));
    }

    #[test]
    fn a_failed_test_or_a_missing_path_is_an_error() {
        for patch in [
            json!([{"op": "test", "path": "/a", "value": 2}]),
            json!([{"op": "remove", "path": "/b"}]),
            json!([{"op": "replace", "path": "/b", "value": 1}]),
            json!([{"op": "add", "path": "/b/c", "value": 1}]),
            json!([{"op": "fly", "path": "/a"}]),
        ] {
            assert!(apply(&mut json!({"a": 1}), &patch).is_err(), "{patch}");
        }
    }
}
