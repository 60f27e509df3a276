//! The differences that remain on purpose: `known.yaml`, each entry with its reason.
//!
//! ```yaml
//! wording:                   # texts that mean the same: what matches becomes `same` on both sides
//! - flux: "^build failed: "
//!   hence: "^build broken: "
//!   same: "build failed"
//!   reason: why the words differ
//! differences:
//! - scenario: drift-edited
//!   step: 2
//!   paths: ["units / shown / app / status / history"]
//!   sometimes: true          # absent: always; a known difference that is gone is an error
//!   reason: why hence differs here
//! ```
//!
//! Everything is named exactly, so that no new difference hides behind a known one.

use crate::compare::Difference;
use regex::Regex;
use serde::Deserialize;
use serde_json::Value;
use std::path::Path;

/// The list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Known {
    wording: Vec<Wording>,
    differences: Vec<Entry>,
}

/// Which program a text comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaker {
    /// kustomize-controller.
    Flux,
    /// hence.
    Hence,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wording {
    #[serde(with = "pattern")]
    flux: Regex,
    #[serde(with = "pattern")]
    hence: Regex,
    same: String,
    reason: String,
}

mod pattern {
    use regex::Regex;
    use serde::Deserialize;
    use serde::de::Error;

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(
        from: D,
    ) -> Result<Regex, D::Error> {
        Regex::new(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    scenario: String,
    step: usize,
    paths: Vec<String>,
    #[serde(default)]
    sometimes: bool,
    reason: String,
}

/// Reads the list.
///
/// # Panics
/// When it does not parse, or an entry has no reason.
pub(super) fn read() -> Known {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/differential/known.yaml");
    let text = std::fs::read_to_string(file).expect("the list lies beside this file");
    let known: Known = serde_yaml::from_str(&text).expect("the list parses");
    for entry in &known.differences {
        assert!(entry.reason.len() > 20, "{entry:?} needs a reason");
    }
    for wording in &known.wording {
        assert!(wording.reason.len() > 20, "{wording:?} needs a reason");
    }
    known
}

impl Known {
    /// The snapshot with texts that only differ in words made the same.
    pub(super) fn plain(&self, speaker: Speaker, snapshot: Value) -> Value {
        match snapshot {
            Value::String(text) => Value::String(self.plain_text(speaker, text)),
            Value::Array(list) => {
                list.into_iter().map(|value| self.plain(speaker, value)).collect()
            }
            Value::Object(map) => {
                map.into_iter().map(|(key, value)| (key, self.plain(speaker, value))).collect()
            }
            other => other,
        }
    }

    fn plain_text(&self, speaker: Speaker, mut text: String) -> String {
        for wording in &self.wording {
            let pattern = if speaker == Speaker::Flux { &wording.flux } else { &wording.hence };
            text = pattern.replace(&text, wording.same.as_str()).into_owned();
        }
        text
    }

    /// Whether the difference is on the list.
    pub(super) fn covers(&self, scenario: &str, difference: &Difference) -> bool {
        let mut here = self.differences.iter().filter(|entry| entry.is_of(scenario, difference));
        here.any(|entry| entry.paths.contains(&difference.path))
    }

    /// What is known of this scenario and was not met.
    pub(super) fn stale(&self, scenario: &str, found: &[Difference]) -> Vec<String> {
        let mut stale = Vec::new();
        for entry in self.differences.iter().filter(|e| e.scenario == scenario && !e.sometimes) {
            let met =
                |path: &String| found.iter().any(|one| one.step == entry.step && one.path == *path);
            let idle = entry.paths.iter().filter(|path| !met(path));
            let step = entry.step;
            stale.extend(idle.map(|path| {
                format!("{scenario}: step {step}: {path}: known, but not met: {}", entry.reason)
            }));
        }
        stale
    }
}

impl Entry {
    fn is_of(&self, scenario: &str, difference: &Difference) -> bool {
        self.scenario == scenario && self.step == difference.step
    }
}
