//! What a source offers: a file to download, by URL and digest.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

use super::Time;

/// The output of a source's last successful reconciliation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Artifact {
    /// Where the file lies below the root of the server that offers it.
    pub path: String,
    /// Where to download the file.
    pub url: String,
    /// What it was made from, in a form that people can trace: a branch with a commit, a tag with
    /// a digest.
    pub revision: String,
    /// The digest of the file, as algorithm and hexadecimal digits.
    #[schemars(extend("pattern" = r"^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$"))]
    pub digest: String,
    /// When the file was last made.
    pub last_update_time: Time,
    /// The bytes of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<i64>,
    /// What the upstream says about it, such as annotations of an OCI manifest.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}
