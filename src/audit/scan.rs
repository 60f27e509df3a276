//! Walks the segments from first to last and checks that each record follows the one before it.
//!
//! In: a storage. Out: every whole record with its place, the head, the problems, and the tail:
//! bytes at the very end that are no record (yet). A reader leaves the tail alone, since a writer
//! may be about to finish it; the writer moves it aside when it opens.
//!
//! Bytes in the middle that are no record are stepped over to the next whole record, never cut.

use std::io;

use crate::audit::AuditError;
use crate::audit::Head;
use crate::audit::JournalStorage;
use crate::audit::Problem;
use crate::audit::frame::BadHeader;
use crate::audit::frame::Frame;
use crate::audit::frame::SEGMENT_HEADER_BYTES;
use crate::audit::frame::SegmentHeader;

/// Furthest that a record number may jump behind damage: bounds what garbage is mistaken for.
const SEQ_JUMP_MAX: u64 = 1 << 20;

/// The file of segment `number`.
pub(super) fn segment_name(number: u64) -> String {
    format!("{number:06}.seg")
}

/// The numbers of all segments, lowest first.
pub(super) fn list_segments(storage: &dyn JournalStorage) -> Result<Vec<u64>, AuditError> {
    let names = storage.list().map_err(|source| io_error("list", "segments", source))?;
    let number = |name: &String| {
        let number: u64 = name.strip_suffix(".seg")?.parse().ok()?;
        (*name == segment_name(number)).then_some(number)
    };
    let mut numbers: Vec<u64> = names.iter().filter_map(number).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

pub(super) fn io_error(doing: &'static str, name: &str, source: io::Error) -> AuditError {
    AuditError::Io { doing, name: name.to_owned(), source }
}

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) segment: u64,
    pub(super) offset: u64,
    pub(super) bytes: u32,
}

/// Bytes at the end of the last segment that are no record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tail {
    pub(super) segment: u64,
    pub(super) offset: u64,
    pub(super) bytes: Vec<u8>,
}

/// How far a walk has come. Walking again goes on from there.
#[derive(Clone, Debug)]
pub(super) struct Walk {
    /// The last record.
    pub(super) head: Head,
    /// The head before the first segment that is there: not empty when older ones were archived.
    pub(super) start: Option<Head>,
    /// The segment walked last, and the end of its last record. Segment 0: none yet.
    pub(super) segment: u64,
    pub(super) offset: u64,
    pub(super) tail: Option<Tail>,
    pub(super) problems: Vec<Problem>,
}

/// Takes each record that a walk finds, and adds to the problems what it finds wrong in it.
pub(super) type Visit<'a> = &'a mut dyn FnMut(Place, &Frame<'_>, Head, &mut Vec<Problem>);

impl Walk {
    /// A walk that has not begun.
    pub(super) fn new() -> Self {
        Self {
            head: Head::empty(),
            start: None,
            segment: 0,
            offset: 0,
            tail: None,
            problems: Vec::new(),
        }
    }

    /// Visits every record that was not visited before.
    pub(super) fn advance(
        &mut self,
        storage: &dyn JournalStorage,
        visit: Visit<'_>,
    ) -> Result<(), AuditError> {
        // The list comes first: a segment that has a successor in it was complete before it was
        // read.
        let numbers = list_segments(storage)?;
        let last = numbers.last().copied();
        for number in numbers {
            if number < self.segment {
                continue;
            }
            if number > self.segment {
                self.segment = number;
                self.offset = 0;
            }
            self.tail = None;
            let name = segment_name(number);
            let bytes = storage
                .read(&name, self.offset, usize::MAX)
                .map_err(|source| io_error("read", &name, source))?;
            self.walk_segment(&name, &bytes, last == Some(number), visit)?;
        }
        Ok(())
    }

    /// Walks `bytes`, which begin at `self.offset` of the segment `name`.
    fn walk_segment(
        &mut self,
        name: &str,
        bytes: &[u8],
        is_last: bool,
        visit: Visit<'_>,
    ) -> Result<(), AuditError> {
        let base = self.offset;
        let mut at = 0;
        let mut behind_damage = false;
        if base == 0 {
            match self.header(name, bytes)? {
                true => at = SEGMENT_HEADER_BYTES,
                false => behind_damage = true,
            }
        }
        while at < bytes.len() || behind_damage {
            let rest = bytes.get(at..).unwrap_or_default();
            let whole = if behind_damage { None } else { Frame::decode(rest) };
            let (skipped, frame) = match whole {
                Some(frame) => (0, Some(frame)),
                None => find_frame(rest, self.head.seq),
            };
            let offset = base + at as u64;
            let Some(frame) = frame else {
                if is_last {
                    self.tail = Some(Tail { segment: self.segment, offset, bytes: rest.to_vec() });
                } else {
                    self.damaged(name, offset, rest.len());
                }
                return Ok(());
            };
            if skipped > 0 || behind_damage {
                self.damaged(name, offset, skipped);
            }
            behind_damage = false;
            at += skipped;
            let lost = skipped > 0 && frame.seq > self.head.seq + 1;
            self.take(name, base + at as u64, &frame, lost, visit);
            at += frame.size();
            self.offset = base + at as u64;
        }
        self.offset = base + at as u64;
        Ok(())
    }

    /// Reads the header at the start of a segment. `false`: it is damaged.
    fn header(&mut self, name: &str, bytes: &[u8]) -> Result<bool, AuditError> {
        let header = match SegmentHeader::decode(bytes) {
            Ok(header) if header.number == self.segment => header,
            Err(BadHeader::Version(found)) => {
                return Err(AuditError::Version { segment: name.to_owned(), found });
            }
            Ok(_) | Err(BadHeader::Damaged) => return Ok(false),
        };
        self.offset = SEGMENT_HEADER_BYTES as u64;
        if self.start.is_none() {
            self.start = Some(header.before);
        } else if header.before.seq > self.head.seq {
            let (from, to) = (self.head.seq + 1, header.before.seq);
            self.problems.push(Problem::Missing { segment: name.to_owned(), from, to });
        } else if header.before != self.head {
            let (segment, seq) = (name.to_owned(), header.before.seq);
            self.problems.push(Problem::ChainBroken { segment, offset: 0, seq });
        }
        self.head = header.before;
        Ok(true)
    }

    fn take(&mut self, name: &str, offset: u64, frame: &Frame<'_>, lost: bool, visit: Visit<'_>) {
        let follows = frame.seq == self.head.seq + 1 && frame.prev == self.head.hash;
        if !follows && !lost {
            let segment = name.to_owned();
            self.problems.push(Problem::ChainBroken { segment, offset, seq: frame.seq });
        }
        self.start.get_or_insert(Head { seq: frame.seq.saturating_sub(1), hash: frame.prev });
        self.head = Head { seq: frame.seq, hash: frame.hash() };
        let bytes = u32::try_from(frame.size()).expect("a frame is at most RECORD_BYTES_MAX long");
        let place = Place { segment: self.segment, offset, bytes };
        visit(place, frame, self.head, &mut self.problems);
    }

    fn damaged(&mut self, name: &str, offset: u64, bytes: usize) {
        let segment = name.to_owned();
        self.problems.push(Problem::Damaged { segment, offset, bytes: bytes as u64 });
    }
}

/// The first whole frame in `bytes` that can follow record `seq`, and the bytes before it.
fn find_frame(bytes: &[u8], seq: u64) -> (usize, Option<Frame<'_>>) {
    for skipped in 0..bytes.len() {
        let rest = bytes.get(skipped..).unwrap_or_default();
        let Some(found) = Frame::peek_seq(rest) else { break };
        if found > seq
            && found - seq <= SEQ_JUMP_MAX
            && let Some(frame) = Frame::decode(rest)
        {
            return (skipped, Some(frame));
        }
    }
    (bytes.len(), None)
}
