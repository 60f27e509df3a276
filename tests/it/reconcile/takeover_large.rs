//! Takeover at some size: two hundred objects of more than twenty-five kinds, none of which moves.

use crate::reconcile::manifests;
use crate::reconcile::world::World;
use crate::reconcile::world::map;
use crate::support::artifacts::Artifact;
use crate::support::artifacts::ArtifactServer;
use crate::support::audit::Request;
use crate::support::flux;
use crate::support::flux::KustomizeController;
use crate::support::wait;
use kube::Api;
use kube::api::DynamicObject;
use kube::api::Patch;
use kube::api::PatchParams;
use kube::discovery::Discovery;
use kube::discovery::Scope;
use serde_json::Value;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

fn published(server: &ArtifactServer, group: &str, revision: &str, more: &[&str]) -> Artifact {
    let mut files = manifests::files(group);
    for name in more {
        files.push((format!("app/{name}.yaml"), map(name, "1")));
    }
    let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    server.publish("app", revision, &files)
}

fn entries(unit: &DynamicObject) -> Vec<Value> {
    unit.data["status"]["inventory"]["entries"].as_array().cloned().unwrap_or_default()
}

/// uid and resourceVersion of every object in the unit's inventory.
async fn versions(world: &World) -> BTreeMap<String, String> {
    let discovery = Discovery::new(world.client.clone()).run().await.expect("the server answers");
    let unit = world.get_unit("app").await.expect("the unit is there");
    let mut found = BTreeMap::new();
    for entry in entries(&unit) {
        let id = entry["id"].as_str().expect("an id is a text").to_owned();
        let (namespace, rest) = id.split_once('_').expect("an id has four parts");
        let (rest, kind) = rest.rsplit_once('_').expect("an id has four parts");
        let (name, group) = rest.rsplit_once('_').expect("an id has four parts");
        let served = discovery.groups().find(|served| served.name() == group);
        let (resource, capabilities) = served
            .and_then(|served| served.recommended_kind(kind))
            .unwrap_or_else(|| panic!("{id} is of a served kind"));
        let api: Api<DynamicObject> = match capabilities.scope {
            Scope::Namespaced => Api::namespaced_with(world.client.clone(), namespace, &resource),
            Scope::Cluster => Api::all_with(world.client.clone(), &resource),
        };
        let object = api.get_opt(name).await.expect("the server answers");
        let metadata = object.map(|object| object.metadata);
        let version = metadata.map(|m| {
            format!("{} {}", m.uid.unwrap_or_default(), m.resource_version.unwrap_or_default())
        });
        found.insert(id, version.unwrap_or_else(|| "absent".to_owned()));
    }
    found
}

/// The versions once no other controller moves them any more.
async fn settled(world: &World) -> BTreeMap<String, String> {
    let mut before = versions(world).await;
    loop {
        wait::passed(Duration::from_secs(3)).await;
        let now = versions(world).await;
        if now == before {
            return now;
        }
        before = now;
    }
}

/// Writes of managed objects by this client: all but those of custom resources, of events, and of
/// the lease that it holds elsewhere.
async fn writes(world: &World, agent: &str) -> Vec<String> {
    let all = world.site.cluster.audit().settled(&world.site.cluster).await;
    let is_own = |r: &&Request| {
        let told = ["toolkit.fluxcd.io", "events"].iter().any(|own| r.resource.contains(own));
        told || r.resource.contains("leases") && r.namespace != world.namespace
    };
    all.iter()
        .filter(|r| r.user_agent.starts_with(agent) && r.is_write())
        .filter(|r| !is_own(r))
        .map(|r| format!("{} {} {:?}", r.verb, r.uri, r.code))
        .collect()
}

/// What the unit shows, but for times and with one word for the revision.
fn shown(unit: &DynamicObject, revision: &str) -> Value {
    let status = &unit.data["status"];
    let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    let plain = |condition: &Value| {
        let part = |name: &str| condition[name].as_str().unwrap_or_default().to_owned();
        [
            part("type"),
            part("status"),
            part("reason"),
            part("message").replace(revision, "REVISION"),
        ]
    };
    let is_current = |field: &str| status[field] == revision;
    json!({
        "conditions": conditions.iter().map(plain).collect::<Vec<_>>(),
        "inventory": status["inventory"],
        "observed": status["observedGeneration"] == unit.metadata.generation.unwrap_or_default(),
        "applied": is_current("lastAppliedRevision"),
        "attempted": is_current("lastAttemptedRevision"),
    })
}

/// What features.md has a ready unit without health checks show.
fn as_features_say(inventory: &Value) -> Value {
    json!({
        "conditions": [["Ready", "True", "ReconciliationSucceeded", "Applied revision: REVISION"]],
        "inventory": inventory, "observed": true, "applied": true, "attempted": true,
    })
}

fn forget_state(world: &World) {
    std::fs::remove_dir_all(world.site.workplace.state()).expect("the state is ours");
    std::fs::create_dir(world.site.workplace.state()).expect("the state is ours");
}

/// Everything that stands before the takeover: kubectl's objects, the controller's, the scaling.
async fn before_takeover(world: &World, group: &str, server: &ArtifactServer) {
    let file = world.site.workplace.path("by-kubectl.yaml");
    std::fs::write(&file, manifests::BY_KUBECTL).expect("the folder is ours");
    let file = file.to_str().expect("paths here are UTF-8");
    let apply = ["apply", "-n", &world.namespace, "-f", file];
    let _made = world.site.workplace.kubectl(&apply).expect_success();
    let first = published(server, group, "v1@sha256:1", &["dropped", "dropped-first"]);
    flux::offer(&world.client, &world.namespace, "app", &first).await;
    let controller = KustomizeController::start(&world.site.cluster);
    let source = json!({ "kind": "OCIRepository", "name": "app" });
    world.unit("app", json!({ "sourceRef": source, "wait": false })).await;
    world.ready_in(Duration::from_secs(180), "app", "v1@sha256:1").await;
    controller.stop();
    let deployments: Api<k8s_openapi::api::apps::v1::Deployment> =
        Api::namespaced(world.client.clone(), &world.namespace);
    let scaler = PatchParams { field_manager: Some("autoscaler".to_owned()), ..Default::default() };
    let none = Patch::Merge(json!({ "spec": { "replicas": 0 } }));
    deployments.patch_scale("scaled", &scaler, &none).await.expect("it can be scaled");
}

/// The pruned ConfigMap's proof says that adoption showed whose it was.
fn was_adopted(world: &World, name: &str) {
    let object = format!("cm/{name}");
    let why = world.site.ask(&["why", "pruned", &object, "-n", &world.namespace]);
    assert!(why.contains("PRUNED") && why.contains("adopted"), "{why}");
}

/// Objects that are not as they were, but for those that Git dropped.
fn moved(
    before: &BTreeMap<String, String>,
    now: &BTreeMap<String, String>,
    dropped: &[&str],
) -> Vec<String> {
    let is_dropped = |id: &str| dropped.iter().any(|name| id.contains(&format!("_{name}_")));
    let others = before.iter().filter(|(id, _)| !is_dropped(id));
    let moved = others.filter(|(id, version)| now.get(*id) != Some(version));
    moved.map(|(id, version)| format!("{id}: {version} -> {:?}", now.get(id))).collect()
}

/// kustomize-controller goes on with what hence leaves, and has nothing to write.
async fn gives_back(world: &World, group: &str, server: &ArtifactServer, left: usize) {
    let peer = writes(world, "kustomize-controller").await.len();
    let again = published(server, group, "v6@sha256:6", &[]);
    flux::offer(&world.client, &world.namespace, "app", &again).await;
    let controller = KustomizeController::start(&world.site.cluster);
    let unit = world.ready_in(Duration::from_secs(180), "app", "v6@sha256:6").await;
    controller.stop();
    let last = unit.data["status"]["inventory"].clone();
    assert_eq!(
        shown(&unit, "v6@sha256:6"),
        as_features_say(&last),
        "by kustomize-controller again"
    );
    assert_eq!(entries(&unit).len(), left);
    let all = writes(world, "kustomize-controller").await;
    assert_eq!(all[peer..], Vec::<String>::new());
}

#[tokio::test]
#[ignore = "long: two hundred objects by two controllers, several times"]
async fn two_hundred_objects_change_hands_and_none_moves() {
    let mut world = World::alone("takeover-large").await;
    let group = format!("{}.example", world.namespace);
    let server = ArtifactServer::start();
    before_takeover(&world, &group, &server).await;
    let before = settled(&world).await;
    println!("{} objects of {} kinds", before.len(), manifests::kinds());
    assert!(before.len() >= 200 && manifests::kinds() >= 25);
    assert!(!before.values().any(|version| version == "absent"), "{before:#?}");
    let theirs = world.get_unit("app").await.expect("the unit is there");
    let all = theirs.data["status"]["inventory"].clone();
    assert_eq!(shown(&theirs, "v1@sha256:1"), as_features_say(&all), "by kustomize-controller");
    let mut inventory = all;
    let entries = inventory["entries"].as_array_mut().expect("it has entries");
    entries.retain(|entry| !entry["id"].to_string().contains("_dropped-first_"));

    // Twice: the second time without any state. A new revision shows when hence is through. What
    // Git dropped before the very first start is pruned by it, and nothing else is touched.
    for round in 2..4 {
        let revision = format!("v{round}@sha256:{round}");
        let again = published(&server, &group, &revision, &["dropped"]);
        flux::offer(&world.client, &world.namespace, "app", &again).await;
        world.site.own().start(&["--kinds", "Kustomization"]);
        let unit = world.ready_in(Duration::from_secs(120), "app", &revision).await;
        assert_eq!(shown(&unit, &revision), as_features_say(&inventory), "round {round}");
        let made = writes(&world, "hence/").await;
        let pruned = |made: &str| made.starts_with("delete ") && made.contains("/dropped-first");
        assert!(made.len() == 1 && pruned(&made[0]), "round {round}: {made:?}");
        if round == 2 {
            was_adopted(&world, "dropped-first");
        }
        let now = versions(&world).await;
        let moved = moved(&before, &now, &["dropped-first"]);
        assert!(moved.is_empty(), "round {round}: {moved:#?}");
        world.site.own().stop().await;
        forget_state(&world);
    }

    // Dropped before hence starts, and no state: inventory, labels and manager prove whose it was.
    let dropped = published(&server, &group, "v5@sha256:5", &[]);
    flux::offer(&world.client, &world.namespace, "app", &dropped).await;
    world.site.own().start(&["--kinds", "Kustomization"]);
    world.ready_in(Duration::from_secs(120), "app", "v5@sha256:5").await;
    assert!(world.map("dropped").await.is_none());
    let made = writes(&world, "hence/").await;
    assert_eq!(made.len(), 2, "one more delete: {made:?}");
    was_adopted(&world, "dropped");
    let after = versions(&world).await;
    let moved = moved(&before, &after, &["dropped", "dropped-first"]);
    assert!(moved.is_empty(), "{moved:#?}");
    world.site.own().stop().await;

    gives_back(&world, &group, &server, before.len() - 2).await;
}
