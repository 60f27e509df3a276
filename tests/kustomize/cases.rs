//! Stored trees: `<case>/in/` with the root in `in/` or `in/overlay`, and `<case>/want.yaml` or
//! `<case>/refused` as the official program left them.
//!
//! `KUSTOMIZE_ORACLE=… UPDATE=1` writes what the program says now.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

use crate::oracle::Oracle;
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
        let start =
            if tree.0.keys().any(|k| k.starts_with("overlay/kust")) { "overlay" } else { "" };
        if let Some(oracle) = &mut oracle {
            let _ = fs::remove_file(case.join("want.yaml"));
            let _ = fs::remove_file(case.join("refused"));
            match oracle.build(&tree, start, "legacy") {
                Ok(text) => fs::write(case.join("want.yaml"), text).unwrap(),
                Err(error) => fs::write(case.join("refused"), error + "\n").unwrap(),
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
