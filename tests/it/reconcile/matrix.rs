//! What prunes nothing: each case breaks something while an object is dropped from Git, sees that
//! nothing is deleted, repairs it, and then sees exactly the dropped object go.

use super::shared;
use crate::reconcile::world::SOURCE;
use crate::reconcile::world::World;
use crate::reconcile::world::map;
use crate::support::artifacts::Artifact;
use crate::support::artifacts::ArtifactServer;
use crate::support::flux;
use crate::support::git::Behaviour;
use kube::Api;
use kube::api::ApiResource;
use kube::api::DeleteParams;
use kube::api::DynamicObject;
use kube::api::Patch;
use kube::api::PatchParams;
use kube::core::GroupVersionKind;
use serde_json::json;

/// A ready unit `app` with the ConfigMaps a and b.
async fn with_two(world: &World) -> String {
    let revision =
        world.push_files(&[("app/a.yaml", &map("a", "1")), ("app/b.yaml", &map("b", "1"))]).await;
    world.source().await;
    world.unit("app", json!({})).await;
    world.ready("app", &revision).await;
    revision
}

/// The case is repaired: b is gone, and only b.
async fn only_b_is_pruned(world: &World, revision: &str) {
    world.ready("app", revision).await;
    world.owns(&["a"]).await;
    assert_eq!(world.pruned().await, ["b"]);
}

#[tokio::test]
async fn a_missing_path_prunes_nothing() {
    let world = shared("path-missing").await;
    with_two(&world).await;
    world.push_without(&["app"]).await;
    world.shows("app", "False", "kustomization path not found").await;
    world.owns(&["a", "b"]).await;
    let revision = world.push_files(&[("app/a.yaml", &map("a", "1"))]).await;
    only_b_is_pruned(&world, &revision).await;
}

#[tokio::test]
async fn a_path_that_is_a_file_prunes_nothing() {
    let world = shared("path-file").await;
    with_two(&world).await;
    world.repo.git(&["rm", "-rq", "app"]);
    world.push_files(&[("app", "not a folder")]).await;
    world.shows("app", "False", "kustomization path").await;
    world.owns(&["a", "b"]).await;
    world.repo.git(&["rm", "-q", "app"]);
    let revision = world.push_files(&[("app/a.yaml", &map("a", "1"))]).await;
    only_b_is_pruned(&world, &revision).await;
}

#[tokio::test]
async fn an_empty_kustomization_prunes_all() {
    let world = shared("empty").await;
    with_two(&world).await;
    world.repo.git(&["rm", "-rq", "app"]);
    let revision = world.push_files(&[("app/README.md", "nothing here")]).await;
    world.ready("app", &revision).await;
    world.owns(&[]).await;
}

#[tokio::test]
async fn a_kustomization_error_prunes_nothing() {
    let world = shared("broken").await;
    with_two(&world).await;
    world.repo.git(&["rm", "-q", "app/b.yaml"]);
    let broken = "resources: [a.yaml, missing.yaml]\n";
    world.push_files(&[("app/kustomization.yaml", broken)]).await;
    world.shows("app", "False", "missing.yaml").await;
    world.owns(&["a", "b"]).await;
    let revision = world.push_files(&[("app/kustomization.yaml", "resources: [a.yaml]\n")]).await;
    only_b_is_pruned(&world, &revision).await;
}

#[tokio::test]
async fn a_missing_variable_prunes_nothing() {
    let world = shared("variable").await;
    with_two(&world).await;
    let from = json!([{ "kind": "ConfigMap", "name": "values" }]);
    world.repo.git(&["rm", "-q", "app/b.yaml"]);
    let revision = world.push("without b").await;
    // Both changes may come at once: b may only go once a build is whole.
    world.patch_unit("app", json!({ "postBuild": { "substituteFrom": from } })).await;
    world.shows("app", "False", "values").await;
    let a = world.map("a").await.expect("a stays").metadata.uid;
    let values: k8s_openapi::api::core::v1::ConfigMap = serde_json::from_value(json!({
        "metadata": { "name": "values" }, "data": { "x": "y" },
    }))
    .unwrap();
    world.maps().create(&Default::default(), &values).await.unwrap();
    only_b_is_pruned(&world, &revision).await;
    assert_eq!(world.map("a").await.unwrap().metadata.uid, a);
}

#[tokio::test]
async fn a_deleted_source_prunes_nothing() {
    let world = shared("source-gone").await;
    with_two(&world).await;
    world.repo.git(&["rm", "-q", "app/b.yaml"]);
    let id = world.repo.commit("without b", "main");
    world.flux(flux::GIT_REPOSITORY).delete(SOURCE, &DeleteParams::default()).await.unwrap();
    world.shows("app", "False", "not found").await;
    world.owns(&["a", "b"]).await;
    world.source().await;
    only_b_is_pruned(&world, &format!("main@sha1:{id}")).await;
}

#[tokio::test]
async fn a_suspended_source_prunes_nothing() {
    let world = shared("source-suspended").await;
    let revision = with_two(&world).await;
    let suspend = |on: bool| Patch::Merge(json!({ "spec": { "suspend": on } }));
    let sources = world.flux(flux::GIT_REPOSITORY);
    sources.patch(SOURCE, &PatchParams::default(), &suspend(true)).await.unwrap();
    let newer = world.push_without(&["app/b.yaml"]).await;
    // The unit is asked too, and answers with the revision that it has.
    world.request(flux::KUSTOMIZATION, "app").await;
    world.ready("app", &revision).await;
    world.owns(&["a", "b"]).await;
    sources.patch(SOURCE, &PatchParams::default(), &suspend(false)).await.unwrap();
    only_b_is_pruned(&world, &newer).await;
}

#[tokio::test]
async fn a_unit_that_moves_to_another_source_prunes_after_its_build() {
    let world = shared("other-source").await;
    with_two(&world).await;
    let to = |name: &str| json!({ "sourceRef": { "kind": "GitRepository", "name": name } });
    world.patch_unit("app", to("second")).await;
    world.shows("app", "False", "not found").await;
    world.owns(&["a", "b"]).await;
    world.repo.git(&["rm", "-q", "app/b.yaml"]);
    let id = world.repo.commit("without b", "main");
    world.source_named("second").await;
    only_b_is_pruned(&world, &format!("main@sha1:{id}")).await;
}

#[tokio::test]
async fn another_units_failed_build_holds_what_it_may_want() {
    let world = shared("may-want").await;
    with_two(&world).await;
    world.unit("other", json!({ "path": "./other" })).await;
    let revision = world.push_files(&[("other/c.yaml", &map("c", "1"))]).await;
    world.ready("other", &revision).await;
    // b moves to the other unit, whose build breaks with the same push.
    world.repo.git(&["rm", "-q", "app/b.yaml"]);
    let broken = "resources: [b.yaml, c.yaml, missing.yaml]\n";
    world
        .push_files(&[("other/b.yaml", &map("b", "1")), ("other/kustomization.yaml", broken)])
        .await;
    world.shows("other", "False", "missing.yaml").await;
    world.owns(&["a", "b", "c"]).await;
    let before = world.map("b").await.unwrap().metadata.uid;
    let whole = "resources: [b.yaml, c.yaml]\n";
    let revision = world.push_files(&[("other/kustomization.yaml", whole)]).await;
    world.ready("other", &revision).await;
    world.ready("app", &revision).await;
    world.owns(&["a", "b", "c"]).await;
    let b = world.map("b").await.unwrap();
    assert_eq!(b.metadata.uid, before, "transferred, not deleted and created");
    assert_eq!(b.metadata.labels.unwrap()["kustomize.toolkit.fluxcd.io/name"], "other");
    assert_eq!(world.pruned().await, [""; 0]);
}

#[tokio::test]
async fn a_suspended_unit_holds_what_its_new_files_name() {
    let world = shared("suspended-wants").await;
    with_two(&world).await;
    world.unit("other", json!({ "path": "./other" })).await;
    let revision = world.push_files(&[("other/c.yaml", &map("c", "1"))]).await;
    world.ready("other", &revision).await;
    world.patch_unit("other", json!({ "suspend": true })).await;
    // b moves to the suspended unit, d goes for good.
    let d = map("d", "1");
    let revision = world.push_files(&[("app/d.yaml", &d)]).await;
    world.ready("app", &revision).await;
    world.repo.git(&["rm", "-q", "app/b.yaml", "app/d.yaml"]);
    let revision = world.push_files(&[("other/b.yaml", &map("b", "1"))]).await;
    world.ready("app", &revision).await;
    world.owns(&["a", "b", "c"]).await;
    let before = world.map("b").await.unwrap().metadata.uid;
    world.patch_unit("other", json!({ "suspend": false })).await;
    world.ready("other", &revision).await;
    world.owns(&["a", "b", "c"]).await;
    let b = world.map("b").await.unwrap();
    assert_eq!(b.metadata.uid, before, "transferred, not deleted and created");
    assert_eq!(b.metadata.labels.unwrap()["kustomize.toolkit.fluxcd.io/name"], "other");
    assert_eq!(world.pruned().await, ["d"]);
}

#[tokio::test]
async fn a_variable_that_is_not_set_prunes_nothing() {
    let world = shared("unset").await;
    with_two(&world).await;
    let strict = json!({ "postBuild": { "substitute": { "known": "one" } } });
    world.patch_unit("app", strict).await;
    world.repo.git(&["rm", "-q", "app/b.yaml"]);
    world.push_files(&[("app/a.yaml", &map("a", "${unknown}"))]).await;
    world.shows("app", "False", "variable not set (strict mode): \"unknown\"").await;
    world.owns(&["a", "b"]).await;
    let revision = world.push_files(&[("app/a.yaml", &map("a", "${known}"))]).await;
    only_b_is_pruned(&world, &revision).await;
    assert_eq!(world.map("a").await.unwrap().data.unwrap()["key"], "one");
}

#[tokio::test]
async fn a_fetch_that_is_cut_in_the_pack_prunes_nothing() {
    let world = shared("pack-cut").await;
    with_two(&world).await;
    // Of a size that makes the pack the longest answer.
    let noise: String =
        (0..4000_u32).map(|i| format!("{:x}", i.wrapping_mul(2_654_435_761))).collect();
    world.host.behave(Behaviour { cut_short: Some(40), ..Behaviour::default() });
    let revision = {
        world.repo.write("noise", &noise);
        world.repo.git(&["rm", "-q", "app/b.yaml"]);
        world.push("without b").await
    };
    world.source_is("False").await;
    world.owns(&["a", "b"]).await;
    world.host.behave(Behaviour::default());
    only_b_is_pruned(&world, &revision).await;
}

/// A unit `app` on artifacts that the test publishes, with the ConfigMaps a and b.
async fn with_two_of(world: &World, server: &ArtifactServer) {
    let files = [("app/a.yaml", map("a", "1")), ("app/b.yaml", map("b", "1"))];
    let files = files.each_ref().map(|(path, text)| (*path, text.as_str()));
    let artifact = server.publish("app", "v1@sha256:1", &files);
    flux::offer(&world.client, &world.namespace, "app", &artifact).await;
    let source = json!({ "kind": "OCIRepository", "name": "app" });
    world.unit("app", json!({ "sourceRef": source })).await;
    world.ready("app", "v1@sha256:1").await;
}

/// Publishes only a; `harm` does what it does to the artifact before it is offered.
async fn harmed_artifact(purpose: &str, harm: fn(&ArtifactServer, &mut Artifact), says: &str) {
    let world = shared(purpose).await;
    let server = ArtifactServer::start();
    with_two_of(&world, &server).await;
    let whole = server.publish("app", "v2@sha256:2", &[("app/a.yaml", &map("a", "2"))]);
    let mut offered = whole.clone();
    harm(&server, &mut offered);
    flux::offer(&world.client, &world.namespace, "app", &offered).await;
    world.shows("app", "False", says).await;
    assert!(server.downloads(&whole) > 0, "it was asked for");
    world.owns(&["a", "b"]).await;
    let mended = server.publish("app", "v3@sha256:3", &[("app/a.yaml", &map("a", "3"))]);
    flux::offer(&world.client, &world.namespace, "app", &mended).await;
    only_b_is_pruned(&world, "v3@sha256:3").await;
}

#[tokio::test]
async fn an_artifact_that_is_not_there_prunes_nothing() {
    let gone = |server: &ArtifactServer, artifact: &mut Artifact| server.withdraw(artifact);
    harmed_artifact("artifact-404", gone, "artifact not found").await;
}

#[tokio::test]
async fn an_artifact_with_another_digest_prunes_nothing() {
    let other = |_: &ArtifactServer, artifact: &mut Artifact| {
        artifact.digest = format!("sha256:{}", "0".repeat(64));
    };
    harmed_artifact("artifact-digest", other, "digest").await;
}

#[tokio::test]
async fn a_kind_whose_definition_is_gone_prunes_nothing() {
    let world = shared("definition-gone").await;
    let group = format!("{}.example", world.namespace);
    let definition = |served: bool| definition(&group, served);
    let custom = |name: &str| {
        format!("apiVersion: {group}/v1\nkind: Till\nmetadata: {{name: {name}}}\nspec: {{}}\n")
    };
    let definitions = definitions(&world);
    let name = format!("tills.{group}");
    flux::apply(&definitions, &name, &definition(true)).await;
    world.push_files(&[("app/x.yaml", &custom("x")), ("app/y.yaml", &custom("y"))]).await;
    let revision =
        world.push_files(&[("app/a.yaml", &map("a", "1")), ("app/b.yaml", &map("b", "1"))]).await;
    world.source().await;
    world.unit("app", json!({})).await;
    world.ready("app", &revision).await;

    definitions.delete(&name, &DeleteParams::default()).await.unwrap();
    world.repo.git(&["rm", "-q", "app/y.yaml", "app/b.yaml"]);
    let revision = world.push("without y and b").await;
    world.shows("app", "False", "no matches for kind").await;
    world.owns(&["a", "b"]).await;
    flux::apply(&definitions, &name, &definition(true)).await;
    only_b_is_pruned(&world, &revision).await;
    let unit = world.get_unit("app").await.unwrap();
    let ids: Vec<&str> = unit.data["status"]["inventory"]["entries"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|entry| entry["id"].as_str())
        .collect();
    assert_eq!(ids.len(), 2, "a and x: {ids:?}");
    assert!(ids.iter().any(|id| id.contains("_x_")), "{ids:?}");
}

fn definitions(world: &World) -> Api<DynamicObject> {
    let gvk = GroupVersionKind::gvk("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
    let resource = ApiResource::from_gvk_with_plural(&gvk, "customresourcedefinitions");
    Api::all_with(world.client.clone(), &resource)
}

fn definition(group: &str, served: bool) -> serde_json::Value {
    let schema = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("tills.{group}") },
        "spec": {
            "group": group, "scope": "Namespaced",
            "names": { "kind": "Till", "plural": "tills" },
            "versions": [{
                "name": "v1", "served": served, "storage": true,
                "schema": { "openAPIV3Schema": schema },
            }],
        },
    })
}
