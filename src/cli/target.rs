//! Which objects `reconcile`, `suspend` and `resume` are about, and the requests that they share.

use std::time::Duration;

use clap::Args;
use clap::Subcommand;
use serde_json::Value;
use serde_json::json;

use crate::cli::connect::ClusterArgs;
use crate::cli::error::CliError;
use crate::cli::kinds::FluxKind;
use crate::cli::output;
use crate::cluster::Cluster;
use crate::cluster::Purpose;
use crate::cluster::Writer;
use crate::cluster::read::ListOptions;
use crate::cluster::write::PatchKind;
use crate::cluster::write::WriteGate;

/// The field manager of what users change through the command line: Flux's own.
const MANAGER: &str = "flux";
/// The first pause between two looks at an object; it doubles up to the longest.
const PAUSE_FIRST: Duration = Duration::from_millis(200);
const PAUSE_LONGEST: Duration = Duration::from_secs(2);

/// The names of objects.
#[derive(Debug, Args)]
pub(super) struct Names {
    /// Their names
    names: Vec<String>,
}

/// A kind with names.
#[derive(Debug, Subcommand)]
pub(super) enum Target {
    /// Kustomizations
    #[command(visible_alias = "ks")]
    Kustomization(Names),
    /// HelmReleases
    #[command(visible_alias = "hr")]
    Helmrelease(Names),
    /// Sources
    Source {
        #[command(subcommand)]
        source: SourceTarget,
    },
}

/// A kind of source with names.
#[derive(Debug, Subcommand)]
pub(super) enum SourceTarget {
    /// GitRepositories
    Git(Names),
    /// OCIRepositories
    Oci(Names),
    /// Buckets
    Bucket(Names),
    /// HelmRepositories
    Helm(Names),
    /// HelmCharts
    Chart(Names),
}

impl Target {
    /// The kind, and the names, each once in the order given.
    pub(super) fn chosen(&self) -> (FluxKind, Vec<String>) {
        let (kind, given) = match self {
            Self::Kustomization(names) => (FluxKind::Kustomization, names),
            Self::Helmrelease(names) => (FluxKind::HelmRelease, names),
            Self::Source { source } => source.chosen(),
        };
        let mut names: Vec<String> = Vec::new();
        for name in &given.names {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        (kind, names)
    }
}

impl SourceTarget {
    /// The kind, and the names as given.
    fn chosen(&self) -> (FluxKind, &Names) {
        match self {
            Self::Git(names) => (FluxKind::GitRepository, names),
            Self::Oci(names) => (FluxKind::OciRepository, names),
            Self::Bucket(names) => (FluxKind::Bucket, names),
            Self::Helm(names) => (FluxKind::HelmRepository, names),
            Self::Chart(names) => (FluxKind::HelmChart, names),
        }
    }
}

/// The objects of one kind in one namespace, as a user reads and changes them.
#[derive(Clone)]
pub(super) struct Objects {
    pub(super) cluster: Cluster,
    pub(super) kind: FluxKind,
    pub(super) namespace: String,
    /// How long to wait for one of them.
    pub(super) patience: Duration,
}

/// Objects of one kind, by name or all of them: what `suspend` and `resume` are about.
#[derive(Debug, Args)]
pub(super) struct Selection {
    #[command(flatten)]
    pub(super) cluster: ClusterArgs,
    /// All objects of the kind in the namespace
    #[arg(long, global = true)]
    all: bool,
    #[command(subcommand)]
    target: Target,
}

impl Selection {
    /// The objects that are meant, and the names that were given: none means all.
    pub(super) async fn objects(&self) -> Result<(Objects, Vec<String>), CliError> {
        let (kind, names) = self.target.chosen();
        if names.is_empty() && !self.all {
            return Err(CliError::NameRequired(kind.human().to_owned()));
        }
        let objects = Objects {
            cluster: self.cluster.connect().await?,
            kind,
            namespace: self.cluster.namespace()?,
            patience: self.cluster.timeout(),
        };
        Ok((objects, names))
    }
}

/// What a look at an object tells a wait.
pub(super) enum Look {
    /// It is there.
    Done,
    /// Not yet.
    NotYet,
}

impl Objects {
    /// One object.
    pub(super) async fn get(&self, name: &str) -> Result<Value, CliError> {
        let found = self.cluster.get(&self.kind.resource(), &self.namespace, name).await;
        let found = found.map_err(CliError::of_flux)?;
        let absent =
            || CliError::Absent { plural: self.kind.plural_group(), name: name.to_owned() };
        Ok(found.ok_or_else(absent)?.raw)
    }

    /// Objects by name, or all.
    pub(super) async fn list(&self, name: Option<&str>) -> Result<Vec<Value>, CliError> {
        let options = ListOptions {
            namespace: self.namespace.clone(),
            fields: name.map(|name| format!("metadata.name={name}")).unwrap_or_default(),
            ..ListOptions::default()
        };
        let listed = self.cluster.list(&self.kind.resource(), &options, |seen| seen.raw).await;
        Ok(listed.map_err(CliError::of_flux)?.items)
    }

    /// Merges `change` into an object.
    pub(super) async fn merge(&self, name: &str, change: &Value) -> Result<Value, CliError> {
        let target = (self.namespace.as_str(), name, "");
        let resource = self.kind.resource();
        let patched =
            self.writer().patch(&resource, target, PatchKind::Merge, change, MANAGER).await?;
        Ok(patched.raw)
    }

    /// Sets `spec.suspend`.
    pub(super) async fn suspend(&self, name: &str, suspend: bool) -> Result<Value, CliError> {
        self.merge(name, &json!({"spec": {"suspend": suspend}})).await
    }

    fn writer(&self) -> Writer {
        // A user's own writes need no lease.
        self.cluster.writer(Purpose::Upkeep("cli"), WriteGate::open())
    }

    /// Looks at an object until `look` finds it done, and gives it as it then is.
    pub(super) async fn wait(
        &self,
        name: &str,
        look: impl Fn(&Value) -> Result<Look, CliError>,
    ) -> Result<Value, CliError> {
        let look = &look;
        let waiting = poll(name, || async move {
            let object = self.get(name).await?;
            Ok(match look(&object)? {
                Look::Done => Some(object),
                Look::NotYet => None,
            })
        });
        let ended = tokio::time::timeout(self.patience, waiting).await;
        output::waited();
        ended.unwrap_or_else(|_| {
            let what = format!("{} {}/{name}", self.kind.kind(), self.namespace);
            Err(CliError::Timeout { seconds: self.patience.as_secs(), what })
        })
    }
}

/// Asks again until there is an answer; shows on a terminal what is waited for.
pub(super) async fn poll<T, F>(what: &str, probe: impl Fn() -> F) -> Result<T, CliError>
where
    F: Future<Output = Result<Option<T>, CliError>>,
{
    let started = tokio::time::Instant::now();
    let mut pause = PAUSE_FIRST;
    loop {
        if let Some(found) = probe().await? {
            output::waited();
            return Ok(found);
        }
        let seconds = started.elapsed().as_secs();
        output::still_waiting(&format!("waiting for {what} ({seconds} s)"));
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_LONGEST);
    }
}

/// The Ready condition of an object.
pub(super) fn ready(object: &Value) -> Option<&Value> {
    let conditions = object["status"]["conditions"].as_array()?;
    conditions.iter().rfind(|condition| condition["type"] == "Ready")
}

/// Whether the Ready condition is about the present generation of the object.
pub(super) fn is_current(object: &Value, condition: &Value) -> bool {
    let generation = &object["metadata"]["generation"];
    let observed = condition.get("observedGeneration");
    observed
        .or_else(|| object.pointer("/status/observedGeneration"))
        .is_none_or(|seen| seen == generation)
}
