//! The fields of a kustomization file, and a loose reading of it.
//!
//! Flux reads the file into upstream's type without refusing unknown fields, and writes it out
//! again: what the type does not know is gone before the build sees it, a number where a string
//! belongs is a string, and keys have the case of the type.

use crate::kustomize::decode::in_json_order;
use crate::kustomize::yaml::Dialect;
use crate::kustomize::yaml::Entry;
use crate::kustomize::yaml::Node;
use crate::kustomize::yaml::Style;
use crate::kustomize::yaml::Value;

/// What a field holds.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    /// A boolean or a number, taken as it is.
    Plain,
    /// A string; numbers and booleans become strings.
    Text,
    /// A map of strings.
    TextMap,
    /// Anything, kept whole.
    Anything,
    /// A list.
    List(&'static Shape),
    /// A map with these fields.
    Fields(&'static [(&'static str, Shape)]),
}

use Shape::Anything;
use Shape::Fields;
use Shape::List;
use Shape::Plain;
use Shape::Text;
use Shape::TextMap;

const TEXTS: Shape = List(&Text);

const FIELD_SPEC: Shape = Fields(&[
    ("group", Text),
    ("version", Text),
    ("kind", Text),
    ("path", Text),
    ("create", Plain),
]);

const LABEL: Shape = Fields(&[
    ("pairs", TextMap),
    ("includeSelectors", Plain),
    ("includeTemplates", Plain),
    ("fields", List(&FIELD_SPEC)),
]);

const SELECTOR: Shape = Fields(&[
    ("group", Text),
    ("version", Text),
    ("kind", Text),
    ("name", Text),
    ("namespace", Text),
    ("annotationSelector", Text),
    ("labelSelector", Text),
]);

const PATCH: Shape = Fields(&[
    ("path", Text),
    ("patch", Text),
    ("target", SELECTOR),
    // A map of booleans; upstream knows its keys only by name.
    ("options", Fields(&[("allowNameChange", Plain), ("allowKindChange", Plain)])),
]);

const IMAGE: Shape = Fields(&[
    ("name", Text),
    ("newName", Text),
    ("tagSuffix", Text),
    ("newTag", Text),
    ("digest", Text),
]);

const FIELD_OPTIONS: Shape =
    Fields(&[("delimiter", Text), ("index", Plain), ("encoding", Text), ("create", Plain)]);

const REPLACEMENT: Shape = Fields(&[
    (
        "source",
        Fields(&[
            ("group", Text),
            ("version", Text),
            ("kind", Text),
            ("name", Text),
            ("namespace", Text),
            ("fieldPath", Text),
            ("options", FIELD_OPTIONS),
        ]),
    ),
    (
        "targets",
        List(&Fields(&[
            ("select", SELECTOR),
            ("reject", List(&SELECTOR)),
            ("fieldPaths", TEXTS),
            ("options", FIELD_OPTIONS),
        ])),
    ),
    ("sourceValue", Text),
    ("path", Text),
]);

const GENERATOR_OPTIONS: Shape = Fields(&[
    ("labels", TextMap),
    ("annotations", TextMap),
    ("disableNameSuffixHash", Plain),
    ("immutable", Plain),
]);

const GENERATOR: Shape = Fields(&[
    ("namespace", Text),
    ("name", Text),
    ("behavior", Text),
    ("literals", TEXTS),
    ("files", TEXTS),
    ("envs", TEXTS),
    ("env", Text),
    ("options", GENERATOR_OPTIONS),
    ("type", Text),
]);

const VAR: Shape = Fields(&[
    ("name", Text),
    (
        "objref",
        Fields(&[
            ("apiVersion", Text),
            ("group", Text),
            ("version", Text),
            ("kind", Text),
            ("name", Text),
            ("namespace", Text),
        ]),
    ),
    ("fieldref", Fields(&[("fieldPath", Text)])),
]);

const SORT_OPTIONS: Shape = Fields(&[
    ("order", Text),
    ("legacySortOptions", Fields(&[("orderFirst", TEXTS), ("orderLast", TEXTS)])),
]);

/// The kustomization file of kustomize 5.8.1.
pub(super) const KUSTOMIZATION: Shape = Fields(&[
    ("apiVersion", Text),
    ("kind", Text),
    (
        "metadata",
        Fields(&[
            ("name", Text),
            ("namespace", Text),
            ("labels", TextMap),
            ("annotations", TextMap),
        ]),
    ),
    ("openapi", TextMap),
    ("namePrefix", Text),
    ("nameSuffix", Text),
    ("namespace", Text),
    ("commonLabels", TextMap),
    ("labels", List(&LABEL)),
    ("commonAnnotations", TextMap),
    ("patchesStrategicMerge", TEXTS),
    ("patchesJson6902", List(&PATCH)),
    ("patches", List(&PATCH)),
    ("images", List(&IMAGE)),
    ("imageTags", List(&IMAGE)),
    ("replacements", List(&REPLACEMENT)),
    ("replicas", List(&Fields(&[("name", Text), ("count", Plain)]))),
    ("vars", List(&VAR)),
    ("sortOptions", SORT_OPTIONS),
    ("resources", TEXTS),
    ("components", TEXTS),
    ("crds", TEXTS),
    ("bases", TEXTS),
    ("configMapGenerator", List(&GENERATOR)),
    ("secretGenerator", List(&GENERATOR)),
    ("helmGlobals", Anything),
    ("helmCharts", List(&Anything)),
    ("helmChartInflationGenerator", List(&Anything)),
    ("generatorOptions", GENERATOR_OPTIONS),
    ("configurations", TEXTS),
    ("generators", TEXTS),
    ("transformers", TEXTS),
    ("validators", TEXTS),
    ("buildMetadata", TEXTS),
]);

/// `node` as the type holds it; `None` for what it leaves out: null, and what is empty.
pub(super) fn read(node: &Node, shape: Shape) -> Option<Node> {
    if node.is_scalar() {
        return read_scalar(node, shape);
    }
    let made = match (shape, node.entries(), node.items()) {
        (Fields(fields), Some(entries), _) => {
            let mut made = Node::mapping(Vec::new());
            for entry in in_json_order(entries) {
                let field = entry.key.text().and_then(|key| field_named(key, fields));
                let Some((name, shape)) = field else { continue };
                match read(&entry.value, shape) {
                    Some(value) => fill(&mut made, entry_at(name, &entry.key, value)),
                    // The same name in another case: null leaves strings and numbers alone.
                    None if entry.value.is_null() && matches!(shape, Plain | Text) => {}
                    None => drop(made.remove(name)),
                }
            }
            made
        }
        (TextMap, Some(entries), _) => Node::mapping(
            in_json_order(entries)
                .into_iter()
                .map(|entry| Entry {
                    key: quoted(&entry.key.kustomization_key()).at(entry.key.place()),
                    value: read(&entry.value, Text)
                        .unwrap_or_else(|| quoted("").at(entry.value.place())),
                })
                .collect(),
        ),
        (List(item), _, Some(items)) => {
            let absent =
                |place| if matches!(item, Text) { quoted("") } else { Node::null() }.at(place);
            let read = |node: &Node| read(node, *item).unwrap_or_else(|| absent(node.place()));
            Node::sequence(items.iter().map(read).collect())
        }
        (_, Some(entries), _) => Node::mapping(
            in_json_order(entries)
                .into_iter()
                .map(|entry| Entry {
                    key: quoted(&entry.key.kustomization_key()).at(entry.key.place()),
                    value: read(&entry.value, Anything).unwrap_or_else(Node::null),
                })
                .collect(),
        ),
        (_, _, items) => Node::sequence(
            items
                .unwrap_or_default()
                .iter()
                .map(|item| read(item, Anything).unwrap_or_else(Node::null))
                .collect(),
        ),
    };
    let is_struct = matches!(shape, Fields(_));
    (is_struct || !made.is_empty_collection()).then(|| made.at(node.place()))
}

/// Puts a field. One that is there already, by its name in another case, is filled further when it
/// is a map.
fn fill(made: &mut Node, field: Entry) {
    let name = field.key.text().unwrap_or_default();
    match (made.get_mut(name), field.value.entries()) {
        (Some(old), Some(entries)) if old.is_mapping() => {
            entries.iter().for_each(|entry| old.set_entry(entry.clone()));
        }
        _ => made.set_entry(field),
    }
}

fn entry_at(name: &str, key: &Node, value: Node) -> Entry {
    Entry { key: quoted(name).at(key.place()), value }
}

/// A string that is written in quotes: its text goes through every step unchanged.
pub(super) fn quoted(text: &str) -> Node {
    Node::string(text).styled(Style::DoubleQuoted)
}

/// The field of this name, or else of this name in another case.
fn field_named(
    key: &str,
    fields: &'static [(&'static str, Shape)],
) -> Option<(&'static str, Shape)> {
    let folded = || fields.iter().find(|(name, _)| name.eq_ignore_ascii_case(key));
    fields.iter().find(|(name, _)| *name == key).or_else(folded).copied()
}

fn read_scalar(node: &Node, shape: Shape) -> Option<Node> {
    let value = node.value(Dialect::V2)?;
    let text = node.text().unwrap_or_default();
    let made = match (shape, value) {
        (_, Value::Null) => return None,
        (Text, Value::Bool(value)) => quoted(if value { "true" } else { "false" }),
        (Text, Value::Int(number)) => quoted(&number.to_string()),
        (Text, Value::Uint(number)) => quoted(&number.to_string()),
        (Text, Value::Float(number)) => quoted(&crate::kustomize::yaml::go_float_32(number)),
        (_, Value::Bool(false)) if matches!(shape, Plain) => return None,
        (_, Value::Bool(value)) => Node::bool(value),
        (_, Value::Int(number)) => Node::int(number),
        (_, Value::Uint(_) | Value::Float(_)) => Node::scalar(text),
        (Text, Value::Str(text)) if text.is_empty() => return None,
        (_, Value::Str(text)) => quoted(&text),
        (_, Value::Time(_)) => quoted(text),
        (_, Value::Bytes(bytes)) => quoted(&String::from_utf8_lossy(&bytes)),
    };
    Some(made.at(node.place()))
}
