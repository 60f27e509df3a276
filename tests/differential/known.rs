//! The differences that remain on purpose: `known.yaml`, each entry with its reason.
//!
//! ```yaml
//! - scenario: "drift-*"      # `*` stands for any text
//!   step: 2                  # absent: any step
//!   path: "units / shown / * / status / history"
//!   reason: why hence differs here
//! ```
//!
//! An entry that names one scenario and meets no difference there is an error: the list only
//! holds what is true.

use crate::compare::Difference;
use serde::Deserialize;
use std::path::Path;

/// The list.
pub(super) struct Known(Vec<Entry>);

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
    let entries: Vec<Entry> = serde_yaml::from_str(&text).expect("the list parses");
    for entry in &entries {
        assert!(entry.reason.len() > 20, "{entry:?} needs a reason");
    }
    Known(entries)
}

impl Known {
    /// Whether the difference is on the list.
    pub(super) fn covers(&self, scenario: &str, difference: &Difference) -> bool {
        self.0.iter().any(|entry| entry.meets(scenario, difference))
    }

    /// The entries about this scenario by name that met no difference.
    pub(super) fn stale(&self, scenario: &str, found: &[Difference]) -> Vec<String> {
        let named = self.0.iter().filter(|entry| entry.scenario == scenario);
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
