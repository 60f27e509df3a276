//! Objects that the server will not change: deleted and made anew only by force.

use crate::reconcile::world::World;
use crate::support::wait;
use kube::api::Patch;
use kube::api::PatchParams;
use serde_json::json;

/// A ConfigMap that nobody may change, with more metadata.
fn fixed(value: &str, more: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n{more}immutable: true\ndata:\n  key: \
         \"{value}\"\n"
    )
}

#[tokio::test]
async fn an_immutable_object_is_recreated_by_force_alone() {
    let world = World::shared("force").await;
    let revision = world.push_files(&[("app/a.yaml", &fixed("1", ""))]).await;
    world.source().await;
    world.unit("app", json!({})).await;
    world.ready("app", &revision).await;
    let first = world.map("a").await.unwrap();
    let revision = world.push_files(&[("app/a.yaml", &fixed("2", ""))]).await;
    world.shows("app", "False", "immutable").await;
    assert_eq!(world.map("a").await.unwrap().metadata.uid, first.metadata.uid);
    // The whole unit by force.
    world.patch_unit("app", json!({ "force": true })).await;
    world.ready("app", &revision).await;
    let second = world.map("a").await.unwrap();
    assert_ne!(second.metadata.uid, first.metadata.uid);
    assert_eq!(second.data.unwrap()["key"], "2");
    world.patch_unit("app", json!({ "force": false })).await;
    // One object by its annotation.
    let force = "  annotations: {kustomize.toolkit.fluxcd.io/force: Enabled}\n";
    let revision = world.push_files(&[("app/a.yaml", &fixed("3", force))]).await;
    world.ready("app", &revision).await;
    let third = world.map("a").await.unwrap();
    assert_ne!(third.metadata.uid, second.metadata.uid);
    assert_eq!(third.data.unwrap()["key"], "3");
}

#[tokio::test]
async fn a_finalizer_delays_the_new_object_and_nothing_is_repeated() {
    let world = World::shared("force-finalizer").await;
    let revision = world.push_files(&[("app/a.yaml", &fixed("1", ""))]).await;
    world.source().await;
    world.unit("app", json!({ "force": true })).await;
    world.ready("app", &revision).await;
    let first = world.map("a").await.unwrap().metadata.uid;
    let finalizers =
        |list: serde_json::Value| Patch::Merge(json!({ "metadata": { "finalizers": list } }));
    let params = PatchParams::default();
    world.maps().patch("a", &params, &finalizers(json!(["example.com/stay"]))).await.unwrap();
    let revision = world.push_files(&[("app/a.yaml", &fixed("2", ""))]).await;
    let now = &world;
    wait::until("the object to be marked", || async move {
        now.map("a").await?.metadata.deletion_timestamp.map(drop)
    })
    .await;
    world.maps().patch("a", &params, &finalizers(json!(null))).await.unwrap();
    world.ready("app", &revision).await;
    let second = world.map("a").await.unwrap();
    assert_ne!(second.metadata.uid, first);
    assert_eq!(second.data.unwrap()["key"], "2");
    let all = world.site.cluster.audit().settled(&world.site.cluster).await;
    let deletes = all.iter().filter(|r| {
        r.verb == "delete" && r.namespace == world.namespace && r.user_agent.starts_with("hence/")
    });
    assert_eq!(deletes.count(), 1);
}
