//! Policies over fields of manifests: `.input … from`, for what units want and for what is live.

use super::world::World;
use crate::support::wait;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::Patch;
use kube::api::PatchParams;
use serde_json::json;
use std::fs;
use std::path::PathBuf;

const DIGEST: &str = r#"
/// A container of object O, as unit U wants it, runs this image.
.input image_of(u: Unit, o: Object, image: symbol) from "spec.template.spec.containers[*].image"

[policy/digest]
deny(U, O, cat("image ", I, " has no digest")) :- image_of(U, O, I), !matches(I, "*@sha256:*").
"#;

const APPROVAL: &str = r#"
/// Object O, as unit U wants it, has this many replicas.
.input replicas_of(u: Unit, o: Object, n: number) from "spec.replicas"
/// This person approved the live object O.
.input approved(o: Object, by: symbol) from "metadata.annotations['hence.dev/approved-by']"

[policy/approval]
deny(U, O, cat(N, " replicas need an approval")) :-
    replicas_of(U, O, N), N > 10, !approved(O, _).
"#;

/// Says what it is told of a Secret.
const TELLTALE: &str = r#"
.input wanted_password(u: Unit, o: Object, p: symbol) from "data.password"
.input live_password(o: Object, p: symbol) from "data.password"
[policy/telltale]
deny(U, O, cat(P, " is not ", L)) :- wanted_password(U, O, P), live_password(O, L), P != L.
"#;

/// `hunter2` and `hunter3`.
const PASSWORDS: [&str; 2] = ["aHVudGVyMg==", "aHVudGVyMw=="];

fn deployment(image: &str, replicas: u32) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web}}\nspec:\n  replicas: \
         {replicas}\n  paused: true\n  selector: {{matchLabels: {{app: web}}}}\n  template:\n    \
         metadata: {{labels: {{app: web}}}}\n    spec:\n      containers:\n        - {{name: main, \
         image: \"registry.example/{image}\"}}\n        - {{name: side, image: \
         \"registry.example/side@sha256:{:064}\"}}\n",
        7
    )
}

fn secret(password: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: door}}\ndata: {{password: {password}}}\n"
    )
}

/// A world whose daemon reads rule files from the folder.
async fn world(purpose: &str, rules: &str) -> (World, PathBuf) {
    let mut world = World::alone(purpose).await;
    let folder = world.site.workplace.path("rules");
    fs::create_dir(&folder).expect("the folder is ours");
    fs::write(folder.join("mine.dl"), rules).expect("the folder is ours");
    let text = folder.display().to_string();
    world.site.own().start(&["--rules", &text]);
    (world, folder)
}

async fn replicas(world: &World) -> Option<i32> {
    let api: Api<Deployment> = Api::namespaced(world.client.clone(), &world.namespace);
    let found = api.get_opt("web").await.expect("the server answers")?;
    found.spec.replicas
}

#[tokio::test]
async fn an_image_without_digest_is_held_back() {
    let (world, folder) = world("digest", DIGEST).await;
    world.push_files(&[("app/web.yaml", &deployment("web:1.4", 1))]).await;
    world.source().await;
    world.unit("app", json!({ "wait": false })).await;
    let text = "is denied: image registry.example/web:1.4 has no digest";
    world.shows("app", "False", text).await;
    assert_eq!(replicas(&world).await, None, "held back");
    let why = world.site.ask(&["why-not", "ready", "ks/app", "-n", &world.namespace]);
    assert!(why.contains("web:1.4 has no digest"), "{why}");

    let good = format!("web@sha256:{:064}", 4);
    let revision = world.push_files(&[("app/web.yaml", &deployment(&good, 1))]).await;
    world.ready("app", &revision).await;
    assert_eq!(replicas(&world).await, Some(1));

    // Other fields are asked for while the daemon runs: those of live objects are read again.
    fs::write(folder.join("mine.dl"), format!("{DIGEST}{APPROVAL}")).expect("the folder is ours");
    wait::until("the new rules", || async {
        (world.site.log().matches("rules are in force").count() == 1).then_some(())
    })
    .await;
    world.push_files(&[("app/web.yaml", &deployment(&good, 12))]).await;
    world.shows("app", "False", "is denied: 12 replicas need an approval").await;
    assert_eq!(replicas(&world).await, Some(1), "held back");
    let api: Api<Deployment> = Api::namespaced(world.client.clone(), &world.namespace);
    let approval = json!({ "metadata": { "annotations": { "hence.dev/approved-by": "ann" } } });
    api.patch("web", &PatchParams::default(), &Patch::Merge(&approval)).await.expect("it is there");
    wait::until("the approved replicas", || async {
        replicas(&world).await.filter(|replicas| *replicas == 12)
    })
    .await;

    // The approval stands on the live object; rules that never saw it come find it there.
    fs::write(folder.join("mine.dl"), DIGEST).expect("the folder is ours");
    fs::write(folder.join("more.dl"), APPROVAL).expect("the folder is ours");
    let revision = world.push_files(&[("app/web.yaml", &deployment(&good, 14))]).await;
    world.ready("app", &revision).await;
    assert_eq!(replicas(&world).await, Some(14));
}

#[tokio::test]
async fn of_a_secret_only_digests_are_told() {
    let (world, _) = world("telltale", TELLTALE).await;
    let revision = world.push_files(&[("app/door.yaml", &secret(PASSWORDS[0]))]).await;
    world.source().await;
    world.unit("app", json!({})).await;
    world.ready("app", &revision).await;
    world.push_files(&[("app/door.yaml", &secret(PASSWORDS[1]))]).await;
    let shown = world.shows("app", "False", "is denied: sha256:").await;
    let text = serde_json::to_string(&shown).expect("objects are JSON");
    assert!(text.contains(" is not sha256:"), "both sides are told: {text}");
    let api: Api<Secret> = Api::namespaced(world.client.clone(), &world.namespace);
    let live = api.get("door").await.expect("it is there").data.expect("it has data");
    assert_eq!(live["password"].0, b"hunter2", "held back");
    let why = world.site.ask(&["why-not", "ready", "ks/app", "-n", &world.namespace]);
    let told = format!("{text}{why}{}", world.site.log());
    for secret in PASSWORDS.iter().copied().chain(["hunter2", "hunter3"]) {
        assert!(!told.contains(secret), "{secret} is told: {told}");
    }
}
