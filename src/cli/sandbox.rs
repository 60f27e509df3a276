//! `hence sandbox`: the embedded Kubernetes API server and Git host, to try things out.

use std::path::PathBuf;

use clap::Args;
use miette::Diagnostic;
use thiserror::Error;

use crate::cli::output;
use crate::cli::output::Failure;
use crate::cli::output::Outcome;
use crate::cli::run;
use crate::sandbox::Sandbox;
use crate::sandbox::SandboxError;
use crate::sandbox::SandboxOptions;

/// Where the sandbox listens.
#[derive(Debug, Args)]
pub(super) struct SandboxArgs {
    /// The port of the API server; a free one when absent
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// The port of the Git host; a free one when absent
    #[arg(long, default_value_t = 0)]
    git_port: u16,
    /// Empty repositories to make
    #[arg(long, value_delimiter = ',', default_value = "demo")]
    repository: Vec<String>,
    /// Where to write a kubeconfig
    #[arg(long, value_name = "FILE", default_value = "sandbox.kubeconfig")]
    kubeconfig: PathBuf,
}

#[derive(Debug, Error, Diagnostic)]
enum SandboxVerbError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Sandbox(#[from] SandboxError),
    #[error("cannot write {}", path.display())]
    #[diagnostic(code(sandbox::kubeconfig), help("--kubeconfig names another place"))]
    Kubeconfig {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot start threads")]
    #[diagnostic(code(sandbox::runtime))]
    Runtime(#[source] std::io::Error),
}

/// Runs the sandbox until Ctrl-C or SIGTERM. All is in memory.
pub(super) fn sandbox(args: &SandboxArgs) -> Result<Outcome, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::world(SandboxVerbError::Runtime(error)))?;
    runtime.block_on(serve(args)).map_err(Failure::world)?;
    Ok(Outcome::Done)
}

async fn serve(args: &SandboxArgs) -> Result<(), SandboxVerbError> {
    let options = SandboxOptions { api_port: args.port, git_port: args.git_port };
    let sandbox = Sandbox::start(&options).await?;
    let path = &args.kubeconfig;
    let kubeconfig = |source| SandboxVerbError::Kubeconfig { path: path.clone(), source };
    std::fs::write(path, sandbox.kubeconfig()).map_err(kubeconfig)?;
    args.repository.iter().for_each(|name| sandbox.git().create(name));
    let file = path.display();
    let mut text = format!("kubeconfig {file}\n");
    for name in &args.repository {
        text.push_str(&format!("git {}/{name}\n", sandbox.git_url));
    }
    output::data(&format!(
        "{text}ready\n\
         try  kubectl --kubeconfig {file} get namespaces\n\
         end  Ctrl-C; nothing is kept\n"
    ));
    run::ended().await;
    sandbox.shutdown().await;
    Ok(())
}
