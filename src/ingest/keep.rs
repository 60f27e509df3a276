//! What stays on disk: where fetched trees lie, how they are found again after a restart, and what
//! may be removed.
//!
//! In: facts of the last run, the sources of this one. Out: trees, and the files that nobody needs
//! any more, gone. The place of a tree is a fact (`kept_at`), so that a restart fetches nothing.
//!
//! Not here: fetching (`fetch.rs`), how stores lay out their files (`sources`).

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Deserialize;
use serde::Serialize;

use crate::facts::Column as _;
use crate::facts::Statement;
use crate::facts::relation;
use crate::ingest::Ingest;
use crate::ingest::Stores;
use crate::model::ContentId;
use crate::model::SourceName;
use crate::model::Timestamp;
use crate::sources::artifact::ArtifactOwner;
use crate::sources::git::KeptTree;
use crate::sources::git::RepositoryId;
use crate::sources::tree::SourceTree;

/// Relations about a fetched tree: they end with it.
const FETCHED: &[&str] = &["fetched", "kept_at", "commit_of"];

/// Where the files of a tree lie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// In the store of Git objects.
    Git {
        /// The repository's directory.
        repository: String,
        /// The commit's tree.
        tree: String,
        /// `spec.ignore`, by which it is filtered.
        ignore: Option<String>,
    },
    /// In the store of unpacked artifacts.
    Files(String),
}

/// A fetched tree of an earlier run.
pub struct RecalledTree {
    /// The source.
    pub source: SourceName,
    /// What decided the fetch.
    pub spec: String,
    /// The revision.
    pub revision: String,
    /// The tree's name.
    pub tree: String,
    /// Where it lies.
    pub place: String,
}

/// An artifact file on offer in an earlier run.
pub struct RecalledFile {
    /// The source.
    pub source: SourceName,
    /// Its digest.
    pub digest: String,
    /// Its path in the storage.
    pub path: String,
}

impl Place {
    /// The text that `kept_at` has.
    pub fn text(&self) -> String {
        serde_json::to_string(self).expect("names are always JSON")
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Reads the tree that lies here; `None` when it is not whole.
    fn open(&self, stores: &Stores) -> Option<SourceTree> {
        match self {
            Self::Files(id) => stores.files.tree(&ContentId::new(id)).ok(),
            Self::Git { repository, tree, ignore } => {
                let repository = RepositoryId::parse(repository)?;
                let files = stores.git.tree(&repository, &ContentId::new(tree)).ok()?;
                let rules = files.ignore_rules(ignore.as_deref()).ok()?;
                Some(files.filtered(&rules))
            }
        }
    }
}

/// Names whose files stay.
#[derive(Debug, Default)]
pub struct Holdings {
    git: Vec<KeptTree>,
    files: BTreeSet<ContentId>,
    /// Sources that offer an artifact file, with its name.
    offered: Vec<(ArtifactOwner, Option<String>)>,
}

impl Ingest {
    /// Finds the trees of an earlier run again. What is not found has to be fetched: the statements
    /// say so.
    pub fn recall_trees(&mut self, rows: Vec<RecalledTree>, stores: &Stores) -> Vec<Statement> {
        let mut said = Vec::new();
        for row in rows {
            let place = Place::parse(&row.place);
            let tree = place.as_ref().and_then(|place| place.open(stores));
            match tree.filter(|tree| tree.id().as_str() == row.tree) {
                Some(tree) => {
                    self.trees.insert(row.tree.clone(), Arc::new(tree));
                    said.push(Statement::Holds(relation::recalled(&row.source)));
                    self.recalled_trees.insert(row.source.clone(), row);
                }
                None => said.extend(forget_fetched(&row.source)),
            }
        }
        said
    }

    /// Artifact files that were on offer when the last run ended.
    pub fn recall_files(&mut self, files: &[RecalledFile]) {
        let paths = files.iter().map(|file| (file.source.clone(), file.path.clone()));
        self.recalled_files = paths.collect();
    }

    /// The tree of this source is not to be used any more: the next fetch brings all of it.
    pub(super) fn distrust(&mut self, source: &SourceName) -> Vec<Statement> {
        if let Some(memory) = self.sources.get_mut(source) {
            memory.damaged = memory.place.take();
            memory.revision = None;
        }
        forget_fetched(source)
    }

    /// Everything whose files have to stay.
    pub fn holdings(&self) -> Holdings {
        let mut held = Holdings::default();
        for (name, memory) in &self.sources {
            match &memory.place {
                Some(Place::Git { repository, tree, .. }) => {
                    let repository = RepositoryId::parse(repository);
                    let tree = ContentId::new(tree);
                    held.git.extend(repository.map(|repository| KeptTree { repository, tree }));
                }
                Some(Place::Files(id)) => drop(held.files.insert(ContentId::new(id))),
                None => {}
            }
            if memory.source.git.is_some() {
                let file = memory.packed.as_ref().and_then(|path| path.rsplit('/').next());
                held.offered.push((owner(name), file.map(str::to_owned)));
            }
        }
        held
    }

    /// Whether every list of sources was read: before that, nothing may be removed.
    pub fn knows_all_sources(&self) -> bool {
        self.recalled_sources.is_empty()
    }
}

impl Holdings {
    /// Removes from the stores what is not held. A failure is logged: the next time tries again.
    pub fn collect(self, stores: &Stores, now: Timestamp) {
        let logged = |what: &str, error: &dyn std::fmt::Display| {
            tracing::warn!(%error, "cannot remove what is not needed of {what}");
        };
        if let Err(error) = stores.git.collect(&self.git) {
            logged("the Git store", &error);
        }
        if let Err(error) = stores.files.collect(&self.files) {
            logged("the file store", &error);
        }
        let owners = self.offered.iter().map(|(owner, _)| owner.clone()).collect();
        if let Err(error) = stores.artifacts.retain(&owners) {
            logged("the artifact storage", &error);
        }
        for (owner, current) in &self.offered {
            let Some(current) = current else { continue };
            if let Err(error) = stores.artifacts.collect(owner, current, stores.retention, now) {
                logged("the artifact storage", &error);
            }
        }
    }
}

/// Statements about artifact files of an earlier run that are not whole any more.
pub fn lost_files(rows: Vec<RecalledFile>, stores: &Stores) -> Vec<Statement> {
    let is_lost = |row: &RecalledFile| {
        let verified = stores.artifacts.verify(&row.path, &row.digest);
        verified.map_or(true, |whole| !whole)
    };
    let lost = rows.into_iter().filter(is_lost);
    lost.flat_map(|row| {
        tracing::warn!(source = %row.source, path = row.path, "artifact file is lost or damaged");
        [
            Statement::nothing("packed", vec![row.source.column()]),
            Statement::Holds(relation::artifact_lost(&row.source)),
        ]
    })
    .collect()
}

/// The owner of a source's artifact files.
pub(super) fn owner(source: &SourceName) -> ArtifactOwner {
    let SourceName { kind, namespace, name } = source.clone();
    ArtifactOwner { kind, namespace, name }
}

/// Nothing is fetched of the source.
fn forget_fetched(source: &SourceName) -> Vec<Statement> {
    FETCHED.iter().map(|relation| Statement::nothing(relation, vec![source.column()])).collect()
}
