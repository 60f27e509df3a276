//! `--dry-run-first`: of a stage that the server would not take whole, nothing is applied.

use crate::reconcile::world::World;
use crate::reconcile::world::map;
use crate::support::audit::Request;
use serde_json::json;

/// A Service that the server refuses, or takes.
fn service(port: u32) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: till}}\nspec: {{ports: [{{port: {port}}}]}}\n"
    )
}

#[tokio::test]
async fn nothing_of_a_stage_is_applied_that_is_refused_in_part() {
    let mut world = World::alone("dry-run").await;
    world.source().await;
    world.unit("app", json!({ "retryInterval": "1h" })).await;
    world.site.own().start(&["--dry-run-first"]);
    let files = [("app/a.yaml", map("a", "1")), ("app/till.yaml", service(99_999))];
    world.push_files(&files.each_ref().map(|(path, text)| (*path, text.as_str()))).await;
    world.shows("app", "False", "Service/").await;
    assert!(world.map("a").await.is_none(), "the Service of its stage was refused");

    let revision = world.push_files(&[("app/till.yaml", &service(80))]).await;
    world.ready("app", &revision).await;
    world.owns(&["a"]).await;
    let requests = world.site.cluster.audit().settled(&world.site.cluster).await;
    let of = |resource: &str| -> Vec<&Request> {
        let ours = |r: &&Request| r.verb == "patch" && r.user_agent.starts_with("hence/");
        requests.iter().filter(ours).filter(|r| r.resource == resource).collect()
    };
    let is_dry = |request: &Request| request.uri.contains("dryRun=All");
    let asked: Vec<bool> = of("configmaps").into_iter().map(is_dry).collect();
    assert_eq!(asked, [true, false], "asked once, applied once");
    let asked: Vec<bool> = of("services").into_iter().map(is_dry).collect();
    assert_eq!(asked, [true, true, false], "refused, taken, applied");
}
