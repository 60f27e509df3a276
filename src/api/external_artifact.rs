//! ExternalArtifact: an artifact that a third party offers.

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

use super::Artifact;
use super::Condition;
use super::CustomResource;
use super::Kind;
use super::NamespacedObjectKindReference;
use super::keys;

/// The kind `ExternalArtifact` of `source.toolkit.fluxcd.io/v1`.
pub enum ExternalSource {}

impl Kind for ExternalSource {
    const GROUP: &'static str = keys::SOURCE_GROUP;
    const VERSION: &'static str = "v1";
    const KIND: &'static str = "ExternalArtifact";
    const PLURAL: &'static str = "externalartifacts";
    type Spec = ExternalArtifactSpec;
    type Status = ExternalArtifactStatus;
}

/// An ExternalArtifact with metadata.
pub type ExternalArtifact = CustomResource<ExternalSource>;

/// Where the artifact comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExternalArtifactSpec {
    /// The object that the artifact was made for; for information only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_ref: Option<NamespacedObjectKindReference>,
}

/// What the third party reports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExternalArtifactStatus {
    /// What it offers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact: Option<Artifact>,
    /// Its state, Ready first of all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}
