//! A kustomization for a directory that has none: every YAML file below it, in order, and every
//! directory with a kustomization of its own.

use super::error::FluxBuildError;
use super::fields::quoted;
use super::layers;
use super::layers::Standing;
use crate::kustomize::BuildOptions;
use crate::kustomize::ReadSet;
use crate::kustomize::build::Build;
use crate::kustomize::loader;
use crate::kustomize::yaml::Node;
use crate::kustomize::yaml::Place;
use crate::model::Entry;
use crate::model::FileTree;
use crate::model::LeftOut;

/// The names of a kustomization file, in the order in which Flux looks for them.
pub(super) const NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// What makes a kustomization without resources legal.
const PLACEHOLDER: &str = "_placeholder";

/// The kustomization for `directory`, a clean path.
pub(super) fn generate(
    tree: &dyn FileTree,
    directory: &str,
    options: &BuildOptions,
    reads: &mut ReadSet,
) -> Result<Node, FluxBuildError> {
    if let Some(Entry::Directory { id }) = tree.entry(directory)? {
        reads.insert(directory.to_owned(), Some(id));
    }
    let mut walk = Walk { tree, base: directory, build: Build::new(options), found: Vec::new() };
    walk.directory(directory).map_err(|error| match error {
        // All that decides it stands below the directory.
        FluxBuildError::NotAManifest { path, source } => {
            let source = Box::new(source.after_reading(reads.clone()));
            FluxBuildError::NotAManifest { path, source }
        }
        error => error,
    })?;
    let mut node = Node::mapping(Vec::new());
    if walk.found.is_empty() {
        node.set("namespace", quoted(PLACEHOLDER));
    } else {
        let resources = walk.found.iter().map(|path| quoted(path)).collect();
        node.set("resources", Node::sequence(resources));
    }
    Ok(node)
}

struct Walk<'t> {
    tree: &'t dyn FileTree,
    base: &'t str,
    build: Build<'t>,
    found: Vec<String>,
}

impl Walk<'_> {
    fn directory(&mut self, directory: &str) -> Result<(), FluxBuildError> {
        for (path, why) in self.tree.left_out_of(directory) {
            // As with Flux, links inside the repository are passed over.
            if let LeftOut::Symlink(target) = why
                && is_manifest(path)
                && loader::leads_out(path, target)
            {
                let (path, target) = (layers::rooted(path), target.clone());
                return Err(FluxBuildError::LinkOut { path, target });
            }
        }
        for (name, entry) in self.tree.list(directory)? {
            let path = layers::below(directory, &name);
            if let Entry::Directory { .. } = entry {
                if has_kustomization(self.tree, &path)? {
                    self.take(&path);
                } else {
                    self.directory(&path)?;
                }
                continue;
            }
            if is_manifest(&name) {
                self.check(&path)?;
                self.take(&path);
            }
        }
        Ok(())
    }

    fn take(&mut self, path: &str) {
        let relative = path.strip_prefix(self.base).unwrap_or(path).trim_start_matches('/');
        self.found.push(format!("./{relative}"));
    }

    /// Every document must be an object.
    fn check(&self, path: &str) -> Result<(), FluxBuildError> {
        let shown = layers::rooted(path);
        let bytes = match layers::standing(self.tree, path)? {
            Standing::File(path) => self.tree.read(&path)?,
            _ => {
                let (reads, left_out) = (None, None);
                return Err(FluxBuildError::PathNotFound { path: shown, reads, left_out });
            }
        };
        match self.build.nodes(&bytes, Place::made_by(self.build.file_id(path))) {
            Ok(_) => Ok(()),
            Err(source) => {
                Err(FluxBuildError::NotAManifest { path: shown, source: Box::new(source) })
            }
        }
    }
}

fn is_manifest(name: &str) -> bool {
    name.ends_with(".yaml") || name.ends_with(".yml")
}

/// The path of a directory's kustomization file, links followed.
pub(super) fn kustomization_of(
    tree: &dyn FileTree,
    directory: &str,
) -> Result<Option<String>, FluxBuildError> {
    for name in NAMES {
        if let Standing::File(path) = layers::standing(tree, &layers::below(directory, name))? {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

fn has_kustomization(tree: &dyn FileTree, directory: &str) -> Result<bool, FluxBuildError> {
    kustomization_of(tree, directory).map(|path| path.is_some())
}
