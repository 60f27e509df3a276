//! `namePrefix:`, and the plugin of that name.

use crate::kustomize::decode::decode_fields;
use crate::kustomize::error::Result;
use crate::kustomize::fieldspec::Create;
use crate::kustomize::fieldspec::FieldSpec;
use crate::kustomize::gvk::Gvk;
use crate::kustomize::path;
use crate::kustomize::path::Kind;
use crate::kustomize::plugin::Transformer;
use crate::kustomize::resmap::ResMap;
use crate::kustomize::resource::annotation;
use crate::kustomize::yaml::Node;
use crate::kustomize::yaml::Place;
use crate::kustomize::yaml::Tag;

/// Puts a text before names.
#[derive(Clone, Debug, Default)]
pub(crate) struct PrefixTransformer {
    pub(crate) prefix: String,
    pub(crate) field_specs: Option<Vec<FieldSpec>>,
    pub(crate) place: Place,
}

decode_fields!(PrefixTransformer {
    "prefix" => prefix,
    "fieldSpecs" => field_specs,
});

/// Names of these mean something to the cluster and stay.
pub(super) fn keeps_its_name(gvk: &Gvk) -> bool {
    match &*gvk.kind {
        "CustomResourceDefinition" | "Namespace" => true,
        "APIService" => gvk.group() == "apiregistration.k8s.io",
        _ => false,
    }
}

/// Changes names with `change`, remembering `part` under `memory`.
pub(super) fn rename(
    map: &mut ResMap,
    specs: &[FieldSpec],
    (memory, part): (&str, &str),
    place: Place,
    change: &dyn Fn(&str) -> String,
) -> Result<()> {
    let create = Some(Create { kind: Kind::Scalar, tag: Tag::Str });
    for object in map.objects_mut() {
        let original = object.original_id().gvk.clone();
        if keeps_its_name(&original) {
            continue;
        }
        for spec in specs.iter().filter(|spec| original.is_selected(&spec.gvk)) {
            if spec.path == "metadata/name" && !part.is_empty() {
                object.append_csv(memory, part)?;
                object.store_previous_id()?;
            }
            spec.apply(object, create, &mut |node, pen| {
                let value = Node::scalar(&change(path::text(node))).at(place);
                path::set_scalar(node, value, pen)
            })?;
        }
    }
    Ok(())
}

impl Transformer for PrefixTransformer {
    fn transform(&mut self, map: &mut ResMap) -> Result<()> {
        let specs = self.field_specs.take().unwrap_or_default();
        let memory = (annotation::PREFIXES, self.prefix.as_str());
        rename(map, &specs, memory, self.place, &|name| format!("{}{name}", self.prefix))
    }
}
