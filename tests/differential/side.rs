//! One side of the comparison: an API server, and the program that reconciles on it.

use crate::scenario::Edit;
use crate::scenario::Offered;
use crate::scenario::Scenario;
use crate::scenario::Step;
use crate::snapshot;
use crate::support::cluster::Cluster;
use crate::support::cluster::Options;
use crate::support::flux;
use crate::support::flux::KustomizeController;
use crate::support::wait;
use crate::support::workplace::Daemon;
use crate::support::workplace::Workplace;
use kube::Api;
use kube::Client;
use kube::api::ApiResource;
use kube::api::DeleteParams;
use kube::api::DynamicObject;
use kube::api::Patch;
use kube::api::PatchParams;
use kube::core::GroupVersionKind;
use serde_json::Value;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;
use std::time::Instant;

/// How long a step may take on one side.
const LONGEST: Duration = Duration::from_secs(75);

/// The name of the source of every scenario.
const SOURCE: &str = "source";

/// The wait before a source or a dependency is looked at again, on both sides.
const REQUEUE_SECONDS: &str = "1";

/// A server and what reconciles on it.
pub(super) struct Side {
    client: Client,
    program: Program,
    #[allow(dead_code, reason = "the servers live as long")]
    cluster: Cluster,
}

enum Program {
    Flux(KustomizeController),
    Hence(Daemon, #[allow(dead_code, reason = "its folders live as long")] Workplace),
}

impl Side {
    /// kustomize-controller on a cluster of its own.
    pub(super) async fn flux() -> Self {
        let (cluster, client) = start().await;
        let requeue = format!("--requeue-dependency={REQUEUE_SECONDS}s");
        let flags = [requeue.as_str(), "--http-retry=1", "--no-cross-namespace-refs"];
        let controller = KustomizeController::start_with(cluster.kubeconfig(), &flags);
        Self { cluster, client, program: Program::Flux(controller) }
    }

    /// hence on a cluster of its own.
    pub(super) async fn hence() -> Self {
        let (cluster, client) = start().await;
        let workplace = Workplace::new(cluster.kubeconfig());
        let text = |path: &std::path::Path| path.to_str().expect("paths are UTF-8").to_owned();
        let (state, kubeconfig) = (text(&workplace.state()), text(cluster.kubeconfig()));
        let mut args = vec!["run", "--state", &state, "--kubeconfig", &kubeconfig];
        args.extend(["--enable-leader-election", "false", "--kinds", "Kustomization"]);
        args.extend(["--requeue-dependency", REQUEUE_SECONDS, "--no-cross-namespace-refs"]);
        let daemon = workplace.start(&args);
        Self { cluster, client, program: Program::Hence(daemon, workplace) }
    }

    /// Makes the scenario's namespace.
    pub(super) async fn prepare(&self, scenario: &Scenario) {
        let namespace = json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": scenario.namespace() },
        });
        self.apply(&namespace, "").await;
    }

    /// Suspends and removes the units, so that later scenarios have the programs for themselves.
    pub(super) async fn clear(&self, scenario: &Scenario) {
        let units = self.flux_api(flux::KUSTOMIZATION, scenario);
        let list = wait::until("units to be listed", || snapshot::listed(&units)).await;
        let names: Vec<String> = list.into_iter().filter_map(|unit| unit.metadata.name).collect();
        let suspend = Patch::Merge(json!({ "spec": { "suspend": true } }));
        for name in names {
            let _gone = units.patch(&name, &PatchParams::default(), &suspend).await;
            let _gone = units.delete(&name, &DeleteParams::default()).await;
        }
    }

    /// Does what the step says and waits for what it waits for.
    ///
    /// # Errors
    /// What was still missing after [`LONGEST`].
    pub(super) async fn play(
        &self,
        scenario: &Scenario,
        number: usize,
        step: &Step,
        offered: &Option<Offered>,
    ) -> Result<(), String> {
        let namespace = scenario.namespace();
        for object in &step.objects {
            let text = object.to_string().replace("NAMESPACE", &namespace);
            let object: Value = serde_json::from_str(&text).expect("it was JSON before");
            self.apply(&object, &namespace).await;
        }
        for edit in &step.edits {
            self.edit(&namespace, edit).await;
        }
        if let Some(offered) = offered {
            self.offer(scenario, offered).await;
        }
        for (name, spec) in &step.units {
            self.unit(scenario, name, spec.as_ref()).await;
        }
        for name in &step.request {
            let annotation =
                json!({ "reconcile.fluxcd.io/requestedAt": format!("request-{number}") });
            let patch = Patch::Merge(json!({ "metadata": { "annotations": annotation } }));
            let units = self.flux_api(flux::KUSTOMIZATION, scenario);
            units.patch(name, &PatchParams::default(), &patch).await.expect("the unit exists");
        }
        match self.program {
            Program::Flux(_) => self.wait(scenario, &step.until).await,
            Program::Hence(..) => self.wait(scenario, &step.until_hence()).await,
        }
    }

    async fn offer(&self, scenario: &Scenario, offered: &Offered) {
        let (namespace, kind) = (scenario.namespace(), flux::source_kind(&scenario.source_kind));
        let sources = flux::api(&self.client, kind, &namespace);
        match offered {
            Offered::Nothing => {
                flux::apply_source(&sources, kind, SOURCE).await;
            }
            Offered::Artifact(artifact, origin) => {
                let mut artifact = artifact.as_ref().clone();
                artifact.origin = origin.clone();
                flux::offer_by(&self.client, kind, &namespace, SOURCE, &artifact).await;
            }
        }
    }

    async fn unit(&self, scenario: &Scenario, name: &str, more: Option<&Value>) {
        let units = self.flux_api(flux::KUSTOMIZATION, scenario);
        let Some(more) = more else {
            units.delete(name, &DeleteParams::default()).await.expect("the unit exists");
            return;
        };
        let mut spec = json!({
            "interval": "1h", "retryInterval": "30m", "timeout": "1m", "prune": true,
            "path": format!("./{name}"), "targetNamespace": scenario.namespace(),
            "sourceRef": { "kind": scenario.source_kind, "name": SOURCE },
        });
        let text = more.to_string().replace("NAMESPACE", &scenario.namespace());
        let more: Value = serde_json::from_str(&text).expect("it was JSON before");
        for (key, value) in more.as_object().into_iter().flatten() {
            match value {
                Value::Null => drop(spec.as_object_mut().and_then(|spec| spec.remove(key))),
                value => spec[key] = value.clone(),
            }
        }
        let unit = json!({
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
            "metadata": { "name": name }, "spec": spec,
        });
        flux::apply(&units, name, &unit).await;
    }

    async fn edit(&self, namespace: &str, edit: &Edit) {
        let api = self.api(&edit.api, &edit.kind, namespace);
        let done = match &edit.patch {
            Some(patch) => {
                let params = PatchParams {
                    field_manager: Some(edit.manager.clone()),
                    force: edit.apply,
                    ..Default::default()
                };
                let patch = if edit.apply { Patch::Apply(patch) } else { Patch::Merge(patch) };
                api.patch(&edit.name, &params, &patch).await.map(|_| ())
            }
            None => api.delete(&edit.name, &DeleteParams::default()).await.map(|_| ()),
        };
        done.unwrap_or_else(|error| panic!("cannot edit {} {}: {error}", edit.kind, edit.name));
    }

    /// Applies an object as the test, once its kind is served.
    async fn apply(&self, object: &Value, namespace: &str) {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or("");
        let api = self.api(
            text("/apiVersion"),
            text("/kind"),
            match text("/metadata/namespace") {
                "" => namespace,
                named => named,
            },
        );
        let name = text("/metadata/name");
        let started = Instant::now();
        loop {
            let params = PatchParams::apply(flux::TEST_MANAGER).force();
            match api.patch(name, &params, &Patch::Apply(object)).await {
                Ok(_) => return,
                // A kind that was defined a moment ago.
                Err(kube::Error::Api(status))
                    if status.code == 404 && started.elapsed() < LONGEST => {}
                Err(error) => panic!("cannot apply {name}: {error}"),
            }
            wait::passed(Duration::from_millis(100)).await;
        }
    }

    async fn wait(
        &self,
        scenario: &Scenario,
        until: &BTreeMap<String, String>,
    ) -> Result<(), String> {
        let units = self.flux_api(flux::KUSTOMIZATION, scenario);
        let started = Instant::now();
        loop {
            let mut missing = Vec::new();
            for (name, want) in until {
                let get = || async { units.get_opt(name).await.ok() };
                let unit = wait::until("the server to answer", get).await;
                let shown = match &unit {
                    None => "gone".to_owned(),
                    Some(unit) => {
                        let ready = flux::condition(unit, "Ready").cloned().unwrap_or_default();
                        let text = |field: &str| ready[field].as_str().unwrap_or("-").to_owned();
                        format!("{} {}", text("status"), text("message"))
                    }
                };
                let (status, part) = want.split_once(' ').unwrap_or((want, ""));
                let part = part.replace("NAMESPACE", &scenario.namespace());
                if !(shown.starts_with(status) && shown.contains(&part)) {
                    missing.push(format!("{name} is not {want:?} but {shown:?}"));
                }
            }
            if missing.is_empty() {
                return Ok(());
            }
            if started.elapsed() > LONGEST {
                return Err(missing.join("; "));
            }
            wait::passed(Duration::from_millis(100)).await;
        }
    }

    /// What a client sees now.
    pub(super) async fn snapshot(&self, scenario: &Scenario) -> Value {
        snapshot::take(&self.client, scenario).await
    }

    fn flux_api(&self, kind: flux::FluxKind, scenario: &Scenario) -> Api<DynamicObject> {
        flux::api(&self.client, kind, &scenario.namespace())
    }

    fn api(&self, api_version: &str, kind: &str, namespace: &str) -> Api<DynamicObject> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        let cluster_wide = ["Namespace", "ClusterRole", "CustomResourceDefinition"].contains(&kind)
            || namespace.is_empty();
        match cluster_wide {
            true => Api::all_with(self.client.clone(), &resource),
            false => Api::namespaced_with(self.client.clone(), namespace, &resource),
        }
    }

    /// What the program logged.
    pub(super) fn log(&self) -> String {
        match &self.program {
            Program::Flux(controller) => controller.log(),
            Program::Hence(daemon, _) => daemon.log(),
        }
    }
}

async fn start() -> (Cluster, Client) {
    let options = Options { controllers: true, ..Options::default() };
    let started = tokio::task::spawn_blocking(move || Cluster::start(&options));
    let cluster = started.await.expect("the servers start");
    let client = cluster.client().await;
    flux::install_definitions(&client).await;
    (cluster, client)
}
