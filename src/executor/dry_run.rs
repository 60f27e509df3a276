//! Dry-run: asks whether the server would take a manifest, before anything of its stage is applied.

use crate::cluster::write::ApplyOptions;
use crate::executor::Act;
use crate::executor::apply::not_applied;
use crate::executor::apply::secrets;
use crate::executor::effect;
use crate::model::Effect;
use crate::model::EffectResult;
use crate::model::ObjectRef;
use crate::model::UnitName;

impl Act<'_> {
    pub(super) async fn dry_run(
        &self,
        unit: &UnitName,
        object: &ObjectRef,
        digest: &str,
    ) -> Vec<Effect> {
        vec![effect(unit, object, self.tried(object, digest).await)]
    }

    async fn tried(&self, object: &ObjectRef, digest: &str) -> EffectResult {
        let (manifest, resource) = match self.appliable(object, digest).await {
            Ok(found) => found,
            Err(result) => return result,
        };
        let options =
            ApplyOptions { dry_run: true, secrets: secrets(&manifest), ..Default::default() };
        match self.writer.apply(&resource, &manifest.json, &options).await {
            Ok(_) => EffectResult::Accepted { manifest: digest.to_owned() },
            Err(error) => not_applied(object, digest, &error),
        }
    }
}
