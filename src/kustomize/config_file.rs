//! Files of `configurations:` (field specs) and of `crds:` (definitions that carry them).

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
use super::loader::Loader;
use super::yaml::Node;
use super::yaml::read_kustomization;

/// Deepest chain of definitions that name one another.
const DEFINITIONS_MAX: usize = 64;

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
        let (node, file) = document(build, loader, path)?;
        let config = match node {
            Some(node) => {
                let read =
                    Decoder::strict_coercing().read::<ConfigFile>(&node, "TransformerConfig");
                read.map_err(|(error, place)| {
                    error
                        .wrap("error unmarshaling JSON: while decoding JSON")
                        .kinded(ErrorKind::InvalidTransformer)
                        .at(&file, place.line)
                })?
            }
            None => ConfigFile::default(),
        };
        merged.merge(&config.into())?;
    }
    Ok(merged)
}

fn document<'t>(
    build: &Build<'t>,
    loader: &Rc<Loader<'t>>,
    path: &Located,
) -> Result<(Option<Node>, String)> {
    let file = build.load(loader, &path.text)?;
    let node = read_kustomization(&file.bytes, build.file_id(&file.path)).map_err(|error| {
        let before = "error converting YAML to JSON: yaml: ";
        BuildError::of_yaml(ErrorKind::InvalidYaml, before, &error).at(&file.path, error.at().line)
    })?;
    Ok((node, file.path))
}

/// The field specs that the definitions of all `paths` carry.
pub(crate) fn crds<'t>(
    build: &Build<'t>,
    loader: &Rc<Loader<'t>>,
    paths: &[Located],
) -> Result<TransformerConfig> {
    let mut merged = TransformerConfig::default();
    for path in paths {
        let (node, file) = document(build, loader, path)?;
        let Some(node) = node.filter(Node::is_mapping) else {
            let words = format!("unable to parse open API definition from '{}'", path.text);
            return Err(BuildError::new(ErrorKind::InvalidYaml, words).at(&file, 0));
        };
        for entry in node.entries().unwrap_or_default() {
            let name = entry.key.text().unwrap_or_default();
            let properties = properties(&entry.value);
            let has = |field: &str| properties.is_some_and(|map| map.get(field).is_some());
            if !(has("kind") && has("apiVersion") && has("metadata")) {
                continue;
            }
            let kind = name.rsplit('.').next().unwrap_or(name).to_owned();
            let gvk = GvkPattern { kind, ..GvkPattern::default() };
            let mut config = TransformerConfig::default();
            collect(&mut config, &gvk, &node, name, &mut Vec::new(), 0)?;
            config.sort();
            merged.merge(&config)?;
        }
    }
    Ok(merged)
}

/// `Schema.properties` of a definition.
fn properties(definition: &Node) -> Option<&Node> {
    let any_case = |node: &'_ Node, name: &str| {
        let entries = node.entries()?;
        entries.iter().position(|e| e.key.text().is_some_and(|k| k.eq_ignore_ascii_case(name)))
    };
    let at = any_case(definition, "Schema")?;
    definition.entries()?.get(at)?.value.get("properties")
}

fn collect(
    config: &mut TransformerConfig,
    gvk: &GvkPattern,
    all: &Node,
    name: &str,
    path: &mut Vec<String>,
    depth: usize,
) -> Result<()> {
    if depth > DEFINITIONS_MAX {
        return Err(BuildError::new(ErrorKind::Limit, format!("definitions of {name} never end")));
    }
    let Some(definition) = all.get(name) else { return Ok(()) };
    let list = properties(definition).and_then(Node::entries).unwrap_or_default();
    for entry in list {
        let field = entry.key.text().unwrap_or_default();
        let text = |key: &str| {
            let entries = entry.value.entries()?;
            let found = entries
                .iter()
                .find(|e| e.key.text().is_some_and(|k| k.eq_ignore_ascii_case(key)))?;
            found.value.as_str().map(str::to_owned)
        };
        path.push(field.to_owned());
        let spec =
            |path: &[String]| FieldSpec { gvk: gvk.clone(), path: path.join("/"), create: false };
        if text("x-kubernetes-annotation").is_some() {
            config.common_annotations.merge_one(&spec(path))?;
        }
        if text("x-kubernetes-label-selector").is_some() {
            config.common_labels.merge_one(&spec(path))?;
        }
        if text("x-kubernetes-identity").is_some() {
            config.name_prefix.merge_one(&spec(path))?;
        }
        let version = text("x-kubernetes-object-ref-api-version");
        if let (Some(version), Some(kind)) = (version, text("x-kubernetes-object-ref-kind")) {
            let key = text("x-kubernetes-object-ref-name-key").unwrap_or_else(|| "name".into());
            let named: Vec<String> = path.iter().cloned().chain([key]).collect();
            config.merge_reference(&NameReference {
                target: GvkPattern { group: String::new(), version, kind },
                referrers: FieldSpecs(vec![spec(&named)]),
            })?;
        }
        if let Some(reference) = text("$ref") {
            collect(config, gvk, all, &reference, path, depth + 1)?;
        }
        path.pop();
    }
    Ok(())
}
