//! `kill -9` at any moment: nothing is lost, nothing repeated blindly, each write has its intent.

use crate::reconcile::world::World;
use crate::reconcile::world::map;
use crate::support::audit::Request;
use crate::support::wait;
use serde_json::Value;
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

/// Pauses between kills, in milliseconds: from before the first list to after the last write.
const KILLS: &[u64] = &[40, 900, 150, 600, 80, 1400, 300, 450, 700, 220, 1100, 120];

/// The id in `hence/1.0 (intent ID)`.
fn intent(request: &Request) -> Option<&str> {
    request.user_agent.split_once("(intent ")?.1.strip_suffix(')')
}

#[tokio::test]
#[ignore = "long: twelve kills with a restart each"]
async fn every_write_has_an_intent_however_often_the_daemon_is_killed() {
    let mut world = World::alone("killed").await;
    world.source().await;
    world.unit("app", json!({})).await;
    let mut revision = String::new();
    for (round, pause) in KILLS.iter().enumerate() {
        world.site.own().start(&[]);
        let (kept, dropped) = (format!("app/m{round}.yaml"), format!("app/m{}.yaml", round / 2));
        if round % 2 == 1 {
            world.repo.git(&["rm", "-q", "--ignore-unmatch", &dropped]);
        }
        let name = format!("m{round}");
        let all = round.to_string();
        revision = world
            .push_files(&[(&kept, &map(&name, "1")), ("app/all.yaml", &map("all", &all))])
            .await;
        wait::passed(Duration::from_millis(*pause)).await;
        world.site.own().kill();
    }
    world.site.own().start(&[]);
    world.fetch().await;
    world.ready("app", &revision).await;
    let wanted = world.repo.git(&["ls-files", "app"]);
    let mut wanted: Vec<&str> = wanted
        .lines()
        .filter_map(|file| file.strip_prefix("app/")?.strip_suffix(".yaml"))
        .collect();
    wanted.sort_unstable();
    world.owns(&wanted).await;
    world.site.own().stop().await;

    let state = world.site.workplace.state();
    let state = state.to_str().expect("paths here are UTF-8");
    let _sound =
        world.site.workplace.hence(&["audit", "verify", "--state", state]).expect_success();
    let listed = world.site.ask(&["audit", "list", "--limit", "100000", "-o", "json"]);
    let listed: Value = serde_json::from_str(&listed).expect("JSON was asked for");
    let known = listed.to_string();
    let requests = world.site.cluster.audit().settled(&world.site.cluster).await;
    let ours: Vec<&Request> =
        requests.iter().filter(|r| r.user_agent.starts_with("hence/") && r.is_write()).collect();
    assert!(!ours.is_empty());
    let mut seen = BTreeSet::new();
    for request in &ours {
        let id = intent(request).unwrap_or_else(|| panic!("no intent: {request:?}"));
        // The list shows the first eight digits.
        assert!(known.contains(&id[.."P-".len() + 8]), "not in the journal: {request:?}");
        let what = (id, &request.verb, &request.uri);
        assert!(seen.insert(what), "twice under one intent: {request:?}");
    }
}
