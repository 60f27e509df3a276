//! `hence run`: the daemon.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::ArgAction;
use clap::Args;
use clap::builder::RangedU64ValueParser;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::api;
use crate::cli::controller_flags::ControllerFlags;
use crate::cli::controller_flags::LogEncoding;
use crate::cli::output::Failure;
use crate::cli::output::Outcome;
use crate::daemon;
use crate::daemon::DaemonError;
use crate::daemon::DaemonOptions;
use crate::daemon::LeaseTiming;
use crate::model::GroupKind;

/// The kinds that can be reconciled.
pub(super) const RECONCILED: [&str; 2] = ["Kustomization", "GitRepository"];
/// How long threads may take to end once the daemon has stopped: none of them writes any more.
const LINGER: Duration = Duration::from_secs(2);

fn at_least_one() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..)
}

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
    #[arg(long, value_delimiter = ',', default_value = "Kustomization,GitRepository",
        value_parser = RECONCILED)]
    kinds: Vec<String>,
    /// Hold the leases of the controllers that are replaced
    #[arg(long, default_value_t = true, action = ArgAction::Set, num_args = 0..=1,
        default_missing_value = "true")]
    enable_leader_election: bool,
    /// How long others wait for a holder of the leases that falls silent
    #[arg(long, default_value = "35s", value_parser = parse_duration)]
    leader_election_lease_duration: Duration,
    /// How long the leases are counted on after a renewal
    #[arg(long, default_value = "30s", value_parser = parse_duration)]
    leader_election_renew_deadline: Duration,
    /// The pause between renewals of the leases
    #[arg(long, default_value = "5s", value_parser = parse_duration)]
    leader_election_retry_period: Duration,
    /// The namespace of the leases
    #[arg(long, env = "RUNTIME_NAMESPACE", default_value = "flux-system")]
    runtime_namespace: String,
    /// How many units are written at once
    #[arg(long, default_value_t = 16, value_parser = at_least_one())]
    concurrent: usize,
    /// A field manager whose fields are taken over, besides kubectl
    #[arg(long)]
    override_manager: Vec<String>,
    /// A Secret in the own namespace that holds the key under which secret values are digested;
    /// without one a file in the state directory does
    #[arg(long, value_name = "NAME")]
    digest_key_secret: Option<String>,
    /// Refuse references to sources of other namespaces
    #[arg(long, default_value_t = false, action = ArgAction::Set, num_args = 0..=1,
        default_missing_value = "true")]
    no_cross_namespace_refs: bool,
    /// Where artifact files are served for other controllers
    #[arg(long, alias = "storage-addr", value_name = "ADDR", env = "STORAGE_ADDR")]
    artifact_addr: Option<String>,
    /// Host and port under which other controllers reach them
    #[arg(
        long,
        alias = "storage-adv-addr",
        value_name = "HOST:PORT",
        env = "STORAGE_ADV_ADDR",
        default_value = ""
    )]
    artifact_adv_addr: String,
    /// Where artifact files are kept, unless in the state directory
    #[arg(long, alias = "storage-path", value_name = "DIR", env = "STORAGE_PATH")]
    artifact_path: Option<PathBuf>,
    /// How long artifact files stay that are not current any more
    #[arg(long, default_value = "1m", value_parser = parse_duration)]
    artifact_retention_ttl: Duration,
    /// How many artifact files of a source stay, the current one included
    #[arg(long, default_value_t = 2)]
    artifact_retention_records: usize,
    /// Host key algorithms for ssh, most wanted first
    #[arg(long, value_delimiter = ',')]
    ssh_hostkey_algos: Vec<String>,
    /// Key exchange algorithms for ssh, most wanted first
    #[arg(long, value_delimiter = ',')]
    ssh_kex_algos: Vec<String>,
    /// The ServiceAccount that Kustomizations without `serviceAccountName` act as
    #[arg(long, value_name = "NAME", default_value = "")]
    default_service_account: String,
    /// How long a prune is held for a Kustomization that may want the object
    #[arg(long, default_value = "1h", value_parser = parse_duration)]
    prune_hold: Duration,
    /// Apply a stage once dry-runs show that the server takes all of it, as Flux does
    #[arg(long, default_value_t = false, action = ArgAction::Set, num_args = 0..=1,
        default_missing_value = "true")]
    dry_run_first: bool,
    /// Kinds that are applied in a stage of their own before the rest, such as `shop.example/Till`
    #[arg(long, value_delimiter = ',', value_name = "GROUP/KIND", value_parser = group_kind)]
    custom_apply_stage_kinds: Vec<GroupKind>,
    /// Wait before a source without artifact is looked at again
    #[arg(long, default_value = "30s", value_parser = parse_duration)]
    requeue_dependency: Duration,
    /// How long what is underway may take to end, once the daemon is asked to stop
    #[arg(long, default_value = "30s", value_parser = parse_duration)]
    graceful_shutdown_timeout: Duration,
    /// Log level
    #[arg(long, default_value = "info", value_parser = ["error", "info", "debug", "trace"])]
    log_level: String,
    #[command(flatten)]
    flux: ControllerFlags,
}

/// A duration as Flux's flags take it; a bare number is seconds.
pub(super) fn parse_duration(text: &str) -> Result<Duration, api::ParseDurationError> {
    match text.parse::<u64>() {
        Ok(seconds) => Ok(Duration::from_secs(seconds)),
        Err(_) => api::Duration::parse(text).map(api::Duration::to_std),
    }
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
    log(args);
    args.flux.warn();
    let options = options(args);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let io = |source| DaemonError::Io { what: "cannot start threads".to_owned(), source };
    let runtime = runtime.map_err(|error| Failure::world(io(error)))?;
    let ended = runtime.block_on(async {
        let stop = CancellationToken::new();
        tokio::spawn(signals(stop.clone()));
        daemon::run(options, stop).await
    });
    runtime.shutdown_timeout(LINGER);
    ended.map_err(|error| match &error {
        DaemonError::Rules(_) | DaemonError::Io { .. } | DaemonError::Listen { .. } => {
            Failure::input(error)
        }
        _ => Failure::world(error),
    })?;
    Ok(Outcome::Done)
}

fn log(args: &RunArgs) {
    let filter = EnvFilter::new(format!("warn,hence={}", args.log_level));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match args.flux.log_encoding {
        LogEncoding::Json => log.json().init(),
        // A file or a pipe gets no colours.
        LogEncoding::Console => log.with_ansi(std::io::stderr().is_terminal()).init(),
    }
}

fn options(args: &RunArgs) -> DaemonOptions {
    DaemonOptions {
        kubeconfig: args.kubeconfig.clone(),
        state: args.state.clone(),
        rules: args.rules.clone(),
        listen: args.flux.addresses(args.listen.as_ref()),
        kinds: args.kinds.clone(),
        leader_election: args.enable_leader_election,
        lease: LeaseTiming {
            duration: args.leader_election_lease_duration,
            renew_deadline: args.leader_election_renew_deadline,
            retry_period: args.leader_election_retry_period,
        },
        namespace: args.runtime_namespace.clone(),
        concurrent: args.concurrent,
        override_managers: args.override_manager.clone(),
        digest_key_secret: args.digest_key_secret.clone(),
        no_cross_namespace_refs: args.no_cross_namespace_refs,
        artifact_addr: args.artifact_addr.clone(),
        artifact_adv_addr: args.artifact_adv_addr.clone(),
        artifact_path: args.artifact_path.clone(),
        artifact_retention_ttl: args.artifact_retention_ttl,
        artifact_retention_records: args.artifact_retention_records,
        ssh_host_key_algorithms: args.ssh_hostkey_algos.clone(),
        ssh_kex_algorithms: args.ssh_kex_algos.clone(),
        default_service_account: args.default_service_account.clone(),
        prune_hold: args.prune_hold,
        dry_run_first: args.dry_run_first,
        custom_stage: args.custom_apply_stage_kinds.clone(),
        requeue_dependency: args.requeue_dependency,
        scope: args.flux.scope(&args.runtime_namespace),
        queries_per_second: args.flux.kube_api_qps,
        burst: args.flux.kube_api_burst,
        release_leases: args.flux.leader_election_release_on_cancel,
        http_retries: args.flux.http_retry,
        strict_substitution: args.flux.strict_substitution(),
        remote_bases: !args.flux.no_remote_bases,
        retry_delays: (args.flux.min_retry_delay, args.flux.max_retry_delay),
        jitter_percent: args.flux.interval_jitter_percentage,
        drain: args.graceful_shutdown_timeout,
    }
}

/// Cancels `stop` at the first SIGTERM or SIGINT.
async fn signals(stop: CancellationToken) {
    ended().await;
    stop.cancel();
}

/// Waits for the first SIGTERM or SIGINT.
pub(super) async fn ended() {
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Only {
        #[command(flatten)]
        run: RunArgs,
    }

    fn parsed(args: &[&str]) -> RunArgs {
        let args = std::iter::once("run").chain(args.iter().copied());
        Only::try_parse_from(args).expect("arguments of Flux's manifests").run
    }

    #[test]
    fn the_arguments_of_fluxs_own_manifests_fit() {
        let kustomize = parsed(&[
            "--events-addr=http://notification-controller.flux-system.svc.cluster.local./",
            "--watch-all-namespaces=true",
            "--log-level=info",
            "--log-encoding=json",
            "--enable-leader-election",
            "--no-cross-namespace-refs=true",
            "--feature-gates=ExternalArtifact=true",
        ]);
        assert!(kustomize.enable_leader_election && kustomize.no_cross_namespace_refs);
        let source = parsed(&[
            "--enable-leader-election=false",
            "--storage-path=/data",
            "--storage-adv-addr=source-controller.flux-system.svc.cluster.local.",
            "--artifact-digest-algo=sha256",
        ]);
        assert!(!source.enable_leader_election && !source.no_cross_namespace_refs);
        assert_eq!(source.artifact_path, Some(PathBuf::from("/data")));
        let patient = parsed(&[
            "--leader-election-lease-duration=1m10s",
            "--leader-election-renew-deadline=45",
            "--leader-election-retry-period=500ms",
        ]);
        let LeaseTiming { duration, renew_deadline, retry_period } = options(&patient).lease;
        let times = [duration, renew_deadline, retry_period].map(|time| time.as_millis());
        assert_eq!(times, [70_000, 45_000, 500]);
        assert_eq!(options(&parsed(&[])).lease, LeaseTiming::default());
    }

    #[test]
    fn what_would_do_nothing_is_refused() {
        for wrong in [
            "--concurrent=0",
            "--kinds=Foo",
            "--kinds=Kustomization,kustomization",
            "--log-level=loud",
            "--graceful-shutdown-timeout=soon",
        ] {
            let refused = Only::try_parse_from(["run", wrong]).expect_err(wrong).to_string();
            assert!(refused.contains(wrong.split(['=', ',']).next_back().unwrap()), "{refused}");
        }
        let refused = Only::try_parse_from(["run", "--kinds=Foo"]).unwrap_err().to_string();
        assert!(refused.contains("Kustomization, GitRepository"), "{refused}");
        assert_eq!(parsed(&[]).kinds, RECONCILED);
        assert_eq!(parsed(&["--log-level=debug"]).log_level, "debug");
    }
}
