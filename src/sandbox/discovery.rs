//! Discovery: which groups, versions and resources there are.
//!
//! In: the kinds. Out: the documents at `/api`, `/apis`, `/apis/{group}` and
//! `/apis/{group}/{version}`, and the aggregated form of the first two.
//!
//! Pure. Facts: `apidiscovery.k8s.io/v2`.

use serde_json::Value;
use serde_json::json;

use super::kinds::Kind;
use super::kinds::Kinds;
use super::kinds::api_version;

/// Whether an `Accept` header asks for the aggregated form.
pub(crate) fn is_aggregated(accept: &str) -> bool {
    let first = accept.split(',').next().unwrap_or_default();
    first.contains("as=APIGroupDiscoveryList")
        && first.contains("v=v2")
        && !first.contains("v2beta1")
}

/// `/api`
pub(crate) fn core_versions(host: &str) -> Value {
    json!({"kind": "APIVersions", "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": host}]})
}

/// `/apis`
pub(crate) fn groups(kinds: &Kinds) -> Value {
    let groups = kinds.groups();
    let named = groups.iter().filter(|(group, _)| !group.is_empty());
    let list: Vec<Value> = named.map(|(group, versions)| group_json(group, versions)).collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": list})
}

/// `/apis/{group}`
pub(crate) fn group(kinds: &Kinds, name: &str) -> Option<Value> {
    let groups = kinds.groups();
    let versions = groups.get(name).filter(|_| !name.is_empty())?;
    let mut group = group_json(name, versions);
    group["kind"] = json!("APIGroup");
    group["apiVersion"] = json!("v1");
    Some(group)
}

fn group_json(name: &str, versions: &[String]) -> Value {
    let one =
        |version: &String| json!({"groupVersion": api_version(name, version), "version": version});
    let list: Vec<Value> = versions.iter().map(one).collect();
    json!({"name": name, "versions": list, "preferredVersion": list[0]})
}

/// `/api/v1` and `/apis/{group}/{version}`
pub(crate) fn resources(kinds: &Kinds, group: &str, version: &str) -> Option<Value> {
    let here = kinds.all().filter(|kind| kind.id.group == group && kind.version == version);
    let list: Vec<Value> = here.flat_map(|kind| resource_json(kind)).collect();
    if list.is_empty() {
        return None;
    }
    Some(json!({"kind": "APIResourceList", "apiVersion": "v1",
        "groupVersion": api_version(group, version), "resources": list}))
}

fn resource_json(kind: &Kind) -> Vec<Value> {
    let mut main = json!({"name": kind.id.resource, "singularName": kind.singular,
        "namespaced": kind.namespaced, "kind": kind.kind, "verbs": kind.verbs});
    if !kind.short_names.is_empty() {
        main["shortNames"] = json!(kind.short_names);
    }
    if !kind.categories.is_empty() {
        main["categories"] = json!(kind.categories);
    }
    let mut list = vec![main];
    for (name, sub) in &kind.subresources {
        let mut entry = json!({"name": format!("{}/{name}", kind.id.resource), "singularName": "",
            "namespaced": kind.namespaced, "kind": sub.kind, "verbs": sub.verbs});
        if sub.group != kind.id.group || sub.version != kind.version {
            entry["group"] = json!(sub.group);
            entry["version"] = json!(sub.version);
        }
        list.push(entry);
    }
    list
}

/// The aggregated form of `/api` (`core`) or `/apis`.
pub(crate) fn aggregated(kinds: &Kinds, core: bool) -> Value {
    let groups = kinds.groups();
    let here = groups.iter().filter(|(group, _)| group.is_empty() == core);
    let items: Vec<Value> = here
        .map(|(group, versions)| {
            let versions: Vec<Value> =
                versions.iter().map(|version| aggregated_version(kinds, group, version)).collect();
            let mut item = json!({"metadata": {"creationTimestamp": null}, "versions": versions});
            if !group.is_empty() {
                item["metadata"]["name"] = json!(group);
            }
            item
        })
        .collect();
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {}, "items": items})
}

fn aggregated_version(kinds: &Kinds, group: &str, version: &str) -> Value {
    let here = kinds.all().filter(|kind| kind.id.group == group && kind.version == version);
    let resources: Vec<Value> = here.map(|kind| aggregated_resource(kind)).collect();
    json!({"version": version, "resources": resources, "freshness": "Current"})
}

fn aggregated_resource(kind: &Kind) -> Value {
    let named = |group: &str, version: &str, kind: &str| json!({"group": group, "version": version, "kind": kind});
    let mut resource = json!({
        "resource": kind.id.resource,
        "responseKind": named(&kind.id.group, &kind.version, &kind.kind),
        "scope": if kind.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": kind.singular,
        "verbs": kind.verbs,
    });
    if !kind.short_names.is_empty() {
        resource["shortNames"] = json!(kind.short_names);
    }
    if !kind.categories.is_empty() {
        resource["categories"] = json!(kind.categories);
    }
    let subs: Vec<Value> = kind
        .subresources
        .iter()
        .map(|(name, sub)| {
            json!({"subresource": name, "verbs": sub.verbs,
                "responseKind": named(&sub.group, &sub.version, &sub.kind)})
        })
        .collect();
    if !subs.is_empty() {
        resource["subresources"] = json!(subs);
    }
    resource
}
