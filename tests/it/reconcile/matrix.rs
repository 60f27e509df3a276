//! What prunes nothing: each case breaks something while an object is dropped from Git, sees that
//! nothing is deleted, repairs it, and then sees exactly the dropped object go.

use crate::reconcile::world::SOURCE;
use crate::reconcile::world::World;
use crate::reconcile::world::map;
use crate::support::flux;
use crate::support::proxy::Fault;
use crate::support::proxy::FaultProxy;
use kube::api::DeleteParams;
use kube::api::Patch;
use kube::api::PatchParams;
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
}

#[tokio::test]
async fn a_missing_path_prunes_nothing() {
    let world = World::shared("path-missing").await;
    with_two(&world).await;
    world.push_without(&["app"]).await;
    world.shows("app", "False", "kustomization path not found").await;
    world.owns(&["a", "b"]).await;
    let revision = world.push_files(&[("app/a.yaml", &map("a", "1"))]).await;
    only_b_is_pruned(&world, &revision).await;
}

#[tokio::test]
async fn a_path_that_is_a_file_prunes_nothing() {
    let world = World::shared("path-file").await;
    with_two(&world).await;
    world.repo.git(&["rm", "-rq", "app"]);
    world.push_files(&[("app", "not a folder")]).await;
    world.shows("app", "False", "").await;
    world.owns(&["a", "b"]).await;
    world.repo.git(&["rm", "-q", "app"]);
    let revision = world.push_files(&[("app/a.yaml", &map("a", "1"))]).await;
    only_b_is_pruned(&world, &revision).await;
}

#[tokio::test]
async fn an_empty_kustomization_prunes_all() {
    let world = World::shared("empty").await;
    with_two(&world).await;
    world.repo.git(&["rm", "-rq", "app"]);
    let revision = world.push_files(&[("app/README.md", "nothing here")]).await;
    world.ready("app", &revision).await;
    world.owns(&[]).await;
}

#[tokio::test]
async fn a_kustomization_error_prunes_nothing() {
    let world = World::shared("broken").await;
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
    let world = World::shared("variable").await;
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
    let world = World::shared("source-gone").await;
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
    let world = World::shared("source-suspended").await;
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
    let world = World::shared("other-source").await;
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
    let world = World::shared("may-want").await;
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
}

/// A daemon that first sees the world through this fault, after b was dropped while it was down.
async fn started_through(purpose: &str, fault: Fault, pages: bool) {
    let mut world = World::alone(purpose).await;
    world.site.own().start(&[]);
    with_two(&world).await;
    world.site.own().stop().await;
    let proxy = FaultProxy::before(&world.site.cluster);
    if pages {
        proxy.always(|seen| seen.is_later_page("configmaps"), fault);
    } else {
        proxy.always(|seen| seen.is_list("configmaps"), fault);
    }
    world.repo.git(&["rm", "-q", "app/b.yaml"]);
    let id = world.repo.commit("without b", "main");
    world.site.own().through(&proxy.kubeconfig());
    world.site.own().start(&[]);
    world.fetch().await;
    let asked = &proxy;
    crate::support::wait::until("the list to be harmed twice", || async move {
        (asked.harmed() >= 2).then_some(())
    })
    .await;
    world.owns(&["a", "b"]).await;
    proxy.heal();
    only_b_is_pruned(&world, &format!("main@sha1:{id}")).await;
}

#[tokio::test]
async fn a_forbidden_list_prunes_nothing() {
    let forbidden = Fault::Refuse { code: 403, reason: "Forbidden" };
    started_through("list-forbidden", forbidden, false).await;
}

#[tokio::test]
async fn an_expired_list_prunes_nothing() {
    started_through("list-expired", Fault::Refuse { code: 410, reason: "Expired" }, false).await;
}

#[tokio::test]
async fn a_broken_list_prunes_nothing() {
    started_through("list-cut", Fault::CutAfter(200), false).await;
}
