//! Discovery: which kinds there are, and which nobody knows.

use super::connect;
use super::connect_to;
use crate::support::cluster::Cluster as Server;
use crate::support::cluster::Options;
use crate::support::proxy::Fault;
use crate::support::proxy::FaultProxy;
use crate::support::wait;
use hence::cluster::Purpose;
use hence::cluster::Resource;
use hence::cluster::discovery::Known;
use hence::cluster::write::WriteGate;
use hence::model::GroupKind;
use serde_json::json;

fn kind(group: &str, kind: &str) -> GroupKind {
    GroupKind { group: group.to_owned(), kind: kind.to_owned() }
}

#[tokio::test]
async fn built_in_kinds_are_served() {
    let cluster = connect().await;
    let kinds = cluster.discover().await.unwrap();
    assert!(kinds.failed().is_empty(), "{:?}", kinds.failed());
    #[rustfmt::skip]
    let cases: &[(&str, &str, &str, bool)] = &[
        ("v1", "ConfigMap", "configmaps", true),
        ("v1", "Namespace", "namespaces", false),
        ("apps/v1", "Deployment", "deployments", true),
        ("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", true),
        ("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", false),
    ];
    for &(version, kind, plural, namespaced) in cases {
        let Known::Served(found) = kinds.find_version(version, kind) else {
            panic!("{kind} is served");
        };
        assert_eq!((found.plural.as_str(), found.namespaced), (plural, namespaced), "{kind}");
        assert!(found.allows("watch") && found.allows("patch"), "{found:?}");
    }
    assert_eq!(kinds.find(&kind("shop.example", "Till")), Known::Absent);
    assert_eq!(kinds.named("deploy")[0].kind, "Deployment");
    assert!(cluster.server_version().await.unwrap().starts_with("v1."));
}

#[tokio::test]
async fn both_forms_of_discovery_agree() {
    let cluster = connect().await;
    let mut new = cluster.discover().await.unwrap().all().cloned().collect::<Vec<_>>();
    let proxy = FaultProxy::before(Server::shared());
    // The documents of a server that knows no aggregated discovery.
    let groups = {
        let client = Server::shared().client().await;
        serde_json::to_string(&client.list_api_groups().await.unwrap()).unwrap()
    };
    let groups = groups.replacen('{', r#"{"kind":"APIGroupList","#, 1);
    let core = json!({"kind": "APIVersions", "versions": ["v1"]}).to_string();
    proxy.times(1, |seen| seen.path == "/api", Fault::Answer(core));
    proxy.times(1, |seen| seen.path == "/apis", Fault::Answer(groups));
    let old = connect_to(&proxy.kubeconfig()).await.discover().await.unwrap();
    assert_eq!(proxy.harmed(), 2);
    let mut old = old.all().cloned().collect::<Vec<_>>();
    for resource in new.iter_mut().chain(&mut old) {
        resource.subresources.sort();
        resource.verbs.sort();
    }
    // Tests beside this one add and remove kinds of their own.
    let built_in = |resource: &Resource| !resource.group.contains("example");
    new.retain(built_in);
    old.retain(built_in);
    assert_eq!(new, old);
}

#[tokio::test]
async fn a_group_whose_documents_fail_is_unknown() {
    let proxy = FaultProxy::before(Server::shared());
    let cluster = connect_to(&proxy.kubeconfig()).await;
    let groups = json!({"kind": "APIGroupList", "groups": [{
        "name": "apps", "versions": [{"version": "v1"}], "preferredVersion": {"version": "v1"},
    }]});
    let core = json!({"kind": "APIVersions", "versions": ["v1"]}).to_string();
    proxy.times(1, |seen| seen.path == "/api", Fault::Answer(core));
    proxy.times(1, |seen| seen.path == "/apis", Fault::Answer(groups.to_string()));
    let fault = Fault::Refuse { code: 503, reason: "ServiceUnavailable" };
    proxy.times(1, |seen| seen.path == "/apis/apps/v1", fault);
    let kinds = cluster.discover().await.unwrap();
    assert_eq!(proxy.harmed(), 3);
    assert!(matches!(kinds.find(&kind("apps", "Deployment")), Known::Unknown(_)));
    assert!(matches!(kinds.find(&kind("", "ConfigMap")), Known::Served(_)));
    assert_eq!(kinds.find(&kind("shop.example", "Till")), Known::Absent);
}

#[tokio::test]
async fn a_server_behind_a_group_that_does_not_answer_makes_it_unknown() {
    // A private server: a broken group would trouble the other tests.
    let server = Server::start(&Options::default());
    let cluster = connect_to(server.kubeconfig()).await;
    let services =
        Resource::known("apiregistration.k8s.io", "v1", "APIService", "apiservices", false);
    let object = json!({
        "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
        "metadata": {"name": "v1.broken.example"},
        "spec": {
            "group": "broken.example", "version": "v1", "insecureSkipTLSVerify": true,
            "groupPriorityMinimum": 100, "versionPriority": 100,
            "service": {"name": "none", "namespace": "default", "port": 443},
        },
    });
    cluster
        .writer(Purpose::Upkeep("test"), WriteGate::open())
        .create(&services, "", &object)
        .await
        .unwrap();
    wait::until("the group to be known as broken", async || {
        let kinds = cluster.discover().await.unwrap();
        matches!(kinds.find(&kind("broken.example", "Any")), Known::Unknown(_)).then_some(())
    })
    .await;
    let kinds = cluster.discover().await.unwrap();
    assert!(matches!(kinds.find(&kind("apps", "Deployment")), Known::Served(_)));
}
