//! Repairs references to objects whose names have changed.
//!
//! For each kind of target and each field that may name one, in the configured order: the name that
//! stands there is looked up among earlier names. What is ambiguous is narrowed by namespace and
//! by prefixes and suffixes. Upstream: `api/filters/nameref`.

use std::collections::HashMap;
use std::rc::Rc;

use crate::kustomize::config::NameReference;
use crate::kustomize::error::BuildError;
use crate::kustomize::error::ErrorKind;
use crate::kustomize::error::Result;
use crate::kustomize::fieldspec::FieldSpec;
use crate::kustomize::gvk::Gvk;
use crate::kustomize::gvk::GvkPattern;
use crate::kustomize::gvk::NO_NAMESPACE;
use crate::kustomize::gvk::ResId;
use crate::kustomize::path;
use crate::kustomize::path::Kind;
use crate::kustomize::pen::Pen;
use crate::kustomize::resmap::ResMap;
use crate::kustomize::resmap::shown;
use crate::kustomize::resource::Object;
use crate::kustomize::resource::annotation;
use crate::kustomize::yaml::Node;

/// A field that may hold a name, and the kind of object that it names.
type Field<'c> = (&'c FieldSpec, &'c GvkPattern);

/// Repairs all references.
pub(crate) fn transform(map: &mut ResMap, references: &[NameReference]) -> Result<()> {
    let index = Index::new(map);
    let mut fields: HashMap<Gvk, Rc<Vec<Field<'_>>>> = HashMap::new();
    for at in 0..map.len() {
        let Some(object) = map.objects().get(at) else { continue };
        let original = object.original_id().gvk.clone();
        let own = fields.entry(original.clone()).or_insert_with(|| {
            let all = references.iter().flat_map(|reference| {
                reference.referrers.0.iter().map(move |spec| (spec, &reference.target))
            });
            Rc::new(all.filter(|(spec, _)| original.is_selected(&spec.gvk)).collect())
        });
        let own = Rc::clone(own);
        repair(map, at, &own, &index)?;
    }
    Ok(())
}

/// Repairs the references of one object.
fn repair(map: &mut ResMap, at: usize, fields: &[Field<'_>], index: &Index) -> Result<()> {
    let Some(object) = map.objects().get(at).filter(|_| !fields.is_empty()) else { return Ok(()) };
    let referrer = Referrer::new(object)?;
    let mut object = object.clone();
    let mut changed = false;
    for (spec, target) in fields {
        // The type was checked when fields were gathered.
        let lookup = Lookup { map, index, referrer: &referrer, spec, target };
        let outcome = spec.apply_to_any(&mut object, None, &mut |node, pen| {
            changed |= lookup.set(node, pen)?;
            Ok(())
        });
        outcome.map_err(|error| {
            let id = &referrer.id;
            error.wrap(format!("updating name reference in '{}' field of '{id}'", spec.path))
        })?;
    }
    if changed && let Some(slot) = map.objects_mut().get_mut(at) {
        *slot = object;
    }
    Ok(())
}

/// Positions of objects by the names that they had before.
struct Index {
    by_name: HashMap<String, Vec<usize>>,
}

impl Index {
    fn new(map: &ResMap) -> Self {
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (i, object) in map.objects().iter().enumerate() {
            for id in object.previous_ids() {
                let list = by_name.entry((*id.name).to_owned()).or_default();
                if list.last() != Some(&i) {
                    list.push(i);
                }
            }
        }
        Self { by_name }
    }
}

/// The object whose references are repaired, as it was before.
struct Referrer {
    id: ResId,
    prefixes: Vec<String>,
    suffixes: Vec<String>,
    /// `apiGroup` and `kind` of a role reference.
    role: Option<GvkPattern>,
    /// Namespaces of the service accounts that a RoleBinding names.
    account_namespaces: Vec<String>,
}

impl Referrer {
    fn new(object: &Object) -> Result<Self> {
        let own = |key| object.csv(key).into_iter().map(str::to_owned).collect();
        Ok(Self {
            id: object.id().clone(),
            prefixes: own(annotation::PREFIXES),
            suffixes: own(annotation::SUFFIXES),
            role: role_of(object.node()),
            account_namespaces: account_namespaces(object)?,
        })
    }

    /// Whether an object could be meant at all, seen from this one.
    fn may_name(&self, other: &Object) -> bool {
        let id = other.id();
        self.id.gvk.cluster_scoped
            || id.gvk.cluster_scoped
            || id.same_namespace(&self.id)
            || self.account_namespaces.iter().any(|ns| ns == other.namespace())
    }

    fn same_context(&self, other: &Object, empty_fits: bool) -> bool {
        let fits = |own: &[String], other: &[&str]| {
            (empty_fits && (own.is_empty() || other.is_empty())) || same_ending(own, other)
        };
        fits(&self.prefixes, &other.csv(annotation::PREFIXES))
            && fits(&self.suffixes, &other.csv(annotation::SUFFIXES))
    }
}

/// Whether the shorter list ends the longer one.
fn same_ending(a: &[String], b: &[&str]) -> bool {
    if a.is_empty() || b.is_empty() {
        return a.is_empty() && b.is_empty();
    }
    a.iter().rev().zip(b.iter().rev()).all(|(a, b)| a == b)
}

fn role_of(node: &Node) -> Option<GvkPattern> {
    let role = node.get("roleRef")?;
    let text = |field: &str| role.get(field).map(|found| path::text(found).to_owned());
    Some(GvkPattern { group: text("apiGroup")?, version: String::new(), kind: text("kind")? })
}

fn account_namespaces(object: &Object) -> Result<Vec<String>> {
    let mut found = Vec::new();
    if object.kind() != "RoleBinding" {
        return Ok(found);
    }
    for subject in object.node().get("subjects").and_then(Node::items).unwrap_or_default() {
        let (namespace, kind) = (subject.get("namespace"), subject.get("kind"));
        // The official program panics on both, so what holds them never builds.
        let is_odd = namespace.is_some() && kind.is_some_and(|kind| kind.as_str().is_none());
        if is_odd || !subject.is_mapping() {
            let id = shown(object.id());
            let words = format!("a subject of `{id}` is no map, or its kind is no text");
            return Err(BuildError::new(ErrorKind::InvalidObject, words));
        }
        let (Some(namespace), Some(kind)) = (namespace, kind) else { continue };
        if path::text(kind) != "ServiceAccount" {
            continue;
        }
        match namespace.as_str() {
            Some(text) => found.push(text.to_owned()),
            None => {
                let id = object.id();
                let words = format!(
                    "Invalid Input: namespace is blank for resource {:?}\n",
                    id.to_string()
                );
                return Err(BuildError::new(ErrorKind::InvalidObject, words)
                    .says(format!("a subject of `{}` has no namespace", shown(id))));
            }
        }
    }
    Ok(found)
}

/// One field of one referrer.
struct Lookup<'l> {
    map: &'l ResMap,
    index: &'l Index,
    referrer: &'l Referrer,
    spec: &'l FieldSpec,
    target: &'l GvkPattern,
}

impl<'l> Lookup<'l> {
    /// Repairs what stands at the field; says whether anything changed.
    fn set(&self, node: &mut Node, pen: &mut Pen) -> Result<bool> {
        if path::is_null(node) {
            return Ok(false);
        }
        match Kind::of(node) {
            Kind::Scalar => self.set_scalar(node, pen),
            Kind::Mapping => self.set_map(node, pen),
            Kind::Sequence => {
                let mut changed = false;
                for item in node.items_mut().into_iter().flatten() {
                    changed |= match Kind::of(item) {
                        _ if path::is_null(item) => false,
                        Kind::Scalar => self.set_scalar(item, pen)?,
                        Kind::Mapping => self.set_map(item, pen)?,
                        Kind::Sequence => {
                            let words =
                                "a list is expected to be either a string or a map of string";
                            return Err(BuildError::new(ErrorKind::InvalidTransformer, words));
                        }
                    };
                }
                Ok(changed)
            }
        }
    }

    fn set_scalar(&self, node: &mut Node, pen: &mut Pen) -> Result<bool> {
        let old = path::text(node).to_owned();
        let all_same =
            |found: &[&Object]| found.iter().all(|o| Some(o.name()) == first_name(found));
        let Some(found) = self.find(&old, None, &all_same)? else { return Ok(false) };
        let name = found.name();
        if name == old || name.is_empty() {
            return Ok(false);
        }
        path::set_scalar(node, Node::scalar(name).at(name_place(found)), pen)?;
        Ok(true)
    }

    fn set_map(&self, node: &mut Node, pen: &mut Pen) -> Result<bool> {
        let Some(name) = node.get("name") else {
            let words = "path config error; no 'name' field in node";
            return Err(BuildError::new(ErrorKind::InvalidTransformer, words));
        };
        let old = path::text(name).to_owned();
        let namespace = node.get("namespace").map(|found| path::text(found).to_owned());
        let all_same = |found: &[&Object]| {
            found.iter().all(|o| {
                Some(o.name()) == first_name(found)
                    && found.first().is_some_and(|first| first.namespace() == o.namespace())
            })
        };
        let found = self.find(&old, namespace.as_deref(), &all_same)?;
        let Some(found) = found else { return Ok(false) };
        let (name, namespace) = (found.name(), found.namespace());
        if name == old && namespace.is_empty() {
            return Ok(false);
        }
        let place = name_place(found);
        path::set_field_with(node, "name", Node::scalar(name).at(place), pen)?;
        if !namespace.is_empty() {
            path::set_field_with(node, "namespace", Node::scalar(namespace).at(place), pen)?;
        }
        Ok(true)
    }

    /// The object that is meant by `old`, in `namespace` when one is told.
    fn find(
        &self,
        old: &str,
        namespace: Option<&str>,
        all_same: &dyn Fn(&[&'l Object]) -> bool,
    ) -> Result<Option<&'l Object>> {
        let positions = self.index.by_name.get(old).map(Vec::as_slice).unwrap_or_default();
        let objects = positions.iter().filter_map(|&i| self.map.objects().get(i));
        let mut found: Vec<&Object> = objects.filter(|o| self.referrer.may_name(o)).collect();
        if let Some(namespace) = namespace {
            self.keep_namespace(&mut found, namespace);
        }
        found.retain(|o| o.previous_ids().iter().any(|id| id.gvk.is_selected(self.target)));
        if self.spec.path.ends_with("roleRef/name")
            && let Some(role) = &self.referrer.role
        {
            found.retain(|o| o.previous_ids().iter().any(|id| id.gvk.is_selected(role)));
        }
        if !self.referrer.id.gvk.cluster_scoped {
            found.retain(|o| {
                let id = o.id();
                id.gvk.cluster_scoped
                    || o.kind() == "ServiceAccount"
                    || id.same_namespace(&self.referrer.id)
            });
        }
        if found.len() == 1 {
            return Ok(found.pop());
        }
        found.retain(|o| self.referrer.same_context(o, true));
        if found.len() > 1 {
            found.retain(|o| self.referrer.same_context(o, false));
        }
        match found.as_slice() {
            [] => Ok(None),
            [one] => Ok(Some(one)),
            several if all_same(several) => Ok(several.first().copied()),
            several => Err(ambiguous(several)),
        }
    }

    /// Candidates of a namespace: by the first one if any object has it, else by the current one.
    fn keep_namespace(&self, found: &mut Vec<&'l Object>, namespace: &str) {
        let at_first = |o: &Object| o.original_id().effective_namespace() == namespace;
        let now = |o: &Object| o.id().effective_namespace() == namespace;
        if namespace == NO_NAMESPACE {
            return found.clear();
        }
        let candidates = self.map.objects().iter().filter(|o| self.referrer.may_name(o));
        if candidates.into_iter().any(at_first) {
            found.retain(|o| at_first(o));
        } else {
            found.retain(|o| now(o));
        }
    }
}

fn first_name<'o>(found: &[&'o Object]) -> Option<&'o str> {
    found.first().map(|object| object.name())
}

/// Where an object's name was written.
fn name_place(object: &Object) -> crate::kustomize::yaml::Place {
    let name = object.node().get_path(&["metadata", "name"]);
    name.map(|name| object.origin_of(name.place())).unwrap_or_default()
}

fn ambiguous(found: &[&Object]) -> BuildError {
    let ids: Vec<String> = found.iter().map(|object| object.id().to_string()).collect();
    let names: Vec<String> = found.iter().map(|object| shown(object.id())).collect();
    let words = format!("found multiple possible referrals: {}\n", ids.join(", "));
    BuildError::new(ErrorKind::AmbiguousTarget, words)
        .says(format!("a reference could mean any of: {}", names.join(", ")))
}
