//! Fields that Flux sends although the manifest does not have them: its typed objects print them
//! empty. The server then lists them among the fields of the manager.
//!
//! The table was read out of the types of Kubernetes 1.36, which kustomize-controller 1.9.4 uses:
//! structures that are printed when empty, and numbers of ports. `[]` walks a list. Kinds whose
//! schema requires the field are left out.

use serde_json::Map;
use serde_json::Value;

/// API version, kind, the field's path, and what stands there when it is absent.
#[rustfmt::skip]
const FILLED: &[(&str, &str, &str, &str)] = &[
    ("v1",       "Namespace",             "spec",                            "{}"),
    ("v1",       "PersistentVolumeClaim", "spec.resources",                  "{}"),
    ("v1",       "ResourceQuota",         "spec",                            "{}"),
    ("v1",       "Service",               "spec",                            "{}"),
    ("v1",       "Service",               "spec.ports[].targetPort",         "0"),
    ("apps/v1",  "Deployment",            "spec.strategy",                   "{}"),
    ("apps/v1",  "DaemonSet",             "spec.updateStrategy",             "{}"),
    ("apps/v1",  "StatefulSet",           "spec.updateStrategy",             "{}"),
    ("apps/v1",  "StatefulSet",           "spec.volumeClaimTemplates[].spec.resources", "{}"),
    ("apps/v1",  "StatefulSet",           "spec.volumeClaimTemplates[].status", "{}"),
    ("batch/v1", "Job",                   "spec.template.metadata",          "{}"),
    ("batch/v1", "CronJob",               "spec.jobTemplate.metadata",       "{}"),
    ("batch/v1", "CronJob",               "spec.jobTemplate.spec.template.metadata", "{}"),
];

/// The same for the specification of a pod.
#[rustfmt::skip]
const FILLED_IN_PODS: &[(&str, &str)] = &[
    ("containers[].resources",                                      "{}"),
    ("initContainers[].resources",                                  "{}"),
    ("containers[].env[].valueFrom.resourceFieldRef.divisor",       "\"0\""),
    ("initContainers[].env[].valueFrom.resourceFieldRef.divisor",   "\"0\""),
    ("volumes[].downwardAPI.items[].resourceFieldRef.divisor",      "\"0\""),
    ("volumes[].ephemeral.volumeClaimTemplate.metadata",            "{}"),
    ("volumes[].ephemeral.volumeClaimTemplate.spec.resources",      "{}"),
];

/// Adds the fields that Flux would send; `pod` is the path of the pod's specification, if the kind
/// has one.
pub(super) fn fill(manifest: &mut Value, version: &str, kind: &str, pod: Option<&str>) {
    let of_kind = FILLED.iter().filter(|(v, k, ..)| *v == version && *k == kind);
    for (_, _, path, empty) in of_kind {
        put(manifest, path, empty);
    }
    let Some(pod) = pod.and_then(|pod| manifest.pointer_mut(pod)) else { return };
    for (path, empty) in FILLED_IN_PODS {
        put(pod, path, empty);
    }
}

/// Puts `empty` at the path wherever the parent is there and the field is not.
fn put(at: &mut Value, path: &str, empty: &str) {
    let Some((head, rest)) = path.split_once('.') else {
        let Some(fields) = at.as_object_mut() else { return };
        let empty = || match empty {
            "{}" => Value::Object(Map::new()),
            "0" => Value::from(0),
            text => Value::from(text.trim_matches('"')),
        };
        if fields.get(path).is_none_or(Value::is_null) {
            fields.insert(path.to_owned(), empty());
        }
        return;
    };
    match head.strip_suffix("[]") {
        None => {
            if let Some(next) = at.get_mut(head) {
                put(next, rest, empty);
            }
        }
        Some(list) => {
            for item in at.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                put(item, rest, empty);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn empty_fields_are_printed_where_their_parents_are() {
        let mut deployment = json!({"spec": {"template": {"spec": {"containers": [
            {"name": "a"}, {"name": "b", "resources": {"limits": {"cpu": "1"}}},
        ]}}}});
        fill(&mut deployment, "apps/v1", "Deployment", Some("/spec/template/spec"));
        let want = json!({"spec": {"strategy": {}, "template": {"spec": {"containers": [
            {"name": "a", "resources": {}},
            {"name": "b", "resources": {"limits": {"cpu": "1"}}},
        ]}}}});
        assert_eq!(deployment, want);
        let mut service = json!({"spec": {"ports": [{"port": 1}, {"port": 2, "targetPort": "x"}]}});
        fill(&mut service, "v1", "Service", None);
        assert_eq!(service["spec"]["ports"][0]["targetPort"], 0);
        assert_eq!(service["spec"]["ports"][1]["targetPort"], "x");
    }
}
