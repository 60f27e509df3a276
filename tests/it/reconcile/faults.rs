//! What prunes nothing while the API server, or the way to it, fails. Each case drops an object
//! from Git under a fault, sees that nothing is deleted, mends the fault, and then sees exactly the
//! dropped object go.
//!
//! One cluster serves all cases of a test, one after the other, each in a namespace of its own.

use crate::reconcile::world::World;
use crate::reconcile::world::map;
use crate::support::flux;
use crate::support::proxy::Fault;
use crate::support::proxy::FaultProxy;
use crate::support::proxy::Gate;
use crate::support::proxy::Seen;
use crate::support::wait;
use hence::audit::Body;
use k8s_openapi::api::rbac::v1::Role;
use kube::Api;
use kube::api::DeleteParams;
use kube::api::PostParams;
use serde_json::json;

async fn harmed(proxy: &FaultProxy, times: usize) {
    let asked = || async move { (proxy.harmed() >= times).then_some(()) };
    wait::until(&format!("{times} requests to be harmed"), asked).await;
}

/// A ready unit `app` with the ConfigMaps a and b.
async fn with_two(world: &World) {
    let files = [("app/a.yaml", map("a", "1")), ("app/b.yaml", map("b", "1"))];
    let files = files.each_ref().map(|(path, text)| (*path, text.as_str()));
    let revision = world.push_files(&files).await;
    world.source().await;
    world.unit("app", json!({})).await;
    world.ready("app", &revision).await;
}

/// Commits that b goes, without asking for a fetch; gives the revision.
fn drop_b(world: &World) -> String {
    world.repo.git(&["rm", "-q", "app/b.yaml"]);
    format!("main@sha1:{}", world.repo.commit("without b", "main"))
}

async fn only_b_is_pruned(world: &World, revision: &str) {
    world.ready("app", revision).await;
    world.owns(&["a"]).await;
    assert_eq!(world.pruned().await, ["b"]);
}

/// Which request of a list a fault hits.
type Question = fn(&Seen) -> bool;

fn first_page(seen: &Seen) -> bool {
    seen.is_list("configmaps") && !seen.is_later_page("configmaps")
}

fn later_page(seen: &Seen) -> bool {
    seen.is_later_page("configmaps")
}

#[tokio::test]
async fn a_list_that_does_not_come_whole_prunes_nothing() {
    let forbidden = || Fault::Refuse { code: 403, reason: "Forbidden" };
    let expired = || Fault::Refuse { code: 410, reason: "Expired" };
    #[rustfmt::skip]
    let cases: [(&str, Question, Fault); 5] = [
        ("list-forbidden",     first_page, forbidden()),
        ("list-broken",        first_page, Fault::CutAfter(200)),
        ("list-expired",       first_page, expired()),
        ("list-cut-between",   later_page, Fault::Break),
        ("list-expired-later", later_page, expired()),
    ];
    let mut world = World::alone("lists").await;
    let proxy = FaultProxy::before(&world.site.cluster);
    proxy.limit_pages(1);
    world.site.own().through(&proxy.kubeconfig());
    world.site.own().start(&[]);
    for (name, question, fault) in cases {
        world = world.next(name).await;
        with_two(&world).await;
        let before = proxy.harmed();
        // The watch misses something, and the list that is to make up for it does not come.
        proxy.times(1, |seen| seen.is_watch("configmaps"), Fault::watch_expired());
        proxy.always(question, fault);
        proxy.cut_streams();
        harmed(&proxy, before + 2).await;
        let revision = drop_b(&world);
        world.fetch().await;
        world.attempts("app", &revision).await;
        harmed(&proxy, before + 3).await;
        assert_eq!(world.owned_maps().await, ["a", "b"], "{name}");
        proxy.heal();
        only_b_is_pruned(&world, &revision).await;
    }
}

/// A Role, of a group that a test can hide.
fn role(name: &str) -> String {
    format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {{name: {name}}}\nrules: \
         []\n"
    )
}

async fn owned_roles(world: &World) -> Vec<String> {
    let roles: Api<Role> = Api::namespaced(world.client.clone(), &world.namespace);
    let owned = kube::api::ListParams::default().labels("kustomize.toolkit.fluxcd.io/name");
    let list = roles.list(&owned).await.expect("the server answers");
    list.items.into_iter().filter_map(|role| role.metadata.name).collect()
}

#[tokio::test]
async fn a_discovery_that_fails_in_part_prunes_nothing() {
    let mut world = World::alone("discovery").await;
    world.site.own().start(&[]);
    world.push_files(&[("app/a.yaml", &role("a")), ("app/b.yaml", &role("b"))]).await;
    world.source().await;
    world.unit("app", json!({})).await;
    let revision = world.push_files(&[("app/map.yaml", &map("map", "1"))]).await;
    world.ready("app", &revision).await;
    world.site.own().stop().await;

    // A server without aggregated discovery, one of whose groups does not answer; and no state.
    let groups: serde_json::Value = world.old_groups().await;
    let proxy = FaultProxy::before(&world.site.cluster);
    let unavailable = Fault::Refuse { code: 503, reason: "ServiceUnavailable" };
    proxy.always(|seen| seen.path == "/apis/rbac.authorization.k8s.io/v1", unavailable);
    proxy.always(|seen| seen.path == "/apis", Fault::Answer(groups.to_string()));
    std::fs::remove_dir_all(world.site.workplace.state()).unwrap();
    std::fs::create_dir(world.site.workplace.state()).unwrap();
    world.site.own().through(&proxy.kubeconfig());
    let revision = drop_b(&world);
    world.site.own().start(&[]);
    world.attempts("app", &revision).await;
    assert_eq!(owned_roles(&world).await, ["a", "b"]);
    assert!(proxy.harmed() >= 2);
    proxy.heal();
    world.ready("app", &revision).await;
    let world = &world;
    wait::until("b to go", || async move { (owned_roles(world).await == ["a"]).then_some(()) })
        .await;
    assert_eq!(world.pruned().await, ["b"]);
}

#[tokio::test]
async fn a_lost_lease_prunes_nothing() {
    let mut world = World::alone("lease").await;
    let proxy = FaultProxy::before(&world.site.cluster);
    world.site.own().through(&proxy.kubeconfig());
    let namespace: k8s_openapi::api::core::v1::Namespace =
        serde_json::from_value(json!({ "metadata": { "name": "flux-system" } })).unwrap();
    let namespaces = Api::all(world.client.clone());
    namespaces.create(&PostParams::default(), &namespace).await.expect("it is new");
    let short =
        |name: &str, seconds: &str| [format!("--leader-election-{name}"), seconds.to_owned()];
    let flags =
        [short("lease-duration", "4"), short("renew-deadline", "3"), short("retry-period", "1")];
    let flags: Vec<&str> = flags.iter().flatten().map(String::as_str).collect();
    world.site.own().start_elected(&flags);
    with_two(&world).await;
    let renewal = |seen: &Seen| seen.is_write() && seen.path.contains("/leases/");
    proxy.always(renewal, Fault::Break);
    // Not one renewal comes through for longer than the lease is counted on.
    let before = proxy.harmed();
    harmed(&proxy, before + 6).await;
    let revision = drop_b(&world);
    world.fetch().await;
    let now = &world;
    wait::until("the delete to be withheld", || async move {
        let withheld = |item: &hence::audit::Item| match (&item.record.body, &item.outcome) {
            (Body::Intent(intent), Some((_, outcome))) => {
                intent.action.kind == "delete" && outcome.detail.starts_with("withheld")
            }
            _ => false,
        };
        now.site.journal().iter().any(withheld).then_some(())
    })
    .await;
    assert_eq!(world.owned_maps().await, ["a", "b"]);
    proxy.heal();
    only_b_is_pruned(&world, &revision).await;
}

#[tokio::test]
async fn another_units_pending_build_holds_all_prunes() {
    let mut world = World::alone("pending").await;
    let proxy = FaultProxy::before(&world.site.cluster);
    world.site.own().through(&proxy.kubeconfig());
    world.site.own().start(&[]);
    with_two(&world).await;
    // The other unit's variables cannot be read, so nobody knows what it wants.
    let values: k8s_openapi::api::core::v1::ConfigMap =
        serde_json::from_value(json!({ "metadata": { "name": "values" } })).unwrap();
    world.maps().create(&PostParams::default(), &values).await.unwrap();
    let of_values = |seen: &Seen| seen.query.contains("metadata.name%3Dvalues");
    proxy.always(of_values, Fault::Refuse { code: 403, reason: "Forbidden" });
    let from = json!([{ "kind": "ConfigMap", "name": "values" }]);
    world.unit("other", json!({ "postBuild": { "substituteFrom": from } })).await;
    harmed(&proxy, 1).await;
    world.repo.write("other/c.yaml", map("c", "1"));
    let revision = drop_b(&world);
    world.fetch().await;
    // The prune that it waits for keeps the run at the new revision from its end.
    let waits = world.shows("app", "Unknown", "Reconciliation in progress").await;
    let phase = &flux::condition(&waits, "Reconciling").unwrap()["message"];
    assert!(phase.as_str().unwrap().contains(&revision), "{phase}");
    assert_eq!(world.owned_maps().await, ["a", "b"]);
    let pending = world.site.ask(&["pending"]);
    assert!(pending.contains("which is being built"), "{pending}");
    proxy.heal();
    world.ready("other", &revision).await;
    world.ready("app", &revision).await;
    world.owns(&["a", "c"]).await;
    assert_eq!(world.pruned().await, ["b"]);
}

#[tokio::test]
async fn an_object_that_was_replaced_under_an_apply_is_observed_again() {
    let mut world = World::alone("replaced").await;
    let proxy = FaultProxy::before(&world.site.cluster);
    world.site.own().through(&proxy.kubeconfig());
    world.site.own().start(&[]);
    with_two(&world).await;
    let gate = Gate::closed();
    let apply = |seen: &Seen| seen.is_write() && seen.path.ends_with("/configmaps/a");
    let before = proxy.harmed();
    proxy.times(1, apply, Fault::Hold(gate.clone()));
    let revision = world.push_files(&[("app/a.yaml", &map("a", "2"))]).await;
    harmed(&proxy, before + 1).await;
    world.maps().delete("a", &DeleteParams::default()).await.unwrap();
    let another: k8s_openapi::api::core::v1::ConfigMap = serde_json::from_value(json!({
        "metadata": { "name": "a" }, "data": { "key": "of somebody else" },
    }))
    .unwrap();
    let another = world.maps().create(&PostParams::default(), &another).await.unwrap();
    gate.open();
    world.ready("app", &revision).await;
    let superseded = |item: &hence::audit::Item| match &item.outcome {
        Some((_, outcome)) => outcome.detail.contains("another object took its place"),
        None => false,
    };
    assert!(world.site.journal().iter().any(superseded), "{}", world.site.log());
    let a = world.map("a").await.unwrap();
    assert_eq!(a.metadata.uid, another.metadata.uid);
    assert_eq!(a.data.unwrap()["key"], "2");
}

#[tokio::test]
async fn what_does_not_end_in_time_is_left_to_the_next_start() {
    let mut world = World::alone("drain").await;
    let proxy = FaultProxy::before(&world.site.cluster);
    world.site.own().through(&proxy.kubeconfig());
    let brief = ["--graceful-shutdown-timeout", "1"];
    world.site.own().start(&brief);
    with_two(&world).await;
    let gate = Gate::closed();
    let apply = |seen: &Seen| seen.is_write() && seen.path.ends_with("/configmaps/a");
    let before = proxy.harmed();
    proxy.times(1, apply, Fault::Hold(gate.clone()));
    let revision = world.push_files(&[("app/a.yaml", &map("a", "2"))]).await;
    harmed(&proxy, before + 1).await;
    world.site.own().stop().await;
    let ended = |item: &hence::audit::Item, detail: &str| match (&item.record.body, &item.outcome) {
        (Body::Note(note), _) => note.text.contains(detail),
        (Body::Intent(_), Some((_, outcome))) => outcome.detail.contains(detail),
        _ => false,
    };
    let late = "stopped with 1 underway that did not end in time";
    assert!(world.site.journal().iter().any(|item| ended(item, late)));
    gate.open();
    world.site.own().start(&brief);
    world.ready("app", &revision).await;
    let settled = "the daemon ended before the outcome was recorded";
    assert_eq!(world.site.journal().iter().filter(|item| ended(item, settled)).count(), 1);
    assert_eq!(world.map("a").await.expect("a is there").data.unwrap()["key"], "2");
    assert!(world.site.ask(&["audit", "verify"]).starts_with("OK"));
}
