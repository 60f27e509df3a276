//! A directory on disk as a file tree, for builds of a working copy.
//!
//! In: a path. Out: entries read when asked for; symbolic links are shown, not followed. A file's
//! id is the digest of its bytes; a directory's id is made of names, sizes and times of change
//! below it, so that looking one up reads no file. A tree for one build names everything by its
//! path instead: looking up costs one system call, and nothing else on the machine is looked at.
//!
//! Not here: fetched sources (`mod.rs`). Files that change while they are read give mixed content:
//! nobody promises a snapshot of a working copy.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::UNIX_EPOCH;

use crate::model::ContentId;
use crate::model::Digest;
use crate::model::Entry;
use crate::model::FileTree;
use crate::model::TreeError;
use crate::model::limits;
use crate::sources::tree::join;

/// What ids are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ids {
    Content,
    Paths,
}

/// The tree below one directory of the machine.
#[derive(Debug)]
pub struct LocalTree {
    root: PathBuf,
    ids: Ids,
    /// Directories that were found to be no links, with those above them.
    plain: Mutex<HashSet<String>>,
}

impl LocalTree {
    /// The tree below `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), ids: Ids::Content, plain: Mutex::default() }
    }

    /// The tree below `root` for one build: ids are paths, so they tell this tree's files apart and
    /// mean nothing to any other tree, nor to this one later.
    pub fn for_one_build(root: impl Into<PathBuf>) -> Self {
        Self { ids: Ids::Paths, ..Self::new(root) }
    }

    fn at(&self, path: &str) -> PathBuf {
        if path.is_empty() { self.root.clone() } else { self.root.join(path) }
    }

    fn directory_id(&self, at: &Path, path: &str) -> Result<ContentId, TreeError> {
        if self.ids == Ids::Paths {
            return Ok(ContentId::new(path));
        }
        let mut seen = Vec::new();
        fingerprint(at, &mut seen).map_err(|e| failed(path, &e))?;
        seen.sort();
        let digest = Digest::of_parts(seen.iter().map(String::as_bytes));
        Ok(ContentId::new(&digest.to_string()))
    }

    /// Whether a directory above `path` is a symbolic link: then nothing stands at `path`.
    fn crosses_link(&self, path: &str) -> bool {
        let Some((above, _)) = path.rsplit_once('/') else { return false };
        let known = |plain: &HashSet<String>| plain.contains(above);
        if known(&self.plain.lock().unwrap_or_else(PoisonError::into_inner)) {
            return false;
        }
        let mut parts = path.match_indices('/').map(|(at, _)| self.root.join(&path[..at]));
        let found = |dir| fs::symlink_metadata(dir).map(|meta| meta.is_symlink());
        let crosses: io::Result<bool> =
            parts.try_fold(false, |crosses, dir| Ok(crosses || found(dir)?));
        if let Ok(false) = crosses {
            let mut plain = self.plain.lock().unwrap_or_else(PoisonError::into_inner);
            plain.insert(above.to_owned());
        }
        crosses.unwrap_or(false)
    }
}

fn failed(path: &str, error: &io::Error) -> TreeError {
    TreeError::Read { path: path.to_owned(), reason: error.to_string() }
}

/// Adds a line for each entry below `directory`; what git keeps for itself is left out.
fn fingerprint(directory: &Path, seen: &mut Vec<String>) -> io::Result<()> {
    for found in fs::read_dir(directory)? {
        let found = found?;
        let meta = found.metadata()?;
        let at = found.path();
        let changed = meta.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        if meta.is_dir() {
            seen.push(format!("{}/", at.display()));
            if found.file_name() != ".git" {
                fingerprint(&at, seen)?;
            }
        } else {
            seen.push(format!("{} {} {changed}", at.display(), meta.len()));
        }
    }
    Ok(())
}

fn read_bounded(at: &Path, path: &str) -> Result<Vec<u8>, TreeError> {
    let bytes = fs::metadata(at).map_err(|e| failed(path, &e))?.len();
    let max = limits::FILE_BYTES_MAX;
    if bytes > max {
        return Err(TreeError::TooLarge { path: path.to_owned(), bytes, max });
    }
    fs::read(at).map_err(|e| failed(path, &e))
}

impl FileTree for LocalTree {
    fn entry(&self, path: &str) -> Result<Option<Entry>, TreeError> {
        if self.crosses_link(path) {
            return Ok(None);
        }
        let at = self.at(path);
        let looked_up = if path.is_empty() { fs::metadata(&at) } else { fs::symlink_metadata(&at) };
        let meta = match looked_up {
            Ok(meta) => meta,
            Err(e)
                if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
            {
                return Ok(None);
            }
            Err(e) => return Err(failed(path, &e)),
        };
        if meta.is_symlink() {
            let target = fs::read_link(&at).map_err(|e| failed(path, &e))?;
            return Ok(Some(Entry::Symlink { target: target.to_string_lossy().into_owned() }));
        }
        if meta.is_dir() {
            return Ok(Some(Entry::Directory { id: self.directory_id(&at, path)? }));
        }
        if !meta.is_file() {
            return Ok(None);
        }
        if self.ids == Ids::Paths {
            return Ok(Some(Entry::File { id: ContentId::new(path) }));
        }
        let digest = Digest::of(&read_bounded(&at, path)?);
        Ok(Some(Entry::File { id: ContentId::new(&digest.to_string()) }))
    }

    fn read(&self, path: &str) -> Result<Arc<[u8]>, TreeError> {
        let not_a_file = || TreeError::NotAFile { path: path.to_owned() };
        let at = self.at(path);
        let meta = fs::symlink_metadata(&at).map_err(|_| not_a_file())?;
        if !meta.is_file() || self.crosses_link(path) {
            return Err(not_a_file());
        }
        Ok(read_bounded(&at, path)?.into())
    }

    fn list(&self, path: &str) -> Result<Vec<(String, Entry)>, TreeError> {
        let at = self.at(path);
        let looked_up = if path.is_empty() { fs::metadata(&at) } else { fs::symlink_metadata(&at) };
        if !looked_up.is_ok_and(|meta| meta.is_dir()) || self.crosses_link(path) {
            return Ok(Vec::new());
        }
        let mut entries = Vec::new();
        for found in fs::read_dir(&at).map_err(|e| failed(path, &e))? {
            let found = found.map_err(|e| failed(path, &e))?;
            // Names that are not UTF-8 cannot be written in a kustomization either.
            let Ok(name) = found.file_name().into_string() else { continue };
            if let Some(entry) = self.entry(&join(path, &name))? {
                entries.push((name, entry));
            }
        }
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let at = root.join(path);
        fs::create_dir_all(at.parent().expect("has a parent")).expect("a directory");
        fs::write(at, text).expect("a file");
    }

    #[test]
    fn a_tree_for_one_build_reads_nothing_before_it_is_asked_to() {
        let dir = tempfile::tempdir().expect("a directory");
        write(dir.path(), "a/b.yaml", "b");
        std::os::unix::fs::symlink("a", dir.path().join("link")).expect("a link");
        let tree = LocalTree::for_one_build(dir.path());
        let id = |path: &str| ContentId::new(path);
        assert_eq!(tree.entry("a").unwrap(), Some(Entry::Directory { id: id("a") }));
        assert_eq!(tree.entry("a/b.yaml").unwrap(), Some(Entry::File { id: id("a/b.yaml") }));
        assert_eq!(&*tree.read("a/b.yaml").expect("a file"), b"b");
        assert_eq!(tree.entry("link/b.yaml").unwrap(), None, "links are not followed");
        assert_eq!(tree.entry("a/c.yaml").unwrap(), None);
    }

    #[test]
    fn a_directory_as_a_tree() {
        let dir = tempfile::tempdir().expect("a directory");
        write(dir.path(), "a/b.yaml", "b");
        write(dir.path(), "c.yaml", "b");
        std::os::unix::fs::symlink("a", dir.path().join("link")).expect("a link");
        let tree = LocalTree::new(dir.path());
        let names: Vec<String> =
            tree.list("").expect("readable").into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["a", "c.yaml", "link"]);
        assert_eq!(&*tree.read("a/b.yaml").expect("a file"), b"b");
        assert_eq!(tree.entry("link").unwrap(), Some(Entry::Symlink { target: "a".to_owned() }));
        assert_eq!(tree.entry("link/b.yaml").unwrap(), None, "links are not followed");
        assert_eq!(tree.entry("a/none").unwrap(), None);
        assert_eq!(tree.entry("c.yaml/x").unwrap(), None);
        assert!(matches!(tree.read("a"), Err(TreeError::NotAFile { .. })));
        let before = tree.entry("a").unwrap();
        write(dir.path(), "a/b.yaml", "changed");
        assert_ne!(tree.entry("a").unwrap(), before, "a directory's id follows its content");
    }
}
