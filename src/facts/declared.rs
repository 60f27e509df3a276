//! Inputs that rule files declare: fields of manifests as facts.
//!
//! ```text
//! .input image_of(u: Unit, o: Object, image: symbol) from "spec.containers[*].image"   desired
//! .input approved(o: Object, by: symbol) from "metadata.annotations['team/approved']"  live
//! ```
//!
//! In: a checked program. Out: for each such input, which objects it is about, where the value
//! stands, and how a scalar becomes a value of the column's type. A scalar that is no such value
//! gives no row. Not here: reading objects and hiding secrets (`ingest`).

use std::sync::Arc;

use serde_json::Value as Json;
use thiserror::Error;

use crate::datalog::Decimal;
use crate::datalog::Program;
use crate::datalog::RelationInfo;
use crate::datalog::RelationKind;
use crate::datalog::Type;
use crate::datalog::Value;
use crate::datalog::Version;
use crate::model::FieldPath;
use crate::model::FieldPathError;

/// Which objects an input is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The manifests that units want; the first column is the unit.
    Desired,
    /// The live objects.
    Live,
}

/// An input that is filled from fields.
#[derive(Clone, Debug, PartialEq)]
pub struct DeclaredInput {
    /// The relation.
    pub relation: Arc<str>,
    /// Which objects it is about.
    pub side: Side,
    /// Where the value stands.
    pub path: FieldPath,
    base: Type,
}

/// Why nobody can fill an input with `from`.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DeclaredInputError {
    /// The columns are neither of the two forms.
    #[error("`{0}` has other columns than an input from fields")]
    Columns(Arc<str>),
    /// A field has no value of this type.
    #[error("no field of a manifest is a {0}")]
    Type(&'static str),
    /// The text is no path.
    #[error("`{text}` is no path to a field: {error}")]
    Path {
        /// The text.
        text: Arc<str>,
        /// What is wrong with it.
        error: FieldPathError,
    },
}

impl DeclaredInput {
    /// All of a program; those that nobody can fill are left out: loading refuses them.
    pub fn all(program: &Program) -> Vec<Self> {
        program.relations().filter_map(|info| Self::of(info).ok().flatten()).collect()
    }

    /// What a relation declares; `None` when it is not filled from fields.
    ///
    /// # Errors
    /// It says `from`, and nobody can fill it.
    pub fn of(info: &RelationInfo) -> Result<Option<Self>, DeclaredInputError> {
        let (Some(text), RelationKind::Input) = (&info.from, info.kind) else { return Ok(None) };
        let types: Vec<&str> = info.columns.iter().map(|column| &*column.type_name).collect();
        let side = match types[..] {
            ["Unit", "Object", _] => Side::Desired,
            ["Object", _] => Side::Live,
            _ => return Err(DeclaredInputError::Columns(Arc::clone(&info.name))),
        };
        let base = info.columns[types.len() - 1].base;
        if matches!(base, Type::Time | Type::Duration) {
            return Err(DeclaredInputError::Type(base.name()));
        }
        let path = FieldPath::parse(text)
            .map_err(|error| DeclaredInputError::Path { text: Arc::clone(text), error })?;
        Ok(Some(Self { relation: Arc::clone(&info.name), side, path, base }))
    }

    /// The value of the last column for a scalar; `None` when it is none of its type.
    pub fn value(&self, scalar: &Json) -> Option<Value> {
        let text = match scalar {
            Json::String(text) => text.clone(),
            Json::Number(_) | Json::Bool(_) => scalar.to_string(),
            _ => return None,
        };
        match self.base {
            Type::Symbol => Some(Value::from(text)),
            Type::Number => text.parse().ok().map(Value::Number),
            Type::Decimal => Decimal::parse(&text).map(Value::Decimal),
            Type::Version => Version::parse(&text).map(Value::Version),
            Type::Time | Type::Duration => None,
        }
    }

    /// The value of the last column for a secret, which facts know by its keyed digest alone.
    pub fn secret_value(&self, digest: &str) -> Option<Value> {
        (self.base == Type::Symbol).then(|| Value::from(digest))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::datalog::Builtins;
    use crate::datalog::FileOrigin;
    use crate::datalog::RuleFile;
    use crate::datalog::check;

    fn declared(line: &str) -> Result<Option<DeclaredInput>, DeclaredInputError> {
        let text = format!(
            ".type Unit <: symbol\n.type Object <: symbol\n.type Image <: symbol\n{line}\n"
        );
        let origin = FileOrigin::BuiltIn;
        let file = RuleFile { name: "a.dl".to_owned(), text: text.into(), origin };
        let program = check(&[file], &Builtins::new()).expect("it checks");
        DeclaredInput::of(program.relation("it").expect("it is declared"))
    }

    #[test]
    fn two_forms_are_filled() {
        #[rustfmt::skip]
        let cases = [
            (r#".input it(u: Unit, o: Object, i: Image) from "a.b""#, Some(Side::Desired)),
            (r#".input it(o: Object, n: number) from "a""#,           Some(Side::Live)),
            (r#".input it(o: Object, n: number)"#,                    None),
        ];
        for (line, want) in cases {
            let found = declared(line).unwrap_or_else(|error| panic!("{line}: {error}"));
            assert_eq!(found.map(|input| input.side), want, "{line}");
        }
    }

    #[test]
    fn other_forms_are_refused() {
        #[rustfmt::skip]
        let cases = [
            (r#".input it(n: number, o: Object) from "a""#,
                "`it` has other columns than an input from fields"),
            (r#".input it(o: Object) from "a""#,
                "`it` has other columns than an input from fields"),
            (r#".input it(o: Object, at: time) from "a""#, "no field of a manifest is a time"),
            (r#".input it(o: Object, n: number) from "a[""#,
                "`a[` is no path to a field: a bracket at byte 1 holds neither `*`, a number nor \
                 a quoted name"),
        ];
        for (line, want) in cases {
            let error = declared(line).expect_err(line);
            assert_eq!(error.to_string(), want, "{line}");
        }
    }

    #[test]
    fn scalars_become_values_of_the_column() {
        #[rustfmt::skip]
        let cases = [
            ("symbol",  json!("a"),     Some(Value::from("a"))),
            ("symbol",  json!(3),       Some(Value::from("3"))),
            ("symbol",  json!(true),    Some(Value::from("true"))),
            ("number",  json!(3),       Some(Value::Number(3))),
            ("number",  json!("3"),     Some(Value::Number(3))),
            ("number",  json!(1.5),     None),
            ("number",  json!("three"), None),
            ("decimal", json!(1.5),     Decimal::parse("1.5").map(Value::Decimal)),
            ("version", json!("v1.2"),  Version::parse("v1.2").map(Value::Version)),
        ];
        for (name, scalar, want) in cases {
            let line = format!(r#".input it(o: Object, x: {name}) from "a""#);
            let input = declared(&line).expect("it is filled").expect("it says from");
            assert_eq!(input.value(&scalar), want, "{name} {scalar}");
            let secret = input.secret_value("digest");
            assert_eq!(secret.is_some(), name == "symbol", "{name}");
        }
    }
}
