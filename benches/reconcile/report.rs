//! The table, and the demands that come before it: equal objects with the values pushed last.

use crate::layout::Layout;
use crate::layout::unit_name;
use crate::usage::Usage;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

/// The labels by which units know their objects; a bare client has none.
const OWNER_LABELS: &str = "kustomize.toolkit.fluxcd.io/";

/// What one contender did in one layout.
pub(crate) struct Run {
    pub(crate) layout: Layout,
    pub(crate) contender: &'static str,
    /// How many units were ready when the time was taken.
    pub(crate) units: usize,
    /// From its start until they were.
    pub(crate) wall: Duration,
    /// Seconds of CPU of API server and store until it rested.
    pub(crate) servers: f64,
    /// What it had used by then.
    pub(crate) used: Option<Usage>,
    /// What it had used after the changes too.
    pub(crate) used_at_last: Option<Usage>,
    /// API calls until it rested, by verb.
    pub(crate) calls: BTreeMap<String, usize>,
    /// From push to changed object, for each change of one unit.
    pub(crate) latencies: Vec<Duration>,
    /// What is in the cluster at last, of these units.
    pub(crate) made: BTreeMap<String, Value>,
}

/// # Panics
/// When two runs left different objects. Only objects of units that both had done are compared.
pub(crate) fn demand_equal(runs: &[&Run]) {
    for pair in runs.windows(2) {
        let [left, right] = pair else { continue };
        let names = (left.contender, right.contender);
        let both = left.made.iter().filter_map(|(name, object)| {
            right.made.get(name).map(|other| (name, plain(object), plain(other)))
        });
        let both: Vec<_> = both.collect();
        assert_eq!(both.len(), 4 * left.units.min(right.units), "objects of {names:?}");
        for (name, left, right) in both {
            assert_eq!(left, right, "{name} differs between {names:?}");
        }
    }
}

/// # Panics
/// When a ConfigMap does not hold the value that was pushed last.
pub(crate) fn demand_values(contender: &str, made: &BTreeMap<String, Value>, values: &[u64]) {
    for (number, value) in values.iter().enumerate() {
        let Some(map) = made.get(&format!("ConfigMap/{}", unit_name(number))) else { continue };
        assert_eq!(map["data"]["value"], value.to_string(), "{contender}: unit {number}");
    }
}

/// An object without the counter that the changes raise, more for one contender than for another,
/// and without owner labels.
fn plain(object: &Value) -> Value {
    let mut plain = object.clone();
    plain["data"] = Value::Null;
    if let Some(labels) = plain["metadata"]["labels"].as_object_mut() {
        labels.retain(|key, _| !key.starts_with(OWNER_LABELS));
        if labels.is_empty() {
            plain["metadata"]["labels"] = Value::Null;
        }
    }
    plain
}

/// The whole table, as Markdown.
pub(crate) fn table(units: usize, runs: &[Run]) -> String {
    let mut text = format!(
        "{units} Kustomizations of 4 objects; every object equal between the contenders.\n\n\
         | layout | contender | wall s | CPU s | peak MiB | API server and store CPU s | \
         push to applied p50 / p99 ms (changes) | API calls |\n\
         | --- | --- | ---: | ---: | ---: | ---: | ---: | --- |\n"
    );
    for run in runs {
        let calls: Vec<_> =
            run.calls.iter().map(|(verb, count)| format!("{count} {verb}")).collect();
        let number = |value: Option<f64>, digits: usize| {
            value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
        };
        let _infallible = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {:.1} | {} | {} |",
            run.layout.name(),
            run.contender,
            wall(run, units),
            number(run.used.map(|used| used.cpu), 1),
            number(run.used_at_last.map(|used| used.peak), 0),
            run.servers,
            latency(&run.latencies),
            calls.join(", "),
        );
    }
    text
}

/// Seconds; where only some of the units were waited for, what all would take at that rate.
fn wall(run: &Run, units: usize) -> String {
    let seconds = run.wall.as_secs_f64();
    if run.units == units {
        return format!("{seconds:.1}");
    }
    let rate = run.units as f64 / seconds;
    let all = units as f64 / rate;
    format!("{seconds:.1} for {} ({rate:.2} a second: all in about {all:.0})", run.units)
}

fn latency(taken: &[Duration]) -> String {
    if taken.is_empty() {
        return "-".to_owned();
    }
    let mut sorted = taken.to_vec();
    sorted.sort_unstable();
    let at = |share: f64| {
        let place = ((sorted.len() - 1) as f64 * share).round() as usize;
        sorted[place].as_secs_f64() * 1000.0
    };
    format!("{:.0} / {:.0} ({})", at(0.5), at(0.99), sorted.len())
}
