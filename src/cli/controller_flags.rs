//! Flags that Flux's controllers have besides those of `run.rs`, so that their manifests fit.
//!
//! Those that have nothing to act on here are accepted and named in a warning. A switch may stand
//! alone or have a value, as Go's flags have it: `--enable-leader-election`, `…=false`.

use std::time::Duration;

use clap::ArgAction;
use clap::Args;
use clap::ValueEnum;

use crate::cli::run::parse_duration;
use crate::daemon::WatchScope;

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum LogEncoding {
    /// One JSON object a line.
    #[default]
    Json,
    /// Text for people.
    Console,
}

/// A feature gate: `NAME=true` or `NAME=false`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gate {
    name: String,
    on: bool,
}

/// The one gate that changes what hence does: refuse variables that are not set.
const STRICT: &str = "StrictPostBuildSubstitutions";

/// The flags.
#[derive(Debug, Args)]
pub(super) struct ControllerFlags {
    /// Where /metrics is served too
    #[arg(long, value_name = "ADDR", env = "METRICS_ADDR")]
    metrics_addr: Option<String>,
    /// Where /healthz and /readyz are served too
    #[arg(long, value_name = "ADDR")]
    health_addr: Option<String>,
    /// Reconcile all namespaces; otherwise only that of --runtime-namespace
    #[arg(long, default_value_t = true, action = ArgAction::Set, num_args = 0..=1,
        default_missing_value = "true")]
    watch_all_namespaces: bool,
    /// Reconcile only custom resources with these labels
    #[arg(long, value_name = "SELECTOR", default_value = "")]
    watch_label_selector: String,
    /// Requests a second to the API server; without a limit its own fairness holds
    #[arg(long, value_name = "RATE")]
    pub(super) kube_api_qps: Option<f32>,
    /// Requests that may be sent at once before the limit holds
    #[arg(long, default_value_t = 300)]
    pub(super) kube_api_burst: u32,
    /// How log lines are written
    #[arg(long, value_enum, default_value_t)]
    pub(super) log_encoding: LogEncoding,
    /// Give the leases back when stopping
    #[arg(long, default_value_t = true, action = ArgAction::Set, num_args = 0..=1,
        default_missing_value = "true")]
    pub(super) leader_election_release_on_cancel: bool,
    /// How often a failed download of an artifact is tried again
    #[arg(long, default_value_t = 9)]
    pub(super) http_retry: u32,
    /// The first wait after a failed fetch; it doubles
    #[arg(long, default_value = "750ms", value_parser = parse_duration)]
    pub(super) min_retry_delay: Duration,
    /// The longest wait after failed fetches
    #[arg(long, default_value = "15m", value_parser = parse_duration)]
    pub(super) max_retry_delay: Duration,
    /// How far intervals are moved at most, so that not all fall together
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(super) interval_jitter_percentage: u8,
    /// Feature gates, as NAME=true
    #[arg(long, value_delimiter = ',', value_parser = gate)]
    feature_gates: Vec<Gate>,
    #[arg(long, hide = true)]
    events_addr: Option<String>,
    #[arg(long, hide = true)]
    concurrent_ssa: Option<u32>,
    #[arg(long, hide = true)]
    token_cache_max_size: Option<u32>,
    #[arg(long, hide = true)]
    token_cache_max_duration: Option<String>,
    #[arg(long, hide = true)]
    watch_configs_label_selector: Option<String>,
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "true")]
    insecure_kubeconfig_exec: Option<bool>,
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "true")]
    insecure_kubeconfig_tls: Option<bool>,
    #[arg(long, hide = true)]
    default_kubeconfig_service_account: Option<String>,
    #[arg(long, hide = true)]
    default_decryption_service_account: Option<String>,
    #[arg(long, hide = true)]
    sops_age_secret: Option<String>,
    #[arg(long, hide = true)]
    sops_vault_configmap: Option<String>,
    #[arg(long, hide = true)]
    artifact_digest_algo: Option<String>,
    #[arg(long, hide = true)]
    helm_index_max_size: Option<String>,
    #[arg(long, hide = true)]
    helm_chart_max_size: Option<String>,
    #[arg(long, hide = true)]
    helm_chart_file_max_size: Option<String>,
    #[arg(long, hide = true)]
    helm_cache_max_size: Option<String>,
    #[arg(long, hide = true)]
    helm_cache_ttl: Option<String>,
    #[arg(long, hide = true)]
    helm_cache_purge_interval: Option<String>,
    /// Refuse bases and files that kustomizations name by URL
    #[arg(long, default_value_t = false, action = ArgAction::Set, num_args = 0..=1,
        default_missing_value = "true")]
    pub(super) no_remote_bases: bool,
}

fn gate(text: &str) -> Result<Gate, String> {
    let wrong = || "expected NAME=true or NAME=false".to_owned();
    let (name, on) = text.split_once('=').ok_or_else(wrong)?;
    Ok(Gate { name: name.to_owned(), on: on.parse().map_err(|_| wrong())? })
}

impl ControllerFlags {
    /// Where the daemon's HTTP is served, besides `listen`.
    pub(super) fn addresses(&self, listen: Option<&String>) -> Vec<String> {
        let given = [listen, self.metrics_addr.as_ref(), self.health_addr.as_ref()];
        let mut addresses: Vec<String> = Vec::new();
        for address in given.into_iter().flatten().filter(|address| *address != "0") {
            if !addresses.contains(address) {
                addresses.push(address.clone());
            }
        }
        addresses
    }

    /// Which custom resources are reconciled.
    pub(super) fn scope(&self, namespace: &str) -> WatchScope {
        let namespace = if self.watch_all_namespaces { "" } else { namespace };
        WatchScope { namespace: namespace.to_owned(), labels: self.watch_label_selector.clone() }
    }

    /// Whether variables that are not set are refused.
    pub(super) fn strict_substitution(&self) -> bool {
        let mut gates = self.feature_gates.iter();
        gates.rfind(|gate| gate.name == STRICT).is_none_or(|gate| gate.on)
    }

    /// Warns of flags that change nothing here.
    pub(super) fn warn(&self) {
        let given = |flag: &Option<String>| flag.is_some();
        let without = [
            ("--events-addr", self.events_addr.is_some()),
            ("--concurrent-ssa", self.concurrent_ssa.is_some()),
            ("--token-cache-max-size", self.token_cache_max_size.is_some()),
            ("--token-cache-max-duration", self.token_cache_max_duration.is_some()),
            ("--watch-configs-label-selector", self.watch_configs_label_selector.is_some()),
            ("--insecure-kubeconfig-exec", self.insecure_kubeconfig_exec.is_some()),
            ("--insecure-kubeconfig-tls", self.insecure_kubeconfig_tls.is_some()),
            (
                "--default-kubeconfig-service-account",
                given(&self.default_kubeconfig_service_account),
            ),
            (
                "--default-decryption-service-account",
                given(&self.default_decryption_service_account),
            ),
            ("--sops-age-secret", given(&self.sops_age_secret)),
            ("--sops-vault-configmap", given(&self.sops_vault_configmap)),
            ("--artifact-digest-algo", given(&self.artifact_digest_algo)),
            ("--helm-index-max-size", given(&self.helm_index_max_size)),
            ("--helm-chart-max-size", given(&self.helm_chart_max_size)),
            ("--helm-chart-file-max-size", given(&self.helm_chart_file_max_size)),
            ("--helm-cache-max-size", given(&self.helm_cache_max_size)),
            ("--helm-cache-ttl", given(&self.helm_cache_ttl)),
            ("--helm-cache-purge-interval", given(&self.helm_cache_purge_interval)),
        ];
        for (flag, _) in without.into_iter().filter(|(_, given)| *given) {
            tracing::warn!(flag, "this flag of Flux changes nothing here");
        }
        for gate in self.feature_gates.iter().filter(|gate| gate.name != STRICT) {
            tracing::warn!(gate = gate.name, "this feature gate of Flux changes nothing here");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Only {
        #[command(flatten)]
        flags: ControllerFlags,
    }

    fn flags(args: &[&str]) -> ControllerFlags {
        let args = std::iter::once("run").chain(args.iter().copied());
        Only::try_parse_from(args).expect("flags of Flux").flags
    }

    #[test]
    fn flags_of_flux_are_understood() {
        let listen = ":8080".to_owned();
        let given = flags(&[
            "--metrics-addr=:8080",
            "--health-addr=:9440",
            "--watch-all-namespaces=false",
            "--watch-label-selector=a=b",
            "--feature-gates=StrictPostBuildSubstitutions=false,Other=true",
            "--no-remote-bases",
            "--concurrent-ssa=4",
            "--leader-election-release-on-cancel",
            "--insecure-kubeconfig-tls=false",
            "--sops-age-secret=keys",
        ]);
        assert!(given.leader_election_release_on_cancel);
        assert_eq!(given.addresses(Some(&listen)), [":8080", ":9440"]);
        let scope = WatchScope { namespace: "flux-system".to_owned(), labels: "a=b".to_owned() };
        assert_eq!(given.scope("flux-system"), scope);
        assert!(!given.strict_substitution());
        assert!(flags(&[]).strict_substitution());
        assert!(flags(&["--health-addr=0"]).addresses(None).is_empty());
        assert!(gate("Strict").is_err() && gate("Strict=maybe").is_err());
    }
}
