//! Who may import whom, and which words the pure modules never say.

use crate::text::File;
use crate::text::has_word;
use crate::text::without_tests;
use std::collections::BTreeSet;

/// A module: its name and what it may name.
type Layer = (&'static str, &'static [&'static str]);

/// Top-level modules, lowest first, each with what it may name. The order is the rule.
pub(crate) const LAYERS: &[Layer] = &[
    ("model", &[]),
    ("api", &["model"]),
    ("datalog", &[]),
    ("kustomize", &["model"]),
    ("facts", &["model", "datalog"]),
    ("rules", &["model", "datalog", "facts"]),
    // Plans and statements are made of rows, so `actions` and `ingest` name the engine's values.
    ("actions", &["model", "datalog", "facts", "rules"]),
    ("explain", &["model", "datalog", "facts", "rules", "actions"]),
    ("audit", &["model", "datalog"]),
    ("sources", &["model"]),
    ("cluster", &["model", "api"]),
    ("ingest", &["model", "api", "datalog", "kustomize", "facts", "audit", "sources", "cluster"]),
    ("executor", &["model", "api", "actions", "audit", "sources", "cluster"]),
    ("sandbox", &["model", "api"]),
    (
        "daemon",
        // All that is below but the sandbox: that one is for the demo, previews and tests.
        &[
            "model",
            "api",
            "datalog",
            "kustomize",
            "facts",
            "rules",
            "actions",
            "explain",
            "audit",
            "sources",
            "cluster",
            "ingest",
            "executor",
        ],
    ),
    (
        "cli",
        &[
            "model",
            "api",
            "datalog",
            "kustomize",
            "facts",
            "rules",
            "actions",
            "explain",
            "audit",
            "sources",
            "cluster",
            "ingest",
            "executor",
            "sandbox",
            "daemon",
        ],
    ),
];

/// Modules that compute and never look at the world.
const PURE: &[&str] = &["model", "datalog", "kustomize", "facts", "rules", "actions", "explain"];

/// What the pure modules may not name: where the world would come in.
const WORLD: &[&str] = &["tokio", "kube", "std::fs", "std::net", "SystemTime", "Instant::now"];

/// The one file of the pure modules that reads and writes a disk, behind the storage trait.
const STORAGE: &str = "src/facts/store/disk.rs";

/// Imports against [`LAYERS`], in tests of a module too.
pub(crate) fn imports(file: &File) -> Vec<String> {
    imports_by(LAYERS, file)
}

fn imports_by(layers: &[Layer], file: &File) -> Vec<String> {
    let Some(module) = file.module() else { return Vec::new() };
    let Some((_, may)) = layers.iter().find(|(name, _)| *name == module) else {
        return vec![format!("{}: `{module}` is not in the table of layers", file.path)];
    };
    let is_root = file.path == format!("src/{module}/mod.rs");
    let mut wrong = Vec::new();
    for (number, line) in file.code().lines().enumerate() {
        for used in after(line, "crate::") {
            if used != module && !may.contains(&used) {
                wrong.push(file.complain(number, &format!("`{module}` may not name `{used}`")));
            }
        }
        // In a module's own mod.rs `super` is the crate.
        let sideways = after(line, "super::").filter(|used| is_root && *used != module);
        for used in sideways.filter(|used| layers.iter().any(|(name, _)| name == used)) {
            wrong.push(file.complain(number, &format!("`super::{used}`: write `crate::{used}`")));
        }
    }
    wrong
}

/// The name after each `prefix` of a line; empty where none follows.
fn after<'a>(line: &'a str, prefix: &'a str) -> impl Iterator<Item = &'a str> {
    line.split(prefix).skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        &rest[..end]
    })
}

/// Each layer names only layers below it, and each is a folder.
pub(crate) fn table(layers: &[Layer], folders: &BTreeSet<String>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (place, (module, may)) in layers.iter().enumerate() {
        let below: BTreeSet<_> = layers[..place].iter().map(|(name, _)| *name).collect();
        let above = may.iter().filter(|name| !below.contains(*name));
        wrong.extend(above.map(|name| format!("layers: `{module}` names `{name}`, not below it")));
        if !folders.contains(*module) {
            wrong.push(format!("layers: `{module}` is no folder of src/"));
        }
    }
    let listed: BTreeSet<_> = layers.iter().map(|(name, _)| *name).collect();
    let unlisted = folders.iter().filter(|folder| !listed.contains(folder.as_str()));
    wrong.extend(unlisted.map(|folder| format!("src/{folder}: not in the table of layers")));
    wrong
}

/// Words of [`WORLD`] in pure modules, outside their tests.
pub(crate) fn purity(file: &File) -> Vec<String> {
    let pure = file.module().is_some_and(|module| PURE.contains(&module));
    if !pure || file.path == STORAGE || file.is_test() {
        return Vec::new();
    }
    let code = without_tests(file.code());
    let mut wrong = Vec::new();
    for (number, line) in code.lines().enumerate() {
        for word in WORLD.iter().filter(|word| has_word(line, word)) {
            wrong.push(file.complain(number, &format!("a pure module names `{word}`")));
        }
    }
    wrong
}

/// The Kubernetes client outside the one module that uses it.
pub(crate) fn one_client(file: &File) -> Vec<String> {
    if file.module().is_none_or(|module| module == "cluster") || file.is_test() {
        return Vec::new();
    }
    let code = without_tests(file.code());
    let lines = code.lines().enumerate().filter(|(_, line)| line.contains("kube::"));
    let lines = lines.filter(|(_, line)| has_word(line, "kube"));
    lines.map(|(number, _)| file.complain(number, "only `cluster` uses the kube client")).collect()
}

#[test]
fn an_import_of_a_layer_above_is_found() {
    let layers: &[Layer] = &[("low", &[]), ("high", &["low"])];
    #[rustfmt::skip]
    let cases: &[(&str, &str, &str, usize)] = &[
        ("downwards",           "src/high/a.rs",   "use crate::low::A;",                0),
        ("itself",              "src/low/a.rs",    "use crate::low::b::B;",             0),
        ("upwards",             "src/low/a.rs",    "use crate::high::A;",               1),
        ("inside an expression", "src/low/a.rs",   "fn a() { crate::high::b() }",       1),
        ("in its tests",        "src/low/a.rs",    "#[cfg(test)]\nuse crate::high::A;", 1),
        ("in a comment",        "src/low/a.rs",    "// see crate::high",                0),
        ("a visibility",        "src/low/a.rs",    "pub(crate) fn a() {}",              0),
        ("through super",       "src/low/mod.rs",  "use super::high::A;",               1),
        ("super inside",        "src/low/b/c.rs",  "use super::high::A;",               0),
        ("no layer",            "src/other/a.rs",  "",                                  1),
        ("the root",            "src/lib.rs",      "use crate::high::A;",               0),
    ];
    for &(why, path, text, want) in cases {
        let wrong = imports_by(layers, &File::new(path, text));
        assert_eq!(wrong.len(), want, "{why}: {wrong:?}");
    }
}

#[test]
fn a_table_out_of_order_is_found() {
    let folders = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    assert!(table(&[("a", &[]), ("b", &["a"])], &folders(&["a", "b"])).is_empty());
    assert_eq!(table(&[("a", &["b"]), ("b", &[])], &folders(&["a", "b"])).len(), 1);
    assert_eq!(table(&[("a", &[])], &folders(&["a", "b"])).len(), 1, "an unlisted folder");
    assert_eq!(table(&[("a", &[]), ("b", &[])], &folders(&["a"])).len(), 1, "a missing folder");
}

#[test]
fn the_world_in_a_pure_module_is_found() {
    #[rustfmt::skip]
    let cases: &[(&str, &str, &str, usize)] = &[
        ("a runtime",       "src/rules/a.rs",     "use tokio::sync::mpsc;",      1),
        ("a clock",         "src/datalog/a.rs",   "SystemTime::now()",           1),
        ("files",           "src/facts/a.rs",     "std::fs::read(p)",            1),
        ("the storage",     STORAGE,              "std::fs::read(p)",            0),
        ("not pure",        "src/sources/a.rs",   "std::fs::read(p)",            0),
        ("part of a word",  "src/rules/a.rs",     "let kube_system = 1;",        0),
        ("in words",        "src/rules/a.rs",     "// no tokio\n\"tokio\";",     0),
        ("in tests",        "src/rules/tests.rs", "std::fs::read(p)",            0),
    ];
    for &(why, path, text, want) in cases {
        let wrong = purity(&File::new(path, text));
        assert_eq!(wrong.len(), want, "{why}: {wrong:?}");
    }
    let client = |path: &str| one_client(&File::new(path, "use kube::Client;")).len();
    assert_eq!((client("src/ingest/a.rs"), client("src/cluster/a.rs")), (1, 0));
}
