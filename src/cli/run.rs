//! `hence run`: the daemon.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::cli::output::Failure;
use crate::cli::output::Outcome;
use crate::daemon;
use crate::daemon::DaemonError;
use crate::daemon::DaemonOptions;
use crate::daemon::LeaseTiming;
use crate::model::GroupKind;

/// Flags of the daemon; names are those of the Flux controllers where they have one.
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// A kubeconfig file; without one `KUBECONFIG`, then the pod's service account
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Where facts, journal and fetched sources are kept
    #[arg(long, value_name = "DIR", default_value = "hence-state", env = "HENCE_STATE")]
    state: PathBuf,
    /// A directory of rule files of your own
    #[arg(long, value_name = "DIR")]
    rules: Vec<PathBuf>,
    /// Where /healthz, /readyz and /metrics are served
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Which kinds to reconcile
    #[arg(long, value_delimiter = ',', default_value = "Kustomization,GitRepository")]
    kinds: Vec<String>,
    /// Hold the leases of the controllers that are replaced
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
    enable_leader_election: bool,
    /// How long others wait for a holder of the leases that falls silent, in seconds
    #[arg(long, default_value_t = 35, value_name = "SECONDS")]
    leader_election_lease_duration: u64,
    /// How long the leases are counted on after a renewal, in seconds
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    leader_election_renew_deadline: u64,
    /// The pause between renewals of the leases, in seconds
    #[arg(long, default_value_t = 5, value_name = "SECONDS")]
    leader_election_retry_period: u64,
    /// The namespace of the leases
    #[arg(long, env = "RUNTIME_NAMESPACE", default_value = "flux-system")]
    runtime_namespace: String,
    /// How many units are written at once
    #[arg(long, default_value_t = 16)]
    concurrent: usize,
    /// A field manager whose fields are taken over, besides kubectl
    #[arg(long)]
    override_manager: Vec<String>,
    /// Refuse references to sources of other namespaces
    #[arg(long)]
    no_cross_namespace_refs: bool,
    /// Where artifact files are served for other controllers
    #[arg(long, value_name = "ADDR", env = "STORAGE_ADDR")]
    artifact_addr: Option<String>,
    /// Host and port under which other controllers reach them
    #[arg(long, value_name = "HOST:PORT", env = "STORAGE_ADV_ADDR", default_value = "")]
    artifact_adv_addr: String,
    /// The ServiceAccount that Kustomizations without `serviceAccountName` act as
    #[arg(long, value_name = "NAME", default_value = "")]
    default_service_account: String,
    /// How long a prune is held for a Kustomization that may want the object, in seconds
    #[arg(long, default_value_t = 3600, value_name = "SECONDS")]
    prune_hold: u64,
    /// Kinds that are applied in a stage of their own before the rest, such as `shop.example/Till`
    #[arg(long, value_delimiter = ',', value_name = "GROUP/KIND", value_parser = group_kind)]
    custom_apply_stage_kinds: Vec<GroupKind>,
    /// Wait before a source without artifact is looked at again, in seconds
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    requeue_dependency: u64,
    /// Log level: error, info, debug or trace
    #[arg(long, default_value = "info")]
    log_level: String,
}

/// `group/Kind`; the core group is empty, as in `/ConfigMap`.
fn group_kind(text: &str) -> Result<GroupKind, String> {
    match text.split_once('/') {
        Some((group, kind)) if !kind.is_empty() && !kind.contains('/') => {
            Ok(GroupKind { group: group.to_owned(), kind: kind.to_owned() })
        }
        _ => Err("expected GROUP/KIND, such as rbac.authorization.k8s.io/Role".to_owned()),
    }
}

/// Runs the daemon until SIGTERM or SIGINT.
pub(super) fn run(args: &RunArgs) -> Result<Outcome, Failure> {
    let filter = format!("warn,hence={}", args.log_level);
    tracing_subscriber::fmt()
        .json()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(std::io::stderr)
        .init();
    let options = DaemonOptions {
        kubeconfig: args.kubeconfig.clone(),
        state: args.state.clone(),
        rules: args.rules.clone(),
        listen: args.listen.clone(),
        kinds: args.kinds.clone(),
        leader_election: args.enable_leader_election,
        lease: LeaseTiming {
            duration: Duration::from_secs(args.leader_election_lease_duration),
            renew_deadline: Duration::from_secs(args.leader_election_renew_deadline),
            retry_period: Duration::from_secs(args.leader_election_retry_period),
        },
        namespace: args.runtime_namespace.clone(),
        concurrent: args.concurrent,
        override_managers: args.override_manager.clone(),
        no_cross_namespace_refs: args.no_cross_namespace_refs,
        artifact_addr: args.artifact_addr.clone(),
        artifact_adv_addr: args.artifact_adv_addr.clone(),
        default_service_account: args.default_service_account.clone(),
        prune_hold: Duration::from_secs(args.prune_hold),
        custom_stage: args.custom_apply_stage_kinds.clone(),
        requeue_dependency: Duration::from_secs(args.requeue_dependency),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let io = |source| DaemonError::Io { what: "cannot start threads".to_owned(), source };
    let runtime = runtime.map_err(|error| Failure::world(io(error)))?;
    runtime
        .block_on(async {
            let stop = CancellationToken::new();
            tokio::spawn(signals(stop.clone()));
            daemon::run(options, stop).await
        })
        .map_err(|error| match &error {
            DaemonError::Rules { .. } | DaemonError::Io { .. } => Failure::input(error),
            _ => Failure::world(error),
        })?;
    Ok(Outcome::Done)
}

/// Cancels `stop` at the first SIGTERM or SIGINT.
async fn signals(stop: CancellationToken) {
    use tokio::signal::unix::SignalKind;
    use tokio::signal::unix::signal;
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    stop.cancel();
}
