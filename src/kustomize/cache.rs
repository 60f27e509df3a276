//! What builds share when the caller lets them: files by number, and the objects of files.
//!
//! Content is named by the source's own ids, so one cache serves one source. Least recently used
//! entries are not tracked: when it is full it is emptied.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::RwLock;

use super::yaml::FileId;
use super::yaml::Node;
use crate::model::ContentId;

/// Most files whose objects are kept.
const FILES_MAX: usize = 20_000;

/// Objects of files, by number and content.
type Objects = HashMap<(FileId, ContentId), Arc<[Node]>>;

/// Objects of files that were read before. Cheap to share; safe to use from many threads.
#[derive(Debug, Default)]
pub struct Cache {
    names: RwLock<Names>,
    objects: RwLock<Objects>,
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
        objects.get(&(file, content.clone())).map(Arc::clone)
    }

    pub(crate) fn keep_objects(&self, file: FileId, content: &ContentId, nodes: &[Node]) {
        let mut objects = self.objects.write().unwrap_or_else(PoisonError::into_inner);
        if objects.len() >= FILES_MAX {
            objects.clear();
        }
        objects.insert((file, content.clone()), nodes.into());
    }
}
