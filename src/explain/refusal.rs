//! What a refusal of the API server means, and what helps: a stable code for what servers say in
//! words.

/// What helps against a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Remedy {
    /// The stable code.
    pub code: &'static str,
    /// What to do next.
    pub help: &'static str,
}

/// The remedy for an apply that was refused with this reason and message.
pub(super) fn remedy(reason: &str, message: &str) -> Remedy {
    let has = |part: &str| message.contains(part);
    let (code, help) = match reason {
        "NotServed" => (
            "apply::unknown_kind",
            "add the CustomResourceDefinition to the unit, or install what serves the kind",
        ),
        "Forbidden" if has("being terminated") => (
            "apply::namespace_terminating",
            "wait until the namespace is gone, or find out who deletes it",
        ),
        "Forbidden" => {
            ("apply::forbidden", "grant the account of the unit the rights that the message names")
        }
        "NotFound" if has("namespaces \"") => {
            ("apply::missing_namespace", "add the Namespace to the unit, or create it")
        }
        "NotFound" if has("namespace not specified") => {
            ("apply::no_namespace", "set metadata.namespace, or spec.targetNamespace of the unit")
        }
        "Invalid" | "Conflict" if has("immutable") => (
            "apply::immutable",
            "let hence make the object anew: spec.force of the unit, or the annotation \
             kustomize.toolkit.fluxcd.io/force: enabled on the object",
        ),
        "Invalid" => ("apply::invalid", "correct the fields that the message names"),
        "Timeout" | "InternalError" | "ServiceUnavailable" | "TooManyRequests" => (
            "apply::server_failed",
            "look at the API server and its admission webhooks; it is tried again by itself",
        ),
        _ if has("field not declared in schema") || has("unknown field") => {
            ("apply::unknown_field", "correct the name or the place of the field")
        }
        _ if has("admission webhook") => {
            ("apply::denied", "the admission webhook that the message names decides this")
        }
        _ => ("apply::refused", "correct what the message names"),
    };
    Remedy { code, help }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_apart() {
        let cases = [
            ("NotServed", "no matches for kind \"A\"", "apply::unknown_kind"),
            ("NotFound", "namespaces \"a\" not found", "apply::missing_namespace"),
            ("NotFound", "a namespace not specified: b", "apply::no_namespace"),
            ("Invalid", "data: field is immutable when `immutable` is set", "apply::immutable"),
            ("Invalid", "spec.ports[0].port: Invalid value", "apply::invalid"),
            ("InternalError", "failed calling webhook", "apply::server_failed"),
            ("", ".spec.a: field not declared in schema", "apply::unknown_field"),
            ("Forbidden", "because it is being terminated", "apply::namespace_terminating"),
            ("Forbidden", "User \"a\" cannot patch", "apply::forbidden"),
            ("", "admission webhook \"a\" denied the request", "apply::denied"),
            ("Gone", "other", "apply::refused"),
        ];
        for (reason, message, code) in cases {
            assert_eq!(remedy(reason, message).code, code, "{reason}: {message}");
        }
    }
}
