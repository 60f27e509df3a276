//! What the server fills into built-in objects.
//!
//! In: an object after its round trip (`normal.rs`). Out: the same with the recorded defaults, and
//! with those that depend on other fields: a Service's target ports, an image's pull policy.
//!
//! Pure. Facts: the recorder in `schemas/kubernetes/record`, and Kubernetes `pkg/apis/*/defaults`.
//! Not here: what is allocated or set at creation (`prepare.rs`).

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::builtin::BUILT_IN;
use super::builtin::BuiltIn;
use super::crd;
use super::normal::is_zero;
use super::schema::Form;
use super::schema::Presence;
use super::schema::TypeId;

/// Fills in defaults. `place` is `group/version/Kind`, or `version/Kind` in the core group.
pub(crate) fn fill(ty: TypeId, place: &str, object: &mut Value) {
    Filler { known: &BUILT_IN, place }.value(ty, "", object);
}

struct Filler<'a> {
    known: &'a BuiltIn,
    place: &'a str,
}

impl Filler<'_> {
    fn value(&self, ty: TypeId, path: &str, value: &mut Value) {
        let described = self.known.types.get(ty);
        let form = described.form(Some(value));
        match (form, value) {
            (Form::List(list), Value::Array(items)) => {
                for item in items {
                    self.value(list.item, path, item);
                }
            }
            (Form::Map(map), Value::Object(entries)) if !map.fields.is_empty() => {
                let name = described.name.as_deref().unwrap_or_default();
                computed(name, self.place, entries);
                let place = format!("{}:{path}", self.place);
                let recorded = self.known.defaults.get(&place);
                let recorded = recorded.or_else(|| self.known.defaults.get(name));
                for (field, default) in recorded.into_iter().flatten() {
                    let unset = match entries.get(field) {
                        None => true,
                        Some(value) => {
                            let set = map.fields.get(field).map(|field| field.presence);
                            set != Some(Presence::Set) && is_zero(value)
                        }
                    };
                    if unset && !skipped(name, field, entries) {
                        entries.insert(field.clone(), default.clone());
                    }
                }
                for (field, described) in &map.fields {
                    if let Some(inner) = entries.get_mut(field) {
                        let path = match path {
                            "" => field.clone(),
                            path => format!("{path}.{field}"),
                        };
                        self.value(described.ty, &path, inner);
                    }
                }
                afterwards(name, self.place, entries);
            }
            _ => {}
        }
    }
}

fn text<'m>(entries: &'m Map<String, Value>, name: &str) -> &'m str {
    entries.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn set_missing(entries: &mut Map<String, Value>, name: &str, value: Value) {
    entries.entry(name.to_owned()).or_insert(value);
}

/// Recorded defaults that hold only for some values of other fields.
fn skipped(name: &str, field: &str, entries: &Map<String, Value>) -> bool {
    let has = |name: &str| entries.contains_key(name);
    let kind = text(entries, "type");
    match (name, field) {
        ("core.v1.Volume", "emptyDir") => entries.len() > 1,
        (
            "apps.v1.DeploymentStrategy"
            | "apps.v1.DaemonSetUpdateStrategy"
            | "apps.v1.StatefulSetUpdateStrategy",
            "rollingUpdate",
        ) => !matches!(kind, "" | "RollingUpdate"),
        ("core.v1.ServiceSpec", "internalTrafficPolicy") => {
            !matches!(kind, "" | "ClusterIP" | "NodePort" | "LoadBalancer")
        }
        ("batch.v1.JobSpec", "completions") => has("parallelism"),
        ("batch.v1.JobSpec", "podReplacementPolicy") => has("podFailurePolicy"),
        ("batch.v1.JobSpec", "backoffLimit") => has("backoffLimitPerIndex"),
        ("storage.v1.CSIDriverSpec", "fsGroupPolicy") => has("fsGroupPolicy"),
        ("resource.v1.ExactDeviceRequest" | "resource.v1.DeviceSubRequest", "count") => {
            !matches!(text(entries, "allocationMode"), "" | "ExactCount")
        }
        _ => false,
    }
}

/// Defaults that are computed before the recorded ones.
fn computed(name: &str, place: &str, entries: &mut Map<String, Value>) {
    match name {
        "core.v1.Container" | "core.v1.EphemeralContainer" => {
            let image = text(entries, "image");
            if !image.is_empty() && text(entries, "imagePullPolicy").is_empty() {
                let policy = if is_latest(image) { "Always" } else { "IfNotPresent" };
                entries.insert("imagePullPolicy".to_owned(), json!(policy));
            }
        }
        "core.v1.Secret" => {
            let plain = entries.remove("stringData");
            if let Some(Value::Object(plain)) = plain {
                let data = entries.entry("data").or_insert_with(|| json!({}));
                if !data.is_object() {
                    *data = json!({});
                }
                for (key, value) in plain {
                    data[key] = json!(base64_of(value.as_str().unwrap_or_default()));
                }
            }
        }
        "core.v1.ServiceSpec" if text(entries, "sessionAffinity") == "ClientIP" => {
            let timeout = json!({"clientIP": {"timeoutSeconds": 10800}});
            set_missing(entries, "sessionAffinityConfig", timeout);
        }
        "core.v1.ResourceRequirements" if place == "v1/Pod" => {
            let limits = entries.get("limits").and_then(Value::as_object).cloned();
            let requests = entries.get("requests").and_then(Value::as_object).cloned();
            if let Some(mut all) = limits {
                all.extend(requests.unwrap_or_default());
                entries.insert("requests".to_owned(), Value::Object(all));
            }
        }
        "networking.v1.NetworkPolicySpec" if !entries.contains_key("policyTypes") => {
            let mut types = vec!["Ingress"];
            if entries.get("egress").is_some_and(|egress| !is_zero(egress)) {
                types.push("Egress");
            }
            entries.insert("policyTypes".to_owned(), json!(types));
        }
        "rbac.v1.Subject" if text(entries, "apiGroup").is_empty() => {
            if matches!(text(entries, "kind"), "User" | "Group") {
                entries.insert("apiGroup".to_owned(), json!("rbac.authorization.k8s.io"));
            }
        }
        _ => {}
    }
}

/// Defaults that need those below them.
fn afterwards(name: &str, place: &str, entries: &mut Map<String, Value>) {
    match name {
        "core.v1.Namespace" => {
            let own = text_at(entries, "metadata", "name");
            if let Some(metadata) = entries.get_mut("metadata").filter(|_| !own.is_empty()) {
                metadata["labels"]["kubernetes.io/metadata.name"] = json!(own);
            }
        }
        "core.v1.Service" => {
            let Some(spec) = entries.get_mut("spec").and_then(Value::as_object_mut) else { return };
            let kind = text(spec, "type").to_owned();
            for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
                let target = port.get("targetPort").is_none_or(|t| *t == json!(0) || is_zero(t));
                if target {
                    port["targetPort"] = port["port"].clone();
                }
            }
            if matches!(kind.as_str(), "NodePort" | "LoadBalancer") {
                set_missing(spec, "externalTrafficPolicy", json!("Cluster"));
            }
            if kind == "LoadBalancer" {
                set_missing(spec, "allocateLoadBalancerNodePorts", json!(true));
            }
        }
        "apps.v1.DaemonSet" => {
            let annotation = "deprecated.daemonset.template.generation";
            if let Some(metadata) = entries.get_mut("metadata")
                && metadata["annotations"][annotation].is_null()
            {
                metadata["annotations"][annotation] = json!("0");
            }
        }
        "core.v1.LimitRangeItem" if text(entries, "type") == "Container" => limits(entries),
        "core.v1.PodSpec" => pod_spec(place, entries),
        "apiextensions.v1.CustomResourceDefinitionSpec" => {
            if let Some(names) = entries.get_mut("names") {
                crd::fill_names(names);
            }
        }
        _ => {}
    }
}

fn text_at(entries: &Map<String, Value>, outer: &str, inner: &str) -> String {
    let found = entries.get(outer).and_then(|value| value.get(inner));
    found.and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// A container's limits default to its maximum, and its requests to its limits or its minimum.
fn limits(item: &mut Map<String, Value>) {
    let of = |item: &Map<String, Value>, name: &str| {
        item.get(name).and_then(Value::as_object).cloned().unwrap_or_default()
    };
    for (into, from) in
        [("default", "max"), ("defaultRequest", "default"), ("defaultRequest", "min")]
    {
        let mut all = of(item, from);
        all.extend(of(item, into));
        if !all.is_empty() {
            item.insert(into.to_owned(), Value::Object(all));
        }
    }
}

fn pod_spec(place: &str, spec: &mut Map<String, Value>) {
    let account = text(spec, "serviceAccountName").to_owned();
    let old = text(spec, "serviceAccount").to_owned();
    match (account.is_empty(), old.is_empty()) {
        (false, _) => drop(spec.insert("serviceAccount".to_owned(), json!(account))),
        (true, false) => drop(spec.insert("serviceAccountName".to_owned(), json!(old))),
        (true, true) => {}
    }
    if place != "v1/Pod" || spec.get("hostNetwork") != Some(&json!(true)) {
        return;
    }
    for list in ["containers", "initContainers"] {
        let containers = spec.get_mut(list).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            let ports = container.get_mut("ports").and_then(Value::as_array_mut);
            for port in ports.into_iter().flatten() {
                if port.get("hostPort").is_none_or(is_zero) {
                    port["hostPort"] = port["containerPort"].clone();
                }
            }
        }
    }
}

/// Whether an image has no tag and no digest, or the tag `latest`.
fn is_latest(image: &str) -> bool {
    let name = image.rsplit('/').next().unwrap_or(image);
    if name.contains('@') {
        return false;
    }
    name.split_once(':').is_none_or(|(_, tag)| tag == "latest")
}

fn base64_of(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::normal::round_trip;

    fn filled(name: &str, place: &str, given: &Value) -> Value {
        let ty = BUILT_IN.ids[name];
        let mut object = round_trip(&BUILT_IN.types, ty, given, &mut Vec::new())
            .expect("the object has the right types");
        fill(ty, place, &mut object);
        object
    }

    #[test]
    fn a_service_gets_its_target_ports() {
        let given = json!({"spec": {"ports": [{"port": 80}]}});
        let object = filled("core.v1.Service", "v1/Service", &given);
        assert_eq!(
            object["spec"],
            json!({"internalTrafficPolicy": "Cluster", "sessionAffinity": "None",
                "type": "ClusterIP", "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}]})
        );
    }

    #[test]
    fn a_deployment_is_filled_down_to_its_containers() {
        let given = json!({"spec": {"strategy": {"type": "Recreate"},
            "template": {"spec": {"containers": [{"name": "a", "image": "x:latest"}],
            "volumes": [{"name": "v"}, {"name": "w", "configMap": {"name": "c"}}]}}}});
        let object = filled("apps.v1.Deployment", "apps/v1/Deployment", &given);
        assert_eq!(object["spec"]["strategy"], json!({"type": "Recreate"}));
        assert_eq!(object["spec"]["replicas"], json!(1));
        let pod = &object["spec"]["template"]["spec"];
        assert_eq!(
            pod["containers"],
            json!([{"name": "a", "image": "x:latest", "imagePullPolicy": "Always", "resources": {},
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File"}])
        );
        assert_eq!(
            pod["volumes"],
            json!([{"name": "v", "emptyDir": {}},
                {"name": "w", "configMap": {"name": "c", "defaultMode": 420}}])
        );
        assert_eq!(pod.get("enableServiceLinks"), None, "pods alone get it");
    }

    #[test]
    fn secrets_merge_their_plain_text() {
        let given = json!({"data": {"a": "MQ=="}, "stringData": {"b": "2"}});
        let object = filled("core.v1.Secret", "v1/Secret", &given);
        assert_eq!(object["data"], json!({"a": "MQ==", "b": "Mg=="}));
        assert_eq!(object["type"], "Opaque");
    }
}
