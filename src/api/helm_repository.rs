//! HelmRepository: an index of charts, or a registry that holds them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

use super::Artifact;
use super::Condition;
use super::CustomResource;
use super::Duration;
use super::Kind;
use super::LocalObjectReference;
use super::OciProvider;
use super::duration::PATTERN;
use super::duration::PATTERN_WITHOUT_HOURS;
use super::keys;
use super::schema::is_false;

/// The kind `HelmRepository` of `source.toolkit.fluxcd.io/v1`.
pub enum HelmSource {}

impl Kind for HelmSource {
    const GROUP: &'static str = keys::SOURCE_GROUP;
    const VERSION: &'static str = "v1";
    const KIND: &'static str = "HelmRepository";
    const PLURAL: &'static str = "helmrepositories";
    type Spec = HelmRepositorySpec;
    type Status = HelmRepositoryStatus;
}

/// A HelmRepository with metadata.
pub type HelmRepository = CustomResource<HelmSource>;

/// Which repository, and how to get there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HelmRepositorySpec {
    /// Where the repository is: an http, https or oci URL.
    #[schemars(extend("pattern" = r"^(http|https|oci)://.*$"))]
    pub url: String,
    /// The Secret with credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalObjectReference>,
    /// The Secret with a certificate authority and a client certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_secret_ref: Option<LocalObjectReference>,
    /// Whether credentials are also sent to other hosts that the index names.
    #[serde(default, skip_serializing_if = "is_false")]
    pub pass_credentials: bool,
    /// How often to ask for a new index; one minute when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = PATTERN))]
    pub interval: Option<Duration>,
    /// Whether a registry may be reached without TLS.
    #[serde(default, skip_serializing_if = "is_false")]
    pub insecure: bool,
    /// How long a download may take; 60 seconds when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = PATTERN_WITHOUT_HOURS))]
    pub timeout: Option<Duration>,
    /// Whether to do nothing until this is false again.
    #[serde(default, skip_serializing_if = "is_false")]
    pub suspend: bool,
    /// Which namespaces may use it. Not enforced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_from: Option<AccessFrom>,
    /// An index (default, also when absent) or a registry (oci).
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_: Option<HelmRepositoryType>,
    /// The kind of registry, for those with a way to log in of their own; generic when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<OciProvider>,
}

/// Forms of Helm repositories.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum HelmRepositoryType {
    /// An index file.
    #[default]
    Default,
    /// A container registry.
    Oci,
}

/// Namespaces that may use an object: one selector must match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccessFrom {
    /// The selectors.
    pub namespace_selectors: Vec<NamespaceSelector>,
}

/// Selects namespaces by labels; without labels, all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceSelector {
    /// Labels that a namespace must have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: BTreeMap<String, String>,
}

/// What became of a HelmRepository.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HelmRepositoryStatus {
    /// The generation that was reconciled last; -1 when none was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Its state, Ready first of all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Where the newest index can always be downloaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// What it offers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact: Option<Artifact>,
    /// The value of the annotation reconcile.fluxcd.io/requestedAt that was acted on last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
}
