//! What builds share when the caller lets them: files by number, the objects of files, and what
//! bases made.
//!
//! Content is named by the source's own ids, so one cache serves one source. A base holds for as
//! long as everything that it read stands as it did (`bases.rs` checks). Least recently used
//! entries are not tracked: when it is full it is emptied.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use super::bases::BaseKey;
use super::bases::KeptBase;
use super::yaml::FileId;
use super::yaml::Node;
use crate::model::ContentId;

/// Most bytes of all files whose objects are kept. What is kept is copied when a step changes it.
const FILES_BYTES_MAX: usize = 1 << 20;
/// Most objects in all bases that are kept.
const BASE_OBJECTS_MAX: usize = 20_000;
/// Most objects of one base that is kept: a larger one would stand in memory twice.
pub(crate) const ONE_BASE_OBJECTS_MAX: usize = 1000;

/// Objects of files that were read before. Cheap to share; safe to use from many threads.
#[derive(Debug, Default)]
pub struct Cache {
    names: RwLock<Names>,
    objects: RwLock<Objects>,
    bases: RwLock<Bases>,
    files_read: AtomicUsize,
    bases_made: AtomicUsize,
}

/// Objects of files, by number and content, and how many bytes the files have.
#[derive(Debug, Default)]
struct Objects {
    kept: HashMap<(FileId, ContentId), Arc<[Node]>>,
    bytes: usize,
}

/// What bases made, and how many objects that is.
#[derive(Debug, Default)]
struct Bases {
    kept: HashMap<BaseKey, Arc<KeptBase>>,
    objects: usize,
}

/// How much work builds with one cache have done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheCounts {
    /// Files of objects that were parsed.
    pub files: usize,
    /// Bases that were made, and not taken from the cache.
    pub bases: usize,
}

#[derive(Debug, Default)]
struct Names {
    by_id: Vec<Arc<str>>,
    ids: HashMap<Arc<str>, FileId>,
}

impl Cache {
    /// The number of a file; 0 names none.
    pub(crate) fn file_id(&self, path: &str) -> FileId {
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(&id) = names.ids.get(path) {
            return id;
        }
        drop(names);
        let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(&id) = names.ids.get(path) {
            return id;
        }
        let path: Arc<str> = path.into();
        names.by_id.push(Arc::clone(&path));
        let id = FileId(u32::try_from(names.by_id.len()).unwrap_or(u32::MAX / 2));
        names.ids.insert(path, id);
        id
    }

    /// The name of a file.
    pub(crate) fn file_name(&self, id: FileId) -> Arc<str> {
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        let index = (id.0 as usize).checked_sub(1);
        let name = index.and_then(|index| names.by_id.get(index));
        name.map_or_else(|| Arc::from(""), Arc::clone)
    }

    pub(crate) fn objects(&self, file: FileId, content: &ContentId) -> Option<Arc<[Node]>> {
        let objects = self.objects.read().unwrap_or_else(PoisonError::into_inner);
        objects.kept.get(&(file, content.clone())).map(Arc::clone)
    }

    /// What was done so far; what the cache saved is not in it.
    pub fn counts(&self) -> CacheCounts {
        CacheCounts {
            files: self.files_read.load(Ordering::Relaxed),
            bases: self.bases_made.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn base(&self, key: &BaseKey) -> Option<Arc<KeptBase>> {
        let bases = self.bases.read().unwrap_or_else(PoisonError::into_inner);
        bases.kept.get(key).map(Arc::clone)
    }

    pub(crate) fn keep_base(&self, key: BaseKey, base: KeptBase) {
        self.bases_made.fetch_add(1, Ordering::Relaxed);
        let mut bases = self.bases.write().unwrap_or_else(PoisonError::into_inner);
        if bases.objects.saturating_add(base.len()) > BASE_OBJECTS_MAX {
            bases.kept.clear();
            bases.objects = 0;
        }
        bases.objects += base.len();
        if let Some(old) = bases.kept.insert(key, Arc::new(base)) {
            bases.objects -= old.len();
        }
    }

    pub(crate) fn keep_objects(
        &self,
        file: FileId,
        content: &ContentId,
        bytes: usize,
        nodes: &[Node],
    ) {
        self.files_read.fetch_add(1, Ordering::Relaxed);
        let mut objects = self.objects.write().unwrap_or_else(PoisonError::into_inner);
        if objects.bytes.saturating_add(bytes) > FILES_BYTES_MAX {
            objects.kept.clear();
            objects.bytes = 0;
        }
        if bytes <= FILES_BYTES_MAX {
            objects.bytes += bytes;
            objects.kept.insert((file, content.clone()), nodes.into());
        }
    }
}
