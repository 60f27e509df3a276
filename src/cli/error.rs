//! What can go wrong in the verbs that speak to a cluster; texts are Flux's where Flux has one.

use std::path::PathBuf;

use miette::Diagnostic;
use thiserror::Error;

use crate::cluster::ClusterError;

/// Why a verb could not do what was asked.
#[derive(Debug, Error, Diagnostic)]
pub(super) enum CliError {
    /// `-n` names nothing that can be a namespace.
    #[error("namespace must be a valid DNS label: {0:?}")]
    #[diagnostic(
        code(cli::namespace),
        help("use at most 63 lower-case letters, digits and dashes; begin and end with no dash")
    )]
    Namespace(String),
    /// A selector that cannot be read.
    #[error("expected status selector in type=status format, but found: {0}")]
    #[diagnostic(
        code(cli::status_selector),
        help("for example --status-selector ready=false or --status-selector ready!=true")
    )]
    StatusSelector(String),
    /// One object was asked for, and is not there.
    #[error("{kind} object '{name}' not found in {scope} namespace")]
    #[diagnostic(code(cli::not_found), help("-n names another namespace, -A looks in all"))]
    NotFound {
        /// Its kind.
        kind: String,
        /// Its name.
        name: String,
        /// Where was looked: a namespace in quotes, or `any`.
        scope: String,
    },
    /// A list is empty.
    #[error("no {kind} objects found in {scope} namespace")]
    #[diagnostic(code(cli::none_found), help("-n names another namespace, -A looks in all"))]
    NoneFound {
        /// The kind.
        kind: String,
        /// Where was looked: a namespace in quotes, or `any`.
        scope: String,
    },
    /// No object can be changed, by a verb that is about one namespace.
    #[error("no {kind} objects found in {scope} namespace")]
    #[diagnostic(code(cli::none_found), help("-n names another namespace"))]
    NoneHere {
        /// The kind.
        kind: String,
        /// The namespace.
        scope: String,
    },
    /// The definition of a kind of Flux is missing.
    #[error("the API server does not serve {0}")]
    #[diagnostic(
        code(cluster::not_served),
        help("`hence install` brings the definitions; `hence check` names those that are missing")
    )]
    Undefined(String),
    /// A file cannot be read or written.
    #[error("cannot use the file {}", path.display())]
    #[diagnostic(code(cli::file), help("check its path, permissions and free space"))]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A verb needs a name.
    #[error("{0} name is required")]
    #[diagnostic(code(cli::name_required), help("give a name, or --all where the verb has it"))]
    NameRequired(String),
    /// A suspended object is not reconciled.
    #[error("resource is suspended")]
    #[diagnostic(code(cli::suspended), help("`hence resume` makes it reconcile again"))]
    Suspended,
    /// The object that was asked for does not exist.
    #[error("{plural} {name:?} not found")]
    #[diagnostic(code(cli::not_found), help("`hence get all -A` lists what there is"))]
    Absent {
        /// Plural and group of its kind.
        plural: String,
        /// Its name.
        name: String,
    },
    /// The controller reconciled, and it failed.
    #[error("{kind} reconciliation failed: {message}")]
    #[diagnostic(code(cli::failed), help("`hence why-not ready` names the cause"))]
    Failed {
        /// The kind.
        kind: String,
        /// The Ready condition's message, in quotes for some kinds.
        message: String,
    },
    /// The object says that it will not become ready.
    #[error("{0}")]
    #[diagnostic(code(cli::stalled), help("`hence why-not ready` names the cause"))]
    Stalled(String),
    /// A reconciled object without Ready condition.
    #[error("status can't be determined")]
    #[diagnostic(
        code(cli::no_status),
        help("does a controller reconcile this kind: `hence check`")
    )]
    NoStatus,
    /// Several objects did not become ready.
    #[error("reconciliation failed for {count} {kind}(s)")]
    #[diagnostic(code(cli::some_failed), help("each is named above"))]
    SomeFailed {
        /// How many.
        count: usize,
        /// Their kind.
        kind: String,
    },
    /// Sources of this kind are made by other controllers.
    #[error("cannot reconcile source of kind {0}")]
    #[diagnostic(code(cli::source_kind), help("leave out --with-source"))]
    SourceKind(String),
    /// The time is up.
    #[error("timed out after {seconds} s waiting for {what}")]
    #[diagnostic(
        code(cli::timeout),
        help("--timeout allows more time; `hence check` tells whether a controller runs")
    )]
    Timeout {
        /// How long was waited.
        seconds: u64,
        /// For what.
        what: String,
    },
    /// `check` found something.
    #[error("check failed")]
    #[diagnostic(code(cli::check), help("mend what is marked above, then check again"))]
    Check,
    /// A manifest that cannot be applied, because the server lacks its kind.
    #[error("the API server does not serve {0}")]
    #[diagnostic(code(cli::not_served), help("is it a Kubernetes API server of 1.33 or later?"))]
    NotServed(String),
    /// A definition that somebody else installed does not fit.
    #[error("the CRD {name} lacks {what}")]
    #[diagnostic(
        code(cli::crd),
        help("upgrade it with the tool that installed it, then run this again")
    )]
    Crd {
        /// The definition's name.
        name: String,
        /// What is missing in it.
        what: String,
    },
    /// Nobody can be asked.
    #[error("not confirmed")]
    #[diagnostic(code(cli::unconfirmed), help("pass --silent where nobody can answer"))]
    Unconfirmed,
    /// A daemon that is not the installed one reconciles this cluster.
    #[error("a daemon holds the lease {lease} and renews it: {holder}")]
    #[diagnostic(
        code(cli::daemon_runs),
        help("stop it and uninstall again: while it runs it puts finalizers back")
    )]
    DaemonRuns {
        /// The lease.
        lease: String,
        /// Who holds it.
        holder: String,
    },
    /// The daemon refuses the question.
    #[error("{0}")]
    #[diagnostic(
        code(cli::refused),
        help("does the daemon have the same version as this program?")
    )]
    Refused(String),
    /// No such relation.
    #[error("no relation `{name}` is declared{}", suggestion(.near))]
    #[diagnostic(code(cli::relation), help("`hence rules list` names all relations"))]
    Relation {
        /// As asked for.
        name: String,
        /// A declared name that is close.
        near: Option<String>,
    },
    /// A watch is about one kind.
    #[error("expected a single resource type, but found all")]
    #[diagnostic(code(cli::one_kind), help("name a kind: hence get ks -A --watch"))]
    OneKind,
    /// `why` was asked for too much or too little.
    #[error("`why` takes an object, or `pruned` and an object without --field")]
    #[diagnostic(code(cli::why), help("for example: hence why pruned cm/flags -n shop"))]
    Why,
    /// Threads cannot be had.
    #[error("cannot start")]
    #[diagnostic(code(cli::runtime), help("are there too many processes on this machine?"))]
    Runtime(#[source] std::io::Error),
    /// The cluster.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Cluster(#[from] ClusterError),
}

fn suggestion(near: &Option<String>) -> String {
    near.as_ref().map(|name| format!("; is `{name}` meant?")).unwrap_or_default()
}

impl CliError {
    /// An error about a kind of Flux: a missing definition is not one of somebody's unit.
    pub(super) fn of_flux(error: ClusterError) -> Self {
        match error {
            ClusterError::NotServed { what } => Self::Undefined(what),
            error => Self::Cluster(error),
        }
    }
}
