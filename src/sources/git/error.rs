//! Why a Git fetch failed, in the words that Flux uses.

use miette::Diagnostic;
use thiserror::Error;

use crate::model::url::without_credentials;
use crate::sources::git::StoreError;
use crate::sources::net::Fault;
use crate::sources::tree::TreeLimit;

/// Why a Git fetch failed. The texts are Flux's, which follow go-git's; no URL in them holds
/// credentials.
#[derive(Debug, Error, Diagnostic)]
pub enum GitError {
    /// The exchange with the host failed.
    #[error("unable to clone '{url}': {fault}")]
    #[diagnostic(code(sources::git::clone))]
    Clone {
        /// The repository, without credentials.
        url: String,
        /// Why. Not a source: the text above has it, as Flux's has.
        #[diagnostic_source]
        fault: Fault,
    },
    /// The exchange with the host failed before it had listed its references, where Flux lists them
    /// apart from cloning: for `spec.ref.name`, and for a branch or tag of which a revision is
    /// held.
    #[error("unable to list remote for '{url}': {}", list_text(fault))]
    #[diagnostic(code(sources::git::list))]
    List {
        /// The repository, without credentials.
        url: String,
        /// Why.
        #[diagnostic_source]
        fault: Fault,
    },
    /// There is no such repository, or we may not know of it.
    #[error("unable to clone: {reason}: git repository: '{url}'")]
    #[diagnostic(
        code(sources::git::repository_not_found),
        help(
            "check `spec.url`; hosts also answer this when the credentials do not allow to read it"
        )
    )]
    RepositoryNotFound {
        /// What is missing.
        reason: String,
        /// The repository, without credentials.
        url: String,
    },
    /// The repository has no branch, tag or commit of that name.
    #[error("unable to clone '{url}': couldn't find remote ref \"{reference}\"")]
    #[diagnostic(
        code(sources::git::reference_not_found),
        help("check `spec.ref`; `git ls-remote <url>` lists what there is")
    )]
    ReferenceNotFound {
        /// The repository, without credentials.
        url: String,
        /// The full reference.
        reference: String,
    },
    /// `spec.ref.name` names nothing.
    #[error("unable to resolve ref '{name}' to a specific commit")]
    #[diagnostic(
        code(sources::git::name_not_found),
        help("write a full reference, such as refs/heads/main or refs/pull/1/head")
    )]
    NameNotFound {
        /// The name as written.
        name: String,
    },
    /// `spec.ref.name` cannot be a reference.
    #[error("ref {name} is invalid; Git refs cannot begin or end with a slash '/'")]
    #[diagnostic(code(sources::git::name_invalid), help("write it as `git ls-remote` shows it"))]
    NameInvalid {
        /// The name as written.
        name: String,
    },
    /// The repository has no such commit.
    #[error("unable to resolve commit object for '{id}': object not found")]
    #[diagnostic(
        code(sources::git::commit_not_found),
        help("the commit was never pushed, or no branch or tag holds it any more")
    )]
    CommitNotFound {
        /// Its id.
        id: String,
    },
    /// `spec.ref.commit` is no commit id.
    #[error("unable to resolve commit object for '{id}': not a full commit id")]
    #[diagnostic(code(sources::git::commit_id), help("write all 40 (or 64) hexadecimal digits"))]
    CommitId {
        /// The text.
        id: String,
    },
    /// No tag is in the range.
    #[error("no match found for semver: {range}")]
    #[diagnostic(
        code(sources::git::no_version),
        help("tags need three numbers (v1.2.3); pre-releases only match a range that names one")
    )]
    NoVersion {
        /// The range as written.
        range: String,
    },
    /// The range does not parse.
    #[error("semver parse error: {reason}")]
    #[diagnostic(code(sources::git::semver), help("write a range such as >=1.2.0 <2.0.0"))]
    Semver {
        /// Why.
        reason: String,
    },
    /// The repository has no commit at all.
    #[error("git repository is empty")]
    #[diagnostic(code(sources::git::empty_repository), help("push a first commit"))]
    Empty,
    /// The host announced objects that it did not send.
    #[error("unable to clone '{url}': the host sent an incomplete commit: {reason}")]
    #[diagnostic(
        code(sources::git::incomplete),
        help("the host's repository is damaged, or the host is not a Git server")
    )]
    Incomplete {
        /// The repository, without credentials.
        url: String,
        /// What is missing or wrong.
        reason: String,
    },
    /// The repository is too large.
    #[error(transparent)]
    #[diagnostic(transparent)]
    TooLarge(#[from] TreeLimit),
    /// Our own storage failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Store(#[from] StoreError),
}

impl GitError {
    /// The error for a fault of the exchange with the repository at `url`.
    pub(crate) fn clone_failed(url: &str, fault: Fault) -> Self {
        let url = without_credentials(url);
        match fault {
            Fault::NotFound => {
                Self::RepositoryNotFound { reason: "repository not found".to_owned(), url }
            }
            fault => Self::Clone { url, fault },
        }
    }

    /// The error for a fault before references were listed; `lists_first`: see [`Self::List`].
    pub(crate) fn list_failed(url: &str, fault: Fault, lists_first: bool) -> Self {
        if lists_first {
            return Self::List { url: without_credentials(url), fault };
        }
        Self::clone_failed(url, fault)
    }

    /// The error for objects that cannot be taken into the store.
    pub(crate) fn from_store(url: &str, error: StoreError) -> Self {
        match error {
            StoreError::Limit(limit) => Self::TooLarge(limit),
            StoreError::Incomplete { reason } => {
                Self::Incomplete { url: without_credentials(url), reason }
            }
            error => Self::Store(error),
        }
    }

    /// The fault of the exchange, when there was one.
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Clone { fault, .. } | Self::List { fault, .. } => Some(fault),
            _ => None,
        }
    }
}

fn list_text(fault: &Fault) -> String {
    match fault {
        Fault::NotFound => "repository not found".to_owned(),
        fault => fault.to_string(),
    }
}
