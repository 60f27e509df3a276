use serde_json::json;

use super::*;

fn aggregated() -> Kinds {
    let version = |name: &str, freshness: &str, kinds: &[(&str, &str)]| {
        let resource = |(kind, plural): &(&str, &str)| {
            json!({
                "resource": plural, "responseKind": {"group": "", "version": "", "kind": kind},
                "scope": "Namespaced", "singularResource": kind.to_lowercase(),
                "verbs": ["get", "list", "watch"], "shortNames": ["sn"],
                "subresources": [{"subresource": "status"}],
            })
        };
        json!({
            "version": name, "freshness": freshness,
            "resources": kinds.iter().map(resource).collect::<Vec<_>>(),
        })
    };
    let document = json!({"kind": "APIGroupDiscoveryList", "items": [
        {"metadata": {"name": "shop.example"}, "versions": [
            version("v2", "Current", &[("Order", "orders")]),
            version("v1", "Current", &[("Order", "orders"), ("Cart", "carts")]),
        ]},
        {"metadata": {"name": "metrics.k8s.io"}, "versions": [version("v1beta1", "Stale", &[])]},
    ]});
    let mut kinds = Kinds::default();
    read_aggregated(&document, &mut kinds);
    kinds
}

fn kind(group: &str, kind: &str) -> GroupKind {
    GroupKind { group: group.to_owned(), kind: kind.to_owned() }
}

#[test]
fn the_first_version_is_preferred() {
    let kinds = aggregated();
    let Known::Served(order) = kinds.find(&kind("shop.example", "Order")) else {
        panic!("Order is served");
    };
    assert_eq!(order.api_version(), "shop.example/v2");
    assert_eq!(order.object_path("a", "b"), "/apis/shop.example/v2/namespaces/a/orders/b");
    assert!(matches!(
        kinds.find_version("shop.example/v1", "Order"),
        Known::Served(found) if found.version == "v1"
    ));
    let Known::Served(cart) = kinds.find(&kind("shop.example", "Cart")) else {
        panic!("Cart is served in the older version only");
    };
    assert_eq!(cart.version, "v1");
}

#[test]
fn unknown_is_not_absent() {
    let kinds = aggregated();
    assert_eq!(kinds.find(&kind("shop.example", "Till")), Known::Absent);
    assert_eq!(kinds.find_version("shop.example/v2", "Cart"), Known::Absent);
    assert!(matches!(kinds.find(&kind("metrics.k8s.io", "PodMetrics")), Known::Unknown(_)));
    assert!(matches!(
        kinds.find_version("metrics.k8s.io/v1beta1", "PodMetrics"),
        Known::Unknown(failed) if failed.version == "v1beta1"
    ));
}

#[test]
fn a_group_that_failed_keeps_what_was_known() {
    let failed = |version: &str| FailedGroup {
        group: "shop.example".to_owned(),
        version: version.to_owned(),
        reason: "no answer".to_owned(),
    };
    let known = Kinds::new([], vec![failed("v2")]).or_before(&aggregated());
    assert!(matches!(known.find_version("shop.example/v2", "Order"), Known::Served(_)));
    assert_eq!(known.find_version("shop.example/v1", "Cart"), Known::Absent, "v1 answered");
    let all = Kinds::new([], vec![failed("")]).or_before(&aggregated());
    assert!(matches!(all.find(&kind("shop.example", "Cart")), Known::Served(_)));
    assert_eq!(all.all().count(), 3);
    let whole = Kinds::default().or_before(&aggregated());
    assert_eq!(whole.all().count(), 0, "all groups answered");
}

#[test]
fn users_may_name_kinds_in_many_ways() {
    let kinds = aggregated();
    for word in ["order", "Orders", "ORDER", "orders.shop.example"] {
        assert_eq!(kinds.named(word).len(), 1, "{word}");
    }
    assert_eq!(kinds.named("sn").len(), 2);
    assert!(kinds.named("orders.other").is_empty());
}

#[test]
fn the_old_form_gives_the_same() {
    let document = json!({"kind": "APIResourceList", "resources": [
        {"name": "pods", "singularName": "pod", "namespaced": true, "kind": "Pod",
            "verbs": ["get"], "shortNames": ["po"]},
        {"name": "pods/status", "singularName": "", "namespaced": true, "kind": "Pod",
            "verbs": ["get"]},
        {"name": "nodes", "singularName": "node", "namespaced": false, "kind": "Node",
            "verbs": ["get"]},
    ]});
    let mut kinds = Kinds::default();
    read_resource_list("", "v1", &document, &mut kinds);
    let Known::Served(pod) = kinds.find_version("v1", "Pod") else { panic!("Pod is served") };
    assert_eq!(pod.subresources, ["status"]);
    assert_eq!(pod.collection_path(""), "/api/v1/pods");
    let Known::Served(node) = kinds.find(&kind("", "Node")) else { panic!("Node is served") };
    assert_eq!(node.object_path("ignored", "n1"), "/api/v1/nodes/n1");
}
