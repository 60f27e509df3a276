//! Scenarios as data: what happens, step by step, and what each step waits for.
//!
//! ```yaml
//! name: created                # unique; opens the namespace's name
//! row: "1.6 apply"             # the behaviour that it covers
//! short: true                  # part of the short run
//! source_kind: Bucket          # what offers the artifacts; OCIRepository by default
//! kinds: [widgets.v1.example.org/Widget]     # custom kinds to compare
//! steps:
//! - files: {app/a.yaml: "…"}   # published as the next revision of the source, added to the former
//!   drop: [app/a.yaml]         # files that this revision lacks
//!   source: {…}                # how the source offers it: see `Offer`
//!   objects: [{…}]             # applied by the test, as `manager`
//!   edits: [{kind: ConfigMap, name: a, manager: kubectl-edit, patch: {…}}]
//!   units: {app: {wait: true}} # merged into the default spec; `null` deletes the unit
//!   request: [app]             # `flux reconcile`
//!   until: {app: "True Applied revision"} # status and a part of Ready's message, or "gone"
//!   until_hence: {app: "False …"}           # for hence alone, where it differs on purpose
//! ```
//!
//! `NAMESPACE` in any text stands for the scenario's namespace; a file `configmap a 1` is short for
//! a ConfigMap `a` with the value `1`.

use crate::support::artifacts::Artifact;
use crate::support::artifacts::ArtifactServer;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// One scenario.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scenario {
    pub(super) name: String,
    /// The behaviour that it covers, for readers.
    #[allow(dead_code, reason = "for people who read the data")]
    row: String,
    #[serde(default)]
    pub(super) short: bool,
    /// The kind of the source.
    #[serde(default = "oci_repository")]
    pub(super) source_kind: String,
    /// Custom kinds whose objects are compared: `plural.version.group/Kind`.
    #[serde(default)]
    pub(super) kinds: Vec<String>,
    pub(super) steps: Vec<Step>,
}

/// One step: first the source, then objects, then units, then the wait.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Step {
    files: BTreeMap<String, String>,
    drop: Vec<String>,
    source: Option<Offer>,
    pub(super) objects: Vec<Value>,
    pub(super) edits: Vec<Edit>,
    pub(super) units: BTreeMap<String, Option<Value>>,
    pub(super) request: Vec<String>,
    pub(super) until: BTreeMap<String, String>,
    until_hence: BTreeMap<String, String>,
}

/// How the source offers what it has.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Offer {
    /// The source exists, but offers no artifact.
    pub(super) empty: bool,
    /// The server answers 404 for the artifact.
    withdrawn: bool,
    /// The digest of another file stands in the status.
    corrupt: bool,
    /// `org.opencontainers.image.revision` among the artifact's metadata.
    pub(super) origin: Option<String>,
}

/// A change by somebody else.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Edit {
    #[serde(default = "core")]
    pub(super) api: String,
    pub(super) kind: String,
    pub(super) name: String,
    /// The field manager.
    #[serde(default = "edit")]
    pub(super) manager: String,
    /// A merge patch; absent deletes the object.
    pub(super) patch: Option<Value>,
    /// The patch is a whole object, for server-side apply.
    #[serde(default)]
    pub(super) apply: bool,
}

fn oci_repository() -> String {
    "OCIRepository".to_owned()
}

fn core() -> String {
    "v1".to_owned()
}

fn edit() -> String {
    "kubectl-edit".to_owned()
}

/// What the source's status is to say after a step.
pub(super) enum Offered {
    /// The source exists without an artifact.
    Nothing,
    /// This artifact, with this origin.
    Artifact(Box<Artifact>, Option<String>),
}

impl Scenario {
    /// The namespace on both servers.
    pub(super) fn namespace(&self) -> String {
        format!("d-{}", self.name)
    }
}

impl Step {
    /// What the step waits for on the side of hence: the same, but for what differs on purpose.
    pub(super) fn until_hence(&self) -> BTreeMap<String, String> {
        let mut until = self.until.clone();
        until.extend(self.until_hence.clone());
        until
    }

    /// What the source offers from this step on; nothing when the step leaves it alone.
    pub(super) fn offers(
        &self,
        scenario: &Scenario,
        number: usize,
        artifacts: &ArtifactServer,
    ) -> Option<Offered> {
        let offer = self.source.clone().unwrap_or_default();
        if offer.empty {
            return Some(Offered::Nothing);
        }
        if self.files.is_empty() && self.drop.is_empty() && self.source.is_none() {
            return None;
        }
        // No two scenarios offer the same files: each is loaded for itself.
        let mut files = BTreeMap::from([("scenario.txt", self_name(scenario))]);
        for step in &scenario.steps[..=number] {
            let named = step.files.iter();
            let text = |text: &String| expanded(text).replace("NAMESPACE", &scenario.namespace());
            files.extend(named.map(|(path, file)| (path.as_str(), text(file))));
            step.drop.iter().for_each(|path| {
                files.remove(path.as_str());
            });
        }
        let files: Vec<(&str, &str)> = files.iter().map(|(p, text)| (*p, text.as_str())).collect();
        let revision = format!("v{}@sha256:{}", number + 1, number + 1);
        let mut artifact = artifacts.publish(&scenario.name, &revision, &files);
        if offer.withdrawn {
            artifacts.withdraw(&artifact);
        }
        if offer.corrupt {
            artifact.digest = format!("sha256:{}", "0".repeat(64));
        }
        Some(Offered::Artifact(Box::new(artifact), offer.origin))
    }
}

fn self_name(scenario: &Scenario) -> String {
    format!("files of {}\n", scenario.name)
}

/// `configmap NAME VALUE` is short for a ConfigMap with one key.
fn expanded(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    match words[..] {
        ["configmap", name, value] => format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  key: \"{value}\"\n"
        ),
        _ => text.to_owned(),
    }
}

/// All scenarios, in order of file and place.
///
/// # Panics
/// When a file does not parse, or two scenarios share a name.
pub(super) fn all() -> Vec<Scenario> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/differential/scenarios");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the scenarios lie beside this file")
        .map(|entry| entry.expect("a folder of the repository can be listed").path())
        .collect();
    files.sort();
    let mut found: Vec<Scenario> = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a file that was listed can be read");
        let here: Vec<Scenario> = serde_yaml::from_str(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        for scenario in here {
            let twice = found.iter().any(|known| known.name == scenario.name);
            assert!(!twice, "two scenarios are called {}", scenario.name);
            found.push(scenario);
        }
    }
    found
}
