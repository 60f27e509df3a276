//! Directories that others wrote: each kustomization below a directory of this machine, compared
//! with the official program.
//!
//! ```text
//! KUSTOMIZE_ORACLE=… WILD=DIR cargo test --release --test kustomize -- wild --nocapture
//! ```
//!
//! What needs something from elsewhere is counted and left out: nothing is fetched.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

use hence::kustomize;
use hence::kustomize::BuildOptions;
use hence::kustomize::Outcome;
use hence::sources::tree::LocalTree;

use crate::number;
use crate::oracle::Oracle;
use crate::verdict::Tally;
use crate::verdict::Verdict;

const NAMES: &[&str] = &["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// All directories below `root` that hold a kustomization file.
fn directories(root: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(root) else { return };
    let mut below: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
    below.sort();
    if NAMES.iter().any(|name| root.join(name).is_file()) {
        found.push(root.to_path_buf());
    }
    for path in below {
        let is_link = path.symlink_metadata().is_ok_and(|meta| meta.is_symlink());
        if path.is_dir() && !is_link {
            directories(&path, found);
        }
    }
}

/// What hence makes of a directory; `None` when it needs what is elsewhere.
fn build(tree: &LocalTree, root: &Path) -> Option<Result<String, String>> {
    let options =
        BuildOptions { shown_root: "/".into(), allow_remote: true, ..BuildOptions::default() };
    let root = root.to_str()?.trim_start_matches('/');
    match kustomize::build(tree, root, &options) {
        Ok(Outcome::Built(built)) => Some(Ok(built.to_yaml())),
        Ok(Outcome::Needs(_)) => None,
        Err(error) => Some(Err(error.upstream().to_owned())),
    }
}

#[test]
fn directories_of_others_build_as_the_official_program_builds_them() {
    let (Some(mut oracle), Ok(wild)) = (Oracle::from_environment(), std::env::var("WILD")) else {
        println!("KUSTOMIZE_ORACLE or WILD is not set: nothing compared");
        return;
    };
    let mut found = Vec::new();
    directories(&fs::canonicalize(&wild).unwrap(), &mut found);
    let tree = LocalTree::for_one_build("/");
    let (mut tally, mut elsewhere, mut shown) = (Tally::default(), 0, 0);
    let mut refusals: BTreeMap<String, usize> = BTreeMap::new();
    for root in &found {
        let Some(ours) = build(&tree, root) else {
            elsewhere += 1;
            continue;
        };
        let theirs = oracle.build_directory(root, "legacy");
        if let Err(error) = &theirs {
            *refusals.entry(crate::verdict::gist(error)).or_default() += 1;
        }
        let verdict = Verdict::of(&ours, &theirs);
        tally.count(verdict);
        if verdict.is_equal() {
            continue;
        }
        shown += 1;
        if shown <= number("SHOW", 20) {
            println!("==== {verdict:?} {}", root.display());
            crate::verdict::print_difference(&ours, &theirs);
        }
    }
    println!("{} directories, {elsewhere} need what is elsewhere", found.len());
    crate::verdict::print_refusals(refusals);
    tally.print();
    tally.check();
}
