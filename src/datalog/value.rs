//! Values: what stands in a column, how it is ordered, and how rule text writes it.
//!
//! In: literals and Rust values. Out: [`Value`], totally ordered and printable so that printing and
//! reading back gives the same value. Six base types; subtypes are names for the checker only.
//!
//! Pure. Not here: the one-word form that the store keeps (`intern.rs`).

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;

use crate::datalog::decimal::Decimal;
use crate::datalog::moment;

/// The six base types. A declared subtype stands for one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Type {
    /// Text, ordered by bytes.
    Symbol,
    /// A 64-bit signed integer.
    Number,
    /// A fixed-point number with nine digits after the point.
    Decimal,
    /// A version, ordered by precedence, then by text.
    Version,
    /// A moment, in milliseconds since 1970-01-01T00:00:00Z.
    Time,
    /// A span of time, in milliseconds.
    Duration,
}

impl Type {
    /// The name that rule text uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Symbol => "symbol",
            Self::Number => "number",
            Self::Decimal => "decimal",
            Self::Version => "version",
            Self::Time => "time",
            Self::Duration => "duration",
        }
    }

    /// The base type of this name, if it is one.
    pub fn parse(name: &str) -> Option<Self> {
        let all =
            [Self::Symbol, Self::Number, Self::Decimal, Self::Version, Self::Time, Self::Duration];
        all.into_iter().find(|base| base.name() == name)
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A version as written. Two texts are two versions, even with equal precedence.
#[derive(Clone, Debug)]
pub struct Version {
    text: Arc<str>,
    parsed: Box<semver::Version>,
}

impl Version {
    /// Reads `1.2.3`, `v1.2.3-rc.1+meta`, and shorter forms such as `1.2`, whose missing parts
    /// count as 0. Leading zeros and anything else that semantic versioning forbids give `None`.
    pub fn parse(text: &str) -> Option<Self> {
        let bare = text.strip_prefix('v').unwrap_or(text);
        let cut = bare.find(['-', '+']).unwrap_or(bare.len());
        let (numbers, rest) = bare.split_at(cut);
        let full = match numbers.split('.').count() {
            1 => format!("{numbers}.0.0{rest}"),
            2 => format!("{numbers}.0{rest}"),
            _ => bare.to_owned(),
        };
        let parsed = Box::new(semver::Version::parse(&full).ok()?);
        Some(Self { text: text.into(), parsed })
    }

    /// The text as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The parts, for range checks.
    pub fn semver(&self) -> &semver::Version {
        &self.parsed
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Version {}

impl std::hash::Hash for Version {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_precedence = self.parsed.cmp_precedence(&other.parsed);
        by_precedence.then_with(|| self.text.cmp(&other.text))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not a version"))
    }
}

/// One value of a column. Ordered within its type; across types only to have *some* total order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// Text.
    Symbol(Arc<str>),
    /// An integer.
    Number(i64),
    /// A fixed-point number.
    Decimal(Decimal),
    /// A version.
    Version(Version),
    /// Milliseconds since the epoch.
    Time(i64),
    /// Milliseconds.
    Duration(i64),
}

/// A row of one relation, in column order.
pub type Row = Vec<Value>;

impl Value {
    /// The base type.
    pub fn base(&self) -> Type {
        match self {
            Self::Symbol(_) => Type::Symbol,
            Self::Number(_) => Type::Number,
            Self::Decimal(_) => Type::Decimal,
            Self::Version(_) => Type::Version,
            Self::Time(_) => Type::Time,
            Self::Duration(_) => Type::Duration,
        }
    }

    /// A symbol.
    pub fn symbol(text: impl Into<Arc<str>>) -> Self {
        Self::Symbol(text.into())
    }

    /// The text of a symbol; `None` for every other type.
    pub fn as_symbol(&self) -> Option<&str> {
        match self {
            Self::Symbol(text) => Some(text),
            _ => None,
        }
    }

    /// The integer of a number; `None` for every other type.
    pub fn as_number(&self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// The text that messages show: a symbol without quotes, a time and a version without prefix.
    pub fn plain(&self) -> String {
        match self {
            Self::Symbol(text) => text.to_string(),
            Self::Version(version) => version.text.to_string(),
            Self::Time(at) => moment::time_text(*at),
            other => other.to_string(),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Symbol(text) => write_quoted(f, text),
            Self::Number(number) => write!(f, "{number}"),
            Self::Decimal(decimal) => write!(f, "{decimal}"),
            Self::Version(version) => {
                f.write_str("v")?;
                write_quoted(f, &version.text)
            }
            Self::Time(at) => write!(f, "t\"{}\"", moment::time_text(*at)),
            Self::Duration(span) => f.write_str(&moment::duration_text(*span)),
        }
    }
}

fn write_quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    let mut rest = text;
    let is_special = |byte: u8| matches!(byte, b'"' | b'\\' | b'\n' | b'\t' | b'\r');
    while let Some(at) = rest.bytes().position(is_special) {
        f.write_str(&rest[..at])?;
        f.write_str(match rest.as_bytes()[at] {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\t' => "\\t",
            _ => "\\r",
        })?;
        rest = &rest[at + 1..];
    }
    f.write_str(rest)?;
    f.write_str("\"")
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Symbol(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Symbol(text.into())
    }
}

impl From<Arc<str>> for Value {
    fn from(text: Arc<str>) -> Self {
        Self::Symbol(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

/// The serial form: one key that names the type, so that no reader has to guess.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Tagged {
    Symbol(String),
    Number(i64),
    Decimal(Decimal),
    Version(Version),
    Time(i64),
    Duration(i64),
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.clone() {
            Self::Symbol(text) => Tagged::Symbol(text.to_string()),
            Self::Number(number) => Tagged::Number(number),
            Self::Decimal(decimal) => Tagged::Decimal(decimal),
            Self::Version(version) => Tagged::Version(version),
            Self::Time(at) => Tagged::Time(at),
            Self::Duration(span) => Tagged::Duration(span),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Tagged::deserialize(deserializer)? {
            Tagged::Symbol(text) => Self::Symbol(text.into()),
            Tagged::Number(number) => Self::Number(number),
            Tagged::Decimal(decimal) => Self::Decimal(decimal),
            Tagged::Version(version) => Self::Version(version),
            Tagged::Time(at) => Self::Time(at),
            Tagged::Duration(span) => Self::Duration(span),
        })
    }
}

/// Serial form of shared text, for `#[serde(with = …)]`.
pub(crate) mod text {
    use std::sync::Arc;

    use serde::Deserialize;
    use serde::Deserializer;
    use serde::Serializer;

    pub(crate) fn serialize<S: Serializer>(text: &Arc<str>, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(text)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<str>, D::Error> {
        String::deserialize(from).map(Arc::from)
    }
}
