//! The objects of a build, in order, each id once.
//!
//! An index of ids is kept while objects are only added; any change to an object drops it.

use std::collections::HashMap;

use super::error::BuildError;
use super::error::ErrorKind;
use super::error::Result;
use super::gvk::IdKey;
use super::gvk::ResId;
use super::origins;
use super::resource::Object;
use super::resource::annotation;
use super::yaml::Place;

/// Objects in the order in which they were added.
#[derive(Clone, Debug, Default)]
pub(crate) struct ResMap {
    objects: Vec<Object>,
    /// How many objects have an id now; `None` after a change.
    index: Option<HashMap<IdKey, usize>>,
}

impl ResMap {
    /// Objects whose ids are known to differ.
    pub(crate) fn of(objects: Vec<Object>) -> Self {
        Self { objects, index: None }
    }

    pub(crate) fn len(&self) -> usize {
        self.objects.len()
    }

    pub(crate) fn objects(&self) -> &[Object] {
        &self.objects
    }

    pub(crate) fn objects_mut(&mut self) -> &mut Vec<Object> {
        self.index = None;
        &mut self.objects
    }

    /// All objects, for what changes neither their content nor their ids.
    pub(crate) fn objects_untouched(&mut self) -> &mut [Object] {
        &mut self.objects
    }

    pub(crate) fn into_objects(self) -> Vec<Object> {
        self.objects
    }

    fn index(&mut self) -> &mut HashMap<IdKey, usize> {
        let objects = &self.objects;
        self.index.get_or_insert_with(|| {
            let mut index = HashMap::with_capacity(objects.len());
            for object in objects {
                *index.entry(object.id().key()).or_insert(0) += 1;
            }
            index
        })
    }

    /// Adds an object; its id must be new.
    pub(crate) fn append(&mut self, object: Object) -> Result<()> {
        let count = self.index().entry(object.id().key()).or_insert(0);
        if *count > 0 {
            let id = object.id();
            let first = self.objects.iter().find(|have| have.id().key() == id.key());
            let first = first.map_or_else(Place::default, |first| first.place);
            return Err(registered_twice(id, [first, object.place]));
        }
        *count += 1;
        self.objects.push(object);
        Ok(())
    }

    /// Adds all objects of another map.
    pub(crate) fn merge(&mut self, other: Self) -> Result<()> {
        if self.objects.is_empty() && other.index.is_some() {
            *self = other;
            return Ok(());
        }
        self.append_all(other.objects)
    }

    pub(crate) fn append_all(&mut self, objects: impl IntoIterator<Item = Object>) -> Result<()> {
        objects.into_iter().try_for_each(|object| self.append(object))
    }

    /// Drops objects without content.
    pub(crate) fn drop_empty(&mut self) {
        if self.objects.iter().any(Object::is_empty) {
            self.objects_mut().retain(|object| !object.is_empty());
        }
    }

    /// Positions of the objects that have, or ever had, an id for which `wanted` holds.
    pub(crate) fn with_any_id(&self, wanted: impl Fn(&ResId) -> bool) -> Vec<usize> {
        let matches = |object: &Object| !object.is_empty() && object.all_ids().any(&wanted);
        self.positions(matches)
    }

    /// Positions of the objects for which `wanted` holds.
    pub(crate) fn positions(&self, wanted: impl Fn(&Object) -> bool) -> Vec<usize> {
        let found = self.objects.iter().enumerate().filter(|(_, object)| wanted(object));
        found.map(|(i, _)| i).collect()
    }

    /// The one object that has, or ever had, this id.
    pub(crate) fn get_by_id(&self, id: &ResId) -> Result<usize> {
        let found = self.with_any_id(|have| id.same(have));
        let (kind, words) = match found.as_slice() {
            [one] => return Ok(*one),
            [] => (ErrorKind::NoTarget, "no"),
            _ => (ErrorKind::AmbiguousTarget, "multiple"),
        };
        Err(BuildError::new(
            kind,
            format!("{words} matches for Id {id}; failed to find unique target for patch {id}"),
        )
        .says(match kind {
            ErrorKind::NoTarget => format!("no object `{}` to patch", shown(id)),
            _ => format!("several objects are `{}`", shown(id)),
        }))
    }

    /// Adds generated objects: create, replace or merge as each one says.
    pub(crate) fn absorb_all(&mut self, objects: Vec<Object>) -> Result<()> {
        objects.into_iter().try_for_each(|object| self.absorb(object))
    }

    fn absorb(&mut self, mut object: Object) -> Result<()> {
        let id = object.id().clone();
        let behavior = object.annotation(annotation::BEHAVIOR).unwrap_or_default().to_owned();
        let found = self.with_any_id(|have| id.same(have));
        let merges = matches!(behavior.as_str(), "merge" | "replace");
        let (kind, words, says) = match (found.as_slice(), merges) {
            ([], false) => return self.append(object),
            (&[old], true) => {
                let old_object = self.objects.get(old).ok_or_else(index_lost)?;
                origins::inherit(&mut object, old_object);
                if behavior == "merge" {
                    merge_generated(&mut object, old_object)?;
                } else {
                    object.copy_metadata_from(old_object);
                }
                return self.replace(object, old);
            }
            ([], true) => (
                ErrorKind::NoTarget,
                format!("id {} does not exist; cannot merge or replace", go_id(&id)),
                format!("no object `{}` to {behavior}", shown(&id)),
            ),
            ([_], false) => {
                let behavior = if behavior == "create" { "create" } else { "unspecified" };
                (
                    ErrorKind::DuplicateId,
                    format!(
                        "id {} exists; can not use behavior: '{behavior}', behavior must be merge or replace",
                        go_id(&id)
                    ),
                    format!("`{}` exists already", shown(&id)),
                )
            }
            _ => (
                ErrorKind::AmbiguousTarget,
                format!("found multiple objects that could accept merge of {id}"),
                format!("several objects are `{}`", shown(&id)),
            ),
        };
        Err(BuildError::new(kind, words).says(says))
    }

    /// Puts a generated object where the old one stands. The id must lead back there.
    fn replace(&mut self, object: Object, at: usize) -> Result<()> {
        let found = self.positions(|have| object.id().same(have.id()));
        match found.as_slice() {
            &[one] if one == at => {
                if let Some(slot) = self.objects_mut().get_mut(at) {
                    *slot = object;
                }
                Ok(())
            }
            [_] => Err(BuildError::new(
                ErrorKind::AmbiguousTarget,
                "unexpected target index in replacement",
            )),
            [] => {
                let id = object.id();
                let words = format!("cannot find resource with id {id} to replace");
                Err(BuildError::new(ErrorKind::NoTarget, words))
            }
            several => {
                let words = format!("in Replace: id matched {} resources", several.len());
                Err(BuildError::new(ErrorKind::AmbiguousTarget, words))
            }
        }
    }
}

fn index_lost() -> BuildError {
    BuildError::new(ErrorKind::AmbiguousTarget, "indexing problem")
}

/// Merges the data of the old object below that of the generated one.
fn merge_generated(object: &mut Object, old: &Object) -> Result<()> {
    let origin = old.annotation(annotation::ORIGIN).map(str::to_owned);
    object.copy_metadata_from(old);
    super::generated::merge_data(object, old)?;
    if let Some(origin) = origin {
        let _ = object.put_annotation(annotation::ORIGIN, &origin); // as upstream
    }
    Ok(())
}

/// Two objects, written at these places, have this id.
pub(crate) fn registered_twice(id: &ResId, places: [Place; 2]) -> BuildError {
    let words = format!("may not add resource with an already registered id: {id}");
    BuildError::new(ErrorKind::DuplicateId, words)
        .says(format!("`{}` is there twice", shown(id)))
        .about_twins(places)
}

/// An id in words for users.
pub(crate) fn shown(id: &ResId) -> String {
    if id.namespace.is_empty() || id.gvk.cluster_scoped {
        return format!("{} {}", id.gvk.kind, id.name);
    }
    format!("{} {}/{}", id.gvk.kind, id.namespace, id.name)
}

/// An id as Go prints the struct with `%#v`.
fn go_id(id: &ResId) -> String {
    format!(
        "resid.ResId{{Gvk:resid.Gvk{{Group:{:?}, Version:{:?}, Kind:{:?}, isClusterScoped:{}}}, Name:{:?}, Namespace:{:?}}}",
        id.gvk.group(),
        id.gvk.version(),
        id.gvk.kind,
        id.gvk.cluster_scoped,
        id.name,
        id.namespace
    )
}
