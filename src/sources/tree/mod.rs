//! File trees of sources: what a revision holds, and what ignore rules leave of it.
//!
//! In: a Git tree, an unpacked artifact. Out: a [`SourceTree`]: names, kinds and ids in memory,
//! bytes read when asked for. Ids name content, for directories too, so equal ids need no second
//! look.
//!
//! ```text
//! blobs (Git objects, files by digest) ◀── read ── SourceTree ── filtered(rules) ──▶ SourceTree
//! ```
//!
//! Limits: `limits::TREE_FILES_MAX`, `TREE_BYTES_MAX`, `FILE_BYTES_MAX`; beyond them is an error.
//! Not here: a directory on disk (`local.rs`), reading Git objects (`git/store.rs`).

use std::collections::BTreeMap;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use miette::Diagnostic;
use thiserror::Error;

use crate::model::ContentId;
use crate::model::Entry;
use crate::model::FileTree;
use crate::model::LeftOut;
use crate::model::TreeError;
use crate::model::limits;

mod filter;
mod local;

pub use filter::Dropped;
pub(crate) use filter::listing_id;
pub use local::LocalTree;

/// Where the bytes of files are.
pub trait Blobs: Send + Sync {
    /// The bytes that `id` names, at most `limits::FILE_BYTES_MAX`. `path` is for messages.
    fn read(&self, path: &str, id: &ContentId) -> Result<Arc<[u8]>, TreeError>;
}

/// Why a tree is not taken in.
#[derive(Clone, Debug, PartialEq, Eq, Error, Diagnostic)]
pub enum TreeLimit {
    /// Too many files.
    #[error("the source has more than TREE_FILES_MAX = {max} files")]
    #[diagnostic(
        code(sources::tree::too_many_files),
        help("split the repository: what `spec.ignore` leaves out counts too")
    )]
    Files {
        /// The limit.
        max: usize,
    },
    /// Too many bytes.
    #[error("the source has more than TREE_BYTES_MAX = {max} bytes")]
    #[diagnostic(
        code(sources::tree::too_large),
        help("split the repository: what `spec.ignore` leaves out counts too")
    )]
    Bytes {
        /// The limit.
        max: u64,
    },
}

/// A complete tree whose content never changes.
#[derive(Clone)]
pub struct SourceTree {
    blobs: Arc<dyn Blobs>,
    /// Directory by path, the root as `""`; each listing sorted by name bytewise.
    directories: BTreeMap<Arc<str>, Directory>,
    executables: HashSet<Arc<str>>,
    dropped: Vec<Dropped>,
    files: usize,
}

#[derive(Clone)]
struct Directory {
    id: ContentId,
    entries: Vec<(String, Entry)>,
}

/// Builds a tree, directory by directory.
pub struct TreeBuilder {
    tree: SourceTree,
    bytes: u64,
}

impl TreeBuilder {
    /// An empty tree over `blobs`.
    pub fn new(blobs: Arc<dyn Blobs>) -> Self {
        let tree = SourceTree {
            blobs,
            directories: BTreeMap::new(),
            executables: HashSet::new(),
            dropped: Vec::new(),
            files: 0,
        };
        Self { tree, bytes: 0 }
    }

    /// Adds the directory at `path` with all its entries, in any order.
    pub fn directory(&mut self, path: &str, id: ContentId, mut entries: Vec<(String, Entry)>) {
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        self.tree.directories.insert(path.into(), Directory { id, entries });
    }

    /// Counts a file of `bytes` bytes against the limits.
    pub fn count(&mut self, bytes: u64) -> Result<(), TreeLimit> {
        self.tree.files += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        if self.tree.files > limits::TREE_FILES_MAX {
            return Err(TreeLimit::Files { max: limits::TREE_FILES_MAX });
        }
        if self.bytes > limits::TREE_BYTES_MAX {
            return Err(TreeLimit::Bytes { max: limits::TREE_BYTES_MAX });
        }
        Ok(())
    }

    /// Marks the file at `path` as executable.
    pub fn executable(&mut self, path: &str) {
        self.tree.executables.insert(path.into());
    }

    /// Remembers an entry of the origin that the tree does not hold.
    pub fn dropped(&mut self, path: &str, why: LeftOut) {
        self.tree.dropped.push(Dropped { path: path.to_owned(), why });
    }

    /// The tree. It must hold the root.
    pub fn finish(self) -> SourceTree {
        self.tree
    }
}

impl SourceTree {
    /// Names everything in the tree.
    pub fn id(&self) -> ContentId {
        match self.directories.get("") {
            Some(root) => root.id.clone(),
            None => ContentId::new("empty"),
        }
    }

    /// How many files it has.
    pub fn files(&self) -> usize {
        self.files
    }

    /// Whether the file at `path` may be executed.
    pub fn is_executable(&self, path: &str) -> bool {
        self.executables.contains(path)
    }

    /// What the origin holds at these paths and this tree leaves out, in path order.
    pub fn dropped(&self) -> &[Dropped] {
        &self.dropped
    }
}

impl fmt::Debug for SourceTree {
    /// Its id and size, not its names: there may be many.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SourceTree({}, {} files)", self.id(), self.files)
    }
}

/// The directory and the name of `path`.
fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// `name` inside `directory`.
pub(crate) fn join(directory: &str, name: &str) -> String {
    if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") }
}

impl FileTree for SourceTree {
    fn entry(&self, path: &str) -> Result<Option<Entry>, TreeError> {
        if let Some(directory) = self.directories.get(path) {
            return Ok(Some(Entry::Directory { id: directory.id.clone() }));
        }
        let (parent, name) = split(path);
        let Some(directory) = self.directories.get(parent) else { return Ok(None) };
        let at = directory.entries.binary_search_by(|(entry, _)| entry.as_str().cmp(name));
        Ok(at.ok().map(|at| directory.entries[at].1.clone()))
    }

    fn read(&self, path: &str) -> Result<Arc<[u8]>, TreeError> {
        match self.entry(path)? {
            Some(Entry::File { id }) => self.blobs.read(path, &id),
            _ => Err(TreeError::NotAFile { path: path.to_owned() }),
        }
    }

    fn left_out(&self, path: &str) -> Option<(&str, &LeftOut)> {
        let found = self.dropped.iter().find(|dropped| dropped.covers(path));
        found.map(|dropped| (dropped.path.as_str(), &dropped.why))
    }

    fn left_out_of(&self, path: &str) -> Vec<(&str, &LeftOut)> {
        let inside = self.dropped.iter().filter(|dropped| split(&dropped.path).0 == path);
        inside.map(|dropped| (dropped.path.as_str(), &dropped.why)).collect()
    }

    fn list(&self, path: &str) -> Result<Vec<(String, Entry)>, TreeError> {
        Ok(self
            .directories
            .get(path)
            .map(|directory| directory.entries.clone())
            .unwrap_or_default())
    }
}
