//! Finalizers of units and sources.

use std::sync::Arc;

use serde_json::Value as Json;

use crate::api::keys;
use crate::executor::Act;
use crate::executor::plain_effect;
use crate::executor::status::status_manager;
use crate::executor::unanswered;
use crate::model::Effect;
use crate::model::EffectResult;
use crate::model::ObjectRef;

impl Act<'_> {
    pub(super) async fn finalizer(&self, object: &ObjectRef, set: bool) -> Vec<Effect> {
        let Some(seen) = self.executor.seen.get(object) else {
            let message = "the custom resource was not seen yet".to_owned();
            return vec![plain_effect(object, EffectResult::Superseded { message })];
        };
        let resource = match self.preferred(&object.group_kind()).await {
            Ok(resource) => resource,
            Err(message) => return vec![plain_effect(object, EffectResult::Unknown { message })],
        };
        let finalizers = with_finalizer(&seen, set);
        let version = seen.pointer("/metadata/resourceVersion").and_then(Json::as_str);
        let target = (object.namespace.as_str(), object.name.as_str());
        let written = self
            .writer
            .set_finalizers(
                &resource,
                target,
                &finalizers,
                version.unwrap_or_default(),
                status_manager(object),
            )
            .await;
        match written {
            Ok(live) => {
                let live = Arc::new(live.raw);
                // Without its last finalizer a deleted object is gone: the watch says so.
                if !set && finalizers.is_empty() {
                    self.executor.seen.remove(object);
                    return vec![plain_effect(object, EffectResult::Deleted)];
                }
                self.executor.seen.put(object.clone(), Arc::clone(&live));
                vec![plain_effect(object, EffectResult::Written(live))]
            }
            Err(error) if error.status().is_some() => self.see_again(object, &error).await,
            Err(error) => vec![plain_effect(object, unanswered(&error))],
        }
    }

    /// A write of a custom resource was refused: look at it again before anything else is tried.
    pub(super) async fn see_again(
        &self,
        object: &ObjectRef,
        error: &crate::cluster::ClusterError,
    ) -> Vec<Effect> {
        let mut effects = self.observe(object).await;
        for seen in effects.iter().filter_map(|effect| match &effect.result {
            EffectResult::Observed(Some(live)) => Some(Arc::clone(live)),
            _ => None,
        }) {
            self.executor.seen.put(object.clone(), seen);
        }
        let message = error.to_string();
        effects.push(plain_effect(object, EffectResult::Superseded { message }));
        effects
    }
}

fn with_finalizer(seen: &Json, set: bool) -> Vec<String> {
    let present = seen.pointer("/metadata/finalizers").and_then(Json::as_array);
    let texts = present.into_iter().flatten().filter_map(Json::as_str);
    let mut finalizers: Vec<String> =
        texts.filter(|text| *text != keys::FINALIZER).map(str::to_owned).collect();
    if set {
        finalizers.push(keys::FINALIZER.to_owned());
    }
    finalizers
}
