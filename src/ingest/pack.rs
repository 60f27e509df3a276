//! Packing: the artifact file of a source's tree, for controllers that load it by URL.

use std::sync::Arc;

use crate::ingest::Ingest;
use crate::ingest::Observation;
use crate::ingest::Stores;
use crate::model::Digest;
use crate::model::SourceName;
use crate::model::Timestamp;
use crate::sources::artifact::ArtifactOwner;
use crate::sources::artifact::pack;
use crate::sources::tree::SourceTree;

/// Everything that packing needs.
pub struct PackJob {
    source: SourceName,
    tree_id: String,
    tree: Arc<SourceTree>,
    revision: String,
    at: Timestamp,
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
        Some(PackJob {
            source: source.clone(),
            tree_id: tree.to_owned(),
            tree: Arc::clone(self.trees.get(tree)?),
            revision: revision.to_owned(),
            at: now,
        })
    }
}

impl PackJob {
    /// Writes the file, unless the one that is kept was made from the same.
    ///
    /// # Errors
    /// The disk failed; the text says where.
    pub fn run(self, stores: &Stores) -> Result<Observation, String> {
        let SourceName { kind, namespace, name } = self.source.clone();
        let owner = ArtifactOwner { kind, namespace, name };
        let file = file_name(&self.revision);
        let inputs = Digest::of(format!("{} {}", self.tree_id, self.revision).as_bytes());
        let write = |out: &mut dyn std::io::Write| pack(&self.tree, out);
        let stored = stores.artifacts.store(&owner, &file, &inputs, self.at, write);
        let stored = stored.map_err(|error| error.to_string())?;
        let url = format!("http://{}/{}", stores.advertised, stored.path);
        Ok(Observation::Packed {
            source: self.source,
            tree: self.tree_id,
            revision: self.revision,
            digest: stored.digest,
            url,
        })
    }
}

/// `<commit>.tar.gz` (mechanics 2).
fn file_name(revision: &str) -> String {
    let commit = revision.rsplit_once(':').map_or(revision, |(_, commit)| commit);
    format!("{commit}.tar.gz")
}
