//! Loading: many facts at once into an engine, as words, with nobody told what each one changes.
//!
//! In: values that are looked up once each, rows of their words, and the changes behind them in
//! order. Out: the next generation, and its rows of `.output` relations. This is how an engine
//! starts from a record: a million rows cost one look-up per different value and one sort per
//! index.
//!
//! Not here: where the record stands (`facts`).

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::sync::Arc;

use crate::datalog::engine::Delta;
use crate::datalog::engine::Engine;
use crate::datalog::fact::Fact;
use crate::datalog::fact::Transaction;
use crate::datalog::fault::Refused;
use crate::datalog::keep;
use crate::datalog::keep::Conclusions;
use crate::datalog::maintain::Work;
use crate::datalog::store::End;
use crate::datalog::store::Interner;
use crate::datalog::store::Uses;
use crate::datalog::value::Row;
use crate::datalog::value::Type;
use crate::datalog::value::Value;
use crate::datalog::world::World;

/// Rows to assert, by relation.
#[derive(Default)]
pub(crate) struct Batches {
    all: BTreeMap<usize, Batch>,
    /// Rows whose words are not looked up yet.
    waiting: Vec<(usize, Row)>,
}

/// Rows of one relation, one after the other.
#[derive(Default)]
struct Batch {
    words: Vec<u32>,
    count: usize,
    /// Since when some of them hold, by their place.
    since: Vec<(usize, u64)>,
}

/// How many rows are looked up together.
const TOGETHER: usize = 64;

impl Batches {
    /// Adds a row of values.
    pub(crate) fn add(
        &mut self,
        interner: &mut Interner,
        relation: usize,
        row: Row,
        since: Option<u64>,
    ) {
        let batch = self.all.entry(relation).or_default();
        batch.since.extend(since.map(|since| (batch.count, since)));
        batch.count += 1;
        self.waiting.push((relation, row));
        if self.waiting.len() == TOGETHER {
            self.settle(interner);
        }
    }

    /// Looks up what waits. Must be called behind the last row.
    pub(crate) fn settle(&mut self, interner: &mut Interner) {
        let mut words = Vec::with_capacity(TOGETHER * 4);
        interner.intern_many(self.waiting.iter().flat_map(|(_, row)| row), &mut words);
        let mut words = words.into_iter();
        for (relation, row) in self.waiting.drain(..) {
            let batch = self.all.entry(relation).or_default();
            batch.words.extend(words.by_ref().take(row.len()));
        }
    }

    /// As [`Batches::settle`], and puts the words made since `end` in the order of their values.
    pub(crate) fn settle_in_order(&mut self, interner: &mut Interner, end: &End) {
        self.settle(interner);
        let words = self.all.values_mut().flat_map(|batch| &mut batch.words);
        interner.put_in_order(end, words);
    }

    /// How many rows there are.
    pub(crate) fn count(&self) -> usize {
        self.all.values().map(|batch| batch.count).sum()
    }

    pub(crate) fn assert(&self, work: &mut Work<'_>) {
        for (relation, Batch { words, count, .. }) in &self.all {
            work.assert_many(*relation, words, *count);
        }
    }

    /// The rows of which is known since when they hold.
    pub(crate) fn since(&self) -> impl Iterator<Item = (usize, &[u32], u64)> {
        self.all.iter().flat_map(|(relation, batch)| {
            let arity = batch.words.len() / batch.count.max(1);
            let row = move |at: usize| &batch.words[at * arity..(at + 1) * arity];
            batch.since.iter().map(move |(at, since)| (*relation, row(*at), *since))
        })
    }
}

/// A value that was looked up.
#[derive(Clone, Copy, Debug)]
pub struct Word {
    word: u32,
    base: Type,
}

/// Takes the rows of a record into an engine.
pub struct Loader<'e> {
    engine: &'e mut Engine,
    batches: Batches,
    /// The last word on rows that changed behind the rest: since when they hold, if they do.
    later: HashMap<(usize, Box<[u32]>), Option<u64>>,
    refused: Vec<Refused>,
    /// The engine as it was, when a kept generation stands in its place.
    before: Option<(World, Option<Uses>)>,
    /// What other rules had concluded, in a kept generation that is not taken.
    earlier: Option<Conclusions>,
}

/// How `.output` relations differ from what other rules had concluded, by name: how many rows came
/// and went, and the first of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reversal {
    /// The relation.
    pub relation: Arc<str>,
    /// Rows that hold now and did not.
    pub came: usize,
    /// Rows that held and do not now.
    pub went: usize,
    /// The smallest that came.
    pub first_come: Option<Fact>,
    /// The smallest that went.
    pub first_gone: Option<Fact>,
}

impl<'e> Loader<'e> {
    pub(crate) fn new(engine: &'e mut Engine) -> Self {
        let (batches, later) = (Batches::default(), HashMap::new());
        Self { engine, batches, later, refused: Vec::new(), before: None, earlier: None }
    }

    /// Takes a generation that [`Reader::save`](crate::datalog::Reader::save) wrote instead of
    /// rows, if it is one of this program by this build; only changes may follow. No words may be
    /// held. What is not taken is remembered for [`Loader::finish_and_compare`].
    pub fn resume(&mut self, bytes: &[u8], is_own: bool) -> bool {
        let before = self.engine.set_aside();
        let taken = is_own && self.engine.restore(bytes);
        if taken {
            self.before.get_or_insert(before);
        } else {
            self.earlier = keep::conclusions(bytes);
        }
        taken
    }

    /// As [`Loader::finish`], and says how the conclusions differ from those of the rules before.
    pub fn finish_and_compare(mut self, generation: u64) -> (Delta, Vec<Reversal>) {
        let earlier = self.earlier.take();
        let delta = self.finish(generation);
        let reversals = earlier.map(|earlier| reversals(&earlier, &delta)).unwrap_or_default();
        (delta, reversals)
    }

    /// Forgets all rows given so far.
    pub fn clear(&mut self) {
        if let Some((world, uses)) = self.before.take() {
            self.engine.put_in_place(world, uses);
        }
        self.earlier = None;
        self.batches = Batches::default();
        self.later.clear();
        self.refused.clear();
    }

    /// The relation of this name, for [`Loader::add`].
    pub fn relation(&self, name: &str) -> Option<usize> {
        self.engine.program().position(name)
    }

    /// Looks a value up. The word serves until the loader is gone.
    pub fn word(&mut self, value: &Value) -> Word {
        Word { word: self.engine.interner().intern(value), base: value.base() }
    }

    /// Adds a row that was not added before, and says whether it fits the relation.
    pub fn add(&mut self, relation: usize, row: &[Word], since: u64) -> bool {
        let info = self.engine.program().info(relation);
        let bases = info.columns.iter().map(|column| column.base);
        if !self.engine.is_input(relation) || !bases.eq(row.iter().map(|word| word.base)) {
            return false;
        }
        let batch = self.batches.all.entry(relation).or_default();
        batch.words.extend(row.iter().map(|word| word.word));
        batch.since.push((batch.count, since));
        batch.count += 1;
        true
    }

    /// A row that came behind those added, with the generation since which it holds, or left again.
    pub fn change(&mut self, fact: Fact, since: Option<u64>) {
        match self.engine.accept_one(fact) {
            Ok((relation, row)) => {
                let words = row.iter().map(|value| self.engine.interner().intern(value)).collect();
                self.later.insert((relation, words), since);
            }
            Err(refused) => self.refused.push(refused),
        }
    }

    /// Commits all as `generation`. The delta has the rows of `.output` relations only.
    pub fn finish(mut self, generation: u64) -> Delta {
        self.engine.resume_before(generation);
        if self.before.is_some() {
            return self.go_on();
        }
        if !self.later.is_empty() {
            self.apply_changes();
        }
        let refused = std::mem::take(&mut self.refused);
        let delta = self.engine.commit_batches(&self.batches);
        Delta { refused, ..delta }
    }

    /// Commits the changes on top of a kept generation. What changed before is no news to those who
    /// begin now: the delta has all rows.
    fn go_on(mut self) -> Delta {
        let mut transaction = Transaction::default();
        let later = std::mem::take(&mut self.later);
        let mut since = Vec::new();
        for ((relation, words), generation) in later {
            let row = words.iter().map(|word| self.engine.interner().value(*word)).collect();
            let name = Arc::clone(&self.engine.program().info(relation).name);
            let fact = Fact::new(name, row);
            match generation {
                Some(generation) => {
                    since.push((relation, fact.row.clone(), generation));
                    transaction.inserts.push(fact);
                }
                None => transaction.deletes.push(fact),
            }
        }
        let mut refused = std::mem::take(&mut self.refused);
        refused.extend(self.engine.transact(transaction).refused);
        self.engine.hold_since(&since);
        Delta { refused, ..self.engine.all_outputs() }
    }

    fn apply_changes(&mut self) {
        for (relation, batch) in &mut self.batches.all {
            let arity = batch.words.len() / batch.count.max(1);
            let mut kept = Batch::default();
            for (at, since) in &batch.since {
                let row = &batch.words[at * arity..(at + 1) * arity];
                if !self.later.contains_key(&(*relation, Box::from(row))) {
                    kept.words.extend_from_slice(row);
                    kept.since.push((kept.count, *since));
                    kept.count += 1;
                }
            }
            *batch = kept;
        }
        for ((relation, row), since) in self.later.drain() {
            let Some(since) = since else { continue };
            let batch = self.batches.all.entry(relation).or_default();
            batch.words.extend_from_slice(&row);
            batch.since.push((batch.count, since));
            batch.count += 1;
        }
    }
}

/// What `now`, the delta of a start, has and lacks beside what was concluded earlier.
fn reversals(earlier: &Conclusions, now: &Delta) -> Vec<Reversal> {
    let names: BTreeSet<&Arc<str>> = earlier.keys().chain(now.added.keys()).collect();
    let none = (BTreeSet::new(), Vec::new());
    let compared = names.into_iter().map(|name| {
        let before = earlier.get(name).unwrap_or(&none.0);
        let rows = now.added.get(name).unwrap_or(&none.1);
        let after: BTreeSet<&Row> = rows.iter().collect();
        let mut came = rows.iter().filter(|row| !before.contains(*row));
        let mut went = before.iter().filter(|row| !after.contains(row));
        let (come, gone) = (came.next(), went.next());
        let fact = |row: &Row| Fact::new(Arc::clone(name), row.clone());
        Reversal {
            relation: Arc::clone(name),
            came: came.count() + usize::from(come.is_some()),
            went: went.count() + usize::from(gone.is_some()),
            first_come: come.map(fact),
            first_gone: gone.map(fact),
        }
    });
    compared.filter(|reversal| reversal.came + reversal.went > 0).collect()
}

impl Engine {
    /// Starts to take in a record, as the next generation.
    pub fn loader(&mut self) -> Loader<'_> {
        Loader::new(self)
    }

    /// Takes many facts at once as the next generation, each with the generation since which it
    /// holds, when that is known. The delta has the rows of `.output` relations only.
    pub fn load(&mut self, facts: impl IntoIterator<Item = (Fact, Option<u64>)>) -> Delta {
        let (mut batches, mut refused) = (Batches::default(), Vec::new());
        let end = self.interner().end();
        for (fact, since) in facts {
            match self.accept_one(fact) {
                Ok((relation, row)) => batches.add(self.interner(), relation, row, since),
                Err(error) => refused.push(error),
            }
        }
        batches.settle_in_order(self.interner(), &end);
        let delta = self.commit_batches(&batches);
        Delta { refused, ..delta }
    }
}
