//! Dry-run: asks whether the server would take a manifest, before anything of its stage is applied.

use crate::cluster::ClusterError;
use crate::cluster::Resource;
use crate::cluster::write::Applied;
use crate::cluster::write::ApplyOptions;
use crate::executor::Act;
use crate::executor::apply::not_applied;
use crate::executor::apply::secrets;
use crate::model::EffectResult;
use crate::model::Manifest;
use crate::model::ObjectRef;

impl Act<'_> {
    pub(super) async fn dry_run(&self, object: &ObjectRef, digest: &str) -> EffectResult {
        let (manifest, resource) = match self.appliable(object, digest).await {
            Ok(found) => found,
            Err(result) => return result,
        };
        match self.try_apply(&resource, &manifest).await {
            Ok(_) => EffectResult::Accepted { manifest: digest.to_owned() },
            Err(error) => not_applied(object, digest, &error),
        }
    }

    /// What an apply of the manifest would make; nothing is changed.
    pub(super) async fn try_apply(
        &self,
        resource: &Resource,
        manifest: &Manifest,
    ) -> Result<Applied, ClusterError> {
        let options =
            ApplyOptions { dry_run: true, secrets: secrets(manifest), ..Default::default() };
        self.writer.apply(resource, &manifest.json, &options).await
    }
}
