//! The table, and the demand that comes before it: equal objects.

use crate::layout::Layout;
use crate::usage::Usage;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

/// What one contender did in one layout.
pub(crate) struct Run {
    pub(crate) layout: Layout,
    pub(crate) contender: &'static str,
    /// From its start until every unit was ready.
    pub(crate) wall: Duration,
    /// Seconds of CPU of API server and store meanwhile.
    pub(crate) servers: f64,
    /// What it had used when every unit was ready.
    pub(crate) used: Usage,
    /// What it had used after the changes too.
    pub(crate) used_at_last: Usage,
    /// API calls until every unit was ready, by verb.
    pub(crate) calls: Vec<(String, usize)>,
    /// From push to changed object, for each change of one unit.
    pub(crate) latencies: Vec<Duration>,
    /// What is in the cluster at last.
    pub(crate) made: BTreeMap<String, Value>,
}

/// # Panics
/// When two runs left different objects; values that only one of them was asked to change are not
/// compared.
pub(crate) fn demand_equal(runs: &[&Run]) {
    for pair in runs.windows(2) {
        let [left, right] = pair else { continue };
        assert_eq!(left.made.len(), right.made.len(), "{} {}", left.contender, right.contender);
        for ((name, left_object), (_, right_object)) in left.made.iter().zip(&right.made) {
            let (left_object, right_object) = (plain(left_object), plain(right_object));
            let names = (left.contender, right.contender);
            assert_eq!(left_object, right_object, "{name} differs between {names:?}");
        }
    }
}

/// An object without the counter that the changes raise, more for one contender than for another.
fn plain(object: &Value) -> Value {
    let mut plain = object.clone();
    plain["data"] = Value::Null;
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
        let _infallible = writeln!(
            text,
            "| {} | {} | {:.1} | {:.1} | {:.0} | {:.1} | {} | {} |",
            run.layout.name(),
            run.contender,
            run.wall.as_secs_f64(),
            run.used.cpu,
            run.used_at_last.peak,
            run.servers,
            latency(&run.latencies),
            calls.join(", "),
        );
    }
    text
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
