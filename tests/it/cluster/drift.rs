//! Drift, as the server's managed fields tell it.

use super::connect;
use super::deployment;
use super::deployments;
use super::writer;
use crate::support::cluster::Cluster as Server;
use crate::support::wait;
use hence::cluster::Cluster;
use hence::cluster::Observed;
use hence::cluster::fields::Difference;
use hence::cluster::fields::RecordedFields;
use hence::cluster::normalise;
use hence::cluster::write::ApplyOptions;
use hence::cluster::write::PatchKind;
use hence::model::DigestKey;
use serde_json::Value;
use serde_json::json;

struct Scene {
    cluster: Cluster,
    namespace: String,
    record: RecordedFields,
}

fn key() -> DigestKey {
    DigestKey::new([3; 32])
}

/// A Deployment that we applied and recorded.
async fn applied(purpose: &str) -> Scene {
    let namespace = Server::shared().namespace(purpose).await;
    let cluster = connect().await;
    let manifest = deployment(&namespace, "web");
    let options = ApplyOptions::default();
    let live = writer(&cluster)
        .apply(&deployments(), &manifest, &options)
        .await
        .expect("the server takes it")
        .object;
    let record = RecordedFields::of(&live.raw, &key());
    assert!(record.len() > 8, "{}", record.to_text());
    Scene { cluster, namespace, record }
}

impl Scene {
    async fn live(&self) -> Observed {
        self.cluster
            .get(&deployments(), &self.namespace, "web")
            .await
            .expect("the server takes it")
            .expect("the server takes it")
    }

    async fn patch(&self, manager: &str, patch: Value) {
        let target = (self.namespace.as_str(), "web", "");
        writer(&self.cluster)
            .patch(&deployments(), target, PatchKind::Merge, &patch, manager)
            .await
            .expect("the server takes it");
    }

    async fn drift(&self) -> Vec<Difference> {
        self.record.compare(&self.live().await.raw, &key())
    }

    async fn paths(&self) -> Vec<String> {
        let text = |d: Difference| format!("{} by {}", d.path, d.manager);
        self.drift().await.into_iter().map(text).collect()
    }

    /// What Flux would see: a dry-run against the live object.
    async fn dry_run(&self) -> Vec<String> {
        // The deployment controller writes too; a comparison in the middle of that says little.
        let live = wait::until("the deployment controller to have seen it", async || {
            let live = self.live().await.raw;
            let seen = live["status"]["observedGeneration"] == live["metadata"]["generation"];
            seen.then_some(live)
        })
        .await;
        let manifest = deployment(&self.namespace, "web");
        let options = ApplyOptions { dry_run: true, ..ApplyOptions::default() };
        let would = writer(&self.cluster)
            .apply(&deployments(), &manifest, &options)
            .await
            .expect("the server takes it");
        normalise::drifted(&live, &would.object.raw)
    }
}

#[tokio::test]
async fn nothing_drifts_by_itself() {
    let scene = applied("still").await;
    assert!(scene.drift().await.is_empty());
    assert!(scene.dry_run().await.is_empty());
    // What the controllers write is not ours.
    scene.patch("somebody", json!({"metadata": {"annotations": {"note": "x"}}})).await;
    assert!(scene.drift().await.is_empty());
}

#[tokio::test]
async fn an_edit_names_its_manager() {
    let scene = applied("edited").await;
    scene.patch("kubectl-edit", json!({"spec": {"replicas": 5}})).await;
    let found = scene.drift().await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (found[0].path.as_str(), found[0].manager.as_str()),
        ("spec.replicas", "kubectl-edit")
    );
    assert!(found[0].at.is_some() && !found[0].missing);
    assert_eq!(scene.dry_run().await, ["spec.replicas"]);
}

#[tokio::test]
async fn a_list_that_is_replaced_whole_names_the_item() {
    let scene = applied("replaced").await;
    let containers = json!([{"name": "main", "image": "registry.example/evil:1"}]);
    scene
        .patch("somebody", json!({"spec": {"template": {"spec": {"containers": containers}}}}))
        .await;
    let item = r#"spec.template.spec.containers[name="main"]"#;
    let mut found = scene.paths().await;
    found.sort();
    assert_eq!(
        found,
        [
            format!("{item}.args by somebody"),
            format!("{item}.image by somebody"),
            format!(r#"{item}.ports[containerPort=80,protocol="TCP"] by somebody"#),
            format!("{item}.resources.limits.cpu by somebody"),
        ]
    );
    assert!(!scene.dry_run().await.is_empty());
}

#[tokio::test]
async fn a_removed_label_is_seen() {
    let scene = applied("label").await;
    scene.patch("somebody", json!({"metadata": {"labels": {"app": null}}})).await;
    let found = scene.drift().await;
    assert_eq!(found[0].path, "metadata.labels.app");
    assert!(found[0].missing);
    assert_eq!(scene.dry_run().await, ["metadata.labels"]);
}

#[tokio::test]
async fn a_change_that_was_undone_is_no_drift() {
    let scene = applied("undone").await;
    scene.patch("kubectl-edit", json!({"spec": {"replicas": 5}})).await;
    scene.patch("kubectl-edit", json!({"spec": {"replicas": 0}})).await;
    assert!(scene.drift().await.is_empty());
    assert!(scene.dry_run().await.is_empty(), "Flux sees none either");
}

#[tokio::test]
async fn others_may_fill_a_map_that_we_left_empty() {
    let scene = applied("filled").await;
    let patch = json!({"spec": {"template": {"spec": {"securityContext": {"runAsUser": 1000}}}}});
    scene.patch("somebody", patch).await;
    assert!(scene.dry_run().await.is_empty(), "an apply would not take it away");
    assert!(scene.drift().await.is_empty());
}

#[tokio::test]
async fn the_scale_subresource_names_its_manager() {
    let scene = applied("scaled").await;
    let target = (scene.namespace.as_str(), "web", "scale");
    let scale = hence::cluster::Resource::known("apps", "v1", "Scale", "deployments", true);
    writer(&scene.cluster)
        .patch(&scale, target, PatchKind::Merge, &json!({"spec": {"replicas": 2}}), "autoscaler")
        .await
        .unwrap();
    assert_eq!(scene.paths().await, ["spec.replicas by autoscaler"]);
}

#[tokio::test]
async fn another_applier_that_agrees_takes_nothing() {
    let scene = applied("agreed").await;
    let options = ApplyOptions { manager: "somebody".to_owned(), ..ApplyOptions::default() };
    let manifest = deployment(&scene.namespace, "web");
    writer(&scene.cluster).apply(&deployments(), &manifest, &options).await.unwrap();
    assert!(scene.drift().await.is_empty());
    let mut theirs = manifest;
    theirs["spec"]["replicas"] = 4.into();
    writer(&scene.cluster).apply(&deployments(), &theirs, &options).await.unwrap();
    assert_eq!(scene.paths().await, ["spec.replicas by somebody"]);
}

#[tokio::test]
async fn a_correction_leaves_no_drift() {
    let scene = applied("corrected").await;
    scene.patch("kubectl-edit", json!({"spec": {"replicas": 5}})).await;
    let manifest = deployment(&scene.namespace, "web");
    let options = ApplyOptions::default();
    let live =
        writer(&scene.cluster).apply(&deployments(), &manifest, &options).await.unwrap().object;
    let record = RecordedFields::of(&live.raw, &key());
    assert!(record.compare(&scene.live().await.raw, &key()).is_empty());
    assert!(scene.drift().await.is_empty(), "the values are the recorded ones again");
    // A state from before the correction, heard late, is no drift.
    let mut late = scene.live().await.raw;
    late["spec"]["replicas"] = 5.into();
    let version: u64 = live.resource_version.parse().expect("versions of API servers are numbers");
    late["metadata"]["resourceVersion"] = (version - 1).to_string().into();
    assert!(record.compare(&late, &key()).is_empty());
}

#[tokio::test]
async fn seen_in_another_version() {
    let namespace = Server::shared().namespace("version").await;
    let cluster = connect().await;
    let scaler = |version: &str| {
        hence::cluster::Resource::known(
            "autoscaling",
            version,
            "HorizontalPodAutoscaler",
            "horizontalpodautoscalers",
            true,
        )
    };
    let manifest = json!({
        "apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler",
        "metadata": {"namespace": namespace, "name": "web"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "minReplicas": 1, "maxReplicas": 3, "targetCPUUtilizationPercentage": 50,
        },
    });
    let options = ApplyOptions::default();
    let live = writer(&cluster).apply(&scaler("v1"), &manifest, &options).await.unwrap().object;
    let record = RecordedFields::of(&live.raw, &key());
    let other = cluster.get(&scaler("v2"), &namespace, "web").await.unwrap().unwrap();
    assert_eq!(other.raw["apiVersion"], "autoscaling/v2");
    assert!(record.compare(&other.raw, &key()).is_empty());
    let patch = json!({"spec": {"maxReplicas": 9}});
    let target = (namespace.as_str(), "web", "");
    writer(&cluster)
        .patch(&scaler("v1"), target, PatchKind::Merge, &patch, "somebody")
        .await
        .unwrap();
    let other = cluster.get(&scaler("v2"), &namespace, "web").await.unwrap().unwrap();
    let found = record.compare(&other.raw, &key());
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (found[0].path.as_str(), found[0].manager.as_str()),
        ("spec.maxReplicas", "somebody")
    );
}
