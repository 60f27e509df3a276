//! What hence leaves alone although somebody seems to ask for it.

use super::shared;
use crate::reconcile::world::World;
use crate::reconcile::world::map;
use crate::support::flux;
use crate::support::wait;
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use kube::api::DeleteParams;
use kube::api::DynamicObject;
use kube::api::Patch;
use kube::api::PatchParams;
use kube::core::GroupVersionKind;
use kube::discovery::ApiResource;
use serde_json::json;

const KUSTOMIZATIONS: &str = "kustomizations.kustomize.toolkit.fluxcd.io";

#[tokio::test]
async fn units_that_go_with_their_definition_leave_their_objects() {
    let mut world = World::alone("definition-gone").await;
    world.site.own().start(&[]);
    let revision = world.push_files(&[("app/a.yaml", &map("a", "1"))]).await;
    world.source().await;
    world.unit("app", json!({})).await;
    world.ready("app", &revision).await;

    let gvk = GroupVersionKind::gvk("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
    let definitions: &Api<DynamicObject> =
        &Api::all_with(world.client.clone(), &ApiResource::from_gvk(&gvk));
    definitions.delete(KUSTOMIZATIONS, &DeleteParams::default()).await.unwrap();
    wait::until("the definition to be gone", || async move {
        definitions.get_opt(KUSTOMIZATIONS).await.unwrap().is_none().then_some(())
    })
    .await;
    assert!(world.map("a").await.is_some(), "nobody asked to delete it");
    assert_eq!(world.pruned().await, [""; 0]);

    // The definition comes back, and with it the unit: the object is its own as before.
    flux::install_definitions(&world.client).await;
    world.unit("app", json!({})).await;
    world.ready("app", &revision).await;
    world.flux(flux::KUSTOMIZATION).delete("app", &DeleteParams::default()).await.unwrap();
    world.owns(&[]).await;
    assert_eq!(world.pruned().await, ["a"]);
}

#[tokio::test]
async fn a_controller_that_was_scaled_down_is_not_scaled_up() {
    let world = shared("scaled-down").await;
    let controller = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  \
        name: kustomize-controller\n  labels: {app.kubernetes.io/part-of: flux}\nspec:\n  \
        replicas: 1\n  selector: {matchLabels: {app: c}}\n  template:\n    \
        metadata: {labels: {app: c}}\n    \
        spec: {containers: [{name: manager, image: none}]}\n";
    let files = [("app/a.yaml", map("a", "1")), ("app/c.yaml", controller.to_owned())];
    let files = files.each_ref().map(|(path, text)| (*path, text.as_str()));
    let revision = world.push_files(&files).await;
    world.source().await;
    world.unit("app", json!({})).await;
    world.ready("app", &revision).await;

    let deployments: Api<Deployment> = Api::namespaced(world.client.clone(), &world.namespace);
    let edit = |edit| Patch::Merge(edit);
    let (params, down) = (PatchParams::default(), edit(json!({ "spec": { "replicas": 0 } })));
    deployments.patch("kustomize-controller", &params, &down).await.unwrap();
    // The next push and a hand edit are acted on, and the Deployment stays as it is.
    let revision = world.push_files(&[("app/a.yaml", &map("a", "2"))]).await;
    world.ready("app", &revision).await;
    world.maps().patch("a", &params, &edit(json!({ "data": { "key": "3" } }))).await.unwrap();
    let corrected = || async { (world.map("a").await?.data?["key"] == "2").then_some(()) };
    wait::until("the edit to be corrected", corrected).await;
    let replicas = || async {
        let live = deployments.get("kustomize-controller").await.unwrap();
        live.spec.replicas
    };
    assert_eq!(replicas().await, Some(0));
    // On the way back it is scaled up, and is an object like any other.
    let up = edit(json!({ "spec": { "replicas": 2 } }));
    deployments.patch("kustomize-controller", &params, &up).await.unwrap();
    wait::until("the drift to be corrected", || async {
        (replicas().await == Some(1)).then_some(())
    })
    .await;
}
