//! What the loop lets others see: the present generation, the journal's head, and what it still
//! waits for.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use tokio::sync::watch;

use crate::audit::Head;
use crate::datalog::Reader;
use crate::ingest::Recipes;

/// The present generation, for queries that run while the loop commits.
pub struct Published {
    reader: watch::Sender<Reader>,
    head: Mutex<Option<Head>>,
    awaited: Mutex<BTreeSet<String>>,
    /// What builds were made of, for questions about fields.
    pub(super) recipes: Recipes,
}

/// What is awaited until the leases are held.
const LEASES: &str = "the leases";

impl Published {
    /// Starts with this generation; the leases are awaited.
    pub fn new(reader: Reader) -> Self {
        let awaited = Mutex::new(BTreeSet::from([LEASES.to_owned()]));
        Self {
            reader: watch::Sender::new(reader),
            head: Mutex::new(None),
            awaited,
            recipes: Recipes::default(),
        }
    }

    /// A new generation.
    pub fn set(&self, reader: Reader) {
        self.reader.send_replace(reader);
    }

    /// The present generation.
    pub fn reader(&self) -> Reader {
        self.reader.borrow().clone()
    }

    /// Wakes at each new generation.
    pub fn subscribe(&self) -> watch::Receiver<Reader> {
        self.reader.subscribe()
    }

    /// The journal's head after the last sync.
    pub fn set_head(&self, head: Head) {
        *self.head.lock().unwrap_or_else(PoisonError::into_inner) = Some(head);
    }

    /// The journal's head after the last sync.
    pub fn head(&self) -> Option<Head> {
        *self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The leases are held; the first lists of these kinds are awaited now.
    pub fn lead(&self, kinds: impl IntoIterator<Item = String>) {
        let mut awaited = self.awaited();
        awaited.extend(kinds.into_iter().map(|kind| list_of(&kind)));
        awaited.remove(LEASES);
    }

    /// The first list of this kind was read and committed.
    pub fn listed(&self, kind: &str) {
        self.awaited().remove(&list_of(kind));
    }

    /// The daemon stops: it is not ready from now on.
    pub fn stop(&self) {
        self.awaited().insert("its end: it is stopping".to_owned());
    }

    /// What the daemon waits for before it is ready; `None` when it is.
    pub fn waits_for(&self) -> Option<String> {
        self.awaited().first().cloned()
    }

    fn awaited(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn list_of(kind: &str) -> String {
    format!("the first list of {kind}")
}
