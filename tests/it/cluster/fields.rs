//! Takeover of fields that kubectl owns.

use super::config_maps;
use super::connect;
use super::writer;
use crate::support::cluster::Cluster as Server;
use hence::cluster::fields;
use hence::cluster::write::ApplyOptions;
use hence::cluster::write::PatchKind;
use serde_json::Value;
use serde_json::json;

fn overridden() -> Vec<String> {
    ["kubectl", "before-first-apply", "kustomize-controller"].map(String::from).into()
}

/// Who manages an object: `manager/operation`.
fn managed_by(live: &Value) -> Vec<String> {
    fields::managers(live).map(|m| format!("{}/{}", m.name, m.operation)).collect()
}

#[tokio::test]
async fn what_kubectl_added_goes_with_the_next_apply() {
    let namespace = Server::shared().namespace("takeover").await;
    let (cluster, resource) = (connect().await, config_maps());
    let target = (namespace.as_str(), "one", "");
    let manifest = |data: Value| super::config_map(&namespace, "one", data);

    // Made by `kubectl create`, edited by kubectl and by somebody else, then applied by us.
    let by =
        |manager: &str| ApplyOptions { manager: manager.to_owned(), ..ApplyOptions::default() };
    let first = json!({"mine": "1", "theirs": "1"});
    writer(&cluster).apply(&resource, &manifest(first), &by("kubectl")).await.unwrap();
    let edit = json!({
        "data": {"added": "by kubectl"},
        "metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}},
    });
    for (manager, patch) in
        [("kubectl-edit", edit), ("somebody", json!({"data": {"kept": "by somebody"}}))]
    {
        writer(&cluster).patch(&resource, target, PatchKind::Merge, &patch, manager).await.unwrap();
    }
    let ours = manifest(json!({"mine": "2"}));
    let live =
        writer(&cluster).apply(&resource, &ours, &ApplyOptions::default()).await.unwrap().object;
    assert_eq!(live.raw["data"]["added"], "by kubectl", "an apply alone does not take over");
    assert_eq!(fields::overridden_managers(&live.raw, &overridden()), ["kubectl", "kubectl-edit"]);

    let mut patch = fields::legacy_metadata(&live.raw);
    let entries = fields::takeover(&live.raw, &overridden()).expect("there is something to take");
    patch.push(json!({"op": "replace", "path": "/metadata/managedFields", "value": entries}));
    let taken = writer(&cluster)
        .patch(&resource, target, PatchKind::Json, &Value::Array(patch), "kustomize-controller")
        .await
        .unwrap();
    let mut managers = managed_by(&taken.raw);
    managers.sort();
    assert_eq!(managers, ["kustomize-controller/Apply", "somebody/Update"]);
    assert!(fields::takeover(&taken.raw, &overridden()).is_none(), "nothing is left to take");
    assert_eq!(taken.raw["metadata"].get("annotations"), None);

    let live =
        writer(&cluster).apply(&resource, &ours, &ApplyOptions::default()).await.unwrap().object;
    assert_eq!(live.raw["data"], json!({"mine": "2", "kept": "by somebody"}));
    assert!(fields::applies(&live.raw, "kustomize-controller"));
}

#[tokio::test]
async fn an_object_of_plain_kubectl_apply_becomes_ours() {
    let namespace = Server::shared().namespace("plain").await;
    let (cluster, resource) = (connect().await, config_maps());
    let target = (namespace.as_str(), "one", "");
    let object = super::config_map(&namespace, "one", json!({"a": "1", "b": "1"}));
    writer(&cluster).create(&resource, &namespace, &object).await.unwrap();
    writer(&cluster)
        .patch(
            &resource,
            target,
            PatchKind::Merge,
            &json!({"data": {"b": "2"}}),
            "kubectl-client-side-apply",
        )
        .await
        .unwrap();
    // The first server-side apply records what was there before as `before-first-apply`.
    let ours = super::config_map(&namespace, "one", json!({"a": "9"}));
    let live =
        writer(&cluster).apply(&resource, &ours, &ApplyOptions::default()).await.unwrap().object;
    let entries = fields::takeover(&live.raw, &overridden()).expect("kubectl has fields");
    let patch = json!([{"op": "replace", "path": "/metadata/managedFields", "value": entries}]);
    writer(&cluster)
        .patch(&resource, target, PatchKind::Json, &patch, "kustomize-controller")
        .await
        .unwrap();
    let live =
        writer(&cluster).apply(&resource, &ours, &ApplyOptions::default()).await.unwrap().object;
    assert_eq!(live.raw["data"].get("b"), None, "{:?}", managed_by(&live.raw));
}
