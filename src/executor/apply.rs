//! Apply: server-side apply with the field manager that Flux uses.

use std::sync::Arc;

use serde_json::Value as Json;

use crate::cluster::ClusterError;
use crate::cluster::Resource;
use crate::cluster::SecretTexts;
use crate::cluster::Status;
use crate::cluster::write::ApplyOptions;
use crate::executor::Act;
use crate::executor::effect;
use crate::executor::plain_effect;
use crate::executor::unanswered;
use crate::model::Effect;
use crate::model::EffectResult;
use crate::model::Manifest;
use crate::model::ObjectRef;
use crate::model::UnitName;

impl Act<'_> {
    pub(super) async fn apply(
        &self,
        unit: &UnitName,
        object: &ObjectRef,
        digest: &str,
        uid: &str,
    ) -> Vec<Effect> {
        let (manifest, resource) = match self.appliable(object, digest).await {
            Ok(found) => found,
            Err(result) => return vec![effect(unit, object, result)],
        };
        let uid = (!uid.is_empty()).then(|| uid.to_owned());
        if uid.is_none()
            && let Some(instead) = self.standing(unit, object, &resource).await
        {
            return instead;
        }
        let options = ApplyOptions { uid, secrets: secrets(&manifest), ..Default::default() };
        let result = match self.writer.apply(&resource, &manifest.json, &options).await {
            Ok(applied) => EffectResult::Applied {
                manifest: digest.to_owned(),
                created: applied.created,
                live: Arc::new(applied.object.raw),
            },
            Err(error) if options.uid.is_some() && is_of_another(&error) => {
                let message = "another object took its place since it was observed".to_owned();
                let mut effects = self.observe(object).await;
                effects.push(effect(unit, object, EffectResult::Superseded { message }));
                return effects;
            }
            // The server may have done it, and something before it gave up: both are said.
            Err(error) if error.status().is_some() && error.may_have_happened() => {
                let refused = effect(unit, object, not_applied(object, digest, &error));
                return vec![refused, effect(unit, object, unanswered(&error))];
            }
            Err(error) => not_applied(object, digest, &error),
        };
        vec![effect(unit, object, result)]
    }

    /// What comes instead of an apply that was meant for no object: one that stands there may say
    /// that it is to be left alone, so it is told first. `None` when there is none.
    async fn standing(
        &self,
        unit: &UnitName,
        object: &ObjectRef,
        resource: &Resource,
    ) -> Option<Vec<Effect>> {
        let found = match self.cluster.get(resource, &object.namespace, &object.name).await {
            Ok(found) => found?,
            // Who may not look may still write, as with Flux; the server answers that.
            Err(error) if !error.may_have_happened() => return None,
            Err(error) => {
                let message = format!("it could not be looked at before: {error}");
                return Some(vec![effect(unit, object, EffectResult::Superseded { message })]);
            }
        };
        let message = "it is there already, and is looked at first".to_owned();
        Some(vec![
            plain_effect(object, EffectResult::Observed(Some(Arc::new(found.raw)))),
            effect(unit, object, EffectResult::Superseded { message }),
        ])
    }

    /// The manifest with this digest, unless it was replaced meanwhile.
    pub(super) fn manifest(&self, digest: &str) -> Result<Manifest, EffectResult> {
        self.executor.manifests.get(digest).ok_or_else(|| {
            let message = "a later build replaced this manifest".to_owned();
            EffectResult::Superseded { message }
        })
    }

    /// The manifest with this digest, and where it is applied; or why it cannot be.
    pub(super) async fn appliable(
        &self,
        object: &ObjectRef,
        digest: &str,
    ) -> Result<(Manifest, Resource), EffectResult> {
        let manifest = self.manifest(digest)?;
        match self.resource(&manifest.api_version, &object.kind).await {
            Ok(resource) => Ok((manifest, resource)),
            Err(reason) => {
                let message = format!("{object} dry-run failed: {reason}");
                Err(refused(digest, "NotServed", message))
            }
        }
    }
}

fn refused(digest: &str, reason: &str, message: String) -> EffectResult {
    EffectResult::ApplyRefused { manifest: digest.to_owned(), reason: reason.to_owned(), message }
}

/// What a request to apply the manifest with this digest came to that ended with an error.
pub(super) fn not_applied(object: &ObjectRef, digest: &str, error: &ClusterError) -> EffectResult {
    match error.status() {
        Some(status) => refused(digest, status.flux_reason(), apply_message(object, error)),
        None => unanswered(error),
    }
}

/// The server refuses the uid: the object was deleted, or replaced, since it was observed.
fn is_of_another(error: &ClusterError) -> bool {
    let about_uid = |status: &Status| {
        status.causes.iter().any(|cause| cause.field == "metadata.uid")
            || status.message.contains("UID in precondition")
            || status.message.contains("uid mismatch")
    };
    error.status().is_some_and(|status| status.is_conflict() && about_uid(status))
}

/// Values of the manifest that come from Secrets by substitution, besides those of Secrets proper.
pub(super) fn secrets(manifest: &Manifest) -> SecretTexts {
    let mut texts = SecretTexts::none();
    let tainted = manifest.secret_fields.iter().filter_map(|path| manifest.json.pointer(path));
    tainted.for_each(|value| add_with_words(&mut texts, value));
    texts
}

fn add_with_words(texts: &mut SecretTexts, value: &Json) {
    match value {
        Json::String(text) => texts.add_with_words(text),
        Json::Array(list) => list.iter().for_each(|value| add_with_words(texts, value)),
        Json::Object(fields) => fields.values().for_each(|value| add_with_words(texts, value)),
        other => texts.add_leaves(other),
    }
}

/// The server's refusal in Flux's words (features 1.6).
fn apply_message(object: &ObjectRef, error: &ClusterError) -> String {
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
