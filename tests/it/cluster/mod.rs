//! `hence::cluster` against a real API server: what the server really does, not what we think.

mod crds;
mod discovery;
mod drift;
mod fields;
mod lease;
mod list;
mod review;
mod watch;
mod write;

use crate::support::cluster::Cluster as Server;
use crate::support::cluster::trust_ring;
use hence::cluster::Cluster;
use hence::cluster::ConnectOptions;
use hence::cluster::Purpose;
use hence::cluster::Resource;
use hence::cluster::Writer;
use hence::cluster::write::WriteGate;
use serde_json::Value;
use serde_json::json;
use std::path::Path;

/// Full rights on the shared server.
async fn connect() -> Cluster {
    connect_to(Server::shared().kubeconfig()).await
}

/// Full rights on the server behind a kubeconfig.
async fn connect_to(kubeconfig: &Path) -> Cluster {
    connect_with(kubeconfig, ConnectOptions::default()).await
}

async fn connect_with(kubeconfig: &Path, options: ConnectOptions) -> Cluster {
    trust_ring();
    let options = ConnectOptions { kubeconfig: Some(kubeconfig.to_owned()), ..options };
    Cluster::connect(&options).await.expect("the harness wrote this kubeconfig")
}

/// A writer without a lease.
fn writer(cluster: &Cluster) -> Writer {
    cluster.writer(Purpose::Intent("42".to_owned()), WriteGate::open())
}

fn config_maps() -> Resource {
    Resource::known("", "v1", "ConfigMap", "configmaps", true)
}

fn secrets() -> Resource {
    Resource::known("", "v1", "Secret", "secrets", true)
}

fn deployments() -> Resource {
    Resource::known("apps", "v1", "Deployment", "deployments", true)
}

fn config_map(namespace: &str, name: &str, data: Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"namespace": namespace, "name": name}, "data": data,
    })
}

fn deployment(namespace: &str, name: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"namespace": namespace, "name": name, "labels": {"app": name}},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {
                    "securityContext": {},
                    "containers": [{
                        "name": "main", "image": "registry.example/main:1", "args": ["a", "b"],
                        "ports": [{"containerPort": 80, "protocol": "TCP"}],
                        "resources": {"limits": {"cpu": "1000m"}},
                    }],
                },
            },
        },
    })
}
