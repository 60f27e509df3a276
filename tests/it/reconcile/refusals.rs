//! Bad input: each kind of it says what, where and what next in a condition and an event, keeps
//! what was applied before, and is over with the push that mends it.

use super::shared;
use crate::reconcile::world::World;
use crate::reconcile::world::map;
use crate::support::flux;
use crate::support::git::run;
use crate::support::wait;
use k8s_openapi::api::core::v1::Event;
use kube::Api;
use kube::api::ListParams;
use serde_json::Value;
use serde_json::json;
use std::os::unix::fs::symlink;
use std::path::Path;

/// One kind of bad input, pushed to a unit of its own.
struct Case {
    /// The unit and its folder.
    name: &'static str,
    /// Files that are there before.
    before: &'static [(&'static str, &'static str)],
    /// Files of the bad push; a text that starts with `->` is a symlink, `HERE` the namespace.
    files: &'static [(&'static str, &'static str)],
    /// The reason that the condition and the event give.
    reason: &'static str,
    /// What the message has to say: what is wrong, and where.
    says: &'static [&'static str],
    /// The stable code; `hence build` gives the same for what is wrong with files alone.
    code: &'static str,
}

const TWICE: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: twice}\n";
const UNKNOWN: &str = "apiVersion: nowhere.example/v1\nkind: Nothing\nmetadata: {name: n}\n";
const REFUSED: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: far, namespace: HERE}\nspec: {ports: [{port: \
                       70000}]}\n";
const FIXED: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: fixed, namespace: HERE}\n\
                     immutable: true\ndata: {key: \"1\"}\n";
const CHANGED: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: fixed, namespace: HERE}\n\
                       immutable: true\ndata: {key: \"2\"}\n";
const SCALER_V1: &str = "apiVersion: autoscaling/v1\nkind: HorizontalPodAutoscaler\nmetadata: {name: s, namespace: HERE}\n\
                         spec: {maxReplicas: 3, scaleTargetRef: {kind: Deployment, name: d}}\n";
const SCALER_V2: &str = "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: s, namespace: HERE}\n\
                         spec: {maxReplicas: 5, scaleTargetRef: {kind: Deployment, name: d}}\n";
const STRANGER: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: s, namespace: nowhere}\n";

#[rustfmt::skip]
const CASES: &[Case] = &[
    Case { name: "unparsable", before: &[], files: &[("bad.yaml", "first: [1\nsecond: 2")],
           reason: "BuildFailed", says: &["bad.yaml", "line 2"], code: "flux::not_a_manifest" },
    Case { name: "missing-file", before: &[], files: &[("kustomization.yaml", "resources: [nope.yaml]\n")],
           reason: "BuildFailed", says: &["missing-file/kustomization.yaml", "nope.yaml"], code: "kustomize::missing_file" },
    Case { name: "twice", before: &[], files: &[("one.yaml", TWICE), ("two.yaml", TWICE)],
           reason: "BuildFailed", says: &["twice/kustomization.yaml", "ConfigMap", "in /twice/one.yaml:1 and in /twice/two.yaml:1"], code: "kustomize::duplicate_id" },
    Case { name: "unknown-kind", before: &[], files: &[("bad.yaml", UNKNOWN)],
           reason: "ReconciliationFailed", says: &["no matches for kind \"Nothing\"", "nowhere.example/v1"], code: "apply::unknown_kind" },
    Case { name: "refused-field", before: &[], files: &[("bad.yaml", REFUSED)],
           reason: "ReconciliationFailed", says: &["Service/", "/far", "spec.ports[0].port", "70000"], code: "apply::invalid" },
    Case { name: "immutable-field", before: &[("fixed.yaml", FIXED)], files: &[("fixed.yaml", CHANGED)],
           reason: "ReconciliationFailed", says: &["ConfigMap/", "/fixed", "data", "immutable"], code: "apply::immutable" },
    Case { name: "no-namespace", before: &[], files: &[("bad.yaml", STRANGER)],
           reason: "ReconciliationFailed", says: &["ConfigMap/nowhere/s", "namespaces \"nowhere\" not found"], code: "apply::missing_namespace" },
    Case { name: "link-out", before: &[], files: &[("out.yaml", "-> /etc/hostname"), ("kustomization.yaml", "resources: [out.yaml]\n")],
           reason: "BuildFailed", says: &["link-out/kustomization.yaml", "out.yaml` is a symbolic link to `/etc/hostname`, which leaves the repository"], code: "kustomize::outside_root" },
    Case { name: "link-alone", before: &[], files: &[("out.yaml", "-> /etc/hostname")],
           reason: "BuildFailed", says: &["link-alone/out.yaml", "symbolic link to `/etc/hostname`"], code: "flux::link_out" },
    Case { name: "two-versions", before: &[], files: &[("v1.yaml", SCALER_V1), ("v2.yaml", SCALER_V2)],
           reason: "BuildFailed", says: &["two-versions/v1.yaml:1 (autoscaling/v1)", "two-versions/v2.yaml:1 (autoscaling/v2)"], code: "flux::same_object" },
    Case { name: "path-out", before: &[], files: &[("kustomization.yaml", "resources: [../../../elsewhere]\n")],
           reason: "BuildFailed", says: &["path-out/kustomization.yaml", "leaves", "elsewhere"], code: "kustomize::outside_root" },
];

fn write(world: &World, path: &str, text: &str) {
    match text.strip_prefix("-> ") {
        Some(target) => symlink(target, world.repo.work().join(path)).expect("the folder is ours"),
        None => world.repo.write(path, text.replace("HERE", &world.namespace)),
    }
}

fn kept(world: &World, case: &Case) -> String {
    let text = map(case.name, "1");
    text.replace("metadata:\n", &format!("metadata:\n  namespace: {}\n", world.namespace))
}

/// The Warning event about the unit with this reason.
async fn told(world: &World, unit: &str, reason: &str) -> String {
    let events: &Api<Event> = &Api::namespaced(world.client.clone(), &world.namespace);
    wait::until(&format!("the event {reason} about {unit}"), || async move {
        let list = events.list(&ListParams::default()).await.ok()?;
        let about = |event: &Event| {
            event.involved_object.name.as_deref() == Some(unit)
                && event.reason.as_deref() == Some(reason)
                && event.type_.as_deref() == Some("Warning")
        };
        list.items.into_iter().find(about)?.message
    })
    .await
}

/// Whoever asks why is told the same, and what to do next; a build by hand has a code for it.
fn next_is_said(world: &World, case: &Case) {
    let unit = format!("ks/{}", case.name);
    let why = world.site.ask(&["why-not", "ready", &unit, "-n", &world.namespace]);
    let code = format!("code     {}", case.code);
    for part in [case.reason, case.says[0], &code, "help     ", "next     "] {
        assert!(why.contains(part), "{}: {part:?} is not in {why}", case.name);
    }
    if case.reason != "BuildFailed" {
        let place = format!("from     {}/{}:1 of ", case.name, case.files[0].0);
        assert!(why.contains(&place), "{}: {place:?} is not in {why}", case.name);
        return;
    }
    if case.code == "flux::same_object" {
        // The official program takes manifests of two versions for two objects.
        return;
    }
    let place = &world.site.workplace;
    let folder = place.path(format!("{}-{}", world.namespace, case.name));
    let from = world.repo.work().join(case.name).display().to_string();
    run("cp", &["-r", &from, &folder.display().to_string()], Path::new("/"));
    let kustomization = folder.join("kustomization.yaml");
    if !kustomization.exists() {
        let files: Vec<&str> = case.files.iter().map(|(path, _)| *path).collect();
        let text = format!("resources: [{}]\n", files.join(", "));
        std::fs::write(kustomization, text).expect("the folder is ours");
    }
    let built = place.hence(&["build", &folder.display().to_string()]);
    let said = built.stderr;
    // By hand there is something outside of the folder, and always a kustomization in it.
    let code = match case.name {
        "path-out" => "kustomize::missing_file",
        "link-alone" => "kustomize::outside_root",
        "unparsable" => "kustomize::invalid_yaml",
        _ => case.code,
    };
    assert!(said.contains(code) && said.contains("help: "), "{}: {said}", case.name);
    assert_eq!(built.code, Some(1), "{said}");
}

#[tokio::test]
async fn bad_input_is_told_loses_nothing_and_can_be_mended() {
    let world = shared("bad-input").await;
    for case in CASES {
        write(&world, &format!("{}/keep.yaml", case.name), &kept(&world, case));
        for (path, text) in case.before {
            write(&world, &format!("{}/{path}", case.name), text);
        }
    }
    let good = world.push("good").await;
    world.source().await;
    for case in CASES {
        let alone = json!({ "targetNamespace": Value::Null });
        world.unit(case.name, alone).await;
    }
    for case in CASES {
        world.ready(case.name, &good).await;
    }
    // The bad push takes away what is there, which tempts to prune it.
    for case in CASES {
        world.repo.git(&["rm", "-q", &format!("{}/keep.yaml", case.name)]);
        for (path, text) in case.files {
            let folder = world.repo.work().join(case.name);
            std::fs::create_dir_all(folder).expect("the folder is ours");
            write(&world, &format!("{}/{path}", case.name), text);
        }
    }
    let bad = world.push("bad").await;
    for case in CASES {
        let unit = world.shows(case.name, "False", case.says[0]).await;
        let ready = flux::condition(&unit, "Ready").expect("it was just seen");
        let message = ready["message"].as_str().unwrap_or_default();
        for part in case.says {
            assert!(message.contains(part), "{}: {part:?} is not in {message:?}", case.name);
        }
        assert_eq!(ready["reason"], case.reason, "{}: {message}", case.name);
        assert_ne!(unit.data["status"]["lastAppliedRevision"], bad.as_str(), "{}", case.name);
        let event = told(&world, case.name, case.reason).await;
        assert!(event.contains(case.says[0]), "{}: {event}", case.name);
        assert!(world.map(case.name).await.is_some(), "{} lost its object", case.name);
        next_is_said(&world, case);
    }
    // Mended: what was dropped goes now, and only that.
    for case in CASES {
        for (path, _) in case.files {
            world.repo.git(&["rm", "-q", &format!("{}/{path}", case.name)]);
        }
        write(
            &world,
            &format!("{}/other.yaml", case.name),
            &kept(&world, case)
                .replace(&format!("name: {}", case.name), &format!("name: {}-other", case.name)),
        );
    }
    let mended = world.push("mended").await;
    for case in CASES {
        world.ready(case.name, &mended).await;
    }
    let mut wanted: Vec<String> = CASES.iter().map(|case| format!("{}-other", case.name)).collect();
    wanted.sort();
    world.owns(&wanted.iter().map(String::as_str).collect::<Vec<_>>()).await;
}

#[tokio::test]
async fn a_kind_may_come_with_its_definition_in_one_unit() {
    let world = shared("definition-within").await;
    let group = format!("{}.example", world.namespace);
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("tills.{group}") },
        "spec": {
            "group": group, "scope": "Namespaced", "names": { "kind": "Till", "plural": "tills" },
            "versions": [{ "name": "v1", "served": true, "storage": true, "schema": {
                "openAPIV3Schema": { "type": "object" },
            }}],
        },
    });
    let till = format!("apiVersion: {group}/v1\nkind: Till\nmetadata: {{name: first}}\n");
    let files = [("app/z-definition.yaml", definition.to_string()), ("app/a-till.yaml", till)];
    let files = files.each_ref().map(|(path, text)| (*path, text.as_str()));
    let revision = world.push_files(&files).await;
    world.source().await;
    world.unit("app", json!({})).await;
    world.ready("app", &revision).await;
}

/// A source with more than a limit allows says so and keeps the units that it serves as they are.
async fn over_a_limit(purpose: &str, write: impl Fn(&World), limit: &str, code: &str) {
    let world = shared(purpose).await;
    let good = world.push_files(&[("app/a.yaml", &map("a", "1"))]).await;
    world.source().await;
    world.unit("app", json!({})).await;
    world.ready("app", &good).await;
    world.repo.git(&["rm", "-q", "app/a.yaml"]);
    write(&world);
    let much = world.push("too much").await;
    let now = &world;
    let message = wait::until("a condition that names the limit", || async move {
        for kind in [flux::GIT_REPOSITORY, flux::KUSTOMIZATION] {
            for object in now.flux(kind).list(&ListParams::default()).await.ok()?.items {
                let message = flux::condition(&object, "Ready").map(|c| c["message"].clone());
                if message.as_ref().is_some_and(|m| m.to_string().contains(limit)) {
                    return message;
                }
            }
        }
        None
    })
    .await;
    println!("{message}");
    world.owns(&["a"]).await;
    let events: &Api<Event> = &Api::namespaced(world.client.clone(), &world.namespace);
    wait::until("an event that names the limit", || async move {
        let list = events.list(&ListParams::default()).await.ok()?.items;
        let names_it = |event: &Event| event.message.as_ref().is_some_and(|m| m.contains(limit));
        list.into_iter().find(|event| names_it(event) && event.type_.as_deref() == Some("Warning"))
    })
    .await;
    let (n, commit) = (&world.namespace, much.rsplit_once(':').expect("a revision").1);
    let why = world.site.ask(&["why-not", "live", commit, "--on", "cm/a", "-n", n])
        + &world.site.ask(&["why-not", "ready", "ks/app", "-n", n]);
    for part in [limit, code, "help     ", "next     "] {
        assert!(why.contains(part), "{part:?} is not in {why}");
    }
    world.repo.git(&["rm", "-rq", "--ignore-unmatch", "many", "app/large.yaml"]);
    let mended = world.push_files(&[("app/b.yaml", &map("b", "1"))]).await;
    world.ready("app", &mended).await;
    world.owns(&["b"]).await;
}

#[tokio::test]
#[ignore = "long: a file of 50 MB goes through Git"]
async fn a_manifest_of_fifty_megabytes_names_its_limit() {
    let large = |world: &World| {
        let value = "0123456789abcdef".repeat(50 * 1024 * 64);
        world.repo.write("app/large.yaml", map("large", &value));
    };
    over_a_limit("large-file", large, "FILE_BYTES_MAX", "tree::file_too_large").await;
}

#[tokio::test]
#[ignore = "long: a hundred thousand files go through Git"]
async fn a_hundred_thousand_files_name_their_limit() {
    let many = |world: &World| {
        for i in 0..100_000 {
            world.repo.write(&format!("many/{}/{i}", i / 1000), i.to_string());
        }
    };
    over_a_limit("many-files", many, "TREE_FILES_MAX", "sources::tree::too_many_files").await;
}
