//! Compare: a dry-run of a manifest against the live object, as Flux detects drift (features 1.6).

use std::sync::Arc;

use crate::cluster::normalise;
use crate::executor::Act;
use crate::executor::apply::not_applied;
use crate::executor::unanswered;
use crate::model::EffectResult;
use crate::model::ObjectRef;

impl Act<'_> {
    pub(super) async fn compare(&self, object: &ObjectRef, digest: &str) -> EffectResult {
        let manifest = match self.manifest(digest) {
            Ok(manifest) => manifest,
            Err(result) => return result,
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
        let manifest_digest = digest.to_owned();
        match self.try_apply(&resource, &manifest).await {
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
