//! What the journal holds, in memory: one small entry per record, filled by one walk.
//!
//! Cost: about 150 bytes a record; looking up by id, object or unit never reads the disk.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::collections::HashSet;
use std::ops::Bound::Excluded;
use std::ops::Bound::Unbounded;

use serde::Deserialize;

use crate::audit::Body;
use crate::audit::NoteKind;
use crate::audit::Object;
use crate::audit::Order;
use crate::audit::OutcomeKind;
use crate::audit::Problem;
use crate::audit::ProofId;
use crate::audit::Query;
use crate::audit::Record;
use crate::audit::RecordKind;
use crate::audit::RuleSet;
use crate::audit::frame::Frame;
use crate::audit::frame::Head;
use crate::audit::scan::Place;
use crate::audit::text;
use crate::model::Digest;
use crate::model::Timestamp;

/// The detail of a recovery note that says what was lost, and what it says of records.
const LOST: &str = "lost";
const LOST_RECORDS: &str = "records";

/// One record.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) seq: u64,
    pub(super) id: ProofId,
    pub(super) at: Timestamp,
    pub(super) kind: RecordKind,
    pub(super) place: Place,
    /// An intent's outcome, an outcome's intent: the number of its entry.
    pub(super) partner: Option<usize>,
    /// An intent's result, once it has one.
    pub(super) result: Option<OutcomeKind>,
    pub(super) generation: Option<u64>,
}

/// All records that are there.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    pub(super) entries: Vec<Entry>,
    by_id: BTreeMap<ProofId, usize>,
    by_object: HashMap<Object, Vec<usize>>,
    by_unit: HashMap<String, Vec<usize>>,
    /// Rule sets and rule texts, each with the last entry that holds it.
    rule_sets: HashMap<Digest, usize>,
    rule_texts: HashMap<Digest, usize>,
    /// Rule sets that intents name and nobody holds: each is a problem once.
    unknown_rules: HashSet<Digest>,
    /// The rule set that was stated, or rested on, last.
    in_force: Option<Digest>,
    /// What was noted of records that are lost: when, and what.
    pub(super) losses: Vec<(Timestamp, String)>,
    /// What records rest on that stood before the first segment, where that is not number 1.
    pub(super) before: Option<Before>,
    /// Intents without outcome, oldest first.
    open: BTreeSet<usize>,
}

/// What stood in segments that were moved away from the front, as far as later records tell.
#[derive(Clone, Debug, Default)]
pub(super) struct Before {
    /// Intents whose outcome is here.
    pub(super) intents: HashSet<ProofId>,
    /// Rule sets of which a text is not here, and which records here rest on.
    pub(super) rules: HashSet<Digest>,
}

/// The parts of a record that the index needs; the proof is skipped, not built.
#[derive(Deserialize)]
struct Outline {
    kind: RecordKind,
    #[serde(with = "text::time")]
    at: Timestamp,
    #[serde(default)]
    generation: Option<u64>,
    #[serde(default, deserialize_with = "text::digest_option::deserialize")]
    rules: Option<Digest>,
    #[serde(default)]
    action: Option<ActionOutline>,
    #[serde(default)]
    unit: Option<String>,
    #[serde(default)]
    object: Option<Object>,
    #[serde(default)]
    intent: Option<String>,
    #[serde(default)]
    result: Option<OutcomeKind>,
    #[serde(default)]
    about: Option<NoteKind>,
    #[serde(default)]
    text: String,
    #[serde(default)]
    fields: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct ActionOutline {
    #[serde(default)]
    unit: Option<String>,
    #[serde(default)]
    object: Option<Object>,
}

impl Outline {
    fn of(record: &Record) -> Self {
        let mut outline = Self {
            kind: record.body.kind(),
            at: record.at,
            generation: None,
            rules: None,
            action: None,
            unit: None,
            object: None,
            intent: None,
            result: None,
            about: None,
            text: String::new(),
            fields: BTreeMap::new(),
        };
        match &record.body {
            Body::Intent(intent) => {
                let (unit, object) = (intent.action.unit.clone(), intent.action.object.clone());
                outline.generation = Some(intent.generation);
                outline.rules = Some(intent.rules);
                outline.action = Some(ActionOutline { unit, object });
            }
            Body::Outcome(outcome) => {
                outline.intent = Some(outcome.intent.to_string());
                outline.result = Some(outcome.result);
            }
            Body::Adoption(adoption) => {
                outline.unit = Some(adoption.unit.clone());
                outline.object = Some(adoption.object.clone());
            }
            Body::Note(note) => {
                outline.about = Some(note.about);
                outline.text.clone_from(&note.text);
                outline.fields.clone_from(&note.fields);
            }
            Body::RuleSet(_) => {}
        }
        outline
    }
}

impl Index {
    /// Takes one record in. What contradicts the records before it is a problem, not an error.
    pub(super) fn add(
        &mut self,
        place: Place,
        frame: &Frame<'_>,
        head: Head,
        problems: &mut Vec<Problem>,
    ) {
        match serde_json::from_slice(&frame.body) {
            Ok(outline) => self.add_outline(place, frame, head, outline, problems),
            Err(error) => problems.push(Problem::Body { seq: frame.seq, why: error.to_string() }),
        }
    }

    /// Takes in a record that was written just now: nothing of it needs to be read.
    pub(super) fn add_written(
        &mut self,
        place: Place,
        frame: &Frame<'_>,
        head: Head,
        record: &Record,
    ) {
        // What could be wrong in it was checked, or is the caller's word and shown by `verify`.
        self.add_outline(place, frame, head, Outline::of(record), &mut Vec::new());
    }

    fn add_outline(
        &mut self,
        place: Place,
        frame: &Frame<'_>,
        head: Head,
        outline: Outline,
        problems: &mut Vec<Problem>,
    ) {
        let seq = frame.seq;
        let number = self.entries.len();
        if number == 0 && place.segment > 1 {
            self.before = Some(Before::default());
        }
        let id = ProofId::new(head.hash);
        self.by_id.insert(id, number);
        self.entries.push(Entry {
            seq,
            id,
            at: outline.at,
            kind: outline.kind,
            place,
            partner: None,
            result: None,
            generation: outline.generation,
        });
        match outline.kind {
            RecordKind::Intent => self.add_intent(number, outline, problems),
            RecordKind::Outcome => self.add_outcome(number, &outline, problems),
            RecordKind::Adoption => self.add_names(number, outline.unit, outline.object),
            RecordKind::RuleSet => self.add_rules(number, frame, problems),
            RecordKind::Note => self.add_note(outline),
        }
    }

    fn add_note(&mut self, note: Outline) {
        let is_lost = note.fields.get(LOST).is_some_and(|what| what == LOST_RECORDS);
        if note.about == Some(NoteKind::Recovery) && is_lost {
            self.losses.push((note.at, note.text));
        }
    }

    fn add_intent(&mut self, number: usize, outline: Outline, problems: &mut Vec<Problem>) {
        self.open.insert(number);
        let seq = self.entries.get(number).map_or(0, |entry| entry.seq);
        self.in_force = outline.rules.or(self.in_force);
        if let Some(rules) = outline.rules
            && !self.rule_sets.contains_key(&rules)
            && self.unknown_rules.insert(rules)
        {
            self.lacks_rules(seq, rules, rules, problems);
        }
        if let Some(action) = outline.action {
            self.add_names(number, action.unit, action.object);
        }
    }

    fn add_outcome(&mut self, number: usize, outline: &Outline, problems: &mut Vec<Problem>) {
        let seq = self.entries.get(number).map_or(0, |entry| entry.seq);
        let Some(intent) = outline.intent.as_deref().and_then(ProofId::parse) else {
            problems.push(Problem::Body { seq, why: "an outcome names its intent".to_owned() });
            return;
        };
        let of = self.intent(&intent);
        let Some(of) = of else {
            match self.before.as_mut().map(|before| before.intents.insert(intent)) {
                Some(true) => {}
                Some(false) => problems.push(Problem::SecondOutcome { seq, intent }),
                None => problems.push(Problem::OutcomeWithoutIntent { seq, intent }),
            }
            return;
        };
        if !self.open.remove(&of) {
            problems.push(Problem::SecondOutcome { seq, intent });
            return;
        }
        if let Some(entry) = self.entries.get_mut(of) {
            entry.partner = Some(number);
            entry.result = outline.result;
        }
        if let Some(entry) = self.entries.get_mut(number) {
            entry.partner = Some(of);
        }
    }

    fn add_names(&mut self, number: usize, unit: Option<String>, object: Option<Object>) {
        if let Some(unit) = unit {
            self.by_unit.entry(unit).or_default().push(number);
        }
        if let Some(object) = object {
            self.by_object.entry(object).or_default().push(number);
        }
    }

    fn add_rules(&mut self, number: usize, frame: &Frame<'_>, problems: &mut Vec<Problem>) {
        match serde_json::from_slice::<RuleSet>(&frame.body) {
            Ok(set) => self.add_rule_set(number, &set, problems),
            Err(error) => {
                problems.push(Problem::Body { seq: frame.seq, why: error.to_string() });
            }
        }
    }

    /// Takes in a rule set that entry `number` holds.
    pub(super) fn add_rule_set(
        &mut self,
        number: usize,
        set: &RuleSet,
        problems: &mut Vec<Problem>,
    ) {
        let seq = self.entries.get(number).map_or(0, |entry| entry.seq);
        for file in &set.files {
            match &file.text {
                Some(text) if Digest::of(text.as_bytes()) == file.digest => {
                    self.rule_texts.insert(file.digest, number);
                }
                Some(_) => problems.push(Problem::RuleText { seq, file: file.name.clone() }),
                None if self.rule_texts.contains_key(&file.digest) => {}
                None => self.lacks_rules(seq, file.digest, set.digest, problems),
            }
        }
        if RuleSet::digest_of(&set.files) == set.digest {
            self.rule_sets.insert(set.digest, number);
            self.in_force = Some(set.digest);
        } else {
            problems.push(Problem::RulesUnknown { seq, rules: set.digest });
        }
    }

    /// Record `seq` needs `what` of the rule set `of`, which nothing before it holds.
    fn lacks_rules(&mut self, seq: u64, what: Digest, of: Digest, problems: &mut Vec<Problem>) {
        match &mut self.before {
            Some(before) => {
                before.rules.insert(of);
            }
            None => problems.push(Problem::RulesUnknown { seq, rules: what }),
        }
    }

    /// The number of the intent with this id.
    pub(super) fn intent(&self, id: &ProofId) -> Option<usize> {
        let number = *self.by_id.get(id)?;
        let entry = self.entries.get(number)?;
        (entry.kind == RecordKind::Intent).then_some(number)
    }

    /// Whether the intent with this number still lacks an outcome.
    pub(super) fn is_open(&self, number: usize) -> bool {
        self.open.contains(&number)
    }

    /// Intents without outcome, oldest first.
    pub(super) fn open(&self) -> impl Iterator<Item = &Entry> {
        self.open.iter().filter_map(|number| self.entries.get(*number))
    }

    /// The records with ids from `low` to `high`.
    pub(super) fn between(
        &self,
        low: Digest,
        high: Digest,
    ) -> impl Iterator<Item = (&ProofId, usize)> {
        self.by_id.range(ProofId::new(low)..=ProofId::new(high)).map(|(id, number)| (id, *number))
    }

    /// The ids right before and after `id`.
    pub(super) fn neighbours(&self, id: &ProofId) -> [Option<&ProofId>; 2] {
        let before = self.by_id.range(..id).next_back().map(|(id, _)| id);
        let after = self.by_id.range((Excluded(id), Unbounded)).next().map(|(id, _)| id);
        [before, after]
    }

    /// Records about `object`, oldest first.
    pub(super) fn of_object(&self, object: &Object) -> &[usize] {
        self.by_object.get(object).map_or(&[], Vec::as_slice)
    }

    /// The objects that records are about, in no order.
    pub(super) fn objects(&self) -> impl Iterator<Item = &'_ Object> {
        self.by_object.keys()
    }

    /// Records of `unit`, oldest first.
    pub(super) fn of_unit(&self, unit: &str) -> &[usize] {
        self.by_unit.get(unit).map_or(&[], Vec::as_slice)
    }

    /// The records that `query` asks for, all pages.
    pub(super) fn matching<'q>(
        &'q self,
        query: &'q Query,
    ) -> Box<dyn Iterator<Item = &'q Entry> + 'q> {
        let pick =
            |numbers: &'q [usize]| numbers.iter().filter_map(|number| self.entries.get(*number));
        let entries: Box<dyn DoubleEndedIterator<Item = &'q Entry> + 'q> =
            match (&query.object, &query.unit) {
                (Some(object), _) => Box::new(pick(self.of_object(object))),
                (None, Some(unit)) => Box::new(pick(self.of_unit(unit))),
                (None, None) => Box::new(self.entries.iter()),
            };
        // An object has few records: with both given, the unit's list is looked up for each.
        let of_unit = match (&query.object, &query.unit) {
            (Some(_), Some(unit)) => Some(self.of_unit(unit)),
            _ => None,
        };
        let seq_of = |number: &usize| self.entries.get(*number).map_or(0, |entry| entry.seq);
        let fits = move |entry: &&Entry| {
            of_unit.is_none_or(|unit| unit.binary_search_by_key(&entry.seq, seq_of).is_ok())
                && query.admits(entry)
        };
        match query.order {
            Order::OldestFirst => Box::new(entries.filter(fits)),
            Order::NewestFirst => Box::new(entries.rev().filter(fits)),
        }
    }

    /// The rule set that was stated, or rested on, last.
    pub(super) fn in_force(&self) -> Option<Digest> {
        self.in_force
    }

    /// The entry that holds rule set `digest`, the last of several.
    pub(super) fn rule_set(&self, digest: &Digest) -> Option<&Entry> {
        self.rule_sets.get(digest).and_then(|number| self.entries.get(*number))
    }

    /// The entry that holds the rule text with `digest`, the last of several.
    pub(super) fn rule_text(&self, digest: &Digest) -> Option<&Entry> {
        self.rule_texts.get(digest).and_then(|number| self.entries.get(*number))
    }

    /// How many different rule sets are there.
    pub(super) fn rule_set_count(&self) -> usize {
        self.rule_sets.len()
    }

    /// Whether record `head.seq` is there and has `head.hash`.
    pub(super) fn holds(&self, head: &Head) -> bool {
        let found = self.by_id.get(&ProofId::new(head.hash));
        found.and_then(|number| self.entries.get(*number)).is_some_and(|e| e.seq == head.seq)
    }
}
