//! OCIRepository: artifacts in a container registry.

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

use super::Artifact;
use super::Condition;
use super::CustomResource;
use super::Duration;
use super::Kind;
use super::LocalObjectReference;
use super::duration::PATTERN;
use super::duration::PATTERN_WITHOUT_HOURS;
use super::keys;
use super::schema::is_false;

/// The kind `OCIRepository` of `source.toolkit.fluxcd.io/v1`.
pub enum OciSource {}

impl Kind for OciSource {
    const GROUP: &'static str = keys::SOURCE_GROUP;
    const VERSION: &'static str = "v1";
    const KIND: &'static str = "OCIRepository";
    const PLURAL: &'static str = "ocirepositories";
    type Spec = OciRepositorySpec;
    type Status = OciRepositoryStatus;
}

/// An OCIRepository with metadata.
pub type OciRepository = CustomResource<OciSource>;

/// Which repository, which reference, and how to get there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OciRepositorySpec {
    /// Where the repository is: an oci URL without tag or digest.
    #[schemars(extend("pattern" = r"^oci://.*$"))]
    pub url: String,
    /// How often to ask for a new revision.
    #[schemars(extend("pattern" = PATTERN))]
    pub interval: Duration,
    /// How long a pull may take; 60 seconds when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = PATTERN_WITHOUT_HOURS))]
    pub timeout: Option<Duration>,
    /// What to pull; when absent, the tag latest.
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<OciRepositoryRef>,
    /// Which layer to take, and how; when absent, the first, unpacked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer_selector: Option<LayerSelector>,
    /// The kind of registry, for those with a way to log in of their own; generic when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<OciProvider>,
    /// The Secret with credentials, in the form of a Docker configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalObjectReference>,
    /// The service account whose pull secrets or workload identity are used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_name: Option<String>,
    /// The Secret with a certificate authority and a client certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_secret_ref: Option<LocalObjectReference>,
    /// The Secret with the proxy's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_secret_ref: Option<LocalObjectReference>,
    /// Whether plain HTTP is allowed and certificates go unchecked.
    #[serde(default, skip_serializing_if = "is_false")]
    pub insecure: bool,
    /// Whether the artifact must carry a signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<OciVerification>,
    /// Files to leave out, in the syntax of gitignore files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignore: Option<String>,
    /// Whether to do nothing until this is false again.
    #[serde(default, skip_serializing_if = "is_false")]
    pub suspend: bool,
}

/// What to pull. When several fields are set: digest, then semver, then tag.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OciRepositoryRef {
    /// A digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// A range of versions; the highest tag in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub semver: Option<String>,
    /// A regular expression that tags must match to be compared with the range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub semver_filter: Option<String>,
    /// A tag; latest when no field is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
}

/// Which layer to take, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LayerSelector {
    /// The media type of the layer; the first layer when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// Whether the layer is unpacked (extract, the default) or kept as it is (copy).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<LayerOperation>,
}

/// How a layer is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LayerOperation {
    /// Unpacked.
    #[default]
    Extract,
    /// As it is.
    Copy,
}

/// Registries with a way to log in of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OciProvider {
    /// Any registry, with the credentials of the Secret.
    #[default]
    Generic,
    /// AWS.
    Aws,
    /// Azure.
    Azure,
    /// Google Cloud.
    Gcp,
}

/// Which signatures are asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OciVerification {
    /// The form of the signatures; the API server fills in cosign.
    pub provider: VerificationProvider,
    /// The Secret with the public keys that are trusted; when absent, signatures without keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalObjectReference>,
    /// The identities that are trusted when signatures have no keys; one must match.
    #[serde(default, rename = "matchOIDCIdentity", skip_serializing_if = "Vec::is_empty")]
    pub match_oidc_identity: Vec<OidcIdentity>,
    /// The Secret with the roots of trust under the key trusted_root.json.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trusted_root_secret_ref: Option<LocalObjectReference>,
}

/// Forms of signatures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum VerificationProvider {
    /// Cosign.
    #[default]
    Cosign,
    /// Notation.
    Notation,
}

/// An identity that signs; both fields are regular expressions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OidcIdentity {
    /// Who vouches for it.
    pub issuer: String,
    /// Who it is.
    pub subject: String,
}

/// What became of an OCIRepository.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OciRepositoryStatus {
    /// The generation that was reconciled last; -1 when none was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Its state, Ready first of all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Where the newest artifact can always be downloaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// What it offers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact: Option<Artifact>,
    /// The field ignore that the artifact was made with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_ignore: Option<String>,
    /// The field layerSelector that the artifact was made with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_layer_selector: Option<LayerSelector>,
    /// The value of the annotation reconcile.fluxcd.io/requestedAt that was acted on last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
}
