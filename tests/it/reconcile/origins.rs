//! `hence why --field`: from a field of a live object to the line that was written for it, through
//! patches, generators, images, the unit's spec and variables. Secrets stay hidden.

use super::world::World;
use super::world::map;
use crate::support::flux;
use crate::support::wait;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::ObjectMeta;
use kube::api::PostParams;
use serde_json::json;

/// A value that no answer may show, and as a Secret's data has it.
const HIDDEN: &str = "hidden-7351";
const ENCODED: &str = "aGlkZGVuLTczNTE=";

const WEB: &str = "apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  annotations: {parts: \"a,b\", text: '{\"token\": \"none\"}'}
spec:
  replicas: 0
  selector:
    matchLabels: {app: web}
  template:
    metadata:
      labels: {app: web}
    spec:
      containers:
      - name: main
        image: web:1
        args: [\"--zone=${zone}\"]
        env:
        - name: TOKEN
          value: ${token}
";

const KUSTOMIZATION: &str = "resources:
- base
images:
- name: web
  newTag: \"2\"
patches:
- path: patch.yaml
configMapGenerator:
- name: settings
  literals:
  - level=info
  - app.properties=a=b
secretGenerator:
- name: keys
  literals:
  - token=hidden-7351
replacements:
- source: {kind: Secret, name: keys, fieldPath: data.token}
  targets:
  - select: {kind: Deployment}
    fieldPaths: [metadata.annotations.token]
    options: {create: true}
  - select: {kind: Deployment}
    fieldPaths: [metadata.annotations.parts]
    options: {delimiter: ',', index: 0}
  - select: {kind: Deployment}
    fieldPaths: [metadata.annotations.text.token]
- source: {kind: ConfigMap, name: settings, fieldPath: data.level}
  targets:
  - select: {kind: Deployment}
    fieldPaths: [metadata.annotations.level]
    options: {create: true}
  - select: {kind: Deployment}
    fieldPaths: [metadata.annotations.parts]
    options: {delimiter: ',', index: 1}
- source: {kind: Deployment, name: web, fieldPath: metadata.name}
  targets:
  - select: {kind: Deployment}
    fieldPaths: [metadata.annotations.parts]
    options: {delimiter: ',', index: 1}
- source: {kind: Deployment, name: web, fieldPath: metadata.annotations.parts}
  targets:
  - select: {kind: Deployment}
    fieldPaths: [metadata.annotations.twice]
    options: {create: true}
";

const PATCH: &str = "apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  minReadySeconds: 7
";

/// Asks for a field; the namespace is masked.
fn ask(world: &World, object: &str, field: &str) -> String {
    let n = &world.namespace;
    let said = world.site.ask(&["why", object, "-n", n, "--field", field]);
    format!("$ hence why {object} -n shop --field {field}\n{}", said.replace(n.as_str(), "shop"))
}

#[tokio::test]
async fn a_field_leads_to_what_was_written_for_it() {
    let world = World::shared("origins").await;
    let revision = world
        .push_files(&[
            ("app/kustomization.yaml", KUSTOMIZATION),
            ("app/patch.yaml", PATCH),
            ("app/base/kustomization.yaml", "resources:\n- web.yaml\n"),
            ("app/base/web.yaml", WEB),
        ])
        .await;
    let secrets: Api<Secret> = Api::namespaced(world.client.clone(), &world.namespace);
    let tokens = Secret {
        metadata: ObjectMeta { name: Some("tokens".to_owned()), ..ObjectMeta::default() },
        string_data: Some([("token".to_owned(), HIDDEN.to_owned())].into()),
        ..Secret::default()
    };
    secrets.create(&PostParams::default(), &tokens).await.expect("the server takes it");
    world.source().await;
    let patch = "- op: add\n  path: /spec/revisionHistoryLimit\n  value: 3\n";
    world
        .unit(
            "app",
            json!({
                "patches": [{ "patch": patch, "target": { "kind": "Deployment" } }],
                "commonMetadata": { "labels": { "team": "core" } },
                "postBuild": {
                    "substitute": { "zone": "north" },
                    "substituteFrom": [{ "kind": "Secret", "name": "tokens" }],
                },
            }),
        )
        .await;
    world.ready("app", &revision).await;
    let maps = world.owned_maps().await;
    let settings = maps.first().expect("one was generated").clone();
    let fields = [
        "spec.replicas",
        "spec.minReadySeconds",
        "spec.revisionHistoryLimit",
        "spec.template.spec.containers[name=main].image",
        "spec.template.spec.containers[0].args[0]",
        "spec.template.spec.containers[0].env[0].value",
        "metadata.namespace",
        "metadata.labels.team",
        "metadata.labels[kustomize.toolkit.fluxcd.io/name]",
        r"metadata.labels.kustomize\.toolkit\.fluxcd\.io/name",
        "metadata.annotations.token",
        "metadata.annotations.level",
        "metadata.annotations.parts",
        "metadata.annotations.twice",
        "metadata.annotations.text",
        "{.spec.replicas}",
        "spec.selector",
        "spec.strategy",
    ];
    let mut told: Vec<String> =
        fields.iter().map(|field| ask(&world, "deploy/web", field)).collect();
    let generated = ask(&world, &format!("cm/{settings}"), "data.level");
    told.push(generated.replace(&settings, "settings-HASH"));
    for field in ["data[\"app.properties\"]", "data.app.properties"] {
        let generated = ask(&world, &format!("cm/{settings}"), field);
        told.push(generated.replace(&settings, "settings-HASH"));
    }
    let told = told.join("\n").replace(&revision, "main@sha1:COMMIT");
    assert!(!told.contains(HIDDEN) && !told.contains(ENCODED), "{told}");
    insta::assert_snapshot!("origins", told);
}

#[tokio::test]
async fn a_unit_takes_a_base_from_another_repository() {
    let world = World::shared("elsewhere").await;
    let other = world.host.repository("other");
    other.write("base/kustomization.yaml", "resources:\n- map.yaml\n");
    other.write("base/map.yaml", map("far", "1"));
    other.commit("first", "main");
    let base = format!("resources:\n- {}//base?ref=main\n", world.host.url("other"));
    let gone = format!("resources:\n- {}//base?ref=gone\n", world.host.url("other"));
    let files =
        [("app/kustomization.yaml", base.as_str()), ("lost/kustomization.yaml", gone.as_str())];
    let revision = world.push_files(&files).await;
    world.source().await;
    world.unit("app", json!({ "namePrefix": "my-" })).await;
    world.ready("app", &revision).await;
    world.owns(&["my-far"]).await;
    world.unit("lost", json!({})).await;
    world.shows("lost", "False", "refs/heads/gone").await;
    let told = ask(&world, "cm/my-far", "data.key");
    assert!(told.contains("data.key = 1"), "{told}");

    // What stands elsewhere changes without a push to the unit's own repository.
    other.write("base/map.yaml", map("far", "2"));
    other.commit("second", "main");
    world.request(flux::KUSTOMIZATION, "app").await;
    let world = &world;
    wait::until("the base to be fetched again", || async move {
        (world.map("my-far").await?.data?["key"] == "2").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_base_from_another_repository_is_fetched_again_at_the_interval() {
    let world = World::shared("elsewhere-again").await;
    let other = world.host.repository("other");
    other.write("base/kustomization.yaml", "resources:\n- map.yaml\n");
    other.write("base/map.yaml", map("far", "1"));
    other.commit("first", "release");
    let base = format!("resources:\n- {}//base?ref=release\n", world.host.url("other"));
    let revision = world.push_files(&[("app/kustomization.yaml", &base)]).await;
    world.source().await;
    world.unit("app", json!({ "interval": "3s" })).await;
    world.ready("app", &revision).await;
    other.write("base/map.yaml", map("far", "2"));
    other.commit("second", "release");
    let world = &world;
    wait::until("the base to be fetched again", || async move {
        (world.map("far").await?.data?["key"] == "2").then_some(())
    })
    .await;
    // The branch is gone: the build fails, and nothing of what it contained before is deleted.
    other.git(&["push", "-q", "origin", "--delete", "release"]);
    world.shows("app", "False", "refs/heads/release").await;
    world.owns(&["far"]).await;
}
