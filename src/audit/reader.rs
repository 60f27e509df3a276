//! Reading a journal that somebody else may be writing: no lock, and a torn tail is no error.

use std::path::Path;

use crate::audit::AuditError;
use crate::audit::DiskStorage;
use crate::audit::Head;
use crate::audit::JournalStorage;
use crate::audit::Problem;
use crate::audit::View;
use crate::audit::index::Index;
use crate::audit::scan::Walk;
use crate::audit::scan::list_segments;
use crate::model::Timestamp;

/// All whole records of a journal at the time of the last [`JournalReader::refresh`].
///
/// It may show a record that is not durable yet: what is acknowledged is the writer's to say.
#[derive(Debug)]
pub struct JournalReader<S> {
    storage: S,
    index: Index,
    walk: Walk,
}

impl JournalReader<DiskStorage> {
    /// Reads the journal in this directory once.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub fn at(directory: &Path) -> Result<Self, AuditError> {
        DiskStorage::of_existing(directory).and_then(Self::open)
    }
}

impl<S: JournalStorage> JournalReader<S> {
    /// Reads the journal in `storage` once.
    pub fn open(storage: S) -> Result<Self, AuditError> {
        let mut reader = Self { storage, index: Index::default(), walk: Walk::new() };
        reader.advance()?;
        Ok(reader)
    }

    /// Reads what was written since.
    pub fn refresh(&mut self) -> Result<(), AuditError> {
        let known = self.walk.problems.len();
        let is_moved = self.front_is_moved()?;
        if !is_moved {
            self.advance()?;
        }
        if is_moved || self.walk.problems.len() > known {
            // A writer that opened after a crash may have cut off what was read before, and that
            // looks like damage from here: read all of it again to know.
            self.index = Index::default();
            self.walk = Walk::new();
            self.advance()?;
        }
        Ok(())
    }

    /// Whether segments that were read are not there any more: their records cannot be shown.
    fn front_is_moved(&self) -> Result<bool, AuditError> {
        let first = list_segments(&self.storage)?.first().copied();
        let read = self.index.entries.first().map(|entry| entry.place.segment);
        Ok(read.is_some_and(|read| first.is_none_or(|first| first > read)))
    }

    fn advance(&mut self) -> Result<(), AuditError> {
        let index = &mut self.index;
        self.walk.advance(&self.storage, &mut |place, frame, head, problems| {
            index.add(place, frame, head, problems);
        })
    }

    /// Where it is read from.
    pub fn storage(&self) -> &S {
        &self.storage
    }

    /// The last record.
    pub fn head(&self) -> Head {
        self.walk.head
    }

    /// What is wrong with the journal. Bytes at the very end that are no record (yet) are not.
    pub fn problems(&self) -> &[Problem] {
        &self.walk.problems
    }

    /// What was noted of records that are lost: when, and what.
    pub fn losses(&self) -> &[(Timestamp, String)] {
        &self.index.losses
    }

    /// Bytes at the very end that are no record: one that is being written, or what a crash left.
    pub fn tail_bytes(&self) -> u64 {
        self.walk.tail.as_ref().map_or(0, |tail| tail.bytes.len() as u64)
    }

    /// The number of the record before the first one that is there: not 0 when older ones were
    /// archived.
    pub fn starts_after(&self) -> u64 {
        self.walk.start.map_or(0, |start| start.seq)
    }

    /// Answers questions.
    pub fn view(&self) -> View<'_> {
        View::new(&self.storage, &self.index)
    }
}
