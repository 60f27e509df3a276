//! `replicas:`, and the plugin of that name.

use crate::kustomize::decode::decode_fields;
use crate::kustomize::error::BuildError;
use crate::kustomize::error::ErrorKind;
use crate::kustomize::error::Result;
use crate::kustomize::fieldspec::Create;
use crate::kustomize::fieldspec::FieldSpec;
use crate::kustomize::kustomization::Replica;
use crate::kustomize::path;
use crate::kustomize::path::Kind;
use crate::kustomize::plugin::Transformer;
use crate::kustomize::resmap::ResMap;
use crate::kustomize::yaml::Node;
use crate::kustomize::yaml::Place;
use crate::kustomize::yaml::Tag;

/// Sets the replica count of the objects that have, or had, a name.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReplicaCountTransformer {
    pub(crate) replica: Replica,
    pub(crate) field_specs: Vec<FieldSpec>,
    pub(crate) place: Place,
}

decode_fields!(ReplicaCountTransformer {
    "replica" => replica,
    "fieldSpecs" => field_specs,
});

impl Transformer for ReplicaCountTransformer {
    fn transform(&mut self, map: &mut ResMap) -> Result<()> {
        let name = self.replica.name.as_str();
        let create = Some(Create { kind: Kind::Scalar, tag: Tag::Int });
        let mut found = false;
        for spec in &self.field_specs {
            let wanted = map.with_any_id(|id| &*id.name == name && id.gvk.is_selected(&spec.gvk));
            for i in wanted {
                found = true;
                let Some(object) = map.objects_mut().get_mut(i) else { continue };
                spec.apply(object, create, &mut |node, pen| {
                    path::set_scalar(node, Node::int(self.replica.count).at(self.place), pen)
                })?;
            }
        }
        if found {
            return Ok(());
        }
        let types: Vec<String> = self.field_specs.iter().map(|s| s.gvk.to_string()).collect();
        let words = format!(
            "resource with name {name} does not match a config with the following GVK [{}]",
            types.join(" ")
        );
        Err(BuildError::new(ErrorKind::NoTarget, words)
            .says(format!("no object named `{name}` has replicas")))
    }
}
