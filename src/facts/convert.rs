//! Engine values as the fact log writes them, and back.

use std::collections::BTreeMap;

use crate::datalog::Decimal;
use crate::datalog::Fact;
use crate::datalog::Row;
use crate::datalog::Value;
use crate::datalog::Version;
use crate::facts::store::FactSink;
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

/// Collects the facts of a fact log when it is opened.
#[derive(Default)]
pub struct Recalled {
    facts: BTreeMap<Fact, Since>,
}

impl Recalled {
    /// The facts, in order.
    pub fn into_facts(self) -> Vec<Fact> {
        self.facts.into_keys().collect()
    }
}

impl FactSink for Recalled {
    fn clear(&mut self) {
        self.facts.clear();
    }

    fn insert(&mut self, relation: &str, row: &[ValueRef<'_>], since: Since) {
        let fact = Fact::new(relation, row.iter().map(value).collect());
        self.facts.insert(fact, since);
    }

    fn delete(&mut self, relation: &str, row: &[ValueRef<'_>]) {
        self.facts.remove(&Fact::new(relation, row.iter().map(value).collect()));
    }
}
