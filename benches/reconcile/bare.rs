//! The lower bound: a client that only writes, four applies and one status patch a unit. It reads
//! no artifact, builds nothing, waits for nothing and knows nothing afterwards.

use crate::layout::NAMESPACE;
use crate::layout::objects;
use crate::layout::unit_name;
use crate::support::flux;
use futures::StreamExt;
use futures::stream;
use kube::Api;
use kube::Client;
use kube::api::ApiResource;
use kube::api::DynamicObject;
use kube::api::Patch;
use kube::api::PatchParams;
use kube::core::GroupVersionKind;
use serde_json::Value;
use serde_json::json;

/// How many requests it has under way.
const CONNECTIONS: usize = 16;

/// What it calls itself.
pub(crate) const AGENT: &str = "bare-client";

/// Writes all units.
pub(crate) async fn write(client: &Client, values: &[u64]) {
    stream::iter(values.iter().enumerate())
        .for_each_concurrent(CONNECTIONS, |(number, value)| unit(client, number, *value))
        .await;
}

async fn unit(client: &Client, number: usize, value: u64) {
    for object in objects(number, value) {
        apply(client, &object).await;
    }
    let name = unit_name(number);
    let units = flux::api(client, flux::KUSTOMIZATION, NAMESPACE);
    let ready = json!({
        "type": "Ready", "status": "True", "reason": "ReconciliationSucceeded",
        "message": "Applied", "lastTransitionTime": "2026-01-01T00:00:00Z",
    });
    let status = json!({ "status": { "conditions": [ready] } });
    let patched = units.patch_status(&name, &PatchParams::default(), &Patch::Merge(status)).await;
    patched.unwrap_or_else(|error| panic!("{name}: {error}"));
}

/// Applies one object.
pub(crate) async fn apply(client: &Client, object: &Value) {
    let text = |at: &Value| at.as_str().unwrap_or_default().to_owned();
    let (kind, name) = (text(&object["kind"]), text(&object["metadata"]["name"]));
    let (group, version) = match text(&object["apiVersion"]).split_once('/') {
        Some((group, version)) => (group.to_owned(), version.to_owned()),
        None => (String::new(), text(&object["apiVersion"])),
    };
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(&group, &version, &kind));
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), NAMESPACE, &resource);
    let params = PatchParams::apply(AGENT).force();
    let applied = api.patch(&name, &params, &Patch::Apply(object)).await;
    applied.unwrap_or_else(|error| panic!("{kind}/{name}: {error}"));
}
