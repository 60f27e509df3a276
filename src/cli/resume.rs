//! `hence resume`: suspended objects are reconciled again, and waited for.

use clap::ArgAction;
use clap::Args;
use serde_json::Value;

use crate::cli::error::CliError;
use crate::cli::output;
use crate::cli::output::Failure;
use crate::cli::output::Outcome;
use crate::cli::target::Look;
use crate::cli::target::Objects;
use crate::cli::target::Selection;
use crate::cli::target::ready;
use crate::cluster::health;

/// What to resume.
#[derive(Debug, Args)]
pub(super) struct ResumeArgs {
    /// Wait until they are ready; done anyway when one name is given
    #[arg(long, global = true, num_args = 0..=1, default_missing_value = "true",
          require_equals = true, action = ArgAction::Set)]
    wait: Option<bool>,
    #[command(flatten)]
    selection: Selection,
}

/// Resumes objects and waits for them.
pub(super) fn resume(args: &ResumeArgs) -> Result<Outcome, Failure> {
    let cluster = &args.selection.cluster;
    let work = async {
        let resuming = async {
            let (objects, names) = args.selection.objects().await?;
            let resumed = resume_all(&objects, &names).await?;
            Ok((objects, names, resumed))
        };
        let (objects, names, resumed) = cluster.in_time("the API server", resuming).await?;
        if args.wait.unwrap_or(names.len() == 1) {
            // Each wait ends in its own time: one that is late says nothing of the others.
            return wait_for(&objects, &resumed).await;
        }
        Ok(())
    };
    cluster.run_on(work).map_err(Failure::marked)?;
    Ok(Outcome::Done)
}

/// Resumes the objects of these names, or all; gives the names of those that exist.
async fn resume_all(objects: &Objects, names: &[String]) -> Result<Vec<String>, CliError> {
    if names.is_empty() {
        let found = objects.list(None).await?;
        if found.is_empty() {
            let (kind, scope) = (objects.kind.kind().to_owned(), objects.namespace.clone());
            return Err(CliError::NoneHere { kind, scope });
        }
        return resume_each(objects, &found).await;
    }
    let (kind, namespace) = (objects.kind.kind(), &objects.namespace);
    let mut resumed = Vec::new();
    for name in names {
        match objects.list(Some(name)).await {
            Ok(found) if found.is_empty() => {
                let text = format!("{kind} object '{name}' not found in {namespace} namespace");
                output::progress(output::FAILURE, &text);
            }
            Ok(found) => resumed.extend(resume_each(objects, &found).await?),
            Err(error) => return Err(error),
        }
    }
    Ok(resumed)
}

async fn resume_each(objects: &Objects, found: &[Value]) -> Result<Vec<String>, CliError> {
    let human = objects.kind.human();
    let mut names = Vec::new();
    for object in found {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let text = format!("resuming {human} {name} in {} namespace", objects.namespace);
        output::progress(output::ACTION, &text);
        objects.suspend(name, false).await?;
        output::progress(output::SUCCESS, &format!("{human} resumed"));
        names.push(name.to_owned());
    }
    Ok(names)
}

/// Waits for all at once; each is reported in the order in which it was resumed.
async fn wait_for(objects: &Objects, names: &[String]) -> Result<(), CliError> {
    let kind = objects.kind.kind();
    let waits = names.iter().map(|name| {
        output::progress(output::WAITING, &format!("waiting for {kind} reconciliation"));
        objects.wait(name, look)
    });
    let ended = futures::future::join_all(waits).await;
    let mut failed = 0;
    for (name, ended) in names.iter().zip(ended) {
        match ended {
            Ok(object) => {
                let text = format!("{kind} {name} reconciliation completed");
                output::progress(output::SUCCESS, &text);
                output::progress(output::SUCCESS, &objects.kind.success(&object));
            }
            Err(error) => {
                failed += 1;
                output::progress(output::FAILURE, &error.to_string());
            }
        }
    }
    match failed {
        0 => Ok(()),
        count => Err(CliError::SomeFailed { count, kind: kind.to_owned() }),
    }
}

/// Whether the resumed object is ready, at its present generation.
fn look(object: &Value) -> Result<Look, CliError> {
    let generation = &object["metadata"]["generation"];
    if object.pointer("/status/observedGeneration") != Some(generation) {
        return Ok(Look::NotYet);
    }
    let health = health::status(object);
    let ready = ready(object);
    match health.status {
        health::Status::Current => Ok(Look::Done),
        health::Status::InProgress => match ready.filter(|ready| ready["status"] == "False") {
            Some(ready) => {
                Err(CliError::Stalled(ready["message"].as_str().unwrap_or_default().to_owned()))
            }
            None => Ok(Look::NotYet),
        },
        _ => Err(CliError::Stalled(health.message)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_present_generation_counts() {
        let object = |generation: i64, ready: &str| {
            json!({
                "kind": "Kustomization",
                "metadata": {"generation": generation},
                "status": {"observedGeneration": 2,
                    "conditions": [{"type": "Ready", "status": ready, "message": "m"}]},
            })
        };
        assert!(matches!(look(&object(3, "True")), Ok(Look::NotYet)));
        assert!(matches!(look(&object(2, "True")), Ok(Look::Done)));
        assert!(matches!(look(&object(2, "Unknown")), Ok(Look::NotYet)));
        assert_eq!(look(&object(2, "False")).err().unwrap().to_string(), "m");
    }
}
