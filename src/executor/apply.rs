//! Apply: server-side apply with the field manager that Flux uses.

use std::sync::Arc;

use crate::cluster::ClusterError;
use crate::cluster::write::ApplyOptions;
use crate::executor::Act;
use crate::executor::effect;
use crate::executor::unanswered;
use crate::model::Effect;
use crate::model::EffectResult;
use crate::model::ObjectRef;
use crate::model::UnitName;

impl Act<'_> {
    pub(super) async fn apply(
        &self,
        unit: &UnitName,
        object: &ObjectRef,
        digest: &str,
    ) -> Vec<Effect> {
        let Some(manifest) = self.executor.manifests.get(digest) else {
            let message = "a later build replaced this manifest".to_owned();
            return vec![effect(unit, object, EffectResult::Superseded { message })];
        };
        let refused = |reason: &str, message: String| EffectResult::ApplyRefused {
            manifest: digest.to_owned(),
            reason: reason.to_owned(),
            message,
        };
        let resource = match self.resource(&manifest.api_version, &object.kind).await {
            Ok(resource) => resource,
            Err(reason) => {
                let message = format!("{object} dry-run failed: {reason}");
                return vec![effect(unit, object, refused("NotServed", message))];
            }
        };
        let options = ApplyOptions::default();
        let result = match self.writer.apply(&resource, &manifest.json, &options).await {
            Ok(applied) => EffectResult::Applied {
                manifest: digest.to_owned(),
                created: applied.created,
                live: Arc::new(applied.object.raw),
            },
            Err(error) => match error.status() {
                Some(status) => refused(status.flux_reason(), apply_message(object, &error)),
                None => unanswered(&error),
            },
        };
        vec![effect(unit, object, result)]
    }
}

/// The server's refusal in Flux's words (features 1.6).
pub(super) fn apply_message(object: &ObjectRef, error: &ClusterError) -> String {
    let Some(status) = error.status() else { return error.to_string() };
    let said = &status.message;
    match (status.code, object.namespace.as_str()) {
        (404, "") => format!("{object} namespace not specified: {said}"),
        (404, _) => format!("{object} not found: {said}"),
        _ => match status.flux_reason() {
            "" => format!("{object} dry-run failed: {said}"),
            reason => format!("{object} dry-run failed ({reason}): {said}"),
        },
    }
}
