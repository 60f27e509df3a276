//! Idle costs nothing: without a change nobody is asked for managed objects.

use crate::reconcile::world::World;
use crate::reconcile::world::map;
use crate::support::audit::Request;
use crate::support::wait;
use kube::api::Patch;
use kube::api::PatchParams;
use serde_json::json;
use std::time::Duration;

/// Requests of hence that are no watch and no upkeep of the lease.
async fn asked(world: &World) -> Vec<Request> {
    let all = world.site.cluster.audit().settled(&world.site.cluster).await;
    all.into_iter().filter(|r| r.user_agent.starts_with("hence/") && r.verb != "watch").collect()
}

#[tokio::test]
#[ignore = "long: 70 s without work"]
async fn an_idle_daemon_asks_for_nothing_and_is_not_dead() {
    let mut world = World::alone("idle").await;
    world.site.own().start(&[]);
    let revision = world.push_files(&[("app/a.yaml", &map("a", "1"))]).await;
    world.source().await;
    world.unit("app", json!({ "interval": "30s" })).await;
    world.ready("app", &revision).await;
    // Events and the last status write may follow the ready condition.
    wait::passed(Duration::from_secs(5)).await;
    let before = asked(&world).await.len();
    wait::passed(Duration::from_secs(70)).await;
    let after = asked(&world).await;
    let new: Vec<_> = after[before..].iter().map(|r| format!("{} {}", r.verb, r.uri)).collect();
    assert!(new.is_empty(), "{new:#?}");

    let edit = Patch::Merge(json!({ "data": { "key": "by hand" } }));
    world.maps().patch("a", &PatchParams::default(), &edit).await.unwrap();
    let revision = world.push_files(&[("app/b.yaml", &map("b", "1"))]).await;
    world.ready("app", &revision).await;
    assert_eq!(world.map("a").await.unwrap().data.unwrap()["key"], "1");
}
