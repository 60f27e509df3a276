//! Refusals: what the API server answers when it does not do what was asked.
//!
//! In: a reason and its words. Out: an HTTP status and a `Status` object in the server's wording,
//! because clients match on reasons and people search for the messages.
//!
//! Pure. Facts: Kubernetes `apimachinery/pkg/api/errors`.

use serde_json::Value;
use serde_json::json;

/// An answer other than success.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal {
    /// The HTTP status.
    pub(crate) code: u16,
    reason: &'static str,
    message: String,
    details: Value,
}

/// One wrong field of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FieldError {
    reason: &'static str,
    field: String,
    message: String,
}

impl FieldError {
    /// A field that has to be there.
    pub(crate) fn required(field: &str, detail: &str) -> Self {
        let detail = if detail.is_empty() { String::new() } else { format!(": {detail}") };
        let message = format!("Required value{detail}");
        Self { reason: "FieldValueRequired", field: field.to_owned(), message }
    }

    /// A field whose value breaks a rule.
    pub(crate) fn invalid(field: &str, value: &Value, detail: &str) -> Self {
        let message = format!("Invalid value: {}: {detail}", go_value(value));
        Self { reason: "FieldValueInvalid", field: field.to_owned(), message }
    }

    /// A field of the wrong JSON type.
    pub(crate) fn wrong_type(field: &str, value: &str, detail: &str) -> Self {
        let message = format!("Invalid value: \"{value}\": {detail}");
        Self { reason: "FieldValueTypeInvalid", field: field.to_owned(), message }
    }

    /// A value that is not among those allowed.
    pub(crate) fn unsupported(field: &str, value: &Value, allowed: &[String]) -> Self {
        let allowed: Vec<String> = allowed.iter().map(|value| format!("{value:?}")).collect();
        let message = format!(
            "Unsupported value: {}: supported values: {}",
            go_value(value),
            allowed.join(", ")
        );
        Self { reason: "FieldValueNotSupported", field: field.to_owned(), message }
    }

    /// A field that may not be set, or not be changed.
    pub(crate) fn forbidden(field: &str, detail: &str) -> Self {
        let message = format!("Forbidden: {detail}");
        Self { reason: "FieldValueForbidden", field: field.to_owned(), message }
    }

    /// A value that is there twice.
    pub(crate) fn duplicate(field: &str, value: &Value) -> Self {
        let message = format!("Duplicate value: {}", go_value(value));
        Self { reason: "FieldValueDuplicate", field: field.to_owned(), message }
    }

    /// Too many items.
    pub(crate) fn too_many(field: &str, count: usize, most: u64) -> Self {
        let message = format!("Too many: {count}: must have at most {most} items");
        Self { reason: "FieldValueTooMany", field: field.to_owned(), message }
    }

    /// Too much text.
    pub(crate) fn too_long(field: &str, most: u64) -> Self {
        let unit = if most == 1 { "byte" } else { "bytes" };
        let message = format!("Too long: may not be more than {most} {unit}");
        Self { reason: "FieldValueTooLong", field: field.to_owned(), message }
    }

    /// The field and what is wrong with it.
    pub(crate) fn text(&self) -> String {
        match self.field.as_str() {
            "" => self.message.clone(),
            field => format!("{field}: {}", self.message),
        }
    }
}

/// A value as Go's field errors print it.
fn go_value(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text:?}"),
        Value::Null => "null".to_owned(),
        other => other.to_string(),
    }
}

impl Refusal {
    fn new(code: u16, reason: &'static str, message: String, details: Value) -> Self {
        Self { code, reason, message, details }
    }

    /// No such object.
    pub(crate) fn not_found(group: &str, resource: &str, name: &str) -> Self {
        let message = format!("{} {name:?} not found", qualified(group, resource));
        let details = json!({"name": name, "group": group, "kind": resource});
        Self::new(404, "NotFound", message, without_empty(details))
    }

    /// No such path.
    pub(crate) fn no_route() -> Self {
        let message = "the server could not find the requested resource".to_owned();
        Self::new(404, "NotFound", message, json!({}))
    }

    /// The object is there already.
    pub(crate) fn exists(group: &str, resource: &str, name: &str) -> Self {
        let message = format!("{} {name:?} already exists", qualified(group, resource));
        let details = json!({"name": name, "group": group, "kind": resource});
        Self::new(409, "AlreadyExists", message, without_empty(details))
    }

    /// Another write came first, or a precondition failed.
    pub(crate) fn conflict(group: &str, resource: &str, name: &str, why: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} {name:?}: {why}",
            qualified(group, resource)
        );
        let details = json!({"name": name, "group": group, "kind": resource});
        Self::new(409, "Conflict", message, without_empty(details))
    }

    /// Other managers own what an apply wants to change: `(cause message, field)` each.
    pub(crate) fn apply_conflict(message: String, causes: &[(String, String)]) -> Self {
        let causes: Vec<Value> = causes
            .iter()
            .map(|(message, field)| {
                json!({"reason": "FieldManagerConflict", "message": message, "field": field})
            })
            .collect();
        Self::new(409, "Conflict", message, json!({ "causes": causes }))
    }

    /// The request itself makes no sense.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message.into(), Value::Null)
    }

    /// The object breaks the rules of its kind.
    pub(crate) fn invalid(group: &str, kind: &str, name: &str, errors: &[FieldError]) -> Self {
        let causes: Vec<Value> = errors
            .iter()
            .map(|error| {
                json!({"reason": error.reason, "message": error.message, "field": error.field})
            })
            .collect();
        let texts: Vec<String> = errors.iter().map(FieldError::text).collect();
        let shown = match texts.as_slice() {
            [only] => only.clone(),
            several => format!("[{}]", several.join(", ")),
        };
        let message = format!("{} {name:?} is invalid: {shown}", qualified(group, kind));
        let details = json!({"name": name, "group": group, "kind": kind, "causes": causes});
        Self::new(422, "Invalid", message, without_empty(details))
    }

    /// A patch that cannot be carried out.
    pub(crate) fn unprocessable() -> Self {
        let message = "the server rejected our request due to an error in our request".to_owned();
        Self::new(422, "Invalid", message, json!({}))
    }

    /// The same refusal of what a patch led to, which is shown.
    pub(crate) fn of_patch(self, patched: &str) -> Self {
        let detail = self.message.split_once(": ").map_or(self.message.as_str(), |(_, why)| why);
        let error = FieldError::invalid("patch", &json!(patched), detail);
        Self::invalid("", "", "", &[error])
    }

    /// Refused although it makes sense.
    pub(crate) fn forbidden(group: &str, resource: &str, name: &str, why: &str) -> Self {
        let message = match name {
            "" => format!("{} is forbidden: {why}", qualified(group, resource)),
            name => format!("{} {name:?} is forbidden: {why}", qualified(group, resource)),
        };
        let details = json!({"name": name, "group": group, "kind": resource});
        Self::new(403, "Forbidden", message, without_empty(details))
    }

    /// The same with a cause that clients look for.
    pub(crate) fn with_cause(mut self, reason: &str, message: &str, field: &str) -> Self {
        self.details["causes"] = json!([{"reason": reason, "message": message, "field": field}]);
        self
    }

    /// The resource version is too old to go on from.
    pub(crate) fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message.into(), Value::Null)
    }

    /// The verb does not exist here.
    pub(crate) fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource".to_owned();
        Self::new(405, "MethodNotAllowed", message, json!({}))
    }

    /// The body is in a form that is not understood.
    pub(crate) fn unsupported_media(message: impl Into<String>) -> Self {
        Self::new(415, "UnsupportedMediaType", message.into(), Value::Null)
    }

    /// What the real server reports without a better reason.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(500, "", message.into(), Value::Null)
    }

    /// The `Status` object.
    pub(crate) fn to_json(&self) -> Value {
        let mut status = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "code": self.code,
        });
        if !self.reason.is_empty() {
            status["reason"] = json!(self.reason);
        }
        if !self.details.is_null() {
            status["details"] = self.details.clone();
        }
        status
    }
}

fn qualified(group: &str, resource: &str) -> String {
    if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") }
}

fn without_empty(mut details: Value) -> Value {
    if let Value::Object(entries) = &mut details {
        entries.retain(|_, value| value != "");
    }
    details
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worded_as_the_server_words_them() {
        let text = |refusal: Refusal| refusal.to_json()["message"].as_str().map(str::to_owned);
        let cases = [
            (Refusal::not_found("apps", "deployments", "a"), "deployments.apps \"a\" not found"),
            (Refusal::exists("", "pods", "a"), "pods \"a\" already exists"),
            (
                Refusal::invalid(
                    "apps",
                    "Deployment",
                    "a",
                    &[FieldError::required("spec.selector", "")],
                ),
                "Deployment.apps \"a\" is invalid: spec.selector: Required value",
            ),
        ];
        for (refusal, message) in cases {
            assert_eq!(text(refusal).as_deref(), Some(message));
        }
    }
}
