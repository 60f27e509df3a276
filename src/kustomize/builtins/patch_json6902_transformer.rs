//! `patchesJson6902:`, and the plugin of that name.

use crate::kustomize::decode::Located;
use crate::kustomize::decode::decode_fields;
use crate::kustomize::error::BuildError;
use crate::kustomize::error::ErrorKind;
use crate::kustomize::error::Result;
use crate::kustomize::json_patch::JsonPatch;
use crate::kustomize::kustomization::Patch;
use crate::kustomize::kustomization::Selector;
use crate::kustomize::plugin::Helpers;
use crate::kustomize::plugin::Transformer;
use crate::kustomize::resmap::ResMap;
use crate::kustomize::selector;

use super::patch_transformer::patch_object;

/// Applies JSON patches to the objects that a selector chooses.
#[derive(Clone, Debug, Default)]
pub(crate) struct PatchJson6902Transformer {
    pub(crate) target: Option<Selector>,
    pub(crate) path: Located,
    pub(crate) json_op: Located,
    loaded: JsonPatch,
}

decode_fields!(PatchJson6902Transformer {
    "target" => target,
    "path" => path,
    "jsonOp" => json_op,
});

impl PatchJson6902Transformer {
    /// For an entry of `patchesJson6902:`.
    pub(crate) fn new(patch: &Patch) -> Self {
        let Patch { path, patch, target, .. } = patch.clone();
        Self { target, path, json_op: patch, ..Self::default() }
    }

    /// Reads the patch.
    pub(crate) fn load(&mut self, helpers: &Helpers<'_, '_>) -> Result<()> {
        let wrong = |words: String| BuildError::new(ErrorKind::InvalidPatch, words);
        if self.target.as_ref().is_none_or(|target| target.name.is_empty()) {
            return Err(wrong("must specify the target name".into()));
        }
        let (text, start) = match (self.path.text.is_empty(), self.json_op.text.is_empty()) {
            (true, true) => return Err(wrong("empty file path and empty jsonOp".into())),
            (false, false) => {
                return Err(wrong("must specify a file path or jsonOp, not both".into()));
            }
            (true, false) => (self.json_op.text.clone(), helpers.inline_start(&self.json_op)),
            (false, true) => {
                let file = helpers.load(&self.path)?;
                let path = &self.path.text;
                if file.bytes.is_empty() {
                    let words = format!("patch file '{path}' empty seems to be empty");
                    return Err(wrong(words));
                }
                let text = String::from_utf8_lossy(&file.bytes).into_owned();
                (text, helpers.start(&file))
            }
        };
        self.loaded = JsonPatch::parse(&text, start)?;
        if self.loaded.is_empty() {
            let path = &self.path.text;
            let words = format!("patch appears to be empty; file={path}, JsonOp={text}");
            return Err(wrong(words).says("the patch is empty"));
        }
        Ok(())
    }
}

impl Transformer for PatchJson6902Transformer {
    fn transform(&mut self, map: &mut ResMap) -> Result<()> {
        let Some(target) = &self.target else { return Ok(()) };
        for at in selector::select(map, target)? {
            if let Some(object) = map.objects_mut().get_mut(at) {
                patch_object(object, &self.loaded)?;
            }
        }
        Ok(())
    }
}
