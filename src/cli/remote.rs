//! Questions to the daemon in the cluster: through the API server, or at a forwarded port.
//!
//! The daemon answers whoever shows a token of the ServiceAccount `hence-reader` for the audience
//! `hence`; who may have one is decided by RBAC on `serviceaccounts/token`.

use std::path::PathBuf;

use clap::Args;
use miette::Diagnostic;
use thiserror::Error;

use crate::cli::connect::SYSTEM_NAMESPACE;
use crate::cli::manifests::HTTP_PORT_NAME;
use crate::cli::manifests::NAME;
use crate::cli::output::Failure;
use crate::cluster::Cluster;
use crate::cluster::ClusterError;
use crate::cluster::ConnectOptions;
use crate::cluster::Purpose;
use crate::cluster::read::ServicePort;
use crate::cluster::write::WriteGate;
use crate::daemon::ask::Question;
use crate::daemon::ask::Reply;
use crate::daemon::http::AUDIENCE;
use crate::daemon::http::READER;
use crate::daemon::http::TOKEN_HEADER;
use crate::model::Secret;
use crate::sources;

/// Shortest life of a token that the API server gives out, in seconds.
const TOKEN_SECONDS: u32 = 600;

/// Which daemon to ask, when not the one of the state directory.
#[derive(Clone, Debug, Args)]
pub(super) struct RemoteArgs {
    /// Ask the daemon in the cluster, through the API server
    #[arg(long, global = true)]
    remote: bool,
    /// Ask the daemon at this URL, such as a forwarded port
    #[arg(long, global = true, value_name = "URL")]
    address: Option<String>,
    /// The namespace of the daemon
    #[arg(long, global = true, value_name = "NAMESPACE", default_value = SYSTEM_NAMESPACE)]
    daemon_namespace: String,
    /// A kubeconfig file, for --remote and --address
    #[arg(long, global = true, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// A context of the kubeconfig
    #[arg(long, global = true)]
    context: Option<String>,
}

/// Why the daemon in the cluster did not answer.
#[derive(Debug, Error, Diagnostic)]
enum RemoteError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Cluster(#[from] ClusterError),
    #[error("cannot ask {url}: {reason}")]
    #[diagnostic(code(remote::unreachable), help("kubectl port-forward keeps a port open"))]
    Unreachable { url: String, reason: String },
    #[error("{url} answers {code}: {text}")]
    #[diagnostic(
        code(remote::refused),
        help("you need `create` on serviceaccounts/token of hence-reader")
    )]
    Refused { url: String, code: u16, text: String },
    #[error("the daemon's answer cannot be read: {reason}")]
    #[diagnostic(code(remote::unreadable), help("use the `hence` of the daemon's version"))]
    Unreadable { reason: String },
    #[error("cannot start")]
    #[diagnostic(code(remote::runtime))]
    Runtime(#[source] std::io::Error),
}

impl RemoteArgs {
    /// Whether a daemon elsewhere is to be asked.
    pub(super) fn is_given(&self) -> bool {
        self.remote || self.address.is_some()
    }

    /// Asks a question.
    pub(super) fn ask(&self, question: &Question) -> Result<Reply, Failure> {
        let json = serde_json::to_vec(question).unwrap_or_default();
        let bytes = self.send("/v1/ask", Some(json)).map_err(Failure::unknown)?;
        serde_json::from_slice(&bytes).map_err(|error| {
            Failure::unknown(RemoteError::Unreadable { reason: error.to_string() })
        })
    }

    /// The whole journal, as an export.
    pub(super) fn export(&self) -> Result<Vec<u8>, Failure> {
        self.send("/v1/export", None).map_err(Failure::unknown)
    }

    fn send(&self, path: &str, json: Option<Vec<u8>>) -> Result<Vec<u8>, RemoteError> {
        sources::tls::install_provider();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(RemoteError::Runtime)?.block_on(self.exchange(path, json))
    }

    async fn exchange(&self, path: &str, json: Option<Vec<u8>>) -> Result<Vec<u8>, RemoteError> {
        let options = ConnectOptions {
            kubeconfig: self.kubeconfig.clone(),
            context: self.context.clone(),
            ..ConnectOptions::default()
        };
        let cluster = Cluster::connect(&options).await?;
        let writer = cluster.writer(Purpose::Upkeep("query"), WriteGate::open());
        let account = (self.daemon_namespace.as_str(), READER);
        let token = writer.request_token(account, AUDIENCE, TOKEN_SECONDS).await?;
        if let Some(address) = &self.address {
            return direct(&format!("{}{path}", address.trim_end_matches('/')), &token, json).await;
        }
        let port =
            ServicePort { namespace: &self.daemon_namespace, service: NAME, port: HTTP_PORT_NAME };
        let answer = cluster.ask_service(port, path, (TOKEN_HEADER, &token), json).await?;
        Ok(answer.to_vec())
    }
}

async fn direct(
    url: &str,
    token: &Secret<String>,
    json: Option<Vec<u8>>,
) -> Result<Vec<u8>, RemoteError> {
    let broken = |error: reqwest::Error| RemoteError::Unreachable {
        url: url.to_owned(),
        reason: error.without_url().to_string(),
    };
    let client = reqwest::Client::builder().build().map_err(broken)?;
    let request = match json {
        Some(json) => client.post(url).header("Content-Type", "application/json").body(json),
        None => client.get(url),
    };
    let answer = request.header(TOKEN_HEADER, token.expose()).send().await.map_err(broken)?;
    let code = answer.status().as_u16();
    let body = answer.bytes().await.map_err(broken)?;
    if code >= 400 {
        let text = String::from_utf8_lossy(&body).trim().to_owned();
        return Err(RemoteError::Refused { url: url.to_owned(), code, text });
    }
    Ok(body.to_vec())
}
