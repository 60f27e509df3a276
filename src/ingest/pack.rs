//! Packing: the artifact file of a source's tree, for controllers that load it by URL.

use std::sync::Arc;

use crate::facts::Column as _;
use crate::facts::Statement;
use crate::facts::relation;
use crate::ingest::Ingest;
use crate::ingest::Stores;
use crate::ingest::keep;
use crate::model::Digest;
use crate::model::SourceName;
use crate::model::Timestamp;
use crate::sources::artifact::ArtifactError;
use crate::sources::artifact::Stored;
use crate::sources::artifact::pack;
use crate::sources::tree::SourceTree;

/// Everything that packing needs.
pub struct PackJob {
    source: SourceName,
    tree_id: String,
    tree: Arc<SourceTree>,
    place: String,
    revision: String,
    at: Timestamp,
}

/// How packing ended.
pub struct Packed {
    source: SourceName,
    tree: String,
    revision: String,
    result: Result<Stored, String>,
}

impl Packed {
    /// Why it failed, if it did.
    pub fn failure(&self) -> Option<&str> {
        self.result.as_ref().err().map(String::as_str)
    }

    /// What it brought, in a few words.
    pub fn summary(&self) -> String {
        match &self.result {
            Ok(stored) => format!("{} {}, {} bytes", stored.path, stored.digest, stored.size),
            Err(message) => message.clone(),
        }
    }
}

impl Ingest {
    /// The job for an `act_pack` row; `None` when its tree is not held any more.
    pub fn pack_job(
        &self,
        source: &SourceName,
        tree: &str,
        revision: &str,
        now: Timestamp,
    ) -> Option<PackJob> {
        let place = self.sources.get(source)?.place.as_ref()?;
        Some(PackJob {
            source: source.clone(),
            tree_id: tree.to_owned(),
            tree: Arc::clone(self.trees.get(tree)?),
            place: place.text(),
            revision: revision.to_owned(),
            at: now,
        })
    }

    pub(super) fn packed(&mut self, packed: Packed) -> Vec<Statement> {
        let Packed { source, tree, revision, result } = packed;
        let Some(memory) = self.sources.get_mut(&source) else { return Vec::new() };
        let stored = match result {
            Ok(stored) => stored,
            Err(message) => {
                return vec![Statement::Holds(relation::pack_failed(&source, &tree, &message))];
            }
        };
        memory.packed = Some(stored.path.clone());
        let size = i64::try_from(stored.size).unwrap_or(i64::MAX);
        let (digest, path) = (&stored.digest, &stored.path);
        vec![
            Statement::nothing("pack_failed", vec![source.column()]),
            Statement::nothing("artifact_lost", vec![source.column()]),
            Statement::Holds(relation::packed(&source, &tree, &revision, digest, path, &size)),
        ]
    }
}

impl PackJob {
    /// Writes the file, unless the one that is kept was made from the same.
    pub fn run(self, stores: &Stores) -> Packed {
        let result = self.store(stores).map_err(|error| error.to_string());
        Packed { source: self.source, tree: self.tree_id, revision: self.revision, result }
    }

    fn store(&self, stores: &Stores) -> Result<Stored, ArtifactError> {
        // The place names the tree before filtering and the rules by which it is filtered.
        let inputs = [&self.place, &self.tree_id, &self.revision];
        let inputs = Digest::of_parts(inputs.map(String::as_bytes));
        let file = file_name(&self.revision);
        let write = |out: &mut dyn std::io::Write| pack(&self.tree, out);
        stores.artifacts.store(&keep::owner(&self.source), &file, &inputs, self.at, write)
    }
}

/// `<commit>.tar.gz` (mechanics 2).
fn file_name(revision: &str) -> String {
    let commit = revision.rsplit_once(':').map_or(revision, |(_, commit)| commit);
    format!("{commit}.tar.gz")
}
