//! What a watcher sees: when every unit is ready, when a value has arrived, what is there at last.

use crate::layout::NAMESPACE;
use crate::support::flux;
use futures::StreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;
use kube::Client;
use kube::Resource;
use kube::api::ListParams;
use kube::api::WatchEvent;
use kube::api::WatchParams;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::json;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt::Debug;

/// Seconds after which the server ends a watch, the longest that the client library allows.
const WATCH_SECONDS: u32 = 290;

/// Waits until so many units have applied a revision, and says which.
pub(crate) async fn ready(client: &Client, wanted: usize) -> BTreeSet<String> {
    let units = flux::api(client, flux::KUSTOMIZATION, NAMESPACE);
    let mut ready = BTreeSet::new();
    while ready.len() < wanted {
        each_change(&units, |unit| {
            if flux::is_true(&unit, "Ready") {
                ready.insert(unit.metadata.name.unwrap_or_default());
            }
            ready.len() == wanted
        })
        .await;
    }
    ready
}

/// Waits until the ConfigMap of this name holds this value.
pub(crate) async fn value_arrived(client: &Client, name: &str, value: u64) {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), NAMESPACE);
    let want = value.to_string();
    let mut arrived = false;
    while !arrived {
        each_change(&maps, |map| {
            let here = map.metadata.name.as_deref() == Some(name);
            arrived = here && map.data.as_ref().and_then(|data| data.get("value")) == Some(&want);
            arrived
        })
        .await;
    }
}

/// Shows every object, and then every change, until `enough` says so or the watch ends.
async fn each_change<K>(objects: &Api<K>, mut enough: impl FnMut(K) -> bool)
where
    K: Resource + Clone + DeserializeOwned + Debug,
{
    let params = WatchParams::default().timeout(WATCH_SECONDS);
    let Ok(changes) = objects.watch(&params, "0").await else { return };
    let mut changes = changes.boxed();
    while let Some(Ok(change)) = changes.next().await {
        let (WatchEvent::Added(object) | WatchEvent::Modified(object)) = change else { continue };
        if enough(object) {
            return;
        }
    }
}

/// What these units made, by kind and name, without what two servers never have in common.
pub(crate) async fn made(client: &Client, units: &BTreeSet<String>) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    take::<ServiceAccount>(client, units, &mut found).await;
    take::<ConfigMap>(client, units, &mut found).await;
    take::<Service>(client, units, &mut found).await;
    take::<Deployment>(client, units, &mut found).await;
    found
}

async fn take<K>(client: &Client, units: &BTreeSet<String>, found: &mut BTreeMap<String, Value>)
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + Serialize
        + Debug,
{
    let objects: Api<K> = Api::namespaced(client.clone(), NAMESPACE);
    let list = objects.list(&ListParams::default()).await.expect("a running server lists");
    for object in list.items {
        let name = object.meta().name.clone().unwrap_or_default();
        if units.contains(&name) {
            let shown = serde_json::to_value(&object).expect("an object that was read is JSON");
            found.insert(format!("{}/{name}", K::kind(&())), declared(shown));
        }
    }
}

fn declared(mut object: Value) -> Value {
    let metadata = &object["metadata"];
    object["metadata"] = json!({
        "labels": metadata["labels"].clone(), "annotations": metadata["annotations"].clone(),
    });
    object["status"] = Value::Null;
    if let Some(spec) = object["spec"].as_object_mut() {
        spec.retain(|key, _| !["clusterIP", "clusterIPs"].contains(&key.as_str()));
    }
    object
}
