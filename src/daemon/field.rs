//! Questions about a field: the unit is built once more, with origins noted.
//!
//! Nothing is kept for it: an answer costs one build. Values of Secrets, and those that variables
//! brought out of Secrets, are never told.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value as Json;

use crate::daemon::paths;
use crate::datalog::Reader;
use crate::explain;
use crate::explain::Answer;
use crate::explain::FieldStory;
use crate::ingest::Recipe;
use crate::ingest::Recipes;
use crate::ingest::SetAfterwards;
use crate::kustomize::FieldOrigin;
use crate::kustomize::Step;
use crate::kustomize::flux;
use crate::kustomize::flux::UnitFieldOrigin;
use crate::kustomize::flux::UnitObject;
use crate::model::ObjectRef;
use crate::model::pointer;

/// Where the field of an object comes from.
pub(super) fn why_field(
    reader: &Reader,
    object: &ObjectRef,
    field: &str,
    recipes: Option<&Recipes>,
) -> Answer {
    let unknown = |reason: &str| explain::field_unknown(reader, object, field, reason.to_owned());
    let Some(unit) = explain::declaring_unit(reader, object) else {
        return unknown("no unit declares the object");
    };
    let Some(recipes) = recipes else {
        return unknown("the daemon does not run: only it holds the files of the sources");
    };
    let Some(recipe) = recipes.get(&unit) else {
        return unknown("the unit was not built since the daemon started");
    };
    match stories(&recipe, object, field) {
        Ok(stories) => explain::why_field(reader, object, &unit.to_string(), field, &stories),
        Err(reason) => unknown(&reason),
    }
}

fn stories(recipe: &Recipe, object: &ObjectRef, field: &str) -> Result<Vec<FieldStory>, String> {
    let built =
        recipe.build().map_err(|reason| format!("the unit cannot be built now: {reason}"))?;
    let is_meant = |built: &&UnitObject| is_same(built, object);
    let found = built.iter().find(is_meant).ok_or("the last build does not contain it")?;
    let json = recipe.finish(found.node.to_json().unwrap_or_default());
    let Some(pointer) = paths::pointer_of(field, &json) else { return Ok(Vec::new()) };
    let mut pointers = Vec::new();
    if let Some(value) = json.pointer(&pointer) {
        leaves(value, pointer, &mut pointers);
    }
    let copied = Copied { built: &built, secrets: secret_texts(&built) };
    let told = pointers.into_iter().map(|pointer| story(recipe, found, &json, pointer, &copied));
    Ok(told.collect())
}

fn is_same(built: &UnitObject, object: &ObjectRef) -> bool {
    let text = |path: &[&str]| built.node.str_at(path).unwrap_or_default();
    let api_version = text(&["apiVersion"]);
    let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
    let namespace = text(&["metadata", "namespace"]);
    group == object.group
        && text(&["kind"]) == object.kind
        && text(&["metadata", "name"]) == object.name
        && (object.namespace.is_empty() || namespace == object.namespace)
}

fn story(
    recipe: &Recipe,
    built: &UnitObject,
    json: &Json,
    pointer: String,
    copied: &Copied<'_>,
) -> FieldStory {
    let known = origin_of(built, &pointer);
    let is_hidden = is_secret(built, json, &pointer)
        || json.pointer(&pointer).is_some_and(|value| copied.holds_secret(value))
        || known.is_some_and(|field| copied.may_be_secret(&field.origin, json.pointer(&pointer)));
    let value = match is_hidden {
        true => explain::REDACTED.to_owned(),
        false => explain::short(json.pointer(&pointer).unwrap_or(&Json::Null)),
    };
    let path = pointer::shown(&pointer);
    let by_name = |written: String| FieldStory {
        path: path.clone(),
        value: value.clone(),
        written,
        is_file: false,
        step: None,
        variables: Vec::new(),
    };
    match (recipe.set_afterwards(&pointer), known) {
        (Some(SetAfterwards::CommonMetadata), _) => {
            by_name(format!("spec.commonMetadata of Kustomization {}", recipe.unit()))
        }
        (Some(SetAfterwards::Owner), _) => by_name("hence: it names the owner".to_owned()),
        (None, Some(field)) => FieldStory {
            step: field.origin.step.as_deref().map(|step| phrase(recipe, step)),
            variables: field.variables.clone(),
            is_file: !matches!(&*field.origin.file, "" | flux::SPEC_FILE),
            ..by_name(place(recipe, field))
        },
        (None, None) if built.node.to_json().is_ok_and(|json| has(&json, &pointer)) => {
            FieldStory { is_file: true, ..by_name(built.origin.file.to_string()) }
        }
        (None, None) => by_name("no file: hence fills it in, as Flux does".to_owned()),
    }
}

fn has(json: &Json, pointer: &str) -> bool {
    json.pointer(pointer).is_some()
}

/// Where the build has the field from. What stands in a Secret's `stringData` is its data at last.
fn origin_of<'a>(built: &'a UnitObject, pointer: &str) -> Option<&'a UnitFieldOrigin> {
    let at = |wanted: &str| built.fields.iter().find(|field| field.origin.pointer == wanted);
    let written = pointer.strip_prefix("/data/").map(|key| format!("/stringData/{key}"));
    let is_secret = built.node.str_at(&["kind"]) == Some("Secret");
    let written = written.filter(|_| is_secret).and_then(|written| at(&written));
    written.or_else(|| at(pointer))
}

/// Shorter values of Secrets, and shorter words of them, are too common to hide what has them.
const TEXT_BYTES_MIN: usize = 4;
const WORD_BYTES_MIN: usize = 6;

/// The fields of a kustomization that copy values from one object to others, and the steps that do.
const COPYING: &[(&str, &str)] =
    &[("replacements", "ReplacementTransformer"), ("vars", "RefVarTransformer")];

/// What is known of values that were copied from one object to another.
struct Copied<'a> {
    built: &'a [UnitObject],
    /// What the Secrets of the build hold, and long words of it.
    secrets: Vec<String>,
}

/// What the Secrets of a build hold, and words of it that a part of a value may be; what is too
/// short to be told from any other word is left out.
fn secret_texts(built: &[UnitObject]) -> Vec<String> {
    let mut texts = Vec::new();
    for object in built.iter().filter(|object| object.node.str_at(&["kind"]) == Some("Secret")) {
        let json = object.node.to_json().unwrap_or_default();
        for part in ["data", "stringData"] {
            let values = json[part].as_object().into_iter().flat_map(|values| values.values());
            for value in values.filter_map(Json::as_str) {
                let decoded = BASE64_STANDARD.decode(value.trim()).ok();
                let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
                texts.extend(decoded.filter(|_| part == "data"));
                texts.push(value.to_owned());
            }
        }
    }
    let words = texts.iter().flat_map(|text| text.split(|c: char| !c.is_alphanumeric()));
    let words: Vec<String> =
        words.filter(|word| word.len() >= WORD_BYTES_MIN).map(str::to_owned).collect();
    texts.retain(|text| text.len() >= TEXT_BYTES_MIN);
    texts.extend(words);
    texts
}

impl Copied<'_> {
    /// Whether the value has in it what a Secret of the build holds, however it came there.
    fn holds_secret(&self, value: &Json) -> bool {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        self.secrets.iter().any(|secret| text.contains(secret.as_str()))
    }

    /// Whether something was copied into the value, and nothing shows that it stands in what is no
    /// Secret: no object of another kind has it, written in the same line.
    fn may_be_secret(&self, origin: &FieldOrigin, value: Option<&Json>) -> bool {
        if !is_copy(origin) {
            return false;
        }
        let is_source = |field: &&UnitFieldOrigin| {
            let other = &field.origin;
            let is_same = (&other.file, other.line) == (&origin.file, origin.line);
            is_same && origin.line > 0 && !is_copy(other)
        };
        let mut is_shown = false;
        for object in self.built {
            let mut sources = object.fields.iter().filter(is_source).peekable();
            if sources.peek().is_none() {
                continue;
            }
            if object.node.str_at(&["kind"]) == Some("Secret") {
                return true;
            }
            let json = object.node.to_json().unwrap_or_default();
            is_shown |= sources.any(|source| {
                let whole = json.pointer(&source.origin.pointer).and_then(Json::as_str);
                let part = value.and_then(Json::as_str);
                whole.zip(part).is_some_and(|(whole, part)| whole.contains(part))
            });
        }
        !is_shown
    }
}

fn is_copy(origin: &FieldOrigin) -> bool {
    let step = origin.step.as_deref();
    step.is_some_and(|step| {
        COPYING.iter().any(|(field, name)| step.field == *field || step.name == *name)
    })
}

/// A Secret's data, annotations that may repeat it, and what a secret variable reached.
fn is_secret(built: &UnitObject, json: &Json, pointer: &str) -> bool {
    let reached = |field: &String| {
        pointer == field
            || pointer.strip_prefix(field.as_str()).is_some_and(|rest| rest.starts_with('/'))
    };
    explain::tells_of_secret(json, pointer) || built.secret_fields.iter().any(reached)
}

fn place(recipe: &Recipe, field: &UnitFieldOrigin) -> String {
    let origin = &field.origin;
    match (&*origin.file, origin.line) {
        (flux::SPEC_FILE, _) => format!("the spec of Kustomization {}", recipe.unit()),
        ("", _) => "the build itself".to_owned(),
        (file, 0) => file.to_owned(),
        (file, line) => format!("{file}:{line}"),
    }
}

/// `patches[0] of apps/web/kustomization.yaml`
fn phrase(recipe: &Recipe, step: &Step) -> String {
    let index = step.index.map(|index| format!("[{index}]")).unwrap_or_default();
    match (&*step.file, step.field.as_str()) {
        (flux::SPEC_FILE, field) => {
            format!("spec.{field}{index} of Kustomization {}", recipe.unit())
        }
        (file, "") => format!("{} of {file}", step.name),
        (file, field) => format!("{field}{index} of {file}"),
    }
}

/// Pointers of all scalars, and of what is empty, at or below a value.
fn leaves(value: &Json, pointer: String, found: &mut Vec<String>) {
    match value {
        Json::Object(entries) if !entries.is_empty() => {
            for (key, value) in entries {
                let key = pointer::escaped(key);
                leaves(value, format!("{pointer}/{key}"), found);
            }
        }
        Json::Array(items) if !items.is_empty() => {
            for (i, item) in items.iter().enumerate() {
                leaves(item, format!("{pointer}/{i}"), found);
            }
        }
        _ => found.push(pointer),
    }
}
