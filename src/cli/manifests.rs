//! What `hence install` puts into a cluster: the objects, as values.
//!
//! In: [`Layout`]. Out: manifests in the order in which they are applied. The program runs without
//! root, on a read-only file system, with one volume for its state. One replica: the state belongs
//! to it, and leases keep a second one (or a Flux controller) waiting.
//!
//! Pure. Not here: the definitions of custom resources (`api::crd`), sending (`install.rs`).

use serde_json::Value;
use serde_json::json;

use crate::cli::definitions::MANAGED_BY;
use crate::cli::definitions::OURS;
use crate::daemon::http::READER;

/// The name of most of the objects.
pub(super) const NAME: &str = "hence";
/// The Service under which other controllers fetch artifacts.
pub(super) const ARTIFACTS: &str = "hence-artifacts";

/// The name of the port of probes, metrics and questions.
pub(super) const HTTP_PORT_NAME: &str = "http";
/// The Secret with the key of digests, which the daemon makes.
pub(super) const DIGEST_KEY: &str = "hence-digest-key";

/// Where probes and metrics are served.
const HTTP_PORT: u16 = 8080;
/// Where artifacts are served.
const ARTIFACT_PORT: u16 = 9090;
/// The user that the program runs as.
const USER: u32 = 65532;

/// What may differ between installations.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// The namespace; that of Flux, when hence takes its place.
    pub(super) namespace: String,
    /// The image of the program.
    pub(super) image: String,
    /// The size of the volume.
    pub(super) storage: String,
    /// Its storage class; the cluster's default when absent.
    pub(super) storage_class: Option<String>,
    /// The kinds to reconcile.
    pub(super) kinds: Vec<String>,
    /// Whether hence may do everything for units that name no service account, as Flux may.
    pub(super) cluster_admin: bool,
    /// The cluster's DNS domain.
    pub(super) cluster_domain: String,
}

impl Layout {
    /// Every object but the definitions; the Namespace comes first.
    pub(super) fn objects(&self) -> Vec<Value> {
        let mut objects = vec![
            self.space(),
            self.account(NAME),
            // Whoever may make a token of this account may ask the daemon.
            self.account(READER),
            self.role(),
            self.role_binding(&self.cluster_name("controller"), &self.cluster_name("controller")),
        ];
        if self.cluster_admin {
            objects.push(self.role_binding(&self.cluster_name("reconciler"), "cluster-admin"));
        }
        objects.push(self.key_role());
        objects.push(self.key_role_binding());
        objects.push(self.service(ARTIFACTS, 80, "artifacts"));
        objects.push(self.service(NAME, HTTP_PORT, HTTP_PORT_NAME));
        objects.push(self.stateful_set());
        objects
    }

    /// The name of a cluster-scoped object.
    pub(super) fn cluster_name(&self, role: &str) -> String {
        format!("{NAME}-{role}-{}", self.namespace)
    }

    fn space(&self) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": self.namespace,
                "labels": {
                    MANAGED_BY: OURS,
                    "app.kubernetes.io/part-of": NAME,
                    "pod-security.kubernetes.io/warn": "restricted",
                    "pod-security.kubernetes.io/warn-version": "latest",
                },
            },
        })
    }

    fn metadata(&self, name: &str) -> Value {
        json!({"name": name, "namespace": self.namespace, "labels": labels()})
    }

    fn account(&self, name: &str) -> Value {
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": self.metadata(name)})
    }

    /// Making the key of digests, in the own namespace alone.
    fn key_role(&self) -> Value {
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": self.metadata(DIGEST_KEY),
            "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]}],
        })
    }

    fn key_role_binding(&self) -> Value {
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": self.metadata(DIGEST_KEY),
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": DIGEST_KEY,
            },
            "subjects": [
                {"kind": "ServiceAccount", "name": NAME, "namespace": self.namespace},
            ],
        })
    }

    fn role(&self) -> Value {
        let rules: Vec<Value> = permissions()
            .into_iter()
            .map(|permission| {
                json!({
                    "apiGroups": [permission.group],
                    "resources": permission.resources,
                    "verbs": permission.verbs,
                })
            })
            .collect();
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": self.cluster_name("controller"), "labels": labels()},
            "rules": rules,
        })
    }

    fn role_binding(&self, name: &str, role: &str) -> Value {
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name, "labels": labels()},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role,
            },
            "subjects": [
                {"kind": "ServiceAccount", "name": NAME, "namespace": self.namespace},
            ],
        })
    }

    fn service(&self, name: &str, port: u16, target: &str) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": self.metadata(name),
            "spec": {
                "type": "ClusterIP",
                "selector": selector(),
                "ports": [
                    {"name": "http", "port": port, "protocol": "TCP", "targetPort": target},
                ],
            },
        })
    }

    fn stateful_set(&self) -> Value {
        let mut claim = json!({
            "metadata": {"name": "state"},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": self.storage}},
            },
        });
        if let Some(class) = &self.storage_class {
            claim["spec"]["storageClassName"] = class.as_str().into();
        }
        json!({
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": self.metadata(NAME),
            "spec": {
                "replicas": 1,
                "serviceName": ARTIFACTS,
                "selector": {"matchLabels": selector()},
                "template": {
                    "metadata": {
                        "labels": labels(),
                        "annotations": {
                            "prometheus.io/scrape": "true",
                            "prometheus.io/port": HTTP_PORT.to_string(),
                        },
                    },
                    "spec": self.pod(),
                },
                "volumeClaimTemplates": [claim],
            },
        })
    }

    fn pod(&self) -> Value {
        json!({
            "serviceAccountName": NAME,
            "terminationGracePeriodSeconds": 60,
            "priorityClassName": "system-cluster-critical",
            "nodeSelector": {"kubernetes.io/os": "linux"},
            "securityContext": {
                "runAsNonRoot": true,
                "runAsUser": USER,
                "runAsGroup": USER,
                "fsGroup": USER,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [self.container()],
            "volumes": [{"name": "temporary", "emptyDir": {}}],
        })
    }

    fn container(&self) -> Value {
        let address = format!("{ARTIFACTS}.$(RUNTIME_NAMESPACE).svc.{}.", self.cluster_domain);
        let probe = |path: &str| json!({"httpGet": {"path": path, "port": "http"}});
        json!({
            "name": "manager",
            "image": self.image,
            "args": [
                "run",
                "--state=/state",
                format!("--listen=0.0.0.0:{HTTP_PORT}"),
                format!("--kinds={}", self.kinds.join(",")),
                format!("--artifact-addr=0.0.0.0:{ARTIFACT_PORT}"),
                format!("--artifact-adv-addr={address}"),
                format!("--digest-key-secret={DIGEST_KEY}"),
            ],
            "env": [{
                "name": "RUNTIME_NAMESPACE",
                "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}},
            }],
            "ports": [
                {"name": "http", "containerPort": HTTP_PORT, "protocol": "TCP"},
                {"name": "artifacts", "containerPort": ARTIFACT_PORT, "protocol": "TCP"},
            ],
            "livenessProbe": probe("/healthz"),
            "readinessProbe": probe("/readyz"),
            "resources": {
                "requests": {"cpu": "100m", "memory": "128Mi"},
                "limits": {"memory": "1Gi"},
            },
            "securityContext": {
                "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true,
                "runAsNonRoot": true,
                "capabilities": {"drop": ["ALL"]},
            },
            "volumeMounts": [
                {"name": "state", "mountPath": "/state"},
                {"name": "temporary", "mountPath": "/tmp"},
            ],
        })
    }
}

/// What hence does with its own rights, besides what units ask for.
pub(super) struct Permission {
    /// The API group.
    pub(super) group: &'static str,
    /// Plurals, with subresources.
    pub(super) resources: &'static [&'static str],
    /// The verbs.
    pub(super) verbs: &'static [&'static str],
}

/// All of them.
pub(super) fn permissions() -> Vec<Permission> {
    let units: &[&str] = &["kustomizations", "kustomizations/status", "kustomizations/finalizers"];
    let sources: &[&str] = &["*"];
    let keep: &[&str] = &["get", "list", "watch", "patch", "update"];
    let read: &[&str] = &["get", "list", "watch"];
    vec![
        Permission { group: "kustomize.toolkit.fluxcd.io", resources: units, verbs: keep },
        Permission { group: "source.toolkit.fluxcd.io", resources: sources, verbs: keep },
        Permission {
            group: "apiextensions.k8s.io",
            resources: &["customresourcedefinitions"],
            verbs: read,
        },
        Permission {
            group: "",
            resources: &["secrets", "configmaps", "namespaces", "serviceaccounts"],
            verbs: read,
        },
        Permission { group: "", resources: &["events"], verbs: &["create", "patch"] },
        // Units that name a service account are written with its rights.
        Permission { group: "", resources: &["serviceaccounts"], verbs: &["impersonate"] },
        Permission {
            group: "coordination.k8s.io",
            resources: &["leases"],
            verbs: &["get", "create", "update", "patch"],
        },
        Permission {
            group: "authentication.k8s.io",
            resources: &["tokenreviews"],
            verbs: &["create"],
        },
    ]
}

/// What finds the pod.
fn selector() -> Value {
    json!({"app": NAME})
}

fn labels() -> Value {
    json!({
        "app": NAME,
        "app.kubernetes.io/name": NAME,
        "app.kubernetes.io/part-of": NAME,
        "app.kubernetes.io/version": concat!("v", env!("CARGO_PKG_VERSION")),
        MANAGED_BY: OURS,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout() -> Layout {
        Layout {
            namespace: "flux-system".to_owned(),
            image: "registry.example/hence:v1".to_owned(),
            storage: "5Gi".to_owned(),
            storage_class: None,
            kinds: vec!["Kustomization".to_owned()],
            cluster_admin: true,
            cluster_domain: "cluster.local".to_owned(),
        }
    }

    #[test]
    fn these_objects_in_this_order() {
        let names = |layout: &Layout| -> Vec<String> {
            let name = |object: &Value| {
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                format!("{}/{}", text(&object["kind"]), text(&object["metadata"]["name"]))
            };
            layout.objects().iter().map(name).collect()
        };
        insta::assert_snapshot!(names(&layout()).join("\n"), @r"
        Namespace/flux-system
        ServiceAccount/hence
        ServiceAccount/hence-reader
        ClusterRole/hence-controller-flux-system
        ClusterRoleBinding/hence-controller-flux-system
        ClusterRoleBinding/hence-reconciler-flux-system
        Role/hence-digest-key
        RoleBinding/hence-digest-key
        Service/hence-artifacts
        Service/hence
        StatefulSet/hence
        ");
        let confined = Layout { cluster_admin: false, ..layout() };
        assert!(!names(&confined).iter().any(|name| name.contains("reconciler")));
    }

    #[test]
    fn the_program_runs_confined() {
        let set = layout().stateful_set();
        let pod = &set["spec"]["template"]["spec"];
        let container = &pod["containers"][0];
        assert_eq!(set["spec"]["replicas"], 1);
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
        assert_eq!(container["image"], "registry.example/hence:v1");
        assert_eq!(set["spec"]["volumeClaimTemplates"][0]["metadata"]["name"], "state");
    }

    #[test]
    fn the_pod_is_what_the_service_and_the_set_select() {
        let (set, service) = (layout().stateful_set(), layout().service(NAME, 1, "http"));
        let labels = &set["spec"]["template"]["metadata"]["labels"];
        for selector in [&set["spec"]["selector"]["matchLabels"], &service["spec"]["selector"]] {
            for (key, value) in selector.as_object().expect("a map") {
                assert_eq!(&labels[key], value, "{key}");
            }
        }
    }
}
