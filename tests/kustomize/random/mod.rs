//! Random trees, compared with the official program.

mod dice;
mod generators;
mod kustomization;
mod objects;
mod patch;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::coverage::Coverage;
use crate::oracle::Oracle;
use crate::shrink::shrink;
use crate::tree::MemoryTree;
use crate::tree::build;

use dice::Dice;

/// A tree, its root, and the features that it uses.
pub struct RandomTree {
    pub files: MemoryTree,
    pub root: String,
    pub used: BTreeSet<&'static str>,
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Both accept with equal text, or both refuse.
fn agree(ours: &Result<String, String>, theirs: &Result<String, String>) -> bool {
    match (ours, theirs) {
        (Ok(a), Ok(b)) => a == b,
        (Err(_), Err(_)) => true,
        _ => false,
    }
}

#[test]
fn random_trees_build_as_the_official_program_builds_them() {
    let Some(mut oracle) = Oracle::from_environment() else {
        println!("KUSTOMIZE_ORACLE is not set: nothing compared");
        return;
    };
    let (trees, first) = (number("TREES", 200), number("SEED", 1));
    let mut coverage = Coverage::default();
    let mut differences = 0;
    println!("seeds {first}..{}", first + trees);
    for seed in first..first + trees {
        let tree = kustomization::tree(&mut Dice::new(seed));
        let theirs = oracle.build(&tree.files, &tree.root, "legacy");
        let ours = build(&tree.files, &tree.root);
        coverage.count(&tree.used, theirs.is_ok());
        if agree(&ours, &theirs) {
            continue;
        }
        differences += 1;
        if differences > number("SHOW", 10) {
            continue;
        }
        let class = (ours.is_ok(), theirs.is_ok());
        let small = shrink(&tree.files, &mut |smaller| {
            let theirs = oracle.build(smaller, &tree.root, "legacy");
            let ours = build(smaller, &tree.root);
            (ours.is_ok(), theirs.is_ok()) == class && !agree(&ours, &theirs)
        });
        let theirs = oracle.build(&small, &tree.root, "legacy");
        report(seed, &small, &tree.root, &build(&small, &tree.root), &theirs);
    }
    coverage.print();
    println!("differences {differences}");
    assert_eq!(differences, 0);
}

fn report(
    seed: u64,
    tree: &MemoryTree,
    root: &str,
    ours: &Result<String, String>,
    theirs: &Result<String, String>,
) {
    println!("==== seed {seed}, root {root:?}");
    for (path, text) in &tree.0 {
        println!("---- {path}\n{text}");
    }
    let show = |found: &Result<String, String>| match found {
        Ok(text) => text.clone(),
        Err(error) => format!("REFUSED {error}\n"),
    };
    println!("---- ours\n{}---- theirs\n{}", show(ours), show(theirs));
    if let Ok(directory) = std::env::var("KEEP") {
        let directory = Path::new(&directory).join(format!("seed-{seed}"));
        for (path, text) in &tree.0 {
            let path = directory.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }
}
