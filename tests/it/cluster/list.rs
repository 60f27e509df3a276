//! Lists: whole, or an error.

use super::config_map;
use super::config_maps;
use super::connect_to;
use super::writer;
use crate::support::cluster::Cluster as Server;
use crate::support::proxy::Fault;
use crate::support::proxy::FaultProxy;
use crate::support::proxy::Seen;
use hence::cluster::ClusterError;
use hence::cluster::read::ListOptions;
use hence::cluster::write::ApplyOptions;
use serde_json::json;

const OBJECTS: usize = 7;

/// Seven objects, a proxy before the server, and options that make four pages of them.
async fn seven(purpose: &str) -> (FaultProxy, hence::cluster::Cluster, ListOptions) {
    let server = Server::shared();
    let namespace = server.namespace(purpose).await;
    let proxy = FaultProxy::before(server);
    let cluster = connect_to(&proxy.kubeconfig()).await;
    for i in 0..OBJECTS {
        let mut manifest = config_map(&namespace, &format!("m{i}"), json!({}));
        manifest["metadata"]["labels"] = json!({"odd": (i % 2 == 1).to_string()});
        let options = ApplyOptions::default();
        writer(&cluster)
            .apply(&config_maps(), &manifest, &options)
            .await
            .expect("the server takes it");
    }
    let options = ListOptions { namespace, page_items: 2, ..ListOptions::default() };
    (proxy, cluster, options)
}

#[tokio::test]
async fn all_pages_make_one_list() {
    let (proxy, cluster, options) = seven("pages").await;
    let listed = cluster.list(&config_maps(), &options, |o| o.object.name).await.unwrap();
    let names: Vec<String> = (0..OBJECTS).map(|i| format!("m{i}")).collect();
    assert_eq!(listed.items, names);
    assert!(!listed.resource_version.is_empty());
    assert_eq!(proxy.seen().iter().filter(|seen| seen.is_later_page("configmaps")).count(), 3);

    let odd = ListOptions { labels: "odd=true".to_owned(), ..options.clone() };
    let listed = cluster.list(&config_maps(), &odd, |o| o.object.name).await.unwrap();
    assert_eq!(listed.items, ["m1", "m3", "m5"]);
    let one = ListOptions { fields: "metadata.name=m4".to_owned(), ..options };
    let listed = cluster.list(&config_maps(), &one, |o| o.raw["kind"].clone()).await.unwrap();
    assert_eq!(listed.items, ["ConfigMap"], "lists leave the kind out; it is added");
}

#[tokio::test]
async fn a_list_with_a_broken_page_is_no_list() {
    let (proxy, cluster, options) = seven("broken").await;
    let later = |seen: &Seen| seen.is_later_page("configmaps");
    let cases: [(&str, Fault, &str); 4] = [
        ("forbidden", Fault::Refuse { code: 403, reason: "Forbidden" }, "incomplete"),
        ("expired", Fault::Refuse { code: 410, reason: "Expired" }, "expired"),
        ("cut", Fault::CutAfter(100), "incomplete"),
        ("broken off", Fault::Break, "incomplete"),
    ];
    for (n, (why, fault, want)) in cases.into_iter().enumerate() {
        proxy.times(1, later, fault);
        let error = cluster.list(&config_maps(), &options, drop).await.unwrap_err();
        let found = match error {
            ClusterError::Incomplete { .. } => "incomplete",
            ClusterError::Expired { .. } => "expired",
            _ => "other",
        };
        assert_eq!(found, want, "{why}: {error}");
        assert_eq!(proxy.harmed(), n + 1, "{why}");
    }
    let whole = cluster.list(&config_maps(), &options, drop).await.unwrap();
    assert_eq!(whole.items.len(), OBJECTS, "and then it is whole again");
}

#[tokio::test]
async fn pages_of_two_versions_are_no_list() {
    let (proxy, cluster, options) = seven("versions").await;
    let page = json!({"metadata": {"resourceVersion": "1"}, "items": []}).to_string();
    proxy.times(1, |seen| seen.is_later_page("configmaps"), Fault::Answer(page));
    let error = cluster.list(&config_maps(), &options, drop).await.unwrap_err();
    assert!(matches!(error, ClusterError::Incomplete { .. }), "{error}");
    assert_eq!(proxy.harmed(), 1);
}

#[tokio::test]
async fn a_first_page_that_fails_keeps_its_reason() {
    let (proxy, cluster, options) = seven("first").await;
    let fault = Fault::Refuse { code: 403, reason: "Forbidden" };
    proxy.times(1, |seen| seen.is_list("configmaps"), fault);
    let error = cluster.list(&config_maps(), &options, drop).await.unwrap_err();
    assert!(error.is_forbidden(), "{error}");
    proxy.times(1, |seen| seen.is_list("configmaps"), Fault::Answer("{\"metadata\":{".to_owned()));
    let error = cluster.list(&config_maps(), &options, drop).await.unwrap_err();
    assert!(matches!(error, ClusterError::Unreadable { .. }), "{error}");
    assert_eq!(proxy.harmed(), 2);
}
