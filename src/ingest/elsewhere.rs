//! What builds need from elsewhere: fetched, and built again with it.
//!
//! Not here: how it is fetched (`sources`), what is needed (`kustomize`).

use std::collections::BTreeMap;
use std::sync::Arc;

use miette::Diagnostic;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::kustomize::REMOTE_FILE;
use crate::kustomize::RemoteRef;
use crate::model::FileTree;
use crate::sources::elsewhere;
use crate::sources::elsewhere::ElsewhereError;
use crate::sources::elsewhere::OneFile;
use crate::sources::git::GitStore;

/// Most references that one build may need, directly and through what it fetched.
const REFERENCES_MAX: usize = 256;

/// Why what a build needs could not be had.
#[derive(Debug, Error, Diagnostic)]
pub enum NeedError {
    /// It cannot be fetched.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Fetch(#[from] ElsewhereError),
    /// The build needs more and more.
    #[error("more than REFERENCES_MAX = {REFERENCES_MAX} remote bases and files")]
    #[diagnostic(code(ingest::references), help("copy bases into the repository"))]
    TooMany,
}

/// What was fetched for one build.
pub type Fetched = BTreeMap<RemoteRef, Arc<dyn FileTree>>;

/// Fetches each of `needs` into `fetched`.
///
/// # Errors
/// Something cannot be had.
pub fn bring(
    store: &GitStore,
    needs: Vec<RemoteRef>,
    fetched: &mut Fetched,
    cancel: &CancellationToken,
) -> Result<(), NeedError> {
    if fetched.len() + needs.len() > REFERENCES_MAX {
        return Err(NeedError::TooMany);
    }
    for need in needs {
        let tree: Arc<dyn FileTree> = match &need {
            RemoteRef::File { url } => {
                Arc::new(OneFile { name: REMOTE_FILE, bytes: elsewhere::file(url, cancel)? })
            }
            RemoteRef::Git { url, reference, timeout, .. } => {
                Arc::new(elsewhere::repository(store, url, reference, *timeout, cancel)?)
            }
        };
        fetched.insert(need, tree);
    }
    Ok(())
}
