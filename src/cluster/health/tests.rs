use serde_json::json;

use super::*;

/// Status and message of an object with these extra parts.
fn judge(api_version: &str, kind: &str, parts: Value) -> String {
    let mut live = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}});
    for (name, part) in parts.as_object().expect("parts are a map") {
        live[name] = part.clone();
    }
    let health = status(&live);
    format!("{}: {}", health.status.as_str(), health.message)
}

fn condition(type_: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({"type": type_, "status": status, "reason": reason, "message": message})
}

#[test]
fn custom_resources_by_generation_and_conditions() {
    let judge = |parts: Value| judge("shop.example/v1", "Till", parts);
    #[rustfmt::skip]
    let cases: &[(Value, &str)] = &[
        (json!({}), "Current: Resource is current"),
        (json!({"metadata": {"generation": 2}, "status": {"observedGeneration": 1}}),
            "InProgress: Till generation is 2, but latest observed generation is 1"),
        (json!({"metadata": {"generation": 2}, "status": {"observedGeneration": 2}}),
            "Current: Resource is current"),
        (json!({"metadata": {"generation": 2}, "status": {}}), "Current: Resource is current"),
        (json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z", "generation": 2},
            "status": {"observedGeneration": 1}}),
            "Terminating: Resource scheduled for deletion"),
        (json!({"status": {"conditions": [condition("Ready", "True", "R", "m"),
            condition("Reconciling", "True", "R", "busy")]}}), "InProgress: busy"),
        (json!({"status": {"conditions": [condition("Stalled", "True", "R", "stuck")]}}),
            "Failed: stuck"),
        (json!({"status": {"conditions": [condition("Stalled", "False", "R", "stuck"),
            condition("Ready", "True", "R", "m")]}}), "Current: Resource is Ready"),
        (json!({"status": {"conditions": [condition("Ready", "False", "R", "not yet")]}}),
            "InProgress: not yet"),
        (json!({"status": {"conditions": [condition("Ready", "Unknown", "R", "who knows")]}}),
            "InProgress: who knows"),
    ];
    for (parts, want) in cases {
        assert_eq!(&judge(parts.clone()), want, "{parts}");
    }
}

#[test]
fn deployments() {
    let judge = |status: Value| {
        let spec = json!({"replicas": 2, "progressDeadlineSeconds": 600});
        judge("apps/v1", "Deployment", json!({"spec": spec, "status": status}))
    };
    let progressing = |reason: &str| condition("Progressing", "True", reason, "");
    let available = condition("Available", "True", "MinimumReplicasAvailable", "");
    let full = |conditions: Value| {
        json!({"replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2,
            "conditions": conditions})
    };
    #[rustfmt::skip]
    let cases: &[(Value, &str)] = &[
        (json!({}), "InProgress: Replicas: 0/2"),
        (json!({"replicas": 3, "updatedReplicas": 1}), "InProgress: Updated: 1/2"),
        (json!({"replicas": 3, "updatedReplicas": 2}), "InProgress: Pending termination: 1"),
        (json!({"replicas": 2, "updatedReplicas": 2, "availableReplicas": 1}),
            "InProgress: Available: 1/2"),
        (json!({"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2, "readyReplicas": 1}),
            "InProgress: Ready: 1/2"),
        (full(json!([available])), "InProgress: ReplicaSet not Available"),
        (full(json!([progressing("NewReplicaSetAvailable")])),
            "InProgress: Deployment not Available"),
        (full(json!([progressing("NewReplicaSetAvailable"), available])),
            "Current: Deployment is available. Replicas: 2"),
        (full(json!([progressing("ProgressDeadlineExceeded"), available])),
            "Failed: Progress deadline exceeded"),
    ];
    for (status, want) in cases {
        assert_eq!(&judge(status.clone()), want, "{status}");
    }
}

#[test]
fn jobs_by_flux_s_own_rule() {
    let judge = |parts: Value| judge("batch/v1", "Job", parts);
    #[rustfmt::skip]
    let cases: &[(Value, &str)] = &[
        (json!({"spec": {"parallelism": 3}}), "InProgress: Job not started. active: 0/3"),
        (json!({"status": {"startTime": "t", "active": 1}}),
            "InProgress: Job in progress. success:0, active: 1, failed: 0"),
        (json!({"spec": {"suspend": true}}), "Current: Job is suspended"),
        (json!({"spec": {"completions": 2}, "status": {"succeeded": 2,
            "conditions": [condition("Complete", "True", "", "")]}}),
            "Current: Job Completed. succeeded: 2/2"),
        (json!({"status": {"failed": 4, "conditions": [condition("Failed", "True", "", "")]}}),
            "Failed: Job Failed. failed: 4/1"),
    ];
    for (parts, want) in cases {
        assert_eq!(&judge(parts.clone()), want, "{parts}");
    }
}

#[test]
fn other_built_in_kinds() {
    let sts = |spec: Value, status: Value| json!({"spec": spec, "status": status});
    let crd = |conditions: Value| json!({"status": {"conditions": conditions}});
    #[rustfmt::skip]
    let cases: &[(&str, &str, Value, &str)] = &[
        ("v1", "ConfigMap", json!({}), "Current: Resource is always ready"),
        ("v1", "Namespace", json!({"status": {"phase": "Active"}}), "Current: Resource is current"),
        ("v1", "Service", json!({"spec": {"type": "LoadBalancer"}}),
            "InProgress: ClusterIP not set. Service type: LoadBalancer"),
        ("v1", "Service", json!({"spec": {"clusterIP": "10.0.0.1"}}), "Current: Service is ready"),
        ("v1", "PersistentVolumeClaim", json!({}), "InProgress: PVC is not Bound. phase: unknown"),
        ("v1", "PersistentVolumeClaim", json!({"status": {"phase": "Bound"}}), "Current: PVC is Bound"),
        ("apps/v1", "StatefulSet", sts(json!({"updateStrategy": {"type": "OnDelete"}}), json!({})),
            "Current: StatefulSet is using the ondelete update strategy"),
        ("apps/v1", "StatefulSet", sts(json!({"replicas": 2}),
            json!({"replicas": 2, "readyReplicas": 2, "currentReplicas": 1})),
            "InProgress: current: 1/2"),
        ("apps/v1", "StatefulSet", sts(json!({"replicas": 3,
            "updateStrategy": {"rollingUpdate": {"partition": 1}}}),
            json!({"replicas": 3, "readyReplicas": 3, "updatedReplicas": 2})),
            "Current: Partition rollout complete. updated: 2"),
        ("apps/v1", "StatefulSet", sts(json!({"replicas": 1}), json!({"replicas": 1,
            "readyReplicas": 1, "currentReplicas": 1, "currentRevision": "a", "updateRevision": "b"})),
            "InProgress: Waiting for updated revision to match current"),
        ("apps/v1", "DaemonSet", json!({}), "InProgress: DaemonSet metadata.generation not found"),
        ("apps/v1", "DaemonSet", json!({"metadata": {"generation": 1}, "status": {
            "observedGeneration": 1, "desiredNumberScheduled": 0}}),
            "Current: All replicas scheduled as expected. Replicas: 0"),
        ("apps/v1", "ReplicaSet", json!({"spec": {"replicas": 1}}), "InProgress: Labelled: 0/1"),
        ("policy/v1", "PodDisruptionBudget", json!({}),
            "Current: AllowedDisruptions has been computed."),
        ("batch/v1", "CronJob", json!({}), "Current: Resource is always ready"),
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition", json!({}),
            "InProgress: Install in progress"),
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition",
            crd(json!([condition("NamesAccepted", "False", "R", "taken")])), "Failed: taken"),
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition",
            crd(json!([condition("NamesAccepted", "True", "R", ""),
                condition("Established", "False", "Installing", "")])),
            "InProgress: Install in progress"),
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition",
            crd(json!([condition("Established", "True", "R", "")])), "Current: CRD is established"),
    ];
    for (version, kind, parts, want) in cases {
        assert_eq!(&judge(version, kind, parts.clone()), want, "{kind} {parts}");
    }
}

#[test]
fn pods() {
    let judge = |status: Value| judge("v1", "Pod", json!({"status": status}));
    assert_eq!(judge(json!({})), "InProgress: Pod phase not available");
    assert_eq!(judge(json!({"phase": "Pending"})), "InProgress: Pod is in the Pending phase");
    assert_eq!(judge(json!({"phase": "Odd"})), "Unknown: unknown phase Odd");
    let crash = json!({"phase": "Running", "containerStatuses": [
        {"name": "a", "state": {"waiting": {"reason": "CrashLoopBackOff"}}},
        {"name": "b", "state": {"running": {}}},
    ]});
    assert_eq!(judge(crash), "Failed: Containers in CrashLoop state: a");
}

#[test]
fn a_pod_gets_fifteen_seconds_for_a_node() {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"},
        "status": {"phase": "Pending",
            "conditions": [condition("PodScheduled", "False", "Unschedulable", "")]},
    });
    let created = Timestamp::parse_rfc3339("2026-01-01T00:00:00Z").unwrap();
    let at = |ms: i64| status_at(&pod, Some(created.plus_ms(ms))).status;
    assert_eq!(at(14_999), Status::InProgress);
    assert_eq!(at(15_000), Status::Failed);
    assert_eq!(status(&pod).status, Status::InProgress);
}

#[test]
fn a_failed_pod_fails_a_waiting_controller() {
    let waiting = || Health::in_progress("Replicas: 0/1");
    let failed = || Health::failed("Containers in CrashLoop state: a");
    let pods = |transient| [(failed(), transient), (waiting(), false)].into_iter();
    assert_eq!(with_pods(waiting(), pods(false)).message, "1 pods have failed");
    assert_eq!(with_pods(waiting(), pods(true)), waiting());
    assert_eq!(with_pods(Health::current("ok"), pods(false)).status, Status::Current);
}
