use proptest::prelude::*;

use super::*;

fn key() -> DigestKey {
    DigestKey::new([7; 32])
}

/// An object with the managed fields of `entries`: manager, operation, time, fields.
fn object(version: &str, spec: Value, entries: &[(&str, &str, &str, Value)]) -> Value {
    let entry = |(manager, operation, time, fields): &(&str, &str, &str, Value)| {
        json!({
            "manager": manager, "operation": operation, "time": time, "apiVersion": "apps/v1",
            "fieldsType": "FieldsV1", "fieldsV1": fields,
        })
    };
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {
            "name": "web", "namespace": "shop", "uid": "u1", "resourceVersion": version,
            "labels": {"app": "web"},
            "managedFields": entries.iter().map(entry).collect::<Vec<_>>(),
        },
        "spec": spec,
    })
}

const OURS: &str = "kustomize-controller";
const T1: &str = "2026-01-01T00:00:01Z";
const T2: &str = "2026-01-01T00:00:02Z";

fn deployment(version: &str, replicas: i64, image: &str) -> (Value, Value) {
    let spec = json!({
        "replicas": replicas, "paused": null, "securityContext": {},
        "containers": [{"name": "web", "image": image, "args": ["a"]}],
    });
    let fields = json!({
        "f:metadata": {"f:labels": {"f:app": {}}, "f:finalizers": {"v:\"x\"": {}}},
        "f:spec": {
            "f:replicas": {}, "f:paused": {}, "f:securityContext": {},
            "f:containers": {"k:{\"name\":\"web\"}": {
                ".": {}, "f:name": {}, "f:image": {}, "f:args": {},
            }},
        },
    });
    (object(version, spec, &[(OURS, "Apply", T1, fields.clone())]), fields)
}

fn texts(differences: &[Difference]) -> Vec<String> {
    let text = |d: &Difference| {
        let missing = if d.missing { " missing" } else { "" };
        format!("{}{missing} by {} {}", d.path, d.manager, d.operation).trim_end().to_owned()
    };
    differences.iter().map(text).collect()
}

#[test]
fn an_unchanged_object_does_not_differ() {
    let (live, _) = deployment("5", 2, "web:1");
    let record = RecordedFields::of(&live, &key());
    assert!(record.compare(&live, &key()).is_empty());
    assert_eq!(record.len(), 8, "finalizers are not recorded");
    let text = record.to_text();
    assert_eq!(RecordedFields::parse("u1", &text), Some(record));
    assert!(!text.contains("web:1"), "values are digests: {text}");
    assert_eq!(RecordedFields::parse("u1", "{}"), None);
}

#[test]
fn a_change_names_its_manager_and_time() {
    let (live, fields) = deployment("5", 2, "web:1");
    let record = RecordedFields::of(&live, &key());
    let mut ours = fields;
    ours["f:spec"].as_object_mut().unwrap().remove("f:replicas");
    let later = object(
        "6",
        json!({
            "replicas": 9, "securityContext": {},
            "containers": [{"name": "web", "image": "web:1", "args": ["a"]}],
        }),
        &[
            (OURS, "Apply", T1, ours),
            ("kubectl-scale", "Update", T2, json!({"f:spec": {"f:replicas": {}}})),
            ("kube-controller-manager", "Update", T2, json!({"f:status": {"f:x": {}}})),
        ],
    );
    let found = record.compare(&later, &key());
    assert_eq!(texts(&found), ["spec.replicas by kubectl-scale Update"]);
    assert_eq!(found[0].at, Timestamp::parse_rfc3339(T2));
}

#[test]
fn a_removal_is_put_down_to_the_last_writer() {
    let (live, _) = deployment("5", 2, "web:1");
    let record = RecordedFields::of(&live, &key());
    let later = object(
        "6",
        json!({"replicas": 2, "securityContext": {}, "containers": []}),
        &[
            (OURS, "Apply", T1, json!({"f:spec": {"f:replicas": {}, "f:securityContext": {}}})),
            ("kubectl-edit", "Update", T2, json!({"f:spec": {"f:other": {}}})),
            ("older", "Update", "2025-01-01T00:00:00Z", json!({"f:spec": {"f:old": {}}})),
        ],
    );
    assert_eq!(
        texts(&record.compare(&later, &key())),
        [r#"spec.containers[name="web"] missing by kubectl-edit Update"#],
        "a missing item is one difference, not one for each of its fields"
    );
}

#[test]
fn nobody_is_blamed_without_evidence() {
    let (live, _) = deployment("5", 2, "web:1");
    let record = RecordedFields::of(&live, &key());
    let (mut later, _) = deployment("6", 2, "web:1");
    later["metadata"]["labels"] = json!({});
    let found = record.compare(&later, &key());
    assert_eq!(texts(&found), ["metadata.labels.app missing by"]);
    assert_eq!((found[0].manager.as_str(), found[0].at), ("", None));
}

#[test]
fn others_may_fill_what_we_left_empty() {
    let (live, fields) = deployment("5", 2, "web:1");
    let record = RecordedFields::of(&live, &key());
    let (mut later, _) = deployment("6", 2, "web:1");
    later["spec"]["securityContext"] = json!({"runAsUser": 1});
    assert!(record.compare(&later, &key()).is_empty(), "the map is still ours, its entry theirs");
    // An atomic map that somebody replaced is taken from us as a whole.
    let mut ours = fields;
    ours["f:spec"].as_object_mut().unwrap().remove("f:securityContext");
    later["metadata"]["managedFields"][0]["fieldsV1"] = ours;
    assert_eq!(texts(&record.compare(&later, &key())), ["spec.securityContext by"]);
}

#[test]
fn a_takeover_without_its_apply_differs() {
    let (live, fields) = deployment("5", 2, "web:1");
    let record = RecordedFields::of(&live, &key());
    let (mut later, _) = deployment("6", 2, "web:1");
    let mut ours = fields;
    ours["f:spec"]["f:template"] = json!({"f:x": {}});
    later["metadata"]["managedFields"][0]["fieldsV1"] = ours;
    assert_eq!(texts(&record.compare(&later, &key())), ["spec.template.x by"]);
}

#[test]
fn another_object_or_an_older_state_says_nothing() {
    let (live, _) = deployment("5", 2, "web:1");
    let record = RecordedFields::of(&live, &key());
    let (older, _) = deployment("4", 9, "web:0");
    assert!(record.compare(&older, &key()).is_empty());
    let (mut other, _) = deployment("6", 9, "web:0");
    other["metadata"]["uid"] = "u2".into();
    assert!(record.compare(&other, &key()).is_empty());
}

#[test]
fn seen_in_another_version_ownership_tells() {
    let (live, fields) = deployment("5", 2, "web:1");
    let record = RecordedFields::of(&live, &key());
    let (mut later, _) = deployment("6", 2, "web:1");
    later["apiVersion"] = "apps/v2".into();
    later["spec"] = json!({"count": 2});
    assert!(record.compare(&later, &key()).is_empty());
    let mut ours = fields;
    ours["f:spec"].as_object_mut().unwrap().remove("f:replicas");
    later["metadata"]["managedFields"][0]["fieldsV1"] = ours;
    assert_eq!(texts(&record.compare(&later, &key())), ["spec.replicas by"]);
    later["metadata"]["managedFields"][0]["apiVersion"] = "apps/v2".into();
    assert_eq!(texts(&record.compare(&later, &key())), ["apiVersion by"], "cannot be compared");
}

#[test]
fn a_quote_of_a_secret_value_is_not_in_the_record() {
    let (mut live, mut fields) = deployment("5", 2, "web:1");
    live["data"] = json!({"password": "aHVudGVyMg=="});
    fields["f:data"] = json!({"f:password": {}});
    live["metadata"]["managedFields"][0]["fieldsV1"] = fields;
    let text = RecordedFields::of(&live, &key()).to_text();
    assert!(text.contains("f:password") && !text.contains("aHVudGVyMg"));
    assert_ne!(text, RecordedFields::of(&live, &DigestKey::new([8; 32])).to_text(), "keyed");
}

// The slow oracle: paths one by one, values kept in full.

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        (0..3_i64).prop_map(Value::from),
        "[ab]".prop_map(Value::from),
        Just(json!([])),
        Just(json!(["x", "y"])),
    ]
}

fn item() -> impl Strategy<Value = Value> {
    ("[pq]", proptest::option::of(scalar())).prop_map(|(name, v)| match v {
        Some(v) => json!({"name": name, "v": v}),
        None => json!({"name": name}),
    })
}

fn spec() -> impl Strategy<Value = Value> {
    let map = || proptest::collection::btree_map("[abc]", scalar(), 0..3);
    let items = proptest::collection::vec(item(), 0..3);
    (map(), map(), items).prop_map(|(a, b, items)| json!({"m": a, "n": {"o": b}, "l": items}))
}

/// The paths that may be owned, as steps.
const OWNABLE: [&[&str]; 9] = [
    &["f:spec", "f:m", "f:a"],
    &["f:spec", "f:m", "f:b"],
    &["f:spec", "f:m"],
    &["f:spec", "f:n", "f:o", "f:a"],
    &["f:spec", "f:n", "f:o", "f:c"],
    &["f:spec", "f:l", r#"k:{"name":"p"}"#],
    &["f:spec", "f:l", r#"k:{"name":"p"}"#, "f:v"],
    &["f:spec", "f:l", r#"k:{"name":"q"}"#, "f:v"],
    &["f:spec", "f:l", r#"k:{"name":"q"}"#, "f:name"],
];

fn fields_of(owned: &[bool]) -> Value {
    let mut set = FieldSet::default();
    for (path, _) in OWNABLE.iter().zip(owned).filter(|(_, owned)| **owned) {
        let mut node = &mut set;
        for raw in *path {
            node = node.children.entry(PathElement::parse(raw).unwrap()).or_default();
        }
        node.owned = true;
    }
    set.to_value()
}

fn look(object: &Value, path: &[&str]) -> Option<Value> {
    let mut value = object.clone();
    for raw in path {
        value = match raw.split_once(':').unwrap() {
            ("f", name) => value.get(name)?.clone(),
            ("k", keys) => {
                let name = serde_json::from_str::<Value>(keys).unwrap()["name"].clone();
                value.as_array()?.iter().find(|item| item["name"] == name)?.clone()
            }
            _ => unreachable!("the paths above have no other steps"),
        };
    }
    (!value.is_null()).then_some(value)
}

/// What the record should find, by looking each path up in both objects.
fn oracle(old: &Value, new: &Value, owned: &[bool]) -> Vec<String> {
    let owned: Vec<&[&str]> =
        OWNABLE.iter().zip(owned).filter(|(_, owned)| **owned).map(|(path, _)| *path).collect();
    let mut found = Vec::new();
    for path in &owned {
        let is_above = |other: &&[&str]| other.len() < path.len() && path.starts_with(other);
        if owned.iter().filter(|other| is_above(other)).any(|other| look(new, other).is_none()) {
            continue;
        }
        let has_parts =
            owned.iter().any(|other| other.len() > path.len() && other.starts_with(path));
        let (was, is) = (look(old, path), look(new, path));
        let open = was.as_ref().is_some_and(|was| {
            let is = is.as_ref().unwrap_or(&Value::Null);
            *was == json!({}) && is.is_object() || *was == json!([]) && is.is_array()
        });
        let same = match has_parts {
            true => was.is_some() == is.is_some(),
            false => was == is || open,
        };
        if !same {
            let steps: Vec<_> = path.iter().map(|raw| PathElement::parse(raw).unwrap()).collect();
            found.push(path_text(&steps));
        }
    }
    found.sort();
    found
}

proptest! {
    #[test]
    fn differences_are_those_of_the_slow_way(
        old in spec(),
        new in spec(),
        owned in proptest::collection::vec(any::<bool>(), OWNABLE.len()),
    ) {
        let fields = fields_of(&owned);
        let old = object("5", old, &[(OURS, "Apply", T1, fields.clone())]);
        let new = object("6", new, &[(OURS, "Apply", T1, fields)]);
        let record = RecordedFields::of(&old, &key());
        let record = RecordedFields::parse("u1", &record.to_text()).unwrap();
        prop_assert!(record.compare(&old, &key()).is_empty());
        let mut found: Vec<String> =
            record.compare(&new, &key()).into_iter().map(|d| d.path).collect();
        found.sort();
        prop_assert_eq!(found, oracle(&old, &new, &owned));
    }
}
