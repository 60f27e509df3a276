//! Wiring: opens the state, starts the loop and everything around it, and stops in order.
//!
//! ```text
//! watcher ─┐                         ┌─▶ executor lanes ─┐
//! clock ───┼──▶ inbox ──▶ StepLoop ──┼─▶ fetch, build ───┼──▶ inbox
//! lease ───┘        (own thread)     └─▶ journal         ┘
//! ```
//!
//! Not here: what is decided (`rules/`), how a write is sent (`executor`, `cluster`).

mod aftermath;
mod artifacts;
pub mod ask;
mod clock;
mod collect;
mod contact;
mod due;
mod field;
pub mod http;
pub mod journal_view;
mod lease;
mod moments;
mod outlets;
mod past;
mod paths;
mod record;
mod restore;
pub mod rule_files;
mod ruling;
mod secret_key;
pub mod socket;
mod startup;
mod state;
mod step;
mod stores;
mod timers;
mod unanswered;
mod watcher;

use std::path::PathBuf;
use std::time::Duration;

use miette::Diagnostic;
use thiserror::Error;

use crate::actions::ActionError;
use crate::actions::LintError;
use crate::audit::AuditError;
use crate::cluster::ClusterError;
use crate::daemon::rule_files::RuleFilesError;
use crate::facts::store::Loss;
use crate::facts::store::StoreError;
use crate::model::GroupKind;

pub use clock::SystemClock;
pub use lease::LeaseTiming;
pub use lease::lease_name;
pub use lease::noted_head;
pub use restore::LeftState;
pub use restore::read_state;
pub use startup::run;
pub use unanswered::Unanswered;

/// How the daemon runs: everything that flags can say.
#[derive(Clone, Debug)]
pub struct DaemonOptions {
    /// A kubeconfig file; without one `KUBECONFIG`, then the pod's credentials.
    pub kubeconfig: Option<PathBuf>,
    /// The state directory.
    pub state: PathBuf,
    /// Directories of user rules.
    pub rules: Vec<PathBuf>,
    /// Where `/healthz`, `/readyz`, `/metrics` and queries are served; may be empty.
    pub listen: Vec<String>,
    /// Kinds that this daemon reconciles.
    pub kinds: Vec<String>,
    /// Whether the leases of the replaced controllers are held; off for single-process tests.
    pub leader_election: bool,
    /// How long leases are held.
    pub lease: LeaseTiming,
    /// The namespace of leases; `RUNTIME_NAMESPACE`.
    pub namespace: String,
    /// How many units are written at once.
    pub concurrent: usize,
    /// Managers besides Flux's list whose fields are taken over.
    pub override_managers: Vec<String>,
    /// The Secret that holds the key of digests; without one a file in the state directory does.
    pub digest_key_secret: Option<String>,
    /// Refuse cross-namespace source references.
    pub no_cross_namespace_refs: bool,
    /// Where artifact files are served for other controllers; none when absent.
    pub artifact_addr: Option<String>,
    /// Host and port under which others reach them; empty: where they are served.
    pub artifact_adv_addr: String,
    /// Where artifact files are kept; the state directory has a place for them.
    pub artifact_path: Option<PathBuf>,
    /// How long artifact files stay that are not current any more.
    pub artifact_retention_ttl: Duration,
    /// How many artifact files of a source stay, the current one included.
    pub artifact_retention_records: usize,
    /// Host key algorithms for ssh, most wanted first; empty: what known_hosts has.
    pub ssh_host_key_algorithms: Vec<String>,
    /// Key exchange algorithms for ssh, most wanted first; empty: the default.
    pub ssh_kex_algorithms: Vec<String>,
    /// The ServiceAccount that units without one of their own act as; empty for none.
    pub default_service_account: String,
    /// How long a prune is held for a unit that may want the object.
    pub prune_hold: Duration,
    /// Whether the server is asked by dry-runs for a whole stage before any of it is applied.
    pub dry_run_first: bool,
    /// Kinds of the custom stage, applied before the rest.
    pub custom_stage: Vec<GroupKind>,
    /// Wait before a source without artifact is looked at again.
    pub requeue_dependency: Duration,
    /// Which custom resources are reconciled.
    pub scope: WatchScope,
    /// Requests a second to the API server; `None` leaves it to the server's own fairness.
    pub queries_per_second: Option<f32>,
    /// Requests that may be sent at once before that limit holds.
    pub burst: u32,
    /// Give the leases back when stopping.
    pub release_leases: bool,
    /// How often a failed download of an artifact is tried again.
    pub http_retries: u32,
    /// Refuse variables that are not set.
    pub strict_substitution: bool,
    /// Fetch bases and files that kustomizations name by URL.
    pub remote_bases: bool,
    /// The first and the longest wait after failed fetches.
    pub retry_delays: (Duration, Duration),
    /// How far intervals are moved at most, in percent.
    pub jitter_percent: u8,
    /// How long what is underway may take to end when the daemon stops.
    pub drain: Duration,
}

/// Which custom resources are reconciled: all, unless narrowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchScope {
    /// One namespace; all when empty.
    pub namespace: String,
    /// A label selector; all when empty.
    pub labels: String,
}

impl Default for DaemonOptions {
    fn default() -> Self {
        Self {
            kubeconfig: None,
            state: PathBuf::from("hence-state"),
            rules: Vec::new(),
            listen: Vec::new(),
            kinds: vec!["Kustomization".to_owned(), "GitRepository".to_owned()],
            leader_election: true,
            lease: LeaseTiming::default(),
            namespace: "flux-system".to_owned(),
            concurrent: 16,
            override_managers: Vec::new(),
            digest_key_secret: None,
            no_cross_namespace_refs: false,
            artifact_addr: None,
            artifact_adv_addr: String::new(),
            artifact_path: None,
            artifact_retention_ttl: Duration::from_secs(60),
            artifact_retention_records: 2,
            ssh_host_key_algorithms: Vec::new(),
            ssh_kex_algorithms: Vec::new(),
            default_service_account: String::new(),
            prune_hold: Duration::from_secs(3600),
            dry_run_first: false,
            custom_stage: Vec::new(),
            requeue_dependency: Duration::from_secs(30),
            scope: WatchScope::default(),
            queries_per_second: None,
            burst: 300,
            release_leases: true,
            http_retries: 9,
            strict_substitution: true,
            remote_bases: true,
            retry_delays: (Duration::from_millis(750), Duration::from_secs(15 * 60)),
            jitter_percent: 5,
            drain: Duration::from_secs(30),
        }
    }
}

/// Why the daemon stopped or could not start.
#[derive(Debug, Error, Diagnostic)]
pub enum DaemonError {
    /// The rules cannot be read or do not check.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Rules(#[from] RuleFilesError),
    /// The cluster cannot be reached or refuses.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Cluster(#[from] ClusterError),
    /// The fact log failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Facts(#[from] StoreError),
    /// Facts are not there any more, so that nothing can be told from them.
    #[error(transparent)]
    #[diagnostic(transparent)]
    FactsLost(#[from] Loss),
    /// The journal failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Journal(#[from] AuditError),
    /// The rules derived something that is no action.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Action(#[from] ActionError),
    /// The rules derived a plan that contradicts itself.
    #[error("the plan contradicts itself; nothing of it was done")]
    #[diagnostic(code(daemon::lint), help("a built-in guard refused what the rules derived"))]
    Lint(#[related] Vec<LintError>),
    /// A file or socket of the daemon failed.
    #[error("{what}")]
    #[diagnostic(code(daemon::io), help("check path, permissions and free space"))]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// An address of the daemon's HTTP, or of the artifacts, cannot be bound.
    #[error("cannot listen on {address}")]
    #[diagnostic(
        code(daemon::listen),
        help("write HOST:PORT or :PORT, with a port that nothing else listens on")
    )]
    Listen {
        /// The address as given.
        address: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A daemon uses the state directory, so its files cannot be read, and it did not answer.
    #[error("a daemon uses {} and does not answer at its socket", dir.display())]
    #[diagnostic(
        code(daemon::silent),
        help("ask again; its journal can be read meanwhile: `hence audit list --state DIR`")
    )]
    Silent {
        /// The state directory.
        dir: PathBuf,
    },
    /// The lease went to somebody else.
    #[error("the lease `{name}` was lost to {holder}")]
    #[diagnostic(code(daemon::lease), help("only one replica may write; this one stops"))]
    LeaseLost {
        /// The lease.
        name: String,
        /// Who has it now.
        holder: String,
    },
}
