//! What a unit applied: the durable copy of ownership.

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

/// The objects that a unit applied, in the order in which it did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Inventory {
    /// One entry for each object.
    #[serde(deserialize_with = "null_is_empty")]
    pub entries: Vec<InventoryEntry>,
}

/// One applied object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InventoryEntry {
    /// Names the object: namespace, name, group and kind, joined by underscores.
    pub id: String,
    /// The API version in which it was applied, without the group.
    pub v: String,
}

/// Go writes an empty list without elements as `null`.
fn null_is_empty<'de, D: serde::Deserializer<'de>>(
    from: D,
) -> Result<Vec<InventoryEntry>, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}
