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

/// From so many trees on, the shares are checked.
pub const TREES: u64 = 4000;

/// What is to be met: every field and built-in plugin of upstream's kustomization, and the parts of
/// them that have steps of their own.
#[rustfmt::skip]
const ALL: &[&str] = &[
    "apiVersion, kind", "metadata", "openapi", "namePrefix", "nameSuffix", "namespace",
    "commonLabels", "labels", "labels.fields", "labels.includeSelectors",
    "labels.includeTemplates", "commonAnnotations", "patchesStrategicMerge", "patchesJson6902",
    "patches", "patches.options", "images", "imageTags", "replacements", "replacements.create",
    "replacements.path", "replacements.reject", "replacements.sourceValue", "replicas", "vars",
    "sortOptions", "resources", "components", "crds", "bases", "configMapGenerator",
    "secretGenerator", "generator behavior", "generator envs", "generator files",
    "generator options", "helmCharts", "helmGlobals", "helmChartInflationGenerator",
    "generatorOptions", "configurations", "generators", "transformers", "validators",
    "buildMetadata",
    "plugin AnnotationsTransformer", "plugin ConfigMapGenerator", "plugin HashTransformer",
    "plugin HelmChartInflationGenerator", "plugin IAMPolicyGenerator",
    "plugin ImageTagTransformer", "plugin LabelTransformer", "plugin NamespaceTransformer",
    "plugin PatchJson6902Transformer", "plugin PatchStrategicMergeTransformer",
    "plugin PatchTransformer", "plugin PrefixSuffixTransformer", "plugin PrefixTransformer",
    "plugin ReplacementTransformer", "plugin ReplicaCountTransformer", "plugin SecretGenerator",
    "plugin SuffixTransformer", "plugin ValueAddTransformer",
];

/// Each of [`ALL`] is in one tree of so many: in 1,000 of 100,000.
const SINGLE_IN: usize = 100;
/// Each pair of [`COMMON`] is in one tree of so many: in 200 of 100,000.
const PAIR_IN: usize = 500;

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

    /// Enough trees met everything.
    pub fn check(&self) {
        let count = |name: &str| self.single.get(name).copied().unwrap_or_default();
        let rare: Vec<_> = ALL.iter().filter(|name| count(name) * SINGLE_IN < self.trees).collect();
        assert!(rare.is_empty(), "in fewer than one tree of {SINGLE_IN}: {rare:?}");
        for (i, a) in COMMON.iter().enumerate() {
            for b in &COMMON[i + 1..] {
                let count = self.pairs.get(&(*a, *b)).copied().unwrap_or_default();
                assert!(count * PAIR_IN >= self.trees, "{a} with {b}: {count} trees");
            }
        }
        assert!(self.accepted * 100 >= self.trees * 60, "the program accepts too few");
        assert!(self.accepted * 100 <= self.trees * 90, "the program refuses too few");
        assert!(self.base_twice * 100 >= self.trees * 30, "too few use a base twice");
    }
}
