//! Unpacked artifacts on disk, each file once, by its content.
//!
//! In: files by name, from one archive. Out: a [`SourceTree`].
//!
//! ```text
//! <root>/blobs/ab/cdef…       the bytes with digest abcdef…
//! <root>/trees/<digest>.json  names, kinds, digests: written when all blobs are there
//! <root>/known/<digest>       artifact digest → tree, written last
//! ```
//!
//! All are written under another name and renamed. A file that does not have its digest when it is
//! read is removed, so that the next fetch brings it again. Mode 0600, directories 0700.
//! Not here: archives (`unpack.rs`), downloads (`fetch.rs`).

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::io::Read;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use serde::Deserialize;
use serde::Serialize;
use sha2::Digest as _;
use sha2::Sha256;

use crate::model::ContentId;
use crate::model::Digest;
use crate::model::Entry;
use crate::model::LeftOut;
use crate::model::TreeError;
use crate::model::limits;
use crate::sources::artifact::ArtifactError;
use crate::sources::artifact::error::failed;
use crate::sources::disk;
use crate::sources::tree::Blobs;
use crate::sources::tree::SourceTree;
use crate::sources::tree::TreeBuilder;
use crate::sources::tree::TreeLimit;
use crate::sources::tree::join;
use crate::sources::tree::listing_id;

/// Files shorter than this are held in memory while they are looked up.
const HEAD_BYTES: u64 = 256 << 10;

/// Files of artifacts below one directory. One process at a time.
pub struct FileStore {
    root: PathBuf,
    partials: AtomicU64,
}

/// One name of an unpacked archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Item {
    /// A regular file.
    File { sha256: String, bytes: u64, executable: bool },
    /// A directory.
    Directory,
    /// A symbolic link, remembered for messages only.
    Symlink { target: String },
}

/// The names of an unpacked archive; parents need not be named.
pub(super) type Items = BTreeMap<String, Item>;

impl FileStore {
    /// Opens the store below `root`, creates it when absent, and removes what was cut short.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, ArtifactError> {
        let root = root.into();
        let partial = root.join("partial");
        disk::remove_directory(&partial).map_err(failed("remove", &partial))?;
        for part in ["blobs", "trees", "known", "partial"] {
            let part = root.join(part);
            disk::make_directory(&part).map_err(failed("create", &part))?;
        }
        Ok(Self { root, partials: AtomicU64::new(0) })
    }

    /// The tree with this id.
    pub fn tree(&self, id: &ContentId) -> Result<SourceTree, ArtifactError> {
        let path = self.tree_path(id)?;
        let text = fs::read(&path).map_err(failed("read", &path))?;
        let items: Items = serde_json::from_slice(&text)
            .map_err(|e| failed("read", &path)(io::Error::other(e)))?;
        build(&items, Arc::new(FileBlobs { root: self.root.clone() }))
    }

    /// Removes the trees that are not in `keep`, and the files that no kept tree has.
    pub fn collect(&self, keep: &BTreeSet<ContentId>) -> Result<(), ArtifactError> {
        let mut needed: BTreeSet<String> = BTreeSet::new();
        for name in listed(&self.root.join("trees"))? {
            let path = self.root.join("trees").join(&name);
            let id = format!("sha256:{}", name.trim_end_matches(".json"));
            if !keep.contains(&ContentId::new(&id)) {
                fs::remove_file(&path).map_err(failed("remove", &path))?;
                continue;
            }
            let text = fs::read(&path).map_err(failed("read", &path))?;
            let items: Items = serde_json::from_slice(&text).unwrap_or_default();
            needed.extend(items.into_values().filter_map(|item| match item {
                Item::File { sha256, .. } => Some(sha256),
                _ => None,
            }));
        }
        for directory in listed(&self.root.join("blobs"))? {
            let at = self.root.join("blobs").join(&directory);
            for name in listed(&at)? {
                if !needed.contains(&format!("{directory}{name}")) {
                    fs::remove_file(at.join(&name)).map_err(failed("remove", &at))?;
                }
            }
        }
        for name in listed(&self.root.join("known"))? {
            let path = self.root.join("known").join(&name);
            let tree = fs::read_to_string(&path).map_err(failed("read", &path))?;
            if !keep.contains(&ContentId::new(&tree)) {
                fs::remove_file(&path).map_err(failed("remove", &path))?;
            }
        }
        Ok(())
    }

    /// The tree of the artifact with `digest`, when all its files are here.
    pub(super) fn known(&self, digest: &str) -> Option<ContentId> {
        let id = ContentId::new(&fs::read_to_string(self.known_path(digest)).ok()?);
        let text = fs::read(self.tree_path(&id).ok()?).ok()?;
        let items: Items = serde_json::from_slice(&text).ok()?;
        let whole = items.values().all(|item| match item {
            Item::File { sha256, bytes, .. } => {
                let meta = fs::metadata(blob_path(&self.root, sha256));
                meta.is_ok_and(|meta| meta.len() == *bytes)
            }
            _ => true,
        });
        whole.then_some(id)
    }

    /// A new file for bytes that have no name yet.
    pub(super) fn partial(&self) -> PathBuf {
        let number = self.partials.fetch_add(1, Ordering::Relaxed);
        self.root.join("partial").join(number.to_string())
    }

    /// Stores the bytes of one file, at most `max`; returns digest and size.
    pub(super) fn add(
        &self,
        bytes: &mut dyn Read,
        max: u64,
    ) -> Result<(String, u64), ArtifactError> {
        let unreadable = |e: io::Error| ArtifactError::Archive { reason: e.to_string() };
        let mut head = Vec::new();
        bytes.take(HEAD_BYTES).read_to_end(&mut head).map_err(unreadable)?;
        if (head.len() as u64) < HEAD_BYTES {
            // Most files are small, and most of them are here already.
            let size = head.len() as u64;
            let sha256 = Digest::of(&head).hex();
            let there = fs::metadata(blob_path(&self.root, &sha256));
            if size <= max && there.is_ok_and(|meta| meta.len() == size) {
                return Ok((sha256, size));
            }
        }
        let partial = self.partial();
        let mut file = disk::create(&partial).map_err(failed("create", &partial))?;
        let mut hash = Sha256::new();
        let mut size = 0;
        let mut chunk = head;
        while !chunk.is_empty() {
            size += chunk.len() as u64;
            if size > max {
                return Err(TreeLimit::Bytes { max: limits::TREE_BYTES_MAX }.into());
            }
            hash.update(&chunk);
            file.write_all(&chunk).map_err(failed("write", &partial))?;
            chunk.clear();
            bytes.take(HEAD_BYTES).read_to_end(&mut chunk).map_err(unreadable)?;
        }
        let sha256 = Digest::from_bytes(hash.finalize().into()).hex();
        let path = blob_path(&self.root, &sha256);
        if let Some(parent) = path.parent() {
            disk::make_directory(parent).map_err(failed("create", parent))?;
        }
        fs::rename(&partial, &path).map_err(failed("write", &path))?;
        Ok((sha256, size))
    }

    /// Makes an unpacked archive visible as the tree of the artifact with `digest`.
    pub(super) fn publish(&self, items: &Items, digest: &str) -> Result<ContentId, ArtifactError> {
        build(items, Arc::new(FileBlobs { root: self.root.clone() }))?;
        let text = serde_json::to_vec(items).expect("names and digests are always JSON");
        let id = ContentId::new(&Digest::of(&text).to_string());
        self.write(&self.tree_path(&id)?, &text)?;
        self.write(&self.known_path(digest), id.as_str().as_bytes())?;
        Ok(id)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), ArtifactError> {
        disk::write_whole(path, &self.partial(), bytes).map_err(failed("write", path))
    }

    fn tree_path(&self, id: &ContentId) -> Result<PathBuf, ArtifactError> {
        let digest = Digest::parse(id.as_str())
            .ok_or_else(|| ArtifactError::Path { name: id.to_string() })?;
        Ok(self.root.join("trees").join(format!("{}.json", digest.hex())))
    }

    fn known_path(&self, digest: &str) -> PathBuf {
        self.root.join("known").join(digest.replace(':', "-"))
    }
}

fn listed(path: &Path) -> Result<Vec<String>, ArtifactError> {
    disk::names(path).map_err(failed("list", path))
}

fn blob_path(root: &Path, sha256: &str) -> PathBuf {
    let (directory, name) = sha256.split_at_checked(2).unwrap_or(("00", sha256));
    root.join("blobs").join(directory).join(name)
}

/// The tree of an archive's names; parents that were not named are added.
fn build(items: &Items, blobs: Arc<dyn Blobs>) -> Result<SourceTree, ArtifactError> {
    let mut builder = TreeBuilder::new(blobs);
    let mut directories: BTreeMap<String, BTreeMap<String, Option<Entry>>> = BTreeMap::new();
    directories.entry(String::new()).or_default();
    for (path, item) in items {
        let mut below = path.as_str();
        while let Some((parent, name)) =
            below.rsplit_once('/').or_else(|| (!below.is_empty()).then_some(("", below)))
        {
            directories.entry(parent.to_owned()).or_default().entry(name.to_owned()).or_default();
            below = parent;
        }
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        match item {
            Item::File { sha256, bytes, executable } => {
                builder.count(*bytes)?;
                if *executable {
                    builder.executable(path);
                }
                let entry = Entry::File { id: ContentId::new(&format!("sha256:{sha256}")) };
                let parent = directories.entry(parent.to_owned()).or_default();
                parent.insert(name.to_owned(), Some(entry));
            }
            Item::Directory => drop(directories.entry(path.clone()).or_default()),
            Item::Symlink { target } => {
                if let Some(parent) = directories.get_mut(parent) {
                    parent.remove(name);
                }
                builder.dropped(path, LeftOut::Symlink(target.clone()));
            }
        }
    }
    // Deepest first: a directory's id needs those of its own directories.
    let mut ids: BTreeMap<String, ContentId> = BTreeMap::new();
    for (path, entries) in directories.into_iter().rev() {
        let mut list: Vec<(String, Entry)> = Vec::with_capacity(entries.len());
        for (name, entry) in entries {
            let at = join(&path, &name);
            let directory = ids.get(&at).map(|id| Entry::Directory { id: id.clone() });
            list.extend(directory.or(entry).map(|entry| (name, entry)));
        }
        let id = listing_id(&list);
        builder.directory(&path, id.clone(), list);
        ids.insert(path, id);
    }
    Ok(builder.finish())
}

struct FileBlobs {
    root: PathBuf,
}

impl Blobs for FileBlobs {
    fn read(&self, path: &str, id: &ContentId) -> Result<Arc<[u8]>, TreeError> {
        let unreadable = |reason: String| TreeError::Read { path: path.to_owned(), reason };
        let digest =
            Digest::parse(id.as_str()).ok_or_else(|| unreadable(format!("no digest: {id}")))?;
        let at = blob_path(&self.root, &digest.hex());
        let size = fs::metadata(&at).map_err(|e| unreadable(e.to_string()))?.len();
        let max = limits::FILE_BYTES_MAX;
        if size > max {
            return Err(TreeError::TooLarge { path: path.to_owned(), bytes: size, max });
        }
        let bytes = fs::read(&at).map_err(|e| unreadable(e.to_string()))?;
        if Digest::of(&bytes) != digest {
            // The next fetch finds it missing and brings it again.
            let _ = fs::remove_file(&at);
            return Err(unreadable("the stored file is damaged".to_owned()));
        }
        Ok(bytes.into())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn equal_content_may_be_published_by_many_at_once() {
        const MANY: usize = 8;
        let root = tempfile::tempdir().expect("a directory");
        let store = FileStore::open(root.path()).expect("a store");
        let start = Barrier::new(MANY);
        for round in 0..50 {
            let text = format!("round {round}");
            let publish = |number: usize| {
                start.wait();
                let (sha256, bytes) = store.add(&mut text.as_bytes(), 1 << 20)?;
                let file = Item::File { sha256, bytes, executable: false };
                let items = Items::from([("a.yaml".to_owned(), file)]);
                store.publish(&items, &format!("sha256:{round}-{number}"))
            };
            let ids: Vec<ContentId> = std::thread::scope(|scope| {
                let all: Vec<_> =
                    (0..MANY).map(|number| scope.spawn(move || publish(number))).collect();
                let ids = all.into_iter().map(|one| one.join().expect("no panic"));
                ids.collect::<Result<_, _>>().expect("each of them succeeds")
            });
            assert!(ids.iter().all(|id| *id == ids[0]), "one content, one tree: {ids:?}");
            assert!(store.tree(&ids[0]).is_ok(), "it is whole");
        }
        assert_eq!(listed(&root.path().join("partial")).expect("it is there"), [""; 0]);
    }
}
