//! Files of `configurations:`: field specs as the built-in transformers take them.

use std::rc::Rc;

use super::build::Build;
use super::config::NameReference;
use super::config::TransformerConfig;
use super::decode::Decoder;
use super::decode::Located;
use super::decode::decode_fields;
use super::error::BuildError;
use super::error::ErrorKind;
use super::error::Result;
use super::fieldspec::FieldSpec;
use super::fieldspec::FieldSpecs;
use super::gvk::GvkPattern;
use super::loader::File;
use super::loader::Loader;
use super::yaml::Node;
use super::yaml::YamlError;
use super::yaml::read_kustomization;

/// A file of `configurations:`.
#[derive(Clone, Debug, Default)]
struct ConfigFile {
    name_prefix: Vec<FieldSpec>,
    name_suffix: Vec<FieldSpec>,
    namespace: Vec<FieldSpec>,
    common_labels: Vec<FieldSpec>,
    labels: Vec<FieldSpec>,
    template_labels: Vec<FieldSpec>,
    common_annotations: Vec<FieldSpec>,
    name_reference: Vec<References>,
    var_reference: Vec<FieldSpec>,
    images: Vec<FieldSpec>,
    replicas: Vec<FieldSpec>,
}

decode_fields!(ConfigFile {
    "namePrefix" => name_prefix,
    "nameSuffix" => name_suffix,
    "namespace" => namespace,
    "commonLabels" => common_labels,
    "labels" => labels,
    "templateLabels" => template_labels,
    "commonAnnotations" => common_annotations,
    "nameReference" => name_reference,
    "varReference" => var_reference,
    "images" => images,
    "replicas" => replicas,
});

#[derive(Clone, Debug, Default)]
struct References {
    gvk: GvkPattern,
    field_specs: Vec<FieldSpec>,
}

decode_fields!(References {
    "group" => gvk.group,
    "version" => gvk.version,
    "kind" => gvk.kind,
    "fieldSpecs" => field_specs,
});

impl From<ConfigFile> for TransformerConfig {
    fn from(file: ConfigFile) -> Self {
        let reference =
            |r: References| NameReference { target: r.gvk, referrers: FieldSpecs(r.field_specs) };
        let mut config = Self {
            name_prefix: FieldSpecs(file.name_prefix),
            name_suffix: FieldSpecs(file.name_suffix),
            namespace: FieldSpecs(file.namespace),
            common_labels: FieldSpecs(file.common_labels),
            labels: FieldSpecs(file.labels),
            template_labels: FieldSpecs(file.template_labels),
            common_annotations: FieldSpecs(file.common_annotations),
            name_reference: file.name_reference.into_iter().map(reference).collect(),
            var_reference: FieldSpecs(file.var_reference),
            images: FieldSpecs(file.images),
            replicas: FieldSpecs(file.replicas),
        };
        config.sort();
        config
    }
}

/// The field specs of all `paths`.
pub(crate) fn configurations<'t>(
    build: &Build<'t>,
    loader: &Rc<Loader<'t>>,
    paths: &[Located],
) -> Result<TransformerConfig> {
    let mut merged = TransformerConfig::default();
    for path in paths {
        let file = build.load(loader, &path.text)?;
        let config = match document(build, &file)? {
            Some(node) => {
                let read =
                    Decoder::strict_coercing().read::<ConfigFile>(&node, "TransformerConfig");
                read.map_err(|(error, place)| {
                    error
                        .wrap("error unmarshaling JSON: while decoding JSON")
                        .kinded(ErrorKind::InvalidTransformer)
                        .at(&file.path, place.line)
                })?
            }
            None => ConfigFile::default(),
        };
        merged.merge(&config.into())?;
    }
    Ok(merged)
}

/// The YAML of a file; none when it has no document.
pub(super) fn document(build: &Build<'_>, file: &File) -> Result<Option<Node>> {
    let node = read_kustomization(&file.bytes, build.file_id(&file.path));
    node.map_err(|error| not_converted(file, &error))
}

/// Why the YAML of a file cannot become JSON.
pub(super) fn not_converted(file: &File, error: &YamlError) -> BuildError {
    let before = "error converting YAML to JSON: yaml: ";
    BuildError::of_yaml(ErrorKind::InvalidYaml, before, error).at(&file.path, error.at().line)
}
