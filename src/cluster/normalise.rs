//! A manifest as Flux would send it, and the comparison that Flux makes (features 1.6).
//!
//! In: a rendered manifest. Out: the same with default protocols on ports, with the empty fields
//! that Flux sends, `stringData` merged into `data`, without `metadata.creationTimestamp` and
//! without `status` (CRDs keep theirs). Roles and ClusterRoles are left as they are.
//!
//! Pure. Not here: owner labels and common metadata, which stand before and after this step.

mod filled;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::Map;
use serde_json::Value;

/// Normalises `manifest` in place.
pub fn normalise(manifest: &mut Value) {
    let text = |name: &str| manifest[name].as_str().unwrap_or_default().to_owned();
    let (version, kind) = (text("apiVersion"), text("kind"));
    if version == "rbac.authorization.k8s.io/v1" && matches!(&*kind, "Role" | "ClusterRole") {
        return;
    }
    let pod = match (version.as_str(), kind.as_str()) {
        ("v1", "Pod") => Some("/spec"),
        ("apps/v1", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet")
        | ("batch/v1", "Job") => Some("/spec/template/spec"),
        ("batch/v1", "CronJob") => Some("/spec/jobTemplate/spec/template/spec"),
        _ => None,
    };
    if let Some(pod) = pod {
        container_protocols(manifest, pod);
    }
    match (version.as_str(), kind.as_str()) {
        ("v1", "Service") => port_protocols(manifest.pointer_mut("/spec/ports")),
        ("v1", "Secret") => merge_string_data(manifest),
        _ => {}
    }
    filled::fill(manifest, &version, &kind, pod);
    if let Some(metadata) = manifest.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("creationTimestamp");
    }
    let defines = kind.eq_ignore_ascii_case("CustomResourceDefinition")
        && version.starts_with("apiextensions.k8s.io/");
    if defines {
        drop_broken_bundle(manifest);
    }
    if let Some(fields) = manifest.as_object_mut().filter(|_| !defines) {
        fields.remove("status");
    }
}

/// A CA bundle that holds no certificate keeps a definition from being established; something else
/// is meant to fill it in.
fn drop_broken_bundle(definition: &mut Value) {
    let client = definition.pointer_mut("/spec/conversion/webhook/clientConfig");
    let Some(client) = client.and_then(Value::as_object_mut) else { return };
    let Some(text) = client.get("caBundle").and_then(Value::as_str) else { return };
    let holds_certificates = |pem: Vec<u8>| {
        let mut found = CertificateDer::pem_slice_iter(&pem).peekable();
        found.peek().is_some() && found.all(|certificate| certificate.is_ok())
    };
    if !text.is_empty() && !BASE64_STANDARD.decode(text).is_ok_and(holds_certificates) {
        client.remove("caBundle");
    }
}

/// Ports of containers, but not of init containers, are TCP unless they say otherwise.
fn container_protocols(manifest: &mut Value, pod: &str) {
    let containers = manifest.pointer_mut(&format!("{pod}/containers"));
    for container in containers.and_then(Value::as_array_mut).into_iter().flatten() {
        port_protocols(container.get_mut("ports"));
    }
}

fn port_protocols(ports: Option<&mut Value>) {
    for port in ports.and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(port) = port.as_object_mut() else { continue };
        let named = port.get("protocol").and_then(Value::as_str).is_some_and(|p| !p.is_empty());
        if !named {
            port.insert("protocol".to_owned(), "TCP".into());
        }
    }
}

/// `stringData` is for writing only: as applied data it could not be compared.
fn merge_string_data(secret: &mut Value) {
    let Some(fields) = secret.as_object_mut() else { return };
    let Some(Value::Object(texts)) = fields.get("stringData") else { return };
    // What is no text is for the server to refuse, in the user's own words.
    if !texts.values().all(Value::is_string) {
        return;
    }
    let Some(Value::Object(texts)) = fields.remove("stringData") else { return };
    if texts.is_empty() {
        return;
    }
    let data = fields.entry("data").or_insert_with(|| Value::Object(Map::new()));
    if data.is_null() {
        *data = Value::Object(Map::new());
    }
    let Some(data) = data.as_object_mut() else { return };
    for (name, text) in texts {
        let text = text.as_str().unwrap_or_default();
        data.insert(name, BASE64_STANDARD.encode(text).into());
    }
}

/// Where the live object differs from what a dry-run says it would be, as Flux compares the two:
/// labels, annotations, and everything outside `metadata` and `status`. Paths in words, in order;
/// empty when the apply would change nothing that counts.
pub fn drifted(live: &Value, dry_run: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for part in ["labels", "annotations"] {
        let at = format!("/metadata/{part}");
        let path = format!("metadata.{part}");
        // Of these two an empty map is the same as none.
        let some = |object: &'_ Value| object.pointer(&at).filter(|map| !is_empty(map)).cloned();
        compare(some(live).as_ref(), some(dry_run).as_ref(), &path, &mut found);
    }
    let none = Map::new();
    let fields = |object: &'_ Value| object.as_object().unwrap_or(&none).clone();
    let (live, dry_run) = (fields(live), fields(dry_run));
    let mut names: Vec<&String> = live.keys().chain(dry_run.keys()).collect();
    names.sort();
    names.dedup();
    for name in names.into_iter().filter(|name| !matches!(name.as_str(), "metadata" | "status")) {
        compare(live.get(name), dry_run.get(name), name, &mut found);
    }
    found
}

/// Everything counts, also an empty map where there was none.
fn compare(a: Option<&Value>, b: Option<&Value>, path: &str, found: &mut Vec<String>) {
    match (a, b) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            let mut names: Vec<&String> = a.keys().chain(b.keys()).collect();
            names.sort();
            names.dedup();
            for name in names {
                let path = match name.contains(['.', '/']) {
                    true => format!("{path}[{}]", Value::from(name.as_str())),
                    false => format!("{path}.{name}"),
                };
                compare(a.get(name), b.get(name), &path, found);
            }
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) if a.len() == b.len() => {
            for (i, (a, b)) in a.iter().zip(b).enumerate() {
                compare(Some(a), Some(b), &format!("{path}[{i}]"), found);
            }
        }
        (a, b) if a != b => found.push(path.to_owned()),
        _ => {}
    }
}

fn is_empty(map: &Value) -> bool {
    map.is_null() || map.as_object().is_some_and(Map::is_empty)
}

#[cfg(test)]
mod tests;
