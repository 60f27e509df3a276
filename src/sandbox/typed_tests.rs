use serde_json::json;

use super::*;
use crate::sandbox::builtin::BUILT_IN;

fn of(name: &str) -> Typed<'static> {
    Typed { types: &BUILT_IN.types, ty: BUILT_IN.ids[name] }
}

#[test]
fn a_field_set_names_leaves_and_items() {
    let given =
        json!({"spec": {"selector": {"app": "a"}, "ports": [{"port": 80, "name": "http"}]}});
    let set = of("core.v1.Service").field_set(&given);
    assert_eq!(
        set.to_json(),
        json!({"f:spec": {"f:selector": {}, "f:ports": {
            "k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}, "f:name": {}}}}})
    );
}

#[test]
fn a_comparison_tells_added_from_modified() {
    let service = of("core.v1.Service");
    let left = json!({"metadata": {"labels": {"a": "1", "b": "2"}}, "spec": {"type": "ClusterIP"}});
    let right =
        json!({"metadata": {"labels": {"a": "2", "c": "3"}}, "spec": {"type": "ClusterIP"}});
    let found = service.compare(&left, &right);
    assert_eq!(found.added.paths(), [".metadata.labels.c"]);
    assert_eq!(found.modified.paths(), [".metadata.labels.a"]);
    assert_eq!(found.removed.paths(), [".metadata.labels.b"]);
}

#[test]
fn lists_merge_in_the_order_of_the_configuration() {
    let pod = of("core.v1.PodSpec");
    let names = |names: &[&str]| {
        let items: Vec<Value> = names.iter().map(|name| json!({"name": name})).collect();
        json!({"containers": items})
    };
    #[rustfmt::skip]
    let cases: &[(&[&str], &[&str], &[&str])] = &[
        // live              config            merged
        (&["a", "b", "c"],   &["b"],           &["a", "b", "c"]),
        (&["a", "b"],        &["b", "a"],      &["b", "a"]),
        (&["a", "x", "b"],   &["b", "a"],      &["x", "b", "a"]),
        (&[],                &["b", "a"],      &["b", "a"]),
        (&["a"],             &["b", "c"],      &["a", "b", "c"]),
        (&["a", "b", "c"],   &["c", "d"],      &["a", "b", "c", "d"]),
    ];
    for (live, config, merged) in cases {
        let out = pod.merge(&names(live), &names(config));
        assert_eq!(out, names(merged), "{live:?} + {config:?}");
    }
}

#[test]
fn unknown_fields_and_wrong_types_are_named() {
    let deployment = of("apps.v1.Deployment");
    let issues = deployment.validate(&json!({"spec": {"nonsense": 1}}), false);
    assert_eq!(issues_text(&issues), ".spec.nonsense: field not declared in schema");
    let issues = deployment.validate(&json!({"spec": {"replicas": "two"}}), false);
    assert_eq!(issues_text(&issues), ".spec.replicas: expected numeric (int or float), got string");
}

#[test]
fn removal_takes_items_and_fields() {
    let pod = of("core.v1.PodSpec");
    let value = json!({"containers": [{"name": "a", "image": "x"}, {"name": "b"}]});
    let gone = FieldSet::parse(&json!({"f:containers": {
        "k:{\"name\":\"a\"}": {"f:image": {}}, "k:{\"name\":\"b\"}": {}}}));
    assert_eq!(pod.remove(&value, &gone), json!({"containers": [{"name": "a"}]}));
}
