//! Where a field of an object comes from (question 1, for one field).

use serde_json::Value as Json;

use crate::datalog::Reader;
use crate::explain::Answer;
use crate::explain::Verdict;
use crate::explain::ask::row;
use crate::explain::ask::rows;
use crate::explain::ask::text;
use crate::explain::object::asked;
use crate::explain::object::declared_since;
use crate::explain::object::declared_too;
use crate::explain::object::declarer;
use crate::model::ObjectRef;
use crate::model::UnitName;

/// What stands in place of a secret value.
pub const REDACTED: &str = "(secret)";
/// Longest value that is shown whole, in characters.
const VALUE_CHARS_MAX: usize = 60;
/// Most fields that one answer tells of.
const FIELDS_MAX: usize = 20;

/// What is known of one field. No value of a Secret stands here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldStory {
    /// The field, such as `spec.replicas`.
    pub path: String,
    /// Its value, or words in place of a secret one.
    pub value: String,
    /// File and line of the text that was written for it, or the field of the unit's spec.
    pub written: String,
    /// `written` is a file of the unit's source.
    pub is_file: bool,
    /// The step that put it there; `None` when it stands in the object's own file.
    pub step: Option<String>,
    /// The variables that were filled in.
    pub variables: Vec<String>,
}

/// Where the fields of `object` at `field` come from, by `unit`'s last complete build; `stories`
/// are those at the field and below it.
pub fn why_field(
    reader: &Reader,
    object: &ObjectRef,
    unit: &str,
    field: &str,
    stories: &[FieldStory],
) -> Answer {
    let name = object.fact_text();
    let Some(first) = stories.first() else {
        return Answer::new(
            Verdict::False,
            format!("{object}  {field}  IS NOT DECLARED"),
            reader.generation(),
        )
        .line("because", format!("{}, without this field", declared_since(reader, unit)))
        .line("so", "if the live object has it, the server or another manager set it")
        .next(format!("hence why {}", asked(object)));
    };
    let source = row(reader, "unit_source", &[Some(unit)]).map(|source| text(&source, 1));
    let source = source.unwrap_or_default();
    let headline = match stories {
        [one] => format!("{object}  {} = {}", one.path, one.value),
        more => format!("{object}  {field}  {} fields", more.len()),
    };
    let is_alone = stories.len() == 1;
    let mut answer = Answer::new(Verdict::True, headline, reader.generation());
    for story in stories.iter().take(FIELDS_MAX) {
        if !is_alone {
            answer = answer.line("field", format!("{} = {}", story.path, story.value));
        }
        let of = if story.is_file { format!(" of {source}") } else { String::new() };
        answer = answer.line("from", format!("{}{of}", story.written));
        answer = answer.line_if("by", story.step.clone());
        if !story.variables.is_empty() {
            answer = answer.line("filled", format!("variables {}", story.variables.join(", ")));
        }
    }
    answer.complete = stories.len() <= FIELDS_MAX;
    for drift in rows(reader, "drifted", &[Some(&name)]) {
        if text(&drift, 1) == first.path {
            answer = answer.line("drift", format!("by {} at {}", text(&drift, 2), text(&drift, 3)));
        }
    }
    answer = answer.line("because", declared_since(reader, unit));
    for other in declared_too(reader, &name, unit) {
        answer = answer.line("also", other);
    }
    answer.next(format!("hence why {}", asked(object)))
}

/// The answer when no build can tell: `reason` says why.
pub fn field_unknown(reader: &Reader, object: &ObjectRef, field: &str, reason: String) -> Answer {
    let headline = format!("where {field} of {object} comes from is not known");
    Answer::new(Verdict::Unknown, headline, reader.generation())
        .line("because", reason)
        .next(format!("hence why {}", asked(object)))
}

/// The unit that declares the object, by its last complete build.
pub fn declaring_unit(reader: &Reader, object: &ObjectRef) -> Option<UnitName> {
    let declared = declarer(reader, &object.fact_text())?;
    UnitName::parse(&text(&declared, 0))
}

/// Whether the field at this JSON pointer is a Secret's data, or an annotation that may repeat it.
pub fn tells_of_secret(object: &Json, pointer: &str) -> bool {
    let starts = ["/data/", "/stringData/", "/metadata/annotations/"];
    object["kind"] == "Secret" && starts.iter().any(|at| pointer.starts_with(at))
}

/// A value in one line, cut when it is long.
pub fn short(value: &Json) -> String {
    let text =
        value.as_str().map_or_else(|| value.to_string(), |text| text.escape_debug().to_string());
    match text.char_indices().nth(VALUE_CHARS_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}
