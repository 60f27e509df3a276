//! Which features the random trees used, alone and in pairs.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

/// The fifteen that people use most; their pairs are counted.
pub const COMMON: &[&str] = &[
    "resources",
    "namespace",
    "patches",
    "components",
    "configMapGenerator",
    "images",
    "generatorOptions",
    "commonAnnotations",
    "configurations",
    "namePrefix",
    "commonLabels",
    "replacements",
    "labels",
    "patchesStrategicMerge",
    "secretGenerator",
];

/// Counts.
#[derive(Default)]
pub struct Coverage {
    pub trees: usize,
    pub accepted: usize,
    pub base_twice: usize,
    single: BTreeMap<&'static str, usize>,
    pairs: BTreeMap<(&'static str, &'static str), usize>,
}

impl Coverage {
    /// Counts one tree.
    pub fn count(&mut self, used: &BTreeSet<&'static str>, accepted: bool) {
        self.trees += 1;
        self.accepted += usize::from(accepted);
        self.base_twice += usize::from(used.contains("(base twice)"));
        for &name in used {
            *self.single.entry(name).or_default() += 1;
        }
        let common: Vec<_> = COMMON.iter().filter(|name| used.contains(*name)).collect();
        for (i, a) in common.iter().enumerate() {
            for b in common.iter().skip(i + 1) {
                *self.pairs.entry((a, b)).or_default() += 1;
            }
        }
    }

    /// The table.
    pub fn print(&self) {
        let percent = |n: usize| 100.0 * n as f64 / self.trees.max(1) as f64;
        println!(
            "trees {}, accepted {:.1} %, with a base used twice {:.1} %",
            self.trees,
            percent(self.accepted),
            percent(self.base_twice)
        );
        for (name, count) in &self.single {
            println!("  {name:32} {count}");
        }
        let least = self.pairs.iter().min_by_key(|(_, count)| **count);
        let all = COMMON.len() * (COMMON.len() - 1) / 2;
        println!("  pairs of the common 15: {} of {all} met; least: {least:?}", self.pairs.len());
    }
}
