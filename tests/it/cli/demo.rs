//! `demo --keep`: what a newcomer sees, explores with kubectl and git, and asks; and that each
//! answer for programs has the form of its committed schema.

use crate::cli::path;
use crate::support::schema;
use crate::support::workplace::Said;
use crate::support::workplace::Workplace;
use serde_json::Value;
use std::process::Command;

/// What is asked, and the schema of the answer.
#[rustfmt::skip]
const ASKED: &[(&str, &str)] = &[
    // typed                                        form of the answer
    ("get all -A",                                  "get.v1.json"),
    ("get ks shop",                                 "get.v1.json"),
    ("why cm/banner -n shop",                       "answer.v1.json"),
    ("why configmaps/banner -n shop",               "answer.v1.json"),
    ("why pruned cm/old-flags -n shop",             "answer.v1.json"),
    ("why-not ready ks/shop -n flux-system",        "answer.v1.json"),
    ("why-not live main --on cm/banner -n shop",    "answer.v1.json"),
    ("owners configmap banner -n shop",             "answer.v1.json"),
    ("why pruned cm old-flags -n shop",             "answer.v1.json"),
    ("pending",                                     "answer.v1.json"),
    ("plan",                                        "plan.v1.json"),
    ("audit list",                                  "audit-list.v1.json"),
    ("audit verify",                                "audit-check.v1.json"),
    ("rules explain orphan",                        "relation.v1.json"),
    ("check",                                       "check.v1.json"),
];

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn ask(place: &Workplace, state: &str, typed: &str) -> Said {
    let mut args: Vec<&str> = typed.split(' ').collect();
    if !matches!(args[0], "get" | "rules") {
        args.extend(["--state", state]);
    }
    args.extend(["-o", "json"]);
    place.hence(&args)
}

#[tokio::test]
async fn the_demo_can_be_explored() {
    let place = Workplace::new("");
    let state = place.path("demo");
    let demo = place.start(&["demo", "--keep", "--state", path(&state)]);
    demo.logged("Everything keeps running").await;
    let told = demo.log();
    for heading in ["1. repository pushed → applied", "2. a hand edit → corrected"] {
        assert!(told.contains(heading), "{told}");
    }
    assert!(told.contains("data.greeting was changed by kubectl-edit"), "{told}");
    assert!(told.contains("rule     prune/dropped (rules/prune.dl:"), "{told}");
    assert!(told.contains("apps/shop/kustomization.yaml:6: there is no file"), "{told}");

    let place = Workplace::new(state.join("kubeconfig"));
    let units = place.kubectl(&["get", "kustomizations", "-A"]).expect_success();
    assert!(units.contains("shop") && units.contains("False"), "{units}");
    let clone = told.lines().find_map(|line| line.trim().strip_prefix("git clone "));
    let clone = clone.expect("the demo says how to clone").to_owned();
    let folder = place.path("clone");
    let cloned = Command::new("git").args(["clone", "-q", &clone]).arg(&folder).status();
    assert!(cloned.expect("git is installed").success(), "{clone}");
    assert!(folder.join("apps/shop/banner.yaml").exists());

    for (typed, form) in ASKED {
        let said = ask(&place, path(&state), typed);
        let wrong = schema::differences(&schema::committed(form), &json(&said.stdout));
        assert!(wrong.is_empty(), "{typed}: {wrong:#?}\n{}", said.stdout);
    }
    shown_and_exported(&place, path(&state));
    assert!(demo.terminate().await.success());
}

/// One record, and all of them.
fn shown_and_exported(place: &Workplace, state: &str) {
    let list = json(&ask(place, state, "audit list").stdout);
    let id = list.pointer("/actions/0/id").and_then(Value::as_str);
    let id = id.unwrap_or_else(|| panic!("{list:#}"));
    let shown = json(&ask(place, state, &format!("audit show {id}")).stdout);
    let wrong = schema::differences(&schema::committed("audit-record.v1.json"), &shown);
    assert!(wrong.is_empty(), "{wrong:#?}");
    let file = place.path("journal.jsonl");
    place.hence(&["audit", "export", path(&file), "--state", state]).expect_success();
    let form = schema::committed("audit.v1.json");
    let text = std::fs::read_to_string(&file).expect("it was exported");
    let bodies = text.lines().map(|line| json(line)["body"].clone());
    let records = bodies.filter(|body| body["schema"] == "audit.v1");
    let mut count = 0;
    for record in records {
        let wrong = schema::differences(&form, &record);
        assert!(wrong.is_empty(), "{wrong:#?}\n{record:#}");
        count += 1;
    }
    assert!(count > 10, "{count} records in\n{text}");
}
