//! Objects that the server will not change: deleted and made anew only by force.

use crate::reconcile::world::World;
use crate::support::proxy::Fault;
use crate::support::proxy::FaultProxy;
use crate::support::proxy::Seen;
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

/// Sets or removes the finalizer of the ConfigMap.
async fn stays(world: &World, stays: bool) {
    let list = stays.then(|| vec!["example.com/stay"]);
    let patch = Patch::Merge(json!({ "metadata": { "finalizers": list } }));
    world.maps().patch("a", &PatchParams::default(), &patch).await.expect("it is there");
}

/// A forced unit whose immutable ConfigMap a finalizer keeps; gives its uid.
async fn kept(world: &World) -> Option<String> {
    let revision = world.push_files(&[("app/a.yaml", &fixed("1", ""))]).await;
    world.source().await;
    world.unit("app", json!({ "force": true })).await;
    world.ready("app", &revision).await;
    stays(world, true).await;
    world.map("a").await.expect("it was applied").metadata.uid
}

async fn marked(world: &World) {
    wait::until("the object to be marked", || async move {
        world.map("a").await?.metadata.deletion_timestamp.map(drop)
    })
    .await;
}

/// The unit is ready, so the new object is there.
async fn made_anew(world: &World, revision: &str, first: Option<String>) {
    world.ready("app", revision).await;
    let second = world.map("a").await.expect("the unit is ready, so its object was made");
    assert_ne!(second.metadata.uid, first);
    assert_eq!(second.data.expect("it has data")["key"], "2");
}

#[tokio::test]
async fn a_finalizer_delays_the_new_object_and_nothing_is_repeated() {
    let world = World::shared("force-finalizer").await;
    let first = kept(&world).await;
    let revision = world.push_files(&[("app/a.yaml", &fixed("2", ""))]).await;
    marked(&world).await;
    stays(&world, false).await;
    made_anew(&world, &revision, first).await;
    // A delete of a state that is not the present one any more is refused, and is none.
    assert_eq!(world.pruned().await, ["a"]);
}

#[tokio::test]
async fn whoever_misses_the_end_of_the_old_object_is_not_ready() {
    let mut world = World::alone("force-unseen").await;
    let proxy = &FaultProxy::before(&world.site.cluster);
    world.site.own().through(&proxy.kubeconfig());
    world.site.own().start(&[]);
    let first = kept(&world).await;
    let is_delete = |seen: &Seen| seen.method == "DELETE" && seen.path.ends_with("/configmaps/a");
    proxy.times(1, is_delete, Fault::LoseAnswer);
    let revision = world.push_files(&[("app/a.yaml", &fixed("2", ""))]).await;
    marked(&world).await;
    // The answer is lost, and then neither watch nor list tells what becomes of the object.
    let before = proxy.harmed();
    proxy.times(1, |seen| seen.is_watch("configmaps"), Fault::watch_expired());
    let forbidden = Fault::Refuse { code: 403, reason: "Forbidden" };
    proxy.always(|seen| seen.is_list("configmaps"), forbidden);
    proxy.cut_streams();
    let harmed = |times| async move { (proxy.harmed() >= times).then_some(()) };
    wait::until("the list to fail", || harmed(before + 2)).await;
    stays(&world, false).await;
    wait::until("the list to fail again", || harmed(before + 3)).await;
    let unit = world.get_unit("app").await.expect("it is there");
    assert_ne!(unit.data["status"]["lastAppliedRevision"], revision.as_str());
    proxy.heal();
    made_anew(&world, &revision, first).await;
}
