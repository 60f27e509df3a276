//! The trees that are built: the same files on every machine, of any size.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use hence::model::ContentId;
use hence::model::Digest;
use hence::model::Entry;
use hence::model::FileTree;
use hence::model::TreeError;

/// A source's files as the daemon holds them: names and ids in memory, ids made of content.
#[derive(Default)]
pub struct Files {
    files: BTreeMap<String, (ContentId, Arc<[u8]>)>,
    directories: BTreeSet<String>,
}

impl Files {
    /// All files below `root`.
    pub fn read(root: &Path) -> Self {
        let mut files = Self::default();
        files.add(root, "");
        files
    }

    fn add(&mut self, root: &Path, directory: &str) {
        self.directories.insert(directory.to_owned());
        for entry in fs::read_dir(root.join(directory)).expect("a directory") {
            let entry = entry.expect("an entry");
            let name = entry.file_name().into_string().expect("a name of ours");
            let path = if directory.is_empty() { name } else { format!("{directory}/{name}") };
            if entry.file_type().expect("a type").is_dir() {
                self.add(root, &path);
            } else {
                self.update(root, &path);
            }
        }
    }

    /// Reads one file anew.
    pub fn update(&mut self, root: &Path, path: &str) {
        let bytes = fs::read(root.join(path)).expect("a file");
        let id = ContentId::new(&Digest::of(&bytes).to_string());
        self.files.insert(path.to_owned(), (id, bytes.into()));
    }
}

impl FileTree for Files {
    fn entry(&self, path: &str) -> Result<Option<Entry>, TreeError> {
        if let Some((id, _)) = self.files.get(path) {
            return Ok(Some(Entry::File { id: id.clone() }));
        }
        let directory = self.directories.get(path);
        Ok(directory.map(|path| Entry::Directory { id: ContentId::new(path) }))
    }

    fn read(&self, path: &str) -> Result<Arc<[u8]>, TreeError> {
        let found = self.files.get(path).map(|(_, bytes)| Arc::clone(bytes));
        found.ok_or_else(|| TreeError::NotAFile { path: path.to_owned() })
    }

    fn list(&self, _: &str) -> Result<Vec<(String, Entry)>, TreeError> {
        Ok(Vec::new()) // a build does not ask
    }
}

/// Writes one file below `root`.
pub fn write(root: &Path, path: &str, text: &str) {
    let at = root.join(path);
    fs::create_dir_all(at.parent().expect("a file stands in a directory")).expect("a directory");
    fs::write(at, text).expect("a file");
}

/// One application: a Deployment, a Service, a ConfigMap, as people write them.
fn application(name: &str, i: usize) -> String {
    format!(
        r#"apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  labels:
    app: {name}
  annotations:
    note: "number {i}"
spec:
  replicas: {replicas}
  selector:
    matchLabels:
      app: {name}
  template:
    metadata:
      labels:
        app: {name}
    spec:
      serviceAccountName: default
      containers:
      - name: main
        image: registry.example.com/team/{name}:1.{i}.0
        args: ["--listen", ":8080", "--level=info"]
        ports:
        - name: http
          containerPort: 8080
        env:
        - name: SETTINGS
          valueFrom:
            configMapKeyRef:
              name: {name}-settings
              key: settings
        resources:
          requests: {{cpu: 100m, memory: 128Mi}}
          limits:
            memory: 256Mi
        readinessProbe:
          httpGet:
            path: /ready
            port: http
---
apiVersion: v1
kind: Service
metadata:
  name: {name}
spec:
  selector:
    app: {name}
  ports:
  - name: http
    port: 80
    targetPort: http
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {name}-settings
data:
  settings: |
    level = info
    number = {i}
    # the rest is as it comes
  "on": "yes"
"#,
        replicas = 1 + i % 5,
    )
}

/// A base of `objects` objects, in files of up to 30.
pub fn base(root: &Path, objects: usize) {
    let applications = objects.div_ceil(3);
    let mut names = String::new();
    for (n, chunk) in (0..applications).collect::<Vec<_>>().chunks(10).enumerate() {
        let texts: Vec<String> =
            chunk.iter().map(|&i| application(&format!("app-{i}"), i)).collect();
        write(root, &format!("file-{n}.yaml"), &texts.join("---\n"));
        writeln!(names, "- file-{n}.yaml").expect("a string takes all");
    }
    write(root, "kustomization.yaml", &format!("resources:\n{names}"));
}

const PLAIN: &str = "resources:
- ../base
namePrefix: prod-
commonAnnotations:
  owner: team-a
images:
- name: registry.example.com/team/app-1
  newTag: 2.0.0
";

const PATCHED: &str = "namespace: prod
resources:
- ../base
labels:
- pairs:
    stage: prod
images:
- name: registry.example.com/team/app-1
  newTag: 2.0.0
patches:
- path: patch.yaml
";

/// A strategic merge: one field is written over, one item joins a list.
const PATCH: &str = "apiVersion: apps/v1
kind: Deployment
metadata:
  name: app-1
spec:
  replicas: 7
  template:
    spec:
      containers:
      - name: main
        env:
        - name: STAGE
          value: prod
";

/// An overlay over a base of `objects` objects that needs no schema.
pub fn plain(root: &Path, objects: usize) {
    base(&root.join("base"), objects);
    write(root, "overlay/kustomization.yaml", PLAIN);
}

/// An overlay with namespace and strategic merge over a base of `objects` objects.
pub fn patched(root: &Path, objects: usize) {
    base(&root.join("base"), objects);
    write(root, "overlay/kustomization.yaml", PATCHED);
    write(root, "overlay/patch.yaml", PATCH);
}

/// The directory of one of many overlays.
pub fn overlay_name(i: usize) -> String {
    format!("overlays/o-{i:04}")
}

/// `count` overlays over two shared bases, of which one stands on the other.
pub fn overlays(root: &Path, count: usize) {
    base(&root.join("base"), 12);
    write(root, "stage/kustomization.yaml", "resources:\n- ../base\nnamePrefix: stage-\n");
    for i in 0..count {
        let directory = overlay_name(i);
        let (from, target) = if i % 2 == 0 { ("base", "app-1") } else { ("stage", "stage-app-1") };
        let text = format!(
            "namespace: tenant-{i}
resources:
- ../../{from}
labels:
- pairs:
    tenant: tenant-{i}
images:
- name: registry.example.com/team/app-2
  newTag: 3.0.{i}
configMapGenerator:
- name: tenant
  literals:
  - number={i}
patches:
- path: patch.yaml
"
        );
        write(root, &format!("{directory}/kustomization.yaml"), &text);
        write(root, &format!("{directory}/patch.yaml"), &PATCH.replace("app-1", target));
    }
}
