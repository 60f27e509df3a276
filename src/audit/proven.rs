//! The proof in an intent: a JSON value when it was read, the very text when it is to be written.
//!
//! Proofs are most of a journal. Turning one into text once, and that text into the record, is
//! several times cheaper than building a tree of values for it.

use std::borrow::Cow;

use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;
use serde_json::Value;
use serde_json::value::RawValue;
use serde_json::value::to_raw_value;

/// A proof, as JSON.
#[derive(Clone, Debug)]
pub enum Proven {
    /// Read from a journal.
    Value(Value),
    /// About to be written.
    Text(Box<RawValue>),
}

impl Proven {
    /// What will be written for this proof; null when it is no JSON, which no proof is.
    pub fn write(proof: &impl Serialize) -> Self {
        to_raw_value(proof).map_or(Self::Value(Value::Null), Self::Text)
    }

    /// The proof as a value.
    pub fn json(&self) -> Cow<'_, Value> {
        match self {
            Self::Value(value) => Cow::Borrowed(value),
            Self::Text(text) => Cow::Owned(serde_json::from_str(text.get()).unwrap_or_default()),
        }
    }
}

impl From<Value> for Proven {
    fn from(value: Value) -> Self {
        Self::Value(value)
    }
}

impl PartialEq for Proven {
    fn eq(&self, other: &Self) -> bool {
        self.json() == other.json()
    }
}

impl Serialize for Proven {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Value(value) => value.serialize(serializer),
            Self::Text(text) => text.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Proven {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self::Value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn written_and_read_it_is_the_same() {
        let value = json!({ "nodes": [1, "two", null] });
        let written = Proven::write(&value);
        assert_eq!(written, Proven::Value(value.clone()));
        let text = serde_json::to_string(&written).unwrap();
        assert_eq!(serde_json::from_str::<Proven>(&text).unwrap(), Proven::from(value));
    }
}
