//! Health rules of built-in kinds, in the order in which kstatus asks.

use serde_json::Value;

use super::Health;
use super::SCHEDULE_WINDOW_MS;
use super::conditions;
use crate::model::Timestamp;

/// A whole number of the object, or `default` when there is none.
fn number(live: &Value, path: &str, default: i64) -> i64 {
    live.pointer(path).and_then(Value::as_i64).unwrap_or(default)
}

fn text<'a>(live: &'a Value, path: &str) -> &'a str {
    live.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn job(live: &Value) -> Health {
    if live.pointer("/spec/suspend") == Some(&Value::Bool(true)) {
        return Health::current("Job is suspended");
    }
    let parallelism = number(live, "/spec/parallelism", 1);
    let completions = number(live, "/spec/completions", parallelism);
    let active = number(live, "/status/active", 0);
    let succeeded = number(live, "/status/succeeded", 0);
    let failed = number(live, "/status/failed", 0);
    for condition in conditions(live).filter(|condition| condition.status == "True") {
        match condition.type_ {
            "Complete" => {
                let message = format!("Job Completed. succeeded: {succeeded}/{completions}");
                return Health::current(message);
            }
            "Failed" => {
                return Health::failed(format!("Job Failed. failed: {failed}/{completions}"));
            }
            _ => {}
        }
    }
    if text(live, "/status/startTime").is_empty() {
        return Health::in_progress(format!("Job not started. active: 0/{parallelism}"));
    }
    Health::in_progress(format!(
        "Job in progress. success:{succeeded}, active: {active}, failed: {failed}"
    ))
}

pub(super) fn service(live: &Value) -> Health {
    if text(live, "/spec/type") == "LoadBalancer" && text(live, "/spec/clusterIP").is_empty() {
        return Health::in_progress("ClusterIP not set. Service type: LoadBalancer");
    }
    Health::current("Service is ready")
}

pub(super) fn volume_claim(live: &Value) -> Health {
    let phase = live.pointer("/status/phase").and_then(Value::as_str).unwrap_or("unknown");
    match phase {
        "Bound" => Health::current("PVC is Bound"),
        phase => Health::in_progress(format!("PVC is not Bound. phase: {phase}")),
    }
}

pub(super) fn stateful_set(live: &Value) -> Health {
    if text(live, "/spec/updateStrategy/type") == "OnDelete" {
        return Health::current("StatefulSet is using the ondelete update strategy");
    }
    let wanted = number(live, "/spec/replicas", 1);
    let ready = number(live, "/status/readyReplicas", 0);
    let current = number(live, "/status/currentReplicas", 0);
    let updated = number(live, "/status/updatedReplicas", 0);
    let found = number(live, "/status/replicas", 0);
    let partition = number(live, "/spec/updateStrategy/rollingUpdate/partition", -1);
    if wanted > found {
        return Health::in_progress(format!("Replicas: {found}/{wanted}"));
    }
    if wanted > ready {
        return Health::in_progress(format!("Ready: {ready}/{wanted}"));
    }
    if found > wanted {
        return Health::in_progress(format!("Pending termination: {}", found - wanted));
    }
    if partition != -1 {
        if updated < wanted - partition {
            return Health::in_progress(format!("updated: {updated}/{}", wanted - partition));
        }
        return Health::current(format!("Partition rollout complete. updated: {updated}"));
    }
    if wanted > current {
        return Health::in_progress(format!("current: {current}/{wanted}"));
    }
    if text(live, "/status/currentRevision") != text(live, "/status/updateRevision") {
        return Health::in_progress("Waiting for updated revision to match current");
    }
    Health::current(format!("All replicas scheduled as expected. Replicas: {found}"))
}

pub(super) fn deployment(live: &Value) -> Health {
    const NO_DEADLINE: i64 = i32::MAX as i64;
    // Without a deadline the condition Progressing is never set.
    let deadline = number(live, "/spec/progressDeadlineSeconds", NO_DEADLINE);
    let mut progressed = deadline == NO_DEADLINE;
    let mut available = false;
    for condition in conditions(live) {
        match condition.type_ {
            "Progressing" if condition.reason == "ProgressDeadlineExceeded" => {
                return Health::failed("Progress deadline exceeded");
            }
            "Progressing" => {
                progressed |=
                    condition.status == "True" && condition.reason == "NewReplicaSetAvailable";
            }
            "Available" => available |= condition.status == "True",
            _ => {}
        }
    }
    let wanted = number(live, "/spec/replicas", 1);
    let found = number(live, "/status/replicas", 0);
    let updated = number(live, "/status/updatedReplicas", 0);
    let ready = number(live, "/status/readyReplicas", 0);
    let serving = number(live, "/status/availableReplicas", 0);
    if wanted > found {
        Health::in_progress(format!("Replicas: {found}/{wanted}"))
    } else if wanted > updated {
        Health::in_progress(format!("Updated: {updated}/{wanted}"))
    } else if found > wanted {
        Health::in_progress(format!("Pending termination: {}", found - wanted))
    } else if updated > serving {
        Health::in_progress(format!("Available: {serving}/{updated}"))
    } else if wanted > ready {
        Health::in_progress(format!("Ready: {ready}/{wanted}"))
    } else if !progressed {
        Health::in_progress("ReplicaSet not Available")
    } else if !available {
        Health::in_progress("Deployment not Available")
    } else {
        Health::current(format!("Deployment is available. Replicas: {found}"))
    }
}

pub(super) fn replica_set(live: &Value) -> Health {
    let failure = conditions(live).any(|c| c.type_ == "ReplicaFailure" && c.status == "True");
    if failure {
        return Health::in_progress("Replica Failure condition. Check Pods");
    }
    let wanted = number(live, "/spec/replicas", 1);
    let found = number(live, "/status/replicas", 0);
    let ready = number(live, "/status/readyReplicas", 0);
    let serving = number(live, "/status/availableReplicas", 0);
    let labelled = number(live, "/status/fullyLabeledReplicas", 0);
    if wanted > labelled {
        Health::in_progress(format!("Labelled: {labelled}/{wanted}"))
    } else if wanted > serving {
        Health::in_progress(format!("Available: {serving}/{wanted}"))
    } else if wanted > ready {
        Health::in_progress(format!("Ready: {ready}/{wanted}"))
    } else if found > wanted {
        Health::in_progress(format!("Pending termination: {}", found - wanted))
    } else {
        Health::current(format!("ReplicaSet is available. Replicas: {found}"))
    }
}

pub(super) fn daemon_set(live: &Value) -> Health {
    // A controller that acted has set both; elsewhere their absence is no sign.
    for (path, name) in [
        ("/metadata/generation", "metadata.generation"),
        ("/status/observedGeneration", "status.observedGeneration"),
    ] {
        if live.pointer(path).and_then(Value::as_i64).is_none() {
            return Health::in_progress(format!("DaemonSet {name} not found"));
        }
    }
    let wanted = number(live, "/status/desiredNumberScheduled", -1);
    let current = number(live, "/status/currentNumberScheduled", 0);
    let updated = number(live, "/status/updatedNumberScheduled", 0);
    let serving = number(live, "/status/numberAvailable", 0);
    let ready = number(live, "/status/numberReady", 0);
    if wanted == -1 {
        Health::in_progress("Missing .status.desiredNumberScheduled")
    } else if wanted > current {
        Health::in_progress(format!("Current: {current}/{wanted}"))
    } else if wanted > updated {
        Health::in_progress(format!("Updated: {updated}/{wanted}"))
    } else if wanted > serving {
        Health::in_progress(format!("Available: {serving}/{wanted}"))
    } else if wanted > ready {
        Health::in_progress(format!("Ready: {ready}/{wanted}"))
    } else {
        Health::current(format!("All replicas scheduled as expected. Replicas: {wanted}"))
    }
}

pub(super) fn pod(live: &Value, now: Option<Timestamp>) -> Health {
    match text(live, "/status/phase") {
        "Succeeded" => Health::current("Pod has completed successfully"),
        "Failed" => Health::current("Pod has completed, but not successfully"),
        "Running" => running_pod(live),
        "Pending" => pending_pod(live, now),
        "" => Health::in_progress("Pod phase not available"),
        phase => Health::new(super::Status::Unknown, format!("unknown phase {phase}")),
    }
}

fn running_pod(live: &Value) -> Health {
    if conditions(live).any(|c| c.type_ == "Ready" && c.status == "True") {
        return Health::current("Pod is Ready");
    }
    let containers = live.pointer("/status/containerStatuses").and_then(Value::as_array);
    let crashing: Vec<&str> = containers
        .into_iter()
        .flatten()
        .filter(|container| text(container, "/state/waiting/reason") == "CrashLoopBackOff")
        .filter_map(|container| container["name"].as_str())
        .collect();
    match crashing.is_empty() {
        true => Health::in_progress("Pod is running but is not Ready"),
        false => Health::failed(format!("Containers in CrashLoop state: {}", crashing.join(","))),
    }
}

fn pending_pod(live: &Value, now: Option<Timestamp>) -> Health {
    let unschedulable = conditions(live)
        .any(|c| c.type_ == "PodScheduled" && c.status == "False" && c.reason == "Unschedulable");
    if !unschedulable {
        return Health::in_progress("Pod is in the Pending phase");
    }
    let created = Timestamp::parse_rfc3339(text(live, "/metadata/creationTimestamp"));
    let age = now.zip(created).map(|(now, created)| now.millis() - created.millis());
    match age {
        Some(age) if age >= SCHEDULE_WINDOW_MS => Health::failed("Pod could not be scheduled"),
        _ => Health::in_progress("Pod has not been scheduled"),
    }
}
