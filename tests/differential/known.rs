//! The differences that remain on purpose: `known.yaml`, each entry with its reason.
//!
//! ```yaml
//! wording:                   # texts that mean the same: what matches becomes `same` on both sides
//! - flux: "^build failed: "
//!   hence: "^build broken: "
//!   same: "build failed"
//!   reason: why the words differ
//! differences:
//! - scenario: "drift-*"      # `*` stands for any text
//!   step: 2                  # absent: any step
//!   path: "units / shown / * / status / history"
//!   reason: why hence differs here
//! ```
//!
//! An entry that names one scenario and meets no difference there is an error: the list only
//! holds what is true.

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
    step: Option<usize>,
    path: String,
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
        self.differences.iter().any(|entry| entry.meets(scenario, difference))
    }

    /// The entries about this scenario by name that met no difference.
    pub(super) fn stale(&self, scenario: &str, found: &[Difference]) -> Vec<String> {
        let named = self.differences.iter().filter(|entry| entry.scenario == scenario);
        let idle = named.filter(|entry| !found.iter().any(|one| entry.meets(scenario, one)));
        idle.map(|entry| format!("{scenario}: known, but not met: {entry:?}")).collect()
    }
}

impl Entry {
    fn meets(&self, scenario: &str, difference: &Difference) -> bool {
        glob(&self.scenario, scenario)
            && self.step.is_none_or(|step| step == difference.step)
            && glob(&self.path, &difference.path)
    }
}

/// Whether `pattern` matches all of `text`; `*` stands for any text.
fn glob(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(text) = text.strip_prefix(head) else { return false };
    (0..=text.len()).filter(|at| text.is_char_boundary(*at)).any(|at| glob(rest, &text[at..]))
}
