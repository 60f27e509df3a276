//! What a build gives: objects with their text, and where they come from.

use std::sync::Arc;

use super::build::Build;
use super::error::BuildError;
use super::error::ErrorKind;
use super::error::Result;
use super::loader::ReadSet;
use super::origins;
use super::origins::FieldOrigin;
use super::resmap::ResMap;
use super::resmap::shown;
use super::yaml::Node;
use super::yaml::to_yaml;

/// Where an object was first written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The file, from the tree's root; the kustomization file for what a generator made.
    pub file: Arc<str>,
    /// The line, from 1; 0 when the object was generated.
    pub line: u32,
}

/// One object of a build.
#[derive(Clone, Debug)]
pub struct Resource {
    node: Node,
    text: Arc<str>,
    origin: Origin,
    fields: Arc<[FieldOrigin]>,
}

/// All objects of a build, and what it read.
#[derive(Clone, Debug)]
pub struct Built {
    /// The objects, in order.
    pub resources: Vec<Resource>,
    /// What was read, absent files too.
    pub reads: ReadSet,
}

impl Resource {
    /// The canonical text, byte for byte as `kustomize build` prints it.
    pub fn yaml(&self) -> String {
        self.text.to_string()
    }

    /// The same text, borrowed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The object as JSON.
    pub fn json(&self) -> serde_json::Value {
        self.node.to_json().unwrap_or_default()
    }

    /// The object's tree, with the places of its parts.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Where its fields come from, in their order; empty unless the build was asked to note it.
    pub fn fields(&self) -> &[FieldOrigin] {
        &self.fields
    }

    /// Where it was first written.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }
}

impl Built {
    pub(crate) fn new(map: ResMap, reads: ReadSet, build: &Build<'_>) -> Result<Self> {
        let mut resources = Vec::with_capacity(map.len());
        for object in map.into_objects() {
            let place = object.place;
            let file = build.file_name(place.file);
            let text = to_yaml(object.node()).map_err(|error| {
                BuildError::new(ErrorKind::InvalidYaml, error.to_string())
                    .says(format!("`{}`: {}", shown(object.id()), error.told()))
                    .at(&file, error.at().line)
            })?;
            let origin = Origin { file, line: place.line };
            let fields = match build.options.origins {
                true => origins::fields(build, &object).into(),
                false => Arc::default(),
            };
            let node = object.into_node();
            resources.push(Resource { node, text: text.into(), origin, fields });
        }
        Ok(Self { resources, reads })
    }

    /// All objects as `kustomize build` prints them.
    pub fn to_yaml(&self) -> String {
        let texts: Vec<&str> = self.resources.iter().map(Resource::text).collect();
        texts.join("---\n")
    }
}
