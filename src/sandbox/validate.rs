//! Rules of built-in kinds: names, labels, required fields, fields that may not change.
//!
//! In: an object, and the one that it replaces. Out: every broken rule, in the server's words.
//!
//! Pure. Facts: Kubernetes `pkg/apis/*/validation`. A table of the rules that people meet; the real
//! server knows many more (ports, quantities, schedules, references), which pass here.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::crd;
use super::kinds::Kind;
use super::refusal::FieldError;
use super::typed::same;

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric \
    characters, '-' or '.', and must start and end with an alphanumeric character (e.g. \
    'example.com', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters \
    or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', \
    regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const LABEL_1035: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or \
    '-', start with an alphabetic character, and end with an alphanumeric character (e.g. \
    'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric \
    characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. \
    'MyValue',  or 'my_value',  or '12345', regex used for validation is \
    '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const LABEL_NAME: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and \
    must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or \
    '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

struct Rules {
    subdomain: Regex,
    label: Regex,
    label_1035: Regex,
    label_value: Regex,
    label_name: Regex,
}

static RULES: LazyLock<Rules> = LazyLock::new(|| {
    let compile = |text: &str| Regex::new(text).expect("these patterns are constants and tested");
    Rules {
        subdomain: compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"),
        label: compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"),
        label_1035: compile(r"^[a-z]([-a-z0-9]*[a-z0-9])?$"),
        label_value: compile(r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$"),
        label_name: compile(r"^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$"),
    }
});

/// Rules that hold for every object: its name, labels and annotations.
pub(crate) fn metadata(kind: &Kind, object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    name_rule(kind, name, &mut errors);
    let labels = object["metadata"]["labels"].as_object();
    label_rules("metadata.labels", labels, &mut errors);
    errors
}

fn name_rule(kind: &Kind, name: &str, errors: &mut Vec<FieldError>) {
    let rules = &*RULES;
    let mut broken = |fits: bool, longest: usize, words: &str| {
        let value = json!(name);
        if name.len() > longest {
            let text = format!("must be no more than {longest} bytes");
            errors.push(FieldError::invalid("metadata.name", &value, &text));
        }
        if !fits {
            errors.push(FieldError::invalid("metadata.name", &value, words));
        }
    };
    match (kind.id.group.as_str(), kind.kind.as_str()) {
        ("rbac.authorization.k8s.io", _) => {
            let fits = !matches!(name, "." | "..") && !name.contains(['/', '%']);
            broken(fits, usize::MAX, "may not contain '/' or '%'");
        }
        ("", "Namespace") => broken(rules.label.is_match(name), 63, LABEL),
        ("", "Service") => broken(rules.label_1035.is_match(name), 63, LABEL_1035),
        _ => broken(rules.subdomain.is_match(name), 253, SUBDOMAIN),
    }
}

fn label_rules(field: &str, labels: Option<&Map<String, Value>>, errors: &mut Vec<FieldError>) {
    for (key, value) in labels.into_iter().flatten() {
        let name = key.rsplit('/').next().unwrap_or(key);
        if !RULES.label_name.is_match(name) || name.len() > 63 {
            errors.push(FieldError::invalid(field, &json!(key), LABEL_NAME));
        }
        let text = value.as_str().unwrap_or_default();
        if !RULES.label_value.is_match(text) {
            errors.push(FieldError::invalid(field, value, LABEL_VALUE));
        } else if text.len() > 63 {
            errors.push(FieldError::invalid(field, value, "must be no more than 63 bytes"));
        }
    }
}

/// Rules of the kind itself.
pub(crate) fn content(kind: &Kind, object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let spec = &object["spec"];
    match (kind.id.group.as_str(), kind.kind.as_str()) {
        ("apps", "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet") => {
            selector(spec, &mut errors);
            pod(&spec["template"]["spec"], "spec.template.spec", &mut errors);
        }
        ("batch", "Job") => pod(&spec["template"]["spec"], "spec.template.spec", &mut errors),
        ("", "Pod") => pod(spec, "spec", &mut errors),
        ("", "Service") => service(spec, &mut errors),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => {
            errors.extend(crd::validate(object))
        }
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => {
            if object["roleRef"]["name"].as_str().is_none_or(str::is_empty) {
                errors.push(FieldError::required("roleRef.name", ""));
            }
        }
        _ => {}
    }
    errors
}

fn selector(spec: &Value, errors: &mut Vec<FieldError>) {
    let labels = &spec["template"]["metadata"]["labels"];
    if spec["selector"].is_null() {
        errors.push(FieldError::required("spec.selector", ""));
        return errors.push(mismatch(labels));
    }
    let wanted = spec["selector"]["matchLabels"].as_object();
    if wanted.is_none_or(Map::is_empty) && spec["selector"]["matchExpressions"].is_null() {
        let detail = "empty selector is invalid for deployment";
        errors.push(FieldError::invalid("spec.selector", &spec["selector"], detail));
    }
    if wanted.into_iter().flatten().any(|(key, value)| &labels[key] != value) {
        errors.push(mismatch(labels));
    }
}

fn mismatch(labels: &Value) -> FieldError {
    let detail = "`selector` does not match template `labels`";
    FieldError::invalid("spec.template.metadata.labels", labels, detail)
}

fn pod(spec: &Value, field: &str, errors: &mut Vec<FieldError>) {
    let containers = spec["containers"].as_array();
    if containers.is_none_or(Vec::is_empty) {
        errors.push(FieldError::required(&format!("{field}.containers"), ""));
    }
    for list in ["initContainers", "containers"] {
        let mut names: Vec<&str> = Vec::new();
        for (index, container) in spec[list].as_array().into_iter().flatten().enumerate() {
            let field = format!("{field}.{list}[{index}]");
            let name = container["name"].as_str().unwrap_or_default();
            if name.is_empty() {
                errors.push(FieldError::required(&format!("{field}.name"), ""));
            } else if !RULES.label.is_match(name) {
                errors.push(FieldError::invalid(&format!("{field}.name"), &json!(name), LABEL));
            } else if names.contains(&name) {
                errors.push(FieldError::duplicate(&format!("{field}.name"), &json!(name)));
            }
            names.push(name);
            if container["image"].as_str().is_none_or(str::is_empty) {
                errors.push(FieldError::required(&format!("{field}.image"), ""));
            }
        }
    }
}

fn service(spec: &Value, errors: &mut Vec<FieldError>) {
    let ports = spec["ports"].as_array().map_or(&[][..], Vec::as_slice);
    let headless = spec["clusterIP"] == "None";
    if ports.is_empty() && spec["type"] != "ExternalName" && !headless {
        errors.push(FieldError::required("spec.ports", ""));
    }
    for (index, port) in ports.iter().enumerate() {
        let field = format!("spec.ports[{index}]");
        if ports.len() > 1 && port["name"].as_str().is_none_or(str::is_empty) {
            errors.push(FieldError::required(&format!("{field}.name"), ""));
        }
        if !(1..=65535).contains(&port["port"].as_i64().unwrap_or(0)) {
            let detail = "must be between 1 and 65535, inclusive";
            errors.push(FieldError::invalid(&format!("{field}.port"), &port["port"], detail));
        }
    }
}

const IMMUTABLE: &str = "field is immutable";

/// Fields that may never change: kind, path, message. A message with `Forbidden` in front is one.
#[rustfmt::skip]
const FIXED: &[(&str, &str, &str, &str)] = &[
    ("apps", "Deployment",  "spec.selector", IMMUTABLE),
    ("apps", "ReplicaSet",  "spec.selector", IMMUTABLE),
    ("apps", "DaemonSet",   "spec.selector", IMMUTABLE),
    ("batch", "Job",        "spec.selector", IMMUTABLE),
    ("batch", "Job",        "spec.template", IMMUTABLE),
    ("batch", "Job",        "spec.completionMode", IMMUTABLE),
    ("", "Secret",          "type", IMMUTABLE),
    ("rbac.authorization.k8s.io", "RoleBinding",        "roleRef", "cannot change roleRef"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding", "roleRef", "cannot change roleRef"),
    ("networking.k8s.io", "IngressClass", "spec.controller", IMMUTABLE),
    ("storage.k8s.io", "StorageClass", "parameters",
        "Forbidden updates to parameters are forbidden."),
    ("storage.k8s.io", "StorageClass", "provisioner",
        "Forbidden updates to provisioner are forbidden."),
    ("storage.k8s.io", "StorageClass", "reclaimPolicy",
        "Forbidden updates to reclaimPolicy are forbidden."),
    ("storage.k8s.io", "StorageClass", "volumeBindingMode", IMMUTABLE),
    ("scheduling.k8s.io", "PriorityClass", "value", "Forbidden may not be changed in an update."),
    ("apiextensions.k8s.io", "CustomResourceDefinition", "spec.scope", IMMUTABLE),
    ("apiextensions.k8s.io", "CustomResourceDefinition", "spec.group", IMMUTABLE),
];

fn at<'v>(object: &'v Value, path: &str) -> &'v Value {
    path.split('.').fold(object, |at, step| &at[step])
}

/// Rules about what `new` may not change of `live`.
pub(crate) fn change(kind: &Kind, live: &Value, new: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let id = (kind.id.group.as_str(), kind.kind.as_str());
    for (group, name, path, detail) in FIXED {
        if id != (*group, *name) || same(at(live, path), at(new, path)) {
            continue;
        }
        errors.push(match detail.strip_prefix("Forbidden ") {
            Some(detail) => FieldError::forbidden(path, detail),
            None => FieldError::invalid(path, at(new, path), detail),
        });
    }
    match id {
        ("", "ConfigMap" | "Secret") if live["immutable"] == true => {
            for field in ["immutable", "data", "binaryData"] {
                if !same(&live[field], &new[field]) {
                    let detail = "field is immutable when `immutable` is set";
                    errors.push(FieldError::forbidden(field, detail));
                }
            }
        }
        ("", "Service") => addresses(live, new, &mut errors),
        ("apps", "StatefulSet") => {
            let free = [
                "replicas",
                "ordinals",
                "template",
                "updateStrategy",
                "revisionHistoryLimit",
                "persistentVolumeClaimRetentionPolicy",
                "minReadySeconds",
            ];
            if !same(&without(&live["spec"], &free), &without(&new["spec"], &free)) {
                let detail = "updates to statefulset spec for fields other than 'replicas', \
                    'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', \
                    'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
                errors.push(FieldError::forbidden("spec", detail));
            }
        }
        ("", "PersistentVolumeClaim") => {
            let free = ["resources", "volumeAttributesClassName", "volumeName"];
            if !same(&without(&live["spec"], &free), &without(&new["spec"], &free)) {
                let detail = "spec is immutable after creation except resources.requests and \
                    volumeAttributesClassName for bound claims";
                errors.push(FieldError::forbidden("spec", detail));
            }
        }
        ("", "Pod") => {
            let free = [
                "containers",
                "initContainers",
                "activeDeadlineSeconds",
                "tolerations",
                "terminationGracePeriodSeconds",
                "nodeName",
            ];
            if !same(&without(&live["spec"], &free), &without(&new["spec"], &free)) {
                let detail = "pod updates may not change fields other than \
                    `spec.containers[*].image`,`spec.initContainers[*].image`,\
                    `spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing \
                    tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if \
                    it was previously negative)";
                errors.push(FieldError::forbidden("spec", detail));
            }
        }
        _ => {}
    }
    errors
}

fn without(spec: &Value, fields: &[&str]) -> Value {
    let entries = spec.as_object().into_iter().flatten();
    let kept = entries.filter(|(name, _)| !fields.contains(&name.as_str()));
    Value::Object(kept.map(|(name, value)| (name.clone(), value.clone())).collect())
}

fn addresses(live: &Value, new: &Value, errors: &mut Vec<FieldError>) {
    let (old, fresh) = (&live["spec"], &new["spec"]);
    let external = old["type"] == "ExternalName" || fresh["type"] == "ExternalName";
    if external || old["clusterIP"] == fresh["clusterIP"] || old["clusterIP"].is_null() {
        return;
    }
    let detail = "may not change once set";
    let value = json!([fresh["clusterIP"]]);
    errors.push(FieldError::invalid("spec.clusterIPs[0]", &value, detail));
}

#[cfg(test)]
mod tests {
    use super::super::kinds::Kinds;
    use super::*;

    fn texts(errors: &[FieldError]) -> Vec<String> {
        errors.iter().map(FieldError::text).collect()
    }

    #[test]
    fn names_and_labels_are_checked() {
        let kinds = Kinds::built_in();
        let map = kinds.find("", "v1", "configmaps").expect("built in");
        let object = json!({"metadata": {"name": "Bad_Name", "labels": {"a": "b c"}}});
        let errors = texts(&metadata(&map, &object));
        assert!(errors[0].starts_with(
            "metadata.name: Invalid value: \"Bad_Name\": a lowercase RFC 1123 subdomain"
        ));
        assert!(errors[1].starts_with("metadata.labels: Invalid value: \"b c\": a valid label"));
        let role = kinds.find("rbac.authorization.k8s.io", "v1", "roles").expect("built in");
        assert!(metadata(&role, &json!({"metadata": {"name": "system:x"}})).is_empty());
    }

    #[test]
    fn what_may_not_change() {
        let kinds = Kinds::built_in();
        let deployment = kinds.find("apps", "v1", "deployments").expect("built in");
        let with = |app: &str| json!({"spec": {"selector": {"matchLabels": {"app": app}}}});
        assert_eq!(
            texts(&change(&deployment, &with("a"), &with("b"))),
            ["spec.selector: Invalid value: {\"matchLabels\":{\"app\":\"b\"}}: field is immutable"]
        );
        let secret = kinds.find("", "v1", "secrets").expect("built in");
        let live = json!({"immutable": true, "data": {"a": "MQ=="}});
        let new = json!({"immutable": true, "data": {"a": "Mg=="}});
        assert_eq!(
            texts(&change(&secret, &live, &new)),
            ["data: Forbidden: field is immutable when `immutable` is set"]
        );
    }
}
