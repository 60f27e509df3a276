//! What both generators share: key-value sources, values, and the object that they end up in.
//!
//! Upstream: `api/kv`, `api/internal/generators`, `kyaml/yaml/datamap.go`.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::error::BuildError;
use super::error::ErrorKind;
use super::error::Result;
use super::kustomization::GeneratorArgs;
use super::kustomization::GeneratorOptions;
use super::metadata;
use super::path;
use super::path::Kind;
use super::plugin::Helpers;
use super::resource::Object;
use super::resource::annotation;
use super::yaml::Entry;
use super::yaml::Node;
use super::yaml::Place;
use super::yaml::Style;

/// Longest line of an env file, its end included; what follows a longer one is not read.
const ENV_LINE_BYTES_MAX: usize = 64 * 1024;
/// Characters of one line of base 64.
const BASE64_LINE: usize = 70;

/// Bytes from a source, and where they were written.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) bytes: Arc<[u8]>,
    pub(crate) place: Place,
}

fn wrong(words: impl Into<String>) -> BuildError {
    BuildError::new(ErrorKind::InvalidGenerator, words)
}

/// An object of this kind with the generator's name and namespace.
pub(crate) fn base(kind: &str, args: &GeneratorArgs) -> Result<Node> {
    if args.name.is_empty() {
        return Err(wrong("a configmap must have a name").says("a generator has no name"));
    }
    let mut metadata = Node::mapping(vec![Entry::new("name", Node::string(&args.name))]);
    if !args.namespace.is_empty() {
        metadata.set("namespace", Node::string(&args.namespace));
    }
    Ok(Node::mapping(vec![
        Entry::new("apiVersion", Node::string("v1")),
        Entry::new("kind", Node::string(kind)),
        Entry::new("metadata", metadata),
    ]))
}

/// All pairs of the generator's sources; a key that comes twice is an error.
pub(crate) fn pairs(
    helpers: &Helpers<'_, '_>,
    args: &GeneratorArgs,
) -> Result<BTreeMap<String, Pair>> {
    let mut all = Vec::new();
    let texts = |list: &[super::decode::Located]| {
        let texts: Vec<&str> = list.iter().map(|item| item.text.as_str()).collect();
        format!("[{}]", texts.join(" "))
    };
    let outer = |error: BuildError| error.wrap("loading KV pairs");
    for source in &args.envs {
        let more = env_pairs(helpers, source)
            .map_err(|error| outer(error.wrap(format!("env source files: {}", texts(&args.envs)))));
        all.extend(more?);
    }
    for source in &args.literals {
        let (key, value) = literal(&source.text).map_err(|error| {
            let error = helpers.placed(error, source.place);
            outer(error.wrap(format!("literal sources {}", texts(&args.literals))))
        })?;
        let bytes = value.as_bytes().into();
        all.push((key.to_owned(), Pair { bytes, place: source.place }));
    }
    for source in &args.files {
        let pair = file_pair(helpers, source)
            .map_err(|error| outer(error.wrap(format!("file sources: {}", texts(&args.files)))));
        all.push(pair?);
    }
    let mut pairs = BTreeMap::new();
    for (key, pair) in all {
        let place = pair.place;
        if pairs.insert(key.clone(), pair).is_some() {
            let name = &args.name;
            // A line of an env file without `=` is a key: what it has may be part of a secret.
            let error = wrong(format!("configmap {name} illegally repeats the key `{key}`"))
                .says(format!("`{name}` gets one key twice, the second time here"));
            return Err(helpers.placed(error, place));
        }
    }
    Ok(pairs)
}

/// `key=value`; one pair of quotes around the value goes.
fn literal(source: &str) -> Result<(&str, &str)> {
    let (key, value) = match source.split_once('=') {
        Some((key, value)) if !key.is_empty() => (key, value),
        _ => {
            let words = format!("invalid literal source {source}, expected key=value");
            return Err(wrong(words).says("a literal source is not `key=value`"));
        }
    };
    let quoted = |quote: char| {
        let inner = value.strip_prefix(quote)?.strip_suffix(quote)?;
        Some(inner)
    };
    Ok((key, quoted('"').or_else(|| quoted('\'')).unwrap_or(value)))
}

/// `file` or `key=file`.
fn file_pair(helpers: &Helpers<'_, '_>, source: &super::decode::Located) -> Result<(String, Pair)> {
    let text = source.text.as_str();
    let (key, path) = match (text.matches('=').count(), text.split_once('=')) {
        (_, None) => (base_name(text), text),
        (1, Some(("", path))) => {
            return Err(wrong(format!(
                "missing key name for file path {path:?} in source {text:?}"
            )));
        }
        (1, Some((key, ""))) => {
            return Err(wrong(format!(
                "missing file path for key name {key:?} in source {text:?}"
            )));
        }
        (1, Some((key, path))) => (key, path),
        _ => {
            let words = format!("source {text:?} key name or file path contains '='");
            return Err(wrong(words).says("a file source has more than one `=`"));
        }
    };
    let located = super::decode::Located { text: path.to_owned(), ..source.clone() };
    let file = helpers.load(&located)?;
    let place = Place { line: 1, column: 1, ..helpers.start(&file) };
    Ok((key.to_owned(), Pair { bytes: Arc::clone(&file.bytes), place }))
}

/// The last part of a path (Go's `path.Base`).
fn base_name(path: &str) -> &str {
    let trimmed = path.trim_end_matches('/');
    match (path.is_empty(), trimmed.is_empty()) {
        (true, _) => ".",
        (false, true) => "/",
        _ => trimmed.rsplit('/').next().unwrap_or(trimmed),
    }
}

/// The lines `key=value` of a file. A line without `=` is a key with an empty value.
fn env_pairs(
    helpers: &Helpers<'_, '_>,
    source: &super::decode::Located,
) -> Result<Vec<(String, Pair)>> {
    let file = helpers.load(source)?;
    let start = helpers.start(&file);
    let mut pairs = Vec::new();
    let mut rest: &[u8] = &file.bytes;
    let mut number = 0;
    while !rest.is_empty() {
        let end = rest.iter().position(|&b| b == b'\n');
        let taken = end.map_or(rest.len() + 1, |end| end + 1);
        if taken > ENV_LINE_BYTES_MAX {
            break;
        }
        let (line, next) = match end {
            Some(end) => (rest.get(..end), rest.get(end + 1..)),
            None => (Some(rest), None),
        };
        let line = line.unwrap_or_default();
        rest = next.unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let text = std::str::from_utf8(line).map_err(|_| {
            let bytes: Vec<String> = line.iter().map(u8::to_string).collect();
            let shown = String::from_utf8_lossy(line);
            wrong(format!("line [{}] has invalid utf8 bytes : {shown}", bytes.join(" ")))
                .says("the line is not UTF-8 text")
                .at(&file.path, number + 1)
        })?;
        let text = if number == 0 { text.strip_prefix('\u{feff}').unwrap_or(text) } else { text };
        number += 1;
        let text = text.trim_start();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        if key.is_empty() {
            continue;
        }
        let place = Place { line: number, column: 1, ..start };
        pairs.push((key.to_owned(), Pair { bytes: value.as_bytes().into(), place }));
    }
    Ok(pairs)
}

/// A string in a literal block when it has several lines.
fn block(text: &str) -> Node {
    let style = if text.contains('\n') { Style::Literal } else { Style::Plain };
    Node::string(text).styled(style)
}

/// Base 64 in lines of 70 characters, the last one with an end when there are several.
fn encode(bytes: &[u8]) -> String {
    let text = STANDARD.encode(bytes);
    if text.len() < BASE64_LINE {
        return text;
    }
    let mut out = String::with_capacity(text.len() + text.len() / BASE64_LINE + 1);
    for (i, c) in text.chars().enumerate() {
        if i > 0 && i % BASE64_LINE == 0 {
            out.push('\n');
        }
        out.push(c);
    }
    out.push('\n');
    out
}

/// The field of a ConfigMap that takes these bytes, and the value there.
pub(crate) fn config_map_value(pair: &Pair) -> (&'static str, Node) {
    match std::str::from_utf8(&pair.bytes) {
        Ok(text) => ("data", block(text).at(pair.place)),
        Err(_) => ("binaryData", block(&encode(&pair.bytes)).at(pair.place)),
    }
}

/// The value of a Secret.
pub(crate) fn secret_value(pair: &Pair) -> Node {
    block(&encode(&pair.bytes)).at(pair.place)
}

/// Sets `key` in the map `field`, which is made when missing.
pub(crate) fn put(node: &mut Node, field: &str, key: &str, value: Node) -> Result<()> {
    match path::lookup_create(node, &[field], Kind::Mapping)? {
        Some(map) => path::set_field(map, key, value),
        None => Ok(()),
    }
}

/// Labels, annotations and `immutable`.
pub(crate) fn finish(node: &mut Node, options: Option<&GeneratorOptions>) -> Result<()> {
    let Some(options) = options else { return Ok(()) };
    for (key, value) in options.labels.iter().flatten() {
        metadata::set_label(node, key, value)?;
    }
    for (key, value) in options.annotations.iter().flatten() {
        metadata::set_annotation(node, key, value)?;
    }
    if options.immutable {
        node.set("immutable", Node::bool(true));
    }
    Ok(())
}

/// The object, with what later steps must know of it.
pub(crate) fn object(
    node: Node,
    args: &GeneratorArgs,
    helpers: &Helpers<'_, '_>,
) -> Result<Object> {
    let mut object = Object::new(node, helpers.schemas());
    object.place = helpers.inline_start(&super::decode::Located::default());
    if !args.options.as_ref().is_some_and(|options| options.disable_name_suffix_hash) {
        object.put_annotation(annotation::NEEDS_HASH, annotation::ENABLED)?;
    }
    let behavior = match args.behavior.as_str() {
        known @ ("replace" | "merge" | "create") => known,
        _ => "unspecified",
    };
    object.put_annotation(annotation::BEHAVIOR, behavior)?;
    Ok(object)
}

/// The generator's own options, with the kustomization's where it has none.
pub(crate) fn merged_options(
    own: Option<GeneratorOptions>,
    global: Option<&GeneratorOptions>,
) -> Option<GeneratorOptions> {
    let Some(global) = global else { return own };
    let mut merged = own.unwrap_or_default();
    let fill = |own: &mut Option<BTreeMap<String, String>>,
                global: &Option<BTreeMap<String, String>>| {
        if let Some(global) = global {
            let own = own.get_or_insert_with(BTreeMap::new);
            for (key, value) in global {
                own.entry(key.clone()).or_insert_with(|| value.clone());
            }
        }
    };
    fill(&mut merged.labels, &global.labels);
    fill(&mut merged.annotations, &global.annotations);
    merged.disable_name_suffix_hash |= global.disable_name_suffix_hash;
    merged.immutable |= global.immutable;
    Some(merged)
}

/// Puts the data of `old` under that of `object`. In each, the first of equal keys counts.
pub(crate) fn merge_data(object: &mut Object, old: &Object) -> Result<()> {
    for field in ["data", "binaryData"] {
        let mut merged: BTreeMap<String, (String, Place)> = BTreeMap::new();
        for source in [old, object] {
            let entries = source.node().get(field).and_then(Node::entries).unwrap_or_default();
            for entry in entries.iter().rev() {
                let value = path::value_text(&entry.value).to_owned();
                let place = source.origin_of(entry.value.place());
                merged.insert(path::value_text(&entry.key).to_owned(), (value, place));
            }
        }
        let node = object.node_mut();
        path::remove_field(node, field)?;
        for (key, (text, place)) in merged {
            put(node, field, &key, block(&text).at(place))?;
        }
    }
    Ok(())
}
