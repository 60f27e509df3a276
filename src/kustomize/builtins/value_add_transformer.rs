//! The plugin ValueAddTransformer: one value put into fields of many objects.

use crate::kustomize::decode::Decoder;
use crate::kustomize::decode::Located;
use crate::kustomize::decode::decode_fields;
use crate::kustomize::error::BuildError;
use crate::kustomize::error::ErrorKind;
use crate::kustomize::error::Result;
use crate::kustomize::kustomization::Selector;
use crate::kustomize::path;
use crate::kustomize::path::Kind;
use crate::kustomize::pen::Pen;
use crate::kustomize::plugin::Helpers;
use crate::kustomize::plugin::Transformer;
use crate::kustomize::resmap::ResMap;
use crate::kustomize::selector;
use crate::kustomize::yaml::Node;
use crate::kustomize::yaml::read_kustomization_at;

use super::namespace_transformer::Setter;

/// Adds a value to fields.
#[derive(Clone, Debug, Default)]
pub(crate) struct ValueAddTransformer {
    value: String,
    targets: Vec<Target>,
    target_file_path: Located,
}

decode_fields!(ValueAddTransformer {
    "value" => value,
    "targets" => targets,
    "targetFilePath" => target_file_path,
});

#[derive(Clone, Debug, Default)]
struct Target {
    selector: Option<Selector>,
    field_path: String,
    file_path_position: i64,
}

decode_fields!(Target {
    "selector" => selector,
    "fieldPath" => field_path,
    "filePathPosition" => file_path_position,
});

#[derive(Clone, Debug, Default)]
struct Targets {
    targets: Vec<Target>,
}

decode_fields!(Targets { "targets" => targets });

impl ValueAddTransformer {
    /// Reads the file of targets and checks everything.
    pub(crate) fn load(&mut self, helpers: &Helpers<'_, '_>) -> Result<()> {
        let wrong = |words: String| BuildError::new(ErrorKind::InvalidTransformer, words);
        self.value = self.value.trim().to_owned();
        if self.value.is_empty() {
            let root = helpers.shown_root();
            self.value = root.rsplit('/').next().unwrap_or_default().to_owned();
        }
        if !self.target_file_path.text.is_empty() {
            let file = helpers.load(&self.target_file_path)?;
            let node =
                read_kustomization_at(&file.bytes, helpers.start(&file)).map_err(|error| {
                    BuildError::of_yaml(ErrorKind::InvalidReplacement, "yaml: ", &error)
                })?;
            if let Some(node) = node {
                let more = Decoder::loose().read::<Targets>(&node, "targets");
                self.targets.extend(more.map_err(|(error, _)| error)?.targets);
            }
        }
        if self.targets.is_empty() {
            return Err(wrong("must specify at least one target".into()));
        }
        for target in &self.targets {
            if target.field_path.is_empty() {
                return Err(wrong("fieldPath cannot be empty".into()));
            }
            let position = target.file_path_position;
            if position < 0 {
                return Err(wrong(format!(
                    "value of FilePathPosition ({position}) cannot be negative"
                )));
            }
        }
        Ok(())
    }

    fn add(&self, node: &mut Node, target: &Target, pen: &mut Pen) -> Result<()> {
        let path = path::split_escaped(&target.field_path);
        let Some(field) = path::lookup_create(node, &path, Kind::Scalar)? else { return Ok(()) };
        path::expect_kind(field, Kind::Scalar)?;
        let value = match usize::try_from(target.file_path_position) {
            Ok(position) if position > 0 => {
                insert_part(path::text(field), position - 1, &self.value)
            }
            _ => self.value.clone(),
        };
        path::set_scalar(field, Node::scalar(&value), pen)
    }
}

impl Transformer for ValueAddTransformer {
    fn transform(&mut self, map: &mut ResMap) -> Result<()> {
        for target in &self.targets {
            let selected = match &target.selector {
                Some(selector) => selector::select(map, selector)?,
                None => (0..map.len()).collect(),
            };
            for at in selected {
                let Some(object) = map.objects_mut().get_mut(at) else { continue };
                if target.field_path == "metadata/namespace" {
                    Setter::plain(&self.value).apply(object)?;
                    continue;
                }
                let mut pen = Pen::default();
                let outcome = self.add(object.node_mut(), target, &mut pen);
                object.settle(pen);
                outcome?;
            }
        }
        Ok(())
    }
}

/// `path` with `part` put in at `position`; a leading slash stays where it is.
fn insert_part(path: &str, position: usize, part: &str) -> String {
    if part.is_empty() {
        return path.to_owned();
    }
    let absolute = path.starts_with('/');
    let mut parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty()).collect();
    parts.insert(position.min(parts.len()), part);
    let joined = parts.join("/");
    if absolute { format!("/{joined}") } else { joined }
}
