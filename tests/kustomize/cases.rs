//! Stored trees: `<case>/in/` with the root in `in/` or `in/overlay`, and `<case>/want.yaml` or
//! `<case>/refused` as the official program left them.
//!
//! `KUSTOMIZE_ORACLE=… UPDATE=1` writes what the program says now.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::sync::OnceLock;

use crate::oracle::Oracle;
use crate::random::dice::Dice;
use crate::tree::MemoryTree;
use crate::tree::build;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kustomize/cases")
}

fn read(directory: &Path, prefix: &str, files: &mut BTreeMap<String, String>) {
    let mut entries: Vec<_> = fs::read_dir(directory).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    for entry in entries {
        let name = entry.file_name().unwrap().to_str().unwrap().to_owned();
        let path = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
        if entry.is_dir() {
            read(&entry, &path, files);
        } else {
            files.insert(path, fs::read_to_string(&entry).unwrap());
        }
    }
}

/// All cases, and the root of each.
fn all() -> &'static [(MemoryTree, &'static str)] {
    static ALL: OnceLock<Vec<(MemoryTree, &'static str)>> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut cases: Vec<PathBuf> =
            fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path()).collect();
        cases.sort();
        let case = |path: PathBuf| {
            let mut files = BTreeMap::new();
            read(&path.join("in"), "", &mut files);
            let tree = MemoryTree(files);
            let start = start(&tree);
            (tree, start)
        };
        cases.into_iter().map(case).collect()
    })
}

/// One of the cases, and its root.
pub fn any(dice: &mut Dice) -> (MemoryTree, String) {
    let (tree, start) = dice.pick(all());
    (tree.clone(), (*start).to_owned())
}

fn start(tree: &MemoryTree) -> &'static str {
    if tree.0.keys().any(|k| k.starts_with("overlay/kust")) { "overlay" } else { "" }
}

/// An error without the addresses that the program shows, which are new each time.
fn settled(error: &str) -> String {
    let mut parts = error.split("0x");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_hexdigit());
        out.push_str("0x..");
        out.push_str(rest);
    }
    out
}

#[test]
fn stored_cases_build_as_the_official_program_built_them() {
    let mut oracle = std::env::var("UPDATE").ok().and_then(|_| Oracle::from_environment());
    let mut count = 0;
    let mut wrong = Vec::new();
    let Ok(entries) = fs::read_dir(root()) else { panic!("no cases") };
    for case in entries.map(|entry| entry.unwrap().path()) {
        let name = case.file_name().unwrap().to_str().unwrap().to_owned();
        let mut files = BTreeMap::new();
        read(&case.join("in"), "", &mut files);
        let tree = MemoryTree(files);
        let start = start(&tree);
        if let Some(oracle) = &mut oracle {
            let _ = fs::remove_file(case.join("want.yaml"));
            let _ = fs::remove_file(case.join("refused"));
            match oracle.build(&tree, start, "legacy") {
                Ok(text) => fs::write(case.join("want.yaml"), text).unwrap(),
                Err(error) => fs::write(case.join("refused"), settled(&error) + "\n").unwrap(),
            }
        }
        count += 1;
        let found = build(&tree, start);
        match (fs::read_to_string(case.join("want.yaml")), found) {
            (Ok(want), Ok(found)) if want == found => {}
            (Err(_), Err(_)) if case.join("refused").exists() => {}
            (_, found) => wrong.push(format!("{name}: {found:?}")),
        }
    }
    println!("{count} cases");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 0);
}
