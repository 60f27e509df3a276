//! `hence suspend`: objects that are left alone until they are resumed.

use clap::Args;
use serde_json::Value;

use crate::cli::error::CliError;
use crate::cli::output;
use crate::cli::output::Failure;
use crate::cli::output::Outcome;
use crate::cli::target::Objects;
use crate::cli::target::Selection;

/// What to suspend.
#[derive(Debug, Args)]
pub(super) struct SuspendArgs {
    #[command(flatten)]
    selection: Selection,
}

/// Suspends objects. An object that does not exist is named, and is no failure: as in Flux.
pub(super) fn suspend(args: &SuspendArgs) -> Result<Outcome, Failure> {
    let work = async {
        let (objects, names) = args.selection.objects().await?;
        if names.is_empty() {
            let found = objects.list(None).await?;
            if found.is_empty() {
                let scope = objects.namespace.clone();
                let kind = objects.kind.kind().to_owned();
                return Err(CliError::NoneHere { kind, scope });
            }
            return suspend_each(&objects, &found).await;
        }
        for name in &names {
            suspend_named(&objects, name).await;
        }
        Ok(())
    };
    args.selection.cluster.run("the API server", work).map_err(Failure::marked)?;
    Ok(Outcome::Done)
}

/// Suspends one object, or says why not and goes on.
async fn suspend_named(objects: &Objects, name: &str) {
    let (kind, namespace) = (objects.kind.kind(), &objects.namespace);
    let done = match objects.list(Some(name)).await {
        Ok(found) if found.is_empty() => {
            let text = format!("{kind} {name} not found in {namespace} namespace");
            return output::progress(output::FAILURE, &text);
        }
        Ok(found) => suspend_each(objects, &found).await,
        Err(error) => Err(error),
    };
    if let Err(error) = done {
        let text = format!("failed suspending {kind} {name} in {namespace} namespace: {error}");
        output::progress(output::FAILURE, &text);
    }
}

async fn suspend_each(objects: &Objects, found: &[Value]) -> Result<(), CliError> {
    let human = objects.kind.human();
    for object in found {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let text = format!("suspending {human} {name} in {} namespace", objects.namespace);
        output::progress(output::ACTION, &text);
        objects.suspend(name, true).await?;
        output::progress(output::SUCCESS, &format!("{human} suspended"));
    }
    Ok(())
}
