//! Anything at all as input: an answer or an error, soon, and never a panic.
//!
//! Each target changes files of a small corpus here and there: the stored cases and answers, and
//! what the random generators make. The short run is a default test. The long one:
//!
//! ```text
//! FUZZ_SECONDS=1200 cargo test --release --test kustomize -- --ignored fuzz --nocapture
//! ```

use std::time::Duration;
use std::time::Instant;

use hence::kustomize::flux;
use hence::kustomize::yaml;
use hence::kustomize::yaml::FileId;

use crate::cases;
use crate::number;
use crate::random::dice::Dice;
use crate::tree::MemoryTree;
use crate::tree::build;
use crate::yaml::documents;
use crate::yaml::texts;

/// In a long run no single input may take longer, on a slow machine under load.
const TOO_LONG: Duration = Duration::from_secs(60);

type Target = fn(&mut Dice);

const TARGETS: &[(&str, Target)] = &[
    ("yaml", yaml_text),
    ("kustomization", kustomization),
    ("patches", patches),
    ("fieldPaths", field_paths),
    ("substitution", substitution),
];

fn yaml_text(dice: &mut Dice) {
    let text = match dice.below(5) {
        0 => documents::tree(dice),
        1 => documents::block(dice),
        2 => documents::plain(dice),
        3 => nested(dice),
        _ => (0..dice.below(60)).map(|_| dice.text(texts::PIECES)).collect(),
    };
    let mut bytes = documents::mutate(dice, &text).into_bytes();
    if dice.chance(10) && !bytes.is_empty() {
        let at = dice.below(bytes.len());
        bytes[at] = dice.bits() as u8;
    }
    if let Ok(nodes) = yaml::read_resources(&bytes, FileId(0)) {
        let _ = yaml::to_yaml_documents(&nodes);
        nodes.iter().for_each(|node| drop(node.to_json()));
    }
    if let Ok(Some(node)) = yaml::read_kustomization(&bytes, FileId(0)) {
        let _ = node.to_kustomization_json();
    }
}

/// Deep brackets, long lines, aliases of aliases.
fn nested(dice: &mut Dice) -> String {
    let many = dice.below(3000);
    match dice.below(4) {
        0 => "[".repeat(many),
        1 => "- ".repeat(many),
        2 => (0..many.min(400)).map(|i| format!("{}k:\n", " ".repeat(i))).collect(),
        _ => {
            let line = |i: usize| format!("a{}: &a{} [*a{i}, *a{i}, *a{i}]\n", i + 1, i + 1);
            "a0: &a0 x\n".to_owned() + &(0..dice.below(40)).map(line).collect::<String>()
        }
    }
}

/// A stored case with some file changed.
fn kustomization(dice: &mut Dice) {
    let (mut tree, root) = cases::any(dice);
    let paths: Vec<String> = tree.0.keys().cloned().collect();
    for _ in 0..1 + dice.below(2) {
        let path = dice.pick(&paths).clone();
        let text = tree.0.remove(&path).unwrap_or_default();
        let changed = match dice.below(8) {
            0 => swapped_lines(dice, &text),
            1 => tree.0.values().next().cloned().unwrap_or_default(),
            _ => documents::mutate(dice, &text),
        };
        tree.0.insert(path, changed);
    }
    let _ = build(&tree, &root);
}

fn swapped_lines(dice: &mut Dice, text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    if lines.len() > 1 {
        let (a, b) = (dice.below(lines.len()), dice.below(lines.len()));
        lines.swap(a, b);
    }
    lines.join("\n")
}

const OBJECT: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n  labels: {a: b}\nspec:\n  replicas: 1\n  template:\n    spec:\n      containers:\n      - name: main\n        image: nginx:1\n        ports:\n        - containerPort: 80\n          protocol: TCP\n        env:\n        - {name: A, value: x}\n";

/// Builds one object with one kustomization.
fn build_one(kustomization: String) {
    let mut tree = MemoryTree::default();
    tree.0.insert("kustomization.yaml".into(), kustomization);
    tree.0.insert("o.yaml".into(), OBJECT.into());
    let _ = build(&tree, "");
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}

fn patches(dice: &mut Dice) {
    let pointer = |dice: &mut Dice| -> String {
        let parts = [
            "spec",
            "metadata",
            "0",
            "-",
            "-1",
            "99999999999999999999",
            "~0",
            "~1",
            "",
            "template",
            "containers",
            "env",
            "labels",
            "é",
        ];
        (0..dice.below(6)).map(|_| format!("/{}", dice.word(&parts))).collect()
    };
    let text = if dice.chance(50) {
        let ops = ["add", "remove", "replace", "move", "copy", "test", "x"];
        (0..1 + dice.below(4))
            .map(|_| {
                let (op, path, from) = (dice.text(&ops), pointer(dice), pointer(dice));
                let value = dice.word(texts::WORDS);
                format!("- op: {op}\n  path: '{path}'\n  from: '{from}'\n  value: {value}\n")
            })
            .collect()
    } else {
        OBJECT.replace("replicas: 1", dice.word(&["$patch: delete", "$retainKeys: [x]", "a: [1]"]))
    };
    let text = if dice.chance(60) { documents::mutate(dice, &text) } else { text };
    let target = dice.word(&["{kind: Deployment}", "{name: '.*'}", "{name: '(w+)+$'}", "{}"]);
    build_one(format!(
        "resources: [o.yaml]\npatches:\n- target: {target}\n  patch: |-\n{}",
        indented(&text)
    ));
}

fn field_paths(dice: &mut Dice) {
    let parts = [
        "spec",
        "template",
        "containers",
        "[name=main]",
        "*",
        "0",
        "-",
        "[",
        "]",
        "[=]",
        "env",
        "[name=A]",
        "a\\.b",
        "[a.b]",
        "",
        "..",
        "[name=]",
        "image",
        "é",
        "99999999999",
    ];
    let path = |dice: &mut Dice| -> String {
        let parts: Vec<&str> = (0..dice.below(8)).map(|_| dice.word(&parts)).collect();
        parts.join(dice.word(&[".", ".", "/"]))
    };
    let (from, to, spec) = (path(dice), path(dice), path(dice));
    let index = dice.word(&["0", "1", "-1", "9999999999", "-9999999999"]);
    let create = dice.chance(50);
    build_one(format!(
        "resources: [o.yaml]\nreplacements:\n- source: {{kind: Deployment, fieldPath: {}}}\n  \
         targets:\n  - select: {{kind: Deployment}}\n    fieldPaths: [{}]\n    options: {{create: \
         {create}, delimiter: '{}', index: {index}}}\nlabels:\n- pairs: {{a: b}}\n  fields:\n  - \
         {{path: {}, create: {create}}}\n",
        texts::quoted(&from),
        texts::quoted(&to),
        dice.word(&["", ".", ":", "é"]),
        texts::quoted(&spec),
    ));
}

fn substitution(dice: &mut Dice) {
    const PARTS: &[&str] = &[
        "${",
        "}",
        "$",
        "$$",
        "a",
        "b",
        ":",
        ":=",
        ":-",
        "#",
        "##",
        "%",
        "%%",
        "/",
        "//",
        "/#",
        "^",
        ",",
        "*",
        "?",
        "[",
        "]",
        "[a-z]",
        "\\",
        "é",
        "😀",
        "1",
        "-1",
        " ",
        "\n",
        "${a}",
        "${a:=",
        "${#a}",
        "${a//",
        "99999999999999999999",
    ];
    let text: String = (0..dice.below(40)).map(|_| dice.text(PARTS)).collect();
    let mut variables = flux::Variables::new();
    for name in ["a", "b"] {
        let value: String = (0..dice.below(20)).map(|_| dice.text(PARTS)).collect();
        variables.set(name, &value);
    }
    let _ = flux::substitute_text(&text, &variables, dice.chance(50));
}

fn run(seconds: Option<u64>, count: u64) {
    let seed = number("SEED", 1);
    for (name, target) in TARGETS {
        let start = Instant::now();
        let is_over = |done: u64| match seconds {
            Some(seconds) => start.elapsed() >= Duration::from_secs(seconds),
            None => done >= count,
        };
        let (mut done, mut slowest) = (0, Duration::ZERO);
        while !is_over(done) {
            let before = Instant::now();
            let found = std::panic::catch_unwind(|| target(&mut Dice::new(seed + done)));
            assert!(found.is_ok(), "{name}: panic at seed {}", seed + done);
            let took = before.elapsed();
            assert!(
                seconds.is_none() || took < TOO_LONG,
                "{name}: seed {} took {took:?}",
                seed + done
            );
            slowest = slowest.max(took);
            done += 1;
        }
        println!("{name:14} seeds {seed}..{}: slowest {slowest:?}", seed + done);
    }
}

#[test]
fn fuzz_finds_no_panic_in_a_few_hundred_inputs() {
    run(None, 150);
}

#[test]
#[ignore = "long: FUZZ_SECONDS for each target, 60 by default"]
fn fuzz_finds_no_panic_for_long() {
    run(Some(number("FUZZ_SECONDS", 60)), 0);
}
