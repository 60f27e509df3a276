//! Takeover at some size: two hundred objects of more than twenty-five kinds, none of which moves.

use crate::reconcile::manifests;
use crate::reconcile::world::World;
use crate::reconcile::world::map;
use crate::support::artifacts::Artifact;
use crate::support::artifacts::ArtifactServer;
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

/// Writes of managed objects by this client: all but those of custom resources, events and leases.
async fn writes(world: &World, agent: &str) -> Vec<String> {
    let all = world.site.cluster.audit().settled(&world.site.cluster).await;
    let own = ["toolkit.fluxcd.io", "events", "leases"];
    all.iter()
        .filter(|r| r.user_agent.starts_with(agent) && r.is_write())
        .filter(|r| !own.iter().any(|own| r.resource.contains(own)))
        .map(|r| format!("{} {} {:?}", r.verb, r.uri, r.code))
        .collect()
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
    let first = published(server, group, "v1@sha256:1", &["dropped"]);
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
    let inventory = entries(&world.get_unit("app").await.expect("the unit is there"));

    // Twice: the second time without any state. A new revision shows when hence is through.
    for round in 2..4 {
        let revision = format!("v{round}@sha256:{round}");
        let again = published(&server, &group, &revision, &["dropped"]);
        flux::offer(&world.client, &world.namespace, "app", &again).await;
        world.site.own().start(&["--kinds", "Kustomization"]);
        let unit = world.ready_in(Duration::from_secs(120), "app", &revision).await;
        assert_eq!(entries(&unit), inventory, "round {round}");
        assert_eq!(writes(&world, "hence/").await, Vec::<String>::new(), "round {round}");
        let now = versions(&world).await;
        let moved: Vec<_> = before.iter().filter(|(id, v)| now.get(*id) != Some(v)).collect();
        assert!(moved.is_empty(), "round {round}: {moved:#?}");
        world.site.own().stop().await;
        forget_state(&world);
    }

    // Dropped before hence starts, with no state: the inventory, the labels and the manager prove it.
    let dropped = published(&server, &group, "v5@sha256:5", &[]);
    flux::offer(&world.client, &world.namespace, "app", &dropped).await;
    world.site.own().start(&["--kinds", "Kustomization"]);
    world.ready_in(Duration::from_secs(120), "app", "v5@sha256:5").await;
    assert!(world.map("dropped").await.is_none());
    let made = writes(&world, "hence/").await;
    assert_eq!(made.len(), 1, "{made:?}");
    let why = world.site.ask(&["why", "pruned", "cm/dropped", "-n", &world.namespace]);
    assert!(why.contains("adopted"), "{why}");
    let after = versions(&world).await;
    let others = before.iter().filter(|(id, _)| !id.contains("_dropped_"));
    let moved: Vec<_> = others.filter(|(id, v)| after.get(*id) != Some(v)).collect();
    assert!(moved.is_empty(), "{moved:#?}");
    world.site.own().stop().await;

    // And back.
    let peer = writes(&world, "kustomize-controller").await.len();
    let again = published(&server, &group, "v6@sha256:6", &[]);
    flux::offer(&world.client, &world.namespace, "app", &again).await;
    let controller = KustomizeController::start(&world.site.cluster);
    world.ready_in(Duration::from_secs(180), "app", "v6@sha256:6").await;
    controller.stop();
    let all = writes(&world, "kustomize-controller").await;
    assert_eq!(all[peer..], Vec::<String>::new());
}
