//! Where fields come from, over random trees: when the one line that an origin names is changed,
//! the field changes. Golden text of origins stands beside the verb that prints them.

use std::fmt::Write as _;

use hence::kustomize;
use hence::kustomize::BuildOptions;
use hence::kustomize::Built;
use hence::kustomize::FieldOrigin;
use hence::kustomize::Order;
use hence::kustomize::Outcome;

use crate::tree::MemoryTree;

const TREES: u64 = 1000;

fn build(tree: &MemoryTree) -> Result<Built, String> {
    let options = BuildOptions { origins: true, order: Order::AsRead, ..BuildOptions::default() };
    match kustomize::build(tree, "overlay", &options) {
        Ok(Outcome::Built(built)) => Ok(built),
        Ok(Outcome::Needs(needs)) => Err(format!("needs {needs:?}")),
        Err(error) => Err(error.upstream().to_owned()),
    }
}

fn shown(origin: &FieldOrigin) -> String {
    let FieldOrigin { pointer, file, line, step } = origin;
    let step = match step.as_deref() {
        None => String::new(),
        Some(step) => {
            let index = step.index.map(|i| format!("[{i}]")).unwrap_or_default();
            format!("  {} {}{index} {}", step.file, step.field, step.name)
        }
    };
    format!("{pointer} {file}:{line}{step}\n")
}

/// A small generator: the same trees on every machine.
struct Dice(u64);

impl Dice {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % below
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.next(100) < percent
    }
}

/// Deployments and ConfigMaps.
fn random_objects(dice: &mut Dice) -> String {
    let mut objects = String::new();
    for i in 0..1 + dice.next(3) {
        let (tag, replicas, port) = (dice.next(9), 1 + dice.next(8), 8000 + dice.next(99));
        write!(
            objects,
            "---\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: app-{i}\n  labels:\n    \
             app: app-{i}\nspec:\n  replicas: {replicas}\n  template:\n    spec:\n      containers:\n      \
             - name: main\n        image: app-{i}:{tag}\n        ports:\n        - containerPort: {port}\n\
             ---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: map-{i}\ndata:\n  \
             host: host-{i}.example\n  level: info\n"
        )
        .unwrap();
    }
    objects
}

const PATCH: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: app-0\nspec:\n  \
                    template:\n    spec:\n      priorityClassName: high\n      containers:\n      \
                    - name: main\n        command:\n        - run\n";

/// Entries of `patches:`.
fn random_patches(dice: &mut Dice) -> String {
    let mut patches = String::new();
    if dice.chance(50) {
        patches.push_str("- path: patch.yaml\n");
    }
    if dice.chance(50) {
        patches.push_str(
            "- target:\n    kind: ConfigMap\n    name: map-0\n  patch: |-\n    - op: replace\n      \
             path: /data/level\n      value: debug\n",
        );
    }
    if dice.chance(40) {
        patches.push_str(
            "- patch: |\n    apiVersion: v1\n    kind: ConfigMap\n    metadata:\n      name: map-0\n    \
             data:\n      added: here\n",
        );
    }
    patches
}

/// A tree in which each line holds one scalar at most.
fn random_tree(dice: &mut Dice) -> MemoryTree {
    let objects = random_objects(dice);
    let mut overlay = "resources:\n- ../base\n".to_owned();
    let mut files = MemoryTree::default();
    let mut put = |path: &str, text: String| files.0.insert(path.to_owned(), text);
    if dice.chance(30) {
        overlay.push_str("namespace: prod\n");
    }
    if dice.chance(30) {
        overlay.push_str("nameSuffix: -z\n");
    }
    if dice.chance(40) {
        overlay.push_str("labels:\n- pairs:\n    stage: prod\n    team: red\n");
    }
    if dice.chance(30) {
        overlay.push_str("commonLabels:\n  part: of\n");
    }
    if dice.chance(30) {
        overlay.push_str("commonAnnotations:\n  note: text\n");
    }
    if dice.chance(40) {
        let field = if dice.chance(50) { "newTag: v2" } else { "newName: other" };
        write!(overlay, "images:\n- name: app-0\n  {field}\n").unwrap();
    }
    if dice.chance(30) {
        overlay.push_str("replicas:\n- name: app-0\n  count: 4\n");
    }
    if dice.chance(50) {
        overlay.push_str(
            "configMapGenerator:\n- name: made\n  literals:\n  - one=1\n  files:\n  - file.txt\n  \
             envs:\n  - vars.env\n",
        );
        put("overlay/file.txt", "some text\n".to_owned());
        put("overlay/vars.env", "first=a\nsecond=b\n".to_owned());
    }
    if dice.chance(40) {
        overlay.push_str("secretGenerator:\n- name: hidden\n  literals:\n  - password=word\n");
    }
    let patches = random_patches(dice);
    if patches.contains("patch.yaml") {
        put("overlay/patch.yaml", PATCH.to_owned());
    }
    if !patches.is_empty() {
        write!(overlay, "patches:\n{patches}").unwrap();
    }
    if dice.chance(40) {
        overlay.push_str(
            "replacements:\n- source:\n    kind: ConfigMap\n    name: map-0\n    fieldPath: data.host\n  \
             targets:\n  - select:\n      kind: Deployment\n    fieldPaths:\n    - metadata.annotations.host\n    \
             options:\n      create: true\n",
        );
    }
    put("base/all.yaml", objects);
    put("base/kustomization.yaml", "resources:\n- all.yaml\n".to_owned());
    put("overlay/kustomization.yaml", overlay);
    files
}

/// The line with its last scalar changed.
fn changed(line: &str) -> String {
    match line.strip_suffix('"') {
        Some(start) => format!("{start}1\""),
        None => format!("{line}1"),
    }
}

/// The tree with one line changed.
fn with_change(tree: &MemoryTree, file: &str, line: u32) -> MemoryTree {
    let mut tree = tree.clone();
    let text = tree.0.get_mut(file).expect("origins name files of the tree");
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let at = lines.get_mut(line as usize - 1).expect("origins name lines of the file");
    *at = changed(at);
    *text = lines.join("\n") + "\n";
    tree
}

/// What makes an object the one it is: a change there breaks what names it, by design.
fn is_identity(pointer: &str) -> bool {
    matches!(pointer, "/apiVersion" | "/kind" | "/metadata/name")
}

#[test]
fn a_change_of_the_line_that_an_origin_names_changes_the_field() {
    let (mut checked, mut refused, mut by_step) = (0, 0, 0);
    for seed in 1..=TREES {
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let tree = random_tree(&mut dice);
        let built = build(&tree).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let at = dice.next(built.resources.len() as u64) as usize;
        let resource = &built.resources[at];
        let fields = resource.fields();
        let field = &fields[dice.next(fields.len() as u64) as usize];
        // Fields that a step wrote are the rarer ones: prefer one of them.
        let stepped: Vec<_> = fields.iter().filter(|f| f.step.is_some() && f.line > 0).collect();
        let field = match stepped.is_empty() || dice.chance(25) {
            true => field,
            false => stepped[dice.next(stepped.len() as u64) as usize],
        };
        if is_identity(&field.pointer) {
            continue;
        }
        if field.line == 0 {
            // What a generator makes of nothing, such as a Secret's type.
            let by = field.step.as_ref().map(|step| step.name.as_str()).unwrap_or_default();
            assert!(by.ends_with("Generator"), "seed {seed}: {}", shown(field));
            continue;
        }
        let before = resource.json().pointer(&field.pointer).cloned();
        let Ok(again) = build(&with_change(&tree, &field.file, field.line)) else {
            refused += 1;
            continue;
        };
        let after = again.resources[at].json().pointer(&field.pointer).cloned();
        assert_ne!(before, after, "seed {seed}: {}{tree:#?}", shown(field));
        checked += 1;
        by_step += usize::from(field.step.is_some());
    }
    println!("{TREES} trees: {checked} fields changed ({by_step} of steps), {refused} refused");
    assert!(by_step > 300 && refused * 20 < checked, "{checked} {by_step} {refused}");
}
