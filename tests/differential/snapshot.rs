//! What a client of Flux can see of a scenario, without what may differ: times, uids, versions,
//! durations.

use crate::scenario::Scenario;
use crate::support::flux;
use crate::support::wait;
use kube::Api;
use kube::Client;
use kube::api::ApiResource;
use kube::api::DynamicObject;
use kube::api::ListParams;
use kube::api::ObjectList;
use kube::core::GroupVersionKind;
use regex::Regex;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use std::sync::OnceLock;

/// Kinds whose objects in the namespace are compared: API version, kind, plural.
const NAMESPACED: &[(&str, &str, &str)] = &[
    ("v1", "ConfigMap", "configmaps"),
    ("v1", "Secret", "secrets"),
    ("v1", "Service", "services"),
    ("v1", "ServiceAccount", "serviceaccounts"),
    ("apps/v1", "Deployment", "deployments"),
    ("apps/v1", "StatefulSet", "statefulsets"),
    ("batch/v1", "Job", "jobs"),
    ("batch/v1", "CronJob", "cronjobs"),
    ("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets"),
    ("rbac.authorization.k8s.io/v1", "Role", "roles"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings"),
];

/// Cluster-wide kinds; of these, the objects that carry the scenario's owner label.
const CLUSTER_WIDE: &[(&str, &str, &str)] = &[
    ("v1", "Namespace", "namespaces"),
    ("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles"),
    ("scheduling.k8s.io/v1", "PriorityClass", "priorityclasses"),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions"),
];

/// Objects that the server itself puts into every namespace.
const OF_THE_SERVER: &[&str] = &["kube-root-ca.crt", "default"];

/// Everything that is compared of a scenario.
pub(super) async fn take(client: &Client, scenario: &Scenario) -> Value {
    let namespace = scenario.namespace();
    let mut objects = Map::new();
    let owned = format!("kustomize.toolkit.fluxcd.io/namespace={namespace}");
    for (api_version, kind, plural) in NAMESPACED {
        let api =
            Api::namespaced_with(client.clone(), &namespace, &resource(api_version, kind, plural));
        collect(&api, kind, &ListParams::default(), &mut objects).await;
    }
    for (api_version, kind, plural) in CLUSTER_WIDE {
        let api = Api::all_with(client.clone(), &resource(api_version, kind, plural));
        collect(&api, kind, &ListParams::default().labels(&owned), &mut objects).await;
    }
    for custom in &scenario.kinds {
        let (plural, kind) = custom.split_once('/').expect("plural.version.group/Kind");
        let mut parts = plural.splitn(3, '.');
        let mut next = || parts.next().expect("plural.version.group/Kind");
        let (plural, version, group) = (next(), next(), next());
        let resource = resource(&format!("{group}/{version}"), kind, plural);
        let api = Api::namespaced_with(client.clone(), &namespace, &resource);
        collect(&api, kind, &ListParams::default(), &mut objects).await;
    }
    json!({ "units": units(client, &namespace).await, "objects": objects })
}

fn resource(api_version: &str, kind: &str, plural: &str) -> ApiResource {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
}

async fn collect(
    api: &Api<DynamicObject>,
    kind: &str,
    params: &ListParams,
    into: &mut Map<String, Value>,
) {
    let ask = || async {
        match api.list(params).await {
            Ok(list) => Some(Some(list)),
            // A kind that is not served yet has no objects.
            Err(kube::Error::Api(_)) => Some(None),
            Err(_) => None,
        }
    };
    let Some(list) = wait::until("objects to be listed", ask).await else { return };
    for object in list {
        let name = object.metadata.name.clone().unwrap_or_default();
        if !OF_THE_SERVER.contains(&name.as_str()) {
            into.insert(format!("{kind} {name}"), masked(object));
        }
    }
}

/// An object without what the two servers choose themselves.
fn masked(object: DynamicObject) -> Value {
    let mut json = serde_json::to_value(object).expect("it came as JSON");
    if let Some(object) = json.as_object_mut() {
        object.remove("status");
    }
    if let Some(spec) = json.get_mut("spec").and_then(Value::as_object_mut) {
        for chosen in ["clusterIP", "clusterIPs"] {
            spec.remove(chosen);
        }
    }
    for chosen in ["/spec/selector/matchLabels", "/spec/template/metadata/labels"] {
        let labels = json.pointer_mut(chosen).and_then(Value::as_object_mut);
        labels.into_iter().for_each(|labels| {
            labels.retain(|label, _| !label.ends_with("controller-uid"));
        });
    }
    let Some(metadata) = json.get_mut("metadata").and_then(Value::as_object_mut) else {
        return json;
    };
    for chosen in ["uid", "resourceVersion", "creationTimestamp", "deletionTimestamp"] {
        metadata.remove(chosen);
    }
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.remove("deployment.kubernetes.io/revision");
        if annotations.is_empty() {
            metadata.remove("annotations");
        }
    }
    let fields = metadata.remove("managedFields").unwrap_or_default();
    let mut managers = Map::new();
    for entry in fields.as_array().into_iter().flatten() {
        let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        if entry["subresource"].is_string() || text("manager") == "kube-controller-manager" {
            continue;
        }
        let key = format!("{} {} {}", text("manager"), text("operation"), text("apiVersion"));
        managers.insert(key, entry["fieldsV1"].clone());
    }
    metadata.insert("managers".to_owned(), Value::Object(managers));
    json
}

/// All objects; nothing when the server did not answer, which may happen on a busy machine.
pub(super) async fn listed(api: &Api<DynamicObject>) -> Option<ObjectList<DynamicObject>> {
    api.list(&ListParams::default()).await.ok()
}

async fn units(client: &Client, namespace: &str) -> Value {
    let units = flux::api(client, flux::KUSTOMIZATION, namespace);
    let list = wait::until("units to be listed", || listed(&units)).await;
    let mut found = Map::new();
    for unit in list {
        let name = unit.metadata.name.clone().unwrap_or_default();
        let status = status(&unit.data["status"]);
        let finalizers = unit.metadata.finalizers.unwrap_or_default();
        found.insert(name, json!({ "finalizers": finalizers, "status": status }));
    }
    let events = events(client, namespace).await;
    json!({ "shown": found, "events": events })
}

fn status(status: &Value) -> Value {
    let mut shown = status.as_object().cloned().unwrap_or_default();
    let conditions = shown.remove("conditions").unwrap_or_default();
    let mut order = Vec::new();
    for condition in conditions.as_array().into_iter().flatten() {
        let name = condition["type"].as_str().unwrap_or_default().to_owned();
        let mut rest = condition.as_object().cloned().unwrap_or_default();
        rest.remove("type");
        rest.insert("lastTransitionTime".to_owned(), known(&condition["lastTransitionTime"]));
        let message = condition["message"].as_str().unwrap_or_default();
        rest.insert("message".to_owned(), json!(mask(message)));
        shown.insert(format!("condition {name}"), Value::Object(rest));
        order.push(name);
    }
    shown.insert("conditions".to_owned(), json!(order));
    for entry in shown.get_mut("history").and_then(Value::as_array_mut).into_iter().flatten() {
        for time in ["firstReconciled", "lastReconciled", "lastReconciledDuration"] {
            entry[time] = known(&entry[time]);
        }
    }
    Value::Object(shown)
}

/// Stands for a value that is there and may differ.
fn known(value: &Value) -> Value {
    if value.is_null() { Value::Null } else { json!("set") }
}

/// The events about units in order of their names, which end with their time; each text once, a
/// text with a duration once for each revision.
async fn events(client: &Client, namespace: &str) -> Value {
    let api = Api::<DynamicObject>::namespaced_with(
        client.clone(),
        namespace,
        &resource("v1", "Event", "events"),
    );
    let list = wait::until("events to be listed", || listed(&api)).await;
    let mut told: Vec<(String, String, Value)> = Vec::new();
    for event in list {
        if event.data["involvedObject"]["kind"] != "Kustomization" {
            continue;
        }
        let text =
            |pointer: &str| event.data.pointer(pointer).and_then(Value::as_str).unwrap_or("-");
        let about = text("/involvedObject/name").to_owned();
        let name = event.metadata.name.clone().unwrap_or_default();
        let time = name.rsplit('.').next().unwrap_or_default().to_owned();
        let said = json!({
            "type": text("/type"), "reason": text("/reason"), "from": text("/source/component"),
            "message": mask(text("/message")), "notes": event.metadata.annotations,
        });
        told.push((about, time, said));
    }
    told.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
    let mut by_unit: Map<String, Value> = Map::new();
    for (about, _, said) in told {
        let all = by_unit.entry(about).or_insert_with(|| json!([]));
        let all = all.as_array_mut().expect("made a line ago");
        // The controller's library counts a text that repeats on the event that is there.
        let repeats = |known: &Value| {
            let timed = known["message"].as_str().is_some_and(|text| text.contains(" TIME"));
            known["message"] == said["message"]
                && known["reason"] == said["reason"]
                && (!timed || known["notes"] == said["notes"])
        };
        if !all.iter().any(repeats) {
            all.push(said);
        }
    }
    Value::Object(by_unit)
}

/// Durations that a run took become `TIME`; those that a spec or a flag sets stay. The folder into
/// which an artifact was unpacked goes.
fn mask(text: &str) -> String {
    static TOOK: OnceLock<Regex> = OnceLock::new();
    let took = TOOK.get_or_init(|| {
        let duration = r"(?:\d+h)?(?:\d+m)?\d+(?:\.\d+)?(?:s|ms|µs|ns)";
        Regex::new(&format!(r"\b(passed in|failed after|finished in) {duration}\b"))
            .expect("it is constant")
    });
    static UNPACKED: OnceLock<Regex> = OnceLock::new();
    let unpacked = UNPACKED
        .get_or_init(|| Regex::new(r"/[^ :']*/kustomization-[0-9]+").expect("it is constant"));
    unpacked.replace_all(&took.replace_all(text, "$1 TIME"), "").into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_times_that_a_run_took_are_masked() {
        #[rustfmt::skip]
        let cases = [
            ("Health check passed in 12.345678ms", "Health check passed in TIME"),
            ("health check failed after 1m0.5s: x", "health check failed after TIME: x"),
            ("Reconciliation finished in 92.1µs, next run in 1h0m0s",
             "Reconciliation finished in TIME, next run in 1h0m0s"),
            ("retrying in 30s", "retrying in 30s"),
            ("stat /tmp/x/kustomization-12/app: no", "stat /app: no"),
        ];
        for (text, want) in cases {
            assert_eq!(mask(text), want);
        }
    }
}
