//! The entries of `metadata.managedFields`.

use serde_json::Value;

use super::FieldSet;
use crate::model::Timestamp;

/// One entry: a manager with what it manages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manager<'a> {
    /// Its name.
    pub name: &'a str,
    /// `Apply` or `Update`.
    pub operation: &'a str,
    /// The subresource through which it wrote; empty for the object itself.
    pub subresource: &'a str,
    /// The API version in which its fields are written down.
    pub api_version: &'a str,
    /// When it last changed what it manages.
    pub at: Option<Timestamp>,
    /// What it manages, as `fieldsV1`.
    fields: Option<&'a Value>,
}

impl Manager<'_> {
    /// What it manages.
    pub fn fields(&self) -> FieldSet {
        self.fields.map(FieldSet::read).unwrap_or_default()
    }

    /// Whether it is server-side apply of the object itself by `name`.
    pub fn is_applier(&self, name: &str) -> bool {
        self.name == name && self.operation == "Apply" && self.subresource.is_empty()
    }

    /// Whether its fields are taken over: its name starts with one of `overridden`, and it wrote
    /// the object itself. Of `before-first-apply` and our own name only updates are: those stem
    /// from the time before server-side apply.
    pub fn is_overridden(&self, overridden: &[String]) -> bool {
        let update_only =
            |name: &str| matches!(name, "before-first-apply" | "kustomize-controller");
        self.subresource.is_empty()
            && overridden.iter().any(|prefix| {
                self.name.starts_with(prefix.as_str())
                    && (self.operation == "Update"
                        || self.operation == "Apply" && !update_only(prefix))
            })
    }
}

/// All managers of an object, in the server's order.
pub fn managers(live: &Value) -> impl Iterator<Item = Manager<'_>> {
    let entries = live.pointer("/metadata/managedFields").and_then(Value::as_array);
    entries.into_iter().flatten().map(|entry| {
        let text = |name: &str| entry[name].as_str().unwrap_or_default();
        Manager {
            name: text("manager"),
            operation: text("operation"),
            subresource: text("subresource"),
            api_version: text("apiVersion"),
            at: Timestamp::parse_rfc3339(text("time")),
            fields: entry.get("fieldsV1"),
        }
    })
}

/// Whether `manager` manages fields of the object by server-side apply.
pub fn applies(live: &Value, manager: &str) -> bool {
    managers(live).any(|entry| entry.is_applier(manager))
}

/// The names of managers whose fields have to be taken over, each once, in order.
pub fn overridden_managers(live: &Value, overridden: &[String]) -> Vec<String> {
    let mut names: Vec<String> = managers(live)
        .filter(|entry| entry.is_overridden(overridden))
        .map(|entry| entry.name.to_owned())
        .collect();
    names.sort();
    names.dedup();
    names
}
