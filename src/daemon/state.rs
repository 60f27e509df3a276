//! What the loop lets others see: the present generation, the journal's head, and what it still
//! waits for, or waits for again.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use tokio::sync::watch;

use crate::audit::AuditError;
use crate::audit::DiskStorage;
use crate::audit::Head;
use crate::audit::JournalReader;
use crate::daemon::contact::Contact;
use crate::datalog::Reader;
use crate::ingest::Recipes;

/// The present generation, for queries that run while the loop commits.
pub struct Published {
    reader: watch::Sender<Reader>,
    head: Mutex<Option<Head>>,
    awaited: Mutex<BTreeSet<String>>,
    /// Once the leases were held: whether they still are, and the watches.
    contact: Mutex<Option<Contact>>,
    stops: AtomicBool,
    /// What builds were made of, for questions about fields.
    pub(super) recipes: Recipes,
    /// The journal as far as the last question about it read it.
    journal: Mutex<Option<JournalReader<DiskStorage>>>,
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
            contact: Mutex::new(None),
            stops: AtomicBool::new(false),
            recipes: Recipes::default(),
            journal: Mutex::new(None),
        }
    }

    /// A new generation.
    pub fn set(&self, reader: Reader) {
        if let Some(contact) = self.contact().as_mut() {
            contact.see(&reader);
        }
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

    /// Gives `ask` the journal in this directory, with all that was written so far: only what came
    /// since the last call is read.
    pub(super) fn with_journal<T>(
        &self,
        directory: &Path,
        ask: impl FnOnce(Result<&JournalReader<DiskStorage>, AuditError>) -> T,
    ) -> T {
        let mut kept = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        let read = match kept.take() {
            Some(mut journal) => journal.refresh().map(|()| journal),
            None => JournalReader::at(directory),
        };
        match read {
            Ok(journal) => ask(Ok(kept.insert(journal))),
            Err(error) => ask(Err(error)),
        }
    }

    /// The journal's head after the last sync.
    pub fn set_head(&self, head: Head) {
        *self.head.lock().unwrap_or_else(PoisonError::into_inner) = Some(head);
    }

    /// The journal's head after the last sync.
    pub fn head(&self) -> Option<Head> {
        *self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This lease is held by somebody else: it is awaited by name.
    pub fn lease_is_held(&self, name: &str, holder: &str) {
        let mut awaited = self.awaited();
        if awaited.iter().any(|what| what.starts_with(LEASES)) {
            awaited.retain(|what| !what.starts_with(LEASES));
            awaited.insert(format!("{LEASES}: {name} is held by {holder}"));
        }
    }

    /// The leases are held; the first lists of these kinds are awaited now. What `contact` loses
    /// later is awaited again.
    pub(super) fn lead(&self, kinds: impl IntoIterator<Item = String>, contact: Contact) {
        *self.contact() = Some(contact);
        let mut awaited = self.awaited();
        awaited.extend(kinds.into_iter().map(|kind| list_of(&kind)));
        awaited.retain(|what| !what.starts_with(LEASES));
    }

    /// The first list of this kind was read and committed.
    pub fn listed(&self, kind: &str) {
        self.awaited().remove(&list_of(kind));
    }

    /// The daemon stops: it is not ready from now on.
    pub fn stop(&self) {
        self.stops.store(true, Ordering::Relaxed);
    }

    /// What the daemon waits for before it is ready; `None` when it is.
    pub fn waits_for(&self) -> Option<String> {
        let end = self.stops.load(Ordering::Relaxed).then(|| "its end: it is stopping".to_owned());
        end.or_else(|| self.lacks())
    }

    /// What the daemon waits for before its facts are those of the present; `None` when they are.
    pub fn lacks(&self) -> Option<String> {
        let mut awaited: Vec<String> = self.awaited().iter().cloned().collect();
        awaited.extend(self.contact().iter().flat_map(Contact::lost));
        Some(awaited.join(", ")).filter(|text| !text.is_empty())
    }

    fn contact(&self) -> MutexGuard<'_, Option<Contact>> {
        self.contact.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn awaited(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn list_of(kind: &str) -> String {
    format!("the first list of {kind}")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::cluster::write::WriteGate;
    use crate::daemon::SystemClock;
    use crate::datalog::Engine;
    use crate::datalog::EngineOptions;
    use crate::rules;

    #[test]
    fn what_is_awaited_is_told_until_it_came() {
        let program = rules::load(Vec::new()).expect("the shipped rules check");
        let engine = Engine::new(program, rules::builtins(), EngineOptions::default());
        let published = Published::new(engine.reader());
        assert_eq!(published.lacks().as_deref(), Some("the leases"));
        published.lease_is_held("a-leader-election", "b");
        let held = "the leases: a-leader-election is held by b";
        assert_eq!(published.lacks().as_deref(), Some(held));
        let (gate, clock) = (WriteGate::open(), Arc::new(SystemClock));
        let contact = Contact::new(gate, clock, Duration::MAX);
        published.lead(["Bucket".to_owned(), "Kustomization".to_owned()], contact);
        let lists = "the first list of Bucket, the first list of Kustomization";
        assert_eq!(published.waits_for().as_deref(), Some(lists));
        published.lease_is_held("a-leader-election", "b");
        published.listed("Bucket");
        published.listed("Kustomization");
        assert_eq!(published.waits_for(), None, "a lease counts no more once all were held");
        published.stop();
        assert_eq!((published.lacks(), published.waits_for().is_some()), (None, true));
    }
}
