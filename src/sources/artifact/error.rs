//! Why an artifact could not be fetched, unpacked, packed or stored.

use std::io;
use std::path::Path;
use std::path::PathBuf;

use miette::Diagnostic;
use thiserror::Error;

use crate::model::TreeError;
use crate::sources::net::Fault;
use crate::sources::tree::TreeLimit;

/// Why an artifact could not be fetched, unpacked, packed or stored.
#[derive(Debug, Error, Diagnostic)]
pub enum ArtifactError {
    /// The server has no such file: its producer is about to replace it, or has lost it.
    #[error("failed to download archive from {url}: file not found")]
    #[diagnostic(
        code(sources::artifact::not_found),
        help("it is tried again soon; if it stays, reconcile the source")
    )]
    NotFound {
        /// Where from.
        url: String,
    },
    /// The server refuses; it is not asked again.
    #[error("failed to download archive from {url} (status: {status})")]
    #[diagnostic(code(sources::artifact::status))]
    Status {
        /// Where from.
        url: String,
        /// Code and meaning.
        status: String,
    },
    /// The download failed, after all retries.
    #[error("failed to download archive: GET {url} giving up after {tries} attempt(s): {fault}")]
    #[diagnostic(code(sources::artifact::download))]
    Download {
        /// Where from.
        url: String,
        /// How often it was tried.
        tries: u32,
        /// Why, the last time. Not a source: the text above has it.
        #[diagnostic_source]
        fault: Fault,
    },
    /// The bytes are not the announced ones.
    #[error(
        "failed to verify archive: computed digest doesn't match provided '{want}' (check whether \
         file size exceeds max download size)"
    )]
    #[diagnostic(
        code(sources::artifact::digest),
        help("something between the producer and us changes or cuts the file: it has {got}")
    )]
    Digest {
        /// The announced digest.
        want: String,
        /// The digest of what came.
        got: String,
    },
    /// The announced digest cannot be checked.
    #[error("failed to verify archive: failed to parse digest '{digest}': {reason}")]
    #[diagnostic(
        code(sources::artifact::digest_algorithm),
        help("sha1, sha256, sha384 and sha512 can be checked")
    )]
    DigestForm {
        /// The announced digest.
        digest: String,
        /// Why not.
        reason: &'static str,
    },
    /// An entry's name leaves the archive.
    #[error("tar contained invalid name error {name:?}")]
    #[diagnostic(
        code(sources::artifact::entry_name),
        help("names must be relative, without `..` and backslashes")
    )]
    EntryName {
        /// The name.
        name: String,
    },
    /// An entry that is neither file, directory nor symbolic link.
    #[error("tar file entry {name} contained unsupported file type {kind}")]
    #[diagnostic(code(sources::artifact::entry_kind))]
    EntryKind {
        /// The name.
        name: String,
        /// Its kind.
        kind: String,
    },
    /// The bytes are no gzipped tar archive.
    #[error("tar error: {reason}")]
    #[diagnostic(code(sources::artifact::archive), help("the artifact is damaged or no tar.gz"))]
    Archive {
        /// Why.
        reason: String,
    },
    /// A limit is passed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Limit(#[from] TreeLimit),
    /// A file of the tree to pack could not be read.
    #[error("failed to archive source")]
    #[diagnostic(code(sources::artifact::pack))]
    Tree(#[from] TreeError),
    /// A kind, namespace, name or file name that is no single path segment.
    #[error("`{name}` cannot be part of an artifact's path")]
    #[diagnostic(code(sources::artifact::path))]
    Path {
        /// The text.
        name: String,
    },
    /// The disk failed.
    #[error("cannot {action} {}", path.display())]
    #[diagnostic(
        code(sources::artifact::io),
        help("check space and permissions of the state directory")
    )]
    Io {
        /// What was being done.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// The error for a failure of the disk.
pub(super) fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ArtifactError {
    let path = path.to_owned();
    move |source| ArtifactError::Io { action, path, source }
}
