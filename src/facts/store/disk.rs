//! The state directory and the shelf in it, made of sled: the only place in `facts` that touches a
//! file system.
//!
//! ```text
//! DIR/VERSION     what wrote it                DIR/facts/      the fact log (sled)
//! DIR/lock        held by the one daemon       DIR/journal/    the journal (`audit`)
//! ```
//!
//! sled 0.34 is used for no more than it keeps: its flush does not reach the platter, so the file
//! is synced through a handle of our own; its index files (`snap.*`) may be damaged by a stop, so
//! they are deleted and built again; it may panic on a damaged log, so that is caught. What it
//! gives back is believed only as far as the records' own checksums and hashes go.

use std::fs;
use std::fs::File;
use std::fs::OpenOptions;
use std::fs::TryLockError;
use std::io;
use std::io::BufWriter;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::OpenOptionsExt;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::OnceLock;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::facts::store::Delta;
use crate::facts::store::FactSink;
use crate::facts::store::FactSource;
use crate::facts::store::FactStore;
use crate::facts::store::LogHead;
use crate::facts::store::Loss;
use crate::facts::store::Recovered;
use crate::facts::store::StoreError;
use crate::facts::store::StoreOptions;
use crate::facts::store::derived;
use crate::facts::store::log::FactLog;
use crate::facts::store::shelf::Each;
use crate::facts::store::shelf::Shelf;
use crate::facts::store::shelf::ShelfError;
use crate::facts::store::shelf::Tree;

/// What the version file of a state directory says.
pub const STATE_VERSION: &str = "hence state 1";
const VERSION_FILE: &str = "VERSION";
const LOCK_FILE: &str = "lock";
const FACTS: &str = "facts";
/// In the folder of the facts: what follows from them.
const DERIVED: &str = "derived";
const DERIVED_NEW: &str = "derived.new";
const CACHE_BYTES: u64 = 64 << 20;
/// Most directories of damaged facts that are kept side by side.
const ASIDE_MAX: u32 = 10_000;
/// How often, and how long apart, sled's own lock is asked for.
const LOCK_TRIES: u32 = 200;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// A state directory that this process alone uses, for as long as this value lives.
#[derive(Debug)]
pub struct StateDir {
    path: PathBuf,
    /// Held, never read: closing it releases the lock.
    _lock: File,
}

impl StateDir {
    /// Takes the state directory at `path`, and creates it (mode 0700) if need be. Another
    /// version's directory is refused untouched.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        make_dir(path)?;
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true).mode(0o600);
        let lock = path.join(LOCK_FILE);
        let file = options.open(&lock).map_err(|source| io_error("open", &lock, source))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::Locked { dir: path.to_owned() });
            }
            Err(TryLockError::Error(source)) => return Err(io_error("lock", &lock, source)),
        }
        match read_version(path)? {
            Some(version) if version == STATE_VERSION => {}
            Some(found) => return Err(StoreError::Version { dir: path.to_owned(), found }),
            None => write_version(path)?,
        }
        Ok(Self { path: path.to_owned(), _lock: file })
    }

    /// Where the journal's segments stand.
    pub fn journal(&self) -> PathBuf {
        self.path.join("journal")
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The version that a state directory was written by; `None` when it holds no state yet.
fn read_version(path: &Path) -> Result<Option<String>, StoreError> {
    let file = path.join(VERSION_FILE);
    match fs::read_to_string(&file) {
        Ok(text) => Ok(Some(text.lines().next().unwrap_or_default().trim_end().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let old = path.join(FACTS).exists() || path.join("journal").exists();
            Ok(old.then(|| "none".to_owned()))
        }
        Err(source) => Err(io_error("read", &file, source)),
    }
}

/// Looks whether a daemon of this version keeps its state in `path`; changes and locks nothing.
pub fn expect_state(path: &Path) -> Result<(), StoreError> {
    let no_state = |why| Err(StoreError::NoState { dir: path.to_owned(), why });
    let mut entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound => return no_state("it does not exist"),
            io::ErrorKind::NotADirectory => return no_state("it is no directory"),
            _ => return Err(io_error("read", path, error)),
        },
    };
    match read_version(path)? {
        Some(version) if version == STATE_VERSION => Ok(()),
        Some(found) => Err(StoreError::Version { dir: path.to_owned(), found }),
        None if entries.next().is_none() => no_state("it is empty"),
        None => no_state("no daemon has written to it"),
    }
}

/// Writes the version file whole or not at all.
fn write_version(path: &Path) -> Result<(), StoreError> {
    let (file, fresh) = (path.join(VERSION_FILE), path.join("VERSION.new"));
    let write = || {
        let mut options = OpenOptions::new();
        let mut out = options.create(true).truncate(true).write(true).mode(0o600).open(&fresh)?;
        out.write_all(format!("{STATE_VERSION}\n").as_bytes())?;
        out.sync_all()?;
        fs::rename(&fresh, &file)?;
        sync_dir(path)
    };
    write().map_err(|source| io_error("write", &file, source))
}

/// Opens the fact log in `dir` and gives `sink` all its facts.
///
/// Damage does not stop it: sled's index is rebuilt once; if that does not help, the files are
/// moved aside and the log begins empty. What was lost is told in [`Recovered::losses`].
pub fn open(
    dir: &StateDir,
    options: &StoreOptions,
    sink: &mut dyn FactSink,
) -> Result<(Box<dyn FactStore + Send>, Recovered), StoreError> {
    let (store, mut recovered) = open_or_replace(dir, options, sink)?;
    let (found, expected) = (recovered.head.generation, options.expected_generation);
    if found < expected {
        recovered.losses.push(Loss::Behind { found, expected });
    }
    Ok((store, recovered))
}

fn open_or_replace(
    dir: &StateDir,
    options: &StoreOptions,
    sink: &mut dyn FactSink,
) -> Result<(Box<dyn FactStore + Send>, Recovered), StoreError> {
    let path = dir.path.join(FACTS);
    let first = match attempt(&path, options, sink) {
        Err(StoreError::Damaged { reason }) => reason,
        done => return done,
    };
    delete_index(&path)?;
    match attempt(&path, options, sink) {
        Err(StoreError::Damaged { .. }) => {}
        Err(error) => return Err(error),
        Ok((store, mut recovered)) => {
            recovered.losses.insert(0, Loss::IndexRebuilt { reason: first });
            return Ok((store, recovered));
        }
    }
    let to = free_name(&dir.path)?;
    fs::rename(&path, &to).map_err(|source| io_error("move aside", &path, source))?;
    let (store, mut recovered) = attempt(&path, options, sink)?;
    recovered.losses.push(Loss::MovedAside { to, reason: first });
    Ok((store, recovered))
}

/// Copies the facts of the state directory `from` to the new state directory `to`, so that they can
/// be opened there: sled has no way to open files without writing to them. The journal is not
/// copied; it is read in place.
///
/// [`StoreError::Locked`]: a daemon uses `from`. Ask it, or read the journal alone.
pub fn copy_for_reading(from: &Path, to: &Path) -> Result<(), StoreError> {
    expect_state(from)?;
    // Held while copying, so that no daemon starts to write meanwhile.
    let lock = from.join(LOCK_FILE);
    let lock = File::open(&lock).map_err(|source| io_error("open", &lock, source))?;
    match lock.try_lock_shared() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(StoreError::Locked { dir: from.to_owned() }),
        Err(TryLockError::Error(source)) => return Err(io_error("lock", from, source)),
    }
    make_dir(to)?;
    write_version(to)?;
    copy_dir(&from.join(FACTS), &to.join(FACTS))
}

/// Copies the files of a directory, one level of directories deep: sled has no more.
fn copy_dir(from: &Path, to: &Path) -> Result<(), StoreError> {
    let failed = |source| io_error("copy", from, source);
    if !from.exists() {
        return Ok(());
    }
    make_dir(to)?;
    for entry in fs::read_dir(from).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let target = to.join(entry.file_name());
        if entry.file_type().map_err(failed)?.is_dir() {
            copy_dir(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target).map_err(failed)?;
        }
    }
    Ok(())
}

/// Opens and reads the fact log at `path` once; a panic inside sled counts as damage.
fn attempt(
    path: &Path,
    options: &StoreOptions,
    sink: &mut dyn FactSink,
) -> Result<(Box<dyn FactStore + Send>, Recovered), StoreError> {
    let tried = catch_unwind(AssertUnwindSafe(|| {
        let shelf = SledShelf::open(path)?;
        let (log, recovered) = FactLog::open(shelf, *options, sink)?;
        let store: Box<dyn FactStore + Send> = Box::new(DiskLog { log, writing: None });
        Ok((store, recovered))
    }));
    match tried {
        Ok(done) => done,
        Err(panic) => Err(StoreError::Damaged { reason: format!("panic: {}", words(&*panic)) }),
    }
}

/// What a panic said.
fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("unknown").to_owned()
}

/// Removes sled's index files; it builds them again from its log.
fn delete_index(path: &Path) -> Result<(), StoreError> {
    let failed = |source| io_error("remove the index in", path, source);
    for entry in fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_name().to_string_lossy().starts_with("snap.") {
            fs::remove_file(entry.path()).map_err(failed)?;
        }
    }
    Ok(())
}

/// A name for damaged facts that is not taken.
fn free_name(dir: &Path) -> Result<PathBuf, StoreError> {
    let names = (1..ASIDE_MAX).map(|number| dir.join(format!("{FACTS}.damaged-{number}")));
    let free = names.into_iter().find(|name| !name.exists());
    free.ok_or_else(|| io_error("move aside", dir, io::ErrorKind::QuotaExceeded.into()))
}

fn make_dir(path: &Path) -> Result<(), StoreError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| io_error("create", path, source))
}

fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn io_error(doing: &'static str, path: &Path, source: io::Error) -> StoreError {
    StoreError::Io { doing, path: path.to_owned(), source }
}

/// The fact log on disk. Its snapshots are written on a thread of their own: who appends and syncs
/// never waits for one.
struct DiskLog {
    log: FactLog<SledShelf>,
    writing: Option<JoinHandle<Result<u64, ShelfError>>>,
}

impl DiskLog {
    /// Takes over a snapshot that has been written.
    fn settle(&mut self) -> Result<(), StoreError> {
        match self.writing.take_if(|writing| writing.is_finished()) {
            None => Ok(()),
            Some(writing) => {
                let ended = writing.join();
                let panicked = |panic: Box<dyn std::any::Any + Send>| {
                    Err(ShelfError::Io(format!("panic: {}", words(&*panic))))
                };
                self.log.end_snapshot(ended.unwrap_or_else(panicked))
            }
        }
    }
}

impl FactStore for DiskLog {
    fn append(&mut self, delta: &Delta) -> Result<LogHead, StoreError> {
        self.log.append(delta)
    }

    fn sync(&mut self) -> Result<LogHead, StoreError> {
        self.settle()?;
        self.log.sync()
    }

    fn head(&self) -> LogHead {
        self.log.head()
    }

    fn wants_snapshot(&self) -> bool {
        self.log.wants_snapshot()
    }

    fn snapshot(&mut self, facts: Box<dyn FactSource + Send>) -> Result<(), StoreError> {
        let Some(snapshot) = self.log.begin_snapshot(facts)? else { return Ok(()) };
        let thread = std::thread::Builder::new().name("snapshot".to_owned());
        let writing = thread.spawn(move || snapshot.write());
        let writing = writing.map_err(|error| StoreError::Write { reason: error.to_string() })?;
        self.writing = Some(writing);
        Ok(())
    }
}

impl Drop for DiskLog {
    /// The files are ours until the last writer is done with them.
    fn drop(&mut self) {
        if let Some(writing) = self.writing.take() {
            // Whatever came of it, the next start finds out.
            let _ = writing.join();
        }
    }
}

/// Four trees in one sled database. Clones share it.
#[derive(Clone)]
struct SledShelf {
    db: sled::Db,
    trees: [sled::Tree; Tree::ALL.len()],
    path: PathBuf,
    /// sled's data file, through a handle of our own: sled's flush does not sync it.
    file: Arc<File>,
}

impl SledShelf {
    fn open(path: &Path) -> Result<Self, StoreError> {
        make_dir(path)?;
        let config = sled::Config::new()
            .path(path)
            .cache_capacity(CACHE_BYTES)
            .flush_every_ms(None)
            .mode(sled::Mode::HighThroughput);
        let classify = |error| match classify(error) {
            Failure::Locked => StoreError::Locked { dir: path.to_owned() },
            Failure::Io(source) => io_error("open", path, source),
            Failure::Damaged(reason) => StoreError::Damaged { reason },
        };
        let db = open_patiently(&config).map_err(classify)?;
        let [meta, snapshot, symbols, deltas] = Tree::ALL.map(|tree| db.open_tree(tree.name()));
        let trees = [
            meta.map_err(classify)?,
            snapshot.map_err(classify)?,
            symbols.map_err(classify)?,
            deltas.map_err(classify)?,
        ];
        let open_file = || {
            let file = File::open(path.join("db"))?;
            sync_dir(path)?;
            if let Some(parent) = path.parent() {
                sync_dir(parent)?;
            }
            Ok(file)
        };
        let file = open_file().map_err(|source| io_error("sync", path, source))?;
        Ok(Self { db, trees, path: path.to_owned(), file: Arc::new(file) })
    }

    fn tree(&self, tree: Tree) -> &sled::Tree {
        let [meta, snapshot, symbols, deltas] = &self.trees;
        match tree {
            Tree::Meta => meta,
            Tree::Snapshot => snapshot,
            Tree::Symbols => symbols,
            Tree::Deltas => deltas,
        }
    }
}

/// Opens sled's files. A log closed just before in this process keeps its lock for some moments,
/// until sled's own threads are done with it; nobody else can have it, since the state directory is
/// ours.
fn open_patiently(config: &sled::Config) -> sled::Result<sled::Db> {
    for _ in 0..LOCK_TRIES {
        match config.open() {
            Err(sled::Error::Io(error)) if is_lock(&error) => std::thread::sleep(LOCK_PAUSE),
            done => return done,
        }
    }
    config.open()
}

fn is_lock(error: &io::Error) -> bool {
    error.to_string().starts_with("could not acquire lock")
}

/// What an error of sled means here.
enum Failure {
    Locked,
    Io(io::Error),
    Damaged(String),
}

fn classify(error: sled::Error) -> Failure {
    use io::ErrorKind::InvalidData;
    use io::ErrorKind::InvalidInput;
    use io::ErrorKind::NotFound;
    use io::ErrorKind::UnexpectedEof;
    match error {
        sled::Error::Io(error) if is_lock(&error) => Failure::Locked,
        // A file of sled's that ends early, is missing or reads as nonsense.
        sled::Error::Io(error)
            if matches!(error.kind(), UnexpectedEof | InvalidData | InvalidInput | NotFound) =>
        {
            Failure::Damaged(error.to_string())
        }
        sled::Error::Io(error) => Failure::Io(error),
        other => Failure::Damaged(other.to_string()),
    }
}

impl From<sled::Error> for ShelfError {
    fn from(error: sled::Error) -> Self {
        match classify(error) {
            Failure::Locked => Self::Io("locked".to_owned()),
            Failure::Io(error) => Self::Io(error.to_string()),
            Failure::Damaged(reason) => Self::Damaged(reason),
        }
    }
}

/// Which build this is: size and CRC of its program file. None when the file cannot be read.
fn build() -> Option<u64> {
    static BUILD: OnceLock<Option<u64>> = OnceLock::new();
    *BUILD.get_or_init(|| {
        let bytes = fs::read(std::env::current_exe().ok()?).ok()?;
        Some((bytes.len() as u64) << 32 | u64::from(crc32fast::hash(&bytes)))
    })
}

/// Puts what follows from `facts` in place in the folder, whole; on failure none is there.
fn keep_derived(folder: &Path, head: &LogHead, facts: &dyn FactSource) -> io::Result<()> {
    let (file, fresh) = (folder.join(DERIVED), folder.join(DERIVED_NEW));
    let kept = write_derived(&fresh, head, facts);
    if !matches!(kept, Ok(true)) {
        // A full disk is to have this room at once.
        remove_if_there(&fresh)?;
        remove_if_there(&file)?;
        return kept.map(drop);
    }
    fs::rename(&fresh, &file)?;
    sync_dir(folder)
}

fn write_derived(fresh: &Path, head: &LogHead, facts: &dyn FactSource) -> io::Result<bool> {
    let Some(build) = build() else { return Ok(false) };
    let mut options = OpenOptions::new();
    let file = options.create(true).truncate(true).write(true).mode(0o600).open(fresh)?;
    let mut out = BufWriter::with_capacity(1 << 20, file);
    let kept = derived::write(&mut out, build, head, facts)?;
    out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    Ok(kept)
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

impl Shelf for SledShelf {
    fn put(&mut self, tree: Tree, key: &[u8], value: &[u8]) -> Result<(), ShelfError> {
        self.tree(tree).insert(key, value)?;
        Ok(())
    }

    fn remove(&mut self, tree: Tree, key: &[u8]) -> Result<(), ShelfError> {
        self.tree(tree).remove(key)?;
        Ok(())
    }

    fn scan(&self, tree: Tree, from: &[u8], each: Each<'_>) -> Result<(), ShelfError> {
        for entry in self.tree(tree).range(from..) {
            let (key, value) = entry?;
            if each(&key, &value).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), ShelfError> {
        self.db.flush()?;
        self.file.sync_data().map_err(|error| ShelfError::Io(error.to_string()))
    }

    fn keep_derived(&mut self, head: &LogHead, facts: &dyn FactSource) {
        // A file that could not be replaced names another transaction, and is not read for this.
        let _ = keep_derived(&self.path, head, facts);
    }

    fn derived(&self, head: &LogHead, take: &mut dyn FnMut(&[u8], bool) -> bool) -> bool {
        let (Ok(bytes), Some(build)) = (fs::read(self.path.join(DERIVED)), build()) else {
            return false;
        };
        derived::state(&bytes, head).is_some_and(|(state, by)| take(state, by == build))
    }
}
