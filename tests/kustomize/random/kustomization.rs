//! Random kustomizations: bases, overlays and components.

use std::collections::BTreeSet;

use super::RandomTree;
use super::dice::Dice;
use super::dress::dress;
use super::objects::ACCOUNTS;
use super::objects::NAMESPACES;
use super::objects::Y;
use super::objects::map;
use super::objects::object;
use super::objects::s;
use super::scope::Made;
use super::scope::Scope;
use super::twice::twice;
use crate::tree::MemoryTree;

/// Kinds that get no prefix and no suffix: they cannot come in twice.
const NEVER_RENAMED: &[&str] = &["APIService", "CustomResourceDefinition", "Namespace"];

/// What asks for Helm: charts are refused, globals alone ask for nothing.
const HELM: &[(&str, &str)] = &[
    ("helmCharts", "helmCharts:\n- name: x\n"),
    ("helmGlobals", "helmGlobals:\n  chartHome: charts\n"),
    ("helmChartInflationGenerator", "helmChartInflationGenerator:\n- chartName: x\n"),
];

/// A tree under construction.
pub(super) struct Maker<'d> {
    pub(super) dice: &'d mut Dice,
    pub(super) files: MemoryTree,
    used: BTreeSet<&'static str>,
    /// Kinds and names that were given, so that a careful tree gives each once.
    names: BTreeSet<(&'static str, String)>,
    directories: usize,
    pub(super) variables: usize,
    /// Bases around that come in twice.
    pub(super) is_shared: usize,
    /// Objects still to make.
    objects_left: usize,
    /// Avoid what is refused.
    pub(super) careful: bool,
}

/// One random tree.
pub fn tree(dice: &mut Dice) -> RandomTree {
    let depth = 1 + dice.below(4);
    let careful = dice.chance(85);
    let objects_left = if dice.chance(15) { 60 } else { 3 + dice.below(20) };
    let mut maker = Maker {
        dice,
        files: MemoryTree::default(),
        used: BTreeSet::new(),
        names: BTreeSet::new(),
        directories: 0,
        variables: 0,
        is_shared: 0,
        objects_left,
        careful,
    };
    let mut scope = Scope::default();
    let root = maker.directory(depth, false, &mut scope);
    RandomTree { files: maker.files, root, used: maker.used }
}

pub(super) fn indent(text: &str, by: usize) -> String {
    let blank = " ".repeat(by);
    text.lines()
        .map(|line| if line.is_empty() { "\n".into() } else { format!("{blank}{line}\n") })
        .collect()
}

impl Maker<'_> {
    pub(super) fn note(&mut self, name: &'static str) {
        self.used.insert(name);
    }

    /// Rolls for a feature, and notes it.
    pub(super) fn has(&mut self, percent: usize, name: &'static str) -> bool {
        let yes = self.dice.chance(percent);
        if yes {
            self.note(name);
        }
        yes
    }

    /// Rolls for something that is refused as a rule: rare in a careful tree.
    pub(super) fn dares(&mut self, percent: usize) -> bool {
        let rolled = self.dice.chance(percent);
        rolled && (!self.careful || self.dice.chance(2))
    }

    /// Takes a kind and name; false when it was taken before.
    pub(super) fn claim(&mut self, kind: &'static str, name: &str) -> bool {
        self.names.insert((kind, name.to_owned()))
    }

    /// Writes a file.
    pub(super) fn file(&mut self, path: String, text: &str) {
        let text = dress(self.dice, text);
        self.files.0.insert(path, text);
    }

    /// A directory with a kustomization; its path. A component sees the objects around it.
    fn directory(&mut self, depth: usize, component: bool, scope: &mut Scope) -> String {
        self.directories += 1;
        let path = format!("d{}", self.directories);
        let mut k = String::new();
        if component {
            k.push_str("apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n");
        } else if self.dice.chance(70) {
            self.note("apiVersion, kind");
            k.push_str("apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n");
        }
        let resources = self.resources(&path, depth, component, scope);
        let bases: Vec<_> = resources.iter().filter(|r| r.starts_with("../")).cloned().collect();
        let key = if !bases.is_empty() && self.has(8, "bases") { "bases" } else { "resources" };
        let (first, rest): (Vec<_>, Vec<_>) =
            resources.into_iter().partition(|r| key == "bases" && r.starts_with("../"));
        for (key, list) in [("bases", first), ("resources", rest)] {
            if !list.is_empty() {
                self.note(if key == "bases" { "bases" } else { "resources" });
                k.push_str(&format!("{key}:\n"));
                list.iter().for_each(|r| k.push_str(&format!("- {r}\n")));
            }
        }
        if !component && !k.contains("- ") {
            k.push_str("resources: []\n");
        }
        if !component && self.has(14, "components") {
            let below = self.directory(1, true, scope);
            k.push_str(&format!("components:\n- ../{below}\n"));
        }
        // Generated objects come before every transformer, so patches may aim at them.
        self.generators(&path, &mut k, scope);
        self.patches(&path, &mut k, scope);
        self.names(&mut k);
        self.labels(&mut k);
        self.images(&mut k, scope);
        self.replacements(&path, &mut k, scope);
        self.vars(&mut k, scope);
        self.configurations(&path, &mut k);
        self.plugins(&path, &mut k, scope);
        self.metadata(depth, &mut k);
        if component && k.lines().count() == 2 {
            k.push_str("commonAnnotations: {comp: \"yes\"}\n");
        }
        let name = match self.dice.below(20) {
            0 => "kustomization.yml",
            1 => "Kustomization",
            _ => "kustomization.yaml",
        };
        if self.has(4, "(key twice)") {
            k = twice(self.dice, &k);
        }
        self.file(format!("{path}/{name}"), &k);
        path
    }

    /// Files and bases of a directory.
    fn resources(
        &mut self,
        path: &str,
        depth: usize,
        component: bool,
        scope: &mut Scope,
    ) -> Vec<String> {
        let mut list = Vec::new();
        if depth > 1 && !component {
            for _ in 0..1 + self.dice.below(2) {
                self.base(depth, scope, &mut list);
            }
        }
        let most = if component { self.dice.below(2) } else { 1 + self.dice.below(3) };
        for i in 0..most {
            let text = self.resource_file(scope);
            if text.is_empty() {
                continue;
            }
            let name = match self.dice.below(12) {
                0 => format!("sub/r{i}.yml"),
                1 => format!("./r{i}.yaml"),
                _ => format!("r{i}.yaml"),
            };
            self.file(format!("{path}/{}", name.trim_start_matches("./")), &text);
            list.push(name);
        }
        list
    }

    /// A base, at times behind two overlays.
    fn base(&mut self, depth: usize, scope: &mut Scope, list: &mut Vec<String>) {
        let mut shown = Scope::default();
        let is_twice = self.has(30, "(base twice)");
        self.is_shared += usize::from(is_twice);
        let below = self.directory(depth - 1, false, &mut shown);
        self.is_shared -= usize::from(is_twice);
        if !is_twice {
            list.push(format!("../{below}"));
            scope.take_in(shown, false);
            return;
        }
        for part in ["x-", "y-"] {
            self.directories += 1;
            let overlay = format!("d{}", self.directories);
            let field = if self.dice.chance(70) { "namePrefix" } else { "nameSuffix" };
            self.note(if field == "namePrefix" { "namePrefix" } else { "nameSuffix" });
            let mut k = format!("resources:\n- ../{below}\n{field}: {part}\n");
            if self.dice.chance(30) {
                self.patches(&overlay, &mut k, &mut shown.clone());
            }
            if self.has(30, "namespace") {
                k.push_str(&format!("namespace: {}\n", self.dice.text(NAMESPACES)));
            }
            self.file(format!("{overlay}/kustomization.yaml"), &k);
            list.push(format!("../{overlay}"));
        }
        if self.dares(15) {
            list.push(format!("../{below}"));
        }
        scope.take_in(shown, true);
    }

    /// The text of a file with one to five objects.
    fn resource_file(&mut self, scope: &mut Scope) -> String {
        let mut texts: Vec<String> = Vec::new();
        for _ in 0..1 + self.dice.below(5) {
            if self.objects_left == 0 && !scope.objects.is_empty() {
                break;
            }
            let mut made = object(self.dice);
            while self.careful && self.is_shared > 0 && NEVER_RENAMED.contains(&made.kind) {
                made = object(self.dice);
            }
            if !self.names.insert((made.kind, made.name.clone())) && !self.dares(10) {
                made.rename(format!("{}-{}", made.name, self.names.len()));
                self.names.insert((made.kind, made.name.clone()));
            }
            self.objects_left = self.objects_left.saturating_sub(1);
            texts.push(made.yaml.print());
            scope.objects.push(made);
        }
        if !texts.is_empty() && self.has(3, "(list kind)") {
            let items: String =
                texts.iter().map(|o| format!("- {}", indent(o, 2).trim_start())).collect();
            let kind = if self.dares(60) { "WidgetList" } else { "List" };
            return format!("apiVersion: v1\nkind: {kind}\nitems:\n{items}");
        }
        let between =
            self.dice.word(&["---\n", "---\n", "---\n", "---\n\n", "---\n---\n", "--- \n"]);
        texts.join(between)
    }

    fn metadata(&mut self, depth: usize, k: &mut String) {
        if self.has(4, "buildMetadata") {
            let list = self.dice.text(&[
                "originAnnotations",
                "transformerAnnotations",
                "managedByLabel",
                "originAnnotations, transformerAnnotations",
            ]);
            k.push_str(&format!("buildMetadata: [{list}]\n"));
        }
        if self.has(4, "sortOptions") {
            let order = self.dice.text(&["fifo", "legacy", "legacy\n  legacySortOptions:\n    orderFirst: [Widget, Service]\n    orderLast: [ConfigMap]"]);
            k.push_str(&format!("sortOptions:\n  order: {order}\n"));
        }
        if self.has(3, "metadata") {
            k.push_str(&format!("metadata:\n  name: {}\n", self.dice.text(ACCOUNTS)));
        }
        let &(helm, text) = self.dice.pick(HELM);
        if self.dice.chance(if helm == "helmGlobals" || !self.careful { 5 } else { 1 }) {
            self.note(helm);
            k.push_str(text);
        }
        if depth == 1 && self.dares(4) {
            self.note("(broken)");
            let wrong = self.dice.text(&[
                "unknownField: 1\n",
                "namePrefix: 5\n",
                "resources: x\n",
                "kind: Wrong\n",
                "  bad\n",
                "patches: [{target: {name: '('}, patch: '[]'}]\n",
                "resources: [absent.yaml]\n",
                "components: [../absent]\n",
                "namespace: [a]\n",
                "commonLabels: {a: {b: c}}\n",
            ]);
            k.push_str(&wrong);
        }
    }
}

impl Made {
    fn rename(&mut self, name: String) {
        if let Some(Y::Map(meta)) = self.yaml.get_mut("metadata") {
            meta.retain(|(key, _)| key != "name");
            meta.insert(0, ("name".to_owned(), s(&name)));
        } else {
            self.yaml.put("metadata", map([("name", s(&name))]));
        }
        self.name = name;
    }
}
