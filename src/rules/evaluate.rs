//! Evaluation of any program over facts given as text: what follows, what each further transaction
//! changes, and answers about the end.
//!
//! In: rule files, texts of facts, questions. Out: one value that prints as JSON, or everything
//! that is wrong with the input. The program stands alone: no shipped rule is added here.
//!
//! Values in JSON: a number is a number, a decimal too where that loses no digit, everything else
//! is the plain text of the value.
//!
//! Pure. Not here: reading files and choosing the form of the output (`cli`).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value as Json;
use serde_json::json;

use crate::datalog::Builtins;
use crate::datalog::Changes;
use crate::datalog::CheckError;
use crate::datalog::Delta;
use crate::datalog::Engine;
use crate::datalog::EngineOptions;
use crate::datalog::Fact;
use crate::datalog::Pattern;
use crate::datalog::Program;
use crate::datalog::Proof;
use crate::datalog::QueryOptions;
use crate::datalog::Reader;
use crate::datalog::RelationKind;
use crate::datalog::Row;
use crate::datalog::RuleFile;
use crate::datalog::Value;
use crate::datalog::check;
use crate::datalog::parse_changes;
use crate::datalog::parse_pattern;

/// Most rows of a what-if whose proofs are given.
const WHAT_IF_PROOFS_MAX: usize = 100;

/// A text and what complaints call it.
#[derive(Clone, Debug)]
pub struct NamedText {
    /// The name, such as a path.
    pub name: String,
    /// The text.
    pub text: String,
}

/// What to evaluate and what to ask.
#[derive(Clone, Debug, Default)]
pub struct Inquiry {
    /// The whole program.
    pub files: Vec<RuleFile>,
    /// Facts of the first transaction.
    pub facts: Vec<NamedText>,
    /// Further transactions, in order.
    pub then: Vec<NamedText>,
    /// A fact: why does it hold in the end?
    pub why: Option<String>,
    /// A pattern: why does nothing match it in the end?
    pub why_not: Option<String>,
    /// A transaction: what would it change in the end?
    pub what_if: Option<NamedText>,
}

/// Rows of derived relations, by name.
type Rows = BTreeMap<String, Vec<Vec<Json>>>;

/// What came and went; a relation without change is not in it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
pub struct Moved {
    /// Rows that hold now and did not before.
    pub added: Rows,
    /// Rows that held before and do not now.
    pub removed: Rows,
}

/// What came out, as JSON (`schemas/rules-eval.v1.json`).
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Evaluated {
    /// All derived relations in the end, each sorted by value.
    pub relations: Rows,
    /// What each further transaction changed in them.
    pub deltas: Vec<Moved>,
    /// The proof of the fact; null when it does not hold, or nothing was asked.
    pub why: Option<Json>,
    /// The rules that fail; null when the pattern matches a fact, or nothing was asked.
    pub why_not: Option<Json>,
    /// What the transaction would change, with proofs; null when nothing was asked.
    pub what_if: Option<Json>,
    /// Relations that hold nothing because deriving them went wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub faults: Vec<String>,
}

/// The texts of an inquiry, read and found to fit the program.
struct Asked {
    facts: Vec<Changes>,
    then: Vec<Changes>,
    why: Option<Fact>,
    why_not: Option<Pattern>,
    what_if: Option<Changes>,
}

/// Evaluates.
///
/// # Errors
/// Everything that is wrong with the program; if nothing is, with facts and questions.
pub fn evaluate(inquiry: &Inquiry, builtins: &Builtins) -> Result<Evaluated, Vec<CheckError>> {
    let program = check(&inquiry.files, builtins)?;
    let asked = Asked::read(inquiry, &program)?;
    let mut engine = Engine::new(program, builtins.clone(), EngineOptions::default());
    for facts in &asked.facts {
        engine.transact(facts.net(&engine.reader()));
    }
    let mut deltas = Vec::new();
    for changes in &asked.then {
        let delta = engine.transact(changes.net(&engine.reader()));
        deltas.push(moved(engine.program(), &delta));
    }
    let reader = engine.reader();
    Ok(Evaluated {
        relations: relations(&engine),
        deltas,
        why: asked.why.and_then(|fact| why(&reader, &fact)),
        why_not: asked.why_not.and_then(|pattern| why_not(&reader, &pattern)),
        what_if: asked.what_if.map(|changes| what_if(&reader, &changes)),
        faults: reader.faults().map(ToString::to_string).collect(),
    })
}

impl Asked {
    fn read(inquiry: &Inquiry, program: &Program) -> Result<Self, Vec<CheckError>> {
        let mut wrong = Vec::new();
        let mut changes = |text: &NamedText| {
            parse_changes(&text.name, &text.text, program)
                .map_err(|complaints| wrong.extend(complaints))
                .ok()
        };
        let facts = inquiry.facts.iter().filter_map(&mut changes).collect();
        let then = inquiry.then.iter().filter_map(&mut changes).collect();
        let what_if = inquiry.what_if.as_ref().and_then(&mut changes);
        let mut pattern = |name, text: &Option<String>| {
            let parsed = text.as_ref().map(|text| parse_pattern(name, text, program));
            parsed.and_then(|parsed| parsed.map_err(|complaint| wrong.push(complaint)).ok())
        };
        let why = pattern("--why", &inquiry.why);
        let why_not = pattern("--why-not", &inquiry.why_not);
        let fact = why.as_ref().and_then(Pattern::as_fact);
        if let (Some(_), None, Some(text)) = (&why, &fact, &inquiry.why) {
            wrong.extend(Fact::parse(text).err());
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        Ok(Self { facts, then, why: fact, why_not, what_if })
    }
}

fn is_derived(program: &Program, relation: &str) -> bool {
    program.relation(relation).is_some_and(|info| info.kind != RelationKind::Input)
}

fn relations(engine: &Engine) -> Rows {
    let derived = engine.program().relations().filter(|info| info.kind != RelationKind::Input);
    let rows = |name: &str| engine.rows(name).iter().map(plain_row).collect();
    derived.map(|info| (info.name.to_string(), rows(&info.name))).collect()
}

fn moved(program: &Program, delta: &Delta) -> Moved {
    let side = |rows: &BTreeMap<std::sync::Arc<str>, Vec<Row>>| -> Rows {
        let derived = rows.iter().filter(|(name, _)| is_derived(program, name));
        derived
            .map(|(name, rows)| (name.to_string(), rows.iter().map(plain_row).collect()))
            .collect()
    };
    Moved { added: side(&delta.added), removed: side(&delta.removed) }
}

/// A row as JSON.
fn plain_row(row: &Row) -> Vec<Json> {
    row.iter().map(plain).collect()
}

/// A value as JSON, without its type where that is a matter of course.
pub(crate) fn plain(value: &Value) -> Json {
    match value {
        Value::Number(number) => json!(number),
        Value::Decimal(decimal) => {
            let text = decimal.to_string();
            let near: Option<f64> = text.parse().ok();
            // A decimal number of JSON may not carry all the digits; the text always does.
            let exact = near
                .filter(|near| crate::datalog::Decimal::parse(&near.to_string()) == Some(*decimal));
            exact.map_or_else(|| json!(text), |near| json!(near))
        }
        other => json!(other.plain()),
    }
}

/// The same document with every typed value in its plain form.
fn plain_values(document: Json) -> Json {
    match document {
        Json::Array(items) => items.into_iter().map(plain_values).collect(),
        Json::Object(fields) => {
            if fields.len() == 1
                && let Ok(value) = serde_json::from_value::<Value>(Json::Object(fields.clone()))
            {
                return plain(&value);
            }
            fields.into_iter().map(|(name, field)| (name, plain_values(field))).collect()
        }
        other => other,
    }
}

fn document(proof: &Proof, complete: bool) -> Json {
    let mut document = plain_values(serde_json::to_value(proof).unwrap_or_default());
    document["complete"] = json!(complete);
    document
}

fn why(reader: &Reader, fact: &Fact) -> Option<Json> {
    let answer = reader.why(fact, &QueryOptions::default());
    answer.value.map(|proof| document(&proof, answer.complete))
}

fn why_not(reader: &Reader, pattern: &Pattern) -> Option<Json> {
    let one = QueryOptions { limit: 1, ..QueryOptions::default() };
    if !reader.query(pattern, &one).value.is_empty() {
        return None;
    }
    let answer = reader.why_not(pattern, &QueryOptions::default());
    let rules = plain_values(serde_json::to_value(&answer.value).unwrap_or_default());
    Some(json!({ "pattern": pattern.to_string(), "complete": answer.complete, "rules": rules }))
}

fn what_if(reader: &Reader, changes: &Changes) -> Json {
    let options = QueryOptions { work: u64::MAX, ..QueryOptions::default() };
    let fork = reader.what_if(changes.net(reader), &options);
    let delta = fork.value.delta();
    let came = delta.added.iter().filter(|(name, _)| is_derived(reader.program(), name));
    let facts =
        came.flat_map(|(name, rows)| rows.iter().map(|row| Fact::new(name.clone(), row.clone())));
    let proofs: BTreeMap<String, Json> = facts
        .take(WHAT_IF_PROOFS_MAX)
        .filter_map(|fact| Some((fact.to_string(), why(fork.value.reader(), &fact)?)))
        .collect();
    let moved = moved(reader.program(), delta);
    json!({
        "added": moved.added, "removed": moved.removed, "complete": fork.complete, "proofs": proofs,
    })
}
