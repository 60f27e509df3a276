//! The command line against a real API server: what a user types, what is printed, how it ends.
//!
//! Where a verb waits for a controller, the test is that controller.

mod build;
mod demo;
mod flux;
mod install;
mod places;

use crate::support::cluster::Cluster;
use crate::support::workplace::Said;
use crate::support::workplace::Workplace;
use kube::Api;
use kube::api::ApiResource;
use kube::api::DynamicObject;
use kube::api::Patch;
use kube::api::PatchParams;
use serde_json::Value;
use std::path::Path;
use std::path::PathBuf;

/// A place for commands on a cluster that has the custom resource definitions of hence.
async fn place_on(cluster: &Cluster) -> Workplace {
    let place = Workplace::new(cluster.kubeconfig());
    let definitions = definitions();
    let args = ["apply", "--server-side", "--force-conflicts", "-f", path(&definitions)];
    place.kubectl(&args).expect_success();
    let established = "condition=Established";
    let wait = ["wait", "--for", established, "--timeout=60s", "-f", path(&definitions)];
    place.kubectl(&wait).expect_success();
    place
}

fn definitions() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/crds")
}

fn path(path: &Path) -> &str {
    path.to_str().expect("paths here are UTF-8")
}

/// Everything printed, standard error first.
fn all(said: &Said) -> String {
    format!("{}{}", said.stderr, said.stdout)
}

/// A kind of the Flux groups, by group, version, kind and plural.
fn resource(group: &str, kind: &str, plural: &str) -> ApiResource {
    ApiResource {
        group: format!("{group}.toolkit.fluxcd.io"),
        version: "v1".to_owned(),
        api_version: format!("{group}.toolkit.fluxcd.io/v1"),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
    }
}

fn units() -> ApiResource {
    resource("kustomize", "Kustomization", "kustomizations")
}

fn repositories() -> ApiResource {
    resource("source", "GitRepository", "gitrepositories")
}

/// Objects of one kind in one namespace.
async fn objects(cluster: &Cluster, namespace: &str, of: &ApiResource) -> Api<DynamicObject> {
    Api::namespaced_with(cluster.client().await, namespace, of)
}

/// Makes an object; its status too, when it is given one.
async fn make(api: &Api<DynamicObject>, name: &str, of: &ApiResource, parts: &Value) {
    let mut object = DynamicObject::new(name, of);
    object.data = serde_json::json!({ "spec": parts["spec"] });
    let made = api.create(&kube::api::PostParams::default(), &object).await;
    made.expect("the API server takes the object");
    if parts["status"].is_object() {
        report(api, name, &parts["status"]).await;
    }
}

/// Writes a status, as a controller does.
async fn report(api: &Api<DynamicObject>, name: &str, status: &Value) {
    let patch = Patch::Merge(serde_json::json!({ "status": status }));
    let written = api.patch_status(name, &PatchParams::default(), &patch).await;
    written.expect("the API server takes the status");
}
