//! Texts that stand in most objects, kept once for all.

use std::collections::HashSet;
use std::hash::BuildHasherDefault;
use std::hash::Hasher;
use std::sync::OnceLock;

use super::node::Text;

/// Longest text that is kept once for all its uses in a document.
pub(super) const SHARED_BYTES_MAX: usize = 64;

/// Texts that stand in most objects.
#[rustfmt::skip]
const WELL_KNOWN: &[&str] = &[
    "apiVersion", "kind", "metadata", "name", "namespace", "labels", "annotations", "spec", "data",
    "v1", "apps/v1", "ConfigMap", "Deployment", "Secret", "Service", "ServiceAccount",
    "rbac.authorization.k8s.io/v1", "apiGroup", "apiGroups", "resources", "verbs", "rules",
    "roleRef", "subjects", "type", "selector", "matchLabels", "template", "replicas", "containers",
    "image", "imagePullPolicy", "args", "command", "env", "envFrom", "value", "valueFrom", "key",
    "configMapKeyRef", "secretKeyRef", "configMapRef", "secretRef", "ports", "containerPort",
    "port", "targetPort", "protocol", "TCP", "http", "path", "host", "backend", "requests",
    "limits", "cpu", "memory", "livenessProbe", "readinessProbe", "httpGet", "volumes",
    "volumeMounts", "mountPath", "configMap", "secret", "secretName", "emptyDir", "securityContext",
    "serviceAccountName", "app", "app.kubernetes.io/name", "app.kubernetes.io/instance",
    "true", "false", "default", "",
    // By these the steps of a build remember things.
    "internal.config.kubernetes.io/previousKinds", "internal.config.kubernetes.io/previousNames",
    "internal.config.kubernetes.io/previousNamespaces", "internal.config.kubernetes.io/prefixes",
    "internal.config.kubernetes.io/suffixes", "internal.config.kubernetes.io/generatorBehavior",
    "internal.config.kubernetes.io/needsHashSuffix", "enabled",
];

/// FNV-1a: quick for short texts. Nobody can fill a set that never changes with texts that collide.
struct Quick(u64);

impl Default for Quick {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Quick {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The one copy of a text that stands in most objects.
pub(super) fn well_known(text: &str) -> Option<&'static Text> {
    static SET: OnceLock<HashSet<Text, BuildHasherDefault<Quick>>> = OnceLock::new();
    let set = SET.get_or_init(|| WELL_KNOWN.iter().map(|&text| Text::from(text)).collect());
    if text.len() > SHARED_BYTES_MAX { None } else { set.get(text) }
}

/// A text of its own, or the copy of a well-known one.
pub(crate) fn shared(text: &str) -> Text {
    well_known(text).cloned().unwrap_or_else(|| text.into())
}
