//! Claim: fields that kubectl and the like own become ours, as Flux does before it applies
//! (features 1.6, managed-fields takeover).

use std::sync::Arc;

use serde_json::json;

use crate::api::keys;
use crate::cluster::fields;
use crate::cluster::write::PatchKind;
use crate::executor::Act;
use crate::executor::effect;
use crate::executor::plain_effect;
use crate::executor::unanswered;
use crate::model::Effect;
use crate::model::EffectResult;
use crate::model::ObjectRef;
use crate::model::UnitName;

impl Act<'_> {
    pub(super) async fn claim(
        &self,
        unit: &UnitName,
        object: &ObjectRef,
        uid: &str,
        resource_version: &str,
    ) -> Vec<Effect> {
        let resource = match self.preferred(&object.group_kind()).await {
            Ok(resource) => resource,
            Err(message) => return vec![effect(unit, object, EffectResult::Unknown { message })],
        };
        let (namespace, name) = (object.namespace.as_str(), object.name.as_str());
        let live = match self.cluster.get(&resource, namespace, name).await {
            Ok(Some(live)) if live.uid == uid && live.resource_version == resource_version => live,
            Ok(found) => {
                let message = "the object changed since it was observed".to_owned();
                let found = found.map(|live| Arc::new(live.raw));
                return vec![
                    plain_effect(object, EffectResult::Observed(found)),
                    effect(unit, object, EffectResult::Superseded { message }),
                ];
            }
            Err(error) => return vec![effect(unit, object, unanswered(&error))],
        };
        let mut patch = vec![
            json!({"op": "test", "path": "/metadata/resourceVersion", "value": resource_version}),
        ];
        patch.extend(fields::legacy_metadata(&live.raw));
        let managers = fields::takeover(&live.raw, &self.executor.overridden);
        patch.extend(managers.map(|managers| {
            json!({"op": "replace", "path": "/metadata/managedFields", "value": managers})
        }));
        if patch.len() == 1 {
            let live = Arc::new(live.raw);
            return vec![plain_effect(object, EffectResult::Observed(Some(live)))];
        }
        let patch = json!(patch);
        let target = (namespace, name, "");
        let manager = keys::FIELD_MANAGER;
        match self.writer.patch(&resource, target, PatchKind::Json, &patch, manager).await {
            Ok(live) => vec![effect(unit, object, EffectResult::Written(Arc::new(live.raw)))],
            Err(error) => match error.status() {
                Some(status) => {
                    let message = format!("fields were not taken over: {}", status.message);
                    let mut effects = self.observe(object).await;
                    effects.push(effect(unit, object, EffectResult::Superseded { message }));
                    effects
                }
                None => vec![effect(unit, object, unanswered(&error))],
            },
        }
    }
}
