//! Facts for the shipped rules: a cluster in its usual state, with a little of everything that
//! goes wrong, and the graphs and groups of `cases.dl`. The same on every machine.

use hence::datalog::Fact;
use hence::datalog::Value;

/// Objects that a unit renders.
pub(crate) const OBJECTS: usize = 50;

/// How large the groups of `member` are.
pub(crate) const GROUP: usize = 40;

/// A small generator (xorshift).
pub(crate) struct Dice(u64);

impl Dice {
    /// From a seed that is not 0.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `sides`.
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % sides
    }
}

/// A column of a fact.
pub(crate) enum Column {
    /// A text.
    Text(String),
    /// A number.
    Number(i64),
    /// Milliseconds since the year 1970.
    Time(i64),
    /// Milliseconds.
    Duration(i64),
}

impl From<&str> for Column {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<&String> for Column {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<String> for Column {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<usize> for Column {
    fn from(number: usize) -> Self {
        Self::Number(number as i64)
    }
}

/// Builds a fact: `fact!("live", object, uid, "7")`.
macro_rules! fact {
    ($relation:expr $(, $column:expr)* $(,)?) => {
        $crate::world::fact_of($relation, vec![$($crate::world::Column::from($column)),*])
    };
}
pub(crate) use fact;

/// A fact of these columns.
pub(crate) fn fact_of(relation: &str, columns: Vec<Column>) -> Fact {
    let value = |column| match column {
        Column::Text(text) => Value::from(text),
        Column::Number(number) => Value::Number(number),
        Column::Time(time) => Value::Time(time),
        Column::Duration(duration) => Value::Duration(duration),
    };
    Fact::new(relation, columns.into_iter().map(value).collect())
}

const MINUTE: i64 = 60_000;
/// 2026-01-01T00:00:00Z.
const NEW_YEAR: i64 = 1_767_225_600_000;

/// The name of a unit.
pub(crate) fn unit(unit: usize) -> String {
    format!("team-{}/unit-{unit:05}", unit % 40)
}

/// The name of an object of a unit.
pub(crate) fn object(unit: usize, at: usize) -> String {
    let kind = ["Deployment.apps", "ConfigMap", "Service", "Secret", "Ingress.networking.k8s.io"];
    format!("{}/team-{}/unit-{unit:05}-object-{at:02}", kind[at % kind.len()], unit % 40)
}

/// The digest of an object's manifest.
pub(crate) fn manifest(unit: usize, at: usize) -> String {
    format!("{:032x}{:032x}", (unit * 7_919 + at) as u128 * 0x9e37_79b9_7f4a_7c15, unit * 100 + at)
}

fn uid(unit: usize, at: usize) -> String {
    format!(
        "{:08x}-{:04x}-4000-8000-{:012x}",
        unit * 2_654_435_761 % 0xffff_ffff,
        at,
        unit * 64 + at
    )
}

/// All facts for so many units, shuffled.
pub(crate) fn facts(units: usize) -> Vec<Fact> {
    let mut dice = Dice::new(88_172_645_463_325_252);
    let mut facts = settings();
    for source in 0..units.div_ceil(10) {
        one_source(source, &mut facts);
    }
    for at in 0..units {
        one_unit(at, &mut dice, &mut facts);
        for object in 0..OBJECTS {
            one_object(at, object, &mut dice, &mut facts);
        }
    }
    cases(units, &mut dice, &mut facts);
    for at in (1..facts.len()).rev() {
        let other = dice.roll(at + 1);
        facts.swap(at, other);
    }
    facts
}

fn settings() -> Vec<Fact> {
    let mut facts = vec![
        fact!("reconciles", "Kustomization"),
        fact!("reconciles", "GitRepository"),
        fact!("setting", "requeue-dependency", Column::Duration(30_000)),
        fact!("amount", "interval-jitter-percentage", 5),
    ];
    let kinds = ["Deployment.apps", "ConfigMap", "Service", "Secret", "Ingress.networking.k8s.io"];
    for kind in kinds {
        facts.push(fact!("served", kind, "yes"));
        facts.push(fact!("listed", kind));
    }
    facts
}

/// The name of the source of a unit.
pub(crate) fn source(unit: usize) -> String {
    format!("GitRepository/team-{}/repository-{:04}", unit / 10 % 40, unit / 10)
}

fn one_source(at: usize, facts: &mut Vec<Fact>) {
    let name = source(at * 10);
    let (revision, tree) = (format!("main@sha1:{at:040x}"), format!("tree-{at:060x}"));
    facts.push(fact!("source", &name, format!("source-uid-{at}")));
    facts.push(fact!("source_generation", &name, 1));
    facts.push(fact!("source_spec", &name, "spec"));
    facts.push(fact!("source_finalizer", &name));
    let timing = [Column::Duration(MINUTE), Column::Duration(MINUTE)];
    facts.push(fact_of("source_timing", [Column::from(&name)].into_iter().chain(timing).collect()));
    facts.push(fact!("checked", &name, Column::Time(NEW_YEAR + at as i64)));
    facts.push(fact!("fetched", &name, "spec", &revision, &tree));
    facts.push(fact!("commit_of", &name, &revision, format!("release {at}")));
    facts.push(fact!("kept_at", &name, format!("trees/{at}")));
}

fn one_unit(at: usize, dice: &mut Dice, facts: &mut Vec<Fact>) {
    let (name, tree) = (unit(at), format!("tree-{:060x}", at / 10));
    let part = format!("part-{at:060x}");
    facts.push(fact!("unit", &name, format!("unit-uid-{at}")));
    facts.push(fact!("unit_generation", &name, 1));
    facts.push(fact!("unit_finalizer", &name));
    facts.push(fact!("unit_source", &name, source(at)));
    facts.push(fact!("unit_build", &name, format!("build-{at}")));
    let timing = [10 * MINUTE, 10 * MINUTE, 9 * MINUTE].map(Column::Duration);
    facts.push(fact_of("unit_timing", [Column::from(&name)].into_iter().chain(timing).collect()));
    facts.push(fact!("unit_flag", &name, "prune"));
    facts.push(fact!("unit_policy", &name, "MirrorPrune"));
    facts.push(fact!("variables", &name, format!("variables-{at}")));
    facts.push(fact!("reads", &name, &tree, &part));
    if dice.roll(40) == 0 {
        facts.push(fact!("unit_flag", &name, "suspend"));
    }
    if dice.roll(4) == 0 {
        facts.push(fact!("unit_flag", &name, "wait"));
    }
    if at > 0 && dice.roll(2) == 0 {
        facts.push(fact!("depends_on", &name, unit(at - 1 - dice.roll(at.min(5)))));
    }
    let (build, variables) = (format!("build-{at}"), format!("variables-{at}"));
    if dice.roll(100) == 0 {
        let failed = fact!(
            "render_failed",
            &name,
            &part,
            &build,
            &variables,
            "BuildFailed",
            format!("kustomization.yaml of unit {at}: unknown field"),
            Column::Time(NEW_YEAR + at as i64)
        );
        facts.push(failed);
    }
    facts.push(fact!("rendered", &name, &part, &build, &variables, format!("text-{at}"), OBJECTS));
    for (field, value) in [("ready", "True"), ("reason", "ReconciliationSucceeded")] {
        facts.push(fact!("unit_shown", &name, field, value));
    }
}

fn one_object(u: usize, at: usize, dice: &mut Dice, facts: &mut Vec<Fact>) {
    let (unit, name, uid, manifest) = (unit(u), object(u, at), uid(u, at), manifest(u, at));
    let when = || Column::Time(NEW_YEAR + (u * OBJECTS + at) as i64);
    let renders = dice.roll(200) != 0;
    if renders {
        let order = format!("{at:03}");
        facts.push(fact!("renders", &unit, &name, &manifest, "v1", 4, &order));
        facts.push(fact!("declared_at", &unit, &name, format!("unit-{u}/app.yaml"), at * 40 + 1));
        let team = format!("t{}", dice.roll(20));
        facts.push(fact!("toggle", &unit, &name, "team", team));
    }
    facts.push(fact!("inventory", &unit, &name, "v1"));
    facts.push(fact!("ours", &unit, &name, &uid, "applied"));
    let applied = if dice.roll(100) == 0 { format!("older-{u}-{at}") } else { manifest.clone() };
    facts.push(fact!("applied", &unit, &name, &uid, &applied, when()));
    facts.push(fact!("recorded", &name, &uid, format!("fields-{u}-{at}")));
    if dice.roll(300) == 0 {
        facts.push(fact!("absent", &name));
        return;
    }
    facts.push(fact!("live", &name, &uid, format!("{}", 1_000 + u * 64 + at)));
    facts.push(fact!("live_owner", &name, &unit));
    let health = match dice.roll(300) {
        0 => ("Failed", "the rollout stopped"),
        1 => ("InProgress", "1 of 2 replicas are ready"),
        _ => ("Current", ""),
    };
    facts.push(fact!("live_health", &name, health.0, health.1));
    facts.push(fact!("applier_manages", &name));
    facts.push(fact!("live_toggle", &name, "team", format!("t{}", dice.roll(20))));
    facts.push(fact!("live_toggle", &name, "tier", format!("tier-{}", dice.roll(5))));
    for round in 0..4 {
        let at = Column::Time(NEW_YEAR - (1 + round) * 86_400_000 + dice.roll(1_000_000) as i64);
        facts.push(fact!("corrected", &name, format!("spec.field-{round}"), "kubectl", at));
    }
    if dice.roll(100) == 0 {
        facts.push(fact!("drifted", &name, "spec.replicas", "kubectl", when()));
    }
    if dice.roll(100) == 0 {
        facts.push(fact!(
            "refused",
            &unit,
            &name,
            &manifest,
            "Invalid",
            "the field is immutable",
            when()
        ));
    }
    if dice.roll(100) == 0 {
        facts.push(fact!("changed", &unit, &name, "configured", when()));
    }
}

/// Layers of the graph of `layered`, and nodes a layer.
pub(crate) const LAYERS: (usize, usize) = (6, 40);

/// Graphs and groups of `cases.dl`.
fn cases(units: usize, dice: &mut Dice, facts: &mut Vec<Fact>) {
    let (layers, wide) = LAYERS;
    for layer in 1..layers {
        for at in 0..wide {
            for step in 0..20 {
                let (a, b) = ((layer - 1) * wide + at, layer * wide + (at + step) % wide);
                facts.push(fact!("layered", a, b));
            }
        }
    }
    let ring = 60;
    for at in 0..ring {
        facts.push(fact!("ring", at, (at + 1) % ring));
        if at % 10 == 0 {
            facts.push(fact!("ring", at, (at + 37) % ring));
        }
    }
    for at in 0..500 {
        facts.push(fact!("cycle", at, (at + 1) % 500));
    }
    facts.push(fact!("start", 0));
    for group in 0..units {
        for at in 0..GROUP {
            facts.push(fact!("member", group, group * GROUP + at, dice.roll(10_000)));
        }
    }
}
