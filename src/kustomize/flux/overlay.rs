//! The fields of a unit's spec, laid over its kustomization file.
//!
//! namespace, prefix and suffix replace; patches and components come last; images are merged by
//! name; build metadata replaces when there is any.

use super::UnitBuild;
use super::UnitImage;
use super::UnitPatch;
use super::error::FluxBuildError;
use super::fields;
use super::origins::SPEC_PLACE;
use crate::kustomize::yaml::Node;

/// What Flux puts into a file without resources, so that the build does not refuse it. The objects
/// get origin annotations from it.
const ORIGIN_ANNOTATIONS: &str = "originAnnotations";
const API_VERSION: &str = "kustomize.config.k8s.io/v1beta1";
const KIND: &str = "Kustomization";

/// The file as the build is to see it. `file` is what stands in the source; `component_exists` says
/// whether something stands at a path seen from the unit's directory.
pub(super) fn lay_over(
    file: Option<&Node>,
    is_generated: bool,
    unit: &UnitBuild,
    mut component_exists: impl FnMut(&str) -> Result<bool, FluxBuildError>,
) -> Result<Node, FluxBuildError> {
    let mut node = file
        .and_then(|file| fields::read(file, fields::KUSTOMIZATION))
        .filter(Node::is_mapping)
        .unwrap_or_else(|| Node::mapping(Vec::new()));
    for (key, value) in [("apiVersion", API_VERSION), ("kind", KIND)] {
        node.get_or_insert(key, || told(value));
    }
    if !is_generated && node.get("resources").is_none() {
        let options = Node::sequence(vec![told(ORIGIN_ANNOTATIONS)]);
        node.set("buildMetadata", options.at(SPEC_PLACE));
    }
    let replaced = [
        ("namespace", &unit.target_namespace),
        ("namePrefix", &unit.name_prefix),
        ("nameSuffix", &unit.name_suffix),
    ];
    for (key, value) in replaced {
        match value.as_deref() {
            Some("") => drop(node.remove(key)),
            Some(value) => drop(node.set(key, told(value))),
            None => {}
        }
    }
    for patch in &unit.patches {
        append(&mut node, "patches", patch_node(patch));
    }
    for component in &unit.components {
        if !is_local_relative(component) {
            return Err(FluxBuildError::ComponentPath { path: component.clone() });
        }
        if unit.ignore_missing_components && !component_exists(component)? {
            continue;
        }
        append(&mut node, "components", told(component));
    }
    for image in &unit.images {
        lay_image(&mut node, image);
    }
    if !unit.build_metadata.is_empty() {
        let options = unit.build_metadata.iter().map(|option| told(option)).collect();
        node.set("buildMetadata", Node::sequence(options).at(SPEC_PLACE));
    }
    Ok(node)
}

/// A text of the spec.
fn told(text: &str) -> Node {
    fields::quoted(text).at(SPEC_PLACE)
}

fn append(node: &mut Node, key: &str, item: Node) {
    if let Some(list) = node.get_or_insert(key, || Node::sequence(Vec::new())) {
        list.push(item);
    }
}

fn put(node: &mut Node, key: &str, value: &str) {
    if !value.is_empty() {
        node.set(key, told(value));
    }
}

fn patch_node(patch: &UnitPatch) -> Node {
    let mut node = Node::mapping(Vec::new()).at(SPEC_PLACE);
    put(&mut node, "patch", &patch.patch);
    if let Some(target) = &patch.target {
        let mut selector = Node::mapping(Vec::new());
        put(&mut selector, "group", &target.group);
        put(&mut selector, "version", &target.version);
        put(&mut selector, "kind", &target.kind);
        put(&mut selector, "name", &target.name);
        put(&mut selector, "namespace", &target.namespace);
        put(&mut selector, "annotationSelector", &target.annotation_selector);
        put(&mut selector, "labelSelector", &target.label_selector);
        node.set("target", selector);
    }
    node
}

/// Tag and digest are one choice: naming either replaces both.
fn lay_image(node: &mut Node, image: &UnitImage) {
    let has_name =
        |known: &Node| known.get("name").and_then(Node::text).unwrap_or_default() == image.name;
    let known = node
        .get_mut("images")
        .and_then(Node::items_mut)
        .and_then(|items| items.iter_mut().find(|known| has_name(known)));
    let Some(known) = known else {
        let mut fresh = Node::mapping(Vec::new()).at(SPEC_PLACE);
        put(&mut fresh, "name", &image.name);
        put(&mut fresh, "newName", &image.new_name);
        put(&mut fresh, "newTag", &image.new_tag);
        put(&mut fresh, "digest", &image.digest);
        return append(node, "images", fresh);
    };
    put(known, "newName", &image.new_name);
    if !image.new_tag.is_empty() || !image.digest.is_empty() {
        known.remove("newTag");
        known.remove("digest");
        put(known, "newTag", &image.new_tag);
        put(known, "digest", &image.digest);
    }
}

/// Not a URL, a Git reference, or an absolute path.
fn is_local_relative(path: &str) -> bool {
    const REMOTE: [&str; 8] =
        ["git::", "gh:", "ssh://", "https://", "http://", "git@", "github.com:", "github.com/"];
    let lower = path.to_lowercase();
    let is_remote = |start: &&str| start.len() < path.len() && lower.starts_with(*start);
    let local = lower.strip_prefix("file://").unwrap_or(&lower);
    !REMOTE.iter().any(is_remote) && !path.starts_with('/') && !local.starts_with('/')
}
