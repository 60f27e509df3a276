//! `nameSuffix:`, and the plugin of that name.

use crate::kustomize::decode::decode_fields;
use crate::kustomize::error::Result;
use crate::kustomize::fieldspec::FieldSpec;
use crate::kustomize::plugin::Transformer;
use crate::kustomize::resmap::ResMap;
use crate::kustomize::resource::annotation;
use crate::kustomize::yaml::Place;

use super::prefix_transformer::rename;

/// Puts a text behind names.
#[derive(Clone, Debug, Default)]
pub(crate) struct SuffixTransformer {
    pub(crate) suffix: String,
    pub(crate) field_specs: Option<Vec<FieldSpec>>,
    pub(crate) place: Place,
}

decode_fields!(SuffixTransformer {
    "suffix" => suffix,
    "fieldSpecs" => field_specs,
});

impl Transformer for SuffixTransformer {
    fn transform(&mut self, map: &mut ResMap) -> Result<()> {
        let specs = self.field_specs.take().unwrap_or_default();
        let memory = (annotation::SUFFIXES, self.suffix.as_str());
        rename(map, &specs, memory, self.place, &|name| format!("{name}{}", self.suffix))
    }
}
