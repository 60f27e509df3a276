//! A plan for people and for programs: text lines and JSON (`schemas/plan.v1.json`).

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value as Json;

use crate::actions::Action;
use crate::actions::Plan;
use crate::actions::Planned;

/// A plan as JSON (`schemas/plan.v1.json`), and as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlanReport {
    /// Always `plan.v1`.
    pub version: String,
    /// The generation of facts from which it follows.
    pub generation: u64,
    /// The actions, in the order in which they are done.
    pub actions: Vec<PlanEntry>,
    /// Whether the facts are those of the present.
    pub complete: bool,
    /// What is awaited before they are; absent when they are.
    pub partial: Option<String>,
    /// Until when anything was known, when no daemon answered; absent when it is of the present.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<String>,
}

/// One action of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlanEntry {
    /// What is done: `apply`, `delete`, `fetch` …
    pub action: String,
    /// What tells it from all other actions.
    pub key: String,
    /// The unit for which it is done, as `namespace/name`; absent when for none.
    pub unit: Option<String>,
    /// The object that it is done to; absent when to none.
    pub object: Option<String>,
    /// The rows that demand it.
    pub because: Vec<String>,
    /// The action as a person reads it.
    pub text: String,
}

impl Plan {
    /// One line per action, and a count line last.
    pub fn to_text(&self) -> String {
        self.report().to_text()
    }

    /// The plan as JSON, in the form of `schemas/plan.v1.json`.
    pub fn to_json(&self) -> Json {
        serde_json::to_value(self.report()).expect("a report holds texts and numbers only")
    }

    /// The plan for people and for programs.
    pub fn report(&self) -> PlanReport {
        PlanReport {
            version: "plan.v1".to_owned(),
            generation: self.generation(),
            actions: self.actions().iter().map(entry).collect(),
            complete: true,
            partial: None,
            as_of: None,
        }
    }
}

impl PlanReport {
    /// One line per action, and a count line last; behind it what is not known yet.
    pub fn to_text(&self) -> String {
        let mut lines: Vec<String> = self.actions.iter().map(|entry| entry.text.clone()).collect();
        let count =
            |wanted: &str| self.actions.iter().filter(|entry| entry.action == wanted).count();
        lines.push(format!(
            "plan of generation {}: {} to apply, {} to delete, {} in all",
            self.generation,
            count("apply"),
            count("delete"),
            self.actions.len()
        ));
        lines.extend(self.partial.as_ref().map(|what| format!("partial: {what}")));
        if let Some(time) = &self.as_of {
            lines.push(format!("as of {time}: no daemon answers, and nothing later is known"));
        }
        lines.join("\n") + "\n"
    }
}

fn line(planned: &Planned) -> String {
    match &planned.action {
        Action::Apply { unit, object, reason, stage, .. } => {
            format!("apply    {object}  for {unit}, stage {stage}: {reason}")
        }
        Action::Delete { unit, object, uid, .. } => {
            format!("delete   {object}  for {unit}, uid {uid}")
        }
        Action::Fetch { source, reason, .. } => format!("fetch    {source}: {reason}"),
        Action::Render { unit, revision, .. } => format!("render   {unit} at {revision}"),
        Action::Forget { unit, object, reason, .. } => {
            format!("forget   {object}  for {unit}: {reason}")
        }
        Action::Status { object, fields } => {
            let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
            format!("status   {object}: {}", names.join(", "))
        }
        Action::Event { object, reason, .. } => format!("event    {object}: {reason}"),
        other => format!("{:<8} {}", other.verb(), subject(other)),
    }
}

/// What an action is about, as text.
fn subject(action: &Action) -> String {
    let key = action.key();
    key.split_once(' ').map_or(key.clone(), |(_, subject)| subject.to_owned())
}

fn entry(planned: &Planned) -> PlanEntry {
    let action = &planned.action;
    PlanEntry {
        action: action.verb().to_owned(),
        key: action.key(),
        unit: action.unit().map(ToString::to_string),
        object: action.object().map(|object| object.fact_text()),
        because: planned.because.iter().map(ToString::to_string).collect(),
        text: line(planned),
    }
}
