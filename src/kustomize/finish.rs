//! The last steps of a build, which see all objects at once.
//!
//! Upstream: `api/krusty/kustomizer.go`.

use std::collections::HashMap;
use std::collections::HashSet;
use std::rc::Rc;

use super::BuildOptions;
use super::Order;
use super::Outcome;
use super::accumulator::Accumulator;
use super::build::Build;
use super::builtins::hash_transformer::HashTransformer;
use super::builtins::name_reference_transformer;
use super::builtins::ref_var_transformer;
use super::builtins::sort_order_transformer;
use super::error::BuildError;
use super::error::Result;
use super::gvk::ResId;
use super::loader::Loader;
use super::loader::Tree;
use super::metadata;
use super::origin_annotation::Record;
use super::origins;
use super::output::Built;
use super::path;
use super::plugin::Transformer as _;
use super::resmap;
use super::resmap::ResMap;
use super::resource;
use super::resource::Object;
use super::resource::annotation;
use super::target::Target;
use super::yaml::Node;
use super::yaml::Style;
use super::yaml::Tag;
use crate::model::FileTree;

/// The label that `buildMetadata: [managedByLabel]` sets.
const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "kustomize-v5.8.1");

/// Builds the kustomization in directory `root` of `tree`.
pub fn build(
    tree: &dyn FileTree,
    root: &str,
    options: &BuildOptions,
) -> std::result::Result<Outcome, BuildError> {
    let tree = Rc::new(Tree::recorded(tree, &options.shown_root));
    let build = Build::new(options);
    let outcome = run(&build, &tree, root);
    if build.is_partial() {
        // Errors may come from what is missing: they count once it is there.
        return Ok(Outcome::Needs(build.take_needs()));
    }
    let made = outcome.and_then(|map| Built::new(map, tree.reads(), &build));
    made.map(Outcome::Built).map_err(|error| {
        error.placed(|place| build.shown(place, &tree)).after_reading(tree.reads_of_failure())
    })
}

fn run<'t>(build: &Build<'t>, tree: &Rc<Tree<'t>>, root: &str) -> Result<ResMap> {
    let loader = Loader::at_root(Rc::clone(tree), root, build.options.load)
        .map_err(|error| error.wrap("must build at directory"))?;
    let mut target = Target::load(build, Rc::new(loader), 0)?;
    target.set_schema(true)?;
    let metadata = target.kustomization.build_metadata.clone().unwrap_or_default();
    if !metadata.is_empty() {
        target.record = Some(Record::default());
    }
    let mut gathered = target.accumulate(Accumulator::default())?;
    let map = &mut gathered.map;
    let (config, vars) = (&gathered.config, &gathered.vars);
    HashTransformer.transform(map)?;
    noted(&target, map, "NameReferenceTransformer", "", |map| {
        name_reference_transformer::transform(map, &config.name_reference)
    })?;
    noted(&target, map, "RefVarTransformer", "vars", |map| {
        ref_var_transformer::transform(map, vars, &config.var_reference)
    })?;
    let twice = drop_local(map)?;
    match (&target.kustomization.sort_options, build.options.order) {
        (Some(options), _) => sort_order_transformer::sort(map, Some(options), twice)?,
        (None, Order::Legacy) => sort_order_transformer::sort(map, None, twice)?,
        (None, Order::AsRead) => {}
    }
    let says = |option: &str| metadata.iter().any(|have| have == option);
    let clean = Clean {
        managed_by: says("managedByLabel"),
        keep_origin: says("originAnnotations"),
        keep_transformations: says("transformerAnnotations"),
    };
    for object in map.objects_mut() {
        clean.apply(object)?;
    }
    Ok(gathered.map)
}

/// Runs one of the last steps, and notes what it wrote when origins are noted.
fn noted(
    target: &Target<'_, '_>,
    map: &mut ResMap,
    kind: &str,
    field: &str,
    run: impl FnOnce(&mut ResMap) -> Result<()>,
) -> Result<()> {
    let name = target.step_name(kind, field, None);
    if name.is_some() {
        origins::before(map);
    }
    run(map)?;
    if let Some(name) = name {
        origins::after(map, &name);
    }
    Ok(())
}

/// Drops objects that are for the build alone, and refuses what has become ambiguous. Returns
/// whether some id stays twice: upstream drops by id, so that an object for the build alone stays
/// where another one has its id.
fn drop_local(map: &mut ResMap) -> Result<bool> {
    let mut ids = HashMap::with_capacity(map.len());
    let mut local = Vec::new();
    for (i, object) in map.objects().iter().enumerate() {
        if object.is_empty() {
            local.push(i);
            continue;
        }
        resource::validate(object.node())?;
        match object.first_annotation(annotation::LOCAL_CONFIG) {
            Some(text) if text != "false" => local.push(i),
            _ => {
                let id = object.id();
                if let Some(first) = ids.insert(id.key(), object.place) {
                    return Err(resmap::registered_twice(id, [first, object.place]));
                }
            }
        }
    }
    if local.is_empty() {
        return Ok(false);
    }
    let going = going(map.objects(), &local)?;
    let mut at = 0;
    map.objects_mut().retain(|_| {
        at += 1;
        going.binary_search(&(at - 1)).is_err()
    });
    Ok(going.len() < local.len())
}

/// Those of `local`, in order, whose id no other object has.
fn going(objects: &[Object], local: &[usize]) -> Result<Vec<usize>> {
    let is_local = |at: &usize| local.binary_search(at).is_ok();
    let others = objects.iter().enumerate().filter(|(at, _)| !is_local(at));
    let staying: HashSet<&ResId> = others.map(|(_, object)| object.id()).collect();
    let mut ids = HashMap::with_capacity(local.len());
    let mut going = Vec::with_capacity(local.len());
    for (at, object) in local.iter().filter_map(|&at| Some((at, objects.get(at)?))) {
        if staying.contains(object.id()) {
            continue;
        }
        let id = object.id();
        if let Some(first) = ids.insert(id, object.place) {
            let words = format!("id {id} not found in removal");
            return Err(resmap::registered_twice(id, [first, object.place]).reworded(words));
        }
        going.push(at);
    }
    Ok(going)
}

/// What the build's own annotations come to in the end.
struct Clean {
    managed_by: bool,
    keep_origin: bool,
    keep_transformations: bool,
}

impl Clean {
    fn apply(&self, object: &mut Object) -> Result<()> {
        if self.managed_by {
            let (key, value) = MANAGED_BY;
            let found = path::lookup_create(
                object.node_mut(),
                &["metadata", "labels"],
                path::Kind::Mapping,
            )?;
            if let Some(labels) = found {
                path::set_field(labels, key, Node::string(value))?;
            }
        }
        let mut annotations = object.annotations();
        let count = annotations.len();
        for key in annotation::BUILD {
            annotations.remove(*key);
        }
        if !self.keep_origin {
            annotations.remove(annotation::ORIGIN);
        }
        if !self.keep_transformations {
            annotations.remove(annotation::TRANSFORMATIONS);
        }
        if metadata::count(object.node(), "annotations") > 1 {
            return self.fold(object);
        }
        let both = self.keep_origin && self.keep_transformations;
        if annotations.len() == count && (is_tidy(object.node(), count) || (both && count == 0)) {
            return Ok(());
        }
        object.set_annotations(&annotations)
    }

    /// Upstream writes the annotations anew once for each of the three kinds that go, and each time
    /// what stands under the key a second time takes up the first: only what goes then is gone.
    fn fold(&self, object: &mut Object) -> Result<()> {
        let rounds: [(&[&str], bool); 3] = [
            (annotation::BUILD, !object.annotations().is_empty()),
            (&[annotation::ORIGIN], !self.keep_origin),
            (&[annotation::TRANSFORMATIONS], !self.keep_transformations),
        ];
        for (going, _) in rounds.into_iter().filter(|(_, is_due)| *is_due) {
            let mut annotations = object.annotations();
            annotations.retain(|key, _| !going.contains(&key.as_str()));
            object.set_annotations(&annotations)?;
        }
        Ok(())
    }
}

/// Whether writing these `count` annotations anew would change nothing.
fn is_tidy(node: &Node, count: usize) -> bool {
    let Some(map) = node.get("metadata").and_then(|metadata| metadata.get("annotations")) else {
        return true;
    };
    let plain_text = |entry: &super::yaml::Entry| {
        let is_key = entry.key.tag() != Tag::Unset && entry.key.text() != Some("");
        is_key && entry.value.is_scalar() && entry.value.tag() == Tag::Str
    };
    let entries = map.entries().unwrap_or_default();
    // Of equal keys one would stay.
    let all_stay = entries.len() == count && !entries.is_empty();
    all_stay && entries.iter().all(plain_text) && map.style() != Style::Literal
}
