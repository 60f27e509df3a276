//! Tokens, rights and events.

use super::connect;
use super::connect_with;
use super::writer;
use crate::support::cluster::Cluster as Server;
use hence::cluster::ConnectOptions;
use hence::cluster::Purpose;
use hence::cluster::Resource;
use hence::cluster::read::ListOptions;
use hence::cluster::write::AccessQuery;
use hence::cluster::write::EventRecorder;
use hence::cluster::write::EventType;
use hence::cluster::write::ObjectEvent;
use hence::cluster::write::WriteGate;
use hence::model::ObjectRef;
use hence::model::Secret;
use hence::model::Timestamp;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Mutex;

#[tokio::test]
async fn a_token_is_known_by_its_audience() {
    let namespace = Server::shared().namespace("token").await;
    let cluster = connect().await;
    let accounts = Resource::known("", "v1", "ServiceAccount", "serviceaccounts", true);
    let account = json!({
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"namespace": namespace, "name": "hence-reader"},
    });
    let writer = writer(&cluster);
    writer.create(&accounts, &namespace, &account).await.unwrap();
    let target = (namespace.as_str(), "hence-reader");
    let token = writer.request_token(target, "hence", 600).await.unwrap();
    let known = writer.review_token(&token, "hence").await.unwrap().expect("it is for us");
    assert_eq!(known.user, format!("system:serviceaccount:{namespace}:hence-reader"));
    assert!(writer.review_token(&token, "other").await.unwrap().is_none());
    let nonsense = Secret::new("nonsense".to_owned());
    assert!(writer.review_token(&nonsense, "hence").await.unwrap().is_none());
    let other = writer.request_token(target, "other", 600).await.unwrap();
    assert!(writer.review_token(&other, "hence").await.unwrap().is_none());
}

#[tokio::test]
async fn rights_are_those_of_the_user() {
    let server = Server::shared();
    let namespace = server.namespace("rights").await;
    let query = AccessQuery {
        verb: "patch".to_owned(),
        plural: "configmaps".to_owned(),
        namespace: namespace.clone(),
        ..AccessQuery::default()
    };
    let admin = connect().await;
    assert!(writer(&admin).may(&query).await.unwrap());
    assert!(!writer(&admin.as_user("nobody")).may(&query).await.unwrap());
    let options =
        ConnectOptions { context: Some("tester".to_owned()), ..ConnectOptions::default() };
    let tester = connect_with(server.kubeconfig(), options).await;
    assert!(!writer(&tester).may(&query).await.unwrap());
    let rules = writer(&admin).rules_in(&namespace).await.unwrap();
    assert!(rules["resourceRules"].as_array().is_some_and(|rules| !rules.is_empty()), "{rules}");
}

#[tokio::test]
async fn repeated_events_are_counted() {
    let namespace = Server::shared().namespace("events").await;
    let cluster = connect().await;
    let upkeep = cluster.writer(Purpose::Upkeep("event"), WriteGate::open());
    let event = |message: &str, at: i64| ObjectEvent {
        about: ObjectRef::new("kustomize.toolkit.fluxcd.io", "Kustomization", &namespace, "web"),
        api_version: "kustomize.toolkit.fluxcd.io/v1".to_owned(),
        uid: "11111111-1111-1111-1111-111111111111".to_owned(),
        resource_version: "1".to_owned(),
        type_: EventType::Warning,
        reason: "BuildFailed".to_owned(),
        message: message.to_owned(),
        annotations: BTreeMap::from([(
            "kustomize.toolkit.fluxcd.io/revision".to_owned(),
            "main@sha1:0".to_owned(),
        )]),
        controller: "kustomize-controller".to_owned(),
        at: Timestamp(1_764_000_000_000 + at),
    };
    let recorder = Mutex::new(EventRecorder::default());
    for (message, at) in [("one", 0), ("one", 1000), ("two", 1000), ("one", 3000)] {
        EventRecorder::record(&recorder, &upkeep, &event(message, at)).await.unwrap();
    }
    let events = Resource::known("", "v1", "Event", "events", true);
    let options = ListOptions { namespace, ..ListOptions::default() };
    let mut found = cluster
        .list(&events, &options, |o| {
            (o.raw["message"].clone(), o.raw["count"].clone(), o.raw["lastTimestamp"].clone())
        })
        .await
        .unwrap()
        .items;
    found.sort_by_key(|(message, ..)| message.to_string());
    assert_eq!(
        found,
        [
            (json!("one"), json!(3), json!("2025-11-24T16:00:03Z")),
            (json!("two"), json!(1), json!("2025-11-24T16:00:01Z")),
        ]
    );
}
