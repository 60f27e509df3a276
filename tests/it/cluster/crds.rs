//! Our custom resource definitions on a real server: they install, default and validate.

use super::connect_to;
use crate::support::cluster::Cluster as Server;
use crate::support::cluster::Options;
use crate::support::wait;
use hence::api::GitRepository;
use hence::api::Kind;
use hence::api::Kustomization;
use hence::api::Unit;
use hence::api::crd;
use hence::api::keys;
use hence::cluster::Cluster;
use hence::cluster::Purpose;
use hence::cluster::Resource;
use hence::cluster::Writer;
use hence::cluster::health;
use hence::cluster::write::ApplyOptions;
use hence::cluster::write::WriteGate;
use serde_json::Value;
use serde_json::json;

fn definitions() -> Resource {
    Resource::known(
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        false,
    )
}

fn resource(kind: &str, plural: &str, group: &str) -> Resource {
    Resource::known(group, "v1", kind, plural, true)
}

fn writer(cluster: &Cluster) -> Writer {
    cluster.writer(Purpose::Intent("1".to_owned()), WriteGate::open())
}

fn object(kind: &str, group: &str, spec: Value) -> Value {
    json!({
        "apiVersion": format!("{group}/v1"), "kind": kind,
        "metadata": {"namespace": "default", "name": "web"}, "spec": spec,
    })
}

/// A server of its own with all our definitions: others must not see these kinds come and go.
async fn installed() -> (Server, Cluster) {
    let server = Server::start(&Options::default());
    let cluster = connect_to(server.kubeconfig()).await;
    for definition in crd::all() {
        let options = ApplyOptions::default();
        let applied = writer(&cluster).apply(&definitions(), &definition.manifest, &options).await;
        let applied = applied.unwrap_or_else(|error| panic!("{}: {error}", definition.file));
        assert!(applied.created && applied.warnings.is_empty(), "{:?}", applied.warnings);
    }
    for definition in crd::all() {
        let name = definition.manifest["metadata"]["name"]
            .as_str()
            .expect("the server takes it")
            .to_owned();
        wait::until("the definition to be established", async || {
            let live = cluster
                .get(&definitions(), "", &name)
                .await
                .expect("the server takes it")
                .expect("the server takes it");
            (health::status(&live.raw).status == health::Status::Current).then_some(())
        })
        .await;
    }
    (server, cluster)
}

#[tokio::test]
async fn they_install_default_and_validate() {
    let (_server, cluster) = installed().await;
    let create = async |kind: &str, plural: &str, group: &str, spec: Value| {
        let resource = resource(kind, plural, group);
        writer(&cluster).create(&resource, "default", &object(kind, group, spec)).await
    };
    let source = keys::SOURCE_GROUP;
    let git = json!({"url": "https://git.example/web", "interval": "10m"});
    let git = create("GitRepository", "gitrepositories", source, git).await.unwrap();
    let git = GitRepository::read(&git.raw).unwrap();
    assert_eq!(git.spec.timeout.map(|timeout| timeout.to_string()).as_deref(), Some("1m0s"));
    assert_eq!(git.status.observed_generation, Some(keys::NEVER_OBSERVED));

    let unit = json!({
        "interval": "1h", "prune": true, "sourceRef": {"kind": "GitRepository", "name": "web"},
        "postBuild": {"substituteFrom": [{"kind": "Secret", "name": "vars"}]},
    });
    let unit = create(Unit::KIND, Unit::PLURAL, Unit::GROUP, unit).await.unwrap();
    assert_eq!(unit.raw["spec"]["force"], false, "a default of the schema");
    assert_eq!(unit.raw["spec"]["postBuild"]["substituteFrom"][0]["optional"], false);
    let unit = Kustomization::read(&unit.raw).unwrap();
    assert_eq!(
        unit.object().inventory_id(),
        "default_web_kustomize.toolkit.fluxcd.io_Kustomization"
    );

    #[rustfmt::skip]
    let refused: &[(&str, &str, Value, &str)] = &[
        ("GitRepository", "gitrepositories", json!({"url": "file:///x", "interval": "1m"}), "spec.url"),
        ("GitRepository", "gitrepositories", json!({"url": "https://x", "interval": "1d"}),
            "spec.interval"),
        ("GitRepository", "gitrepositories",
            json!({"url": "https://x", "interval": "1m", "serviceAccountName": "a"}),
            "serviceAccountName can only be set when provider is 'azure' or 'aws'"),
        ("Bucket", "buckets", json!({"bucketName": "b", "endpoint": "e", "interval": "1m",
            "serviceAccountName": "a"}),
            "ServiceAccountName is not supported for the 'generic' Bucket provider"),
        ("HelmChart", "helmcharts", json!({"chart": "c", "interval": "1m", "verify": {},
            "sourceRef": {"kind": "Bucket", "name": "b"}}),
            "spec.verify is only supported when spec.sourceRef.kind is 'HelmRepository'"),
    ];
    for (kind, plural, spec, want) in refused {
        let error = create(kind, plural, source, spec.clone()).await.unwrap_err();
        let status = error.status().expect("the server answers").clone();
        assert_eq!(status.code, 422, "{status:?}");
        let named = status.message.contains(want) || status.causes.iter().any(|c| c.field == *want);
        assert!(named, "{want}: {status:?}");
    }
}

#[tokio::test]
async fn statuses_are_written_and_read_back() {
    let (_server, cluster) = installed().await;
    let resource = resource(Unit::KIND, Unit::PLURAL, Unit::GROUP);
    let spec = json!({
        "interval": "1h", "prune": true, "sourceRef": {"kind": "OCIRepository", "name": "web"},
    });
    let manifest = object(Unit::KIND, Unit::GROUP, spec);
    writer(&cluster).create(&resource, "default", &manifest).await.unwrap();
    let status = json!({
        "observedGeneration": 1,
        "conditions": [{
            "type": "Ready", "status": "True", "reason": "ReconciliationSucceeded",
            "message": "Applied revision: main@sha1:0", "observedGeneration": 1,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }],
        "lastAppliedRevision": "main@sha1:0",
        "inventory": {"entries": [{"id": "default_a__ConfigMap", "v": "v1"}]},
        "history": [{
            "digest": "sha256:00", "firstReconciled": "2026-01-01T00:00:00Z",
            "lastReconciled": "2026-01-01T00:00:00Z", "lastReconciledDuration": "1.5s",
            "lastReconciledStatus": "ReconciliationSucceeded", "totalReconciliations": 1,
            "metadata": {"revision": "main@sha1:0"},
        }],
    });
    let target = ("default", "web");
    let manager = keys::STATUS_MANAGER;
    let written =
        writer(&cluster).patch_status(&resource, target, &status, None, manager).await.unwrap();
    assert_eq!(written.raw["status"], status);
    let unit = Kustomization::read(&written.raw).unwrap();
    assert_eq!(serde_json::to_value(&unit.status).unwrap(), status, "nothing is lost on the way");
    assert_eq!(health::status(&written.raw).status, health::Status::Current);
}
