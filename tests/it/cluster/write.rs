//! Writes: what the server answers, and what it remembers of who asked.

use super::config_map;
use super::config_maps;
use super::connect;
use super::deployment;
use super::deployments;
use super::secrets;
use super::writer;
use crate::support::cluster::Cluster as Server;
use hence::cluster::ClusterError;
use hence::cluster::Purpose;
use hence::cluster::Resource;
use hence::cluster::SecretTexts;
use hence::cluster::Status;
use hence::cluster::write::ApplyOptions;
use hence::cluster::write::Deletion;
use hence::cluster::write::PatchKind;
use hence::cluster::write::Preconditions;
use hence::cluster::write::Propagation;
use hence::cluster::write::WriteGate;
use hence::model::Clock;
use hence::model::Timestamp;
use serde_json::Value;
use serde_json::json;
use std::sync::Arc;

fn refusal<T: std::fmt::Debug>(result: Result<T, ClusterError>) -> Status {
    let status = said(result);
    assert!(status.code < 500, "the server refuses, it does not fail: {status:?}");
    status
}

fn said<T: std::fmt::Debug>(result: Result<T, ClusterError>) -> Status {
    let error = result.expect_err("the server has to refuse this");
    let status = error.status().expect("the server answered").clone();
    let failed = status.code >= 500 && !status.is_unreadable();
    assert_eq!(error.may_have_happened(), failed, "{error}");
    status
}

#[tokio::test]
async fn an_apply_says_whether_it_created() {
    let namespace = Server::shared().namespace("apply").await;
    let (cluster, resource) = (connect().await, config_maps());
    let manifest = config_map(&namespace, "one", json!({"a": "1"}));
    let options = ApplyOptions::default();
    let dry = ApplyOptions { dry_run: true, ..ApplyOptions::default() };

    let would = writer(&cluster).apply(&resource, &manifest, &dry).await.unwrap();
    assert!(would.created);
    assert!(cluster.get(&resource, &namespace, "one").await.unwrap().is_none(), "only a try");

    let first = writer(&cluster).apply(&resource, &manifest, &options).await.unwrap();
    assert!(first.created);
    let again = writer(&cluster).apply(&resource, &manifest, &options).await.unwrap();
    assert!(!again.created);
    assert_eq!(again.object.resource_version, first.object.resource_version, "nothing changed");
    let read = cluster.get(&resource, &namespace, "one").await.unwrap().unwrap();
    assert_eq!(read, again.object);
}

#[tokio::test]
async fn an_object_that_was_replaced_is_a_conflict() {
    let namespace = Server::shared().namespace("replaced").await;
    let (cluster, resource) = (connect().await, config_maps());
    let manifest = config_map(&namespace, "one", json!({"a": "1"}));
    let first =
        writer(&cluster).apply(&resource, &manifest, &ApplyOptions::default()).await.unwrap();
    let ours = ApplyOptions { uid: Some(first.object.uid.clone()), ..ApplyOptions::default() };
    writer(&cluster).apply(&resource, &manifest, &ours).await.unwrap();

    let preconditions =
        Preconditions { uid: Some(first.object.uid.clone()), resource_version: None };
    let deleted = writer(&cluster)
        .delete(&resource, &namespace, "one", &preconditions, Propagation::Background, false)
        .await;
    assert_eq!(deleted.unwrap(), Deletion::Gone);
    let gone = refusal(writer(&cluster).apply(&resource, &manifest, &ours).await);
    assert!(gone.is_conflict(), "{gone:?}");

    let other = ApplyOptions { manager: "somebody".to_owned(), ..ApplyOptions::default() };
    writer(&cluster).apply(&resource, &manifest, &other).await.unwrap();
    let replaced = refusal(writer(&cluster).apply(&resource, &manifest, &ours).await);
    assert!(replaced.is_conflict(), "{replaced:?}");
    let kept = writer(&cluster)
        .delete(&resource, &namespace, "one", &preconditions, Propagation::Background, false)
        .await;
    assert!(refusal(kept).is_conflict(), "the other object stays");
}

#[tokio::test]
async fn fields_of_others_are_conflicts_without_force() {
    let namespace = Server::shared().namespace("conflict").await;
    let (cluster, resource) = (connect().await, config_maps());
    let other = ApplyOptions { manager: "somebody".to_owned(), ..ApplyOptions::default() };
    let theirs = config_map(&namespace, "one", json!({"a": "theirs", "b": "theirs"}));
    writer(&cluster).apply(&resource, &theirs, &other).await.unwrap();

    let ours = config_map(&namespace, "one", json!({"a": "ours"}));
    let timid = ApplyOptions { force: false, ..ApplyOptions::default() };
    let status = refusal(writer(&cluster).apply(&resource, &ours, &timid).await);
    let fields: Vec<&str> = status.field_conflicts().map(|cause| cause.field.as_str()).collect();
    assert_eq!(fields, [".data.a"]);
    assert_eq!(status.flux_reason(), "FieldManagerConflict");
    let forced = writer(&cluster).apply(&resource, &ours, &ApplyOptions::default()).await.unwrap();
    assert_eq!(forced.object.raw["data"], json!({"a": "ours", "b": "theirs"}));
}

#[tokio::test]
async fn refusals_are_typed() {
    let namespace = Server::shared().namespace("refused").await;
    let cluster = connect().await;
    let apply = async |resource: Resource, manifest: Value| {
        refusal(writer(&cluster).apply(&resource, &manifest, &ApplyOptions::default()).await)
    };

    let nowhere = apply(config_maps(), config_map("no-such-place", "one", json!({}))).await;
    assert_eq!((nowhere.code, nowhere.reason.as_str()), (404, "NotFound"));
    assert!(!nowhere.is_absent("one"), "the namespace is absent, not the object");

    let mut wrong = deployment(&namespace, "web");
    wrong["spec"]["template"]["metadata"]["labels"] = json!({"app": "other"});
    let invalid = apply(deployments(), wrong).await;
    assert_eq!((invalid.code, invalid.reason.as_str()), (422, "Invalid"));
    assert_eq!(invalid.causes[0].field, "spec.template.metadata.labels");
    assert!(invalid.is_immutable(), "as Flux sees it");

    let manifest = deployment(&namespace, "web");
    let options = ApplyOptions::default();
    writer(&cluster).apply(&deployments(), &manifest, &options).await.unwrap();
    let mut moved = manifest.clone();
    moved["spec"]["selector"]["matchLabels"]["x"] = "y".into();
    moved["spec"]["template"]["metadata"]["labels"]["x"] = "y".into();
    let fixed = apply(deployments(), moved).await;
    assert!(fixed.message.contains("immutable") && fixed.is_immutable(), "{fixed:?}");

    let unknown = Resource::known("shop.example", "v1", "Till", "tills", true);
    let error = cluster.get(&unknown, &namespace, "one").await.unwrap_err();
    assert!(matches!(error, ClusterError::NotServed { .. }), "{error}");
}

#[tokio::test]
async fn a_refusal_does_not_quote_secrets() {
    let namespace = Server::shared().namespace("quoted").await;
    let cluster = connect().await;
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": namespace, "name": "s"},
        "data": {"password": "not base64: canary-4711!"},
    });
    let options = ApplyOptions::default();
    // The server takes what it cannot read for an error of its own: code 500, without a reason.
    let status = said(writer(&cluster).apply(&secrets(), &secret, &options).await);
    let shown = format!("{status:?}");
    assert!(shown.contains("illegal base64") && !shown.contains("canary"), "{shown}");

    // A number where a text belongs is quoted by the server's own merge.
    let numbers = config_map(&namespace, "n", json!({"a": 47114711}));
    let plain = said(writer(&cluster).apply(&config_maps(), &numbers, &options).await);
    assert!(plain.message.contains("47114711"), "the server does quote: {plain:?}");
    assert_eq!(plain.flux_reason(), "");
    let mut secrets = SecretTexts::none();
    secrets.add("47114711");
    let tainted = ApplyOptions { secrets, ..ApplyOptions::default() };
    let blotted = said(writer(&cluster).apply(&config_maps(), &numbers, &tainted).await);
    assert!(!blotted.message.contains("47114711"), "{blotted:?}");
}

#[tokio::test]
async fn a_delete_honours_version_and_finalizers() {
    let namespace = Server::shared().namespace("delete").await;
    let (cluster, resource) = (connect().await, config_maps());
    let mut manifest = config_map(&namespace, "one", json!({}));
    manifest["metadata"]["finalizers"] = json!(["hence.example/hold"]);
    let options = ApplyOptions::default();
    let first = writer(&cluster).apply(&resource, &manifest, &options).await.unwrap().object;
    manifest["data"] = json!({"a": "b"});
    let second = writer(&cluster).apply(&resource, &manifest, &options).await.unwrap().object;

    let delete = async |version: &str| {
        let preconditions = Preconditions {
            uid: Some(first.uid.clone()),
            resource_version: Some(version.to_owned()),
        };
        writer(&cluster)
            .delete(&resource, &namespace, "one", &preconditions, Propagation::Background, false)
            .await
    };
    assert!(refusal(delete(&first.resource_version).await).is_conflict());
    let Deletion::Terminating(held) = delete(&second.resource_version).await.unwrap() else {
        panic!("its finalizer holds it");
    };
    let target = (namespace.as_str(), "one");
    let manager = "kustomize-controller";
    writer(&cluster)
        .set_finalizers(&resource, target, &[], &held.resource_version, manager)
        .await
        .unwrap();
    assert_eq!(delete(&held.resource_version).await.unwrap(), Deletion::WasAbsent);
}

#[tokio::test]
async fn the_audit_log_shows_the_intent() {
    let server = Server::shared();
    let namespace = server.namespace("audited").await;
    let cluster = connect().await;
    let tenant = cluster.as_user(&format!("system:serviceaccount:{namespace}:nobody"));
    let manifest = config_map(&namespace, "one", json!({}));
    let options = ApplyOptions::default();
    let denied = tenant
        .writer(Purpose::Intent("77".to_owned()), WriteGate::open())
        .apply(&config_maps(), &manifest, &options)
        .await;
    let denied = refusal(denied);
    assert_eq!(denied.code, 403);
    assert!(denied.message.contains(tenant.user().unwrap()), "{denied:?}");
    writer(&cluster).apply(&config_maps(), &manifest, &options).await.unwrap();

    let requests = server.audit().settled(server).await;
    let ours: Vec<_> = requests.iter().filter(|r| r.namespace == namespace).collect();
    let seen: Vec<_> = ours
        .iter()
        .filter(|r| r.verb == "patch")
        .map(|r| (r.user_agent.as_str(), r.code))
        .collect();
    let product = concat!("hence/", env!("CARGO_PKG_VERSION"));
    assert_eq!(
        seen,
        [
            (format!("{product} (intent 77)").as_str(), Some(403)),
            (format!("{product} (intent 42)").as_str(), Some(201)),
        ]
    );
}

#[tokio::test]
async fn nothing_is_sent_after_the_deadline() {
    struct Stopped;
    impl Clock for Stopped {
        fn now(&self) -> Timestamp {
            Timestamp(1000)
        }
    }
    let server = Server::shared();
    let namespace = server.namespace("gated").await;
    let cluster = connect().await;
    let gate = WriteGate::until_deadline(Arc::new(Stopped));
    let late = cluster.writer(Purpose::Intent("1".to_owned()), gate.clone());
    let manifest = config_map(&namespace, "one", json!({}));
    let options = ApplyOptions::default();
    let error = late.apply(&config_maps(), &manifest, &options).await.unwrap_err();
    assert!(matches!(error, ClusterError::LeaseExpired { .. }), "{error}");
    assert!(!error.may_have_happened());
    assert!(cluster.get(&config_maps(), &namespace, "one").await.unwrap().is_none());
    gate.extend(Timestamp(1001));
    late.apply(&config_maps(), &manifest, &options).await.unwrap();
}

#[tokio::test]
async fn a_stale_status_patch_is_a_conflict() {
    let namespace = Server::shared().namespace("status").await;
    let cluster = connect().await;
    let manifest = deployment(&namespace, "web");
    let first = writer(&cluster)
        .apply(&deployments(), &manifest, &ApplyOptions::default())
        .await
        .unwrap()
        .object;
    let target = (namespace.as_str(), "web");
    let status = json!({"conditions": [{
        "type": "Tested", "status": "True", "reason": "Test", "message": "",
    }]});
    let patch = async |version: Option<&str>| {
        writer(&cluster).patch_status(&deployments(), target, &status, version, "tester").await
    };
    patch(None).await.unwrap();
    let stale = refusal(patch(Some(&first.resource_version)).await);
    assert!(stale.is_conflict(), "{stale:?}");
    let bad = json!([{"op": "test", "path": "/metadata/uid", "value": "another"}]);
    let target = (namespace.as_str(), "web", "");
    let refused =
        writer(&cluster).patch(&deployments(), target, PatchKind::Json, &bad, "tester").await;
    assert_eq!(refusal(refused).code, 422);
}
