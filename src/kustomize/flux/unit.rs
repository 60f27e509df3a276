//! One unit from source tree to objects, in Flux's order of steps.

use std::collections::BTreeMap;

use super::UnitBuild;
use super::error::FluxBuildError;
use super::error::SubstituteError;
use super::generate;
use super::layers;
use super::layers::Layered;
use super::layers::Standing;
use super::origins;
use super::origins::Lines;
use super::origins::UnitFieldOrigin;
use super::overlay;
use super::substitute;
use crate::kustomize::BuildError;
use crate::kustomize::BuildOptions;
use crate::kustomize::Built;
use crate::kustomize::Load;
use crate::kustomize::Order;
use crate::kustomize::Origin;
use crate::kustomize::Outcome;
use crate::kustomize::ReadSet;
use crate::kustomize::RemoteRef;
use crate::kustomize::Resource;
use crate::kustomize::build;
use crate::kustomize::loader;
use crate::kustomize::yaml::FileId;
use crate::kustomize::yaml::Node;
use crate::kustomize::yaml::Place;
use crate::kustomize::yaml::read_kustomization;
use crate::kustomize::yaml::to_yaml;
use crate::model::Entry;
use crate::model::FileTree;

/// Names substitution as the origin of a field.
pub const SUBSTITUTION: FileId = FileId(u32::MAX);

const MANAGED_BY_OPTION: &str = "managedByLabel";
const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
const MANAGED_BY_FLUX: &str = "kustomize-(devel)";

/// What came of a unit.
#[derive(Debug)]
pub enum UnitOutcome {
    /// Its objects.
    Built(UnitBuilt),
    /// What must be fetched first.
    Needs(Vec<RemoteRef>),
}

/// A unit's objects.
#[derive(Debug)]
pub struct UnitBuilt {
    /// The objects, in build order.
    pub objects: Vec<UnitObject>,
    /// What was read, absent files too.
    pub reads: ReadSet,
}

/// One object of a unit.
#[derive(Debug)]
pub struct UnitObject {
    /// The object.
    pub node: Node,
    /// Its text, as Flux hands it on.
    pub text: String,
    /// Where it was first written.
    pub origin: Origin,
    /// JSON pointers of the fields that a secret variable reached.
    pub secret_fields: Vec<String>,
    /// Where its fields come from, in their order; empty unless the build was asked to note it.
    pub fields: Vec<UnitFieldOrigin>,
}

impl UnitBuilt {
    /// The text of all objects, over which Flux computes the digest of its history.
    pub fn text(&self) -> String {
        let texts: Vec<&str> = self.objects.iter().map(|object| object.text.as_str()).collect();
        texts.join("---\n")
    }
}

/// Builds the unit at `path` of `tree`.
///
/// `options` give limits, cache and fetched remote bases; loading is always within the tree and the
/// order as read, as Flux has it.
pub fn build_unit(
    tree: &dyn FileTree,
    path: &str,
    unit: &UnitBuild,
    options: &BuildOptions,
) -> Result<UnitOutcome, FluxBuildError> {
    let Standing::Directory(directory) = layers::standing(tree, path)? else {
        return Err(path_not_found(tree, path));
    };
    let mut reads = ReadSet::new();
    let (file, node, text) = kustomization(tree, &directory, unit, options, &mut reads)?;
    let is_labelled = has_option(&node, MANAGED_BY_OPTION);
    let lines = Lines::new(&file, &node, &text);
    let layered = Layered::new(tree, &file, text.as_bytes());
    let options = BuildOptions { load: Load::WithinTree, order: Order::AsRead, ..options.clone() };
    // The file that is laid over is made of what stands below it, and of the spec.
    let own = |built: &ReadSet| {
        let mut all = reads.clone();
        for (path, id) in built {
            all.entry(path.clone()).or_insert_with(|| id.clone());
        }
        all
    };
    let wrap = |source: BuildError| {
        let all = source.reads().map(own);
        let source = all.map_or(source.clone(), |all| source.after_reading(all));
        let source = lines.error(source);
        FluxBuildError::Build { source: Box::new(source) }
    };
    match build(&layered, &directory, &options).map_err(wrap)? {
        Outcome::Needs(needs) => Ok(UnitOutcome::Needs(needs)),
        Outcome::Built(built) => {
            let reads = own(&built.reads);
            let objects = finish(&built, unit, is_labelled, &lines)?;
            Ok(UnitOutcome::Built(UnitBuilt { objects, reads }))
        }
    }
}

fn path_not_found(tree: &dyn FileTree, path: &str) -> FluxBuildError {
    let (at, reads) = layers::obstacle(tree, path).unzip();
    let left_out = at.and_then(|at| loader::why_left_out(tree, &at));
    FluxBuildError::PathNotFound { path: layers::rooted(path), reads, left_out }
}

/// The kustomization file's path, and what the build is to see in it, as a tree and as text.
fn kustomization(
    tree: &dyn FileTree,
    directory: &str,
    unit: &UnitBuild,
    options: &BuildOptions,
    reads: &mut ReadSet,
) -> Result<(String, Node, String), FluxBuildError> {
    let found = generate::kustomization_of(tree, directory)?;
    let is_generated = found.is_none();
    let path = found.unwrap_or_else(|| layers::below(directory, generate::NAMES[0]));
    let broken = |source| FluxBuildError::KustomizationFile { path: path.clone(), source };
    let file = if is_generated {
        reads.insert(path.clone(), None);
        Some(generate::generate(tree, directory, options, reads)?)
    } else {
        if let Some(Entry::File { id }) = tree.entry(&path)? {
            reads.insert(path.clone(), Some(id));
        }
        read_kustomization(&tree.read(&path)?, FileId::default()).map_err(broken)?
    };
    let node = overlay::lay_over(file.as_ref(), is_generated, unit, |component| {
        // Flux joins the two as texts, and sees nothing outside of the source.
        let Some(at) = loader::join(directory, component) else { return Ok(false) };
        let stands = layers::standing(tree, &at)? != Standing::Nothing;
        if !stands {
            reads.insert(at, None);
        }
        Ok(stands)
    })?;
    let text = to_yaml(&node).map_err(broken)?;
    Ok((path, node, text))
}

/// Does the kustomization ask for this piece of build metadata?
fn has_option(kustomization: &Node, option: &str) -> bool {
    let options = kustomization.get("buildMetadata").and_then(Node::items).unwrap_or_default();
    options.iter().any(|have| have.as_str() == Some(option))
}

/// An object as it leaves the build. Flux's program does not know the version of the kustomize in
/// it, and the label shows that.
fn built_object(
    resource: &Resource,
    is_labelled: bool,
    lines: &Lines,
) -> Result<UnitObject, FluxBuildError> {
    let (mut node, mut text) = (resource.node().clone(), resource.yaml());
    let label = node.get_path_mut(&["metadata", "labels", MANAGED_BY_LABEL]);
    if let Some(label) = label.filter(|_| is_labelled) {
        label.set_text(MANAGED_BY_FLUX);
        text = to_yaml(&node).map_err(|error| FluxBuildError::PostBuild {
            object: shown(resource.node()),
            source: SubstituteError::Print(error),
        })?;
    }
    let origin = resource.origin().clone();
    let fields = lines.fields(resource.fields());
    Ok(UnitObject { node, text, origin, secret_fields: Vec::new(), fields })
}

/// Checks each object and fills in its variables, in order.
fn finish(
    built: &Built,
    unit: &UnitBuild,
    is_labelled: bool,
    lines: &Lines,
) -> Result<Vec<UnitObject>, FluxBuildError> {
    let mut ids: Vec<Id> = built.resources.iter().map(|resource| Id::of(resource.node())).collect();
    let mut objects = Vec::with_capacity(built.resources.len());
    for (index, resource) in built.resources.iter().enumerate() {
        check(resource.node())?;
        let mut object = built_object(resource, is_labelled, lines)?;
        if unit.variables_to_fill().is_some() && !substitute::is_disabled(&object.node) {
            object = fill(object, unit)?;
            ids[index] = Id::of(&object.node);
            let count = ids.iter().filter(|id| **id == ids[index]).count();
            if count > 1 {
                let object = shown(resource.node());
                return Err(FluxBuildError::SameId { count, object });
            }
        }
        objects.push(object);
    }
    Ok(objects)
}

fn fill(object: UnitObject, unit: &UnitBuild) -> Result<UnitObject, FluxBuildError> {
    let wrong = |source| FluxBuildError::PostBuild { object: shown(&object.node), source };
    let none = super::Variables::new();
    let variables = unit.substitute.as_ref().unwrap_or(&none);
    let place = Place::made_by(SUBSTITUTION);
    let done = substitute::substitute(&object.node, &object.text, variables, unit.strict, place)
        .map_err(wrong)?;
    let text = to_yaml(&done.node).map_err(|error| wrong(SubstituteError::Print(error)))?;
    let fields = origins::filled(&object.node, &object.fields, &done.node, place);
    let (node, secret_fields) = (done.node, done.secret_fields);
    Ok(UnitObject { node, text, secret_fields, fields, ..object })
}

/// What makes two objects one for upstream: group, version, kind, name, namespace.
#[derive(PartialEq)]
struct Id(BTreeMap<&'static str, String>);

impl Id {
    fn of(node: &Node) -> Self {
        let text = |keys: &[&str]| node.str_at(keys).unwrap_or_default().to_owned();
        let namespace = match text(&["metadata", "namespace"]) {
            namespace if namespace == "default" => String::new(),
            namespace => namespace,
        };
        Self(BTreeMap::from([
            ("apiVersion", text(&["apiVersion"])),
            ("kind", text(&["kind"])),
            ("name", text(&["metadata", "name"])),
            ("namespace", namespace),
        ]))
    }
}

fn check(node: &Node) -> Result<(), FluxBuildError> {
    let has =
        |keys: &[&str]| node.get_path(keys).and_then(Node::text).is_some_and(|t| !t.is_empty());
    if has(&["metadata", "name"]) && has(&["kind"]) && has(&["apiVersion"]) {
        return Ok(());
    }
    Err(FluxBuildError::IncompleteObject { object: shown(node) })
}

/// `group/version/Kind/name`, as Flux names an object in errors.
fn shown(node: &Node) -> String {
    let text = |keys: &[&str]| node.get_path(keys).and_then(Node::text).unwrap_or_default();
    let api_version = text(&["apiVersion"]);
    let gvk = match api_version.split_once('/') {
        Some((group, version)) => format!("{}.{version}.{group}", text(&["kind"])),
        None => format!("{}.{api_version}.[noGrp]", text(&["kind"])),
    };
    format!("{gvk}/{}", text(&["metadata", "name"]))
}
