//! `hence reconcile`: asks for a reconciliation now, and waits for its end.

use clap::Args;
use serde_json::Value;
use serde_json::json;

use crate::api::keys;
use crate::cli::connect::ClusterArgs;
use crate::cli::error::CliError;
use crate::cli::kinds::FluxKind;
use crate::cli::output;
use crate::cli::output::Failure;
use crate::cli::output::Outcome;
use crate::cli::target::Look;
use crate::cli::target::Objects;
use crate::cli::target::Target;
use crate::cli::target::is_current;
use crate::cli::target::ready;
use crate::cluster::health;
use crate::daemon::SystemClock;
use crate::model::Clock as _;

/// What to reconcile.
#[derive(Debug, Args)]
pub(super) struct ReconcileArgs {
    #[command(flatten)]
    cluster: ClusterArgs,
    /// First the source of the unit
    #[arg(long, global = true)]
    with_source: bool,
    #[command(subcommand)]
    target: Target,
}

/// Asks for a reconciliation and waits for its end.
pub(super) fn reconcile(args: &ReconcileArgs) -> Result<Outcome, Failure> {
    let (kind, names) = args.target.chosen();
    let work = async {
        let name = names.first().ok_or_else(|| CliError::NameRequired(kind.kind().to_owned()))?;
        let objects = Objects {
            cluster: args.cluster.connect().await?,
            kind,
            namespace: args.cluster.namespace()?,
            patience: args.cluster.timeout(),
        };
        if args.with_source {
            reconcile_source(&objects, name).await?;
        }
        reconcile_one(&objects, name).await
    };
    args.cluster.run("the reconciliation", work).map_err(Failure::marked)?;
    Ok(Outcome::Done)
}

/// Reconciles the source of a unit.
async fn reconcile_source(objects: &Objects, name: &str) -> Result<(), CliError> {
    let unit = objects.get(name).await?;
    if unit["spec"]["suspend"] == true {
        return Err(CliError::Suspended);
    }
    let source = objects.kind.source(&unit);
    let mut parts = source.splitn(3, '/');
    let (Some(kind), Some(namespace), Some(name)) = (parts.next(), parts.next(), parts.next())
    else {
        return Err(CliError::SourceKind(objects.kind.kind().to_owned()));
    };
    let chosen = FluxKind::of_source(kind).filter(|kind| *kind != FluxKind::ExternalArtifact);
    let kind = chosen.ok_or_else(|| CliError::SourceKind(kind.to_owned()))?;
    let source = Objects { kind, namespace: namespace.to_owned(), ..objects.clone() };
    reconcile_one(&source, name).await
}

async fn reconcile_one(objects: &Objects, name: &str) -> Result<(), CliError> {
    let kind = objects.kind.kind();
    let before = objects.get(name).await?;
    if before["spec"]["suspend"] == true {
        return Err(CliError::Suspended);
    }
    if objects.kind == FluxKind::HelmRepository && before["spec"]["type"] == "oci" {
        output::progress(output::SUCCESS, "reconciliation not supported by the object");
        return Ok(());
    }
    let namespace = &objects.namespace;
    output::progress(output::ACTION, &format!("annotating {kind} {name} in {namespace} namespace"));
    objects.merge(name, &request(&now())).await?;
    output::progress(output::SUCCESS, &format!("{kind} annotated"));
    output::progress(output::WAITING, &format!("waiting for {kind} reconciliation"));
    let handled = handled(&before).to_owned();
    let after = objects.wait(name, |object| look(object, &handled)).await?;
    output::progress(output::SUCCESS, &verdict(objects.kind, &after)?);
    Ok(())
}

/// The change that asks for a reconciliation.
fn request(at: &str) -> Value {
    json!({"metadata": {"annotations": {keys::REQUESTED_AT: at}}})
}

/// The time, finer than a second, so that each request differs from the last.
fn now() -> String {
    let millis = SystemClock.now().millis();
    let at = jiff::Timestamp::from_millisecond(millis).unwrap_or_default();
    format!("{at:.9}")
}

/// The request that a controller handled last.
fn handled(object: &Value) -> &str {
    object["status"]["lastHandledReconcileAt"].as_str().unwrap_or_default()
}

/// Whether the request was handled, and the object came to an end of it, good or bad.
fn look(object: &Value, handled_before: &str) -> Result<Look, CliError> {
    if handled(object) == handled_before {
        return Ok(Look::NotYet);
    }
    let health = health::status(object);
    match health.status {
        health::Status::Current => Ok(Look::Done),
        health::Status::InProgress => {
            let failed = ready(object)
                .is_some_and(|ready| ready["status"] == "False" && is_current(object, ready));
            Ok(if failed { Look::Done } else { Look::NotYet })
        }
        _ => Err(CliError::Stalled(health.message)),
    }
}

/// What is said at the end.
fn verdict(kind: FluxKind, object: &Value) -> Result<String, CliError> {
    let ready = ready(object).ok_or(CliError::NoStatus)?;
    if ready["status"] == "True" {
        return Ok(kind.success(object));
    }
    let message = ready["message"].as_str().unwrap_or_default();
    let message = if kind.quotes_failure() { format!("'{message}'") } else { message.to_owned() };
    Err(CliError::Failed { kind: kind.kind().to_owned(), message })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(handled: &str, conditions: Value) -> Value {
        json!({
            "apiVersion": "source.toolkit.fluxcd.io/v1",
            "kind": "GitRepository",
            "metadata": {"generation": 2},
            "status": {
                "observedGeneration": 2,
                "lastHandledReconcileAt": handled,
                "conditions": conditions,
                "artifact": {"revision": "main@sha1:67e2c98a60dc92283531412a9e604dd4bae005a9"},
            },
        })
    }

    fn condition(type_: &str, status: &str, generation: i64) -> Value {
        json!({"type": type_, "status": status, "message": "m", "observedGeneration": generation})
    }

    #[test]
    fn the_end_of_a_reconciliation() {
        let ready = |status: &str| condition("Ready", status, 2);
        #[rustfmt::skip]
        let cases = [
            ("not handled",        "old", json!([ready("True")]),                            "not yet"),
            ("ready",              "new", json!([ready("True")]),                            "done"),
            ("failed",             "new", json!([ready("False")]),                           "done"),
            ("failed, will retry", "new", json!([condition("Reconciling", "True", 2), ready("False")]),
                                                                                             "done"),
            ("failure of before",  "new", json!([condition("Reconciling", "True", 2),
                                                 condition("Ready", "False", 1)]),           "not yet"),
            ("under way",          "new", json!([condition("Reconciling", "True", 2), ready("Unknown")]),
                                                                                             "not yet"),
            ("stalled",            "new", json!([condition("Stalled", "True", 2), ready("False")]), "m"),
        ];
        for (why, handled, conditions, want) in cases {
            let got = match look(&object(handled, conditions), "old") {
                Ok(Look::Done) => "done".to_owned(),
                Ok(Look::NotYet) => "not yet".to_owned(),
                Err(error) => error.to_string(),
            };
            assert_eq!(got, want, "{why}");
        }
    }

    #[test]
    fn verdicts_in_the_words_of_flux() {
        let said =
            |kind: FluxKind, conditions: Value| match verdict(kind, &object("new", conditions)) {
                Ok(text) => text,
                Err(error) => error.to_string(),
            };
        let failed = json!([condition("Ready", "False", 2)]);
        let git = FluxKind::GitRepository;
        assert_eq!(
            said(git, json!([condition("Ready", "True", 2)])),
            "fetched revision main@sha1:67e2c98a60dc92283531412a9e604dd4bae005a9"
        );
        assert_eq!(said(git, failed.clone()), "GitRepository reconciliation failed: 'm'");
        assert_eq!(said(FluxKind::Kustomization, failed), "Kustomization reconciliation failed: m");
        assert_eq!(said(git, json!([])), "status can't be determined");
    }

    #[test]
    fn a_request_is_a_time_of_nine_digits() {
        let at = now();
        assert_eq!(at.len(), "2025-11-24T16:00:00.123000000Z".len(), "{at}");
        let change = request(&at);
        assert_eq!(change["metadata"]["annotations"]["reconcile.fluxcd.io/requestedAt"], *at);
    }
}
