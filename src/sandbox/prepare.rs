//! What the server sets when an object is created or changed, beyond defaults.
//!
//! In: the new object, the old one if there is one, and what has to be unique. Out: the new object
//! with what clients may not choose: allocated addresses, generated selectors, generations,
//! fields that the endpoint resets.
//!
//! Pure. Facts: the strategies in Kubernetes `pkg/registry`. Absent: admission plugins, quotas,
//! and whatever controllers would add.

use serde_json::Value;
use serde_json::json;

use super::crd;
use super::kinds::Kind;
use super::typed::same;

/// Built-in kinds that count their generations, as `group/Kind`; custom resources all do.
const COUNTED: &[&str] = &[
    "/Pod",
    "/PodTemplate",
    "/ReplicationController",
    "admissionregistration.k8s.io/MutatingAdmissionPolicy",
    "admissionregistration.k8s.io/MutatingAdmissionPolicyBinding",
    "admissionregistration.k8s.io/MutatingWebhookConfiguration",
    "admissionregistration.k8s.io/ValidatingAdmissionPolicy",
    "admissionregistration.k8s.io/ValidatingAdmissionPolicyBinding",
    "admissionregistration.k8s.io/ValidatingWebhookConfiguration",
    "apiextensions.k8s.io/CustomResourceDefinition",
    "apps/DaemonSet",
    "apps/Deployment",
    "apps/ReplicaSet",
    "apps/StatefulSet",
    "autoscaling/HorizontalPodAutoscaler",
    "batch/CronJob",
    "batch/Job",
    "discovery.k8s.io/EndpointSlice",
    "flowcontrol.apiserver.k8s.io/FlowSchema",
    "flowcontrol.apiserver.k8s.io/PriorityLevelConfiguration",
    "networking.k8s.io/Ingress",
    "networking.k8s.io/IngressClass",
    "networking.k8s.io/NetworkPolicy",
    "policy/PodDisruptionBudget",
    "resource.k8s.io/DeviceClass",
    "resource.k8s.io/DeviceTaintRule",
    "resource.k8s.io/ResourceSlice",
    "scheduling.k8s.io/PriorityClass",
];

/// What is set at creation.
pub(crate) struct Birth {
    pub(crate) uid: String,
    pub(crate) now: String,
    /// Distinct for each object: addresses and ports come from it.
    pub(crate) serial: u64,
}

fn id(kind: &Kind) -> String {
    format!("{}/{}", kind.id.group, kind.kind)
}

fn counted(kind: &Kind) -> bool {
    kind.custom.is_some() || COUNTED.contains(&id(kind).as_str())
}

/// Prepares an object for its creation.
pub(crate) fn create(kind: &Kind, object: &mut Value, birth: &Birth) {
    let metadata = &mut object["metadata"];
    if let Some(entries) = metadata.as_object_mut() {
        for gone in
            ["deletionTimestamp", "deletionGracePeriodSeconds", "resourceVersion", "generation"]
        {
            entries.remove(gone);
        }
    }
    metadata["uid"] = json!(birth.uid);
    metadata["creationTimestamp"] = json!(birth.now);
    if counted(kind) {
        metadata["generation"] = json!(1);
    }
    match id(kind).as_str() {
        "/Namespace" => object["spec"]["finalizers"] = json!(["kubernetes"]),
        "/Service" => service(object, birth.serial),
        "/Pod" => object["status"] = json!({"phase": "Pending", "qosClass": "BestEffort"}),
        "batch/Job" => job(object, &birth.uid),
        "apiextensions.k8s.io/CustomResourceDefinition" => {
            crd::fill(object);
            crd::establish(object, &birth.now);
        }
        _ => {}
    }
}

/// Removes what a main endpoint ignores in a new object: its status.
pub(crate) fn reset_for_create(kind: &Kind, object: &mut Value, empty: &Value) {
    if !kind.has_status() {
        return;
    }
    match empty.get("status") {
        Some(status) => object["status"] = status.clone(),
        None => {
            if let Some(entries) = object.as_object_mut() {
                entries.remove("status");
            }
        }
    }
}

/// Restores what this endpoint may not change, before ownership is computed.
pub(crate) fn reset_for_update(kind: &Kind, subresource: &str, live: &Value, new: &mut Value) {
    let keep = |new: &mut Value, name: &str| match (live.get(name), new.as_object_mut()) {
        (Some(value), _) => new[name] = value.clone(),
        (None, Some(entries)) => drop(entries.remove(name)),
        (None, None) => {}
    };
    if subresource == "status" {
        let names: Vec<String> = [live, &*new]
            .into_iter()
            .filter_map(Value::as_object)
            .flat_map(|entries| entries.keys().cloned())
            .collect();
        for name in names.iter().filter(|name| !["status", "apiVersion"].contains(&name.as_str())) {
            keep(new, name);
        }
    } else if kind.has_status() {
        keep(new, "status");
    }
    let owned = [
        "uid",
        "creationTimestamp",
        "generation",
        "deletionTimestamp",
        "selfLink",
        "deletionGracePeriodSeconds",
        "name",
        "namespace",
        "generateName",
    ];
    for name in owned {
        match live["metadata"].get(name) {
            Some(value) => new["metadata"][name] = value.clone(),
            None => {
                if let Some(metadata) = new["metadata"].as_object_mut() {
                    metadata.remove(name);
                }
            }
        }
    }
    if kind.id.group.is_empty() && kind.kind == "Service" {
        keep_addresses(live, new);
    }
}

/// Counts the generation up when more than metadata and status changed.
pub(crate) fn update(kind: &Kind, live: &Value, new: &mut Value, now: &str) {
    if id(kind) == "apiextensions.k8s.io/CustomResourceDefinition" {
        crd::fill(new);
    }
    if counted(kind) && !same(&wanted(kind, live), &wanted(kind, new)) {
        let before = live["metadata"]["generation"].as_i64().unwrap_or(0);
        new["metadata"]["generation"] = json!(before + 1);
    }
    if id(kind) == "apiextensions.k8s.io/CustomResourceDefinition" {
        let fresh = !same(&live["spec"], &new["spec"]);
        if fresh {
            crd::establish(new, now);
        }
    }
}

/// What counts for the generation.
fn wanted(kind: &Kind, object: &Value) -> Value {
    let mut rest = object.clone();
    if let Some(entries) = rest.as_object_mut() {
        entries.remove("metadata");
        if kind.custom.is_none() || kind.has_status() {
            entries.remove("status");
        }
    }
    rest
}

fn service(object: &mut Value, serial: u64) {
    let spec = &mut object["spec"];
    let kind = spec["type"].as_str().unwrap_or_default().to_owned();
    if kind == "ExternalName" {
        return;
    }
    if spec["clusterIP"].as_str().is_none_or(str::is_empty) {
        let (high, low) = (serial / 254 % 256, serial % 254 + 1);
        spec["clusterIP"] = json!(format!("10.0.{high}.{low}"));
    }
    spec["clusterIPs"] = json!([spec["clusterIP"]]);
    spec["ipFamilies"] = json!(["IPv4"]);
    spec["ipFamilyPolicy"] = json!("SingleStack");
    if matches!(kind.as_str(), "NodePort" | "LoadBalancer") {
        let ports = spec["ports"].as_array_mut();
        for (place, port) in (0u64..).zip(ports.into_iter().flatten()) {
            if port["nodePort"].as_u64().unwrap_or(0) == 0 {
                port["nodePort"] = json!(30_000 + (serial * 7 + place) % 2768);
            }
        }
    }
}

/// A Service that names no address keeps the one it has.
fn keep_addresses(live: &Value, new: &mut Value) {
    let spec = &mut new["spec"];
    if spec["type"] == "ExternalName" {
        return;
    }
    for name in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
        let unset = spec[name].is_null() || spec[name] == "";
        if unset && let Some(value) = live["spec"].get(name) {
            spec[name] = value.clone();
        }
        if spec[name].is_null()
            && let Some(entries) = spec.as_object_mut()
        {
            entries.remove(name);
        }
    }
    let known = live["spec"]["ports"].as_array().cloned().unwrap_or_default();
    for port in spec["ports"].as_array_mut().into_iter().flatten() {
        let before = known.iter().find(|old| old["port"] == port["port"]);
        let node = before.map(|old| old["nodePort"].clone()).unwrap_or_default();
        if port["nodePort"].is_null() && !node.is_null() {
            port["nodePort"] = node;
        }
        if port["nodePort"].is_null()
            && let Some(entries) = port.as_object_mut()
        {
            entries.remove("nodePort");
        }
    }
}

fn job(object: &mut Value, uid: &str) {
    if object["spec"]["manualSelector"] == true {
        return;
    }
    let name = object["metadata"]["name"].clone();
    let labels = &mut object["spec"]["template"]["metadata"]["labels"];
    labels["batch.kubernetes.io/controller-uid"] = json!(uid);
    labels["batch.kubernetes.io/job-name"] = name.clone();
    labels["controller-uid"] = json!(uid);
    labels["job-name"] = name;
    object["spec"]["selector"]["matchLabels"]["batch.kubernetes.io/controller-uid"] = json!(uid);
}
