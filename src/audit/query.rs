//! Questions: by id, object, unit, time and outcome, in pages.
//!
//! An outcome is never listed by itself: it stands with its intent. Cost: the index alone decides
//! what is listed; the disk is read for the records of one page.

use crate::audit::AuditError;
use crate::audit::Body;
use crate::audit::JournalStorage;
use crate::audit::Object;
use crate::audit::Outcome;
use crate::audit::OutcomeKind;
use crate::audit::ProofId;
use crate::audit::Record;
use crate::audit::RecordKind;
use crate::audit::RuleSet;
use crate::audit::frame::Frame;
use crate::audit::frame::Head;
use crate::audit::id::hashes_between;
use crate::audit::index::Entry;
use crate::audit::index::Index;
use crate::audit::scan::segment_name;
use crate::model::Digest;
use crate::model::Timestamp;

/// Most candidates that an ambiguous id lists.
const CANDIDATES_MAX: usize = 5;

/// What to list. The default lists everything, oldest first, 100 at a time.
#[derive(Clone, Debug)]
pub struct Query {
    /// Only records about this object.
    pub object: Option<Object>,
    /// Only records of this unit.
    pub unit: Option<String>,
    /// Only records written then or later.
    pub since: Option<Timestamp>,
    /// Only records written before.
    pub until: Option<Timestamp>,
    /// Only records of this kind.
    pub kind: Option<RecordKind>,
    /// Only intents that ended so.
    pub outcome: Option<OutcomeIs>,
    /// Which end to begin at.
    pub order: Order,
    /// Where the page before ended: [`Page::next`].
    pub after: Option<u64>,
    /// Most items in one page; at least 1.
    pub limit: usize,
}

impl Default for Query {
    fn default() -> Self {
        Self {
            object: None,
            unit: None,
            since: None,
            until: None,
            kind: None,
            outcome: None,
            order: Order::OldestFirst,
            after: None,
            limit: 100,
        }
    }
}

/// How an intent ended, as asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutcomeIs {
    /// It has no outcome.
    Open,
    /// It has this one.
    Result(OutcomeKind),
}

/// Which end a list begins at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// By record number.
    OldestFirst,
    /// By record number, last first.
    NewestFirst,
}

/// A part of a list.
#[derive(Clone, Debug)]
pub struct Page {
    /// The items.
    pub items: Vec<Item>,
    /// What to put into [`Query::after`] for the next page; `None` at the end.
    pub next: Option<u64>,
}

/// One record, with the outcome that it may have.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Its number in the journal.
    pub seq: u64,
    /// Its id.
    pub id: ProofId,
    /// What it says.
    pub record: Record,
    /// An intent's outcome and when it was written.
    pub outcome: Option<(Timestamp, Outcome)>,
}

/// A journal as it was read last.
#[derive(Clone, Copy)]
pub struct View<'a> {
    storage: &'a dyn JournalStorage,
    index: &'a Index,
}

impl<'a> View<'a> {
    pub(super) fn new(storage: &'a dyn JournalStorage, index: &'a Index) -> Self {
        Self { storage, index }
    }

    /// One page of what `query` asks for.
    pub fn list(&self, query: &Query) -> Result<Page, AuditError> {
        let limit = query.limit.max(1);
        let mut found = self.index.matching(query);
        let mut entries: Vec<&Entry> = found.by_ref().take(limit).collect();
        let more = found.next().is_some();
        let next = more.then(|| entries.last().map(|entry| entry.seq)).flatten();
        let items = entries.drain(..).map(|entry| self.item(entry)).collect::<Result<_, _>>()?;
        Ok(Page { items, next })
    }

    /// When the first and the last record were written.
    pub fn span(&self) -> Option<(Timestamp, Timestamp)> {
        let (first, last) = (self.index.entries.first()?, self.index.entries.last()?);
        Some((first.at, last.at))
    }

    /// The objects that records are about, in no order.
    pub fn objects(&self) -> impl Iterator<Item = &'a Object> {
        self.index.objects()
    }

    /// How many records `query` asks for in all, whatever its page.
    pub fn count(&self, query: &Query) -> usize {
        self.index.matching(&Query { after: None, ..query.clone() }).count()
    }

    /// The record that `text` names: a proof id, or a beginning of one with at least
    /// [`ProofId::DIGITS_MIN`] digits, in any case. An outcome's id gives its intent.
    pub fn find(&self, text: &str) -> Result<Item, AuditError> {
        let bad = || AuditError::BadId { text: text.to_owned() };
        let lower = text.to_ascii_lowercase();
        let digits = lower.strip_prefix("p-").ok_or_else(bad)?;
        if digits.len() < ProofId::DIGITS_MIN {
            return Err(bad());
        }
        let (low, high) = hashes_between(digits).ok_or_else(bad)?;
        let mut fitting = self.index.between(low, high);
        let Some((first, number)) = fitting.next() else {
            return Err(AuditError::UnknownId { text: text.to_owned() });
        };
        let others: Vec<&ProofId> = fitting.map(|(id, _)| id).take(CANDIDATES_MAX - 1).collect();
        if !others.is_empty() {
            let candidates = std::iter::once(first).chain(others);
            let candidates = candidates.map(|id| self.short_id(id)).collect();
            return Err(AuditError::AmbiguousId { text: text.to_owned(), candidates });
        }
        let of = |number: usize| self.index.entries.get(number);
        let entry = of(number).ok_or_else(bad)?;
        match (entry.kind, entry.partner.and_then(of)) {
            (RecordKind::Outcome, Some(intent)) => self.item(intent),
            _ => self.item(entry),
        }
    }

    /// `P-` and as many digits as tell `id` from all others here: at least
    /// [`ProofId::DIGITS_SHORT`].
    pub fn short_id(&self, id: &ProofId) -> String {
        let hex = id.hash().hex();
        let shared = |other: &ProofId| {
            let other = other.hash().hex();
            hex.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count()
        };
        let neighbours = self.index.neighbours(id);
        let shared = neighbours.into_iter().flatten().map(shared).max().unwrap_or(0);
        id.with_digits(ProofId::DIGITS_SHORT.max(shared + 1))
    }

    /// The intents without outcome, oldest first: after a crash each one is observed again.
    pub fn open_intents(&self) -> Result<Vec<Item>, AuditError> {
        self.index.open().map(|entry| self.item(entry)).collect()
    }

    /// The rule set that was in force last, as far as records tell.
    pub fn rules_in_force(&self) -> Option<Digest> {
        self.index.in_force()
    }

    /// The texts of rule set `digest` as (name, text), in load order. `None`: not in this journal.
    pub fn rules(&self, digest: &Digest) -> Result<Option<Vec<(String, String)>>, AuditError> {
        let Some(entry) = self.index.rule_set(digest) else { return Ok(None) };
        let mut texts = Vec::new();
        for file in self.rule_set(entry)?.files {
            let text = match file.text {
                Some(text) => Some(text),
                None => self.rule_text(&file.digest)?,
            };
            let Some(text) = text else { return Ok(None) };
            texts.push((file.name, text));
        }
        Ok(Some(texts))
    }

    /// Whether this journal holds record `head.seq` with `head.hash`. The empty head is in every
    /// one.
    pub fn holds(&self, head: &Head) -> bool {
        head.seq == 0 || self.index.holds(head)
    }

    /// The highest generation of facts that any record names: later ones must be greater.
    pub fn last_generation(&self) -> Option<u64> {
        self.index.entries.iter().filter_map(|entry| entry.generation).max()
    }

    fn rule_set(&self, entry: &Entry) -> Result<RuleSet, AuditError> {
        match self.record(entry)?.body {
            Body::RuleSet(set) => Ok(set),
            _ => Err(AuditError::Unreadable { seq: entry.seq }),
        }
    }

    fn rule_text(&self, digest: &Digest) -> Result<Option<String>, AuditError> {
        let Some(entry) = self.index.rule_text(digest) else { return Ok(None) };
        let files = self.rule_set(entry)?.files;
        Ok(files.into_iter().find(|file| file.digest == *digest).and_then(|file| file.text))
    }

    pub(super) fn item(&self, entry: &Entry) -> Result<Item, AuditError> {
        let record = self.record(entry)?;
        let partner = entry.partner.and_then(|number| self.index.entries.get(number));
        let outcome = match partner {
            Some(partner) if entry.kind == RecordKind::Intent => {
                let Record { at, body, .. } = self.record(partner)?;
                match body {
                    Body::Outcome(outcome) => Some((at, outcome)),
                    _ => return Err(AuditError::Unreadable { seq: partner.seq }),
                }
            }
            _ => None,
        };
        Ok(Item { seq: entry.seq, id: entry.id, record, outcome })
    }

    fn record(&self, entry: &Entry) -> Result<Record, AuditError> {
        let name = segment_name(entry.place.segment);
        let unreadable = || AuditError::Unreadable { seq: entry.seq };
        let bytes = self
            .storage
            .read(&name, entry.place.offset, entry.place.bytes as usize)
            .map_err(|source| AuditError::Io { doing: "read", name, source })?;
        let frame = Frame::decode(&bytes).filter(|frame| frame.seq == entry.seq);
        let frame = frame.ok_or_else(unreadable)?;
        serde_json::from_slice(&frame.body)
            .map_err(|source| AuditError::Decode { seq: entry.seq, source })
    }
}

impl Query {
    /// Whether `entry` is asked for, its object and unit aside.
    pub(super) fn admits(&self, entry: &Entry) -> bool {
        let outcome = match self.outcome {
            None => true,
            Some(_) if entry.kind != RecordKind::Intent => false,
            Some(OutcomeIs::Open) => entry.partner.is_none(),
            Some(OutcomeIs::Result(result)) => entry.result == Some(result),
        };
        let behind = self.after.is_none_or(|after| match self.order {
            Order::OldestFirst => entry.seq > after,
            Order::NewestFirst => entry.seq < after,
        });
        outcome
            && behind
            && entry.kind != RecordKind::Outcome
            && self.kind.is_none_or(|kind| entry.kind == kind)
            && self.since.is_none_or(|since| entry.at >= since)
            && self.until.is_none_or(|until| entry.at < until)
    }
}
