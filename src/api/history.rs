//! Past attempts of a unit.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

use super::Duration;
use super::Time;

/// All attempts with one content and one result. At most five are kept, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// The digest of what was rendered, as algorithm and hexadecimal digits.
    pub digest: String,
    /// When this content first ended with this result.
    pub first_reconciled: Time,
    /// When it last did.
    pub last_reconciled: Time,
    /// How long the last attempt took.
    pub last_reconciled_duration: Duration,
    /// The result.
    pub last_reconciled_status: String,
    /// How many attempts this stands for.
    pub total_reconciliations: i64,
    /// Revisions and the like.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}
