//! What a build gives: objects with their text, and where they come from.

use std::sync::Arc;

use super::build::Build;
use super::error::BuildError;
use super::error::ErrorKind;
use super::error::Result;
use super::loader::ReadSet;
use super::resmap::ResMap;
use super::resmap::shown;
use super::yaml::Node;

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
    origin: Origin,
    shown: String,
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
        super::yaml::to_yaml(&self.node).unwrap_or_default()
    }

    /// The object as JSON.
    pub fn json(&self) -> serde_json::Value {
        self.node.to_json().unwrap_or_default()
    }

    /// The object's tree, with the places of its parts.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Where it was first written.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }
}

impl Built {
    pub(crate) fn new(map: ResMap, reads: ReadSet, build: &Build<'_>) -> Result<Self> {
        let resources = map.into_objects().into_iter().map(|object| {
            let place = object.place;
            let file = build.file_name(place.file);
            let shown = shown(object.id());
            Resource { node: object.node().clone(), origin: Origin { file, line: place.line }, shown }
        });
        Ok(Self { resources: resources.collect(), reads })
    }

    /// Refuses objects that cannot be written as JSON, so that [`Resource::yaml`] always can.
    pub(crate) fn check(&mut self) -> Result<()> {
        for resource in &self.resources {
            resource.node.to_json().map_err(|error| {
                BuildError::new(ErrorKind::InvalidYaml, error.to_string())
                    .says(format!("`{}`: {error}", resource.shown))
                    .at(&resource.origin.file, error.at().line)
            })?;
        }
        Ok(())
    }

    /// All objects as `kustomize build` prints them.
    pub fn to_yaml(&self) -> String {
        let texts: Vec<String> = self.resources.iter().map(Resource::yaml).collect();
        texts.join("---\n")
    }
}
