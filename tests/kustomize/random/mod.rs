//! Random trees, compared with the official program.

pub mod dice;
mod dress;
mod fields;
mod generators;
mod kustomization;
mod objects;
mod patch;
mod patches;
mod plugins;
mod replacements;
mod scope;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::coverage::Coverage;
use crate::number;
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
    let mut refusals: BTreeMap<String, usize> = BTreeMap::new();
    println!("seeds {first}..{}", first + trees);
    for seed in first..first + trees {
        let tree = kustomization::tree(&mut Dice::new(seed));
        let theirs = oracle.build(&tree.files, &tree.root, "legacy");
        let ours = build(&tree.files, &tree.root);
        coverage.count(&tree.used, theirs.is_ok());
        if let Err(error) = &theirs {
            *refusals.entry(reason(error)).or_default() += 1;
        }
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
    let mut refusals: Vec<_> = refusals.into_iter().collect();
    refusals.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    refusals.iter().take(25).for_each(|(reason, count)| println!("  refused {count:6}: {reason}"));
    println!("differences {differences}");
    assert_eq!(differences, 0);
}

/// The gist of a refusal: its last parts, without names and numbers.
fn reason(error: &str) -> String {
    let line = error.lines().next().unwrap_or_default();
    let end: String = line.chars().rev().take(90).collect::<Vec<_>>().into_iter().rev().collect();
    end.chars().map(|c| if c.is_ascii_digit() { '#' } else { c }).collect()
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
