//! Git objects on disk: one bare object store per repository, kept once, growing by packs.
//!
//! In: packs that `remote.rs` receives. Out: commits and trees that are complete.
//!
//! ```text
//! <root>/<repository>/<epoch>/objects/pack/pack-….{pack,idx}    whole, or under a temporary name
//!                    /<epoch>/commits/<id>                      written last: "all of it is here"
//! ```
//!
//! An epoch takes `limits::PACKS_MAX` packs; then the next fetch starts another from nothing, and
//! [`GitStore::collect`] removes what no kept tree needs. A commit without its record was cut
//! short: it is fetched again. Files have mode 0600, directories 0700.
//! Not here: the index of a tree (`sources/tree`), talking to hosts (`remote.rs`).

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use gix::hash::Kind;
use gix::hash::ObjectId;
use gix::objs::FindExt;
use gix::odb::HandleArc;
use miette::Diagnostic;
use thiserror::Error;

use crate::model::ContentId;
use crate::model::Digest;
use crate::model::Timestamp;
use crate::model::limits;
use crate::model::url::without_credentials;
use crate::sources::disk;
use crate::sources::git::CommitInfo;
use crate::sources::git::tree;
use crate::sources::tree::SourceTree;
use crate::sources::tree::TreeLimit;

/// Hexadecimal digits of a repository's directory name.
const NAME_DIGITS: usize = 32;

/// The file that says which hash an epoch has; an epoch without it does not count.
const MARKER: &str = "hash";

/// Names a repository as one set of credentials sees it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepositoryId(Arc<str>);

impl RepositoryId {
    /// The repository at `url` seen with the credentials that `identity` names (not their value):
    /// `<namespace>/<secret>`, or empty for none.
    pub fn of(url: &str, identity: &str) -> Self {
        let public = without_credentials(url);
        let digest = Digest::of_parts([public.as_bytes(), identity.as_bytes()]);
        Self(digest.hex()[..NAME_DIGITS].into())
    }

    /// The repository with this text, as it was printed.
    pub fn parse(text: &str) -> Option<Self> {
        let is_digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        (text.len() == NAME_DIGITS && text.bytes().all(is_digit)).then(|| Self(text.into()))
    }
}

impl fmt::Display for RepositoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A tree that has to stay readable.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeptTree {
    /// Its repository.
    pub repository: RepositoryId,
    /// Its id.
    pub tree: ContentId,
}

/// Why the store failed.
#[derive(Debug, Error, Diagnostic)]
pub enum StoreError {
    /// The disk failed.
    #[error("cannot {action} {}", path.display())]
    #[diagnostic(
        code(sources::git::store_io),
        help("check space and permissions of the state directory")
    )]
    Io {
        /// What was being done.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The object is not in the store.
    #[error("Git object {id} is not in the store")]
    #[diagnostic(code(sources::git::store_gone), help("it is fetched again at the next interval"))]
    Gone {
        /// Its id.
        id: String,
    },
    /// Objects are missing or make no sense.
    #[error("{reason}")]
    #[diagnostic(code(sources::git::incomplete))]
    Incomplete {
        /// What and how.
        reason: String,
    },
    /// A limit is passed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Limit(#[from] TreeLimit),
}

/// All repositories of one state directory. One process at a time.
pub struct GitStore {
    root: PathBuf,
    locks: Mutex<HashMap<RepositoryId, Arc<Mutex<()>>>>,
    epochs: Mutex<BTreeMap<(RepositoryId, u64), Arc<Epoch>>>,
}

/// Keeps other fetches of one repository waiting while its guard lives.
pub(super) struct Held(Arc<Mutex<()>>);

impl Held {
    pub(super) fn guard(&self) -> MutexGuard<'_, ()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One object store on disk.
pub(super) struct Epoch {
    directory: PathBuf,
    kind: Kind,
    handle: Mutex<HandleArc>,
}

/// Names in a directory; none when it is not there.
fn names(path: &Path) -> Result<Vec<String>, StoreError> {
    disk::names(path).map_err(failed("list", path))
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Io { action, path, source }
}

impl GitStore {
    /// Opens the store below `root`, creates it when absent, and removes what an interrupted fetch
    /// left behind.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let root = root.into();
        disk::make_directory(&root).map_err(failed("create", &root))?;
        let store = Self { root, locks: Mutex::default(), epochs: Mutex::default() };
        for repository in names(&store.root)? {
            let repository = RepositoryId(repository.into());
            store.remove_distrusted(&repository)?;
            for epoch in store.epochs_of(&repository)? {
                remove_partial_packs(&store.directory(&repository, epoch))?;
            }
        }
        Ok(store)
    }

    /// Opens an empty store below `root`; what was there is removed.
    pub fn open_empty(root: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let root = root.into();
        disk::remove_directory(&root).map_err(failed("empty", &root))?;
        Self::open(root)
    }

    /// The files of a commit's tree, complete and unfiltered. After an error fetch again, with
    /// `known: None`.
    pub fn tree(
        &self,
        repository: &RepositoryId,
        tree: &ContentId,
    ) -> Result<SourceTree, StoreError> {
        let gone = || StoreError::Gone { id: tree.to_string() };
        let id = ObjectId::from_hex(tree.as_str().as_bytes()).map_err(|_| gone())?;
        for epoch in self.all_epochs(repository)? {
            if epoch.contains(&id) {
                return self.checked(&epoch, tree::read(epoch.objects(), &id));
            }
        }
        Err(gone())
    }

    /// To be called when a file of `tree` could not be read: what was stored with it is not used
    /// any more, and the next fetch brings everything again.
    pub fn distrust(&self, repository: &RepositoryId, tree: &ContentId) -> Result<(), StoreError> {
        let held = self.lock(repository);
        let _guard = held.guard();
        let Ok(id) = ObjectId::from_hex(tree.as_str().as_bytes()) else { return Ok(()) };
        let epochs = self.all_epochs(repository)?;
        epochs.iter().filter(|epoch| epoch.contains(&id)).try_for_each(|epoch| self.forget(epoch))
    }

    /// From now on this epoch does not count.
    fn forget(&self, epoch: &Arc<Epoch>) -> Result<(), StoreError> {
        let marker = epoch.directory.join(MARKER);
        disk::remove_file(&marker).map_err(failed("remove", &marker))?;
        self.cache().retain(|_, cached| !Arc::ptr_eq(cached, epoch));
        Ok(())
    }

    /// Removes repositories and epochs that hold nothing of `keep`. Trees outside `keep` may be
    /// gone afterwards; those in it are not.
    pub fn collect(&self, keep: &[KeptTree]) -> Result<(), StoreError> {
        for repository in names(&self.root)? {
            let repository = RepositoryId(repository.into());
            let held = self.lock(&repository);
            let _guard = held.guard();
            let mut needed: Vec<ObjectId> = keep
                .iter()
                .filter(|kept| kept.repository == repository)
                .filter_map(|kept| ObjectId::from_hex(kept.tree.as_str().as_bytes()).ok())
                .collect();
            self.remove_distrusted(&repository)?;
            let mut kept_any = false;
            for number in self.epochs_of(&repository)? {
                let epoch = self.epoch(&repository, number)?;
                let before = needed.len();
                needed.retain(|tree| !epoch.contains(tree));
                if before > needed.len() {
                    kept_any = true;
                    continue;
                }
                self.cache().remove(&(repository.clone(), number));
                let directory = self.directory(&repository, number);
                disk::remove_directory(&directory).map_err(failed("remove", &directory))?;
            }
            if !kept_any {
                let directory = self.root.join(&*repository.0);
                disk::remove_directory(&directory).map_err(failed("remove", &directory))?;
            }
        }
        Ok(())
    }

    /// The lock that fetches of a repository take.
    pub(super) fn lock(&self, repository: &RepositoryId) -> Held {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        Held(locks.entry(repository.clone()).or_default().clone())
    }

    /// Whether a commit is here with all its files.
    pub(super) fn has(&self, repository: &RepositoryId, commit: &ObjectId) -> bool {
        let epochs = self.all_epochs(repository).unwrap_or_default();
        epochs.iter().any(|epoch| epoch.has(commit))
    }

    /// A commit that is here, and its tree.
    pub(super) fn commit(
        &self,
        repository: &RepositoryId,
        commit: &ObjectId,
    ) -> Result<(CommitInfo, ContentId), StoreError> {
        for epoch in self.all_epochs(repository)? {
            if epoch.has(commit) {
                return self.checked(&epoch, epoch.commit(commit));
            }
        }
        Err(StoreError::Gone { id: commit.to_string() })
    }

    /// What was complete and is not any more was damaged on disk.
    fn checked<T>(
        &self,
        epoch: &Arc<Epoch>,
        result: Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if let Err(StoreError::Incomplete { .. }) = &result {
            self.forget(epoch)?;
        }
        result
    }

    /// The epoch that takes the next pack.
    pub(super) fn epoch_for_write(
        &self,
        repository: &RepositoryId,
        kind: Kind,
    ) -> Result<Arc<Epoch>, StoreError> {
        let newest = self.epochs_of(repository)?.first().copied();
        if let Some(number) = newest {
            let epoch = self.epoch(repository, number)?;
            if epoch.kind == kind && epoch.packs()? < limits::PACKS_MAX {
                return Ok(epoch);
            }
        }
        // A number is not used twice: readers of a distrusted epoch may still be there.
        let used = names(&self.root.join(&*repository.0))?;
        let number = used.iter().filter_map(|name| name.parse().ok()).max();
        let number = number.map_or(0, |number: u64| number + 1);
        let directory = self.directory(repository, number);
        for part in ["objects/pack", "commits"] {
            let part = directory.join(part);
            disk::make_directory(&part).map_err(failed("create", &part))?;
        }
        let marker = directory.join(MARKER);
        let text = kind.to_string();
        disk::write_whole(&marker, &disk::partial_of(&marker), text.as_bytes())
            .map_err(failed("write", &marker))?;
        self.epoch(repository, number)
    }

    fn directory(&self, repository: &RepositoryId, epoch: u64) -> PathBuf {
        self.root.join(&*repository.0).join(epoch.to_string())
    }

    /// Removes epochs without their marker: cut short when they were made, or distrusted.
    fn remove_distrusted(&self, repository: &RepositoryId) -> Result<(), StoreError> {
        for name in names(&self.root.join(&*repository.0))? {
            let directory = self.root.join(&*repository.0).join(name);
            if !directory.join(MARKER).is_file() {
                disk::remove_directory(&directory).map_err(failed("remove", &directory))?;
            }
        }
        Ok(())
    }

    /// Numbers of a repository's epochs, newest first.
    fn epochs_of(&self, repository: &RepositoryId) -> Result<Vec<u64>, StoreError> {
        let names = names(&self.root.join(&*repository.0))?;
        let is_trusted = |number: &u64| self.directory(repository, *number).join(MARKER).is_file();
        let mut numbers: Vec<u64> =
            names.iter().filter_map(|name| name.parse().ok()).filter(is_trusted).collect();
        numbers.sort_unstable_by(|a, b| b.cmp(a));
        Ok(numbers)
    }

    fn all_epochs(&self, repository: &RepositoryId) -> Result<Vec<Arc<Epoch>>, StoreError> {
        let numbers = self.epochs_of(repository)?;
        numbers.into_iter().map(|number| self.epoch(repository, number)).collect()
    }

    fn epoch(&self, repository: &RepositoryId, number: u64) -> Result<Arc<Epoch>, StoreError> {
        let key = (repository.clone(), number);
        if let Some(epoch) = self.cache().get(&key) {
            return Ok(epoch.clone());
        }
        let epoch = Arc::new(Epoch::open(self.directory(repository, number))?);
        Ok(self.cache().entry(key).or_insert(epoch).clone())
    }

    fn cache(&self) -> MutexGuard<'_, BTreeMap<(RepositoryId, u64), Arc<Epoch>>> {
        self.epochs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Epoch {
    fn open(directory: PathBuf) -> Result<Self, StoreError> {
        let marker = directory.join(MARKER);
        let kind = match fs::read_to_string(&marker).map_err(failed("read", &marker))?.as_str() {
            "sha256" => Kind::Sha256,
            _ => Kind::Sha1,
        };
        let objects = directory.join("objects");
        // The number of slots is fixed when a store is opened: enough for all packs to come.
        let slots = u16::try_from(limits::PACKS_MAX * 2).unwrap_or(u16::MAX);
        let options = gix::odb::store::init::Options {
            slots: gix::odb::store::init::Slots::Given(slots),
            ..gix::odb::store::init::Options::default()
        };
        let handle = gix::odb::at_opts(&objects, kind, None, options)
            .and_then(gix::odb::Handle::into_arc)
            .map_err(failed("open", &objects))?;
        Ok(Self { directory, kind, handle: Mutex::new(handle) })
    }

    /// The hash that names its objects.
    pub(super) fn object_hash(&self) -> Kind {
        self.kind
    }

    /// Access to its objects.
    pub(super) fn objects(&self) -> HandleArc {
        self.handle.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where packs go.
    pub(super) fn pack_directory(&self) -> PathBuf {
        self.directory.join("objects/pack")
    }

    /// Commits to offer to a host as known, the latest first.
    pub(super) fn haves(&self) -> Vec<ObjectId> {
        let directory = self.directory.join("commits");
        let mut commits: Vec<_> = names(&directory)
            .unwrap_or_default()
            .into_iter()
            .filter_map(|name| {
                let at = fs::metadata(directory.join(&name)).and_then(|meta| meta.modified());
                Some((at.ok()?, ObjectId::from_hex(name.as_bytes()).ok()?))
            })
            .collect();
        commits.sort_unstable_by(|a, b| b.cmp(a));
        commits.into_iter().map(|(_, id)| id).take(limits::HAVES_MAX).collect()
    }

    /// Checks that all files of a commit have come, and records it.
    /// `pack`: the files that brought it, which have to be on disk before the record is.
    pub(super) fn accept(&self, commit: &ObjectId, pack: &[PathBuf]) -> Result<(), StoreError> {
        let (_, tree) = self.commit(commit)?;
        let tree_id = ObjectId::from_hex(tree.as_str().as_bytes()).map_err(|e| {
            StoreError::Incomplete { reason: format!("the tree of commit {commit}: {e}") }
        })?;
        tree::read(self.objects(), &tree_id)?;
        for path in pack.iter().chain([&self.pack_directory()]) {
            disk::sync(path).map_err(failed("sync", path))?;
        }
        let record = self.record(commit);
        disk::write_whole(&record, &disk::partial_of(&record), tree.as_str().as_bytes())
            .map_err(failed("write", &record))
    }

    /// Removes a pack that brought nothing of use.
    pub(super) fn discard(&self, pack: &[PathBuf]) {
        // What stays is removed with the epoch.
        pack.iter().for_each(|path| drop(fs::remove_file(path)));
    }

    fn has(&self, commit: &ObjectId) -> bool {
        self.record(commit).is_file()
    }

    fn record(&self, commit: &ObjectId) -> PathBuf {
        self.directory.join("commits").join(commit.to_string())
    }

    /// Whether it has an object.
    pub(super) fn contains(&self, id: &ObjectId) -> bool {
        gix::objs::Exists::exists(&self.objects(), id)
    }

    fn packs(&self) -> Result<usize, StoreError> {
        Ok(names(&self.pack_directory())?.iter().filter(|name| name.ends_with(".idx")).count())
    }

    fn commit(&self, id: &ObjectId) -> Result<(CommitInfo, ContentId), StoreError> {
        let incomplete =
            |e: gix::Error| StoreError::Incomplete { reason: format!("commit {id}: {e}") };
        let mut buffer = Vec::new();
        let objects = self.objects();
        let commit = objects.find_commit(id, &mut buffer).map_err(incomplete)?;
        let author = commit.author().map_err(incomplete)?;
        let seconds = commit.time().map_err(incomplete)?.seconds;
        let info = CommitInfo {
            id: id.to_string(),
            author: format!("{} <{}>", author.name, author.email),
            time: Timestamp(seconds.saturating_mul(1000)),
            message: commit.message.to_string(),
        };
        Ok((info, ContentId::new(&commit.tree().to_string())))
    }
}

/// Removes temporary files, and packs without their index.
fn remove_partial_packs(epoch: &Path) -> Result<(), StoreError> {
    let directory = epoch.join("objects/pack");
    let names = names(&directory)?;
    for name in &names {
        let whole = name.rsplit_once('.').is_some_and(|(stem, extension)| {
            let other = match extension {
                "pack" => "idx",
                "idx" => "pack",
                _ => return false,
            };
            names.contains(&format!("{stem}.{other}"))
        });
        if !whole {
            let path = directory.join(name);
            fs::remove_file(&path).map_err(failed("remove", &path))?;
        }
    }
    Ok(())
}
