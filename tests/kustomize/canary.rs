//! No message of a failed build tells what a Secret, or what generates one, has in a wrong place.
//!
//! `corpus/secrets.txt` holds trees that fail: `--- name`, then `=== file` before each file's text.
//! The word `CANARY` stands where a value of a Secret would.

use std::path::Path;

use hence::kustomize;
use hence::kustomize::BuildOptions;
use hence::kustomize::flux::FluxBuildError;
use miette::Diagnostic as _;

use crate::tree::MemoryTree;

const CANARY: &str = "CANARY";

/// The trees by name.
fn trees() -> Vec<(String, MemoryTree)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kustomize/corpus/secrets.txt");
    let text = std::fs::read_to_string(path).unwrap();
    let mut trees: Vec<(String, MemoryTree)> = Vec::new();
    for part in text.split("--- ").filter(|part| !part.is_empty()) {
        let (name, files) = part.split_once('\n').unwrap();
        let files = files.split("=== ").filter(|file| !file.is_empty());
        let files = files.map(|file| {
            let (path, text) = file.split_once('\n').unwrap();
            (path.to_owned(), text.to_owned())
        });
        trees.push((name.to_owned(), MemoryTree(files.collect())));
    }
    trees
}

#[test]
fn a_misplaced_secret_is_in_no_message() {
    let trees = trees();
    let mut failed = 0;
    for (name, tree) in &trees {
        assert!(tree.0.values().any(|text| text.contains(CANARY)), "{name} has no canary");
        let options = BuildOptions::default();
        let Err(error) = kustomize::build(tree, "", &options) else { panic!("{name} builds") };
        failed += usize::from(error.upstream().contains(CANARY));
        let help = error.help().map(|help| help.to_string()).unwrap_or_default();
        let error = FluxBuildError::Build { source: Box::new(error) };
        let told = format!("{error}\n{help}");
        assert!(!told.contains(CANARY), "{name}: {told}");
    }
    // Upstream's words show that values stand where messages would tell them.
    assert!(failed >= 20, "{failed} of {} would tell", trees.len());
}
