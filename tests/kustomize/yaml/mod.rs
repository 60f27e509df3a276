//! Reader and emitter alone, over random texts, against the official program's libraries.
//!
//! ```text
//! YAML_ORACLE=… TEXTS=100000 SEED=1 cargo test --release --test kustomize -- yaml --nocapture
//! ```
//!
//! `TEXTS` is for each kind of document. `YAML_ORACLE` names `oracle/yaml`; without it this says so
//! and passes.

pub mod documents;
pub mod texts;

use hence::kustomize::yaml;
use hence::kustomize::yaml::FileId;

use crate::frames::ask;
use crate::number;
use crate::random::dice::Dice;

/// Documents asked for at once.
const BATCH: u64 = 5000;

type Make = fn(&mut Dice) -> String;

/// Kinds of documents, and the oracle's mode for them.
const KINDS: &[(&str, &str, Make)] = &[
    ("emitted", "resource", documents::emitted),
    ("plain", "resource", documents::plain),
    ("block", "resource", documents::block),
    ("tree", "resource", documents::tree),
    ("mutated", "resource", documents::mutated),
    ("plain", "kust", documents::plain),
];

/// What hence makes of a text.
fn ours(mode: &str, text: &str) -> Result<String, String> {
    if mode == "kust" {
        let node = yaml::read_kustomization(text.as_bytes(), FileId(0));
        return match node.map_err(|error| error.to_string())? {
            Some(node) => {
                node.to_kustomization_json().map(|j| j.to_string()).map_err(|e| e.to_string())
            }
            None => Ok("null".into()),
        };
    }
    let nodes = yaml::read_resources(text.as_bytes(), FileId(0)).map_err(|e| e.to_string())?;
    yaml::to_yaml_documents(&nodes).map_err(|error| error.to_string())
}

/// Both refuse, or both say the same. JSON is compared by value, numbers as Go reads them.
fn agree(mode: &str, ours: &Result<String, String>, theirs: &Result<String, String>) -> bool {
    match (ours, theirs) {
        (Ok(a), Ok(b)) if mode == "kust" => value(a) == value(b),
        (Ok(a), Ok(b)) => a == b,
        (Err(_), Err(_)) => true,
        _ => false,
    }
}

/// JSON with every number as the text of its float, so that digits beyond one do not count.
fn value(text: &str) -> Option<serde_json::Value> {
    fn settle(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::Number(n) => {
                let float: f64 = n.to_string().parse().unwrap_or_default();
                *value = format!("{:.12e}", float + 0.0).into(); // no zero below zero
            }
            serde_json::Value::Array(items) => items.iter_mut().for_each(settle),
            serde_json::Value::Object(map) => map.values_mut().for_each(settle),
            _ => {}
        }
    }
    let mut value = serde_json::from_str(text).ok()?;
    settle(&mut value);
    Some(value)
}

/// The program itself gives two answers: keys that it cannot order come as its hash has them.
fn is_undecided(program: &str, mode: &str, text: &str) -> bool {
    let answers = ask(program, mode, &vec![text.to_owned(); 60]);
    answers.iter().any(|answer| answer != &answers[0])
}

#[test]
fn yaml_reads_and_prints_as_the_official_program_does() {
    let Ok(program) = std::env::var("YAML_ORACLE") else {
        println!("YAML_ORACLE is not set: nothing compared");
        return;
    };
    let (texts, seed) = (number("TEXTS", 500), number("SEED", 1));
    let mut wrong = 0;
    for (name, mode, make) in KINDS {
        let (mut equal, mut refused, mut undecided) = (0, 0, 0);
        for first in (0..texts).step_by(BATCH as usize) {
            let seeds = first..(first + BATCH).min(texts);
            let asked: Vec<String> =
                seeds.map(|n| make(&mut Dice::new(seed.wrapping_add(n)))).collect();
            for (text, theirs) in asked.iter().zip(ask(&program, mode, &asked)) {
                let ours = ours(mode, text);
                if agree(mode, &ours, &theirs) {
                    equal += usize::from(ours.is_ok());
                    refused += usize::from(ours.is_err());
                } else if ours.is_ok() && is_undecided(&program, mode, text) {
                    undecided += 1;
                } else {
                    wrong += 1;
                    if wrong <= number("SHOW", 10) {
                        println!(
                            "==== {name}/{mode}\n{text:?}\nours   {ours:?}\ntheirs {theirs:?}"
                        );
                    }
                }
            }
        }
        println!(
            "{name:8} {mode:8} seeds {seed}..{}: equal {equal}, both refuse {refused}, \
             the program itself undecided {undecided}",
            seed + texts
        );
    }
    assert_eq!(wrong, 0);
}
