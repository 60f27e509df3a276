//! What the contenders are given: so many Kustomizations, each with four small objects, either from
//! one artifact per unit or from the directories of one artifact.

use crate::support::artifacts::Artifact;
use crate::support::artifacts::ArtifactServer;
use crate::support::flux;
use futures::StreamExt;
use futures::stream;
use kube::Client;
use serde_json::Value;
use serde_json::json;

/// The namespace of all sources, units and objects.
pub(crate) const NAMESPACE: &str = "bench";

/// How many requests the bench itself has under way while it prepares.
const AT_ONCE: usize = 16;

/// How units and artifacts go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Layout {
    /// Every unit has a source, and an artifact, of its own.
    Separate,
    /// One source; each unit is a directory of its artifact.
    Monorepo,
}

impl Layout {
    /// Its name in the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Separate => "one artifact per unit",
            Self::Monorepo => "monorepo",
        }
    }
}

/// The units of one run and the artifacts that they read.
pub(crate) struct Site<'a> {
    pub(crate) layout: Layout,
    pub(crate) server: &'a ArtifactServer,
    pub(crate) client: Client,
    /// The value in the ConfigMap of each unit; its length is the number of units.
    pub(crate) values: Vec<u64>,
}

/// The name of a unit, and of everything in it.
pub(crate) fn unit_name(number: usize) -> String {
    format!("unit-{number:04}")
}

/// The four objects of a unit, as the bare client writes them.
pub(crate) fn objects(number: usize, value: u64) -> [Value; 4] {
    let name = unit_name(number);
    let metadata = json!({ "name": name, "namespace": NAMESPACE });
    let labels = json!({ "app": name });
    let container = json!({ "name": "main", "image": "registry.example/main:1" });
    [
        json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata }),
        json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata,
            "data": { "value": value.to_string() },
        }),
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": metadata,
            "spec": { "selector": labels, "ports": [{ "name": "http", "port": 80 }] },
        }),
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata,
            "spec": {
                "replicas": 0,
                "selector": { "matchLabels": labels },
                "template": {
                    "metadata": { "labels": labels },
                    "spec": { "containers": [container] },
                },
            },
        }),
    ]
}

impl Site<'_> {
    /// Publishes all artifacts, then makes all sources and all units.
    pub(crate) async fn fill(&self) {
        match self.layout {
            Layout::Monorepo => self.offer(0).await,
            Layout::Separate => self.each(|number| self.offer(number)).await,
        }
        self.each(|number| self.declare(number)).await;
    }

    async fn each<F: Future<Output = ()>>(&self, act: impl Fn(usize) -> F) {
        stream::iter(0..self.values.len()).for_each_concurrent(AT_ONCE, act).await;
    }

    /// Publishes the artifact that holds this unit, as its values are now, and offers it.
    async fn offer(&self, number: usize) {
        let artifact = self.publish(number);
        self.announce(number, &artifact).await;
    }

    /// Packs the artifact that holds this unit; nobody knows of it yet.
    pub(crate) fn publish(&self, number: usize) -> Artifact {
        let held = match self.layout {
            Layout::Separate => number..number + 1,
            Layout::Monorepo => 0..self.values.len(),
        };
        let files: Vec<(String, String)> = held
            .map(|number| {
                let texts = objects(number, self.values[number]).map(|object| object.to_string());
                (format!("{}/all.yaml", unit_name(number)), texts.join("\n---\n"))
            })
            .collect();
        let files: Vec<_> = files.iter().map(|(at, text)| (at.as_str(), text.as_str())).collect();
        let revision = format!("v{}@sha256:{}", self.values[number], unit_name(number));
        self.server.publish(&self.source(number), &revision, &files)
    }

    /// Tells the cluster of a new artifact: this is the moment of the push.
    pub(crate) async fn announce(&self, number: usize, artifact: &Artifact) {
        flux::offer(&self.client, NAMESPACE, &self.source(number), artifact).await;
    }

    fn source(&self, number: usize) -> String {
        match self.layout {
            Layout::Separate => unit_name(number),
            Layout::Monorepo => "all".to_owned(),
        }
    }

    async fn declare(&self, number: usize) {
        let name = unit_name(number);
        let unit = json!({
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
            "metadata": { "name": name },
            "spec": {
                "interval": "1h", "prune": true, "wait": false, "path": format!("./{name}"),
                "sourceRef": { "kind": "OCIRepository", "name": self.source(number) },
            },
        });
        let units = flux::api(&self.client, flux::KUSTOMIZATION, NAMESPACE);
        flux::apply(&units, &name, &unit).await;
    }
}
