//! Health of an object, by the rules of kstatus as Flux 2.9 uses them (features 1.9b).
//!
//! In: a live object. Out: its status and a message in kstatus's words. Custom resources are judged
//! by `observedGeneration` and the conditions Reconciling, Stalled and Ready; built-in kinds have
//! rules of their own; what has neither is Current.
//!
//! Pure. Not here: CEL expressions; pods of a controller ([`with_pods`] takes their health in);
//! that a pod is unschedulable only after 15 seconds, for which the caller hands in the time.

use serde_json::Value;

use crate::model::Timestamp;

mod workloads;

/// How long a pod may wait for a node before that counts as a failure.
const SCHEDULE_WINDOW_MS: i64 = 15_000;

/// The statuses of kstatus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Not there yet.
    InProgress,
    /// Will not get there by itself.
    Failed,
    /// As desired.
    Current,
    /// Being deleted.
    Terminating,
    /// Does not exist.
    NotFound,
    /// Cannot be told.
    Unknown,
}

/// The health of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Its status.
    pub status: Status,
    /// Why, for people.
    pub message: String,
}

impl Status {
    /// Its name, as messages show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InProgress => "InProgress",
            Self::Failed => "Failed",
            Self::Current => "Current",
            Self::Terminating => "Terminating",
            Self::NotFound => "NotFound",
            Self::Unknown => "Unknown",
        }
    }
}

impl Health {
    fn new(status: Status, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    fn current(message: impl Into<String>) -> Self {
        Self::new(Status::Current, message)
    }

    fn in_progress(message: impl Into<String>) -> Self {
        Self::new(Status::InProgress, message)
    }

    fn failed(message: impl Into<String>) -> Self {
        Self::new(Status::Failed, message)
    }

    /// The health of an object that does not exist.
    pub fn not_found() -> Self {
        Self::new(Status::NotFound, "Resource not found")
    }
}

/// The health of a live object. A pod without a node counts as waiting for one.
pub fn status(live: &Value) -> Health {
    status_at(live, None)
}

/// The same, at a time: a pod that had no node for 15 seconds has failed.
pub fn status_at(live: &Value, now: Option<Timestamp>) -> Health {
    let kind = live["kind"].as_str().unwrap_or_default();
    let version = live["apiVersion"].as_str().unwrap_or_default();
    let group = version.rsplit_once('/').map_or("", |(group, _)| group);
    // Flux judges Jobs by a rule of its own, which comes before the general ones.
    if (group, kind) == ("batch", "Job") {
        return workloads::job(live);
    }
    if let Some(health) = general(live, kind) {
        return health;
    }
    match (group, kind) {
        ("", "Service") => workloads::service(live),
        ("", "Pod") => workloads::pod(live, now),
        ("", "Secret" | "ConfigMap") | ("batch", "CronJob") => {
            Health::current("Resource is always ready")
        }
        ("", "PersistentVolumeClaim") => workloads::volume_claim(live),
        ("apps", "StatefulSet") => workloads::stateful_set(live),
        ("apps" | "extensions", "DaemonSet") => workloads::daemon_set(live),
        ("apps" | "extensions", "Deployment") => workloads::deployment(live),
        ("apps" | "extensions", "ReplicaSet") => workloads::replica_set(live),
        ("policy", "PodDisruptionBudget") => {
            Health::current("AllowedDisruptions has been computed.")
        }
        ("apiextensions.k8s.io", "CustomResourceDefinition") => definition(live),
        _ => ready(live),
    }
}

/// The health of a controller of pods, given that of its pods: one that has failed for good fails a
/// controller that is still in progress. Pods that are being deleted, or wait for a node, do not.
pub fn with_pods(controller: Health, pods: impl Iterator<Item = (Health, bool)>) -> Health {
    if controller.status != Status::InProgress {
        return controller;
    }
    let failed = pods
        .filter(|(health, is_transient)| health.status == Status::Failed && !is_transient)
        .count();
    match failed {
        0 => controller,
        failed => Health::failed(format!("{failed} pods have failed")),
    }
}

/// Deletion, generations, and the conditions Reconciling and Stalled.
fn general(live: &Value, kind: &str) -> Option<Health> {
    let deleted = live.pointer("/metadata/deletionTimestamp").and_then(Value::as_str);
    if deleted.is_some_and(|time| !time.is_empty()) {
        return Some(Health::new(Status::Terminating, "Resource scheduled for deletion"));
    }
    let number = |path: &str| live.pointer(path).and_then(Value::as_i64);
    let generations = number("/metadata/generation").zip(number("/status/observedGeneration"));
    if let Some((generation, observed)) = generations.filter(|(wanted, seen)| wanted != seen) {
        return Some(Health::in_progress(format!(
            "{kind} generation is {generation}, but latest observed generation is {observed}"
        )));
    }
    let condition = conditions(live).find(|condition| {
        matches!(condition.type_, "Reconciling" | "Stalled") && condition.status == "True"
    })?;
    Some(match condition.type_ {
        "Reconciling" => Health::in_progress(condition.message),
        _ => Health::failed(condition.message),
    })
}

/// The condition Ready, for kinds without a rule of their own.
fn ready(live: &Value) -> Health {
    for condition in conditions(live).filter(|condition| condition.type_ == "Ready") {
        match condition.status {
            "True" => return Health::current("Resource is Ready"),
            "False" | "Unknown" => return Health::in_progress(condition.message),
            _ => {}
        }
    }
    Health::current("Resource is current")
}

fn definition(live: &Value) -> Health {
    for condition in conditions(live) {
        match (condition.type_, condition.status) {
            ("NamesAccepted", "False") => return Health::failed(condition.message),
            ("Established", "False") if condition.reason != "Installing" => {
                return Health::failed(condition.message);
            }
            ("Established", "True") => return Health::current("CRD is established"),
            _ => {}
        }
    }
    Health::in_progress("Install in progress")
}

/// One entry of `status.conditions`.
struct Condition<'a> {
    type_: &'a str,
    status: &'a str,
    reason: &'a str,
    message: &'a str,
}

fn conditions(live: &Value) -> impl Iterator<Item = Condition<'_>> {
    let list = live.pointer("/status/conditions").and_then(Value::as_array);
    list.into_iter().flatten().map(|condition| {
        let text = |name: &str| condition[name].as_str().unwrap_or_default();
        Condition {
            type_: text("type"),
            status: text("status"),
            reason: text("reason"),
            message: text("message"),
        }
    })
}

#[cfg(test)]
mod tests;
