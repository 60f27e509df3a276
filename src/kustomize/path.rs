//! Finding, making and setting fields the way upstream's node library does.
//!
//! Paths are lists of parts: a field name, an index, `-` for the last item, or `[field=value]`.
//! A null node has no fields and no items; setting a field keeps the style of what it replaces, so
//! a number written into a quoted string stays a string. Upstream: `kyaml/yaml/fns.go`.

use super::error::BuildError;
use super::error::ErrorKind;
use super::error::Result;
use super::pen::Pen;
use super::yaml;
use super::yaml::Dialect;
use super::yaml::Entry;
use super::yaml::FileId;
use super::yaml::Node;
use super::yaml::Style;
use super::yaml::Tag;
use super::yaml::Value;

/// The kinds of node that upstream tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Scalar,
    Mapping,
    Sequence,
}

impl Kind {
    pub(crate) fn of(node: &Node) -> Self {
        if node.is_mapping() {
            Self::Mapping
        } else if node.is_sequence() {
            Self::Sequence
        } else {
            Self::Scalar
        }
    }

    /// An empty node of this kind, as created along a path.
    pub(crate) fn empty(self) -> Node {
        match self {
            Self::Scalar => Node::scalar(""),
            Self::Mapping => Node::mapping(Vec::new()),
            Self::Sequence => Node::sequence(Vec::new()),
        }
    }

    fn go_name(self) -> &'static str {
        match self {
            Self::Scalar => "ScalarNode",
            Self::Mapping => "MappingNode",
            Self::Sequence => "SequenceNode",
        }
    }
}

/// Tagged null, as upstream's `IsMissingOrNull` sees a node that exists.
pub(crate) fn is_null(node: &Node) -> bool {
    node.tag() == Tag::Null
}

/// Null, or a list or map without content.
pub(crate) fn is_null_or_empty(node: &Node) -> bool {
    is_null(node) || node.is_empty_collection()
}

/// The text of a scalar; nothing for lists and maps.
pub(crate) fn text(node: &Node) -> &str {
    node.text().unwrap_or_default()
}

/// The text of a scalar unless it is null.
pub(crate) fn value_text(node: &Node) -> &str {
    if is_null(node) { "" } else { text(node) }
}

/// A node that means a string or whose meaning is still open.
pub(crate) fn is_string(node: &Node) -> bool {
    node.is_scalar() && matches!(node.tag(), Tag::Str | Tag::Unset)
}

/// Refuses a node of another kind; null passes.
pub(crate) fn expect_kind(node: &Node, kind: Kind) -> Result<()> {
    if is_null(node) || Kind::of(node) == kind {
        return Ok(());
    }
    let found = Kind::of(node).go_name();
    let content = super::emit::fragment(node);
    Err(BuildError::new(
        ErrorKind::PatchFailed,
        format!(
            "wrong node kind: expected {} but got {found}: node contents:\n{content}",
            kind.go_name()
        ),
    )
    .says(format!("expected a {:?} but found a {:?}", kind, Kind::of(node)).to_lowercase()))
}

/// Splits at `delimiter` unless a backslash stands before it; a leading delimiter is dropped.
pub(crate) fn split(path: &str, delimiter: char) -> Vec<String> {
    let mut parts: Vec<&str> = path.split(delimiter).collect();
    if parts.len() > 1 && parts.first() == Some(&"") {
        parts.remove(0);
    }
    let mut out: Vec<String> = Vec::with_capacity(parts.len());
    for part in parts {
        match out.last_mut() {
            Some(last) if last.ends_with('\\') => {
                last.pop();
                last.push(delimiter);
                last.push_str(part);
            }
            _ => out.push(part.to_owned()),
        }
    }
    out
}

/// Splits at slashes unless a backslash stands before them.
pub(crate) fn split_escaped(path: &str) -> Vec<String> {
    // A leading slash makes an empty first part, which lookups skip.
    split(&format!("/{path}"), '/')
}

/// Like [`split`] at dots, but what stands in brackets stays whole.
pub(crate) fn split_fields(path: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut parts = split(path, '.').into_iter();
    while let Some(part) = parts.next() {
        if !part.starts_with('[') || part.ends_with(']') {
            out.push(part);
            continue;
        }
        let mut whole = part;
        for next in parts.by_ref() {
            whole.push('.');
            whole.push_str(&next);
            if next.ends_with(']') {
                break;
            }
        }
        if whole.contains('=') {
            out.push(whole);
        } else {
            out.push(whole.trim_matches(['[', ']']).to_owned());
        }
    }
    out
}

/// One part of a path.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Part<'a> {
    Field(&'a str),
    Index(usize),
    Last,
    Every,
    /// `[field=value]`; the field is empty for a list of scalars.
    Element(&'a str, &'a str),
}

/// `[field=value]` taken apart.
pub(crate) fn element_parts(part: &str) -> Result<(&str, &str)> {
    let inner = part.strip_suffix(']').unwrap_or(part);
    let inner = inner.strip_prefix('[').unwrap_or(inner);
    inner.split_once('=').ok_or_else(|| {
        invalid("list path element must contain fieldName=fieldValue for element to match")
    })
}

pub(crate) fn is_element(part: &str) -> bool {
    part.starts_with('[') && part.ends_with(']')
}

/// A number without a sign that makes it negative.
pub(crate) fn index_of(part: &str) -> Option<usize> {
    part.parse::<i64>().ok().and_then(|i| usize::try_from(i).ok())
}

impl<'a> Part<'a> {
    pub(crate) fn parse(part: &'a str) -> Result<Self> {
        if let Ok(index) = part.parse::<i64>() {
            return match usize::try_from(index) {
                Ok(index) => Ok(Self::Index(index)),
                Err(_) => Err(invalid(format!("array index {index} cannot be negative"))),
            };
        }
        match part {
            "-" => Ok(Self::Last),
            "*" => Ok(Self::Every),
            _ if is_element(part) => element_parts(part).map(|(f, v)| Self::Element(f, v)),
            _ => Ok(Self::Field(part)),
        }
    }
}

fn invalid(message: impl Into<String>) -> BuildError {
    BuildError::new(ErrorKind::InvalidTransformer, message)
}

/// The child of `node` at `part`, as an index into its items or entries.
fn child(node: &Node, part: &Part<'_>) -> Result<Option<usize>> {
    match *part {
        Part::Field(_) if is_null(node) => Ok(None),
        Part::Field(name) => {
            expect_kind(node, Kind::Mapping)?;
            Ok(node.index_of(name))
        }
        Part::Every => Err(invalid("wildcard is not supported in PathGetter")),
        _ => {
            expect_kind(node, Kind::Sequence)?;
            let items = node.items().unwrap_or_default();
            Ok(match *part {
                Part::Index(index) => (index < items.len()).then_some(index),
                Part::Last => items.len().checked_sub(1),
                Part::Element(field, value) => items.iter().position(|i| matches(i, field, value)),
                _ => None,
            })
        }
    }
}

/// Whether a list's item is the one that `[field=value]` names.
fn matches(item: &Node, field: &str, value: &str) -> bool {
    if field.is_empty() {
        return text(item) == value;
    }
    !is_null(item) && item.get(field).is_some_and(|found| text(found) == value)
}

fn cleaned<S: AsRef<str>>(path: &[S]) -> impl Iterator<Item = &str> {
    path.iter().map(|part| part.as_ref().trim()).filter(|part| !part.is_empty())
}

/// The node at `path`, if it is there.
pub(crate) fn lookup<'n, S: AsRef<str>>(node: &'n Node, path: &[S]) -> Result<Option<&'n Node>> {
    let mut at = node;
    for part in cleaned(path) {
        let Some(index) = child(at, &Part::parse(part)?)? else { return Ok(None) };
        let next = match at.entries() {
            Some(entries) => entries.get(index).map(|entry| &entry.value),
            None => at.items().and_then(|items| items.get(index)),
        };
        let Some(next) = next else { return Ok(None) };
        at = next;
    }
    Ok(Some(at))
}

/// Like [`lookup`], to change.
pub(crate) fn lookup_mut<'n, S: AsRef<str>>(
    node: &'n mut Node,
    path: &[S],
) -> Result<Option<&'n mut Node>> {
    if lookup(node, path)?.is_none() {
        return Ok(None);
    }
    let mut at = node;
    for part in cleaned(path) {
        let Some(index) = child(at, &Part::parse(part)?)? else { return Ok(None) };
        let Some(next) = child_mut(at, index) else { return Ok(None) };
        at = next;
    }
    Ok(Some(at))
}

fn child_mut(node: &mut Node, index: usize) -> Option<&mut Node> {
    if node.is_mapping() {
        return node.entries_mut()?.get_mut(index).map(|entry| &mut entry.value);
    }
    node.items_mut()?.get_mut(index)
}

/// The kind of the node that the part before `next` leads to.
pub(crate) fn kind_before(next: Option<&str>, last: Kind) -> Kind {
    match next {
        None | Some("") => last,
        Some(next) if is_element(next) || index_of(next).is_some() => Kind::Sequence,
        Some(_) => Kind::Mapping,
    }
}

/// Like [`lookup_mut`], but missing fields and elements are made; the last is of kind `last`.
/// Items named by index are not made.
pub(crate) fn lookup_create<'n, S: AsRef<str>>(
    node: &'n mut Node,
    path: &[S],
    last: Kind,
) -> Result<Option<&'n mut Node>> {
    let parts: Vec<&str> = cleaned(path).collect();
    let mut at = node;
    for (i, part) in parts.iter().enumerate() {
        let part = Part::parse(part)?;
        let index = match child(at, &part)? {
            Some(index) => Some(index),
            None => match part {
                // Upstream never makes a field in null: it has no entries to begin with.
                Part::Field(_) if is_null(at) => None,
                Part::Field(name) => {
                    let made = kind_before(parts.get(i + 1).copied(), last).empty();
                    at.push_entry(Entry::new(name, made))
                }
                Part::Element(field, value) => at.items_mut().map(|items| {
                    items.push(element(field, value));
                    items.len() - 1
                }),
                _ => None,
            },
        };
        let Some(index) = index else { return Ok(None) };
        let Some(next) = child_mut(at, index) else { return Ok(None) };
        at = next;
    }
    Ok(Some(at))
}

/// The item that `[field=value]` would match.
pub(crate) fn element(field: &str, value: &str) -> Node {
    if field.is_empty() {
        return Node::scalar(value);
    }
    Node::mapping(vec![Entry::new(field, Node::scalar(value))])
}

/// Whether a document of this text means something else than a string in YAML 1.1: a number, a map
/// as in `a: b`, or nothing as in `# a`. One that cannot be read counts as a string.
pub(crate) fn reads_as_no_string(text: &str) -> bool {
    if text.is_empty() || text.contains('\n') {
        return false;
    }
    if is_plain_scalar(text) {
        return !yaml::is_plain_string(text, Dialect::V2);
    }
    match yaml::read_kustomization(text.as_bytes(), FileId::default()) {
        Ok(Some(node)) if node.is_scalar() => {
            let value = node.value(Dialect::V2);
            value.is_some_and(|value| !matches!(value, Value::Str(_) | Value::Bytes(_)))
        }
        Ok(Some(node)) => is_readable(&node),
        Ok(None) => true,
        Err(_) => false,
    }
}

/// Whether a text has no character that could make it more than one plain scalar. `false` may be
/// said too often: this spares most texts the parser.
fn is_plain_scalar(text: &str) -> bool {
    let starts = text.starts_with(|c: char| c.is_ascii_alphanumeric() || "./_+".contains(c));
    let printable = text.bytes().all(|byte| (b' '..0x7f).contains(&byte));
    let no_map = !text.ends_with(':') && !text.contains(": ");
    starts && printable && no_map && !text.contains(" #") && !text.starts_with("...")
}

/// Whether go-yaml v2 makes a value of a node: scalars as their tags say, no lists or maps as keys.
fn is_readable(node: &Node) -> bool {
    match node.entries() {
        Some(entries) => entries.iter().all(|entry| {
            entry.key.is_scalar() && is_readable(&entry.key) && is_readable(&entry.value)
        }),
        None => match node.items() {
            Some(items) => items.iter().all(is_readable),
            None => node.value(Dialect::V2).is_some(),
        },
    }
}

/// What upstream does to a value before it is set anywhere.
fn prepared(mut value: Node) -> Node {
    quote(&mut value);
    value
}

/// Quotes a bare string that YAML 1.1 would read as something else. A tag that is written out is a
/// style to upstream, so what has one is left as it is.
pub(crate) fn quote(node: &mut Node) {
    if is_to_be_quoted(node) {
        node.set_style(Style::DoubleQuoted);
    }
}

/// Whether [`quote`] changes a node.
pub(crate) fn is_to_be_quoted(node: &Node) -> bool {
    let is_bare = node.style() == Style::Plain && !node.is_tagged();
    is_bare && is_string(node) && reads_as_no_string(text(node))
}

/// The style of a node; a tag that is written out is part of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dress(Style, bool);

impl Dress {
    pub(crate) fn of(node: &Node) -> Self {
        Self(node.style(), node.is_tagged())
    }
}

/// Gives a value the style of what it replaces. In quotes and without a written tag, what was a
/// number is printed as a string.
pub(crate) fn restyle(value: &mut Node, Dress(style, tagged): Dress) {
    value.set_style(style);
    value.set_tagged(tagged);
    if tagged {
        return;
    }
    let quoted =
        matches!(style, Style::SingleQuoted | Style::DoubleQuoted | Style::Literal | Style::Folded);
    let typed = matches!(value.tag(), Tag::Int | Tag::Float | Tag::Bool | Tag::Timestamp);
    if quoted && typed && value.is_scalar() {
        value.set_tag(Tag::Str);
    }
}

/// Replaces a scalar; its style stays.
pub(crate) fn set_scalar(node: &mut Node, value: Node, pen: &mut Pen) -> Result<()> {
    expect_kind(node, Kind::Scalar)?;
    if is_null(&value) {
        return Ok(());
    }
    let mut value = value;
    restyle(&mut value, Dress::of(node));
    pen.write(node, value);
    Ok(())
}

/// [`set_field_with`] where no shared node can stand.
pub(crate) fn set_field(node: &mut Node, name: &str, value: Node) -> Result<()> {
    set_field_with(node, name, value, &mut Pen::default())
}

/// Sets a field of a map: an existing one keeps its place in the map and its style, null removes
/// it.
pub(crate) fn set_field_with(
    node: &mut Node,
    name: &str,
    value: Node,
    pen: &mut Pen,
) -> Result<()> {
    if is_null(&value) {
        return remove_field(node, name);
    }
    if is_null(node) {
        return Ok(()); // upstream adds content to a scalar, which is then not printed
    }
    expect_kind(node, Kind::Mapping)?;
    let mut value = prepared(value);
    match node.get_mut(name) {
        Some(old) => {
            restyle(&mut value, Dress::of(old));
            pen.write(old, value);
        }
        None => {
            node.set(name, value);
        }
    }
    Ok(())
}

/// Removes a field of a map.
pub(crate) fn remove_field(node: &mut Node, name: &str) -> Result<()> {
    expect_kind(node, Kind::Mapping)?;
    node.remove(name);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::split;
    use super::split_fields;

    #[test]
    fn paths_split() {
        #[rustfmt::skip]
        let cases: &[(&str, &[&str])] = &[
            ("a/b", &["a", "b"]),
            ("/a/b", &["a", "b"]),
            (r"metadata/annotations/nginx\/x", &["metadata", "annotations", "nginx/x"]),
            ("", &[""]),
        ];
        for &(path, want) in cases {
            assert_eq!(split(path, '/'), want, "{path}");
        }
        #[rustfmt::skip]
        let cases: &[(&str, &[&str])] = &[
            ("spec.containers.[name=a.b].image", &["spec", "containers", "[name=a.b]", "image"]),
            ("data.[a.b]", &["data", "a.b"]),
            (r"data.a\.b", &["data", "a.b"]),
            ("a.[b]", &["a", "[b]"]),
        ];
        for &(path, want) in cases {
            assert_eq!(split_fields(path), want, "{path}");
        }
    }
}
