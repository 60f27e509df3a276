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
use super::metadata;
use super::origins::Trail;
use super::path;
use super::pen;
use super::pen::Pen;
use super::schemas::Schemas;
use super::yaml::Node;
use super::yaml::Place;
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
        metadata::text(&self.node, "name").unwrap_or_default()
    }

    pub(crate) fn namespace(&self) -> &str {
        metadata::text(&self.node, "namespace").unwrap_or_default()
    }

    /// Sets `metadata.name`, in the style of the old one.
    pub(crate) fn set_name(&mut self, name: &str) -> Result<()> {
        metadata::set_text(self.node_mut(), "name", name)
    }

    /// Sets `metadata.namespace`; an empty one is removed.
    pub(crate) fn set_namespace(&mut self, namespace: &str) -> Result<()> {
        let node = self.node_mut();
        if !namespace.is_empty() {
            return metadata::set_text(node, "namespace", namespace);
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
        metadata::map(&self.node, "annotations")
    }

    pub(crate) fn labels(&self) -> BTreeMap<String, String> {
        metadata::map(&self.node, "labels")
    }

    /// One annotation's text; the last of equal keys counts.
    pub(crate) fn annotation(&self, key: &str) -> Option<&str> {
        metadata::annotation(&self.node, key)
    }

    /// One annotation's text; the first of equal keys counts.
    pub(crate) fn first_annotation(&self, key: &str) -> Option<&str> {
        metadata::first_annotation(&self.node, key)
    }

    pub(crate) fn set_annotations(&mut self, map: &BTreeMap<String, String>) -> Result<()> {
        metadata::refuse_odd_list(&self.node)?;
        let groups = std::mem::take(&mut self.groups);
        let outcome = metadata::set_map(self.node_mut(), "annotations", map, &groups);
        self.groups = groups;
        outcome
    }

    pub(crate) fn set_labels(&mut self, map: &BTreeMap<String, String>) -> Result<()> {
        let groups = std::mem::take(&mut self.groups);
        let outcome = metadata::set_map(self.node_mut(), "labels", map, &groups);
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
        metadata::set_annotation(self.node_mut(), key, &text)
    }

    /// Remembers the current id, before it changes.
    pub(crate) fn store_previous_id(&mut self) -> Result<()> {
        let id = self.id().clone();
        self.append_csv(annotation::PREVIOUS_NAMES, &id.name)?;
        self.append_csv(annotation::PREVIOUS_NAMESPACES, id.effective_namespace())?;
        self.append_csv(annotation::PREVIOUS_KINDS, &id.gvk.kind)?;
        let first = |key| self.first_annotation(key);
        let count = |key| first(key).map(|text| text.split(',').count()).unwrap_or_default();
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
    /// memories come from `other` alone. Upstream goes on with what was copied before an error.
    pub(crate) fn copy_metadata_from(&mut self, other: &Self) {
        let _ = self.try_copy_metadata_from(other);
    }

    fn try_copy_metadata_from(&mut self, other: &Self) -> Result<()> {
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
        name: shared(metadata::field(node, "name")),
        namespace: shared(metadata::field(node, "namespace")),
    }
}

/// The ids that the annotations remember; empty when they do not fit together.
fn previous_ids(node: &Node, current: &ResId) -> Vec<ResId> {
    let Some(names) = metadata::first_annotation(node, annotation::PREVIOUS_NAMES) else {
        return Vec::new();
    };
    let list = |key| metadata::first_annotation(node, key).unwrap_or_default().split(',');
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

/// Checks that an object has a kind and, unless it is a list, a name.
pub(crate) fn validate(node: &Node) -> Result<()> {
    let text = |field: &str| node.get(field).map(path::value_text).unwrap_or_default();
    let (kind, name) = (text("kind"), metadata::text(node, "name"));
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
    let meta = |field: &str| metadata::text(node, field);
    let map = |field: &str| {
        let pairs: Vec<String> =
            metadata::map(node, field).iter().map(|(k, v)| format!("{k}:{v}")).collect();
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
