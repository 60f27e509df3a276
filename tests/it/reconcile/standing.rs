//! Objects that stand there already and say that they are to be left alone.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::Patch;
use kube::api::PatchParams;
use kube::api::PostParams;
use serde_json::json;

use super::shared;
use crate::reconcile::world::World;
use crate::reconcile::world::map;

/// Makes a ConfigMap that nobody owns and that carries this toggle.
async fn stands(world: &World, name: &str, toggle: &str, value: &str) {
    let toggle = format!("kustomize.toolkit.fluxcd.io/{toggle}");
    let object = json!({
        "metadata": { "name": name, "annotations": { toggle: value } },
        "data": { "key": "precious" },
    });
    let object: ConfigMap = serde_json::from_value(object).expect("it is one");
    world.maps().create(&PostParams::default(), &object).await.expect("the server takes it");
}

async fn key(world: &World, name: &str) -> String {
    let map = world.map(name).await.expect("it is there");
    map.data.expect("it has data")["key"].clone()
}

#[tokio::test]
async fn what_stands_there_and_is_to_be_left_alone_is_not_overwritten() {
    let world = shared("standing").await;
    stands(&world, "off", "reconcile", "disabled").await;
    stands(&world, "ignored", "ssa", "Ignore").await;
    stands(&world, "plain", "force", "disabled").await;
    world.source().await;
    let files: Vec<(String, String)> = ["off", "ignored", "plain", "new"]
        .map(|name| (format!("app/{name}.yaml"), map(name, "of Git")))
        .into();
    let files: Vec<(&str, &str)> = files.iter().map(|(at, text)| (&**at, &**text)).collect();
    let revision = world.push_files(&files).await;
    world.unit("app", json!({})).await;
    world.ready("app", &revision).await;
    for (name, value) in
        [("off", "precious"), ("ignored", "precious"), ("plain", "of Git"), ("new", "of Git")]
    {
        assert_eq!(key(&world, name).await, value, "{name}");
    }
    world.owns(&["new", "plain"]).await;
}

#[tokio::test]
async fn a_toggle_set_while_nobody_watched_holds_at_once() {
    let mut world = World::alone("standing-down").await;
    world.site.own().start(&[]);
    world.source().await;
    let revision = world.push_files(&[("app/a.yaml", &map("a", "1"))]).await;
    world.unit("app", json!({})).await;
    world.ready("app", &revision).await;
    let patch = json!({
        "metadata": { "annotations": { "kustomize.toolkit.fluxcd.io/reconcile": "disabled" } },
        "data": { "key": "by hand" },
    });
    let maps = world.maps();
    maps.patch("a", &PatchParams::default(), &Patch::Merge(patch)).await.expect("it is there");
    world.site.own().stop().await;

    let revision = world.push_files(&[("app/a.yaml", &map("a", "2"))]).await;
    world.site.own().start(&[]);
    world.ready("app", &revision).await;
    assert_eq!(key(&world, "a").await, "by hand");
}
