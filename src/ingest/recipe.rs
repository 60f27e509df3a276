//! What each unit's last complete build was made of, so that it can be done again when somebody
//! asks where a field comes from.
//!
//! Shared between ingest, which puts recipes in, and questions, which read them. A recipe holds
//! values of Secrets: nothing of it is shown but what [`Recipe::build`] gives.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use serde_json::Value as Json;

use crate::api::CommonMetadata;
use crate::api::keys;
use crate::cluster::normalise;
use crate::ingest::elsewhere::Fetched;
use crate::kustomize::BuildOptions;
use crate::kustomize::Cache;
use crate::kustomize::flux;
use crate::kustomize::flux::FluxBuildError;
use crate::kustomize::flux::UnitBuild;
use crate::kustomize::flux::UnitOutcome;
use crate::model::FileTree;
use crate::model::UnitName;
use crate::model::pointer;
use crate::sources::tree::SourceTree;

/// How a unit is built.
#[derive(Clone)]
pub struct Recipe {
    pub(super) unit: UnitName,
    pub(super) tree: Option<Arc<SourceTree>>,
    pub(super) path: String,
    pub(super) build: UnitBuild,
    pub(super) common: CommonMetadata,
    /// What was fetched from elsewhere.
    pub(super) remote: Fetched,
    /// What the units of the source share.
    pub(super) cache: Arc<Cache>,
}

/// Who set a field after the build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetAfterwards {
    /// An owner label.
    Owner,
    /// `spec.commonMetadata`.
    CommonMetadata,
}

impl Recipe {
    /// The unit.
    pub fn unit(&self) -> &UnitName {
        &self.unit
    }

    /// Builds once more, noting where fields come from.
    ///
    /// # Errors
    /// It fails now, or needs something that was not fetched.
    pub fn build(&self) -> Result<Vec<flux::UnitObject>, String> {
        let Some(tree) = &self.tree else { return Err("the files are not loaded".to_owned()) };
        let options = BuildOptions {
            allow_remote: true,
            remote: self.remote.clone(),
            origins: true,
            cache: Some(Arc::clone(&self.cache)),
            ..BuildOptions::default()
        };
        let tree: &dyn FileTree = tree.as_ref();
        match flux::build_unit(tree, &self.path, &self.build, &options) {
            Ok(UnitOutcome::Built(built)) => Ok(built.objects),
            Ok(UnitOutcome::Needs(_)) => Err("it needs what was not fetched".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    pub(super) fn build_once(
        &self,
        tree: &dyn FileTree,
        options: &BuildOptions,
    ) -> Result<UnitOutcome, FluxBuildError> {
        flux::build_unit(tree, &self.path, &self.build, options)
    }

    /// Flux's steps after the build, in its order: labels, normalisation, common metadata.
    pub fn finish(&self, mut json: Json) -> Json {
        set(&mut json, "labels", keys::OWNER_NAME, &self.unit.name);
        set(&mut json, "labels", keys::OWNER_NAMESPACE, &self.unit.namespace);
        normalise::normalise(&mut json);
        for (key, value) in &self.common.labels {
            set(&mut json, "labels", key, value);
        }
        for (key, value) in &self.common.annotations {
            set(&mut json, "annotations", key, value);
        }
        json
    }

    /// Who set the field at this JSON pointer after the build, if that was so.
    pub fn set_afterwards(&self, pointer: &str) -> Option<SetAfterwards> {
        let key = |map: &str| {
            let key = pointer.strip_prefix(&format!("/metadata/{map}/"))?;
            Some(pointer::unescaped(key))
        };
        let (label, annotation) = (key("labels"), key("annotations"));
        let is_common = label.as_ref().is_some_and(|key| self.common.labels.contains_key(key))
            || annotation.is_some_and(|key| self.common.annotations.contains_key(&key));
        if is_common {
            return Some(SetAfterwards::CommonMetadata);
        }
        let is_owner =
            |key: &String| [keys::OWNER_NAME, keys::OWNER_NAMESPACE].contains(&key.as_str());
        label.filter(is_owner).map(|_| SetAfterwards::Owner)
    }
}

/// Recipes by unit.
#[derive(Clone, Default)]
pub struct Recipes(Arc<Mutex<BTreeMap<UnitName, Arc<Recipe>>>>);

impl fmt::Debug for Recipes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recipes")
    }
}

impl Recipes {
    /// The recipe of a unit's last complete build in this run.
    pub fn get(&self, unit: &UnitName) -> Option<Arc<Recipe>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(unit).cloned()
    }

    pub(super) fn put(&self, recipe: Recipe) {
        let mut recipes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        recipes.insert(recipe.unit.clone(), Arc::new(recipe));
    }

    pub(super) fn keep(&self, is_there: impl Fn(&UnitName) -> bool) {
        let mut recipes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        recipes.retain(|unit, _| is_there(unit));
    }

    pub(super) fn forget(&self, unit: &UnitName) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(unit);
    }
}

/// Sets an entry of `metadata.<map>`.
fn set(json: &mut Json, map: &str, key: &str, value: &str) {
    let Some(object) = json.as_object_mut() else { return };
    let metadata = object.entry("metadata").or_insert_with(|| Json::Object(Default::default()));
    let Some(metadata) = metadata.as_object_mut() else { return };
    let entries = metadata.entry(map).or_insert_with(|| Json::Object(Default::default()));
    if entries.is_null() {
        *entries = Json::Object(Default::default());
    }
    if let Some(entries) = entries.as_object_mut() {
        entries.insert(key.to_owned(), Json::String(value.to_owned()));
    }
}
