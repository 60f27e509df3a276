//! A file tree in memory.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use hence::kustomize;
use hence::kustomize::BuildOptions;
use hence::kustomize::Outcome;
use hence::model::ContentId;
use hence::model::Digest;
use hence::model::Entry;
use hence::model::FileTree;
use hence::model::TreeError;

/// Files by path.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MemoryTree(pub BTreeMap<String, String>);

impl FileTree for MemoryTree {
    fn entry(&self, path: &str) -> Result<Option<Entry>, TreeError> {
        if let Some(text) = self.0.get(path) {
            let id = ContentId::new(&Digest::of(text.as_bytes()).to_string());
            return Ok(Some(Entry::File { id }));
        }
        let below = format!("{path}/");
        let is_directory = path.is_empty()
            || self.0.range(below.clone()..).next().is_some_and(|(k, _)| k.starts_with(&below));
        Ok(is_directory.then(|| Entry::Directory { id: ContentId::new(path) }))
    }

    fn read(&self, path: &str) -> Result<Arc<[u8]>, TreeError> {
        let text = self.0.get(path);
        text.map(|text| text.as_bytes().into()).ok_or(TreeError::NotAFile { path: path.into() })
    }

    fn list(&self, path: &str) -> Result<Vec<(String, Entry)>, TreeError> {
        let below = if path.is_empty() { String::new() } else { format!("{path}/") };
        let first = |key: &String| Some(key.strip_prefix(&below)?.split('/').next()?.to_owned());
        let names: BTreeSet<String> = self.0.keys().filter_map(first).collect();
        let entry =
            |name: String| Some((name.clone(), self.entry(&format!("{below}{name}")).ok()??));
        Ok(names.into_iter().filter_map(entry).collect())
    }
}

/// What hence makes of a tree: its text, or upstream's words for the refusal.
pub fn build(tree: &MemoryTree, root: &str) -> Result<String, String> {
    let options = BuildOptions { shown_root: "/".into(), ..BuildOptions::default() };
    match kustomize::build(tree, root, &options) {
        Ok(Outcome::Built(built)) => Ok(built.to_yaml()),
        Ok(Outcome::Needs(needs)) => Err(format!("needs {needs:?}")),
        Err(error) => Err(error.upstream().to_owned()),
    }
}
