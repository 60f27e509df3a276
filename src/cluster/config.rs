//! How to reach the cluster: kubeconfig file, `KUBECONFIG`, or the pod's service account.

use std::path::PathBuf;
use std::time::Duration;

use kube::Config;
use kube::config::KubeConfigOptions;
use kube::config::Kubeconfig;
use kube::config::KubeconfigError;

use super::ClusterError;

/// How to connect. Each default is the safe choice.
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    /// A kubeconfig file; when absent, `KUBECONFIG`, `~/.kube/config`, then the pod's credentials.
    pub kubeconfig: Option<PathBuf>,
    /// A context of that file; when absent, its current one.
    pub context: Option<String>,
    /// Requests a second that we allow ourselves; `None` leaves it to the server's own fairness.
    pub queries_per_second: Option<f32>,
    /// Requests that may be sent at once before the limit holds.
    pub burst: u32,
    /// How long one request may take, watches excepted.
    pub request_timeout: Duration,
    /// How long a connection may take to come up.
    pub connect_timeout: Duration,
    /// A watch that shows no event and no bookmark for so long is stale.
    pub watch_stale_after: Duration,
    /// The server ends a watch after so long, and up to twice that, so that renewals spread.
    pub watch_renew_after: Duration,
    /// What the `User-Agent` starts with.
    pub product: String,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            kubeconfig: None,
            context: None,
            queries_per_second: None,
            burst: 300,
            request_timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            watch_stale_after: Duration::from_secs(300),
            watch_renew_after: Duration::from_secs(300),
            product: concat!("hence/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

impl ConnectOptions {
    /// Finds the configuration.
    pub(super) async fn load(&self) -> Result<Config, ClusterError> {
        let wrong = |reason: String| ClusterError::Config { reason };
        let choice =
            KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        match &self.kubeconfig {
            Some(path) => {
                let file = Kubeconfig::read_from(path).map_err(|e| wrong(describe(&e)))?;
                Config::from_custom_kubeconfig(file, &choice).await.map_err(|e| wrong(describe(&e)))
            }
            None if let Some(file) = from_variable().map_err(|e| wrong(describe(&e)))? => {
                Config::from_custom_kubeconfig(file, &choice).await.map_err(|e| wrong(describe(&e)))
            }
            None if self.context.is_some() => {
                Config::from_kubeconfig(&choice).await.map_err(|e| wrong(describe(&e)))
            }
            None => Config::infer().await.map_err(|e| wrong(describe(&e))),
        }
    }
}

/// The files that `KUBECONFIG` names, merged; nothing when it names fewer than two.
fn from_variable() -> Result<Option<Kubeconfig>, KubeconfigError> {
    let named = std::env::var_os("KUBECONFIG").unwrap_or_default();
    let paths: Vec<PathBuf> = std::env::split_paths(&named).collect();
    if paths.len() < 2 { Ok(None) } else { merged(&paths) }
}

/// These files as one, the first to say something being right; those that do not exist are left
/// out, as kubectl does. Nothing when none exists.
fn merged(paths: &[PathBuf]) -> Result<Option<Kubeconfig>, KubeconfigError> {
    let mut all: Option<Kubeconfig> = None;
    for path in paths.iter().filter(|path| path.is_file()) {
        let next = Kubeconfig::read_from(path)?;
        all = Some(match all {
            Some(before) => before.merge(next)?,
            None => next,
        });
    }
    Ok(all)
}

/// An error with its causes, each once.
pub(super) fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let part = cause.to_string();
        if !text.contains(&part) {
            text = format!("{text}: {part}");
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_do_not_exist_are_left_out() {
        let file = std::env::temp_dir().join(format!("hence-config-{}", std::process::id()));
        std::fs::write(&file, "current-context: here\n").expect("it is ours");
        let missing = file.with_extension("missing");
        let found = merged(&[missing.clone(), file.clone()]).expect("it can be read");
        assert_eq!(found.and_then(|found| found.current_context).as_deref(), Some("here"));
        assert!(merged(&[missing]).expect("nothing is read").is_none());
        std::fs::remove_file(&file).ok();
    }
}
