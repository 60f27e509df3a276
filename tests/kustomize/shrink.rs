//! Making a tree that shows a difference smaller: whole files, then lines and blocks of lines.

use crate::tree::MemoryTree;

/// The smallest tree found for which `shows` still holds.
pub fn shrink(tree: &MemoryTree, shows: &mut dyn FnMut(&MemoryTree) -> bool) -> MemoryTree {
    let mut best = tree.clone();
    let mut budget = 5000;
    remove_files(&mut best, &mut budget, shows);
    loop {
        let before = size(&best);
        for path in best.0.keys().cloned().collect::<Vec<_>>() {
            let mut smaller = best.clone();
            smaller.0.remove(&path);
            if budget > 0 && shows(&smaller) {
                best = smaller;
            }
            budget -= 1;
        }
        for path in best.0.keys().cloned().collect::<Vec<_>>() {
            shrink_file(&mut best, &path, &mut budget, shows);
        }
        if size(&best) == before || budget <= 0 {
            return best;
        }
    }
}

/// Takes out entries of `resources` and the files that then stand alone, in blocks of files.
fn remove_files(
    best: &mut MemoryTree,
    budget: &mut i32,
    shows: &mut dyn FnMut(&MemoryTree) -> bool,
) {
    for path in best.0.keys().cloned().collect::<Vec<_>>() {
        let name = path.rsplit('/').next().unwrap_or(&path).to_owned();
        let directory = path.split('/').next().unwrap_or(&path).to_owned();
        let is_base = name.to_lowercase().starts_with("kustomization");
        let entry = if is_base { format!("- ../{directory}") } else { format!("- {name}") };
        let mut smaller = best.clone();
        for (other, text) in &mut smaller.0 {
            if other.to_lowercase().contains("kustomization") {
                let kept: Vec<&str> =
                    text.lines().filter(|line| !line.trim_end().ends_with(&entry)).collect();
                *text = kept.join("\n") + "\n";
            }
        }
        smaller.0.remove(&path);
        *budget -= 1;
        if smaller.0 != best.0 && shows(&smaller) {
            *best = smaller;
        }
    }
}

fn size(tree: &MemoryTree) -> usize {
    tree.0.values().map(|text| text.len() + 1).sum()
}

fn shrink_file(
    best: &mut MemoryTree,
    path: &str,
    budget: &mut i32,
    shows: &mut dyn FnMut(&MemoryTree) -> bool,
) {
    let mut width = best.0[path].lines().count().div_ceil(2).max(1);
    loop {
        let mut at = 0;
        while at < best.0[path].lines().count() && *budget > 0 {
            let lines: Vec<&str> = best.0[path].lines().collect();
            let kept: Vec<&str> = lines
                .iter()
                .enumerate()
                .filter(|(i, _)| *i < at || *i >= at + width)
                .map(|(_, l)| *l)
                .collect();
            let mut smaller = best.clone();
            smaller.0.insert(path.to_owned(), kept.join("\n") + "\n");
            *budget -= 1;
            if shows(&smaller) {
                *best = smaller;
            } else {
                at += width;
            }
        }
        if width == 1 {
            return;
        }
        width = width.div_ceil(2);
    }
}
