//! Flux, the peer: upstream's custom resource definitions, source objects filled by a test, and
//! kustomize-controller itself.
//!
//! The definitions come from upstream's own modules (`tests/peers/flux-crds`), never from this
//! repository. source-controller cannot be built here, so a test plays its part: it writes
//! `status.artifact` by hand ([`offer`]).

use crate::support::artifacts::Artifact;
use crate::support::cluster::Cluster;
use crate::support::tools;
use crate::support::wait;
use crate::support::watched::Watched;
use kube::Api;
use kube::Client;
use kube::api::ApiResource;
use kube::api::DynamicObject;
use kube::api::Patch;
use kube::api::PatchParams;
use kube::core::GroupVersionKind;
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;
use std::fs::File;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;
use tempfile::TempDir;

/// The field manager of everything that a test itself applies.
pub(crate) const TEST_MANAGER: &str = "hence-tests";

/// A kind of Flux's, by its short description here: group prefix, version, kind, plural.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FluxKind(&'static str, &'static str, &'static str, &'static str);

/// Kustomizations.
pub(crate) const KUSTOMIZATION: FluxKind =
    FluxKind("kustomize", "v1", "Kustomization", "kustomizations");
/// Git repositories.
pub(crate) const GIT_REPOSITORY: FluxKind =
    FluxKind("source", "v1", "GitRepository", "gitrepositories");
/// Buckets.
pub(crate) const BUCKET: FluxKind = FluxKind("source", "v1", "Bucket", "buckets");
/// OCI repositories: the kind that a test fills with artifacts of its own.
pub(crate) const OCI_REPOSITORY: FluxKind =
    FluxKind("source", "v1", "OCIRepository", "ocirepositories");

/// The objects of one Flux kind in one namespace.
pub(crate) fn api(client: &Client, kind: FluxKind, namespace: &str) -> Api<DynamicObject> {
    let FluxKind(group, version, kind, plural) = kind;
    let gvk = GroupVersionKind::gvk(&format!("{group}.toolkit.fluxcd.io"), version, kind);
    let resource = ApiResource::from_gvk_with_plural(&gvk, plural);
    Api::namespaced_with(client.clone(), namespace, &resource)
}

/// Installs upstream's custom resource definitions and waits until the server serves them all.
pub(crate) async fn install_definitions(client: &Client) {
    let gvk = GroupVersionKind::gvk("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
    let resource = ApiResource::from_gvk_with_plural(&gvk, "customresourcedefinitions");
    let definitions: &Api<DynamicObject> = &Api::all_with(client.clone(), &resource);
    for definition in upstream_definitions() {
        let name = definition["metadata"]["name"].as_str().expect("a definition has a name");
        apply(definitions, name, &definition).await;
        wait::until(&format!("{name} to be served"), || async move {
            let live = definitions.get(name).await.ok()?;
            is_true(&live, "Established").then_some(())
        })
        .await;
    }
}

/// Upstream's custom resource definitions, as their modules carry them.
pub(crate) fn upstream_definitions() -> Vec<Value> {
    let folder = tools::find("flux-crds");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .expect("tests/tools laid the definitions there")
        .map(|entry| entry.expect("a folder of ours can be listed").path())
        .collect();
    files.sort();
    files.iter().flat_map(|file| documents(file)).collect()
}

fn documents(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).expect("a file that was listed can be read");
    serde_yaml::Deserializer::from_str(&text)
        .map(|document| Value::deserialize(document).expect("upstream's files parse"))
        .filter(|document| !document.is_null())
        .collect()
}

/// Applies a whole object with server-side apply and force, as [`TEST_MANAGER`].
pub(crate) async fn apply(
    objects: &Api<DynamicObject>,
    name: &str,
    object: &Value,
) -> DynamicObject {
    let params = PatchParams::apply(TEST_MANAGER).force();
    let applied = objects.patch(name, &params, &Patch::Apply(object)).await;
    applied.unwrap_or_else(|error| panic!("cannot apply {name}: {error}"))
}

/// Makes an OCIRepository, or changes it, so that it offers `artifact` and is ready.
pub(crate) async fn offer(client: &Client, namespace: &str, name: &str, artifact: &Artifact) {
    offer_by(client, OCI_REPOSITORY, namespace, name, artifact).await;
}

/// The source kind of this name, one that a test can fill.
pub(crate) fn source_kind(name: &str) -> FluxKind {
    let known = [OCI_REPOSITORY, GIT_REPOSITORY, BUCKET];
    let found = known.into_iter().find(|FluxKind(_, _, kind, _)| *kind == name);
    found.unwrap_or_else(|| panic!("{name} is no kind of source that a test fills"))
}

/// Makes a source, or leaves it as it is; its spec is for nobody, since no controller fetches it.
pub(crate) async fn apply_source(
    sources: &Api<DynamicObject>,
    kind: FluxKind,
    name: &str,
) -> DynamicObject {
    let spec = match kind.2 {
        "GitRepository" => json!({ "interval": "1h", "url": "https://host.invalid/repository" }),
        "Bucket" => json!({ "interval": "1h", "endpoint": "host.invalid", "bucketName": "files" }),
        _ => json!({ "interval": "1h", "url": "oci://registry.invalid/filled-by-the-test" }),
    };
    let mut object = head(kind);
    object["metadata"] = json!({ "name": name });
    object["spec"] = spec;
    apply(sources, name, &object).await
}

fn head(kind: FluxKind) -> Value {
    let FluxKind(group, version, kind, _) = kind;
    json!({ "apiVersion": format!("{group}.toolkit.fluxcd.io/{version}"), "kind": kind })
}

/// Makes a source of this kind, or changes it, so that it offers `artifact` and is ready.
pub(crate) async fn offer_by(
    client: &Client,
    kind: FluxKind,
    namespace: &str,
    name: &str,
    artifact: &Artifact,
) {
    let sources = api(client, kind, namespace);
    let live = apply_source(&sources, kind, name).await;
    let generation = live.metadata.generation.unwrap_or(1);
    let ready = json!({
        "type": "Ready", "status": "True", "reason": "Succeeded", "message": "stored artifact",
        "observedGeneration": generation, "lastTransitionTime": "2026-01-01T00:00:00Z",
    });
    let mut status = head(kind);
    status["status"] = json!({
        "observedGeneration": generation, "artifact": artifact.status(), "conditions": [ready],
    });
    let params = PatchParams::apply(TEST_MANAGER).force();
    let patched = sources.patch_status(name, &params, &Patch::Apply(status)).await;
    patched.unwrap_or_else(|error| panic!("cannot fill {name}: {error}"));
}

/// The condition of this type, if the object has it.
pub(crate) fn condition<'a>(object: &'a DynamicObject, kind: &str) -> Option<&'a Value> {
    let conditions = object.data["status"]["conditions"].as_array()?;
    conditions.iter().find(|condition| condition["type"] == kind)
}

/// True when the object has this condition with status `True`.
pub(crate) fn is_true(object: &DynamicObject, kind: &str) -> bool {
    condition(object, kind).is_some_and(|condition| condition["status"] == "True")
}

/// A running kustomize-controller; dropping it kills it.
#[derive(Debug)]
pub(crate) struct KustomizeController {
    process: Watched,
    folder: TempDir,
}

impl KustomizeController {
    /// Starts it on all namespaces of a cluster that has the definitions installed.
    pub(crate) fn start(cluster: &Cluster) -> Self {
        Self::start_with(cluster.kubeconfig(), &[])
    }

    /// Starts it with a kubeconfig (a proxy's, for example) and more flags.
    pub(crate) fn start_with(kubeconfig: &Path, flags: &[&str]) -> Self {
        let folder = TempDir::new_in(tools::temporary()).expect("Cargo's folder can be written");
        let log = File::create(folder.path().join("log")).expect("the folder is ours");
        let mut command = Command::new(tools::find("kustomize-controller"));
        command
            .args(["--watch-all-namespaces", "--concurrent=20"])
            .args(["--kube-api-qps=500", "--kube-api-burst=1000"])
            .args(["--metrics-addr=127.0.0.1:0", "--health-addr=127.0.0.1:0"])
            .args(flags)
            .env("KUBECONFIG", kubeconfig)
            .env("RUNTIME_NAMESPACE", "flux-system")
            .env("TMPDIR", folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file handle can be copied"))
            .stderr(log);
        Self { process: Watched::spawn(&mut command), folder }
    }

    /// What it logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Ends it as a rollout would: it finishes what it is doing.
    pub(crate) fn stop(mut self) {
        self.process.signal("TERM");
        wait::until_blocking("kustomize-controller to end", || self.process.ended());
    }
}
