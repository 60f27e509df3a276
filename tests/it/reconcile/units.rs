//! Units among each other, and what their spec switches.

use super::shared;
use crate::reconcile::world::World;
use crate::reconcile::world::map;
use crate::support::flux;
use crate::support::wait;
use kube::api::DeleteParams;
use serde_json::json;

#[tokio::test]
async fn a_dependent_is_applied_when_its_dependency_is_ready() {
    let world = shared("depends").await;
    let revision =
        world.push_files(&[("web/w.yaml", &map("w", "1")), ("db/d.yaml", "not: [yaml")]).await;
    world.source().await;
    world.unit("web", json!({ "dependsOn": [{ "name": "db" }] })).await;
    world.unit("db", json!({})).await;
    let waits = format!("dependency '{}/db' is not ready", world.namespace);
    world.shows("web", "False", &waits).await;
    world.shows("db", "False", "").await;
    world.owns(&[]).await;
    assert!(!revision.is_empty());
    let revision = world.push_files(&[("db/d.yaml", &map("d", "1"))]).await;
    world.ready("web", &revision).await;
    world.owns(&["d", "w"]).await;
}

#[tokio::test]
async fn a_suspended_unit_does_nothing_until_it_is_resumed() {
    let world = shared("suspended").await;
    let old = world.push_files(&[("app/a.yaml", &map("a", "1"))]).await;
    world.source().await;
    world.unit("app", json!({})).await;
    world.ready("app", &old).await;
    world.patch_unit("app", json!({ "suspend": true })).await;
    world.unit("witness", json!({})).await;
    let revision = world
        .push_files(&[("app/a.yaml", &map("a", "2")), ("witness/x.yaml", &map("x", "1"))])
        .await;
    world.ready("witness", &revision).await;
    assert_eq!(world.map("a").await.unwrap().data.unwrap()["key"], "1");
    world.patch_unit("app", json!({ "suspend": false })).await;
    world.ready("app", &revision).await;
    assert_eq!(world.map("a").await.unwrap().data.unwrap()["key"], "2");
}

/// Deletes a ready unit with this policy and waits until it is gone.
async fn deleted_with(world: &World, spec: serde_json::Value) {
    let revision = world.push_files(&[("app/a.yaml", &map("a", "1"))]).await;
    world.source().await;
    world.unit("app", spec).await;
    world.ready("app", &revision).await;
    let units = world.flux(flux::KUSTOMIZATION);
    units.delete("app", &DeleteParams::default()).await.expect("the unit can be deleted");
    wait::until("the unit to be gone", || async move {
        world.get_unit("app").await.is_none().then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_deleted_unit_takes_its_objects_with_it() {
    let world = shared("mirror").await;
    deleted_with(&world, json!({})).await;
    world.owns(&[]).await;
}

#[tokio::test]
async fn a_deleted_unit_without_prune_leaves_its_objects() {
    let world = shared("unpruned").await;
    deleted_with(&world, json!({ "prune": false })).await;
    assert!(world.map("a").await.is_some());
}

#[tokio::test]
async fn a_deleted_unit_obeys_its_deletion_policy() {
    let world = shared("policy-delete").await;
    deleted_with(&world, json!({ "prune": false, "deletionPolicy": "Delete" })).await;
    world.owns(&[]).await;
    let world = shared("policy-wait").await;
    deleted_with(&world, json!({ "deletionPolicy": "WaitForTermination" })).await;
    assert!(world.map("a").await.is_none());
    let world = shared("policy-orphan").await;
    deleted_with(&world, json!({ "deletionPolicy": "Orphan" })).await;
    assert!(world.map("a").await.is_some());
}

#[tokio::test]
async fn two_units_that_want_one_object_are_a_conflict_without_a_fight() {
    let world = shared("conflict").await;
    let revision =
        world.push_files(&[("app/a.yaml", &map("a", "1")), ("b/a.yaml", &map("a", "2"))]).await;
    world.source().await;
    world.unit("app", json!({})).await;
    world.ready("app", &revision).await;
    let before = world.map("a").await.unwrap().metadata.resource_version;
    world.unit("b", json!({})).await;
    let managed = format!("is already managed by Kustomization/{}/app", world.namespace);
    world.shows("b", "False", &managed).await;
    assert_eq!(world.map("a").await.unwrap().metadata.resource_version, before);
    let owners = world.site.ask(&["owners", "cm/a", "-n", &world.namespace]);
    assert!(owners.contains(&format!("{}/app", world.namespace)), "{owners}");
}

#[tokio::test]
async fn an_object_that_moves_between_units_is_not_deleted() {
    let world = shared("moved").await;
    let files = [("app/a.yaml", map("a", "1")), ("app/b.yaml", map("b", "1"))];
    world.push_files(&files.each_ref().map(|(path, text)| (*path, text.as_str()))).await;
    let revision = world.push_files(&[("second/c.yaml", &map("c", "1"))]).await;
    world.source().await;
    world.unit("app", json!({})).await;
    world.unit("second", json!({})).await;
    world.ready("app", &revision).await;
    world.ready("second", &revision).await;
    let before = world.map("b").await.unwrap().metadata.uid;
    world.repo.git(&["mv", "app/b.yaml", "second/b.yaml"]);
    let revision = world.push("move").await;
    world.ready("app", &revision).await;
    world.ready("second", &revision).await;
    let b = world.map("b").await.unwrap();
    assert_eq!(b.metadata.uid, before);
    assert_eq!(b.metadata.labels.unwrap()["kustomize.toolkit.fluxcd.io/name"], "second");
}
