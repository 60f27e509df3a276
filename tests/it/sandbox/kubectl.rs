//! kubectl against the sandbox: what a person does who explores the demo.

use super::Running;
use crate::support::tools;
use std::io::Write;
use std::process::Command;
use std::process::Stdio;

const MANIFESTS: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: shop}
spec:
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec:
      containers:
      - {name: api, image: 'nginx:1.25', ports: [{containerPort: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: api, namespace: shop}
spec:
  selector: {app: api}
  ports: [{port: 80, name: http}]
";

impl Running {
    /// Runs kubectl with `input`; gives what it printed. `code` is the wanted exit code.
    fn kubectl(&self, code: i32, input: &str, arguments: &[&str]) -> String {
        let mut child = Command::new(tools::find("kubectl"))
            .arg("--kubeconfig")
            .arg(&self.kubeconfig)
            .arg("--cache-dir")
            .arg(self.kubeconfig.with_extension("cache"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kubectl runs and takes its input");
        child
            .stdin
            .take()
            .expect("kubectl runs and takes its input")
            .write_all(input.as_bytes())
            .expect("kubectl reads its input");
        let output = child.wait_with_output().expect("kubectl runs and takes its input");
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(output.status.code(), Some(code), "kubectl {arguments:?}: {text}");
        text
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_works_with_kubectl() {
    let running = Running::start().await;
    let apply = ["apply", "-f", "-"];
    let first = running.kubectl(0, MANIFESTS, &apply);
    assert_eq!(first.matches("created").count(), 3, "{first}");
    let second = running.kubectl(0, MANIFESTS, &apply);
    assert_eq!(second.matches("unchanged").count(), 3, "{second}");
    let third = running.kubectl(0, MANIFESTS, &["apply", "--server-side", "-f", "-"]);
    assert_eq!(third.matches("serverside-applied").count(), 3, "{third}");
    assert_eq!(running.kubectl(0, MANIFESTS, &["diff", "-f", "-"]), "");

    running.kubectl(0, "", &["-n", "shop", "set", "image", "deploy/api", "api=nginx:2"]);
    running.kubectl(0, "", &["-n", "shop", "scale", "deploy/api", "--replicas=3"]);
    running.kubectl(0, "", &["-n", "shop", "label", "deploy/api", "tier=web"]);
    let wide = running.kubectl(0, "", &["-n", "shop", "get", "deploy", "-o", "wide"]);
    assert!(wide.contains("0/3") && wide.contains("nginx:2") && wide.contains("app=api"), "{wide}");
    let diff = running.kubectl(1, MANIFESTS, &["diff", "-f", "-"]);
    assert!(
        diff.contains("-        image: nginx:2") || diff.contains("-      - image: nginx:2"),
        "{diff}"
    );

    let explained = running.kubectl(0, "", &["explain", "deploy.spec.replicas"]);
    assert!(explained.contains("replicas <integer>"), "{explained}");
    let resources = running.kubectl(0, "", &["api-resources", "--api-group=apps"]);
    assert!(resources.contains("deployments"), "{resources}");
    let strict = MANIFESTS.replace("selector: {app: api}", "nonsense: 1");
    let refused = running.kubectl(1, &strict, &apply);
    assert!(refused.contains("unknown field \"spec.nonsense\""), "{refused}");

    let deleted = running.kubectl(0, "", &["delete", "namespace", "shop", "--wait"]);
    assert!(deleted.contains("deleted"), "{deleted}");
    let gone = running.kubectl(0, "", &["get", "deploy,svc", "-A"]);
    assert!(gone.contains("No resources found"), "{gone}");
}
