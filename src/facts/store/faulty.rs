//! A shelf in memory that can crash or fail at any step, for tests.
//!
//! A crash keeps some of the writes since the last sync, in any mixture, and may cut or change what
//! it keeps: more than sled would do, so that nothing in `log.rs` can rely on sled's order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;

use crate::facts::store::shelf::Each;
use crate::facts::store::shelf::Shelf;
use crate::facts::store::shelf::ShelfError;
use crate::facts::store::shelf::Tree;
use crate::facts::store::shelf::VALUE_BYTES_MAX;

/// What is left of unsynced writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Crash {
    /// None of them.
    Lost,
    /// All of them.
    Kept,
    /// The first half.
    Half,
    /// Some, by this seed.
    Some(u64),
    /// Some, by this seed, and some of those cut, zeroed or changed.
    Mangled(u64),
}

/// What happens at a chosen step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The process dies: a write still reaches the system, a sync does not.
    CrashAt(u64),
    /// This one step fails.
    FailAt(u64),
}

/// A place on the shelf.
pub(super) type Key = (Tree, Vec<u8>);

#[derive(Default)]
struct Disk {
    durable: BTreeMap<Key, Vec<u8>>,
    live: BTreeMap<Key, Vec<u8>>,
    unsynced: Vec<(Key, Option<Vec<u8>>)>,
    steps: u64,
    fault: Option<Fault>,
    crashed: bool,
}

/// Clones share one disk.
#[derive(Clone, Default)]
pub(super) struct FaultyShelf(Arc<Mutex<Disk>>);

/// A stream of numbers from a seed (a linear congruence, high bits).
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

impl FaultyShelf {
    pub(super) fn with(fault: Option<Fault>) -> Self {
        Self(Arc::new(Mutex::new(Disk { fault, ..Disk::default() })))
    }

    /// What is found after a crash, with a next fault ahead.
    pub(super) fn after(&self, crash: Crash, fault: Option<Fault>) -> Self {
        let disk = self.disk();
        let mut kept = disk.durable.clone();
        let mut random = Random(match crash {
            Crash::Some(seed) | Crash::Mangled(seed) => seed,
            _ => 0,
        });
        for (number, (key, value)) in disk.unsynced.iter().enumerate() {
            let stays = match crash {
                Crash::Lost => false,
                Crash::Kept => true,
                Crash::Half => number < disk.unsynced.len() / 2,
                Crash::Some(_) | Crash::Mangled(_) => random.below(3) > 0,
            };
            let mut value = value.clone();
            if let (Crash::Mangled(_), Some(value)) = (crash, &mut value) {
                mangle(value, &mut random);
            }
            match value {
                _ if !stays => {}
                Some(value) => drop(kept.insert(key.clone(), value)),
                None => drop(kept.remove(key)),
            }
        }
        let disk = Disk { durable: kept.clone(), live: kept, fault, ..Disk::default() };
        Self(Arc::new(Mutex::new(disk)))
    }

    pub(super) fn has_crashed(&self) -> bool {
        self.disk().crashed
    }

    pub(super) fn steps(&self) -> u64 {
        self.disk().steps
    }

    /// All keys with their values.
    pub(super) fn values(&self) -> Vec<(Key, Vec<u8>)> {
        self.disk().live.clone().into_iter().collect()
    }

    /// Changes a value, or removes it: damage by other hands.
    pub(super) fn tamper(&self, key: &Key, value: Option<Vec<u8>>) {
        let mut disk = self.disk();
        disk.live.remove(key);
        if let Some(value) = value {
            disk.live.insert(key.clone(), value);
        }
        disk.durable = disk.live.clone();
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().expect("no test panics while it holds the lock")
    }

    fn step(&self) -> Result<bool, ShelfError> {
        let mut disk = self.disk();
        let step = disk.steps;
        if disk.crashed {
            return Err(ShelfError::Io("crashed".to_owned()));
        }
        disk.steps += 1;
        match disk.fault {
            Some(Fault::CrashAt(at)) if at == step => {
                disk.crashed = true;
                Ok(false)
            }
            Some(Fault::FailAt(at)) if at == step => {
                disk.fault = None;
                Err(ShelfError::Io("disk full".to_owned()))
            }
            _ => Ok(true),
        }
    }

    fn write(&self, tree: Tree, key: &[u8], value: Option<&[u8]>) -> Result<(), ShelfError> {
        let happens = self.step()?;
        let mut disk = self.disk();
        let key = (tree, key.to_vec());
        let value = value.map(<[u8]>::to_vec);
        disk.live.remove(&key);
        if let Some(value) = &value {
            disk.live.insert(key.clone(), value.clone());
        }
        disk.unsynced.push((key, value));
        ended(happens)
    }
}

fn mangle(value: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(value.len().max(1) as u64) as usize;
    match random.below(6) {
        0 => value.truncate(at),
        1 => value[at..].fill(0),
        2 => value[at] ^= 1 << random.below(8),
        _ => {}
    }
}

fn ended(happens: bool) -> Result<(), ShelfError> {
    if happens { Ok(()) } else { Err(ShelfError::Io("crashed".to_owned())) }
}

impl Shelf for FaultyShelf {
    fn put(&mut self, tree: Tree, key: &[u8], value: &[u8]) -> Result<(), ShelfError> {
        assert!(value.len() <= VALUE_BYTES_MAX);
        self.write(tree, key, Some(value))
    }

    fn remove(&mut self, tree: Tree, key: &[u8]) -> Result<(), ShelfError> {
        self.write(tree, key, None)
    }

    fn scan(&self, tree: Tree, from: &[u8], each: Each<'_>) -> Result<(), ShelfError> {
        let entries: Vec<(Key, Vec<u8>)> = {
            let disk = self.disk();
            disk.live.range((tree, from.to_vec())..).map(|(k, v)| (k.clone(), v.clone())).collect()
        };
        for ((of, key), value) in entries {
            if of != tree || each(&key, &value).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), ShelfError> {
        let happens = self.step()?;
        if happens {
            let mut disk = self.disk();
            disk.durable = disk.live.clone();
            disk.unsynced.clear();
        }
        ended(happens)
    }
}
