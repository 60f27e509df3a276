//! A plan for people and for programs: text lines and JSON (`schemas/plan.v1.json`).

use serde_json::Value as Json;
use serde_json::json;

use crate::actions::Action;
use crate::actions::Plan;
use crate::actions::Planned;

impl Plan {
    /// One line per action, and a count line last.
    pub fn to_text(&self) -> String {
        let mut lines: Vec<String> = self.actions().iter().map(line).collect();
        let count = |wanted: &str| {
            self.actions().iter().filter(|planned| planned.action.verb() == wanted).count()
        };
        lines.push(format!(
            "plan of generation {}: {} to apply, {} to delete, {} in all",
            self.generation(),
            count("apply"),
            count("delete"),
            self.actions().len()
        ));
        lines.join("\n") + "\n"
    }

    /// The plan as JSON, in the form of `schemas/plan.v1.json`.
    pub fn to_json(&self) -> Json {
        let actions: Vec<Json> = self.actions().iter().map(entry).collect();
        json!({ "version": "plan.v1", "generation": self.generation(), "actions": actions })
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
        Action::Forget { unit, object, reason } => {
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

fn entry(planned: &Planned) -> Json {
    let action = &planned.action;
    json!({
        "action": action.verb(),
        "key": action.key(),
        "unit": action.unit().map(ToString::to_string),
        "object": action.object().map(|object| object.fact_text()),
        "because": planned.because.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}
