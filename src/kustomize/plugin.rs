//! What transformers and generators have in common, and how those of `transformers:`,
//! `generators:` and `validators:` are found by their configuration.
//!
//! Only built-in ones run. Anything else (exec, containers, Go, Starlark, Helm) is refused.

use std::rc::Rc;
use std::sync::Arc;

use super::build::Build;
use super::builtins::annotations_transformer::AnnotationsTransformer;
use super::builtins::config_map_generator::ConfigMapGenerator;
use super::builtins::hash_transformer::HashTransformer;
use super::builtins::iam_policy_generator::IamPolicyGenerator;
use super::builtins::image_tag_transformer::ImageTagTransformer;
use super::builtins::label_transformer::LabelTransformer;
use super::builtins::namespace_transformer::NamespaceTransformer;
use super::builtins::patch_json6902_transformer::PatchJson6902Transformer;
use super::builtins::patch_strategic_merge_transformer::PatchStrategicMergeTransformer;
use super::builtins::patch_transformer::PatchTransformer;
use super::builtins::prefix_transformer::PrefixTransformer;
use super::builtins::replacement_transformer::ReplacementTransformer;
use super::builtins::replica_count_transformer::ReplicaCountTransformer;
use super::builtins::secret_generator::SecretGenerator;
use super::builtins::suffix_transformer::SuffixTransformer;
use super::builtins::value_add_transformer::ValueAddTransformer;
use super::decode::Decode;
use super::decode::Decoder;
use super::decode::Located;
use super::error::BuildError;
use super::error::ErrorKind;
use super::error::Result;
use super::loader::File;
use super::loader::Loader;
use super::resmap::ResMap;
use super::resmap::shown;
use super::resource::Object;
use super::schemas::Schemas;
use super::yaml::Entry;
use super::yaml::Node;
use super::yaml::Place;
use super::yaml::to_yaml;

/// Changes objects. Runs once.
pub(crate) trait Transformer {
    /// Changes the objects of `map`.
    fn transform(&mut self, map: &mut ResMap) -> Result<()>;
}

/// Makes objects. Runs once.
pub(crate) trait Generator {
    /// Makes objects from what `helpers` can read.
    fn generate(&mut self, helpers: &Helpers<'_, '_>) -> Result<Vec<Object>>;
}

/// What plugins may use of the build.
pub(crate) struct Helpers<'b, 't> {
    pub(crate) build: &'b Build<'t>,
    pub(crate) loader: &'b Rc<Loader<'t>>,
    /// The kustomization file's path.
    pub(crate) kustomization: &'b str,
}

impl<'b, 't> Helpers<'b, 't> {
    /// The file that `path` names.
    pub(crate) fn load(&self, path: &Located) -> Result<File> {
        self.build.load(self.loader, &path.text).map_err(|error| self.placed(error, path.place))
    }

    /// The start of a file.
    pub(crate) fn start(&self, file: &File) -> Place {
        Place::made_by(self.build.file_id(&file.path))
    }

    /// Where text that stands in the kustomization file starts.
    pub(crate) fn inline_start(&self, text: &Located) -> Place {
        if text.place == Place::default() {
            return Place::made_by(self.build.file_id(self.kustomization));
        }
        text.start()
    }

    /// The objects of a text. `start.line` lines stand before it.
    pub(crate) fn objects(&self, bytes: &[u8], start: Place) -> Result<Vec<Object>> {
        let nodes = self.build.nodes(bytes, start)?;
        Ok(nodes.into_iter().map(|node| Object::new(node, self.schemas())).collect())
    }

    pub(crate) fn schemas(&self) -> &'b Arc<Schemas> {
        &self.build.schemas
    }

    /// The kustomization's directory as users know it.
    pub(crate) fn shown_root(&self) -> String {
        self.loader.shown_root()
    }

    /// The error with the place that names what was asked for.
    pub(crate) fn placed(&self, error: BuildError, place: Place) -> BuildError {
        if place.line == 0 {
            return error;
        }
        error.at(&self.build.file_name(place.file), place.line)
    }
}

/// Whether an object configures a built-in plugin.
fn is_built_in(object: &Object) -> bool {
    let gvk = &object.id().gvk;
    gvk.group().is_empty() && gvk.version() == "builtin"
}

fn only_built_in(object: &Object) -> BuildError {
    let kind = object.original_id().gvk.kind.clone();
    let words = format!("external plugins disabled; unable to load external plugin '{kind}'");
    BuildError::new(ErrorKind::NotSupported, words)
        .says(format!("`{}` asks for a plugin that would have to be run", shown(object.id())))
}

/// Refuses an object that cannot be printed, such as one in which a key stands twice: upstream
/// hands plugins their configuration as text.
fn check_printable(object: &Object) -> Result<()> {
    let printed = to_yaml(object.node());
    printed.map(drop).map_err(|error| {
        BuildError::of_yaml(ErrorKind::InvalidYaml, "", &error)
            .wrap(format!("marshalling yaml from res {}", object.original_id()))
    })
}

fn read<T: Decode>(object: &Object) -> Result<T> {
    let config = Decoder::object().read::<T>(object.node(), object.kind());
    config.map_err(|(error, _)| {
        error
            .wrap("error unmarshaling JSON: while decoding JSON")
            .kinded(ErrorKind::InvalidTransformer)
    })
}

/// The transformers that an object configures.
pub(crate) fn transformers(
    object: &Object,
    helpers: &Helpers<'_, '_>,
) -> Result<Vec<Box<dyn Transformer>>> {
    if !is_built_in(object) {
        return Err(only_built_in(object));
    }
    let file = helpers.build.file_name(object.place.file);
    check_printable(object).map_err(|error| error.at(&file, object.place.line))?;
    configured(object, helpers).map_err(|error| {
        let error = error.at(&file, object.place.line);
        error.wrap(format!("plugin {} fails configuration", object.original_id()))
    })
}

fn configured(object: &Object, helpers: &Helpers<'_, '_>) -> Result<Vec<Box<dyn Transformer>>> {
    Ok(vec![match object.kind() {
        "AnnotationsTransformer" => Box::new(read::<AnnotationsTransformer>(object)?),
        "HashTransformer" => Box::new(HashTransformer),
        "ImageTagTransformer" => Box::new(read::<ImageTagTransformer>(object)?),
        "LabelTransformer" => Box::new(read::<LabelTransformer>(object)?),
        "NamespaceTransformer" => {
            let transformer = read::<NamespaceTransformer>(object)?;
            transformer.check()?;
            Box::new(transformer)
        }
        "PatchJson6902Transformer" => {
            let mut transformer = read::<PatchJson6902Transformer>(object)?;
            transformer.load(helpers)?;
            Box::new(transformer)
        }
        "PatchStrategicMergeTransformer" => {
            let mut transformer = read::<PatchStrategicMergeTransformer>(object)?;
            transformer.load(helpers)?;
            Box::new(transformer)
        }
        "PatchTransformer" => {
            let mut transformer = read::<PatchTransformer>(object)?;
            transformer.load(helpers)?;
            Box::new(transformer)
        }
        "PrefixSuffixTransformer" => {
            return Ok(vec![Box::new(prefix(object)?), Box::new(suffix(object)?)]);
        }
        "PrefixTransformer" => Box::new(prefix(object)?),
        "SuffixTransformer" => Box::new(suffix(object)?),
        "ReplacementTransformer" => {
            let mut transformer = read::<ReplacementTransformer>(object)?;
            transformer.load(helpers)?;
            Box::new(transformer)
        }
        "ReplicaCountTransformer" => Box::new(read::<ReplicaCountTransformer>(object)?),
        "ValueAddTransformer" => {
            let mut transformer = read::<ValueAddTransformer>(object)?;
            transformer.load(helpers)?;
            Box::new(transformer)
        }
        "ConfigMapGenerator" | "SecretGenerator" | "IAMPolicyGenerator" => {
            let words = format!("plugin {} not a transformer", object.original_id());
            return Err(BuildError::new(ErrorKind::InvalidTransformer, words));
        }
        _ => return Err(unknown(object)),
    }])
}

fn unknown(object: &Object) -> BuildError {
    let words = format!("unable to load builtin {}", object.id().gvk);
    BuildError::new(ErrorKind::InvalidTransformer, words)
}

fn no_specs() -> BuildError {
    BuildError::new(ErrorKind::InvalidTransformer, "fieldSpecs is not expected to be nil")
}

fn prefix(object: &Object) -> Result<PrefixTransformer> {
    let transformer = read::<PrefixTransformer>(object)?;
    if transformer.field_specs.is_none() { Err(no_specs()) } else { Ok(transformer) }
}

fn suffix(object: &Object) -> Result<SuffixTransformer> {
    let transformer = read::<SuffixTransformer>(object)?;
    if transformer.field_specs.is_none() { Err(no_specs()) } else { Ok(transformer) }
}

/// The generator that an object configures.
pub(crate) fn generator(object: &Object) -> Result<Box<dyn Generator>> {
    if !is_built_in(object) {
        return Err(only_built_in(object));
    }
    check_printable(object)?;
    let failed = |error: BuildError| {
        error.wrap(format!("plugin {} fails configuration", object.original_id()))
    };
    Ok(match object.kind() {
        "ConfigMapGenerator" => Box::new(read::<ConfigMapGenerator>(object).map_err(failed)?),
        "SecretGenerator" => Box::new(read::<SecretGenerator>(object).map_err(failed)?),
        "IAMPolicyGenerator" => Box::new(read::<IamPolicyGenerator>(object).map_err(failed)?),
        "HelmChartInflationGenerator" => {
            let words = "must specify --enable-helm";
            return Err(failed(
                BuildError::new(ErrorKind::NotSupported, words)
                    .says("`HelmChartInflationGenerator` would have to run Helm"),
            ));
        }
        kind if kind.ends_with("Transformer") => {
            let words = format!("plugin {} not a generator", object.original_id());
            return Err(BuildError::new(ErrorKind::InvalidGenerator, words));
        }
        _ => return Err(unknown(object)),
    })
}

/// The label by which a validator may say that it has seen an object.
const VALIDATED_BY: &str = "validated-by";

/// Whether a validator left an object as it was but for its own label.
///
/// Upstream takes the label away by writing all labels anew, and then compares places in files too:
/// an object that had labels in its file always counts as changed.
pub(crate) fn only_validated(old: &Node, new: &Node) -> bool {
    if old == new && labels(new).is_none_or(|labels| labels.get(VALIDATED_BY).is_none()) {
        return true;
    }
    let made = |labels: &Node| {
        let entries = labels.entries().unwrap_or_default();
        let unread = |entry: &Entry| entry.key.place().line == 0;
        entries.iter().all(unread) && entries.is_sorted_by_key(|entry| entry.key.text())
    };
    let mut rest = new.clone();
    if let Some(metadata) = rest.get_mut("metadata")
        && let Some(mut labels) = metadata.remove("labels")
    {
        labels.value.remove(VALIDATED_BY);
        // Written anew, labels stand behind all else.
        if !labels.value.is_empty_collection() {
            metadata.push_entry(labels);
        }
    }
    *old == rest && labels(old).is_none_or(made)
}

fn labels(node: &Node) -> Option<&Node> {
    node.get_path(&["metadata", "labels"])
}
