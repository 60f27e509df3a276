use serde_json::json;

use super::*;

fn normalised(mut manifest: Value) -> Value {
    normalise(&mut manifest);
    manifest
}

#[test]
fn ports_get_a_protocol() {
    let ports = json!([{"containerPort": 80}, {"containerPort": 53, "protocol": "UDP"}]);
    let pod = json!({
        "containers": [{"name": "a", "ports": ports}],
        "initContainers": [{"name": "b", "ports": [{"containerPort": 1}]}],
    });
    #[rustfmt::skip]
    let cases: &[(&str, &str, &str, Value)] = &[
        ("v1", "Pod", "/spec", json!({"spec": pod})),
        ("apps/v1", "Deployment", "/spec/template/spec", json!({"spec": {"template": {"spec": pod}}})),
        ("batch/v1", "CronJob", "/spec/jobTemplate/spec/template/spec",
            json!({"spec": {"jobTemplate": {"spec": {"template": {"spec": pod}}}}})),
    ];
    for (version, kind, path, parts) in cases {
        let mut manifest = parts.clone();
        manifest["apiVersion"] = (*version).into();
        manifest["kind"] = (*kind).into();
        let found = normalised(manifest);
        let pod = found.pointer(path).expect("the pod is there");
        assert_eq!(pod["containers"][0]["ports"][0]["protocol"], "TCP", "{kind}");
        assert_eq!(pod["containers"][0]["ports"][1]["protocol"], "UDP", "{kind}");
        assert_eq!(pod["initContainers"][0]["ports"][0].get("protocol"), None, "{kind}");
    }
    let service = json!({"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 1}]}});
    assert_eq!(normalised(service)["spec"]["ports"][0]["protocol"], "TCP");
    let other = json!({"apiVersion": "serving.example/v1", "kind": "Service",
        "spec": {"ports": [{"port": 1}]}});
    assert_eq!(normalised(other)["spec"]["ports"][0].get("protocol"), None);
}

#[test]
fn string_data_wins_over_data() {
    let secret = |data: Value, texts: Value| json!({"apiVersion": "v1", "kind": "Secret", "data": data, "stringData": texts});
    let found = normalised(secret(json!({"a": "eA==", "b": "eA=="}), json!({"b": "hi", "c": ""})));
    assert_eq!(found["data"], json!({"a": "eA==", "b": "aGk=", "c": ""}));
    assert!(found.get("stringData").is_none());
    assert_eq!(normalised(secret(Value::Null, json!({"b": "hi"})))["data"], json!({"b": "aGk="}));
    let wrong = secret(json!({}), json!({"b": 1}));
    assert_eq!(normalised(wrong.clone()), wrong, "the server says what is wrong with it");
}

#[test]
fn status_and_creation_time_go() {
    let object = |version: &str, kind: &str| {
        json!({"apiVersion": version, "kind": kind, "status": {"a": 1},
            "metadata": {"name": "x", "creationTimestamp": null}})
    };
    let found = normalised(object("shop.example/v1", "Till"));
    assert_eq!(
        found,
        json!({"apiVersion": "shop.example/v1", "kind": "Till",
        "metadata": {"name": "x"}})
    );
    let crd = normalised(object("apiextensions.k8s.io/v1", "CustomResourceDefinition"));
    assert_eq!(crd["status"], json!({"a": 1}));
    let role = object("rbac.authorization.k8s.io/v1", "Role");
    assert_eq!(normalised(role.clone()), role);
}

#[test]
fn drift_is_what_flux_calls_drift() {
    let object = |metadata: Value, spec: Value, status: Value| {
        let mut object = json!({"apiVersion": "v1", "kind": "X", "metadata": metadata});
        object["spec"] = spec;
        object["status"] = status;
        object
    };
    let live = object(
        json!({"name": "x", "labels": {"a/b": "1"}, "finalizers": ["f"], "resourceVersion": "1"}),
        json!({"n": 1, "list": [1, {"k": 2}], "empty": {}}),
        json!({"ready": true}),
    );
    #[rustfmt::skip]
    let cases: &[(Value, &[&str])] = &[
        (object(json!({"labels": {"a/b": "1"}, "annotations": {}, "resourceVersion": "2"}),
            json!({"n": 1, "list": [1, {"k": 2}], "empty": {}}), json!({})), &[]),
        (object(json!({"labels": {"a/b": "2"}, "annotations": {"c": "d"}}),
            json!({"n": 1, "list": [1, {"k": 2}], "empty": {}}), json!({})),
            &[r#"metadata.labels["a/b"]"#, "metadata.annotations"]),
        (object(json!({"labels": {"a/b": "1"}}), json!({"n": 2, "list": [1, {"k": 3}]}), json!({})),
            &["spec.empty", "spec.list[1].k", "spec.n"]),
        (object(json!({"labels": {"a/b": "1"}}), json!({"n": 1, "list": [1], "empty": {}}), json!({})),
            &["spec.list"]),
    ];
    for (dry_run, want) in cases {
        assert_eq!(drifted(&live, dry_run), *want, "{dry_run}");
    }
}
