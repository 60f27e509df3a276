//! Flux's layer against Flux's own code: texts with variables, and whole units.
//!
//! ```text
//! FLUX_ORACLE=… UNITS=20000 SEED=1 cargo test --release --test kustomize -- flux --nocapture
//! ```
//!
//! `FLUX_ORACLE` names `oracle/flux`; without it this says so and passes. A refusal must be met by
//! a refusal; of texts with variables the words must be the same too.

mod components;
mod origins;
mod substitution;
mod units;

use std::collections::BTreeMap;

use hence::kustomize::BuildOptions;
use hence::kustomize::flux::UnitBuild;
use hence::kustomize::flux::UnitImage;
use hence::kustomize::flux::UnitOutcome;
use hence::kustomize::flux::UnitPatch;
use hence::kustomize::flux::UnitPatchTarget;
use hence::kustomize::flux::Variables;
use hence::kustomize::flux::build_unit;
use hence::kustomize::flux::substitute_text;
use serde_json::Value;

use crate::frames::ask;
use crate::number;
use crate::random::dice::Dice;
use crate::tree::MemoryTree;

/// Questions asked at once.
const BATCH: u64 = 1000;

fn variables(question: &Value) -> Variables {
    let mut variables = Variables::new();
    for (name, value) in question["Vars"].as_object().into_iter().flatten() {
        variables.set(name, value.as_str().unwrap_or_default());
    }
    variables
}

fn evaluated(question: &Value) -> Result<String, String> {
    let text = question["Text"].as_str().unwrap_or_default();
    substitute_text(text, &variables(question), question["Strict"] == true)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .map_err(|error| error.to_string())
}

/// The texts of a list, or nothing.
fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(|t| t.as_str().map(str::to_owned)).collect()
}

fn unit_of(question: &Value) -> UnitBuild {
    let spec = &question["Spec"];
    let text = |of: &Value, key: &str| of[key].as_str().unwrap_or_default().to_owned();
    let some = |key: &str| spec[key].as_str().map(str::to_owned);
    let list = |key: &str| spec[key].as_array().cloned().unwrap_or_default();
    UnitBuild {
        target_namespace: some("targetNamespace"),
        name_prefix: some("namePrefix"),
        name_suffix: some("nameSuffix"),
        patches: list("patches")
            .iter()
            .map(|patch| UnitPatch {
                patch: text(patch, "patch"),
                target: patch.get("target").map(|target| UnitPatchTarget {
                    kind: text(target, "kind"),
                    name: text(target, "name"),
                    ..UnitPatchTarget::default()
                }),
            })
            .collect(),
        images: list("images")
            .iter()
            .map(|image| UnitImage {
                name: text(image, "name"),
                new_name: text(image, "newName"),
                new_tag: text(image, "newTag"),
                digest: text(image, "digest"),
            })
            .collect(),
        components: texts(&spec["components"]),
        ignore_missing_components: spec["ignoreMissingComponents"] == true,
        build_metadata: texts(&spec["buildMetadata"]),
        substitute: (question["HasVars"] == true).then(|| variables(question)),
        strict: question["Strict"] == true,
        always: question["Always"] == true,
    }
}

fn built(question: &Value) -> Result<String, String> {
    let files = question["Files"].as_object().into_iter().flatten();
    let file = |(path, text): (&String, &Value)| {
        (path.clone(), text.as_str().unwrap_or_default().to_owned())
    };
    let tree = MemoryTree(files.map(file).collect());
    let path = question["Path"].as_str().unwrap_or_default();
    match build_unit(&tree, path, &unit_of(question), &BuildOptions::default()) {
        Ok(UnitOutcome::Built(built)) => Ok(built.text()),
        Ok(UnitOutcome::Needs(needs)) => Err(format!("needs {needs:?}")),
        Err(error) => Err(error.to_string()),
    }
}

type Make = fn(&mut Dice) -> Value;
type Ours = fn(&Value) -> Result<String, String>;

/// Compares `count` questions; how many differ.
fn compare(program: &str, mode: &str, count: u64, make: Make, ours: Ours) -> u64 {
    let first = number("SEED", 1);
    let (mut equal, mut refused, mut wrong) = (0, 0, 0);
    let mut coverage: BTreeMap<String, usize> = BTreeMap::new();
    for from in (0..count).step_by(BATCH as usize) {
        let seeds = from..(from + BATCH).min(count);
        let questions: Vec<Value> = seeds.map(|n| make(&mut Dice::new(first + n))).collect();
        let asked: Vec<String> = questions.iter().map(Value::to_string).collect();
        for (question, theirs) in questions.iter().zip(ask(program, mode, &asked)) {
            let fields = question["Spec"].as_object().into_iter().flatten();
            for field in fields.map(|(key, _)| format!("spec.{key}")) {
                *coverage.entry(field).or_default() += 1;
            }
            for flag in ["HasVars", "Strict", "Always"] {
                *coverage.entry(flag.to_owned()).or_default() +=
                    usize::from(question[flag] == true);
            }
            let ours = ours(question);
            match (&ours, &theirs) {
                (Ok(a), Ok(b)) if a == b => equal += 1,
                (Err(a), Err(b)) if mode == "unit" || same_words(a, b) => refused += 1,
                _ => {
                    wrong += 1;
                    if wrong <= number("SHOW", 10) {
                        println!("==== {mode}\n{question:#}\nours   {ours:?}\ntheirs {theirs:?}");
                    }
                }
            }
        }
    }
    println!(
        "{mode}: seeds {first}..{}: equal {equal}, both refuse {refused}, differ {wrong}",
        first + count
    );
    coverage.iter().for_each(|(name, count)| println!("  {name:32} {count}"));
    wrong
}

fn same_words(ours: &str, theirs: &str) -> bool {
    let gist = theirs.split('[').next().unwrap_or_default();
    ours.contains(gist) || theirs.contains("var name is invalid")
}

#[test]
fn flux_units_build_and_substitute_as_flux_does() {
    let Ok(program) = std::env::var("FLUX_ORACLE") else {
        println!("FLUX_ORACLE is not set: nothing compared");
        return;
    };
    let count = number("UNITS", 300);
    let mut wrong = compare(&program, "eval", 3 * count, substitution::question, evaluated);
    wrong += compare(&program, "unit", count, units::question, built);
    assert_eq!(wrong, 0);
}
