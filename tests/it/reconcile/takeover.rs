//! From kustomize-controller to hence and back, on the same objects.

use crate::reconcile::world::World;
use crate::reconcile::world::map;
use crate::support::artifacts::Artifact;
use crate::support::artifacts::ArtifactServer;
use crate::support::flux;
use crate::support::flux::KustomizeController;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::core::v1::Service;
use kube::Api;
use serde_json::json;
use std::collections::BTreeMap;

/// Things that a server defaults or rewrites.
const ODD: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 0
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: main
        image: registry.example/main:1
        ports: [{containerPort: 80}]
        resources: {limits: {cpu: "1000m"}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 80}]}
---
apiVersion: v1
kind: Secret
metadata: {name: token}
stringData: {token: abc}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader}
rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: once, annotations: {kustomize.toolkit.fluxcd.io/ssa: IfNotPresent}}
data: {key: "1"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: kept, annotations: {kustomize.toolkit.fluxcd.io/prune: disabled}}
data: {key: "1"}
"#;

/// resourceVersions of everything that carries the unit's labels.
async fn versions(world: &World) -> BTreeMap<String, String> {
    let owned = kube::api::ListParams::default().labels("kustomize.toolkit.fluxcd.io/name=app");
    let (client, namespace) = (world.client.clone(), world.namespace.as_str());
    let mut found = BTreeMap::new();
    macro_rules! take {
        ($kind:ty) => {
            let api: Api<$kind> = Api::namespaced(client.clone(), namespace);
            for object in api.list(&owned).await.expect("Deployments can be listed").items {
                let name = object.metadata.name.expect("stored objects have one");
                let version = object.metadata.resource_version.unwrap();
                found.insert(format!("{}/{name}", stringify!($kind)), version);
            }
        };
    }
    take!(k8s_openapi::api::core::v1::ConfigMap);
    take!(Service);
    take!(Secret);
    take!(k8s_openapi::api::rbac::v1::Role);
    let api: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    for object in api.list(&owned).await.expect("Deployments can be listed").items {
        // The controller manager writes a Deployment's status at moments of its own.
        let generation = object.metadata.generation.expect("stored objects have one");
        found.insert(
            format!("Deployment/{}", object.metadata.name.expect("stored objects have one")),
            generation.to_string(),
        );
    }
    found
}

fn published(server: &ArtifactServer, revision: &str, maps: &[&str]) -> Artifact {
    let maps: Vec<_> =
        maps.iter().map(|name| (format!("app/{name}.yaml"), map(name, "1"))).collect();
    let mut files = vec![("app/odd.yaml", ODD)];
    files.extend(maps.iter().map(|(path, text)| (path.as_str(), text.as_str())));
    server.publish("app", revision, &files)
}

async fn unit(world: &World) {
    let source = json!({ "kind": "OCIRepository", "name": "app" });
    world.unit("app", json!({ "sourceRef": source, "wait": false })).await;
}

/// How many writes of managed objects this client has made.
async fn writes(world: &World, agent: &str) -> Vec<String> {
    let all = world.site.cluster.audit().settled(&world.site.cluster).await;
    let managed = [
        "configmaps",
        "services",
        "secrets",
        "deployments.apps",
        "roles.rbac.authorization.k8s.io",
    ];
    all.iter()
        .filter(|r| r.user_agent.starts_with(agent) && r.is_write())
        .filter(|r| r.namespace == world.namespace && managed.contains(&r.resource.as_str()))
        .map(|r| format!("{} {} {:?}", r.verb, r.uri, r.code))
        .collect()
}

#[tokio::test]
async fn hence_takes_over_and_gives_back_without_a_write() {
    let mut world = World::alone("takeover").await;
    let server = ArtifactServer::start();
    let first = published(&server, "v1@sha256:1", &["a", "b"]);
    flux::offer(&world.client, &world.namespace, "app", &first).await;
    let controller = KustomizeController::start(&world.site.cluster);
    unit(&world).await;
    world.ready("app", "v1@sha256:1").await;
    controller.stop();
    let before = versions(&world).await;
    assert_eq!(before.len(), 8, "{before:?}");
    let entries = |unit: &kube::api::DynamicObject| unit.data["status"]["inventory"].clone();
    let inventory = entries(&world.get_unit("app").await.unwrap());

    // A new revision with the same objects shows when hence is through.
    for round in 2..4 {
        let revision = format!("v{round}@sha256:{round}");
        let again = published(&server, &revision, &["a", "b"]);
        flux::offer(&world.client, &world.namespace, "app", &again).await;
        world.site.own().start(&["--kinds", "Kustomization"]);
        let unit = world.ready("app", &revision).await;
        assert_eq!(entries(&unit), inventory);
        assert_eq!(versions(&world).await, before, "round {round}");
        assert_eq!(writes(&world, "hence/").await, Vec::<String>::new());
        world.site.own().stop().await;
        std::fs::remove_dir_all(world.site.workplace.state()).unwrap();
        std::fs::create_dir(world.site.workplace.state()).unwrap();
    }

    // b is dropped while nobody runs and no state is left: adoption proves whose it is.
    let dropped = published(&server, "v5@sha256:5", &["a"]);
    flux::offer(&world.client, &world.namespace, "app", &dropped).await;
    world.site.own().start(&["--kinds", "Kustomization"]);
    world.ready("app", "v5@sha256:5").await;
    let mut expected = before;
    expected.remove("k8s_openapi::api::core::v1::ConfigMap/b").expect("b was there");
    assert_eq!(versions(&world).await, expected);
    let deletes = writes(&world, "hence/").await;
    assert_eq!(deletes.len(), 1, "{deletes:?}");
    let why = world.site.ask(&["why", "pruned", "cm/b", "-n", &world.namespace]);
    assert!(why.contains("adopted"), "{why}");
    let why = world.site.ask(&["why", "cm/a", "-n", &world.namespace]);
    assert!(why.contains("adopted  and found as declared") && !why.contains("applied"), "{why}");
    world.site.own().stop().await;

    let peer = writes(&world, "kustomize-controller").await.len();
    let again = published(&server, "v6@sha256:6", &["a"]);
    flux::offer(&world.client, &world.namespace, "app", &again).await;
    let controller = KustomizeController::start(&world.site.cluster);
    world.ready("app", "v6@sha256:6").await;
    controller.stop();
    let all = writes(&world, "kustomize-controller").await;
    assert_eq!(all[peer..], Vec::<String>::new());
    assert_eq!(versions(&world).await, expected);
}
