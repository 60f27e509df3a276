//! How the verbs that need a cluster reach it: flags, namespace, time limit.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Once;
use std::time::Duration;

use clap::Args;

use crate::api;
use crate::cli::error::CliError;
use crate::cli::output;
use crate::cluster::Cluster;
use crate::cluster::ConnectOptions;
use crate::sources;

/// The namespace of Flux, and of whoever takes its place.
pub(super) const SYSTEM_NAMESPACE: &str = "flux-system";
/// The variable that names another one.
const NAMESPACE_VARIABLE: &str = "FLUX_SYSTEM_NAMESPACE";

/// Flags that all such verbs have; names and defaults are Flux's.
#[derive(Debug, Args)]
pub(super) struct ClusterArgs {
    /// A kubeconfig file; without one `KUBECONFIG`, then `~/.kube/config`
    #[arg(long, global = true, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// A context of the kubeconfig
    #[arg(long, global = true)]
    context: Option<String>,
    /// The namespace of the objects; flux-system unless FLUX_SYSTEM_NAMESPACE names another
    #[arg(short, long, global = true)]
    namespace: Option<String>,
    /// How long the whole operation may take
    #[arg(long, global = true, default_value = "5m0s", value_parser = parse_timeout)]
    timeout: Duration,
}

fn parse_timeout(text: &str) -> Result<Duration, api::ParseDurationError> {
    api::Duration::parse(text).map(api::Duration::to_std)
}

impl ClusterArgs {
    /// The namespace that is meant.
    pub(super) fn namespace(&self) -> Result<String, CliError> {
        if let Some(name) = &self.namespace {
            let checked = is_dns_label(name).then(|| name.clone());
            return checked.ok_or_else(|| CliError::Namespace(name.clone()));
        }
        match std::env::var(NAMESPACE_VARIABLE) {
            Ok(name) if is_dns_label(&name) => Ok(name),
            Ok(name) if !name.is_empty() => {
                static TOLD: Once = Once::new();
                let text = format!("ignoring {NAMESPACE_VARIABLE}: {name:?} is no valid DNS label");
                TOLD.call_once(|| output::progress(output::WARNING, &text));
                Ok(SYSTEM_NAMESPACE.to_owned())
            }
            _ => Ok(SYSTEM_NAMESPACE.to_owned()),
        }
    }

    /// How long the operation may take.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Connects; the first request finds out whether that worked.
    pub(super) async fn connect(&self) -> Result<Cluster, CliError> {
        let options = ConnectOptions {
            kubeconfig: self.kubeconfig.clone(),
            context: self.context.clone(),
            ..ConnectOptions::default()
        };
        Ok(Cluster::connect(&options).await?)
    }

    /// Runs `work` to its end, however long that takes.
    pub(super) fn run_on<T>(
        &self,
        work: impl Future<Output = Result<T, CliError>>,
    ) -> Result<T, CliError> {
        sources::tls::install_provider();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(CliError::Runtime)?.block_on(work)
    }

    /// Runs `work` to its end, or until the time is up.
    pub(super) fn run<T>(
        &self,
        what: &str,
        work: impl Future<Output = Result<T, CliError>>,
    ) -> Result<T, CliError> {
        self.run_on(self.in_time(what, work))
    }

    /// `work`, or a failure once the time is up.
    pub(super) async fn in_time<T>(
        &self,
        what: &str,
        work: impl Future<Output = Result<T, CliError>>,
    ) -> Result<T, CliError> {
        let late = || CliError::Timeout { seconds: self.timeout.as_secs(), what: what.to_owned() };
        tokio::time::timeout(self.timeout, work).await.unwrap_or_else(|_| Err(late()))
    }
}

/// Whether `text` can be a namespace (DNS-1123 label).
pub(super) fn is_dns_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let clean_ends = !text.starts_with('-') && !text.ends_with('-');
    (1..=63).contains(&text.len()) && clean_ends && text.bytes().all(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels() {
        for (text, want) in
            [("flux-system", true), ("a", true), ("", false), ("-a", false), ("A", false)]
        {
            assert_eq!(is_dns_label(text), want, "{text}");
        }
        assert!(!is_dns_label(&"a".repeat(64)));
    }

    #[test]
    fn timeouts_are_written_as_for_flux() {
        assert_eq!(parse_timeout("5m0s").unwrap(), Duration::from_secs(300));
        assert!(parse_timeout("5").is_err());
    }
}
