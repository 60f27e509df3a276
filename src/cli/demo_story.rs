//! What the demo tells: its files, its objects, its sentences.

use std::path::Path;
use std::time::Duration;

use serde_json::Value as Json;
use serde_json::json;

use crate::audit::Body;
use crate::audit::DiskStorage;
use crate::audit::JournalReader;
use crate::audit::Order;
use crate::audit::Query;
use crate::audit::RecordKind;
use crate::daemon::ask::Asked;
use crate::daemon::ask::Question;

/// Files of a commit; `None` removes one.
pub(super) type Files = &'static [(&'static str, Option<&'static str>)];

const KUSTOMIZATION: &str = "\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: shop
resources:
- namespace.yaml
- banner.yaml
- flags.yaml
";
const WITHOUT_FLAGS: &str = "\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: shop
resources:
- namespace.yaml
- banner.yaml
";
const WITH_MISSING_FILE: &str = "\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: shop
resources:
- namespace.yaml
- baner.yaml
";
const NAMESPACE: &str = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n";
const BANNER: &str =
    "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: banner\ndata:\n  greeting: hello\n";
const FLAGS: &str =
    "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: old-flags\ndata:\n  beta: \"on\"\n";

/// The repository at first.
pub(super) const FIRST: Files = &[
    ("apps/shop/kustomization.yaml", Some(KUSTOMIZATION)),
    ("apps/shop/namespace.yaml", Some(NAMESPACE)),
    ("apps/shop/banner.yaml", Some(BANNER)),
    ("apps/shop/flags.yaml", Some(FLAGS)),
];
/// A file and its mention are removed.
pub(super) const DROPPED: Files =
    &[("apps/shop/kustomization.yaml", Some(WITHOUT_FLAGS)), ("apps/shop/flags.yaml", None)];
/// The kustomization names a file that is not there.
pub(super) const BROKEN: Files = &[("apps/shop/kustomization.yaml", Some(WITH_MISSING_FILE))];

/// The namespace of source and unit.
pub(super) fn namespace() -> Json {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "flux-system"}})
}

/// The source.
pub(super) fn source(url: &str) -> Json {
    json!({
        "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository",
        "metadata": {"name": "shop", "namespace": "flux-system"},
        "spec": {"url": url, "interval": "1s", "ref": {"branch": "main"}},
    })
}

/// The unit.
pub(super) fn unit() -> Json {
    json!({
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
        "metadata": {"name": "shop", "namespace": "flux-system"},
        "spec": {
            "interval": "10m", "path": "./apps/shop", "prune": true,
            "sourceRef": {"kind": "GitRepository", "name": "shop"},
        },
    })
}

fn asked(object: &str, namespace: &str) -> Asked {
    Asked { object: object.to_owned(), namespace: namespace.to_owned() }
}

/// `hence why OBJECT -n shop`.
pub(super) fn why(object: &str) -> Question {
    Question::Why(asked(object, "shop"))
}

/// `hence why pruned configmap/old-flags -n shop`.
pub(super) fn why_pruned() -> Question {
    Question::WhyPruned(asked("configmap/old-flags", "shop"))
}

/// `hence why-not ready ks/shop -n flux-system`.
pub(super) fn why_not_ready() -> Question {
    Question::WhyNotReady(asked("ks/shop", "flux-system"))
}

/// The heading of a step.
pub(super) fn heading(number: usize, title: &str) -> String {
    format!("\n{number}. {title}\n")
}

/// The latest action of this kind on an object of this name, with the reason in its proof.
pub(super) fn journal(state: &Path, kind: &str, name: &str) -> String {
    let storage = DiskStorage::for_reading(&state.join("journal"));
    let Ok(journal) = JournalReader::open(storage) else { return String::new() };
    let view = journal.view();
    let query =
        Query { kind: Some(RecordKind::Intent), order: Order::NewestFirst, ..Query::default() };
    let Ok(page) = view.list(&query) else { return String::new() };
    for item in page.items {
        let Body::Intent(intent) = &item.record.body else { continue };
        let object = intent.action.object.as_ref();
        if intent.action.kind != kind || object.is_none_or(|object| object.name != name) {
            continue;
        }
        let id = view.short_id(&item.id);
        let mut text =
            format!("  {id}  {kind} configmap/{name}: {}\n", reason(&intent.proof.json()));
        for said in drift(&intent.proof.json()) {
            text.push_str(&format!("            because {said}\n"));
        }
        return text;
    }
    String::new()
}

/// Why the object was applied: the column `reason` of `act_apply`.
fn reason(proof: &Json) -> String {
    text_of(&proof["nodes"][0]["row"][5])
}

/// The text of a value in a proof.
fn text_of(value: &Json) -> String {
    let text = value.as_str().or_else(|| value.as_object()?.values().next()?.as_str());
    text.unwrap_or_default().to_owned()
}

/// Which path was changed by whom, from the facts of the proof.
fn drift(proof: &Json) -> Vec<String> {
    let nodes = proof["nodes"].as_array().cloned().unwrap_or_default();
    let drifted = nodes.iter().filter(|node| node["relation"] == "drifted");
    drifted
        .map(|node| {
            let column = |at: usize| text_of(&node["row"][at]);
            format!("{} was changed by {}", column(1), column(2))
        })
        .collect()
}

/// The last words.
pub(super) fn closing(took: Duration, state: &Path) -> String {
    format!(
        "\nDone in {:.1} s. Every action above stands in the journal with its proof:\n  \
         hence audit list --state {}\n",
        took.as_secs_f32(),
        state.display()
    )
}

/// How to look around.
pub(super) fn keep(state: &Path, git_url: &str) -> String {
    let state = state.display();
    format!(
        "\nEverything keeps running until Ctrl-C. To look around, in another terminal:\n  \
         export KUBECONFIG={state}/kubeconfig HENCE_STATE={state}\n  \
         kubectl get kustomizations -A\n  \
         git clone {git_url}/shop.git\n  \
         hence pending\n"
    )
}
