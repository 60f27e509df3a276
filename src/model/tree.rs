//! A lazy, content-addressed file tree: what a source offers and what a build reads.
//!
//! Paths are relative to the tree's root, `/`-separated, without `.` or `..` segments and without
//! leading or trailing `/`; the root itself is `""`. Implementations do not follow symbolic links:
//! that is the reader's policy.

use std::fmt;
use std::sync::Arc;

use miette::Diagnostic;
use thiserror::Error;

/// Names content: equal ids mean equal bytes (or equal directory listings, recursively).
///
/// The text is opaque: a Git object id for Git trees, a digest for unpacked artifacts. Ids of
/// different sources are not comparable.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentId(Arc<str>);

impl ContentId {
    /// The id with this text.
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What stands at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A regular file.
    File {
        /// Names its bytes.
        id: ContentId,
    },
    /// A directory.
    Directory {
        /// Names everything below it.
        id: ContentId,
    },
    /// A symbolic link, not followed.
    Symlink {
        /// Its target as stored.
        target: String,
    },
}

/// Why a tree does not hold something that its origin has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeftOut {
    /// An ignore rule excludes it.
    Ignored,
    /// A symbolic link with this target: artifacts hold none.
    Symlink(String),
    /// A submodule: not fetched.
    Submodule,
    /// A file that is neither regular nor a directory.
    Special,
    /// A name that is not UTF-8, shown with replacements.
    Name,
}

/// Why a tree could not be read. Absence is not an error: see [`FileTree::entry`].
#[derive(Debug, Error, Diagnostic)]
pub enum TreeError {
    /// The storage below failed.
    #[error("cannot read `{path}` from the source tree: {reason}")]
    #[diagnostic(code(tree::read), help("the source is fetched again; check the disk"))]
    Read {
        /// The path asked for.
        path: String,
        /// What the storage said.
        reason: String,
    },
    /// `read` was asked for something that is not a file, or is absent.
    #[error("`{path}` is not a file")]
    #[diagnostic(code(tree::not_a_file), help("correct the path that names it"))]
    NotAFile {
        /// The path asked for.
        path: String,
    },
    /// A file is larger than `limits::FILE_BYTES_MAX`.
    #[error("`{path}` has {bytes} bytes, more than FILE_BYTES_MAX = {max}")]
    #[diagnostic(
        code(tree::file_too_large),
        help("split the file, or leave it out with .sourceignore")
    )]
    TooLarge {
        /// The path asked for.
        path: String,
        /// Its size.
        bytes: u64,
        /// The limit.
        max: u64,
    },
}

/// A read-only file tree whose content never changes.
pub trait FileTree: Send + Sync {
    /// What stands at `path`; `None` when nothing does. The root is a directory.
    fn entry(&self, path: &str) -> Result<Option<Entry>, TreeError>;

    /// The bytes of the file at `path`.
    fn read(&self, path: &str) -> Result<Arc<[u8]>, TreeError>;

    /// Why nothing stands at `path`, where the origin has something, and the path of what was left
    /// out: this one, or one that it lies below. `None` when nothing is known to have been.
    fn left_out(&self, _path: &str) -> Option<(&str, &LeftOut)> {
        None
    }

    /// What of the entries of the directory at `path` was left out, as [`FileTree::left_out`] tells
    /// it, in path order.
    fn left_out_of(&self, _path: &str) -> Vec<(&str, &LeftOut)> {
        Vec::new()
    }

    /// The entries of the directory at `path`, sorted by name bytewise; empty when it is not one.
    fn list(&self, path: &str) -> Result<Vec<(String, Entry)>, TreeError>;
}
