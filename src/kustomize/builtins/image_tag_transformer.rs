//! `images:`, and the plugin of that name.
//!
//! Two passes, as upstream: every `image` of an item of any `containers` or `initContainers`, then
//! the configured field specs. CustomResourceDefinitions are left alone.

use regex::Regex;

use crate::kustomize::decode::decode_fields;
use crate::kustomize::error::Result;
use crate::kustomize::fieldspec::FieldSpec;
use crate::kustomize::fieldspec::FieldSpecs;
use crate::kustomize::kustomization::Image;
use crate::kustomize::path;
use crate::kustomize::path::Kind;
use crate::kustomize::pen::Pen;
use crate::kustomize::plugin::Transformer;
use crate::kustomize::resmap::ResMap;
use crate::kustomize::selector;
use crate::kustomize::yaml::Node;
use crate::kustomize::yaml::Place;

/// Changes name, tag or digest of images.
#[derive(Clone, Debug, Default)]
pub(crate) struct ImageTagTransformer {
    pub(crate) image_tag: Image,
    pub(crate) field_specs: Vec<FieldSpec>,
    pub(crate) place: Place,
}

decode_fields!(ImageTagTransformer {
    "imageTag" => image_tag,
    "fieldSpecs" => field_specs,
});

impl Transformer for ImageTagTransformer {
    fn transform(&mut self, map: &mut ResMap) -> Result<()> {
        let name = &self.image_tag.name;
        let pattern = selector::compile(&format!(
            "^{name}(:[a-zA-Z0-9_.{{}}-]*)?(@sha256:[a-zA-Z0-9_.{{}}-]*)?$"
        ))?;
        let specs = FieldSpecs(std::mem::take(&mut self.field_specs));
        let update = Update { image: &self.image_tag, pattern, place: self.place };
        map.drop_empty();
        for object in map.objects_mut() {
            if object.kind() == "CustomResourceDefinition" {
                continue;
            }
            if holds_containers(object.node()) {
                let mut pen = Pen::default();
                let outcome = update.walk(object.body_mut(), &mut pen);
                object.settle(pen);
                outcome?;
            }
            specs.apply(object, None, &mut |node, pen| update.set(node, pen))?;
        }
        Ok(())
    }
}

fn is_containers(key: &str) -> bool {
    matches!(key, "containers" | "initContainers")
}

/// Whether there is anything to do; only so is the object copied for writing.
fn holds_containers(node: &Node) -> bool {
    if let Some(entries) = node.entries() {
        return entries
            .iter()
            .any(|e| is_containers(path::text(&e.key)) || holds_containers(&e.value));
    }
    node.items().is_some_and(|items| items.iter().any(holds_containers))
}

/// One change of images.
struct Update<'i> {
    image: &'i Image,
    pattern: Regex,
    place: Place,
}

impl Update<'_> {
    fn walk(&self, node: &mut Node, pen: &mut Pen) -> Result<()> {
        if node.is_mapping() {
            for at in 0..node.entries().unwrap_or_default().len() {
                self.walk_entry(node, at, pen)?;
            }
            return Ok(());
        }
        let items = node.items_mut().into_iter().flatten();
        items.filter(|item| holds_containers(item)).try_for_each(|item| self.walk(item, pen))
    }

    /// Upstream takes the names of all entries, and for each name the first entry that has it.
    fn walk_entry(&self, map: &mut Node, at: usize, pen: &mut Pen) -> Result<()> {
        let name = map.entries().and_then(|entries| entries.get(at)).map(|e| e.key.clone());
        let name = name.as_ref().map(path::text).unwrap_or_default();
        let Some(value) = map.get_mut(name) else { return Ok(()) };
        if holds_containers(value) {
            self.walk(value, pen)?;
        }
        if is_containers(name) {
            for item in value.items_mut().into_iter().flatten() {
                if let Some(image) = path::lookup_mut(item, &["image"])? {
                    self.set(image, pen)?;
                }
            }
        }
        Ok(())
    }

    /// Changes one image reference, if it is of the image.
    fn set(&self, node: &mut Node, pen: &mut Pen) -> Result<()> {
        path::expect_kind(node, Kind::Scalar)?;
        let old = path::text(node);
        if !self.pattern.is_match(old) {
            return Ok(());
        }
        let (name, mut tag, mut digest) = split(old);
        let image = self.image;
        let name = if image.new_name.is_empty() { name } else { &image.new_name };
        let suffixed = format!("{tag}{}", image.tag_suffix);
        if !image.new_tag.is_empty() || !image.digest.is_empty() {
            (tag, digest) = (&image.new_tag, &image.digest);
        } else if !image.tag_suffix.is_empty() {
            (tag, digest) = (&suffixed, "");
        }
        let mut text = name.to_owned();
        if !tag.is_empty() {
            text = format!("{text}:{tag}");
        }
        if !digest.is_empty() {
            text = format!("{text}@{digest}");
        }
        path::set_scalar(node, Node::scalar(&text).at(self.place), pen)
    }
}

/// Name, tag and digest of an image reference. A colon before the first slash is a port.
fn split(image: &str) -> (&str, &str, &str) {
    let start = image.find('/').filter(|&at| at > 0).unwrap_or_default();
    let find = |c: char| image.get(start..).and_then(|rest| rest.find(c)).map(|at| start + at);
    let cut = |from: usize, to: usize| image.get(from..to).unwrap_or_default();
    let end = image.len();
    match (find('@'), find(':')) {
        (None, None) => (image, "", ""),
        (Some(at), colon) if colon.is_none_or(|colon| at < colon) => {
            (cut(0, at), "", cut(at + 1, end))
        }
        (Some(at), Some(colon)) => (cut(0, colon), cut(colon + 1, at), cut(at + 1, end)),
        (_, Some(colon)) => (cut(0, colon), cut(colon + 1, end), ""),
        (Some(at), None) => (cut(0, at), "", cut(at + 1, end)),
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn image_references_are_taken_apart() {
        #[rustfmt::skip]
        let cases: &[(&str, (&str, &str, &str))] = &[
            ("nginx", ("nginx", "", "")),
            ("nginx:1.2", ("nginx", "1.2", "")),
            ("host:5000/nginx", ("host:5000/nginx", "", "")),
            ("host:5000/nginx:1@sha256:ab", ("host:5000/nginx", "1", "sha256:ab")),
            ("a/b@sha256:ab", ("a/b", "", "sha256:ab")),
        ];
        for &(image, want) in cases {
            assert_eq!(split(image), want, "{image}");
        }
    }
}
