//! `patches:`, and the plugin of that name: strategic merge or JSON 6902, found out by reading.

use std::collections::HashSet;

use crate::kustomize::decode::Located;
use crate::kustomize::decode::decode_fields;
use crate::kustomize::error::BuildError;
use crate::kustomize::error::ErrorKind;
use crate::kustomize::error::Result;
use crate::kustomize::json;
use crate::kustomize::json::Detour;
use crate::kustomize::json_patch::JsonPatch;
use crate::kustomize::kustomization::Patch;
use crate::kustomize::kustomization::PatchOptions;
use crate::kustomize::kustomization::Selector;
use crate::kustomize::merge;
use crate::kustomize::origins;
use crate::kustomize::plugin::Helpers;
use crate::kustomize::plugin::Transformer;
use crate::kustomize::resmap::ResMap;
use crate::kustomize::resmap::shown;
use crate::kustomize::resource::Object;
use crate::kustomize::resource::annotation;
use crate::kustomize::selector;
use crate::kustomize::yaml::Place;

/// Patches objects.
#[derive(Clone, Debug, Default)]
pub(crate) struct PatchTransformer {
    pub(crate) path: Located,
    pub(crate) patch: Located,
    pub(crate) target: Option<Selector>,
    pub(crate) options: Option<PatchOptions>,
    loaded: Loaded,
    /// How upstream's messages name the patch.
    source: String,
}

decode_fields!(PatchTransformer {
    "path" => path,
    "patch" => patch,
    "target" => target,
    "options" => options,
});

/// What the text turned out to be.
#[derive(Clone, Debug, Default)]
enum Loaded {
    #[default]
    Nothing,
    Merge(Vec<Object>),
    Json(JsonPatch),
}

fn invalid(words: impl Into<String>) -> BuildError {
    BuildError::new(ErrorKind::InvalidPatch, words)
}

impl PatchTransformer {
    /// For an entry of `patches:`.
    pub(crate) fn new(patch: &Patch) -> Self {
        let Patch { path, patch, target, options } = patch.clone();
        Self { path, patch, target, options, ..Self::default() }
    }

    /// Reads the patch.
    pub(crate) fn load(&mut self, helpers: &Helpers<'_, '_>) -> Result<()> {
        let inline = self.patch.text.trim().to_owned();
        let (text, start) = match (inline.is_empty(), self.path.text.is_empty()) {
            (true, true) => {
                return Err(invalid("must specify one of patch and path in\n")
                    .says("a patch has neither `patch` nor `path`"));
            }
            (false, false) => {
                return Err(invalid("patch and path can't be set at the same time\n")
                    .says("a patch has both `patch` and `path`"));
            }
            (false, true) => {
                self.source = format!("[patch: {inline:?}]");
                let mut start = helpers.inline_start(&self.patch);
                let blank = self.patch.text.trim_start_matches(|c: char| c.is_whitespace());
                let blank = self.patch.text.len() - blank.len();
                let skipped = self.patch.text.get(..blank).unwrap_or_default();
                start.line += u32::try_from(skipped.matches('\n').count()).unwrap_or_default();
                (inline.into_bytes().into(), start)
            }
            (true, false) => {
                let path = &self.path.text;
                self.source = format!("[path: {path:?}]");
                let file = helpers.load(&self.path).map_err(|error| {
                    error.wrap(format!("failed to get the patch file from path({path})"))
                })?;
                (file.bytes.clone(), helpers.start(&file))
            }
        };
        self.loaded = self.parse(&text, start, helpers)?;
        Ok(())
    }

    fn parse(&self, text: &[u8], start: Place, helpers: &Helpers<'_, '_>) -> Result<Loaded> {
        let merge = helpers.objects(text, start);
        let json = match std::str::from_utf8(text) {
            Ok(text) => JsonPatch::parse(text, start),
            Err(_) => Err(invalid("invalid UTF-8")),
        };
        match (merge, json) {
            (Ok(patches), Ok(json)) if !patches.is_empty() && !json.is_empty() => {
                let source = &self.source;
                let words = format!("illegally qualifies as both an SM and JSON patch: {source}");
                Err(invalid(words).says("the patch is both an object and a list of operations"))
            }
            (Ok(patches), _) if patches.is_empty() => Ok(Loaded::Nothing),
            (Ok(mut patches), _) => {
                let options = self.options.clone().unwrap_or_default();
                for patch in &mut patches {
                    if options.allow_name_change {
                        patch.put_annotation(annotation::ALLOW_NAME_CHANGE, annotation::ENABLED)?;
                    }
                    if options.allow_kind_change {
                        patch.put_annotation(annotation::ALLOW_KIND_CHANGE, annotation::ENABLED)?;
                    }
                }
                Ok(Loaded::Merge(patches))
            }
            (Err(_), Ok(json)) => Ok(Loaded::Json(json)),
            (Err(merge), Err(_)) => {
                let source = &self.source;
                let words = format!("unable to parse SM or JSON patch from {source}");
                Err(merge.reworded(words).kinded(ErrorKind::InvalidPatch))
            }
        }
    }

    fn merge(&self, map: &mut ResMap, patches: &[Object]) -> Result<()> {
        let Some(target) = &self.target else {
            for patch in patches {
                let id = patch.original_id();
                let at = map.get_by_id(id).map_err(|error| {
                    error.wrap(format!(
                        "no resource matches strategic merge patch {:?}",
                        id.to_string()
                    ))
                })?;
                if let Some(object) = map.objects_mut().get_mut(at) {
                    merge_into(object, patch)?;
                }
            }
            return Ok(());
        };
        let [patch] = patches else {
            return Err(invalid(format!(
                "Multiple Strategic-Merge Patches in one `patches` entry is not allowed to set `patches.target` field: {}",
                self.source
            )));
        };
        let selected = selector::select(map, target)
            .map_err(|error| error.wrap("unable to find patch target in `resources`"))?;
        apply_to(map, &selected, patch)
    }

    fn patch_json(&self, map: &mut ResMap, patch: &JsonPatch) -> Result<()> {
        let Some(target) = &self.target else {
            let words = format!("must specify a target for JSON patch {}", self.source);
            return Err(invalid(words).says("a JSON patch needs a `target`"));
        };
        for at in selector::select(map, target)? {
            if let Some(object) = map.objects_mut().get_mut(at) {
                object.store_previous_id()?;
                patch_object(object, patch)?;
            }
        }
        Ok(())
    }
}

impl Transformer for PatchTransformer {
    fn transform(&mut self, map: &mut ResMap) -> Result<()> {
        match &self.loaded {
            Loaded::Nothing => Ok(()),
            Loaded::Merge(patches) => self.merge(map, patches),
            Loaded::Json(patch) => self.patch_json(map, patch),
        }
    }
}

/// Applies a JSON patch; memories of the build survive it.
pub(super) fn patch_object(object: &mut Object, patch: &JsonPatch) -> Result<()> {
    let remembered: Vec<(String, String)> = object
        .annotations()
        .into_iter()
        .filter(|(key, _)| {
            key.starts_with("internal.config.kubernetes.io/")
                || matches!(
                    key.as_str(),
                    "config.kubernetes.io/path" | "config.kubernetes.io/index" | "config.k8s.io/id"
                )
        })
        .collect();
    let at = || shown(object.id());
    let mut node = json::through(&object.detached(object.node()), Detour::GoValues)?;
    patch.apply(&mut node).map_err(|error| {
        let says = format!("{error} (patching `{}`)", at());
        error.says(says)
    })?;
    object.set_node(json::through(&node, Detour::GoValues)?);
    let mut annotations = object.annotations();
    annotations.extend(remembered);
    object.set_annotations(&annotations)
}

/// Merges `patch` into `object`. Name, kind and namespace stay unless the patch may change them.
pub(super) fn merge_into(object: &mut Object, patch: &Object) -> Result<()> {
    let kind = object.kind().to_owned();
    let (name, namespace) = (object.name().to_owned(), object.namespace().to_owned());
    let may_rename = patch.is_enabled(annotation::ALLOW_NAME_CHANGE);
    let may_change_kind = patch.is_enabled(annotation::ALLOW_KIND_CHANGE);
    if may_rename || may_change_kind {
        object.store_previous_id()?;
    }
    let before = origins::identity(object);
    let (merged, pen) = merge::merge(object.node(), patch.node(), object.schemas())?;
    let Some(merged) = merged else {
        object.delete();
        return Ok(());
    };
    object.set_node(merged);
    object.settle(pen);
    if object.is_empty() {
        return Ok(());
    }
    if !may_change_kind {
        object.set_kind(&kind)?;
    }
    if !may_rename {
        object.set_name(&name)?;
    }
    object.set_namespace(&namespace)?;
    origins::keep_identity(object, before);
    Ok(())
}

/// Merges `patch` into the objects that have the id of one of `selected`.
pub(super) fn apply_to(map: &mut ResMap, selected: &[usize], patch: &Object) -> Result<()> {
    let ids: HashSet<_> =
        selected.iter().filter_map(|&i| map.objects().get(i)).map(|o| o.id().clone()).collect();
    let mut touched = false;
    for object in map.objects_mut() {
        if !ids.contains(object.id()) {
            continue;
        }
        touched = true;
        let gvk = object.id().gvk.clone();
        let mut own = patch.clone();
        own.copy_metadata_from(patch);
        own.set_kind(&gvk.kind)?;
        own.set_api_version(&gvk.api_version)?;
        own.set_kind(patch.kind())?;
        merge_into(object, &own)?;
    }
    map.drop_empty();
    if !touched {
        return Ok(());
    }
    // Upstream adds all objects anew, and so finds ids that have become equal.
    let objects = std::mem::take(map.objects_mut());
    map.append_all(objects)
}
