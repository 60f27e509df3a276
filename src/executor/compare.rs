//! Compare: a dry-run of a manifest against the live object, as Flux detects drift (features 1.6).

use std::sync::Arc;

use crate::cluster::normalise;
use crate::cluster::write::ApplyOptions;
use crate::executor::Act;
use crate::executor::apply::not_applied;
use crate::executor::apply::secrets;
use crate::executor::effect;
use crate::executor::unanswered;
use crate::model::Effect;
use crate::model::EffectResult;
use crate::model::ObjectRef;
use crate::model::UnitName;

impl Act<'_> {
    pub(super) async fn compare(
        &self,
        unit: &UnitName,
        object: &ObjectRef,
        digest: &str,
    ) -> Vec<Effect> {
        vec![effect(unit, object, self.compared(object, digest).await)]
    }

    async fn compared(&self, object: &ObjectRef, digest: &str) -> EffectResult {
        let Some(manifest) = self.executor.manifests.get(digest) else {
            let message = "a later build replaced this manifest".to_owned();
            return EffectResult::Superseded { message };
        };
        let resource = match self.resource(&manifest.api_version, &object.kind).await {
            Ok(resource) => resource,
            Err(message) => return EffectResult::Unknown { message },
        };
        let cluster = &self.cluster;
        let live = match cluster.get(&resource, &object.namespace, &object.name).await {
            Ok(Some(live)) => live,
            Ok(None) => return EffectResult::Observed(None),
            Err(error) => return unanswered(&error),
        };
        let options =
            ApplyOptions { dry_run: true, secrets: secrets(&manifest), ..Default::default() };
        let manifest_digest = digest.to_owned();
        match self.writer.apply(&resource, &manifest.json, &options).await {
            Ok(would_be) => {
                let differences = normalise::drifted(&live.raw, &would_be.object.raw);
                if differences.is_empty() {
                    EffectResult::Same { manifest: manifest_digest, live: Arc::new(live.raw) }
                } else {
                    EffectResult::Differs { manifest: manifest_digest }
                }
            }
            Err(error) => not_applied(object, digest, &error),
        }
    }
}
