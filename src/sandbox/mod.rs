//! An in-process Kubernetes API server and Git host on loopback, for the demo and for tests.
//!
//! In: nothing but a free port. Out: URLs, a kubeconfig, and a way to commit files.
//!
//! ```text
//! kubectl, hence, tests ─▶ http ─▶ request ─▶ rest ─▶ write ─▶ typed, managed, validate
//!                                    │          └──▶ store ─▶ watch      └─▶ settle
//!                                    └─▶ discovery, openapi, table, reviews
//! git clone, git push ─▶ git
//! ```
//!
//! State is in memory and goes with the process. Production code never imports this module.
//! What a real cluster does and this one does not: TLS, authentication and authorisation (all is
//! allowed), admission plugins and webhooks, conversion webhooks, CEL rules of definitions,
//! protobuf answers, aggregated API servers, one store for `v1` and `events.k8s.io` Events,
//! `autoscaling/v1`, and every controller but garbage collection, namespaces and definitions: a
//! Deployment never gets Pods nor a status.

use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::sync::Arc;

use miette::Diagnostic;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

mod apply;
mod builtin;
mod cells;
mod crd;
mod crd_schema;
mod crd_validate;
mod defaults;
mod delete;
mod discovery;
mod fields;
pub mod git;
mod http;
mod kinds;
mod managed;
mod normal;
mod openapi;
mod patch;
mod prepare;
mod protobuf;
mod quantity;
mod refusal;
mod request;
mod rest;
mod reviews;
mod schema;
mod selectors;
mod settle;
mod store;
mod strategic;
mod table;
mod typed;
mod validate;
mod watch_stream;
mod world;
mod write;

use git::GitHost;
use rest::Server;

/// Why the sandbox did not start.
#[derive(Debug, Error, Diagnostic)]
pub enum SandboxError {
    /// No listener could be opened on loopback.
    #[error("cannot listen on {address}")]
    #[diagnostic(
        code(sandbox::listen),
        help("another program has the port, or this machine has no loopback interface")
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// Where the servers listen. The default is a free port each.
#[derive(Clone, Copy, Debug, Default)]
pub struct SandboxOptions {
    /// The API server's port; 0 takes a free one.
    pub api_port: u16,
    /// The Git host's port; 0 takes a free one.
    pub git_port: u16,
}

/// A running sandbox. Dropping it without [`Sandbox::shutdown`] leaves its tasks to the runtime.
#[derive(Debug)]
pub struct Sandbox {
    /// The API server: `http://127.0.0.1:PORT`.
    pub api_url: String,
    /// The Git host: `http://127.0.0.1:PORT`; repositories are paths below it.
    pub git_url: String,
    git: Arc<GitHost>,
    server: Arc<Server>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Sandbox {
    /// Starts both servers on loopback, within a tokio runtime.
    pub async fn start(options: &SandboxOptions) -> Result<Self, SandboxError> {
        let server = Arc::new(Server::new());
        let (stop, _) = watch::channel(false);
        let (api_url, api) =
            serve(options.api_port, http::router(Arc::clone(&server)), stop.subscribe()).await?;
        let git = Arc::new(GitHost::default());
        let (git_url, host) =
            serve(options.git_port, git::router(Arc::clone(&git)), stop.subscribe()).await?;
        Ok(Self { api_url, git_url, git, server, stop, tasks: vec![api, host] })
    }

    /// The Git host, for commits without a Git program.
    pub fn git(&self) -> &GitHost {
        &self.git
    }

    /// A kubeconfig for kubectl and clients; its current context is `sandbox`.
    pub fn kubeconfig(&self) -> String {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: sandbox\nclusters:\n- name: sandbox\n  \
             cluster:\n    server: {}\ncontexts:\n- name: sandbox\n  context:\n    cluster: \
             sandbox\n    user: sandbox\nusers:\n- name: sandbox\n  user: {{}}\n",
            self.api_url
        )
    }

    /// Forgets the history, as a compaction of etcd does: every watch that is behind gets 410.
    pub fn compact(&self) {
        self.server.world().store.compact();
    }

    /// Ends all watches and both servers, and waits for that.
    pub async fn shutdown(self) {
        self.server.stop();
        self.stop.send_replace(true);
        for task in self.tasks {
            // A task that panicked has ended, which is all that is wanted here.
            let _ = task.await;
        }
    }
}

async fn serve(
    port: u16,
    router: axum::Router,
    mut stop: watch::Receiver<bool>,
) -> Result<(String, JoinHandle<()>), SandboxError> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let failed = |source| SandboxError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let url = format!("http://{}", listener.local_addr().map_err(failed)?);
    let task = tokio::spawn(async move {
        let stopped = async move {
            let _ = stop.wait_for(|stopped| *stopped).await;
        };
        // Accept errors are retried inside; it ends when it is told to.
        let _ = axum::serve(listener, router).with_graceful_shutdown(stopped).await;
    });
    Ok((url, task))
}
