//! Reading a kustomization file: which one, with which leniency, and what is refused.
//!
//! Keys match whatever their case, the last of equal keys wins, an unknown key is an error, and
//! deprecated fields are moved to where they are honoured. Upstream: `api/types/kustomization.go`.

use super::decode::Decoder;
use super::error::BuildError;
use super::error::ErrorKind;
use super::error::Result;
use super::kustomization::GeneratorArgs;
use super::kustomization::Kustomization;
use super::yaml::FileId;
use super::yaml::Node;
use super::yaml::read_kustomization;

/// The names under which a kustomization file is found.
pub(crate) const FILE_NAMES: &[&str] =
    &["kustomization.yaml", "kustomization.yml", "Kustomization"];

pub(crate) const COMPONENT: &str = "Component";
const KUSTOMIZATION: &str = "Kustomization";

/// Reads the text of a kustomization file; `name` is the file's, `root` its directory's for users.
pub(crate) fn read(bytes: &[u8], file: FileId, name: &str, root: &str) -> Result<Kustomization> {
    let node = read_kustomization(bytes, file).map_err(|error| {
        BuildError::of_yaml(ErrorKind::InvalidYaml, "", &error)
            .wrap("yaml")
            .wrap("invalid Kustomization")
            .at(name, error.at().line)
    })?;
    let node = node.unwrap_or_else(Node::null);
    let decoded = Decoder::strict().read::<Kustomization>(&node, "Kustomization");
    let mut kustomization = decoded
        .map_err(|(error, place)| error.wrap("invalid Kustomization").at(name, place.line))?;
    fix(&mut kustomization);
    if is_empty(&kustomization) {
        return Err(BuildError::new(
            ErrorKind::InvalidKustomization,
            "kustomization.yaml is empty",
        )
        .at(name, 0)
        .advise("name at least one resource or component, or remove the file"));
    }
    check_type(&kustomization).map_err(|words| {
        let chain = format!("Failed to read kustomization file under {root}:\n{words}");
        BuildError::new(ErrorKind::InvalidKustomization, chain).says(words).at(name, 0)
    })?;
    Ok(kustomization)
}

/// Fills in defaults and moves deprecated fields to those that replaced them.
fn fix(k: &mut Kustomization) {
    if k.kind.is_empty() {
        k.kind = KUSTOMIZATION.to_owned();
    }
    if k.api_version.is_empty() {
        k.api_version = version_of(&k.kind).to_owned();
    }
    move_to(&mut k.bases, &mut k.resources);
    move_to(&mut k.image_tags, &mut k.images);
    let config_maps = k.config_map_generator.iter_mut().flatten().map(|g| &mut g.args);
    let secrets = k.secret_generator.iter_mut().flatten().map(|g| &mut g.args);
    config_maps.chain(secrets).for_each(move_env);
    move_to(&mut k.helm_chart_inflation_generator, &mut k.helm_charts);
}

/// Appends a deprecated list to the one that replaced it.
fn move_to<T>(old: &mut Option<Vec<T>>, new: &mut Option<Vec<T>>) {
    if let Some(old) = old.take().filter(|old| !old.is_empty()) {
        new.get_or_insert_with(Vec::new).extend(old);
    }
}

fn move_env(args: &mut GeneratorArgs) {
    if !args.env.text.is_empty() {
        args.envs.push(std::mem::take(&mut args.env));
    }
}

fn version_of(kind: &str) -> &'static str {
    if kind == COMPONENT {
        "kustomize.config.k8s.io/v1alpha1"
    } else {
        "kustomize.config.k8s.io/v1beta1"
    }
}

fn check_type(k: &Kustomization) -> std::result::Result<(), String> {
    let mut wrong = Vec::new();
    if k.kind != KUSTOMIZATION && k.kind != COMPONENT {
        wrong.push(format!("kind should be {KUSTOMIZATION} or {COMPONENT}"));
    }
    let version = version_of(&k.kind);
    if k.api_version != version {
        wrong.push(format!("apiVersion for {} should be {version}", k.kind));
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// Nothing is said but the type. A list that is there but empty counts as something said.
fn is_empty(k: &Kustomization) -> bool {
    let texts = [&k.name_prefix, &k.name_suffix, &k.namespace];
    let said = [
        k.metadata.is_some(),
        k.openapi.is_some(),
        k.common_labels.is_some(),
        k.labels.is_some(),
        k.common_annotations.is_some(),
        k.patches_strategic_merge.is_some(),
        k.patches_json6902.is_some(),
        k.patches.is_some(),
        k.images.is_some(),
        k.replacements.is_some(),
        k.replicas.is_some(),
        k.vars.is_some(),
        k.sort_options.is_some(),
        k.resources.is_some(),
        k.components.is_some(),
        k.crds.is_some(),
        k.config_map_generator.is_some(),
        k.secret_generator.is_some(),
        k.helm_globals.is_some(),
        k.helm_charts.is_some(),
        k.generator_options.is_some(),
        k.configurations.is_some(),
        k.generators.is_some(),
        k.transformers.is_some(),
        k.validators.is_some(),
        k.build_metadata.is_some(),
    ];
    texts.iter().all(|text| text.is_empty()) && !said.contains(&true)
}
