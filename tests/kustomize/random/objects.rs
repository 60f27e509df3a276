//! Random Kubernetes objects.

use super::dice::Dice;
use super::scope::Made;

/// A piece of YAML; scalars hold their text as written.
#[derive(Clone, Debug)]
pub enum Y {
    Scalar(String),
    Map(Vec<(String, Y)>),
    List(Vec<Y>),
}

pub fn s(text: &str) -> Y {
    Y::Scalar(text.to_owned())
}

pub fn map<const N: usize>(entries: [(&str, Y); N]) -> Y {
    Y::Map(entries.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
}

impl Y {
    pub fn put(&mut self, key: &str, value: Y) {
        if let Y::Map(entries) = self {
            entries.push((key.to_owned(), value));
        }
    }

    pub fn get_mut(&mut self, key: &str) -> Option<&mut Y> {
        match self {
            Y::Map(entries) => entries.iter_mut().find(|(k, _)| k == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// Block style, as people write it.
    pub fn print(&self) -> String {
        let mut out = String::new();
        self.write(0, &mut out);
        out
    }

    pub fn write(&self, depth: usize, out: &mut String) {
        let indent = "  ".repeat(depth);
        match self {
            Y::Scalar(text) => out.push_str(&format!("{indent}{text}\n")),
            Y::Map(entries) if entries.is_empty() => out.push_str(&format!("{indent}{{}}\n")),
            Y::List(items) if items.is_empty() => out.push_str(&format!("{indent}[]\n")),
            Y::Map(entries) => {
                for (key, value) in entries {
                    match value {
                        Y::Scalar(text) if text.contains('\n') => {
                            out.push_str(&format!("{indent}{key}: |\n"));
                            for line in text.lines() {
                                out.push_str(&format!("{indent}  {line}\n"));
                            }
                        }
                        Y::Scalar(text) => out.push_str(&format!("{indent}{key}: {text}\n")),
                        Y::Map(list) if list.is_empty() => {
                            out.push_str(&format!("{indent}{key}: {{}}\n"))
                        }
                        Y::List(list) if list.is_empty() => {
                            out.push_str(&format!("{indent}{key}: []\n"))
                        }
                        Y::List(_) => {
                            out.push_str(&format!("{indent}{key}:\n"));
                            value.write(depth, out);
                        }
                        Y::Map(_) => {
                            out.push_str(&format!("{indent}{key}:\n"));
                            value.write(depth + 1, out);
                        }
                    }
                }
            }
            Y::List(items) => {
                for item in items {
                    let mut text = String::new();
                    item.write(depth + 1, &mut text);
                    let at = 2 * depth;
                    text.replace_range(at..at + 2, "- ");
                    out.push_str(&text);
                }
            }
        }
    }
}

pub const NAMES: &[&str] = &["web", "db", "cache", "web-2", "a", "job1"];
pub const CONFIGS: &[&str] = &["conf", "settings", "web", "env"];
pub const ACCOUNTS: &[&str] = &["robot", "default", "web"];
pub const NAMESPACES: &[&str] = &["prod", "dev", "default", "kube-system"];
pub const IMAGES: &[&str] = &[
    "nginx",
    "nginx:1.7.9",
    "redis:6@sha256:24a0c4b4a4c0eb97a1aabb8e29f18e917d05abfe1b7a7c07857230879ce7d3d3",
    "gcr.io:8080/team/app:v1",
    "gcr.io:8080/team/app",
    "busybox@sha256:24a0c4b4a4c0eb97a1aabb8e29f18e917d05abfe1b7a7c07857230879ce7d3d3",
];
/// Scalars that mean different things to different readers.
pub const ODD: &[&str] = &[
    "plain",
    "'quoted'",
    "\"5\"",
    "5",
    "0777",
    "1e3",
    "1.50",
    "yes",
    "\"on\"",
    "true",
    "null",
    "~",
    "\"\"",
    "2020-01-02",
    "1_000",
    "0x1F",
    "12345678901234567890",
    "a b",
    "'a: b'",
    "x#y",
    "'#c'",
    "\"line\\nbreak\"",
    "-1",
    "0.1",
    "\"true\"",
    "!!str 7",
    "=",
    "on",
    "'1.0'",
    "3000000",
];

pub fn label_map(dice: &mut Dice) -> Y {
    let mut made = map([("app", s(dice.word(&["web", "db", "'1'", "x"])))]);
    if dice.chance(40) {
        made.put("tier", s(dice.word(&["front", "back", "\"on\""])));
    }
    if dice.chance(15) {
        made.put("example.com/part", s(dice.word(&["a", "\"2\""])));
    }
    made
}

fn metadata(dice: &mut Dice, name: &str, namespaced: bool) -> Y {
    let mut meta = map([("name", s(name))]);
    if namespaced && dice.chance(30) {
        meta.put("namespace", s(dice.word(NAMESPACES)));
    }
    if dice.chance(40) {
        meta.put("labels", label_map(dice));
    }
    if dice.chance(30) {
        let mut notes = map([("note", s(dice.word(&["hello", "\"1\"", "'yes'", "$(VAR)"])))]);
        if dice.chance(10) {
            notes
                .put("config.kubernetes.io/local-config", s(dice.word(&["\"true\"", "\"false\""])));
        }
        if dice.chance(8) {
            notes.put("internal.config.kubernetes.io/index", s("'0'"));
        }
        meta.put("annotations", notes);
    } else if dice.chance(4) {
        meta.put("annotations", Y::Map(Vec::new()));
    }
    meta
}

fn container(dice: &mut Dice, name: &str) -> Y {
    let mut made = map([("name", s(name)), ("image", s(dice.word(IMAGES)))]);
    if dice.chance(40) {
        let mut env = vec![map([
            ("name", s("A")),
            ("value", s(dice.word(&["x", "\"1\"", "$(VAR)", "'true'"]))),
        ])];
        if dice.chance(50) {
            let source = if dice.chance(50) { "configMapKeyRef" } else { "secretKeyRef" };
            let reference = map([("name", s(dice.word(CONFIGS))), ("key", s("k"))]);
            env.push(map([("name", s("B")), ("valueFrom", map([(source, reference)]))]));
        }
        made.put("env", Y::List(env));
    }
    if dice.chance(25) {
        let from = if dice.chance(50) { "configMapRef" } else { "secretRef" };
        made.put("envFrom", Y::List(vec![map([(from, map([("name", s(dice.word(CONFIGS)))]))])]));
    }
    if dice.chance(40) {
        let mut ports = Vec::new();
        for port in ["80", "443", "8080"].iter().take(1 + dice.below(3)) {
            let mut one = map([("containerPort", s(port))]);
            if dice.chance(50) {
                one.put("protocol", s(dice.word(&["TCP", "UDP"])));
            }
            if dice.chance(40) {
                one.put("name", s(&format!("p{port}")));
            }
            ports.push(one);
        }
        made.put("ports", Y::List(ports));
    }
    if dice.chance(25) {
        made.put("args", Y::List(vec![s("--x"), s(dice.word(ODD)), s("'--v=$(VAR)'")]));
    }
    if dice.chance(20) {
        made.put("volumeMounts", Y::List(vec![map([("name", s("v")), ("mountPath", s("/data"))])]));
    }
    made
}

pub fn pod_spec(dice: &mut Dice) -> Y {
    let mut containers = vec![container(dice, "main")];
    if dice.chance(30) {
        containers.push(container(dice, "side"));
    }
    let mut spec = map([("containers", Y::List(containers))]);
    if dice.chance(15) {
        spec.put("initContainers", Y::List(vec![container(dice, "init")]));
    } else if dice.chance(4) {
        spec.put("initContainers", s(""));
    }
    if dice.chance(30) {
        let volume = match dice.below(4) {
            0 => map([("name", s("v")), ("configMap", map([("name", s(dice.word(CONFIGS)))]))]),
            1 => map([("name", s("v")), ("secret", map([("secretName", s(dice.word(CONFIGS)))]))]),
            2 => map([("name", s("v")), ("emptyDir", Y::Map(Vec::new()))]),
            _ => {
                let source = map([("configMap", map([("name", s(dice.word(CONFIGS)))]))]);
                map([("name", s("v")), ("projected", map([("sources", Y::List(vec![source]))]))])
            }
        };
        spec.put("volumes", Y::List(vec![volume]));
    }
    if dice.chance(20) {
        spec.put("serviceAccountName", s(dice.word(ACCOUNTS)));
    }
    if dice.chance(10) {
        spec.put("imagePullSecrets", Y::List(vec![map([("name", s(dice.word(CONFIGS)))])]));
    }
    if dice.chance(10) {
        let selector = map([("matchLabels", label_map(dice))]);
        let constraint =
            map([("maxSkew", s("1")), ("topologyKey", s("zone")), ("labelSelector", selector)]);
        spec.put("topologySpreadConstraints", Y::List(vec![constraint]));
    }
    if dice.chance(10) {
        spec.put("tolerations", Y::List(vec![map([("key", s("k")), ("operator", s("Exists"))])]));
    }
    spec
}

fn template(dice: &mut Dice) -> Y {
    let mut made = Y::Map(Vec::new());
    if dice.chance(70) {
        made.put("metadata", map([("labels", label_map(dice))]));
    }
    made.put("spec", pod_spec(dice));
    made
}

/// apiVersion, kind, and whether it is namespaced.
pub const KINDS: &[(&str, &str, bool)] = &[
    ("apps/v1", "Deployment", true),
    ("apps/v1", "Deployment", true),
    ("apps/v1", "StatefulSet", true),
    ("apps/v1", "DaemonSet", true),
    ("batch/v1", "Job", true),
    ("batch/v1", "CronJob", true),
    ("v1", "Pod", true),
    ("v1", "Service", true),
    ("v1", "Service", true),
    ("v1", "ConfigMap", true),
    ("v1", "ConfigMap", true),
    ("v1", "Secret", true),
    ("v1", "ServiceAccount", true),
    ("rbac.authorization.k8s.io/v1", "Role", true),
    ("rbac.authorization.k8s.io/v1", "RoleBinding", true),
    ("rbac.authorization.k8s.io/v1", "ClusterRole", false),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", false),
    ("v1", "Namespace", false),
    ("networking.k8s.io/v1", "Ingress", true),
    ("autoscaling/v2", "HorizontalPodAutoscaler", true),
    ("policy/v1", "PodDisruptionBudget", true),
    ("networking.k8s.io/v1", "NetworkPolicy", true),
    ("v1", "PersistentVolumeClaim", true),
    ("v1", "PersistentVolume", false),
    ("storage.k8s.io/v1", "StorageClass", false),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition", false),
    ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", false),
    ("apiregistration.k8s.io/v1", "APIService", false),
    ("example.com/v1", "Widget", true),
    ("example.com/v1", "Widget", true),
    ("apps/v1", "ReplicaSet", true),
    ("v1", "ReplicationController", true),
    ("batch/v1beta1", "CronJob", true),
    ("networking.k8s.io/v1beta1", "Ingress", true),
    ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", false),
    ("cert-manager.io/v1", "Certificate", true),
    ("cert-manager.io/v1", "ClusterIssuer", false),
    ("monitoring.coreos.com/v1", "ServiceMonitor", true),
];

pub fn object(dice: &mut Dice) -> Made {
    let &(api_version, kind, namespaced) = dice.pick(KINDS);
    let names = match kind {
        "ConfigMap" | "Secret" => CONFIGS,
        "ServiceAccount" => ACCOUNTS,
        "Namespace" => NAMESPACES,
        _ => NAMES,
    };
    let name = dice.text(names);
    let meta = metadata(dice, &name, namespaced);
    let namespace = match &meta {
        Y::Map(entries) => {
            entries.iter().find(|(k, _)| k == "namespace").and_then(|(_, v)| match v {
                Y::Scalar(text) => Some(text.clone()),
                _ => None,
            })
        }
        _ => None,
    };
    let mut yaml = map([("apiVersion", s(api_version)), ("kind", s(kind)), ("metadata", meta)]);
    body(dice, kind, &mut yaml);
    Made { api_version, kind, name, namespace, yaml, is_twice: false, is_changed: false }
}

fn body(dice: &mut Dice, kind: &str, yaml: &mut Y) {
    match kind {
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "ReplicationController" => {
            let mut spec = Y::Map(Vec::new());
            if dice.chance(50) {
                spec.put("replicas", s(dice.word(&["1", "3", "null"])));
            }
            if dice.chance(60) {
                spec.put("selector", map([("matchLabels", label_map(dice))]));
            }
            spec.put("template", template(dice));
            if kind == "StatefulSet" {
                spec.put("serviceName", s(dice.word(NAMES)));
                if dice.chance(50) {
                    let claim = map([
                        ("metadata", map([("name", s("data"))])),
                        ("spec", map([("storageClassName", s("web"))])),
                    ]);
                    spec.put("volumeClaimTemplates", Y::List(vec![claim]));
                }
            }
            yaml.put("spec", spec);
        }
        "Job" => yaml.put("spec", map([("template", template(dice))])),
        "CronJob" => {
            let job = map([("spec", map([("template", template(dice))]))]);
            yaml.put("spec", map([("schedule", s("'* * * * *'")), ("jobTemplate", job)]));
        }
        "Pod" => {
            let spec = pod_spec(dice);
            yaml.put("spec", spec);
        }
        "Service" => {
            let mut ports =
                vec![map([("port", s("80")), ("targetPort", s(dice.word(&["8080", "http"])))])];
            if dice.chance(40) {
                ports.push(map([("port", s("443")), ("protocol", s("TCP")), ("name", s("tls"))]));
            }
            if dice.chance(15) {
                ports.push(map([("port", s("80")), ("protocol", s("UDP"))]));
            }
            let mut spec = map([("ports", Y::List(ports))]);
            if dice.chance(60) {
                spec.put("selector", label_map(dice));
            }
            yaml.put("spec", spec);
        }
        _ => config(dice, kind, yaml),
    }
}

fn config(dice: &mut Dice, kind: &str, yaml: &mut Y) {
    match kind {
        "ConfigMap" => {
            let mut data = map([("k", s(dice.word(&["v", "\"1\"", "'yes'", "$(VAR)"])))]);
            if dice.chance(40) {
                data.put("file.conf", s("a = 1\nb: [2]\n"));
            }
            if dice.chance(10) {
                data.put("json", s("'{\"a\": {\"b\": 1}}'"));
            }
            yaml.put("data", data);
        }
        "Secret" => {
            yaml.put("type", s("Opaque"));
            yaml.put("data", map([("k", s("dmFsdWU="))]));
            if dice.chance(30) {
                yaml.put("stringData", map([("t", s("x"))]));
            }
        }
        "Role" | "ClusterRole" => {
            let rule = map([
                ("apiGroups", Y::List(vec![s("\"\"")])),
                ("resources", Y::List(vec![s("secrets")])),
                ("resourceNames", Y::List(vec![s(dice.word(CONFIGS))])),
                ("verbs", Y::List(vec![s("get")])),
            ]);
            yaml.put("rules", Y::List(vec![rule]));
        }
        "RoleBinding" | "ClusterRoleBinding" => binding(dice, kind, yaml),
        "Ingress" => {
            let service =
                map([("name", s(dice.word(NAMES))), ("port", map([("number", s("80"))]))]);
            let path = map([
                ("path", s("/")),
                ("pathType", s("Prefix")),
                ("backend", map([("service", service)])),
            ]);
            let rule = map([
                ("host", s("x.example.com")),
                ("http", map([("paths", Y::List(vec![path]))])),
            ]);
            let mut spec = map([("rules", Y::List(vec![rule]))]);
            if dice.chance(40) {
                spec.put("tls", Y::List(vec![map([("secretName", s(dice.word(CONFIGS)))])]));
            }
            yaml.put("spec", spec);
        }
        _ => scaling(dice, kind, yaml),
    }
}

fn scaling(dice: &mut Dice, kind: &str, yaml: &mut Y) {
    match kind {
        "HorizontalPodAutoscaler" => {
            let target = map([
                ("apiVersion", s("apps/v1")),
                ("kind", s("Deployment")),
                ("name", s(dice.word(NAMES))),
            ]);
            let metric = map([("type", s("Resource")), ("resource", map([("name", s("cpu"))]))]);
            yaml.put(
                "spec",
                map([
                    ("scaleTargetRef", target),
                    ("maxReplicas", s("3")),
                    ("metrics", Y::List(vec![metric])),
                ]),
            );
        }
        "PodDisruptionBudget" => {
            let selector = map([("matchLabels", label_map(dice))]);
            yaml.put(
                "spec",
                map([("minAvailable", s(dice.word(&["1", "50%"]))), ("selector", selector)]),
            );
        }
        "NetworkPolicy" => {
            let peer = map([("podSelector", map([("matchLabels", label_map(dice))]))]);
            let rule = map([("from", Y::List(vec![peer]))]);
            yaml.put(
                "spec",
                map([
                    ("podSelector", map([("matchLabels", label_map(dice))])),
                    ("ingress", Y::List(vec![rule])),
                ]),
            );
        }
        "PersistentVolumeClaim" => {
            yaml.put(
                "spec",
                map([
                    ("volumeName", s(dice.word(NAMES))),
                    ("accessModes", Y::List(vec![s("ReadWriteOnce")])),
                ]),
            );
        }
        _ => extension(dice, kind, yaml),
    }
}

fn extension(dice: &mut Dice, kind: &str, yaml: &mut Y) {
    match kind {
        "CustomResourceDefinition" => {
            let config = map([("service", map([("name", s("web")), ("namespace", s("dev"))]))]);
            let webhook = map([("clientConfig", config)]);
            yaml.put(
                "spec",
                map([("group", s("example.com")), ("conversion", map([("webhook", webhook)]))]),
            );
        }
        "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration" => {
            let service =
                map([("name", s(dice.word(NAMES))), ("namespace", s(dice.word(NAMESPACES)))]);
            let hook = map([("name", s("h")), ("clientConfig", map([("service", service)]))]);
            yaml.put("webhooks", Y::List(vec![hook]));
        }
        "APIService" => {
            yaml.put("spec", map([("service", map([("name", s(dice.word(NAMES)))]))]));
        }
        "Widget" => {
            let mut spec = map([("a", s(dice.word(ODD))), ("b", s(dice.word(ODD)))]);
            if dice.chance(50) {
                let items = vec![
                    map([("name", s("x")), ("v", s(dice.word(ODD)))]),
                    map([("name", s("y"))]),
                ];
                spec.put("list", Y::List(items));
            }
            if dice.chance(20) {
                spec.put("nothing", s(dice.word(&["null", "~", "", "[]", "{}"])));
            }
            yaml.put("spec", spec);
        }
        "Certificate" | "ClusterIssuer" => {
            let mut spec = map([("secretName", s(dice.word(CONFIGS)))]);
            spec.put("dnsNames", Y::List(vec![s("'*.example.com'"), s("a.example.com")]));
            spec.put(
                "issuerRef",
                map([("name", s(dice.word(NAMES))), ("kind", s("ClusterIssuer"))]),
            );
            yaml.put("spec", spec);
        }
        "ServiceMonitor" => {
            let endpoint =
                map([("port", s("http")), ("interval", s("30s")), ("x", s(dice.word(ODD)))]);
            let names = map([("matchNames", Y::List(vec![s(dice.word(NAMESPACES))]))]);
            yaml.put(
                "spec",
                map([
                    ("selector", map([("matchLabels", label_map(dice))])),
                    ("endpoints", Y::List(vec![endpoint])),
                    ("namespaceSelector", names),
                ]),
            );
        }
        _ => {}
    }
}

fn binding(dice: &mut Dice, kind: &str, yaml: &mut Y) {
    let role = if kind == "RoleBinding" && dice.chance(50) { "Role" } else { "ClusterRole" };
    let reference = map([
        ("apiGroup", s("rbac.authorization.k8s.io")),
        ("kind", s(role)),
        ("name", s(dice.word(NAMES))),
    ]);
    yaml.put("roleRef", reference);
    let mut subject = map([("kind", s("ServiceAccount")), ("name", s(dice.word(ACCOUNTS)))]);
    if dice.chance(60) {
        subject.put("namespace", s(dice.word(NAMESPACES)));
    }
    let mut subjects = vec![subject];
    if dice.chance(20) {
        subjects.push(map([("kind", s("User")), ("name", s("jane"))]));
    }
    yaml.put("subjects", Y::List(subjects));
}
