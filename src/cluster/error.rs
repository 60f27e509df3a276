//! What can go wrong with a request, and what the server says when it refuses one.
//!
//! The question that matters after a failed write is whether it may have happened all the same:
//! [`ClusterError::may_have_happened`].

use std::time::Duration;

use miette::Diagnostic;
use serde_json::Value;
use thiserror::Error;

/// Why a request gave no result.
#[derive(Clone, Debug, PartialEq, Error, Diagnostic)]
pub enum ClusterError {
    /// The kubeconfig or the in-cluster credentials cannot be used.
    #[error("cannot use the cluster configuration: {reason}")]
    #[diagnostic(
        code(cluster::config),
        help("pass --kubeconfig, set KUBECONFIG, or run in a pod with a service account")
    )]
    Config {
        /// What is wrong with it.
        reason: String,
    },
    /// No answer came: connection refused or lost, TLS failed, credentials could not be had.
    #[error("cannot reach the API server to {request}: {reason}")]
    #[diagnostic(code(cluster::unreachable), help("is the API server up, and its address right?"))]
    Unreachable {
        /// The request in words.
        request: String,
        /// What the system said.
        reason: String,
    },
    /// No answer came in time.
    #[error("the API server gave no answer in {seconds} s to {request}")]
    #[diagnostic(code(cluster::timeout), help("look at the API server's load and its webhooks"))]
    Timeout {
        /// The request in words.
        request: String,
        /// How long we waited.
        seconds: u64,
    },
    /// The server answered: no.
    #[error("{}", status.message)]
    #[diagnostic(
        code(cluster::refused),
        help(
            "these are the API server's own words; `hence check` tells rights and what is missing"
        )
    )]
    Refused {
        /// The request in words.
        request: String,
        /// What the server said.
        status: Box<Status>,
    },
    /// The answer is cut, or is not what the API promises.
    #[error("cannot read the API server's answer to {request}: {reason}")]
    #[diagnostic(code(cluster::unreadable), help("is there a proxy between here and the server?"))]
    Unreadable {
        /// The request in words.
        request: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The server does not know the kind.
    #[error("the API server does not serve {what}")]
    #[diagnostic(
        code(cluster::not_served),
        help("install its CRD, or put the CRD into the same unit: it is applied first")
    )]
    NotServed {
        /// The kind with its API version.
        what: String,
    },
    /// A list did not come whole, so nothing may be concluded from what is not in it.
    #[error("the list of {what} is not complete: {reason}")]
    #[diagnostic(
        code(cluster::incomplete),
        help("it is listed again; nothing is pruned until then")
    )]
    Incomplete {
        /// What was listed.
        what: String,
        /// What came between.
        reason: String,
    },
    /// The version to go on from is too old: list again.
    #[error("the server no longer knows the changes since version {version} of {what}")]
    #[diagnostic(code(cluster::expired), help("it is listed again"))]
    Expired {
        /// What was watched or listed.
        what: String,
        /// From where.
        version: String,
    },
    /// The lease that allows writes ran out before this write was sent.
    #[error("not sent: the lease ran out before {request}")]
    #[diagnostic(
        code(cluster::lease),
        help("another replica may hold the lease now: `hence check`")
    )]
    LeaseExpired {
        /// The request in words.
        request: String,
    },
}

/// The server's own account of an error (`metav1.Status`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The HTTP status code.
    pub code: u16,
    /// One word for programs, such as `Conflict`; empty when the server gave none.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
    /// The kind that it is about, in the server's own notation; may be a plural.
    pub kind: String,
    /// The name that it is about.
    pub name: String,
    /// Parts of it, such as one refused field each.
    pub causes: Vec<Cause>,
    /// When to try again.
    pub retry_after: Option<Duration>,
}

/// One part of an error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cause {
    /// One word for programs, such as `FieldValueInvalid`.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
    /// The field that it is about.
    pub field: String,
}

impl ClusterError {
    /// The server's account, when it gave one.
    pub fn status(&self) -> Option<&Status> {
        match self {
            Self::Refused { status, .. } => Some(status),
            _ => None,
        }
    }

    /// Whether a write that ended so may have happened all the same: then the object has to be
    /// observed before anything else is done to it.
    pub fn may_have_happened(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Timeout { .. } | Self::Unreadable { .. } => true,
            // A server error may come from a proxy in front of a server that did its work; but what
            // it cannot read as an object it did not store.
            Self::Refused { status, .. } => status.code >= 500 && !status.is_unreadable(),
            Self::Config { .. }
            | Self::NotServed { .. }
            | Self::Incomplete { .. }
            | Self::Expired { .. }
            | Self::LeaseExpired { .. } => false,
        }
    }

    /// Whether the same request may succeed later without a change by anybody.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Timeout { .. } | Self::Unreadable { .. } => true,
            Self::Refused { status, .. } => matches!(status.code, 429 | 500..=599),
            Self::Incomplete { .. } | Self::Expired { .. } => true,
            Self::Config { .. } | Self::NotServed { .. } | Self::LeaseExpired { .. } => false,
        }
    }

    /// Whether the server refused because of the caller's rights.
    pub fn is_forbidden(&self) -> bool {
        self.status().is_some_and(|status| matches!(status.code, 401 | 403))
    }
}

impl Status {
    /// Reads an error answer: a `Status` object, or anything else that came with an error code.
    pub fn read(code: u16, body: &[u8]) -> Self {
        let parsed = serde_json::from_slice::<Value>(body).ok();
        match parsed.filter(|value| value["kind"] == "Status") {
            Some(value) => Self::from_value(code, &value),
            None => Self {
                code,
                message: describe_code(code, &String::from_utf8_lossy(body)),
                ..Self::default()
            },
        }
    }

    /// Reads a `Status` object; its own code wins over that of the HTTP answer.
    pub fn from_value(code: u16, value: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let details = &value["details"];
        let cause = |cause: &Value| Cause {
            reason: text(&cause["reason"]),
            message: text(&cause["message"]),
            field: text(&cause["field"]),
        };
        Self {
            code: value["code"].as_u64().and_then(|c| u16::try_from(c).ok()).unwrap_or(code),
            reason: text(&value["reason"]),
            message: text(&value["message"]),
            kind: text(&details["kind"]),
            name: text(&details["name"]),
            causes: details["causes"].as_array().into_iter().flatten().map(cause).collect(),
            retry_after: details["retryAfterSeconds"].as_u64().map(Duration::from_secs),
        }
    }

    /// Whether it says that this very object is absent, and not its namespace or its kind.
    pub fn is_absent(&self, name: &str) -> bool {
        self.code == 404 && self.reason == "NotFound" && self.name == name
    }

    /// Whether somebody else changed or replaced the object (uid, version, or field ownership).
    pub fn is_conflict(&self) -> bool {
        self.code == 409 && self.reason == "Conflict"
    }

    /// Whether it says that fields belong to other managers: fields and managers.
    pub fn field_conflicts(&self) -> impl Iterator<Item = &Cause> {
        self.causes.iter().filter(|cause| cause.reason == "FieldManagerConflict")
    }

    /// Whether it is about what cannot change on the object, so that it may have to be recreated:
    /// any invalid object, or a message that says so.
    pub fn is_immutable(&self) -> bool {
        self.reason == "Invalid" || says_immutable(&self.message)
    }

    /// The server could not read the request as an object of its kind: the API server answers that
    /// with code 500.
    pub fn is_unreadable(&self) -> bool {
        self.message.starts_with("failed to create typed patch object")
    }

    /// The word that Flux puts into parentheses in `dry-run failed (…)`.
    pub fn flux_reason(&self) -> &str {
        match self.field_conflicts().next() {
            Some(conflict) => &conflict.reason,
            None => &self.reason,
        }
    }
}

/// `is immutable` or `immutable field`, with any one blank between.
fn says_immutable(message: &str) -> bool {
    let blank = |c: char| c.is_ascii_whitespace();
    let words: Vec<&str> = message.split(blank).collect();
    words.windows(2).any(|pair| {
        pair[0].ends_with("is") && pair[1].starts_with("immutable")
            || pair[0].ends_with("immutable") && pair[1].starts_with("field")
    })
}

/// A sentence for an error answer that is no `Status`.
fn describe_code(code: u16, body: &str) -> String {
    let text: String = body.trim().chars().take(200).collect();
    match (code, text.is_empty()) {
        (404, _) => "the server could not find the requested resource".to_owned(),
        (_, true) => format!("the server answered with HTTP status {code}"),
        (_, false) => format!("the server answered with HTTP status {code}: {text}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_cannot_change_is_told_from_other_refusals() {
        #[rustfmt::skip]
        let cases: &[(&str, &str, bool)] = &[
            ("Invalid",   "spec.selector: Invalid value",                      true),
            ("Conflict",  "the object has been modified",                      false),
            ("Forbidden", "the policy's spec is immutable: denied",            true),
            ("Forbidden", "cannot change immutable field `x`",                 true),
            ("Forbidden", "immutable",                                         false),
            ("Forbidden", "is not immutable",                                  false),
            ("",          "the server answered with HTTP status 502",          false),
        ];
        for &(reason, message, want) in cases {
            let status =
                Status { reason: reason.into(), message: message.into(), ..Status::default() };
            assert_eq!(status.is_immutable(), want, "{reason}: {message}");
        }
    }

    #[test]
    fn absence_is_of_this_object_only() {
        let status = |kind: &str, name: &str| {
            Status::from_value(
                404,
                &json!({"kind": "Status", "code": 404, "reason": "NotFound",
                    "details": {"kind": kind, "name": name}}),
            )
        };
        assert!(status("configmaps", "web").is_absent("web"));
        assert!(!status("namespaces", "shop").is_absent("web"));
        assert!(!Status::read(404, b"404 page not found\n").is_absent("web"));
    }
}
