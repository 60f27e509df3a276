//! `hence build DIR`: what `kustomize build DIR` prints, or where each field of it comes from.

use std::fmt;
use std::path::Path;
use std::path::PathBuf;

use clap::Args;
use miette::Diagnostic;
use schemars::JsonSchema;
use serde::Serialize;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::cli::output;
use crate::cli::output::Failure;
use crate::cli::output::Form;
use crate::cli::output::Outcome;
use crate::ingest::elsewhere;
use crate::kustomize;
use crate::kustomize::BuildError;
use crate::kustomize::BuildOptions;
use crate::kustomize::Built;
use crate::kustomize::Resource;
use crate::sources::git::GitStore;
use crate::sources::git::StoreError;
use crate::sources::tree::LocalTree;

pub(super) mod origins;
#[cfg(test)]
mod tests;

/// Printed at once, or a little more.
const PIECE_BYTES: usize = 32 * 1024;

/// What to build.
#[derive(Debug, Default, Args)]
pub(super) struct BuildArgs {
    /// The directory that holds the kustomization
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Print where each object stands, and each field that a later step wrote: file and line, and
    /// the patch, transformer or generator
    #[arg(long)]
    origins: bool,
    /// YAML, or with --origins text for people; JSON for programs
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
    /// Refuse bases and files that are elsewhere
    #[arg(long)]
    no_remote_bases: bool,
}

/// What was built, as JSON (`schemas/build.v1.json`).
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct BuiltObjects {
    /// Always `build.v1`.
    version: &'static str,
    /// The objects whole, in the order of the build.
    objects: Vec<serde_json::Value>,
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
    #[error("cannot keep what is fetched from elsewhere")]
    #[diagnostic(code(build::elsewhere), help("set TMPDIR to a directory that can be written to"))]
    Elsewhere {
        #[source]
        source: StoreError,
    },
}

/// Where fetched bases stand until the build has ended.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("hence-build-{}", std::process::id())))
    }

    fn store(&self) -> Result<GitStore, Failure> {
        GitStore::open_empty(&self.0)
            .map_err(|source| Failure::input(BuildVerbError::Elsewhere { source }))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Nobody reads it any more; what cannot be removed is in the system's temporary directory.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A build's failure with the path as the user can open it.
#[derive(Debug)]
struct Refused {
    error: BuildError,
    here: PathBuf,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = self.error.message();
        match (self.error.file(), self.error.line()) {
            (Some(file), 0) => write!(f, "{}: {message}", shown(file, &self.here)),
            (Some(file), line) => write!(f, "{}:{line}: {message}", shown(file, &self.here)),
            (None, _) => f.write_str(message),
        }
    }
}

impl std::error::Error for Refused {}

impl Diagnostic for Refused {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.error.code()
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.error.help()
    }
}

/// A path of the build's tree, whose root is that of the machine, seen from `here`.
fn shown(file: &str, here: &Path) -> String {
    let whole = Path::new("/").join(file);
    let short = whole.strip_prefix(here).map(Path::to_path_buf);
    short.unwrap_or(whole).display().to_string()
}

/// Builds and prints.
pub(super) fn build(args: &BuildArgs) -> Result<Outcome, Failure> {
    let here = std::env::current_dir().unwrap_or_default();
    let built = run(args, &here)?;
    match (args.origins, args.output) {
        (false, Form::Json) => {
            let objects = built.resources.iter().map(Resource::json).collect();
            print(&BuiltObjects { version: "build.v1", objects });
        }
        (false, Form::Text) => print_text(&built),
        (true, Form::Text) => output::data(&origins::text(&built, &here)),
        (true, Form::Json) => print(&origins::of(&built, &here)),
    }
    // The process ends now: to give back each of its many nodes would only take time.
    std::mem::forget(built);
    Ok(Outcome::Done)
}

fn print(found: &impl Serialize) {
    output::json(&serde_json::to_value(found).unwrap_or_default());
}

/// Prints the objects in a few large pieces: who reads them is not woken for each one, and they do
/// not stand in memory twice.
fn print_text(built: &Built) {
    let mut piece = String::with_capacity(2 * PIECE_BYTES);
    for (i, resource) in built.resources.iter().enumerate() {
        piece.push_str(if i == 0 { "" } else { "---\n" });
        piece.push_str(resource.text());
        if piece.len() >= PIECE_BYTES {
            output::data(&piece);
            piece.clear();
        }
    }
    output::data(&piece);
}

/// Builds; `here` is the directory from which messages name files.
fn run(args: &BuildArgs, here: &Path) -> Result<Built, Failure> {
    let dir = args.dir.canonicalize().map_err(|source| {
        Failure::input(BuildVerbError::NoDirectory { path: args.dir.clone(), source })
    })?;
    let tree = LocalTree::for_one_build(Path::new("/"));
    let root = dir.to_string_lossy().trim_start_matches('/').to_owned();
    let mut options = BuildOptions {
        allow_remote: !args.no_remote_bases,
        origins: args.origins,
        shown_root: "/".to_owned(),
        ..BuildOptions::default()
    };
    let refused = |error| Failure::input(Refused { error, here: here.to_path_buf() });
    let scratch = Scratch::new();
    let mut kept = None;
    loop {
        match kustomize::build(&tree, &root, &options).map_err(refused)? {
            kustomize::Outcome::Built(built) => return Ok(built),
            kustomize::Outcome::Needs(needs) => {
                let store = match kept.take() {
                    Some(store) => store,
                    None => scratch.store()?,
                };
                let never = CancellationToken::new();
                elsewhere::bring(&store, needs, &mut options.remote, &never)
                    .map_err(Failure::world)?;
                kept = Some(store);
            }
        }
    }
}
