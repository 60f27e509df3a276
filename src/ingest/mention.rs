//! What the files of a unit speak of that was not built: the objects that it may want.
//!
//! A push can move an object's manifest to a unit and break that unit's build at once, or find the
//! unit suspended. Nobody can say then what the unit wants, but an object whose name stands nowhere
//! in its files is none of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::datalog::Fact;
use crate::facts::Column as _;
use crate::facts::Statement;
use crate::facts::relation;
use crate::ingest::Ingest;
use crate::model::Entry;
use crate::model::FileTree;
use crate::model::UnitName;
use crate::sources::tree::SourceTree;

/// Most bytes that are read for it; beyond, everything counts as mentioned.
const BYTES_MAX: usize = 16 << 20;

/// The words of some files that could be names of objects.
#[derive(Default)]
pub(super) struct Words {
    found: BTreeSet<String>,
    /// Not all was read, so that any word may stand in the rest.
    cut: bool,
}

/// Everything that the search in the files of a unit needs.
pub struct SearchJob {
    unit: UnitName,
    tree_id: String,
    tree: Arc<SourceTree>,
    path: String,
    /// What the last complete build read.
    before: Vec<String>,
}

/// How a search ended.
pub struct Searched {
    unit: UnitName,
    tree_id: String,
    words: Words,
}

impl SearchJob {
    /// Reads the files: computes only, in proportion to their size.
    pub fn run(self) -> Searched {
        let words = Words::of(self.tree.as_ref(), &self.path, &self.before);
        Searched { unit: self.unit, tree_id: self.tree_id, words }
    }
}

impl Searched {
    /// What it brought, in a few words.
    pub fn summary(&self) -> String {
        match self.words.cut {
            true => "not all files could be read: any object may be named".to_owned(),
            false => format!("{} words", self.words.found.len()),
        }
    }
}

impl Words {
    /// Of files that could not be read at all: any word may stand there.
    pub(super) fn unknown() -> Self {
        Self { found: BTreeSet::new(), cut: true }
    }

    /// The words of all files below `folder` and of `more`, which may be absent.
    pub(super) fn of(tree: &dyn FileTree, folder: &str, more: &[String]) -> Self {
        let folder: Vec<&str> =
            folder.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        let mut words = Self::default();
        let mut left = BYTES_MAX;
        let mut waiting = vec![folder.join("/")];
        while let Some(path) = waiting.pop() {
            match tree.entry(&path) {
                Ok(Some(Entry::Directory { .. })) => match tree.list(&path) {
                    Ok(below) => {
                        waiting.extend(below.iter().map(|(name, _)| join(&path, name)));
                    }
                    Err(_) => words.cut = true,
                },
                Ok(Some(Entry::File { .. })) => words.add(tree, &path, &mut left),
                // What a link leads to is read where it stands, if it stands in the folder.
                Ok(Some(Entry::Symlink { .. }) | None) => {}
                Err(_) => words.cut = true,
            }
        }
        for path in more {
            if let Ok(Some(Entry::File { .. })) = tree.entry(path) {
                words.add(tree, path, &mut left);
            }
        }
        words
    }

    fn add(&mut self, tree: &dyn FileTree, path: &str, left: &mut usize) {
        let bytes = tree.read(path).ok().filter(|bytes| bytes.len() <= *left);
        let Some(bytes) = bytes else {
            self.cut = true;
            return;
        };
        *left -= bytes.len();
        let text = String::from_utf8_lossy(&bytes);
        let in_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':' | '_');
        let words = text.split(|c: char| !in_name(c)).map(|word| word.trim_matches(['.', ':']));
        self.found.extend(words.filter(|word| !word.is_empty()).map(str::to_owned));
    }

    fn has(&self, name: &str) -> bool {
        self.cut || self.found.contains(name)
    }
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

impl Ingest {
    /// The job for an `act_search` row; none when the unit or the tree is gone.
    pub fn search_job(&self, name: &UnitName, tree: &str) -> Option<SearchJob> {
        let memory = self.units.get(name)?;
        Some(SearchJob {
            unit: name.clone(),
            tree_id: tree.to_owned(),
            tree: self.trees.get(tree).cloned()?,
            path: memory.spec.path.clone().unwrap_or_default(),
            before: memory.reads.iter().flat_map(|reads| reads.keys().cloned()).collect(),
        })
    }

    pub(super) fn searched(&self, searched: Searched) -> Vec<Statement> {
        let Searched { unit, tree_id, words } = searched;
        if !self.units.contains_key(&unit) {
            return Vec::new();
        }
        vec![
            Statement::exactly("mentions", vec![unit.column()], self.mentioned(&unit, &words)),
            Statement::Holds(relation::searched(&unit, &tree_id)),
        ]
    }

    /// The known objects of which these words speak, names taken less the unit's prefix and suffix;
    /// a unit with a target namespace wants nothing in another.
    pub(super) fn mentioned(&self, unit: &UnitName, words: &Words) -> Vec<Fact> {
        let Some(memory) = self.units.get(unit) else { return Vec::new() };
        let prefix = memory.spec.name_prefix.as_deref().unwrap_or_default();
        let suffix = memory.spec.name_suffix.as_deref().unwrap_or_default();
        let target = memory.spec.target_namespace.as_deref().unwrap_or_default();
        let reachable =
            |namespace: &str| target.is_empty() || namespace.is_empty() || namespace == target;
        let objects = self.listed.values().flatten().filter(|o| reachable(&o.namespace));
        let spoken_of = objects.filter(|object| {
            let bare = object.name.strip_prefix(prefix).unwrap_or(&object.name);
            let bare = bare.strip_suffix(suffix).unwrap_or(bare);
            words.has(&object.name) || words.has(bare)
        });
        spoken_of.map(|object| relation::mentions(unit, object)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_whole() {
        let mut words = Words::default();
        words.found.extend(["web-1".to_owned()]);
        assert!(words.has("web-1") && !words.has("web"));
        words.cut = true;
        assert!(words.has("web"));
    }
}
