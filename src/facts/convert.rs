//! Engine values as the fact log writes them, and back.

use std::collections::BTreeMap;

use crate::datalog::Decimal;
use crate::datalog::Delta;
use crate::datalog::Engine;
use crate::datalog::Fact;
use crate::datalog::Loader;
use crate::datalog::Reversal;
use crate::datalog::Row;
use crate::datalog::Value;
use crate::datalog::Version;
use crate::datalog::Word;
use crate::facts::store::FactSink;
use crate::facts::store::Packed;
use crate::facts::store::Since;
use crate::facts::store::ValueRef;

/// The row as the fact log takes it.
pub(super) fn row_refs(row: &Row) -> Vec<ValueRef<'_>> {
    row.iter().map(value_ref).collect()
}

fn value_ref(value: &Value) -> ValueRef<'_> {
    match value {
        Value::Symbol(text) => ValueRef::Symbol(text),
        Value::Number(number) => ValueRef::Number(*number),
        Value::Decimal(decimal) => ValueRef::Decimal(decimal.nanos()),
        Value::Version(version) => ValueRef::Version(version.as_str()),
        Value::Time(ms) => ValueRef::Time(*ms),
        Value::Duration(ms) => ValueRef::Duration(*ms),
    }
}

fn value(stored: &ValueRef<'_>) -> Value {
    match stored {
        ValueRef::Symbol(text) => Value::from(*text),
        ValueRef::Number(number) => Value::Number(*number),
        ValueRef::Decimal(nanos) => Value::Decimal(Decimal::from_nanos(*nanos)),
        // Only versions that parsed were ever stored; should one not parse, its text is kept.
        ValueRef::Version(text) => {
            Version::parse(text).map_or_else(|| Value::from(*text), Value::Version)
        }
        ValueRef::Time(ms) => Value::Time(*ms),
        ValueRef::Duration(ms) => Value::Duration(*ms),
    }
}

/// Takes the facts of a fact log into an engine when it is opened.
pub struct Recalled<'e> {
    loader: Loader<'e>,
    /// Words of the snapshot's texts, as symbols and as versions, and relations of its texts.
    symbols: Vec<Option<Word>>,
    versions: BTreeMap<usize, Word>,
    relations: BTreeMap<usize, Option<usize>>,
    row: Vec<Word>,
}

impl<'e> Recalled<'e> {
    /// Nothing yet, for this engine.
    pub fn new(engine: &'e mut Engine) -> Self {
        Self {
            loader: engine.loader(),
            symbols: Vec::new(),
            versions: BTreeMap::new(),
            relations: BTreeMap::new(),
            row: Vec::new(),
        }
    }

    /// Commits what was recalled as `generation`. The delta has the rows of `.output` relations
    /// only.
    pub fn finish(self, generation: u64) -> Delta {
        self.loader.finish(generation)
    }

    /// The same, and how `.output` relations differ from what other rules had concluded of the last
    /// snapshot, when that was kept.
    pub fn finish_and_compare(self, generation: u64) -> (Delta, Vec<Reversal>) {
        self.loader.finish_and_compare(generation)
    }

    fn word(&mut self, texts: &[Box<str>], packed: &Packed) -> Word {
        let (loader, text) = (&mut self.loader, packed.unpack(texts));
        match packed {
            Packed::Symbol(number) => {
                if self.symbols.len() < texts.len() {
                    self.symbols.resize(texts.len(), None);
                }
                *self.symbols[*number].get_or_insert_with(|| loader.word(&value(&text)))
            }
            Packed::Version(number) => {
                *self.versions.entry(*number).or_insert_with(|| loader.word(&value(&text)))
            }
            _ => loader.word(&value(&text)),
        }
    }
}

impl FactSink for Recalled<'_> {
    fn clear(&mut self) {
        self.loader.clear();
        self.symbols.clear();
        self.versions.clear();
        self.relations.clear();
    }

    fn recall(&mut self, texts: &[Box<str>], relation: usize, row: &[Packed], since: Since) {
        let loader = &self.loader;
        let known = self.relations.entry(relation);
        let Some(at) = *known.or_insert_with(|| loader.relation(&texts[relation])) else {
            return; // The rules do not know it any more.
        };
        let mut words = std::mem::take(&mut self.row);
        words.clear();
        words.extend(row.iter().map(|packed| self.word(texts, packed)));
        // A row that does not fit the rules of now is left out, like a relation that they lost.
        self.loader.add(at, &words, since.generation);
        self.row = words;
    }

    fn resume(&mut self, state: &[u8], is_own: bool) -> bool {
        self.loader.resume(state, is_own)
    }

    fn insert(&mut self, relation: &str, row: &[ValueRef<'_>], since: Since) {
        let fact = Fact::new(relation, row.iter().map(value).collect());
        self.loader.change(fact, Some(since.generation));
    }

    fn delete(&mut self, relation: &str, row: &[ValueRef<'_>]) {
        self.loader.change(Fact::new(relation, row.iter().map(value).collect()), None);
    }
}
