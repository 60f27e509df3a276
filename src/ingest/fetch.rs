//! Fetches: the job that a worker runs, and what its end says.

use std::sync::Arc;

use miette::Diagnostic;
use tokio_util::sync::CancellationToken;

use crate::datalog::Fact;
use crate::facts::Column as _;
use crate::facts::Statement;
use crate::facts::relation;
use crate::ingest::Advice;
use crate::ingest::Ingest;
use crate::ingest::Place;
use crate::ingest::memory::SourceMemory;
use crate::model::ContentId;
use crate::model::Digest;
use crate::model::Entry;
use crate::model::FileTree as _;
use crate::model::SourceName;
use crate::model::Timestamp;
use crate::sources::artifact;
use crate::sources::artifact::ArtifactError;
use crate::sources::artifact::FetchRequest;
use crate::sources::artifact::FileStore;
use crate::sources::artifact::Retention;
use crate::sources::artifact::Storage;
use crate::sources::git;
use crate::sources::git::GitError;
use crate::sources::git::GitOutcome;
use crate::sources::git::GitRequest;
use crate::sources::git::GitStore;
use crate::sources::git::RepositoryId;
use crate::sources::secrets;
use crate::sources::tree::SourceTree;

/// Everything that a fetch needs, taken from the memory when the action starts.
pub struct FetchJob {
    source: SourceName,
    spec: String,
    began: Timestamp,
    work: Work,
}

enum Work {
    /// `damaged`: where files lie that must not be used again.
    Git {
        request: Box<GitRequest>,
        ignore: Option<String>,
        damaged: Option<Place>,
    },
    Artifact {
        url: String,
        digest: String,
        revision: String,
        retries: u32,
    },
    Impossible {
        reason: String,
        message: String,
        advice: Advice,
    },
}

/// Where fetched content is kept.
#[derive(Clone)]
pub struct Stores {
    /// Git objects.
    pub git: Arc<GitStore>,
    /// Git objects of bases elsewhere. Emptied at start: what is needed is fetched again.
    pub elsewhere: Arc<GitStore>,
    /// Unpacked artifacts of other controllers.
    pub files: Arc<FileStore>,
    /// Artifact files on offer.
    pub artifacts: Arc<Storage>,
    /// How long artifact files stay that are not on offer any more.
    pub retention: Retention,
}

/// How a fetch ended.
pub struct Fetched {
    /// The source.
    pub source: SourceName,
    /// What decided the result.
    pub spec: String,
    /// When it began: what the remote got since then it may have missed.
    pub began: Timestamp,
    /// What came of it.
    pub result: FetchResult,
}

impl Fetched {
    /// Why it failed, if it did.
    pub fn failure(&self) -> Option<&str> {
        match &self.result {
            FetchResult::Failed { message, .. } => Some(message),
            _ => None,
        }
    }

    /// What it brought, in a few words.
    pub fn summary(&self) -> String {
        match &self.result {
            FetchResult::Unchanged => "unchanged".to_owned(),
            FetchResult::Tree { revision, tree, .. } => {
                format!("{revision}, {} files", tree.files())
            }
            FetchResult::Failed { message, .. } => message.clone(),
        }
    }
}

/// What a fetch brought.
pub enum FetchResult {
    /// The remote still has what we have.
    Unchanged,
    /// A revision with its tree.
    Tree {
        /// The revision.
        revision: String,
        /// The files, ignore rules applied.
        tree: Arc<SourceTree>,
        /// Where they lie.
        place: Place,
        /// The first line of the commit's message; `None` when it is no commit.
        subject: Option<String>,
    },
    /// It failed.
    Failed {
        /// The condition's reason.
        reason: String,
        /// The condition's message.
        message: String,
        /// What helps.
        advice: Advice,
    },
}

impl Ingest {
    /// The job for an `act_fetch` row; none when the source was not seen yet, or is gone.
    pub fn fetch_job(&self, source: &SourceName, spec: &str, now: Timestamp) -> Option<FetchJob> {
        let memory = self.sources.get(source)?;
        let (source, spec) = (source.clone(), spec.to_owned());
        let work = self.fetch_work(memory, &source, &spec);
        Some(FetchJob { source, spec, began: now, work })
    }

    fn fetch_work(&self, memory: &SourceMemory, source: &SourceName, spec: &str) -> Work {
        let refused = |reason: &str, message: String, advice: Advice| Work::Impossible {
            reason: reason.to_owned(),
            message,
            advice,
        };
        let impossible = |reason, message| refused(reason, message, Advice::default());
        let seen = &memory.source;
        // What is asked for by an artifact's digest is that artifact, also of a Git repository:
        // another controller fetches it then.
        if let Some(a) = seen.artifact.as_ref().filter(|artifact| artifact.digest == spec) {
            return Work::Artifact {
                url: a.url.clone(),
                digest: a.digest.clone(),
                revision: a.revision.clone(),
                retries: self.options.http_retries,
            };
        }
        let Some(git) = &seen.git else {
            return impossible("ArtifactFailed", "the source offers another artifact".to_owned());
        };
        let secret = |reference: &Option<crate::api::LocalObjectReference>| {
            let name = &reference.as_ref()?.name;
            let namespace = &source.namespace;
            let object = crate::model::ObjectRef::new("", "Secret", namespace, name);
            let values = self.values.get(&object)?.clone()?;
            Some((format!("{namespace}/{name}"), values))
        };
        let credentials = secret(&git.secret_ref);
        let named = credentials.as_ref().map(|(name, values)| (name.as_str(), values));
        let auth = match secrets::git_auth(&git.url, named) {
            Ok(auth) => auth,
            Err(error) => {
                let message = format!("failed to configure authentication options: {error}");
                return refused("AuthenticationFailed", message, Advice::of(&error));
            }
        };
        let proxy = match secret(&git.proxy_secret_ref).map(|(n, v)| secrets::proxy(&n, &v)) {
            None => None,
            Some(Ok(proxy)) => Some(proxy),
            Some(Err(error)) => {
                let message = format!("failed to configure proxy options: {error}");
                return refused("AuthenticationFailed", message, Advice::of(&error));
            }
        };
        let known = memory.tree.is_some().then(|| memory.revision.clone()).flatten();
        let request = GitRequest {
            url: git.url.clone(),
            reference: reference(git),
            auth,
            identity: credentials.as_ref().map(|(name, _)| name.clone()).unwrap_or_default(),
            proxy,
            timeout: seen.timeout,
            host_key_algorithms: self.options.ssh_host_key_algorithms.clone(),
            kex_algorithms: self.options.ssh_kex_algorithms.clone(),
            known: known.filter(|_| memory.spec.as_deref() == Some(spec)),
        };
        let (ignore, damaged) = (git.ignore.clone(), memory.damaged.clone());
        Work::Git { request: Box::new(request), ignore, damaged }
    }

    pub(super) fn fetched(&mut self, fetched: Fetched, now: Timestamp) -> Vec<Statement> {
        let Fetched { source, spec, began, result } = fetched;
        let Some(memory) = self.sources.get_mut(&source) else { return Vec::new() };
        // What was pushed or asked for since then was not seen by it.
        // What was known before the remote answered, and that it had failed, is over.
        let over = ["fetch_failed", "recalled", "offered_anew"];
        let mut well: Vec<Statement> =
            over.map(|relation| Statement::nothing(relation, vec![source.column()])).into();
        well.push(Statement::Holds(relation::checked(&source, &began)));
        well.push(Advice::default().about(&source));
        match result {
            FetchResult::Unchanged => {
                memory.failures = 0;
                well
            }
            FetchResult::Failed { reason, message, advice } => {
                memory.failures += 1;
                let failures = memory.failures;
                let failed =
                    relation::fetch_failed(&source, &spec, &reason, &message, &now, &failures);
                vec![Statement::Holds(failed), advice.about(&source)]
            }
            FetchResult::Tree { revision, tree, place, subject } => {
                memory.failures = 0;
                memory.spec = Some(spec.clone());
                memory.revision = Some(revision.clone());
                let at = relation::kept_at(&source, &place.text());
                memory.place = Some(place);
                memory.damaged = None;
                let id = tree.id().to_string();
                let old = memory.tree.replace(id.clone());
                self.trees.insert(id.clone(), tree);
                let mut said = well;
                said.push(Statement::Holds(relation::fetched(&source, &spec, &revision, &id)));
                said.push(Statement::Holds(at));
                if let Some(subject) = subject {
                    said.push(Statement::Holds(relation::commit_of(&source, &revision, &subject)));
                }
                said.extend(self.parts_on(&source, &id));
                if let Some(old) = old.filter(|old| *old != id) {
                    self.drop_tree(&old);
                }
                said
            }
        }
    }

    /// For every unit on the source: what its build would read of this tree.
    fn parts_on(&self, source: &SourceName, tree: &str) -> Vec<Statement> {
        let Some(files) = self.trees.get(tree) else { return Vec::new() };
        let mut said = Vec::new();
        for (name, memory) in &self.units {
            if crate::ingest::unit::source(name, &memory.spec) != *source {
                continue;
            }
            if let Some(part) = memory.reads.as_ref().and_then(|reads| part(reads, files)) {
                let fact: Fact = relation::reads(name, tree, &part);
                said.push(Statement::Holds(fact));
            }
        }
        said
    }

    /// Frees a tree that no source has any more.
    pub(super) fn drop_tree(&mut self, id: &str) {
        let mut recalled = self.recalled_trees.values();
        let is_used = self.sources.values().any(|memory| memory.tree.as_deref() == Some(id))
            || recalled.any(|row| row.tree == id);
        if !is_used {
            self.trees.remove(id);
        }
    }
}

/// What the paths of a read set hold in a tree, as one content name.
pub(super) fn part(reads: &crate::kustomize::ReadSet, tree: &SourceTree) -> Option<String> {
    let mut parts = Vec::new();
    for path in reads.keys() {
        let entry = tree.entry(path).ok()?;
        let content = match entry {
            Some(Entry::File { id } | Entry::Directory { id }) => id.to_string(),
            Some(Entry::Symlink { target }) => format!("link {target}"),
            None => "absent".to_owned(),
        };
        parts.push(path.clone().into_bytes());
        parts.push(content.into_bytes());
    }
    Some(Digest::of_parts(parts.iter().map(Vec::as_slice)).to_string())
}

fn reference(git: &crate::api::GitRepositorySpec) -> git::GitReference {
    let given = git.reference.clone().unwrap_or_default();
    git::GitReference {
        branch: given.branch,
        tag: given.tag,
        semver: given.semver,
        name: given.name,
        commit: given.commit,
    }
}

impl FetchJob {
    /// Runs the fetch; blocks for at most the source's timeout.
    pub fn run(self, stores: &Stores, cancel: &CancellationToken) -> Fetched {
        let result = match self.work {
            Work::Impossible { reason, message, advice } => {
                FetchResult::Failed { reason, message, advice }
            }
            Work::Artifact { url, digest, revision, retries } => {
                let request = FetchRequest { retries, ..FetchRequest::new(&url, &digest) };
                load(stores, &request, revision, cancel)
            }
            Work::Git { request, ignore, damaged } => {
                distrust(stores, damaged.as_ref());
                clone(stores, &request, ignore, cancel)
            }
        };
        Fetched { source: self.source, spec: self.spec, began: self.began, result }
    }
}

fn failed(reason: &str, error: &dyn Diagnostic) -> FetchResult {
    failed_saying(reason, error.to_string(), error)
}

/// The same, with other words than the error's own.
fn failed_saying(reason: &str, message: String, error: &dyn Diagnostic) -> FetchResult {
    FetchResult::Failed { reason: reason.to_owned(), message, advice: Advice::of(error) }
}

fn load(
    stores: &Stores,
    request: &FetchRequest,
    revision: String,
    cancel: &CancellationToken,
) -> FetchResult {
    let fetched = artifact::fetch(&stores.files, request, cancel);
    let loaded = fetched.and_then(|fetched| {
        let tree = stores.files.tree(&fetched.tree)?;
        Ok((tree, Place::Files(fetched.tree.to_string())))
    });
    match loaded {
        Ok((tree, place)) => {
            FetchResult::Tree { revision, tree: Arc::new(tree), place, subject: None }
        }
        // The rules tell an artifact that is about to be replaced from other failures.
        Err(error @ ArtifactError::NotFound { .. }) => failed("NotFound", &error),
        Err(error) => failed("ArtifactFailed", &error),
    }
}

/// What lies there is not used by any later fetch.
fn distrust(stores: &Stores, damaged: Option<&Place>) {
    let Some(Place::Git { repository, tree, .. }) = damaged else { return };
    let Some(repository) = RepositoryId::parse(repository) else { return };
    if let Err(error) = stores.git.distrust(&repository, &ContentId::new(tree)) {
        tracing::warn!(%error, "damaged Git objects cannot be set aside");
    }
}

fn clone(
    stores: &Stores,
    request: &GitRequest,
    ignore: Option<String>,
    cancel: &CancellationToken,
) -> FetchResult {
    let (revision, commit, repository, tree) = match git::fetch(&stores.git, request, cancel) {
        Ok(GitOutcome::Unchanged { .. }) => return FetchResult::Unchanged,
        Ok(GitOutcome::Fetched { revision, commit, repository, tree, .. }) => {
            (revision, commit, repository, tree)
        }
        Err(error @ GitError::Empty) => return failed("EmptyGitRepository", &error),
        Err(error) => return not_checked_out(&error),
    };
    let place = Place::Git {
        repository: repository.to_string(),
        tree: tree.to_string(),
        ignore: ignore.clone(),
    };
    let files = match stores.git.tree(&repository, &tree) {
        Ok(files) => files,
        Err(error) => {
            // The next fetch brings all of it again.
            distrust(stores, Some(&place));
            return not_checked_out(&error);
        }
    };
    match files.ignore_rules(ignore.as_deref()) {
        Ok(rules) => {
            let subject = commit.message.lines().next().unwrap_or_default().to_owned();
            let tree = Arc::new(files.filtered(&rules));
            FetchResult::Tree { revision, tree, place, subject: Some(subject) }
        }
        Err(error) => {
            let message = format!("failed to load source ignore patterns from repository: {error}");
            failed_saying("SourceIgnoreError", message, &error)
        }
    }
}

/// The words of Flux for whatever keeps a revision from being checked out.
fn not_checked_out(error: &dyn Diagnostic) -> FetchResult {
    let message = format!("failed to checkout and determine revision: {error}");
    failed_saying("GitOperationFailed", message, error)
}
