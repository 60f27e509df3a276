//! Delete: only the very object that the proof is about, in the state that it was observed in.

use std::sync::Arc;

use crate::cluster::write::Deletion;
use crate::cluster::write::Preconditions;
use crate::cluster::write::Propagation;
use crate::executor::Act;
use crate::executor::effect;
use crate::executor::plain_effect;
use crate::executor::unanswered;
use crate::model::Effect;
use crate::model::EffectResult;
use crate::model::ObjectRef;
use crate::model::UnitName;

impl Act<'_> {
    pub(super) async fn delete(
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
        let preconditions = Preconditions {
            uid: Some(uid.to_owned()),
            resource_version: Some(resource_version.to_owned()),
        };
        let (namespace, name) = (object.namespace.as_str(), object.name.as_str());
        let deleted = self
            .writer
            .delete(&resource, namespace, name, &preconditions, Propagation::Background, false)
            .await;
        match deleted {
            Ok(Deletion::Terminating(live)) => {
                vec![effect(unit, object, EffectResult::Terminating(Arc::new(live.raw)))]
            }
            Ok(_) => vec![effect(unit, object, EffectResult::Deleted)],
            Err(error) => match error.status() {
                Some(status) if status.is_conflict() => {
                    let message = "the object changed since it was observed".to_owned();
                    let mut effects = self.observe(object).await;
                    effects.push(plain_effect(object, EffectResult::Superseded { message }));
                    effects
                }
                Some(status) => vec![effect(
                    unit,
                    object,
                    EffectResult::DeleteRefused {
                        reason: status.flux_reason().to_owned(),
                        message: format!("{object} delete failed: {}", status.message),
                    },
                )],
                None => vec![effect(unit, object, unanswered(&error))],
            },
        }
    }

    /// Asks the server for an object.
    pub(super) async fn observe(&self, object: &ObjectRef) -> Vec<Effect> {
        let resource = match self.preferred(&object.group_kind()).await {
            Ok(resource) => resource,
            Err(message) => return vec![plain_effect(object, EffectResult::Unknown { message })],
        };
        let cluster = &self.executor.cluster;
        let result = match cluster.get(&resource, &object.namespace, &object.name).await {
            Ok(found) => EffectResult::Observed(found.map(|live| Arc::new(live.raw))),
            Err(error) => unanswered(&error),
        };
        vec![plain_effect(object, result)]
    }
}
