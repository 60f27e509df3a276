use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use super::*;

/// Where the files stand.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/crds")
}

/// `HENCE_SCHEMAS=write` writes the files, `print` prints them; otherwise they are compared.
#[test]
fn files_are_those_made_from_the_types() {
    let mode = std::env::var("HENCE_SCHEMAS").unwrap_or_default();
    for crd in all() {
        let path = folder().join(&crd.file);
        match mode.as_str() {
            "print" => println!("---\n{}", crd.to_yaml()),
            "write" => fs::write(&path, crd.to_yaml()).unwrap(),
            _ => {
                let found = fs::read_to_string(&path).unwrap_or_default();
                assert!(
                    found == crd.to_yaml(),
                    "{} is not what the types give; run this test with HENCE_SCHEMAS=write",
                    path.display()
                );
            }
        }
    }
    let files = fs::read_dir(folder()).unwrap().count();
    assert_eq!(files, all().len(), "schemas/crds holds a file that no kind gives");
}

/// The folders of the upstream modules, by the Go program; `None` where there is none.
fn upstream() -> Option<Vec<PathBuf>> {
    let modules = [
        "github.com/fluxcd/kustomize-controller@v1.9.4",
        "github.com/fluxcd/source-controller@v1.9.4",
    ];
    let scratch = tempfile::tempdir().unwrap();
    let run = Command::new("go")
        .args(["mod", "download", "-json"])
        .args(modules)
        .current_dir(scratch.path())
        .output()
        .ok()?;
    let text = String::from_utf8(run.stdout).unwrap();
    let answers = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
    let folders = answers.map(|answer| {
        let answer = answer.unwrap();
        let folder = answer["Dir"].as_str().map(PathBuf::from);
        folder.unwrap_or_else(|| panic!("go mod download: {answer}")).join("config/crd/bases")
    });
    Some(folders.collect())
}

/// Without what may differ: descriptions, and the name of the generator.
fn bare(value: &Value, of_properties: bool) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(name, value)| {
                let text = name.as_str() == "description" && value.is_string() && !of_properties;
                !text && name.as_str() != "controller-gen.kubebuilder.io/version"
            });
            let inner = |name: &str| name == "properties" && !of_properties;
            kept.map(|(name, value)| (name.clone(), bare(value, inner(name)))).collect()
        }
        Value::Array(list) => list.iter().map(|value| bare(value, false)).collect(),
        other => other.clone(),
    }
}

/// Where two trees differ, as paths.
fn differences(ours: &Value, theirs: &Value, path: &str, found: &mut Vec<String>) {
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            let names: BTreeMap<_, ()> = a.keys().chain(b.keys()).map(|name| (name, ())).collect();
            for name in names.keys() {
                let none = Value::Null;
                let (a, b) = (a.get(*name).unwrap_or(&none), b.get(*name).unwrap_or(&none));
                differences(a, b, &format!("{path}.{name}"), found);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (i, (a, b)) in a.iter().zip(b).enumerate() {
                differences(a, b, &format!("{path}[{i}]"), found);
            }
        }
        (a, b) if a != b => found.push(format!("{path}: ours {a}, upstream's {b}")),
        _ => {}
    }
}

#[test]
fn equal_to_upstream_in_all_but_descriptions() {
    let folders = upstream().expect("this test needs the Go program to read upstream's modules");
    for crd in all() {
        let path = folders.iter().map(|folder| folder.join(&crd.file)).find(|path| path.exists());
        let path = path.unwrap_or_else(|| panic!("upstream has no {}", crd.file));
        let theirs: Value = serde_yaml::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        let mut found = Vec::new();
        differences(&bare(&crd.manifest, false), &bare(&theirs, false), "", &mut found);
        assert!(found.is_empty(), "{}:\n{}", crd.file, found.join("\n"));
    }
}

#[test]
fn the_comparison_sees_a_difference() {
    let mut found = Vec::new();
    let ours = json!({"properties": {"description": {"type": "string", "description": "x"}}});
    let theirs = json!({"properties": {"description": {"type": "integer", "description": "y"}}});
    differences(&bare(&ours, false), &bare(&theirs, false), "", &mut found);
    assert_eq!(found, [r#".properties.description.type: ours "string", upstream's "integer""#]);
}

#[test]
fn every_description_is_our_own_and_present() {
    for crd in all() {
        let schema = &crd.manifest["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        for part in ["spec", "status"] {
            for (name, field) in schema["properties"][part]["properties"].as_object().unwrap() {
                assert!(field["description"].is_string(), "{} {part}.{name}", crd.file);
            }
        }
    }
}
