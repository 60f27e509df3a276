//! Differences between two snapshots, each with the path at which it stands.

use serde_json::Map;
use serde_json::Value;
use std::fmt;

/// One difference after one step.
#[derive(Clone, Debug)]
pub(super) struct Difference {
    /// The step, counted from 1.
    pub(super) step: usize,
    /// Where: keys joined by ` / `.
    pub(super) path: String,
    flux: String,
    hence: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step, path, flux, hence } = self;
        write!(f, "step {step}: {path}\n    flux:  {flux}\n    hence: {hence}")
    }
}

/// A side did not reach what the step waits for.
pub(super) fn unreached(number: usize, side: &str, missing: &str) -> Difference {
    let (flux, hence) = if side == "flux" { (missing, "-") } else { ("-", missing) };
    Difference {
        step: number + 1,
        path: "until".to_owned(),
        flux: flux.to_owned(),
        hence: hence.to_owned(),
    }
}

/// All differences; `number` counts steps from 0.
pub(super) fn differences(number: usize, flux: &Value, hence: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    walk(number + 1, &mut Vec::new(), flux, hence, &mut found);
    found
}

fn walk(
    step: usize,
    path: &mut Vec<String>,
    flux: &Value,
    hence: &Value,
    found: &mut Vec<Difference>,
) {
    let none = Map::new();
    let both_maps = match (flux, hence) {
        (Value::Object(flux), Value::Object(hence)) => Some((flux, hence)),
        (Value::Object(flux), Value::Null) if path.len() < 4 => Some((flux, &none)),
        (Value::Null, Value::Object(hence)) if path.len() < 4 => Some((&none, hence)),
        _ => None,
    };
    if let Some((flux, hence)) = both_maps {
        let mut keys: Vec<&String> = flux.keys().chain(hence.keys()).collect();
        keys.sort();
        keys.dedup();
        for key in keys {
            path.push(key.clone());
            let at = |map: &Map<String, Value>| map.get(key).cloned().unwrap_or_default();
            walk(step, path, &at(flux), &at(hence), found);
            path.pop();
        }
        return;
    }
    if flux != hence {
        let path = path.join(" / ");
        found.push(Difference { step, path, flux: flux.to_string(), hence: hence.to_string() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn differences_name_their_place() {
        let flux = json!({"a": {"b": 1, "c": [1]}, "d": {"e": 1}});
        let hence = json!({"a": {"b": 2, "c": [1]}});
        let found = differences(0, &flux, &hence);
        let paths: Vec<&str> = found.iter().map(|one| one.path.as_str()).collect();
        assert_eq!(paths, ["a / b", "d / e"]);
        assert!(differences(0, &flux, &flux).is_empty());
    }
}
