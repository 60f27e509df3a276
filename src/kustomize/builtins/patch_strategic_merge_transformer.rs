//! `patchesStrategicMerge:`, and the plugin of that name.

use crate::kustomize::decode::Located;
use crate::kustomize::decode::decode_fields;
use crate::kustomize::error::BuildError;
use crate::kustomize::error::ErrorKind;
use crate::kustomize::error::Result;
use crate::kustomize::plugin::Helpers;
use crate::kustomize::plugin::Transformer;
use crate::kustomize::resmap::ResMap;
use crate::kustomize::resource::Object;

use super::patch_transformer::apply_to;

/// Merges patches into the objects that they name.
#[derive(Clone, Debug, Default)]
pub(crate) struct PatchStrategicMergeTransformer {
    pub(crate) paths: Vec<Located>,
    pub(crate) patches: Located,
    loaded: Vec<Object>,
}

decode_fields!(PatchStrategicMergeTransformer {
    "paths" => paths,
    "patches" => patches,
});

impl PatchStrategicMergeTransformer {
    /// Reads the patches: each path may be a patch itself.
    pub(crate) fn load(&mut self, helpers: &Helpers<'_, '_>) -> Result<()> {
        let wrong = |words: &str| BuildError::new(ErrorKind::InvalidPatch, words);
        if self.paths.is_empty() && self.patches.text.is_empty() {
            return Err(wrong("empty file path and empty patch content"));
        }
        for path in &self.paths {
            let inline = helpers.objects(path.text.as_bytes(), helpers.inline_start(path));
            let patches = match inline {
                Ok(patches) => patches,
                Err(_) => {
                    let file = helpers.load(path)?;
                    helpers
                        .objects(&file.bytes, helpers.start(&file))
                        .map_err(|error| super::named_file(error, &path.text))?
                }
            };
            self.loaded.extend(patches);
        }
        if !self.patches.text.is_empty() {
            let start = helpers.inline_start(&self.patches);
            self.loaded.extend(helpers.objects(self.patches.text.as_bytes(), start)?);
        }
        if self.loaded.is_empty() {
            let paths: Vec<&str> = self.paths.iter().map(|path| path.text.as_str()).collect();
            let words = format!(
                "patch appears to be empty; files=[{}], Patch={}",
                paths.join(" "),
                self.patches.text
            );
            return Err(wrong(&words).says("the patch is empty"));
        }
        Ok(())
    }
}

impl Transformer for PatchStrategicMergeTransformer {
    fn transform(&mut self, map: &mut ResMap) -> Result<()> {
        for patch in &self.loaded {
            let target = map.get_by_id(patch.original_id())?;
            apply_to(map, &[target], patch)?;
        }
        Ok(())
    }
}
