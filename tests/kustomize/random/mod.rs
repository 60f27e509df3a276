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
mod twice;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::coverage;
use crate::coverage::Coverage;
use crate::number;
use crate::oracle::Oracle;
use crate::shrink::shrink;
use crate::tree::MemoryTree;
use crate::tree::build;
use crate::verdict;
use crate::verdict::Tally;
use crate::verdict::Verdict;

use dice::Dice;

/// A tree, its root, and the features that it uses.
pub struct RandomTree {
    pub files: MemoryTree,
    pub root: String,
    pub used: BTreeSet<&'static str>,
}

#[test]
fn random_trees_build_as_the_official_program_builds_them() {
    let Some(mut oracle) = Oracle::from_environment() else {
        println!("KUSTOMIZE_ORACLE is not set: nothing compared");
        return;
    };
    let (trees, first) = (number("TREES", 200), number("SEED", 1));
    let mut coverage = Coverage::default();
    let mut tally = Tally::default();
    let mut refusals: BTreeMap<String, usize> = BTreeMap::new();
    println!("seeds {first}..{}", first + trees);
    for seed in first..first + trees {
        let tree = kustomization::tree(&mut Dice::new(seed));
        let theirs = oracle.build(&tree.files, &tree.root, "legacy");
        let ours = build(&tree.files, &tree.root);
        coverage.count(&tree.used, theirs.is_ok());
        if let Err(error) = &theirs {
            *refusals.entry(verdict::gist(error)).or_default() += 1;
        }
        let class = Verdict::of(&ours, &theirs);
        tally.count(class);
        if class.is_equal() {
            continue;
        }
        println!("seed {seed}: {class:?}");
        if tally.differences() > number("SHOW", 10) {
            continue;
        }
        let small = shrink(&tree.files, &mut |smaller| {
            let theirs = oracle.build(smaller, &tree.root, "legacy");
            Verdict::of(&build(smaller, &tree.root), &theirs) == class
        });
        let theirs = oracle.build(&small, &tree.root, "legacy");
        report(seed, &small, &tree.root, &build(&small, &tree.root), &theirs);
    }
    coverage.print();
    verdict::print_refusals(refusals);
    tally.print();
    tally.check();
    if trees >= coverage::TREES {
        coverage.check();
    }
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
