//! `commonAnnotations:`, and the plugin of that name.

use std::collections::BTreeMap;

use crate::kustomize::decode::decode_fields;
use crate::kustomize::error::Result;
use crate::kustomize::fieldspec::FieldSpec;
use crate::kustomize::fieldspec::FieldSpecs;
use crate::kustomize::plugin::Transformer;
use crate::kustomize::resmap::ResMap;

use super::label_transformer::Places;
use super::label_transformer::set_pairs;

/// Sets annotations on all objects.
#[derive(Clone, Debug, Default)]
pub(crate) struct AnnotationsTransformer {
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) field_specs: Vec<FieldSpec>,
    pub(crate) places: Places,
}

decode_fields!(AnnotationsTransformer {
    "annotations" => annotations,
    "fieldSpecs" => field_specs,
});

impl Transformer for AnnotationsTransformer {
    fn transform(&mut self, map: &mut ResMap) -> Result<()> {
        let specs = FieldSpecs(std::mem::take(&mut self.field_specs));
        set_pairs(map, &self.annotations, &specs, &self.places)
    }
}
