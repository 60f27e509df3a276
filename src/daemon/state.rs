//! What the loop lets others see: the present generation, and the journal's head.

use std::sync::Mutex;
use std::sync::PoisonError;

use tokio::sync::watch;

use crate::audit::Head;
use crate::datalog::Reader;

/// The present generation, for queries that run while the loop commits.
pub struct Published {
    reader: watch::Sender<Reader>,
    head: Mutex<Option<Head>>,
}

impl Published {
    /// Starts with this generation.
    pub fn new(reader: Reader) -> Self {
        Self { reader: watch::Sender::new(reader), head: Mutex::new(None) }
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
}
