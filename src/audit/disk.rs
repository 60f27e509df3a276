//! The journal's files: the only place in `audit` that touches a file system.
//!
//! Files have mode 0600, the directory 0700. The writer holds an exclusive lock on `lock` in the
//! directory for as long as it lives; readers take none.

use std::fs;
use std::fs::File;
use std::fs::OpenOptions;
use std::fs::TryLockError;
use std::io;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;

use crate::audit::AuditError;
use crate::audit::JournalStorage;
use crate::audit::scan::list_segments;

const LOCK: &str = "lock";

/// A journal directory on disk.
#[derive(Debug)]
pub struct DiskStorage {
    dir: PathBuf,
    /// The file appended to last, kept open.
    open: Option<(String, File)>,
    /// A file was created since the directory was last synced.
    names_changed: bool,
    /// Held, never read: closing it releases the lock. `None` for readers.
    lock: Option<File>,
}

impl DiskStorage {
    /// Opens `dir` for the one writer, and creates it if need be. Fails with [`AuditError::Locked`]
    /// when another process writes there.
    pub fn for_writing(dir: &Path) -> Result<Self, AuditError> {
        let failed =
            |source| AuditError::Io { doing: "open", name: dir.display().to_string(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true).mode(0o600);
        let lock = options.open(dir.join(LOCK)).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(AuditError::Locked { dir: dir.to_owned() });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            sync_dir(parent).map_err(failed)?;
        }
        Ok(Self { dir: dir.to_owned(), open: None, names_changed: true, lock: Some(lock) })
    }

    /// Opens `dir` for reading, without a lock, whether or not a daemon writes there.
    pub fn for_reading(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), open: None, names_changed: false, lock: None }
    }

    /// Opens the journal that stands in `dir` for reading, without a lock.
    ///
    /// # Errors
    /// There is none: no directory, or no segment in it.
    pub fn of_existing(dir: &Path) -> Result<Self, AuditError> {
        let storage = Self::for_reading(dir);
        if list_segments(&storage)?.is_empty() {
            return Err(AuditError::NoJournal { dir: dir.to_owned() });
        }
        Ok(storage)
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn file(&mut self, name: &str) -> io::Result<&mut File> {
        self.writable()?;
        if self.open.as_ref().is_none_or(|(open, _)| open != name) {
            let file = OpenOptions::new().append(true).open(self.dir.join(name))?;
            self.open = Some((name.to_owned(), file));
        }
        let (_, file) = self.open.as_mut().expect("it was opened just above");
        Ok(file)
    }

    fn writable(&self) -> io::Result<()> {
        match self.lock {
            Some(_) => Ok(()),
            None => Err(io::Error::new(io::ErrorKind::PermissionDenied, "opened for reading only")),
        }
    }
}

impl JournalStorage for DiskStorage {
    fn list(&self) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        for entry in entries {
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }

    fn read(&self, name: &str, from: u64, bytes_max: usize) -> io::Result<Vec<u8>> {
        let mut file = File::open(self.dir.join(name))?;
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.take(bytes_max as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn create(&mut self, name: &str) -> io::Result<()> {
        self.writable()?;
        self.open = None;
        self.names_changed = true;
        let mut options = OpenOptions::new();
        options.create(true).truncate(true).write(true).mode(0o600);
        options.open(self.dir.join(name)).map(drop)
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.file(name)?.write_all(bytes)
    }

    fn truncate(&mut self, name: &str, len: u64) -> io::Result<()> {
        self.file(name)?.set_len(len)
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        let file = self.file(name)?;
        file.sync_data()?;
        if file.metadata()?.nlink() == 0 {
            let gone = "the journal's file was removed while it was written";
            return Err(io::Error::new(io::ErrorKind::NotFound, gone));
        }
        if self.names_changed {
            sync_dir(&self.dir)?;
            self.names_changed = false;
        }
        Ok(())
    }
}

/// Makes the names in `dir` durable.
fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
