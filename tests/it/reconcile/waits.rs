//! Waiting for health: the controller manager gives Deployments their status.

use crate::reconcile::world::World;
use crate::reconcile::world::map;
use crate::support::flux;
use serde_json::json;

/// A Deployment of no replicas becomes Current at once, one that cannot progress does not.
fn deployment(replicas: u32) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web}}\nspec:\n  replicas: \
         {replicas}\n  selector: {{matchLabels: {{app: web}}}}\n  template:\n    metadata: \
         {{labels: {{app: web}}}}\n    spec: {{containers: [{{name: main, image: none}}]}}\n"
    )
}

#[tokio::test]
async fn a_unit_that_waits_is_ready_when_its_objects_are_healthy() {
    let world = World::shared("health").await;
    let files = [("app/web.yaml", deployment(1)), ("app/a.yaml", map("a", "1"))];
    world.push_files(&files.each_ref().map(|(path, text)| (*path, text.as_str()))).await;
    world.source().await;
    world.unit("app", json!({ "wait": true })).await;
    world.shows("app", "Unknown", "Reconciliation in progress").await;
    let revision = world.push_files(&[("app/web.yaml", &deployment(0))]).await;
    let unit = world.ready("app", &revision).await;
    assert!(flux::is_true(&unit, "Healthy"));
}
