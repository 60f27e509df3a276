//! `commonLabels:`, `labels:`, and the plugin of that name.
//!
//! One label is one node in all fields that are made for it: see `pen.rs`.

use std::collections::BTreeMap;

use crate::kustomize::decode::decode_fields;
use crate::kustomize::error::Result;
use crate::kustomize::fieldspec::Create;
use crate::kustomize::fieldspec::FieldSpec;
use crate::kustomize::fieldspec::FieldSpecs;
use crate::kustomize::path;
use crate::kustomize::path::Kind;
use crate::kustomize::plugin::Transformer;
use crate::kustomize::resmap::ResMap;
use crate::kustomize::yaml::Node;
use crate::kustomize::yaml::Place;
use crate::kustomize::yaml::Tag;

/// Sets labels on all objects, and in their selectors and templates as the field specs say.
#[derive(Clone, Debug, Default)]
pub(crate) struct LabelTransformer {
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) field_specs: Vec<FieldSpec>,
    pub(crate) places: Places,
}

/// Where the values of pairs are written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places {
    pub(crate) by_key: BTreeMap<String, Place>,
    /// That of all others.
    pub(crate) other: Place,
}

decode_fields!(LabelTransformer {
    "labels" => labels,
    "fieldSpecs" => field_specs,
});

impl Transformer for LabelTransformer {
    fn transform(&mut self, map: &mut ResMap) -> Result<()> {
        let specs = FieldSpecs(std::mem::take(&mut self.field_specs));
        set_pairs(map, &self.labels, &specs, &self.places)
    }
}

/// Sets each pair in each map that the specs lead to.
pub(super) fn set_pairs(
    map: &mut ResMap,
    pairs: &BTreeMap<String, String>,
    specs: &FieldSpecs,
    places: &Places,
) -> Result<()> {
    if pairs.is_empty() {
        return Ok(());
    }
    let create = Some(Create { kind: Kind::Mapping, tag: Tag::Map });
    let valued = |(key, text): (&'_ String, &String)| {
        let place = places.by_key.get(key).copied().unwrap_or(places.other);
        (key.clone(), Node::string(text).at(place))
    };
    let pairs: Vec<(String, Node)> = pairs.iter().map(valued).collect();
    for object in map.objects_mut() {
        for (key, own) in &pairs {
            let shared = own.clone().at(object.share(own.place()));
            specs.apply(object, create, &mut |node, pen| {
                let value = if node.get(key).is_some() { own.clone() } else { shared.clone() };
                path::set_field_with(node, key, value, pen)
            })?;
        }
    }
    map.drop_empty();
    Ok(())
}
