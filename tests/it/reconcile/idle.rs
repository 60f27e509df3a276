//! Idle costs nothing: without a change nobody is asked for anything, watches are renewed and no
//! more; and the daemon is idle, not dead.

use crate::reconcile::world::World;
use crate::reconcile::world::map;
use crate::support::audit;
use crate::support::audit::Request;
use crate::support::wait;
use kube::api::Patch;
use kube::api::PatchParams;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

/// A watch lives at least this long before it is renewed.
const WATCH_LIVES: Duration = Duration::from_secs(290);

/// All requests of hence so far.
async fn asked(world: &World) -> Vec<Request> {
    let all = world.site.cluster.audit().settled(&world.site.cluster).await;
    all.into_iter().filter(|r| r.user_agent.starts_with("hence/")).collect()
}

/// How often each watch was opened; a watch is named by its resource and its selectors.
fn watches(requests: &[Request]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for request in requests.iter().filter(|r| r.verb == "watch") {
        let (path, query) = request.uri.split_once('?').unwrap_or((&request.uri, ""));
        let selector = query.split('&').find(|part| part.contains("Selector")).unwrap_or_default();
        *counts.entry(format!("{path} {selector}")).or_default() += 1;
    }
    counts
}

/// Two units, one of which reads a Secret and waits for health, idle for `time`.
async fn idle_for(purpose: &str, time: Duration) {
    let mut world = World::alone(purpose).await;
    world.site.own().start(&[]);
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {token: abc}\n";
    let files = [
        ("app/a.yaml", map("a", "1")),
        ("app/s.yaml", secret.to_owned()),
        ("second/b.yaml", map("b", "${token}")),
    ];
    let revision =
        world.push_files(&files.each_ref().map(|(path, text)| (*path, text.as_str()))).await;
    world.source_every("60s").await;
    world.unit("app", json!({ "interval": "60s", "wait": true })).await;
    let from = json!([{ "kind": "Secret", "name": "s" }]);
    let second = json!({ "interval": "60s", "postBuild": { "substituteFrom": from } });
    world.unit("second", second).await;
    world.ready("app", &revision).await;
    world.ready("second", &revision).await;
    // Events and the last status write may follow the ready condition.
    wait::passed(Duration::from_secs(5)).await;
    let before = asked(&world).await;
    wait::passed(time).await;
    let after = asked(&world).await;
    let new = &after[before.len()..];
    let counts = audit::count(new.iter().filter(|r| r.verb != "watch"));
    assert!(counts.is_empty(), "{counts:#?}");
    // Each watch is renewed as its age demands: at least once in twice its life, and no oftener
    // than its life allows; in the long run that is two to five times.
    let lives = time.as_secs() / WATCH_LIVES.as_secs();
    let (fewest, most) =
        (usize::try_from(lives / 2).expect("few"), usize::try_from(lives + 1).expect("few"));
    let renewed = watches(new);
    for watch in watches(&before).keys() {
        let times = renewed.get(watch).copied().unwrap_or_default();
        assert!((fewest..=most).contains(&times), "{watch}: {times} not in {fewest}..={most}");
    }
    println!("{} s idle: 0 requests but {renewed:#?}", time.as_secs());

    let edit = Patch::Merge(json!({ "data": { "key": "by hand" } }));
    world.maps().patch("a", &PatchParams::default(), &edit).await.expect("a can be edited");
    let revision = world.push_files(&[("app/c.yaml", &map("c", "1"))]).await;
    world.ready("app", &revision).await;
    assert_eq!(world.map("a").await.expect("a is there").data.expect("a has data")["key"], "1");
    world.owns(&["a", "b", "c"]).await;
}

#[tokio::test]
async fn an_idle_daemon_asks_for_nothing_and_is_not_dead() {
    idle_for("idle", Duration::from_secs(8)).await;
}

#[tokio::test]
#[ignore = "long: twenty minutes without work, over two renewals of each watch"]
async fn twenty_idle_minutes_cost_watch_renewals_alone() {
    idle_for("idle-long", Duration::from_secs(1210)).await;
}
