//! `hence demo`: the main job on the embedded sandbox, told step by step.
//!
//! A Git host and a Kubernetes API server start on loopback, the daemon runs against them as it
//! would against real ones, and each step waits until the cluster shows what it promises.

use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;
use std::time::Instant;

use clap::Args;
use miette::Diagnostic;
use serde_json::Value as Json;
use serde_json::json;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::api;
use crate::cli::demo_story as story;
use crate::cli::output;
use crate::cli::output::Failure;
use crate::cli::output::Outcome;
use crate::cli::run;
use crate::cluster::Cluster;
use crate::cluster::ClusterError;
use crate::cluster::ConnectOptions;
use crate::cluster::Purpose;
use crate::cluster::Resource;
use crate::cluster::Writer;
use crate::cluster::write::ApplyOptions;
use crate::cluster::write::PatchKind;
use crate::cluster::write::WriteGate;
use crate::daemon;
use crate::daemon::DaemonError;
use crate::daemon::DaemonOptions;
use crate::sandbox::Sandbox;
use crate::sandbox::SandboxError;
use crate::sandbox::SandboxOptions;
use crate::sandbox::git::GitError;

/// How long one step may take.
const STEP_MAX: Duration = Duration::from_secs(15);
/// How often a step looks at the cluster.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How to run the demo.
#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Leave everything running, to look around with kubectl, git and the command line
    #[arg(long)]
    keep: bool,
    /// Where to keep facts, journal and kubeconfig; a fresh directory when absent
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

#[derive(Debug, Error, Diagnostic)]
enum DemoError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Sandbox(#[from] SandboxError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Git(#[from] GitError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Daemon(#[from] DaemonError),
    #[error("{what}")]
    #[diagnostic(code(demo::io), help("the demo needs a directory that it can write to"))]
    Io {
        what: String,
        #[source]
        source: std::io::Error,
    },
    #[error("this did not happen within {} s: {what}", STEP_MAX.as_secs())]
    #[diagnostic(code(demo::late), help("run it again with --keep, and look at `hence pending`"))]
    Late { what: String },
}

/// Runs the demo.
pub(super) fn demo(args: &DemoArgs) -> Result<Outcome, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let io = |source| DemoError::Io { what: "cannot start threads".to_owned(), source };
    let runtime = runtime.map_err(|error| Failure::world(io(error)))?;
    runtime.block_on(tell(args)).map_err(Failure::world)?;
    Ok(Outcome::Done)
}

/// The stage: servers, daemon and a client for the hand edits.
pub(super) struct Stage {
    sandbox: Sandbox,
    state: PathBuf,
    cluster: Cluster,
    writer: Writer,
}

async fn tell(args: &DemoArgs) -> Result<(), DemoError> {
    let began = Instant::now();
    let state = directory(args.state.as_deref())?;
    let sandbox = Sandbox::start(&SandboxOptions::default()).await?;
    let kubeconfig = state.join("kubeconfig");
    write(&kubeconfig, &sandbox.kubeconfig())?;
    let connect = ConnectOptions { kubeconfig: Some(kubeconfig.clone()), ..Default::default() };
    crate::sources::tls::install_provider();
    let cluster = Cluster::connect(&connect).await?;
    let writer = cluster.writer(Purpose::Upkeep("demo"), WriteGate::open());
    let stage = Stage { sandbox, state: state.clone(), cluster, writer };
    stage.install().await?;
    let stop = CancellationToken::new();
    let options = DaemonOptions {
        kubeconfig: Some(kubeconfig),
        state: state.clone(),
        ..DaemonOptions::default()
    };
    let daemon = tokio::spawn(daemon::run(options, stop.clone()));
    stage.pushed().await?;
    stage.edited().await?;
    stage.pruned().await?;
    stage.broken().await?;
    output::data(&story::closing(began.elapsed(), &state));
    if args.keep {
        output::data(&story::keep(&state, &stage.sandbox.git_url));
        run::ended().await;
    }
    stop.cancel();
    daemon.await.map_err(|panic| DemoError::Io {
        what: "the daemon panicked".to_owned(),
        source: std::io::Error::other(panic.to_string()),
    })??;
    stage.sandbox.shutdown().await;
    Ok(())
}

fn directory(given: Option<&Path>) -> Result<PathBuf, DemoError> {
    let name = format!("hence-demo-{}", std::process::id());
    let path = given.map_or_else(|| std::env::temp_dir().join(name), Path::to_owned);
    let io = |source| DemoError::Io { what: format!("cannot make {}", path.display()), source };
    std::fs::create_dir_all(&path).map_err(io)?;
    Ok(path)
}

fn write(path: &Path, text: &str) -> Result<(), DemoError> {
    let io = |source| DemoError::Io { what: format!("cannot write {}", path.display()), source };
    std::fs::write(path, text).map_err(io)
}

impl Stage {
    /// CRDs, the namespace of Flux, a source and a unit.
    async fn install(&self) -> Result<(), DemoError> {
        let definitions = Resource::known(
            "apiextensions.k8s.io",
            "v1",
            "CustomResourceDefinition",
            "customresourcedefinitions",
            false,
        );
        for definition in api::crd::all() {
            self.apply(&definitions, &definition.manifest).await?;
        }
        self.apply(
            &Resource::known("", "v1", "Namespace", "namespaces", false),
            &story::namespace(),
        )
        .await?;
        self.commit("shop: first version", story::FIRST)?;
        let url = format!("{}/shop.git", self.sandbox.git_url);
        let source = resource("source.toolkit.fluxcd.io", "GitRepository", "gitrepositories");
        self.apply(&source, &story::source(&url)).await?;
        let unit = resource("kustomize.toolkit.fluxcd.io", "Kustomization", "kustomizations");
        self.apply(&unit, &story::unit()).await
    }

    async fn apply(&self, resource: &Resource, object: &Json) -> Result<(), DemoError> {
        let options = ApplyOptions { manager: "demo".to_owned(), ..ApplyOptions::default() };
        self.writer.apply(resource, object, &options).await?;
        Ok(())
    }

    fn commit(&self, message: &str, files: story::Files) -> Result<String, DemoError> {
        let files: Vec<_> =
            files.iter().map(|(path, text)| (*path, text.map(str::as_bytes))).collect();
        Ok(self.sandbox.git().commit("shop.git", "main", message, &files)?)
    }

    async fn pushed(&self) -> Result<(), DemoError> {
        output::data(&story::heading(1, "repository pushed → applied"));
        self.until("the unit is ready", async |stage| {
            Ok(stage.condition("Ready").await?.is_some_and(|c| c["status"] == "True"))
        })
        .await?;
        self.show("why configmap/banner -n shop", &story::why("configmap/banner")).await;
        Ok(())
    }

    async fn edited(&self) -> Result<(), DemoError> {
        output::data(&story::heading(2, "a hand edit → corrected"));
        let maps = Resource::known("", "v1", "ConfigMap", "configmaps", true);
        let patch = json!({"data": {"greeting": "edited by hand"}});
        let target = ("shop", "banner", "");
        self.writer.patch(&maps, target, PatchKind::Merge, &patch, "kubectl-edit").await?;
        output::data("  $ kubectl edit configmap banner -n shop    greeting: edited by hand\n");
        self.until("the greeting is as Git has it", async |stage| {
            let live = stage.cluster.get(&maps, "shop", "banner").await?;
            Ok(live.is_some_and(|live| live.raw["data"]["greeting"] == "hello"))
        })
        .await?;
        output::data(&story::journal(&self.state, "apply", "banner"));
        Ok(())
    }

    async fn pruned(&self) -> Result<(), DemoError> {
        output::data(&story::heading(3, "a file removed → pruned, with its proof"));
        let commit = self.commit("shop: drop the old flags", story::DROPPED)?;
        output::data(&format!("  $ git rm apps/shop/flags.yaml; git push    {}\n", &commit[..12]));
        let maps = Resource::known("", "v1", "ConfigMap", "configmaps", true);
        self.until("the ConfigMap is gone", async |stage| {
            Ok(stage.cluster.get(&maps, "shop", "old-flags").await?.is_none())
        })
        .await?;
        self.settled(&commit).await?;
        self.show("why pruned configmap/old-flags -n shop", &story::why_pruned()).await;
        Ok(())
    }

    async fn broken(&self) -> Result<(), DemoError> {
        output::data(&story::heading(4, "a broken push → nothing pruned, and the line is named"));
        let commit = self.commit("shop: oops", story::BROKEN)?;
        output::data(&format!("  $ git push    {}\n", &commit[..12]));
        self.until("the unit reports the broken build", async |stage| {
            Ok(stage.condition("Ready").await?.is_some_and(|c| c["reason"] == "BuildFailed"))
        })
        .await?;
        self.show("why-not ready ks/shop -n flux-system", &story::why_not_ready()).await;
        let maps = Resource::known("", "v1", "ConfigMap", "configmaps", true);
        let banner = self.cluster.get(&maps, "shop", "banner").await?;
        let word = if banner.is_some() { "still there" } else { "GONE" };
        output::data(&format!(
            "  configmap/banner is {word}: an incomplete build prunes nothing\n"
        ));
        Ok(())
    }

    /// Waits until the unit has applied this commit.
    async fn settled(&self, commit: &str) -> Result<(), DemoError> {
        self.until("the unit has applied the commit", async |stage| {
            let ready = stage.condition("Ready").await?;
            let message = ready.as_ref().and_then(|c| c["message"].as_str()).unwrap_or_default();
            Ok(message.ends_with(commit))
        })
        .await
    }

    async fn condition(&self, kind: &str) -> Result<Option<Json>, DemoError> {
        let unit = resource("kustomize.toolkit.fluxcd.io", "Kustomization", "kustomizations");
        let live = self.cluster.get(&unit, "flux-system", "shop").await?;
        let conditions = live.and_then(|live| live.raw["status"]["conditions"].as_array().cloned());
        Ok(conditions.into_iter().flatten().find(|condition| condition["type"] == kind))
    }

    async fn until(
        &self,
        what: &str,
        holds: impl AsyncFn(&Self) -> Result<bool, DemoError>,
    ) -> Result<(), DemoError> {
        let deadline = Instant::now() + STEP_MAX;
        while !holds(self).await? {
            if Instant::now() > deadline {
                return Err(DemoError::Late { what: what.to_owned() });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Prints a question as it is typed, and the daemon's answer.
    async fn show(&self, typed: &str, question: &daemon::ask::Question) {
        let (state, question) = (self.state.clone(), question.clone());
        let asked =
            tokio::task::spawn_blocking(move || crate::cli::query::ask_for_text(&question, &state));
        let text = asked.await.unwrap_or_default();
        output::data(&format!("  $ hence {typed}\n"));
        for line in text.lines() {
            output::data(&format!("  {line}\n"));
        }
    }
}

fn resource(group: &str, kind: &str, plural: &str) -> Resource {
    Resource::known(group, "v1", kind, plural, true)
}
