//! Bucket: files in an object store.

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

/// The kind `Bucket` of `source.toolkit.fluxcd.io/v1`.
pub enum BucketSource {}

impl Kind for BucketSource {
    const GROUP: &'static str = keys::SOURCE_GROUP;
    const VERSION: &'static str = "v1";
    const KIND: &'static str = "Bucket";
    const PLURAL: &'static str = "buckets";
    type Spec = BucketSpec;
    type Status = BucketStatus;
}

/// A Bucket with metadata.
pub type Bucket = CustomResource<BucketSource>;

/// Which bucket, and how to get there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BucketSpec {
    /// The kind of object store; generic when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<BucketProvider>,
    /// The name of the bucket.
    pub bucket_name: String,
    /// The address of the object store.
    pub endpoint: String,
    /// A service that gives out short-lived credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sts: Option<BucketSts>,
    /// Whether plain HTTP is used.
    #[serde(default, skip_serializing_if = "is_false")]
    pub insecure: bool,
    /// The region of the bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// What the keys of the files start with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// The Secret with credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalObjectReference>,
    /// The service account that logs in with a workload identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_name: Option<String>,
    /// The Secret with a certificate authority and a client certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_secret_ref: Option<LocalObjectReference>,
    /// The Secret with the proxy's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_secret_ref: Option<LocalObjectReference>,
    /// How often to ask for a new revision.
    #[schemars(extend("pattern" = PATTERN))]
    pub interval: Duration,
    /// How long a download may take; 60 seconds when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = PATTERN_WITHOUT_HOURS))]
    pub timeout: Option<Duration>,
    /// Files to leave out, in the syntax of gitignore files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignore: Option<String>,
    /// Whether to do nothing until this is false again.
    #[serde(default, skip_serializing_if = "is_false")]
    pub suspend: bool,
}

/// Kinds of object stores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BucketProvider {
    /// Any store that speaks S3.
    #[default]
    Generic,
    /// AWS S3.
    Aws,
    /// Google Cloud Storage.
    Gcp,
    /// Azure Blob Storage.
    Azure,
}

/// A service that gives out short-lived credentials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BucketSts {
    /// The kind of service.
    pub provider: StsProvider,
    /// Its address: an http or https URL.
    #[schemars(extend("pattern" = r"^(http|https)://.*$"))]
    pub endpoint: String,
    /// The Secret with credentials for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalObjectReference>,
    /// The Secret with a certificate authority and a client certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_secret_ref: Option<LocalObjectReference>,
}

/// Kinds of credential services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StsProvider {
    /// AWS.
    Aws,
    /// LDAP.
    Ldap,
}

/// What became of a Bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BucketStatus {
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
    /// The value of the annotation reconcile.fluxcd.io/requestedAt that was acted on last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
}
