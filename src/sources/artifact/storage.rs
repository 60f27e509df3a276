//! Artifacts that we offer: files below one directory, laid out as Flux's consumers expect.
//!
//! In: an owner, a file name, what the file is made from. Out: a file that is built once and kept:
//! the same bytes are there after a restart, or it is known that they are not.
//!
//! ```text
//! <root>/gitrepository/<namespace>/<name>/<commit>.tar.gz   served
//! <root>/.made/…/<commit>.tar.gz.json      digest, size, inputs; not served
//! ```
//!
//! Spec: fluxcd/pkg artifact/storage. Not here: serving, which must refuse names that begin with
//! `.`.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::io::Read;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde::Serialize;
use sha2::Digest as _;
use sha2::Sha256;

use crate::model::Digest;
use crate::model::Timestamp;
use crate::sources::artifact::ArtifactError;
use crate::sources::artifact::error::failed;
use crate::sources::disk;

/// The directory of what is known about files.
const MADE: &str = ".made";

/// Whose artifact it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ArtifactOwner {
    /// The kind, such as `GitRepository`.
    pub kind: String,
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

/// How long files are kept that are no longer current.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// `--artifact-retention-records`: how many files an owner keeps, the current one included.
    pub records: usize,
    /// `--artifact-retention-ttl`: younger files stay in any case.
    pub ttl: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self { records: 2, ttl: Duration::from_secs(60) }
    }
}

/// A file on offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its path below the root, as in URLs.
    pub path: String,
    /// `sha256:<hex>` of its bytes.
    pub digest: String,
    /// Its bytes.
    pub size: u64,
    /// When it was built.
    pub built: Timestamp,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Made {
    digest: String,
    size: u64,
    built_ms: i64,
    inputs: String,
}

/// The files on offer below one directory. One process at a time.
pub struct Storage {
    root: PathBuf,
}

impl ArtifactOwner {
    /// Its directory: `<kind in lower case>/<namespace>/<name>`.
    fn directory(&self) -> Result<String, ArtifactError> {
        let kind = self.kind.to_lowercase();
        for part in [&kind, &self.namespace, &self.name] {
            checked(part)?;
        }
        Ok(format!("{kind}/{}/{}", self.namespace, self.name))
    }
}

fn checked(part: &str) -> Result<(), ArtifactError> {
    let single = !part.is_empty() && !part.starts_with('.') && !part.contains(['/', '\\', '\0']);
    if single { Ok(()) } else { Err(ArtifactError::Path { name: part.to_owned() }) }
}

impl Storage {
    /// Opens the storage below `root`; creates it when absent.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, ArtifactError> {
        let root = root.into();
        disk::make_directory(&root).map_err(failed("create", &root))?;
        Ok(Self { root })
    }

    /// The directory to serve. Paths with a segment that begins with `.` are not for others.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The file `file` of `owner` made from `inputs` (tree and ignore rules): the one that is kept,
    /// when it was made from the same and is whole; otherwise a new one, written by `write`.
    pub fn store(
        &self,
        owner: &ArtifactOwner,
        file: &str,
        inputs: &Digest,
        now: Timestamp,
        write: impl FnOnce(&mut dyn Write) -> Result<(), ArtifactError>,
    ) -> Result<Stored, ArtifactError> {
        checked(file)?;
        let path = format!("{}/{file}", owner.directory()?);
        if let Some(made) = self.made(&path)
            && made.inputs == inputs.to_string()
            && self.verify(&path, &made.digest)?
        {
            let (digest, size, built) = (made.digest, made.size, Timestamp(made.built_ms));
            return Ok(Stored { path, digest, size, built });
        }
        let (digest, size) = self.write(&path, write)?;
        let (digest, built_ms) = (digest.to_string(), now.millis());
        let made = Made { digest: digest.clone(), size, built_ms, inputs: inputs.to_string() };
        let text = serde_json::to_vec(&made).expect("digests and numbers are always JSON");
        let record = self.record(&path);
        if let Some(parent) = record.parent() {
            disk::make_directory(parent).map_err(failed("create", parent))?;
        }
        disk::write_whole(&record, &disk::partial_of(&record), &text)
            .map_err(failed("write", &record))?;
        Ok(Stored { path, digest, size, built: now })
    }

    /// The file that a request for `path` (of a URL, with or without its leading `/`) gets; `None`
    /// for whatever is not a file on offer.
    pub fn served(&self, path: &str) -> Option<PathBuf> {
        let path = path.trim_start_matches('/');
        let mut segments = path.split('/');
        if path.ends_with(disk::PARTIAL) || segments.any(|segment| checked(segment).is_err()) {
            return None;
        }
        let at = self.root.join(path);
        fs::symlink_metadata(&at).is_ok_and(|meta| meta.is_file()).then_some(at)
    }

    /// Whether the file at `path` (below the root) is there with this digest (`sha256:…`).
    pub fn verify(&self, path: &str, digest: &str) -> Result<bool, ArtifactError> {
        let at = self.root.join(path);
        let mut file = match fs::File::open(&at) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(e) => return Err(failed("read", &at)(e)),
        };
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 64 << 10];
        loop {
            let count = file.read(&mut buffer).map_err(failed("read", &at))?;
            if count == 0 {
                break;
            }
            hash.update(&buffer[..count]);
        }
        Ok(Digest::from_bytes(hash.finalize().into()).to_string() == digest)
    }

    /// Removes files of `owner` beyond `retention`; `current` (a file name) stays. Returns what
    /// went.
    pub fn collect(
        &self,
        owner: &ArtifactOwner,
        current: &str,
        retention: Retention,
        now: Timestamp,
    ) -> Result<Vec<String>, ArtifactError> {
        let directory = owner.directory()?;
        let mut others: Vec<(i64, String)> = listed(&self.root.join(&directory))?
            .into_iter()
            .filter(|file| file != current)
            .map(|file| {
                // A file of which nothing is known is the oldest.
                let made = self.made(&format!("{directory}/{file}"));
                (made.map_or(i64::MIN, |made| made.built_ms), file)
            })
            .collect();
        others.sort_by(|a, b| b.cmp(a));
        let ttl_ms = i64::try_from(retention.ttl.as_millis()).unwrap_or(i64::MAX);
        let mut removed = Vec::new();
        for (rank, (built_ms, file)) in others.into_iter().enumerate() {
            // The current file is the first of those kept.
            let is_young = now.millis().saturating_sub(built_ms) < ttl_ms;
            if rank + 1 < retention.records || is_young {
                continue;
            }
            let path = format!("{directory}/{file}");
            remove(&self.root.join(&path))?;
            remove(&self.record(&path))?;
            removed.push(path);
        }
        Ok(removed)
    }

    /// Removes all files of `owner`.
    pub fn remove(&self, owner: &ArtifactOwner) -> Result<(), ArtifactError> {
        let directory = owner.directory()?;
        remove_directory(&self.root.join(&directory))?;
        remove_directory(&self.root.join(MADE).join(&directory))
    }

    /// Removes the files of owners that are not in `live`; returns these owners' directories.
    pub fn retain(&self, live: &BTreeSet<ArtifactOwner>) -> Result<Vec<String>, ArtifactError> {
        let keep: BTreeSet<String> =
            live.iter().map(ArtifactOwner::directory).collect::<Result<_, _>>()?;
        let mut removed = Vec::new();
        for kind in listed(&self.root)?.iter().filter(|name| !name.starts_with('.')) {
            for namespace in listed(&self.root.join(kind))? {
                for name in listed(&self.root.join(kind).join(&namespace))? {
                    let directory = format!("{kind}/{namespace}/{name}");
                    if !keep.contains(&directory) {
                        remove_directory(&self.root.join(&directory))?;
                        remove_directory(&self.root.join(MADE).join(&directory))?;
                        removed.push(directory);
                    }
                }
            }
        }
        Ok(removed)
    }

    fn made(&self, path: &str) -> Option<Made> {
        serde_json::from_slice(&fs::read(self.record(path)).ok()?).ok()
    }

    fn record(&self, path: &str) -> PathBuf {
        self.root.join(MADE).join(format!("{path}.json"))
    }

    fn write(
        &self,
        path: &str,
        write: impl FnOnce(&mut dyn Write) -> Result<(), ArtifactError>,
    ) -> Result<(Digest, u64), ArtifactError> {
        let mut sum = (Sha256::new(), 0);
        self.replace(&self.root.join(path), |out| {
            let mut counted = Counted { out, sum: &mut sum };
            write(&mut counted)
        })?;
        Ok((Digest::from_bytes(sum.0.finalize().into()), sum.1))
    }

    /// Writes beside `at` and renames: `at` is whole at any time.
    fn replace(
        &self,
        at: &Path,
        write: impl FnOnce(&mut dyn Write) -> Result<(), ArtifactError>,
    ) -> Result<(), ArtifactError> {
        if let Some(parent) = at.parent() {
            disk::make_directory(parent).map_err(failed("create", parent))?;
        }
        let partial = disk::partial_of(at);
        let mut file =
            io::BufWriter::new(disk::create(&partial).map_err(failed("create", &partial))?);
        let written = write(&mut file)
            .and_then(|()| file.flush().map_err(failed("write", &partial)))
            .and_then(|()| file.get_ref().sync_all().map_err(failed("write", &partial)));
        if let Err(error) = written {
            let _ = fs::remove_file(&partial);
            return Err(error);
        }
        fs::rename(&partial, at).map_err(failed("write", at))
    }
}

struct Counted<'a> {
    out: &'a mut dyn Write,
    sum: &'a mut (Sha256, u64),
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.sum.0.update(&bytes[..count]);
        self.sum.1 += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn listed(path: &Path) -> Result<Vec<String>, ArtifactError> {
    disk::names(path).map_err(failed("list", path))
}

fn remove(path: &Path) -> Result<(), ArtifactError> {
    disk::remove_file(path).map_err(failed("remove", path))
}

fn remove_directory(path: &Path) -> Result<(), ArtifactError> {
    disk::remove_directory(path).map_err(failed("remove", path))
}

#[cfg(test)]
mod tests;
