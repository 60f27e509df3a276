//! A field spec: the types and the path at which a transformer acts.
//!
//! Lists along the path are walked item by item, without being named. A missing field is left
//! alone, or made when the spec says so and the transformer knows what to make.
//! Upstream: `api/types/fieldspec.go`, `api/filters/fieldspec`.

use super::error::BuildError;
use super::error::ErrorKind;
use super::error::Result;
use super::gvk::GvkPattern;
use super::path;
use super::path::Kind;
use super::pen::Pen;
use super::resource::Object;
use super::yaml::Node;
use super::yaml::Tag;

/// Where a transformer acts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FieldSpec {
    pub(crate) gvk: GvkPattern,
    pub(crate) path: String,
    pub(crate) create: bool,
}

/// What a transformer makes where a field is missing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Create {
    pub(crate) kind: Kind,
    /// The tag of a null that becomes this kind.
    pub(crate) tag: Tag,
}

/// Called with each node at the end of a path.
pub(crate) type SetNode<'f> = dyn FnMut(&mut Node, &mut Pen) -> Result<()> + 'f;

impl FieldSpec {
    pub(crate) fn at(path: &str, create: bool) -> Self {
        Self { gvk: GvkPattern::default(), path: path.to_owned(), create }
    }

    /// Whether `other` is covered by this one when lists are merged.
    fn covers(&self, other: &Self) -> bool {
        self.gvk.is_selected(&other.gvk) && self.path == other.path
    }

    /// Whether this spec speaks of objects of this type.
    pub(crate) fn matches(&self, object: &Object) -> bool {
        object.id().gvk.is_selected(&self.gvk)
    }

    /// Calls `set` with each node that the path leads to, if the object is of the type.
    pub(crate) fn apply(
        &self,
        object: &mut Object,
        create: Option<Create>,
        set: &mut SetNode<'_>,
    ) -> Result<()> {
        if !self.matches(object) {
            return Ok(());
        }
        self.apply_to_any(object, create, set)
    }

    /// Whether [`FieldSpec::apply_to_any`] without `create` has nothing to do; costs no copy.
    pub(crate) fn misses(&self, object: &Object) -> bool {
        // A path in which nothing is escaped needs no taking apart.
        let plain = !self.path.contains('\\') && !self.path.starts_with('/');
        plain && !reaches(object.node(), &mut self.path.split('/'))
    }

    /// [`FieldSpec::apply`], whatever the object's type.
    pub(crate) fn apply_to_any(
        &self,
        object: &mut Object,
        create: Option<Create>,
        set: &mut SetNode<'_>,
    ) -> Result<()> {
        let create = create.filter(|_| self.create);
        if create.is_none() && self.misses(object) {
            return Ok(());
        }
        let parts = path::split(&self.path, '/');
        if create.is_none() && !reaches(object.node(), &mut parts.iter().map(String::as_str)) {
            return Ok(());
        }
        let mut pen = Pen::default();
        let outcome = if may_change_id(&parts) {
            walk(object.node_mut(), &parts, create, &mut |node| set(node, &mut pen))
        } else {
            walk(object.body_mut(), &parts, create, &mut |node| set(node, &mut pen))
        };
        object.settle(pen);
        outcome.map_err(|error| {
            let field = &self.path;
            error.wrap(format!("considering field '{field}' of object {}", object.id()))
        })
    }
}

/// Whether a change at the end of this path can change an object's ids.
fn may_change_id(parts: &[String]) -> bool {
    match parts.first().map(String::as_str) {
        Some("kind" | "apiVersion") | None => true,
        Some("metadata") => parts.get(1).is_none_or(|part| part != "labels"),
        Some(_) => false,
    }
}

/// Whether the walk would meet anything at all; only so is the object copied for writing.
fn reaches<'p>(node: &Node, parts: &mut (impl Iterator<Item = &'p str> + Clone)) -> bool {
    let all = parts.clone();
    let Some(first) = parts.next() else { return true };
    if path::is_null(node) {
        return false;
    }
    if let Some(items) = node.items() {
        return items.iter().any(|item| reaches(item, &mut all.clone()));
    }
    if !node.is_mapping() {
        return true; // an error, which the walk tells
    }
    let (name, is_list) = match first.strip_suffix("[]") {
        Some(name) => (name, true),
        None => (first, false),
    };
    if name.trim() != name || name.is_empty() || path::index_of(name).is_some() || name == "*" {
        return true; // odd names are the walk's business
    }
    // A null where a list is expected becomes an empty one.
    node.get(name).is_some_and(|found| (is_list && path::is_null(found)) || reaches(found, parts))
}

fn walk(
    node: &mut Node,
    parts: &[String],
    create: Option<Create>,
    set: &mut dyn FnMut(&mut Node) -> Result<()>,
) -> Result<()> {
    let Some((first, rest)) = parts.split_first() else { return set(node) };
    if path::is_null(node) {
        return Ok(());
    }
    if let Some(items) = node.items_mut() {
        return items.iter_mut().try_for_each(|item| walk(item, parts, create, set)).map_err(
            |error| error.wrap(format!("visit traversal on path: [{}]", parts.join(" "))),
        );
    }
    if !node.is_mapping() {
        let words = "expected sequence or mapping node";
        return Err(BuildError::new(ErrorKind::InvalidTransformer, words));
    }
    let (name, is_list) = match first.strip_suffix("[]") {
        Some(name) => (name, true),
        None => (first.as_str(), false),
    };
    if name.is_empty() {
        let words = "cannot set or create an empty field name";
        return Err(BuildError::new(ErrorKind::InvalidTransformer, words));
    }
    let (made, null_becomes) = match create {
        None => (None, is_list.then_some((Kind::Sequence, Tag::Unset))),
        Some(_) if is_list => (None, Some((Kind::Sequence, Tag::Unset))),
        Some(last) if rest.is_empty() => (Some(last.kind), Some((last.kind, last.tag))),
        Some(_) => (Some(Kind::Mapping), Some((Kind::Mapping, Tag::Map))),
    };
    let field = match made {
        Some(kind) => path::lookup_create(node, &[name], kind),
        None => path::lookup_mut(node, &[name]),
    };
    let field = field.map_err(|error| error.wrap(format!("fieldName: {name}")))?;
    let Some(field) = field else { return Ok(()) };
    if path::is_null(field)
        && let Some((kind, tag)) = null_becomes
    {
        become_kind(field, kind, tag);
    }
    walk(field, rest, create, set)
}

/// Turns a null into an empty node of `kind`. A scalar keeps its text, as upstream, and a null that
/// has entries keeps them.
fn become_kind(node: &mut Node, kind: Kind, tag: Tag) {
    if kind == Kind::Scalar || (kind == Kind::Mapping && node.is_hollow()) {
        node.set_tag(tag);
        return;
    }
    *node = kind.empty().at(node.place());
}

/// Field specs in the order in which they are tried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FieldSpecs(pub(crate) Vec<FieldSpec>);

impl FieldSpecs {
    /// Adds `spec` unless an earlier one covers it.
    pub(crate) fn merge_one(&mut self, spec: &FieldSpec) -> Result<()> {
        match self.0.iter().find(|have| have.covers(spec)) {
            Some(have) if have.create != spec.create => {
                Err(BuildError::new(ErrorKind::InvalidTransformer, "conflicting fieldspecs")
                    .says(format!("two configurations differ on `create` of `{}`", spec.path)))
            }
            Some(_) => Ok(()),
            None => {
                self.0.push(spec.clone());
                Ok(())
            }
        }
    }

    pub(crate) fn merge_all(&mut self, others: &Self) -> Result<()> {
        others.0.iter().try_for_each(|spec| self.merge_one(spec))
    }

    /// Upstream's order of kinds.
    pub(crate) fn sort(&mut self) {
        self.0.sort_by_cached_key(|spec| spec.gvk.sort_key());
    }

    /// [`FieldSpec::apply`] of each in turn.
    pub(crate) fn apply(
        &self,
        object: &mut Object,
        create: Option<Create>,
        set: &mut SetNode<'_>,
    ) -> Result<()> {
        self.0.iter().try_for_each(|spec| spec.apply(object, create, set))
    }
}
