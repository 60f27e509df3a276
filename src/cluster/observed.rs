//! One object as the server sent it.

use std::fmt;

use serde_json::Value;

use super::discovery::Resource;
use crate::model::ObjectRef;

/// One object as the server sent it. Short-lived: reduce it and let go of it.
#[derive(Clone, PartialEq)]
pub struct Observed {
    /// Names the object.
    pub object: ObjectRef,
    /// The API version of `raw`, without the group.
    pub version: String,
    /// The id that the server gave it.
    pub uid: String,
    /// The version of this state; opaque.
    pub resource_version: String,
    /// Counts changes of the spec; 0 for kinds that do not count.
    pub generation: i64,
    /// All of it.
    pub raw: Value,
}

impl Observed {
    /// Takes `raw` for an object of `resource`. Lists leave out kind and version: they are added.
    ///
    /// Refuses what has no name or version: it did not come from an API server.
    pub fn read(mut raw: Value, resource: &Resource) -> Result<Self, String> {
        let fields = raw.as_object_mut().ok_or("it is not an object")?;
        fields.entry("apiVersion").or_insert_with(|| resource.api_version().into());
        fields.entry("kind").or_insert_with(|| resource.kind.as_str().into());
        let text = |path: &str| raw.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let name = text("/metadata/name");
        let resource_version = text("/metadata/resourceVersion");
        if name.is_empty() {
            return Err("it has no metadata.name".to_owned());
        }
        Ok(Self {
            object: ObjectRef::new(
                &resource.group,
                &resource.kind,
                text("/metadata/namespace"),
                name,
            ),
            version: resource.version.clone(),
            uid: text("/metadata/uid").to_owned(),
            resource_version: resource_version.to_owned(),
            generation: raw.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or(0),
            raw,
        })
    }

    /// Whether somebody asked to delete it.
    pub fn is_terminating(&self) -> bool {
        self.raw.pointer("/metadata/deletionTimestamp").is_some_and(Value::is_string)
    }
}

impl fmt::Debug for Observed {
    /// Without the content, which may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observed")
            .field("object", &self.object)
            .field("uid", &self.uid)
            .field("resource_version", &self.resource_version)
            .finish_non_exhaustive()
    }
}
