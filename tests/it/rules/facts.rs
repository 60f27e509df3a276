//! Facts made up for a program from its own text: values that its clauses name, so that they fire.

use hence::datalog::Fact;
use hence::datalog::Program;
use hence::datalog::RelationInfo;
use hence::datalog::RelationKind;
use hence::datalog::Type;
use hence::datalog::Value;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

/// Different values of one type: few, so that conditions meet.
const POOL: u64 = 3;

/// Numbers from a seed (xorshift).
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }
}

/// Which texts the clauses compare the columns of an input with.
fn constants(program: &Program) -> BTreeMap<(String, usize), Vec<String>> {
    let mut found: BTreeMap<(String, usize), BTreeSet<String>> = BTreeMap::new();
    for clause in program.clauses() {
        let text = clause.text();
        for (open, _) in text.match_indices('(') {
            let name: String = text[..open]
                .chars()
                .rev()
                .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                .collect();
            let name: String = name.chars().rev().collect();
            let Some(end) = text[open..].find(')') else { continue };
            for (at, arg) in text[open + 1..open + end].split(", ").enumerate() {
                if let Some(text) = arg.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
                    found.entry((name.clone(), at)).or_default().insert(text.to_owned());
                }
            }
        }
    }
    found.into_iter().map(|(place, texts)| (place, texts.into_iter().collect())).collect()
}

/// A world that is in order: two units of one source, built, one of them applied.
const ORDER: &str = r#"
reconciles("Kustomization")
reconciles("GitRepository")
setting("requeue-dependency", 30s)
source("GitRepository/n/a", "s1")
source_generation("GitRepository/n/a", 1)
source_spec("GitRepository/n/a", "spec")
source_timing("GitRepository/n/a", 1m, 1m)
checked("GitRepository/n/a", t"2026-01-01T00:00:00Z")
fetched("GitRepository/n/a", "spec", "main@sha1:1", "tree")
unit("n/web", "u1")
unit_generation("n/web", 1)
unit_source("n/web", "GitRepository/n/a")
unit_build("n/web", "b")
unit_timing("n/web", 10m, 10m, 9m30s)
unit_flag("n/web", "prune")
unit_flag("n/web", "wait")
unit_policy("n/web", "MirrorPrune")
variables("n/web", "v")
reads("n/web", "tree", "part")
rendered("n/web", "part", "b", "v", "text", 2)
renders("n/web", "ConfigMap/n/a", "m1", "v1", 4, "015a")
renders("n/web", "Namespace/n", "m3", "v1", 1, "001n")
unit("n/api", "u2")
unit_generation("n/api", 2)
unit_source("n/api", "GitRepository/n/a")
unit_build("n/api", "b")
unit_timing("n/api", 10m, 10m, 9m30s)
unit_flag("n/api", "prune")
variables("n/api", "v")
reads("n/api", "tree", "part")
rendered("n/api", "part", "b", "v", "text", 1)
renders("n/api", "Deployment.apps/n/b", "m2", "v1", 4, "020b")
served("ConfigMap", "yes")
served("Deployment.apps", "yes")
listed("ConfigMap")
listed("Deployment.apps")
listed("Namespace")
ours("n/web", "ConfigMap/n/a", "o1", "applied")
applied("n/web", "ConfigMap/n/a", "o1", "m1", t"2026-01-01T00:00:01Z")
live("ConfigMap/n/a", "o1", "7")
live_owner("ConfigMap/n/a", "n/web")
live_health("ConfigMap/n/a", "Current", "")
ours("n/web", "Deployment.apps/n/old", "o2", "applied")
live("Deployment.apps/n/old", "o2", "8")
live_owner("Deployment.apps/n/old", "n/web")
renders("n/web", "Job.batch/n/j", "m4", "v1", 4, "030j")
toggle("n/web", "Job.batch/n/j", "ttl", "set")
ours("n/web", "Job.batch/n/j", "o3", "applied")
applied("n/web", "Job.batch/n/j", "o3", "m4", t"2026-01-01T00:00:01Z")
served("Job.batch", "yes")
listed("Job.batch")
elsewhere("n/api", t"2026-01-01T00:00:00Z")
renders("n/api", "Deployment.apps/n/kustomize-controller", "m5", "v1", 4, "020k")
ours("n/api", "Deployment.apps/n/kustomize-controller", "o4", "adopted")
live("Deployment.apps/n/kustomize-controller", "o5", "9")
scaled_down("Deployment.apps/n/kustomize-controller")
source("GitRepository/n/b", "s2")
fetched("GitRepository/n/b", "spec", "main@sha1:1", "tree-b")
recalled("GitRepository/n/b")
offered("GitRepository/n/b", "main@sha1:2", "d", "u")
offered_anew("GitRepository/n/b", "main@sha1:2")
unit("n/old", "u3")
unit_source("n/old", "GitRepository/n/b")
moved("n/old", "main@sha1:2")
unlisted("n/web", "Deployment.apps/n/old")
defines("CustomResourceDefinition.apiextensions.k8s.io/tills.shop.example", "Till.shop.example")
ours("n/web", "CustomResourceDefinition.apiextensions.k8s.io/tills.shop.example", "o6", "applied")
renders("n/api", "Till.shop.example/n/t", "m6", "v1", 4, "030t")
vain("observe ConfigMap/n/a", 2, t"2026-01-01T00:00:02Z")
"#;

/// Facts for `program`: most of a world that is in order, and disorder in it.
pub(super) fn make(program: &Program, dice: &mut Dice) -> Vec<Fact> {
    let constants = constants(program);
    let order = ORDER.lines().filter(|line| !line.is_empty());
    let order = order.map(|line| Fact::parse(line).expect("the world in order is written well"));
    let order = order.filter(|fact| program.relation(&fact.relation).is_some());
    // One world in four is nothing but disorder.
    let (keep, disorder) = if dice.roll(4) == 0 { (0, 10) } else { (39, dice.roll(7)) };
    let mut facts: Vec<Fact> = order.filter(|_| dice.roll(40) < keep).collect();
    for info in program.relations().filter(|info| info.kind == RelationKind::Input) {
        if dice.roll(10) < disorder {
            for _ in 0..dice.roll(4) + 1 {
                facts.push(fact(info, &constants, dice));
            }
        }
    }
    facts
}

fn fact(
    info: &RelationInfo,
    constants: &BTreeMap<(String, usize), Vec<String>>,
    dice: &mut Dice,
) -> Fact {
    let value = |(at, column): (usize, &hence::datalog::Column)| match column.base {
        Type::Number => Value::Number(dice.roll(5) as i64),
        Type::Time => Value::Time(1_767_225_600_000 + dice.roll(4) as i64 * 60_000),
        Type::Duration => Value::Duration((dice.roll(3) as i64 + 1) * 60_000),
        _ => match constants.get(&(info.name.to_string(), at)) {
            Some(texts) if dice.roll(10) > 0 => {
                Value::from(texts[dice.roll(texts.len() as u64) as usize].clone())
            }
            _ => Value::from(named(&column.type_name, dice.roll(POOL))),
        },
    };
    let row = info.columns.iter().enumerate().map(value).collect();
    Fact::new(info.name.clone(), row)
}

/// A value of a subtype, in the form that the built-in functions read.
fn named(type_name: &str, at: u64) -> String {
    match type_name {
        "Unit" => ["n/web", "n/api", "m/db"][at as usize].to_owned(),
        "Source" => {
            ["GitRepository/n/a", "GitRepository/m/b", "OCIRepository/n/c"][at as usize].to_owned()
        }
        "Object" => ["ConfigMap/n/a", "Deployment.apps/n/b", "Namespace/n"][at as usize].to_owned(),
        "Kind" => ["ConfigMap", "Deployment.apps", "Namespace"][at as usize].to_owned(),
        "Timer" => {
            ["fetch GitRepository/n/a", "retry n/web", "health n/api"][at as usize].to_owned()
        }
        other => format!("{}{at}", other.to_lowercase()),
    }
}
