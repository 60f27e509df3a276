//! A manager that keeps changing a field back: corrected at first, then damped, and told of.

use crate::reconcile::world::World;
use crate::reconcile::world::map;
use crate::support::audit::Request;
use crate::support::wait;
use k8s_openapi::api::core::v1::Event;
use kube::Api;
use kube::api::ListParams;
use kube::api::Patch;
use kube::api::PatchParams;
use serde_json::json;
use std::time::Duration;

/// Sets the key as an autoscaler would: by an update of its own.
async fn flip(world: &World) {
    let edit = Patch::Merge(json!({ "data": { "key": "mine" } }));
    let params = PatchParams { field_manager: Some("autoscaler".to_owned()), ..Default::default() };
    world.maps().patch("a", &params, &edit).await.expect("a can be edited");
}

async fn writes(world: &World) -> Vec<Request> {
    let all = world.site.cluster.audit().settled(&world.site.cluster).await;
    let ours = |r: &Request| r.user_agent.starts_with("hence/") && r.resource == "configmaps";
    all.into_iter().filter(|r| ours(r) && r.namespace == world.namespace && r.is_write()).collect()
}

/// An autoscaler flips the field again and again, for `rounds` of 200 ms.
async fn fight(rounds: usize) {
    let world = World::shared("fight").await;
    let revision = world.push_files(&[("app/a.yaml", &map("a", "ours"))]).await;
    world.source().await;
    world.unit("app", json!({})).await;
    world.ready("app", &revision).await;
    for _ in 0..rounds {
        flip(&world).await;
        wait::passed(Duration::from_millis(200)).await;
    }
    let made = writes(&world).await;
    assert!((4..=5).contains(&made.len()), "one apply and three or four corrections: {made:#?}");
    assert_eq!(world.map("a").await.unwrap().data.unwrap()["key"], "mine", "left for now");
    let events: &Api<Event> = &Api::namespaced(world.client.clone(), &world.namespace);
    let told = wait::until("the event", || async move {
        let list = events.list(&ListParams::default()).await.ok()?;
        let told: Vec<Event> = list
            .items
            .into_iter()
            .filter(|event| event.reason.as_deref() == Some("Contested"))
            .collect();
        (!told.is_empty()).then_some(told)
    })
    .await;
    assert_eq!(told.len(), 1, "{told:#?}");
    assert_eq!(told[0].type_.as_deref(), Some("Warning"));
    let message = told[0].message.clone().unwrap();
    assert!(message.contains("autoscaler keeps changing data.key"), "{message}");
    // A push is no correction: it is applied at once.
    let revision = world.push_files(&[("app/a.yaml", &map("a", "newer"))]).await;
    world.ready("app", &revision).await;
    assert_eq!(world.map("a").await.unwrap().data.unwrap()["key"], "newer");
}

#[tokio::test]
async fn a_fight_is_damped_after_three_corrections() {
    fight(30).await;
}

#[tokio::test]
#[ignore = "long: five minutes of a fight"]
async fn a_fight_of_five_minutes_costs_five_writes() {
    fight(1500).await;
}
