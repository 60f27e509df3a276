//! A commit's tree, read from Git objects into an index of names and ids.
//!
//! In: an object store and a tree's id. Out: a [`SourceTree`] whose ids are Git's; blobs stay in
//! the store until they are read. Every blob is looked up once, so what the host left out is found
//! here. Limits: those of [`TreeBuilder`], and `DEPTH_MAX`.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use gix::bstr::ByteSlice;
use gix::hash::ObjectId;
use gix::objs::FindExt;
use gix::objs::tree::EntryKind;
use gix::odb::HandleArc;
use gix::odb::HeaderExt;

use crate::model::ContentId;
use crate::model::Entry;
use crate::model::LeftOut;
use crate::model::TreeError;
use crate::model::limits;
use crate::sources::git::StoreError;
use crate::sources::tree::Blobs;
use crate::sources::tree::SourceTree;
use crate::sources::tree::TreeBuilder;
use crate::sources::tree::join;

/// Deepest directory; deeper ones are made to break readers.
const DEPTH_MAX: usize = 256;
/// Longest target of a symbolic link, in bytes.
const TARGET_BYTES_MAX: u64 = 4096;

/// Reads the tree `root`.
pub(super) fn read(objects: HandleArc, root: &ObjectId) -> Result<SourceTree, StoreError> {
    let blobs = Arc::new(GitBlobs { objects: Mutex::new(objects.clone()) });
    let mut walk = Walk { objects, builder: TreeBuilder::new(blobs) };
    walk.directory("", root, 0)?;
    Ok(walk.builder.finish())
}

struct Walk {
    objects: HandleArc,
    builder: TreeBuilder,
}

impl Walk {
    fn directory(&mut self, path: &str, id: &ObjectId, depth: usize) -> Result<(), StoreError> {
        let wrong = |reason: String| StoreError::Incomplete { reason };
        if depth > DEPTH_MAX {
            return Err(wrong(format!("directories are more than DEPTH_MAX = {DEPTH_MAX} deep")));
        }
        let mut buffer = Vec::new();
        let objects = self.objects.clone();
        let tree = objects
            .find_tree(id, &mut buffer)
            .map_err(|e| wrong(format!("directory `{path}` ({id}): {e}")))?;
        let mut entries = Vec::with_capacity(tree.entries.len());
        for found in &tree.entries {
            let Ok(name) = found.filename.to_str() else {
                let at = join(path, &found.filename.to_str_lossy());
                self.builder.dropped(&at, LeftOut::Name);
                continue;
            };
            if matches!(name, "" | "." | "..") || name.contains(['/', '\0']) {
                return Err(wrong(format!("directory `{path}` holds the forbidden name {name:?}")));
            }
            let at = join(path, name);
            let oid = found.oid.to_owned();
            let entry = self.entry(&at, found.mode.kind(), &oid, depth)?;
            entries.extend(entry.map(|entry| (name.to_owned(), entry)));
        }
        self.builder.directory(path, ContentId::new(&id.to_string()), entries);
        Ok(())
    }

    fn entry(
        &mut self,
        path: &str,
        kind: EntryKind,
        oid: &ObjectId,
        depth: usize,
    ) -> Result<Option<Entry>, StoreError> {
        let id = ContentId::new(&oid.to_string());
        match kind {
            EntryKind::Tree => {
                self.directory(path, oid, depth + 1)?;
                Ok(Some(Entry::Directory { id }))
            }
            EntryKind::Blob | EntryKind::BlobExecutable => {
                let bytes = self.blob_size(path, oid)?;
                self.builder.count(bytes)?;
                if kind == EntryKind::BlobExecutable {
                    self.builder.executable(path);
                }
                Ok(Some(Entry::File { id }))
            }
            EntryKind::Link => {
                let bytes = self.blob_size(path, oid)?;
                if bytes > TARGET_BYTES_MAX {
                    let reason =
                        format!("the symbolic link `{path}` has a target of {bytes} bytes");
                    return Err(StoreError::Incomplete { reason });
                }
                let mut buffer = Vec::new();
                let blob = self.objects.find_blob(oid, &mut buffer).map_err(|e| {
                    StoreError::Incomplete { reason: format!("symbolic link `{path}`: {e}") }
                })?;
                Ok(Some(Entry::Symlink { target: blob.data.to_str_lossy().into_owned() }))
            }
            EntryKind::Commit => {
                self.builder.dropped(path, LeftOut::Submodule);
                Ok(None)
            }
        }
    }

    fn blob_size(&self, path: &str, oid: &ObjectId) -> Result<u64, StoreError> {
        let header = self.objects.header(oid).map_err(|e| StoreError::Incomplete {
            reason: format!("file `{path}` ({oid}): {e}"),
        })?;
        Ok(header.size())
    }
}

/// Files in a Git object store.
struct GitBlobs {
    objects: Mutex<HandleArc>,
}

impl Blobs for GitBlobs {
    fn read(&self, path: &str, id: &ContentId) -> Result<Arc<[u8]>, TreeError> {
        let failed = |reason: String| TreeError::Read { path: path.to_owned(), reason };
        let oid = ObjectId::from_hex(id.as_str().as_bytes()).map_err(|e| failed(e.to_string()))?;
        // A handle of one's own: readers do not wait for each other.
        let objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let header = objects.header(oid).map_err(|e| failed(e.to_string()))?;
        let (bytes, max) = (header.size(), limits::FILE_BYTES_MAX);
        if bytes > max {
            return Err(TreeError::TooLarge { path: path.to_owned(), bytes, max });
        }
        let mut buffer = Vec::new();
        let blob = objects.find_blob(&oid, &mut buffer).map_err(|e| failed(e.to_string()))?;
        Ok(blob.data.into())
    }
}
