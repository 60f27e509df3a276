//! HelmChart: one chart of a repository or of a source's files.

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

use super::Artifact;
use super::Condition;
use super::CustomResource;
use super::Duration;
use super::Kind;
use super::LocalObjectReference;
use super::OidcIdentity;
use super::VerificationProvider;
use super::duration::PATTERN;
use super::keys;
use super::schema::is_false;

/// The kind `HelmChart` of `source.toolkit.fluxcd.io/v1`.
pub enum ChartSource {}

impl Kind for ChartSource {
    const GROUP: &'static str = keys::SOURCE_GROUP;
    const VERSION: &'static str = "v1";
    const KIND: &'static str = "HelmChart";
    const PLURAL: &'static str = "helmcharts";
    type Spec = HelmChartSpec;
    type Status = HelmChartStatus;
}

/// A HelmChart with metadata.
pub type HelmChart = CustomResource<ChartSource>;

/// Which chart of which source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HelmChartSpec {
    /// The chart's name in the repository, or its path in the files of the source.
    pub chart: String,
    /// A version or a range of versions; any when absent. Has no effect on charts from files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Where the chart comes from.
    pub source_ref: HelmChartSourceRef,
    /// How often to look for a new chart.
    #[schemars(extend("pattern" = PATTERN))]
    pub interval: Duration,
    /// What makes a new artifact: a new version of the chart (ChartVersion, the default) or a new
    /// revision of the source (Revision).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reconcile_strategy: Option<ReconcileStrategy>,
    /// Files that together take the place of the chart's values, later ones win.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values_files: Vec<String>,
    /// Whether values files that do not exist are passed over.
    #[serde(default, skip_serializing_if = "is_false")]
    pub ignore_missing_values_files: bool,
    /// Whether to do nothing until this is false again.
    #[serde(default, skip_serializing_if = "is_false")]
    pub suspend: bool,
    /// Whether the chart must carry a signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<HelmChartVerification>,
}

/// Which signatures are asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HelmChartVerification {
    /// The form of the signatures; the API server fills in cosign.
    pub provider: VerificationProvider,
    /// The Secret with the public keys that are trusted; when absent, signatures without keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalObjectReference>,
    /// The identities that are trusted when signatures have no keys; one must match.
    #[serde(default, rename = "matchOIDCIdentity", skip_serializing_if = "Vec::is_empty")]
    pub match_oidc_identity: Vec<OidcIdentity>,
}

/// Where a chart comes from, in the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HelmChartSourceRef {
    /// API version of the referent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// Kind of the referent.
    pub kind: HelmChartSourceKind,
    /// Name of the referent.
    pub name: String,
}

/// The kinds that charts come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum HelmChartSourceKind {
    /// A repository of charts.
    HelmRepository,
    /// Files in Git.
    GitRepository,
    /// Files in an object store.
    Bucket,
}

/// What makes a new artifact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ReconcileStrategy {
    /// A new version of the chart.
    #[default]
    ChartVersion,
    /// A new revision of the source.
    Revision,
}

/// What became of a HelmChart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HelmChartStatus {
    /// The generation that was reconciled last; -1 when none was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The revision of the source that the chart was taken from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_source_artifact_revision: Option<String>,
    /// The name of the chart that was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_chart_name: Option<String>,
    /// The values files that the artifact was made with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub observed_values_files: Vec<String>,
    /// Its state, Ready first of all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Where the newest chart can always be downloaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// What it offers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact: Option<Artifact>,
    /// The value of the annotation reconcile.fluxcd.io/requestedAt that was acted on last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
}
