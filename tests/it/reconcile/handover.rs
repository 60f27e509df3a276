//! What others did while hence was away, and what goes with an object that is dropped.

use kube::Api;
use kube::api::DeleteParams;
use kube::api::Patch;
use kube::api::PatchParams;
use serde_json::Value;
use serde_json::json;

use super::shared;
use crate::reconcile::world::SOURCE;
use crate::reconcile::world::World;
use crate::reconcile::world::map;
use crate::support::flux;
use crate::support::wait;

/// A commit of which nobody is told.
fn commit(world: &World, files: &[(&str, &str)]) -> String {
    for (path, text) in files {
        world.repo.write(path, text);
    }
    format!("main@sha1:{}", world.repo.commit("meanwhile", "main"))
}

/// Writes what kustomize-controller writes after it applied this revision.
async fn another_applied(world: &World, unit: &str, revision: &str, names: &[&str]) {
    for name in names {
        let labels = json!({
            "kustomize.toolkit.fluxcd.io/name": unit,
            "kustomize.toolkit.fluxcd.io/namespace": world.namespace,
        });
        let object = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "data": { "key": "2" },
            "metadata": { "name": name, "labels": labels },
        });
        let params = PatchParams::apply("kustomize-controller").force();
        let applied = world.maps().patch(name, &params, &Patch::Apply(object)).await;
        applied.expect("the server takes it");
    }
    let id =
        |name: &&str| json!({ "id": format!("{}_{name}__ConfigMap", world.namespace), "v": "v1" });
    let entries: Vec<Value> = names.iter().map(id).collect();
    let status = json!({ "status": {
        "lastAppliedRevision": revision, "lastAttemptedRevision": revision,
        "inventory": { "entries": entries },
    }});
    let units = world.flux(flux::KUSTOMIZATION);
    let written = units.patch_status(unit, &PatchParams::default(), &Patch::Merge(status)).await;
    written.expect("the server takes it");
}

/// Waits until the unit is ready at the revision in hence's own view, and nothing is to be done.
async fn settled(world: &World, revision: &str) {
    let ready = format!("READY at {revision}");
    let question = ["why-not", "ready", "ks/app", "-n", &world.namespace];
    let quiet = || async {
        let known = world.site.ask(&question).contains(&ready);
        (known && world.site.ask(&["plan"]).contains(" 0 in all")).then_some(())
    };
    wait::until("the unit to be ready", quiet).await;
}

/// hence applies the revision, and stops.
async fn applied_by_hence(world: &mut World, revision: &str) {
    world.source().await;
    world.unit("app", json!({})).await;
    world.ready("app", revision).await;
    settled(world, revision).await;
    world.site.own().stop().await;
}

#[tokio::test]
async fn what_others_applied_meanwhile_is_not_undone() {
    let mut world = World::alone("handover").await;
    world.site.own().start(&[]);
    let first = commit(&world, &[("app/a.yaml", &map("a", "1"))]);
    applied_by_hence(&mut world, &first).await;

    // Nobody asks for a fetch, and the interval is an hour: only the status tells of the push.
    let second = commit(&world, &[("app/a.yaml", &map("a", "2")), ("app/b.yaml", &map("b", "2"))]);
    another_applied(&world, "app", &second, &["a", "b"]).await;
    let uid = |map: k8s_openapi::api::core::v1::ConfigMap| map.metadata.uid;
    let before = world.map("b").await.map(uid);
    world.site.own().start(&[]);
    settled(&world, &second).await;
    assert_eq!(world.pruned().await, [""; 0]);
    assert_eq!(world.map("b").await.map(uid), before);
    let data = world.map("a").await.and_then(|map| map.data).expect("it has data");
    assert_eq!(data["key"], "2", "no older revision was applied");
}

#[tokio::test]
async fn what_another_let_go_of_is_not_pruned() {
    let mut world = World::alone("let-go").await;
    world.site.own().start(&[]);
    let files = [("app/a.yaml", &*map("a", "1")), ("app/r.yaml", &map("r", "1"))];
    let first = commit(&world, &files);
    applied_by_hence(&mut world, &first).await;

    world.repo.git(&["rm", "-q", "app/r.yaml"]);
    let second = commit(&world, &[]);
    another_applied(&world, "app", &second, &["a"]).await;
    world.site.own().start(&[]);
    settled(&world, &second).await;
    assert!(world.map("r").await.is_some(), "the inventory did not name it any more");
    assert_eq!(world.pruned().await, [""; 0]);
}

#[tokio::test]
async fn a_source_that_goes_takes_no_files_of_another_along() {
    let mut world = World::alone("twins").await;
    world.site.own().start(&[]);
    let first = commit(&world, &[("app/a.yaml", &map("a", "1"))]);
    world.source().await;
    world.source_named("twin").await;
    world.unit("app", json!({})).await;
    world.ready("app", &first).await;
    wait::until("the twin to be fetched", || async {
        let said = world.site.ask(&["audit", "list", "--limit", "1000"]);
        said.contains("/twin").then_some(())
    })
    .await;
    settled(&world, &first).await;
    world.site.own().stop().await;

    let sources = world.flux(flux::GIT_REPOSITORY);
    let bare = Patch::Merge(json!({ "metadata": { "finalizers": [] } }));
    sources.patch("twin", &PatchParams::default(), &bare).await.expect("it is there");
    sources.delete("twin", &DeleteParams::default()).await.expect("it is there");
    world.maps().delete("a", &DeleteParams::default()).await.expect("it is there");
    world.site.own().start(&[]);
    wait::until("the object to be made again", || async { world.map("a").await }).await;
    assert!(!world.site.log().contains("not loaded"), "{}", world.site.log());
    assert!(sources.get_opt(SOURCE).await.expect("the server answers").is_some());
}

// The server deletes what is in a namespace together with it.
#[tokio::test]
async fn a_namespace_stays_while_another_unit_wants_what_is_in_it() {
    let world = shared("cascade").await;
    let inner = format!("{}-inner", world.namespace);
    let namespace = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {inner}}}\n");
    let inside = map("inside", "1");
    let here = format!("metadata:\n  namespace: {}\n", world.namespace);
    let stays = map("a", "1").replace("metadata:\n", &here);
    let files = [("app/inner.yaml", &*namespace), ("app/a.yaml", &*stays)];
    let more = [("other/inside.yaml", &*inside)];
    let revision = world.push_files(&[&files[..], &more[..]].concat()).await;
    world.source().await;
    world.unit("app", json!({ "targetNamespace": Value::Null })).await;
    world
        .unit("other", json!({ "targetNamespace": inner, "dependsOn": [{ "name": "app" }] }))
        .await;
    world.ready("app", &revision).await;
    world.ready("other", &revision).await;

    let revision = world.push_without(&["app/inner.yaml"]).await;
    settled(&world, &revision).await;
    let pending = world.site.ask(&["pending"]);
    let why = format!("with it would go ConfigMap/{inner}/inside, which {}/other", world.namespace);
    assert!(pending.contains(&why), "{pending}");
    let namespaces: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(world.client.clone());
    let stays = namespaces.get(&inner).await.expect("it is held");
    assert!(stays.metadata.deletion_timestamp.is_none());

    let units = world.flux(flux::KUSTOMIZATION);
    units.delete("other", &DeleteParams::default()).await.expect("it is there");
    wait::until("the namespace to be deleted", || async {
        let left = namespaces.get_opt(&inner).await.expect("the server answers");
        left.is_none_or(|left| left.metadata.deletion_timestamp.is_some()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_unit_that_goes_leaves_the_namespace_to_those_who_need_it() {
    let world = shared("left").await;
    let inner = format!("{}-inner", world.namespace);
    let namespace = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {inner}}}\n");
    let files = [("app/inner.yaml", &*namespace), ("other/inside.yaml", &map("inside", "1"))];
    let revision = world.push_files(&files).await;
    world.source().await;
    world.unit("app", json!({ "targetNamespace": Value::Null })).await;
    world.ready("app", &revision).await;
    world.unit("other", json!({ "targetNamespace": inner })).await;
    world.ready("other", &revision).await;
    let units = world.flux(flux::KUSTOMIZATION);
    units.delete("app", &DeleteParams::default()).await.expect("it is there");
    wait::until("the unit to be gone", || async {
        world.get_unit("app").await.is_none().then_some(())
    })
    .await;
    let namespaces: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(world.client.clone());
    let stays = namespaces.get(&inner).await.expect("it is left");
    assert!(stays.metadata.deletion_timestamp.is_none());
    namespaces.delete(&inner, &DeleteParams::default()).await.expect("it is there");
}

// A unit that waits is at an older revision than its source, and that says nothing of others.
#[tokio::test]
async fn a_restart_without_the_git_host_corrects_drift_though_a_unit_is_behind() {
    let mut world = World::alone("behind").await;
    world.site.own().start(&[]);
    commit(
        &world,
        &[
            ("app/a.yaml", &map("a", "1")),
            ("late/l.yaml", &map("l", "1")),
            ("well/w.yaml", &map("w", "1")),
        ],
    );
    world.source().await;
    world.unit("app", json!({})).await;
    world.unit("late", json!({ "dependsOn": [{ "name": "app" }] })).await;
    world.unit("well", json!({})).await;
    world.owns(&["a", "l", "w"]).await;
    let broken = [("app/kustomization.yaml", "resources: [a.yaml, gone.yaml]\n")];
    let second = world.push_files(&broken).await;
    world.ready("well", &second).await;
    world.shows("app", "False", "gone.yaml").await;
    world.shows("late", "False", "dependency").await;
    world.site.own().stop().await;

    world.host.behave(crate::support::git::Behaviour { status: Some(503), ..Default::default() });
    world.site.own().start(&[]);
    let edit = Patch::Merge(json!({ "data": { "key": "edited" } }));
    world.maps().patch("w", &PatchParams::default(), &edit).await.expect("it is there");
    wait::until("the edit to be corrected", || async {
        let data = world.map("w").await?.data?;
        (data["key"] == "1").then_some(())
    })
    .await;
}

// The only object of its kind is let go of, and what is known of it is known no more after a start.
#[tokio::test]
async fn a_namespace_with_what_is_to_stay_is_held_across_a_restart() {
    let mut world = World::alone("stays").await;
    world.site.own().start(&[]);
    let inner = format!("{}-inner", world.namespace);
    let namespace = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {inner}}}\n");
    let keep = format!(
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: keep\n  namespace: {inner}\n  \
         annotations: {{kustomize.toolkit.fluxcd.io/prune: disabled}}\nspec:\n  ports: [{{port: 80}}]\n"
    );
    let here = format!("metadata:\n  namespace: {}\n", world.namespace);
    let stays = map("a", "1").replace("metadata:\n", &here);
    let files =
        [("app/inner.yaml", &*namespace), ("app/keep.yaml", &*keep), ("app/a.yaml", &*stays)];
    let revision = world.push_files(&files).await;
    world.source().await;
    world.unit("app", json!({ "targetNamespace": Value::Null })).await;
    world.ready("app", &revision).await;

    let revision = world.push_without(&["app/inner.yaml", "app/keep.yaml"]).await;
    settled(&world, &revision).await;
    let why = format!("with it would go Service/{inner}/keep");
    let held = || async { world.site.ask(&["pending"]).contains(&why).then_some(()) };
    wait::until("the namespace to be held", held).await;
    world.site.own().stop().await;
    world.site.own().start(&[]);
    let held = || async { world.site.ask(&["pending"]).contains(&why).then_some(()) };
    wait::until("the namespace to be held once more", held).await;
    let services: Api<k8s_openapi::api::core::v1::Service> =
        Api::namespaced(world.client.clone(), &inner);
    assert!(services.get_opt("keep").await.expect("the server answers").is_some());

    services.delete("keep", &DeleteParams::default()).await.expect("it is there");
    let namespaces: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(world.client.clone());
    wait::until("the namespace to be deleted", || async {
        let left = namespaces.get_opt(&inner).await.expect("the server answers");
        left.is_none_or(|left| left.metadata.deletion_timestamp.is_some()).then_some(())
    })
    .await;
}

// A crash leaves attempts, which prove whose an object is; what is given up later is not theirs.
#[tokio::test]
async fn what_is_given_up_after_a_crash_is_not_taken_up_again() {
    let mut world = World::alone("given-up").await;
    world.site.own().start(&[]);
    let files = [("app/a.yaml", &*map("a", "1")), ("app/x.yaml", &*map("x", "1"))];
    let revision = world.push_files(&files).await;
    world.source().await;
    world.unit("app", json!({})).await;
    world.ready("app", &revision).await;
    world.site.own().kill();
    world.site.own().start(&[]);
    settled(&world, &revision).await;
    world.patch_unit("app", json!({ "prune": false })).await;
    let revision = world.push_without(&["app/x.yaml"]).await;
    settled(&world, &revision).await;
    let of_x = || {
        let listed = world.site.ask(&["audit", "list", "--limit", "1000"]);
        let name = format!("ConfigMap/{}/x", world.namespace);
        let of = |verb: &str| {
            listed.lines().filter(|line| line.contains(verb) && line.contains(&name)).count()
        };
        (of("  adopt "), of("  forget "))
    };
    let before = of_x();
    assert!(before.0 <= 1 && before.1 == 1, "{before:?}");
    let revision = world.push_files(&[("app/late.yaml", &map("late", "1"))]).await;
    settled(&world, &revision).await;
    assert_eq!(of_x(), before, "nothing is taken up and let go of in turn");
    assert!(world.map("x").await.is_some());
}
