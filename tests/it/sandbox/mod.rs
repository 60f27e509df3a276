//! The sandbox: the same answers as a real API server, and clients that people use against it.

mod conformance;
mod git;
mod kubectl;
mod watches;

use crate::support::cluster;
use crate::support::tools;
use hence::sandbox::Sandbox;
use hence::sandbox::SandboxOptions;
use kube::Client;
use std::path::PathBuf;

/// What both servers are asked as: the name becomes a field manager.
const AGENT: &str = "conformance/1";

/// A sandbox and a kubeconfig file for it.
struct Running {
    sandbox: Sandbox,
    kubeconfig: PathBuf,
    _folder: tempfile::TempDir,
}

impl Running {
    async fn start() -> Self {
        let sandbox = Sandbox::start(&SandboxOptions::default())
            .await
            .expect("the harness has a loopback port and a folder");
        let folder = tempfile::tempdir_in(tools::temporary())
            .expect("the harness has a loopback port and a folder");
        let kubeconfig = folder.path().join("kubeconfig");
        std::fs::write(&kubeconfig, sandbox.kubeconfig())
            .expect("the harness has a loopback port and a folder");
        Self { sandbox, kubeconfig, _folder: folder }
    }

    async fn client(&self) -> Client {
        cluster::client(&self.kubeconfig, None, AGENT).await
    }
}
