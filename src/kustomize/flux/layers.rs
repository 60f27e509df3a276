//! A tree with one file laid over it, and paths that cannot leave a tree.

use std::sync::Arc;

use crate::kustomize::ReadSet;
use crate::model::ContentId;
use crate::model::Digest;
use crate::model::Entry;
use crate::model::FileTree;
use crate::model::LeftOut;
use crate::model::TreeError;

/// Most links that one path may lead through.
const LINKS_MAX: usize = 40;

/// What stands at the end of a path, links followed; the path is the real one.
#[derive(Debug, PartialEq)]
pub(super) enum Standing {
    File(String),
    Directory(String),
    Nothing,
}

/// `name` in `directory`.
pub(super) fn below(directory: &str, name: &str) -> String {
    if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") }
}

/// What `path` leads to. The tree's root is a wall: `..` and absolute links stop at it.
pub(super) fn standing(tree: &dyn FileTree, path: &str) -> Result<Standing, TreeError> {
    let mut rest: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
    let mut at = String::new();
    let mut links = 0;
    while let Some(part) = rest.pop() {
        match part.as_str() {
            "" | "." => continue,
            ".." => {
                at.truncate(at.rfind('/').unwrap_or(0));
                continue;
            }
            _ => {}
        }
        let next = below(&at, &part);
        match tree.entry(&next)? {
            Some(Entry::Directory { .. }) => at = next,
            Some(Entry::File { .. }) if rest.iter().all(|part| part.is_empty()) => {
                return Ok(Standing::File(next));
            }
            Some(Entry::File { .. }) | None => return Ok(Standing::Nothing),
            Some(Entry::Symlink { target }) => {
                links += 1;
                if links > LINKS_MAX {
                    return Ok(Standing::Nothing);
                }
                if target.starts_with('/') {
                    at.clear();
                }
                rest.extend(target.split('/').rev().map(str::to_owned));
            }
        }
    }
    Ok(Standing::Directory(at))
}

/// What decides that `path` leads to no directory: the first part of it that is none. `None` when a
/// link is on the way.
pub(super) fn obstacle(tree: &dyn FileTree, path: &str) -> Option<(String, ReadSet)> {
    let mut at = String::new();
    for part in rooted(path).split('/').filter(|part| !part.is_empty()) {
        at = below(&at, part);
        let found = match tree.entry(&at).ok()? {
            Some(Entry::Directory { .. }) => continue,
            Some(Entry::File { id }) => Some(id),
            Some(Entry::Symlink { .. }) => return None,
            None => None,
        };
        return Some((at.clone(), ReadSet::from([(at, found)])));
    }
    None
}

/// A tree in which one file has other content.
pub(super) struct Layered<'t> {
    base: &'t dyn FileTree,
    path: &'t str,
    bytes: Arc<[u8]>,
    id: ContentId,
}

impl<'t> Layered<'t> {
    pub(super) fn new(base: &'t dyn FileTree, path: &'t str, bytes: &[u8]) -> Self {
        let id = ContentId::new(&format!("overlay:{}", Digest::of(bytes).hex()));
        Self { base, path, bytes: bytes.into(), id }
    }

    /// A directory's name for its content takes the laid-over file in.
    fn renamed(&self, path: &str, entry: Entry) -> Entry {
        match entry {
            Entry::Directory { id } if is_above(path, self.path) => {
                Entry::Directory { id: ContentId::new(&format!("{id}+{}", self.id)) }
            }
            other => other,
        }
    }
}

fn is_above(directory: &str, path: &str) -> bool {
    directory.is_empty() || path.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'))
}

impl FileTree for Layered<'_> {
    fn entry(&self, path: &str) -> Result<Option<Entry>, TreeError> {
        if path == self.path {
            return Ok(Some(Entry::File { id: self.id.clone() }));
        }
        Ok(self.base.entry(path)?.map(|entry| self.renamed(path, entry)))
    }

    fn read(&self, path: &str) -> Result<Arc<[u8]>, TreeError> {
        if path == self.path { Ok(Arc::clone(&self.bytes)) } else { self.base.read(path) }
    }

    fn left_out(&self, path: &str) -> Option<(&str, &LeftOut)> {
        self.base.left_out(path)
    }

    fn left_out_of(&self, path: &str) -> Vec<(&str, &LeftOut)> {
        self.base.left_out_of(path)
    }

    fn list(&self, path: &str) -> Result<Vec<(String, Entry)>, TreeError> {
        let mut entries: Vec<(String, Entry)> = self
            .base
            .list(path)?
            .into_iter()
            .map(|(name, entry)| {
                let entry = self.renamed(&below(path, &name), entry);
                (name, entry)
            })
            .collect();
        let (directory, name) = self.path.rsplit_once('/').unwrap_or(("", self.path));
        if directory == path {
            entries.retain(|(known, _)| known != name);
            entries.push((name.to_owned(), Entry::File { id: self.id.clone() }));
            entries.sort_by(|a, b| a.0.cmp(&b.0));
        }
        Ok(entries)
    }
}

/// The path as it stands below the root, which `..` does not leave.
pub(super) fn rooted(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}
