//! Fetching from real Git hosts (`git http-backend`, `sshd`) and real artifact servers.

mod artifacts;
mod git_http;
mod git_ssh;
mod hostile;
mod semver;

use std::path::Path;
use std::time::Duration;

use hence::sources::git::GitError;
use hence::sources::git::GitOutcome;
use hence::sources::git::GitReference;
use hence::sources::git::GitRequest;
use hence::sources::git::GitStore;
use hence::sources::git::fetch;
use hence::sources::secrets::GitAuth;
use hence::sources::secrets::git_auth;
use hence::sources::tree::SourceTree;
use tokio_util::sync::CancellationToken;

/// A store of one test.
pub(crate) struct Client {
    directory: tempfile::TempDir,
    pub(crate) store: GitStore,
}

impl Client {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let store = GitStore::open(directory.path().join("git")).expect("a store");
        Self { directory, store }
    }

    /// Opens the same directory again, as after a restart.
    pub(crate) fn reopen(&mut self) {
        self.store = GitStore::open(self.root()).expect("a store");
    }

    pub(crate) fn root(&self) -> std::path::PathBuf {
        self.directory.path().join("git")
    }

    pub(crate) fn fetch(&self, request: &GitRequest) -> Result<GitOutcome, GitError> {
        fetch(&self.store, request, &CancellationToken::new())
    }

    /// Fetches what is new; panics otherwise.
    pub(crate) fn fetched(&self, request: &GitRequest) -> New {
        match self.fetch(request).expect("a host that works") {
            GitOutcome::Fetched { revision, commit, repository, tree, moved } => {
                let tree = self.store.tree(&repository, &tree).expect("a complete tree");
                New { revision, message: commit.message, author: commit.author, tree, moved }
            }
            GitOutcome::Unchanged { revision } => panic!("{revision} is not new"),
        }
    }

    /// Packs in the store.
    pub(crate) fn packs(&self) -> Vec<std::path::PathBuf> {
        files(&self.root())
            .into_iter()
            .filter(|p| p.extension().is_some_and(|e| e == "pack"))
            .collect()
    }
}

/// What a fetch brought.
pub(crate) struct New {
    pub(crate) revision: String,
    pub(crate) message: String,
    pub(crate) author: String,
    pub(crate) tree: SourceTree,
    pub(crate) moved: bool,
}

/// All files below a directory.
pub(crate) fn files(directory: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// A request for branch `main` without credentials.
pub(crate) fn request(url: &str) -> GitRequest {
    GitRequest {
        url: url.to_owned(),
        reference: GitReference { branch: Some("main".to_owned()), ..GitReference::default() },
        auth: auth(url, &[]),
        identity: String::new(),
        proxy: None,
        timeout: Duration::from_secs(30),
        host_key_algorithms: Vec::new(),
        kex_algorithms: Vec::new(),
        known: None,
    }
}

pub(crate) fn auth(url: &str, secret: &[(&str, &[u8])]) -> GitAuth {
    let data = secret.iter().map(|(key, value)| ((*key).to_owned(), value.to_vec())).collect();
    git_auth(url, Some(("ns/secret", &data))).expect("a complete Secret")
}

/// Code and text of an error.
pub(crate) fn shown(error: &GitError) -> String {
    use miette::Diagnostic;
    let code = |d: &dyn Diagnostic| d.code().map(|code| code.to_string()).unwrap_or_default();
    let inner = error.fault().map(|fault| format!(" > {}", code(fault))).unwrap_or_default();
    format!("{}{inner}: {error}", code(error))
}
