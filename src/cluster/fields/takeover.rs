//! Taking over the fields of kubectl and the like, as Flux does before it applies.
//!
//! The entries of overridden managers are merged into our own `Apply` entry. The apply that follows
//! then removes what they added and the manifest does not hold.

use serde_json::Value;
use serde_json::json;

use super::FieldSet;
use super::managers;
use crate::api::keys::LEGACY_ANNOTATIONS;
use crate::api::keys::LEGACY_LABELS;
use crate::model::pointer;

/// Our name.
const MANAGER: &str = "kustomize-controller";

/// The new value of `metadata.managedFields`, or `None` when nobody's fields have to be taken over.
///
/// Other entries keep their place; ours comes last, with the time of the entry that it grew from.
pub fn takeover(live: &Value, overridden: &[String]) -> Option<Value> {
    let entries = live.pointer("/metadata/managedFields")?.as_array()?;
    let read: Vec<_> = managers(live).collect();
    // Flux takes the last of several entries of ours; the server keeps one per API version.
    let own = read.iter().rposition(|manager| manager.is_applier(MANAGER));
    let mut merged = own.map(|index| (entries[index].clone(), read[index].fields()));
    let mut kept = Vec::new();
    let mut edited = false;
    for (index, (entry, manager)) in entries.iter().zip(&read).enumerate() {
        if own == Some(index) {
            continue;
        }
        if !manager.is_overridden(overridden) {
            kept.push(entry.clone());
            continue;
        }
        edited = true;
        match &mut merged {
            Some((_, fields)) => fields.add(&manager.fields()),
            None => {
                let mut renamed = entry.clone();
                renamed["manager"] = MANAGER.into();
                renamed["operation"] = "Apply".into();
                merged = Some((renamed, manager.fields()));
            }
        }
    }
    let (mut entry, fields) = merged.filter(|_| edited)?;
    entry["fieldsV1"] = FieldSet::to_value(&fields);
    kept.push(entry);
    Some(Value::Array(kept))
}

/// The JSON patch operations that remove metadata of kubectl and of earlier releases.
pub fn legacy_metadata(live: &Value) -> Vec<Value> {
    let remove = |(place, names): (&str, &[&str])| {
        let found = live.pointer(place).and_then(Value::as_object).cloned().unwrap_or_default();
        let gone = names.iter().filter(|name| found.contains_key(**name));
        gone.map(|name| {
            let path = format!("{place}/{}", pointer::escaped(name));
            json!({"op": "remove", "path": path})
        })
        .collect::<Vec<_>>()
    };
    let places: [(&str, &[&str]); 2] =
        [("/metadata/annotations", &LEGACY_ANNOTATIONS), ("/metadata/labels", &LEGACY_LABELS)];
    places.into_iter().flat_map(remove).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(entries: Value) -> Value {
        json!({"metadata": {"managedFields": entries}})
    }

    fn entry(manager: &str, operation: &str, subresource: &str, fields: Value) -> Value {
        let mut entry = json!({
            "manager": manager, "operation": operation, "apiVersion": "v1",
            "time": "2026-01-01T00:00:00Z", "fieldsType": "FieldsV1", "fieldsV1": fields,
        });
        if !subresource.is_empty() {
            entry["subresource"] = subresource.into();
        }
        entry
    }

    fn overridden() -> Vec<String> {
        ["kubectl", "before-first-apply", "kustomize-controller", "extra"].map(String::from).into()
    }

    #[test]
    fn fields_are_merged_into_our_entry_at_the_end() {
        let ours = entry("kustomize-controller", "Apply", "", json!({"f:a": {}}));
        let other = entry("autoscaler", "Update", "scale", json!({"f:r": {}}));
        let found = live(json!([
            ours,
            entry("kubectl-edit", "Update", "", json!({"f:b": {}})),
            other,
            entry("kubectl", "Apply", "", json!({"f:a": {}, "f:c": {"f:d": {}}})),
        ]));
        let want = entry(
            "kustomize-controller",
            "Apply",
            "",
            json!({"f:a": {}, "f:b": {}, "f:c": {"f:d": {}}}),
        );
        assert_eq!(takeover(&found, &overridden()), Some(json!([other, want])));
    }

    #[test]
    fn without_an_entry_of_ours_the_first_is_renamed() {
        let found = live(json!([
            entry("before-first-apply", "Update", "", json!({"f:a": {}})),
            entry("extra-tool", "Apply", "", json!({"f:b": {}})),
        ]));
        let want = entry("kustomize-controller", "Apply", "", json!({"f:a": {}, "f:b": {}}));
        assert_eq!(takeover(&found, &overridden()), Some(json!([want])));
    }

    #[test]
    fn others_are_left_alone() {
        for (manager, operation, subresource) in [
            ("helm", "Update", ""),
            ("kubectl", "Update", "status"),
            ("before-first-apply", "Apply", ""),
            ("kustomize-controller", "Apply", ""),
            ("my-kubectl", "Update", ""),
        ] {
            let found = live(json!([entry(manager, operation, subresource, json!({"f:a": {}}))]));
            assert_eq!(takeover(&found, &overridden()), None, "{manager} {operation}");
        }
        assert_eq!(takeover(&json!({}), &overridden()), None);
    }

    #[test]
    fn legacy_metadata_is_removed() {
        let found = json!({"metadata": {
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "keep": "x"},
            "labels": {"fluxcd.io/sync-gc-mark": "y"},
        }});
        assert_eq!(
            legacy_metadata(&found),
            [
                json!({"op": "remove", "path":
                    "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration"}),
                json!({"op": "remove", "path": "/metadata/labels/fluxcd.io~1sync-gc-mark"}),
            ]
        );
        assert!(legacy_metadata(&json!({})).is_empty());
    }
}
