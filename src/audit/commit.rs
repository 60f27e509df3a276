//! Group commit: threads that want records durable at the same time share one sync.

use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::mpsc;

use crate::audit::AuditError;
use crate::audit::Body;
use crate::audit::Head;
use crate::audit::Journal;
use crate::audit::JournalStorage;
use crate::audit::ProofId;
use crate::model::Timestamp;

/// Records that were written together, and the head that made them durable.
type Written = Result<(Vec<ProofId>, Head), AuditError>;

struct Request {
    at: Timestamp,
    bodies: Vec<Body>,
    answer: mpsc::Sender<Written>,
}

/// A journal that many threads write to.
pub struct GroupCommit<S> {
    journal: Mutex<Journal<S>>,
    waiting: Mutex<Vec<Request>>,
}

impl<S: JournalStorage> GroupCommit<S> {
    /// Shares `journal`.
    pub fn new(journal: Journal<S>) -> Self {
        Self { journal: Mutex::new(journal), waiting: Mutex::new(Vec::new()) }
    }

    /// Appends `bodies` in order and returns once they are durable. Blocks: call it where that may
    /// be.
    ///
    /// Whoever gets the journal writes for all that wait by then. On an error some of `bodies` may
    /// have been written, as after a crash; intents among them stay open.
    pub fn commit(&self, at: Timestamp, bodies: Vec<Body>) -> Written {
        let (answer, mine) = mpsc::channel();
        lock(&self.waiting).push(Request { at, bodies, answer });
        let mut journal = lock(&self.journal);
        if let Ok(written) = mine.try_recv() {
            return written;
        }
        let requests = std::mem::take(&mut *lock(&self.waiting));
        let mut appended = Vec::with_capacity(requests.len());
        for Request { at, bodies, answer } in requests {
            let ids: Result<Vec<ProofId>, AuditError> =
                bodies.into_iter().map(|body| journal.append(at, body)).collect();
            appended.push((answer, ids));
        }
        let synced = journal.sync();
        for (answer, ids) in appended {
            let written = match (ids, &synced) {
                (Err(error), _) => Err(error),
                (Ok(ids), Ok(head)) => Ok((ids, *head)),
                (Ok(_), Err(error)) => Err(AuditError::Halted { reason: error.to_string() }),
            };
            // Nobody waits any more only if that thread is gone, and then nobody asks.
            let _ = answer.send(written);
        }
        drop(journal);
        mine.recv().expect("a request that nobody has answered was among those just answered")
    }

    /// The journal itself, for queries and for whatever needs several steps.
    pub fn lock(&self) -> MutexGuard<'_, Journal<S>> {
        lock(&self.journal)
    }
}

/// A panic elsewhere leaves the journal as after a failed call, which it can take.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
