//! Scripts of requests, asked of the sandbox and of a real API server: the answers are the same.
//!
//! In: `cases/*.yaml`, each a list of requests. Out: every difference that is not on the list
//! below with its reason. What differs between any two servers (uids, times, addresses) is masked.
//!
//! A step reads `METHOD [how] /path: body`. `how` is the kind of patch, or `table` or `metadata`
//! for the form of the answer. `WAIT` asks until the path is there.

use super::AGENT;
use super::Running;
use crate::support::cluster::Cluster;
use crate::support::cluster::Options;
use crate::support::wait;
use kube::Client;
use kube::client::Body;
use regex::Captures;
use regex::Regex;
use serde_json::Value;
use serde_json::json;
use std::path::Path;
use std::sync::LazyLock;

/// Steps whose answers differ, and why that stays so.
const KNOWN: &[(&str, &str, &str)] = &[
    (
        "03-workloads",
        "PATCH merge /apis/apps/v1/namespaces/{ns}/deployments/web?fieldManager=wrong",
        "the message shows the patched object; its fields come in another order",
    ),
    (
        "03-workloads",
        "PATCH merge /apis/apps/v1/namespaces/{ns}/deployments/web?fieldValidation=Strict",
        "the message shows the patched object; its fields come in another order",
    ),
    (
        "03-workloads",
        "PATCH merge /apis/batch/v1/namespaces/{ns}/jobs/j",
        "the message shows the template as the server's internal Go type",
    ),
    (
        "04-services",
        "POST /api/v1/namespaces/{ns}/persistentvolumeclaims?fieldManager=one",
        "no controller would take the finalizer kubernetes.io/pvc-protection away again",
    ),
    (
        "04-services",
        "PATCH merge /api/v1/namespaces/{ns}/persistentvolumeclaims/pvc",
        "the message ends with a diff of the server's internal Go type",
    ),
];

/// Fields that no two servers agree on.
const MASKED: &[&str] = &[
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "deletionTimestamp",
    "time",
    "lastTransitionTime",
    "clusterIP",
    "continue",
    "nodePort",
    "controller-uid",
    "batch.kubernetes.io/controller-uid",
    "description",
];

/// A step and its answer: status, body, warnings.
type Answered = (String, Value);

struct Step {
    text: String,
    method: String,
    how: String,
    path: String,
    body: Option<Value>,
}

impl Step {
    fn parse(step: &Value, namespace: &str) -> Self {
        let (text, body) = match step {
            Value::Object(one) => {
                let (text, body) = one.iter().next().expect("a step has one key");
                (text.clone(), Some(body.clone()))
            }
            other => (other.as_str().expect("a step is text or has a body").to_owned(), None),
        };
        let words: Vec<&str> = text.split(' ').collect();
        let path = words.last().expect("a step has a path").replace("{ns}", namespace);
        let body = body.map(|body| {
            let text = body.to_string().replace("{ns}", namespace);
            serde_json::from_str(&text).expect("a name in place of a name")
        });
        Self {
            method: words[0].to_owned(),
            how: if words.len() == 3 { words[1].to_owned() } else { String::new() },
            path,
            body,
            text,
        }
    }

    fn media(&self) -> &'static str {
        match self.how.as_str() {
            "merge" => "application/merge-patch+json",
            "json" => "application/json-patch+json",
            "strategic" => "application/strategic-merge-patch+json",
            "apply" => "application/apply-patch+yaml",
            _ => "application/json",
        }
    }

    fn accept(&self) -> &'static str {
        match self.how.as_str() {
            "table" => "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
            "metadata" => {
                "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json"
            }
            _ => "application/json",
        }
    }

    async fn ask(&self, client: &Client, method: &str) -> (u16, Value, Value) {
        let body = self.body.as_ref().map(Value::to_string).unwrap_or_default();
        let request = http::Request::builder()
            .method(method)
            .uri(&self.path)
            .header("accept", self.accept())
            .header("content-type", self.media())
            .body(Body::from(body.into_bytes()))
            .expect("scripts and answers are well-formed");
        let response = client.send(request).await.expect("scripts and answers are well-formed");
        let code = response.status().as_u16();
        let warnings = response.headers().get_all("warning").iter();
        let warnings = warnings
            .map(|value| value.to_str().expect("scripts and answers are well-formed").to_owned())
            .collect();
        let bytes = response
            .into_body()
            .collect_bytes()
            .await
            .expect("scripts and answers are well-formed");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        (code, body, warnings)
    }
}

async fn run(client: &Client, steps: &[Value], namespace: &str) -> Vec<Answered> {
    let mut answers = Vec::new();
    for step in steps {
        let step = Step::parse(step, namespace);
        if step.method == "WAIT" {
            wait::until(&step.text, || async {
                let (code, _, _) = step.ask(client, "GET").await;
                (code == 200).then_some(())
            })
            .await;
            continue;
        }
        let (code, body, warnings) = step.ask(client, &step.method).await;
        let answer = json!({"code": code, "body": body, "warnings": warnings});
        answers.push((step.text, masked(&answer, "", namespace)));
    }
    answers
}

static UID: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
        .expect("scripts and answers are well-formed")
});
static VARYING: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"20\d\d-\d\d-\d\dT[\d:.]+Z|^\d+[smh]$|10\.0\.\d+\.\d+")
        .expect("scripts and answers are well-formed")
});

/// A uid that a script writes itself, and that is therefore compared.
const OWN_UID: &str = "11111111-1111-1111-1111-111111111111";

/// A message with the parts of its list sorted: see `causes` in [`masked`].
fn in_order(message: &str) -> String {
    let Some((head, list)) = message.split_once(" is invalid: [") else {
        return message.to_owned();
    };
    let mut parts: Vec<&str> = list.trim_end_matches(']').split(", ").collect();
    parts.sort_unstable();
    format!("{head} is invalid: [{}]", parts.join(", "))
}

/// An answer with `*` for what differs between any two servers.
fn masked(value: &Value, key: &str, namespace: &str) -> Value {
    match value {
        Value::Object(entries) => {
            let kept = entries.iter().filter(|(name, _)| *name != "storageVersionHash");
            let shown = kept.map(|(name, inner)| {
                let plain = inner.is_null() || inner == "" || inner == "None";
                let mask = MASKED.contains(&name.as_str()) && !inner.is_object();
                let inner = match mask && !inner.is_array() && (!plain || name == "description") {
                    true => json!("*"),
                    false => masked(inner, name, namespace),
                };
                (name.replace(namespace, "{ns}"), inner)
            });
            Value::Object(shown.collect())
        }
        Value::Array(items) => {
            let mut items: Vec<Value> =
                items.iter().map(|item| masked(item, key, namespace)).collect();
            if key == "managedFields" {
                // Their order depends on the second in which each write fell.
                let place = |entry: &Value| {
                    let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
                    (text("operation"), text("manager"), text("subresource"))
                };
                items.sort_by_key(place);
            } else if key == "causes" {
                // A real server walks the fields of a custom object in no fixed order.
                items.sort_by_key(|cause| cause["field"].to_string());
            }
            Value::Array(items)
        }
        Value::String(text) => {
            let text = in_order(&text.replace(namespace, "{ns}"));
            let mask = |found: &Captures<'_>| match &found[0] {
                OWN_UID => OWN_UID.to_owned(),
                _ => "*".to_owned(),
            };
            json!(VARYING.replace_all(&UID.replace_all(&text, mask), "*"))
        }
        other => other.clone(),
    }
}

fn cases() -> Vec<(String, Vec<Value>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/sandbox/cases");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("scripts and answers are well-formed") {
        let path = entry.expect("scripts and answers are well-formed").path();
        let name = path
            .file_stem()
            .expect("scripts and answers are well-formed")
            .to_string_lossy()
            .into_owned();
        let text = std::fs::read_to_string(&path).expect("scripts and answers are well-formed");
        found.push((
            name,
            serde_yaml::from_str(&text).expect("scripts and answers are well-formed"),
        ));
    }
    found.sort_by(|left, right| left.0.cmp(&right.0));
    found
}

fn is_known(case: &str, step: &str) -> bool {
    KNOWN.iter().any(|(known, text, _)| *known == case && *text == step)
}

#[tokio::test]
async fn the_sandbox_answers_as_a_real_server() {
    let running = Running::start().await;
    let sandbox = running.client().await;
    // No controllers: a Deployment's would write between two steps.
    let cluster = Cluster::start(&Options::default());
    let real = cluster.client_as("admin", AGENT).await;
    let mut differing = Vec::new();
    let mut compared = 0;
    for (number, (case, steps)) in cases().into_iter().enumerate() {
        let namespace = format!("conformance-{number}");
        let want = run(&real, &steps, &namespace).await;
        let got = run(&sandbox, &steps, &namespace).await;
        assert_eq!(want.len(), got.len());
        for ((step, want), (_, got)) in want.iter().zip(&got) {
            compared += 1;
            let known = is_known(&case, step);
            if want == got && known {
                differing.push(format!("{case}: {step}: no longer differs: take it off the list"));
            } else if want != got && !known {
                differing.push(format!("{case}: {step}\n real    {want}\n sandbox {got}"));
            }
        }
    }
    assert!(compared > 150, "only {compared} answers were compared");
    assert!(differing.is_empty(), "{} differ:\n{}", differing.len(), differing.join("\n"));
}
