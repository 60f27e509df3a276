//! `hence build DIR`: what `kustomize build DIR` prints.

use std::path::Path;
use std::path::PathBuf;

use clap::Args;
use miette::Diagnostic;
use thiserror::Error;

use crate::cli::output;
use crate::cli::output::Failure;
use crate::cli::output::Outcome;
use crate::kustomize;
use crate::kustomize::BuildOptions;
use crate::sources::tree::LocalTree;

/// What to build.
#[derive(Debug, Args)]
pub(super) struct BuildArgs {
    /// The directory that holds the kustomization
    #[arg(default_value = ".")]
    dir: PathBuf,
}

#[derive(Debug, Error, Diagnostic)]
enum BuildVerbError {
    #[error("cannot find {}", path.display())]
    #[diagnostic(code(build::no_directory), help("name a directory that holds a kustomization"))]
    NoDirectory {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the build needs what is elsewhere: {names}")]
    #[diagnostic(code(build::remote), help("remote bases are not fetched by this version"))]
    Remote { names: String },
}

/// Builds and prints.
pub(super) fn build(args: &BuildArgs) -> Result<Outcome, Failure> {
    let dir = args.dir.canonicalize().map_err(|source| {
        Failure::input(BuildVerbError::NoDirectory { path: args.dir.clone(), source })
    })?;
    let tree = LocalTree::new(Path::new("/"));
    let root = dir.to_string_lossy().trim_start_matches('/').to_owned();
    let options =
        BuildOptions { allow_remote: true, shown_root: "/".to_owned(), ..BuildOptions::default() };
    match kustomize::build(&tree, &root, &options).map_err(Failure::input)? {
        kustomize::Outcome::Built(built) => {
            output::data(&built.to_yaml());
            Ok(Outcome::Done)
        }
        kustomize::Outcome::Needs(remote) => {
            let names: Vec<String> = remote.iter().map(|name| format!("{name:?}")).collect();
            Err(Failure::input(BuildVerbError::Remote { names: names.join(", ") }))
        }
    }
}
