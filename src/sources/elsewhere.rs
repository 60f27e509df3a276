//! Bases and files that a kustomization names by URL, fetched for a build.
//!
//! In: what the reference names. Out: a repository's files at one commit, or the bytes of one file.
//! Credentials stand in the URL, or over ssh in the files of the user who runs this program
//! (`~/.ssh`), as for `git clone`; none of a unit's Secrets are sent.
//!
//! Not here: taking references apart (`kustomize`), submodules (a directory of one is absent).

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use miette::Diagnostic;
use reqwest::Url;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::model::ContentId;
use crate::model::Entry;
use crate::model::FileTree;
use crate::model::TreeError;
use crate::model::limits::FILE_BYTES_MAX;
use crate::model::url::without_credentials;
use crate::sources::git;
use crate::sources::git::GitError;
use crate::sources::git::GitOutcome;
use crate::sources::git::GitReference;
use crate::sources::git::GitRequest;
use crate::sources::git::GitStore;
use crate::sources::git::StoreError;
use crate::sources::http::HttpAuth;
use crate::sources::http::HttpClient;
use crate::sources::http::Tls;
use crate::sources::net::Fault;
use crate::sources::net::Net;
use crate::sources::net::Timeouts;
use crate::sources::secrets;
use crate::sources::secrets::SecretData;
use crate::sources::secrets::SecretError;
use crate::sources::tree::SourceTree;

/// Private keys that are tried, in this order, as ssh has it.
const IDENTITIES: &[&str] = &["id_rsa", "id_ecdsa", "id_ed25519"];

/// Why something elsewhere could not be had. No text holds a credential.
#[derive(Debug, Error, Diagnostic)]
pub enum ElsewhereError {
    /// The repository or its reference could not be fetched.
    #[error("cannot fetch the remote base: {source}")]
    #[diagnostic(code(sources::elsewhere::git))]
    Git {
        /// Why.
        #[source]
        source: Box<GitError>,
    },
    /// No credentials for this kind of URL.
    #[error("cannot fetch the remote base '{url}': {reason}")]
    #[diagnostic(
        code(sources::elsewhere::credentials),
        help("over ssh, a private key and known_hosts are read from ~/.ssh")
    )]
    Credentials {
        /// The repository, without credentials.
        url: String,
        /// What is missing.
        reason: SecretError,
    },
    /// What was fetched cannot be opened.
    #[error("cannot open the remote base '{url}'")]
    #[diagnostic(code(sources::elsewhere::store))]
    Store {
        /// The repository, without credentials.
        url: String,
        /// Why.
        #[source]
        source: StoreError,
    },
    /// The exchange with the host of a file failed.
    #[error("cannot fetch '{url}': {fault}")]
    #[diagnostic(code(sources::elsewhere::file))]
    File {
        /// The file, without credentials.
        url: String,
        /// Why.
        #[diagnostic_source]
        fault: Fault,
    },
}

/// One file, or nothing, as a tree.
#[derive(Debug)]
pub struct OneFile {
    /// Its path in the tree.
    pub name: &'static str,
    /// Its bytes; `None` when there is no file.
    pub bytes: Option<Arc<[u8]>>,
}

impl FileTree for OneFile {
    fn entry(&self, path: &str) -> Result<Option<Entry>, TreeError> {
        let id = ContentId::new(path);
        Ok(match path {
            "" => Some(Entry::Directory { id }),
            path if path == self.name && self.bytes.is_some() => Some(Entry::File { id }),
            _ => None,
        })
    }

    fn read(&self, path: &str) -> Result<Arc<[u8]>, TreeError> {
        let bytes = self.bytes.as_ref().filter(|_| path == self.name);
        bytes.cloned().ok_or_else(|| TreeError::NotAFile { path: path.to_owned() })
    }

    fn list(&self, path: &str) -> Result<Vec<(String, Entry)>, TreeError> {
        let found = if path.is_empty() { self.entry(self.name)? } else { None };
        Ok(found.map(|entry| (self.name.to_owned(), entry)).into_iter().collect())
    }
}

/// `host:path`, as ssh writes it, as a URL.
fn as_url(location: &str) -> String {
    match location.split_once(':') {
        Some((host, path)) if !location.contains("://") => {
            format!("ssh://{host}/{}", path.trim_start_matches('/'))
        }
        _ => location.to_owned(),
    }
}

/// What `reference` may name, in the order in which `git fetch` looks.
fn candidates(reference: &str) -> Vec<GitReference> {
    let named = |name: String| GitReference { name: Some(name), ..GitReference::default() };
    let is_commit = matches!(reference.len(), 40 | 64)
        && reference.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_commit {
        let commit = Some(reference.to_owned());
        return vec![GitReference { commit, ..GitReference::default() }];
    }
    if reference.is_empty() {
        return vec![named("HEAD".to_owned())];
    }
    if reference.starts_with("refs/") || reference == "HEAD" {
        return vec![named(reference.to_owned())];
    }
    let below = ["refs/", "refs/tags/", "refs/heads/"];
    below.iter().map(|start| named(format!("{start}{reference}"))).collect()
}

/// The files of the user that ssh would read, in the form of a Secret.
fn ssh_files(home: Option<&Path>) -> SecretData {
    let Some(directory) = home.map(|home| home.join(".ssh")) else { return SecretData::new() };
    let identity = IDENTITIES.iter().find_map(|name| std::fs::read(directory.join(name)).ok());
    let known_hosts = std::fs::read(directory.join("known_hosts")).ok();
    let named = [("identity", identity), ("known_hosts", known_hosts)];
    named.into_iter().filter_map(|(key, bytes)| Some((key.to_owned(), bytes?))).collect()
}

/// The files of the repository at `location`, at `reference`. They stay in `store`.
///
/// # Errors
/// It cannot be fetched, or nothing has that name.
pub fn repository(
    store: &GitStore,
    location: &str,
    reference: &str,
    timeout: Duration,
    cancel: &CancellationToken,
) -> Result<SourceTree, ElsewhereError> {
    let url = as_url(location);
    let shown = without_credentials(&url);
    let secret = match url.starts_with("ssh://") {
        true => ssh_files(std::env::home_dir().as_deref()),
        false => SecretData::new(),
    };
    let auth = secrets::git_auth(&url, Some(("~/.ssh", &secret)))
        .map_err(|reason| ElsewhereError::Credentials { url: shown.clone(), reason })?;
    let mut request = GitRequest {
        url,
        reference: GitReference::default(),
        auth,
        identity: String::new(),
        proxy: None,
        timeout,
        host_key_algorithms: Vec::new(),
        kex_algorithms: Vec::new(),
        known: None,
    };
    let mut missing = None;
    for candidate in candidates(reference) {
        request.reference = candidate;
        match git::fetch(store, &request, cancel) {
            Ok(GitOutcome::Fetched { repository, tree, .. }) => {
                let opened = store.tree(&repository, &tree);
                return opened.map_err(|source| ElsewhereError::Store { url: shown, source });
            }
            Ok(GitOutcome::Unchanged { .. }) => {}
            Err(error @ GitError::NameNotFound { .. }) => missing = Some(error),
            Err(error) => return Err(ElsewhereError::Git { source: Box::new(error) }),
        }
    }
    let missing = missing.unwrap_or(GitError::Empty);
    Err(ElsewhereError::Git { source: Box::new(missing) })
}

/// The file at `url`; `None` when the host answers that it has none to give.
///
/// # Errors
/// The host does not answer, or the file is larger than `FILE_BYTES_MAX`.
pub fn file(url: &str, cancel: &CancellationToken) -> Result<Option<Arc<[u8]>>, ElsewhereError> {
    let failed = |fault| ElsewhereError::File { url: without_credentials(url), fault };
    let settings = |reason: String| Fault::Settings { reason };
    let mut parsed = Url::parse(url).map_err(|e| failed(settings(e.to_string())))?;
    let auth = match (parsed.username().to_owned(), parsed.password().map(str::to_owned)) {
        (name, password) if !name.is_empty() => {
            let password = crate::model::Secret::new(password.unwrap_or_default());
            HttpAuth::Basic { username: name, password }
        }
        _ => HttpAuth::None,
    };
    let cleared = parsed.set_username("").and_then(|()| parsed.set_password(None));
    cleared.map_err(|()| failed(settings("it cannot hold credentials".to_owned())))?;
    let net = Net::start(Timeouts::default(), cancel).map_err(failed)?;
    let mut client = HttpClient::new(&net, auth, &Tls::default(), None).map_err(failed)?;
    net.allow("the file", "FILE_BYTES_MAX", FILE_BYTES_MAX);
    let answer = match client.get(&parsed, &[]) {
        Ok(answer) => answer,
        Err(Fault::NotFound | Fault::Unauthenticated | Fault::Forbidden | Fault::Status { .. }) => {
            return Ok(None);
        }
        Err(fault) => return Err(failed(fault)),
    };
    let mut bytes = Vec::new();
    let mut body = answer.body;
    match body.read_to_end(&mut bytes) {
        Ok(_) => Ok(Some(bytes.into())),
        Err(error) => {
            let broken = Fault::Io { during: "reading the answer", reason: error.to_string() };
            Err(failed(net.fault().unwrap_or(broken)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_ssh_become_urls() {
        #[rustfmt::skip]
        let cases = [
            ("git@host.xz:org/repo.git", "ssh://git@host.xz/org/repo.git"),
            ("git@host.xz:/org/repo",    "ssh://git@host.xz/org/repo"),
            ("https://host.xz/org/repo", "https://host.xz/org/repo"),
            ("ssh://git@host.xz/a",      "ssh://git@host.xz/a"),
        ];
        for (location, want) in cases {
            assert_eq!(as_url(location), want);
        }
    }

    #[test]
    fn a_reference_is_a_commit_or_looked_for_under_tags_first() {
        let id = "0123456789012345678901234567890123456789";
        assert_eq!(candidates(id)[0].commit.as_deref(), Some(id));
        let names = |reference: &str| -> Vec<String> {
            candidates(reference).into_iter().filter_map(|candidate| candidate.name).collect()
        };
        assert_eq!(names(""), ["HEAD"]);
        assert_eq!(names("refs/pull/1/head"), ["refs/pull/1/head"]);
        assert_eq!(names("v1"), ["refs/v1", "refs/tags/v1", "refs/heads/v1"]);
    }
}
