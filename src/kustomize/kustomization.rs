//! The fields of a kustomization file and of what stands in it. Upstream: `api/types`.
//!
//! Not here: finding and checking the file (`kustomization_file.rs`).

use std::collections::BTreeMap;

use super::decode::Decoder;
use super::decode::Located;
use super::decode::decode_fields;
use super::fieldspec::FieldSpec;
use super::gvk::GvkPattern;
use super::yaml::Node;
use super::yaml::Place;

/// What a kustomization file says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kustomization {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) metadata: Option<ObjectMeta>,
    pub(crate) openapi: Option<BTreeMap<String, String>>,
    pub(crate) name_prefix: String,
    pub(crate) name_suffix: String,
    pub(crate) namespace: String,
    pub(crate) common_labels: Option<BTreeMap<String, String>>,
    pub(crate) labels: Option<Vec<Label>>,
    pub(crate) common_annotations: Option<BTreeMap<String, String>>,
    pub(crate) patches_strategic_merge: Option<Vec<Located>>,
    pub(crate) patches_json6902: Option<Vec<Patch>>,
    pub(crate) patches: Option<Vec<Patch>>,
    pub(crate) images: Option<Vec<Image>>,
    pub(crate) image_tags: Option<Vec<Image>>,
    pub(crate) replacements: Option<Vec<ReplacementField>>,
    pub(crate) replicas: Option<Vec<Replica>>,
    pub(crate) vars: Option<Vec<Var>>,
    pub(crate) sort_options: Option<SortOptions>,
    pub(crate) resources: Option<Vec<Located>>,
    pub(crate) components: Option<Vec<Located>>,
    pub(crate) crds: Option<Vec<Located>>,
    pub(crate) bases: Option<Vec<Located>>,
    pub(crate) config_map_generator: Option<Vec<ConfigMapArgs>>,
    pub(crate) secret_generator: Option<Vec<SecretArgs>>,
    pub(crate) helm_globals: Option<Anything>,
    pub(crate) helm_charts: Option<Vec<Anything>>,
    pub(crate) helm_chart_inflation_generator: Option<Vec<Anything>>,
    pub(crate) generator_options: Option<GeneratorOptions>,
    pub(crate) configurations: Option<Vec<Located>>,
    pub(crate) generators: Option<Vec<Located>>,
    pub(crate) transformers: Option<Vec<Located>>,
    pub(crate) validators: Option<Vec<Located>>,
    pub(crate) build_metadata: Option<Vec<String>>,
}

decode_fields!(Kustomization {
    "apiVersion" => api_version,
    "kind" => kind,
    "metadata" => metadata,
    "openapi" => openapi,
    "namePrefix" => name_prefix,
    "nameSuffix" => name_suffix,
    "namespace" => namespace,
    "commonLabels" => common_labels,
    "labels" => labels,
    "commonAnnotations" => common_annotations,
    "patchesStrategicMerge" => patches_strategic_merge,
    "patchesJson6902" => patches_json6902,
    "patches" => patches,
    "images" => images,
    "imageTags" => image_tags,
    "replacements" => replacements,
    "replicas" => replicas,
    "vars" => vars,
    "sortOptions" => sort_options,
    "resources" => resources,
    "components" => components,
    "crds" => crds,
    "bases" => bases,
    "configMapGenerator" => config_map_generator,
    "secretGenerator" => secret_generator,
    "helmGlobals" => helm_globals,
    "helmCharts" => helm_charts,
    "helmChartInflationGenerator" => helm_chart_inflation_generator,
    "generatorOptions" => generator_options,
    "configurations" => configurations,
    "generators" => generators,
    "transformers" => transformers,
    "validators" => validators,
    "buildMetadata" => build_metadata,
});

/// Metadata of a kustomization or of a plugin's configuration.
#[derive(Clone, Debug, Default)]
pub(crate) struct ObjectMeta {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
}

decode_fields!(ObjectMeta {
    "name" => name,
    "namespace" => namespace,
    "labels" => labels,
    "annotations" => annotations,
});

/// A value that is accepted whatever it holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Anything(pub(crate) Place);

impl super::decode::Decode for Anything {
    fn decode(&mut self, node: &Node, _: &mut Decoder) {
        self.0 = node.place();
    }
}

/// An entry of `labels:`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Label {
    pub(crate) pairs: BTreeMap<String, String>,
    pub(crate) include_selectors: bool,
    pub(crate) include_templates: bool,
    pub(crate) fields: Vec<FieldSpec>,
}

decode_fields!(Label {
    "pairs" => pairs,
    "includeSelectors" => include_selectors,
    "includeTemplates" => include_templates,
    "fields" => fields,
});

decode_fields!(FieldSpec {
    "group" => gvk.group,
    "version" => gvk.version,
    "kind" => gvk.kind,
    "path" => path,
    "create" => create,
});

/// An entry of `patches:` or `patchesJson6902:`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Patch {
    pub(crate) path: Located,
    pub(crate) patch: Located,
    pub(crate) target: Option<Selector>,
    pub(crate) options: Option<PatchOptions>,
}

decode_fields!(Patch {
    "path" => path,
    "patch" => patch,
    "target" => target,
    "options" => options,
});

/// What a patch may change beside the body.
#[derive(Clone, Debug, Default)]
pub(crate) struct PatchOptions {
    pub(crate) allow_name_change: bool,
    pub(crate) allow_kind_change: bool,
}

decode_fields!(PatchOptions {
    "allowNameChange" => allow_name_change,
    "allowKindChange" => allow_kind_change,
});

/// Chooses objects; each part is an anchored regular expression, empty for any.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selector {
    pub(crate) gvk: GvkPattern,
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) annotation_selector: String,
    pub(crate) label_selector: String,
}

decode_fields!(Selector {
    "group" => gvk.group,
    "version" => gvk.version,
    "kind" => gvk.kind,
    "name" => name,
    "namespace" => namespace,
    "annotationSelector" => annotation_selector,
    "labelSelector" => label_selector,
});

/// An entry of `images:`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Image {
    pub(crate) name: String,
    pub(crate) new_name: String,
    pub(crate) tag_suffix: String,
    pub(crate) new_tag: String,
    pub(crate) digest: String,
}

decode_fields!(Image {
    "name" => name,
    "newName" => new_name,
    "tagSuffix" => tag_suffix,
    "newTag" => new_tag,
    "digest" => digest,
});

/// An entry of `replicas:`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Replica {
    pub(crate) name: String,
    pub(crate) count: i64,
}

decode_fields!(Replica {
    "name" => name,
    "count" => count,
});

/// An entry of `replacements:`: one of its own, or a file of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReplacementField {
    pub(crate) replacement: Replacement,
    pub(crate) path: Located,
}

decode_fields!(ReplacementField {
    "source" => replacement.source,
    "targets" => replacement.targets,
    "sourceValue" => replacement.source_value,
    "path" => path,
});

/// A value copied from one field to others.
#[derive(Clone, Debug, Default)]
pub(crate) struct Replacement {
    pub(crate) source: Option<SourceSelector>,
    pub(crate) targets: Option<Vec<Option<TargetSelector>>>,
    pub(crate) source_value: Option<Located>,
}

decode_fields!(Replacement {
    "source" => source,
    "targets" => targets,
    "sourceValue" => source_value,
});

/// The object and field that a replacement reads.
#[derive(Clone, Debug, Default)]
pub(crate) struct SourceSelector {
    pub(crate) gvk: GvkPattern,
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) field_path: String,
    pub(crate) options: Option<FieldOptions>,
}

decode_fields!(SourceSelector {
    "group" => gvk.group,
    "version" => gvk.version,
    "kind" => gvk.kind,
    "name" => name,
    "namespace" => namespace,
    "fieldPath" => field_path,
    "options" => options,
});

/// The objects and fields that a replacement writes.
#[derive(Clone, Debug, Default)]
pub(crate) struct TargetSelector {
    pub(crate) select: Option<Selector>,
    pub(crate) reject: Vec<Option<Selector>>,
    pub(crate) field_paths: Vec<String>,
    pub(crate) options: Option<FieldOptions>,
}

decode_fields!(TargetSelector {
    "select" => select,
    "reject" => reject,
    "fieldPaths" => field_paths,
    "options" => options,
});

/// Which part of a field is meant.
#[derive(Clone, Debug, Default)]
pub(crate) struct FieldOptions {
    pub(crate) delimiter: String,
    pub(crate) index: i64,
    pub(crate) encoding: String,
    pub(crate) create: bool,
}

decode_fields!(FieldOptions {
    "delimiter" => delimiter,
    "index" => index,
    "encoding" => encoding,
    "create" => create,
});

/// An entry of `vars:`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Var {
    pub(crate) name: String,
    pub(crate) objref: VarTarget,
    pub(crate) fieldref: FieldRef,
}

decode_fields!(Var {
    "name" => name,
    "objref" => objref,
    "fieldref" => fieldref,
});

/// The object that a variable reads.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct VarTarget {
    pub(crate) api_version: String,
    pub(crate) gvk: GvkPattern,
    pub(crate) name: String,
    pub(crate) namespace: String,
}

decode_fields!(VarTarget {
    "apiVersion" => api_version,
    "group" => gvk.group,
    "version" => gvk.version,
    "kind" => gvk.kind,
    "name" => name,
    "namespace" => namespace,
});

/// The field that a variable reads.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct FieldRef {
    pub(crate) field_path: String,
}

decode_fields!(FieldRef { "fieldPath" => field_path });

/// `sortOptions:`
#[derive(Clone, Debug, Default)]
pub(crate) struct SortOptions {
    pub(crate) order: String,
    pub(crate) legacy_sort_options: Option<LegacySortOptions>,
}

decode_fields!(SortOptions {
    "order" => order,
    "legacySortOptions" => legacy_sort_options,
});

/// Which kinds come first and last.
#[derive(Clone, Debug, Default)]
pub(crate) struct LegacySortOptions {
    pub(crate) order_first: Vec<String>,
    pub(crate) order_last: Vec<String>,
}

decode_fields!(LegacySortOptions {
    "orderFirst" => order_first,
    "orderLast" => order_last,
});

/// An entry of `configMapGenerator:` or `secretGenerator:`.
#[derive(Clone, Debug, Default)]
pub(crate) struct GeneratorArgs {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) behavior: String,
    pub(crate) literals: Vec<Located>,
    pub(crate) files: Vec<Located>,
    pub(crate) envs: Vec<Located>,
    pub(crate) env: Located,
    pub(crate) options: Option<GeneratorOptions>,
    /// Secrets only.
    pub(crate) kind: String,
}

/// What both generators take.
macro_rules! generator_fields {
    ($type:ident { $($more:tt)* }) => {
        decode_fields!($type {
            "namespace" => args.namespace,
            "name" => args.name,
            "behavior" => args.behavior,
            "literals" => args.literals,
            "files" => args.files,
            "envs" => args.envs,
            "env" => args.env,
            "options" => args.options,
            $($more)*
        });
    };
}

/// [`GeneratorArgs`] as configMapGenerator reads them.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConfigMapArgs {
    pub(crate) args: GeneratorArgs,
}

/// [`GeneratorArgs`] as secretGenerator reads them.
#[derive(Clone, Debug, Default)]
pub(crate) struct SecretArgs {
    pub(crate) args: GeneratorArgs,
}

generator_fields!(ConfigMapArgs {});
generator_fields!(SecretArgs { "type" => args.kind });

/// What generated objects get beside their data.
#[derive(Clone, Debug, Default)]
pub(crate) struct GeneratorOptions {
    pub(crate) labels: Option<BTreeMap<String, String>>,
    pub(crate) annotations: Option<BTreeMap<String, String>>,
    pub(crate) disable_name_suffix_hash: bool,
    pub(crate) immutable: bool,
}

decode_fields!(GeneratorOptions {
    "labels" => labels,
    "annotations" => annotations,
    "disableNameSuffixHash" => disable_name_suffix_hash,
    "immutable" => immutable,
});
