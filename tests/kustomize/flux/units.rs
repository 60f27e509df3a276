//! Random units: files, a spec, and variables.

use std::collections::BTreeMap;

use hence::kustomize::yaml;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::substitution;
use super::substitution::field;
use crate::random::dice::Dice;

fn yaml_of(value: &Value) -> String {
    let node = yaml::Node::from_json(value, yaml::Place::default());
    yaml::to_yaml(&node).unwrap_or_else(|_| "a: 1\n".into())
}

fn scalar(dice: &mut Dice) -> Value {
    match dice.below(10) {
        0 => json!(dice.below(100)),
        1 => json!(true),
        2 => json!(1.5),
        3 => Value::Null,
        4 => json!(12_345_678_901_234_567_u64),
        _ => json!(field(dice)),
    }
}

fn object(dice: &mut Dice, name: &str) -> Value {
    let kind = dice.word(&["ConfigMap", "Secret", "Service", "Deployment"]);
    let name = if dice.chance(20) { format!("{name}-{}", field(dice)) } else { name.to_owned() };
    let mut meta = json!({ "name": name });
    if dice.chance(30) {
        meta["labels"] = json!({ "app": field(dice) });
    }
    const SWITCH: &str = "kustomize.toolkit.fluxcd.io/substitute";
    if dice.chance(6) {
        meta["annotations"] = json!({ SWITCH: dice.word(&["disabled", "enabled", "Disabled"]) });
    }
    if dice.chance(4) {
        meta["labels"] = json!({ SWITCH: "disabled" });
    }
    let version = if kind == "Deployment" { "apps/v1" } else { "v1" };
    let mut made = json!({ "apiVersion": version, "kind": kind, "metadata": meta });
    match kind {
        "Deployment" => {
            let image = format!("img{}:{}", dice.below(3), dice.below(3));
            let container = json!({ "name": "c", "image": image, "args": [field(dice)] });
            let template = json!({ "spec": { "containers": [container] } });
            made["spec"] = json!({ "replicas": scalar(dice), "template": template });
        }
        "Service" => {
            made["spec"] = json!({ "ports": [{ "port": scalar(dice) }], "x": {}, "y": [] });
        }
        _ => {
            let data = (0..dice.below(4)).map(|i| (format!("k{i}"), scalar(dice)));
            made["data"] = Value::Object(data.collect());
        }
    }
    made
}

/// The files of a directory; those that a kustomization may name.
fn files(dice: &mut Dice, at: &str, out: &mut BTreeMap<String, String>) -> Vec<String> {
    let mut named = Vec::new();
    for i in 0..dice.below(4) {
        let head = dice.word(&["a", "b", "sub/c", "z-", ".hid"]);
        let file = format!("{head}{i}.{}", dice.word(&["yaml", "yml", "yaml", "txt"]));
        let number = if dice.chance(5) { 0 } else { i };
        let mut text = yaml_of(&object(dice, &format!("o{number}")));
        if dice.chance(15) {
            text.push_str(&format!("---\n{}", yaml_of(&object(dice, &format!("p{i}")))));
        }
        if dice.chance(3) {
            text = dice.text(&["# only\n", "", "a: 1\n", "foo\n", "- x\n", "kind: X\n", "a: [\n"]);
        }
        if !file.ends_with("txt") && !file.starts_with(".hid") {
            named.push(file.clone());
        }
        out.insert(format!("{at}{file}"), text);
    }
    if dice.chance(25) {
        out.insert(format!("{at}base/kustomization.yaml"), "resources: [x.yaml]\n".into());
        out.insert(format!("{at}base/x.yaml"), yaml_of(&object(dice, "base")));
        if dice.chance(60) {
            named.push("base".into());
        }
    }
    if dice.chance(25) {
        let head = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n";
        let text = format!("{head}commonAnnotations: {{comp: 'yes'}}\n");
        out.insert(format!("{at}comp/kustomization.yaml"), text);
    }
    named
}

/// A kustomization file as text.
fn kustomization(dice: &mut Dice, resources: Vec<String>) -> String {
    let mut k = Map::new();
    let literal = format!("k={}", field(dice).replace('\n', " "));
    let choices = [
        (25, "namespace", json!("ns1")),
        (20, "namePrefix", json!("pre-")),
        (15, "nameSuffix", json!("-suf")),
        (20, "images", json!([{ "name": "img0", "newTag": "v1", "digest": "" }])),
        (10, "images", json!([{ "name": "img0", "newTag": "v1", "digest": "sha256:x" }])),
        (15, "configMapGenerator", json!([{ "name": "gen", "literals": [literal], "unknown": 1 }])),
        (15, "buildMetadata", json!(["managedByLabel"])),
        (8, "bogus", json!("v")),
        (8, "NAMESPACE", json!("upper")),
        (
            12,
            "patches",
            json!([{ "patch": "- {op: add, path: /metadata/labels, value: {p: q}}\n",
            "target": { "kind": "Service", "bogus": 1 } }]),
        ),
        (
            10,
            "commonLabels",
            json!({ "l": dice.pick(&[json!("x"), json!(1), json!(true)]).clone() }),
        ),
        (12, "labels", json!([{ "pairs": { "m": "n" }, "includeSelectors": true }])),
        (8, "replicas", json!([{ "name": "o0", "count": 3_000_000 }])),
        (10, "sortOptions", json!({ "order": "legacy" })),
        (8, "kind", json!(dice.word(&["Kustomization", "Component", "Foo"]))),
        (2, "resources", json!("notalist")),
    ];
    if !resources.is_empty() && !dice.chance(10) {
        k.insert("resources".into(), json!(resources));
    }
    for (percent, key, value) in choices {
        if dice.chance(percent) {
            k.insert(key.into(), value);
        }
    }
    match k.is_empty() {
        true => dice.text(&["", "{}\n", "# c\n", "null\n"]),
        false => yaml_of(&Value::Object(k)) + if dice.chance(2) { "x: [\n" } else { "" },
    }
}

fn spec(dice: &mut Dice) -> Value {
    let component =
        dice.word(&["comp", "comp", "missing", "https://x/y", "/abs", "../comp", "github.com/x/y"]);
    let image = json!({
        "name": "img0",
        "newTag": dice.word(&["t2", ""]),
        "newName": dice.word(&["", "nn"]),
        "digest": dice.word(&["", "", "sha256:d"]),
    });
    let patch = match dice.chance(70) {
        true => {
            json!({ "patch": "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: any\ndata:\n  patched: ${foo:=x}\n",
            "target": { "kind": "ConfigMap" } })
        }
        false => {
            json!({ "patch": "- op: add\n  path: /metadata/annotations\n  value: {s: \"1\"}\n",
            "target": { "kind": "Deployment", "name": "o.*" } })
        }
    };
    let choices = [
        (30, "targetNamespace", json!(dice.word(&["tns", "tns", ""]))),
        (25, "namePrefix", json!("sp-")),
        (25, "nameSuffix", json!("-ss")),
        (30, "images", json!([image, { "name": "img2", "newTag": "x" }])),
        (20, "components", json!([component])),
        (12, "ignoreMissingComponents", json!(true)),
        (25, "patches", json!([patch])),
        (20, "buildMetadata", json!(["originAnnotations"])),
    ];
    let mut made = Map::new();
    for (percent, key, value) in choices {
        if dice.chance(percent) {
            made.insert(key.into(), value);
        }
    }
    Value::Object(made)
}

/// A question for the oracle's mode `unit`.
pub fn question(dice: &mut Dice) -> Value {
    let base = dice.word(&["", "app", "deploy/app"]);
    let at = if base.is_empty() { String::new() } else { format!("{base}/") };
    let mut all = BTreeMap::new();
    let named = files(dice, &at, &mut all);
    if dice.chance(70) {
        let name = dice.word(&[
            "kustomization.yaml",
            "kustomization.yaml",
            "kustomization.yml",
            "Kustomization",
        ]);
        let text = kustomization(dice, named);
        all.insert(format!("{at}{name}"), text);
        if dice.chance(2) {
            all.insert(format!("{at}Kustomization"), "resources: []\n".into());
        }
    }
    if all.is_empty() || dice.chance(3) {
        all.insert("other.txt".into(), "x".into());
    }
    let has_variables = dice.chance(70);
    let path = if dice.chance(2) { "nope" } else { base };
    json!({
        "Files": all,
        "Path": path,
        "Spec": spec(dice),
        "Vars": if has_variables { substitution::values(dice, true) } else { BTreeMap::new() },
        "HasVars": has_variables,
        "Strict": dice.chance(25),
        "Always": dice.chance(25),
    })
}
