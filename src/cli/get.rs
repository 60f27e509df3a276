//! `hence get`: units and sources with their status, in Flux's tables.

mod watch;

use clap::Args;
use clap::Subcommand;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::cli::connect::ClusterArgs;
use crate::cli::error::CliError;
use crate::cli::kinds::FluxKind;
use crate::cli::kinds::SOURCES;
use crate::cli::output;
use crate::cli::output::Failure;
use crate::cli::output::Form;
use crate::cli::output::Outcome;
use crate::cli::table::Table;
use crate::cli::table::shorten_ids;
use crate::cluster::Cluster;
use crate::cluster::ClusterError;
use crate::cluster::read::ListOptions;

/// What to print.
#[derive(Debug, Args)]
pub(super) struct GetArgs {
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Look in all namespaces
    #[arg(short = 'A', long, global = true)]
    all_namespaces: bool,
    /// Leave out the header
    #[arg(long, global = true)]
    no_header: bool,
    /// Only objects with this status, such as ready=false or ready!=true
    #[arg(long, global = true, value_name = "TYPE=STATUS")]
    status_selector: Option<String>,
    /// Only objects with these labels
    #[arg(short = 'l', long, global = true, value_name = "SELECTOR")]
    label_selector: Option<String>,
    /// Print the objects, then each again whenever its row changes, until you end it
    #[arg(short, long, global = true)]
    watch: bool,
    /// Show the source of each unit
    #[arg(long, global = true)]
    show_source: bool,
    /// Text for people, or JSON
    #[arg(short, long, global = true, value_enum, default_value_t)]
    output: Form,
    #[command(subcommand)]
    what: What,
}

/// The name of one object.
#[derive(Debug, Args)]
struct Name {
    /// Only this object
    name: Option<String>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Kustomizations
    #[command(visible_aliases = ["ks", "kustomization"])]
    Kustomizations(Name),
    /// HelmReleases
    #[command(visible_aliases = ["hr", "helmrelease"])]
    Helmreleases(Name),
    /// Sources
    #[command(visible_alias = "source")]
    Sources {
        #[command(subcommand)]
        source: Source,
    },
    /// Sources, Kustomizations and HelmReleases
    All,
}

#[derive(Debug, Subcommand)]
enum Source {
    /// GitRepositories
    Git(Name),
    /// OCIRepositories
    Oci(Name),
    /// Buckets
    Bucket(Name),
    /// HelmRepositories
    Helm(Name),
    /// HelmCharts
    Chart(Name),
    /// ExternalArtifacts
    External(Name),
    /// Sources of every kind
    All,
}

/// Which objects, as asked.
struct Wanted<'a> {
    kinds: Vec<FluxKind>,
    name: Option<&'a str>,
    /// Several kinds: one that is not installed, or has no objects, is no error.
    is_all: bool,
}

/// Units and sources as JSON (`schemas/get.v1.json`).
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Listing {
    /// Always `get.v1`.
    version: &'static str,
    /// The objects, by kind, then as the API server orders them.
    objects: Vec<Shown>,
}

/// One object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Shown {
    /// Its kind.
    kind: &'static str,
    /// Its namespace.
    namespace: String,
    /// Its name.
    name: String,
    /// `Kind/namespace/name` of its source; empty when it has none.
    source: String,
    /// The revision that it shows, whole; empty when it shows none.
    revision: String,
    /// Whether it is suspended; absent for kinds that cannot be.
    #[serde(skip_serializing_if = "Option::is_none")]
    suspended: Option<bool>,
    /// The status of its Ready condition: True, False or Unknown.
    ready: String,
    /// The message of its Ready condition.
    message: String,
}

/// `TYPE=STATUS` or `TYPE!=STATUS`.
#[derive(Debug, PartialEq, Eq)]
struct StatusSelector {
    type_: String,
    status: String,
    is_negated: bool,
}

/// Prints objects with their status.
pub(super) fn get(args: &GetArgs) -> Result<Outcome, Failure> {
    let wanted = args.what.wanted();
    if args.watch {
        let watching = watch::watch(args, &wanted);
        args.cluster.run_on(watching).map_err(Failure::marked)?;
        return Ok(Outcome::Done);
    }
    let found = args.cluster.run("the API server", find(args, &wanted));
    let found = found.map_err(Failure::marked)?;
    match args.output {
        Form::Json => {
            let objects = found.into_iter().flat_map(|(_, shown)| shown).collect();
            let listing = Listing { version: "get.v1", objects };
            output::json(&serde_json::to_value(listing).unwrap_or_default());
        }
        Form::Text => output::data(&to_text(args, &wanted, &found)),
    }
    Ok(Outcome::Done)
}

impl What {
    fn wanted(&self) -> Wanted<'_> {
        let several = |kinds: Vec<FluxKind>| Wanted { kinds, name: None, is_all: true };
        let (kind, name) = match self {
            Self::Kustomizations(name) => (FluxKind::Kustomization, name),
            Self::Helmreleases(name) => (FluxKind::HelmRelease, name),
            Self::Sources { source } => match source {
                Source::Git(name) => (FluxKind::GitRepository, name),
                Source::Oci(name) => (FluxKind::OciRepository, name),
                Source::Bucket(name) => (FluxKind::Bucket, name),
                Source::Helm(name) => (FluxKind::HelmRepository, name),
                Source::Chart(name) => (FluxKind::HelmChart, name),
                Source::External(name) => (FluxKind::ExternalArtifact, name),
                Source::All => return several(SOURCES.to_vec()),
            },
            Self::All => {
                let mut kinds = SOURCES.to_vec();
                kinds.extend([FluxKind::HelmRelease, FluxKind::Kustomization]);
                return several(kinds);
            }
        };
        Wanted { kinds: vec![kind], name: name.name.as_deref(), is_all: false }
    }
}

/// The objects that are wanted, by kind; kinds without any are left out of `all`.
async fn find(
    args: &GetArgs,
    wanted: &Wanted<'_>,
) -> Result<Vec<(FluxKind, Vec<Shown>)>, CliError> {
    let selector = args.status_selector.as_deref().map(StatusSelector::parse).transpose()?;
    let namespace = args.cluster.namespace()?;
    let options = list_options(args, wanted)?;
    let cluster = args.cluster.connect().await?;
    let mut found = Vec::new();
    for &kind in &wanted.kinds {
        let objects = match list(&cluster, kind, &options).await {
            Err(ClusterError::NotServed { .. }) if wanted.is_all => continue,
            listed => listed.map_err(CliError::of_flux)?,
        };
        if objects.is_empty() {
            if wanted.is_all {
                continue;
            }
            let scope = if args.all_namespaces { "any".into() } else { format!("{namespace:?}") };
            return Err(nothing(kind, wanted.name, scope));
        }
        let fits = |object: &&Value| selector.as_ref().is_none_or(|want| want.fits(object));
        let shown = objects.iter().filter(fits).map(|object| Shown::of(kind, object)).collect();
        found.push((kind, shown));
    }
    Ok(found)
}

/// Which objects of a kind the API server is asked for.
fn list_options(args: &GetArgs, wanted: &Wanted<'_>) -> Result<ListOptions, CliError> {
    let namespace = args.cluster.namespace()?;
    Ok(ListOptions {
        namespace: if args.all_namespaces { String::new() } else { namespace },
        labels: args.label_selector.clone().unwrap_or_default(),
        fields: wanted.name.map(|name| format!("metadata.name={name}")).unwrap_or_default(),
        ..ListOptions::default()
    })
}

async fn list(
    cluster: &Cluster,
    kind: FluxKind,
    options: &ListOptions,
) -> Result<Vec<Value>, ClusterError> {
    let listed = cluster.list(&kind.resource(), options, |observed| observed.raw).await?;
    Ok(listed.items)
}

fn nothing(kind: FluxKind, name: Option<&str>, scope: String) -> CliError {
    let kind = kind.kind().to_owned();
    match name {
        Some(name) => CliError::NotFound { kind, name: name.to_owned(), scope },
        None => CliError::NoneFound { kind, scope },
    }
}

/// One table for each kind; of several, each is followed by an empty line.
fn to_text(args: &GetArgs, wanted: &Wanted<'_>, found: &[(FluxKind, Vec<Shown>)]) -> String {
    let mut text = String::new();
    for (kind, shown) in found {
        text.push_str(&args.table(*kind, wanted.is_all, shown).to_text());
        if wanted.is_all {
            text.push('\n');
        }
    }
    text
}

impl GetArgs {
    /// Those of a row's cells that are shown for a kind, in order.
    fn columns(&self, kind: FluxKind, cells: [&str; 7]) -> Vec<String> {
        let [namespace, name, source, revision, suspended, ready, message] = cells;
        let has_source = matches!(kind, FluxKind::Kustomization | FluxKind::HelmRelease);
        let is_external = kind == FluxKind::ExternalArtifact;
        let cells = [
            (self.all_namespaces, namespace),
            (true, name),
            (self.show_source && has_source, source),
            (true, revision),
            (is_external, source),
            (!is_external, suspended),
            (true, ready),
            (true, message),
        ];
        let shown = cells.into_iter().filter(|(is_shown, _)| *is_shown);
        shown.map(|(_, cell)| cell.to_owned()).collect()
    }

    fn table(&self, kind: FluxKind, with_kind: bool, shown: &[Shown]) -> Table {
        let headers = ["NAMESPACE", "NAME", "SOURCE", "REVISION", "SUSPENDED", "READY", "MESSAGE"];
        let headers = self.columns(kind, headers);
        let row = |object: &Shown| {
            let name = match with_kind {
                true => format!("{}/{}", object.kind.to_lowercase(), object.name),
                false => object.name.clone(),
            };
            let suspended = if object.suspended == Some(true) { "True" } else { "False" };
            let (revision, message) = (shorten_ids(&object.revision), shorten_ids(&object.message));
            let cells = [
                &object.namespace,
                &name,
                &object.source,
                &*revision,
                suspended,
                &object.ready,
                &message,
            ];
            self.columns(kind, cells)
        };
        let headers = if self.no_header { Vec::new() } else { headers };
        Table { headers, rows: shown.iter().map(row).collect() }
    }
}

impl Shown {
    fn of(kind: FluxKind, object: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let ready = conditions(object).find(|condition| condition["type"] == "Ready");
        let (ready, message) = match ready {
            Some(ready) => (text(&ready["status"]), text(&ready["message"])),
            None => ("False".to_owned(), "waiting to be reconciled".to_owned()),
        };
        Self {
            kind: kind.kind(),
            namespace: text(&object["metadata"]["namespace"]),
            name: text(&object["metadata"]["name"]),
            source: kind.source(object),
            revision: kind.revision(object),
            suspended: kind.can_be_suspended().then(|| object["spec"]["suspend"] == true),
            ready,
            message,
        }
    }
}

/// The conditions of an object.
fn conditions(object: &Value) -> impl Iterator<Item = &Value> {
    object["status"]["conditions"].as_array().into_iter().flatten()
}

impl StatusSelector {
    fn parse(text: &str) -> Result<Self, CliError> {
        let wrong = || CliError::StatusSelector(text.to_owned());
        let (type_, status) = text.split_once('=').ok_or_else(wrong)?;
        let (type_, is_negated) = match type_.strip_suffix('!') {
            Some(type_) => (type_, true),
            None => (type_, false),
        };
        Ok(Self { type_: type_.to_owned(), status: status.to_owned(), is_negated })
    }

    /// Whether an object is wanted; one without such a condition never has the status.
    fn fits(&self, object: &Value) -> bool {
        let same = |value: &Value, text: &str| {
            value.as_str().is_some_and(|value| value.eq_ignore_ascii_case(text))
        };
        let condition = conditions(object).filter(|one| same(&one["type"], &self.type_)).last();
        condition.is_some_and(|one| same(&one["status"], &self.status)) != self.is_negated
    }
}

#[cfg(test)]
mod tests;
