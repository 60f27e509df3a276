//! The main job: applied, corrected, pruned, and explained.

use super::shared;
use crate::reconcile::world::map;
use crate::support::flux;
use crate::support::wait;
use kube::api::DeleteParams;
use kube::api::Patch;
use kube::api::PatchParams;
use serde_json::json;

#[tokio::test]
async fn a_push_is_applied_and_shown_as_flux_shows_it() {
    let world = shared("applied").await;
    let files = [("app/a.yaml", map("a", "1")), ("app/b.yaml", map("b", "2"))];
    let files = files.each_ref().map(|(path, text)| (*path, text.as_str()));
    let revision = world.push_files(&files).await;
    world.source().await;
    world.unit("app", json!({})).await;
    let unit = world.ready("app", &revision).await;

    let status = &unit.data["status"];
    assert_eq!(flux::condition(&unit, "Ready").unwrap()["reason"], "ReconciliationSucceeded");
    assert!(flux::condition(&unit, "Reconciling").is_none());
    assert_eq!(status["lastAppliedRevision"], revision.as_str());
    assert_eq!(status["lastAttemptedRevision"], revision.as_str());
    assert_eq!(status["observedGeneration"], unit.metadata.generation.unwrap());
    assert_eq!(unit.metadata.finalizers, Some(vec!["finalizers.fluxcd.io".to_owned()]));
    let id =
        |name: &str| json!({"id": format!("{}_{name}__ConfigMap", world.namespace), "v": "v1"});
    assert_eq!(status["inventory"]["entries"], json!([id("a"), id("b")]));

    let a = world.map("a").await.expect("it was applied");
    assert_eq!(a.data.expect("it has data")["key"], "1");
    let labels = a.metadata.labels.expect("it has labels");
    assert_eq!(labels["kustomize.toolkit.fluxcd.io/name"], "app");
    assert_eq!(labels["kustomize.toolkit.fluxcd.io/namespace"], world.namespace);
    let managers = a.metadata.managed_fields.expect("it was applied");
    let managers: Vec<_> =
        managers.into_iter().map(|m| (m.manager.unwrap(), m.operation.unwrap())).collect();
    assert_eq!(managers, [("kustomize-controller".to_owned(), "Apply".to_owned())]);
    // A second push changes one object and leaves the other alone.
    let before = world.map("b").await.unwrap().metadata.resource_version;
    let revision = world.push_files(&[("app/a.yaml", &map("a", "3"))]).await;
    world.ready("app", &revision).await;
    assert_eq!(world.map("a").await.unwrap().data.unwrap()["key"], "3");
    assert_eq!(world.map("b").await.unwrap().metadata.resource_version, before);
}

#[tokio::test]
async fn a_hand_edit_is_corrected() {
    let world = shared("edited").await;
    let revision = world.push_files(&[("app/a.yaml", &map("a", "wanted"))]).await;
    world.source().await;
    world.unit("app", json!({})).await;
    world.ready("app", &revision).await;

    let edit = Patch::Merge(json!({ "data": { "key": "by hand" } }));
    world.maps().patch("a", &PatchParams::default(), &edit).await.unwrap();
    let world = &world;
    wait::until("the edit to be corrected", || async move {
        (world.map("a").await?.data?["key"] == "wanted").then_some(())
    })
    .await;

    let edit = Patch::Merge(json!({ "metadata": { "labels": {
        "kustomize.toolkit.fluxcd.io/name": "other",
    }}}));
    world.maps().patch("a", &PatchParams::default(), &edit).await.unwrap();
    wait::until("the label to be corrected", || async move {
        let labels = world.map("a").await?.metadata.labels?;
        (labels["kustomize.toolkit.fluxcd.io/name"] == "app").then_some(())
    })
    .await;

    let edit = Patch::Merge(json!({ "metadata": { "labels": {
        "kustomize.toolkit.fluxcd.io/name": null, "kustomize.toolkit.fluxcd.io/namespace": null,
    }}}));
    world.maps().patch("a", &PatchParams::default(), &edit).await.unwrap();
    world.owns(&["a"]).await;
}

#[tokio::test]
async fn an_object_deleted_by_hand_comes_back() {
    let world = shared("deleted").await;
    let revision = world.push_files(&[("app/a.yaml", &map("a", "1"))]).await;
    world.source().await;
    world.unit("app", json!({})).await;
    world.ready("app", &revision).await;
    let before = world.map("a").await.unwrap().metadata.uid;
    world.maps().delete("a", &DeleteParams::default()).await.unwrap();
    let (world, before) = (&world, &before);
    wait::until("the object to come back", || async move {
        (world.map("a").await?.metadata.uid != *before).then_some(())
    })
    .await;
    world.ready("app", &revision).await;
}

#[tokio::test]
async fn a_removed_file_is_pruned_and_nothing_else() {
    let world = shared("pruned").await;
    let files = ["a", "b", "c"].map(|name| (format!("app/{name}.yaml"), map(name, "1")));
    let files = files.each_ref().map(|(path, text)| (path.as_str(), text.as_str()));
    let revision = world.push_files(&files).await;
    world.source().await;
    world.unit("app", json!({})).await;
    world.ready("app", &revision).await;
    let before = world.map("a").await.unwrap().metadata.resource_version;

    let revision = world.push_without(&["app/b.yaml"]).await;
    let unit = world.ready("app", &revision).await;
    world.owns(&["a", "c"]).await;
    assert_eq!(world.map("a").await.unwrap().metadata.resource_version, before);
    let entries = unit.data["status"]["inventory"]["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 2, "{entries:?}");

    let why = world.site.ask(&["why", "pruned", "cm/b", "-n", &world.namespace]);
    assert!(why.contains(&format!("ConfigMap/{}/b  PRUNED", world.namespace)), "{why}");
    assert!(why.contains("prune/dropped (rules/prune.dl:"), "{why}");
}
