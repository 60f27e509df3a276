//! A storage in memory that can crash or fail at any step, for tests.
//!
//! It keeps for each file what is durable and what a running system would read. A crash keeps of
//! the difference what [`Crash`] says: the worst that a file system may do to writes that were not
//! synced.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;

use crate::audit::JournalStorage;

/// What is left of unsynced writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Crash {
    /// Nothing; files whose name was not synced are gone.
    Lost,
    /// Everything.
    Kept,
    /// The first half of the bytes.
    Torn,
    /// All but the last byte.
    OneShort,
    /// The length, but zeros for the bytes.
    Zeroed,
    /// The length, but other bytes in the second half.
    Garbled,
}

pub(super) const CRASHES: [Crash; 6] =
    [Crash::Lost, Crash::Kept, Crash::Torn, Crash::OneShort, Crash::Zeroed, Crash::Garbled];

/// What happens at a chosen step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The process dies: this step reaches the system (a sync does not), all later ones fail.
    CrashAt(u64),
    /// The disk is full or sick for this one step: half of an append is written, all else is not.
    FailAt(u64),
}

#[derive(Clone, Debug, Default)]
struct File {
    durable: Option<Vec<u8>>,
    live: Vec<u8>,
}

#[derive(Clone, Debug, Default)]
struct Disk {
    files: BTreeMap<String, File>,
    steps: u64,
    fault: Option<Fault>,
    crashed: bool,
}

/// Clones share one disk.
#[derive(Clone, Debug, Default)]
pub(super) struct FaultyStorage(Arc<Mutex<Disk>>);

impl FaultyStorage {
    /// An empty disk with this fault ahead.
    pub(super) fn with(fault: Option<Fault>) -> Self {
        let disk = Disk { fault, ..Disk::default() };
        Self(Arc::new(Mutex::new(disk)))
    }

    /// What a machine finds after this disk lost its power, with a next fault ahead.
    pub(super) fn after(&self, crash: Crash, fault: Option<Fault>) -> Self {
        let mut files = BTreeMap::new();
        for (name, file) in &self.disk().files {
            let left = match (&file.durable, crash) {
                (None, Crash::Lost) => continue,
                (Some(durable), Crash::Lost) => durable.clone(),
                (durable, _) => remains(durable.as_deref().unwrap_or_default(), &file.live, crash),
            };
            files.insert(name.clone(), File { durable: Some(left.clone()), live: left });
        }
        Self(Arc::new(Mutex::new(Disk { files, fault, ..Disk::default() })))
    }

    /// Whether the fault's step has been reached by a crash.
    pub(super) fn has_crashed(&self) -> bool {
        self.disk().crashed
    }

    /// Steps taken.
    pub(super) fn steps(&self) -> u64 {
        self.disk().steps
    }

    /// The bytes of `name` as a running system reads them.
    pub(super) fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        self.disk().files.get(name).map(|file| file.live.clone())
    }

    /// Replaces the bytes of `name`, or removes it: damage by other hands.
    pub(super) fn tamper(&self, name: &str, bytes: Option<Vec<u8>>) {
        let mut disk = self.disk();
        match bytes {
            Some(bytes) => {
                let file = File { durable: Some(bytes.clone()), live: bytes };
                disk.files.insert(name.to_owned(), file);
            }
            None => drop(disk.files.remove(name)),
        }
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().expect("no test panics while it holds the lock")
    }

    /// Counts a step. `Ok(true)`: it happens; `Ok(false)`: it happens and then the process dies.
    fn step(&self) -> io::Result<bool> {
        let mut disk = self.disk();
        if disk.crashed {
            return Err(io::Error::other("crashed"));
        }
        let step = disk.steps;
        disk.steps += 1;
        match disk.fault {
            Some(Fault::CrashAt(at)) if at == step => {
                disk.crashed = true;
                Ok(false)
            }
            Some(Fault::FailAt(at)) if at == step => {
                disk.fault = None;
                Err(io::ErrorKind::StorageFull.into())
            }
            _ => Ok(true),
        }
    }
}

/// What is left of `live` when only `durable` was synced.
fn remains(durable: &[u8], live: &[u8], crash: Crash) -> Vec<u8> {
    let shared = durable.iter().zip(live).take_while(|(a, b)| a == b).count();
    let (kept, new) = live.split_at(shared);
    let mut left = kept.to_vec();
    match crash {
        Crash::Lost => return durable.to_vec(),
        Crash::Kept => left.extend(new),
        Crash::Torn => left.extend(&new[..new.len() / 2]),
        Crash::OneShort => left.extend(&new[..new.len().saturating_sub(1)]),
        Crash::Zeroed => left.resize(live.len(), 0),
        Crash::Garbled => {
            let half = new.len() / 2;
            left.extend(&new[..half]);
            left.extend(new[half..].iter().map(|byte| byte ^ 0x5a));
        }
    }
    left
}

fn ended(happens: bool) -> io::Result<()> {
    if happens { Ok(()) } else { Err(io::Error::other("crashed")) }
}

impl JournalStorage for FaultyStorage {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.disk().files.keys().cloned().collect())
    }

    fn read(&self, name: &str, from: u64, bytes_max: usize) -> io::Result<Vec<u8>> {
        let disk = self.disk();
        let file = disk.files.get(name).ok_or(io::ErrorKind::NotFound)?;
        let rest = file.live.get(from as usize..).unwrap_or_default();
        Ok(rest[..rest.len().min(bytes_max)].to_vec())
    }

    fn create(&mut self, name: &str) -> io::Result<()> {
        let happens = self.step()?;
        self.disk().files.entry(name.to_owned()).or_default().live.clear();
        ended(happens)
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let step = self.step();
        let mut disk = self.disk();
        let file = disk.files.get_mut(name).ok_or(io::ErrorKind::NotFound)?;
        match step {
            Ok(happens) => {
                file.live.extend(bytes);
                ended(happens)
            }
            Err(error) => {
                if error.kind() == io::ErrorKind::StorageFull {
                    file.live.extend(&bytes[..bytes.len() / 2]);
                }
                Err(error)
            }
        }
    }

    fn truncate(&mut self, name: &str, len: u64) -> io::Result<()> {
        let happens = self.step()?;
        let mut disk = self.disk();
        let file = disk.files.get_mut(name).ok_or(io::ErrorKind::NotFound)?;
        file.live.truncate(len as usize);
        ended(happens)
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        let happens = self.step()?;
        if happens {
            let mut disk = self.disk();
            let file = disk.files.get_mut(name).ok_or(io::ErrorKind::NotFound)?;
            file.durable = Some(file.live.clone());
        }
        ended(happens)
    }
}
