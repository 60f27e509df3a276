//! Watches, garbage collection and paging, on the sandbox and on a real API server alike.

use super::Running;
use crate::support::cluster::Cluster;
use crate::support::wait;
use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::Client;
use kube::ResourceExt;
use kube::api::DeleteParams;
use kube::api::ListParams;
use kube::api::Patch;
use kube::api::PatchParams;
use kube::api::PostParams;
use kube::api::WatchEvent;
use kube::api::WatchParams;
use serde_json::Value;
use serde_json::json;
use std::time::Duration;

/// Runs a test on both servers.
macro_rules! on_both {
    ($name:ident, $body:path) => {
        mod $name {
            #[tokio::test]
            async fn sandbox() {
                let running = super::Running::start().await;
                let client = running.client().await;
                super::create_namespace(&client, stringify!($name)).await;
                $body(client, stringify!($name).replace('_', "-")).await;
            }

            #[tokio::test]
            async fn real() {
                let cluster = super::Cluster::shared();
                let namespace = cluster.namespace("watches").await;
                $body(cluster.client().await, namespace).await;
            }
        }
    };
}

async fn create_namespace(client: &Client, name: &str) {
    let mut namespace = Namespace::default();
    namespace.metadata.name = Some(name.replace('_', "-"));
    Api::all(client.clone())
        .create(&PostParams::default(), &namespace)
        .await
        .expect("the server does as it is asked");
}

fn map(name: &str, label: &str) -> ConfigMap {
    let object = json!({"metadata": {"name": name, "labels": {"l": label}}});
    serde_json::from_value(object).expect("the server does as it is asked")
}

async fn relabel(api: &Api<ConfigMap>, name: &str, label: &str) {
    let patch = Patch::Merge(json!({"metadata": {"labels": {"l": label}}}));
    api.patch(name, &PatchParams::default(), &patch).await.expect("the server does as it is asked");
}

async fn a_selector_turns_changes_into_additions_and_deletions(client: Client, namespace: String) {
    let api: Api<ConfigMap> = Api::namespaced(client, &namespace);
    let post = PostParams::default();
    api.create(&post, &map("a", "in")).await.expect("the server does as it is asked");
    let from = api
        .list(&ListParams::default())
        .await
        .expect("the server does as it is asked")
        .metadata
        .resource_version
        .expect("the server does as it is asked");
    let params = WatchParams::default().labels("l=in");
    let mut events =
        api.watch(&params, &from).await.expect("the server does as it is asked").boxed();
    relabel(&api, "a", "out").await;
    relabel(&api, "a", "in").await;
    api.create(&post, &map("b", "out")).await.expect("the server does as it is asked");
    api.create(&post, &map("c", "in")).await.expect("the server does as it is asked");
    api.delete("c", &DeleteParams::default()).await.expect("the server does as it is asked");
    let mut told = Vec::new();
    while told.len() < 4 {
        let event = tokio::time::timeout(wait::LONGEST, events.next())
            .await
            .expect("the server does as it is asked");
        match event.expect("the watch goes on").expect("the server does as it is asked") {
            WatchEvent::Added(map) => told.push(format!("added {}", map.name_any())),
            WatchEvent::Modified(map) => told.push(format!("modified {}", map.name_any())),
            WatchEvent::Deleted(map) => told.push(format!("deleted {}", map.name_any())),
            WatchEvent::Bookmark(_) => {}
            WatchEvent::Error(error) => panic!("{error:?}"),
        }
    }
    assert_eq!(told, ["deleted a", "added a", "added c", "deleted c"]);
}
on_both!(selected, super::a_selector_turns_changes_into_additions_and_deletions);

async fn the_first_events_end_with_a_bookmark(client: Client, namespace: String) {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), &namespace);
    api.create(&PostParams::default(), &map("first-event", "x"))
        .await
        .expect("the server does as it is asked");
    let uri = format!(
        "/api/v1/namespaces/{namespace}/configmaps?watch=1&sendInitialEvents=true\
         &resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&labelSelector=l%3Dx\
         &timeoutSeconds=2"
    );
    let request = http::Request::get(uri).body(Vec::new()).expect("the server does as it is asked");
    let events =
        client.request_events::<Value>(request).await.expect("the server does as it is asked");
    let seen: Vec<_> = events.take(2).collect().await;
    let [Ok(WatchEvent::Added(_)), Ok(WatchEvent::Bookmark(mark))] = seen.as_slice() else {
        panic!("{seen:?}");
    };
    assert_eq!(mark.metadata.annotations["k8s.io/initial-events-end"], "true");
}
on_both!(initial, super::the_first_events_end_with_a_bookmark);

async fn pages_show_every_object_once(client: Client, namespace: String) {
    let api: Api<ConfigMap> = Api::namespaced(client, &namespace);
    for number in 0..7 {
        api.create(&PostParams::default(), &map(&format!("page-{number}"), "p"))
            .await
            .expect("the server does as it is asked");
    }
    let mut params = ListParams::default().labels("l=p").limit(3);
    let mut names = Vec::new();
    loop {
        let page = api.list(&params).await.expect("the server does as it is asked");
        names.extend(page.items.iter().map(ResourceExt::name_any));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => break,
        }
    }
    let want: Vec<String> = (0..7).map(|number| format!("page-{number}")).collect();
    assert_eq!(names, want);
}
on_both!(paged, super::pages_show_every_object_once);

async fn dependents_go_with_their_owner_or_stay(client: Client, namespace: String) {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &namespace);
    let maps: Api<ConfigMap> = Api::namespaced(client, &namespace);
    for (name, params, stays) in [
        ("background", DeleteParams::background(), false),
        ("foreground", DeleteParams::foreground(), false),
        ("orphan", DeleteParams::orphan(), true),
    ] {
        let owner = serde_json::from_value(json!({"metadata": {"name": name}}))
            .expect("the server does as it is asked");
        let owner: Secret = secrets
            .create(&PostParams::default(), &owner)
            .await
            .expect("the server does as it is asked");
        let mut dependent = map(name, "d");
        dependent.metadata.owner_references = serde_json::from_value(json!([{
            "apiVersion": "v1", "kind": "Secret", "name": name, "uid": owner.metadata.uid,
            "blockOwnerDeletion": true}]))
        .expect("the server does as it is asked");
        maps.create(&PostParams::default(), &dependent)
            .await
            .expect("the server does as it is asked");
        secrets.delete(name, &params).await.expect("the server does as it is asked");
        wait::until(&format!("the owner of {name} to go"), || async {
            secrets
                .get_opt(name)
                .await
                .expect("the server does as it is asked")
                .is_none()
                .then_some(())
        })
        .await;
        wait::until(&format!("the dependent of {name} to go, or to be free"), || async {
            let found = maps.get_opt(name).await.expect("the server does as it is asked");
            match found {
                Some(map) if stays => map.metadata.owner_references.is_none().then_some(()),
                found => (found.is_none() && !stays).then_some(()),
            }
        })
        .await;
    }
}
on_both!(collected, super::dependents_go_with_their_owner_or_stay);

async fn a_namespace_takes_its_objects_along(client: Client, namespace: String) {
    let name = format!("{namespace}-inner");
    create_namespace(&client, &name).await;
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), &name);
    maps.create(&PostParams::default(), &map("inside", "x"))
        .await
        .expect("the server does as it is asked");
    let namespaces: Api<Namespace> = Api::all(client);
    namespaces
        .delete(&name, &DeleteParams::default())
        .await
        .expect("the server does as it is asked");
    wait::until("the namespace to go", || async {
        namespaces
            .get_opt(&name)
            .await
            .expect("the server does as it is asked")
            .is_none()
            .then_some(())
    })
    .await;
    assert!(maps.get_opt("inside").await.expect("the server does as it is asked").is_none());
}
on_both!(emptied, super::a_namespace_takes_its_objects_along);

/// On the sandbox only: a test cannot compact the real server's store at will.
#[tokio::test]
async fn a_watch_behind_a_compaction_is_gone() {
    let running = Running::start().await;
    let client = running.client().await;
    let api: Api<ConfigMap> = Api::namespaced(client, "default");
    api.create(&PostParams::default(), &map("a", "x"))
        .await
        .expect("the server does as it is asked");
    running.sandbox.compact();
    let mut events = api
        .watch(&WatchParams::default(), "1")
        .await
        .expect("the server does as it is asked")
        .boxed();
    match events.next().await.expect("the watch goes on").expect("the server does as it is asked") {
        WatchEvent::Error(status) => {
            assert_eq!((status.code, status.reason.as_str()), (410, "Expired"))
        }
        event => panic!("{event:?}"),
    }
}

/// On the sandbox only: the real server takes long to end.
#[tokio::test]
async fn a_shutdown_ends_every_watch() {
    let running = Running::start().await;
    let api: Api<ConfigMap> = Api::namespaced(running.client().await, "default");
    let mut events = api
        .watch(&WatchParams::default(), "0")
        .await
        .expect("the server does as it is asked")
        .boxed();
    let ended = tokio::spawn(async move { while events.next().await.is_some() {} });
    tokio::time::timeout(Duration::from_secs(30), running.sandbox.shutdown())
        .await
        .expect("the server does as it is asked");
    tokio::time::timeout(Duration::from_secs(30), ended)
        .await
        .expect("it ends in time")
        .expect("it ends well");
}
