//! One object on its way through a build, with what the steps remember about it.
//!
//! Like upstream, earlier names and other memories stand as annotations in the object itself, so
//! that a patch which touches annotations has the same effects; they go before the build ends.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::OnceLock;

use super::error::BuildError;
use super::error::ErrorKind;
use super::error::Result;
use super::gvk::Gvk;
use super::gvk::ResId;
use super::origins::Trail;
use super::path;
use super::path::Kind;
use super::pen;
use super::pen::Pen;
use super::schemas::Schemas;
use super::yaml::Node;
use super::yaml::Place;
use super::yaml::Style;
use super::yaml::Text;
use super::yaml::shared_text;

/// The annotations by which the steps of a build remember things.
pub(crate) mod annotation {
    pub(crate) const PREVIOUS_KINDS: &str = "internal.config.kubernetes.io/previousKinds";
    pub(crate) const PREVIOUS_NAMES: &str = "internal.config.kubernetes.io/previousNames";
    pub(crate) const PREVIOUS_NAMESPACES: &str = "internal.config.kubernetes.io/previousNamespaces";
    pub(crate) const PREFIXES: &str = "internal.config.kubernetes.io/prefixes";
    pub(crate) const SUFFIXES: &str = "internal.config.kubernetes.io/suffixes";
    pub(crate) const ALLOW_NAME_CHANGE: &str = "internal.config.kubernetes.io/allowNameChange";
    pub(crate) const ALLOW_KIND_CHANGE: &str = "internal.config.kubernetes.io/allowKindChange";
    pub(crate) const BEHAVIOR: &str = "internal.config.kubernetes.io/generatorBehavior";
    pub(crate) const NEEDS_HASH: &str = "internal.config.kubernetes.io/needsHashSuffix";
    pub(crate) const HELM: &str = "internal.config.kubernetes.io/helm-generated";
    pub(crate) const ORIGIN: &str = "config.kubernetes.io/origin";
    pub(crate) const TRANSFORMATIONS: &str = "alpha.config.kubernetes.io/transformations";
    pub(crate) const LOCAL_CONFIG: &str = "config.kubernetes.io/local-config";
    pub(crate) const ENABLED: &str = "enabled";
    /// All that never leave a build, whoever wrote them.
    pub(crate) const BUILD: &[&str] = &[
        PREVIOUS_KINDS,
        PREVIOUS_NAMES,
        PREFIXES,
        SUFFIXES,
        PREVIOUS_NAMESPACES,
        ALLOW_NAME_CHANGE,
        ALLOW_KIND_CHANGE,
        "internal.config.kubernetes.io/refBy",
        BEHAVIOR,
        NEEDS_HASH,
        "internal.config.kubernetes.io/path",
        "internal.config.kubernetes.io/index",
        "internal.config.kubernetes.io/seqindent",
        "internal.config.kubernetes.io/id",
        "internal.config.kubernetes.io/annotations-migration-resource-id",
        "config.kubernetes.io/path",
        "config.kubernetes.io/index",
        "config.k8s.io/id",
        HELM,
    ];
}

/// Ids now and before, the oldest first.
#[derive(Clone, Debug)]
struct Ids {
    current: ResId,
    previous: Vec<ResId>,
}

/// One object.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    node: Node,
    /// The object was deleted by a patch, or is empty.
    gone: bool,
    ids: OnceLock<Arc<Ids>>,
    schemas: Arc<Schemas>,
    /// Variables that take their value from this object.
    pub(crate) variables: Vec<String>,
    /// Where the object was first written.
    pub(crate) place: Place,
    /// Where the value of each group of shared nodes comes from.
    groups: Vec<Place>,
    /// Which steps wrote what; only in builds that note it.
    trail: Option<Box<Trail>>,
}

impl Object {
    pub(crate) fn new(node: Node, schemas: &Arc<Schemas>) -> Self {
        let place = node.place();
        let schemas = Arc::clone(schemas);
        Self {
            node,
            gone: false,
            ids: OnceLock::new(),
            schemas,
            variables: Vec::new(),
            place,
            groups: Vec::new(),
            trail: None,
        }
    }

    /// What it remembers of its steps.
    pub(crate) fn trail(&self) -> Option<&Trail> {
        self.trail.as_deref()
    }

    /// What it remembers of its steps, to change; from then on it remembers.
    pub(crate) fn trail_mut(&mut self) -> &mut Trail {
        self.trail.get_or_insert_default()
    }

    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    pub(crate) fn into_node(self) -> Node {
        self.node
    }

    /// The same object in another build.
    pub(crate) fn in_build(&self, schemas: &Arc<Schemas>) -> Self {
        Self { schemas: Arc::clone(schemas), ..self.clone() }
    }

    pub(crate) fn schemas(&self) -> &Arc<Schemas> {
        &self.schemas
    }

    /// The object, to change. Ids are found anew afterwards.
    pub(crate) fn node_mut(&mut self) -> &mut Node {
        self.ids = OnceLock::new();
        &mut self.node
    }

    /// The object, to change where no id can be touched.
    pub(crate) fn body_mut(&mut self) -> &mut Node {
        &mut self.node
    }

    pub(crate) fn set_node(&mut self, node: Node) {
        *self.node_mut() = node;
    }

    /// A new group of nodes that stand in several fields at once.
    pub(crate) fn share(&mut self, origin: Place) -> Place {
        self.groups.push(origin);
        pen::group_place(self.groups.len() - 1)
    }

    /// Repeats what a pen wrote over in the rest of the groups.
    pub(crate) fn settle(&mut self, pen: Pen) {
        for (group, origin, node) in pen.into_changes() {
            if let Some(slot) = self.groups.get_mut(group) {
                *slot = origin;
            }
            pen::repeat(&mut self.node, group, &node);
        }
    }

    /// Where a node of this object comes from.
    pub(crate) fn origin_of(&self, place: Place) -> Place {
        let group = pen::group_of(place).and_then(|group| self.groups.get(group));
        group.copied().unwrap_or(place)
    }

    /// A part of this object to be put elsewhere: it shares nothing with what stays.
    pub(crate) fn detached(&self, node: &Node) -> Node {
        let mut node = node.clone();
        if !self.groups.is_empty() {
            self.detach(&mut node);
        }
        node
    }

    fn detach(&self, node: &mut Node) {
        node.set_place(self.origin_of(node.place()));
        if node.is_mapping() {
            let entries = node.entries_mut().into_iter().flatten();
            entries.for_each(|entry| self.detach(&mut entry.value));
        } else {
            node.items_mut().into_iter().flatten().for_each(|item| self.detach(item));
        }
    }

    /// Marks the object as deleted.
    pub(crate) fn delete(&mut self) {
        self.gone = true;
    }

    /// Deleted, null or without any field.
    pub(crate) fn is_empty(&self) -> bool {
        self.gone || path::is_null_or_empty(&self.node)
    }

    fn ids(&self) -> &Ids {
        self.ids.get_or_init(|| {
            let current = id_of(&self.node, &self.schemas);
            let previous = previous_ids(&self.node, &current);
            Arc::new(Ids { current, previous })
        })
    }

    /// The id now.
    pub(crate) fn id(&self) -> &ResId {
        &self.ids().current
    }

    /// Earlier ids, the oldest first.
    pub(crate) fn previous_ids(&self) -> &[ResId] {
        &self.ids().previous
    }

    /// The id with which the object was first written.
    pub(crate) fn original_id(&self) -> &ResId {
        self.previous_ids().first().unwrap_or_else(|| self.id())
    }

    /// Earlier ids and the current one, in that order.
    pub(crate) fn all_ids(&self) -> impl Iterator<Item = &ResId> {
        self.previous_ids().iter().chain(std::iter::once(self.id()))
    }

    pub(crate) fn kind(&self) -> &str {
        self.node.get("kind").map(path::text).unwrap_or_default()
    }

    pub(crate) fn name(&self) -> &str {
        meta_text(&self.node, "name").map(|n| n.as_str_or_empty()).unwrap_or_default()
    }

    pub(crate) fn namespace(&self) -> &str {
        meta_text(&self.node, "namespace").map(|n| n.as_str_or_empty()).unwrap_or_default()
    }

    /// Sets `metadata.name`, in the style of the old one.
    pub(crate) fn set_name(&mut self, name: &str) -> Result<()> {
        set_meta(self.node_mut(), "name", name)
    }

    /// Sets `metadata.namespace`; an empty one is removed.
    pub(crate) fn set_namespace(&mut self, namespace: &str) -> Result<()> {
        let node = self.node_mut();
        if !namespace.is_empty() {
            return set_meta(node, "namespace", namespace);
        }
        match node.get("metadata").and_then(|metadata| metadata.index_of("namespace")) {
            Some(_) => match node.get_mut("metadata") {
                Some(metadata) => path::remove_field(metadata, "namespace"),
                None => Ok(()),
            },
            None => Ok(()),
        }
    }

    pub(crate) fn set_kind(&mut self, kind: &str) -> Result<()> {
        path::set_field(self.node_mut(), "kind", Node::scalar(kind))
    }

    pub(crate) fn set_api_version(&mut self, api_version: &str) -> Result<()> {
        path::set_field(self.node_mut(), "apiVersion", Node::scalar(api_version))
    }

    pub(crate) fn annotations(&self) -> BTreeMap<String, String> {
        map_in_metadata(&self.node, "annotations")
    }

    pub(crate) fn labels(&self) -> BTreeMap<String, String> {
        map_in_metadata(&self.node, "labels")
    }

    /// One annotation's text.
    pub(crate) fn annotation(&self, key: &str) -> Option<&str> {
        annotation_of(&self.node, key)
    }

    pub(crate) fn set_annotations(&mut self, map: &BTreeMap<String, String>) -> Result<()> {
        refuse_odd_list(&self.node)?;
        let groups = std::mem::take(&mut self.groups);
        let outcome = set_map_in_metadata(self.node_mut(), "annotations", map, &groups);
        self.groups = groups;
        outcome
    }

    pub(crate) fn set_labels(&mut self, map: &BTreeMap<String, String>) -> Result<()> {
        let groups = std::mem::take(&mut self.groups);
        let outcome = set_map_in_metadata(self.node_mut(), "labels", map, &groups);
        self.groups = groups;
        outcome
    }

    pub(crate) fn is_enabled(&self, key: &str) -> bool {
        self.annotation(key) == Some(annotation::ENABLED)
    }

    /// Sets one annotation, by writing all of them anew as upstream does.
    pub(crate) fn put_annotation(&mut self, key: &str, value: &str) -> Result<()> {
        let mut annotations = self.annotations();
        annotations.insert(key.to_owned(), value.to_owned());
        self.set_annotations(&annotations)
    }

    /// The comma-separated parts of an annotation.
    pub(crate) fn csv(&self, key: &str) -> Vec<&str> {
        self.annotation(key).map(|text| text.split(',').collect()).unwrap_or_default()
    }

    /// Adds to a comma-separated annotation; nothing is added for `""`.
    pub(crate) fn append_csv(&mut self, key: &str, value: &str) -> Result<()> {
        if value.is_empty() {
            return Ok(());
        }
        let text = match self.annotation(key) {
            Some(old) => format!("{old},{value}"),
            None => value.to_owned(),
        };
        set_annotation(self.node_mut(), key, &text)
    }

    /// Remembers the current id, before it changes.
    pub(crate) fn store_previous_id(&mut self) -> Result<()> {
        let id = self.id().clone();
        self.append_csv(annotation::PREVIOUS_NAMES, &id.name)?;
        self.append_csv(annotation::PREVIOUS_NAMESPACES, id.effective_namespace())?;
        self.append_csv(annotation::PREVIOUS_KINDS, &id.gvk.kind)?;
        let count = |key| self.csv(key).len();
        let names = count(annotation::PREVIOUS_NAMES);
        let fits = |key| count(key) == names;
        // A name that is empty is not remembered, and upstream ends when names are too few.
        let fit = fits(annotation::PREVIOUS_NAMESPACES) && fits(annotation::PREVIOUS_KINDS);
        if names == 0 || fit {
            return Ok(());
        }
        let words = "number of previous names, number of previous namespaces, number of previous \
                     kinds not equal";
        Err(BuildError::new(ErrorKind::InvalidObject, words)
            .says(format!("a step has left an object of kind `{}` without a name", id.gvk.kind)))
    }

    /// Takes labels, annotations, name and namespace of `other` where this one has none of its own;
    /// memories come from `other` alone.
    pub(crate) fn copy_metadata_from(&mut self, other: &Self) -> Result<()> {
        let mut labels = other.labels();
        labels.extend(self.labels());
        self.set_labels(&labels)?;
        let own = self.annotations();
        let hashed = own.contains_key(annotation::NEEDS_HASH);
        let theirs = other.annotations();
        let mut merged = theirs.clone();
        merged.extend(own);
        for &key in annotation::BUILD {
            match theirs.get(key) {
                Some(value) => merged.insert(key.to_owned(), value.clone()),
                None => merged.remove(key),
            };
        }
        if !hashed {
            merged.remove(annotation::NEEDS_HASH);
        }
        self.set_annotations(&merged)?;
        self.set_name(other.name())?;
        self.set_namespace(other.namespace())?;
        self.variables = other.variables.clone();
        Ok(())
    }
}

/// A metadata field's value: text even when it is a list, which reads as empty.
struct MetaText<'n>(&'n Node);

impl<'n> MetaText<'n> {
    fn as_str_or_empty(&self) -> &'n str {
        path::text(self.0)
    }
}

/// The metadata of an object, unless it is empty.
pub(crate) fn metadata(node: &Node) -> Option<&Node> {
    node.get("metadata").filter(|found| !path::is_null_or_empty(found))
}

fn meta_text<'n>(node: &'n Node, field: &str) -> Option<MetaText<'n>> {
    metadata(node)?.get(field).filter(|found| !path::is_null_or_empty(found)).map(MetaText)
}

fn shared(node: Option<&Node>) -> Text {
    node.and_then(Node::shared_text).unwrap_or_default()
}

/// Type, name and namespace of an object.
pub(crate) fn id_of(node: &Node, schemas: &Schemas) -> ResId {
    let api_version = shared(node.get("apiVersion"));
    let kind = shared(node.get("kind"));
    let cluster_scoped = schemas.is_cluster_scoped(&api_version, &kind);
    ResId {
        gvk: Gvk { api_version, kind, cluster_scoped },
        name: shared(meta_text(node, "name").map(|found| found.0)),
        namespace: shared(meta_text(node, "namespace").map(|found| found.0)),
    }
}

/// The ids that the annotations remember; empty when they do not fit together.
fn previous_ids(node: &Node, current: &ResId) -> Vec<ResId> {
    let Some(names) = annotation_of(node, annotation::PREVIOUS_NAMES) else { return Vec::new() };
    let list = |key| annotation_of(node, key).unwrap_or_default().split(',');
    let api_version = shared(node.get("apiVersion"));
    names
        .split(',')
        .zip(list(annotation::PREVIOUS_NAMESPACES))
        .zip(list(annotation::PREVIOUS_KINDS))
        .map(|((name, namespace), kind)| ResId {
            gvk: Gvk {
                api_version: api_version.clone(),
                kind: shared_text(kind),
                cluster_scoped: false,
            },
            name: same_or_new(name, &current.name),
            namespace: shared_text(namespace),
        })
        .collect()
}

/// Most names stay as they are: they need no copy.
fn same_or_new(text: &str, known: &Text) -> Text {
    if text == known.as_str() { known.clone() } else { text.into() }
}

fn annotation_of<'n>(node: &'n Node, key: &str) -> Option<&'n str> {
    metadata(node)?.get("annotations")?.get(key).map(path::text)
}

/// All entries of `metadata.field` as texts. Upstream never asks for its kind: of a list, each item
/// is the key of the next one.
pub(crate) fn map_in_metadata(node: &Node, field: &str) -> BTreeMap<String, String> {
    let map = metadata(node).and_then(|metadata| metadata.get(field));
    let pair =
        |key: &Node, value: &Node| (path::text(key).to_owned(), path::text(value).to_owned());
    match map.and_then(Node::items) {
        Some(items) => items.chunks_exact(2).map(|two| pair(&two[0], &two[1])).collect(),
        None => {
            let entries = map.and_then(Node::entries).unwrap_or_default();
            entries.iter().map(|entry| pair(&entry.key, &entry.value)).collect()
        }
    }
}

/// Refuses annotations that are a list whose last item has no partner: upstream ends there.
fn refuse_odd_list(node: &Node) -> Result<()> {
    let annotations = metadata(node).and_then(|metadata| metadata.get("annotations"));
    match annotations.and_then(Node::items) {
        Some(items) if items.len() % 2 == 1 => {
            let words = format!("index out of range [{0}] with length {0}", items.len());
            Err(BuildError::new(ErrorKind::InvalidObject, words)
                .says("the annotations of an object are a list"))
        }
        _ => Ok(()),
    }
}

/// A string as upstream makes one: lines stand in a literal block.
pub(crate) fn made_string(text: &str) -> Node {
    let style = if text.contains('\n') { Style::Literal } else { Style::Plain };
    Node::string(text).styled(style)
}

fn set_map_in_metadata(
    node: &mut Node,
    field: &str,
    map: &BTreeMap<String, String>,
    groups: &[Place],
) -> Result<()> {
    let Some(metadata) = path::lookup_create(node, &["metadata"], Kind::Mapping)? else {
        return Ok(());
    };
    if map.is_empty() {
        return path::remove_field(metadata, field);
    }
    let mut made = Node::mapping(Vec::with_capacity(map.len()));
    for (key, value) in map {
        // The place of an entry that stays is kept, origins need it; what it shared is left.
        let old = metadata.get(field).and_then(|old| old.get(key));
        let place = old.map(Node::place).unwrap_or_default();
        let group = pen::group_of(place).and_then(|group| groups.get(group));
        let place = group.copied().unwrap_or(place);
        path::set_field(&mut made, key, made_string(value).at(place))?;
    }
    path::remove_field(metadata, field)?;
    metadata.set(field, made);
    Ok(())
}

/// Sets one annotation in place (kyaml: `SetAnnotation`).
pub(crate) fn set_annotation(node: &mut Node, key: &str, value: &str) -> Result<()> {
    if let Some(metadata) = node.get_mut("metadata") {
        let empty = |found: &Node| found.is_scalar() || found.is_empty_collection();
        if metadata.get("annotations").is_some_and(empty) {
            path::remove_field(metadata, "annotations")?;
        }
        if !metadata.is_mapping() || metadata.is_empty_collection() {
            path::remove_field(node, "metadata")?;
        }
    }
    set_metadata_entry(node, "annotations", key, value)
}

/// Sets one annotation as a field spec would.
pub(crate) fn set_plain_annotation(object: &mut Object, key: &str, value: &str) -> Result<()> {
    let map = path::lookup_create(object.node_mut(), &["metadata", "annotations"], Kind::Mapping)?;
    match map {
        Some(map) if !path::is_null(map) => path::set_field(map, key, Node::string(value)),
        Some(map) => {
            *map = Kind::Mapping.empty();
            path::set_field(map, key, Node::string(value))
        }
        None => Ok(()),
    }
}

/// Sets one label in place (kyaml: `SetLabel`).
pub(crate) fn set_label(node: &mut Node, key: &str, value: &str) -> Result<()> {
    set_metadata_entry(node, "labels", key, value)
}

fn set_metadata_entry(node: &mut Node, field: &str, key: &str, value: &str) -> Result<()> {
    match path::lookup_create(node, &["metadata", field], Kind::Mapping)? {
        Some(map) => path::set_field(map, key, made_string(value).styled(Style::SingleQuoted)),
        None => Ok(()),
    }
}

fn set_meta(node: &mut Node, field: &str, text: &str) -> Result<()> {
    match path::lookup_create(node, &["metadata"], Kind::Mapping)? {
        Some(metadata) => {
            // The name goes on to come from where it was written: this is for suffixes.
            let place =
                metadata.get(field).map(Node::place).filter(|p| pen::group_of(*p).is_none());
            path::set_field(metadata, field, Node::scalar(text).at(place.unwrap_or_default()))
        }
        None => Ok(()),
    }
}

/// Checks that an object has a kind and, unless it is a list, a name.
pub(crate) fn validate(node: &Node) -> Result<()> {
    let text = |field: &str| node.get(field).map(path::value_text).unwrap_or_default();
    let (kind, name) = (text("kind"), meta_text(node, "name").map(|n| n.as_str_or_empty()));
    let missing = |what: &str| {
        BuildError::new(
            ErrorKind::InvalidObject,
            format!("missing {what} in object {}", go_meta(node)),
        )
        .says(format!("an object has no {what}"))
    };
    if kind.is_empty() {
        let has = |field: &str| node.get(field).is_some_and(|f| !path::is_null_or_empty(f));
        if !node.is_mapping() || !(has("apiVersion") || has("kind") || has("metadata")) {
            let words = "missing Resource metadata";
            return Err(BuildError::new(ErrorKind::InvalidObject, words)
                .says("this is not a Kubernetes object: it has no kind"));
        }
        return Err(missing("kind"));
    }
    if !kind.ends_with("List") && name.unwrap_or_default().is_empty() {
        return Err(missing("metadata.name"));
    }
    Ok(())
}

/// An object's metadata as Go prints the struct.
fn go_meta(node: &Node) -> String {
    let text = |field: &str| node.get(field).map(path::value_text).unwrap_or_default();
    let meta = |field: &str| meta_text(node, field).map(|n| n.as_str_or_empty());
    let map = |field: &str| {
        let pairs: Vec<String> =
            map_in_metadata(node, field).iter().map(|(k, v)| format!("{k}:{v}")).collect();
        pairs.join(" ")
    };
    format!(
        "{{{{{} {}}} {{{{{} {}}} map[{}] map[{}]}}}}",
        text("apiVersion"),
        text("kind"),
        meta("name").unwrap_or_default(),
        meta("namespace").unwrap_or_default(),
        map("labels"),
        map("annotations")
    )
}
