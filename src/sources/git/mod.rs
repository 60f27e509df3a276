//! Git repositories: which revision a reference names, and that revision's files.
//!
//! In: URL, reference, credentials, the revision that is known. Out: nothing moved, or a revision
//! with its commit and a tree in the [`GitStore`].
//!
//! ```text
//! fetch ─▶ transport ─▶ list references ─▶ choose ─┬─ known ──────────▶ Unchanged
//!                                                   └─ want, haves ─▶ pack ─▶ store ─▶ Fetched
//! ```
//!
//! Spec: fluxcd/pkg git/gogit for precedence, revision texts and messages. Histories are not
//! kept: a pack holds one commit (depth 1), also where Flux clones whole histories.
//! Not here: moving bytes (`transport/`), objects on disk (`store.rs`), pushing (it can sit on the
//! same transports), submodules, signatures.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use gix::hash::ObjectId;
use tokio_util::sync::CancellationToken;

use crate::model::ContentId;
use crate::model::Timestamp;
use crate::model::url::without_credentials;
use crate::sources::http::Proxy;
use crate::sources::net::Net;
use crate::sources::net::Timeouts;
use crate::sources::secrets::GitAuth;

mod choose;
mod error;
pub mod range;
mod reference;
mod remote;
mod store;
pub(crate) mod transport;
mod tree;

pub use error::GitError;
pub use reference::GitReference;
pub use reference::Target;
pub use reference::canonical_revision;
pub use store::GitStore;
pub use store::KeptTree;
pub use store::RepositoryId;
pub use store::StoreError;

/// What to fetch.
#[derive(Clone)]
pub struct GitRequest {
    /// The repository: http, https or ssh.
    pub url: String,
    /// Which commit of it.
    pub reference: GitReference,
    /// Credentials and trust.
    pub auth: GitAuth,
    /// Names the credentials without showing them: `<namespace>/<secret>`, empty for none. Requests
    /// with the same URL and identity share what was fetched.
    pub identity: String,
    /// A proxy; for ssh it has to be SOCKS5.
    pub proxy: Option<Proxy>,
    /// Time for the whole exchange (`spec.timeout`).
    pub timeout: Duration,
    /// Host key algorithms for ssh, most wanted first; empty: what known_hosts has for the host.
    pub host_key_algorithms: Vec<String>,
    /// Key exchange algorithms for ssh, most wanted first; empty: the default.
    pub kex_algorithms: Vec<String>,
    /// The revision that the caller holds complete (`status.artifact.revision`), if any.
    pub known: Option<String>,
}

impl fmt::Debug for GitRequest {
    /// Without the credentials that a URL may hold.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitRequest")
            .field("url", &without_credentials(&self.url))
            .field("reference", &self.reference)
            .field("identity", &self.identity)
            .field("known", &self.known)
            .finish_non_exhaustive()
    }
}

/// A commit, as conditions and events show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitInfo {
    /// Its id in hexadecimal.
    pub id: String,
    /// `name <email>` of its author.
    pub author: String,
    /// When it was committed.
    pub time: Timestamp,
    /// Its message.
    pub message: String,
}

/// What a fetch came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GitOutcome {
    /// The reference still names the known revision; no pack was moved.
    Unchanged {
        /// That revision.
        revision: String,
    },
    /// The reference names this revision, and its files are in the store.
    Fetched {
        /// `main@sha1:…` and the other forms of Flux.
        revision: String,
        /// The commit.
        commit: CommitInfo,
        /// Where the tree is kept: open it with [`GitStore::tree`].
        repository: RepositoryId,
        /// The commit's tree.
        tree: ContentId,
        /// Whether a pack was moved: not when another source had brought the commit before.
        moved: bool,
    },
}

/// Fetches what `request` names into `store`. Blocks for at most `request.timeout`; one fetch of a
/// repository waits for another of the same.
pub fn fetch(
    store: &GitStore,
    request: &GitRequest,
    cancel: &CancellationToken,
) -> Result<GitOutcome, GitError> {
    let target = request.reference.target()?;
    let known = request.known.as_deref().map(canonical_revision);
    if let Target::Commit { id, branch } = &target {
        let revision = reference::commit_revision(branch.as_deref(), id);
        if known.as_deref() == Some(revision.as_str()) {
            return Ok(GitOutcome::Unchanged { revision });
        }
    }
    let repository = RepositoryId::of(&request.url, &request.identity);
    let held = store.lock(&repository);
    let _one_at_a_time = held.guard();
    let timeouts = Timeouts::of_total(request.timeout);
    let net = Net::start(timeouts, cancel)
        .map_err(|fault| GitError::clone_failed(&request.url, fault))?;
    Fetch { store, request, repository, net: &net }.run(&target, known.as_deref())
}

struct Fetch<'a> {
    store: &'a GitStore,
    request: &'a GitRequest,
    repository: RepositoryId,
    net: &'a Arc<Net>,
}

impl Fetch<'_> {
    fn run(&self, target: &Target, known: Option<&str>) -> Result<GitOutcome, GitError> {
        if let Target::Commit { id, branch } = target
            && let Some(found) = self.in_store(id, branch.as_deref())?
        {
            return Ok(found);
        }
        let lists_first = match target {
            Target::Name(_) => true,
            Target::Branch(_) | Target::Tag(_) => known.is_some(),
            Target::Semver { .. } | Target::Commit { .. } => false,
        };
        let mut remote = remote::Remote::open(self.net, self.request, lists_first)?;
        let chosen = choose::choose(self, &mut remote, target)?;
        if known == Some(chosen.revision.as_str()) {
            return Ok(GitOutcome::Unchanged { revision: chosen.revision });
        }
        let moved = self.bring(&mut remote, &[chosen.commit], chosen.whole_history)?;
        let (commit, tree) = self.store.commit(&self.repository, &chosen.commit)?;
        Ok(GitOutcome::Fetched {
            revision: chosen.revision,
            commit,
            repository: self.repository.clone(),
            tree,
            moved,
        })
    }

    /// A commit that an earlier fetch brought needs no host.
    fn in_store(&self, id: &str, branch: Option<&str>) -> Result<Option<GitOutcome>, GitError> {
        let Ok(oid) = ObjectId::from_hex(id.as_bytes()) else { return Ok(None) };
        if !self.store.has(&self.repository, &oid) {
            return Ok(None);
        }
        let (commit, tree) = self.store.commit(&self.repository, &oid)?;
        let repository = self.repository.clone();
        let revision = reference::commit_revision(branch, id);
        Ok(Some(GitOutcome::Fetched { revision, commit, repository, tree, moved: false }))
    }

    /// Brings these commits into the store, complete; returns whether a pack was moved.
    fn bring(
        &self,
        remote: &mut remote::Remote,
        commits: &[ObjectId],
        whole_history: bool,
    ) -> Result<bool, GitError> {
        let missing: Vec<ObjectId> =
            commits.iter().filter(|id| !self.store.has(&self.repository, id)).copied().collect();
        if missing.is_empty() {
            return Ok(false);
        }
        let epoch = self.store.epoch_for_write(&self.repository, remote.object_hash())?;
        let pack = remote.fetch_pack(&epoch, self.request, &missing, whole_history)?;
        for id in &missing {
            let accepted = if whole_history && !epoch.contains(id) {
                Err(GitError::CommitNotFound { id: id.to_string() })
            } else {
                let url = &self.request.url;
                epoch.accept(id, &pack).map_err(|error| GitError::from_store(url, error))
            };
            accepted.inspect_err(|_| epoch.discard(&pack))?;
        }
        Ok(true)
    }
}
