//! The plugin IAMPolicyGenerator: a ServiceAccount bound to a cloud account.

use crate::kustomize::decode::Located;
use crate::kustomize::decode::decode_fields;
use crate::kustomize::error::BuildError;
use crate::kustomize::error::ErrorKind;
use crate::kustomize::error::Result;
use crate::kustomize::plugin::Generator;
use crate::kustomize::plugin::Helpers;
use crate::kustomize::resource::Object;

/// Makes one ServiceAccount.
#[derive(Clone, Debug, Default)]
pub(crate) struct IamPolicyGenerator {
    cloud: String,
    kubernetes_service: KubernetesService,
    service_account: ServiceAccount,
}

decode_fields!(IamPolicyGenerator {
    "cloud" => cloud,
    "kubernetesService" => kubernetes_service,
    "serviceAccount" => service_account,
});

#[derive(Clone, Debug, Default)]
struct KubernetesService {
    name: String,
    namespace: String,
}

decode_fields!(KubernetesService {
    "name" => name,
    "namespace" => namespace,
});

#[derive(Clone, Debug, Default)]
struct ServiceAccount {
    name: String,
    project_id: String,
}

decode_fields!(ServiceAccount {
    "name" => name,
    "projectId" => project_id,
});

impl Generator for IamPolicyGenerator {
    fn generate(&mut self, helpers: &Helpers<'_, '_>) -> Result<Vec<Object>> {
        if self.cloud != "gke" {
            let words = format!("cloud provider {} not supported yet", self.cloud);
            return Err(BuildError::new(ErrorKind::InvalidGenerator, words));
        }
        let (service, account) = (&self.kubernetes_service, &self.service_account);
        let mut text = format!(
            "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  annotations:\n    iam.gke.io/gcp-service-account: {}@{}.iam.gserviceaccount.com\n  name: {}\n",
            account.name, account.project_id, service.name
        );
        if !service.namespace.is_empty() {
            text = format!("{text}  namespace: {}\n", service.namespace);
        }
        helpers.objects(text.as_bytes(), helpers.inline_start(&Located::default()))
    }
}
