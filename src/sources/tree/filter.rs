//! The view of a tree that a unit sees: without ignored files and without symbolic links.
//!
//! In: a complete tree, `spec.ignore`. Out: a tree as Flux's tarballs hold it, and a list of what
//! was left out, so that a missing file can be explained.
//!
//! A directory that is ignored but holds a file that is not stays; one that is not ignored stays
//! even when it is empty. Directory ids change exactly where something below was left out. Not
//! here: the rules (`sources/ignore.rs`), the tarball (`artifact/pack.rs`).

use std::collections::BTreeMap;

use crate::model::ContentId;
use crate::model::Digest;
use crate::model::Entry;
use crate::model::FileTree;
use crate::model::LeftOut;
use crate::model::TreeError;
use crate::sources::ignore::IGNORE_FILE;
use crate::sources::ignore::IgnoreRules;
use crate::sources::tree::Directory;
use crate::sources::tree::SourceTree;
use crate::sources::tree::join;

/// Something that the origin has and a tree leaves out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// Its path; of an ignored directory with nothing kept, that directory's.
    pub path: String,
    /// Why.
    pub why: LeftOut,
}

impl Dropped {
    /// Whether `path` is this or lies below it.
    pub(super) fn covers(&self, path: &str) -> bool {
        path.strip_prefix(self.path.as_str()).is_some_and(|r| r.is_empty() || r.starts_with('/'))
    }
}

impl SourceTree {
    /// The rules that apply to this tree: every `.sourceignore` in it, then `spec_ignore`.
    pub fn ignore_rules(&self, spec_ignore: Option<&str>) -> Result<IgnoreRules, TreeError> {
        let mut rules = IgnoreRules::new();
        self.collect_rules("", &mut rules)?;
        if let Some(text) = spec_ignore {
            rules.collect("", text);
        }
        Ok(rules.finish())
    }

    fn collect_rules(&self, directory: &str, rules: &mut IgnoreRules) -> Result<(), TreeError> {
        let path = join(directory, IGNORE_FILE);
        if let Some(Entry::File { .. }) = self.entry(&path)? {
            rules.collect(directory, &String::from_utf8_lossy(&self.read(&path)?));
        }
        for (name, entry) in self.entries(directory) {
            if matches!(entry, Entry::Directory { .. }) && name != ".git" {
                self.collect_rules(&join(directory, name), rules)?;
            }
        }
        Ok(())
    }

    /// What `rules` and artifacts leave of this tree.
    pub fn filtered(&self, rules: &IgnoreRules) -> Self {
        let mut view = Self {
            blobs: self.blobs.clone(),
            directories: BTreeMap::new(),
            executables: self.executables.clone(),
            dropped: self.dropped.clone(),
            files: 0,
        };
        let mut walk = Walk { from: self, rules, view: &mut view };
        // The root is never ignored.
        let root = walk.directory("", &mut Vec::new());
        view.directories.insert("".into(), root);
        view.dropped.sort_by(|a, b| a.path.cmp(&b.path));
        view
    }

    fn entries(&self, directory: &str) -> &[(String, Entry)] {
        self.directories.get(directory).map_or(&[], |directory| directory.entries.as_slice())
    }
}

struct Walk<'a> {
    from: &'a SourceTree,
    rules: &'a IgnoreRules,
    view: &'a mut SourceTree,
}

impl<'a> Walk<'a> {
    /// What is left of the directory at `path`.
    fn directory(&mut self, path: &str, segments: &mut Vec<&'a str>) -> Directory {
        let from = self.from;
        let mut entries: Vec<(String, Entry)> = Vec::new();
        let mut changed = false;
        for (name, entry) in from.entries(path) {
            segments.push(name);
            let left = self.entry(&join(path, name), entry, segments);
            segments.pop();
            changed |= left.as_ref() != Some(entry);
            entries.extend(left.map(|left| (name.clone(), left)));
        }
        let original = from.directories.get(path).map(|directory| directory.id.clone());
        let id = original.filter(|_| !changed).unwrap_or_else(|| listing_id(&entries));
        Directory { id, entries }
    }

    /// What is left of one entry; what is not is remembered.
    fn entry(&mut self, path: &str, entry: &Entry, segments: &mut Vec<&'a str>) -> Option<Entry> {
        let ignored = self.rules.excludes(segments, matches!(entry, Entry::Directory { .. }));
        let why = match entry {
            Entry::Directory { .. } => {
                let dropped = self.view.dropped.len();
                let left = self.directory(path, segments);
                if !ignored || !left.entries.is_empty() {
                    let id = left.id.clone();
                    self.view.directories.insert(path.into(), left);
                    return Some(Entry::Directory { id });
                }
                // One line for the directory, not one for each file in it.
                self.view.dropped.truncate(dropped);
                LeftOut::Ignored
            }
            Entry::File { .. } if !ignored => {
                self.view.files += 1;
                return Some(entry.clone());
            }
            Entry::Symlink { target } if !ignored => LeftOut::Symlink(target.clone()),
            Entry::File { .. } | Entry::Symlink { .. } => LeftOut::Ignored,
        };
        self.view.dropped.push(Dropped { path: path.to_owned(), why });
        None
    }
}

/// Names a listing by names, kinds and ids.
pub(crate) fn listing_id(entries: &[(String, Entry)]) -> ContentId {
    let parts = entries.iter().flat_map(|(name, entry)| {
        let (kind, id) = match entry {
            Entry::File { id } => ("file", id.as_str()),
            Entry::Directory { id } => ("directory", id.as_str()),
            Entry::Symlink { target } => ("symlink", target.as_str()),
        };
        [name.as_bytes(), kind.as_bytes(), id.as_bytes()]
    });
    ContentId::new(&Digest::of_parts(parts).to_string())
}

#[cfg(test)]
mod tests;
