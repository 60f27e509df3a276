//! The writer: one open segment, appended to, synced when the caller says so.
//!
//! In: record bodies and the time. Out: their ids, and the head once it is durable. Appending many
//! and syncing once is the group commit; `commit.rs` does it across threads.
//!
//! After a failed append the segment is cut back to its last record and the journal goes on. After
//! a failed sync it halts: what the disk holds is then found out by opening it again.

use serde_json::error::Error as JsonError;

use crate::audit::AuditError;
use crate::audit::Body;
use crate::audit::Head;
use crate::audit::JournalStorage;
use crate::audit::Outcome;
use crate::audit::Problem;
use crate::audit::ProofId;
use crate::audit::RECORD_BYTES_MAX;
use crate::audit::Record;
use crate::audit::RuleSet;
use crate::audit::SCHEMA;
use crate::audit::View;
use crate::audit::frame::Frame;
use crate::audit::frame::SEGMENT_HEADER_BYTES;
use crate::audit::frame::SegmentHeader;
use crate::audit::index::Index;
use crate::audit::scan::Place;
use crate::audit::scan::Tail;
use crate::audit::scan::Walk;
use crate::audit::scan::io_error;
use crate::audit::scan::list_segments;
use crate::audit::scan::segment_name;
use crate::model::Digest;
use crate::model::Timestamp;

/// Bytes after which a new segment begins.
pub const SEGMENT_BYTES: u64 = 16 << 20;
/// More than what stands around the rule set in its record.
const RECORD_BYTES_AROUND: usize = 256;

/// How a journal is opened.
#[derive(Clone, Copy, Debug)]
pub struct JournalOptions {
    /// A record that would make its segment longer than this begins a new one.
    pub segment_bytes: u64,
    /// The head that was last seen elsewhere (in the Lease). If the journal does not hold it, it
    /// was rolled back, which is reported.
    pub expected: Option<Head>,
}

impl Default for JournalOptions {
    fn default() -> Self {
        Self { segment_bytes: SEGMENT_BYTES, expected: None }
    }
}

/// A journal that is written to. There is one per state directory.
#[derive(Debug)]
pub struct Journal<S> {
    storage: S,
    index: Index,
    segment_bytes: u64,
    /// The segment written to, and its length up to the last whole record.
    segment: u64,
    len: u64,
    /// A new segment has to be begun before anything else is appended.
    must_roll: bool,
    /// The last record appended, and the last one that is durable.
    appended: Head,
    head: Head,
    halted: Option<String>,
}

impl<S: JournalStorage> Journal<S> {
    /// Opens the journal in `storage`, mends the end of it, and tells what was found wrong.
    ///
    /// All records that are returned by queries afterwards are durable. Fails when the disk does,
    /// or with [`AuditError::Version`] on segments of another version, which are left untouched.
    pub fn open(storage: S, options: &JournalOptions) -> Result<(Self, Vec<Problem>), AuditError> {
        let mut index = Index::default();
        let mut walk = Walk::new();
        walk.advance(&storage, &mut |place, frame, head, problems| {
            index.add(place, frame, head, problems);
        })?;
        let mut journal = Self {
            storage,
            index,
            segment_bytes: options.segment_bytes,
            segment: walk.segment,
            len: walk.offset,
            must_roll: walk.segment == 0,
            appended: walk.head,
            head: walk.head,
            halted: None,
        };
        let mut problems = walk.problems;
        if let Some(tail) = walk.tail {
            problems.extend(journal.move_aside(&tail)?);
        }
        if journal.must_roll {
            journal.roll()?;
        }
        // Whole records may still be in memory only: they were never acknowledged, but will be
        // shown.
        let name = segment_name(journal.segment);
        journal.storage.sync(&name).map_err(|source| io_error("sync", &name, source))?;
        if let Some(expected) = options.expected
            && expected.seq > 0
            && !journal.index.holds(&expected)
        {
            let Head { seq, hash } = expected;
            problems.push(Problem::RolledBack { seq, hash, ends_at: journal.appended.seq });
        }
        Ok((journal, problems))
    }

    /// Appends a record written at `at`. It is durable, and may be acted upon, only after
    /// [`Journal::sync`]. An outcome must name an intent of this journal that has none yet.
    ///
    /// An intent whose rules stand in earlier segments only has them stated again before it: each
    /// segment is whole without those before it.
    ///
    /// `body` must be redacted: nothing here can recognise a secret.
    pub fn append(&mut self, at: Timestamp, body: Body) -> Result<ProofId, AuditError> {
        self.check_running()?;
        if let Body::Outcome(outcome) = &body {
            self.check_outcome(outcome)?;
        }
        let rules = match &body {
            Body::Intent(intent) => Some(intent.rules),
            _ => None,
        };
        let (record, body) = encoded(at, body)?;
        if body.len() > RECORD_BYTES_MAX {
            return Err(AuditError::TooLarge { bytes: body.len() });
        }
        let mut bytes = Frame::encode(&self.appended, &body);
        let begun = self.len > SEGMENT_HEADER_BYTES as u64;
        if self.must_roll || (begun && self.len + bytes.len() as u64 > self.segment_bytes) {
            self.roll()?;
        }
        if let Some(rules) = rules
            && self.state_again(at, &rules)?
        {
            bytes = Frame::encode(&self.appended, &body);
        }
        self.put(&record, &body, &bytes)
    }

    /// Writes `record`, encoded as `body` and framed as `bytes`, to the end of the segment.
    fn put(&mut self, record: &Record, body: &[u8], bytes: &[u8]) -> Result<ProofId, AuditError> {
        self.write(bytes)?;
        let head = self.appended.then(&Digest::of(body));
        let frame = Frame::written(&self.appended, body, bytes.len());
        let size = u32::try_from(bytes.len()).expect("a frame is at most RECORD_BYTES_MAX long");
        let place = Place { segment: self.segment, offset: self.len, bytes: size };
        self.index.add_written(place, &frame, head, record);
        self.len += u64::from(size);
        self.appended = head;
        Ok(ProofId::new(head.hash))
    }

    /// Appends `set` unless it is in force already, leaving out the texts that this segment holds.
    /// Returns the digest that intents name.
    pub fn append_rules(&mut self, at: Timestamp, mut set: RuleSet) -> Result<Digest, AuditError> {
        let digest = set.digest;
        if self.index.in_force() == Some(digest) && self.is_stated(&digest) {
            return Ok(digest);
        }
        let encode = |source: JsonError| AuditError::Encode { source };
        let size = serde_json::to_vec(&set).map_err(encode)?.len() + RECORD_BYTES_AROUND;
        // A set that may come to stand in the next segment brings all its texts along.
        if !self.must_roll && self.len + size as u64 <= self.segment_bytes {
            for file in &mut set.files {
                let held = self.index.rule_text(&file.digest);
                if held.is_some_and(|entry| entry.place.segment == self.segment) {
                    file.text = None;
                }
            }
        }
        self.append(at, Body::RuleSet(set))?;
        Ok(digest)
    }

    /// Whether the segment that is written to holds the rule set.
    fn is_stated(&self, rules: &Digest) -> bool {
        let held = self.index.rule_set(rules);
        held.is_some_and(|entry| entry.place.segment == self.segment)
    }

    /// Repeats a rule set, texts included, that earlier segments alone hold; false: no need to.
    fn state_again(&mut self, at: Timestamp, rules: &Digest) -> Result<bool, AuditError> {
        if self.is_stated(rules) {
            return Ok(false);
        }
        let Some(texts) = self.view().rules(rules)? else { return Ok(false) };
        let texts: Vec<(&str, &str)> =
            texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let (record, body) = encoded(at, Body::RuleSet(RuleSet::of(&texts)))?;
        let bytes = Frame::encode(&self.appended, &body);
        self.put(&record, &body, &bytes).map(|_| true)
    }

    /// Makes everything appended durable: one sync for all. Returns the head that now is.
    pub fn sync(&mut self) -> Result<Head, AuditError> {
        self.check_running()?;
        if self.head != self.appended {
            self.sync_segment()?;
            self.head = self.appended;
        }
        Ok(self.head)
    }

    /// The last durable record.
    pub fn head(&self) -> Head {
        self.head
    }

    /// The last record appended, durable or not.
    pub fn appended(&self) -> Head {
        self.appended
    }

    /// Answers questions about all records, also those not yet durable.
    pub fn view(&self) -> View<'_> {
        View::new(&self.storage, &self.index)
    }

    fn check_running(&self) -> Result<(), AuditError> {
        match &self.halted {
            None => Ok(()),
            Some(reason) => Err(AuditError::Halted { reason: reason.clone() }),
        }
    }

    fn check_outcome(&self, outcome: &Outcome) -> Result<(), AuditError> {
        let intent = outcome.intent;
        match self.index.intent(&intent) {
            None => Err(AuditError::NoIntent { intent }),
            Some(number) if !self.index.is_open(number) => Err(AuditError::OutcomeTwice { intent }),
            Some(_) => Ok(()),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), AuditError> {
        let name = segment_name(self.segment);
        let Err(source) = self.storage.append(&name, bytes) else { return Ok(()) };
        // Part of the record may be there: cut it off, so that the next one follows the last whole
        // one.
        if let Err(error) = self.storage.truncate(&name, self.len) {
            self.halted = Some(format!("`{name}` could not be cut after a failed write: {error}"));
        }
        Err(io_error("append to", &name, source))
    }

    fn sync_segment(&mut self) -> Result<(), AuditError> {
        let name = segment_name(self.segment);
        let Err(source) = self.storage.sync(&name) else { return Ok(()) };
        self.halted = Some(format!("`{name}` could not be synced: {source}"));
        Err(io_error("sync", &name, source))
    }

    /// Begins the next segment. May be called again after it failed.
    fn roll(&mut self) -> Result<(), AuditError> {
        if self.segment > 0 && !self.must_roll {
            self.sync_segment()?;
            self.head = self.appended;
        }
        self.must_roll = true;
        let number = self.segment + 1;
        let name = segment_name(number);
        self.storage.create(&name).map_err(|source| io_error("create", &name, source))?;
        self.begin(number)
    }

    /// Writes the header of segment `number`, whose file is empty.
    fn begin(&mut self, number: u64) -> Result<(), AuditError> {
        let name = segment_name(number);
        let header = SegmentHeader { number, before: self.appended }.encode();
        let append = self.storage.append(&name, &header);
        append.map_err(|source| io_error("append to", &name, source))?;
        self.storage.sync(&name).map_err(|source| io_error("sync", &name, source))?;
        self.segment = number;
        self.len = header.len() as u64;
        self.must_roll = false;
        Ok(())
    }

    /// Keeps the bytes of `tail` in a file of their own, then cuts them off.
    fn move_aside(&mut self, tail: &Tail) -> Result<Option<Problem>, AuditError> {
        let segment = segment_name(tail.segment);
        let aside = self.aside_name(tail)?;
        if !tail.bytes.is_empty() {
            let failed = |source| io_error("write", &aside, source);
            self.storage.create(&aside).map_err(failed)?;
            self.storage.append(&aside, &tail.bytes).map_err(failed)?;
            self.storage.sync(&aside).map_err(failed)?;
        }
        let failed = |source| io_error("cut", &segment, source);
        self.storage.truncate(&segment, tail.offset).map_err(failed)?;
        self.storage.sync(&segment).map_err(failed)?;
        if tail.offset == 0 {
            self.begin(tail.segment)?;
        } else {
            self.segment = tail.segment;
            self.len = tail.offset;
        }
        let bytes = tail.bytes.len() as u64;
        let torn = Problem::TornTail { segment, offset: tail.offset, bytes, aside };
        Ok((bytes > 0).then_some(torn))
    }

    /// A name that no other tail is kept under: the same place may be torn more than once.
    fn aside_name(&self, tail: &Tail) -> Result<String, AuditError> {
        let taken = self.storage.list().map_err(|source| io_error("list", "segments", source))?;
        let place = format!("{:06}-{:010}", tail.segment, tail.offset);
        let names = (2_u64..).map(|number| format!("{place}-{number}.torn"));
        let mut names = std::iter::once(format!("{place}.torn")).chain(names);
        Ok(names.find(|name| !taken.contains(name)).expect("fewer files than 2^64"))
    }

    /// The storage, for `verify` and `export`, which read it from the start.
    pub fn storage(&self) -> &S {
        &self.storage
    }

    /// How many segments there are.
    pub fn segment_count(&self) -> Result<usize, AuditError> {
        list_segments(&self.storage).map(|numbers| numbers.len())
    }
}

/// A record written at `at`, and its text.
fn encoded(at: Timestamp, body: Body) -> Result<(Record, Vec<u8>), AuditError> {
    let record = Record { schema: SCHEMA.to_owned(), at, body };
    let text = serde_json::to_vec(&record).map_err(|source| AuditError::Encode { source })?;
    Ok((record, text))
}
